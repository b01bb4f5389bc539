//! Compile: a model becomes graphs that run, or a list of all its problems with place and remedy.

mod convert;
mod element;
mod graph;
mod structure;
#[cfg(test)]
mod tests;

use crate::process::{Process, Symbols};
use botswain_bpmn::{Model, Problem};

/// As many problems of a model as anybody would read.
const PROBLEMS_MAX: usize = 100;

/// Compiles every executable process of a model.
///
/// # Errors
/// All problems of the model at once.
pub fn compile(model: &Model) -> Result<Vec<Process>, Vec<Problem>> {
    let mut processes = Vec::new();
    let mut problems = Vec::new();
    let executable = model.processes.iter().filter(|process| process.executable);
    for source in executable {
        match graph::compile(model, source, None) {
            Ok(process) => processes.push(process),
            Err(found) => problems.extend(found),
        }
    }
    if processes.is_empty() && problems.is_empty() {
        problems.push(Problem {
            code: "no-executable-process",
            element: None,
            line: 0,
            column: 0,
            message: "must contain at least one executable process".to_owned(),
            remedy: "set isExecutable=\"true\" at the process that is meant to run".to_owned(),
        });
    }
    if problems.is_empty() {
        return Ok(processes);
    }
    if problems.len() > PROBLEMS_MAX {
        let message = format!("problems left out here: {}", problems.len() - PROBLEMS_MAX);
        problems.truncate(PROBLEMS_MAX);
        problems.push(Problem {
            code: "more-problems",
            element: None,
            line: 0,
            column: 0,
            message,
            remedy: "correct the ones above first".to_owned(),
        });
    }
    Err(problems)
}

/// Compiles one process of a stored model again, with the symbol table that was frozen when it was deployed.
///
/// # Errors
/// All problems; among them a name that the table lacks, which means that this build cannot run what another build deployed.
pub fn compile_frozen(
    model: &Model,
    process_id: &str,
    symbols: &Symbols,
) -> Result<Process, Vec<Problem>> {
    let Some(source) = model.process(process_id) else {
        return Err(vec![Problem {
            code: "missing-process",
            element: Some(process_id.to_owned()),
            line: 0,
            column: 0,
            message: format!("the stored model has no process '{process_id}'"),
            remedy: "restore the data folder from a backup".to_owned(),
        }]);
    };
    graph::compile(model, source, Some(symbols))
}
