//! Clients and workers on the scheduler: they ask until they are told, over connections that break.

use super::{Happening, Simulation};
use crate::simulation::coordinator::Who;
use crate::simulation::worker::Heard;
use botswain::dispatch::SessionId;
use botswain::runtime::{Ask, ReplyTo, SessionOut};
use botswain_proto::worker::{Reply, ServerMessage};
use rand::Rng;
use std::sync::Arc;

impl Simulation {
    /// A client asks, and will ask again if it hears nothing.
    pub(super) fn demand(&mut self, demand: usize) {
        if self.demands[demand].told.is_some()
            && self.demands[demand].tries > 0
            && !self.chance(0.1)
        {
            return;
        }
        self.demands[demand].tries += 1;
        let (loss, double) = (self.weather.loss, self.weather.double);
        if self.chance(loss) {
            self.figures.lost_or_doubled += 1;
        } else {
            let later = self.delay();
            self.after(later, Happening::DemandArrives(demand));
        }
        if self.chance(double) {
            self.figures.lost_or_doubled += 1;
            let later = self.delay();
            self.after(later, Happening::DemandArrives(demand));
        }
        let again = self.rng.random_range(500..3_000);
        self.after(again, Happening::Demand(demand));
    }

    pub(super) fn worker_wakes(&mut self, worker: usize) {
        if self.workers[worker].polls {
            if self.coordinator.is_up() {
                let ask = self.workers[worker].poll(&mut self.rng);
                self.coordinator.ask(ask, Who::Poll(worker), None);
                self.soon();
            }
            let again = self.rng.random_range(200..2_000);
            self.after(again, Happening::WorkerWakes(worker));
            return;
        }
        if self.workers[worker].stream.is_some() {
            return;
        }
        if !self.coordinator.is_up() {
            let again = self.rng.random_range(100..2_000);
            self.after(again, Happening::WorkerWakes(worker));
            return;
        }
        self.next_session += 1;
        let session = SessionId(self.next_session);
        let out = Arc::new(SessionOut::default());
        self.coordinator.ask(
            Ask::OpenSession {
                session,
                out: Arc::clone(&out),
            },
            Who::Nobody,
            None,
        );
        for wish in self.workers[worker].wishes() {
            self.coordinator.ask(
                Ask::Subscribe {
                    session,
                    wish,
                    fetch: Vec::new(),
                },
                Who::Nobody,
                None,
            );
        }
        self.workers[worker].stream = Some((session, out));
        // What was never answered is said again on the new stream.
        for number in self.workers[worker].unanswered() {
            self.later_says(worker, number);
        }
        self.soon();
    }

    pub(super) fn later_says(&mut self, worker: usize, number: u64) {
        let works = if !self.calm && self.rng.random_bool(0.05) {
            self.rng.random_range(5_000..12_000)
        } else {
            self.rng.random_range(1..500)
        };
        self.after(works, Happening::WorkerSays(worker, number));
    }

    pub(super) fn worker_says(&mut self, worker: usize, number: u64) {
        let Some((ask, subscription)) = self.workers[worker].say(number) else {
            return;
        };
        if self.workers[worker].polls {
            let loss = self.weather.loss;
            if self.chance(loss) || !self.coordinator.is_up() {
                self.figures.lost_or_doubled += 1;
                return self.later_says(worker, number);
            }
            self.coordinator.ask(ask, Who::Said(worker, number), None);
            return self.soon();
        }
        // Without a stream it waits for the next one.
        let Some((session, _)) = self.workers[worker].stream else {
            return;
        };
        self.coordinator.ask_on_stream(
            ask,
            ReplyTo::Stream {
                session,
                request_id: number,
            },
        );
        self.coordinator.ask_on_stream(
            Ask::Credits {
                session,
                subscription,
                more: 1,
            },
            ReplyTo::Nobody,
        );
        self.soon();
    }

    pub(super) fn worker_hears(&mut self, worker: usize, session: SessionId, frame: ServerMessage) {
        let current = self.workers[worker]
            .stream
            .as_ref()
            .is_some_and(|(current, _)| *current == session);
        for job in &frame.jobs {
            match self.workers[worker].take(job, self.calm, &mut self.rng) {
                Some(number) => self.later_says(worker, number),
                // It forgets the job; the lease brings it back, and the stream has room for another.
                None if current => {
                    let ask = Ask::Credits {
                        session,
                        subscription: job.subscription,
                        more: 1,
                    };
                    self.coordinator.ask_on_stream(ask, ReplyTo::Nobody);
                    self.soon();
                }
                None => {}
            }
        }
        for reply in &frame.replies {
            self.worker_answered(worker, reply);
        }
    }

    pub(super) fn worker_answered(&mut self, worker: usize, reply: &Reply) {
        match self.workers[worker].hears(reply) {
            Heard::Done(job) => {
                self.done.insert(job);
            }
            Heard::Settled => {}
            Heard::Again => self.later_says(worker, reply.request_id),
        }
    }
}
