//! Reports: what the coordinator hears after a connection, and what its receipts change.

use botswain_proto::ids::{AttemptId, Seq};
use botswain_proto::message::{
    Beat, Capabilities, FromAgent, Hello, Known, Receipt, Sync, SyncItem, Verdict,
};

use super::{Activity, Connection, IN_FLIGHT_MAX, Order, RECEIPT_MS, Record, Session};

impl Session {
    pub(super) fn connected(&mut self, mut capabilities: Capabilities, policy_version: String) {
        self.connection = Connection::Greeting;
        self.conn += 1;
        self.in_flight.clear();
        self.parked.clear();
        self.receipt_due = Some(self.now + RECEIPT_MS);
        self.beat_due = None;
        capabilities.slots = u32::try_from(self.settings.slots).unwrap_or(u32::MAX);
        self.policy_version = policy_version;
        let hello = Hello {
            agent: self.settings.agent.clone(),
            boot_id: self.settings.boot_id.clone(),
            conn: self.conn,
            journal_id: self.ledger.journal_id().to_owned(),
            last_seq: self.ledger.last_seq(),
            open: self.ledger.open_attempts(),
            capabilities,
            agent_version: self.settings.version.clone(),
            policy_version: self.policy_version.clone(),
            highest_epoch: self.ledger.epoch(),
            note: self.note.clone(),
        };
        self.send(FromAgent::Hello(Box::new(hello)));
    }

    pub(super) fn disconnected(&mut self) {
        self.connection = Connection::Down;
        self.in_flight.clear();
        self.receipt_due = None;
        self.beat_due = None;
    }

    pub(super) fn sync(&mut self, sync: Sync) {
        if !self.heed(sync.epoch, "a comparison") {
            return;
        }
        if self.connection == Connection::Greeting {
            self.connection = Connection::Synced;
            self.receipt_due = None;
            self.beat_due = Some(self.now);
        }
        if sync.beat_ms > 0 {
            self.beat_ms = sync.beat_ms.max(100);
        }
        for attempt in sync.close {
            self.close(attempt);
        }
        let answer: Vec<SyncItem> = sync
            .open
            .into_iter()
            .map(|open| {
                let highest = self.highest_fence(open.job);
                let known = if self.live.contains_key(&open.attempt)
                    || self.offers.contains_key(&open.attempt)
                {
                    Known::Open
                } else if highest.is_some_and(|fence| fence > open.fence) {
                    Known::FenceAhead
                } else if highest == Some(open.fence)
                    && self.ledger.job_of_ended(open.attempt) == Some(open.job)
                {
                    Known::Ended
                } else {
                    Known::NeverSeen
                };
                SyncItem {
                    attempt: open.attempt,
                    job: open.job,
                    fence: highest.unwrap_or(open.fence),
                    known,
                }
            })
            .collect();
        let ended: Vec<_> = answer
            .iter()
            .filter(|item| item.known == Known::Ended)
            .map(|item| item.job)
            .collect();
        if !answer.is_empty() {
            self.send(FromAgent::SyncAnswer(answer));
        }
        for job in ended {
            // What still waits in the outbox goes out with it.
            let waits = self
                .ledger
                .remains(job)
                .and_then(|tomb| tomb.end.as_ref())
                .is_some_and(|end| self.ledger.outbox().contains_key(&end.seq));
            if !waits {
                self.repeat_end(job);
            }
        }
    }

    /// Nobody waits for the attempt: whatever it does ends, and nothing is said about it.
    fn close(&mut self, attempt: AttemptId) {
        self.offers.remove(&attempt);
        let running = self
            .live
            .remove(&attempt)
            .is_some_and(|live| matches!(live.activity, Activity::Running(_) | Activity::Probing));
        self.queue.retain(|waiting| *waiting != attempt);
        let said: Vec<Seq> = self
            .ledger
            .outbox()
            .values()
            .filter(|event| event.attempt == attempt)
            .map(|event| event.seq)
            .collect();
        for seq in &said {
            self.in_flight.remove(seq);
        }
        self.await_oldest();
        if !said.is_empty() || self.ledger.open().contains_key(&attempt) {
            self.record(Record::Closed { attempt });
        }
        if running {
            self.orders.push(Order::Kill(attempt));
        }
    }

    pub(super) fn receipt(&mut self, receipt: Receipt) {
        for (seq, verdict) in receipt.items {
            if !self.ledger.outbox().contains_key(&seq) {
                continue;
            }
            self.in_flight.remove(&seq);
            match verdict {
                Verdict::Committed | Verdict::Duplicate | Verdict::Stale => {
                    self.record(Record::Reported { seq });
                }
                Verdict::Invalid => {
                    self.parked.insert(seq);
                    self.orders.push(Order::Warn(format!(
                        "the coordinator cannot read event {seq}; it stays in the journal and is sent again with the next connection"
                    )));
                }
            }
        }
        self.await_oldest();
        for (attempt, lease_ms) in receipt.leases {
            if let Some(live) = self.live.get_mut(&attempt)
                && live.lease_until.is_some()
            {
                live.lease_until = Some(self.now + lease_ms);
            }
        }
    }

    /// A receipt for one event says nothing about an older one that got lost.
    fn await_oldest(&mut self) {
        // Until then the Sync itself is awaited.
        if self.connection != Connection::Synced {
            return;
        }
        let oldest = self.in_flight.values().min();
        self.receipt_due = oldest.map(|sent| sent + RECEIPT_MS);
    }

    /// Sends what has no receipt, oldest first, as far as the window allows.
    pub(super) fn send_outbox(&mut self) {
        if self.connection != Connection::Synced {
            return;
        }
        let next: Vec<Seq> = self
            .ledger
            .outbox()
            .keys()
            .filter(|seq| !self.in_flight.contains_key(seq) && !self.parked.contains(seq))
            .take(IN_FLIGHT_MAX.saturating_sub(self.in_flight.len()))
            .copied()
            .collect();
        for seq in next {
            let Some(event) = self.ledger.outbox().get(&seq).cloned() else {
                continue;
            };
            self.in_flight.insert(seq, self.now);
            self.receipt_due.get_or_insert(self.now + RECEIPT_MS);
            self.say(event);
        }
    }

    pub(super) fn beat(&mut self) {
        self.beat_due = Some(self.now + self.beat_ms);
        let beat = Beat {
            running: self.live.keys().copied().collect::<Vec<AttemptId>>(),
            slots_free: u32::try_from(self.settings.slots.saturating_sub(self.outstanding()))
                .unwrap_or(u32::MAX),
            outbox: u32::try_from(self.ledger.outbox().len()).unwrap_or(u32::MAX),
            paused: self.paused || self.stopping,
            ..Beat::default()
        };
        self.orders.push(Order::Beat(beat));
    }

    pub(super) fn stop(&mut self) {
        if self.stopping {
            return;
        }
        self.stopping = true;
        self.offers.clear();
        let open: Vec<AttemptId> = self.live.keys().copied().collect();
        for attempt in open {
            let waits = self.live.get(&attempt).is_some_and(|live| {
                matches!(live.activity, Activity::Waiting | Activity::Checking)
            });
            if waits {
                // It stays in the journal, and the next start of the agent takes it up.
                self.live.remove(&attempt);
            } else {
                self.stop_attempt(attempt, &super::Stopping::Shutdown, Some(super::GRACE_MS));
            }
        }
        if self.connection == Connection::Synced {
            self.send(FromAgent::Goodbye {
                why: "the agent was stopped".to_owned(),
            });
        }
    }
}
