//! The session: which attempts are here, what may happen to them next, and what the coordinator must hear.
//!
//! Pure: inputs and the time come in, orders go out. Whoever carries the orders out writes all `Order::Record`s of one
//! call to the journal, makes them durable, and only then follows the other orders. So everything that leaves the agent,
//! or happens outside, is in the journal first.

mod intake;
mod ledger;
mod record;
mod report;
mod restore;
mod run;
#[cfg(test)]
mod scenarios;
mod timers;
mod verdict;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use botswain_action::Outcome;
use botswain_proto::ids::{AgentId, AttemptId, Seq};
use botswain_proto::message::{
    Beat, Capabilities, EffectClass, EvidenceRef, FromAgent, Reason, Secret, Task, ToAgent,
};

pub use ledger::{Entry, Ledger, Phase, Tombstone};
pub use record::{Record, RecordError, Stamp};

/// Milliseconds of a clock that never goes back and counts sleep too.
pub type Millis = u64;

/// Time between beats unless the coordinator wishes another.
const BEAT_MS: Millis = 15_000;
/// Time without the receipt of an event that was sent, after which the path counts as dead, whatever else comes through.
const RECEIPT_MS: Millis = 60_000;
/// Events that may be under way without a receipt: a returning agent does not flood the coordinator.
const IN_FLIGHT_MAX: usize = 64;
/// Time between notes on progress of one attempt.
const PROGRESS_MS: Millis = 1_000;
/// How often an interrupted attempt that may be repeated is begun before the coordinator has to decide.
const RUNS_MAX: u32 = 3;
/// Time for a run without a limit of its own.
const RUN_MS: Millis = 24 * 3_600_000;
/// Time to tidy up for a run without a grace of its own.
const GRACE_MS: Millis = 5_000;

/// What does not change while the agent runs.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The agent's name.
    pub agent: AgentId,
    /// Names this run of the agent.
    pub boot_id: String,
    /// Version of the program.
    pub version: String,
    /// Attempts that may be outstanding.
    pub slots: usize,
    /// Bytes of open attempts and unreported events from which on new work is refused.
    pub live_bytes_max: usize,
}

/// What comes in.
#[derive(Debug)]
pub enum Input {
    /// A connection is up.
    Connected {
        /// What the agent can do, asked anew for each connection.
        capabilities: Box<Capabilities>,
        /// Digest of the policy in force.
        policy_version: String,
    },
    /// The connection is gone.
    Disconnected,
    /// The coordinator said something.
    Message(ToAgent),
    /// The work of a task was found, checked and compared with the policy.
    Prepared {
        /// The attempt.
        attempt: AttemptId,
        /// What the work needs, or why it may not be done.
        result: Result<Prepared, Reason>,
    },
    /// A run is about to do what cannot be undone.
    CommitPoint {
        /// The attempt.
        attempt: AttemptId,
    },
    /// A run finished a step.
    Step {
        /// The attempt.
        attempt: AttemptId,
        /// Name of the step.
        step: String,
    },
    /// A run is over, and nothing of it is alive.
    Ended {
        /// The attempt.
        attempt: AttemptId,
        /// How.
        end: Box<RunEnd>,
    },
    /// A look at the outside is over.
    Probed {
        /// The attempt.
        attempt: AttemptId,
        /// What it showed.
        outcome: Probed,
    },
    /// The machine's owner stops (`true`) or resumes taking work.
    Pause(bool),
    /// The agent is asked to stop.
    Stop,
    /// Time has passed.
    Tick,
}

/// Work that may be done here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prepared {
    /// What a repetition does, as declared by the work itself.
    pub effect: EffectClass,
    /// Names that are held while it runs.
    pub locks: BTreeSet<String>,
    /// How long the work says that it may take.
    pub limit_ms: Option<Millis>,
}

/// How a run ended.
#[derive(Debug)]
pub struct RunEnd {
    /// What the action said, or how its process died before it said anything.
    pub outcome: Result<Outcome, String>,
    /// What it left behind.
    pub evidence: Vec<EvidenceRef>,
    /// For people: selectors that drifted, files that did not fit.
    pub warnings: Vec<String>,
    /// A result too large for a message, kept as evidence.
    pub result_ref: Option<EvidenceRef>,
}

/// What a look at the outside showed.
#[derive(Debug, Clone, PartialEq)]
pub enum Probed {
    /// It happened.
    Happened(botswain_action::Object),
    /// It did not.
    DidNotHappen,
    /// Nobody can tell, and why.
    CannotTell(String),
}

/// What goes out.
#[derive(Debug)]
pub enum Order {
    /// Write to the journal; before anything else of the same answer.
    Record(Record),
    /// Say to the coordinator; dropped while there is no connection.
    Send(FromAgent),
    /// Say that the agent lives; whoever sends it adds the machine's figures.
    Beat(Beat),
    /// Find the work, check its input, and ask the policy.
    Prepare(Box<Task>),
    /// Begin a run.
    Run(Box<Run>),
    /// Look whether an interrupted attempt took effect.
    Probe(Box<Run>),
    /// Let the run pass its commit point.
    GrantCommit(AttemptId),
    /// Forbid the run to pass its commit point.
    DenyCommit(AttemptId, String),
    /// Ask the run to stop by itself.
    Cancel(AttemptId),
    /// End the run with everything it started.
    Kill(AttemptId),
    /// Give the connection up and build another.
    Reconnect(String),
    /// Tell the machine's owner.
    Warn(String),
    /// Nothing runs any more, and the agent was asked to stop.
    Stopped,
}

/// A run to begin.
#[derive(Debug)]
pub struct Run {
    /// What is to be done.
    pub task: Task,
    /// Secrets, which no journal holds.
    pub secrets: Vec<Secret>,
    /// Time until it should have ended by itself.
    pub limit_ms: Millis,
}

/// Why a run is being stopped.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Stopping {
    Cancelled(String),
    TimedOut,
    LeaseLost,
    Shutdown,
}

/// What happens to an open attempt at this moment; gone with the process.
#[derive(Debug)]
enum Activity {
    /// Work found again after a restart is checked again.
    Checking,
    /// It waits for its locks.
    Waiting,
    /// It runs.
    Running(Running),
    /// The outside is being looked at.
    Probing,
}

#[derive(Debug)]
struct Running {
    hard_deadline: Millis,
    begun: Millis,
    stopping: Option<Stopping>,
    last_note: Option<Millis>,
}

#[derive(Debug)]
struct Live {
    activity: Activity,
    secrets: Vec<Secret>,
    locks: BTreeSet<String>,
    limit_ms: Option<Millis>,
    arrived: Option<Millis>,
    lease_until: Option<Millis>,
    /// Why its last run was stopped, while a probe is asked what became of it.
    stopped: Option<Stopping>,
}

#[derive(Debug)]
struct Offer {
    task: Task,
    secrets: Vec<Secret>,
    arrived: Millis,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Connection {
    Down,
    /// Hello was said, Sync is awaited.
    Greeting,
    Synced,
}

/// The agent's side of the protocol.
#[derive(Debug)]
pub struct Session {
    settings: Settings,
    ledger: Ledger,
    stamp: Stamp,
    now: Millis,
    connection: Connection,
    conn: u64,
    policy_version: String,
    live: BTreeMap<AttemptId, Live>,
    /// Attempts in the order in which they may begin.
    queue: VecDeque<AttemptId>,
    offers: BTreeMap<AttemptId, Offer>,
    /// Events under way, and when each was sent.
    in_flight: BTreeMap<Seq, Millis>,
    parked: BTreeSet<Seq>,
    receipt_due: Option<Millis>,
    beat_ms: Millis,
    beat_due: Option<Millis>,
    paused: bool,
    stopping: bool,
    note: String,
    orders: Vec<Order>,
}

impl Session {
    /// Takes up what the journal holds; the answer says what follows from it at once.
    pub fn restore(
        settings: Settings,
        ledger: Ledger,
        now: Stamp,
        note: String,
    ) -> (Self, Vec<Order>) {
        let mut session = Self {
            settings,
            ledger,
            stamp: now,
            now: now.ms,
            connection: Connection::Down,
            conn: 0,
            policy_version: String::new(),
            live: BTreeMap::new(),
            queue: VecDeque::new(),
            offers: BTreeMap::new(),
            in_flight: BTreeMap::new(),
            parked: BTreeSet::new(),
            receipt_due: None,
            beat_ms: BEAT_MS,
            beat_due: None,
            paused: false,
            stopping: false,
            note,
            orders: Vec::new(),
        };
        session.take_up();
        let orders = std::mem::take(&mut session.orders);
        (session, orders)
    }

    /// Decides what follows from an input.
    pub fn handle(&mut self, now: Millis, input: Input) -> Vec<Order> {
        // A clock that goes back, which should not exist, must not make leases last longer.
        self.now = self.now.max(now);
        match input {
            Input::Connected {
                capabilities,
                policy_version,
            } => self.connected(*capabilities, policy_version),
            Input::Disconnected => self.disconnected(),
            Input::Message(ToAgent::Sync(sync)) => self.sync(sync),
            Input::Message(ToAgent::Task(task)) => self.offered(*task),
            Input::Message(ToAgent::Cancel(cancel)) => self.cancel(cancel),
            Input::Message(ToAgent::Receipt(receipt)) => self.receipt(receipt),
            Input::Prepared { attempt, result } => self.prepared(attempt, result),
            Input::CommitPoint { attempt } => self.commit_point(attempt),
            Input::Step { attempt, step } => self.step(attempt, step),
            Input::Ended { attempt, end } => self.ended(attempt, *end),
            Input::Probed { attempt, outcome } => self.probed(attempt, outcome),
            Input::Pause(paused) => self.paused = paused,
            Input::Stop => self.stop(),
            Input::Tick => {}
        }
        self.expire();
        self.start_waiting();
        self.send_outbox();
        if self.stopping && self.live.is_empty() {
            self.orders.push(Order::Stopped);
        }
        std::mem::take(&mut self.orders)
    }

    /// What the journal holds, for a snapshot of it.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    fn record(&mut self, record: Record) {
        self.ledger.apply(&record);
        self.orders.push(Order::Record(record));
    }

    fn send(&mut self, message: FromAgent) {
        self.orders.push(Order::Send(message));
    }

    fn outstanding(&self) -> usize {
        self.live.len() + self.offers.len()
    }
}
