//! The simulation: writer, store, dispatch and agents' sessions on one seeded scheduler, with everything that can go wrong.
//!
//! Real: the writer with its dispatch, the engine, the store's memory backend, the agents' sessions with their records.
//! Simulated: time, the network, both sides' disks, clients, workers, connectors, persons, the operator, and the outside world
//! in which effects are counted. The same seed gives the same run.

mod agent;
mod checks;
mod coordinator;
mod demands;
mod line;
mod operator;
mod scheduler;
mod store;
mod worker;
mod world;

pub use store::Disk;

/// What is simulated: the system as it is, or one that is wrong on purpose and must be found out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variant {
    /// The system as it is.
    Sound,
    /// Replies leave before their batch is durable.
    RepliesBeforeSync,
    /// Agents act on records that their disk has not confirmed.
    AgentsActFirst,
    /// Clients repeat requests without saying that they do.
    NoDeduplication,
}

/// What a run of the simulation amounted to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Instances that clients were told of.
    pub instances: u64,
    /// Things that happened.
    pub events: u64,
    /// Batches that were committed.
    pub commits: u64,
    /// Commits that failed.
    pub failed_commits: u64,
    /// Crashes of the coordinator.
    pub coordinator_crashes: u64,
    /// Crashes of agents.
    pub agent_crashes: u64,
    /// Messages that were lost, or came twice.
    pub lost_or_doubled: u64,
    /// Effects in the outside world.
    pub effects: u64,
    /// What a person had to decide.
    pub decisions: u64,
    /// Milliseconds of simulated time.
    pub simulated_ms: u64,
}

impl Figures {
    /// Adds another run's.
    pub fn add(&mut self, other: Figures) {
        self.instances += other.instances;
        self.events += other.events;
        self.commits += other.commits;
        self.failed_commits += other.failed_commits;
        self.coordinator_crashes += other.coordinator_crashes;
        self.agent_crashes += other.agent_crashes;
        self.lost_or_doubled += other.lost_or_doubled;
        self.effects += other.effects;
        self.decisions += other.decisions;
        self.simulated_ms += other.simulated_ms;
    }
}

/// Runs one seed to its end and checks what came of it.
///
/// # Errors
/// A promise was broken: which one, with the seed to see it again.
pub fn run(seed: u64, variant: Variant) -> Result<Figures, String> {
    scheduler::Simulation::new(seed, variant)
        .run()
        .map_err(|broken| format!("seed {seed}, {variant:?}: {broken}"))
}
