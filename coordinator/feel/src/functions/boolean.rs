//! Boolean functions: negation, presence, assertion.

use super::{Fault, Outcome, builtins};
use crate::EvaluationError;
use crate::eval::Machine;
use crate::value::Value;

builtins! {
    "not" not: ("negand"),
    "is defined" is_defined: ("value"),
    "is" is: ("value1", "value2"),
    "get or else" get_or_else: ("value", "default"),
    "assert" assert: ("value", "condition"; "cause"),
}

fn not(_: &mut Machine<'_>, arguments: &[Value]) -> Outcome {
    match arguments {
        [Value::Bool(bool)] => Ok(Value::Bool(!bool)),
        [Value::Null] => Ok(Value::Null),
        _ => Err(Fault::Illegal),
    }
}

fn is_defined(_: &mut Machine<'_>, arguments: &[Value]) -> Outcome {
    Ok(Value::Bool(!matches!(arguments, [Value::Null])))
}

// The same type and the same content, with null the same as null only.
fn is(_: &mut Machine<'_>, arguments: &[Value]) -> Outcome {
    match arguments {
        [a, b] => Ok(Value::Bool(a.type_name() == b.type_name() && a == b)),
        _ => Err(Fault::Illegal),
    }
}

fn get_or_else(_: &mut Machine<'_>, arguments: &[Value]) -> Outcome {
    match arguments {
        [Value::Null, default] => Ok(default.clone()),
        [value, _] => Ok(value.clone()),
        _ => Err(Fault::Illegal),
    }
}

fn assert(_: &mut Machine<'_>, arguments: &[Value]) -> Outcome {
    match arguments {
        [value, Value::Bool(true), ..] => Ok(value.clone()),
        [_, _, Value::String(cause)] => {
            Err(Fault::Stop(EvaluationError::Assert(cause.to_string())))
        }
        _ => Err(Fault::Stop(EvaluationError::Assert(
            "The condition is not fulfilled".to_owned(),
        ))),
    }
}
