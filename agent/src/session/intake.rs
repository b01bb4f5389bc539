//! Intake: which offers become attempts, which are refused, and what a request to stop means at each stage.

use botswain_proto::ids::{AttemptId, Epoch, Fence, JobKey, Seq};
use botswain_proto::json;
use botswain_proto::message::{
    Cancel, FromAgent, Happened, Known, Reason, State, SyncItem, Task, TaskEvent,
};

use super::ledger::event;
use super::{Activity, GRACE_MS, Live, Offer, Order, Prepared, Record, Session, Stopping, verdict};

impl Session {
    pub(super) fn offered(&mut self, mut task: Task) {
        if !self.heed(task.epoch, "a task") {
            return;
        }
        if self.knows(&task) {
            return;
        }
        let refusal = self.refusal(&task);
        if let Some((code, text)) = refusal {
            // Nothing happened and nothing needs remembering: a refusal for the moment costs no journal.
            let mut end = event(&task, Seq(0), State::Rejected);
            end.happened = Some(Happened::No);
            end.reason = Some(reason(code, text, true));
            self.say(end);
            return;
        }
        if let Err(error) = json::object(&task.input) {
            let why = reason("invalid_input", format!("the task's input {error}"), false);
            self.refuse(&task, State::Rejected, why);
            return;
        }
        let secrets = std::mem::take(&mut task.secrets);
        self.offers.insert(
            task.attempt,
            Offer {
                task: task.clone(),
                secrets,
                arrived: self.now,
            },
        );
        self.orders.push(Order::Prepare(Box::new(task)));
    }

    /// Follows coordinators of the highest term only: a deposed one cannot dispatch late.
    pub(super) fn heed(&mut self, epoch: Epoch, what: &str) -> bool {
        let highest = self.ledger.epoch();
        if epoch < highest {
            self.orders.push(Order::Warn(format!(
                "{what} of a coordinator of term {epoch} was ignored, because one of term {highest} was heard before"
            )));
            return false;
        }
        if epoch > highest {
            self.record(Record::Epoch { epoch });
        }
        true
    }

    /// Answers an offer that was seen before; the coordinator repeats what it is not sure about.
    fn knows(&mut self, task: &Task) -> bool {
        if self.offers.contains_key(&task.attempt) {
            return true;
        }
        if self.live.contains_key(&task.attempt) {
            self.repeat_state(task.attempt);
            return true;
        }
        let Some((fence, attempt)) = self.ledger.highest(task.job) else {
            return false;
        };
        if attempt == task.attempt && fence == task.fence {
            self.repeat_end(task.job);
            return true;
        }
        if fence < task.fence {
            return false;
        }
        self.send(FromAgent::SyncAnswer(vec![SyncItem {
            attempt: task.attempt,
            job: task.job,
            fence,
            known: Known::FenceAhead,
        }]));
        let mut end = event(task, Seq(0), State::Rejected);
        end.happened = Some(Happened::No);
        end.reason = Some(reason(
            "fence",
            format!(
                "this agent has seen fence {fence} of job {}, the offer has {}",
                task.job, task.fence
            ),
            true,
        ));
        self.say(end);
        true
    }

    fn refusal(&self, task: &Task) -> Option<(&'static str, String)> {
        if self.stopping {
            return Some(("stopping", "the agent is stopping".to_owned()));
        }
        if self.paused {
            return Some((
                "paused",
                "the machine's owner takes no work at present".to_owned(),
            ));
        }
        let same_job = |job: JobKey| job == task.job;
        if self
            .ledger
            .open()
            .values()
            .any(|entry| same_job(entry.task.job))
            || self.offers.values().any(|offer| same_job(offer.task.job))
        {
            return Some((
                "still_running",
                format!("an earlier attempt of job {} is still open here", task.job),
            ));
        }
        if self.outstanding() >= self.settings.slots {
            return Some((
                "no_slot",
                format!("all {} slots are taken", self.settings.slots),
            ));
        }
        if self.ledger.live_bytes() + task.input.len() > self.settings.live_bytes_max {
            return Some((
                "journal_full",
                format!(
                    "{} events wait for a receipt and fill the journal",
                    self.ledger.outbox().len()
                ),
            ));
        }
        None
    }

    /// Refuses for good; the refusal is kept until the coordinator has it.
    fn refuse(&mut self, task: &Task, state: State, why: Reason) {
        let mut end = event(task, self.ledger.next_seq(), state);
        end.happened = Some(Happened::No);
        end.reason = Some(why);
        self.record(Record::Refused {
            event: Box::new(end),
        });
    }

    pub(super) fn prepared(&mut self, attempt: AttemptId, result: Result<Prepared, Reason>) {
        if let Some(offer) = self.offers.remove(&attempt) {
            self.decide_offer(offer, result);
        } else if self
            .live
            .get(&attempt)
            .is_some_and(|live| matches!(live.activity, Activity::Checking))
        {
            self.checked_again(attempt, result);
        }
    }

    fn decide_offer(&mut self, offer: Offer, result: Result<Prepared, Reason>) {
        let Offer {
            task,
            secrets,
            arrived,
        } = offer;
        let prepared = match result {
            Ok(prepared) => prepared,
            Err(why) => return self.refuse(&task, State::Rejected, why),
        };
        if prepared.effect != task.effect {
            let why = reason(
                "effect_mismatch",
                format!(
                    "{} declares {:?}, the coordinator expects {:?}; publish the route again",
                    task.work, prepared.effect, task.effect
                ),
                false,
            );
            return self.refuse(&task, State::Rejected, why);
        }
        let waited = self.now - arrived;
        let limits = task.limits;
        if limits.accept_by_ms > 0 && waited > limits.accept_by_ms {
            let why = reason(
                "accept_by",
                format!(
                    "preparing it took {waited} ms, {} were allowed",
                    limits.accept_by_ms
                ),
                true,
            );
            return self.refuse(&task, State::Rejected, why);
        }
        let attempt = task.attempt;
        let mut locks = prepared.locks;
        locks.extend(task.locks.iter().cloned());
        self.live.insert(
            attempt,
            Live {
                activity: Activity::Waiting,
                locks,
                limit_ms: prepared.limit_ms,
                arrived: Some(arrived),
                lease_until: (limits.lease_ms > 0).then(|| arrived + limits.lease_ms),
                secrets: secrets.clone(),
                stopped: None,
            },
        );
        self.queue.push_back(attempt);
        self.record(Record::Received {
            had_secrets: !secrets.is_empty(),
            effect: prepared.effect,
            seq: self.ledger.next_seq(),
            at: super::Stamp {
                ms: arrived,
                ..self.stamp
            },
            task: Box::new(task),
        });
    }

    pub(super) fn cancel(&mut self, cancel: Cancel) {
        if !self.heed(cancel.epoch, "a request to cancel") {
            return;
        }
        let Cancel {
            attempt,
            fence,
            grace_ms,
            why,
            ..
        } = cancel;
        let why = if why.is_empty() {
            "the coordinator cancelled it".to_owned()
        } else {
            why
        };
        if let Some(offer) = self.offers.remove(&attempt) {
            let why = reason("cancelled", why, false);
            self.refuse(&offer.task, State::Cancelled, why);
            return;
        }
        let Some(entry) = self.ledger.open().get(&attempt) else {
            self.cancel_ended(attempt);
            return;
        };
        if fence != entry.task.fence {
            return;
        }
        let grace = match grace_ms {
            None => None,
            Some(0) => Some(match entry.task.limits.cancel_grace_ms {
                0 => GRACE_MS,
                own => own,
            }),
            Some(grace) => Some(grace),
        };
        self.stop_attempt(attempt, &Stopping::Cancelled(why), grace);
    }

    /// A request to cancel what has ended is answered with the end.
    fn cancel_ended(&mut self, attempt: AttemptId) {
        if let Some(job) = self.ledger.job_of_ended(attempt) {
            self.repeat_end(job);
        }
    }

    /// Stops an open attempt, whatever it is doing; without grace at once.
    pub(super) fn stop_attempt(&mut self, attempt: AttemptId, why: &Stopping, grace: Option<u64>) {
        let now = self.now;
        let Some(live) = self.live.get_mut(&attempt) else {
            return;
        };
        match &mut live.activity {
            Activity::Waiting | Activity::Checking => {
                let runs = self
                    .ledger
                    .open()
                    .get(&attempt)
                    .map_or(0, |entry| entry.runs);
                if runs > 0 {
                    // It ran before a restart of the agent: what is true of an interrupted run is true of it.
                    self.finish_interrupted(
                        attempt,
                        Some(why.clone()),
                        "stopped before it was begun again",
                    );
                } else {
                    let (state, why) = verdict::stopped(why);
                    self.finish(attempt, |end| {
                        end.state = state;
                        end.happened = Some(Happened::No);
                        end.reason = Some(why);
                    });
                }
            }
            Activity::Running(running) => {
                running.stopping.get_or_insert_with(|| why.clone());
                // A kill is asked for once; its end comes as an input.
                let deadline = grace.map_or(super::Millis::MAX, |grace| now.saturating_add(grace));
                running.hard_deadline = match grace {
                    Some(_) => running.hard_deadline.min(deadline),
                    None => deadline,
                };
                self.orders.push(match grace {
                    Some(_) => Order::Cancel(attempt),
                    None => Order::Kill(attempt),
                });
            }
            // A look at the outside is short and changes nothing; what it shows is worth more than its end.
            Activity::Probing => {}
        }
    }

    /// Says something that needs no receipt.
    pub(super) fn say(&mut self, mut event: TaskEvent) {
        event.boot_id.clone_from(&self.settings.boot_id);
        self.send(FromAgent::Event(Box::new(event)));
    }

    /// Says again where an open attempt stands.
    fn repeat_state(&mut self, attempt: AttemptId) {
        let Some(entry) = self.ledger.open().get(&attempt) else {
            return;
        };
        let state = if entry.runs > 0 {
            State::Started
        } else {
            State::Accepted
        };
        let mut note = event(&entry.task, Seq(0), state);
        note.replayed = true;
        self.say(note);
    }

    /// Says again how an attempt ended, with the number it was said under.
    pub(super) fn repeat_end(&mut self, job: JobKey) {
        let end = self.ledger.remains(job).and_then(|tomb| tomb.end.clone());
        if let Some(mut end) = end {
            end.replayed = true;
            self.say(*end);
        }
    }

    pub(super) fn highest_fence(&self, job: JobKey) -> Option<Fence> {
        self.ledger.highest(job).map(|(fence, _)| fence)
    }
}

pub(super) fn reason(code: &str, text: impl Into<String>, retryable: bool) -> Reason {
    Reason {
        code: code.to_owned(),
        text: shortened(text.into()),
        retryable,
        policy_rule: String::new(),
    }
}

/// Cuts a text meant for people to what the wire carries.
pub(super) fn shortened(mut text: String) -> String {
    let max = botswain_proto::limits::TEXT_MAX_BYTES;
    if text.len() > max {
        let mut end = max - '…'.len_utf8();
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
        text.push('…');
    }
    text
}
