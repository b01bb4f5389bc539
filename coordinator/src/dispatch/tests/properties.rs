//! Properties: whatever happens in whatever order, a job has one holder, credits bound what is sent, fences rise, and
//! nothing is repeated that must not be.

use super::stored::{Stored, desk_with_bots};
use crate::dispatch::*;
use botswain_engine::key::{Key, SegmentId};
use botswain_proto::ids::{AgentId, AttemptId, Epoch, Fence, JobKey, Seq};
use botswain_proto::message::{
    Beat, Capabilities, EffectClass, Happened, Hello, Known, OnLost, State, SyncItem, TaskEvent,
};
use bytes::Bytes;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

#[derive(Clone, Debug)]
enum Step {
    Open {
        key: u64,
        kind: usize,
    },
    Subscribe {
        worker: u64,
        credits: u32,
    },
    Credits {
        worker: u64,
        more: u32,
    },
    WorkerGone {
        worker: u64,
    },
    WorkerDone {
        key: u64,
        stale: bool,
    },
    WorkerFails {
        key: u64,
        retries: i32,
        wait: i64,
    },
    Connect {
        agent: usize,
        journal_lost: bool,
    },
    Away {
        agent: usize,
    },
    Says {
        attempt: usize,
        state: usize,
        happened: usize,
        retryable: bool,
    },
    Answers {
        attempt: usize,
        known: usize,
    },
    Beat {
        agent: usize,
        paused: bool,
    },
    Wait {
        ms: u64,
    },
    Cancel {
        key: u64,
    },
    Person {
        key: u64,
    },
    Route {
        kind: usize,
        route: usize,
    },
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (1..40_u64, 0..KINDS.len()).prop_map(|(key, kind)| Step::Open { key, kind }),
        2 => (1..4_u64, 0..4_u32).prop_map(|(worker, credits)| Step::Subscribe { worker, credits }),
        2 => (1..4_u64, 0..4_u32).prop_map(|(worker, more)| Step::Credits { worker, more }),
        1 => (1..4_u64).prop_map(|worker| Step::WorkerGone { worker }),
        3 => (1..40_u64, any::<bool>()).prop_map(|(key, stale)| Step::WorkerDone { key, stale }),
        1 => (1..40_u64, 0..3_i32, 0..9_000_i64).prop_map(|(key, retries, wait)| Step::WorkerFails { key, retries, wait }),
        2 => (0..2_usize, prop::bool::weighted(0.1)).prop_map(|(agent, journal_lost)| Step::Connect { agent, journal_lost }),
        1 => (0..2_usize).prop_map(|agent| Step::Away { agent }),
        8 => (0..30_usize, 0..7_usize, 0..3_usize, any::<bool>())
            .prop_map(|(attempt, state, happened, retryable)| Step::Says { attempt, state, happened, retryable }),
        2 => (0..30_usize, 0..3_usize).prop_map(|(attempt, known)| Step::Answers { attempt, known }),
        1 => (0..2_usize, any::<bool>()).prop_map(|(agent, paused)| Step::Beat { agent, paused }),
        3 => (0..70_000_u64).prop_map(|ms| Step::Wait { ms }),
        1 => (1..40_u64).prop_map(|key| Step::Cancel { key }),
        1 => (1..40_u64).prop_map(|key| Step::Person { key }),
        1 => (0..KINDS.len(), 0..4_usize).prop_map(|(kind, route)| Step::Route { kind, route }),
        1 => Just(Step::Restart),
    ]
}

const KINDS: [&str; 3] = ["pick", "pay", "read"];
const STATES: [State; 7] = [
    State::Accepted,
    State::Started,
    State::Succeeded,
    State::Failed,
    State::Rejected,
    State::TimedOut,
    State::Unknown,
];

struct Tried {
    id: AttemptId,
    agent: AgentId,
    job: Key,
    fence: u64,
    effect: EffectClass,
    /// It may have had its effect, as far as anybody outside can tell.
    risky: bool,
    ended: bool,
}

struct World {
    desk: Desk,
    now: Now,
    open: BTreeSet<u64>,
    used: BTreeSet<u64>,
    fences: BTreeMap<u64, u64>,
    credits: BTreeMap<u64, i64>,
    tried: Vec<Tried>,
    agents: [AgentId; 2],
    online: [bool; 2],
    journal: [u32; 2],
    conn: u64,
    counter: u64,
    stored: Stored,
}

impl World {
    fn new() -> World {
        let desk = desk_with_bots(1);
        World {
            desk,
            now: Now { mono: 0, wall: 0 },
            open: BTreeSet::new(),
            used: BTreeSet::new(),
            fences: BTreeMap::new(),
            credits: BTreeMap::new(),
            tried: Vec::new(),
            agents: ["anna".parse().unwrap(), "bob".parse().unwrap()],
            online: [false; 2],
            journal: [1; 2],
            conn: 0,
            counter: 0,
            stored: Stored::default(),
        }
    }

    fn carry_out(&mut self, decided: Vec<Decided>) {
        for Decided { job, decision, .. } in decided {
            match decision {
                Decision::Complete { .. } | Decision::ThrowError { .. } => {
                    self.close(job.as_u64(), Closed::Done)
                }
                Decision::Fail {
                    retries,
                    retry_after_ms,
                    ..
                } => {
                    let at = self.now.wall + retry_after_ms as i64;
                    self.failed(job.as_u64(), retries, at);
                }
                Decision::Suspend { .. } => {}
            }
        }
    }

    fn close(&mut self, key: u64, how: Closed) {
        self.open.remove(&key);
        self.stored.jobs.remove(&key);
        self.desk.close(Key::from_u64(key), how);
    }

    fn apply(&mut self, step: Step) {
        match step {
            Step::Open { key, kind } if self.used.insert(key) => {
                self.open.insert(key);
                let key = Key::from_u64(key);
                let job = Job {
                    key,
                    segment: SegmentId::root(key),
                    token: key,
                    job_type: KINDS[kind].into(),
                    priority: 0,
                    retries: 3,
                    available_at: 0,
                    fence: 0,
                };
                let row = StoredJob {
                    job: job.clone(),
                    leg: None,
                    hold: StoredHold::Free,
                };
                self.stored.jobs.insert(key.as_u64(), row);
                self.desk.open(job, self.now);
            }
            Step::Open { .. } => {}
            Step::Subscribe { worker, credits } => {
                let wish = Subscription {
                    id: 1,
                    job_type: "pick".into(),
                    worker: "w".into(),
                    credits,
                    lease_ms: 10_000,
                };
                if self.desk.subscribe(SessionId(worker), wish).is_ok() {
                    self.credits.insert(worker, credits.into());
                }
            }
            Step::Credits { worker, more } => {
                self.desk.credits(SessionId(worker), 1, more);
                if let Some(credits) = self.credits.get_mut(&worker) {
                    *credits += i64::from(more);
                }
            }
            Step::WorkerGone { worker } => {
                self.desk.worker_gone(SessionId(worker));
                self.credits.remove(&worker);
            }
            Step::WorkerDone { key, stale } => {
                let fence = self
                    .fences
                    .get(&key)
                    .copied()
                    .unwrap_or(0)
                    .saturating_sub(u64::from(stale));
                if self.desk.worker_result(Key::from_u64(key), fence).is_ok() {
                    assert!(
                        self.open.contains(&key),
                        "a result was taken for a job that is over"
                    );
                    self.close(key, Closed::Done);
                }
            }
            Step::WorkerFails { key, retries, wait } => {
                let fence = self.fences.get(&key).copied().unwrap_or(0);
                if fence > 0 && self.desk.worker_result(Key::from_u64(key), fence).is_ok() {
                    self.failed(key, retries, self.now.wall + wait);
                }
            }
            Step::Connect {
                agent,
                journal_lost,
            } => {
                self.conn += 1;
                self.journal[agent] += u32::from(journal_lost);
                let hello = Hello {
                    agent: self.agents[agent].clone(),
                    boot_id: "b".to_owned(),
                    conn: self.conn,
                    journal_id: self.journal[agent].to_string(),
                    last_seq: Seq(0),
                    open: Vec::new(),
                    capabilities: Capabilities {
                        slots: 3,
                        ..Capabilities::default()
                    },
                    agent_version: String::new(),
                    policy_version: String::new(),
                    highest_epoch: Epoch(0),
                    note: String::new(),
                };
                self.online[agent] = true;
                let session = SessionId(100 + agent as u64);
                let (_, decided) = self
                    .desk
                    .hello(&self.agents[agent].clone(), session, &hello, self.now)
                    .unwrap();
                self.carry_out(decided);
            }
            Step::Away { agent } => {
                self.online[agent] = false;
                self.desk.agent_gone(
                    &self.agents[agent].clone(),
                    SessionId(100 + agent as u64),
                    "away",
                );
            }
            Step::Says {
                attempt,
                state,
                happened,
                retryable,
            } => self.says(attempt, STATES[state], happened, retryable),
            Step::Answers { attempt, known } => {
                let Some(tried) = self.tried.get(attempt) else {
                    return;
                };
                let known = [Known::NeverSeen, Known::Open, Known::FenceAhead][known];
                let item = SyncItem {
                    attempt: tried.id,
                    job: JobKey(tried.job.as_i64()),
                    fence: Fence(tried.fence + 3),
                    known,
                };
                let agent = tried.agent.clone();
                let decided = self.desk.sync_answer(&agent, &[item], self.now);
                self.carry_out(decided);
            }
            Step::Beat { agent, paused } => {
                let running = self.tried.iter().map(|tried| tried.id).collect();
                let beat = Beat {
                    running,
                    paused,
                    ..Beat::default()
                };
                self.desk.beat(
                    &self.agents[agent].clone(),
                    SessionId(100 + agent as u64),
                    &beat,
                    self.now,
                );
            }
            Step::Wait { ms } => {
                self.now = Now {
                    mono: self.now.mono + ms,
                    wall: self.now.wall + ms as i64,
                };
                let expired = self.desk.expire(self.now, usize::MAX);
                self.carry_out(expired.decided);
            }
            Step::Cancel { key } => self.close(key, Closed::Cancelled),
            Step::Restart => self.restart(),
            Step::Person { key } => {
                for tried in self
                    .tried
                    .iter_mut()
                    .filter(|tried| tried.job.as_u64() == key)
                {
                    tried.risky = false;
                }
                if let Some(row) = self.stored.jobs.get_mut(&key) {
                    row.job.retries = 2;
                }
                self.desk.retries_set(Key::from_u64(key), 2, self.now);
            }
            Step::Route { kind, route } => {
                self.counter += 1;
                let job_type = KINDS[kind].into();
                let bot = Leg::new(
                    format!("bot:{}@1", if kind == 1 { "pay" } else { "read" })
                        .parse()
                        .unwrap(),
                );
                let mut route = match route {
                    0 => Route::implicit(job_type),
                    1 => Route {
                        choices: vec![bot],
                        ..Route::implicit(job_type)
                    },
                    2 => Route {
                        choices: vec![bot],
                        otherwise: vec![Leg::new(LegKind::Person)],
                        ..Route::implicit(job_type)
                    },
                    _ => {
                        let mut stop = bot;
                        stop.limits.on_lost = Some(OnLost::Stop);
                        Route {
                            choices: vec![stop],
                            ..Route::implicit(job_type)
                        }
                    }
                };
                route.version = self.counter;
                self.stored
                    .routes
                    .insert(route.job_type.to_string(), route.clone());
                self.desk.set_route(route);
            }
        }
        self.assign();
    }

    fn restart(&mut self) {
        self.stored.restarts += 1;
        self.desk = desk_with_bots(1 + self.stored.restarts);
        self.credits.clear();
        self.online = [false; 2];
        for (at, agent) in self.agents.iter().enumerate() {
            self.desk.enrolled(
                agent.clone(),
                Vec::new(),
                Some(self.journal[at].to_string()),
            );
        }
        for route in self.stored.routes.values() {
            self.desk.set_route(route.clone());
        }
        let held: BTreeSet<AttemptId> = self
            .stored
            .jobs
            .values()
            .filter_map(|row| match &row.hold {
                StoredHold::Attempt(attempt) => Some(attempt.id),
                _ => None,
            })
            .collect();
        for attempt in self
            .stored
            .attempts
            .values()
            .filter(|row| !row.state.is_end() && !held.contains(&row.id))
        {
            self.desk.restore_attempt(attempt.clone(), self.now);
        }
        let rows: Vec<StoredJob> = self.stored.jobs.values().cloned().collect();
        for row in rows {
            let decided = self.desk.restore(row, self.now);
            self.carry_out(decided.into_iter().collect());
        }
    }

    fn failed(&mut self, key: u64, retries: i32, at: i64) {
        if let Some(row) = self.stored.jobs.get_mut(&key) {
            row.job.retries = retries;
        }
        self.desk
            .failed(Key::from_u64(key), retries, Some(at), self.now);
    }

    fn says(&mut self, attempt: usize, state: State, happened: usize, retryable: bool) {
        let Some(tried) = self.tried.get_mut(attempt) else {
            return;
        };
        if tried.agent.as_str() == "person" {
            return;
        }
        let mut happened = [Happened::No, Happened::Yes, Happened::Maybe][happened];
        match state {
            State::Rejected => happened = Happened::No,
            State::Succeeded => happened = Happened::Yes,
            State::Unknown => happened = Happened::Maybe,
            _ => {}
        }
        if state.is_end() && !tried.ended {
            tried.ended = true;
            tried.risky &= happened != Happened::No;
        }
        let event = TaskEvent {
            attempt: tried.id,
            job: JobKey(tried.job.as_i64()),
            fence: Fence(tried.fence),
            seq: Seq(1),
            boot_id: String::new(),
            state,
            reason: Some(botswain_proto::message::Reason {
                retryable,
                ..Default::default()
            }),
            progress: None,
            result: Bytes::new(),
            result_ref: None,
            queued_ms: 0,
            run_ms: 0,
            tail: None,
            evidence: Vec::new(),
            happened: Some(happened),
            bpmn_error: None,
            warnings: Vec::new(),
            replayed: false,
        };
        let agent = tried.agent.clone();
        let answer = self.desk.on_event(&agent, &event, self.now);
        self.carry_out(answer.decided.into_iter().collect());
    }

    fn assign(&mut self) {
        let mut given = Vec::new();
        self.desk.assign(self.now, usize::MAX, &mut given);
        for change in self.desk.take_outbox().changes {
            self.stored.change(change);
        }
        for given_one in given {
            let Assignment { job, fence, to, .. } = given_one.clone();
            let key = job.as_u64();
            assert!(
                self.open.contains(&key),
                "job {key} was given out after its end"
            );
            let offer = match &to {
                To::Agent { offer, .. } | To::Person { offer } | To::Connector { offer, .. } => {
                    Some(offer.clone())
                }
                To::Worker { .. } => None,
            };
            if offer.as_ref().is_some_and(|offer| offer.again) {
                let known = self.tried.iter().any(|tried| {
                    tried.id == offer.as_ref().unwrap().attempt && tried.fence == fence
                });
                assert!(known, "what is sent again was sent before");
                continue;
            }
            self.stored.assigned(&given_one);
            let last = self.fences.insert(key, fence).unwrap_or(0);
            assert!(
                fence > last,
                "the fence of job {key} went from {last} to {fence}"
            );
            for before in self.tried.iter().filter(|tried| tried.job == job) {
                let may = matches!(before.effect, EffectClass::Pure | EffectClass::Idempotent);
                assert!(
                    may || !before.risky,
                    "job {key} is repeated after {:?} may have happened",
                    before.id
                );
            }
            match to {
                To::Worker { session, .. } => {
                    let credits = self
                        .credits
                        .get_mut(&session.0)
                        .expect("the worker is there");
                    *credits -= 1;
                    assert!(
                        *credits >= 0,
                        "worker {} got more than it asked for",
                        session.0
                    );
                }
                To::Agent { agent, offer, .. } => {
                    let at = self
                        .agents
                        .iter()
                        .position(|known| *known == agent)
                        .unwrap();
                    assert!(self.online[at], "an offer to an agent that is away");
                    self.tried.push(Tried {
                        id: offer.attempt,
                        agent,
                        job,
                        fence,
                        effect: offer.effect,
                        risky: true,
                        ended: false,
                    });
                    let view = self.desk.agent(&self.agents[at]).unwrap();
                    assert!(
                        view.held <= view.slots,
                        "{} holds {} of {}",
                        view.id,
                        view.held,
                        view.slots
                    );
                }
                To::Person { offer } | To::Connector { offer, .. } => {
                    let agent = "person".parse().unwrap();
                    self.tried.push(Tried {
                        id: offer.attempt,
                        agent,
                        job,
                        fence,
                        effect: offer.effect,
                        risky: true,
                        ended: false,
                    });
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_order_of_events_breaks_what_dispatch_promises(steps in prop::collection::vec(step(), 1..120)) {
        let mut world = World::new();
        for route in [(1, 1), (2, 1)] {
            world.apply(Step::Route { kind: route.0, route: route.1 });
        }
        for step in steps {
            world.apply(step);
        }
    }
}
