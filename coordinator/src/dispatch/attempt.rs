//! Attempts: one try of one leg at one job, its states, and what its end means for the job.

use super::route::{LegKind, Limits, repeatable};
use super::workers::SessionId;
use botswain_engine::event::Millis;
use botswain_engine::key::{Key, SegmentId};
use botswain_proto::ids::{AgentId, AttemptId, Digest};
use botswain_proto::message::{BpmnError, EffectClass, Happened, OnLost, Reason, State, TaskEvent};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Where an attempt stands, as the coordinator knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AttemptState {
    /// Sent, or about to be sent.
    Offered,
    /// In the agent's journal.
    Accepted,
    /// Its run began.
    Started,
    /// Its holder fell silent for longer than its lease.
    Lost,
    /// Nobody waits for it any more; its holder was asked to stop.
    Closing,
    /// The work is done.
    Succeeded,
    /// It ended with an error that the model knows.
    BpmnError,
    /// The agent refused.
    Rejected,
    /// It failed.
    Failed,
    /// It was stopped on request.
    Cancelled,
    /// Its time limit ended it.
    TimedOut,
    /// It may have happened.
    Unknown,
}

impl AttemptState {
    /// Whether nothing follows any more.
    #[must_use]
    pub const fn is_end(self) -> bool {
        (self as u8) > (AttemptState::Closing as u8)
    }

    /// The word for people and rows.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            AttemptState::Offered => "offered",
            AttemptState::Accepted => "accepted",
            AttemptState::Started => "started",
            AttemptState::Lost => "lost",
            AttemptState::Closing => "closing",
            AttemptState::Succeeded => "succeeded",
            AttemptState::BpmnError => "bpmn_error",
            AttemptState::Rejected => "rejected",
            AttemptState::Failed => "failed",
            AttemptState::Cancelled => "cancelled",
            AttemptState::TimedOut => "timed_out",
            AttemptState::Unknown => "unknown",
        }
    }

    pub(super) const fn of(state: State) -> AttemptState {
        match state {
            State::Accepted => AttemptState::Accepted,
            State::Started | State::Progress => AttemptState::Started,
            State::Rejected => AttemptState::Rejected,
            State::Succeeded => AttemptState::Succeeded,
            State::Failed => AttemptState::Failed,
            State::BpmnError => AttemptState::BpmnError,
            State::Cancelled => AttemptState::Cancelled,
            State::TimedOut => AttemptState::TimedOut,
            State::Unknown => AttemptState::Unknown,
        }
    }

    /// The state as the agents' wire says it; a lost or closing attempt counts as started, because it may be.
    pub(super) const fn to_wire(self) -> State {
        match self {
            AttemptState::Offered | AttemptState::Accepted => State::Accepted,
            AttemptState::Started | AttemptState::Lost | AttemptState::Closing => State::Started,
            AttemptState::Rejected => State::Rejected,
            AttemptState::Succeeded => State::Succeeded,
            AttemptState::Failed => State::Failed,
            AttemptState::BpmnError => State::BpmnError,
            AttemptState::Cancelled => State::Cancelled,
            AttemptState::TimedOut => State::TimedOut,
            AttemptState::Unknown => State::Unknown,
        }
    }
}

/// Who holds a job.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HolderName {
    /// An agent.
    Agent(AgentId),
    /// The coordinator, by a connector.
    Connector,
    /// A person.
    Person,
    /// A program that asked for the job.
    Worker,
}

impl fmt::Display for HolderName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HolderName::Agent(agent) => write!(f, "agent {agent}"),
            HolderName::Connector => f.write_str("connector"),
            HolderName::Person => f.write_str("person"),
            HolderName::Worker => f.write_str("worker"),
        }
    }
}

/// An attempt as it is stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AttemptRow {
    /// The attempt.
    pub id: AttemptId,
    /// Its job.
    pub job: Key,
    /// Where the job's token lives.
    pub segment: SegmentId,
    /// Its rank among the attempts of its job.
    pub fence: u64,
    /// Who does it.
    pub leg: LegKind,
    /// The version of the route that chose the leg.
    pub route_version: u64,
    /// Who holds it.
    pub holder: HolderName,
    /// Where it stands.
    pub state: AttemptState,
    /// What a repetition would do.
    pub effect: EffectClass,
    /// Its time limits, for what is offered again after a restart.
    pub limits: Limits,
    /// When it was offered first.
    pub offered_at: Millis,
    /// When its run began, as the coordinator heard it.
    pub started_at: Option<Millis>,
    /// When it ended, as the coordinator heard it.
    pub ended_at: Option<Millis>,
    /// How long it waited at its holder, as the holder says.
    pub queued_ms: u64,
    /// How long it ran, as the holder says.
    pub run_ms: u64,
    /// What is known about the outside.
    pub happened: Option<Happened>,
    /// Why it ended otherwise than hoped.
    pub reason: Option<Reason>,
}

/// The end of an attempt, wherever it ran.
#[derive(Clone, Debug, PartialEq)]
pub struct End {
    /// How it ended; not a state on the way.
    pub state: State,
    /// What is known about the outside.
    pub happened: Happened,
    /// Why, for every end but success.
    pub reason: Option<Reason>,
    /// JSON object as text; empty where there is none.
    pub result: Bytes,
    /// A larger result, stored as evidence.
    pub result_ref: Option<(Digest, u64)>,
    /// The error that the model catches.
    pub bpmn_error: Option<BpmnError>,
    /// Time between arrival and start.
    pub queued_ms: u64,
    /// Time between start and end.
    pub run_ms: u64,
}

impl End {
    /// A success with its result.
    #[must_use]
    pub fn success(result: Bytes) -> End {
        End {
            state: State::Succeeded,
            happened: Happened::Yes,
            reason: None,
            result,
            result_ref: None,
            bpmn_error: None,
            queued_ms: 0,
            run_ms: 0,
        }
    }

    pub(super) fn of(event: &TaskEvent) -> End {
        End {
            state: event.state,
            happened: event.happened.unwrap_or(Happened::Maybe),
            reason: event.reason.clone(),
            result: event.result.clone(),
            result_ref: event.result_ref,
            bpmn_error: event.bpmn_error.clone(),
            queued_ms: event.queued_ms,
            run_ms: event.run_ms,
        }
    }

    /// Why it ended, in a sentence for people.
    #[must_use]
    pub fn message(&self) -> String {
        let Some(reason) = &self.reason else {
            return AttemptState::of(self.state).word().replace('_', " ");
        };
        let mut text = match (reason.text.as_str(), reason.code.as_str()) {
            ("", "") => AttemptState::of(self.state).word().to_owned(),
            ("", code) => code.to_owned(),
            (text, _) => text.to_owned(),
        };
        if !reason.policy_rule.is_empty() {
            text.push_str(&format!(
                " (rule of the agent's policy: {})",
                reason.policy_rule
            ));
        }
        text
    }
}

/// An attempt that is not over, or whose holder has not said so.
pub(super) struct Attempt {
    pub(super) row: AttemptRow,
    /// Monotonic: the holder keeps it until then.
    pub(super) lease_until: u64,
    /// The connection it was sent on.
    pub(super) session: Option<SessionId>,
}

impl Attempt {
    pub(super) fn on_lost(&self) -> OnLost {
        self.row.limits.on_lost(self.row.effect)
    }

    pub(super) fn agent(&self) -> Option<&AgentId> {
        match &self.row.holder {
            HolderName::Agent(agent) => Some(agent),
            HolderName::Connector | HolderName::Person | HolderName::Worker => None,
        }
    }
}

/// What the end of an attempt means for its job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ruling {
    /// The job is done.
    Complete,
    /// The model's error.
    Throw,
    /// The same leg once more, with another holder if it was refused.
    SameLeg,
    /// The next leg.
    NextLeg,
    /// A failure that the model's retries count; `false` spends them all.
    Fail(bool),
    /// Nobody may repeat it without a person's word.
    Suspend,
}

/// What may still be tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Chances {
    /// Another agent could take what this one refused.
    pub(super) other_holder: bool,
    /// The leg may be tried again before the next one.
    pub(super) tries_left: bool,
    /// There is a next leg.
    pub(super) next_leg: bool,
}

/// The code with which an agent rejects an attempt because it knows of a later one.
pub(super) const FENCE_REASON: &str = "fence";

/// Rules on the end of an attempt. A next leg gets the job only where the attempt certainly did nothing, and nothing is
/// repeated that its class does not allow.
pub(super) fn rule(end: &End, effect: EffectClass, chances: Chances) -> Ruling {
    let retryable = end.reason.as_ref().is_some_and(|reason| reason.retryable);
    match (end.state, end.happened) {
        (State::Succeeded, _) => Ruling::Complete,
        (State::BpmnError, _) => Ruling::Throw,
        // The agent knows of a later attempt than the coordinator: that one may have happened.
        (State::Rejected, _)
            if end
                .reason
                .as_ref()
                .is_some_and(|reason| reason.code == FENCE_REASON) =>
        {
            Ruling::Suspend
        }
        (State::Rejected, _) if chances.other_holder => Ruling::SameLeg,
        (State::Rejected, _) if chances.next_leg => Ruling::NextLeg,
        // "Not now" is no failure: the job asks again later, and costs the model no retry.
        (State::Rejected, _) if retryable => Ruling::SameLeg,
        (State::Rejected, _) => Ruling::Fail(false),
        (_, Happened::No) if chances.next_leg && retryable && chances.tries_left => Ruling::SameLeg,
        (_, Happened::No) if chances.next_leg => Ruling::NextLeg,
        (_, Happened::No) => Ruling::Fail(retryable),
        _ if repeatable(effect) => {
            Ruling::Fail(retryable || end.state == State::Unknown || end.state == State::TimedOut)
        }
        _ => Ruling::Suspend,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end(state: State, happened: Happened, retryable: bool) -> End {
        let reason = Some(Reason {
            retryable,
            ..Reason::default()
        });
        End {
            state,
            happened,
            reason,
            ..End::success(Bytes::new())
        }
    }

    const NOTHING_LEFT: Chances = Chances {
        other_holder: false,
        tries_left: false,
        next_leg: false,
    };
    const FALLBACK: Chances = Chances {
        other_holder: false,
        tries_left: false,
        next_leg: true,
    };

    #[test]
    fn the_next_leg_gets_only_what_certainly_did_not_happen() {
        use EffectClass::{AtMostOnce, Checkable, Idempotent, Pure};
        for effect in [Pure, Idempotent, Checkable, AtMostOnce] {
            assert_eq!(
                rule(&end(State::Failed, Happened::No, true), effect, FALLBACK),
                Ruling::NextLeg
            );
            for happened in [Happened::Yes, Happened::Maybe] {
                for state in [
                    State::Failed,
                    State::TimedOut,
                    State::Cancelled,
                    State::Unknown,
                ] {
                    assert_ne!(
                        rule(&end(state, happened, true), effect, FALLBACK),
                        Ruling::NextLeg
                    );
                }
            }
        }
    }

    #[test]
    fn what_may_have_happened_is_repeated_only_where_its_class_allows_it() {
        for state in [
            State::Failed,
            State::TimedOut,
            State::Cancelled,
            State::Unknown,
        ] {
            let end = end(state, Happened::Maybe, true);
            assert_eq!(
                rule(&end, EffectClass::AtMostOnce, FALLBACK),
                Ruling::Suspend
            );
            assert_eq!(
                rule(&end, EffectClass::Checkable, FALLBACK),
                Ruling::Suspend
            );
            assert_eq!(
                rule(&end, EffectClass::Idempotent, FALLBACK),
                Ruling::Fail(true)
            );
        }
    }

    #[test]
    fn a_refusal_goes_to_another_agent_first() {
        let refused = end(State::Rejected, Happened::No, false);
        let chances = Chances {
            other_holder: true,
            ..FALLBACK
        };
        assert_eq!(
            rule(&refused, EffectClass::AtMostOnce, chances),
            Ruling::SameLeg
        );
        assert_eq!(
            rule(&refused, EffectClass::AtMostOnce, FALLBACK),
            Ruling::NextLeg
        );
        assert_eq!(
            rule(&refused, EffectClass::AtMostOnce, NOTHING_LEFT),
            Ruling::Fail(false)
        );
        let not_now = end(State::Rejected, Happened::No, true);
        assert_eq!(
            rule(&not_now, EffectClass::AtMostOnce, NOTHING_LEFT),
            Ruling::SameLeg
        );
    }
}
