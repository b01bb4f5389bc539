//! Undo: what the writer takes back alone, what it takes back with its batch, and what it answers to a repetition.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use botswain::dispatch::Now;
use botswain::runtime::{
    Answer, Ask, Created, Deployment, ProcessRef, Refusal, RefusalKind, ReplyTo, Request, Resource,
    Settings, Turned, Writer,
};
use botswain_engine::{Event, Key, Partition, SegmentId, Start, Symbol, Variables};
use botswain_store::{Batch, Faults, Store as _};
use botswain_tests::harness::model;
use botswain_tests::simulation::Disk;
use tokio::sync::oneshot;
use uuid::Uuid;

const PART: Partition = Partition(1);

type Later = oneshot::Receiver<Result<Answer, Refusal>>;

struct Stage {
    disk: Disk,
    writer: Writer,
    now: u64,
}

impl Stage {
    fn new() -> Stage {
        let disk = Disk::default();
        let writer = Writer::open(
            Box::new(disk.clone()),
            Settings::default(),
            Now { mono: 0, wall: 0 },
        )
        .unwrap();
        let mut stage = Stage {
            disk,
            writer,
            now: 0,
        };
        let xml = model("p", "start > pick:job(type=pick) > end").into_bytes();
        let deployment = Deployment::compile(vec![Resource {
            name: "p.bpmn".to_owned(),
            bytes: xml,
        }])
        .unwrap();
        stage
            .one(Ask::Deploy {
                deployment: Box::new(deployment),
                by: "test".to_owned(),
            })
            .unwrap();
        stage
    }

    /// Another process takes the disk over.
    fn restart(&mut self) {
        self.now += 1;
        let now = Now {
            mono: 0,
            wall: i64::try_from(self.now).unwrap(),
        };
        self.writer = Writer::open(Box::new(self.disk.clone()), Settings::default(), now).unwrap();
    }

    fn turn(&mut self, asks: Vec<(Ask, Option<Uuid>)>) -> (Turned, Vec<Later>) {
        self.now += 1;
        let (mut requests, mut answers) = (Vec::new(), Vec::new());
        for (ask, deduplication) in asks {
            let (tell, later) = oneshot::channel();
            requests.push(Request {
                ask,
                reply: ReplyTo::Caller(tell),
                deduplication,
            });
            answers.push(later);
        }
        let now = Now {
            mono: self.now,
            wall: i64::try_from(self.now).unwrap(),
        };
        (self.writer.turn(&mut requests, now), answers)
    }

    fn one(&mut self, ask: Ask) -> Result<Answer, Refusal> {
        self.turn(vec![(ask, None)]).1[0].try_recv().unwrap()
    }

    fn start(&mut self) -> Key {
        created(self.one(start()))
    }

    fn job_of(&mut self, instance: Key) -> Key {
        let mut rows = self.disk.open_jobs(PART, "pick", None, 100).unwrap();
        rows.retain(|row| row.root == instance);
        rows[0].key
    }

    fn is_over(&mut self, instance: Key) -> bool {
        self.disk
            .instance(instance)
            .unwrap()
            .unwrap()
            .ended_at
            .is_some()
    }
}

fn start() -> Ask {
    Ask::Start {
        process: ProcessRef::Id("p".into(), None),
        start: Start::default(),
        await_end: None,
    }
}

fn complete(job: Key) -> Ask {
    Ask::CompleteJob {
        job,
        fence: 0,
        variables: Variables::new(),
    }
}

fn created(answer: Result<Answer, Refusal>) -> Key {
    match answer {
        Ok(Answer::Created(Created { instance, .. }) | Answer::Made(instance)) => instance,
        other => panic!("{other:?}"),
    }
}

/// Writes an instance into the store whose token stands on an element that its model does not have: what no engine would write.
fn corrupt(disk: &mut Disk, definition: Key, instance: Key) -> Key {
    let recovered = disk.recover(PART).unwrap();
    let mut batch = Batch::new(PART);
    batch.begin(recovered.epoch, recovered.seq + 1);
    batch.keys_used = recovered.keys_used;
    batch.now = recovered.clock;
    let counter = instance.counter();
    let (token, job) = (Key::new(PART, counter + 1), Key::new(PART, counter + 2));
    let nowhere = Symbol(4711);
    let events = [
        Event::InstanceStarted {
            definition,
            node: Symbol(0),
            variables: Variables::new(),
            business_id: None,
            tags: Vec::new(),
        },
        Event::TokenEntered {
            token,
            node: nowhere,
            scope: instance,
            flow: None,
            payload: Variables::new(),
        },
        Event::JobOpened {
            token,
            job,
            node: nowhere,
            job_type: "pick".into(),
            retries: 3,
            headers: None,
        },
    ];
    batch.append(
        SegmentId::root(instance),
        definition,
        recovered.clock,
        events.iter(),
    );
    disk.commit(&batch).unwrap();
    job
}

#[test]
fn a_panic_stops_its_instance_durably_and_nobody_else() {
    let mut stage = Stage::new();
    let good = stage.start();
    let good_job = stage.job_of(good);
    let definition = stage.disk.instance(good).unwrap().unwrap().definition;
    let bad = Key::new(PART, 1_000_000);
    let bad_job = corrupt(&mut stage.disk.clone(), definition, bad);
    stage.restart();

    let (turned, mut answers) = stage.turn(vec![
        (start(), None),
        (complete(bad_job), None),
        (complete(good_job), None),
        (start(), None),
    ]);
    assert!(turned.fatal.is_none(), "{turned:?}");
    let first = created(answers[0].try_recv().unwrap());
    let refused = answers[1].try_recv().unwrap().unwrap_err();
    assert_eq!(refused.kind, RefusalKind::Internal, "{refused}");
    assert!(refused.message.contains(&bad.to_string()), "{refused}");
    answers[2].try_recv().unwrap().unwrap();
    let last = created(answers[3].try_recv().unwrap());
    assert!(stage.is_over(good), "the batch's other requests are done");

    stage.restart();
    let row = stage.disk.instance(bad).unwrap().unwrap();
    assert!(
        row.stop_reason.is_some() && row.ended_at.is_none(),
        "{row:?}"
    );
    let again = stage.one(complete(bad_job)).unwrap_err();
    assert_eq!(again.kind, RefusalKind::InvalidState, "{again}");
    for instance in [first, last] {
        let job = stage.job_of(instance);
        stage.one(complete(job)).unwrap();
        assert!(stage.is_over(instance));
    }
}

#[test]
fn a_job_that_cannot_be_shown_to_a_worker_stops_nobody() {
    let mut stage = Stage::new();
    let good = stage.start();
    let definition = stage.disk.instance(good).unwrap().unwrap().definition;
    let bad = Key::new(PART, 1_000_000);
    corrupt(&mut stage.disk.clone(), definition, bad);
    stage.restart();
    let activate = Ask::Activate {
        job_type: "pick".into(),
        worker: "w".into(),
        most: 10,
        lease_ms: 60_000,
        wait_ms: 0,
        fetch: Vec::new(),
    };
    match stage.one(activate) {
        Ok(Answer::Jobs(jobs)) => assert!(
            jobs.iter()
                .any(|given| given.job.instance_key == good.as_i64()),
            "the good instance's job is given out: {jobs:?}"
        ),
        other => panic!("{other:?}"),
    }
    stage.restart();
    let row = stage.disk.instance(bad).unwrap().unwrap();
    assert!(
        row.stop_reason.is_some() && row.ended_at.is_none(),
        "{row:?}"
    );
}

#[test]
fn a_batch_that_was_not_committed_leaves_nothing_in_memory() {
    for (fault, kind, there) in [
        (Faults::FailsBefore, RefusalKind::Unavailable, false),
        (Faults::FailsAfter, RefusalKind::Unavailable, true),
        (Faults::Full, RefusalKind::ResourceExhausted, false),
    ] {
        let mut stage = Stage::new();
        let instance = stage.start();
        let job = stage.job_of(instance);
        stage.disk.inject(fault);
        let refused = stage.one(complete(job)).unwrap_err();
        assert_eq!(refused.kind, kind, "{fault:?}: {refused}");
        assert_eq!(stage.is_over(instance), there, "{fault:?}");
        // Asked again, it is done once: now, or it was done already.
        match stage.one(complete(job)) {
            Ok(_) => assert!(!there, "{fault:?}: it was done twice"),
            Err(refused) => assert!(
                there && refused.kind == RefusalKind::NotFound,
                "{fault:?}: {refused}"
            ),
        }
        assert!(stage.is_over(instance), "{fault:?}");
        assert_eq!(
            stage.writer.differs_from_store().unwrap(),
            None,
            "{fault:?}"
        );
    }
}

#[test]
fn a_repeated_request_changes_nothing_and_is_answered_the_same() {
    let mut stage = Stage::new();
    let id = Uuid::from_u128(7);
    let mut keys = Vec::new();
    // Twice in one batch, once more later, and once more in another life.
    let (_, answers) = stage.turn(vec![(start(), Some(id)), (start(), Some(id))]);
    for mut answer in answers {
        keys.push(created(answer.try_recv().unwrap()));
    }
    let (_, mut answers) = stage.turn(vec![(start(), Some(id))]);
    keys.push(created(answers[0].try_recv().unwrap()));
    stage.disk.crash();
    stage.restart();
    let (_, mut answers) = stage.turn(vec![(start(), Some(id))]);
    keys.push(created(answers[0].try_recv().unwrap()));
    assert!(keys.iter().all(|key| *key == keys[0]), "{keys:?}");
    assert_eq!(stage.disk.dump().matches("instance InstanceRow").count(), 1);
}

#[test]
fn a_repetition_after_an_unknown_outcome_is_the_first_or_the_only_one() {
    for fault in [Faults::FailsBefore, Faults::FailsAfter] {
        let mut stage = Stage::new();
        let id = Uuid::from_u128(7);
        stage.disk.inject(fault);
        let (_, mut answers) = stage.turn(vec![(start(), Some(id))]);
        assert_eq!(
            answers[0].try_recv().unwrap().unwrap_err().kind,
            RefusalKind::Unavailable
        );
        let (_, mut answers) = stage.turn(vec![(start(), Some(id))]);
        created(answers[0].try_recv().unwrap());
        assert_eq!(
            stage.disk.dump().matches("instance InstanceRow").count(),
            1,
            "{fault:?}"
        );
    }
}

#[test]
fn a_sync_that_failed_ends_the_process_and_acknowledges_nothing() {
    let mut stage = Stage::new();
    stage.disk.inject(Faults::SyncFails);
    let (turned, mut answers) = stage.turn(vec![(start(), None)]);
    assert!(turned.fatal.is_some() && turned.published.is_empty());
    assert!(
        answers[0].try_recv().is_err(),
        "an answer left that nobody can stand by"
    );
    stage.disk.crash();
    stage.restart();
    assert_eq!(stage.disk.dump().matches("instance InstanceRow").count(), 0);
}
