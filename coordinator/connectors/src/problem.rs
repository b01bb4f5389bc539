//! Problems: everything that is wrong with a connector's definition, at once.

use std::fmt;

/// The most problems that are reported of one definition.
const PROBLEMS_MAX: usize = 100;

/// One thing that is wrong with a definition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The key, such as `auth.token`; empty for the definition as a whole.
    pub key: String,
    /// What was found.
    pub message: String,
    /// What to do about it.
    pub remedy: String,
}

/// Everything that is wrong with a definition.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct DefinitionError {
    /// The connector's name.
    pub connector: String,
    /// The problems; never empty.
    pub problems: Vec<Problem>,
}

impl fmt::Display for DefinitionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "connector {}", self.connector)?;
            if !problem.key.is_empty() {
                write!(f, ", {}", problem.key)?;
            }
            write!(f, ": {}; {}", problem.message, problem.remedy)?;
        }
        Ok(())
    }
}

/// Collects problems, so that an author sees all of them and not only the first.
#[derive(Debug, Default)]
pub(crate) struct Problems(Vec<Problem>);

impl Problems {
    pub(crate) fn add(&mut self, key: &str, message: impl Into<String>, remedy: impl Into<String>) {
        if self.0.len() < PROBLEMS_MAX {
            self.0.push(Problem {
                key: key.to_owned(),
                message: message.into(),
                remedy: remedy.into(),
            });
        }
    }

    pub(crate) fn into_error(self, connector: &str) -> Option<DefinitionError> {
        (!self.0.is_empty()).then(|| DefinitionError {
            connector: connector.to_owned(),
            problems: self.0,
        })
    }
}
