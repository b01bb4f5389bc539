//! Verdicts: what the end of a run means, given its effect class, its commit point and why it was stopped.

use botswain_action::Outcome;
use botswain_proto::message::{BpmnError, EffectClass, Happened, Reason, State, TaskEvent};

use super::Stopping;
use super::intake::{reason, shortened};
use super::ledger::{Entry, Phase};

/// What must happen with an attempt whose run nobody saw the end of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Interrupted {
    /// It certainly did nothing, or doing it twice does no harm.
    MayRepeat(Happened),
    /// A probe can tell.
    MustProbe,
    /// Nobody can tell, and nobody may repeat it.
    Unknown,
}

/// The heart of it: what an interruption means.
pub(super) fn interrupted(entry: &Entry) -> Interrupted {
    let (begun, committed) = match entry.phase {
        Phase::Received => (false, false),
        Phase::Started(_) => (true, false),
        Phase::Committed(_) => (true, true),
    };
    match entry.effect {
        EffectClass::Pure => Interrupted::MayRepeat(Happened::No),
        // Idempotent work need not announce its commit point, because nothing depends on it.
        EffectClass::Idempotent if begun => Interrupted::MayRepeat(Happened::Maybe),
        EffectClass::Idempotent => Interrupted::MayRepeat(Happened::No),
        EffectClass::Checkable if committed => Interrupted::MustProbe,
        EffectClass::AtMostOnce if committed => Interrupted::Unknown,
        EffectClass::Checkable | EffectClass::AtMostOnce => Interrupted::MayRepeat(Happened::No),
    }
}

/// The state and reason of an attempt that was stopped.
pub(super) fn stopped(why: &Stopping) -> (State, Reason) {
    match why {
        Stopping::Cancelled(why) => (State::Cancelled, reason("cancelled", why.clone(), false)),
        Stopping::TimedOut => (
            State::TimedOut,
            reason("run_timeout", "its time limit ended it", true),
        ),
        Stopping::LeaseLost => (
            State::Cancelled,
            reason(
                "lease_lost",
                "the coordinator did not renew the lease in time",
                true,
            ),
        ),
        Stopping::Shutdown => (
            State::Failed,
            reason("agent_stopped", "the agent was stopped", true),
        ),
    }
}

pub(super) fn unknown(end: &mut TaskEvent, code: &str, text: impl Into<String>) {
    end.state = State::Unknown;
    end.happened = Some(Happened::Maybe);
    end.reason = Some(reason(code, text, false));
}

/// Turns what the action said into the attempt's end.
pub(super) fn of_outcome(entry: &Entry, outcome: Outcome, end: &mut TaskEvent) {
    let committed = matches!(entry.phase, Phase::Committed(_));
    let undone = match interrupted(entry) {
        Interrupted::MayRepeat(happened) => happened,
        Interrupted::MustProbe | Interrupted::Unknown => Happened::Maybe,
    };
    match outcome {
        Outcome::Succeeded { output } => {
            end.state = State::Succeeded;
            end.happened = Some(Happened::Yes);
            end.result = bytes_of(&output);
        }
        Outcome::BpmnError {
            code,
            message,
            variables,
        } => {
            end.state = State::BpmnError;
            end.happened = Some(undone);
            end.reason = Some(reason("bpmn_error", message.clone(), false));
            end.bpmn_error = Some(BpmnError {
                code: short_name(code),
                message: shortened(message),
            });
            end.result = bytes_of(&variables);
        }
        Outcome::Rejected { rule, message } => {
            end.state = State::Rejected;
            end.happened = Some(undone);
            end.reason = Some(Reason {
                policy_rule: short_name(rule),
                ..reason("policy", message, false)
            });
        }
        Outcome::Unknown { message } => unknown(end, "unknown", message),
        Outcome::Failed {
            retryable,
            code,
            message,
        } => {
            end.state = State::Failed;
            end.happened = Some(undone);
            end.reason = Some(reason(&short_name(code), message, retryable));
        }
        Outcome::Cancelled {
            undone: nothing_left,
        } => {
            end.state = State::Cancelled;
            end.happened = Some(if nothing_left { Happened::No } else { undone });
            end.reason = Some(reason("cancelled", "it stopped on request", false));
        }
        Outcome::TimedOut => {
            end.state = State::TimedOut;
            end.happened = Some(undone);
            end.reason = Some(reason("run_timeout", "its time limit ended it", true));
        }
    }
    // Past the commit point only a clear word of the action counts; anything less is not known.
    let unclear = matches!(
        end.state,
        State::Failed | State::Cancelled | State::TimedOut | State::Rejected
    );
    if committed && unclear && entry.effect == EffectClass::AtMostOnce {
        let said = end
            .reason
            .take()
            .map_or_else(String::new, |reason| reason.text);
        unknown(
            end,
            "past_commit_point",
            format!("it ended past its commit point: {said}"),
        );
    }
}

fn bytes_of(object: &botswain_action::Object) -> bytes::Bytes {
    serde_json::Value::Object(object.clone()).to_string().into()
}

fn short_name(mut name: String) -> String {
    let max = botswain_proto::limits::NAME_MAX_BYTES;
    if name.len() > max {
        let mut end = max;
        while !name.is_char_boundary(end) {
            end -= 1;
        }
        name.truncate(end);
    }
    if name.is_empty() {
        name.push('-');
    }
    name
}
