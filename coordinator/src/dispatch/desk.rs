//! The desk: every job that waits or is held, with its route, and the ways in and out.

use super::agents::{AgentView, Agents, BotPackage};
use super::attempt::{Attempt, AttemptState};
use super::deadlines::Deadlines;
use super::outbox::{Change, Notice, Outbox, Refill};
use super::queue::{Put, Queue, Rank, Ticket};
use super::route::{LegKind, Route, mix, roll};
use super::workers::{
    CREDITS_MAX, Ring, SessionId, SubscribeRefused, Subscriber, Subscription, Workers,
};
use super::{AttemptRow, Decided, Decision};
use botswain_engine::event::Millis;
use botswain_engine::key::{Key, SegmentId};
use botswain_proto::ids::{AgentId, AttemptId, Epoch, Fence, JobKey};
use botswain_proto::message::{Cancel, EffectClass};
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
    #[error("job {job} is held by {by}: expected the result of its present holder")]
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
    free: Vec<u32>,
    pub(super) index: FxHashMap<Key, u32>,
    pub(super) kinds: Vec<Kind>,
    kind_of: FxHashMap<SmolStr, u32>,
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
    counter: u64,
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

    // Jobs in and out.

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
        let on_worker_leg = match entry.place {
            Place::Worker(..) => true,
            Place::Waiting
            | Place::Delayed(_)
            | Place::Suspended
            | Place::NoRetries
            | Place::Deciding => route
                .leg(entry.leg)
                .is_some_and(|leg| leg.kind == LegKind::Worker),
            Place::Unrouted | Place::Unroutable => fence != 0,
            Place::Attempt(_) => false,
        };
        if !on_worker_leg {
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

    // Workers.

    /// A worker wants jobs until it says otherwise.
    ///
    /// # Errors
    /// What is wrong with the subscription.
    pub fn subscribe(
        &mut self,
        session: SessionId,
        wish: Subscription,
    ) -> Result<(), SubscribeRefused> {
        self.add_subscriber(session, wish, None)
    }

    /// A worker wants jobs once: what is there, at most `credits`, or the first that come before `until` (monotonic).
    ///
    /// # Errors
    /// What is wrong with the request.
    pub fn request(
        &mut self,
        session: SessionId,
        wish: Subscription,
        until: u64,
    ) -> Result<(), SubscribeRefused> {
        self.add_subscriber(session, wish, Some(until))
    }

    fn add_subscriber(
        &mut self,
        session: SessionId,
        wish: Subscription,
        until: Option<u64>,
    ) -> Result<(), SubscribeRefused> {
        let kind = self.kind(&wish.job_type);
        let place = self.workers.add(Subscriber {
            session,
            id: wish.id,
            kind,
            worker: wish.worker,
            credits: wish.credits.min(CREDITS_MAX),
            lease_ms: wish.lease_ms,
            until,
            queued: false,
        })?;
        if let Some(until) = until {
            self.requests.insert((until, place), ());
        }
        self.enrol_in_ring(place);
        Ok(())
    }

    /// A worker can take that many more jobs. Unknown subscriptions are passed over: they may just have ended.
    pub fn credits(&mut self, session: SessionId, subscription: u32, more: u32) {
        let Some(place) = self.workers.find(session, subscription) else {
            return;
        };
        if let Some(subscriber) = self.workers.get_mut(place) {
            subscriber.credits = subscriber.credits.saturating_add(more).min(CREDITS_MAX);
        }
        self.enrol_in_ring(place);
    }

    fn enrol_in_ring(&mut self, place: u32) {
        let Some(subscriber) = self.workers.get_mut(place) else {
            return;
        };
        if subscriber.credits > 0 && !subscriber.queued {
            subscriber.queued = true;
            let kind = subscriber.kind;
            self.kinds[kind as usize].ring.push_back(place);
            self.wake(kind);
        }
    }

    /// The worker wants no more; the jobs it has stay with it.
    pub fn unsubscribe(&mut self, session: SessionId, subscription: u32) {
        if let Some(place) = self.workers.find(session, subscription) {
            self.end_subscription(place);
        }
    }

    /// The worker's connection is gone; its jobs stay with it until their leases end, because it may have done them.
    pub fn worker_gone(&mut self, session: SessionId) {
        for place in self.workers.of_session(session) {
            self.end_subscription(place);
        }
    }

    pub(super) fn end_subscription(&mut self, place: u32) {
        let Some(gone) = self.workers.remove(place) else {
            return;
        };
        if gone.queued {
            self.kinds[gone.kind as usize]
                .ring
                .retain(|other| *other != place);
        }
        if let Some(until) = gone.until {
            self.requests.remove(&(until, place));
        }
    }

    // Routes, bots, connectors, agents.

    /// Sets a job type's route. Jobs that wait are routed again; jobs that are held stay where they are.
    pub fn set_route(&mut self, route: Route) {
        let kind = self.kind(&route.job_type);
        let count = route.legs().count();
        let state = &mut self.kinds[kind as usize];
        let old = mem::replace(&mut state.route, route);
        let queues = mem::replace(
            &mut state.queues,
            (0..count).map(|_| Queue::default()).collect(),
        );
        let in_store = queues
            .iter()
            .chain([&state.unrouted])
            .any(Queue::has_more_in_store);
        let mut waiting: Vec<Ticket> = queues
            .iter()
            .chain([&state.unrouted])
            .flat_map(Queue::tickets)
            .collect();
        waiting.sort_unstable_by_key(|ticket| ticket.key);
        waiting.dedup_by_key(|ticket| ticket.key);
        state.unrouted = Queue::default();
        if in_store {
            state
                .queues
                .iter_mut()
                .chain([&mut state.unrouted])
                .for_each(Queue::spill_all);
        }
        // A leg that is in both routes keeps its meaning for jobs that are held or wait for a later try.
        for entry in self.entries.iter_mut().filter(|entry| entry.kind == kind) {
            let now_at = old
                .leg(entry.leg)
                .and_then(|leg| self.kinds[kind as usize].route.find(&leg.kind));
            entry.after &= now_at.is_some();
            entry.leg = now_at.unwrap_or(0);
        }
        for ticket in waiting {
            if self.waits(ticket, kind) {
                let entry = &mut self.entries[ticket.slot as usize];
                entry.place = Place::Deciding;
                entry.after = false;
                entry.tries = 0;
                self.choose_leg(ticket.slot);
            }
        }
        let stranded: Vec<u32> =
            self.slots_where(|entry| entry.kind == kind && entry.place == Place::Unroutable);
        for slot in stranded {
            self.entries[slot as usize].place = Place::Deciding;
            self.choose_leg(slot);
        }
        if in_store {
            self.ask_store(kind);
        }
        self.wake(kind);
    }

    /// Tells that the store has waiting jobs of a type, as after a restart.
    pub fn waits_in_store(&mut self, job_type: &SmolStr) {
        let kind = self.kind(job_type);
        let state = &mut self.kinds[kind as usize];
        state
            .queues
            .iter_mut()
            .chain([&mut state.unrouted])
            .for_each(Queue::spill_all);
        self.ask_store(kind);
    }

    /// Answers a wish for more jobs: `jobs` in the order of their ranks, `end` where there are no more, and the earliest
    /// `available_at` of those that still have to wait.
    pub fn refill(
        &mut self,
        wish: &Refill,
        jobs: Vec<Job>,
        end: bool,
        later: Option<Millis>,
        now: Now,
    ) {
        let kind = self.kind(&wish.job_type);
        let last = jobs
            .last()
            .map(|job| Rank::new(job.priority, job.key).next());
        let until = if end {
            None
        } else {
            last.or(wish.from).or(Some(Rank::FIRST))
        };
        let state = &mut self.kinds[kind as usize];
        if wish.from.is_none() {
            state.later = later;
        }
        for queue in state.queues.iter_mut().chain([&mut state.unrouted]) {
            queue.open_for(wish.from, until);
        }
        for job in jobs {
            self.open(job, now);
        }
        self.check_refill(kind);
    }

    /// The route of a job type.
    #[must_use]
    pub fn route(&self, job_type: &str) -> Option<&Route> {
        self.kind_of
            .get(job_type)
            .map(|kind| &self.kinds[*kind as usize].route)
    }

    /// Makes a bot package known to routes.
    pub fn set_bot(&mut self, bot: BotPackage) {
        self.agents.add_bot(bot);
        self.wake_all();
    }

    /// Forgets a bot package; attempts that run go on.
    pub fn remove_bot(&mut self, name: &str, version: &str) {
        self.agents.remove_bot(name, version);
    }

    /// Makes a connector known to routes: how many of its calls may run at once, and what a repetition would do.
    pub fn set_connector(&mut self, name: SmolStr, slots: u32, effect: EffectClass) {
        let held = self
            .connectors
            .get(&name)
            .map_or(0, |connector| connector.held);
        self.connectors.insert(
            name,
            Connector {
                slots,
                held,
                effect,
            },
        );
        self.wake_all();
    }

    /// Forgets a connector; calls that run go on.
    pub fn remove_connector(&mut self, name: &str) {
        self.connectors.remove(name);
    }

    /// Makes an agent known, with the labels of its enrolment and the journal it was last seen with.
    pub fn enrolled(&mut self, agent: AgentId, labels: Vec<SmolStr>, journal_id: Option<String>) {
        self.agents.enrol(agent.clone(), labels);
        if let (Some(journal_id), Some(agent)) = (journal_id, self.agents.get_mut(&agent)) {
            agent.journal_id = journal_id;
        }
    }

    /// Withdraws an agent's right to work. What it holds is treated as lost when its lease ends.
    pub fn revoke(&mut self, agent: &AgentId) {
        self.agents.revoke(agent);
    }

    /// An agent as lists show it.
    #[must_use]
    pub fn agent(&self, agent: &AgentId) -> Option<AgentView> {
        self.agents.view(agent)
    }

    /// All agents as lists show them.
    pub fn agents(&self) -> impl Iterator<Item = AgentView> {
        self.agents
            .iter()
            .filter_map(|(id, _)| self.agents.view(id))
    }

    /// An attempt that is not over.
    #[must_use]
    pub fn attempt(&self, attempt: AttemptId) -> Option<&AttemptRow> {
        self.attempts.get(&attempt).map(|attempt| &attempt.row)
    }

    // Legs.

    /// A job whose route has to look at variables or at the business key, once for each `choose`.
    pub fn next_unrouted(&mut self) -> Option<(Key, SegmentId, Key)> {
        while let Some(kind) = self.unrouted.front().copied() {
            let state = &mut self.kinds[kind as usize];
            let entries = &self.entries;
            let waits = |ticket: Ticket| {
                let entry = &entries[ticket.slot as usize];
                entry.key == ticket.key && entry.place == Place::Unrouted
            };
            if let Some(ticket) = state.unrouted.pop(waits) {
                let entry = &mut self.entries[ticket.slot as usize];
                entry.place = Place::Unroutable;
                return Some((entry.key, entry.segment, entry.token));
            }
            self.unrouted.pop_front();
            self.check_refill(kind);
        }
        None
    }

    /// Chooses the leg of a job that `next_unrouted` named. Something is decided where no leg is left after a failure.
    pub fn choose(&mut self, job: Key, facts: &dyn Facts) -> Option<Decided> {
        let &slot = self.index.get(&job)?;
        let entry = &self.entries[slot as usize];
        if entry.place != Place::Unroutable {
            return None;
        }
        let state = &self.kinds[entry.kind as usize];
        let holds = |condition: &str| facts.holds(condition);
        let chosen = if entry.after {
            state.route.after(entry.leg, holds)
        } else {
            let by = facts
                .business_key()
                .filter(|_| state.route.sticky)
                .map(str::as_bytes);
            let key = job.as_u64().to_be_bytes();
            state
                .route
                .choose(roll(&state.name, by.unwrap_or(&key)), holds)
        };
        match chosen {
            Ok(Some(leg)) => {
                self.entries[slot as usize].leg = leg;
                self.enqueue(slot);
                None
            }
            Ok(None) if self.entries[slot as usize].after => {
                let message = self
                    .remarks
                    .get(&job)
                    .cloned()
                    .unwrap_or_else(|| "no leg is left".to_owned());
                Some(self.decide_failure(slot, message, true))
            }
            Ok(None) => {
                let name = &self.kinds[self.entries[slot as usize].kind as usize].name;
                self.remarks.insert(job, format!("no leg of the route of {name} fits this job: set a route with a leg that does"));
                None
            }
            Err(problem) => {
                self.remarks.insert(
                    job,
                    format!("a condition of its route cannot be evaluated: {problem}"),
                );
                None
            }
        }
    }

    /// Asks the engine to count a failure.
    pub(super) fn decide_failure(
        &mut self,
        slot: u32,
        message: String,
        retryable: bool,
    ) -> Decided {
        let entry = &self.entries[slot as usize];
        let leg = self.kinds[entry.kind as usize].route.leg(entry.leg);
        let retry_after_ms = leg.map_or(0, |leg| leg.limits.retry_after_ms);
        let entry = &mut self.entries[slot as usize];
        entry.place = Place::Deciding;
        let retries = if retryable {
            (entry.retries - 1).max(0)
        } else {
            0
        };
        Decided {
            job: entry.key,
            segment: entry.segment,
            token: entry.token,
            decision: Decision::Fail {
                retries,
                retry_after_ms,
                message,
            },
        }
    }

    /// Puts a job into the queue of the leg that its route chooses.
    pub(super) fn choose_leg(&mut self, slot: u32) {
        let entry = &self.entries[slot as usize];
        let state = &self.kinds[entry.kind as usize];
        let plain = state.route.version == 0
            || (state.route.choices.len() == 1 && state.route.choices[0].weight >= 100);
        if state.route.needs_facts() {
            self.put(slot, Place::Unrouted);
            return;
        }
        let chosen = if plain {
            Ok(Some(0))
        } else {
            state
                .route
                .choose(roll(&state.name, &entry.key.as_u64().to_be_bytes()), |_| {
                    Ok(true)
                })
        };
        match chosen {
            Ok(Some(leg)) => {
                self.entries[slot as usize].leg = leg;
                self.enqueue(slot);
            }
            Ok(None) | Err(_) => {
                let key = entry.key;
                self.remarks.insert(
                    key,
                    format!("no leg of the route of {} is left for this job", state.name),
                );
                self.entries[slot as usize].place = Place::Unroutable;
            }
        }
    }

    pub(super) fn enqueue(&mut self, slot: u32) {
        self.put(slot, Place::Waiting);
    }

    fn put(&mut self, slot: u32, place: Place) {
        let unrouted = place == Place::Unrouted;
        let capacity = self.settings.waiting_max;
        self.entries[slot as usize].place = place;
        let (ticket, priority, kind, leg) = {
            let entry = &self.entries[slot as usize];
            (
                Ticket {
                    key: entry.key,
                    slot,
                },
                entry.priority,
                entry.kind,
                entry.leg,
            )
        };
        let state = &mut self.kinds[kind as usize];
        let queue = if unrouted {
            &mut state.unrouted
        } else {
            &mut state.queues[usize::from(leg)]
        };
        let entries = &self.entries;
        let waits = |ticket: Ticket| {
            let entry = &entries[ticket.slot as usize];
            entry.key == ticket.key
                && if unrouted {
                    entry.place == Place::Unrouted
                } else {
                    entry.place == Place::Waiting && entry.leg == leg
                }
        };
        match queue.put(ticket, priority, capacity, waits) {
            Put::Kept => {}
            Put::Spilled => {
                self.forget(slot);
                return;
            }
            Put::Displaced(last) => self.forget(last.slot),
        }
        if unrouted {
            if !self.unrouted.contains(&kind) {
                self.unrouted.push_back(kind);
            }
        } else {
            self.wake(kind);
        }
    }

    pub(super) fn unroute(&mut self, slot: u32) {
        self.put(slot, Place::Unrouted);
    }

    /// Takes a job out of wherever it is, to decide about it.
    pub(super) fn vacate(&mut self, slot: u32) {
        let place = mem::replace(&mut self.entries[slot as usize].place, Place::Deciding);
        self.leave(slot, &place);
    }

    pub(super) fn delay(&mut self, slot: u32, until: Millis) {
        let entry = &mut self.entries[slot as usize];
        entry.place = Place::Delayed(until);
        self.delayed.insert((until, entry.key), slot);
        if self.delayed.len() > self.settings.delayed_max
            && let Some(((at, _), last)) = self.delayed.pop_last()
        {
            let later = &mut self.kinds[self.entries[last as usize].kind as usize].later;
            *later = Some(later.map_or(at, |known| known.min(at)));
            self.forget(last);
        }
    }

    /// The job leaves memory and stays in the store.
    fn forget(&mut self, slot: u32) {
        let key = self.entries[slot as usize].key;
        self.entries[slot as usize].place = Place::Deciding;
        self.index.remove(&key);
        self.refusals.remove(&key);
        self.remarks.remove(&key);
        self.free.push(slot);
    }

    pub(super) fn enter(&mut self, entry: Entry) -> u32 {
        let key = entry.key;
        let slot = match self.free.pop() {
            Some(slot) => {
                self.entries[slot as usize] = entry;
                slot
            }
            None => {
                self.entries.push(entry);
                (self.entries.len() - 1) as u32
            }
        };
        self.index.insert(key, slot);
        slot
    }

    /// Takes a job out of what its place keeps.
    fn leave(&mut self, slot: u32, place: &Place) {
        let entry = &self.entries[slot as usize];
        let (key, kind, leg) = (entry.key, entry.kind, entry.leg);
        match place {
            Place::Waiting => {
                let entries = &self.entries;
                self.kinds[kind as usize].queues[usize::from(leg)].left(|ticket| {
                    let entry = &entries[ticket.slot as usize];
                    entry.key == ticket.key && entry.place == Place::Waiting && entry.leg == leg
                });
                self.check_refill(kind);
            }
            Place::Unrouted => {
                let entries = &self.entries;
                self.kinds[kind as usize].unrouted.left(|ticket| {
                    let entry = &entries[ticket.slot as usize];
                    entry.key == ticket.key && entry.place == Place::Unrouted
                });
            }
            Place::Delayed(until) => {
                self.delayed.remove(&(*until, key));
            }
            Place::Worker(..) | Place::Attempt(_) => self.leases.clear(slot),
            Place::Unroutable | Place::Suspended | Place::NoRetries | Place::Deciding => {}
        }
    }

    /// Nobody waits for the attempt any more: its holder is asked to stop, and its last word is awaited.
    pub(super) fn withdraw(&mut self, attempt: AttemptId, why: &str) {
        let Some(known) = self.attempts.get_mut(&attempt) else {
            return;
        };
        known.row.state = AttemptState::Closing;
        self.out
            .changes
            .push(Change::Attempt(Box::new(known.row.clone())));
        let Some(agent) = known.agent().cloned() else {
            // The coordinator itself holds it: whoever runs it sees that the job is gone.
            self.finish(attempt);
            return;
        };
        let cancel = Cancel {
            attempt,
            fence: Fence(known.row.fence),
            epoch: Epoch(self.settings.epoch),
            grace_ms: Some(known.row.limits.cancel_grace_ms),
            why: why.to_owned(),
        };
        if let Some(session) = self.agents.get(&agent).and_then(|agent| agent.session) {
            self.out.notices.push(Notice::Cancel {
                session,
                agent,
                cancel,
            });
        }
    }

    /// Forgets an attempt that is over, but for its name.
    pub(super) fn finish(&mut self, attempt: AttemptId) {
        const REMEMBERED: usize = 16_384;
        let Some(gone) = self.attempts.remove(&attempt) else {
            return;
        };
        match (gone.agent(), &gone.row.leg) {
            (Some(agent), _) => {
                if let Some(agent) = self.agents.get_mut(agent) {
                    agent.held = agent.held.saturating_sub(1);
                }
            }
            (None, LegKind::Connector(name)) => {
                if let Some(connector) = self.connectors.get_mut(name) {
                    connector.held = connector.held.saturating_sub(1);
                }
            }
            (
                None,
                LegKind::Bot { .. } | LegKind::Action(_) | LegKind::Worker | LegKind::Person,
            ) => {}
        }
        self.remember_ended(attempt, gone.agent().cloned(), REMEMBERED);
        self.wake_all();
    }

    pub(super) fn remember_ended(
        &mut self,
        attempt: AttemptId,
        agent: Option<AgentId>,
        most: usize,
    ) {
        if self.ended.insert(attempt, agent).is_none() {
            self.ended_order.push_back(attempt);
        }
        while self.ended_order.len() > most {
            if let Some(oldest) = self.ended_order.pop_front() {
                self.ended.remove(&oldest);
            }
        }
    }

    pub(super) fn suspend(&mut self, slot: u32, message: String) {
        let place = mem::replace(&mut self.entries[slot as usize].place, Place::Suspended);
        self.leave(slot, &place);
        let entry = &self.entries[slot as usize];
        self.out.changes.push(Change::JobSuspended {
            job: entry.key,
            fence: entry.fence,
        });
        self.remarks.insert(entry.key, message);
    }

    pub(super) fn freed(&mut self, slot: u32, available_at: Millis, leg: Option<SmolStr>) {
        let entry = &self.entries[slot as usize];
        self.out.changes.push(Change::JobFreed {
            job: entry.key,
            fence: entry.fence,
            available_at,
            leg,
        });
    }

    /// Asks the store for more jobs where memory runs low and the store has some.
    pub(super) fn check_refill(&mut self, kind: u32) {
        let capacity = self.settings.waiting_max;
        let state = &mut self.kinds[kind as usize];
        let wanted: Option<Rank> = state
            .queues
            .iter_mut()
            .chain([&mut state.unrouted])
            .filter_map(|queue| queue.wants_refill(capacity))
            .min();
        if let Some(from) = wanted {
            let job_type = state.name.clone();
            self.out.refills.push(Refill {
                job_type,
                from: Some(from),
                limit: capacity.div_ceil(2),
            });
        }
    }

    /// Asks the store for a type's jobs from the first one on.
    pub(super) fn ask_store(&mut self, kind: u32) {
        let job_type = self.kinds[kind as usize].name.clone();
        self.out.refills.push(Refill {
            job_type,
            from: None,
            limit: self.settings.waiting_max.max(1),
        });
    }

    pub(super) fn waits(&self, ticket: Ticket, kind: u32) -> bool {
        let entry = &self.entries[ticket.slot as usize];
        entry.key == ticket.key
            && entry.kind == kind
            && matches!(entry.place, Place::Waiting | Place::Unrouted)
    }

    pub(super) fn slots_where(&self, mut wanted: impl FnMut(&Entry) -> bool) -> Vec<u32> {
        let mut slots: Vec<u32> = self
            .index
            .values()
            .copied()
            .filter(|slot| wanted(&self.entries[*slot as usize]))
            .collect();
        slots.sort_unstable_by_key(|slot| self.entries[*slot as usize].key);
        slots
    }

    pub(super) fn kind(&mut self, job_type: &SmolStr) -> u32 {
        if let Some(kind) = self.kind_of.get(job_type) {
            return *kind;
        }
        let kind = self.kinds.len() as u32;
        self.kind_of.insert(job_type.clone(), kind);
        self.kinds.push(Kind {
            name: job_type.clone(),
            route: Route::implicit(job_type.clone()),
            queues: vec![Queue::default()],
            unrouted: Queue::default(),
            ring: Ring::new(),
            ready: false,
            later: None,
        });
        kind
    }

    pub(super) fn wake(&mut self, kind: u32) {
        let state = &mut self.kinds[kind as usize];
        if !state.ready {
            state.ready = true;
            self.ready.push_back(kind);
        }
    }

    /// Room appeared at an agent or a connector: whoever waits for one looks again.
    pub(super) fn wake_all(&mut self) {
        for kind in 0..self.kinds.len() as u32 {
            let state = &self.kinds[kind as usize];
            let waits =
                state.route.version > 0 && state.queues.iter().any(|queue| queue.live() > 0);
            if waits {
                self.wake(kind);
            }
        }
    }

    pub(super) fn attempt_id(&mut self, wall: Millis) -> AttemptId {
        self.counter += 1;
        let high = mix(self.settings.seed ^ mix(self.settings.epoch));
        let low = mix(high ^ self.counter);
        let mut bytes = [0; 16];
        bytes[..6].copy_from_slice(&wall.to_be_bytes()[2..]);
        bytes[6..8].copy_from_slice(&high.to_be_bytes()[..2]);
        bytes[8..].copy_from_slice(&low.to_be_bytes());
        bytes[6] = bytes[6] & 0x0f | 0x70;
        bytes[8] = bytes[8] & 0x3f | 0x80;
        AttemptId(uuid::Uuid::from_bytes(bytes))
    }
}

/// A job's key on the agents' wire.
pub(super) fn job_key(key: Key) -> JobKey {
    JobKey(key.as_i64())
}

pub(super) fn later(wall: Millis, ms: u64) -> Millis {
    wall.saturating_add(i64::try_from(ms).unwrap_or(i64::MAX))
}
