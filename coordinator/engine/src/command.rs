//! Commands: what is asked of an instance, and why it may be refused.

use crate::event::Millis;
use crate::key::Key;
use crate::variables::Variables;
use smol_str::SmolStr;

/// What is asked of one segment of an instance.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// The job was done.
    CompleteJob {
        /// The job.
        job: Key,
        /// The result.
        variables: Variables,
    },
    /// A try of the job failed.
    FailJob {
        /// The job.
        job: Key,
        /// How many failures it may still have; 0 raises an incident.
        retries: i32,
        /// Not offered before that time.
        retry_at: Option<Millis>,
        /// What went wrong.
        message: String,
        /// Values for the task's own scope.
        variables: Variables,
    },
    /// The outcome of an attempt is unknown, and the job must not be repeated without a person's word.
    SuspendJob {
        /// The job.
        job: Key,
        /// What is known.
        message: String,
    },
    /// The job ended with a BPMN error.
    ThrowError {
        /// The job.
        job: Key,
        /// The error's code.
        code: SmolStr,
        /// What the worker said.
        message: String,
        /// Values for the handler.
        variables: Variables,
    },
    /// The job may be tried that often.
    SetRetries {
        /// The job.
        job: Key,
        /// At least 1.
        retries: i32,
    },
    /// The person is done.
    CompleteUserTask {
        /// The task.
        task: Key,
        /// The result.
        variables: Variables,
    },
    /// Somebody takes the task, or gives it back.
    AssignUserTask {
        /// The task.
        task: Key,
        /// The assignee, none to give it back.
        assignee: Option<SmolStr>,
    },
    /// The timer's time came.
    FireTimer {
        /// The timer.
        timer: Key,
    },
    /// A message matches the subscription.
    Correlate {
        /// The subscription.
        subscription: Key,
        /// The message.
        message: Key,
        /// What it carries.
        variables: Variables,
    },
    /// The cause of an incident was repaired: try again what failed.
    ResolveIncident {
        /// The incident.
        incident: Key,
    },
    /// Variables are written from outside.
    SetVariables {
        /// The token whose scope is meant.
        scope: Key,
        /// The values.
        variables: Variables,
        /// Whether they stay in that scope; else each goes to the nearest scope that has it, or to the root.
        local: bool,
    },
    /// The whole instance ends.
    Cancel,
    /// The instance goes on with what a step left over.
    Continue,
    /// The instance is stopped because of a bug.
    Stop {
        /// What went wrong.
        reason: String,
    },
}

/// What a new instance is given.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Start {
    /// The variables of the root scope.
    pub variables: Variables,
    /// What the caller calls this instance.
    pub business_id: Option<SmolStr>,
    /// Labels.
    pub tags: Vec<SmolStr>,
}

/// Why a command was refused. Nothing has changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// The thing is not there, or no longer.
    #[error("no such {what} with key '{key}' was found")]
    NotFound {
        /// What was asked for: `job`, `timer`, ….
        what: &'static str,
        /// Its key.
        key: Key,
    },
    /// The thing is there, and not in a state for this.
    #[error("{what} '{key}' is {state}, expected {expected}")]
    InvalidState {
        /// What was asked for.
        what: &'static str,
        /// Its key.
        key: Key,
        /// The state it is in.
        state: &'static str,
        /// The state it would have to be in.
        expected: &'static str,
    },
    /// An argument makes no sense.
    #[error("{0}")]
    InvalidArgument(String),
    /// The instance was stopped after a bug and takes no commands but a cancel.
    #[error(
        "instance '{0}' was stopped after an internal error: cancel it, or report the error that its incident names"
    )]
    Stopped(Key),
}
