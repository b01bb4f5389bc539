//! The outbox: what the desk wants to have written, sent and read. The runtime takes it once per batch.

use super::queue::Rank;
use super::workers::SessionId;
use super::{AttemptRow, HolderName};
use botswain_engine::event::Millis;
use botswain_engine::key::Key;
use botswain_proto::ids::{AgentId, AttemptId};
use botswain_proto::message::{Cancel, Sync};
use smol_str::SmolStr;

/// Everything that left the desk since the outbox was taken last.
#[derive(Debug, Default, PartialEq)]
pub struct Outbox {
    /// Rows to write in the commit of this batch, in this order; the last one about a thing counts.
    pub changes: Vec<Change>,
    /// Messages to send after that commit.
    pub notices: Vec<Notice>,
    /// Waiting jobs to read from the store after that commit.
    pub refills: Vec<Refill>,
}

/// A row to write. An `Assignment` is one too: it sets the job's leg, holder, fence and lease.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// Nobody holds the job any more: leg and holder are cleared, the fence stays.
    JobFreed {
        /// The job.
        job: Key,
        /// The highest fence that was ever given out for it.
        fence: u64,
        /// Not offered before that time; 0 is at once.
        available_at: Millis,
        /// The leg it waits for where that is no longer the route's first choice.
        leg: Option<SmolStr>,
    },
    /// The job waits for a person's word.
    JobSuspended {
        /// The job.
        job: Key,
        /// The highest fence that was ever given out for it.
        fence: u64,
    },
    /// A holder sent a sign that it goes on with a job that was already taken back.
    JobResumed {
        /// The job.
        job: Key,
        /// The fence of the attempt.
        fence: u64,
        /// The attempt.
        attempt: AttemptId,
        /// Who holds it.
        holder: HolderName,
    },
    /// The attempt stands like this, whether it has a row or not.
    Attempt(Box<AttemptRow>),
    /// Something that a person responsible for security wants to see.
    Audit(Audit),
}

/// What somebody tried without a right to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audit {
    /// When.
    pub at: Millis,
    /// Who.
    pub agent: AgentId,
    /// Stable word: `foreign_attempt`, `wrong_fence`, `late_result`.
    pub what: &'static str,
    /// What was expected and what was found.
    pub details: String,
}

/// A message to an agent.
#[derive(Clone, Debug, PartialEq)]
pub enum Notice {
    /// Stop an attempt.
    Cancel {
        /// The connection.
        session: SessionId,
        /// The agent.
        agent: AgentId,
        /// The request.
        cancel: Cancel,
    },
    /// Compare what is open.
    Sync {
        /// The connection.
        session: SessionId,
        /// The agent.
        agent: AgentId,
        /// What the coordinator believes.
        sync: Sync,
    },
}

/// A wish for more waiting jobs of one type. It is answered by `Desk::refill` with what the last commit holds, before any
/// further request is decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refill {
    /// The type.
    pub job_type: SmolStr,
    /// From this rank on, inclusive; none is from the first.
    pub from: Option<Rank>,
    /// At most so many, ordered by rank, that nobody holds and whose `available_at` has come.
    pub limit: usize,
}
