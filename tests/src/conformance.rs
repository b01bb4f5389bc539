//! Conformance: other people's cases against the engine alone, in a world of one thread whose time only jumps.

pub mod betsy;
pub mod corpus;
pub mod simulation;
pub mod world;

use std::fmt;

/// What came of one case.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// What was expected happened.
    Passed,
    /// Something else happened.
    Failed(String),
    /// The model says something that is not executed, by its elements.
    NotYet(String),
}

impl Verdict {
    /// The word for tables.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Verdict::Passed => "passed",
            Verdict::Failed(_) => "failed",
            Verdict::NotYet(_) => "not yet",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Verdict::Passed => f.write_str(self.word()),
            Verdict::Failed(why) | Verdict::NotYet(why) => write!(f, "{}: {why}", self.word()),
        }
    }
}
