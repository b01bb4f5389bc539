//! What the coordinator says to an agent.

use std::fmt;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{EffectClass, OnLost, OpenAttempt, Verdict, WireError};
use super::{attempt, fence, job, list, name, text, texts, wrong};
use crate::agent as wire;
use crate::ids::{AttemptId, Digest, Epoch, Fence, JobKey, Seq};
use crate::limits::{LIST_MAX, NAME_MAX_BYTES, OPEN_MAX, PAYLOAD_MAX_BYTES, TEXT_MAX_BYTES};

/// One message of the coordinator.
#[derive(Debug, Clone, PartialEq)]
pub enum ToAgent {
    /// What the coordinator believes to be at the agent.
    Sync(Sync),
    /// An offer of work.
    Task(Box<Task>),
    /// A request to stop an attempt.
    Cancel(Cancel),
    /// What became of the agent's events.
    Receipt(Receipt),
}

/// What the coordinator believes to be at the agent.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Sync {
    /// The coordinator's term.
    pub epoch: Epoch,
    /// Attempts it believes to be open.
    pub open: Vec<OpenAttempt>,
    /// Attempts nobody waits for.
    pub close: Vec<AttemptId>,
    /// Wanted interval of beats; zero leaves the agent's own.
    pub beat_ms: u64,
    /// The coordinator's wall clock, advisory.
    pub now_ms: i64,
}

/// The work of a task: an action of the agent, or a bot package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Work {
    /// An action that is part of the agent, by name.
    Action(String),
    /// A bot package, by content.
    Bot(BotRef),
}

impl Work {
    /// The name that policies and people use.
    pub fn name(&self) -> &str {
        match self {
            Self::Action(name) => name,
            Self::Bot(bot) => &bot.name,
        }
    }
}

impl fmt::Display for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Action(name) => f.write_str(name),
            Self::Bot(bot) => write!(f, "{}@{}", bot.name, bot.version),
        }
    }
}

/// Names a bot package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BotRef {
    /// Name of the package.
    pub name: String,
    /// Version of the package.
    pub version: String,
    /// Its content.
    pub digest: Digest,
}

/// A value that stays in memory.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret {
    /// The name the bot asks for.
    pub name: String,
    /// The value.
    pub value: String,
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({})", self.name)
    }
}

/// Relative times of a task, counted from its arrival; zero means no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// It must be accepted within.
    pub accept_by_ms: u64,
    /// It must begin within.
    pub start_by_ms: u64,
    /// It must end within, counted from its start.
    pub run_timeout_ms: u64,
    /// The agent holds it for, unless renewed.
    pub lease_ms: u64,
    /// A cancelled run may tidy up for.
    pub cancel_grace_ms: u64,
}

/// An offer of work.
#[derive(Debug, Clone, PartialEq)]
pub struct Task {
    /// Names this try.
    pub attempt: AttemptId,
    /// Names the job.
    pub job: JobKey,
    /// Rank of this try among those of its job.
    pub fence: Fence,
    /// Term of the coordinator that sends it.
    pub epoch: Epoch,
    /// What is to be done.
    pub work: Work,
    /// Input: a JSON object as text.
    pub input: Bytes,
    /// Secrets, for memory only.
    pub secrets: Vec<Secret>,
    /// The class the coordinator relies on.
    pub effect: EffectClass,
    /// Relative times.
    pub limits: Limits,
    /// What a lost lease means.
    pub on_lost: OnLost,
    /// Labels for the local policy.
    pub labels: Vec<String>,
    /// Trace context.
    pub trace: String,
    /// Id of the process, for people and the policy.
    pub process_id: String,
    /// Key of the instance, for people.
    pub instance_key: i64,
    /// Type of the job, for people and the policy.
    pub job_type: String,
    /// Names held while it runs.
    pub locks: Vec<String>,
}

/// A request to stop an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cancel {
    /// The attempt.
    pub attempt: AttemptId,
    /// Its fence.
    pub fence: Fence,
    /// Term of the coordinator that sends it.
    pub epoch: Epoch,
    /// Time to tidy up; none ends it at once.
    pub grace_ms: Option<u64>,
    /// For people.
    pub why: String,
}

/// What became of the agent's events.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Receipt {
    /// One verdict per event.
    pub items: Vec<(Seq, Verdict)>,
    /// Renewed leases in milliseconds from arrival.
    pub leases: Vec<(AttemptId, u64)>,
}

impl TryFrom<wire::CoordinatorMessage> for ToAgent {
    type Error = WireError;

    fn try_from(message: wire::CoordinatorMessage) -> Result<Self, WireError> {
        use wire::coordinator_message::Body;
        match message.body {
            Some(Body::Sync(sync)) => sync.try_into().map(Self::Sync),
            Some(Body::Task(task)) => Ok(Self::Task(Box::new(task.try_into()?))),
            Some(Body::Cancel(cancel)) => cancel.try_into().map(Self::Cancel),
            Some(Body::Receipt(receipt)) => receipt.try_into().map(Self::Receipt),
            None => Err(wrong(
                "message",
                "is empty or of a kind this version does not know",
            )),
        }
    }
}

impl From<ToAgent> for wire::CoordinatorMessage {
    fn from(message: ToAgent) -> Self {
        use wire::coordinator_message::Body;
        let body = match message {
            ToAgent::Sync(sync) => Body::Sync(sync.into()),
            ToAgent::Task(task) => Body::Task((*task).into()),
            ToAgent::Cancel(cancel) => Body::Cancel(cancel.into()),
            ToAgent::Receipt(receipt) => Body::Receipt(receipt.into()),
        };
        Self { body: Some(body) }
    }
}

impl TryFrom<wire::Sync> for Sync {
    type Error = WireError;

    fn try_from(sync: wire::Sync) -> Result<Self, WireError> {
        Ok(Self {
            epoch: Epoch(sync.epoch),
            open: list("sync.open", sync.open, OPEN_MAX)?
                .into_iter()
                .map(TryInto::try_into)
                .collect::<Result<_, _>>()?,
            close: list("sync.close", sync.close, OPEN_MAX)?
                .iter()
                .map(|id| attempt("sync.close", id))
                .collect::<Result<_, _>>()?,
            beat_ms: u64::from(sync.beat_ms),
            now_ms: sync.now_ms,
        })
    }
}

impl From<Sync> for wire::Sync {
    fn from(sync: Sync) -> Self {
        Self {
            epoch: sync.epoch.0,
            now_ms: sync.now_ms,
            open: sync.open.into_iter().map(Into::into).collect(),
            close: sync.close.iter().map(ToString::to_string).collect(),
            beat_ms: u32::try_from(sync.beat_ms).unwrap_or(u32::MAX),
        }
    }
}

impl TryFrom<wire::Task> for Task {
    type Error = WireError;

    fn try_from(task: wire::Task) -> Result<Self, WireError> {
        let work = match task.work {
            Some(wire::task::Work::Action(action)) => Work::Action(name("task.action", action)?),
            Some(wire::task::Work::Bot(bot)) => Work::Bot(BotRef {
                name: name("task.bot.name", bot.name)?,
                version: name("task.bot.version", bot.version)?,
                digest: bot
                    .digest
                    .parse()
                    .map_err(|error| wrong("task.bot.digest", error))?,
            }),
            None => return Err(wrong("task.work", "names neither an action nor a bot")),
        };
        if task.input.len() > PAYLOAD_MAX_BYTES {
            return Err(wrong(
                "task.input",
                format!(
                    "holds {} bytes, at most {PAYLOAD_MAX_BYTES} are allowed",
                    task.input.len()
                ),
            ));
        }
        let secrets = list("task.secrets", task.secrets, LIST_MAX)?
            .into_iter()
            .map(|secret| {
                Ok(Secret {
                    name: name("task.secrets.name", secret.name)?,
                    value: text("task.secrets.value", secret.value, TEXT_MAX_BYTES)?,
                })
            })
            .collect::<Result<_, WireError>>()?;
        Ok(Self {
            attempt: attempt("task.attempt", &task.attempt)?,
            job: job("task.job_key", task.job_key)?,
            fence: fence("task.fence", task.fence)?,
            epoch: Epoch(task.epoch),
            work,
            input: task.input,
            secrets,
            effect: EffectClass::from_wire("task.effect", task.effect)?,
            limits: Limits {
                accept_by_ms: task.accept_by_ms,
                start_by_ms: task.start_by_ms,
                run_timeout_ms: task.run_timeout_ms,
                lease_ms: task.lease_ms,
                cancel_grace_ms: task.cancel_grace_ms,
            },
            on_lost: match wire::OnLost::try_from(task.on_lost) {
                Ok(wire::OnLost::Unspecified) => OnLost::Wait,
                _ => OnLost::from_wire("task.on_lost", task.on_lost)?,
            },
            labels: texts("task.labels", task.labels, NAME_MAX_BYTES)?,
            trace: text("task.trace", task.trace, NAME_MAX_BYTES)?,
            process_id: text("task.process_id", task.process_id, NAME_MAX_BYTES)?,
            instance_key: task.instance_key,
            job_type: text("task.job_type", task.job_type, NAME_MAX_BYTES)?,
            locks: texts("task.locks", task.locks, NAME_MAX_BYTES)?,
        })
    }
}

impl From<Task> for wire::Task {
    fn from(task: Task) -> Self {
        Self {
            attempt: task.attempt.to_string(),
            job_key: task.job.0,
            fence: task.fence.0,
            epoch: task.epoch.0,
            work: Some(match task.work {
                Work::Action(name) => wire::task::Work::Action(name),
                Work::Bot(bot) => wire::task::Work::Bot(wire::BotRef {
                    name: bot.name,
                    version: bot.version,
                    digest: bot.digest.to_string(),
                }),
            }),
            input: task.input,
            secrets: task
                .secrets
                .into_iter()
                .map(|Secret { name, value }| wire::Secret { name, value })
                .collect(),
            effect: task.effect.into(),
            accept_by_ms: task.limits.accept_by_ms,
            start_by_ms: task.limits.start_by_ms,
            run_timeout_ms: task.limits.run_timeout_ms,
            lease_ms: task.limits.lease_ms,
            cancel_grace_ms: task.limits.cancel_grace_ms,
            on_lost: task.on_lost.into(),
            labels: task.labels,
            trace: task.trace,
            process_id: task.process_id,
            instance_key: task.instance_key,
            job_type: task.job_type,
            locks: task.locks,
        }
    }
}

impl TryFrom<wire::Cancel> for Cancel {
    type Error = WireError;

    fn try_from(cancel: wire::Cancel) -> Result<Self, WireError> {
        Ok(Self {
            attempt: attempt("cancel.attempt", &cancel.attempt)?,
            fence: fence("cancel.fence", cancel.fence)?,
            epoch: Epoch(cancel.epoch),
            grace_ms: (!cancel.kill).then_some(cancel.grace_ms),
            why: text("cancel.why", cancel.why, TEXT_MAX_BYTES)?,
        })
    }
}

impl From<Cancel> for wire::Cancel {
    fn from(cancel: Cancel) -> Self {
        Self {
            attempt: cancel.attempt.to_string(),
            fence: cancel.fence.0,
            epoch: cancel.epoch.0,
            kill: cancel.grace_ms.is_none(),
            grace_ms: cancel.grace_ms.unwrap_or_default(),
            why: cancel.why,
        }
    }
}

impl TryFrom<wire::Receipt> for Receipt {
    type Error = WireError;

    fn try_from(receipt: wire::Receipt) -> Result<Self, WireError> {
        Ok(Self {
            items: receipt
                .items
                .into_iter()
                .map(|item| {
                    Ok((
                        Seq(item.seq),
                        Verdict::from_wire("receipt.verdict", item.verdict)?,
                    ))
                })
                .collect::<Result<_, WireError>>()?,
            leases: list("receipt.leases", receipt.leases, OPEN_MAX)?
                .into_iter()
                .map(|lease| Ok((attempt("receipt.leases", &lease.attempt)?, lease.lease_ms)))
                .collect::<Result<_, WireError>>()?,
        })
    }
}

impl From<Receipt> for wire::Receipt {
    fn from(receipt: Receipt) -> Self {
        Self {
            items: receipt
                .items
                .into_iter()
                .map(|(seq, verdict)| wire::ReceiptItem {
                    seq: seq.0,
                    verdict: verdict.into(),
                })
                .collect(),
            leases: receipt
                .leases
                .into_iter()
                .map(|(attempt, lease_ms)| wire::Lease {
                    attempt: attempt.to_string(),
                    lease_ms,
                })
                .collect(),
        }
    }
}
