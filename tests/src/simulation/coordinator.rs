//! The coordinator's process in the simulation: the real writer, what waits in front of it, and who awaits an answer.

use super::demands::{PROCESSES, variables};
use super::store::Disk;
use botswain::dispatch::{self, Leg, Limits, Now, Route};
use botswain::runtime::{
    Answer, Ask, Deployment, Refusal, ReplyTo, Request, Resource, Settings, Turned, Writer,
};
use botswain_engine::Key;
use botswain_proto::ids::Seq;
use botswain_proto::message::EffectClass;
use tokio::sync::oneshot;
use uuid::Uuid;

/// Who awaits an answer.
#[derive(Clone, Copy, Debug)]
pub(super) enum Who {
    Demand(usize),
    Hello(u64),
    Event(u64, Seq),
    Beat(u64),
    Poll(usize),
    Said(usize, u64),
    Inspect(Key),
    Setup,
    Nobody,
}

type Later = oneshot::Receiver<Result<Answer, Refusal>>;

#[derive(Default)]
pub(super) struct Coordinator {
    pub(super) writer: Option<Writer>,
    inbox: Vec<Request>,
    awaiting: Vec<(Who, Later)>,
    /// Counts its starts.
    pub(super) generation: u32,
    started_at: u64,
    /// When the next turn is planned.
    pub(super) turn_at: Option<u64>,
}

impl Coordinator {
    /// Starts the process on what the disk holds.
    pub(super) fn start(
        &mut self,
        disk: &Disk,
        seed: u64,
        now: u64,
        wall: i64,
    ) -> Result<(), String> {
        self.generation += 1;
        self.started_at = now;
        let settings = Settings {
            seed: seed ^ u64::from(self.generation),
            // Small, so that segments leave memory and come back.
            cache_bytes_max: 20_000,
            continues_per_turn: 2,
            timers_per_turn: 4,
            desk: dispatch::Settings {
                seed: seed ^ u64::from(self.generation),
                waiting_max: 8,
                delayed_max: 8,
                beat_ms: 1_500,
                ..dispatch::Settings::default()
            },
            ..Settings::default()
        };
        let writer = Writer::open(Box::new(disk.clone()), settings, self.clock(now, wall));
        self.writer =
            Some(writer.map_err(|error| format!("the coordinator does not start: {error}"))?);
        for (name, effect) in [
            ("crm", EffectClass::AtMostOnce),
            ("mail", EffectClass::Idempotent),
        ] {
            self.ask(
                Ask::Connector {
                    name: name.into(),
                    slots: 4,
                    effect,
                },
                Who::Nobody,
                None,
            );
        }
        Ok(())
    }

    /// Processes and routes, before anything goes wrong.
    pub(super) fn prepare(&mut self, now: u64, wall: i64) -> Result<(), String> {
        let resources = PROCESSES.iter().map(|(id, text)| {
            let xml = botswain_bpmn::write(&botswain_bpmn::build(text));
            Resource {
                name: format!("{id}.bpmn"),
                bytes: xml
                    .replace("\"process\"", &format!("\"{id}\""))
                    .into_bytes(),
            }
        });
        let deployment =
            Box::new(Deployment::compile(resources.collect()).map_err(|refusal| refusal.message)?);
        self.ask(
            Ask::Deploy {
                deployment,
                by: "test".to_owned(),
            },
            Who::Setup,
            None,
        );
        let limits = Limits {
            accept_by_ms: 1_000,
            run_timeout_ms: 20_000,
            lease_ms: 5_000,
            cancel_grace_ms: 500,
            retry_after_ms: 200,
            ..Limits::default()
        };
        let legs: [(&str, &[&str]); 8] = [
            ("pay", &["action:pay"]),
            ("pay2", &["action:pay-a", "action:pay-b"]),
            ("print", &["action:print"]),
            ("look", &["action:look"]),
            ("read", &["action:read"]),
            ("call", &["connector:crm"]),
            ("mail", &["connector:mail"]),
            ("hand", &["person"]),
        ];
        for (job_type, legs) in legs {
            let leg = |text: &&str| {
                let kind = text.parse().expect("a leg");
                Leg {
                    limits,
                    ..Leg::new(kind)
                }
            };
            let route = Route {
                choices: legs.iter().take(1).map(leg).collect(),
                otherwise: legs.iter().skip(1).map(leg).collect(),
                ..Route::implicit(job_type.into())
            };
            let ask = Ask::SetRoute {
                job_type: job_type.into(),
                route: Some(Box::new(route)),
                by: "test".to_owned(),
            };
            self.ask(ask, Who::Setup, None);
        }
        self.turn(now, wall);
        for (_, mut later) in std::mem::take(&mut self.awaiting) {
            let answer = later.try_recv().map_err(|error| error.to_string())?;
            answer.map_err(|refusal| refusal.to_string())?;
        }
        Ok(())
    }

    pub(super) fn is_up(&self) -> bool {
        self.writer.is_some()
    }

    /// Puts a request in line; lost when the process is down.
    pub(super) fn ask(&mut self, ask: Ask, who: Who, deduplication: Option<Uuid>) {
        if self.writer.is_none() {
            return;
        }
        let reply = match who {
            Who::Nobody => ReplyTo::Nobody,
            _ => {
                let (tell, later) = oneshot::channel();
                self.awaiting.push((who, later));
                ReplyTo::Caller(tell)
            }
        };
        self.inbox.push(Request {
            ask,
            reply,
            deduplication,
        });
    }

    /// Puts a request of a stream in line.
    pub(super) fn ask_on_stream(&mut self, ask: Ask, reply: ReplyTo) {
        if self.writer.is_some() {
            self.inbox.push(Request {
                ask,
                reply,
                deduplication: None,
            });
        }
    }

    pub(super) fn turn(&mut self, now: u64, wall: i64) -> Option<Turned> {
        let clock = self.clock(now, wall);
        let writer = self.writer.as_mut()?;
        Some(writer.turn(&mut self.inbox, clock))
    }

    /// What was answered since the last look.
    pub(super) fn answers(&mut self) -> Vec<(Who, Result<Answer, Refusal>)> {
        let mut answers = Vec::new();
        let mut kept = Vec::new();
        for (who, mut later) in std::mem::take(&mut self.awaiting) {
            match later.try_recv() {
                Ok(answer) => answers.push((who, answer)),
                Err(oneshot::error::TryRecvError::Empty) => kept.push((who, later)),
                Err(oneshot::error::TryRecvError::Closed) => {}
            }
        }
        self.awaiting = kept;
        answers
    }

    /// The process ends; nobody hears anything of it any more.
    pub(super) fn end(&mut self) {
        self.writer = None;
        self.inbox.clear();
        self.awaiting.clear();
        self.turn_at = None;
    }

    /// Why a job is not picked up, in dispatch's words.
    pub(super) fn explain(&mut self, job: Key, now: u64, wall: i64) -> String {
        let (tell, mut later) = oneshot::channel();
        self.inbox
            .push(Request::new(Ask::ExplainJob { job }, ReplyTo::Caller(tell)));
        if self.turn(now, wall).is_none() {
            return "the coordinator is down".to_owned();
        }
        match later.try_recv() {
            Ok(Ok(Answer::Explained(Some(why)))) => why.to_string(),
            other => format!("{other:?}"),
        }
    }

    fn clock(&self, now: u64, wall: i64) -> Now {
        Now {
            mono: now - self.started_at,
            wall,
        }
    }
}

/// The result of a person.
pub(super) fn nothing_to_add() -> botswain_engine::Variables {
    variables("{}")
}
