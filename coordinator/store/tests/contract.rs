//! The contract: what every backend does, tried on each of them.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;
#[path = "contract/records.rs"]
mod records;

use botswain_engine::process::{Name, Role};
use botswain_engine::{Event, Instance, Key, Partition, SegmentId, Symbol, Symbols};
use botswain_store::rows::*;
use botswain_store::sqlite::Options;
use botswain_store::{Batch, CommitError, MemoryStore, SqliteStore, Store, rebuild};
use common::{PART, World, variables};
use records::*;
use tempfile::TempDir;
use uuid::Uuid;

/// A backend under test, and how its rows are read as text.
struct Backend<S> {
    store: S,
    dump: fn(&S) -> String,
    epoch: u64,
    seq: u64,
    _folder: Option<TempDir>,
}

fn sqlite() -> Backend<SqliteStore> {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(folder.path(), Options::default()).unwrap();
    Backend {
        store,
        dump: |store| store.dump().unwrap(),
        epoch: 0,
        seq: 0,
        _folder: Some(folder),
    }
    .recovered()
}

fn memory() -> Backend<MemoryStore> {
    Backend {
        store: MemoryStore::new(),
        dump: MemoryStore::dump,
        epoch: 0,
        seq: 0,
        _folder: None,
    }
    .recovered()
}

impl<S: Store> Backend<S> {
    fn recovered(mut self) -> Self {
        let recovered = self.store.recover(PART).unwrap();
        (self.epoch, self.seq) = (recovered.epoch, recovered.seq);
        self
    }

    fn batch(&mut self) -> Batch {
        let mut batch = Batch::new(PART);
        batch.begin(self.epoch, self.seq + 1);
        batch
    }

    fn commit(&mut self, batch: &Batch) {
        self.store.commit(batch).unwrap();
        self.seq = batch.seq;
    }

    fn dump(&self) -> String {
        (self.dump)(&self.store)
    }
}

/// Writes each claim of the contract as one test for each backend.
macro_rules! contract {
    ($($name:ident)+) => {
        mod on_sqlite { $(#[test] fn $name() { super::$name(super::sqlite()); })+ }
        mod in_memory { $(#[test] fn $name() { super::$name(super::memory()); })+ }
    };
}

contract! {
    a_partition_starts_empty_and_each_owner_has_a_higher_epoch
    marks_commit_with_the_batch
    a_deposed_owner_changes_nothing
    a_batch_that_does_not_follow_is_refused
    rows_and_segments_equal_the_state_of_the_engine
    a_checkpoint_stands_for_the_journal_before_it
    a_job_is_offered_by_type_until_somebody_holds_it
    a_failed_job_is_free_again_and_keeps_its_fence
    timers_come_in_the_order_in_which_they_are_due
    messages_find_who_awaits_them_and_expire
    instances_with_work_left_over_are_found_after_a_restart
    the_rows_of_the_runtime_are_put_replaced_and_deleted
    a_large_value_is_kept_whole
    pruning_takes_ended_instances_in_slices_and_leaves_the_rest
}

fn start() -> (u32, Event) {
    let (definition, node) = (Key::new(PART, 7), Symbol(0));
    (
        0,
        Event::InstanceStarted {
            definition,
            node,
            variables: variables("{}"),
            business_id: None,
            tags: Vec::new(),
        },
    )
}

fn enter(root: Key, token: Key) -> (u32, Event) {
    (
        0,
        Event::TokenEntered {
            token,
            node: Symbol(1),
            scope: root,
            flow: None,
            payload: variables(""),
        },
    )
}

fn open_job(token: Key, job: Key, job_type: &str) -> (u32, Event) {
    (
        0,
        Event::JobOpened {
            token,
            job,
            node: Symbol(1),
            job_type: job_type.into(),
            retries: 3,
            headers: None,
        },
    )
}

fn key(n: u64) -> Key {
    Key::new(PART, n)
}

fn a_partition_starts_empty_and_each_owner_has_a_higher_epoch<S: Store>(mut b: Backend<S>) {
    assert_eq!((b.epoch, b.seq), (1, 0));
    let again = b.store.recover(PART).unwrap();
    assert_eq!(
        (again.epoch, again.seq, again.keys_used, again.clock),
        (2, 0, 0, 0)
    );
    let other = b.store.recover(Partition(2)).unwrap();
    assert_eq!(other.epoch, 1);
    assert_eq!(b.dump(), "");
}

fn marks_commit_with_the_batch<S: Store>(mut b: Backend<S>) {
    let mut batch = b.batch();
    (batch.keys_used, batch.now) = (17, 1234);
    b.commit(&batch);
    let recovered = b.store.recover(PART).unwrap();
    assert_eq!(
        (recovered.seq, recovered.keys_used, recovered.clock),
        (1, 17, 1234)
    );
}

fn a_deposed_owner_changes_nothing<S: Store>(mut b: Backend<S>) {
    let mut late = b.batch();
    late.record(key(1), key(7), 5, &[start()]);
    let owner = b.store.recover(PART).unwrap();
    assert_eq!(
        b.store.commit(&late),
        Err(CommitError::Deposed {
            part: 1,
            epoch: 1,
            owner: 2
        })
    );
    assert_eq!(b.dump(), "");
    assert_eq!(b.store.load_segment(SegmentId::root(key(1))).unwrap(), None);
    let refused = b.store.prune(PART, 1, 99, 10);
    assert_eq!(
        refused,
        Err(CommitError::Deposed {
            part: 1,
            epoch: 1,
            owner: 2
        })
    );
    b.epoch = owner.epoch;
    let next = b.batch();
    b.commit(&next);
}

fn a_batch_that_does_not_follow_is_refused<S: Store>(mut b: Backend<S>) {
    let batch = b.batch();
    b.commit(&batch);
    assert!(
        matches!(b.store.commit(&batch), Err(CommitError::Failed(_))),
        "the same batch twice"
    );
    b.seq += 1;
    let gap = b.batch();
    assert!(
        matches!(b.store.commit(&gap), Err(CommitError::Failed(_))),
        "a batch too far"
    );
}

fn rows_and_segments_equal_the_state_of_the_engine<S: Store>(mut b: Backend<S>) {
    let mut world = World::new();
    let mut state: std::collections::BTreeMap<Key, Instance> = std::collections::BTreeMap::new();
    let mut random = 12_345u32;
    for _ in 0..60 {
        let mut batch = b.batch();
        for _ in 0..10 {
            random ^= random << 13;
            random ^= random >> 17;
            random ^= random << 5;
            let [_, what, pick, detail] = random.to_be_bytes();
            let step = world.step(what, pick, detail);
            for (segment, event) in &step.events {
                state
                    .entry(step.root)
                    .or_default()
                    .apply(step.root, *segment, step.at, event);
            }
            step.record(&mut batch);
        }
        b.commit(&batch);
    }
    let (mut jobs, mut timers, mut subscriptions, mut tasks, mut incidents) = (0, 0, 0, 0, 0);
    for id in &world.segments {
        let loaded = b.store.load_segment(*id).unwrap().unwrap();
        let segment = rebuild(*id, &loaded, None).unwrap();
        assert_eq!(
            Some(&segment),
            state[&id.root].segment(id.number),
            "replay equals live"
        );
        for token in segment.tokens() {
            if let Some(job) = token.job() {
                jobs += 1;
                let row = b.store.job(job.key).unwrap().unwrap();
                assert_eq!(
                    (
                        row.root,
                        row.segment,
                        row.token,
                        row.retries,
                        row.retry_at,
                        row.state
                    ),
                    (
                        id.root,
                        id.number,
                        token.key(),
                        job.retries,
                        job.retry_at,
                        job.state
                    )
                );
            }
            for attached in token.attached() {
                match attached.trigger {
                    botswain_engine::instance::AttachedTrigger::Timer { timer, due, .. } => {
                        timers += 1;
                        assert_eq!(b.store.timer(timer).unwrap().unwrap().due, due);
                    }
                    botswain_engine::instance::AttachedTrigger::Message {
                        subscription, ..
                    } => {
                        subscriptions += 1;
                        assert!(b.dump().contains(&format!(
                            "subscription SubscriptionRow {{ key: {subscription:?}"
                        )));
                    }
                }
            }
            if let botswain_engine::instance::Wait::UserTask { task, assignee } = token.wait() {
                tasks += 1;
                let row = b.store.user_task(*task).unwrap().unwrap();
                assert_eq!(
                    (row.state, &row.details.assignee),
                    (UserTaskState::Open, assignee)
                );
            }
            if token.key() != id.root {
                let row = b.store.element(token.key()).unwrap().unwrap();
                assert_eq!(
                    (row.root, row.segment, row.node, row.state, row.incident),
                    (
                        id.root,
                        id.number,
                        token.node(),
                        ElementState::Active,
                        token.incident().map(|i| i.key)
                    )
                );
            }
            if let Some(incident) = token.incident() {
                incidents += 1;
                let row = b.store.incident(incident.key).unwrap().unwrap();
                assert_eq!((row.state, row.kind), (IncidentState::Open, incident.kind));
            }
        }
    }
    let dump = b.dump();
    let lines = |start: &str, has: &str| {
        dump.lines()
            .filter(|l| l.starts_with(start) && l.contains(has))
            .count()
    };
    assert_eq!(
        lines("job ", ""),
        jobs,
        "no job row without a token that waits for it"
    );
    assert_eq!(lines("timer ", ""), timers);
    assert_eq!(lines("subscription ", ""), subscriptions);
    assert_eq!(lines("user_task ", "state: Open"), tasks);
    assert_eq!(lines("incident ", "state: Open"), incidents);
    assert!(
        jobs > 2 && timers > 2 && subscriptions > 0 && tasks > 0 && incidents > 0,
        "the story is rich enough"
    );
}

fn a_checkpoint_stands_for_the_journal_before_it<S: Store>(mut b: Backend<S>) {
    let root = key(1);
    let id = SegmentId::root(root);
    let mut batch = b.batch();
    batch.record(root, key(7), 5, &[start(), enter(root, key(2))]);
    b.commit(&batch);
    let before = b.store.load_segment(id).unwrap().unwrap();
    assert!(before.checkpoint.is_none());
    let mut sealed = b.batch();
    sealed.record(root, key(7), 6, &[enter(root, key(3))]);
    let segment = rebuild(id, &before, sealed.pending(id)).unwrap();
    assert_eq!(segment.tokens().len(), 3);
    sealed.seal(&segment);
    b.commit(&sealed);
    let mut after = b.batch();
    after.record(root, key(7), 7, &[enter(root, key(4))]);
    b.commit(&after);
    let loaded = b.store.load_segment(id).unwrap().unwrap();
    assert_eq!(
        loaded
            .journal
            .iter()
            .map(|(seq, _)| *seq)
            .collect::<Vec<_>>(),
        [3]
    );
    assert_eq!(rebuild(id, &loaded, None).unwrap().tokens().len(), 4);
}

fn held(attempt: u128) -> Held {
    Held {
        leg: LegKind::Bot,
        leg_name: "crm@1".into(),
        holder: "desk-1".into(),
        attempt: Uuid::from_u128(attempt),
        lease_until: Some(900),
    }
}

fn a_job_is_offered_by_type_until_somebody_holds_it<S: Store>(mut b: Backend<S>) {
    let root = key(1);
    let mut batch = b.batch();
    batch.record(
        root,
        key(7),
        5,
        &[
            start(),
            enter(root, key(2)),
            enter(root, key(3)),
            enter(root, key(4)),
        ],
    );
    let jobs = [
        open_job(key(2), key(12), "a"),
        open_job(key(3), key(13), "a"),
        open_job(key(4), key(14), "b"),
    ];
    batch.record(root, key(7), 5, &jobs);
    b.commit(&batch);
    assert_eq!(b.store.open_job_types(PART, "", 10).unwrap(), ["a", "b"]);
    assert_eq!(b.store.open_job_types(PART, "a", 10).unwrap(), ["b"]);
    let first = b.store.open_jobs(PART, "a", None, 1).unwrap();
    assert_eq!(
        first.iter().map(|job| job.key).collect::<Vec<_>>(),
        [key(12)]
    );
    let second = b.store.open_jobs(PART, "a", Some(key(12)), 10).unwrap();
    assert_eq!(
        second.iter().map(|job| job.key).collect::<Vec<_>>(),
        [key(13)]
    );
    let mut assigned = b.batch();
    assigned.assign(key(13), 1, held(5));
    b.commit(&assigned);
    assert_eq!(b.store.open_jobs(PART, "a", None, 10).unwrap().len(), 1);
    let holding = b.store.held_jobs(PART, None, 10).unwrap();
    assert_eq!(
        (holding.len(), holding[0].fence, &holding[0].held),
        (1, 1, &Some(held(5)))
    );
    let mut done = b.batch();
    let completed = Event::JobCompleted {
        token: key(3),
        job: key(13),
        variables: variables(""),
    };
    done.record(root, key(7), 6, &[(0, completed)]);
    b.commit(&done);
    assert_eq!(b.store.job(key(13)).unwrap(), None);
    assert_eq!(b.store.element(key(3)).unwrap().unwrap().job, Some(key(13)));
}

fn a_failed_job_is_free_again_and_keeps_its_fence<S: Store>(mut b: Backend<S>) {
    let root = key(1);
    let mut batch = b.batch();
    batch.record(
        root,
        key(7),
        5,
        &[start(), enter(root, key(2)), open_job(key(2), key(12), "a")],
    );
    batch.assign(key(12), 4, held(1));
    b.commit(&batch);
    let mut failed = b.batch();
    let message = "printer on fire".to_owned();
    let event = Event::JobFailed {
        token: key(2),
        job: key(12),
        retries: 2,
        retry_at: Some(77),
        message,
    };
    failed.record(root, key(7), 6, &[(0, event)]);
    b.commit(&failed);
    let job = b.store.job(key(12)).unwrap().unwrap();
    assert_eq!(
        (job.held, job.fence, job.retries, job.retry_at),
        (None, 4, 2, Some(77))
    );
    let mut released = b.batch();
    released.assign(key(12), 5, held(2));
    released.release(key(12));
    b.commit(&released);
    let job = b.store.job(key(12)).unwrap().unwrap();
    assert_eq!((job.held, job.fence, job.retry_at), (None, 5, Some(77)));
}

fn timers_come_in_the_order_in_which_they_are_due<S: Store>(mut b: Backend<S>) {
    let root = key(1);
    let timer = |timer, due| {
        (
            0,
            Event::TimerSet {
                token: key(2),
                timer: key(timer),
                on: Symbol(1),
                due,
                repeat: None,
            },
        )
    };
    let mut batch = b.batch();
    batch.record(
        root,
        key(7),
        5,
        &[
            start(),
            enter(root, key(2)),
            timer(10, 50),
            timer(11, 40),
            timer(12, 50),
        ],
    );
    b.commit(&batch);
    let due = |rows: Vec<TimerRow>| {
        rows.iter()
            .map(|row| (row.due, row.key.counter()))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        due(b.store.next_timers(PART, None, 2).unwrap()),
        [(40, 11), (50, 10)]
    );
    assert_eq!(
        due(b.store.next_timers(PART, Some((50, key(10))), 9).unwrap()),
        [(50, 12)]
    );
    let mut fired = b.batch();
    fired.record(
        root,
        key(7),
        41,
        &[
            (
                0,
                Event::TimerFired {
                    token: key(2),
                    timer: key(11),
                },
            ),
            timer(11, 80),
        ],
    );
    b.commit(&fired);
    assert_eq!(
        due(b.store.next_timers(PART, None, 9).unwrap()),
        [(50, 10), (50, 12), (80, 11)]
    );
}

fn messages_find_who_awaits_them_and_expire<S: Store>(mut b: Backend<S>) {
    let root = key(1);
    let opened = Event::SubscriptionOpened {
        token: key(2),
        subscription: key(3),
        on: Symbol(1),
        name: "paid".into(),
        correlation_key: "42".into(),
        once: true,
    };
    let mut batch = b.batch();
    batch.record(
        root,
        key(7),
        5,
        &[start(), enter(root, key(2)), (0, opened)],
    );
    for (n, expires_at) in [(20, 300), (21, 100)] {
        batch.put(Put::Message(MessageRow {
            key: key(n),
            name: "paid".into(),
            correlation_key: "42".into(),
            message_id: Some("m".into()),
            expires_at,
            variables: variables(r#"{"sum":1.5}"#),
        }));
    }
    batch.put(Put::MessageCorrelated(MessageCorrelatedRow {
        message: key(20),
        process_id: "order".into(),
    }));
    b.commit(&batch);
    let subscriptions = b.store.subscriptions(PART, "paid", "42", None, 9).unwrap();
    assert_eq!(
        subscriptions.iter().map(|row| row.key).collect::<Vec<_>>(),
        [key(3)]
    );
    assert!(
        b.store
            .subscriptions(PART, "paid", "4", None, 9)
            .unwrap()
            .is_empty()
    );
    assert_eq!(
        b.store
            .messages(PART, "paid", "42", Some(key(20)), 9)
            .unwrap()[0]
            .key,
        key(21)
    );
    assert_eq!(b.store.expired_messages(PART, 100, 9).unwrap(), [key(21)]);
    assert!(b.store.message_was_correlated(key(20), "order").unwrap());
    assert!(!b.store.message_was_correlated(key(20), "other").unwrap());
    let mut gone = b.batch();
    gone.delete(Delete::Message(key(20)));
    b.commit(&gone);
    assert_eq!(b.store.message(key(20)).unwrap(), None);
    assert!(!b.store.message_was_correlated(key(20), "order").unwrap());
}
