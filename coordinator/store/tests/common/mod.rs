//! A world of instances that makes valid event sequences, as an engine would, from random choices.
#![allow(
    clippy::unwrap_used,
    dead_code,
    unreachable_pub,
    reason = "each test program uses its part of this module, and a test fails by panicking"
)]

mod ends;

use botswain_engine::event::{Repeat, Todo, UserTaskDetails};
use botswain_engine::{
    Event, IncidentKind, Key, KeySource, Partition, SegmentId, Symbol, Variables,
};
use botswain_store::Batch;

pub const PART: Partition = Partition(1);

/// What one step of the engine gives back.
#[derive(Clone, Debug)]
pub struct Step {
    pub root: Key,
    pub definition: Key,
    pub at: i64,
    pub events: Vec<(u32, Event)>,
}

impl Step {
    pub fn record(&self, batch: &mut Batch) {
        batch.record(self.root, self.definition, self.at, &self.events);
    }
}

#[derive(Clone, Debug, PartialEq)]
enum Waits {
    Nothing,
    Job(Key),
    Task(Key),
    Timer(Key),
    Message(Key),
    Inside,
}

#[derive(Clone, Debug)]
struct Token {
    segment: u32,
    key: Key,
    scope: Key,
    waits: Waits,
    attached: Option<Key>,
    incident: Option<Key>,
    child: Option<u32>,
}

#[derive(Clone, Debug)]
struct Running {
    root: Key,
    tokens: Vec<Token>,
    next_segment: u32,
}

#[derive(Clone, Debug)]
pub struct World {
    pub keys: KeySource,
    pub now: i64,
    pub definition: Key,
    running: Vec<Running>,
    pub segments: Vec<SegmentId>,
}

pub fn variables(text: &str) -> Variables {
    Variables::from_json(text).unwrap()
}

impl World {
    pub fn new() -> World {
        World {
            keys: KeySource::new(PART, 1000),
            now: 1_000,
            definition: Key::new(PART, 7),
            running: Vec::new(),
            segments: Vec::new(),
        }
    }

    /// Takes one step; which one, the numbers choose.
    pub fn step(&mut self, what: u8, pick: u8, detail: u8) -> Step {
        self.now += i64::from(detail % 3);
        if self.running.is_empty() || (what == 0 && self.running.len() < 8) {
            return self.start(detail);
        }
        let at = usize::from(pick) % self.running.len();
        let mut instance = self.running.swap_remove(at);
        let (events, ended) = self.act(&mut instance, what, pick, detail);
        let root = instance.root;
        if !ended {
            self.running.push(instance);
        }
        Step {
            root,
            definition: self.definition,
            at: self.now,
            events,
        }
    }

    fn start(&mut self, detail: u8) -> Step {
        let root = self.keys.take();
        let size = if detail % 16 == 3 {
            9000
        } else {
            usize::from(detail)
        };
        let text = format!(
            r#"{{"order":{{"id":{detail}}},"text":"{}"}}"#,
            "x".repeat(size)
        );
        let started = Event::InstanceStarted {
            definition: self.definition,
            node: Symbol(0),
            variables: variables(&text),
            business_id: (detail.is_multiple_of(2)).then(|| format!("order-{detail}").into()),
            tags: if detail.is_multiple_of(3) {
                vec!["vip".into(), "a\"b".into()]
            } else {
                Vec::new()
            },
        };
        self.running.push(Running {
            root,
            tokens: Vec::new(),
            next_segment: 1,
        });
        self.segments.push(SegmentId::root(root));
        Step {
            root,
            definition: self.definition,
            at: self.now,
            events: vec![(0, started)],
        }
    }

    fn act(
        &mut self,
        instance: &mut Running,
        what: u8,
        pick: u8,
        detail: u8,
    ) -> (Vec<(u32, Event)>, bool) {
        let root = instance.root;
        if instance.tokens.is_empty() || what % 12 == 1 {
            return (self.enter(instance, pick, detail), false);
        }
        let count = instance.tokens.len();
        let at = usize::from(pick / 3) % count;
        match what % 12 {
            2 | 3 => (self.open(&mut instance.tokens[at], detail), false),
            4 | 5 => (self.answer(&mut instance.tokens[at], detail), false),
            6 => (Self::leave(instance, at, detail), false),
            7 => {
                let token = &instance.tokens[at];
                let text = format!(r#"{{"v{}":{detail},"order":null}}"#, detail % 4);
                (
                    vec![(
                        token.segment,
                        Event::VariablesSet {
                            scope: token.key,
                            variables: variables(&text),
                        },
                    )],
                    false,
                )
            }
            8 => (self.incident(&mut instance.tokens[at]), false),
            9 => (self.attach(&mut instance.tokens[at], detail), false),
            10 if detail.is_multiple_of(4) => {
                let todo = vec![
                    Todo::Check {
                        segment: 0,
                        scope: root
                    };
                    usize::from(detail / 4 % 2)
                ];
                (vec![(0, Event::Continued { todo })], false)
            }
            10 => (self.spawn(instance, at, detail), false),
            11 if detail.is_multiple_of(40) => (Self::end(instance, detail), true),
            _ => (self.enter(instance, pick, detail), false),
        }
    }

    fn enter(&mut self, instance: &mut Running, pick: u8, detail: u8) -> Vec<(u32, Event)> {
        let scopes: Vec<_> = instance
            .tokens
            .iter()
            .filter(|token| token.child.is_some())
            .collect();
        let (segment, scope) = match scopes.len() {
            0 => (0, instance.root),
            n if pick.is_multiple_of(2) => {
                let scope = scopes[usize::from(pick) % n];
                (scope.segment, scope.key)
            }
            _ => (0, instance.root),
        };
        let key = self.keys.take();
        let payload = if detail.is_multiple_of(7) {
            variables(r#"{"m":1}"#)
        } else {
            Variables::new()
        };
        let entered = Event::TokenEntered {
            token: key,
            node: Symbol(1 + u32::from(detail % 5)),
            scope,
            flow: (detail.is_multiple_of(2)).then_some(Symbol(9)),
            payload,
        };
        let waits = Waits::Nothing;
        instance.tokens.push(Token {
            segment,
            key,
            scope,
            waits,
            attached: None,
            incident: None,
            child: None,
        });
        vec![(segment, entered)]
    }

    fn open(&mut self, token: &mut Token, detail: u8) -> Vec<(u32, Event)> {
        if token.waits != Waits::Nothing {
            return self.answer(token, detail);
        }
        let (key, new, node) = (
            token.key,
            self.keys.take(),
            Symbol(1 + u32::from(detail % 5)),
        );
        let event = match detail % 4 {
            0 => {
                token.waits = Waits::Job(new);
                let job_type = if detail.is_multiple_of(8) {
                    "crm.add"
                } else {
                    "print"
                };
                Event::JobOpened {
                    token: key,
                    job: new,
                    node,
                    job_type: job_type.into(),
                    retries: 3,
                    headers: None,
                }
            }
            1 => {
                token.waits = Waits::Task(new);
                let details = UserTaskDetails {
                    assignee: (detail % 8 == 1).then(|| "ann".into()),
                    candidate_groups: vec!["clerks".into()],
                    priority: 50,
                    ..UserTaskDetails::default()
                };
                Event::UserTaskOpened {
                    token: key,
                    task: new,
                    node,
                    details: Box::new(details),
                }
            }
            2 => {
                token.waits = Waits::Timer(new);
                // The token's node is not known here; the state does not care which one a timer names but for its place.
                Event::TimerSet {
                    token: key,
                    timer: new,
                    on: Symbol(99),
                    due: self.now + 50,
                    repeat: None,
                }
            }
            _ => {
                token.waits = Waits::Message(new);
                Event::SubscriptionOpened {
                    token: key,
                    subscription: new,
                    on: Symbol(99),
                    name: "paid".into(),
                    correlation_key: format!("{}", detail % 3).into(),
                    once: true,
                }
            }
        };
        vec![(token.segment, event)]
    }

    fn answer(&mut self, token: &mut Token, detail: u8) -> Vec<(u32, Event)> {
        let (key, segment) = (token.key, token.segment);
        let result = variables(&format!(r#"{{"result":{detail}}}"#));
        let (event, over) = match token.waits {
            Waits::Nothing | Waits::Inside => return self.enter_scope(token, detail),
            Waits::Job(job) => match detail % 6 {
                0 | 1 => (
                    Event::JobCompleted {
                        token: key,
                        job,
                        variables: result,
                    },
                    true,
                ),
                2 => {
                    let (retries, retry_at) = (
                        i32::from(detail % 3),
                        (detail.is_multiple_of(4)).then_some(self.now + 9),
                    );
                    (
                        Event::JobFailed {
                            token: key,
                            job,
                            retries,
                            retry_at,
                            message: "no".into(),
                        },
                        false,
                    )
                }
                3 => {
                    let caught = detail % 4 == 1;
                    (
                        Event::JobErrorThrown {
                            token: key,
                            job,
                            code: "E".into(),
                            message: "e".into(),
                            caught,
                        },
                        caught,
                    )
                }
                4 => (
                    Event::JobRetriesSet {
                        token: key,
                        job,
                        retries: 2,
                        offered: detail.is_multiple_of(4),
                    },
                    false,
                ),
                _ => (Event::JobCancelled { token: key, job }, true),
            },
            Waits::Task(task) => match detail % 3 {
                0 => (
                    Event::UserTaskCompleted {
                        token: key,
                        task,
                        variables: result,
                    },
                    true,
                ),
                1 => {
                    let assignee = (detail.is_multiple_of(2)).then(|| "bob".into());
                    (
                        Event::UserTaskAssigned {
                            token: key,
                            task,
                            assignee,
                        },
                        false,
                    )
                }
                _ => (Event::UserTaskCancelled { token: key, task }, true),
            },
            Waits::Timer(timer) if detail.is_multiple_of(2) => {
                (Event::TimerFired { token: key, timer }, true)
            }
            Waits::Timer(timer) => (Event::TimerCancelled { token: key, timer }, true),
            Waits::Message(subscription) => {
                token.waits = Waits::Nothing;
                let message = self.keys.take();
                let came = Event::MessageCorrelated {
                    token: key,
                    subscription,
                    message,
                    variables: result,
                };
                return vec![
                    (segment, came),
                    (
                        segment,
                        Event::SubscriptionClosed {
                            token: key,
                            subscription,
                        },
                    ),
                ];
            }
        };
        if over {
            token.waits = Waits::Nothing;
        }
        vec![(segment, event)]
    }

    fn enter_scope(&mut self, token: &Token, detail: u8) -> Vec<(u32, Event)> {
        let text = format!(r#"{{"w":{detail}}}"#);
        vec![(
            token.segment,
            Event::VariablesSet {
                scope: token.key,
                variables: variables(&text),
            },
        )]
    }

    fn leave(instance: &mut Running, at: usize, detail: u8) -> Vec<(u32, Event)> {
        let token = &instance.tokens[at];
        let has_inner = instance.tokens.iter().any(|inner| inner.scope == token.key);
        let idle =
            token.waits == Waits::Nothing && token.incident.is_none() && token.attached.is_none();
        if !idle || has_inner || token.child.is_some() {
            let terminating = Event::TokenTerminating {
                token: token.key,
                then: None,
            };
            return vec![(token.segment, terminating)];
        }
        let token = instance.tokens.remove(at);
        vec![(
            token.segment,
            Event::TokenLeft {
                token: token.key,
                completed: detail.is_multiple_of(2),
            },
        )]
    }

    fn incident(&mut self, token: &mut Token) -> Vec<(u32, Event)> {
        let event = match token.incident.take() {
            Some(incident) => Event::IncidentResolved {
                token: token.key,
                incident,
            },
            None => {
                let incident = self.keys.take();
                token.incident = Some(incident);
                let job = if let Waits::Job(job) = token.waits {
                    Some(job)
                } else {
                    None
                };
                Event::IncidentRaised {
                    token: token.key,
                    incident,
                    node: Symbol(2),
                    kind: IncidentKind::IoMappingError,
                    message: "no 'x'".into(),
                    job,
                }
            }
        };
        vec![(token.segment, event)]
    }

    fn attach(&mut self, token: &mut Token, detail: u8) -> Vec<(u32, Event)> {
        let event = match token.attached.take() {
            Some(timer) if detail.is_multiple_of(2) => Event::TimerFired {
                token: token.key,
                timer,
            },
            Some(timer) => Event::TimerCancelled {
                token: token.key,
                timer,
            },
            None => {
                let timer = self.keys.take();
                token.attached = Some(timer);
                let repeat = Some(Repeat {
                    left: None,
                    every: "PT1S".into(),
                });
                Event::TimerSet {
                    token: token.key,
                    timer,
                    on: Symbol(77),
                    due: self.now + 20,
                    repeat,
                }
            }
        };
        vec![(token.segment, event)]
    }
}
