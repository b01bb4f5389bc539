//! Outcome: what a connector is given, how its call may end, and what it leaves as evidence.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::Object;

/// What a repetition of the call would do at the other side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// Changes nothing.
    Pure,
    /// A repetition leaves the other side as one call does.
    Idempotent,
    /// A repetition may do it twice, so nobody repeats it unasked.
    AtMostOnce,
}

impl Effect {
    pub(crate) fn parse(word: &str) -> Option<Self> {
        match word {
            "pure" => Some(Self::Pure),
            "idempotent" => Some(Self::Idempotent),
            "at_most_once" => Some(Self::AtMostOnce),
            _ => None,
        }
    }
}

/// Whether a failed call may have had its effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Happened {
    /// It certainly had none: another leg may do the job.
    No,
    /// It may have had it: the same connector may repeat the call, another leg must not do the job unasked.
    Perhaps,
}

/// How one call ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// The job is done.
    Succeeded {
        /// What the job gives back.
        variables: Object,
    },
    /// The job is not done as far as is known, and repeating the call does no harm.
    Failed {
        /// Whether a repetition may succeed.
        retryable: bool,
        /// Whether the effect may be there all the same.
        happened: Happened,
        /// How long the other side asked to wait.
        retry_after: Option<Duration>,
        /// What went wrong, for an operator.
        message: String,
    },
    /// The other side refused for a reason that the model knows.
    BpmnError {
        /// The code that a boundary event catches.
        code: String,
        /// What happened, for people.
        message: String,
        /// What the boundary event is given.
        variables: Object,
    },
    /// The effect may have happened and must not be repeated unasked.
    Unknown {
        /// What is known, for an operator.
        message: String,
    },
}

/// What was sent and came back, with secrets masked: one entry of the attempt's step log.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Evidence {
    /// The HTTP method; empty if no request could be built.
    pub method: String,
    /// The address; empty if no request could be built.
    pub url: String,
    /// The status of the answer, if one came.
    pub status: Option<u16>,
    /// The length of the request's body.
    pub sent_bytes: u64,
    /// The length of the answer's body, as far as it was read.
    pub received_bytes: u64,
    /// How long the call took, in milliseconds.
    pub elapsed_ms: u64,
}

/// One call, done.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// How it ended.
    pub outcome: Outcome,
    /// What was sent and came back.
    pub evidence: Evidence,
}

/// One attempt at one job, as a connector sees it.
#[derive(Debug, Clone, Copy)]
pub struct JobView<'a> {
    /// The job's type.
    pub job_type: &'a str,
    /// The job's key: the same for every attempt, so it is what an idempotency key is made of.
    pub job_key: &'a str,
    /// The attempt's key: another one for every attempt.
    pub attempt_key: &'a str,
    /// The job's variables.
    pub variables: &'a Object,
    /// The task's headers.
    pub headers: &'a BTreeMap<String, String>,
}

impl JobView<'_> {
    /// The names that expressions see: the variables, and `job` over them.
    pub(crate) fn names(&self) -> Object {
        let mut names = self.variables.clone();
        let job: Value = json!({
            "type": self.job_type,
            "key": self.job_key,
            "attempt": self.attempt_key,
            "headers": self.headers,
        });
        names.insert("job".to_owned(), job);
        names
    }
}
