//! Timers: what the passing of time alone changes.

use botswain_proto::ids::AttemptId;
use botswain_proto::message::{Happened, OnLost, State};

use super::intake::reason;
use super::{Activity, Connection, GRACE_MS, Millis, Order, RECEIPT_MS, Session, Stopping};

impl Session {
    /// When `handle` must be called at the latest, if nothing else comes in.
    pub fn next_deadline(&self) -> Option<Millis> {
        let attempts = self.live.iter().flat_map(|(attempt, live)| {
            let activity = match &live.activity {
                Activity::Running(running) => Some(running.hard_deadline),
                Activity::Waiting => self.start_by(*attempt),
                Activity::Checking | Activity::Probing => None,
            };
            [activity, live.lease_until]
        });
        attempts
            .chain([self.beat_due, self.receipt_due])
            .flatten()
            .min()
    }

    fn start_by(&self, attempt: AttemptId) -> Option<Millis> {
        let limit = self
            .ledger
            .open()
            .get(&attempt)
            .filter(|entry| entry.runs == 0)?
            .task
            .limits
            .start_by_ms;
        let arrived = self.live.get(&attempt)?.arrived?;
        (limit > 0).then(|| arrived.saturating_add(limit))
    }

    pub(super) fn expire(&mut self) {
        let open: Vec<AttemptId> = self.live.keys().copied().collect();
        for attempt in open {
            self.expire_start(attempt);
            self.expire_lease(attempt);
            self.expire_run(attempt);
        }
        if self.beat_due.is_some_and(|due| self.now >= due) && self.connection == Connection::Synced
        {
            self.beat();
        }
        if self.receipt_due.is_some_and(|due| self.now >= due) {
            self.receipt_due = None;
            self.orders.push(Order::Reconnect(format!(
                "the coordinator has not answered for {} s",
                RECEIPT_MS / 1000
            )));
        }
    }

    fn expire_start(&mut self, attempt: AttemptId) {
        let waits = self
            .live
            .get(&attempt)
            .is_some_and(|live| matches!(live.activity, Activity::Waiting));
        if !waits || self.start_by(attempt).is_none_or(|due| self.now < due) {
            return;
        }
        self.finish(attempt, |end| {
            end.state = State::Failed;
            end.happened = Some(Happened::No);
            end.reason = Some(reason("start_by", "it could not begin in time", true));
        });
    }

    fn expire_lease(&mut self, attempt: AttemptId) {
        let now = self.now;
        let Some(live) = self.live.get_mut(&attempt) else {
            return;
        };
        if live.lease_until.is_none_or(|until| now < until) {
            return;
        }
        live.lease_until = None;
        let Some(entry) = self.ledger.open().get(&attempt) else {
            return;
        };
        match entry.task.on_lost {
            // A late result is welcome: the work was begun, and doing it twice may click twice.
            OnLost::Wait => {}
            OnLost::Stop | OnLost::Replace => {
                let grace = match entry.task.limits.cancel_grace_ms {
                    0 => GRACE_MS,
                    own => own,
                };
                self.stop_attempt(attempt, &Stopping::LeaseLost, Some(grace));
            }
        }
    }

    fn expire_run(&mut self, attempt: AttemptId) {
        let now = self.now;
        let Some(Activity::Running(running)) =
            self.live.get_mut(&attempt).map(|live| &mut live.activity)
        else {
            return;
        };
        if now < running.hard_deadline {
            return;
        }
        running.stopping.get_or_insert(Stopping::TimedOut);
        // Asked once; the end comes as an input when nothing of it is alive.
        running.hard_deadline = Millis::MAX;
        self.orders.push(Order::Kill(attempt));
    }
}
