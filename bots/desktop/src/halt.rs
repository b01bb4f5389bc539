//! Halt: why a desktop step did not end well; and patience: how long it may wait for something to come true.

use std::time::{Duration, Instant};

use botswain_action::{Attempt, Cancel, Stop};
use x11rb::errors::{ConnectionError, ReplyError, ReplyOrIdError};

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
    },
}

impl Halt {
    /// A failure that stays until somebody changes the bot, its input or the machine.
    pub(crate) fn lasting(code: &'static str, message: impl Into<String>) -> Self {
        Halt::Failed {
            code,
            message: message.into(),
            retryable: false,
        }
    }

    /// A failure that another attempt may not meet.
    pub(crate) fn passing(code: &'static str, message: impl Into<String>) -> Self {
        Halt::Failed {
            code,
            message: message.into(),
            retryable: true,
        }
    }

    pub(crate) fn message(&self) -> String {
        match self {
            Halt::Stop(stop) => stop.to_string(),
            Halt::Failed { message, .. } => message.clone(),
        }
    }
}

impl From<Stop> for Halt {
    fn from(stop: Stop) -> Self {
        Halt::Stop(stop)
    }
}

impl From<ReplyError> for Halt {
    fn from(error: ReplyError) -> Self {
        Halt::passing("x11", format!("the X server refused a request: {error}"))
    }
}

impl From<ConnectionError> for Halt {
    fn from(error: ConnectionError) -> Self {
        Halt::passing(
            "x11",
            format!("the connection to the X server broke: {error}; is the session still there?"),
        )
    }
}

impl From<ReplyOrIdError> for Halt {
    fn from(error: ReplyOrIdError) -> Self {
        Halt::passing("x11", format!("the X server refused a request: {error}"))
    }
}

/// How long one step may wait, and who may interrupt it.
#[derive(Debug, Clone)]
pub(crate) struct Patience {
    cancel: Cancel,
    attempt: Instant,
    step: Instant,
}

impl Patience {
    pub(crate) fn new(attempt: &Attempt<'_>, limit: Duration) -> Self {
        Patience {
            cancel: attempt.cancel().clone(),
            attempt: attempt.deadline(),
            step: Instant::now() + limit,
        }
    }

    /// The same patience, cut to a part of the step.
    pub(crate) fn at_most(&self, limit: Duration) -> Self {
        Patience {
            step: self.step.min(Instant::now() + limit),
            ..self.clone()
        }
    }

    /// Asks again and again until the answer is there; `None` when the step's time is over.
    pub(crate) fn until<T>(
        &self,
        mut ask: impl FnMut() -> Result<Option<T>, Halt>,
    ) -> Result<Option<T>, Halt> {
        let mut pause = Duration::from_millis(1);
        loop {
            if let Some(answer) = ask()? {
                return Ok(Some(answer));
            }
            if !self.pause(pause)? {
                return Ok(None);
            }
            pause = (pause * 2).min(Duration::from_millis(30));
        }
    }

    /// Says whether the step has time left.
    pub(crate) fn is_left(&self) -> bool {
        Instant::now() < self.step
    }

    /// Lets the attempt be interrupted between two actions.
    pub(crate) fn check(&self) -> Result<(), Halt> {
        if self.cancel.is_cancelled() {
            return Err(Halt::Stop(Stop::Cancelled));
        }
        if Instant::now() >= self.attempt {
            return Err(Halt::Stop(Stop::TimedOut));
        }
        Ok(())
    }

    fn pause(&self, pause: Duration) -> Result<bool, Halt> {
        self.check()?;
        let now = Instant::now();
        if now >= self.step {
            return Ok(false);
        }
        let pause = pause
            .min(self.step - now)
            .min(self.attempt.saturating_duration_since(now));
        if self.cancel.wait(pause) {
            Err(Halt::Stop(Stop::Cancelled))
        } else {
            Ok(true)
        }
    }
}
