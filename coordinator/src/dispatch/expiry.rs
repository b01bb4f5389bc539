//! Expiry: what happens when a lease, a back-off or a long poll is over.

use super::attempt::AttemptState;
use super::desk::{Desk, Now, Place};
use super::events::Decided;
use super::outbox::{Change, Notice};
use super::route::{LegKind, repeatable};
use super::workers::SessionId;
use botswain_proto::ids::AttemptId;
use botswain_proto::message::{EffectClass, OnLost};
use smol_str::format_smolstr;

/// What came to its end.
#[derive(Debug, Default, PartialEq)]
pub struct Expired {
    /// Something to tell the engine.
    pub decided: Vec<Decided>,
    /// Single requests that found no job: connection and subscription.
    pub requests: Vec<(SessionId, u32)>,
    /// Some more is due: call again after this batch.
    pub more: bool,
}

impl Desk {
    /// Ends what is due, at most `limit` things.
    pub fn expire(&mut self, now: Now, limit: usize) -> Expired {
        let mut expired = Expired::default();
        let mut left = limit;
        while let Some((&(until, place), ())) = self.requests.first_key_value() {
            if until > now.mono || left == 0 {
                break;
            }
            left -= 1;
            if let Some(subscriber) = self.workers.get(place) {
                expired.requests.push((subscriber.session, subscriber.id));
            }
            self.requests.remove(&(until, place));
            self.end_subscription(place);
        }
        while let Some((&(at, key), &slot)) = self.delayed.first_key_value() {
            if at > now.wall || left == 0 {
                break;
            }
            left -= 1;
            self.delayed.remove(&(at, key));
            let tried = self.entries[slot as usize].tries > 0;
            self.entries[slot as usize].place = Place::Deciding;
            if tried {
                self.enqueue(slot);
            } else {
                self.choose_leg(slot);
            }
        }
        for kind in 0..self.kinds.len() as u32 {
            if self.kinds[kind as usize]
                .later
                .is_some_and(|later| later <= now.wall)
            {
                self.kinds[kind as usize].later = None;
                self.ask_store(kind);
            }
        }
        while left > 0 {
            let Some(slot) = self.leases.pop_due(now.mono) else {
                break;
            };
            left -= 1;
            expired.decided.extend(self.lease_over(slot, now));
        }
        expired.more = left == 0;
        expired
    }

    /// In how many milliseconds `expire` has something to do; none when nothing is due as things stand.
    #[must_use]
    pub fn next_deadline(&self, now: Now) -> Option<u64> {
        let after = |at: u64| at.saturating_sub(now.mono);
        let after_wall = |at: i64| u64::try_from(at.saturating_sub(now.wall)).unwrap_or(0);
        let leases = self.leases.next().map(after);
        let requests = self
            .requests
            .first_key_value()
            .map(|((until, _), ())| after(*until));
        let delayed = self
            .delayed
            .first_key_value()
            .map(|((at, _), _)| after_wall(*at));
        let stored = self
            .kinds
            .iter()
            .filter_map(|kind| kind.later)
            .map(after_wall)
            .min();
        [leases, requests, delayed, stored]
            .into_iter()
            .flatten()
            .min()
    }

    fn lease_over(&mut self, slot: u32, now: Now) -> Option<Decided> {
        match self.entries[slot as usize].place {
            Place::Worker(..) => self.worker_timed_out(slot),
            Place::Attempt(attempt) => self.attempt_due(slot, attempt, now),
            _ => None,
        }
    }

    /// A worker's silence tells nothing: its contract allows another one to try, but never another kind of leg.
    fn worker_timed_out(&mut self, slot: u32) -> Option<Decided> {
        let entry = &self.entries[slot as usize];
        let leg = self.kinds[entry.kind as usize].route.leg(entry.leg);
        let worker = leg.filter(|leg| leg.kind == LegKind::Worker);
        let effect = worker
            .and_then(|leg| leg.effect)
            .unwrap_or(EffectClass::Idempotent);
        let still_on_its_leg = worker.is_some();
        self.entries[slot as usize].place = Place::Deciding;
        if repeatable(effect) {
            self.freed(slot, 0, None);
            if still_on_its_leg {
                self.enqueue(slot);
            } else {
                // The route was changed while the worker had the job.
                self.choose_leg(slot);
            }
            return None;
        }
        let message = "the worker's lease is over and it may have done the job, which must not be repeated unseen: \
                       complete the job or give it retries";
        Some(self.decide_suspension(slot, message.to_owned()))
    }

    fn attempt_due(&mut self, slot: u32, attempt: AttemptId, now: Now) -> Option<Decided> {
        let known = self.attempts.get(&attempt)?;
        if now.mono < known.lease_until {
            let (limits, state, until) = (known.row.limits, known.row.state, known.lease_until);
            let mut next = until;
            let connected = known
                .agent()
                .and_then(|agent| self.agents.get(agent))
                .is_some_and(|agent| agent.session.is_some());
            if state == AttemptState::Offered && connected {
                self.again.push(attempt);
                next = until.min(now.mono.saturating_add(limits.accept_by_ms));
            }
            self.leases.set(slot, next);
            return None;
        }
        self.lost(slot, attempt, now)
    }

    fn lost(&mut self, slot: u32, attempt: AttemptId, now: Now) -> Option<Decided> {
        let known = self.attempts.get_mut(&attempt)?;
        let on_lost = known.on_lost();
        known.row.state = AttemptState::Lost;
        let row = known.row.clone();
        let agent = known.agent().cloned()?;
        self.out
            .changes
            .push(Change::Attempt(Box::new(row.clone())));
        // A connected agent that does not speak of the attempt is asked what it knows.
        if let Some(session) = self.agents.get(&agent).and_then(|agent| agent.session) {
            let sync = self.sync(&agent, Vec::new(), now);
            self.out.notices.push(Notice::Sync {
                session,
                agent: agent.clone(),
                sync,
            });
        }
        let message = format!(
            "{}: agent {agent} has given no sign of life for {} s",
            row.leg,
            row.limits.lease_ms / 1000
        );
        match on_lost {
            OnLost::Wait => {
                self.remarks.insert(row.job, message);
                None
            }
            OnLost::Replace => {
                self.remarks.insert(row.job, message);
                self.entries[slot as usize].place = Place::Deciding;
                self.freed(slot, 0, Some(format_smolstr!("{}", row.leg)));
                let entry = &self.entries[slot as usize];
                let same_leg = self.kinds[entry.kind as usize].route.leg(entry.leg).is_some_and(|leg| leg.kind == row.leg);
                if same_leg {
                    self.enqueue(slot);
                } else {
                    self.choose_leg(slot);
                }
                None
            }
            OnLost::Stop if repeatable(row.effect) => Some(self.decide_failure(slot, message, true)),
            OnLost::Stop => Some(self.decide_suspension(
                slot,
                format!("{message}: it may have happened, and must not be repeated unseen; ask the agent's owner, then complete the job or give it retries"),
            )),
        }
    }
}
