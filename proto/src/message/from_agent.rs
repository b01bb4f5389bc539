//! What an agent says to the coordinator.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{Happened, Hello, Known, State, WireError};
use super::{attempt, fence, job, list, name, text, texts, wrong};
use crate::agent as wire;
use crate::ids::{AttemptId, Digest, Fence, JobKey, Seq};
use crate::limits::{
    EVIDENCE_FILES_MAX, EVIDENCE_MAX_BYTES, NAME_MAX_BYTES, OPEN_MAX, PAYLOAD_MAX_BYTES,
    TAIL_MAX_BYTES, TEXT_MAX_BYTES,
};

/// One message of an agent.
#[derive(Debug, Clone, PartialEq)]
pub enum FromAgent {
    /// The first message of a connection.
    Hello(Box<Hello>),
    /// Something happened to an attempt.
    Event(Box<TaskEvent>),
    /// The agent lives.
    Beat(Beat),
    /// The answer to what the coordinator believes to be open.
    SyncAnswer(Vec<SyncItem>),
    /// A clean stop.
    Goodbye {
        /// For people.
        why: String,
    },
}

/// One thing that happened to an attempt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TaskEvent {
    /// The attempt.
    pub attempt: AttemptId,
    /// Its job.
    pub job: JobKey,
    /// Its fence.
    pub fence: Fence,
    /// Receipt key; zero where none is wanted.
    pub seq: Seq,
    /// The run of the agent that says it.
    pub boot_id: String,
    /// What happened.
    pub state: State,
    /// Why, for every end but success.
    pub reason: Option<Reason>,
    /// How far it is.
    pub progress: Option<Progress>,
    /// JSON object as text; empty where there is none.
    pub result: Bytes,
    /// A larger result, uploaded as evidence.
    pub result_ref: Option<(Digest, u64)>,
    /// Time between arrival and start.
    pub queued_ms: u64,
    /// Time between start and end.
    pub run_ms: u64,
    /// What a program printed last.
    pub tail: Option<Tail>,
    /// Files of evidence.
    pub evidence: Vec<EvidenceRef>,
    /// What is known about the outside, with an end.
    pub happened: Option<Happened>,
    /// The error the model catches.
    pub bpmn_error: Option<BpmnError>,
    /// For people.
    pub warnings: Vec<String>,
    /// Sent again from the journal.
    pub replayed: bool,
}

/// Why something ended otherwise than hoped.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// Stable, for programs.
    pub code: String,
    /// For people.
    pub text: String,
    /// Another attempt may succeed without anybody changing anything.
    pub retryable: bool,
    /// The rule that refused; empty where none did.
    pub policy_rule: String,
}

/// An error that the model catches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BpmnError {
    /// The code it catches.
    pub code: String,
    /// For people.
    pub message: String,
}

/// How far an attempt is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// 0 to 100.
    pub percent: u32,
    /// The step.
    pub step: String,
    /// For people.
    pub note: String,
}

/// What a program printed last.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tail {
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

/// A file of evidence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EvidenceRef {
    /// Its name within the attempt.
    pub name: String,
    /// Its media type.
    pub media_type: String,
    /// Its content.
    pub sha256: Digest,
    /// Its size.
    pub size: u64,
}

/// A sign of life.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Beat {
    /// Attempts that run or wait here.
    pub running: Vec<AttemptId>,
    /// Attempts that would still find room.
    pub slots_free: u32,
    /// Events without a receipt.
    pub outbox: u32,
    /// One-minute load per processor, in percent.
    pub load_percent: u32,
    /// Free space of the data folder.
    pub disk_free_bytes: u64,
    /// Free memory.
    pub memory_free_bytes: u64,
    /// The owner takes no work at present.
    pub paused: bool,
}

/// What an agent knows of one attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SyncItem {
    /// The attempt asked about.
    pub attempt: AttemptId,
    /// Its job.
    pub job: JobKey,
    /// The agent's fence of that job.
    pub fence: Fence,
    /// What it knows.
    pub known: Known,
}

impl TryFrom<wire::AgentMessage> for FromAgent {
    type Error = WireError;

    fn try_from(message: wire::AgentMessage) -> Result<Self, WireError> {
        use wire::agent_message::Body;
        match message.body {
            Some(Body::Hello(hello)) => Ok(Self::Hello(Box::new(hello.try_into()?))),
            Some(Body::Event(event)) => Ok(Self::Event(Box::new(event.try_into()?))),
            Some(Body::Beat(beat)) => beat.try_into().map(Self::Beat),
            Some(Body::SyncAnswer(answer)) => list("sync_answer", answer.items, OPEN_MAX)?
                .into_iter()
                .map(TryInto::try_into)
                .collect::<Result<_, _>>()
                .map(Self::SyncAnswer),
            Some(Body::Goodbye(goodbye)) => Ok(Self::Goodbye {
                why: text("goodbye.why", goodbye.why, TEXT_MAX_BYTES)?,
            }),
            None => Err(wrong(
                "message",
                "is empty or of a kind this version does not know",
            )),
        }
    }
}

impl From<FromAgent> for wire::AgentMessage {
    fn from(message: FromAgent) -> Self {
        use wire::agent_message::Body;
        let body = match message {
            FromAgent::Hello(hello) => Body::Hello((*hello).into()),
            FromAgent::Event(event) => Body::Event((*event).into()),
            FromAgent::Beat(beat) => Body::Beat(beat.into()),
            FromAgent::SyncAnswer(items) => Body::SyncAnswer(wire::SyncAnswer {
                items: items.into_iter().map(Into::into).collect(),
            }),
            FromAgent::Goodbye { why } => Body::Goodbye(wire::Goodbye { why }),
        };
        Self { body: Some(body) }
    }
}

impl TryFrom<wire::TaskEvent> for TaskEvent {
    type Error = WireError;

    fn try_from(event: wire::TaskEvent) -> Result<Self, WireError> {
        if event.result.len() > PAYLOAD_MAX_BYTES {
            return Err(wrong(
                "event.result",
                format!(
                    "holds {} bytes, at most {PAYLOAD_MAX_BYTES} are allowed",
                    event.result.len()
                ),
            ));
        }
        let state = State::from_wire("event.state", event.state)?;
        let happened = match wire::Happened::try_from(event.happened) {
            Ok(wire::Happened::Unspecified) if state.is_end() => {
                return Err(wrong("event.happened", "is missing, every end carries it"));
            }
            Ok(wire::Happened::Unspecified) => None,
            _ => Some(Happened::from_wire("event.happened", event.happened)?),
        };
        let short = |place, value| text(place, value, TEXT_MAX_BYTES);
        let result_ref = event
            .result_ref
            .map(|blob| {
                let digest = blob.sha256.parse();
                Ok((
                    digest.map_err(|error| wrong("event.result_ref", error))?,
                    blob.size,
                ))
            })
            .transpose()?;
        let bpmn_error = event
            .bpmn_error
            .map(|error| {
                Ok(BpmnError {
                    code: name("event.bpmn_error.code", error.code)?,
                    message: short("event.bpmn_error.message", error.message)?,
                })
            })
            .transpose()?;
        if state == State::BpmnError && bpmn_error.is_none() {
            return Err(wrong("event.bpmn_error", "is missing"));
        }
        Ok(Self {
            attempt: attempt("event.attempt", &event.attempt)?,
            job: job("event.job_key", event.job_key)?,
            fence: fence("event.fence", event.fence)?,
            seq: Seq(event.seq),
            boot_id: text("event.boot_id", event.boot_id, NAME_MAX_BYTES)?,
            state,
            reason: event
                .reason
                .map(|reason| {
                    Ok(Reason {
                        code: text("event.reason.code", reason.code, NAME_MAX_BYTES)?,
                        text: short("event.reason.text", reason.text)?,
                        retryable: reason.retryable,
                        policy_rule: text(
                            "event.reason.policy_rule",
                            reason.policy_rule,
                            NAME_MAX_BYTES,
                        )?,
                    })
                })
                .transpose()?,
            progress: event
                .progress
                .map(|progress| {
                    Ok(Progress {
                        percent: progress.percent.min(100),
                        step: short("event.progress.step", progress.step)?,
                        note: short("event.progress.note", progress.note)?,
                    })
                })
                .transpose()?,
            result: event.result,
            result_ref,
            queued_ms: event.queued_ms,
            run_ms: event.run_ms,
            tail: event
                .tail
                .map(|tail| {
                    Ok(Tail {
                        stdout: text("event.tail.stdout", tail.stdout, TAIL_MAX_BYTES)?,
                        stderr: text("event.tail.stderr", tail.stderr, TAIL_MAX_BYTES)?,
                    })
                })
                .transpose()?,
            evidence: list("event.evidence", event.evidence, EVIDENCE_FILES_MAX)?
                .into_iter()
                .map(TryInto::try_into)
                .collect::<Result<_, _>>()?,
            happened,
            bpmn_error,
            warnings: texts("event.warnings", event.warnings, TEXT_MAX_BYTES)?,
            replayed: event.replayed,
        })
    }
}

impl From<TaskEvent> for wire::TaskEvent {
    fn from(event: TaskEvent) -> Self {
        Self {
            attempt: event.attempt.to_string(),
            job_key: event.job.0,
            fence: event.fence.0,
            seq: event.seq.0,
            boot_id: event.boot_id,
            state: event.state.into(),
            reason: event.reason.map(|reason| wire::Reason {
                code: reason.code,
                text: reason.text,
                retryable: reason.retryable,
                policy_rule: reason.policy_rule,
            }),
            progress: event.progress.map(|progress| wire::Progress {
                percent: progress.percent,
                step: progress.step,
                note: progress.note,
            }),
            result: event.result,
            result_ref: event.result_ref.map(|(sha256, size)| wire::BlobRef {
                sha256: sha256.to_string(),
                size,
            }),
            queued_ms: event.queued_ms,
            run_ms: event.run_ms,
            tail: event.tail.map(|tail| wire::Tail {
                stdout: tail.stdout,
                stderr: tail.stderr,
            }),
            evidence: event.evidence.into_iter().map(Into::into).collect(),
            happened: event.happened.map_or(0, Into::into),
            bpmn_error: event.bpmn_error.map(|error| wire::BpmnError {
                code: error.code,
                message: error.message,
            }),
            warnings: event.warnings,
            replayed: event.replayed,
        }
    }
}

impl TryFrom<wire::EvidenceRef> for EvidenceRef {
    type Error = WireError;

    fn try_from(file: wire::EvidenceRef) -> Result<Self, WireError> {
        if file.size > EVIDENCE_MAX_BYTES {
            return Err(wrong(
                "evidence.size",
                format!(
                    "{} bytes, at most {EVIDENCE_MAX_BYTES} are allowed",
                    file.size
                ),
            ));
        }
        Ok(Self {
            name: name("evidence.name", file.name)?,
            media_type: name("evidence.media_type", file.media_type)?,
            sha256: file
                .sha256
                .parse()
                .map_err(|error| wrong("evidence.sha256", error))?,
            size: file.size,
        })
    }
}

impl From<EvidenceRef> for wire::EvidenceRef {
    fn from(file: EvidenceRef) -> Self {
        Self {
            name: file.name,
            media_type: file.media_type,
            sha256: file.sha256.to_string(),
            size: file.size,
        }
    }
}

impl TryFrom<wire::Beat> for Beat {
    type Error = WireError;

    fn try_from(beat: wire::Beat) -> Result<Self, WireError> {
        Ok(Self {
            running: list("beat.running", beat.running, OPEN_MAX)?
                .iter()
                .map(|id| attempt("beat.running", id))
                .collect::<Result<_, _>>()?,
            slots_free: beat.slots_free,
            outbox: beat.outbox,
            load_percent: beat.load_percent,
            disk_free_bytes: beat.disk_free_bytes,
            memory_free_bytes: beat.memory_free_bytes,
            paused: beat.paused,
        })
    }
}

impl From<Beat> for wire::Beat {
    fn from(beat: Beat) -> Self {
        Self {
            running: beat.running.iter().map(ToString::to_string).collect(),
            slots_free: beat.slots_free,
            outbox: beat.outbox,
            load_percent: beat.load_percent,
            disk_free_bytes: beat.disk_free_bytes,
            memory_free_bytes: beat.memory_free_bytes,
            paused: beat.paused,
        }
    }
}

impl TryFrom<wire::SyncItem> for SyncItem {
    type Error = WireError;

    fn try_from(item: wire::SyncItem) -> Result<Self, WireError> {
        Ok(Self {
            attempt: attempt("sync_answer.attempt", &item.attempt)?,
            job: job("sync_answer.job_key", item.job_key)?,
            fence: fence("sync_answer.fence", item.fence)?,
            known: Known::from_wire("sync_answer.known", item.known)?,
        })
    }
}

impl From<SyncItem> for wire::SyncItem {
    fn from(item: SyncItem) -> Self {
        Self {
            attempt: item.attempt.to_string(),
            job_key: item.job.0,
            fence: item.fence.0,
            known: item.known.into(),
        }
    }
}
