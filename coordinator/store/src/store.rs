//! Stores: what every backend does, and how it may fail.

use crate::batch::Batch;
use crate::format::{FormatError, Loaded};
use crate::rows::{
    AgentRow, AttemptRow, DeduplicationRow, DefinitionRow, Digest, ElementRow, EnrolmentTokenRow,
    EvidenceRow, IncidentRow, InstanceRow, JobRow, MessageRow, PackageRow, RouteRow,
    SubscriptionRow, TimerRow, UserTaskRow,
};
use botswain_engine::{Key, Millis, Partition, SegmentId};
use smol_str::SmolStr;
use uuid::Uuid;

/// Values of this many bytes or more are stored beside their row, once for each instance and content.
pub const BLOB_BYTES_MIN: usize = 8 << 10;

/// Why something stored could not be read, or the store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The data folder belongs to a running process.
    #[error(
        "data folder {folder} is used by process {pid}: stop that process, or choose another folder with --data"
    )]
    InUse {
        /// The folder.
        folder: String,
        /// The process, as it wrote itself into the lock file.
        pid: String,
    },
    /// The database was written by a later build.
    #[error(
        "the database has format {found}, and this build reads formats up to {known}: start a botswain that is at least as new as the one that wrote it, or restore a backup from before the upgrade"
    )]
    Newer {
        /// Its format.
        found: i64,
        /// The newest format that this build reads.
        known: i64,
    },
    /// The bytes of a journal row, a checkpoint or a table are not readable.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// The database could not do it.
    #[error("database: {0}")]
    Database(String),
    /// A file or folder could not be used.
    #[error("file {path}: {error}")]
    File {
        /// Where.
        path: String,
        /// What the system said.
        error: std::io::Error,
    },
    /// The store was told to fail; only the memory store does so.
    #[error("injected fault: {0}")]
    Injected(&'static str),
}

/// Why a batch was not committed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommitError {
    /// There is no room. Nothing has changed; what is refused now may be accepted when there is room again.
    #[error(
        "the database is full: free space on the disk, shorten the retention, or raise the limit of the database's size"
    )]
    Full,
    /// Another coordinator owns the partition. Nothing has changed, and nothing of this epoch ever will.
    #[error(
        "partition {part} belongs to epoch {owner}, this process has epoch {epoch}: it steps down"
    )]
    Deposed {
        /// The partition.
        part: u16,
        /// The epoch of this process.
        epoch: u64,
        /// The epoch of the owner.
        owner: u64,
    },
    /// The batch may be there or not: what is in memory must be loaded again.
    #[error("the commit failed and its outcome is unknown: {0}")]
    Failed(String),
    /// The system could not make the batch durable. What it kept is unknowable: the process must end and start again.
    #[error("the disk did not confirm the commit: {0}")]
    SyncFailed(String),
}

/// What a partition continues with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recovered {
    /// The epoch of this owner, durable before this is returned.
    pub epoch: u64,
    /// The number of the last batch.
    pub seq: u64,
    /// How many keys were used.
    pub keys_used: u64,
    /// The partition's time at the last batch: it never goes back behind it.
    pub clock: Millis,
    /// Running instances that have work left over.
    pub continuations: Vec<Key>,
}

/// What a slice of pruning took away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Instances with all that belonged to them.
    pub instances: usize,
    /// Replies that were kept for repeated commands.
    pub replies: usize,
}

/// A place where batches become durable. Called by the single writer's own thread; every call blocks.
///
/// Lists come in the order of their keys unless the method says otherwise, and end after `limit` entries; `after` continues
/// behind the last entry of the list before.
pub trait Store: Send {
    /// Takes over a partition: raises its epoch durably and tells where it stands. Commits of earlier epochs change nothing
    /// from here on.
    ///
    /// # Errors
    /// The store cannot be read or written.
    fn recover(&mut self, part: Partition) -> Result<Recovered, StoreError>;

    /// Commits a batch. After `Ok` it is durable; what each error means is said there.
    ///
    /// # Errors
    /// No room, another owner, an unknown outcome, a failed sync.
    fn commit(&mut self, batch: &Batch) -> Result<(), CommitError>;

    /// The last checkpoint of a segment and the journal after it; none if nothing is known of it.
    ///
    /// # Errors
    /// The store cannot be read.
    fn load_segment(&mut self, segment: SegmentId) -> Result<Option<Loaded>, StoreError>;

    /// An instance's header.
    ///
    /// # Errors
    /// The store cannot be read.
    fn instance(&mut self, key: Key) -> Result<Option<InstanceRow>, StoreError>;

    /// A job that is not done.
    ///
    /// # Errors
    /// The store cannot be read.
    fn job(&mut self, key: Key) -> Result<Option<JobRow>, StoreError>;

    /// An element instance.
    ///
    /// # Errors
    /// The store cannot be read.
    fn element(&mut self, key: Key) -> Result<Option<ElementRow>, StoreError>;

    /// An incident, open or resolved.
    ///
    /// # Errors
    /// The store cannot be read.
    fn incident(&mut self, key: Key) -> Result<Option<IncidentRow>, StoreError>;

    /// A user task, open or closed.
    ///
    /// # Errors
    /// The store cannot be read.
    fn user_task(&mut self, key: Key) -> Result<Option<UserTaskRow>, StoreError>;

    /// A running timer.
    ///
    /// # Errors
    /// The store cannot be read.
    fn timer(&mut self, key: Key) -> Result<Option<TimerRow>, StoreError>;

    /// Jobs of a type that may be offered or will be after a pause, and that nobody holds.
    ///
    /// # Errors
    /// The store cannot be read.
    fn open_jobs(
        &mut self,
        part: Partition,
        job_type: &str,
        after: Option<Key>,
        limit: usize,
    ) -> Result<Vec<JobRow>, StoreError>;

    /// The types of which there are open jobs that nobody holds, in the order of their names, behind `after`.
    ///
    /// # Errors
    /// The store cannot be read.
    fn open_job_types(
        &mut self,
        part: Partition,
        after: &str,
        limit: usize,
    ) -> Result<Vec<SmolStr>, StoreError>;

    /// Jobs that somebody holds.
    ///
    /// # Errors
    /// The store cannot be read.
    fn held_jobs(
        &mut self,
        part: Partition,
        after: Option<Key>,
        limit: usize,
    ) -> Result<Vec<JobRow>, StoreError>;

    /// Timers in the order in which they are due, behind a time and key.
    ///
    /// # Errors
    /// The store cannot be read.
    fn next_timers(
        &mut self,
        part: Partition,
        after: Option<(Millis, Key)>,
        limit: usize,
    ) -> Result<Vec<TimerRow>, StoreError>;

    /// Who awaits a message.
    ///
    /// # Errors
    /// The store cannot be read.
    fn subscriptions(
        &mut self,
        part: Partition,
        name: &str,
        correlation_key: &str,
        after: Option<Key>,
        limit: usize,
    ) -> Result<Vec<SubscriptionRow>, StoreError>;

    /// Buffered messages of that name and correlation key, the expired ones among them.
    ///
    /// # Errors
    /// The store cannot be read.
    fn messages(
        &mut self,
        part: Partition,
        name: &str,
        correlation_key: &str,
        after: Option<Key>,
        limit: usize,
    ) -> Result<Vec<MessageRow>, StoreError>;

    /// A buffered message.
    ///
    /// # Errors
    /// The store cannot be read.
    fn message(&mut self, key: Key) -> Result<Option<MessageRow>, StoreError>;

    /// Messages that are to be forgotten at that time, the oldest first.
    ///
    /// # Errors
    /// The store cannot be read.
    fn expired_messages(
        &mut self,
        part: Partition,
        now: Millis,
        limit: usize,
    ) -> Result<Vec<Key>, StoreError>;

    /// Whether a message was given to an instance of a process.
    ///
    /// # Errors
    /// The store cannot be read.
    fn message_was_correlated(
        &mut self,
        message: Key,
        process_id: &str,
    ) -> Result<bool, StoreError>;

    /// The reply to a command that came before.
    ///
    /// # Errors
    /// The store cannot be read.
    fn reply(&mut self, part: Partition, id: Uuid) -> Result<Option<DeduplicationRow>, StoreError>;

    /// All versions of all processes, in the order of their keys, behind `after`.
    ///
    /// # Errors
    /// The store cannot be read.
    fn definitions(
        &mut self,
        after: Option<Key>,
        limit: usize,
    ) -> Result<Vec<DefinitionRow>, StoreError>;

    /// A version of a process.
    ///
    /// # Errors
    /// The store cannot be read.
    fn definition(&mut self, key: Key) -> Result<Option<DefinitionRow>, StoreError>;

    /// The current routes, in the order of their job types; those that were taken away among them.
    ///
    /// # Errors
    /// The store cannot be read.
    fn routes(&mut self) -> Result<Vec<RouteRow>, StoreError>;

    /// All agents, the revoked ones among them.
    ///
    /// # Errors
    /// The store cannot be read.
    fn agents(&mut self) -> Result<Vec<AgentRow>, StoreError>;

    /// A token that lets agents enrol.
    ///
    /// # Errors
    /// The store cannot be read.
    fn enrolment_token(&mut self, digest: Digest) -> Result<Option<EnrolmentTokenRow>, StoreError>;

    /// The bot packages without their bytes, by name and version.
    ///
    /// # Errors
    /// The store cannot be read.
    fn packages(&mut self) -> Result<Vec<PackageRow>, StoreError>;

    /// A bot package with its bytes.
    ///
    /// # Errors
    /// The store cannot be read.
    fn package(&mut self, digest: Digest) -> Result<Option<PackageRow>, StoreError>;

    /// An attempt.
    ///
    /// # Errors
    /// The store cannot be read.
    fn attempt(&mut self, part: Partition, id: Uuid) -> Result<Option<AttemptRow>, StoreError>;

    /// The attempts at a job, the first one first.
    ///
    /// # Errors
    /// The store cannot be read.
    fn attempts(&mut self, job: Key) -> Result<Vec<AttemptRow>, StoreError>;

    /// What an attempt left behind, by name.
    ///
    /// # Errors
    /// The store cannot be read.
    fn evidence(&mut self, part: Partition, attempt: Uuid) -> Result<Vec<EvidenceRow>, StoreError>;

    /// Takes away ended instances with all that belonged to them, and replies to commands, from before a time: at most
    /// `limit` of each, so that the writer is never kept long. Called again until nothing is left.
    ///
    /// # Errors
    /// As for a commit.
    fn prune(
        &mut self,
        part: Partition,
        epoch: u64,
        before: Millis,
        limit: usize,
    ) -> Result<Pruned, CommitError>;
}
