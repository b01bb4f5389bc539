//! Batches: all that one commit writes, gathered step by step in reused buffers.

use crate::format::{append_record, read_records, write_checkpoint};
use crate::projection::{Rows, Scene};
use crate::rows::{Delete, Held, JobPatch, Put, RecordChange};
use botswain_engine::{Event, Key, Millis, Partition, Record, Segment, SegmentId};
use rustc_hash::FxHashMap;

/// What one commit writes: journal, checkpoints, rows, and the marks of the partition.
#[derive(Clone, Debug)]
pub struct Batch {
    /// The partition.
    pub part: Partition,
    /// The owner's epoch, as [`crate::Recovered`] gave it.
    pub epoch: u64,
    /// The number of the batch: the one before plus 1.
    pub seq: u64,
    /// How many keys the partition has used after this batch.
    pub keys_used: u64,
    /// The partition's time after this batch.
    pub now: Millis,
    /// The row changes.
    pub rows: Rows,
    segments: FxHashMap<SegmentId, u32>,
    journal: Vec<JournalEntry>,
    checkpoints: Vec<CheckpointEntry>,
    spare: Vec<Vec<u8>>,
    order: Vec<u32>,
}

/// The records that a batch adds to one segment. Its place in the segment's journal is the number of the batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JournalEntry {
    /// The segment.
    pub segment: SegmentId,
    /// The format's byte, then the records.
    pub data: Vec<u8>,
}

/// A segment as it is at the end of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckpointEntry {
    /// The segment.
    pub segment: SegmentId,
    /// The format's byte, then the segment.
    pub data: Vec<u8>,
}

impl Batch {
    /// An empty batch of a partition.
    #[must_use]
    pub fn new(part: Partition) -> Batch {
        Batch {
            part,
            epoch: 0,
            seq: 0,
            keys_used: 0,
            now: 0,
            rows: Rows::default(),
            segments: FxHashMap::default(),
            journal: Vec::new(),
            checkpoints: Vec::new(),
            spare: Vec::new(),
            order: Vec::new(),
        }
    }

    /// Empties the batch and keeps its buffers, for the batch of that number.
    pub fn begin(&mut self, epoch: u64, seq: u64) {
        self.epoch = epoch;
        self.seq = seq;
        self.rows.clear();
        self.segments.clear();
        let used = self.journal.drain(..).map(|entry| entry.data);
        let used = used.chain(self.checkpoints.drain(..).map(|entry| entry.data));
        // Large buffers go back to the allocator, so that one big instance does not stay in memory for ever.
        for mut data in used.filter(|data| data.capacity() <= SPARE_BYTES_MAX) {
            if self.spare.len() < SPARE_MAX {
                data.clear();
                self.spare.push(data);
            }
        }
    }

    /// Adds the accepted events of one step of the instance `root`, each with the number of its segment.
    pub fn record(&mut self, root: Key, definition: Key, at: Millis, events: &[(u32, Event)]) {
        let Some((first, _)) = events.first() else {
            return;
        };
        if events.iter().all(|(number, _)| number == first) {
            let segment = SegmentId {
                root,
                number: *first,
            };
            self.append(
                segment,
                definition,
                at,
                events.iter().map(|(_, event)| event),
            );
            return;
        }
        let mut order = std::mem::take(&mut self.order);
        order.clear();
        order.extend(
            0..u32::try_from(events.len())
                .expect("a step is bounded far below 4,294,967,296 events"),
        );
        order.sort_by_key(|at| events[*at as usize].0);
        for run in order.chunk_by(|a, b| events[*a as usize].0 == events[*b as usize].0) {
            let segment = SegmentId {
                root,
                number: events[run[0] as usize].0,
            };
            self.append(
                segment,
                definition,
                at,
                run.iter().map(|at| &events[*at as usize].1),
            );
        }
        self.order = order;
    }

    /// Adds the events of one segment.
    pub fn append<'e>(
        &mut self,
        segment: SegmentId,
        definition: Key,
        at: Millis,
        events: impl ExactSizeIterator<Item = &'e Event> + Clone,
    ) {
        let scene = Scene {
            segment,
            definition,
            at,
        };
        for event in events.clone() {
            self.rows.project(scene, event);
        }
        let place = match self.segments.get(&segment) {
            Some(place) => *place as usize,
            None => {
                let place = self.journal.len();
                let data = self.spare.pop().unwrap_or_default();
                self.journal.push(JournalEntry { segment, data });
                self.segments.insert(
                    segment,
                    u32::try_from(place)
                        .expect("a batch is bounded far below 4,294,967,296 segments"),
                );
                place
            }
        };
        append_record(&mut self.journal[place].data, at, events);
    }

    /// Adds a checkpoint of a segment, which must be as it is at the end of the batch.
    pub fn seal(&mut self, segment: &Segment) {
        let mut data = self.spare.pop().unwrap_or_default();
        write_checkpoint(segment, &mut data);
        self.checkpoints.push(CheckpointEntry {
            segment: segment.id(),
            data,
        });
    }

    /// A job is given to somebody in a new attempt.
    pub fn assign(&mut self, job: Key, fence: u64, held: Held) {
        self.rows.jobs.update(
            job,
            JobPatch {
                fence: Some(fence),
                held: Some(Some(held)),
                ..JobPatch::default()
            },
        );
    }

    /// Nobody holds a job any more.
    pub fn release(&mut self, job: Key) {
        self.rows.jobs.update(
            job,
            JobPatch {
                held: Some(None),
                ..JobPatch::default()
            },
        );
    }

    /// Writes a row of the runtime.
    pub fn put(&mut self, row: Put) {
        self.rows.records.push(RecordChange::Put(row));
    }

    /// Takes away a row of the runtime.
    pub fn delete(&mut self, row: Delete) {
        self.rows.records.push(RecordChange::Delete(row));
    }

    /// The journal that this batch adds, one entry for each segment.
    #[must_use]
    pub fn journal(&self) -> &[JournalEntry] {
        &self.journal
    }

    /// The checkpoints that this batch adds.
    #[must_use]
    pub fn checkpoints(&self) -> &[CheckpointEntry] {
        &self.checkpoints
    }

    /// What this batch adds to a segment's journal: for rebuilding the segment before the commit.
    #[must_use]
    pub fn pending(&self, segment: SegmentId) -> Option<&[u8]> {
        self.segments
            .get(&segment)
            .map(|place| self.journal[*place as usize].data.as_slice())
    }

    /// The records that this batch adds to a segment.
    #[must_use]
    pub fn pending_records(&self, segment: SegmentId) -> Vec<Record> {
        self.pending(segment).map_or_else(Vec::new, |data| {
            read_records(data).expect("this build reads what it wrote a moment ago")
        })
    }

    /// Whether there is nothing to write.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.journal.is_empty() && self.checkpoints.is_empty() && self.rows.is_empty()
    }

    /// The bytes of journal and checkpoints.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let journal: usize = self.journal.iter().map(|entry| entry.data.len()).sum();
        journal
            + self
                .checkpoints
                .iter()
                .map(|entry| entry.data.len())
                .sum::<usize>()
    }
}

/// The largest buffer that is kept for the next batch.
const SPARE_BYTES_MAX: usize = 16 << 10;

/// How many buffers are kept for the next batch: one for each segment of a large batch.
const SPARE_MAX: usize = 4096;
