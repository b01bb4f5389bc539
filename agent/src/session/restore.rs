//! Restoring: what follows from a journal whose agent ended at any moment.

use std::collections::BTreeSet;

use botswain_proto::ids::AttemptId;
use botswain_proto::message::{Happened, State};

use super::intake::reason;
use super::ledger::{Entry, Phase};
use super::verdict::{self, Interrupted};
use super::{Activity, Live, Millis, Order, RUNS_MAX, Session};

impl Session {
    pub(super) fn take_up(&mut self) {
        let open: Vec<(AttemptId, Entry)> = self
            .ledger
            .open()
            .iter()
            .map(|(attempt, entry)| (*attempt, entry.clone()))
            .collect();
        for (attempt, entry) in open {
            self.take_up_one(attempt, &entry);
        }
    }

    fn take_up_one(&mut self, attempt: AttemptId, entry: &Entry) {
        let age = self.stamp.since(entry.received);
        let arrived: Option<Millis> = age.map(|age| self.stamp.ms.saturating_sub(age));
        let limits = entry.task.limits;
        self.live.insert(
            attempt,
            Live {
                activity: Activity::Checking,
                secrets: Vec::new(),
                locks: entry.task.locks.iter().cloned().collect::<BTreeSet<_>>(),
                limit_ms: None,
                arrived,
                stopped: None,
                // Where the machine was started anew nobody knows how old the lease is; it counts as just over.
                lease_until: (limits.lease_ms > 0)
                    .then(|| arrived.map_or(self.now, |at| at.saturating_add(limits.lease_ms))),
            },
        );
        let begun = !matches!(entry.phase, Phase::Received);
        let verdict = verdict::interrupted(entry);
        match verdict {
            Interrupted::Unknown => {
                self.finish_interrupted(attempt, None, "the agent ended while it ran");
            }
            // Secrets are nowhere but in memory, and memory is gone.
            Interrupted::MayRepeat(happened) if entry.had_secrets => self.finish(attempt, |end| {
                end.state = State::Failed;
                end.happened = Some(happened);
                end.reason = Some(reason(
                    "secrets_gone",
                    "the agent was started anew, and secrets do not outlive it",
                    true,
                ));
            }),
            Interrupted::MayRepeat(happened) if begun && entry.runs >= RUNS_MAX => {
                self.finish(attempt, |end| {
                    end.state = State::Failed;
                    end.happened = Some(happened);
                    end.reason = Some(reason(
                        "interrupted",
                        format!("the agent ended {RUNS_MAX} times while it ran"),
                        true,
                    ));
                });
            }
            // Old work must not suddenly run: without knowing how long it waited, its limit counts as passed.
            Interrupted::MayRepeat(_) if !begun && limits.start_by_ms > 0 && arrived.is_none() => {
                self.finish(attempt, |end| {
                    end.state = State::Failed;
                    end.happened = Some(Happened::No);
                    end.reason = Some(reason(
                        "start_by",
                        "the machine was started anew, and nobody knows how long it waited",
                        true,
                    ));
                });
            }
            Interrupted::MayRepeat(_)
                if begun && entry.effect == botswain_proto::message::EffectClass::AtMostOnce =>
            {
                // It did certainly nothing. But work of this class is begun once per attempt; the coordinator may make another.
                self.finish_interrupted(attempt, None, "the agent ended before its commit point");
            }
            Interrupted::MayRepeat(_) | Interrupted::MustProbe => {
                self.orders
                    .push(Order::Prepare(Box::new(entry.task.clone())));
            }
        }
    }
}
