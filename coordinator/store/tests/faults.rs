//! Faults: what the memory store does wrong when it is told to.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use botswain_engine::{Event, Key, SegmentId, Symbol};
use botswain_store::{Batch, CommitError, Faults, MemoryStore, Store};
use common::{PART, variables};

struct Writer {
    store: MemoryStore,
    epoch: u64,
    seq: u64,
}

impl Writer {
    fn new() -> Writer {
        let mut writer = Writer {
            store: MemoryStore::new(),
            epoch: 0,
            seq: 0,
        };
        writer.reload();
        writer
    }

    fn reload(&mut self) {
        let recovered = self.store.recover(PART).unwrap();
        (self.epoch, self.seq) = (recovered.epoch, recovered.seq);
    }

    fn commit(&mut self) -> Result<(), CommitError> {
        let mut batch = Batch::new(PART);
        batch.begin(self.epoch, self.seq + 1);
        let started = Event::InstanceStarted {
            definition: Key::new(PART, 7),
            node: Symbol(0),
            variables: variables("{}"),
            business_id: None,
            tags: Vec::new(),
        };
        let root = SegmentId::root(Key::new(PART, 100 + batch.seq));
        batch.append(root, Key::new(PART, 7), 5, [started].iter());
        self.store.commit(&batch)?;
        self.seq += 1;
        Ok(())
    }

    fn instances(&self) -> usize {
        self.store.dump().matches("instance InstanceRow").count()
    }
}

#[test]
fn a_full_store_changes_nothing_and_takes_the_next_batch() {
    let mut writer = Writer::new();
    writer.store.inject(Faults::Full);
    assert_eq!(writer.commit(), Err(CommitError::Full));
    assert_eq!(writer.instances(), 0);
    writer.commit().unwrap();
    assert_eq!(writer.instances(), 1);
}

#[test]
fn after_an_unknown_outcome_a_reload_tells_whether_the_batch_is_there() {
    for (fault, there) in [(Faults::FailsBefore, 0), (Faults::FailsAfter, 1)] {
        let mut writer = Writer::new();
        writer.store.inject(fault);
        assert!(matches!(writer.commit(), Err(CommitError::Failed(_))));
        writer.reload();
        assert_eq!((writer.seq, writer.instances()), (there as u64, there));
        writer.commit().unwrap();
    }
}

#[test]
fn what_was_not_synced_is_lost_by_a_crash_and_nothing_else() {
    let mut writer = Writer::new();
    writer.commit().unwrap();
    writer.store.hold_back_syncs();
    writer.commit().unwrap();
    writer.store.sync();
    writer.commit().unwrap();
    assert_eq!(writer.instances(), 3);
    writer.store.crash();
    writer.reload();
    assert_eq!((writer.seq, writer.instances()), (2, 2));
}

#[test]
fn a_failed_sync_loses_its_batch_at_the_crash_that_must_follow() {
    let mut writer = Writer::new();
    writer.store.inject(Faults::SyncFails);
    assert!(matches!(writer.commit(), Err(CommitError::SyncFailed(_))));
    writer.store.crash();
    writer.reload();
    assert_eq!((writer.seq, writer.instances()), (0, 0));
}
