//! What holders say about their attempts, and what it means: a verdict for the sender, a decision for the engine.

use super::attempt::{AttemptState, Chances, End, Ruling, rule};
use super::desk::{Desk, Now, Place, later};
use super::outbox::{Audit, Change, Notice};
use super::route::LegKind;
use super::workers::SessionId;
use botswain_engine::key::{Key, SegmentId};
use botswain_proto::ids::{AgentId, AttemptId, Digest};
use botswain_proto::message::{Beat, Happened, State, TaskEvent, Verdict};
use bytes::Bytes;
use smol_str::{SmolStr, format_smolstr};

/// What became of a holder's word.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// For the receipt, which is sent after the commit.
    pub verdict: Verdict,
    /// For the engine.
    pub decided: Option<Decided>,
}

/// Something that the engine has to be told.
#[derive(Clone, Debug, PartialEq)]
pub struct Decided {
    /// The job.
    pub job: Key,
    /// Where its token lives.
    pub segment: SegmentId,
    /// The token that waits for it.
    pub token: Key,
    /// What to tell.
    pub decision: Decision,
}

/// What the engine has to be told about a job. The desk waits for the engine's event, or for `Desk::refused`.
#[derive(Clone, Debug, PartialEq)]
pub enum Decision {
    /// It was done.
    Complete {
        /// JSON object as text; empty where there is none.
        result: Bytes,
        /// A larger result, stored as evidence.
        result_ref: Option<(Digest, u64)>,
    },
    /// It ended with an error that the model knows.
    ThrowError {
        /// The code.
        code: SmolStr,
        /// For people.
        message: String,
        /// JSON object as text; empty where there is none.
        variables: Bytes,
    },
    /// A try failed.
    Fail {
        /// How many failures it may still have.
        retries: i32,
        /// The next try comes after that long.
        retry_after_ms: u64,
        /// For people.
        message: String,
    },
    /// It may have happened: nobody may repeat it without a person's word.
    Suspend {
        /// For people.
        message: String,
    },
}

impl Desk {
    /// Takes an agent's word about an attempt.
    pub fn on_event(&mut self, agent: &AgentId, event: &TaskEvent, now: Now) -> Answer {
        let answer = |verdict| Answer {
            verdict,
            decided: None,
        };
        let Some(known) = self.attempts.get(&event.attempt) else {
            return answer(match self.ended.get(&event.attempt) {
                Some(Some(owner)) if owner == agent => Verdict::Duplicate,
                Some(_) => self.audit(
                    agent,
                    "foreign_attempt",
                    format!("attempt {} belongs to another holder", event.attempt),
                    now,
                ),
                None => Verdict::Stale,
            });
        };
        if known.agent() != Some(agent) {
            let details = format!("attempt {} is with {}", event.attempt, known.row.holder);
            return answer(self.audit(agent, "foreign_attempt", details, now));
        }
        if known.row.fence != event.fence.0 || known.row.job.as_i64() != event.job.0 {
            let details = format!(
                "attempt {} is fence {} of job {}, found fence {} of job {}",
                event.attempt, known.row.fence, known.row.job, event.fence, event.job
            );
            return answer(self.audit(agent, "wrong_fence", details, now));
        }
        match event.state {
            State::Progress => {
                self.renew_attempt(event.attempt, now);
                answer(Verdict::Committed)
            }
            State::Accepted | State::Started => {
                let changed = self.advance(event.attempt, AttemptState::of(event.state), now);
                answer(if changed {
                    Verdict::Committed
                } else {
                    Verdict::Duplicate
                })
            }
            State::Rejected
            | State::Succeeded
            | State::Failed
            | State::BpmnError
            | State::Cancelled
            | State::TimedOut
            | State::Unknown => self.end_attempt(event.attempt, End::of(event), now),
        }
    }

    /// Takes the end of an attempt of a connector or a person.
    pub fn ended(&mut self, attempt: AttemptId, end: End, now: Now) -> Answer {
        match self.attempts.get(&attempt) {
            Some(known) if known.agent().is_none() => self.end_attempt(attempt, end, now),
            Some(_) => Answer {
                verdict: Verdict::Invalid,
                decided: None,
            },
            None => {
                let verdict = if self.ended.contains_key(&attempt) {
                    Verdict::Duplicate
                } else {
                    Verdict::Stale
                };
                Answer {
                    verdict,
                    decided: None,
                }
            }
        }
    }

    /// Takes a sign of life: the leases it renews, in milliseconds.
    pub fn beat(
        &mut self,
        agent: &AgentId,
        session: SessionId,
        beat: &Beat,
        now: Now,
    ) -> Vec<(AttemptId, u64)> {
        let Some(known) = self
            .agents
            .get_mut(agent)
            .filter(|known| known.session == Some(session))
        else {
            return Vec::new();
        };
        let had_room = known.has_room();
        let says_less = known.held as usize > beat.running.len();
        known.paused = beat.paused;
        if !had_room && known.has_room() {
            self.wake_all();
        }
        let mut leases = Vec::new();
        for attempt in &beat.running {
            let known = self
                .attempts
                .get(attempt)
                .filter(|known| known.agent() == Some(agent));
            let Some(known) = known.filter(|known| known.row.state != AttemptState::Closing) else {
                continue;
            };
            let (lease_ms, state) = (known.row.limits.lease_ms, known.row.state);
            if state == AttemptState::Lost {
                self.advance(*attempt, AttemptState::Accepted, now);
            }
            self.renew_attempt(*attempt, now);
            leases.push((*attempt, lease_ms));
        }
        // A question or its answer may have got lost: it is asked again until the agent speaks of the attempt.
        if says_less && self.is_silent_about_some(agent, beat) {
            let sync = self.sync(agent, Vec::new(), now);
            self.out.notices.push(Notice::Sync {
                session,
                agent: agent.clone(),
                sync,
            });
        }
        leases
    }

    fn is_silent_about_some(&self, agent: &AgentId, beat: &Beat) -> bool {
        self.attempts.iter().any(|(attempt, known)| {
            known.agent() == Some(agent)
                && matches!(known.row.state, AttemptState::Lost | AttemptState::Closing)
                && !beat.running.contains(attempt)
        })
    }

    /// The agent's connection is gone; what it holds stays with it until its leases end.
    pub fn agent_gone(&mut self, agent: &AgentId, session: SessionId, why: &str) {
        if let Some(known) = self.agents.get_mut(agent)
            && known.session == Some(session)
        {
            known.session = None;
            why.clone_into(&mut known.gone);
        }
    }

    fn audit(&mut self, agent: &AgentId, what: &'static str, details: String, now: Now) -> Verdict {
        let audit = Audit {
            at: now.wall,
            agent: agent.clone(),
            what,
            details,
        };
        self.out.changes.push(Change::Audit(audit));
        Verdict::Invalid
    }

    pub(super) fn renew_attempt(&mut self, attempt: AttemptId, now: Now) {
        let Some(known) = self.attempts.get_mut(&attempt) else {
            return;
        };
        known.lease_until = now.mono.saturating_add(known.row.limits.lease_ms);
        let (until, state, job) = (known.lease_until, known.row.state, known.row.job);
        if let Some(&slot) = self.index.get(&job)
            && matches!(state, AttemptState::Accepted | AttemptState::Started)
            && self.entries[slot as usize].place == Place::Attempt(attempt)
        {
            self.leases.set(slot, until);
        }
    }

    /// Notes that an attempt came further. False when that was known.
    pub(super) fn advance(&mut self, attempt: AttemptId, to: AttemptState, now: Now) -> bool {
        let Some(known) = self.attempts.get_mut(&attempt) else {
            return false;
        };
        let from = known.row.state;
        let started = known.row.started_at.is_some();
        let to = if started { AttemptState::Started } else { to };
        let comes_further = match from {
            AttemptState::Offered | AttemptState::Lost => true,
            AttemptState::Accepted => to == AttemptState::Started,
            AttemptState::Closing => to == AttemptState::Started && !started,
            _ => false,
        };
        if !comes_further {
            self.renew_attempt(attempt, now);
            return false;
        }
        if to == AttemptState::Started && !started {
            known.row.started_at = Some(now.wall);
        }
        if from != AttemptState::Closing {
            known.row.state = to;
        }
        let (job, fence, holder) = (known.row.job, known.row.fence, known.row.holder.clone());
        let row = Box::new(known.row.clone());
        self.out.changes.push(Change::Attempt(row));
        if from == AttemptState::Closing {
            return true;
        }
        self.remarks.remove(&job);
        match self.index.get(&job).copied() {
            // The job was taken back and given to nobody since: its holder goes on with it.
            Some(slot) if self.entries[slot as usize].fence == fence => {
                if self.takes_back(slot, attempt) {
                    self.out.changes.push(Change::JobResumed {
                        job,
                        fence,
                        attempt,
                        holder,
                    });
                }
            }
            Some(_) => self.withdraw(attempt, "the job was given to somebody else"),
            None => self.withdraw(attempt, "the job is over"),
        }
        self.renew_attempt(attempt, now);
        true
    }

    /// Gives a waiting job back to the attempt that had it. True where it had been taken away.
    fn takes_back(&mut self, slot: u32, attempt: AttemptId) -> bool {
        match self.entries[slot as usize].place {
            Place::Waiting | Place::Delayed(_) | Place::Unrouted | Place::Unroutable => {
                self.vacate(slot);
                self.entries[slot as usize].place = Place::Attempt(attempt);
                true
            }
            // An operator was told that it is unknown: only an end, or the operator, changes that.
            Place::Suspended
            | Place::NoRetries
            | Place::Deciding
            | Place::Worker(..)
            | Place::Attempt(_) => false,
        }
    }

    pub(super) fn end_attempt(&mut self, attempt: AttemptId, end: End, now: Now) -> Answer {
        let Some(known) = self.attempts.get_mut(&attempt) else {
            return Answer {
                verdict: Verdict::Duplicate,
                decided: None,
            };
        };
        let was = known.row.state;
        known.row.state = AttemptState::of(end.state);
        known.row.ended_at = Some(now.wall);
        known.row.queued_ms = end.queued_ms;
        known.row.run_ms = end.run_ms;
        known.row.happened = Some(end.happened);
        known.row.reason.clone_from(&end.reason);
        let row = known.row.clone();
        let agent = known.agent().cloned();
        self.out
            .changes
            .push(Change::Attempt(Box::new(row.clone())));
        self.finish(attempt);

        let slot = self.index.get(&row.job).copied();
        let Some(slot) = slot.filter(|slot| self.entries[*slot as usize].fence == row.fence) else {
            let happened = end.state != State::Rejected && end.happened != Happened::No;
            let over = slot.is_none();
            if !over && happened && !super::route::repeatable(row.effect) {
                let details = format!(
                    "attempt {attempt} of job {} ended as {} after the job was given to somebody else: it may have happened twice",
                    row.job,
                    row.state.word()
                );
                if let Some(agent) = &agent {
                    self.audit(agent, "late_result", details, now);
                }
            }
            let verdict = if over && was == AttemptState::Closing {
                Verdict::Committed
            } else {
                Verdict::Stale
            };
            return Answer {
                verdict,
                decided: None,
            };
        };
        if self.entries[slot as usize].place == Place::Deciding || was == AttemptState::Closing {
            return Answer {
                verdict: Verdict::Committed,
                decided: None,
            };
        }
        Answer {
            verdict: Verdict::Committed,
            decided: self.apply(slot, &row.leg, agent, row.effect, end, now),
        }
    }

    /// Does to the job what the end of its attempt means.
    fn apply(
        &mut self,
        slot: u32,
        leg: &LegKind,
        agent: Option<AgentId>,
        effect: botswain_proto::message::EffectClass,
        end: End,
        now: Now,
    ) -> Option<Decided> {
        let held = matches!(self.entries[slot as usize].place, Place::Attempt(_));
        self.vacate(slot);
        let key = self.entries[slot as usize].key;
        if let (State::Rejected, Some(agent)) = (end.state, agent) {
            let refusals = self.refusals.entry(key).or_default();
            if !refusals.contains(&agent) {
                refusals.push(agent);
            }
        }
        let entry = &self.entries[slot as usize];
        let state = &self.kinds[entry.kind as usize];
        let here = state.route.leg(entry.leg).filter(|here| here.kind == *leg);
        let refused: &[AgentId] = self.refusals.get(&key).map_or(&[], Vec::as_slice);
        let chances = Chances {
            other_holder: here
                .is_some_and(|here| leg.needs_agent() && self.agents.any_other(here, refused)),
            tries_left: here.is_some_and(|here| entry.tries < here.tries),
            next_leg: held && matches!(state.route.after(entry.leg, |_| Ok(true)), Ok(Some(_))),
        };
        let message = format!("{leg}: {}", end.message());
        let decided = |decision| {
            let entry = &self.entries[slot as usize];
            Decided {
                job: entry.key,
                segment: entry.segment,
                token: entry.token,
                decision,
            }
        };
        match rule(&end, effect, chances) {
            Ruling::Complete => Some(decided(Decision::Complete {
                result: end.result,
                result_ref: end.result_ref,
            })),
            Ruling::Throw => {
                let error = end
                    .bpmn_error
                    .unwrap_or_else(|| botswain_proto::message::BpmnError {
                        code: String::new(),
                        message: message.clone(),
                    });
                let code = SmolStr::new(error.code);
                Some(decided(Decision::ThrowError {
                    code,
                    message: error.message,
                    variables: end.result,
                }))
            }
            Ruling::SameLeg => {
                let retry_after_ms = here.map_or(0, |here| here.limits.retry_after_ms);
                let wait = retry_after_ms << entry.tries.saturating_sub(1).min(6);
                let leg_name = Some(format_smolstr!("{leg}"));
                self.remarks.insert(key, message);
                if chances.other_holder {
                    self.freed(slot, 0, leg_name);
                    self.enqueue(slot);
                } else {
                    self.refusals.remove(&key);
                    let at = later(now.wall, wait);
                    self.freed(slot, at, leg_name);
                    self.delay(slot, at);
                }
                None
            }
            Ruling::NextLeg => {
                self.refusals.remove(&key);
                self.remarks.insert(key, message);
                let next = state.route.after(entry.leg, |_| Ok(true)).ok().flatten()?;
                let needs_facts = state.route.needs_facts();
                let name = state
                    .route
                    .leg(next)
                    .map(|leg| format_smolstr!("{}", leg.kind));
                let entry = &mut self.entries[slot as usize];
                entry.tries = 0;
                if needs_facts {
                    entry.after = true;
                    self.freed(slot, 0, Some(format_smolstr!("{leg}")));
                    self.unroute(slot);
                } else {
                    entry.leg = next;
                    self.freed(slot, 0, name);
                    self.enqueue(slot);
                }
                None
            }
            Ruling::Fail(retryable) => {
                self.refusals.remove(&key);
                Some(self.decide_failure(slot, message, retryable))
            }
            Ruling::Suspend => {
                let message = format!(
                    "{message}: it may have happened ({}), and must not be repeated unseen; look at the evidence, then complete the job or give it retries",
                    match end.happened {
                        Happened::Yes => "the agent says it did",
                        Happened::No | Happened::Maybe => "nobody can tell from here",
                    }
                );
                Some(self.decide_suspension(slot, message))
            }
        }
    }

    pub(super) fn decide_suspension(&mut self, slot: u32, message: String) -> Decided {
        let already = self.entries[slot as usize].place == Place::Suspended;
        if !already {
            self.suspend(slot, message.clone());
        }
        let entry = &self.entries[slot as usize];
        Decided {
            job: entry.key,
            segment: entry.segment,
            token: entry.token,
            decision: Decision::Suspend { message },
        }
    }
}
