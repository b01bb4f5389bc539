//! Scenarios: what a session does, told line by line.

use std::collections::BTreeMap;

use botswain_action::{Object, Outcome};
use botswain_proto::ids::{AttemptId, Epoch, Fence, JobKey, Seq};
use botswain_proto::message::{
    Cancel, Capabilities, EffectClass, FromAgent, Limits, OnLost, OpenAttempt, Receipt, Secret,
    State, Sync, Task, TaskEvent, ToAgent, Verdict, Work,
};
use expect_test::{Expect, expect};

use super::*;

mod offers;
mod reports;
mod restarts;
mod runs;

/// Tells the lines of a story to a session and compares what it orders.
#[expect(clippy::needless_pass_by_value, reason = "expect![] is a value")]
fn check(story: &str, expected: Expect) {
    let mut teller = Teller::new();
    for line in story.lines().map(str::trim).filter(|line| !line.is_empty()) {
        teller.told.push_str(&format!("{line}\n"));
        teller.tell(line);
    }
    expected.assert_eq(&teller.told);
}

struct Teller {
    session: Session,
    records: Vec<Record>,
    now: u64,
    machine_start: u64,
    told: String,
}

fn settings() -> Settings {
    Settings {
        agent: "anna".parse().unwrap(),
        boot_id: "boot".to_owned(),
        version: "1".to_owned(),
        slots: 2,
        live_bytes_max: 1_000_000,
    }
}

fn attempt(name: &str) -> AttemptId {
    AttemptId(uuid::Uuid::from_u128(u128::from(name.as_bytes()[0])))
}

fn name(attempt: AttemptId) -> char {
    char::from(attempt.0.as_bytes()[15])
}

impl Teller {
    fn new() -> Self {
        let opened = Record::Opened {
            journal_id: "j1".to_owned(),
        };
        let mut teller = Self {
            session: Session::restore(
                settings(),
                Ledger::default(),
                Stamp::default(),
                String::new(),
            )
            .0,
            records: vec![opened],
            now: 0,
            machine_start: 1,
            told: String::new(),
        };
        teller.restart();
        teller
    }

    /// The process dies; what its journal holds lives.
    fn restart(&mut self) {
        let ledger = Ledger::replay(&self.records);
        let from_snapshot = Ledger::replay(&ledger.snapshot());
        assert_eq!(
            ledger, from_snapshot,
            "a snapshot amounts to what it was made of"
        );
        let now = Stamp {
            machine_start: self.machine_start,
            ms: self.now,
        };
        let (session, orders) = Session::restore(settings(), ledger, now, String::new());
        self.session = session;
        self.hear(orders);
    }

    fn tell(&mut self, line: &str) {
        let mut words = line.split_whitespace();
        let verb = words.next().unwrap_or_default();
        let words: Vec<&str> = words.collect();
        let plain: Vec<&str> = words
            .iter()
            .copied()
            .filter(|word| !word.contains('='))
            .collect();
        let options: BTreeMap<&str, &str> = words
            .iter()
            .filter_map(|word| word.split_once('='))
            .collect();
        let number = |key: &str, default: u64| {
            options
                .get(key)
                .map_or(default, |text| text.parse().unwrap())
        };
        let who = plain.first().map(|name| attempt(name));
        let input = match verb {
            "crash" => return self.restart(),
            "reboot" => {
                self.machine_start += 1;
                self.now = 0;
                return self.restart();
            }
            "wait" => {
                self.now += plain[0].parse::<u64>().unwrap();
                Input::Tick
            }
            "connect" => Input::Connected {
                capabilities: Box::new(Capabilities::default()),
                policy_version: "p1".to_owned(),
            },
            "disconnect" => Input::Disconnected,
            "sync" => Input::Message(ToAgent::Sync(Sync {
                epoch: Epoch(number("epoch", 1)),
                beat_ms: number("beat", 1_000_000),
                open: plain
                    .iter()
                    .map(|name| OpenAttempt {
                        attempt: attempt(name),
                        job: JobKey(number("job", 7).cast_signed()),
                        fence: Fence(number("fence", 1)),
                        state: State::Started,
                    })
                    .collect(),
                close: options
                    .get("close")
                    .map(|name| attempt(name))
                    .into_iter()
                    .collect(),
                now_ms: 0,
            })),
            "task" => Input::Message(ToAgent::Task(Box::new(task(&plain, &options)))),
            "cancel" | "kill" => Input::Message(ToAgent::Cancel(Cancel {
                attempt: who.unwrap(),
                fence: Fence(number("fence", 1)),
                epoch: Epoch(number("epoch", 1)),
                grace_ms: (verb == "cancel").then(|| number("grace", 0)),
                why: String::new(),
            })),
            "receipt" => Input::Message(ToAgent::Receipt(Receipt {
                items: plain
                    .iter()
                    .map(|seq| {
                        let verdict = match options.get("verdict") {
                            None => Verdict::Committed,
                            Some(&"stale") => Verdict::Stale,
                            Some(&"invalid") => Verdict::Invalid,
                            Some(other) => panic!("verdict {other}"),
                        };
                        (Seq(seq.parse().unwrap()), verdict)
                    })
                    .collect(),
                leases: options
                    .get("renew")
                    .map(|name| (attempt(name), number("lease", 1000)))
                    .into_iter()
                    .collect(),
            })),
            "prepared" => Input::Prepared {
                attempt: who.unwrap(),
                result: Ok(Prepared {
                    effect: effect(options.get("effect").copied()),
                    locks: options
                        .get("lock")
                        .map(ToString::to_string)
                        .into_iter()
                        .collect(),
                    limit_ms: options.get("limit").map(|ms| ms.parse().unwrap()),
                }),
            },
            "refused" => Input::Prepared {
                attempt: who.unwrap(),
                result: Err(Reason {
                    code: "policy".to_owned(),
                    text: "not allowed here".to_owned(),
                    retryable: false,
                    policy_rule: "default deny".to_owned(),
                }),
            },
            "commits" => Input::CommitPoint {
                attempt: who.unwrap(),
            },
            "step" => Input::Step {
                attempt: who.unwrap(),
                step: plain[1].to_owned(),
            },
            "ends" => Input::Ended {
                attempt: who.unwrap(),
                end: Box::new(RunEnd {
                    outcome: outcome(plain[1]),
                    evidence: Vec::new(),
                    warnings: Vec::new(),
                    result_ref: None,
                }),
            },
            "probe" => Input::Probed {
                attempt: who.unwrap(),
                outcome: match plain[1] {
                    "happened" => Probed::Happened(Object::new()),
                    "not" => Probed::DidNotHappen,
                    "unclear" => Probed::CannotTell("no trace".to_owned()),
                    other => panic!("probe {other}"),
                },
            },
            "pause" => Input::Pause(true),
            "stop" => Input::Stop,
            other => panic!("{other}"),
        };
        let orders = self.session.handle(self.now, input);
        self.hear(orders);
    }

    fn hear(&mut self, orders: Vec<Order>) {
        for order in &orders {
            self.told.push_str(&format!("    {}\n", describe(order)));
        }
        for order in orders {
            if let Order::Record(record) = order {
                let bytes = record.encode().unwrap();
                assert!(!contains(&bytes, b"hunter2"), "a secret in the journal");
                assert_eq!(Record::decode(&bytes).unwrap(), record);
                self.records.push(record);
            }
        }
        assert_eq!(
            Ledger::replay(&self.records),
            *self.session.ledger(),
            "what a restart would find is what the session knows"
        );
    }
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

fn effect(word: Option<&str>) -> EffectClass {
    match word {
        Some("pure") => EffectClass::Pure,
        Some("idempotent") => EffectClass::Idempotent,
        Some("checkable") => EffectClass::Checkable,
        None | Some("at_most_once") => EffectClass::AtMostOnce,
        Some(other) => panic!("effect {other}"),
    }
}

fn task(plain: &[&str], options: &BTreeMap<&str, &str>) -> Task {
    let number = |key: &str, default: u64| {
        options
            .get(key)
            .map_or(default, |text| text.parse().unwrap())
    };
    Task {
        attempt: attempt(plain[0]),
        job: JobKey(number("job", 7).cast_signed()),
        fence: Fence(number("fence", 1)),
        epoch: Epoch(number("epoch", 1)),
        work: Work::Action("print".to_owned()),
        input: options
            .get("input")
            .map_or_else(bytes::Bytes::new, |text| text.as_bytes().to_vec().into()),
        secrets: plain
            .contains(&"secret")
            .then(|| Secret {
                name: "password".to_owned(),
                value: "hunter2".to_owned(),
            })
            .into_iter()
            .collect(),
        effect: effect(options.get("effect").copied()),
        limits: Limits {
            accept_by_ms: number("accept_by", 0),
            start_by_ms: number("start_by", 0),
            run_timeout_ms: number("timeout", 10_000),
            lease_ms: number("lease", 0),
            cancel_grace_ms: 500,
        },
        on_lost: match options.get("on_lost") {
            None | Some(&"wait") => OnLost::Wait,
            Some(&"stop") => OnLost::Stop,
            Some(&"replace") => OnLost::Replace,
            Some(other) => panic!("on_lost {other}"),
        },
        labels: Vec::new(),
        trace: String::new(),
        process_id: String::new(),
        instance_key: 0,
        job_type: String::new(),
        locks: options
            .get("lock")
            .map(ToString::to_string)
            .into_iter()
            .collect(),
    }
}

fn outcome(word: &str) -> Result<Outcome, String> {
    Ok(match word {
        "well" => Outcome::Succeeded {
            output: Object::new(),
        },
        "failed" => Outcome::retryable("no_paper", "there is no paper"),
        "error" => Outcome::BpmnError {
            code: "TWICE".to_owned(),
            message: "known already".to_owned(),
            variables: Object::new(),
        },
        "cancelled" => Outcome::Cancelled { undone: true },
        "late" => Outcome::TimedOut,
        "dead" => return Err("its process died".to_owned()),
        other => panic!("outcome {other}"),
    })
}

fn describe(order: &Order) -> String {
    match order {
        Order::Record(record) => format!("journal {}", describe_record(record)),
        Order::Send(message) => format!("send {}", describe_message(message)),
        Order::Beat(beat) => format!(
            "beat: {} running, {} slots free, {} in the outbox",
            beat.running.len(),
            beat.slots_free,
            beat.outbox
        ),
        Order::Prepare(task) => format!("prepare {}", name(task.attempt)),
        Order::Run(run) => format!(
            "run {} with {} secrets",
            name(run.task.attempt),
            run.secrets.len()
        ),
        Order::Probe(run) => format!("probe {}", name(run.task.attempt)),
        Order::GrantCommit(attempt) => format!("grant commit {}", name(*attempt)),
        Order::DenyCommit(attempt, why) => format!("deny commit {}: {why}", name(*attempt)),
        Order::Cancel(attempt) => format!("ask {} to stop", name(*attempt)),
        Order::Kill(attempt) => format!("kill {}", name(*attempt)),
        Order::Reconnect(why) => format!("reconnect: {why}"),
        Order::Warn(text) => format!("warn: {text}"),
        Order::Stopped => "stopped".to_owned(),
    }
}

fn describe_record(record: &Record) -> String {
    match record {
        Record::Received { task, seq, .. } => format!("received {} #{seq}", name(task.attempt)),
        Record::Refused { event } => format!("refused {}", describe_event(event)),
        Record::Started { attempt, seq, .. } => format!("started {} #{seq}", name(*attempt)),
        Record::Committed { attempt } => format!("committed {}", name(*attempt)),
        Record::Finished { event } => format!("finished {}", describe_event(event)),
        Record::Reported { seq } => format!("reported #{seq}"),
        Record::Closed { attempt } => format!("closed {}", name(*attempt)),
        Record::Epoch { epoch } => format!("epoch {epoch}"),
        Record::Opened { .. }
        | Record::Remains { .. }
        | Record::Pending { .. }
        | Record::Counter { .. }
        | Record::SnapshotEnd => record.kind().to_owned(),
    }
}

fn describe_event(event: &TaskEvent) -> String {
    let mut text = format!("{} {:?} #{}", name(event.attempt), event.state, event.seq);
    if let Some(happened) = event.happened {
        text.push_str(&format!(", happened: {happened:?}"));
    }
    if let Some(reason) = &event.reason {
        text.push_str(&format!(
            ", {}{}",
            reason.code,
            if reason.retryable { " (retryable)" } else { "" }
        ));
    }
    if event.replayed {
        text.push_str(", again");
    }
    text
}

fn describe_message(message: &FromAgent) -> String {
    match message {
        FromAgent::Hello(hello) => format!(
            "hello #{} {} last #{} open [{}]",
            hello.conn,
            hello.journal_id,
            hello.last_seq,
            hello
                .open
                .iter()
                .map(|open| format!("{} {:?}", name(open.attempt), open.state))
                .collect::<Vec<_>>()
                .join(", ")
        ),
        FromAgent::Event(event) => format!("event {}", describe_event(event)),
        FromAgent::Beat(_) => "beat".to_owned(),
        FromAgent::SyncAnswer(items) => format!(
            "answer [{}]",
            items
                .iter()
                .map(|item| format!(
                    "{} fence {} {:?}",
                    name(item.attempt),
                    item.fence,
                    item.known
                ))
                .collect::<Vec<_>>()
                .join(", ")
        ),
        FromAgent::Goodbye { why } => format!("goodbye: {why}"),
    }
}
