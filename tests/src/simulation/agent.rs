//! A simulated agent: the real session and the real records, on a disk that forgets, with runs that take effect outside.

use botswain_action::{Object, Outcome};
use botswain_agent::session::{
    Input, Ledger, Order, Prepared, Probed, Record, RunEnd, Session, Settings, Stamp,
};
use botswain_proto::ids::{AgentId, AttemptId};
use botswain_proto::message::{
    ActionOffer, Capabilities, EffectClass, FromAgent, Reason, Task, ToAgent,
};
use rand::Rng;
use rand::rngs::SmallRng;
use std::collections::{BTreeMap, BTreeSet};

use super::world::World;

/// The actions of every agent, and what a repetition of each does.
pub(super) const ACTIONS: [(&str, EffectClass); 6] = [
    ("pay", EffectClass::AtMostOnce),
    ("pay-a", EffectClass::AtMostOnce),
    ("pay-b", EffectClass::AtMostOnce),
    ("print", EffectClass::Idempotent),
    ("look", EffectClass::Checkable),
    ("read", EffectClass::Pure),
];

/// How an agent may be wrong on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Honesty {
    /// It records, then acts.
    RecordsFirst,
    /// It acts on records that its disk has not confirmed.
    ActsFirst,
}

/// What a run does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RunStep {
    /// The work was looked at.
    Prepared,
    /// It asks whether it may pass its commit point.
    AskCommit,
    /// It changes the world.
    Effect,
    /// It ends.
    End(Ending),
    /// The outside was looked at.
    Probed,
}

/// How a run ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    Well,
    Failed,
    Died,
    Stopped,
}

/// What an agent wants from the world around it.
pub(super) enum Wish {
    /// To say something to the coordinator.
    Say(FromAgent),
    /// To be reminded of a run's next step after that many milliseconds.
    Later(u64, AttemptId, u32, RunStep),
    /// Another connection.
    Reconnect,
    /// It lost its power.
    Crash,
}

struct Running {
    number: u32,
    task: Task,
    plan: Ending,
    effect_done: bool,
    stopping: bool,
}

pub(super) struct Agent {
    pub(super) id: AgentId,
    pub(super) boot: u32,
    pub(super) session: Option<Session>,
    /// The connection in use.
    pub(super) conn: Option<u64>,
    journal: Vec<Record>,
    durable: usize,
    runs: BTreeMap<AttemptId, Running>,
    preparing: BTreeMap<AttemptId, Task>,
    next_run: u32,
    honesty: Honesty,
}

impl Agent {
    pub(super) fn new(name: &str, honesty: Honesty) -> Agent {
        let opened = Record::Opened {
            journal_id: format!("journal of {name}"),
        };
        Agent {
            id: name.parse().expect("a plain name"),
            boot: 0,
            session: None,
            conn: None,
            journal: vec![opened],
            durable: 1,
            runs: BTreeMap::new(),
            preparing: BTreeMap::new(),
            next_run: 0,
            honesty,
        }
    }

    /// The process ends, and the machine with it: the journal keeps what was synced.
    pub(super) fn crash(&mut self) {
        self.session = None;
        self.conn = None;
        self.runs.clear();
        self.preparing.clear();
        self.journal.truncate(self.durable);
    }

    pub(super) fn start(&mut self, now: u64, chance: &mut Chance<'_>) -> Vec<Wish> {
        self.boot += 1;
        let ledger = Ledger::replay(&self.journal);
        // What a rotation would keep is all that counts.
        let ledger = if chance.rng.random_bool(0.3) {
            self.journal = ledger.snapshot();
            self.durable = self.journal.len();
            Ledger::replay(&self.journal)
        } else {
            ledger
        };
        let settings = Settings {
            agent: self.id.clone(),
            boot_id: format!("{}-{}", self.id, self.boot),
            version: "1".to_owned(),
            slots: 3,
            live_bytes_max: 1_000_000,
        };
        let machine_start = if chance.rng.random_bool(0.5) {
            1
        } else {
            u64::from(self.boot) + 1
        };
        let stamp = Stamp {
            machine_start,
            ms: now,
        };
        let (session, orders) = Session::restore(settings, ledger, stamp, String::new());
        self.session = Some(session);
        self.follow(orders, chance)
    }

    pub(super) fn connected(&mut self, now: u64, conn: u64, chance: &mut Chance<'_>) -> Vec<Wish> {
        self.conn = Some(conn);
        let actions = ACTIONS.iter().map(|(name, effect)| ActionOffer {
            name: (*name).to_owned(),
            version: "1".to_owned(),
            effect: *effect,
        });
        let capabilities = Box::new(Capabilities {
            actions: actions.collect(),
            ..Capabilities::default()
        });
        self.handle(
            now,
            Input::Connected {
                capabilities,
                policy_version: "1".to_owned(),
            },
            chance,
        )
    }

    pub(super) fn disconnected(&mut self, now: u64, chance: &mut Chance<'_>) -> Vec<Wish> {
        self.conn = None;
        self.handle(now, Input::Disconnected, chance)
    }

    pub(super) fn hears(
        &mut self,
        now: u64,
        message: ToAgent,
        chance: &mut Chance<'_>,
    ) -> Vec<Wish> {
        self.handle(now, Input::Message(message), chance)
    }

    pub(super) fn tick(&mut self, now: u64, chance: &mut Chance<'_>) -> Vec<Wish> {
        self.handle(now, Input::Tick, chance)
    }

    pub(super) fn is_idle(&self) -> bool {
        self.runs.is_empty()
            && self.session.as_ref().is_some_and(|session| {
                session.ledger().open().is_empty() && session.ledger().outbox().is_empty()
            })
    }

    /// What it is busy with, in words.
    pub(super) fn busy(&self) -> String {
        let runs: Vec<_> = self
            .runs
            .iter()
            .map(|(attempt, run)| format!("run {} of {attempt}: {:?}", run.number, run.plan))
            .collect();
        let ledger = self.session.as_ref().map(|session| {
            let open: Vec<_> = session
                .ledger()
                .open()
                .iter()
                .map(|(attempt, entry)| format!("{attempt} {:?}", entry.phase))
                .collect();
            let outbox: Vec<_> = session
                .ledger()
                .outbox()
                .values()
                .map(|event| format!("#{} {} {:?}", event.seq, event.attempt, event.state))
                .collect();
            format!("open {open:?}, unreported {outbox:?}")
        });
        format!(
            "{}: line {:?}, runs {runs:?}, {}",
            self.id,
            self.conn,
            ledger.unwrap_or_else(|| "down".to_owned())
        )
    }

    fn handle(&mut self, now: u64, input: Input, chance: &mut Chance<'_>) -> Vec<Wish> {
        let Some(session) = &mut self.session else {
            return Vec::new();
        };
        let orders = session.handle(now, input);
        self.follow(orders, chance)
    }

    /// Records first, all of them durable; then everything else.
    fn follow(&mut self, orders: Vec<Order>, chance: &mut Chance<'_>) -> Vec<Wish> {
        let mut wishes = Vec::new();
        let mut syncs = false;
        let mut rest = Vec::new();
        let mut records = 0;
        for order in orders {
            match order {
                Order::Record(record) => {
                    let bytes = record.encode().expect("a record has a stored form");
                    let read = Record::decode(&bytes).expect("this build reads what it wrote");
                    assert_eq!(read, record, "a record is read as it was written");
                    syncs |= !record.can_wait();
                    self.journal.push(record);
                    records += 1;
                }
                other => rest.push(other),
            }
        }
        let fails = records > 0 && chance.crashes();
        if fails && chance.rng.random_bool(0.5) && self.honesty == Honesty::RecordsFirst {
            // The power went before the disk confirmed; a part of what was written may be there all the same.
            let kept = chance.rng.random_range(self.durable..=self.journal.len());
            self.journal.truncate(kept);
            self.durable = kept;
            return vec![Wish::Crash];
        }
        if syncs && self.honesty == Honesty::RecordsFirst {
            self.durable = self.journal.len();
        }
        for order in rest {
            if fails && chance.rng.random_bool(0.5) {
                wishes.push(Wish::Crash);
                return wishes;
            }
            self.carry_out(order, chance, &mut wishes);
        }
        if fails {
            wishes.push(Wish::Crash);
        }
        wishes
    }

    fn carry_out(&mut self, order: Order, chance: &mut Chance<'_>, wishes: &mut Vec<Wish>) {
        let rng = &mut *chance.rng;
        match order {
            Order::Record(_) | Order::Warn(_) | Order::Stopped => {}
            Order::Send(message) => wishes.push(Wish::Say(message)),
            Order::Beat(beat) => {
                if self.honesty == Honesty::RecordsFirst {
                    self.durable = self.journal.len();
                }
                wishes.push(Wish::Say(FromAgent::Beat(beat)));
            }
            Order::Prepare(task) => {
                let attempt = task.attempt;
                self.preparing.insert(attempt, *task);
                wishes.push(Wish::Later(
                    rng.random_range(0..200),
                    attempt,
                    0,
                    RunStep::Prepared,
                ));
            }
            Order::Run(run) => {
                self.next_run += 1;
                let number = self.next_run;
                let attempt = run.task.attempt;
                let plan = match rng.random_range(0..100) {
                    0..80 => Ending::Well,
                    80..92 => Ending::Failed,
                    _ => Ending::Died,
                };
                let plan = if chance.calm { Ending::Well } else { plan };
                let needs_word = matches!(
                    run.task.effect,
                    EffectClass::AtMostOnce | EffectClass::Checkable
                );
                let after = if rng.random_bool(0.05) {
                    rng.random_range(5_000..40_000)
                } else {
                    rng.random_range(1..800)
                };
                let after = if chance.calm { after.min(800) } else { after };
                let next = match plan {
                    Ending::Failed => RunStep::End(Ending::Failed),
                    _ if needs_word => RunStep::AskCommit,
                    _ => RunStep::Effect,
                };
                self.runs.insert(
                    attempt,
                    Running {
                        number,
                        task: run.task,
                        plan,
                        effect_done: false,
                        stopping: false,
                    },
                );
                wishes.push(Wish::Later(after, attempt, number, next));
            }
            Order::Probe(run) => {
                self.next_run += 1;
                let number = self.next_run;
                let attempt = run.task.attempt;
                let probe = Running {
                    number,
                    task: run.task,
                    plan: Ending::Well,
                    effect_done: false,
                    stopping: false,
                };
                self.runs.insert(attempt, probe);
                wishes.push(Wish::Later(
                    rng.random_range(1..300),
                    attempt,
                    number,
                    RunStep::Probed,
                ));
            }
            Order::GrantCommit(attempt) => {
                if let Some(run) = self.runs.get(&attempt) {
                    wishes.push(Wish::Later(
                        rng.random_range(0..200),
                        attempt,
                        run.number,
                        RunStep::Effect,
                    ));
                }
            }
            Order::DenyCommit(attempt, _) | Order::Cancel(attempt) | Order::Kill(attempt) => {
                if let Some(run) = self.runs.get_mut(&attempt)
                    && !run.stopping
                {
                    run.stopping = true;
                    let end = RunStep::End(Ending::Stopped);
                    wishes.push(Wish::Later(
                        rng.random_range(0..50),
                        attempt,
                        run.number,
                        end,
                    ));
                }
            }
            Order::Reconnect(_) => wishes.push(Wish::Reconnect),
        }
    }

    /// A run goes on; `number` tells it from an earlier run of the same attempt.
    pub(super) fn goes_on(
        &mut self,
        now: u64,
        (attempt, number, step): (AttemptId, u32, RunStep),
        world: &mut World,
        chance: &mut Chance<'_>,
    ) -> Vec<Wish> {
        if step == RunStep::Prepared {
            let Some(task) = self.preparing.remove(&attempt) else {
                return Vec::new();
            };
            let known = ACTIONS.iter().find(|(name, _)| *name == task.work.name());
            let result = match known {
                Some(_) if !chance.calm && chance.rng.random_bool(0.05) => Err(Reason {
                    code: "policy".to_owned(),
                    text: "not at this hour".to_owned(),
                    retryable: true,
                    policy_rule: "hours".to_owned(),
                }),
                Some((_, effect)) => Ok(Prepared {
                    effect: *effect,
                    locks: BTreeSet::new(),
                    limit_ms: None,
                }),
                None => Err(Reason {
                    code: "unknown_action".to_owned(),
                    text: "there is no such action here".to_owned(),
                    retryable: false,
                    policy_rule: String::new(),
                }),
            };
            return self.handle(now, Input::Prepared { attempt, result }, chance);
        }
        let Some(run) = self
            .runs
            .get_mut(&attempt)
            .filter(|run| run.number == number)
        else {
            return Vec::new();
        };
        match step {
            RunStep::Prepared => Vec::new(),
            // Who was asked to stop asks for nothing more.
            RunStep::AskCommit | RunStep::Effect
                if run.stopping && !run.effect_done && chance.rng.random_bool(0.5) =>
            {
                Vec::new()
            }
            RunStep::AskCommit => self.handle(now, Input::CommitPoint { attempt }, chance),
            RunStep::Effect => {
                world.takes_effect(&run.task);
                run.effect_done = true;
                let ending = run.plan;
                vec![Wish::Later(
                    chance.rng.random_range(0..300),
                    attempt,
                    number,
                    RunStep::End(ending),
                )]
            }
            RunStep::End(ending) => {
                let effect_done = run.effect_done;
                self.runs.remove(&attempt);
                let outcome = match ending {
                    Ending::Well => Ok(Outcome::Succeeded {
                        output: Object::new(),
                    }),
                    Ending::Failed => Ok(Outcome::retryable("no_paper", "there is no paper")),
                    Ending::Died => Err("its process died".to_owned()),
                    Ending::Stopped if effect_done => Ok(Outcome::Succeeded {
                        output: Object::new(),
                    }),
                    Ending::Stopped => Ok(Outcome::Cancelled { undone: true }),
                };
                let end = RunEnd {
                    outcome,
                    evidence: Vec::new(),
                    warnings: Vec::new(),
                    result_ref: None,
                };
                self.handle(
                    now,
                    Input::Ended {
                        attempt,
                        end: Box::new(end),
                    },
                    chance,
                )
            }
            RunStep::Probed => {
                let outcome = if world.effects_of(run.task.job) > 0 {
                    Probed::Happened(Object::new())
                } else {
                    Probed::DidNotHappen
                };
                self.runs.remove(&attempt);
                self.handle(now, Input::Probed { attempt, outcome }, chance)
            }
        }
    }
}

/// What chance decides for an agent.
pub(super) struct Chance<'a> {
    pub(super) rng: &'a mut SmallRng,
    /// Nothing goes wrong any more.
    pub(super) calm: bool,
    /// How probable a crash is at each write to the journal.
    pub(super) crash: f64,
}

impl Chance<'_> {
    fn crashes(&mut self) -> bool {
        !self.calm && self.rng.random_bool(self.crash)
    }
}
