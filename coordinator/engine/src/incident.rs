//! Incidents: what an instance cannot repair by itself.

use serde::{Deserialize, Serialize};

/// What kind of problem an incident is. The names are those that Camunda 8's clients know (`JOB_NO_RETRIES`, …).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum IncidentKind {
    /// A job failed and has no retries left.
    JobNoRetries,
    /// A condition has no boolean value, or no sequence flow was chosen.
    ConditionError,
    /// An expression of the element has no usable value.
    ExtractValueError,
    /// An input or output mapping failed.
    IoMappingError,
    /// A BPMN error was thrown that nobody catches.
    UnhandledErrorEvent,
    /// Something that the element names does not exist.
    ResourceNotFound,
    /// The outcome of an attempt is unknown: it may have happened, and nobody may silently repeat it.
    AttemptUnknown,
    /// A join waits for a sequence flow that no live token can reach.
    JoinUnreachable,
    /// The instance activates elements again and again without waiting for anything.
    Spinning,
    /// A value, a scope or the instance grew beyond its limit.
    LimitExceeded,
}

impl IncidentKind {
    /// The name on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            IncidentKind::JobNoRetries => "JOB_NO_RETRIES",
            IncidentKind::ConditionError => "CONDITION_ERROR",
            IncidentKind::ExtractValueError => "EXTRACT_VALUE_ERROR",
            IncidentKind::IoMappingError => "IO_MAPPING_ERROR",
            IncidentKind::UnhandledErrorEvent => "UNHANDLED_ERROR_EVENT",
            IncidentKind::ResourceNotFound => "RESOURCE_NOT_FOUND",
            IncidentKind::AttemptUnknown => "ATTEMPT_UNKNOWN",
            IncidentKind::JoinUnreachable => "JOIN_UNREACHABLE",
            IncidentKind::Spinning => "SPINNING",
            IncidentKind::LimitExceeded => "LIMIT_EXCEEDED",
        }
    }
}

/// A problem found while deciding: it becomes an incident of the token at hand.
#[derive(Clone, Debug, PartialEq)]
pub struct Problem {
    /// What kind.
    pub kind: IncidentKind,
    /// What was expected, what was found, what to do.
    pub message: String,
}

impl Problem {
    /// A problem of that kind.
    pub fn new(kind: IncidentKind, message: impl Into<String>) -> Problem {
        Problem {
            kind,
            message: message.into(),
        }
    }
}
