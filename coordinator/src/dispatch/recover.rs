//! Recovery: the desk is rebuilt from stored jobs and attempts, and takes nothing from anybody that may still work.

use super::attempt::{Attempt, AttemptRow, AttemptState, End, HolderName};
use super::desk::{Desk, Entry, Job, Now, Place};
use super::events::Decided;
use super::route::LegKind;
use super::workers::SessionId;
use botswain_engine::event::Millis;
use botswain_proto::ids::{AgentId, AttemptId};
use botswain_proto::message::{Happened, Reason, State};
use bytes::Bytes;
use smol_str::SmolStr;

/// An open job as the store has it.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredJob {
    /// The job.
    pub job: Job,
    /// The leg it waits for or is at, where that is not the route's first choice.
    pub leg: Option<SmolStr>,
    /// Who holds it.
    pub hold: StoredHold,
}

/// Who holds a stored job.
#[derive(Clone, Debug, PartialEq)]
pub enum StoredHold {
    /// Nobody.
    Free,
    /// A worker, until that time.
    Worker {
        /// On the wall clock.
        lease_until: Millis,
    },
    /// An agent, a connector or a person.
    Attempt(Box<AttemptRow>),
    /// Nobody, until a person has spoken.
    Suspended,
}

/// The connection of workers that are not connected (any more); the runtime numbers real ones from 1.
const NO_SESSION: SessionId = SessionId(0);
const REMEMBERED: usize = 16_384;

impl Desk {
    /// Takes an open job from the store, after its type's route is set. Something is decided where the coordinator itself
    /// was at work on it when it stopped.
    pub fn restore(&mut self, stored: StoredJob, now: Now) -> Option<Decided> {
        let StoredJob { job, leg, hold } = stored;
        if self.index.contains_key(&job.key) {
            return None;
        }
        let kind = self.kind(&job.job_type);
        let leg = leg.and_then(|leg| leg.parse::<LegKind>().ok());
        let at = leg
            .as_ref()
            .and_then(|leg| self.kinds[kind as usize].route.find(leg));
        if at.is_none() && hold == StoredHold::Free {
            self.open(job, now);
            return None;
        }
        let slot = self.enter(Entry {
            key: job.key,
            segment: job.segment,
            token: job.token,
            kind,
            priority: job.priority,
            retries: job.retries,
            fence: job.fence,
            by_worker: matches!(hold, StoredHold::Worker { .. }),
            leg: at.unwrap_or(0),
            after: false,
            tries: 1,
            place: Place::Deciding,
        });
        match hold {
            StoredHold::Free if job.retries <= 0 => {
                self.entries[slot as usize].place = Place::NoRetries
            }
            StoredHold::Free if job.available_at > now.wall => self.delay(slot, job.available_at),
            StoredHold::Free => self.enqueue(slot),
            StoredHold::Suspended => self.entries[slot as usize].place = Place::Suspended,
            StoredHold::Worker { lease_until } => {
                let worker = self.kinds[kind as usize].route.find(&LegKind::Worker);
                let entry = &mut self.entries[slot as usize];
                entry.leg = worker.unwrap_or(entry.leg);
                entry.place = Place::Worker(NO_SESSION, 0);
                let left = u64::try_from(lease_until.saturating_sub(now.wall)).unwrap_or(0);
                self.leases.set(slot, now.mono.saturating_add(left));
            }
            StoredHold::Attempt(row) => {
                let at = self.kinds[kind as usize].route.find(&row.leg);
                let entry = &mut self.entries[slot as usize];
                entry.leg = at.unwrap_or(entry.leg);
                entry.fence = entry.fence.max(row.fence);
                entry.place = Place::Attempt(row.id);
                let (id, state, holder) = (row.id, row.state, row.holder.clone());
                let until = now.mono.saturating_add(row.limits.lease_ms);
                self.restore_attempt(*row, now);
                match holder {
                    // The whole lease again: the agent could not know that nobody heard its beats.
                    HolderName::Agent(_) if state != AttemptState::Lost => {
                        self.leases.set(slot, until)
                    }
                    HolderName::Connector => return self.interrupted(id, now),
                    HolderName::Agent(_) | HolderName::Person | HolderName::Worker => {}
                }
            }
        }
        None
    }

    /// Takes an attempt from the store that is not over and no longer holds its job.
    pub fn restore_attempt(&mut self, row: AttemptRow, now: Now) {
        if let HolderName::Agent(agent) = &row.holder
            && self.agents.get(agent).is_none()
        {
            self.agents.enrol(agent.clone(), Vec::new());
        }
        match (&row.holder, &row.leg) {
            (HolderName::Agent(agent), _) => {
                if let Some(agent) = self.agents.get_mut(agent) {
                    agent.held += 1;
                }
            }
            (HolderName::Connector, LegKind::Connector(name)) => {
                if let Some(connector) = self.connectors.get_mut(name) {
                    connector.held += 1;
                }
            }
            _ => {}
        }
        let lease_until = now.mono.saturating_add(row.limits.lease_ms);
        self.attempts.insert(
            row.id,
            Attempt {
                row,
                lease_until,
                session: None,
            },
        );
    }

    /// Attempts out of a Hello that the desk does not know: what the store says of them is told with `remember`.
    #[must_use]
    pub fn unknown<'a>(&self, attempts: impl IntoIterator<Item = &'a AttemptId>) -> Vec<AttemptId> {
        let known = |attempt: &&AttemptId| {
            !self.attempts.contains_key(attempt) && !self.ended.contains_key(attempt)
        };
        attempts.into_iter().filter(known).copied().collect()
    }

    /// Remembers that an attempt is over, so that its end, sent once more, is known as a duplicate.
    pub fn remember(&mut self, attempt: AttemptId, agent: Option<AgentId>) {
        self.remember_ended(attempt, agent, REMEMBERED);
    }

    /// A call that was under way when the coordinator stopped: it may have happened.
    fn interrupted(&mut self, attempt: AttemptId, now: Now) -> Option<Decided> {
        let reason = Reason {
            code: "interrupted".to_owned(),
            text: "the coordinator stopped during the call".to_owned(),
            retryable: true,
            policy_rule: String::new(),
        };
        let end = End {
            state: State::Unknown,
            happened: Happened::Maybe,
            reason: Some(reason),
            ..End::success(Bytes::new())
        };
        self.end_attempt(attempt, end, now).decided
    }
}
