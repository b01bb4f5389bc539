//! The writer: the only one that changes anything. Each turn decides a batch, assigns jobs, commits once, then publishes.

use super::ask::{Answer, Created, Refusal, ReplyTo, Request};
use super::cache::Cache;
use super::definitions::Definitions;
use super::messages::Overlay;
use super::published::Published;
use super::sessions::Sessions;
use super::timers::Timers;
use crate::dispatch::{Assignment, Desk, Now, SessionId};
use botswain_engine::event::Millis;
use botswain_engine::{Key, KeySource, Partition, SegmentId};
use botswain_store::{Batch, CommitError, Store, StoreError};
use rustc_hash::{FxHashMap, FxHashSet};
use smol_str::SmolStr;
use std::collections::VecDeque;
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
