//! Places: how a job moves between its queues, its back-off and its holders, and out of memory.

use super::attempt::AttemptState;
use super::desk::{Desk, Entry, Facts, Kind, Place};
use super::events::{Decided, Decision};
use super::outbox::{Change, Notice, Refill};
use super::queue::{Put, Queue, Rank, Ticket};
use super::route::{LegKind, Route, mix, roll};
use super::workers::Ring;
use botswain_engine::event::Millis;
use botswain_engine::key::{Key, SegmentId};
use botswain_proto::ids::{AgentId, AttemptId, Epoch, Fence};
use botswain_proto::message::Cancel;
use smol_str::SmolStr;
use std::mem;

impl Desk {
    /// A job whose route has to look at variables or at the business key, once for each `choose`.
    pub fn next_unrouted(&mut self) -> Option<(Key, SegmentId, Key)> {
        while let Some(kind) = self.unrouted.front().copied() {
            let state = &mut self.kinds[kind as usize];
            let entries = &self.entries;
            let waits = |ticket: Ticket| {
                let entry = &entries[ticket.slot as usize];
                entry.key == ticket.key && entry.place == Place::Unrouted
            };
            if let Some(ticket) = state.unrouted.pop(waits) {
                let entry = &mut self.entries[ticket.slot as usize];
                entry.place = Place::Unroutable;
                return Some((entry.key, entry.segment, entry.token));
            }
            self.unrouted.pop_front();
            self.check_refill(kind);
        }
        None
    }

    /// Chooses the leg of a job that `next_unrouted` named. Something is decided where no leg is left after a failure.
    pub fn choose(&mut self, job: Key, facts: &dyn Facts) -> Option<Decided> {
        let &slot = self.index.get(&job)?;
        let entry = &self.entries[slot as usize];
        if entry.place != Place::Unroutable {
            return None;
        }
        let state = &self.kinds[entry.kind as usize];
        let holds = |condition: &str| facts.holds(condition);
        let chosen = if entry.after {
            state.route.after(entry.leg, holds)
        } else {
            let by = facts
                .business_key()
                .filter(|_| state.route.sticky)
                .map(str::as_bytes);
            let key = job.as_u64().to_be_bytes();
            state
                .route
                .choose(roll(&state.name, by.unwrap_or(&key)), holds)
        };
        match chosen {
            Ok(Some(leg)) => {
                self.entries[slot as usize].leg = leg;
                self.enqueue(slot);
                None
            }
            Ok(None) if self.entries[slot as usize].after => {
                let message = self
                    .remarks
                    .get(&job)
                    .cloned()
                    .unwrap_or_else(|| "no leg is left".to_owned());
                Some(self.decide_failure(slot, message, true))
            }
            Ok(None) => {
                let name = &self.kinds[self.entries[slot as usize].kind as usize].name;
                self.remarks.insert(job, format!("no leg of the route of {name} fits this job: set a route with a leg that does"));
                None
            }
            Err(problem) => {
                self.remarks.insert(
                    job,
                    format!("a condition of its route cannot be evaluated: {problem}"),
                );
                None
            }
        }
    }

    /// Asks the engine to count a failure.
    pub(super) fn decide_failure(
        &mut self,
        slot: u32,
        message: String,
        retryable: bool,
    ) -> Decided {
        let entry = &self.entries[slot as usize];
        let leg = self.kinds[entry.kind as usize].route.leg(entry.leg);
        let retry_after_ms = leg.map_or(0, |leg| leg.limits.retry_after_ms);
        let entry = &mut self.entries[slot as usize];
        entry.place = Place::Deciding;
        let retries = if retryable {
            (entry.retries - 1).max(0)
        } else {
            0
        };
        Decided {
            job: entry.key,
            segment: entry.segment,
            token: entry.token,
            decision: Decision::Fail {
                retries,
                retry_after_ms,
                message,
            },
        }
    }

    /// Puts a job into the queue of the leg that its route chooses.
    pub(super) fn choose_leg(&mut self, slot: u32) {
        let entry = &self.entries[slot as usize];
        let state = &self.kinds[entry.kind as usize];
        let plain = state.route.version == 0
            || (state.route.choices.len() == 1 && state.route.choices[0].weight >= 100);
        if state.route.needs_facts() {
            self.put(slot, Place::Unrouted);
            return;
        }
        let chosen = if plain {
            Ok(Some(0))
        } else {
            state
                .route
                .choose(roll(&state.name, &entry.key.as_u64().to_be_bytes()), |_| {
                    Ok(true)
                })
        };
        match chosen {
            Ok(Some(leg)) => {
                self.entries[slot as usize].leg = leg;
                self.enqueue(slot);
            }
            Ok(None) | Err(_) => {
                let key = entry.key;
                self.remarks.insert(
                    key,
                    format!("no leg of the route of {} is left for this job", state.name),
                );
                self.entries[slot as usize].place = Place::Unroutable;
            }
        }
    }

    pub(super) fn enqueue(&mut self, slot: u32) {
        self.put(slot, Place::Waiting);
    }

    fn put(&mut self, slot: u32, place: Place) {
        let unrouted = place == Place::Unrouted;
        let capacity = self.settings.waiting_max;
        self.entries[slot as usize].place = place;
        let (ticket, priority, kind, leg) = {
            let entry = &self.entries[slot as usize];
            (
                Ticket {
                    key: entry.key,
                    slot,
                },
                entry.priority,
                entry.kind,
                entry.leg,
            )
        };
        let state = &mut self.kinds[kind as usize];
        let queue = if unrouted {
            &mut state.unrouted
        } else {
            &mut state.queues[usize::from(leg)]
        };
        let entries = &self.entries;
        let waits = |ticket: Ticket| {
            let entry = &entries[ticket.slot as usize];
            entry.key == ticket.key
                && if unrouted {
                    entry.place == Place::Unrouted
                } else {
                    entry.place == Place::Waiting && entry.leg == leg
                }
        };
        match queue.put(ticket, priority, capacity, waits) {
            Put::Kept => {}
            Put::Spilled => {
                self.forget(slot);
                return;
            }
            Put::Displaced(last) => self.forget(last.slot),
        }
        if unrouted {
            if !self.unrouted.contains(&kind) {
                self.unrouted.push_back(kind);
            }
        } else {
            self.wake(kind);
        }
    }

    pub(super) fn unroute(&mut self, slot: u32) {
        self.put(slot, Place::Unrouted);
    }

    /// Takes a job out of wherever it is, to decide about it.
    pub(super) fn vacate(&mut self, slot: u32) {
        let place = mem::replace(&mut self.entries[slot as usize].place, Place::Deciding);
        self.leave(slot, &place);
    }

    pub(super) fn delay(&mut self, slot: u32, until: Millis) {
        let entry = &mut self.entries[slot as usize];
        entry.place = Place::Delayed(until);
        self.delayed.insert((until, entry.key), slot);
        if self.delayed.len() > self.settings.delayed_max
            && let Some(((at, _), last)) = self.delayed.pop_last()
        {
            let later = &mut self.kinds[self.entries[last as usize].kind as usize].later;
            *later = Some(later.map_or(at, |known| known.min(at)));
            self.forget(last);
        }
    }

    /// The job leaves memory and stays in the store.
    fn forget(&mut self, slot: u32) {
        let key = self.entries[slot as usize].key;
        self.entries[slot as usize].place = Place::Deciding;
        self.index.remove(&key);
        self.refusals.remove(&key);
        self.remarks.remove(&key);
        self.free.push(slot);
    }

    pub(super) fn enter(&mut self, entry: Entry) -> u32 {
        let key = entry.key;
        let slot = match self.free.pop() {
            Some(slot) => {
                self.entries[slot as usize] = entry;
                slot
            }
            None => {
                self.entries.push(entry);
                (self.entries.len() - 1) as u32
            }
        };
        self.index.insert(key, slot);
        slot
    }

    /// Takes a job out of what its place keeps.
    pub(super) fn leave(&mut self, slot: u32, place: &Place) {
        let entry = &self.entries[slot as usize];
        let (key, kind, leg) = (entry.key, entry.kind, entry.leg);
        match place {
            Place::Waiting => {
                let entries = &self.entries;
                self.kinds[kind as usize].queues[usize::from(leg)].left(|ticket| {
                    let entry = &entries[ticket.slot as usize];
                    entry.key == ticket.key && entry.place == Place::Waiting && entry.leg == leg
                });
                self.check_refill(kind);
            }
            Place::Unrouted => {
                let entries = &self.entries;
                self.kinds[kind as usize].unrouted.left(|ticket| {
                    let entry = &entries[ticket.slot as usize];
                    entry.key == ticket.key && entry.place == Place::Unrouted
                });
            }
            Place::Delayed(until) => {
                self.delayed.remove(&(*until, key));
            }
            Place::Worker(..) | Place::Attempt(_) => self.leases.clear(slot),
            Place::Unroutable | Place::Suspended | Place::NoRetries | Place::Deciding => {}
        }
    }

    /// Nobody waits for the attempt any more: its holder is asked to stop, and its last word is awaited.
    pub(super) fn withdraw(&mut self, attempt: AttemptId, why: &str) {
        let Some(known) = self.attempts.get_mut(&attempt) else {
            return;
        };
        known.row.state = AttemptState::Closing;
        self.out
            .changes
            .push(Change::Attempt(Box::new(known.row.clone())));
        let Some(agent) = known.agent().cloned() else {
            // The coordinator itself holds it: whoever runs it sees that the job is gone.
            self.finish(attempt);
            return;
        };
        let cancel = Cancel {
            attempt,
            fence: Fence(known.row.fence),
            epoch: Epoch(self.settings.epoch),
            grace_ms: Some(known.row.limits.cancel_grace_ms),
            why: why.to_owned(),
        };
        if let Some(session) = self.agents.get(&agent).and_then(|agent| agent.session) {
            self.out.notices.push(Notice::Cancel {
                session,
                agent,
                cancel,
            });
        }
    }

    /// Forgets an attempt that is over, but for its name.
    pub(super) fn finish(&mut self, attempt: AttemptId) {
        const REMEMBERED: usize = 16_384;
        let Some(gone) = self.attempts.remove(&attempt) else {
            return;
        };
        match (gone.agent(), &gone.row.leg) {
            (Some(agent), _) => {
                if let Some(agent) = self.agents.get_mut(agent) {
                    agent.held = agent.held.saturating_sub(1);
                }
            }
            (None, LegKind::Connector(name)) => {
                if let Some(connector) = self.connectors.get_mut(name) {
                    connector.held = connector.held.saturating_sub(1);
                }
            }
            (
                None,
                LegKind::Bot { .. } | LegKind::Action(_) | LegKind::Worker | LegKind::Person,
            ) => {}
        }
        self.remember_ended(attempt, gone.agent().cloned(), REMEMBERED);
        self.wake_all();
    }

    pub(super) fn remember_ended(
        &mut self,
        attempt: AttemptId,
        agent: Option<AgentId>,
        most: usize,
    ) {
        if self.ended.insert(attempt, agent).is_none() {
            self.ended_order.push_back(attempt);
        }
        while self.ended_order.len() > most {
            if let Some(oldest) = self.ended_order.pop_front() {
                self.ended.remove(&oldest);
            }
        }
    }

    pub(super) fn suspend(&mut self, slot: u32, message: String) {
        let place = mem::replace(&mut self.entries[slot as usize].place, Place::Suspended);
        self.leave(slot, &place);
        let entry = &self.entries[slot as usize];
        self.out.changes.push(Change::JobSuspended {
            job: entry.key,
            fence: entry.fence,
        });
        self.remarks.insert(entry.key, message);
    }

    pub(super) fn freed(&mut self, slot: u32, available_at: Millis, leg: Option<SmolStr>) {
        let entry = &self.entries[slot as usize];
        self.out.changes.push(Change::JobFreed {
            job: entry.key,
            fence: entry.fence,
            available_at,
            leg,
        });
    }

    /// Asks the store for more jobs where memory runs low and the store has some.
    pub(super) fn check_refill(&mut self, kind: u32) {
        let capacity = self.settings.waiting_max;
        let state = &mut self.kinds[kind as usize];
        let wanted: Option<Rank> = state
            .queues
            .iter_mut()
            .chain([&mut state.unrouted])
            .filter_map(|queue| queue.wants_refill(capacity))
            .min();
        if let Some(from) = wanted {
            let job_type = state.name.clone();
            self.out.refills.push(Refill {
                job_type,
                from: Some(from),
                limit: capacity.div_ceil(2),
            });
        }
    }

    /// Asks the store for a type's jobs from the first one on.
    pub(super) fn ask_store(&mut self, kind: u32) {
        let job_type = self.kinds[kind as usize].name.clone();
        self.out.refills.push(Refill {
            job_type,
            from: None,
            limit: self.settings.waiting_max.max(1),
        });
    }

    pub(super) fn waits(&self, ticket: Ticket, kind: u32) -> bool {
        let entry = &self.entries[ticket.slot as usize];
        entry.key == ticket.key
            && entry.kind == kind
            && matches!(entry.place, Place::Waiting | Place::Unrouted)
    }

    pub(super) fn slots_where(&self, mut wanted: impl FnMut(&Entry) -> bool) -> Vec<u32> {
        let mut slots: Vec<u32> = self
            .index
            .values()
            .copied()
            .filter(|slot| wanted(&self.entries[*slot as usize]))
            .collect();
        slots.sort_unstable_by_key(|slot| self.entries[*slot as usize].key);
        slots
    }

    pub(super) fn kind(&mut self, job_type: &SmolStr) -> u32 {
        if let Some(kind) = self.kind_of.get(job_type) {
            return *kind;
        }
        let kind = self.kinds.len() as u32;
        self.kind_of.insert(job_type.clone(), kind);
        self.kinds.push(Kind {
            name: job_type.clone(),
            route: Route::implicit(job_type.clone()),
            queues: vec![Queue::default()],
            unrouted: Queue::default(),
            ring: Ring::new(),
            ready: false,
            later: None,
        });
        kind
    }

    pub(super) fn wake(&mut self, kind: u32) {
        let state = &mut self.kinds[kind as usize];
        if !state.ready {
            state.ready = true;
            self.ready.push_back(kind);
        }
    }

    /// Room appeared at an agent or a connector: whoever waits for one looks again.
    pub(super) fn wake_all(&mut self) {
        for kind in 0..self.kinds.len() as u32 {
            let state = &self.kinds[kind as usize];
            let waits =
                state.route.version > 0 && state.queues.iter().any(|queue| queue.live() > 0);
            if waits {
                self.wake(kind);
            }
        }
    }

    pub(super) fn attempt_id(&mut self, wall: Millis) -> AttemptId {
        self.counter += 1;
        let high = mix(self.settings.seed ^ mix(self.settings.epoch));
        let low = mix(high ^ self.counter);
        let mut bytes = [0; 16];
        bytes[..6].copy_from_slice(&wall.to_be_bytes()[2..]);
        bytes[6..8].copy_from_slice(&high.to_be_bytes()[..2]);
        bytes[8..].copy_from_slice(&low.to_be_bytes());
        bytes[6] = bytes[6] & 0x0f | 0x70;
        bytes[8] = bytes[8] & 0x3f | 0x80;
        AttemptId(uuid::Uuid::from_bytes(bytes))
    }
}
