//! Attempt: what an action is given for one run, and the two ways it talks back, evidence and the commit point.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::{
    Cancel, EffectClass, EvidenceFile, Mask, Matched, Object, Outcome, Secrets, StepRecord,
    StepResult,
};

/// Whoever runs actions: keeps the evidence and makes the commit point durable.
pub trait Runner: Send {
    /// Makes durable that the irreversible step is about to happen; an error forbids the step.
    fn reach_commit_point(&mut self) -> Result<(), String>;

    /// Keeps one line of the step log; secrets are masked already.
    fn record(&mut self, step: StepRecord);

    /// Keeps one file.
    fn keep(&mut self, file: EvidenceFile);
}

/// Why an attempt must not go on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Stop {
    /// Somebody asked for it.
    #[error("the attempt was cancelled")]
    Cancelled,
    /// Its time is over.
    #[error("the attempt's time limit is over")]
    TimedOut,
    /// The commit point could not be made durable, so the irreversible step must not happen.
    #[error("the commit point could not be recorded: {0}")]
    CommitRefused(String),
}

/// Everything an action gets for one run.
pub struct Attempt<'a> {
    input: &'a Object,
    secrets: &'a Secrets,
    mask: Mask,
    folder: &'a Path,
    started: Instant,
    deadline: Instant,
    cancel: Cancel,
    runner: &'a mut dyn Runner,
    committed: bool,
}

impl<'a> Attempt<'a> {
    /// Begins an attempt that may take `limit` from `now` on, with `folder` as its working folder.
    pub fn new(
        input: &'a Object,
        secrets: &'a Secrets,
        folder: &'a Path,
        now: Instant,
        limit: Duration,
        cancel: Cancel,
        runner: &'a mut dyn Runner,
    ) -> Self {
        // A limit too large for the clock is as good as a day.
        let deadline = now
            .checked_add(limit)
            .unwrap_or(now + Duration::from_secs(86_400));
        Self {
            input,
            mask: Mask::new(secrets),
            secrets,
            folder,
            started: now,
            deadline,
            cancel,
            runner,
            committed: false,
        }
    }

    /// The input object.
    pub fn input(&self) -> &'a Object {
        self.input
    }

    /// The secrets of this attempt.
    pub fn secrets(&self) -> &'a Secrets {
        self.secrets
    }

    /// Replaces every secret in a text.
    pub fn mask(&self) -> &Mask {
        &self.mask
    }

    /// A folder of this attempt alone, empty at its start.
    pub fn folder(&self) -> &'a Path {
        self.folder
    }

    /// When the attempt must have ended.
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// The request to stop, for code that waits by itself.
    pub fn cancel(&self) -> &Cancel {
        &self.cancel
    }

    /// How much time is left.
    pub fn time_left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    /// Milliseconds since the attempt began.
    pub fn elapsed_ms(&self) -> u64 {
        millis(self.started.elapsed())
    }

    /// Says whether the attempt may go on; called between steps.
    pub fn checkpoint(&self) -> Result<(), Stop> {
        if self.cancel.is_cancelled() {
            Err(Stop::Cancelled)
        } else if self.time_left().is_zero() {
            Err(Stop::TimedOut)
        } else {
            Ok(())
        }
    }

    /// Makes the commit point durable; called right before the irreversible step, which must not happen on an error.
    pub fn reach_commit_point(&mut self) -> Result<(), Stop> {
        if self.committed {
            return Ok(());
        }
        self.checkpoint()?;
        self.runner
            .reach_commit_point()
            .map_err(Stop::CommitRefused)?;
        self.committed = true;
        Ok(())
    }

    /// True once the commit point was reached.
    pub fn is_committed(&self) -> bool {
        self.committed
    }

    /// The outcome of an attempt that stops here: before the commit point it may be repeated, past it only what its effect class allows.
    pub fn stopped(&self, stop: Stop, effect: EffectClass) -> Outcome {
        if self.committed && !effect.may_repeat() {
            return Outcome::Unknown {
                message: format!("{stop} past its commit point"),
            };
        }
        match stop {
            Stop::Cancelled => Outcome::Cancelled {
                undone: !self.committed,
            },
            Stop::TimedOut => Outcome::TimedOut,
            Stop::CommitRefused(message) => Outcome::retryable("commit_refused", message),
        }
    }

    /// The outcome of an attempt that failed here: past the commit point nobody knows what happened, unless it may be repeated.
    pub fn failed(
        &self,
        effect: EffectClass,
        retryable: bool,
        code: impl Into<String>,
        message: impl AsRef<str>,
    ) -> Outcome {
        let message = self.mask.text(message.as_ref());
        if self.committed && !effect.may_repeat() {
            Outcome::Unknown { message }
        } else {
            Outcome::Failed {
                retryable,
                code: code.into(),
                message,
            }
        }
    }

    /// Keeps one line of the step log, with every secret masked.
    pub fn record(&mut self, step: StepRecord) {
        let text = |text: String| self.mask.text(&text);
        let step = StepRecord {
            index: step.index,
            name: text(step.name),
            started_ms: step.started_ms,
            duration_ms: step.duration_ms,
            result: match step.result {
                StepResult::Done => StepResult::Done,
                StepResult::Failed { message } => StepResult::Failed {
                    message: text(message),
                },
                StepResult::Skipped { reason } => StepResult::Skipped {
                    reason: text(reason),
                },
            },
            matched: step.matched.map(|matched| Matched {
                selector: text(matched.selector),
                ..matched
            }),
            detail: step.detail.map(text),
        };
        self.runner.record(step);
    }

    /// Keeps a text as a file of evidence, with every secret masked.
    pub fn keep_text(&mut self, name: &str, media_type: &str, text: &str) {
        self.runner.keep(EvidenceFile {
            name: name.to_owned(),
            media_type: media_type.to_owned(),
            bytes: self.mask.text(text).into_bytes(),
        });
    }

    /// Keeps a picture; whoever took it has covered the secrets on it.
    pub fn keep_picture(&mut self, name: &str, media_type: &str, bytes: Vec<u8>) {
        self.runner.keep(EvidenceFile {
            name: name.to_owned(),
            media_type: media_type.to_owned(),
            bytes,
        });
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MemoryRunner;

    fn check(
        limit: Duration,
        runner: &mut MemoryRunner,
        test: impl FnOnce(&mut Attempt<'_>, &Cancel),
    ) {
        let input = Object::new();
        let secrets = Secrets::from_iter([("password", "hunter2")]);
        let cancel = Cancel::new();
        let mut attempt = Attempt::new(
            &input,
            &secrets,
            Path::new("/nowhere"),
            Instant::now(),
            limit,
            cancel.clone(),
            runner,
        );
        test(&mut attempt, &cancel);
    }

    const HOUR: Duration = Duration::from_secs(3600);

    #[test]
    fn an_interruption_before_the_commit_point_may_be_repeated() {
        check(HOUR, &mut MemoryRunner::default(), |attempt, cancel| {
            cancel.cancel();
            let stop = attempt.checkpoint().unwrap_err();
            assert_eq!(
                attempt.stopped(stop, EffectClass::AtMostOnce),
                Outcome::Cancelled { undone: true }
            );
        });
    }

    #[test]
    fn an_interruption_past_the_commit_point_is_unknown_unless_it_may_be_repeated() {
        check(HOUR, &mut MemoryRunner::default(), |attempt, _| {
            attempt.reach_commit_point().unwrap();
            assert!(matches!(
                attempt.stopped(Stop::TimedOut, EffectClass::AtMostOnce),
                Outcome::Unknown { .. }
            ));
            assert!(matches!(
                attempt.stopped(Stop::TimedOut, EffectClass::Checkable),
                Outcome::Unknown { .. }
            ));
            assert_eq!(
                attempt.stopped(Stop::TimedOut, EffectClass::Idempotent),
                Outcome::TimedOut
            );
        });
    }

    #[test]
    fn a_commit_point_that_is_not_durable_forbids_the_step() {
        let mut runner = MemoryRunner {
            refuse_commit: Some("disk full".to_owned()),
            ..MemoryRunner::default()
        };
        check(HOUR, &mut runner, |attempt, _| {
            assert_eq!(
                attempt.reach_commit_point(),
                Err(Stop::CommitRefused("disk full".to_owned()))
            );
            assert!(!attempt.is_committed());
        });
    }

    #[test]
    fn a_cancelled_or_late_attempt_never_reaches_its_commit_point() {
        let mut runner = MemoryRunner::default();
        check(HOUR, &mut runner, |attempt, cancel| {
            cancel.cancel();
            assert_eq!(attempt.reach_commit_point(), Err(Stop::Cancelled));
        });
        check(Duration::ZERO, &mut runner, |attempt, _| {
            assert_eq!(attempt.reach_commit_point(), Err(Stop::TimedOut));
        });
        assert_eq!(runner.commit_points, 0);
    }

    #[test]
    fn evidence_and_failures_never_show_a_secret() {
        let mut runner = MemoryRunner::default();
        check(HOUR, &mut runner, |attempt, _| {
            attempt.record(StepRecord {
                index: 0,
                name: "change hunter2".to_owned(),
                started_ms: 0,
                duration_ms: 1,
                result: StepResult::Failed {
                    message: "found hunter2".to_owned(),
                },
                matched: Some(Matched {
                    index: 0,
                    of: 1,
                    selector: "text/hunter2".to_owned(),
                }),
                detail: Some("hunter2".to_owned()),
            });
            attempt.keep_text("page.txt", "text/plain", "hunter2");
            assert!(
                !format!(
                    "{:?}",
                    attempt.failed(EffectClass::Pure, true, "x", "hunter2")
                )
                .contains("hunter2")
            );
        });
        assert!(!format!("{:?}", runner.steps).contains("hunter2"));
        assert!(!String::from_utf8_lossy(&runner.files[0].bytes).contains("hunter2"));
    }
}
