//! Tables: the rows in ordered maps, and how a batch changes them.

use crate::batch::Batch;
use crate::rows::{
    AgentRow, AttemptRow, AuditRow, Change, Counts, DeduplicationRow, DefinitionRow, Delete,
    Digest, ElementRow, EnrolmentTokenRow, EvidenceRow, IncidentRow, InstanceRow, JobRow,
    MessageRow, Net, PackageRow, Patch, Put, RecordChange, RouteRow, SubscriptionRow, TimerRow,
    UserTaskRow, VariableRow,
};
use crate::store::Pruned;
use botswain_engine::{Key, Millis, Partition, SegmentId};
use smol_str::SmolStr;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{Debug, Write as _};
use uuid::Uuid;

/// Where a partition stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Marks {
    pub(super) epoch: u64,
    pub(super) seq: u64,
    pub(super) keys_used: u64,
    pub(super) clock: Millis,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Tables {
    pub(super) marks: BTreeMap<Partition, Marks>,
    pub(super) journal: BTreeMap<(SegmentId, u64), Vec<u8>>,
    pub(super) checkpoints: BTreeMap<SegmentId, (u64, Vec<u8>)>,
    pub(super) instances: BTreeMap<Key, InstanceRow>,
    pub(super) jobs: BTreeMap<Key, JobRow>,
    pub(super) timers: BTreeMap<Key, TimerRow>,
    pub(super) subscriptions: BTreeMap<Key, SubscriptionRow>,
    pub(super) incidents: BTreeMap<Key, IncidentRow>,
    pub(super) user_tasks: BTreeMap<Key, UserTaskRow>,
    pub(super) elements: BTreeMap<Key, ElementRow>,
    pub(super) variables: BTreeMap<(Key, Key, SmolStr), VariableRow>,
    pub(super) continuations: BTreeSet<Key>,
    pub(super) counts: BTreeMap<(Partition, Key, i64), Counts>,
    pub(super) definitions: BTreeMap<Key, DefinitionRow>,
    pub(super) messages: BTreeMap<Key, MessageRow>,
    pub(super) correlated: BTreeSet<(Key, SmolStr)>,
    pub(super) replies: BTreeMap<(Partition, Uuid), DeduplicationRow>,
    pub(super) attempts: BTreeMap<(Partition, Uuid), AttemptRow>,
    pub(super) evidence: BTreeMap<(Partition, Uuid, String), EvidenceRow>,
    pub(super) routes: BTreeMap<(SmolStr, u32), RouteRow>,
    pub(super) agents: BTreeMap<SmolStr, AgentRow>,
    pub(super) enrolment_tokens: BTreeMap<Digest, EnrolmentTokenRow>,
    pub(super) packages: BTreeMap<Digest, PackageRow>,
    pub(super) audit: BTreeMap<Key, AuditRow>,
}

impl Tables {
    pub(super) fn apply(&mut self, batch: &Batch) {
        let marks = self.marks.entry(batch.part).or_default();
        *marks = Marks {
            epoch: batch.epoch,
            seq: batch.seq,
            keys_used: batch.keys_used,
            clock: batch.now,
        };
        for entry in batch.journal() {
            self.journal
                .insert((entry.segment, batch.seq), entry.data.clone());
        }
        for entry in batch.checkpoints() {
            self.checkpoints
                .insert(entry.segment, (batch.seq, entry.data.clone()));
        }
        let rows = &batch.rows;
        apply(&mut self.instances, &rows.instances);
        apply(&mut self.jobs, &rows.jobs);
        apply(&mut self.timers, &rows.timers);
        apply(&mut self.subscriptions, &rows.subscriptions);
        apply(&mut self.incidents, &rows.incidents);
        apply(&mut self.user_tasks, &rows.user_tasks);
        apply(&mut self.elements, &rows.elements);
        for row in rows.variables() {
            self.variables
                .insert((row.root, row.scope, row.name.clone()), row.clone());
        }
        for (root, left) in &rows.continuations {
            if *left {
                self.continuations.insert(*root);
            } else {
                self.continuations.remove(root);
            }
        }
        for (definition, node, counts) in rows.counts() {
            self.counts
                .entry((batch.part, definition, node))
                .or_default()
                .add(counts);
        }
        for change in &rows.records {
            match change {
                RecordChange::Put(row) => self.put(batch.part, row),
                RecordChange::Delete(row) => self.delete(batch.part, row),
            }
        }
    }

    fn put(&mut self, part: Partition, row: &Put) {
        match row.clone() {
            Put::Definition(row) => drop(self.definitions.insert(row.key, *row)),
            Put::Message(row) => drop(self.messages.insert(row.key, row)),
            Put::MessageCorrelated(row) => {
                self.correlated.insert((row.message, row.process_id));
            }
            Put::Deduplication(row) => drop(self.replies.insert((part, row.id), row)),
            Put::Attempt(row) => drop(self.attempts.insert((part, row.id), *row)),
            Put::Evidence(row) => drop(
                self.evidence
                    .insert((part, row.attempt, row.name.clone()), row),
            ),
            Put::Route(row) => drop(self.routes.insert((row.job_type.clone(), row.version), row)),
            Put::Agent(row) => drop(self.agents.insert(row.id.clone(), row)),
            Put::EnrolmentToken(row) => drop(self.enrolment_tokens.insert(row.digest, row)),
            Put::Package(row) => drop(self.packages.insert(row.digest, row)),
            Put::Audit(row) => drop(self.audit.insert(row.key, row)),
        }
    }

    fn delete(&mut self, part: Partition, row: &Delete) {
        match row {
            Delete::Message(key) => {
                self.messages.remove(key);
                self.correlated.retain(|(message, _)| message != key);
            }
            Delete::Deduplication(id) => drop(self.replies.remove(&(part, *id))),
            Delete::EnrolmentToken(digest) => drop(self.enrolment_tokens.remove(digest)),
            Delete::Package(digest) => drop(self.packages.remove(digest)),
        }
    }

    pub(super) fn prune(&mut self, part: Partition, before: Millis, limit: usize) -> Pruned {
        let mut ended: Vec<_> = self
            .instances
            .values()
            .filter(|row| row.key.partition() == part && row.ended_at.is_some_and(|at| at < before))
            .map(|row| (row.ended_at, row.key))
            .collect();
        ended.sort_unstable();
        let gone: BTreeSet<Key> = ended.into_iter().take(limit).map(|(_, key)| key).collect();
        let attempts: BTreeSet<_> = self
            .attempts
            .values()
            .filter(|row| gone.contains(&row.root))
            .map(|row| row.id)
            .collect();
        self.journal
            .retain(|(segment, _), _| !gone.contains(&segment.root));
        self.checkpoints
            .retain(|segment, _| !gone.contains(&segment.root));
        self.instances.retain(|key, _| !gone.contains(key));
        self.incidents.retain(|_, row| !gone.contains(&row.root));
        self.user_tasks.retain(|_, row| !gone.contains(&row.root));
        self.elements.retain(|_, row| !gone.contains(&row.root));
        self.variables.retain(|(root, ..), _| !gone.contains(root));
        self.continuations.retain(|root| !gone.contains(root));
        self.attempts.retain(|(_, id), _| !attempts.contains(id));
        self.evidence.retain(|(_, id, _), _| !attempts.contains(id));
        let old = self
            .replies
            .iter()
            .filter(|((p, _), row)| *p == part && row.at < before);
        let mut old: Vec<_> = old.map(|(id, row)| (row.at, *id)).collect();
        old.sort_unstable();
        old.truncate(limit);
        for (_, id) in &old {
            self.replies.remove(id);
        }
        Pruned {
            instances: gone.len(),
            replies: old.len(),
        }
    }

    pub(super) fn dump(&self) -> String {
        let mut out = String::new();
        list(&mut out, "instance", self.instances.values());
        list(&mut out, "job", self.jobs.values());
        list(&mut out, "timer", self.timers.values());
        list(&mut out, "subscription", self.subscriptions.values());
        list(&mut out, "incident", self.incidents.values());
        list(&mut out, "user_task", self.user_tasks.values());
        list(&mut out, "element", self.elements.values());
        list(&mut out, "variable", self.variables.values());
        list(&mut out, "continuation", self.continuations.iter());
        list(&mut out, "counter", self.counts.iter());
        list(&mut out, "definition", self.definitions.values());
        list(&mut out, "message", self.messages.values());
        list(&mut out, "message_correlated", self.correlated.iter());
        list(&mut out, "deduplication", self.replies.values());
        list(&mut out, "attempt", self.attempts.values());
        list(&mut out, "evidence", self.evidence.values());
        list(&mut out, "route", self.routes.values());
        list(&mut out, "agent", self.agents.values());
        list(&mut out, "enrolment_token", self.enrolment_tokens.values());
        list(&mut out, "package", self.packages.values());
        list(&mut out, "audit", self.audit.values());
        out
    }
}

fn list<R: Debug>(out: &mut String, table: &str, rows: impl Iterator<Item = R>) {
    for row in rows {
        let _infallible = writeln!(out, "{table} {row:?}");
    }
}

fn apply<P>(table: &mut BTreeMap<Key, P::Row>, changes: &Net<Key, P>)
where
    P: Patch + Clone,
    P::Row: Clone,
{
    for (key, change) in changes.iter() {
        match change {
            Change::Nothing => {}
            Change::Insert(row) | Change::Replace(row) => drop(table.insert(*key, row.clone())),
            Change::Update(patch) => {
                if let Some(row) = table.get_mut(key) {
                    patch.clone().apply(row);
                }
            }
            Change::Delete => drop(table.remove(key)),
        }
    }
}
