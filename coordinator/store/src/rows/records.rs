//! Rows that the runtime writes itself: definitions, messages, attempts, routes, agents, packages, audit.

use super::{LegKind, codes};
use botswain_engine::{Key, Millis, Symbols, Variables};
use smol_str::SmolStr;
use uuid::Uuid;

/// A SHA-256 sum: the address of a model, a package or a piece of evidence.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// The digest of some bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Digest {
        use sha2::Digest as _;
        Digest(sha2::Sha256::digest(bytes).into())
    }

    /// Reads 64 hexadecimal digits.
    #[must_use]
    pub fn from_hex(text: &str) -> Option<Digest> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes).ok()?;
        Some(Digest(bytes))
    }
}

impl std::fmt::Display for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl std::fmt::Debug for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&hex::encode(&self.0[..6]))
    }
}

/// One version of a process.
#[derive(Clone, Debug, PartialEq)]
pub struct DefinitionRow {
    /// The version's key.
    pub key: Key,
    /// The BPMN id of the process.
    pub process_id: SmolStr,
    /// Counts from 1 for each process id.
    pub version: u32,
    /// The author's label.
    pub version_tag: Option<SmolStr>,
    /// The name for people.
    pub name: Option<String>,
    /// The file it came in.
    pub resource_name: String,
    /// The digest of the file.
    pub digest: Digest,
    /// The file.
    pub xml: Vec<u8>,
    /// The symbol table, frozen.
    pub symbols: Symbols,
    /// When it was deployed.
    pub deployed_at: Millis,
}

/// A message that may still find who awaits it.
#[derive(Clone, Debug, PartialEq)]
pub struct MessageRow {
    /// The message.
    pub key: Key,
    /// Its name.
    pub name: SmolStr,
    /// Its correlation key.
    pub correlation_key: SmolStr,
    /// The publisher's id; a second message of the same id is refused while the first is kept.
    pub message_id: Option<SmolStr>,
    /// When it is forgotten.
    pub expires_at: Millis,
    /// What it carries.
    pub variables: Variables,
}

/// A message was given to one instance of a process, and is not given to another instance of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageCorrelatedRow {
    /// The message.
    pub message: Key,
    /// The BPMN id of the process.
    pub process_id: SmolStr,
}

/// The answer to a command that may be sent again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeduplicationRow {
    /// The command's id.
    pub id: Uuid,
    /// What was answered.
    pub reply: Vec<u8>,
    /// When.
    pub at: Millis,
}

codes! {
    /// How an attempt stands.
    AttemptState {
        /// It was decided, and the agent has not answered.
        Offered = 0, "OFFERED";
        /// The agent works on it.
        Started = 1, "STARTED";
        /// It is over.
        Ended = 2, "ENDED";
    }
}

codes! {
    /// How an attempt ended.
    AttemptOutcome {
        /// The work was done.
        Succeeded = 0, "SUCCEEDED";
        /// It failed, and may be tried again.
        Failed = 1, "FAILED";
        /// It failed, and trying again is useless.
        FailedFinally = 2, "FAILED_FINALLY";
        /// It ended with a BPMN error.
        BpmnError = 3, "BPMN_ERROR";
        /// The agent refused it.
        Rejected = 4, "REJECTED";
        /// It was called back.
        Cancelled = 5, "CANCELLED";
        /// It took too long.
        TimedOut = 6, "TIMED_OUT";
        /// It may have happened; nobody may silently repeat it.
        Unknown = 7, "UNKNOWN";
    }
}

codes! {
    /// Whether the effect of an attempt took place.
    Happened {
        /// It certainly did not.
        No = 0, "NO";
        /// It certainly did.
        Yes = 1, "YES";
        /// Nobody knows.
        Unknown = 2, "UNKNOWN";
    }
}

/// One try of one leg at one job.
#[derive(Clone, Debug, PartialEq)]
pub struct AttemptRow {
    /// The attempt.
    pub id: Uuid,
    /// The job.
    pub job: Key,
    /// The job's instance.
    pub root: Key,
    /// What kind of work it is.
    pub job_type: SmolStr,
    /// Rises with each attempt at the job.
    pub fence: u64,
    /// What kind of doer.
    pub leg: LegKind,
    /// The leg's name: a bot's package, a connector.
    pub leg_name: SmolStr,
    /// The agent or the worker.
    pub holder: SmolStr,
    /// How it stands.
    pub state: AttemptState,
    /// When it was offered.
    pub offered_at: Millis,
    /// When the work began.
    pub started_at: Option<Millis>,
    /// When it ended.
    pub ended_at: Option<Millis>,
    /// How it ended.
    pub outcome: Option<AttemptOutcome>,
    /// What was said about the end.
    pub message: Option<String>,
    /// What an operator should look at, as a JSON array.
    pub warnings: Option<String>,
    /// What dispatch needs to go on with it after a restart, as JSON.
    pub details: String,
    /// Whether the effect took place.
    pub happened: Option<Happened>,
}

/// A piece of evidence; its bytes are a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EvidenceRow {
    /// The attempt.
    pub attempt: Uuid,
    /// Its name within the attempt.
    pub name: String,
    /// What it is.
    pub media_type: SmolStr,
    /// How many bytes.
    pub size: u64,
    /// The address of the bytes.
    pub digest: Digest,
    /// When it arrived.
    pub at: Millis,
}

/// One version of the route of a job type; the highest version counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteRow {
    /// The job type.
    pub job_type: SmolStr,
    /// Counts from 1 for each job type.
    pub version: u32,
    /// The route as JSON; none takes the route away.
    pub json: Option<String>,
    /// When it was set.
    pub at: Millis,
    /// Who set it.
    pub by: String,
}

/// An agent that was enrolled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentRow {
    /// The agent's name.
    pub id: SmolStr,
    /// The serial number of its certificate.
    pub serial: String,
    /// The SHA-256 fingerprint of its certificate.
    pub fingerprint: Digest,
    /// Its labels, a JSON object.
    pub labels: String,
    /// When it was enrolled.
    pub enrolled_at: Millis,
    /// When it lost its right.
    pub revoked_at: Option<Millis>,
    /// What it last said it can do, as JSON.
    pub capabilities: Option<String>,
    /// When it was last heard of.
    pub seen_at: Option<Millis>,
}

/// A token that lets agents enrol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnrolmentTokenRow {
    /// The digest of the token; the token itself is stored nowhere.
    pub digest: Digest,
    /// When it ends.
    pub expires_at: Millis,
    /// How often it may still be used.
    pub uses_left: u32,
    /// What it allows, as JSON.
    pub scope: String,
}

/// A bot package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackageRow {
    /// Its address.
    pub digest: Digest,
    /// The bot's name.
    pub name: SmolStr,
    /// The bot's version.
    pub version: SmolStr,
    /// The package; left empty in lists.
    pub bytes: Vec<u8>,
    /// When it was pushed.
    pub pushed_at: Millis,
}

/// Who did what to what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditRow {
    /// The entry's key.
    pub key: Key,
    /// When.
    pub at: Millis,
    /// Who.
    pub who: String,
    /// What.
    pub what: SmolStr,
    /// To what.
    pub subject: String,
    /// More, as JSON.
    pub details: Option<String>,
}

/// A row that the runtime writes; one of the same key is replaced.
#[derive(Clone, Debug, PartialEq)]
pub enum Put {
    /// A version of a process.
    Definition(Box<DefinitionRow>),
    /// A buffered message.
    Message(MessageRow),
    /// A message that was given away.
    MessageCorrelated(MessageCorrelatedRow),
    /// A reply.
    Deduplication(DeduplicationRow),
    /// An attempt.
    Attempt(Box<AttemptRow>),
    /// A piece of evidence.
    Evidence(EvidenceRow),
    /// A route.
    Route(RouteRow),
    /// An agent.
    Agent(AgentRow),
    /// A token that lets agents enrol.
    EnrolmentToken(EnrolmentTokenRow),
    /// A bot package.
    Package(PackageRow),
    /// An entry of the audit log.
    Audit(AuditRow),
}

/// A row that the runtime takes away. What is history is never deleted one by one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delete {
    /// A buffered message, with what is known of who got it.
    Message(Key),
    /// A reply.
    Deduplication(Uuid),
    /// A token that lets agents enrol.
    EnrolmentToken(Digest),
    /// A bot package.
    Package(Digest),
}

/// One change by the runtime.
#[derive(Clone, Debug, PartialEq)]
pub enum RecordChange {
    /// Written.
    Put(Put),
    /// Taken away.
    Delete(Delete),
}
