//! Reconciliation: coordinator and agent compare what is open after every connection, and nothing is guessed.

use super::agents::HelloRefused;
use super::attempt::{AttemptState, End};
use super::desk::{Desk, Now, Place, job_key};
use super::events::Decided;
use super::route::repeatable;
use super::workers::SessionId;
use botswain_proto::ids::{AgentId, AttemptId, Epoch, Fence};
use botswain_proto::limits::OPEN_MAX;
use botswain_proto::message::{Happened, Hello, Known, OpenAttempt, Reason, State, Sync, SyncItem};
use bytes::Bytes;

impl Desk {
    /// Connects an agent: the answer to its Hello, and what has to be told to the engine.
    ///
    /// # Errors
    /// Why this connection may not be used.
    pub fn hello(
        &mut self,
        agent: &AgentId,
        session: SessionId,
        hello: &Hello,
        now: Now,
    ) -> Result<(Sync, Vec<Decided>), HelloRefused> {
        let journal_lost = self.agents.connect(agent, session, hello)?;
        let mut close = Vec::new();
        for open in &hello.open {
            let known = self.attempts.get(&open.attempt);
            let ours = known.filter(|known| {
                known.agent() == Some(agent)
                    && known.row.fence == open.fence.0
                    && known.row.job.as_i64() == open.job.0
            });
            match ours {
                Some(known) if known.row.state == AttemptState::Closing => {
                    if !open.state.is_end() {
                        close.push(open.attempt);
                    }
                }
                Some(_) if !open.state.is_end() => {
                    self.advance(open.attempt, AttemptState::of(open.state), now);
                    self.renew_attempt(open.attempt, now);
                }
                // Its end is in the agent's outbox and follows.
                Some(_) => {}
                None if open.state.is_end() => {}
                None => close.push(open.attempt),
            }
        }
        let mut decided = Vec::new();
        if journal_lost {
            let known =
                |attempt: &AttemptId| hello.open.iter().any(|open| open.attempt == *attempt);
            for attempt in self
                .attempts_of(agent)
                .into_iter()
                .filter(|attempt| !known(attempt))
            {
                decided.extend(self.forgotten(attempt, "the agent lost its journal", now));
            }
        }
        close.truncate(OPEN_MAX);
        let sync = self.sync(agent, close, now);
        self.wake_all();
        Ok((sync, decided))
    }

    /// Takes an agent's answer to a Sync.
    pub fn sync_answer(&mut self, agent: &AgentId, items: &[SyncItem], now: Now) -> Vec<Decided> {
        let mut decided = Vec::new();
        for item in items {
            let Some(known) = self
                .attempts
                .get(&item.attempt)
                .filter(|known| known.agent() == Some(agent))
            else {
                continue;
            };
            let (state, started, job) = (
                known.row.state,
                known.row.started_at.is_some(),
                known.row.job,
            );
            match item.known {
                Known::Ended => {}
                Known::Open => {
                    if state == AttemptState::Lost {
                        self.advance(item.attempt, AttemptState::Accepted, now);
                    }
                    self.renew_attempt(item.attempt, now);
                }
                Known::NeverSeen if started || state == AttemptState::Accepted => {
                    decided.extend(self.forgotten(
                        item.attempt,
                        "the agent does not know an attempt that it had accepted",
                        now,
                    ));
                }
                Known::NeverSeen => self.never_arrived(item.attempt, now),
                Known::FenceAhead => {
                    if let Some(&slot) = self.index.get(&job) {
                        let entry = &mut self.entries[slot as usize];
                        let current = known.row.fence == entry.fence;
                        if current {
                            decided.extend(self.fence_ahead(item.attempt, now));
                        }
                        // Never lower: the next attempt has to outrank everything the agent has seen.
                        if let Some(&slot) = self.index.get(&job) {
                            let entry = &mut self.entries[slot as usize];
                            entry.fence = entry.fence.max(item.fence.0);
                        }
                    } else {
                        self.never_arrived(item.attempt, now);
                    }
                }
            }
        }
        decided
    }

    /// What the coordinator believes to be at an agent.
    pub(super) fn sync(&self, agent: &AgentId, close: Vec<AttemptId>, now: Now) -> Sync {
        let open = self
            .attempts
            .values()
            .filter(|known| known.agent() == Some(agent))
            .filter(|known| !close.contains(&known.row.id));
        Sync {
            epoch: Epoch(self.settings.epoch),
            open: open
                .map(|known| OpenAttempt {
                    attempt: known.row.id,
                    job: job_key(known.row.job),
                    fence: Fence(known.row.fence),
                    state: known.row.state.to_wire(),
                })
                .take(OPEN_MAX)
                .collect(),
            close,
            beat_ms: self.settings.beat_ms,
            now_ms: now.wall,
        }
    }

    fn attempts_of(&self, agent: &AgentId) -> Vec<AttemptId> {
        self.attempts
            .values()
            .filter(|known| known.agent() == Some(agent))
            .map(|known| known.row.id)
            .collect()
    }

    /// The agent's journal does not know the attempt, and its journal is whole: it certainly did not happen.
    fn never_arrived(&mut self, attempt: AttemptId, now: Now) {
        let Some(known) = self.attempts.get_mut(&attempt) else {
            return;
        };
        let (job, fence) = (known.row.job, known.row.fence);
        let waits_here = self.index.get(&job).is_some_and(|slot| {
            let entry = &self.entries[*slot as usize];
            entry.fence == fence && entry.place == Place::Attempt(attempt)
        });
        if waits_here && known.row.state != AttemptState::Closing {
            known.row.state = AttemptState::Offered;
            known.lease_until = now.mono.saturating_add(known.row.limits.lease_ms);
            let accept_by = known.row.limits.accept_by_ms.min(known.row.limits.lease_ms);
            self.out
                .changes
                .push(super::Change::Attempt(Box::new(known.row.clone())));
            if let Some(&slot) = self.index.get(&job) {
                self.leases.set(slot, now.mono.saturating_add(accept_by));
            }
            self.again.push(attempt);
        } else {
            self.end_quietly(attempt, AttemptState::Cancelled, Happened::No, now);
        }
    }

    /// The agent may have done it and cannot remember.
    fn forgotten(&mut self, attempt: AttemptId, why: &str, now: Now) -> Option<Decided> {
        let known = self.attempts.get_mut(&attempt)?;
        if known.row.state == AttemptState::Closing {
            self.end_quietly(attempt, AttemptState::Unknown, Happened::Maybe, now);
            return None;
        }
        if repeatable(known.row.effect) {
            known.row.state = AttemptState::Offered;
            known.row.started_at = None;
            self.never_arrived(attempt, now);
            return None;
        }
        self.end_as_unknown(attempt, why, now)
    }

    fn fence_ahead(&mut self, attempt: AttemptId, now: Now) -> Option<Decided> {
        let why = "the agent knows of a later attempt at this job than the coordinator (was an older backup restored?)";
        self.end_as_unknown(attempt, why, now)
    }

    fn end_as_unknown(&mut self, attempt: AttemptId, why: &str, now: Now) -> Option<Decided> {
        let reason = Reason {
            code: "unknown".to_owned(),
            text: why.to_owned(),
            ..Reason::default()
        };
        let end = End {
            state: State::Unknown,
            happened: Happened::Maybe,
            reason: Some(reason),
            ..End::success(Bytes::new())
        };
        self.end_attempt(attempt, end, now).decided
    }

    fn end_quietly(
        &mut self,
        attempt: AttemptId,
        state: AttemptState,
        happened: Happened,
        now: Now,
    ) {
        let Some(known) = self.attempts.get_mut(&attempt) else {
            return;
        };
        known.row.state = state;
        known.row.happened = Some(happened);
        known.row.ended_at = Some(now.wall);
        self.out
            .changes
            .push(super::Change::Attempt(Box::new(known.row.clone())));
        self.finish(attempt);
    }
}
