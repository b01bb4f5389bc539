//! Deployments: files are read and compiled before the writer sees them, so that a large model keeps nobody waiting.

use super::ask::{Refusal, RefusalKind};
use botswain_bpmn::{Limits, Problem};
use botswain_engine::{Process, compile};
use std::sync::Arc;

/// A file of a deployment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resource {
    /// Its name.
    pub name: String,
    /// What it holds.
    pub bytes: Vec<u8>,
}

/// Files whose processes can be executed.
#[derive(Debug)]
pub struct Deployment(Vec<(Arc<Resource>, Process)>);

impl Deployment {
    /// Reads and compiles all files. Takes about a second for the largest model that is read, so not on a thread that others
    /// wait for.
    ///
    /// # Errors
    /// All problems of all files, each with its element, place and remedy.
    pub fn compile(resources: Vec<Resource>) -> Result<Deployment, Refusal> {
        let refused = |message: String| Refusal::new(RefusalKind::InvalidArgument, message);
        if resources.is_empty() {
            let message = "Expected to deploy at least one resource, but none given";
            return Err(refused(message.to_owned()));
        }
        let mut wrong = Vec::new();
        let mut made: Vec<(Arc<Resource>, Process)> = Vec::new();
        for resource in resources {
            let resource = Arc::new(resource);
            match botswain_bpmn::read(&resource.bytes, &Limits::default())
                .and_then(|model| compile(&model))
            {
                Ok(processes) => {
                    for process in processes {
                        if let Some((other, _)) =
                            made.iter().find(|(_, other)| other.id == process.id)
                        {
                            wrong.push(format!(
                                "'{}':\n- Element: {}\n    - ERROR: the process id is used by '{}' of the same deployment too",
                                resource.name, process.id, other.name
                            ));
                        }
                        made.push((Arc::clone(&resource), process));
                    }
                }
                Err(problems) => wrong.push(in_words(&resource.name, &problems)),
            }
        }
        if wrong.is_empty() {
            return Ok(Deployment(made));
        }
        let wrong = wrong.join("\n");
        Err(refused(format!(
            "Expected to deploy new resources, but encountered the following errors:\n{wrong}"
        )))
    }

    /// How many bytes its files have.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.0
            .iter()
            .map(|(resource, _)| resource.bytes.len())
            .sum()
    }

    pub(super) fn into_processes(self) -> Vec<(Arc<Resource>, Process)> {
        self.0
    }
}

fn in_words(file: &str, problems: &[Problem]) -> String {
    let mut text = format!("'{file}':");
    for problem in problems {
        let element = problem.element.as_deref().unwrap_or("definitions");
        let place = match problem.line {
            0 => String::new(),
            line => format!(" (line {line}, column {})", problem.column),
        };
        text.push_str(&format!(
            "\n- Element: {element}{place}\n    - ERROR: {} [{}]: {}",
            problem.message, problem.code, problem.remedy
        ));
    }
    text
}
