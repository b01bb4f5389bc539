//! Runs: when an attempt begins, passes its commit point, and ends.

use botswain_action::Outcome;
use botswain_proto::ids::{AttemptId, Seq};
use botswain_proto::limits::{EVIDENCE_FILES_MAX, PAYLOAD_MAX_BYTES};
use botswain_proto::message::{Happened, Progress, Reason, State, TaskEvent};

use super::intake::{reason, shortened};
use super::ledger::{Phase, event};
use super::verdict::{self, Interrupted};
use super::{
    Activity, GRACE_MS, Millis, Order, PROGRESS_MS, Prepared, Probed, RUN_MS, RUNS_MAX, Record,
    Run, RunEnd, Running, Session, Stamp, Stopping,
};

/// Warnings that travel with an end, and their length.
const WARNINGS_MAX: usize = 16;
const WARNING_BYTES_MAX: usize = 256;

impl Session {
    /// Begins attempts in the order of their arrival, as far as their locks are free.
    pub(super) fn start_waiting(&mut self) {
        if self.stopping {
            return;
        }
        let mut held: std::collections::BTreeSet<String> = self
            .live
            .values()
            .filter(|live| matches!(live.activity, Activity::Running(_) | Activity::Probing))
            .flat_map(|live| live.locks.iter().cloned())
            .collect();
        for attempt in self.queue.clone() {
            let Some(live) = self.live.get(&attempt) else {
                self.queue.retain(|waiting| *waiting != attempt);
                continue;
            };
            if !matches!(live.activity, Activity::Waiting) {
                continue;
            }
            let free = live.locks.is_disjoint(&held);
            // Also an attempt that still waits keeps its locks from later ones: nobody overtakes and starves it.
            held.extend(live.locks.iter().cloned());
            if free {
                self.queue.retain(|waiting| *waiting != attempt);
                self.begin(attempt);
            }
        }
    }

    fn begin(&mut self, attempt: AttemptId) {
        let Some(entry) = self.ledger.open().get(&attempt) else {
            return;
        };
        let (probe, begun_before) = (
            verdict::interrupted(entry) == Interrupted::MustProbe,
            entry.runs > 0,
        );
        let task = entry.task.clone();
        let limit_ms = self.limit_of(attempt, task.limits.run_timeout_ms);
        let grace = match task.limits.cancel_grace_ms {
            0 => GRACE_MS,
            grace => grace,
        };
        let now = self.now;
        let Some(live) = self.live.get_mut(&attempt) else {
            return;
        };
        if probe {
            live.activity = Activity::Probing;
            let run = Run {
                task,
                secrets: std::mem::take(&mut live.secrets),
                limit_ms,
            };
            self.orders.push(Order::Probe(Box::new(run)));
            return;
        }
        live.activity = Activity::Running(Running {
            hard_deadline: now.saturating_add(limit_ms).saturating_add(grace),
            begun: now,
            stopping: None,
            last_note: None,
        });
        let run = Run {
            task,
            secrets: std::mem::take(&mut live.secrets),
            limit_ms,
        };
        let seq = if begun_before {
            Seq(0)
        } else {
            self.ledger.next_seq()
        };
        self.record(Record::Started {
            attempt,
            seq,
            at: Stamp {
                ms: now,
                ..self.stamp
            },
        });
        self.orders.push(Order::Run(Box::new(run)));
    }

    /// The shorter of what the coordinator gives and what the work asks for.
    fn limit_of(&self, attempt: AttemptId, given: Millis) -> Millis {
        let asked = self.live.get(&attempt).and_then(|live| live.limit_ms);
        [Some(given), asked]
            .into_iter()
            .flatten()
            .filter(|limit| *limit > 0)
            .fold(RUN_MS, Millis::min)
    }

    /// Work of an attempt from before a restart was found again, or may not be done any more.
    pub(super) fn checked_again(&mut self, attempt: AttemptId, result: Result<Prepared, Reason>) {
        match result {
            Ok(prepared) => {
                if let Some(live) = self.live.get_mut(&attempt) {
                    live.locks.extend(prepared.locks);
                    live.limit_ms = prepared.limit_ms;
                    live.activity = Activity::Waiting;
                    self.queue.push_back(attempt);
                }
            }
            Err(why) => self.finish_refused(attempt, why),
        }
    }

    fn finish_refused(&mut self, attempt: AttemptId, why: Reason) {
        let Some(entry) = self.ledger.open().get(&attempt) else {
            return;
        };
        let verdict = verdict::interrupted(entry);
        self.finish(attempt, |end| match verdict {
            Interrupted::MayRepeat(happened) => {
                end.state = State::Failed;
                end.happened = Some(happened);
                end.reason = Some(why);
            }
            Interrupted::MustProbe | Interrupted::Unknown => verdict::unknown(
                end,
                "interrupted",
                format!(
                    "it was interrupted past its commit point and cannot be checked: {}",
                    why.text
                ),
            ),
        });
    }

    pub(super) fn commit_point(&mut self, attempt: AttemptId) {
        let committed = self
            .ledger
            .open()
            .get(&attempt)
            .map(|entry| matches!(entry.phase, Phase::Committed(_)));
        let running = self.live.get(&attempt).map(|live| &live.activity);
        match (committed, running) {
            (Some(done), Some(Activity::Running(running))) => {
                if let Some(why) = &running.stopping {
                    let why = verdict::stopped(why).1.text;
                    self.orders.push(Order::DenyCommit(attempt, why));
                } else {
                    if !done {
                        self.record(Record::Committed { attempt });
                    }
                    self.orders.push(Order::GrantCommit(attempt));
                }
            }
            _ => self.orders.push(Order::DenyCommit(
                attempt,
                "the attempt is not running here".to_owned(),
            )),
        }
    }

    pub(super) fn step(&mut self, attempt: AttemptId, step: String) {
        let now = self.now;
        let Some(Activity::Running(running)) =
            self.live.get_mut(&attempt).map(|live| &mut live.activity)
        else {
            return;
        };
        if running
            .last_note
            .is_some_and(|last| now < last + PROGRESS_MS)
        {
            return;
        }
        running.last_note = Some(now);
        if let Some(entry) = self.ledger.open().get(&attempt) {
            let mut note = event(&entry.task, Seq(0), State::Progress);
            note.progress = Some(Progress {
                percent: 0,
                step: shortened(step),
                note: String::new(),
            });
            self.say(note);
        }
    }

    pub(super) fn ended(&mut self, attempt: AttemptId, end: RunEnd) {
        let Some(Activity::Running(running)) = self.live.get(&attempt).map(|live| &live.activity)
        else {
            return;
        };
        let stopping = running.stopping.clone();
        let RunEnd {
            outcome,
            evidence,
            mut warnings,
            result_ref,
        } = end;
        let extras = move |end: &mut TaskEvent| {
            end.evidence = evidence;
            end.evidence.truncate(EVIDENCE_FILES_MAX);
            warnings.truncate(WARNINGS_MAX);
            end.warnings = warnings
                .into_iter()
                .map(|warning| warning.chars().take(WARNING_BYTES_MAX / 4).collect())
                .collect();
        };
        let outcome = match outcome {
            Ok(outcome) => outcome,
            Err(died) => {
                self.finish_interrupted(attempt, stopping, &died);
                return;
            }
        };
        let Some(entry) = self.ledger.open().get(&attempt) else {
            return;
        };
        // A run that stops because it was told to has the reason it was told.
        let told = match (&outcome, &stopping) {
            (Outcome::Cancelled { .. }, Some(why)) => Some(verdict::stopped(why)),
            _ => None,
        };
        let mut said = event(&entry.task, Seq(0), State::Failed);
        verdict::of_outcome(entry, outcome, &mut said);
        if let (Some((state, why)), State::Cancelled) = (told, said.state) {
            said.state = state;
            said.reason = Some(why);
        }
        if let Some(file) = result_ref {
            said.result = bytes::Bytes::new();
            said.result_ref = Some((file.sha256, file.size));
        } else if said.result.len() > PAYLOAD_MAX_BYTES {
            said.result = bytes::Bytes::new();
            said.warnings.push("the result was too large".to_owned());
        }
        self.finish(attempt, |end| {
            end.state = said.state;
            end.happened = said.happened;
            end.reason = said.reason;
            end.bpmn_error = said.bpmn_error;
            end.result = said.result;
            end.result_ref = said.result_ref;
            extras(end);
        });
    }

    /// A run is over and nobody saw how.
    pub(super) fn finish_interrupted(
        &mut self,
        attempt: AttemptId,
        stopping: Option<Stopping>,
        how: &str,
    ) {
        let Some(entry) = self.ledger.open().get(&attempt) else {
            return;
        };
        let how = how.to_owned();
        match verdict::interrupted(entry) {
            Interrupted::MayRepeat(happened) => self.finish(attempt, |end| {
                let (state, why) = match &stopping {
                    Some(why) => verdict::stopped(why),
                    None => (State::Failed, reason("interrupted", how, true)),
                };
                end.state = state;
                end.happened = Some(happened);
                end.reason = Some(why);
            }),
            Interrupted::Unknown => self.finish(attempt, |end| {
                verdict::unknown(
                    end,
                    "interrupted",
                    format!("it was interrupted past its commit point: {how}"),
                );
            }),
            // A stopping agent leaves the question to its next start.
            Interrupted::MustProbe if self.stopping => {
                self.live.remove(&attempt);
                self.queue.retain(|waiting| *waiting != attempt);
            }
            Interrupted::MustProbe => {
                if let Some(live) = self.live.get_mut(&attempt) {
                    live.activity = Activity::Waiting;
                    live.stopped = stopping;
                    self.queue.retain(|waiting| *waiting != attempt);
                    self.queue.push_front(attempt);
                }
            }
        }
    }

    pub(super) fn probed(&mut self, attempt: AttemptId, probed: Probed) {
        let Some(live) = self.live.get_mut(&attempt) else {
            return;
        };
        if !matches!(live.activity, Activity::Probing) {
            return;
        }
        let stopped = live.stopped.take();
        let (runs, had_secrets) = self
            .ledger
            .open()
            .get(&attempt)
            .map_or((0, false), |entry| (entry.runs, entry.had_secrets));
        match probed {
            Probed::Happened(output) => {
                let result = serde_json::Value::Object(output).to_string();
                self.finish(attempt, |end| {
                    end.state = State::Succeeded;
                    end.happened = Some(Happened::Yes);
                    end.warnings =
                        vec!["its end was lost; a probe found that it happened".to_owned()];
                    end.result = result.into();
                });
            }
            Probed::DidNotHappen if stopped.is_some() => self.finish(attempt, |end| {
                let (state, why) = verdict::stopped(&stopped.unwrap_or(Stopping::TimedOut));
                end.state = state;
                end.happened = Some(Happened::No);
                end.reason = Some(why);
            }),
            Probed::DidNotHappen if runs < RUNS_MAX && !had_secrets && !self.stopping => {
                // The run that follows begins from nothing, as the record of its start says.
                self.begin_again(attempt);
            }
            Probed::DidNotHappen => self.finish(attempt, |end| {
                end.state = State::Failed;
                end.happened = Some(Happened::No);
                end.reason = Some(reason(
                    "interrupted",
                    "it was interrupted; a probe found that it did not happen",
                    true,
                ));
            }),
            Probed::CannotTell(why) => self.finish(attempt, |end| {
                verdict::unknown(
                    end,
                    "interrupted",
                    format!(
                        "it was interrupted, and a probe could not tell whether it happened: {why}"
                    ),
                );
            }),
        }
    }

    fn begin_again(&mut self, attempt: AttemptId) {
        let Some(entry) = self.ledger.open().get(&attempt) else {
            return;
        };
        let task = entry.task.clone();
        let limit_ms = self.limit_of(attempt, task.limits.run_timeout_ms);
        let (now, stamp) = (self.now, self.stamp);
        if let Some(live) = self.live.get_mut(&attempt) {
            live.activity = Activity::Running(Running {
                hard_deadline: now.saturating_add(limit_ms).saturating_add(GRACE_MS),
                begun: now,
                stopping: None,
                last_note: None,
            });
        }
        self.record(Record::Started {
            attempt,
            seq: Seq(0),
            at: Stamp { ms: now, ..stamp },
        });
        self.orders.push(Order::Run(Box::new(Run {
            task,
            secrets: Vec::new(),
            limit_ms,
        })));
    }

    /// Ends an attempt; the event stays in the outbox until the coordinator has it.
    pub(super) fn finish(&mut self, attempt: AttemptId, say: impl FnOnce(&mut TaskEvent)) {
        let Some(entry) = self.ledger.open().get(&attempt) else {
            return;
        };
        let mut end = event(&entry.task, self.ledger.next_seq(), State::Failed);
        if let Some(live) = self.live.remove(&attempt) {
            let begun = match live.activity {
                Activity::Running(running) => Some(running.begun),
                Activity::Checking | Activity::Waiting | Activity::Probing => None,
            };
            if let (Some(arrived), Some(begun)) = (live.arrived, begun) {
                end.queued_ms = begun.saturating_sub(arrived);
            }
            end.run_ms = begun.map_or(0, |begun| self.now.saturating_sub(begun));
        }
        self.queue.retain(|waiting| *waiting != attempt);
        say(&mut end);
        self.record(Record::Finished {
            event: Box::new(end),
        });
    }
}
