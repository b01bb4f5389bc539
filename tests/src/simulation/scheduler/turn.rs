//! A turn of the coordinator: what goes wrong with it, and where everything goes that leaves it.

use super::{Happening, Simulation};
use crate::simulation::coordinator::Who;
use crate::simulation::line::messages;
use botswain::dispatch::End;
use botswain::runtime::{Answer, ConnectorCall, Refusal, RefusalKind, Turned};
use botswain_engine::Key;
use botswain_proto::ids::JobKey;
use botswain_proto::message::{Happened, Reason, Receipt, State, ToAgent};
use botswain_proto::worker::{Code, Error, Reply};
use botswain_store::Faults;
use futures_util::FutureExt;
use rand::Rng;

impl Simulation {
    pub(super) fn turn(&mut self) -> Result<(), String> {
        self.coordinator.turn_at = None;
        let fault = self.fault();
        self.disk.inject(fault);
        let wall = self.wall();
        let Some(turned) = self.coordinator.turn(self.now, wall) else {
            return Ok(());
        };
        // A batch without anything to write is not committed, and the fault is not met.
        self.disk.inject(Faults::None);
        if let Some(reason) = &turned.fatal {
            if fault == Faults::None {
                return Err(format!("the coordinator ended itself: {reason}"));
            }
            self.figures.failed_commits += 1;
            self.crash_coordinator();
            return Ok(());
        }
        if turned.published.starts_anew {
            self.figures.failed_commits += 1;
        }
        let crash = self.weather.crash;
        if self.chance(crash) {
            // Durable, and nobody hears of it.
            self.crash_coordinator();
            return Ok(());
        }
        if self.figures.events % 8 < 3
            && let Some(writer) = self.coordinator.writer.as_mut()
            && let Some(difference) = writer
                .differs_from_store()
                .map_err(|error| error.to_string())?
        {
            return Err(format!(
                "memory is not what the store would rebuild: {difference}"
            ));
        }
        self.leave(turned)
    }

    fn fault(&mut self) -> Faults {
        if self.now < self.full_until {
            return Faults::Full;
        }
        let probability = self.weather.commit_fails;
        if !self.chance(probability) {
            return Faults::None;
        }
        match self.rng.random_range(0..10) {
            0..4 => Faults::FailsBefore,
            4..7 => Faults::FailsAfter,
            7..9 => Faults::Full,
            _ => Faults::SyncFails,
        }
    }

    /// The process ends; half of the time the machine goes with it.
    fn crash_coordinator(&mut self) {
        self.figures.coordinator_crashes += 1;
        self.coordinator.end();
        if self.rng.random_bool(0.5) {
            self.disk.crash();
        }
        for worker in &mut self.workers {
            worker.stream = None;
        }
        self.everybody_loses_the_line();
        let down = self.rng.random_range(10..5_000);
        self.after(down, Happening::CoordinatorStarts);
    }

    fn everybody_loses_the_line(&mut self) {
        let open: Vec<u64> = self
            .lines
            .iter()
            .filter(|(_, line)| line.coordinator_side)
            .map(|(id, _)| *id)
            .collect();
        for id in open {
            if let Some(line) = self.lines.get_mut(&id) {
                line.coordinator_side = false;
            }
            let notices = self.rng.random_range(0..1_000);
            self.after(notices, Happening::AgentNotices(id));
        }
    }

    fn leave(&mut self, turned: Turned) -> Result<(), String> {
        let mut published = turned.published;
        for (who, answer) in self.coordinator.answers() {
            self.answered(who, answer)?;
        }
        if published.starts_anew {
            let sessions: Vec<_> = self
                .lines
                .values()
                .filter(|line| line.coordinator_side)
                .map(|line| (line.agent, line.session))
                .collect();
            self.everybody_loses_the_line();
            for (agent, session) in sessions {
                self.tell_gone(agent, session);
            }
        }
        for (session, message) in messages(&mut published) {
            let found = self
                .lines
                .iter_mut()
                .find(|(_, line)| line.session == session && line.coordinator_side);
            match found {
                Some((_, line)) if !line.greeted => line.waiting.push(message),
                Some((id, _)) => {
                    let id = *id;
                    self.say_down(id, message);
                }
                None => {}
            }
        }
        let generation = self.coordinator.generation;
        for call in published.calls {
            let begins = self.rng.random_range(1..400);
            self.after(begins, Happening::CallActs(generation, Box::new(call)));
        }
        for worker in 0..self.workers.len() {
            self.send_frames(worker);
        }
        if turned.more {
            self.soon();
        }
        if let Some(due_in) = turned.due_in {
            self.turn_by(self.now + due_in.max(1));
        }
        Ok(())
    }

    fn send_frames(&mut self, worker: usize) {
        let Some((session, out)) = self.workers[worker].stream.clone() else {
            return;
        };
        let breaks = self.weather.breaks;
        while let Some(next) = out.next().now_or_never() {
            let cut = self.chance(breaks);
            match next {
                Some(frame) if !cut => {
                    let later = self.rng.random_range(0..10);
                    self.after(
                        later,
                        Happening::WorkerHears(worker, session, Box::new(frame)),
                    );
                }
                lost => {
                    // The stream is over, or broke with what was on it.
                    self.workers[worker].stream = None;
                    if lost.is_some() {
                        self.figures.lost_or_doubled += 1;
                        let notices = self.rng.random_range(0..3_000);
                        self.after(notices, Happening::WorkerGone(session));
                    }
                    let again = self.rng.random_range(1..1_000);
                    self.after(again, Happening::WorkerWakes(worker));
                    return;
                }
            }
        }
    }

    fn answered(&mut self, who: Who, answer: Result<Answer, Refusal>) -> Result<(), String> {
        match who {
            Who::Nobody | Who::Setup => {}
            Who::Demand(demand) => {
                let answer = answer.map(|answer| match answer {
                    Answer::Created(created) => created.instance,
                    Answer::Made(key) => key,
                    other => panic!("a request was answered with {other:?}"),
                });
                if answer.is_ok() {
                    // What leaves the coordinator counts as told, whether it arrives or not.
                    self.demands[demand].answered(answer.clone())?;
                }
                let loss = self.weather.loss;
                if self.chance(loss) {
                    self.figures.lost_or_doubled += 1;
                    return Ok(());
                }
                let later = self.delay();
                self.after(later, Happening::DemandAnswered(demand, answer));
            }
            Who::Hello(line) => match answer {
                Ok(Answer::Sync(sync)) => self.greet(line, *sync),
                _ => self.hang_up(line),
            },
            Who::Event(line, seq) => match answer {
                Ok(Answer::Verdict(verdict)) => {
                    if seq.0 > 0 {
                        self.say_down(
                            line,
                            ToAgent::Receipt(Receipt {
                                items: vec![(seq, verdict)],
                                leases: Vec::new(),
                            }),
                        );
                    }
                }
                _ => self.hang_up(line),
            },
            Who::Beat(line) => match answer {
                Ok(Answer::Leases(leases)) => {
                    self.say_down(
                        line,
                        ToAgent::Receipt(Receipt {
                            items: Vec::new(),
                            leases,
                        }),
                    );
                }
                _ => self.hang_up(line),
            },
            Who::Poll(worker) => {
                if let Ok(Answer::Jobs(jobs)) = answer {
                    let loss = self.weather.loss;
                    if self.chance(loss) {
                        self.figures.lost_or_doubled += 1;
                    } else {
                        let later = self.delay();
                        self.after(later, Happening::Polled(worker, jobs));
                    }
                }
            }
            Who::Said(worker, number) => {
                let error = answer.err().map(|refusal| Error {
                    code: code(refusal.kind).into(),
                    message: refusal.message,
                });
                let reply = Reply {
                    request_id: number,
                    key: 0,
                    error,
                };
                let later = self.delay();
                self.after(later, Happening::Answered(worker, reply));
            }
            Who::Inspect(instance) => self.inspected(instance, answer)?,
        }
        Ok(())
    }

    fn inspected(&mut self, instance: Key, answer: Result<Answer, Refusal>) -> Result<(), String> {
        let text = match answer {
            Ok(Answer::Inspected {
                waiting, stopped, ..
            }) => {
                if let Some(lost) = waiting.iter().find(|token| token.reason.is_none()) {
                    return Err(format!(
                        "a token of {instance} waits without a reason: {lost:?}"
                    ));
                }
                if waiting.is_empty() && !stopped {
                    return Err(format!("{instance} has no token and has not ended"));
                }
                if stopped {
                    return Err(format!("{instance} was stopped after a panic"));
                }
                format!("{waiting:?}")
            }
            Ok(_) => String::new(),
            Err(refusal) => refusal.message,
        };
        self.reasons.insert(instance, text);
        Ok(())
    }

    /// A connector's call: it acts while its process lives, and its end is told to the writer of that process.
    pub(super) fn call_acts(&mut self, generation: u32, call: &ConnectorCall) {
        if self.coordinator.generation != generation || !self.coordinator.is_up() {
            return;
        }
        let job = JobKey(call.job.key.as_i64());
        let failed = |state, happened, retryable| {
            let reason = Reason {
                code: "call".to_owned(),
                text: "the call failed".to_owned(),
                retryable,
                policy_rule: String::new(),
            };
            End {
                state,
                happened,
                reason: Some(reason),
                ..End::success(bytes::Bytes::new())
            }
        };
        let luck = if self.calm {
            0
        } else {
            self.rng.random_range(0..100)
        };
        let end = match luck {
            0..80 => {
                self.world.happens(job);
                End::success(bytes::Bytes::from_static(b"{\"called\":true}"))
            }
            80..90 => failed(State::Failed, Happened::No, true),
            90..95 => failed(State::Unknown, Happened::Maybe, true),
            _ => {
                self.world.happens(job);
                failed(State::Unknown, Happened::Maybe, true)
            }
        };
        let ends = self.rng.random_range(0..300);
        self.after(
            ends,
            Happening::CallEnds(generation, call.offer.attempt, Box::new(end)),
        );
    }
}

const fn code(kind: RefusalKind) -> Code {
    match kind {
        RefusalKind::InvalidArgument => Code::InvalidArgument,
        RefusalKind::NotFound => Code::NotFound,
        RefusalKind::AlreadyExists => Code::AlreadyExists,
        RefusalKind::InvalidState => Code::InvalidState,
        RefusalKind::ResourceExhausted => Code::ResourceExhausted,
        RefusalKind::Unavailable => Code::Unavailable,
        RefusalKind::Internal => Code::Internal,
    }
}
