//! Why a job is not picked up: the answer that an operator gets, with the nearest agents and what each lacks.

use super::attempt::AttemptState;
use super::desk::{Desk, Entry, Place};
use super::route::LegKind;
use botswain_engine::event::Millis;
use botswain_engine::key::Key;
use botswain_proto::ids::AgentId;
use smol_str::SmolStr;
use std::fmt;

/// Most agents that an explanation names.
const NEAREST_MAX: usize = 5;

/// What an agent lacks for a leg.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lack {
    /// It is not connected, with the reason.
    Offline(String),
    /// Its owner takes no work.
    Paused,
    /// It holds as much as it may.
    Busy {
        /// How much that is.
        slots: u32,
    },
    /// A label.
    Label(SmolStr),
    /// Something its machine would have to provide.
    Need(SmolStr),
    /// An action.
    Action(SmolStr),
    /// It refused this job.
    Refused,
    /// Its certificate was withdrawn.
    Revoked,
}

impl fmt::Display for Lack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Lack::Offline(why) => write!(f, "is not connected ({why})"),
            Lack::Paused => f.write_str("is paused by its owner"),
            Lack::Busy { slots } => write!(f, "holds as many attempts as it may ({slots})"),
            Lack::Label(label) => write!(f, "lacks the label {label}"),
            Lack::Need(need) => write!(f, "provides no {need}"),
            Lack::Action(action) => write!(f, "does not offer the action {action}"),
            Lack::Refused => f.write_str("refused this job"),
            Lack::Revoked => f.write_str("is revoked"),
        }
    }
}

/// Why a job is not picked up, or who has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// It is not in memory: it waits in the store behind others, or it is over.
    NotHere,
    /// Its type's route looks at variables, and is about to.
    Routing,
    /// No leg fits.
    NoLeg {
        /// What was found.
        remark: String,
    },
    /// It waits for its back-off.
    BackOff {
        /// The end of it.
        until: Millis,
        /// What happened before.
        remark: Option<String>,
    },
    /// Nobody asks for the type.
    NoWorker {
        /// The type.
        job_type: SmolStr,
    },
    /// All that ask for the type have as many jobs as they want.
    WorkersBusy {
        /// The type.
        job_type: SmolStr,
        /// How many subscriptions there are.
        subscriptions: usize,
    },
    /// The package was never pushed.
    NoBot {
        /// The leg.
        leg: LegKind,
    },
    /// No agent can take it at present.
    NoAgent {
        /// The leg.
        leg: LegKind,
        /// The agents that lack least, with what they lack.
        nearest: Vec<(AgentId, Vec<Lack>)>,
    },
    /// The connector is not configured.
    NoConnector {
        /// Its name.
        name: SmolStr,
    },
    /// The connector runs as many calls as it may.
    ConnectorBusy {
        /// Its name.
        name: SmolStr,
        /// How many that are.
        slots: u32,
    },
    /// It is about to be given out.
    Ready,
    /// Somebody has it.
    Held {
        /// Who.
        by: String,
        /// What is known about that.
        remark: Option<String>,
    },
    /// A person has to say how it goes on.
    Suspended {
        /// What is known.
        remark: Option<String>,
    },
    /// A person has to give it retries.
    NoRetries,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tail = |f: &mut fmt::Formatter<'_>, remark: &Option<String>| match remark {
            Some(remark) => write!(f, "; {remark}"),
            None => Ok(()),
        };
        match self {
            Why::NotHere => f.write_str("waits behind others"),
            Why::Routing => f.write_str("its route is being evaluated"),
            Why::NoLeg { remark } => f.write_str(remark),
            Why::BackOff { until, remark } => {
                write!(
                    f,
                    "waits for its next try at {until} (milliseconds since 1970)"
                )?;
                tail(f, remark)
            }
            Why::NoWorker { job_type } => {
                write!(
                    f,
                    "no worker asks for {job_type}: start one, or set a route (botswain route set {job_type} …)"
                )
            }
            Why::WorkersBusy {
                job_type,
                subscriptions,
            } => {
                write!(
                    f,
                    "all workers of {job_type} ({subscriptions}) have as many jobs as they asked for"
                )
            }
            Why::NoBot { leg } => write!(f, "{leg} was never pushed: botswain bot push DIR"),
            Why::NoAgent { leg, nearest } if nearest.is_empty() => {
                write!(
                    f,
                    "{leg} needs an agent, and none is enrolled: botswain agent-token, then botswain-agent run"
                )
            }
            Why::NoAgent { leg, nearest } => {
                write!(f, "no agent can take {leg}:")?;
                for (at, (agent, lacks)) in nearest.iter().enumerate() {
                    let lacks: Vec<String> = lacks.iter().map(Lack::to_string).collect();
                    write!(
                        f,
                        "{} {agent} {}",
                        if at == 0 { "" } else { ";" },
                        lacks.join(" and ")
                    )?;
                }
                Ok(())
            }
            Why::NoConnector { name } => write!(f, "connector {name} is not configured"),
            Why::ConnectorBusy { name, slots } => {
                write!(f, "connector {name} runs as many calls as it may ({slots})")
            }
            Why::Ready => f.write_str("is about to be given out"),
            Why::Held { by, remark } => {
                write!(f, "is with {by}")?;
                tail(f, remark)
            }
            Why::Suspended { remark } => {
                f.write_str("waits for an operator's word")?;
                tail(f, remark)
            }
            Why::NoRetries => {
                f.write_str("has no retries left: repair the cause and give it retries")
            }
        }
    }
}

impl Desk {
    /// Says why a job is not picked up, or who has it.
    #[must_use]
    pub fn explain(&self, job: Key) -> Why {
        let Some(&slot) = self.index.get(&job) else {
            return Why::NotHere;
        };
        let entry = &self.entries[slot as usize];
        let remark = self.remarks.get(&job).cloned();
        match &entry.place {
            Place::Unrouted | Place::Deciding => Why::Routing,
            Place::Unroutable => Why::NoLeg {
                remark: remark.unwrap_or_else(|| "no leg of its route fits".to_owned()),
            },
            Place::Delayed(until) => Why::BackOff {
                until: *until,
                remark,
            },
            Place::Suspended => Why::Suspended { remark },
            Place::NoRetries => Why::NoRetries,
            Place::Worker(..) | Place::Attempt(_) => Why::Held {
                by: self.holder_in_words(entry),
                remark,
            },
            Place::Waiting => self.explain_waiting(entry),
        }
    }

    fn explain_waiting(&self, entry: &Entry) -> Why {
        let kind = &self.kinds[entry.kind as usize];
        let Some(leg) = kind.route.leg(entry.leg) else {
            return Why::Routing;
        };
        match &leg.kind {
            LegKind::Person => Why::Ready,
            LegKind::Worker
                if kind
                    .ring
                    .iter()
                    .any(|place| self.workers.get(*place).is_some()) =>
            {
                Why::Ready
            }
            LegKind::Worker => match self.workers.of_kind(entry.kind) {
                0 => Why::NoWorker {
                    job_type: kind.name.clone(),
                },
                subscriptions => Why::WorkersBusy {
                    job_type: kind.name.clone(),
                    subscriptions,
                },
            },
            LegKind::Connector(name) => match self.connectors.get(name) {
                None => Why::NoConnector { name: name.clone() },
                Some(connector) if connector.held >= connector.slots => Why::ConnectorBusy {
                    name: name.clone(),
                    slots: connector.slots,
                },
                Some(_) => Why::Ready,
            },
            LegKind::Bot { .. } if self.agents.bot(&leg.kind).is_none() => Why::NoBot {
                leg: leg.kind.clone(),
            },
            LegKind::Bot { .. } | LegKind::Action(_) => {
                let bot = self.agents.bot(&leg.kind);
                let refused: &[AgentId] = self.refusals.get(&entry.key).map_or(&[], Vec::as_slice);
                let mut nearest: Vec<(AgentId, Vec<Lack>)> = self
                    .agents
                    .iter()
                    .map(|(id, agent)| {
                        let mut lacks = agent.lacks(leg, bot);
                        if refused.contains(id) {
                            lacks.push(Lack::Refused);
                        }
                        (id.clone(), lacks)
                    })
                    .collect();
                if nearest.iter().any(|(_, lacks)| lacks.is_empty()) {
                    return Why::Ready;
                }
                nearest.sort_by_key(|(_, lacks)| lacks.len());
                nearest.truncate(NEAREST_MAX);
                Why::NoAgent {
                    leg: leg.kind.clone(),
                    nearest,
                }
            }
        }
    }

    pub(super) fn holder_in_words(&self, entry: &Entry) -> String {
        match &entry.place {
            Place::Worker(session, subscription) => {
                let worker = self
                    .workers
                    .find(*session, *subscription)
                    .and_then(|place| self.workers.get(place));
                match worker {
                    Some(worker) if !worker.worker.is_empty() => {
                        format!("worker {}", worker.worker)
                    }
                    _ => "a worker".to_owned(),
                }
            }
            Place::Attempt(attempt) => match self.attempts.get(attempt) {
                Some(known) => {
                    let state = if known.row.state == AttemptState::Lost {
                        "silent"
                    } else {
                        known.row.state.word()
                    };
                    format!("{} by {} ({state})", known.row.holder, known.row.leg)
                }
                None => "nobody".to_owned(),
            },
            Place::Suspended => "nobody, until an operator says how it goes on".to_owned(),
            Place::Unrouted
            | Place::Unroutable
            | Place::Waiting
            | Place::Delayed(_)
            | Place::NoRetries
            | Place::Deciding => {
                let leg = self.kinds[entry.kind as usize].route.leg(entry.leg);
                leg.map_or_else(
                    || "nobody".to_owned(),
                    |leg| format!("nobody, and waits for {}", leg.kind),
                )
            }
        }
    }
}
