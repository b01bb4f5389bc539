//! A simulated worker: takes jobs over a stream or by asking for some, does them, and says so until it is heard.

use super::demands::variables;
use botswain::dispatch::{SessionId, Subscription};
use botswain::runtime::{Activated, Ask, SessionOut};
use botswain_engine::{Key, Variables};
use botswain_proto::worker::{Code, Job, Reply};
use rand::Rng;
use rand::rngs::SmallRng;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The job types that workers do.
pub(super) const TYPES: [&str; 2] = ["work", "slow"];
/// How many jobs a stream may hold of one type.
const CREDITS: u32 = 4;

pub(super) struct Worker {
    pub(super) polls: bool,
    pub(super) stream: Option<(SessionId, Arc<SessionOut>)>,
    /// What it says until it is answered, by the number of the request.
    unanswered: BTreeMap<u64, Said>,
    next_request: u64,
}

#[derive(Clone)]
struct Said {
    job: Key,
    fence: u64,
    what: What,
    subscription: u32,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum What {
    Done,
    Failed(i32),
    Error,
}

/// What came of an answer.
pub(super) enum Heard {
    /// The coordinator has it: the job was done by this.
    Done(Key),
    /// It is settled, one way or another.
    Settled,
    /// It must be said again.
    Again,
}

impl Worker {
    pub(super) fn new(polls: bool) -> Worker {
        Worker {
            polls,
            stream: None,
            unanswered: BTreeMap::new(),
            next_request: 0,
        }
    }

    pub(super) fn wishes(&self) -> Vec<Subscription> {
        let types = TYPES.iter().enumerate();
        types
            .map(|(at, job_type)| Subscription {
                id: at as u32 + 1,
                job_type: (*job_type).into(),
                worker: "worker".into(),
                credits: CREDITS,
                lease_ms: 8_000,
            })
            .collect()
    }

    pub(super) fn poll(&self, rng: &mut SmallRng) -> Ask {
        Ask::Activate {
            job_type: TYPES[rng.random_range(0..TYPES.len())].into(),
            worker: "poller".into(),
            most: rng.random_range(1..4),
            lease_ms: 8_000,
            wait_ms: rng.random_range(0..3_000),
            fetch: Vec::new(),
        }
    }

    /// Takes a job; the number of what it will say about it, if it ever says anything.
    pub(super) fn take(&mut self, job: &Job, calm: bool, rng: &mut SmallRng) -> Option<u64> {
        let what = match if calm { 0 } else { rng.random_range(0..100) } {
            0..75 => What::Done,
            75..85 => What::Failed((job.retries - 1).max(0)),
            85..93 if job.r#type == "slow" => What::Error,
            85..93 => What::Done,
            _ => return None,
        };
        self.next_request += 1;
        let said = Said {
            job: key(job.key),
            fence: job.fence,
            what,
            subscription: job.subscription,
        };
        self.unanswered.insert(self.next_request, said);
        Some(self.next_request)
    }

    pub(super) fn take_polled(
        &mut self,
        given: &Activated,
        calm: bool,
        rng: &mut SmallRng,
    ) -> Option<u64> {
        let number = self.take(&given.job, calm, rng)?;
        // Camunda's paths know no fence.
        if let Some(said) = self.unanswered.get_mut(&number) {
            said.fence = 0;
        }
        Some(number)
    }

    /// What it says, and the subscription that takes one more job with it.
    pub(super) fn say(&self, number: u64) -> Option<(Ask, u32)> {
        let said = self.unanswered.get(&number)?.clone();
        let (job, fence) = (said.job, said.fence);
        let ask = match said.what {
            What::Done => Ask::CompleteJob {
                job,
                fence,
                variables: variables(r#"{"done":true}"#),
            },
            What::Failed(retries) => Ask::FailJob {
                job,
                fence,
                retries,
                back_off_ms: 500,
                message: "no luck".to_owned(),
                variables: Variables::new(),
            },
            What::Error => Ask::ThrowError {
                job,
                fence,
                code: "BAD".into(),
                message: "bad".to_owned(),
                variables: Variables::new(),
            },
        };
        Some((ask, said.subscription))
    }

    /// Everything that is still to be said, for a new stream.
    pub(super) fn unanswered(&self) -> Vec<u64> {
        self.unanswered.keys().copied().collect()
    }

    pub(super) fn hears(&mut self, reply: &Reply) -> Heard {
        let Some(said) = self.unanswered.get(&reply.request_id) else {
            return Heard::Settled;
        };
        let code = reply.error.as_ref().map(|error| error.code());
        match code {
            None => {
                let (job, what) = (said.job, said.what);
                self.unanswered.remove(&reply.request_id);
                if what == What::Done {
                    Heard::Done(job)
                } else {
                    Heard::Settled
                }
            }
            Some(Code::Unavailable | Code::ResourceExhausted) => Heard::Again,
            // Somebody else has it, or it is done: by this worker's own words, maybe.
            Some(_) => {
                self.unanswered.remove(&reply.request_id);
                Heard::Settled
            }
        }
    }
}

const fn key(wire: i64) -> Key {
    Key::from_u64(wire.cast_unsigned())
}
