//! Golden files: what format 1 looks like on disk, read and written by every later build.
//!
//! `UPDATE_GOLDEN=1` writes them anew, which is right only while a format has not been released.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use botswain_engine::event::{Interruption, Repeat, Todo, UserTaskDetails};
use botswain_engine::{Event, IncidentKind, Instance, Json, Key, Record, SegmentId, Symbol};
use botswain_store::format::{
    FormatError, append_record, read_checkpoint, read_records, write_checkpoint,
};
use common::{PART, variables};
use std::path::PathBuf;

fn key(n: u64) -> Key {
    Key::new(PART, n)
}

/// One event of each variant with all that it can hold. A variant that is missing here does not compile below.
fn events() -> Vec<Event> {
    let (token, node, on, flow) = (key(2), Symbol(1), Symbol(3), Symbol(4));
    let vars = || variables(r#"{"a":[1,{"b":null}],"ü":"\"q\""}"#);
    let todo = vec![
        Todo::Enter {
            segment: 0,
            node,
            scope: key(1),
            flow: Some(flow),
            payload: vars(),
        },
        Todo::Spawn {
            segment: 1,
            body: token,
        },
        Todo::EndChildren {
            segment: 2,
            body: token,
            from: 300,
        },
        Todo::Check {
            segment: 3,
            scope: token,
        },
    ];
    let details = UserTaskDetails {
        assignee: Some("ann".into()),
        candidate_groups: vec!["clerks".into()],
        candidate_users: vec!["bob".into(), "cyd".into()],
        due_date: Some("2030-01-01T00:00:00Z".into()),
        follow_up_date: Some("2029-01-01T00:00:00Z".into()),
        form: Some("form-1".into()),
        priority: 50,
    };
    let then = Some(Interruption {
        boundary: on,
        payload: vars(),
    });
    let kind = IncidentKind::LimitExceeded;
    let repeat = Some(Repeat {
        left: Some(2),
        every: "PT1H".into(),
    });
    vec![
        Event::InstanceStarted {
            definition: key(7),
            node: Symbol(0),
            variables: vars(),
            business_id: Some("order-1".into()),
            tags: vec!["vip".into()],
        },
        Event::ChildStarted {
            parent: 0,
            body: token,
            index: 1,
            token: key(3),
            node,
            locals: vars(),
        },
        Event::TokenEntered {
            token,
            node,
            scope: key(1),
            flow: Some(flow),
            payload: vars(),
        },
        Event::TokenArrived { token, flow },
        Event::ScopeOpened { token },
        Event::VariablesSet {
            scope: token,
            variables: vars(),
        },
        Event::JobOpened {
            token,
            job: key(5),
            node,
            job_type: "crm.add-customer".into(),
            retries: 3,
            headers: Some(Json::from_trusted(r#"{"h":1}"#)),
        },
        Event::JobCompleted {
            token,
            job: key(5),
            variables: vars(),
        },
        Event::JobFailed {
            token,
            job: key(5),
            retries: -1,
            retry_at: Some(1_700_000_000_000),
            message: "no".to_owned(),
        },
        Event::JobErrorThrown {
            token,
            job: key(5),
            code: "E1".into(),
            message: "bad".to_owned(),
            caught: true,
        },
        Event::JobRetriesSet {
            token,
            job: key(5),
            retries: 2,
            offered: true,
        },
        Event::JobCancelled { token, job: key(5) },
        Event::UserTaskOpened {
            token,
            task: key(6),
            node,
            details: Box::new(details),
        },
        Event::UserTaskAssigned {
            token,
            task: key(6),
            assignee: None,
        },
        Event::UserTaskCompleted {
            token,
            task: key(6),
            variables: vars(),
        },
        Event::UserTaskCancelled {
            token,
            task: key(6),
        },
        Event::TimerSet {
            token,
            timer: key(8),
            on,
            due: 1_700_000_000_000,
            repeat,
        },
        Event::TimerFired {
            token,
            timer: key(8),
        },
        Event::TimerCancelled {
            token,
            timer: key(8),
        },
        Event::SubscriptionOpened {
            token,
            subscription: key(9),
            on,
            name: "paid".into(),
            correlation_key: "42".into(),
            once: true,
        },
        Event::MessageCorrelated {
            token,
            subscription: key(9),
            message: key(10),
            variables: vars(),
        },
        Event::SubscriptionClosed {
            token,
            subscription: key(9),
        },
        Event::ChildrenPlanned {
            token,
            total: 2,
            first_segment: 1,
            items: vec![Json::from_trusted("1"); 2],
        },
        Event::ChildrenSpawned { token, spawned: 2 },
        Event::ChildEnded {
            token,
            index: 1,
            output: Some(Json::from_trusted("[]")),
            completed: true,
        },
        Event::SegmentsReserved { next: 3 },
        Event::ChildrenDone { token },
        Event::TokenTerminating { token, then },
        Event::TokenLeft {
            token,
            completed: false,
        },
        Event::IncidentRaised {
            token,
            incident: key(11),
            node,
            kind,
            message: "too much".to_owned(),
            job: Some(key(5)),
        },
        Event::IncidentResolved {
            token,
            incident: key(11),
        },
        Event::Continued { todo },
        Event::InstanceEnded { completed: true },
        Event::InstanceStopped {
            reason: "bug".to_owned(),
        },
    ]
}

/// Fails to compile when the engine has a variant that `events` may lack.
fn is_in_the_list(event: &Event) {
    match event {
        Event::InstanceStarted { .. } | Event::ChildStarted { .. } | Event::TokenEntered { .. } => {
        }
        Event::TokenArrived { .. } | Event::ScopeOpened { .. } | Event::VariablesSet { .. } => {}
        Event::JobOpened { .. } | Event::JobCompleted { .. } | Event::JobFailed { .. } => {}
        Event::JobErrorThrown { .. } | Event::JobRetriesSet { .. } | Event::JobCancelled { .. } => {
        }
        Event::UserTaskOpened { .. }
        | Event::UserTaskAssigned { .. }
        | Event::UserTaskCompleted { .. } => {}
        Event::UserTaskCancelled { .. } | Event::TimerSet { .. } | Event::TimerFired { .. } => {}
        Event::TimerCancelled { .. }
        | Event::SubscriptionOpened { .. }
        | Event::MessageCorrelated { .. } => {}
        Event::SubscriptionClosed { .. }
        | Event::ChildrenPlanned { .. }
        | Event::ChildrenSpawned { .. } => {}
        Event::ChildEnded { .. } | Event::SegmentsReserved { .. } | Event::ChildrenDone { .. } => {}
        Event::TokenTerminating { .. } | Event::TokenLeft { .. } | Event::IncidentRaised { .. } => {
        }
        Event::IncidentResolved { .. } | Event::Continued { .. } | Event::InstanceEnded { .. } => {}
        Event::InstanceStopped { .. } => {}
    }
}

fn file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("golden")
        .join(name)
}

/// Compares bytes and their meaning with a file of lines `hexadecimal<tab>meaning`.
fn check(name: &str, written: &[(Vec<u8>, String)], read: impl Fn(&[u8]) -> String) {
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        let lines: String = written
            .iter()
            .map(|(bytes, text)| format!("{}\t{text}\n", hex::encode(bytes)))
            .collect();
        std::fs::write(file(name), lines).unwrap();
    }
    let golden = std::fs::read_to_string(file(name)).unwrap();
    let lines: Vec<_> = golden.lines().collect();
    assert_eq!(
        lines.len(),
        written.len(),
        "a variant was added: UPDATE_GOLDEN=1 adds its line"
    );
    for (line, (bytes, _)) in lines.iter().zip(written) {
        let (stored, meaning) = line.split_once('\t').unwrap();
        assert_eq!(
            read(&hex::decode(stored).unwrap()),
            meaning,
            "what was stored is read with the same meaning"
        );
        assert_eq!(
            hex::encode(bytes),
            stored,
            "what is written is what earlier builds read: {meaning}"
        );
    }
}

#[test]
fn every_event_of_format_1_is_read_and_written() {
    let written: Vec<_> = events()
        .into_iter()
        .map(|event| {
            is_in_the_list(&event);
            let mut bytes = Vec::new();
            append_record(&mut bytes, 1_700_000_000_000, [event.clone()].iter());
            let record = Record {
                at: 1_700_000_000_000,
                events: vec![event],
            };
            (bytes, format!("{:?}", [record]))
        })
        .collect();
    let numbers: Vec<_> = written
        .iter()
        .map(|(bytes, _)| read_records(bytes).unwrap())
        .collect();
    assert_eq!(numbers.len(), 34);
    check("records-1.txt", &written, |bytes| {
        format!("{:?}", read_records(bytes).unwrap())
    });
}

#[test]
fn a_checkpoint_of_format_1_is_read_and_written() {
    let id = SegmentId::root(key(1));
    let mut instance = Instance::new();
    let token = |n| Event::TokenEntered {
        token: key(n),
        node: Symbol(n as u32),
        scope: key(1),
        flow: None,
        payload: variables(r#"{"p":1}"#),
    };
    let on = |n: u64, event: fn(Key) -> Event| [token(n), event(key(n))];
    let mut story = vec![events().remove(0)];
    story.extend(on(20, |token| Event::JobOpened {
        token,
        job: key(5),
        node: Symbol(1),
        job_type: "print".into(),
        retries: 3,
        headers: None,
    }));
    story.extend(on(21, |token| Event::TimerSet {
        token,
        timer: key(8),
        on: Symbol(21),
        due: 9,
        repeat: None,
    }));
    story.extend(on(22, |token| Event::SubscriptionOpened {
        token,
        subscription: key(9),
        on: Symbol(3),
        name: "paid".into(),
        correlation_key: "42".into(),
        once: false,
    }));
    story.extend(on(23, |token| Event::ChildrenPlanned {
        token,
        total: 2,
        first_segment: 1,
        items: vec![Json::from_trusted("1"); 2],
    }));
    story.extend(on(24, |token| Event::IncidentRaised {
        token,
        incident: key(11),
        node: Symbol(1),
        kind: IncidentKind::Spinning,
        message: "spins".to_owned(),
        job: None,
    }));
    story.push(Event::Continued {
        todo: vec![Todo::Check {
            segment: 0,
            scope: key(1),
        }],
    });
    for event in &story {
        instance.apply(id.root, id.number, 5, event);
    }
    let segment = instance.unload(0).unwrap();
    let mut bytes = Vec::new();
    write_checkpoint(&segment, &mut bytes);
    check(
        "checkpoint-1.txt",
        &[(bytes, format!("{segment:?}"))],
        |bytes| format!("{:?}", read_checkpoint(bytes).unwrap()),
    );
}

#[test]
fn what_a_later_build_wrote_and_what_is_damaged_is_refused_with_a_remedy() {
    let newer = read_records(&[9, 1, 2]).unwrap_err();
    assert_eq!(
        newer,
        FormatError::Newer {
            what: "a journal row",
            found: 9,
            known: 1
        }
    );
    assert!(newer.to_string().contains("at least as new"));
    assert!(matches!(
        read_checkpoint(&[2]),
        Err(FormatError::Newer { .. })
    ));
    assert!(
        read_records(&[])
            .unwrap_err()
            .to_string()
            .contains("restore the data folder from a backup")
    );
    assert!(matches!(
        read_records(&[1, 0, 1, 250]),
        Err(FormatError::Damaged { .. })
    ));
    assert!(matches!(
        read_checkpoint(&[1, 7]),
        Err(FormatError::Damaged { .. })
    ));
    assert!(matches!(
        read_checkpoint(&[0]),
        Err(FormatError::Damaged { .. })
    ));
}
