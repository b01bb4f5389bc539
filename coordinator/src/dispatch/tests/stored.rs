//! What the store would have: rows as the writer commits them, to restart from.

use crate::dispatch::*;
use botswain_proto::ids::{AttemptId, Digest};
use botswain_proto::message::EffectClass;
use std::collections::BTreeMap;

/// What the store has: the rows that the writer would have committed.
#[derive(Default)]
pub(super) struct Stored {
    pub(super) jobs: BTreeMap<u64, StoredJob>,
    pub(super) attempts: BTreeMap<AttemptId, AttemptRow>,
    pub(super) routes: BTreeMap<String, Route>,
    pub(super) restarts: u64,
}

impl Stored {
    pub(super) fn change(&mut self, change: Change) {
        match change {
            Change::JobFreed {
                job,
                fence,
                available_at,
                leg,
            } => {
                if let Some(row) = self.jobs.get_mut(&job.as_u64()) {
                    row.job.fence = fence;
                    row.job.available_at = available_at;
                    row.leg = leg;
                    row.hold = StoredHold::Free;
                }
            }
            Change::JobSuspended { job, fence } => {
                if let Some(row) = self.jobs.get_mut(&job.as_u64()) {
                    row.job.fence = fence;
                    row.hold = StoredHold::Suspended;
                }
            }
            Change::JobResumed {
                job,
                fence,
                attempt,
                ..
            } => {
                let attempt = self.attempts[&attempt].clone();
                if let Some(row) = self.jobs.get_mut(&job.as_u64()) {
                    row.job.fence = fence;
                    row.hold = StoredHold::Attempt(Box::new(attempt));
                }
            }
            Change::Attempt(attempt) => {
                if let Some(row) = self.jobs.get_mut(&attempt.job.as_u64())
                    && let StoredHold::Attempt(held) = &mut row.hold
                    && held.id == attempt.id
                {
                    held.clone_from(&attempt);
                }
                self.attempts.insert(attempt.id, *attempt);
            }
            Change::Audit(_) => {}
        }
    }

    pub(super) fn assigned(&mut self, given: &Assignment) {
        let row = self
            .jobs
            .get_mut(&given.job.as_u64())
            .expect("only open jobs are given out");
        row.job.fence = given.fence;
        row.hold = match &given.to {
            To::Worker { .. } => StoredHold::Worker {
                lease_until: given.lease_until,
            },
            To::Agent { offer, .. } | To::Connector { offer, .. } | To::Person { offer } => {
                StoredHold::Attempt(Box::new(self.attempts[&offer.attempt].clone()))
            }
        };
    }
}

/// A desk as it is before anything is restored.
pub(super) fn desk_with_bots(epoch: u64) -> Desk {
    let mut desk = Desk::new(Settings {
        epoch,
        waiting_max: 1_000,
        ..Settings::default()
    });
    for (name, effect) in [
        ("pay", EffectClass::AtMostOnce),
        ("read", EffectClass::Pure),
    ] {
        desk.set_bot(BotPackage {
            name: name.into(),
            version: "1".into(),
            digest: Digest::of(b""),
            effect,
            needs: Vec::new(),
            secrets: Vec::new(),
            run_timeout_ms: 1_000,
        });
    }
    desk
}
