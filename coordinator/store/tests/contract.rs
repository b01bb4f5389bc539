//! The contract: what every backend does, tried on each of them.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use botswain_engine::process::{Name, Role};
use botswain_engine::{Event, Instance, Key, Partition, SegmentId, Symbol, Symbols};
use botswain_store::rows::*;
use botswain_store::sqlite::Options;
use botswain_store::{Batch, CommitError, MemoryStore, SqliteStore, Store, rebuild};
use common::{PART, World, variables};
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

fn instances_with_work_left_over_are_found_after_a_restart<S: Store>(mut b: Backend<S>) {
    let left = |todo| (0, Event::Continued { todo });
    let some = vec![botswain_engine::event::Todo::Check {
        segment: 0,
        scope: key(1),
    }];
    let mut batch = b.batch();
    for n in 1..=4 {
        batch.record(key(n), key(7), 5, &[start(), left(some.clone())]);
    }
    batch.record(key(2), key(7), 5, &[left(Vec::new())]);
    b.commit(&batch);
    let mut next = b.batch();
    next.record(key(3), key(7), 6, &[left(Vec::new())]);
    next.record(
        key(4),
        key(7),
        6,
        &[(0, Event::InstanceEnded { completed: false })],
    );
    b.commit(&next);
    assert_eq!(b.store.recover(PART).unwrap().continuations, [key(1)]);
}

fn the_rows_of_the_runtime_are_put_replaced_and_deleted<S: Store>(mut b: Backend<S>) {
    let definition = DefinitionRow {
        key: key(7),
        process_id: "order".into(),
        version: 1,
        version_tag: Some("v1".into()),
        name: Some("Order".to_owned()),
        resource_name: "order.bpmn".to_owned(),
        digest: Digest::of(b"<xml/>"),
        xml: b"<xml/>".to_vec(),
        symbols: Symbols(vec![
            Name {
                id: "order".into(),
                role: Role::Process,
            },
            Name {
                id: "pay".into(),
                role: Role::Element,
            },
        ]),
        deployed_at: 3,
    };
    let agent = AgentRow {
        id: "desk-1".into(),
        serial: "01".to_owned(),
        fingerprint: Digest::of(b"certificate"),
        labels: r#"{"room":"12"}"#.to_owned(),
        enrolled_at: 4,
        revoked_at: None,
        capabilities: None,
        seen_at: None,
    };
    let token = EnrolmentTokenRow {
        digest: Digest::of(b"token"),
        expires_at: 99,
        uses_left: 1,
        scope: "{}".to_owned(),
    };
    let package = PackageRow {
        digest: Digest::of(b"zip"),
        name: "crm".into(),
        version: "1".into(),
        bytes: b"zip".to_vec(),
        pushed_at: 5,
    };
    let route = |version, json: Option<&str>| RouteRow {
        job_type: "crm.add".into(),
        version,
        json: json.map(str::to_owned),
        at: 6,
        by: "ann".to_owned(),
    };
    let attempt = AttemptRow {
        id: Uuid::from_u128(77),
        job: key(12),
        root: key(1),
        job_type: "crm.add".into(),
        fence: 1,
        leg: LegKind::Bot,
        leg_name: "crm@1".into(),
        holder: "desk-1".into(),
        state: AttemptState::Offered,
        offered_at: 7,
        started_at: None,
        ended_at: None,
        outcome: None,
        message: None,
        warnings: None,
        details: String::new(),
        happened: None,
    };
    let evidence = EvidenceRow {
        attempt: attempt.id,
        name: "before.png".to_owned(),
        media_type: "image/png".into(),
        size: 3,
        digest: Digest::of(b"png"),
        at: 8,
    };
    let reply = DeduplicationRow {
        id: Uuid::from_u128(5),
        reply: vec![1, 2],
        at: 9,
    };
    let audit = AuditRow {
        key: key(30),
        at: 10,
        who: "ann".to_owned(),
        what: "route.set".into(),
        subject: "crm.add".to_owned(),
        details: Some("{}".to_owned()),
    };
    let mut batch = b.batch();
    batch.put(Put::Definition(Box::new(definition.clone())));
    batch.put(Put::Agent(agent.clone()));
    batch.put(Put::EnrolmentToken(token.clone()));
    batch.put(Put::Package(package.clone()));
    batch.put(Put::Route(route(1, Some("{}"))));
    batch.put(Put::Attempt(Box::new(attempt.clone())));
    batch.put(Put::Evidence(evidence.clone()));
    batch.put(Put::Deduplication(reply.clone()));
    batch.put(Put::Audit(audit));
    b.commit(&batch);
    let ended = AttemptRow {
        state: AttemptState::Ended,
        started_at: Some(8),
        ended_at: Some(9),
        outcome: Some(AttemptOutcome::Unknown),
        message: Some("power cut".to_owned()),
        warnings: Some("[]".to_owned()),
        details: "{}".to_owned(),
        happened: Some(Happened::Unknown),
        ..attempt.clone()
    };
    let revoked = AgentRow {
        revoked_at: Some(11),
        ..agent
    };
    let mut next = b.batch();
    next.put(Put::Attempt(Box::new(ended.clone())));
    next.put(Put::Agent(revoked.clone()));
    next.put(Put::Route(route(2, None)));
    b.commit(&next);
    assert_eq!(
        b.store.definition(key(7)).unwrap(),
        Some(definition.clone())
    );
    assert_eq!(b.store.definitions(None, 9).unwrap(), [definition]);
    assert!(b.store.definitions(Some(key(7)), 9).unwrap().is_empty());
    assert_eq!(b.store.agents().unwrap(), [revoked]);
    assert_eq!(
        b.store.enrolment_token(token.digest).unwrap(),
        Some(token.clone())
    );
    assert_eq!(
        b.store.packages().unwrap(),
        [PackageRow {
            bytes: Vec::new(),
            ..package.clone()
        }]
    );
    assert_eq!(
        b.store.package(package.digest).unwrap(),
        Some(package.clone())
    );
    assert_eq!(b.store.routes().unwrap(), [route(2, None)]);
    assert_eq!(
        b.store.attempt(PART, attempt.id).unwrap(),
        Some(ended.clone())
    );
    assert_eq!(b.store.attempts(key(12)).unwrap(), [ended]);
    assert_eq!(b.store.evidence(PART, attempt.id).unwrap(), [evidence]);
    assert_eq!(b.store.reply(PART, reply.id).unwrap(), Some(reply.clone()));
    let mut gone = b.batch();
    gone.delete(Delete::Deduplication(reply.id));
    gone.delete(Delete::EnrolmentToken(token.digest));
    gone.delete(Delete::Package(package.digest));
    b.commit(&gone);
    assert_eq!(b.store.reply(PART, reply.id).unwrap(), None);
    assert_eq!(b.store.enrolment_token(token.digest).unwrap(), None);
    assert_eq!(b.store.package(package.digest).unwrap(), None);
}

fn a_large_value_is_kept_whole<S: Store>(mut b: Backend<S>) {
    let root = key(1);
    let large = "y".repeat(20_000);
    let set = |scope, name: &str| {
        let text = format!(r#"{{"{name}":"{large}"}}"#);
        (
            0,
            Event::VariablesSet {
                scope,
                variables: variables(&text),
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
            set(root, "a"),
            set(key(2), "b"),
        ],
    );
    b.commit(&batch);
    assert_eq!(b.dump().matches(&large).count(), 2);
    let mut small = b.batch();
    small.record(
        root,
        key(7),
        6,
        &[(
            0,
            Event::VariablesSet {
                scope: root,
                variables: variables(r#"{"a":1}"#),
            },
        )],
    );
    b.commit(&small);
    assert!(
        b.dump().contains(r#"name: "a", value: 1 "#),
        "{}",
        b.dump().len()
    );
    let loaded = b
        .store
        .load_segment(SegmentId::root(root))
        .unwrap()
        .unwrap();
    let segment = rebuild(SegmentId::root(root), &loaded, None).unwrap();
    assert_eq!(
        segment
            .token(key(2))
            .unwrap()
            .variables()
            .get("b")
            .unwrap()
            .as_str()
            .len(),
        20_002
    );
}

fn pruning_takes_ended_instances_in_slices_and_leaves_the_rest<S: Store>(mut b: Backend<S>) {
    let over = |completed| (0, Event::InstanceEnded { completed });
    for n in 1..=4 {
        let mut batch = b.batch();
        let (root, token) = (key(n), key(n + 10));
        let left = (
            0,
            Event::TokenLeft {
                token,
                completed: true,
            },
        );
        batch.record(
            root,
            key(7),
            10 * n.cast_signed(),
            &[start(), enter(root, token)],
        );
        if n < 4 {
            batch.record(root, key(7), 10 * n.cast_signed(), &[left, over(true)]);
        }
        let (id, at) = (Uuid::from_u128(u128::from(n)), 10 * n.cast_signed());
        batch.put(Put::Deduplication(DeduplicationRow {
            id,
            reply: Vec::new(),
            at,
        }));
        b.commit(&batch);
    }
    let pruned = b.store.prune(PART, b.epoch, 30, 1).unwrap();
    assert_eq!((pruned.instances, pruned.replies), (1, 1));
    assert_eq!(b.store.instance(key(1)).unwrap(), None);
    assert_eq!(b.store.element(key(11)).unwrap(), None);
    assert_eq!(b.store.load_segment(SegmentId::root(key(1))).unwrap(), None);
    let pruned = b.store.prune(PART, b.epoch, 30, 9).unwrap();
    assert_eq!(
        (pruned.instances, pruned.replies),
        (1, 1),
        "what ended at 30 is not before 30"
    );
    assert_eq!(b.store.prune(PART, b.epoch, 30, 9).unwrap().instances, 0);
    assert!(b.store.instance(key(3)).unwrap().is_some());
    let later = b.store.prune(PART, b.epoch, 1_000, 9).unwrap();
    assert_eq!(
        (later.instances, later.replies),
        (1, 2),
        "a running instance is never pruned"
    );
    assert!(
        b.store
            .load_segment(SegmentId::root(key(4)))
            .unwrap()
            .is_some()
    );
}
