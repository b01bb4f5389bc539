//! Hello: who an agent is, what it can do, and what it holds.

use super::{EffectClass, State, WireError};
use super::{attempt, fence, job, list, name, text, texts, wrong};
use crate::agent as wire;
use crate::ids::{AgentId, AttemptId, Digest, Epoch, Fence, JobKey, Seq};
use crate::limits::{LIST_MAX, NAME_MAX_BYTES, OPEN_MAX, TEXT_MAX_BYTES};

/// The first message of a connection.
#[derive(Debug, Clone, PartialEq)]
pub struct Hello {
    /// Advisory; the certificate decides.
    pub agent: AgentId,
    /// Changes with every start.
    pub boot_id: String,
    /// Rises with every connection.
    pub conn: u64,
    /// Changes when the journal was lost.
    pub journal_id: String,
    /// Highest event number ever given out.
    pub last_seq: Seq,
    /// Attempts without a receipt of their end.
    pub open: Vec<OpenAttempt>,
    /// What the agent can do.
    pub capabilities: Capabilities,
    /// Version of the program.
    pub agent_version: String,
    /// Digest of the local policy.
    pub policy_version: String,
    /// Highest term of a coordinator it ever heard of.
    pub highest_epoch: Epoch,
    /// For people.
    pub note: String,
}

/// An attempt at an agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenAttempt {
    /// The attempt.
    pub attempt: AttemptId,
    /// Its job.
    pub job: JobKey,
    /// Its fence.
    pub fence: Fence,
    /// Where it stands.
    pub state: State,
}

/// What an agent can do.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Capabilities {
    /// Built-in actions that its policy does not exclude altogether.
    pub actions: Vec<ActionOffer>,
    /// `key=value`.
    pub labels: Vec<String>,
    /// Operating system.
    pub os: String,
    /// Processor architecture.
    pub arch: String,
    /// How many attempts may be outstanding at once.
    pub slots: u32,
    /// What the machine provides to bots.
    pub needs: Vec<String>,
    /// Packages in the cache.
    pub bots: Vec<BotOffer>,
}

/// A built-in action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActionOffer {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// What a repetition does.
    pub effect: EffectClass,
}

/// A bot package in the cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BotOffer {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its content.
    pub digest: Digest,
    /// What a repetition does.
    pub effect: EffectClass,
}

impl TryFrom<wire::Hello> for Hello {
    type Error = WireError;

    fn try_from(hello: wire::Hello) -> Result<Self, WireError> {
        let capabilities = hello
            .capabilities
            .ok_or_else(|| wrong("hello.capabilities", "is missing"))?;
        Ok(Self {
            agent: hello
                .agent_id
                .parse()
                .map_err(|error| wrong("hello.agent_id", error))?,
            boot_id: name("hello.boot_id", hello.boot_id)?,
            conn: hello.conn,
            journal_id: name("hello.journal_id", hello.journal_id)?,
            last_seq: Seq(hello.last_seq),
            open: list("hello.open", hello.open, OPEN_MAX)?
                .into_iter()
                .map(TryInto::try_into)
                .collect::<Result<_, _>>()?,
            capabilities: capabilities.try_into()?,
            agent_version: text("hello.agent_version", hello.agent_version, NAME_MAX_BYTES)?,
            policy_version: text("hello.policy_version", hello.policy_version, NAME_MAX_BYTES)?,
            highest_epoch: Epoch(hello.highest_epoch),
            note: text("hello.note", hello.note, TEXT_MAX_BYTES)?,
        })
    }
}

impl From<Hello> for wire::Hello {
    fn from(hello: Hello) -> Self {
        Self {
            agent_id: hello.agent.into(),
            boot_id: hello.boot_id,
            conn: hello.conn,
            journal_id: hello.journal_id,
            last_seq: hello.last_seq.0,
            open: hello.open.into_iter().map(Into::into).collect(),
            capabilities: Some(hello.capabilities.into()),
            agent_version: hello.agent_version,
            policy_version: hello.policy_version,
            highest_epoch: hello.highest_epoch.0,
            note: hello.note,
        }
    }
}

impl TryFrom<wire::OpenAttempt> for OpenAttempt {
    type Error = WireError;

    fn try_from(open: wire::OpenAttempt) -> Result<Self, WireError> {
        Ok(Self {
            attempt: attempt("open.attempt", &open.attempt)?,
            job: job("open.job_key", open.job_key)?,
            fence: fence("open.fence", open.fence)?,
            state: State::from_wire("open.state", open.state)?,
        })
    }
}

impl From<OpenAttempt> for wire::OpenAttempt {
    fn from(open: OpenAttempt) -> Self {
        Self {
            attempt: open.attempt.to_string(),
            job_key: open.job.0,
            fence: open.fence.0,
            state: open.state.into(),
        }
    }
}

impl TryFrom<wire::Capabilities> for Capabilities {
    type Error = WireError;

    fn try_from(caps: wire::Capabilities) -> Result<Self, WireError> {
        Ok(Self {
            actions: list("capabilities.actions", caps.actions, LIST_MAX)?
                .into_iter()
                .map(|action| {
                    Ok(ActionOffer {
                        name: name("capabilities.actions.name", action.name)?,
                        version: text(
                            "capabilities.actions.version",
                            action.version,
                            NAME_MAX_BYTES,
                        )?,
                        effect: EffectClass::from_wire(
                            "capabilities.actions.effect",
                            action.effect,
                        )?,
                    })
                })
                .collect::<Result<_, WireError>>()?,
            labels: texts("capabilities.labels", caps.labels, NAME_MAX_BYTES)?,
            os: text("capabilities.os", caps.os, NAME_MAX_BYTES)?,
            arch: text("capabilities.arch", caps.arch, NAME_MAX_BYTES)?,
            slots: caps.slots.min(u32::try_from(OPEN_MAX).unwrap_or(u32::MAX)),
            needs: texts("capabilities.needs", caps.needs, NAME_MAX_BYTES)?,
            bots: list("capabilities.bots", caps.bots, OPEN_MAX)?
                .into_iter()
                .map(|bot| {
                    Ok(BotOffer {
                        name: name("capabilities.bots.name", bot.name)?,
                        version: name("capabilities.bots.version", bot.version)?,
                        digest: bot
                            .digest
                            .parse()
                            .map_err(|error| wrong("capabilities.bots.digest", error))?,
                        effect: EffectClass::from_wire("capabilities.bots.effect", bot.effect)?,
                    })
                })
                .collect::<Result<_, WireError>>()?,
        })
    }
}

impl From<Capabilities> for wire::Capabilities {
    fn from(caps: Capabilities) -> Self {
        Self {
            actions: caps
                .actions
                .into_iter()
                .map(|action| wire::ActionOffer {
                    name: action.name,
                    version: action.version,
                    effect: action.effect.into(),
                })
                .collect(),
            labels: caps.labels,
            os: caps.os,
            arch: caps.arch,
            slots: caps.slots,
            needs: caps.needs,
            bots: caps
                .bots
                .into_iter()
                .map(|bot| wire::BotOffer {
                    name: bot.name,
                    version: bot.version,
                    digest: bot.digest.to_string(),
                    effect: bot.effect.into(),
                })
                .collect(),
        }
    }
}
