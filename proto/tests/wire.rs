//! The wire: no bytes from outside can panic, what is written is read, and what was released is never changed.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use botswain_proto::agent as wire;
use botswain_proto::ids::{AttemptId, Digest, Epoch, Fence, JobKey, Seq};
use botswain_proto::message::{
    BotRef, Cancel, EffectClass, EvidenceRef, FromAgent, Happened, Limits, OnLost, Receipt, Secret,
    State, Sync, Task, TaskEvent, ToAgent, Verdict, Work,
};
use expect_test::expect_file;
use proptest::prelude::*;
use prost::Message;

fn attempt() -> AttemptId {
    "0198c0de-0000-7000-8000-000000000001".parse().unwrap()
}

fn task() -> Task {
    Task {
        attempt: attempt(),
        job: JobKey(7),
        fence: Fence(1),
        epoch: Epoch(1),
        work: Work::Bot(BotRef {
            name: "crm".to_owned(),
            version: "1".to_owned(),
            digest: Digest::of(b"x"),
        }),
        input: "{}".into(),
        secrets: vec![Secret {
            name: "password".to_owned(),
            value: "hunter2".to_owned(),
        }],
        effect: EffectClass::AtMostOnce,
        limits: Limits {
            lease_ms: 1,
            ..Limits::default()
        },
        on_lost: OnLost::Replace,
        labels: vec!["site=vienna".to_owned()],
        trace: String::new(),
        process_id: "p".to_owned(),
        instance_key: 3,
        job_type: "t".to_owned(),
        locks: Vec::new(),
    }
}

fn event() -> TaskEvent {
    TaskEvent {
        attempt: attempt(),
        job: JobKey(7),
        fence: Fence(1),
        seq: Seq(4),
        boot_id: "b".to_owned(),
        state: State::Succeeded,
        reason: None,
        progress: None,
        result: "{}".into(),
        result_ref: Some((Digest::of(b"y"), 3)),
        queued_ms: 1,
        run_ms: 2,
        tail: None,
        evidence: vec![EvidenceRef {
            name: "a.png".to_owned(),
            media_type: "image/png".to_owned(),
            sha256: Digest::of(b"z"),
            size: 1,
        }],
        happened: Some(Happened::Yes),
        bpmn_error: None,
        warnings: vec!["w".to_owned()],
        replayed: true,
    }
}

#[test]
fn what_is_said_to_an_agent_is_heard() {
    for message in [
        ToAgent::Task(Box::new(task())),
        ToAgent::Sync(Sync {
            epoch: Epoch(2),
            close: vec![attempt()],
            ..Sync::default()
        }),
        ToAgent::Cancel(Cancel {
            attempt: attempt(),
            fence: Fence(1),
            epoch: Epoch(1),
            grace_ms: None,
            why: "because".to_owned(),
        }),
        ToAgent::Receipt(Receipt {
            items: vec![(Seq(1), Verdict::Stale)],
            leases: vec![(attempt(), 5)],
        }),
    ] {
        let bytes = wire::CoordinatorMessage::from(message.clone()).encode_to_vec();
        let read = wire::CoordinatorMessage::decode(&*bytes).unwrap();
        assert_eq!(ToAgent::try_from(read).unwrap(), message);
    }
}

#[test]
fn what_an_agent_says_is_heard() {
    let message = FromAgent::Event(Box::new(event()));
    let bytes = wire::AgentMessage::from(message.clone()).encode_to_vec();
    let read = wire::AgentMessage::decode(&*bytes).unwrap();
    assert_eq!(FromAgent::try_from(read).unwrap(), message);
}

#[test]
fn a_message_that_breaks_the_protocol_is_refused_by_its_place() {
    let check = |place: &str, change: &dyn Fn(&mut wire::Task)| {
        let mut broken = wire::Task::from(task());
        change(&mut broken);
        let error = Task::try_from(broken).unwrap_err();
        assert_eq!(error.place, place);
    };
    check("task.attempt", &|task| task.attempt.clear());
    check("task.fence", &|task| task.fence = 0);
    check("task.job_key", &|task| task.job_key = -1);
    check("task.work", &|task| task.work = None);
    check("task.effect", &|task| task.effect = 0);
    check("task.effect", &|task| task.effect = 99);
    check("task.input", &|task| task.input = vec![b' '; 50_000].into());
    check("task.labels", &|task| {
        task.labels = vec![String::new(); 1_000]
    });
    let mut end = wire::TaskEvent::from(event());
    end.happened = 0;
    assert_eq!(
        TaskEvent::try_from(end).unwrap_err().place,
        "event.happened"
    );
}

#[test]
fn no_secret_is_printed() {
    assert!(!format!("{:?}", task()).contains("hunter2"));
}

/// The whole wire as lines; a released line never changes and never goes.
#[test]
fn released_fields_keep_their_numbers_and_types() {
    let bytes = include_bytes!(concat!(env!("OUT_DIR"), "/wire.bin"));
    let set = prost_types::FileDescriptorSet::decode(&bytes[..]).unwrap();
    let mut lines = Vec::new();
    for file in set.file {
        let package = file.package().to_owned();
        for message in &file.message_type {
            for field in &message.field {
                let repeated =
                    if field.label() == prost_types::field_descriptor_proto::Label::Repeated {
                        "repeated "
                    } else {
                        ""
                    };
                let kind = match field.type_name() {
                    "" => format!("{:?}", field.r#type()).to_lowercase(),
                    name => name.to_owned(),
                };
                lines.push(format!(
                    "{package}.{} {} = {repeated}{kind} {}",
                    message.name(),
                    field.number(),
                    field.name()
                ));
            }
        }
        for kind in &file.enum_type {
            for value in &kind.value {
                lines.push(format!(
                    "{package}.{} {} = {}",
                    kind.name(),
                    value.number(),
                    value.name()
                ));
            }
        }
        for service in &file.service {
            for method in &service.method {
                lines.push(format!(
                    "{package}.{}.{} {} -> {}",
                    service.name(),
                    method.name(),
                    method.input_type(),
                    method.output_type()
                ));
            }
        }
    }
    lines.push(String::new());
    expect_file!["wire.txt"].assert_eq(&lines.join("\n"));
}

proptest! {
    #[test]
    fn no_bytes_can_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        if let Ok(message) = wire::CoordinatorMessage::decode(&*bytes) {
            let _ = ToAgent::try_from(message);
        }
        if let Ok(message) = wire::AgentMessage::decode(&*bytes) {
            let _ = FromAgent::try_from(message);
        }
        let text = String::from_utf8_lossy(&bytes);
        let _ = text.parse::<botswain_proto::enrol::Token>();
        let _ = botswain_proto::json::object(&bytes);
    }

    #[test]
    fn no_flipped_byte_of_a_message_can_panic(at in any::<prop::sample::Index>(), with in any::<u8>()) {
        let mut bytes = wire::AgentMessage::from(FromAgent::Event(Box::new(event()))).encode_to_vec();
        let at = at.index(bytes.len());
        bytes[at] = with;
        if let Ok(message) = wire::AgentMessage::decode(&*bytes) {
            let _ = FromAgent::try_from(message);
        }
    }
}
