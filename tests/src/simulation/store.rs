//! The simulated disk: a memory store that outlives the coordinator's process, and a log of what was committed to it.

use botswain_engine::{Event, Key, Millis, Partition, SegmentId};
use botswain_store::format::read_records;
use botswain_store::rows::{
    AgentRow, AttemptRow, DeduplicationRow, DefinitionRow, Digest, ElementRow, EnrolmentTokenRow,
    EvidenceRow, IncidentRow, InstanceRow, JobRow, MessageRow, PackageRow, Put, RecordChange,
    RouteRow, SubscriptionRow, TimerRow, UserTaskRow,
};
use botswain_store::{
    Batch, CommitError, Faults, Loaded, MemoryStore, Pruned, Recovered, Store, StoreError,
};
use smol_str::SmolStr;
use std::sync::{Arc, Mutex, MutexGuard};
use uuid::Uuid;

/// One batch that was committed.
#[derive(Clone, Debug)]
pub(super) struct Committed {
    pub(super) events: Vec<(SegmentId, Event)>,
    pub(super) puts: Vec<Put>,
}

#[derive(Default)]
struct Inner {
    memory: MemoryStore,
    log: Vec<Committed>,
    /// So many batches of the log survive a crash.
    durable: usize,
    lies: bool,
}

/// The disk. Clones are the same disk.
#[derive(Clone, Default)]
pub struct Disk(Arc<Mutex<Inner>>);

impl Disk {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0
            .lock()
            .expect("one thread uses the disk, and its panics end the simulation")
    }

    /// Acknowledges from here on what it has not synced.
    pub(super) fn lie(&self) {
        let mut inner = self.inner();
        inner.memory.hold_back_syncs();
        inner.lies = true;
    }

    /// Lets the next commit go wrong.
    pub fn inject(&self, fault: Faults) {
        self.inner().memory.inject(fault);
    }

    /// The machine loses its power: what was not synced is gone.
    pub fn crash(&self) {
        let mut inner = self.inner();
        inner.memory.crash();
        let durable = inner.durable;
        inner.log.truncate(durable);
    }

    /// All rows as text.
    #[must_use]
    pub fn dump(&self) -> String {
        self.inner().memory.dump()
    }

    /// Reads what was committed and survived, in its order.
    pub(super) fn read<T>(&self, look: impl FnOnce(&[Committed]) -> T) -> T {
        look(&self.inner().log)
    }

    pub(super) fn commits(&self) -> u64 {
        self.inner().memory.commits()
    }
}

impl Store for Disk {
    fn recover(&mut self, part: Partition) -> Result<Recovered, StoreError> {
        let mut inner = self.inner();
        let recovered = inner.memory.recover(part);
        inner.durable = inner.log.len();
        recovered
    }

    fn commit(&mut self, batch: &Batch) -> Result<(), CommitError> {
        let mut inner = self.inner();
        let before = inner.memory.commits();
        let result = inner.memory.commit(batch);
        if inner.memory.commits() > before {
            inner.log.push(committed(batch));
            if !inner.lies && !matches!(result, Err(CommitError::SyncFailed(_))) {
                inner.durable = inner.log.len();
            }
        }
        result
    }

    fn prune(
        &mut self,
        part: Partition,
        epoch: u64,
        before: Millis,
        limit: usize,
    ) -> Result<Pruned, CommitError> {
        self.inner().memory.prune(part, epoch, before, limit)
    }

    fn load_segment(&mut self, segment: SegmentId) -> Result<Option<Loaded>, StoreError> {
        self.inner().memory.load_segment(segment)
    }

    fn instance(&mut self, key: Key) -> Result<Option<InstanceRow>, StoreError> {
        self.inner().memory.instance(key)
    }

    fn job(&mut self, key: Key) -> Result<Option<JobRow>, StoreError> {
        self.inner().memory.job(key)
    }

    fn element(&mut self, key: Key) -> Result<Option<ElementRow>, StoreError> {
        self.inner().memory.element(key)
    }

    fn incident(&mut self, key: Key) -> Result<Option<IncidentRow>, StoreError> {
        self.inner().memory.incident(key)
    }

    fn user_task(&mut self, key: Key) -> Result<Option<UserTaskRow>, StoreError> {
        self.inner().memory.user_task(key)
    }

    fn timer(&mut self, key: Key) -> Result<Option<TimerRow>, StoreError> {
        self.inner().memory.timer(key)
    }

    fn open_jobs(
        &mut self,
        part: Partition,
        job_type: &str,
        after: Option<Key>,
        limit: usize,
    ) -> Result<Vec<JobRow>, StoreError> {
        self.inner().memory.open_jobs(part, job_type, after, limit)
    }

    fn open_job_types(
        &mut self,
        part: Partition,
        after: &str,
        limit: usize,
    ) -> Result<Vec<SmolStr>, StoreError> {
        self.inner().memory.open_job_types(part, after, limit)
    }

    fn held_jobs(
        &mut self,
        part: Partition,
        after: Option<Key>,
        limit: usize,
    ) -> Result<Vec<JobRow>, StoreError> {
        self.inner().memory.held_jobs(part, after, limit)
    }

    fn next_timers(
        &mut self,
        part: Partition,
        after: Option<(Millis, Key)>,
        limit: usize,
    ) -> Result<Vec<TimerRow>, StoreError> {
        self.inner().memory.next_timers(part, after, limit)
    }

    fn subscriptions(
        &mut self,
        part: Partition,
        name: &str,
        correlation_key: &str,
        after: Option<Key>,
        limit: usize,
    ) -> Result<Vec<SubscriptionRow>, StoreError> {
        self.inner()
            .memory
            .subscriptions(part, name, correlation_key, after, limit)
    }

    fn messages(
        &mut self,
        part: Partition,
        name: &str,
        correlation_key: &str,
        after: Option<Key>,
        limit: usize,
    ) -> Result<Vec<MessageRow>, StoreError> {
        self.inner()
            .memory
            .messages(part, name, correlation_key, after, limit)
    }

    fn message(&mut self, key: Key) -> Result<Option<MessageRow>, StoreError> {
        self.inner().memory.message(key)
    }

    fn expired_messages(
        &mut self,
        part: Partition,
        now: Millis,
        limit: usize,
    ) -> Result<Vec<Key>, StoreError> {
        self.inner().memory.expired_messages(part, now, limit)
    }

    fn message_was_correlated(
        &mut self,
        message: Key,
        process_id: &str,
    ) -> Result<bool, StoreError> {
        self.inner()
            .memory
            .message_was_correlated(message, process_id)
    }

    fn reply(&mut self, part: Partition, id: Uuid) -> Result<Option<DeduplicationRow>, StoreError> {
        self.inner().memory.reply(part, id)
    }

    fn definitions(
        &mut self,
        after: Option<Key>,
        limit: usize,
    ) -> Result<Vec<DefinitionRow>, StoreError> {
        self.inner().memory.definitions(after, limit)
    }

    fn definition(&mut self, key: Key) -> Result<Option<DefinitionRow>, StoreError> {
        self.inner().memory.definition(key)
    }

    fn routes(&mut self) -> Result<Vec<RouteRow>, StoreError> {
        self.inner().memory.routes()
    }

    fn agents(&mut self) -> Result<Vec<AgentRow>, StoreError> {
        self.inner().memory.agents()
    }

    fn enrolment_token(&mut self, digest: Digest) -> Result<Option<EnrolmentTokenRow>, StoreError> {
        self.inner().memory.enrolment_token(digest)
    }

    fn packages(&mut self) -> Result<Vec<PackageRow>, StoreError> {
        self.inner().memory.packages()
    }

    fn package(&mut self, digest: Digest) -> Result<Option<PackageRow>, StoreError> {
        self.inner().memory.package(digest)
    }

    fn attempt(&mut self, part: Partition, id: Uuid) -> Result<Option<AttemptRow>, StoreError> {
        self.inner().memory.attempt(part, id)
    }

    fn attempts(&mut self, job: Key) -> Result<Vec<AttemptRow>, StoreError> {
        self.inner().memory.attempts(job)
    }

    fn evidence(&mut self, part: Partition, attempt: Uuid) -> Result<Vec<EvidenceRow>, StoreError> {
        self.inner().memory.evidence(part, attempt)
    }
}

fn committed(batch: &Batch) -> Committed {
    let mut events = Vec::new();
    for entry in batch.journal() {
        let records =
            read_records(&entry.data).expect("this build reads what it wrote a moment ago");
        let of_segment = records.into_iter().flat_map(|record| record.events);
        events.extend(of_segment.map(|event| (entry.segment, event)));
    }
    let puts = batch.rows.records.iter().filter_map(|change| match change {
        RecordChange::Put(put) => Some(put.clone()),
        RecordChange::Delete(_) => None,
    });
    Committed {
        events,
        puts: puts.collect(),
    }
}
