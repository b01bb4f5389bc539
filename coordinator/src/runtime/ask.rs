//! What may be asked of the single writer, and what it answers.

use crate::dispatch::{AgentView, End, LegKind, Route, SessionId, Subscription, Why};
use botswain_engine::{Key, Process, Rejection, Start, Variables, Waiting};
use botswain_store::rows::Put;
use botswain_store::{CommitError, StoreError};
use smol_str::SmolStr;
use std::sync::Arc;
use tokio::sync::oneshot;
use uuid::Uuid;

use super::sessions::SessionOut;
use botswain_proto::ids::{AgentId, AttemptId};
use botswain_proto::message::{Beat, Hello, SyncItem, TaskEvent, Verdict};

/// One thing that is asked, and who hears the answer.
#[derive(Debug)]
pub struct Request {
    /// What.
    pub ask: Ask,
    /// Who hears the answer, once it is durable.
    pub reply: ReplyTo,
    /// The same id changes something once only, and is answered the same each time.
    pub deduplication: Option<Uuid>,
}

impl Request {
    /// A request without deduplication.
    #[must_use]
    pub fn new(ask: Ask, reply: ReplyTo) -> Request {
        Request {
            ask,
            reply,
            deduplication: None,
        }
    }
}

/// Who hears an answer.
#[derive(Debug)]
pub enum ReplyTo {
    /// One caller who waits.
    Caller(oneshot::Sender<Result<Answer, Refusal>>),
    /// A stream, by the id that it gave the request.
    Stream {
        /// The stream.
        session: SessionId,
        /// The request.
        request_id: u64,
    },
    /// Nobody.
    Nobody,
}

/// What is asked.
#[derive(Debug)]
pub enum Ask {
    /// New versions of processes.
    Deploy {
        /// The files, compiled.
        deployment: Box<super::deployment::Deployment>,
        /// Who asks.
        by: String,
    },
    /// A new instance.
    Start {
        /// Of which process.
        process: ProcessRef,
        /// With what.
        start: Start,
        /// Whether the end is awaited, and which variables are wanted then.
        await_end: Option<AwaitEnd>,
    },
    /// A job is done.
    CompleteJob {
        job: Key,
        fence: u64,
        variables: Variables,
    },
    /// An operator says that a job is done, which nobody is at work on: after an unknown outcome, or by hand.
    SettleJob {
        /// The job.
        job: Key,
        /// The result.
        variables: Variables,
        /// Who says so.
        by: String,
    },
    /// A try of a job failed.
    FailJob {
        job: Key,
        fence: u64,
        retries: i32,
        back_off_ms: u64,
        message: String,
        variables: Variables,
    },
    /// A job ended with a BPMN error.
    ThrowError {
        job: Key,
        fence: u64,
        code: SmolStr,
        message: String,
        variables: Variables,
    },
    /// A job's retries or the end of its lease change.
    UpdateJob {
        job: Key,
        retries: Option<i32>,
        timeout_ms: Option<u64>,
    },
    /// A message is published.
    PublishMessage {
        name: SmolStr,
        correlation_key: SmolStr,
        message_id: Option<SmolStr>,
        ttl_ms: u64,
        variables: Variables,
    },
    /// A user task is done.
    CompleteUserTask { task: Key, variables: Variables },
    /// A user task is taken, or given back.
    AssignUserTask {
        task: Key,
        assignee: Option<SmolStr>,
        allow_override: bool,
    },
    /// An incident's cause is repaired.
    ResolveIncident { incident: Key },
    /// Variables are set from outside.
    SetVariables {
        scope: Key,
        variables: Variables,
        local: bool,
    },
    /// An instance ends.
    CancelInstance { instance: Key },
    /// Why an instance waits.
    Inspect { instance: Key },
    /// Why a job is not picked up.
    ExplainJob { job: Key },
    /// A stream begins.
    OpenSession {
        session: SessionId,
        out: Arc<SessionOut>,
    },
    /// A stream is over.
    CloseSession { session: SessionId },
    /// A stream wants jobs.
    Subscribe {
        session: SessionId,
        wish: Subscription,
        fetch: Vec<SmolStr>,
    },
    /// A stream takes more jobs.
    Credits {
        session: SessionId,
        subscription: u32,
        more: u32,
    },
    /// A stream wants no more jobs.
    Unsubscribe {
        session: SessionId,
        subscription: u32,
    },
    /// Jobs are wanted once.
    Activate {
        job_type: SmolStr,
        worker: SmolStr,
        most: u32,
        lease_ms: u64,
        wait_ms: u64,
        fetch: Vec<SmolStr>,
    },
    /// A route is set, or taken away.
    SetRoute {
        job_type: SmolStr,
        route: Option<Box<Route>>,
        by: String,
    },
    /// All routes.
    Routes,
    /// A row that a door owns is written: a package, a token, an agent.
    Write {
        put: Box<Put>,
        audit: Option<(String, SmolStr, String)>,
    },
    /// A bot package is known from here on.
    BotPushed {
        put: Box<Put>,
        bot: Box<crate::dispatch::BotPackage>,
        by: String,
    },
    /// A connector is there.
    Connector {
        name: SmolStr,
        slots: u32,
        effect: botswain_proto::message::EffectClass,
    },
    /// The end of an attempt that the coordinator itself ran.
    AttemptEnded {
        attempt: AttemptId,
        end: Box<End>,
        warnings: Vec<String>,
    },
    /// A machine becomes an agent: token, name and certificate in one commit.
    Enrol {
        /// What the machine says.
        enrolment: Box<crate::fleet::Enrolment>,
        /// Who vouches.
        ca: Arc<crate::fleet::Ca>,
    },
    /// Something is noted in the audit log.
    Note {
        /// Who did it.
        who: String,
        /// What.
        what: &'static str,
        /// To what.
        subject: String,
        /// More, as JSON.
        details: String,
    },
    /// The bytes of a bot package.
    Package {
        /// Its content.
        digest: botswain_proto::ids::Digest,
    },
    /// Whether a file of evidence is wanted.
    EvidenceExpected {
        /// Who would send it; none on the plaintext door.
        agent: Option<AgentId>,
        /// For which attempt.
        attempt: AttemptId,
        /// Which file.
        file: Box<botswain_proto::message::EvidenceRef>,
    },
    /// A file of evidence is durable.
    EvidenceStored {
        /// Who sent it; none on the plaintext door.
        agent: Option<AgentId>,
        /// For which attempt.
        attempt: AttemptId,
        /// Which file.
        file: Box<botswain_proto::message::EvidenceRef>,
    },
    /// An agent's right is withdrawn.
    AgentRevoked { agent: AgentId, by: String },
    /// An agent said hello on a new session.
    AgentHello {
        session: SessionId,
        agent: AgentId,
        hello: Box<Hello>,
    },
    /// An agent's session is over.
    AgentGone {
        session: SessionId,
        agent: AgentId,
        why: String,
    },
    /// An agent says what became of an attempt.
    AgentEvent {
        session: SessionId,
        agent: AgentId,
        event: Box<TaskEvent>,
    },
    /// An agent is alive.
    AgentBeat {
        session: SessionId,
        agent: AgentId,
        beat: Box<Beat>,
    },
    /// An agent compared notes.
    AgentSync {
        session: SessionId,
        agent: AgentId,
        items: Vec<SyncItem>,
    },
    /// All agents.
    Agents,
    /// The dev clock moves BPMN's time forward.
    AdvanceClock { by_ms: u64 },
}

/// Which version of which process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProcessRef {
    /// By its definition's key.
    Key(Key),
    /// By the process id; without a version the latest.
    Id(SmolStr, Option<u32>),
}

/// What is wanted when an instance ends; no names means all variables.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AwaitEnd {
    /// The variables.
    pub fetch: Vec<SmolStr>,
}

/// What is answered.
#[derive(Debug)]
pub enum Answer {
    /// It happened.
    Done,
    /// It happened and made something with that key.
    Made(Key),
    /// What was deployed.
    Deployed(Vec<Deployed>),
    /// What was started.
    Created(Created),
    /// How the instance ended.
    Ended {
        created: Created,
        completed: bool,
        variables: String,
    },
    /// The jobs.
    Jobs(Vec<Activated>),
    /// Why an instance waits.
    Inspected {
        process: Arc<Process>,
        waiting: Vec<Waiting>,
        stopped: bool,
    },
    /// Why a job is not picked up.
    Explained(Option<Why>),
    /// The routes.
    Routes(Vec<Route>),
    /// The agents.
    Agents(Vec<AgentView>),
    /// What became of an agent's event.
    Verdict(Verdict),
    /// How long leases run on, for a beat.
    Leases(Vec<(AttemptId, u64)>),
    /// What an agent is to compare.
    Sync(Box<botswain_proto::message::Sync>),
    /// A machine became an agent, or why not.
    Enrolled(Result<Box<crate::fleet::Issued>, botswain_proto::enrol::Refusal>),
    /// A bot package.
    Package(Option<Vec<u8>>),
    /// Whether the file is there already.
    EvidenceThere(bool),
}

/// A version that a deployment made, or found unchanged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deployed {
    /// The definition's key.
    pub key: Key,
    /// The process id.
    pub process_id: SmolStr,
    /// The version.
    pub version: u32,
    /// The file.
    pub resource_name: String,
}

/// An instance that was started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Created {
    /// The instance.
    pub instance: Key,
    /// The definition's key.
    pub definition: Key,
    /// The process id.
    pub process_id: SmolStr,
    /// The version.
    pub version: u32,
}

/// A job that was given to a worker.
#[derive(Clone, Debug, PartialEq)]
pub struct Activated {
    /// The job, as the worker's stream says it.
    pub job: botswain_proto::worker::Job,
    /// Who asked for it.
    pub worker: SmolStr,
}

/// Why something was not done. Nothing has changed, except where the kind says that nobody knows.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// What kind of reason.
    pub kind: RefusalKind,
    /// What was expected, what was found, what to do.
    pub message: String,
}

/// What kind of reason a refusal has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusalKind {
    /// The request makes no sense.
    InvalidArgument,
    /// What it names is not there.
    NotFound,
    /// It is there already.
    AlreadyExists,
    /// It is not in a state for this.
    InvalidState,
    /// There is no room for it at present.
    ResourceExhausted,
    /// Nobody knows whether it happened.
    Unavailable,
    /// A bug.
    Internal,
}

impl RefusalKind {
    /// The word for clients that know Zeebe's rejection types.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            RefusalKind::InvalidArgument => "INVALID_ARGUMENT",
            RefusalKind::NotFound => "NOT_FOUND",
            RefusalKind::AlreadyExists => "ALREADY_EXISTS",
            RefusalKind::InvalidState => "INVALID_STATE",
            RefusalKind::ResourceExhausted => "RESOURCE_EXHAUSTED",
            RefusalKind::Unavailable => "UNAVAILABLE",
            RefusalKind::Internal => "INTERNAL",
        }
    }
}

impl Refusal {
    /// A refusal of that kind.
    pub fn new(kind: RefusalKind, message: impl Into<String>) -> Refusal {
        Refusal {
            kind,
            message: message.into(),
        }
    }

    pub(crate) fn not_found(verb: &str, what: &str, key: Key) -> Refusal {
        let message =
            format!("Expected to {verb} {what} with key '{key}', but no such {what} was found");
        Refusal::new(RefusalKind::NotFound, message)
    }

    /// Says a rejection of the engine in the words that Zeebe's clients know.
    pub(crate) fn of(verb: &str, rejection: Rejection) -> Refusal {
        match rejection {
            Rejection::NotFound { what, key } => Refusal::not_found(verb, what, key),
            Rejection::InvalidState {
                what, key, state, ..
            } => Refusal::new(
                RefusalKind::InvalidState,
                format!("Expected to {verb} {what} with key '{key}', but it is in state '{state}'"),
            ),
            Rejection::InvalidArgument(message) => {
                let mut letters = message.chars();
                let first = letters
                    .next()
                    .map(|c| c.to_uppercase().to_string())
                    .unwrap_or_default();
                Refusal::new(RefusalKind::InvalidArgument, first + letters.as_str())
            }
            Rejection::Stopped(_) => Refusal::new(RefusalKind::InvalidState, rejection.to_string()),
        }
    }

    pub(crate) fn unreadable(error: &StoreError) -> Refusal {
        Refusal::new(
            RefusalKind::Unavailable,
            format!("failed to read the database: {error}"),
        )
    }

    pub(crate) fn commit(error: &CommitError) -> Refusal {
        let kind = match error {
            CommitError::Full => RefusalKind::ResourceExhausted,
            CommitError::Deposed { .. } | CommitError::Failed(_) | CommitError::SyncFailed(_) => {
                RefusalKind::Unavailable
            }
        };
        Refusal::new(kind, error.to_string())
    }
}

/// A leg as attempts name it, in the store's words.
pub(crate) fn leg_words(leg: &LegKind) -> (botswain_store::rows::LegKind, SmolStr) {
    use botswain_store::rows::LegKind as Stored;
    match leg {
        LegKind::Bot { name, version } => (Stored::Bot, SmolStr::from(format!("{name}@{version}"))),
        LegKind::Action(name) => (Stored::Bot, name.clone()),
        LegKind::Connector(name) => (Stored::Connector, name.clone()),
        LegKind::Worker => (Stored::Worker, SmolStr::default()),
        LegKind::Person => (Stored::Person, SmolStr::default()),
    }
}
