//! Connector functions: what a connector's result and error expressions and an AI agent's tools use.

use smol_str::SmolStr;

use super::{Fault, Outcome, builtins};
use crate::eval::Machine;
use crate::value::{Context, Value};

builtins! {
    "fromAi" from_ai: ("value"; "description"; "type"; "schema"; "options"),
    "bpmnError" bpmn_error: ("code"; "message"; "variables"),
    "jobError" job_error: ("message"; "variables"; "retries"; "retryBackoff"),
    "ignoreError" ignore_error: (; "variables"),
}

// The other arguments describe the value to a model; they do not change it.
fn from_ai(_: &mut Machine<'_>, arguments: &[Value]) -> Outcome {
    arguments.first().cloned().ok_or(Fault::Illegal)
}

fn error(
    machine: &mut Machine<'_>,
    kind: &'static str,
    names: &[&'static str],
    arguments: &[Value],
) -> Outcome {
    let kind = (SmolStr::new_static("errorType"), Value::string(kind));
    let given = names
        .iter()
        .zip(arguments)
        .map(|(name, value)| (SmolStr::new_static(name), value.clone()));
    Ok(machine.context(Context::new(std::iter::once(kind).chain(given)))?)
}

fn bpmn_error(machine: &mut Machine<'_>, arguments: &[Value]) -> Outcome {
    error(
        machine,
        "bpmnError",
        &["code", "message", "variables"],
        arguments,
    )
}

fn job_error(machine: &mut Machine<'_>, arguments: &[Value]) -> Outcome {
    error(
        machine,
        "jobError",
        &["message", "variables", "retries", "retryBackoff"],
        arguments,
    )
}

fn ignore_error(machine: &mut Machine<'_>, arguments: &[Value]) -> Outcome {
    error(machine, "ignoreError", &["variables"], arguments)
}
