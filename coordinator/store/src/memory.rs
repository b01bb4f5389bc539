//! The memory store: the same contract without a disk, with faults on demand. For tests and the simulation.

mod tables;

use crate::batch::Batch;
use crate::format::Loaded;
use crate::rows::{
    AgentRow, AttemptRow, DeduplicationRow, DefinitionRow, Digest, ElementRow, EnrolmentTokenRow,
    EvidenceRow, IncidentRow, InstanceRow, InstanceState, JobRow, MessageRow, PackageRow, RouteRow,
    SubscriptionRow, TimerRow, UserTaskRow,
};
use crate::store::{CommitError, Pruned, Recovered, Store, StoreError};
use botswain_engine::instance::JobState;
use botswain_engine::{Key, Millis, Partition, SegmentId};
use smol_str::SmolStr;
use std::collections::VecDeque;
use std::ops::Bound::{Excluded, Unbounded};
use std::sync::Arc;
use tables::Tables;
use uuid::Uuid;

/// What the memory store is to do wrong. Each fault happens once, at the next commit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Faults {
    /// Nothing.
    #[default]
    None,
    /// The next commit finds no room and changes nothing.
    Full,
    /// The next commit fails, its outcome is unknown, and the batch is not there.
    FailsBefore,
    /// The next commit fails, its outcome is unknown, and the batch is there.
    FailsAfter,
    /// The next commit's sync fails; the batch is lost by the next crash.
    SyncFails,
}

/// A store in memory. Clones share nothing.
#[derive(Clone, Debug, Default)]
pub struct MemoryStore {
    tables: Tables,
    durable: Tables,
    unsynced: VecDeque<Arc<Batch>>,
    sync_lies: bool,
    fault: Faults,
    commits: u64,
}

impl MemoryStore {
    /// An empty store whose commits are durable.
    #[must_use]
    pub fn new() -> MemoryStore {
        MemoryStore::default()
    }

    /// Lets the next commit go wrong.
    pub fn inject(&mut self, fault: Faults) {
        self.fault = fault;
    }

    /// From here on commits are acknowledged and not synced, as by a disk that lies; [`MemoryStore::sync`] makes them
    /// durable.
    pub fn hold_back_syncs(&mut self) {
        self.sync_lies = true;
    }

    /// Makes every commit durable.
    pub fn sync(&mut self) {
        for batch in self.unsynced.drain(..) {
            self.durable.apply(&batch);
        }
    }

    /// Ends the process and the machine: what was not synced is lost. The store continues as after a restart.
    pub fn crash(&mut self) {
        self.tables = self.durable.clone();
        self.unsynced.clear();
        self.fault = Faults::None;
    }

    /// How many batches were accepted.
    #[must_use]
    pub const fn commits(&self) -> u64 {
        self.commits
    }

    /// All rows as text, table by table: two stores that say the same hold the same.
    #[must_use]
    pub fn dump(&self) -> String {
        self.tables.dump()
    }

    fn accept(&mut self, batch: &Batch, synced: bool) {
        self.tables.apply(batch);
        self.commits += 1;
        self.unsynced.push_back(Arc::new(batch.clone()));
        if synced && !self.sync_lies {
            self.sync();
        }
    }
}

impl Store for MemoryStore {
    fn recover(&mut self, part: Partition) -> Result<Recovered, StoreError> {
        self.sync();
        let marks = self.tables.marks.entry(part).or_default();
        marks.epoch += 1;
        let recovered = Recovered {
            epoch: marks.epoch,
            seq: marks.seq,
            keys_used: marks.keys_used,
            clock: marks.clock,
            continuations: self
                .tables
                .continuations
                .iter()
                .filter(|root| {
                    root.partition() == part
                        && self
                            .tables
                            .instances
                            .get(root)
                            .is_some_and(|row| row.state == InstanceState::Active)
                })
                .copied()
                .collect(),
        };
        self.durable.marks = self.tables.marks.clone();
        Ok(recovered)
    }

    fn commit(&mut self, batch: &Batch) -> Result<(), CommitError> {
        let marks = self
            .tables
            .marks
            .get(&batch.part)
            .copied()
            .unwrap_or_default();
        if marks.epoch != batch.epoch {
            return Err(CommitError::Deposed {
                part: batch.part.0,
                epoch: batch.epoch,
                owner: marks.epoch,
            });
        }
        if batch.seq != marks.seq + 1 {
            return Err(CommitError::Failed(format!(
                "batch {} does not follow batch {}",
                batch.seq, marks.seq
            )));
        }
        match std::mem::take(&mut self.fault) {
            Faults::None => {
                self.accept(batch, true);
                Ok(())
            }
            Faults::Full => Err(CommitError::Full),
            Faults::FailsBefore => {
                Err(CommitError::Failed("injected before the commit".to_owned()))
            }
            Faults::FailsAfter => {
                self.accept(batch, true);
                Err(CommitError::Failed("injected after the commit".to_owned()))
            }
            Faults::SyncFails => {
                self.accept(batch, false);
                Err(CommitError::SyncFailed("injected".to_owned()))
            }
        }
    }

    fn load_segment(&mut self, segment: SegmentId) -> Result<Option<Loaded>, StoreError> {
        let checkpoint = self.tables.checkpoints.get(&segment);
        let from = checkpoint.map_or(0, |(seq, _)| seq + 1);
        let journal: Vec<_> = self
            .tables
            .journal
            .range((segment, from)..=(segment, u64::MAX))
            .map(|((_, seq), data)| (*seq, data.clone()))
            .collect();
        if checkpoint.is_none() && journal.is_empty() {
            return Ok(None);
        }
        Ok(Some(Loaded {
            checkpoint: checkpoint.map(|(_, data)| data.clone()),
            journal,
        }))
    }

    fn instance(&mut self, key: Key) -> Result<Option<InstanceRow>, StoreError> {
        Ok(self.tables.instances.get(&key).cloned())
    }

    fn job(&mut self, key: Key) -> Result<Option<JobRow>, StoreError> {
        Ok(self.tables.jobs.get(&key).cloned())
    }

    fn element(&mut self, key: Key) -> Result<Option<ElementRow>, StoreError> {
        Ok(self.tables.elements.get(&key).cloned())
    }

    fn incident(&mut self, key: Key) -> Result<Option<IncidentRow>, StoreError> {
        Ok(self.tables.incidents.get(&key).cloned())
    }

    fn user_task(&mut self, key: Key) -> Result<Option<UserTaskRow>, StoreError> {
        Ok(self.tables.user_tasks.get(&key).cloned())
    }

    fn timer(&mut self, key: Key) -> Result<Option<TimerRow>, StoreError> {
        Ok(self.tables.timers.get(&key).cloned())
    }

    fn open_jobs(
        &mut self,
        part: Partition,
        job_type: &str,
        after: Option<Key>,
        limit: usize,
    ) -> Result<Vec<JobRow>, StoreError> {
        let open =
            |job: &&JobRow| job.key.partition() == part && job.job_type == job_type && is_open(job);
        Ok(self
            .tables
            .jobs
            .range(behind(after))
            .map(|(_, job)| job)
            .filter(open)
            .take(limit)
            .cloned()
            .collect())
    }

    fn open_job_types(
        &mut self,
        part: Partition,
        after: &str,
        limit: usize,
    ) -> Result<Vec<SmolStr>, StoreError> {
        let open = self
            .tables
            .jobs
            .values()
            .filter(|job| job.key.partition() == part && is_open(job));
        let types: std::collections::BTreeSet<_> = open
            .map(|job| &job.job_type)
            .filter(|name| name.as_str() > after)
            .collect();
        Ok(types.into_iter().take(limit).cloned().collect())
    }

    fn held_jobs(
        &mut self,
        part: Partition,
        after: Option<Key>,
        limit: usize,
    ) -> Result<Vec<JobRow>, StoreError> {
        let held = |job: &&JobRow| job.key.partition() == part && job.held.is_some();
        Ok(self
            .tables
            .jobs
            .range(behind(after))
            .map(|(_, job)| job)
            .filter(held)
            .take(limit)
            .cloned()
            .collect())
    }

    fn next_timers(
        &mut self,
        part: Partition,
        after: Option<(Millis, Key)>,
        limit: usize,
    ) -> Result<Vec<TimerRow>, StoreError> {
        let mut timers: Vec<_> = self
            .tables
            .timers
            .values()
            .filter(|timer| {
                timer.key.partition() == part
                    && after.is_none_or(|after| (timer.due, timer.key) > after)
            })
            .collect();
        timers.sort_by_key(|timer| (timer.due, timer.key));
        Ok(timers.into_iter().take(limit).cloned().collect())
    }

    fn subscriptions(
        &mut self,
        part: Partition,
        name: &str,
        correlation_key: &str,
        after: Option<Key>,
        limit: usize,
    ) -> Result<Vec<SubscriptionRow>, StoreError> {
        let wanted = |row: &&SubscriptionRow| {
            row.key.partition() == part
                && row.name == name
                && row.correlation_key == correlation_key
        };
        Ok(self
            .tables
            .subscriptions
            .range(behind(after))
            .map(|(_, row)| row)
            .filter(wanted)
            .take(limit)
            .cloned()
            .collect())
    }

    fn messages(
        &mut self,
        part: Partition,
        name: &str,
        correlation_key: &str,
        after: Option<Key>,
        limit: usize,
    ) -> Result<Vec<MessageRow>, StoreError> {
        let wanted = |row: &&MessageRow| {
            row.key.partition() == part
                && row.name == name
                && row.correlation_key == correlation_key
        };
        Ok(self
            .tables
            .messages
            .range(behind(after))
            .map(|(_, row)| row)
            .filter(wanted)
            .take(limit)
            .cloned()
            .collect())
    }

    fn message(&mut self, key: Key) -> Result<Option<MessageRow>, StoreError> {
        Ok(self.tables.messages.get(&key).cloned())
    }

    fn expired_messages(
        &mut self,
        part: Partition,
        now: Millis,
        limit: usize,
    ) -> Result<Vec<Key>, StoreError> {
        let messages = self.tables.messages.values();
        let mut expired: Vec<_> = messages
            .filter(|row| row.key.partition() == part && row.expires_at <= now)
            .map(|row| (row.expires_at, row.key))
            .collect();
        expired.sort_unstable();
        Ok(expired
            .into_iter()
            .take(limit)
            .map(|(_, key)| key)
            .collect())
    }

    fn message_was_correlated(
        &mut self,
        message: Key,
        process_id: &str,
    ) -> Result<bool, StoreError> {
        Ok(self
            .tables
            .correlated
            .contains(&(message, SmolStr::from(process_id))))
    }

    fn reply(&mut self, part: Partition, id: Uuid) -> Result<Option<DeduplicationRow>, StoreError> {
        Ok(self.tables.replies.get(&(part, id)).cloned())
    }

    fn definitions(
        &mut self,
        after: Option<Key>,
        limit: usize,
    ) -> Result<Vec<DefinitionRow>, StoreError> {
        Ok(self
            .tables
            .definitions
            .range(behind(after))
            .map(|(_, row)| row)
            .take(limit)
            .cloned()
            .collect())
    }

    fn definition(&mut self, key: Key) -> Result<Option<DefinitionRow>, StoreError> {
        Ok(self.tables.definitions.get(&key).cloned())
    }

    fn routes(&mut self) -> Result<Vec<RouteRow>, StoreError> {
        let mut current: Vec<RouteRow> = Vec::new();
        for row in self.tables.routes.values() {
            match current.last_mut() {
                Some(last) if last.job_type == row.job_type => last.clone_from(row),
                _ => current.push(row.clone()),
            }
        }
        Ok(current)
    }

    fn agents(&mut self) -> Result<Vec<AgentRow>, StoreError> {
        Ok(self.tables.agents.values().cloned().collect())
    }

    fn enrolment_token(&mut self, digest: Digest) -> Result<Option<EnrolmentTokenRow>, StoreError> {
        Ok(self.tables.enrolment_tokens.get(&digest).cloned())
    }

    fn packages(&mut self) -> Result<Vec<PackageRow>, StoreError> {
        let without_bytes = |row: &PackageRow| PackageRow {
            bytes: Vec::new(),
            ..row.clone()
        };
        let mut packages: Vec<_> = self.tables.packages.values().map(without_bytes).collect();
        packages
            .sort_by(|a, b| (&a.name, &a.version, a.digest).cmp(&(&b.name, &b.version, b.digest)));
        Ok(packages)
    }

    fn package(&mut self, digest: Digest) -> Result<Option<PackageRow>, StoreError> {
        Ok(self.tables.packages.get(&digest).cloned())
    }

    fn attempt(&mut self, part: Partition, id: Uuid) -> Result<Option<AttemptRow>, StoreError> {
        Ok(self.tables.attempts.get(&(part, id)).cloned())
    }

    fn attempts(&mut self, job: Key) -> Result<Vec<AttemptRow>, StoreError> {
        let mut attempts: Vec<_> = self
            .tables
            .attempts
            .values()
            .filter(|row| row.job == job)
            .cloned()
            .collect();
        attempts.sort_by_key(|row| (row.fence, row.id));
        Ok(attempts)
    }

    fn evidence(&mut self, part: Partition, attempt: Uuid) -> Result<Vec<EvidenceRow>, StoreError> {
        let all = self.tables.evidence.range((part, attempt, String::new())..);
        Ok(all
            .take_while(|((p, id, _), _)| (*p, *id) == (part, attempt))
            .map(|(_, row)| row.clone())
            .collect())
    }

    fn prune(
        &mut self,
        part: Partition,
        epoch: u64,
        before: Millis,
        limit: usize,
    ) -> Result<Pruned, CommitError> {
        let owner = self
            .tables
            .marks
            .get(&part)
            .copied()
            .unwrap_or_default()
            .epoch;
        if owner != epoch {
            return Err(CommitError::Deposed {
                part: part.0,
                epoch,
                owner,
            });
        }
        self.sync();
        let pruned = self.tables.prune(part, before, limit);
        self.durable = self.tables.clone();
        Ok(pruned)
    }
}

fn is_open(job: &JobRow) -> bool {
    job.state == JobState::Open && job.held.is_none()
}

fn behind(after: Option<Key>) -> (std::ops::Bound<Key>, std::ops::Bound<Key>) {
    (after.map_or(Unbounded, Excluded), Unbounded)
}
