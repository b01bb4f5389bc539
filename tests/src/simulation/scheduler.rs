//! The scheduler: one queue of what happens next, one source of chance, one clock.

mod agents;
mod clients;
mod turn;

use super::agent::{Agent, Honesty, RunStep};
use super::checks::{self, Story, Told};
use super::coordinator::{Coordinator, Who};
use super::demands::Demand;
use super::line::Line;
use super::store::Disk;
use super::worker::Worker;
use super::world::World;
use super::{Figures, Variant};
use botswain::dispatch::{End, SessionId};
use botswain::runtime::{Activated, Ask, ConnectorCall, Refusal};
use botswain_engine::Key;
use botswain_proto::ids::AttemptId;
use botswain_proto::message::{FromAgent, ToAgent};
use botswain_proto::worker::{Reply, ServerMessage};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use std::collections::{BTreeMap, BTreeSet};

/// How many things may happen before a run counts as one that never comes to rest.
const EVENTS_MAX: u64 = 400_000;
/// Simulated time after which the same holds: more than every time limit of the models and routes together.
const CALM_MS_MAX: u64 = 3 * 3_600_000;
/// The wall clock when a run begins.
const WALL: i64 = 1_800_000_000_000;

/// What goes wrong in a run, and how often.
#[derive(Clone, Copy, Debug)]
struct Weather {
    loss: f64,
    double: f64,
    in_order: bool,
    breaks: f64,
    commit_fails: f64,
    full: bool,
    crash: f64,
    agent_crash: f64,
    clock_jumps: bool,
}

impl Weather {
    fn of(rng: &mut SmallRng) -> Weather {
        let mut some = |most: f64| {
            if rng.random_bool(0.6) {
                rng.random_range(0.0..most)
            } else {
                0.0
            }
        };
        let (loss, double, breaks) = (some(0.15), some(0.15), some(0.03));
        let (commit_fails, crash, agent_crash) = (some(0.04), some(0.015), some(0.05));
        Weather {
            loss,
            double,
            in_order: rng.random_bool(0.5),
            breaks,
            commit_fails,
            full: rng.random_bool(0.3),
            crash,
            agent_crash,
            clock_jumps: rng.random_bool(0.4),
        }
    }
}

/// One thing that happens.
enum Happening {
    Turn,
    CoordinatorStarts,
    Demand(usize),
    DemandArrives(usize),
    DemandAnswered(usize, Result<Key, Refusal>),
    WorkerWakes(usize),
    WorkerSays(usize, u64),
    WorkerHears(usize, SessionId, Box<ServerMessage>),
    WorkerGone(SessionId),
    Polled(usize, Vec<Activated>),
    Answered(usize, Reply),
    AgentStarts(usize),
    AgentConnects(usize),
    AgentWakes(usize),
    AgentGoesOn(usize, u32, AttemptId, u32, RunStep),
    AgentHears(u64, Box<ToAgent>),
    CoordinatorHears(u64, Box<FromAgent>),
    AgentNotices(u64),
    CoordinatorNotices(u64),
    CallActs(u32, Box<ConnectorCall>),
    CallEnds(u32, AttemptId, Box<End>),
    PeopleLook,
    ClockJumps,
    FullUntil(u64),
    Calm,
}

pub(super) struct Simulation {
    variant: Variant,
    seed: u64,
    pub(super) rng: SmallRng,
    weather: Weather,
    pub(super) calm: bool,
    calm_since: u64,
    pub(super) now: u64,
    skew: i64,
    queue: BTreeMap<(u64, u64), Happening>,
    number: u64,
    pub(super) disk: Disk,
    pub(super) coordinator: Coordinator,
    full_until: u64,
    agents: Vec<Agent>,
    wake: Vec<Option<u64>>,
    lines: BTreeMap<u64, Line>,
    workers: Vec<Worker>,
    demands: Vec<Demand>,
    done: BTreeSet<Key>,
    pub(super) world: World,
    pub(super) figures: Figures,
    next_session: u64,
    reasons: BTreeMap<Key, String>,
    broken: Option<String>,
}

impl Simulation {
    pub(super) fn new(seed: u64, variant: Variant) -> Simulation {
        let mut rng = SmallRng::seed_from_u64(seed);
        let weather = Weather::of(&mut rng);
        let honesty = if variant == Variant::AgentsActFirst {
            Honesty::ActsFirst
        } else {
            Honesty::RecordsFirst
        };
        let disk = Disk::default();
        if variant == Variant::RepliesBeforeSync {
            disk.lie();
        }
        let demands: Vec<Demand> = {
            let starts: Vec<_> = (0..rng.random_range(3..14))
                .map(|number| Demand::start(&mut rng, number))
                .collect();
            let messages: Vec<_> = starts
                .iter()
                .filter_map(|start| start.publish(&mut rng))
                .collect();
            starts.into_iter().chain(messages).collect()
        };
        let agents: Vec<Agent> = ["anna", "bob"]
            .iter()
            .map(|name| Agent::new(name, honesty))
            .collect();
        Simulation {
            variant,
            seed,
            weather,
            calm: false,
            calm_since: 0,
            now: 0,
            skew: 0,
            queue: BTreeMap::new(),
            number: 0,
            disk,
            coordinator: Coordinator::default(),
            full_until: 0,
            wake: vec![None; agents.len()],
            agents,
            lines: BTreeMap::new(),
            workers: vec![Worker::new(false), Worker::new(false), Worker::new(true)],
            demands,
            done: BTreeSet::new(),
            world: World::default(),
            figures: Figures::default(),
            next_session: 0,
            reasons: BTreeMap::new(),
            broken: None,
            rng,
        }
    }

    pub(super) fn run(mut self) -> Result<Figures, String> {
        self.coordinator.start(&self.disk, self.seed, 0, WALL)?;
        self.coordinator.prepare(1, WALL)?;
        let faults_ms = self.rng.random_range(10_000..60_000);
        for demand in 0..self.demands.len() {
            let at = self.rng.random_range(0..faults_ms / 2);
            self.at(at, Happening::Demand(demand));
        }
        for agent in 0..self.agents.len() {
            self.at(0, Happening::AgentStarts(agent));
        }
        for worker in 0..self.workers.len() {
            self.at(0, Happening::WorkerWakes(worker));
        }
        if self.weather.clock_jumps {
            for _ in 0..self.rng.random_range(1..4) {
                let at = self.rng.random_range(0..faults_ms);
                self.at(at, Happening::ClockJumps);
            }
        }
        if self.weather.full {
            let (at, long) = (
                self.rng.random_range(0..faults_ms),
                self.rng.random_range(100..3_000),
            );
            self.at(at, Happening::FullUntil(at + long));
        }
        self.at(1_000, Happening::PeopleLook);
        self.at(faults_ms, Happening::Calm);
        while let Some(((at, _), happening)) = self.queue.pop_first() {
            self.now = at;
            self.figures.events += 1;
            let looked = matches!(happening, Happening::PeopleLook);
            self.happens(happening)?;
            if let Some(broken) = self.broken.take() {
                return Err(broken);
            }
            if looked && self.at_rest() {
                break;
            }
            if self.figures.events > EVENTS_MAX
                || (self.calm && self.now - self.calm_since > CALM_MS_MAX)
            {
                return Err(self.restless());
            }
        }
        let told = Told {
            demands: &self.demands,
            done: &self.done,
        };
        checks::at_rest(&self.disk, &told, &self.world)?;
        self.figures.instances = self
            .demands
            .iter()
            .filter(|demand| demand.told.is_some())
            .count() as u64;
        self.figures.commits = self.disk.commits();
        self.figures.effects = self
            .world
            .effects()
            .map(|(_, times)| u64::from(times))
            .sum();
        self.figures.simulated_ms = self.now;
        Ok(self.figures)
    }

    fn at(&mut self, at: u64, happening: Happening) {
        self.number += 1;
        self.queue
            .insert((at.max(self.now), self.number), happening);
    }

    fn after(&mut self, ms: u64, happening: Happening) {
        self.at(self.now + ms, happening);
    }

    fn wall(&self) -> i64 {
        WALL + self.skew + i64::try_from(self.now).unwrap_or(i64::MAX)
    }

    fn chance(&mut self, probability: f64) -> bool {
        !self.calm && probability > 0.0 && self.rng.random_bool(probability)
    }

    fn delay(&mut self) -> u64 {
        if self.rng.random_bool(0.03) {
            self.rng.random_range(0..2_000)
        } else {
            self.rng.random_range(0..20)
        }
    }

    /// Plans a turn of the writer for whatever waits in front of it.
    pub(super) fn soon(&mut self) {
        let at = self.now + self.rng.random_range(0..6);
        self.turn_by(at);
    }

    fn turn_by(&mut self, at: u64) {
        if self.coordinator.is_up() && self.coordinator.turn_at.is_none_or(|planned| at < planned) {
            self.coordinator.turn_at = Some(at);
            self.at(at, Happening::Turn);
        }
    }

    fn happens(&mut self, happening: Happening) -> Result<(), String> {
        match happening {
            Happening::Turn => {
                // A turn that was planned earlier than another one makes the other one void.
                if self.coordinator.turn_at == Some(self.now) {
                    return self.turn();
                }
            }
            Happening::CoordinatorStarts => {
                if !self.coordinator.is_up() {
                    let wall = self.wall();
                    self.coordinator
                        .start(&self.disk, self.seed, self.now, wall)?;
                    self.soon();
                }
            }
            Happening::Demand(demand) => self.demand(demand),
            Happening::DemandArrives(demand) => {
                let id = (self.variant != Variant::NoDeduplication)
                    .then(|| self.demands[demand].deduplication());
                let ask = self.demands[demand].ask();
                self.coordinator.ask(ask, Who::Demand(demand), id);
                self.soon();
            }
            Happening::DemandAnswered(demand, answer) => self.demands[demand].answered(answer)?,
            Happening::WorkerWakes(worker) => self.worker_wakes(worker),
            Happening::WorkerSays(worker, number) => self.worker_says(worker, number),
            Happening::WorkerHears(worker, session, frame) => {
                self.worker_hears(worker, session, *frame)
            }
            Happening::WorkerGone(session) => {
                self.coordinator
                    .ask(Ask::CloseSession { session }, Who::Nobody, None);
                self.soon();
            }
            Happening::Polled(worker, jobs) => {
                for given in jobs {
                    if let Some(number) =
                        self.workers[worker].take_polled(&given, self.calm, &mut self.rng)
                    {
                        self.later_says(worker, number);
                    }
                }
            }
            Happening::Answered(worker, reply) => self.worker_answered(worker, &reply),
            Happening::AgentStarts(agent) => {
                if self.agents[agent].session.is_none() {
                    let now = self.now;
                    let wishes = self.with_agent(agent, |agent, chance| agent.start(now, chance));
                    self.grant(agent, wishes);
                    self.after(1, Happening::AgentConnects(agent));
                }
            }
            Happening::AgentConnects(agent) => self.agent_connects(agent),
            Happening::AgentWakes(agent) => {
                if self.wake[agent] == Some(self.now) {
                    self.wake[agent] = None;
                    let now = self.now;
                    let wishes = self.with_agent(agent, |agent, chance| agent.tick(now, chance));
                    self.grant(agent, wishes);
                }
            }
            Happening::AgentGoesOn(agent, boot, attempt, number, step) => {
                if self.agents[agent].boot == boot && self.agents[agent].session.is_some() {
                    let now = self.now;
                    let mut world = std::mem::take(&mut self.world);
                    let wishes = self.with_agent(agent, |agent, chance| {
                        agent.goes_on(now, (attempt, number, step), &mut world, chance)
                    });
                    self.world = world;
                    self.grant(agent, wishes);
                }
            }
            Happening::AgentHears(line, message) => self.agent_hears(line, *message),
            Happening::CoordinatorHears(line, message) => self.coordinator_hears(line, *message),
            Happening::AgentNotices(line) => self.agent_notices(line),
            Happening::CoordinatorNotices(line) => self.coordinator_notices(line),
            Happening::CallActs(generation, call) => self.call_acts(generation, &call),
            Happening::CallEnds(generation, attempt, end) => {
                if self.coordinator.generation == generation {
                    self.coordinator.ask(
                        Ask::AttemptEnded {
                            attempt,
                            end,
                            warnings: Vec::new(),
                        },
                        Who::Nobody,
                        None,
                    );
                    self.soon();
                }
            }
            Happening::PeopleLook => {
                let told = Told {
                    demands: &self.demands,
                    done: &self.done,
                };
                checks::at_any_time(&self.disk, &told, &self.world)?;
                self.people_look();
                self.after(2_000, Happening::PeopleLook);
            }
            Happening::ClockJumps => {
                let far = if self.rng.random_bool(0.2) {
                    3_600_000
                } else {
                    20_000
                };
                self.skew += self.rng.random_range(-far..far);
                self.soon();
            }
            Happening::FullUntil(until) => self.full_until = until,
            Happening::Calm => {
                self.calm = true;
                self.calm_since = self.now;
                self.full_until = 0;
            }
        }
        Ok(())
    }

    fn at_rest(&mut self) -> bool {
        if !self.calm
            || !self.coordinator.is_up()
            || self.demands.iter().any(|demand| demand.told.is_none())
        {
            return false;
        }
        let story = self.disk.read(Story::of);
        story
            .instances
            .values()
            .flatten()
            .all(|root| story.ended.contains(root))
            && self.agents.iter().all(Agent::is_idle)
    }

    fn restless(&mut self) -> String {
        let story = self.disk.read(Story::of);
        let wall = self.wall();
        let dump = self.disk.dump();
        let jobs: Vec<String> = dump
            .lines()
            .filter(|line| line.starts_with("job "))
            .map(|line| {
                let number = line
                    .split("key: 1/")
                    .nth(1)
                    .and_then(|rest| rest.split(',').next()?.parse().ok());
                let key = Key::new(botswain_engine::Partition(1), number.unwrap_or(0));
                format!("{line}: {}", self.coordinator.explain(key, self.now, wall))
            })
            .collect();
        let waiting = story
            .instances
            .values()
            .flatten()
            .filter(|root| !story.ended.contains(root));
        let why: Vec<String> = waiting
            .map(|root| {
                format!(
                    "{root}: {}",
                    self.reasons
                        .get(root)
                        .map_or("nobody looked", String::as_str)
                )
            })
            .collect();
        let untold = self
            .demands
            .iter()
            .filter(|demand| demand.told.is_none())
            .count();
        let busy: Vec<_> = self
            .agents
            .iter()
            .filter(|agent| !agent.is_idle())
            .map(Agent::busy)
            .collect();
        format!(
            "it never comes to rest (the coordinator is {}): {} events, {} ms after the last fault; {untold} requests without an answer; busy agents {busy:?}; \
             open incidents {:?}; instances that wait:\n{}\n{}",
            if self.coordinator.is_up() {
                "up"
            } else {
                "down"
            },
            self.figures.events,
            self.now - self.calm_since,
            story.incidents,
            why.join("\n"),
            jobs.join("\n")
        )
    }
}
