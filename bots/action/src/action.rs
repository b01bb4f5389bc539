//! What an action is: one piece of work that a bot or a device does in one attempt.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Attempt, Object, Outcome};

/// Says what a repetition of the action would do, and so what may follow an interruption.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EffectClass {
    /// Changes nothing outside; may be repeated at will.
    Pure,
    /// A repetition leaves the outside as one run does.
    Idempotent,
    /// `Action::probe` can find out whether it happened.
    Checkable,
    /// Must never run again once its commit point was reached.
    AtMostOnce,
}

impl EffectClass {
    /// True when an attempt that was interrupted past its commit point may simply run again.
    pub fn may_repeat(self) -> bool {
        match self {
            Self::Pure | Self::Idempotent => true,
            Self::Checkable | Self::AtMostOnce => false,
        }
    }
}

/// Something of the machine that an action uses; the machine's owner allows or refuses each one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "need", rename_all = "snake_case")]
pub enum Need {
    /// A web browser of its own.
    Browser,
    /// The clerk's screen, mouse and keyboard, alone.
    DesktopSession,
    /// A program, with exactly these arguments.
    Program {
        /// Absolute path, or a name that is looked up in the search path.
        path: String,
        /// The arguments, each as the program receives it.
        args: Vec<String>,
    },
    /// A host that is talked to: `name`, `name:port`, or `*.name` for all hosts below it.
    Host {
        /// The host's pattern.
        host: String,
    },
    /// A folder or file and all below it.
    Folder {
        /// Absolute path.
        path: String,
        /// True when something is written there, false when it is only read.
        write: bool,
    },
    /// A device file: serial port, GPIO chip, sensor.
    Device {
        /// Absolute path.
        path: String,
    },
    /// A service of the operating system that is started, stopped or asked.
    Service {
        /// The unit's name.
        unit: String,
    },
}

/// An input that the action cannot use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("input {place}: {message}")]
pub struct InputError {
    /// Path of the value inside the input, such as `customer.email`.
    pub place: String,
    /// What is wrong with it, and what is expected.
    pub message: String,
}

impl InputError {
    /// Names the place and says what is wrong there.
    pub fn new(place: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            place: place.into(),
            message: message.into(),
        }
    }
}

/// What a look at the outside says about an attempt whose end nobody saw.
#[derive(Debug, Clone, PartialEq)]
pub enum Probe {
    /// It happened; this is what it would have returned.
    Happened {
        /// The output of the attempt that was lost.
        output: Object,
    },
    /// It did certainly not happen; it may run again.
    DidNotHappen,
    /// The outside does not tell.
    CannotTell {
        /// Why not.
        message: String,
    },
}

/// One piece of work that a bot or a device does, without any process logic.
///
/// `run` blocks and is called on a thread of its own. It asks `attempt.checkpoint()` between its steps, so
/// that cancelling and time limits work, and calls `attempt.reach_commit_point()` right before its irreversible step.
/// Input and output are checked against the schemas by the agent, not by the action.
pub trait Action: Send + Sync {
    /// The name under which the agent's policy and the evidence know it.
    fn name(&self) -> &str;

    /// What a repetition would do.
    fn effect(&self) -> EffectClass;

    /// JSON Schema of the input object.
    fn input_schema(&self) -> Value;

    /// JSON Schema of the output object.
    fn output_schema(&self) -> Value;

    /// Everything of the machine that a run with this input uses; the agent compares it with its policy before `run`.
    fn needs(&self, input: &Object) -> Result<Vec<Need>, InputError>;

    /// Does the work once.
    fn run(&self, attempt: &mut Attempt<'_>) -> Outcome;

    /// Finds out whether an interrupted attempt with this input took effect; only `Checkable` actions can.
    fn probe(&self, _attempt: &mut Attempt<'_>) -> Probe {
        Probe::CannotTell {
            message: format!("{} has no way to check", self.name()),
        }
    }
}
