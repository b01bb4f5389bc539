//! How an attempt may end.

use serde::{Deserialize, Serialize};

use crate::{InputError, Object};

/// The end of one attempt, as the agent's journal and the coordinator record it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    /// The work is done.
    Succeeded {
        /// What the action returns to the process.
        output: Object,
    },
    /// The work was not done, for a technical reason.
    Failed {
        /// True when another attempt may succeed without anybody changing anything.
        retryable: bool,
        /// A short stable word, such as `selector_not_found`.
        code: String,
        /// What happened, where, and what to do about it.
        message: String,
    },
    /// The work ended in a way that the model knows about, to be caught by a boundary event.
    BpmnError {
        /// The error code that the model catches.
        code: String,
        /// For people.
        message: String,
        /// Variables for the catching event.
        variables: Object,
    },
    /// Nothing was started, because the machine's owner does not allow it.
    Rejected {
        /// The rule of the policy that decided, or the one that is missing.
        rule: String,
        /// What was asked and how the owner could allow it.
        message: String,
    },
    /// The attempt was stopped on request.
    Cancelled {
        /// True when nothing of it remains outside.
        undone: bool,
    },
    /// The time limit ended the attempt before its commit point.
    TimedOut,
    /// It may have happened; nobody may silently repeat it.
    Unknown {
        /// What is known: the last step, and what the screen showed.
        message: String,
    },
}

impl Outcome {
    /// A technical failure that another attempt may not meet.
    pub fn retryable(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Failed {
            retryable: true,
            code: code.into(),
            message: message.into(),
        }
    }

    /// A technical failure that stays until somebody changes something.
    pub fn failed(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Failed {
            retryable: false,
            code: code.into(),
            message: message.into(),
        }
    }
}

impl From<InputError> for Outcome {
    fn from(error: InputError) -> Self {
        Self::failed("input", error.to_string())
    }
}
