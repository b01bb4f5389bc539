//! The desk: every job that waits or is held, with its route, and the ways in and out.

use super::agents::Agents;
use super::attempt::{Attempt, AttemptState};
use super::deadlines::Deadlines;
use super::outbox::Outbox;
use super::queue::Queue;
use super::route::{LegKind, Route};
use super::workers::{Ring, SessionId, Workers};
use botswain_engine::event::Millis;
use botswain_engine::key::{Key, SegmentId};
use botswain_proto::ids::{AgentId, AttemptId, JobKey};
use botswain_proto::message::EffectClass;
use rustc_hash::FxHashMap;
use smol_str::SmolStr;
use std::collections::{BTreeMap, VecDeque};
use std::mem;

/// The two clocks: leases run on the first, BPMN's times on the second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// Milliseconds that never jump, since any moment before the desk was made.
    pub mono: u64,
    /// Milliseconds since 1970.
    pub wall: Millis,
}

/// A job that waits for somebody to do it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// Its key.
    pub key: Key,
    /// Where its token lives.
    pub segment: SegmentId,
    /// The token that waits for it.
    pub token: Key,
    /// What kind of work it is.
    pub job_type: SmolStr,
    /// Higher goes first.
    pub priority: i32,
    /// How many failures it may still have.
    pub retries: i32,
    /// Not offered before that time; 0 is at once.
    pub available_at: Millis,
    /// The highest fence that was ever given out for it; 0 for a job that was just opened.
    pub fence: u64,
}

/// Numbers of the desk.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// The coordinator's term.
    pub epoch: u64,
    /// Makes the names of attempts unlike those of other coordinators.
    pub seed: u64,
    /// How many waiting jobs of one leg stay in memory; the others wait in the store.
    pub waiting_max: usize,
    /// Most jobs in memory that wait for their back-off.
    pub delayed_max: usize,
    /// The interval of beats that agents are asked for.
    pub beat_ms: u64,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            epoch: 1,
            seed: 0,
            waiting_max: 20_000,
            delayed_max: 100_000,
            beat_ms: 5_000,
        }
    }
}

/// What a route may have to know of a job besides its type.
pub trait Facts {
    /// The business key of the job's instance.
    fn business_key(&self) -> Option<&str>;
    /// Whether a condition holds over the job's variables.
    ///
    /// # Errors
    /// Why it cannot be evaluated.
    fn holds(&self, condition: &str) -> Result<bool, String>;
}

/// How the engine ended a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closed {
    /// It was done, or ended with a BPMN error.
    Done,
    /// Nobody needs it any more.
    Cancelled,
}

/// Why a worker's result is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ResultRefused {
    /// The desk does not have the job: it is over, or it waits in the store and nobody holds it.
    #[error("job {0} is not held by anybody")]
    NotHere(Key),
    /// Somebody else has it.
    #[error("job {job} is not open to workers: it is with {by}")]
    NotHeld {
        /// The job.
        job: Key,
        /// Who has it.
        by: String,
    },
    /// A later attempt has the job.
    #[error(
        "job {job} was given out again: the result belongs to attempt {found}, the job is at {current}"
    )]
    Stale {
        /// The job.
        job: Key,
        /// The result's fence.
        found: u64,
        /// The job's fence.
        current: u64,
    },
}

/// Where a job is.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Place {
    /// Its route's conditions have to be evaluated.
    Unrouted,
    /// No leg of its route fits.
    Unroutable,
    /// In the queue of its leg.
    Waiting,
    /// Until that time.
    Delayed(Millis),
    /// At a worker.
    Worker(SessionId, u32),
    /// With an agent, a connector or a person.
    Attempt(AttemptId),
    /// A person has to say how it goes on.
    Suspended,
    /// A person has to give it retries.
    NoRetries,
    /// The engine was asked and has not answered.
    Deciding,
}

pub(super) struct Entry {
    pub(super) key: Key,
    pub(super) segment: SegmentId,
    pub(super) token: Key,
    pub(super) kind: u32,
    pub(super) priority: i32,
    pub(super) retries: i32,
    pub(super) fence: u64,
    /// Whether the fence was given to a worker, and not to an attempt.
    pub(super) by_worker: bool,
    pub(super) leg: u8,
    /// Choose the leg after `leg` instead of the first one.
    pub(super) after: bool,
    /// How often the leg was tried.
    pub(super) tries: u32,
    pub(super) place: Place,
}

/// A job type.
pub(super) struct Kind {
    pub(super) name: SmolStr,
    pub(super) route: Route,
    /// One for each leg of the route.
    pub(super) queues: Vec<Queue>,
    pub(super) unrouted: Queue,
    pub(super) ring: Ring,
    pub(super) ready: bool,
    /// The earliest back-off of a job that waits in the store.
    pub(super) later: Option<Millis>,
}

/// A connector that routes may name.
pub(super) struct Connector {
    pub(super) slots: u32,
    pub(super) held: u32,
    pub(super) effect: EffectClass,
}

/// Gives jobs to those who may do them, and knows what their answers mean. See the crate's README.
pub struct Desk {
    pub(super) settings: Settings,
    pub(super) entries: Vec<Entry>,
    pub(super) free: Vec<u32>,
    pub(super) index: FxHashMap<Key, u32>,
    pub(super) kinds: Vec<Kind>,
    pub(super) kind_of: FxHashMap<SmolStr, u32>,
    pub(super) ready: VecDeque<u32>,
    pub(super) unrouted: VecDeque<u32>,
    pub(super) delayed: BTreeMap<(Millis, Key), u32>,
    pub(super) leases: Deadlines,
    pub(super) workers: Workers,
    pub(super) requests: BTreeMap<(u64, u32), ()>,
    pub(super) agents: Agents,
    pub(super) connectors: BTreeMap<SmolStr, Connector>,
    pub(super) attempts: BTreeMap<AttemptId, Attempt>,
    pub(super) ended: BTreeMap<AttemptId, Option<AgentId>>,
    pub(super) ended_order: VecDeque<AttemptId>,
    /// The agents that refused a job, with what the last one said.
    pub(super) refusals: BTreeMap<Key, Vec<AgentId>>,
    /// Why a job is where it is, in words.
    pub(super) remarks: BTreeMap<Key, String>,
    pub(super) again: Vec<AttemptId>,
    pub(super) out: Outbox,
    pub(super) counter: u64,
}

impl Desk {
    /// An empty desk.
    #[must_use]
    pub fn new(settings: Settings) -> Desk {
        Desk {
            settings,
            entries: Vec::new(),
            free: Vec::new(),
            index: FxHashMap::default(),
            kinds: Vec::new(),
            kind_of: FxHashMap::default(),
            ready: VecDeque::new(),
            unrouted: VecDeque::new(),
            delayed: BTreeMap::new(),
            leases: Deadlines::default(),
            workers: Workers::default(),
            requests: BTreeMap::new(),
            agents: Agents::default(),
            connectors: BTreeMap::new(),
            attempts: BTreeMap::new(),
            ended: BTreeMap::new(),
            ended_order: VecDeque::new(),
            refusals: BTreeMap::new(),
            remarks: BTreeMap::new(),
            again: Vec::new(),
            out: Outbox::default(),
            counter: 0,
        }
    }

    /// Takes what the desk wants to have written, sent and read.
    pub fn take_outbox(&mut self) -> Outbox {
        mem::take(&mut self.out)
    }

    /// How many jobs are in memory, waiting or held.
    #[must_use]
    pub fn in_memory(&self) -> usize {
        self.index.len()
    }

    /// Takes a job that waits. A job that is here already stays as it is.
    pub fn open(&mut self, job: Job, now: Now) {
        if self.index.contains_key(&job.key) {
            return;
        }
        let kind = self.kind(&job.job_type);
        let entry = Entry {
            key: job.key,
            segment: job.segment,
            token: job.token,
            kind,
            priority: job.priority,
            retries: job.retries,
            fence: job.fence,
            // Of a job out of the store nobody knows whose the fence was; only who was given it can name it.
            by_worker: job.fence > 0,
            leg: 0,
            after: false,
            tries: 0,
            place: Place::Deciding,
        };
        let slot = self.enter(entry);
        if job.retries <= 0 {
            self.entries[slot as usize].place = Place::NoRetries;
        } else if job.available_at > now.wall {
            self.delay(slot, job.available_at);
        } else {
            self.choose_leg(slot);
        }
    }

    /// The engine ended the job: nobody may do it any more.
    pub fn close(&mut self, job: Key, how: Closed) {
        let Some(&slot) = self.index.get(&job) else {
            return;
        };
        let place = mem::replace(&mut self.entries[slot as usize].place, Place::Deciding);
        self.leave(slot, &place);
        if let Place::Attempt(attempt) = place {
            let why = match how {
                Closed::Done => "the job is done",
                Closed::Cancelled => "the process does not need it any more",
            };
            self.withdraw(attempt, why);
        }
        if !self.refusals.is_empty() || !self.remarks.is_empty() {
            self.refusals.remove(&job);
            self.remarks.remove(&job);
        }
        self.index.remove(&job);
        self.free.push(slot);
    }

    /// The engine counted a failure: the job is offered again from its first leg on while retries are left.
    pub fn failed(&mut self, job: Key, retries: i32, retry_at: Option<Millis>, now: Now) {
        let Some(&slot) = self.index.get(&job) else {
            return;
        };
        let place = mem::replace(&mut self.entries[slot as usize].place, Place::Deciding);
        self.leave(slot, &place);
        if let Place::Attempt(attempt) = place {
            self.withdraw(attempt, "the job failed");
        }
        let entry = &mut self.entries[slot as usize];
        entry.retries = retries;
        entry.tries = 0;
        entry.after = false;
        let available_at = retry_at.filter(|at| *at > now.wall).unwrap_or(0);
        self.freed(slot, available_at, None);
        if retries <= 0 {
            self.entries[slot as usize].place = Place::NoRetries;
        } else if available_at > 0 {
            self.delay(slot, available_at);
        } else {
            self.choose_leg(slot);
        }
    }

    /// A person gave the job retries, which is also the word that a suspended job may be done again.
    pub fn retries_set(&mut self, job: Key, retries: i32, now: Now) {
        let Some(&slot) = self.index.get(&job) else {
            return;
        };
        self.entries[slot as usize].retries = retries;
        match self.entries[slot as usize].place {
            Place::Suspended | Place::NoRetries if retries > 0 => {
                self.refusals.remove(&job);
                self.remarks.remove(&job);
                self.failed(job, retries, None, now);
            }
            _ => {}
        }
    }

    /// The engine refused what a `Decision` asked for: the job waits for a person.
    pub fn refused(&mut self, job: Key, message: String) {
        if let Some(&slot) = self.index.get(&job) {
            self.suspend(slot, message);
        }
    }

    /// Takes back a job that certainly never reached its holder.
    pub fn give_back(&mut self, job: Key, fence: u64) {
        let Some(&slot) = self.index.get(&job) else {
            return;
        };
        let entry = &mut self.entries[slot as usize];
        if entry.fence == fence && matches!(entry.place, Place::Worker(..)) {
            entry.place = Place::Deciding;
            self.leases.clear(slot);
            self.freed(slot, 0, None);
            self.enqueue(slot);
        }
    }

    /// Whether a worker may say how the job ended; with a fence of 0 it may while the job is on a `worker` leg.
    ///
    /// # Errors
    /// Who has the job instead.
    pub fn worker_result(&self, job: Key, fence: u64) -> Result<SegmentId, ResultRefused> {
        let Some(&slot) = self.index.get(&job) else {
            return Err(ResultRefused::NotHere(job));
        };
        let entry = &self.entries[slot as usize];
        let route = &self.kinds[entry.kind as usize].route;
        let worker_leg = || {
            let leg = route.leg(entry.leg);
            leg.is_some_and(|leg| leg.kind == LegKind::Worker)
        };
        let open_to_workers = match entry.place {
            Place::Worker(..) => true,
            Place::Attempt(_) => false,
            // What an attempt left in doubt is no worker's to decide, even if the route was changed to workers since.
            Place::Suspended => entry.by_worker,
            Place::Waiting | Place::Delayed(_) | Place::NoRetries | Place::Deciding => {
                if fence == 0 {
                    worker_leg()
                } else {
                    entry.by_worker
                }
            }
            Place::Unrouted | Place::Unroutable => fence != 0 && entry.by_worker,
        };
        if !open_to_workers {
            return Err(ResultRefused::NotHeld {
                job,
                by: self.holder_in_words(entry),
            });
        }
        if fence != 0 && fence != entry.fence {
            return Err(ResultRefused::Stale {
                job,
                found: fence,
                current: entry.fence,
            });
        }
        Ok(entry.segment)
    }

    /// Whether an operator may say how the job ended: nobody is at work on it, as far as anybody knows.
    ///
    /// # Errors
    /// Who has the job.
    pub fn operator_result(&self, job: Key) -> Result<SegmentId, ResultRefused> {
        let Some(&slot) = self.index.get(&job) else {
            return Err(ResultRefused::NotHere(job));
        };
        let entry = &self.entries[slot as usize];
        let at_work = match entry.place {
            Place::Worker(..) => true,
            Place::Attempt(attempt) => {
                let known = self.attempts.get(&attempt);
                known.is_some_and(|known| known.row.state != AttemptState::Lost)
            }
            _ => false,
        };
        if at_work {
            return Err(ResultRefused::NotHeld {
                job,
                by: self.holder_in_words(entry),
            });
        }
        Ok(entry.segment)
    }

    /// Gives a worker more time; the new end of the lease on the wall clock.
    ///
    /// # Errors
    /// Who has the job instead.
    pub fn renew(
        &mut self,
        job: Key,
        fence: u64,
        lease_ms: u64,
        now: Now,
    ) -> Result<Millis, ResultRefused> {
        self.worker_result(job, fence)?;
        let slot = self.index[&job];
        let entry = &self.entries[slot as usize];
        if !matches!(entry.place, Place::Worker(..)) {
            return Err(ResultRefused::NotHeld {
                job,
                by: self.holder_in_words(entry),
            });
        }
        self.leases.set(slot, now.mono.saturating_add(lease_ms));
        Ok(later(now.wall, lease_ms))
    }
}

/// A job's key on the agents' wire.
pub(super) fn job_key(key: Key) -> JobKey {
    JobKey(key.as_i64())
}

pub(super) fn later(wall: Millis, ms: u64) -> Millis {
    wall.saturating_add(i64::try_from(ms).unwrap_or(i64::MAX))
}
