//! Halt: why one device step did not end well, and what that means for its attempt.

use botswain_action::{Attempt, EffectClass, Object, Outcome, Stop};

/// Why a step did not end well.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Halt {
    /// The attempt must stop.
    Stop(Stop),
    /// The step could not be done.
    Failed {
        code: &'static str,
        message: String,
        retryable: bool,
        effect: Effect,
    },
    /// The program reported something that the model knows.
    Bpmn {
        code: String,
        message: String,
        variables: Object,
    },
}

/// What a failed step left outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    /// It certainly changed nothing.
    None,
    /// It may have changed something.
    Possible,
}

impl From<Stop> for Halt {
    fn from(stop: Stop) -> Self {
        Halt::Stop(stop)
    }
}

impl Halt {
    pub(crate) fn refused(code: &'static str, message: impl Into<String>) -> Self {
        Halt::Failed {
            code,
            message: message.into(),
            retryable: false,
            effect: Effect::None,
        }
    }

    pub(crate) fn message(&self) -> String {
        match self {
            Halt::Stop(stop) => stop.to_string(),
            Halt::Failed { message, .. } => message.clone(),
            Halt::Bpmn { code, message, .. } => format!("{code}: {message}"),
        }
    }

    /// Turns the end of a step into the end of the attempt. `first` is true when no earlier step had an effect.
    pub(crate) fn outcome(
        self,
        attempt: &Attempt<'_>,
        effect_class: EffectClass,
        first: bool,
        step: Option<&str>,
    ) -> Outcome {
        let place = |message: String| match step {
            Some(step) => attempt.mask().text(&format!("step `{step}`: {message}")),
            None => attempt.mask().text(&message),
        };
        match self {
            Halt::Stop(stop) => attempt.stopped(stop, effect_class),
            // The commit point was recorded for this very step, and the step is known to have done nothing.
            Halt::Failed {
                code,
                message,
                retryable,
                effect: Effect::None,
            } if first => Outcome::Failed {
                retryable,
                code: code.to_owned(),
                message: place(message),
            },
            Halt::Failed {
                code,
                message,
                retryable,
                ..
            } => attempt.failed(effect_class, retryable, code, place(message)),
            Halt::Bpmn {
                code,
                message,
                variables,
            } => Outcome::BpmnError {
                code,
                message: place(message),
                variables,
            },
        }
    }
}
