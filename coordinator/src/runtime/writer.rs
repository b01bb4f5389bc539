//! The writer: the only one that changes anything. Each turn decides a batch, assigns jobs, commits once, then publishes.

use super::ask::{Answer, Created, Refusal, RefusalKind, ReplyTo, Request};
use super::cache::{Cache, Cached};
use super::definitions::{Definition, Definitions};
use super::messages::Overlay;
use super::sessions::Sessions;
use super::timers::Timers;
use crate::dispatch::{Assignment, Desk, Notice, Now, Offer, SessionId};
use botswain_engine::event::Millis;
use botswain_engine::{
    Command, Decided, Env, Instance, Json, Key, KeySource, Partition, Rejection, SegmentId,
};
use botswain_proto::ids::AgentId;
use botswain_proto::worker::{EndState, Ended, Reply};
use botswain_store::{Batch, CommitError, Store, StoreError, rebuild};
use rustc_hash::{FxHashMap, FxHashSet};
use smol_str::SmolStr;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use uuid::Uuid;

/// How many instances one slice of pruning takes away: about as long as a batch takes.
const PRUNED_PER_SLICE: usize = 200;

/// Numbers of the writer.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// The partition.
    pub part: Partition,
    /// How many bytes of segments stay in memory.
    pub cache_bytes_max: usize,
    /// How many instances continue in one turn what a step left over.
    pub continues_per_turn: usize,
    /// How many timers fire in one turn.
    pub timers_per_turn: usize,
    /// How many jobs are given out in one turn.
    pub assignments_per_turn: usize,
    /// Makes generated values unlike those of other coordinators.
    pub seed: u64,
    /// How long an ended instance is kept.
    pub retention_ms: Millis,
    /// Numbers of dispatch.
    pub desk: crate::dispatch::Settings,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            part: Partition(1),
            // Half of the 40 MB that an idle coordinator may take.
            cache_bytes_max: 64 << 20,
            continues_per_turn: 16,
            timers_per_turn: 1_000,
            assignments_per_turn: 16_384,
            seed: 0,
            retention_ms: 30 * 24 * 3_600_000,
            desk: crate::dispatch::Settings::default(),
        }
    }
}

/// What became durable and leaves: to agents and to connectors. Streams and callers have been answered already.
#[derive(Debug, Default)]
pub struct Published {
    /// Work for agents.
    pub tasks: Vec<AgentTask>,
    /// Calls of connectors.
    pub calls: Vec<ConnectorCall>,
    /// What agents are told besides.
    pub notices: Vec<Notice>,
    /// Agents that may not speak any more.
    pub revoked: Vec<AgentId>,
    /// What agents were told may not have happened: they must compare again.
    pub starts_anew: bool,
}

impl Published {
    /// Whether nothing leaves.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.tasks.is_empty()
            && self.calls.is_empty()
            && self.notices.is_empty()
            && self.revoked.is_empty()
            && !self.starts_anew
    }
}

/// An attempt for an agent.
#[derive(Clone, Debug)]
pub struct AgentTask {
    /// The agent's connection.
    pub session: SessionId,
    /// The agent.
    pub agent: AgentId,
    /// The coordinator's term.
    pub epoch: u64,
    /// The job as it is given out.
    pub job: GivenJob,
    /// What it is asked to do.
    pub offer: Box<Offer>,
}

/// A call of a connector.
#[derive(Clone, Debug)]
pub struct ConnectorCall {
    /// The connector.
    pub name: SmolStr,
    /// The job as it is given out.
    pub job: GivenJob,
    /// What it is asked to do.
    pub offer: Box<Offer>,
}

/// A job with what its doer gets to see.
#[derive(Clone, Debug)]
pub struct GivenJob {
    /// Its key.
    pub key: Key,
    /// The rank of the try.
    pub fence: u64,
    /// What kind of work it is.
    pub job_type: SmolStr,
    /// Its instance.
    pub instance: Key,
    /// The process.
    pub process_id: SmolStr,
    /// The element.
    pub element_id: SmolStr,
    /// The headers, a JSON object.
    pub headers: Json,
    /// The variables, a JSON object.
    pub variables: String,
    /// How many failures it may still have.
    pub retries: i32,
}

/// How a turn ended.
#[derive(Debug)]
pub struct Turned {
    /// What leaves.
    pub published: Published,
    /// Whether there is more to do at once.
    pub more: bool,
    /// Milliseconds until something is due by itself; none means that only requests bring work.
    pub due_in: Option<u64>,
    /// The process must end: nothing that it would say is sure any more.
    pub fatal: Option<String>,
}

/// Somebody who awaits the end of an instance.
pub(super) struct Awaiting {
    pub(super) reply: ReplyTo,
    pub(super) fetch: Vec<SmolStr>,
    pub(super) created: Created,
}

/// A caller who asked for jobs once.
pub(super) struct Activation {
    pub(super) reply: ReplyTo,
    pub(super) fetch: Vec<SmolStr>,
    pub(super) worker: SmolStr,
    pub(super) jobs: Vec<super::ask::Activated>,
}

/// What recovery decided and is written by the first turn after it.
#[derive(Default)]
pub(super) struct Resumed {
    pub(super) decided: Vec<crate::dispatch::Decided>,
    pub(super) changes: Vec<crate::dispatch::Change>,
}

/// The single writer of a partition.
pub struct Writer {
    pub(super) settings: Settings,
    pub(super) store: Box<dyn Store>,
    pub(super) epoch: u64,
    pub(super) seq: u64,
    pub(super) keys: KeySource,
    pub(super) batch: Batch,
    pub(super) desk: Desk,
    pub(super) cache: Cache,
    pub(super) definitions: Definitions,
    pub(super) timers: Timers,
    pub(super) messages: Overlay,
    pub(super) sessions: Sessions,
    pub(super) continues: VecDeque<Key>,
    pub(super) queued: FxHashSet<Key>,
    /// Segments that changed in the batch at hand.
    pub(super) dirty: FxHashSet<SegmentId>,
    pub(super) awaiting: FxHashMap<Key, Vec<Awaiting>>,
    pub(super) activations: FxHashMap<SessionId, Activation>,
    pub(super) replies: Vec<(ReplyTo, Result<Answer, Refusal>)>,
    pub(super) repeated: FxHashMap<Uuid, Vec<u8>>,
    pub(super) published: Published,
    pub(super) assignments: Vec<Assignment>,
    pub(super) now: Now,
    pub(super) clock_ahead: Millis,
    pub(super) steps: u64,
    pub(super) next_session: u64,
    pub(super) fresh_instances: Vec<Key>,
    pub(super) forget: bool,
    pub(super) resumed: Resumed,
    /// Tokens that were used in the batch at hand.
    pub(super) redeemed:
        FxHashMap<botswain_store::rows::Digest, botswain_store::rows::EnrolmentTokenRow>,
    pub(super) wanted_refills: Vec<crate::dispatch::Refill>,
    pub(super) warnings: FxHashMap<botswain_proto::ids::AttemptId, Vec<String>>,
    pub(super) connectors:
        std::collections::BTreeMap<SmolStr, (u32, botswain_proto::message::EffectClass)>,
}

impl Writer {
    /// Takes over a partition.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn open(store: Box<dyn Store>, settings: Settings, now: Now) -> Result<Writer, StoreError> {
        let mut writer = Writer {
            settings,
            store,
            epoch: 0,
            seq: 0,
            keys: KeySource::new(settings.part, 0),
            batch: Batch::new(settings.part),
            desk: Desk::new(settings.desk),
            cache: Cache::default(),
            definitions: Definitions::default(),
            timers: Timers::unread(),
            messages: Overlay::default(),
            sessions: Sessions::default(),
            continues: VecDeque::new(),
            queued: FxHashSet::default(),
            dirty: FxHashSet::default(),
            awaiting: FxHashMap::default(),
            activations: FxHashMap::default(),
            replies: Vec::new(),
            repeated: FxHashMap::default(),
            published: Published::default(),
            assignments: Vec::new(),
            now,
            clock_ahead: 0,
            steps: 0,
            // Streams count from 1, single requests for jobs from the middle, so that the two never meet.
            next_session: 1 << 62,
            fresh_instances: Vec::new(),
            forget: false,
            resumed: Resumed::default(),
            redeemed: FxHashMap::default(),
            wanted_refills: Vec::new(),
            warnings: FxHashMap::default(),
            connectors: std::collections::BTreeMap::new(),
        };
        writer.recover(now)?;
        Ok(writer)
    }

    /// Decides what was asked and what is due, commits it, and publishes what became durable.
    pub fn turn(&mut self, requests: &mut Vec<Request>, now: Now) -> Turned {
        self.tick(now);
        self.batch.begin(self.epoch, self.seq + 1);
        let Resumed { decided, changes } = std::mem::take(&mut self.resumed);
        self.write_changes(changes);
        self.carry_out(decided);
        // What is due comes before what is asked: a request for jobs that waits for nothing is still open when jobs are
        // given out, and a late result still finds its job.
        self.fire_timers();
        self.expire();
        let forget = std::mem::take(&mut self.forget);
        if forget {
            self.forget_messages();
        }
        for Request {
            ask,
            reply,
            deduplication,
        } in requests.drain(..)
        {
            self.decide(ask, reply, deduplication);
        }
        self.go_on();
        self.give_out();
        self.write_outbox();
        self.leave_memory();
        match self.commit() {
            Ok(()) => {
                self.publish();
                self.read_ahead();
                if forget {
                    self.prune();
                }
                let more = !self.continues.is_empty();
                let due_in = self.due_in();
                Turned {
                    published: std::mem::take(&mut self.published),
                    more,
                    due_in,
                    fatal: None,
                }
            }
            Err(error @ (CommitError::Full | CommitError::Failed(_))) => self.undo_batch(&error),
            Err(error @ (CommitError::Deposed { .. } | CommitError::SyncFailed(_))) => Turned {
                published: Published::default(),
                more: false,
                due_in: None,
                fatal: Some(error.to_string()),
            },
        }
    }

    /// Time never goes back within a partition, whatever the machine's clock does.
    fn tick(&mut self, now: Now) {
        let wall = now.wall.saturating_add(self.clock_ahead).max(self.now.wall);
        self.now = Now {
            mono: now.mono.max(self.now.mono),
            wall,
        };
    }

    fn commit(&mut self) -> Result<(), CommitError> {
        if self.batch.is_empty() {
            return Ok(());
        }
        self.batch.keys_used = self.keys.used();
        self.batch.now = self.now.wall;
        self.store.commit(&self.batch)?;
        self.seq += 1;
        Ok(())
    }

    /// Nothing left the process before this: answers, jobs, ends, work for agents.
    fn publish(&mut self) {
        for (reply, answer) in std::mem::take(&mut self.replies) {
            self.answer(reply, answer);
        }
        self.sessions.publish();
        self.messages.committed();
        self.repeated.clear();
        self.redeemed.clear();
        self.fresh_instances.clear();
    }

    fn answer(&mut self, reply: ReplyTo, answer: Result<Answer, Refusal>) {
        match reply {
            ReplyTo::Caller(caller) => {
                // A caller that is gone wants no answer; jobs that it asked for certainly never reached it.
                if let Err(Ok(Answer::Jobs(jobs))) = caller.send(answer) {
                    for job in jobs {
                        self.desk
                            .give_back(Key::from_u64(job.job.key.cast_unsigned()), job.job.fence);
                    }
                }
            }
            ReplyTo::Stream {
                session,
                request_id,
            } => self.answer_stream(session, request_id, answer),
            ReplyTo::Nobody => {}
        }
    }

    fn answer_stream(
        &mut self,
        session: SessionId,
        request_id: u64,
        answer: Result<Answer, Refusal>,
    ) {
        let reply = match answer {
            Ok(Answer::Ended {
                created,
                completed,
                variables,
            }) => {
                let state = if completed {
                    EndState::Completed
                } else {
                    EndState::Terminated
                };
                let instance_key = created.instance.as_i64();
                let variables = variables.into_bytes().into();
                let ended = Ended {
                    request_id,
                    instance_key,
                    state: state.into(),
                    variables,
                };
                self.sessions.ended(session, ended);
                return;
            }
            Ok(Answer::Made(key)) => Reply {
                request_id,
                key: key.as_i64(),
                error: None,
            },
            Ok(Answer::Created(created)) => Reply {
                request_id,
                key: created.instance.as_i64(),
                error: None,
            },
            Ok(_) => Reply {
                request_id,
                key: 0,
                error: None,
            },
            Err(refusal) => Reply {
                request_id,
                key: 0,
                error: Some(worker_error(&refusal)),
            },
        };
        self.sessions.reply(session, reply);
    }

    /// Runs one command of an instance; a panic is undone alone, and its instance is durably marked stopped.
    pub(super) fn run(&mut self, id: SegmentId, command: Command) -> Result<(), Failure> {
        self.load_path(id)?;
        let definition = match self.cache.get(id.root) {
            Some(cached) => Arc::clone(&cached.definition),
            None => {
                return Err(Failure::Rejected(Rejection::NotFound {
                    what: "process instance",
                    key: id.root,
                }));
            }
        };
        match self.step(id, &definition, command) {
            Ok(Ok(decided)) => {
                self.accept(id.root, &definition, decided);
                Ok(())
            }
            Ok(Err(rejection)) => Err(Failure::Rejected(rejection)),
            Err(panic) => {
                self.stop(id.root, &definition, &panic)?;
                Err(Failure::Refused(Refusal::new(
                    RefusalKind::Internal,
                    format!(
                        "instance '{}' was stopped after an internal error: {panic}",
                        id.root
                    ),
                )))
            }
        }
    }

    fn step(
        &mut self,
        id: SegmentId,
        definition: &Definition,
        command: Command,
    ) -> Result<Result<Decided, Rejection>, String> {
        let seed = self.fresh_seed();
        let cached = self
            .cache
            .get_mut(id.root)
            .expect("the path was loaded a moment ago");
        let env = Env {
            now: self.now.wall,
            seed,
            keys: &mut self.keys,
        };
        let (process, instance) = (&definition.process, &mut cached.instance);
        catch_unwind(AssertUnwindSafe(|| {
            botswain_engine::step(env, process, instance, id.number, command)
        }))
        .map_err(|panic| panic_text(panic.as_ref()))
    }

    /// What the instance decided before this batch stays; what the panicking step had done to memory goes.
    fn stop(
        &mut self,
        root: Key,
        definition: &Arc<Definition>,
        reason: &str,
    ) -> Result<(), Failure> {
        tracing::error!(
            instance = root.as_u64(),
            reason,
            "a step panicked: the instance is stopped"
        );
        self.cache.drop_root(root);
        let id = SegmentId::root(root);
        self.load_path(id)?;
        let stop = Command::Stop {
            reason: reason.to_owned(),
        };
        match self.step(id, definition, stop) {
            Ok(Ok(decided)) => {
                self.accept(root, definition, decided);
                Ok(())
            }
            Ok(Err(rejection)) => Err(Failure::Rejected(rejection)),
            Err(panic) => Err(Failure::Refused(Refusal::new(RefusalKind::Internal, panic))),
        }
    }

    /// Takes what a step decided: into the batch, and to all who listen.
    pub(super) fn accept(&mut self, root: Key, definition: &Arc<Definition>, decided: Decided) {
        let Decided { events, ended } = decided;
        self.batch
            .record(root, definition.key, self.now.wall, &events);
        let mut last = None;
        for (number, event) in &events {
            let id = SegmentId {
                root,
                number: *number,
            };
            self.heard(id, definition, event);
            if last != Some(id) {
                last = Some(id);
                self.touch(id);
            }
        }
        if let Some(ended) = ended {
            self.ended(root, ended.completed, &ended.variables);
            self.cache.drop_root(root);
            self.queued.remove(&root);
        } else if self
            .cache
            .get(root)
            .is_some_and(|cached| cached.instance.has_todo())
            && self.queued.insert(root)
        {
            self.continues.push_back(root);
        }
    }

    fn touch(&mut self, id: SegmentId) {
        let over = self
            .cache
            .get(id.root)
            .and_then(|cached| cached.instance.segment(id.number))
            .is_none_or(botswain_engine::Segment::has_ended);
        if over {
            self.cache.drop_segment(id);
            return;
        }
        self.dirty.insert(id);
    }

    /// Brings a segment and all around it into memory.
    pub(super) fn load_path(&mut self, id: SegmentId) -> Result<(), Failure> {
        let mut number = Some(id.number);
        while let Some(here) = number {
            let here = SegmentId {
                root: id.root,
                number: here,
            };
            if !self.load(here)? {
                return Err(Failure::Rejected(Rejection::NotFound {
                    what: "process instance",
                    key: id.root,
                }));
            }
            number = self
                .cache
                .get(id.root)
                .and_then(|cached| cached.instance.segment(here.number))
                .and_then(|segment| segment.parent())
                .map(|parent| parent.segment);
        }
        Ok(())
    }

    /// Brings one segment into memory; false if there is none, or if it is over.
    fn load(&mut self, id: SegmentId) -> Result<bool, Failure> {
        if self.cache.has(id) {
            return Ok(true);
        }
        let stored = self
            .store
            .load_segment(id)
            .map_err(|error| Failure::Refused(Refusal::unreadable(&error)))?;
        let pending = self.batch.pending(id);
        if stored.is_none() && pending.is_none() {
            return Ok(false);
        }
        let unreadable = |error: StoreError| Failure::Refused(Refusal::unreadable(&error));
        let segment = rebuild(id, &stored.unwrap_or_default(), pending)
            .map_err(|error| unreadable(error.into()))?;
        if segment.has_ended() {
            return Ok(false);
        }
        if self.cache.get(id.root).is_none() {
            let Some(definition) = self.definition_of(id.root, &segment)? else {
                return Ok(false);
            };
            self.cache.insert(
                id.root,
                Cached {
                    instance: Instance::new(),
                    definition,
                },
            );
        }
        if let Some(cached) = self.cache.get_mut(id.root) {
            cached.instance.load(segment);
        }
        self.dirty.insert(id);
        Ok(true)
    }

    fn definition_of(
        &mut self,
        root: Key,
        segment: &botswain_engine::Segment,
    ) -> Result<Option<Arc<Definition>>, Failure> {
        let unreadable = |error: StoreError| Failure::Refused(Refusal::unreadable(&error));
        let key = match segment.header() {
            Some(header) => header.definition,
            None => match self.store.instance(root).map_err(unreadable)? {
                Some(row) => row.definition,
                None => return Ok(None),
            },
        };
        self.definitions
            .get(key, self.store.as_mut())
            .map_err(unreadable)
    }

    /// Lets instances go on with what steps left over: each gets one step, then it is the next one's turn.
    fn go_on(&mut self) {
        for _ in 0..self.settings.continues_per_turn.min(self.continues.len()) {
            let Some(root) = self.continues.pop_front() else {
                return;
            };
            if !self.queued.remove(&root) {
                continue;
            }
            if let Err(failure) = self
                .load_needed(root)
                .and_then(|()| self.run(SegmentId::root(root), Command::Continue))
            {
                tracing::warn!(
                    instance = root.as_u64(),
                    ?failure,
                    "an instance does not go on"
                );
            }
        }
    }

    fn load_needed(&mut self, root: Key) -> Result<(), Failure> {
        self.load_path(SegmentId::root(root))?;
        loop {
            let Some(cached) = self.cache.get(root) else {
                return Ok(());
            };
            let missing = botswain_engine::needs(&cached.instance);
            if missing.is_empty() {
                return Ok(());
            }
            for number in missing {
                self.load_path(SegmentId { root, number })?;
            }
        }
    }

    /// Segments with much history are sealed, as they are at the end of the batch; those that nobody touched for long leave
    /// memory, sealed where that saves a replay.
    fn leave_memory(&mut self) {
        for id in std::mem::take(&mut self.dirty) {
            let bytes = self.batch.pending(id).map_or(0, <[u8]>::len);
            self.cache.touched(id, bytes);
            if self.cache.take_seal(id) {
                self.seal(id);
            }
        }
        if self.cache.bytes() <= self.settings.cache_bytes_max {
            return;
        }
        // A tenth more than needed, so that this isn't done for every batch.
        for (id, seal) in self.cache.leaving(self.settings.cache_bytes_max / 10 * 9) {
            if seal {
                self.seal(id);
            }
            self.cache.drop_segment(id);
        }
    }

    fn seal(&mut self, id: SegmentId) {
        if let Some(segment) = self
            .cache
            .get(id.root)
            .and_then(|cached| cached.instance.segment(id.number))
        {
            self.batch.seal(segment);
        }
    }

    fn due_in(&self) -> Option<u64> {
        let timer = self
            .timers
            .next_due()
            .map(|due| u64::try_from(due.saturating_sub(self.now.wall)).unwrap_or(0));
        [timer, self.desk.next_deadline(self.now)]
            .into_iter()
            .flatten()
            .min()
    }

    /// The batch did not happen, or nobody knows: memory is thrown away, and everybody hears so.
    fn undo_batch(&mut self, error: &CommitError) -> Turned {
        tracing::error!(%error, "a batch was not committed: memory is loaded again");
        let refusal = Refusal::commit(error);
        for (reply, _) in std::mem::take(&mut self.replies) {
            self.answer(reply, Err(refusal.clone()));
        }
        for (_, activation) in std::mem::take(&mut self.activations) {
            self.answer(activation.reply, Err(refusal.clone()));
        }
        // Streams that await ends of instances go on waiting; those of instances that were begun in this batch do not exist.
        for root in std::mem::take(&mut self.fresh_instances) {
            self.awaiting.remove(&root);
        }
        self.sessions.publish();
        self.published = Published::default();
        let now = self.now;
        match self.recover(now) {
            Ok(()) => Turned {
                published: Published {
                    starts_anew: true,
                    ..Published::default()
                },
                more: false,
                due_in: Some(100),
                fatal: None,
            },
            Err(error) => Turned {
                published: Published::default(),
                more: false,
                due_in: None,
                fatal: Some(error.to_string()),
            },
        }
    }

    pub(super) fn fresh_seed(&mut self) -> u64 {
        self.steps += 1;
        let mut z = self
            .settings
            .seed
            .wrapping_add(self.steps.wrapping_mul(0x9e37_79b9_7f4a_7c15))
            ^ self.now.wall.cast_unsigned();
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Takes away a slice of what ended so long ago that nobody may ask for it any more.
    fn prune(&mut self) {
        let before = self.now.wall.saturating_sub(self.settings.retention_ms);
        match self
            .store
            .prune(self.settings.part, self.epoch, before, PRUNED_PER_SLICE)
        {
            Ok(pruned) => {
                // A full slice means that there is more: the next turn goes on.
                self.forget |= pruned.instances == PRUNED_PER_SLICE;
            }
            Err(error) => tracing::warn!(%error, "old instances were not pruned"),
        }
    }

    /// Lets the next turn forget messages whose time is over, and prune what ended long ago.
    pub fn forget_at_next_turn(&mut self) {
        self.forget = true;
    }

    /// How many segments are in memory, and how many bytes they take.
    #[must_use]
    pub fn in_memory(&self) -> (usize, usize) {
        (self.cache.len(), self.cache.bytes())
    }
}

/// Why a command did not run.
#[derive(Debug)]
pub(super) enum Failure {
    /// The engine refuses it.
    Rejected(Rejection),
    /// It could not even be asked.
    Refused(Refusal),
}

impl Failure {
    pub(super) fn refusal(self, verb: &str) -> Refusal {
        match self {
            Failure::Rejected(rejection) => Refusal::of(verb, rejection),
            Failure::Refused(refusal) => refusal,
        }
    }
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(ToString::to_string);
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without a message".to_owned())
}

fn worker_error(refusal: &Refusal) -> botswain_proto::worker::Error {
    use botswain_proto::worker::{Code, Error};
    let code = match refusal.kind {
        RefusalKind::InvalidArgument => Code::InvalidArgument,
        RefusalKind::NotFound => Code::NotFound,
        RefusalKind::AlreadyExists => Code::AlreadyExists,
        RefusalKind::InvalidState => Code::InvalidState,
        RefusalKind::ResourceExhausted => Code::ResourceExhausted,
        RefusalKind::Unavailable => Code::Unavailable,
        RefusalKind::Internal => Code::Internal,
    };
    Error {
        code: code.into(),
        message: refusal.message.clone(),
    }
}
