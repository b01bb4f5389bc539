//! The writer over the memory store: what is asked of it, and what it answers, with time passed in.

#![expect(
    clippy::unwrap_used,
    reason = "a test ends where something is not as it should be"
)]

use botswain::dispatch::{Leg, LegKind, Now, Route};
use botswain::runtime::{
    Answer, Ask, AwaitEnd, Deployment, ProcessRef, Published, Refusal, RefusalKind, ReplyTo,
    Request, Resource, Settings, Writer,
};
use botswain_engine::{Key, Start, Variables};
use botswain_store::MemoryStore;
use smol_str::SmolStr;
use tokio::sync::oneshot;

const HOUR: u64 = 3_600_000;

struct World {
    writer: Writer,
    now: Now,
    published: Published,
}

impl World {
    fn new() -> World {
        let now = Now {
            mono: 0,
            wall: 1_800_000_000_000,
        };
        let writer = Writer::open(Box::new(MemoryStore::new()), Settings::default(), now).unwrap();
        World {
            writer,
            now,
            published: Published::default(),
        }
    }

    fn with(model: &str) -> World {
        let mut world = World::new();
        world.deploy(model);
        world
    }

    fn deploy(&mut self, model: &str) {
        let bytes = botswain_bpmn::write(&botswain_bpmn::build(model)).into_bytes();
        let deployment = Deployment::compile(vec![Resource {
            name: "process.bpmn".to_owned(),
            bytes,
        }])
        .unwrap();
        self.ask(Ask::Deploy {
            deployment: Box::new(deployment),
            by: "test".to_owned(),
        })
        .unwrap();
    }

    fn send(&mut self, ask: Ask) -> oneshot::Receiver<Result<Answer, Refusal>> {
        let (caller, answer) = oneshot::channel();
        let mut requests = vec![Request::new(ask, ReplyTo::Caller(caller))];
        self.turn(&mut requests);
        answer
    }

    fn turn(&mut self, requests: &mut Vec<Request>) {
        let mut more = true;
        while more {
            let turned = self.writer.turn(requests, self.now);
            assert_eq!(turned.fatal, None);
            self.published.tasks.extend(turned.published.tasks);
            self.published.calls.extend(turned.published.calls);
            more = turned.more;
        }
    }

    #[track_caller]
    fn ask(&mut self, ask: Ask) -> Result<Answer, Refusal> {
        self.send(ask)
            .try_recv()
            .expect("the answer comes with the turn")
    }

    fn pass(&mut self, ms: u64) {
        self.now = Now {
            mono: self.now.mono + ms,
            wall: self.now.wall + ms as i64,
        };
        self.turn(&mut Vec::new());
    }

    fn start(&mut self, variables: &str) -> Key {
        match self.ask(start(variables, None)) {
            Ok(Answer::Created(created)) => created.instance,
            other => panic!("{other:?}"),
        }
    }

    fn start_and_await(&mut self, variables: &str) -> oneshot::Receiver<Result<Answer, Refusal>> {
        self.send(start(variables, Some(AwaitEnd::default())))
    }

    fn publish(
        &mut self,
        name: &str,
        key: &str,
        ttl_ms: u64,
        id: Option<&str>,
    ) -> Result<Answer, Refusal> {
        self.ask(Ask::PublishMessage {
            name: name.into(),
            correlation_key: key.into(),
            message_id: id.map(SmolStr::from),
            ttl_ms,
            variables: variables(r#"{"paid":true}"#),
        })
    }

    fn activate(&mut self, job_type: &str) -> Vec<botswain_proto::worker::Job> {
        let ask = Ask::Activate {
            job_type: job_type.into(),
            worker: "w".into(),
            most: 10,
            lease_ms: 60_000,
            wait_ms: 0,
            fetch: Vec::new(),
        };
        let mut answer = self.send(ask);
        self.pass(1);
        match answer.try_recv().expect("the answer comes") {
            Ok(Answer::Jobs(jobs)) => jobs.into_iter().map(|activated| activated.job).collect(),
            other => panic!("{other:?}"),
        }
    }

    /// The key of the one job that an instance waits for.
    fn open_job(&mut self, instance: Key) -> Key {
        match self.ask(Ask::Inspect { instance }) {
            Ok(Answer::Inspected { waiting, .. }) => waiting
                .into_iter()
                .find_map(|open| match open.reason {
                    Some(botswain_engine::Reason::Job { job, .. }) => Some(job),
                    _ => None,
                })
                .expect("the instance waits for a job"),
            other => panic!("{other:?}"),
        }
    }

    fn route(&mut self, job_type: &str, legs: &[&str]) -> Result<Answer, Refusal> {
        let mut legs = legs
            .iter()
            .map(|leg| Leg::new(leg.parse::<LegKind>().unwrap()));
        let route = Route {
            choices: legs.next().into_iter().collect(),
            otherwise: legs.collect(),
            ..Route::implicit(job_type.into())
        };
        self.ask(Ask::SetRoute {
            job_type: job_type.into(),
            route: Some(Box::new(route)),
            by: "test".to_owned(),
        })
    }
}

fn start(text: &str, await_end: Option<AwaitEnd>) -> Ask {
    let start = Start {
        variables: variables(text),
        ..Start::default()
    };
    Ask::Start {
        process: ProcessRef::Id("process".into(), None),
        start,
        await_end,
    }
}

fn variables(text: &str) -> Variables {
    Variables::from_json(text).unwrap()
}

fn key(job: &botswain_proto::worker::Job) -> Key {
    Key::from_u64(job.key.cast_unsigned())
}

fn complete(job: &botswain_proto::worker::Job, text: &str) -> Ask {
    Ask::CompleteJob {
        job: key(job),
        fence: job.fence,
        variables: variables(text),
    }
}

#[track_caller]
fn ended(answer: &mut oneshot::Receiver<Result<Answer, Refusal>>) -> String {
    match answer.try_recv().expect("the instance ended") {
        Ok(Answer::Ended {
            completed: true,
            variables,
            ..
        }) => variables,
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_awaited_instance_answers_with_its_variables() {
    let mut world = World::with("start > a:job > end");
    let mut end = world.start_and_await(r#"{"x":1}"#);
    assert!(end.try_recv().is_err(), "nobody did the job yet");
    let jobs = world.activate("a");
    world.ask(complete(&jobs[0], r#"{"y":2}"#)).unwrap();
    assert_eq!(ended(&mut end), r#"{"x":1,"y":2}"#);
}

#[test]
fn a_second_result_for_a_job_is_refused_in_the_words_that_clients_know() {
    let mut world = World::with("start > a:job > end");
    world.start("{}");
    let jobs = world.activate("a");
    world.ask(complete(&jobs[0], "{}")).unwrap();
    let refusal = world.ask(complete(&jobs[0], "{}")).unwrap_err();
    assert_eq!(refusal.kind, RefusalKind::NotFound);
    let expected = format!(
        "Expected to complete job with key '{}', but no such job was found",
        jobs[0].key
    );
    assert_eq!(refusal.message, expected);
}

#[test]
fn a_message_waits_for_whoever_will_await_it_until_its_time_is_over() {
    let mut world = World::with("start > paid:message(payment, key=order) > end");
    world.publish("payment", "7", HOUR, None).unwrap();
    let mut early = world.start_and_await(r#"{"order":7}"#);
    assert_eq!(ended(&mut early), r#"{"order":7,"paid":true}"#);
    let mut second = world.start_and_await(r#"{"order":7}"#);
    assert!(
        second.try_recv().is_err(),
        "one message moves one instance of a process"
    );
    world.publish("payment", "8", HOUR, None).unwrap();
    world.pass(2 * HOUR);
    let mut late = world.start_and_await(r#"{"order":8}"#);
    assert!(late.try_recv().is_err(), "the message's time is over");
}

#[test]
fn a_message_moves_the_instance_that_waited_longest() {
    let mut world = World::with("start > paid:message(payment, key=order) > end");
    let mut first = world.start_and_await(r#"{"order":"x"}"#);
    let mut second = world.start_and_await(r#"{"order":"x"}"#);
    world.publish("payment", "x", 0, None).unwrap();
    assert_eq!(ended(&mut first), r#"{"order":"x","paid":true}"#);
    assert!(second.try_recv().is_err());
}

#[test]
fn a_message_id_is_accepted_once_while_the_message_lives() {
    let mut world = World::with("start > end");
    world.publish("m", "k", HOUR, Some("id-1")).unwrap();
    let refusal = world.publish("m", "k", HOUR, Some("id-1")).unwrap_err();
    assert_eq!(refusal.kind, RefusalKind::AlreadyExists);
    world.publish("m", "other", HOUR, Some("id-1")).unwrap();
    world.pass(2 * HOUR);
    world.publish("m", "k", HOUR, Some("id-1")).unwrap();
}

#[test]
fn timers_fire_when_their_time_comes_and_a_day_late_all_the_same() {
    let mut world = World::with("start > pause:timer(PT1H) > end");
    let mut end = world.start_and_await("{}");
    world.pass(HOUR - 1);
    assert!(end.try_recv().is_err());
    world.pass(24 * HOUR);
    assert_eq!(ended(&mut end), "{}");
}

#[test]
fn a_person_does_a_job_whose_route_says_so() {
    let mut world = World::with("start > a:job > end");
    world.route("a", &["person"]).unwrap();
    let instance = world.start("{}");
    let task = world.open_job(instance);
    world
        .ask(Ask::CompleteUserTask {
            task,
            variables: variables(r#"{"by":"ann"}"#),
        })
        .unwrap();
    let over = world.ask(Ask::Inspect { instance }).unwrap_err();
    assert_eq!(over.kind, RefusalKind::NotFound, "the instance ended");
    let again = world
        .ask(Ask::CompleteUserTask {
            task,
            variables: Variables::new(),
        })
        .unwrap_err();
    assert_eq!(again.kind, RefusalKind::NotFound);
}

#[test]
fn a_connector_gets_the_job_with_its_variables_after_the_commit() {
    let mut world = World::with("start > a:job(in x = 2) > end");
    world
        .ask(Ask::Connector {
            name: "crm".into(),
            slots: 1,
            effect: botswain_proto::message::EffectClass::Idempotent,
        })
        .unwrap();
    world.route("a", &["connector:crm"]).unwrap();
    let mut end = world.start_and_await(r#"{"y":1}"#);
    let call = world.published.calls.pop().expect("a call leaves");
    assert_eq!(
        (call.name.as_str(), call.job.variables.as_str()),
        ("crm", r#"{"x":2,"y":1}"#)
    );
    let result =
        botswain::dispatch::End::success(bytes::Bytes::from_static(br#"{"number":"C-1"}"#));
    let ask = Ask::AttemptEnded {
        attempt: call.offer.attempt,
        end: Box::new(result),
        warnings: Vec::new(),
    };
    world.ask(ask).unwrap();
    assert_eq!(ended(&mut end), r#"{"number":"C-1","y":1}"#);
}

#[test]
fn an_unknown_outcome_is_an_incident_until_an_operator_settles_the_job() {
    let mut world = World::with("start > pay:job > end");
    world
        .ask(Ask::Connector {
            name: "bank".into(),
            slots: 1,
            effect: botswain_proto::message::EffectClass::AtMostOnce,
        })
        .unwrap();
    world.route("pay", &["connector:bank", "worker"]).unwrap();
    let mut end = world.start_and_await("{}");
    let call = world.published.calls.pop().expect("a call leaves");
    let unknown = botswain::dispatch::End {
        state: botswain_proto::message::State::Unknown,
        happened: botswain_proto::message::Happened::Maybe,
        ..botswain::dispatch::End::success(bytes::Bytes::new())
    };
    world
        .ask(Ask::AttemptEnded {
            attempt: call.offer.attempt,
            end: Box::new(unknown),
            warnings: Vec::new(),
        })
        .unwrap();
    world.pass(HOUR);
    assert!(
        world.activate("pay").is_empty(),
        "no other leg gets what may have happened"
    );
    assert!(world.published.calls.is_empty(), "nobody repeats it unseen");
    let job = call.job.key;
    world
        .ask(Ask::SettleJob {
            job,
            variables: variables(r#"{"paid":1}"#),
            by: "ann".to_owned(),
        })
        .unwrap();
    assert_eq!(ended(&mut end), r#"{"paid":1}"#);
}

#[test]
fn what_certainly_did_not_happen_goes_to_the_next_leg() {
    let mut world = World::with("start > a:job > end");
    world
        .ask(Ask::Connector {
            name: "crm".into(),
            slots: 1,
            effect: botswain_proto::message::EffectClass::AtMostOnce,
        })
        .unwrap();
    world.route("a", &["connector:crm", "worker"]).unwrap();
    world.start("{}");
    let call = world.published.calls.pop().expect("a call leaves");
    let refused = botswain::dispatch::End {
        state: botswain_proto::message::State::Failed,
        happened: botswain_proto::message::Happened::No,
        ..botswain::dispatch::End::success(bytes::Bytes::new())
    };
    world
        .ask(Ask::AttemptEnded {
            attempt: call.offer.attempt,
            end: Box::new(refused),
            warnings: Vec::new(),
        })
        .unwrap();
    assert_eq!(world.activate("a").len(), 1);
}

#[test]
fn a_route_moves_waiting_jobs_and_is_refused_when_it_makes_no_sense() {
    let mut world = World::with("start > a:job > end");
    world.route("a", &["bot:nobody@1"]).unwrap();
    world.start("{}");
    assert!(world.activate("a").is_empty());
    world.route("a", &["worker"]).unwrap();
    assert_eq!(world.activate("a").len(), 1);
    let mut leg = Leg::new(LegKind::Worker);
    leg.when = Some("amount >".into());
    let route = Route {
        choices: vec![leg],
        ..Route::implicit("a".into())
    };
    let ask = Ask::SetRoute {
        job_type: "a".into(),
        route: Some(Box::new(route)),
        by: "test".to_owned(),
    };
    let refusal = world.ask(ask).unwrap_err();
    assert!(refusal.message.contains("amount >"), "{}", refusal.message);
}

#[test]
fn the_same_file_again_is_the_same_version() {
    let mut world = World::with("start > a:job > end");
    world.deploy("start > a:job > end");
    world.start("{}");
    let version_of = |jobs: Vec<botswain_proto::worker::Job>| jobs[0].process_version;
    assert_eq!(version_of(world.activate("a")), 1);
    world.deploy("start > a:job > b:job > end");
    world.start("{}");
    assert_eq!(version_of(world.activate("a")), 2);
}

#[test]
fn a_large_multi_instance_shares_the_writer_with_others() {
    let mut world = World::with(
        "start > kind:xor > ([many] each:job(each i in items) | [else] a:job) > done:xor > end",
    );
    let items: Vec<u32> = (0..2_000).collect();
    let ask = start(&format!(r#"{{"many":true,"items":{items:?}}}"#), None);
    let small = start(r#"{"many":false}"#, Some(AwaitEnd::default()));
    let (big_caller, _big) = oneshot::channel();
    let (caller, mut end) = oneshot::channel();
    let mut requests = vec![
        Request::new(ask, ReplyTo::Caller(big_caller)),
        Request::new(small, ReplyTo::Caller(caller)),
    ];
    let turned = world.writer.turn(&mut requests, world.now);
    assert!(
        turned.more,
        "two thousand children do not fit into one turn"
    );
    let jobs = world.activate("a");
    world.ask(complete(&jobs[0], "{}")).unwrap();
    assert_eq!(ended(&mut end), r#"{"many":false}"#);
    let mut children = 0;
    while let jobs @ [_, ..] = world.activate("each").as_slice() {
        children += jobs.len();
        for job in jobs {
            world.ask(complete(job, "{}")).unwrap();
        }
    }
    assert_eq!(children, 2_000);
}
