//! Waiting: why each open token waits, in words; the same data proves that none waits without a reason.

// A new kind does not compile until every match here knows it; tests may ask for one kind only.
#![cfg_attr(not(test), warn(clippy::wildcard_enum_match_arm))]

use crate::event::Millis;
use crate::instance::{AttachedTrigger, Body, Instance, JobState, Phase, Token, Wait};
use crate::key::{Key, SegmentId};
use crate::lookup::Lookup;
use crate::process::{Process, Symbol};
use crate::step::{At, scope_of};
use crate::variables::Variables;
use smol_str::SmolStr;

/// One open token and its reasons.
#[derive(Clone, Debug, PartialEq)]
pub struct Waiting {
    /// Its segment.
    pub segment: SegmentId,
    /// The token.
    pub token: Key,
    /// The element.
    pub node: Symbol,
    /// How many scopes are around it.
    pub depth: u32,
    /// Why it waits; none would be a bug.
    pub reason: Option<Reason>,
    /// What else can move it: the boundary events.
    pub watched_by: Vec<(Symbol, Reason)>,
}

/// Why a token waits.
#[derive(Clone, Debug, PartialEq)]
pub enum Reason {
    /// For a job.
    Job {
        job: Key,
        job_type: SmolStr,
        retries: i32,
        retry_at: Option<Millis>,
    },
    /// For a person.
    Person {
        task: Key,
        assignee: Option<SmolStr>,
    },
    /// For a point in time.
    Timer { timer: Key, due: Millis },
    /// For a message.
    Message {
        name: SmolStr,
        correlation_key: SmolStr,
    },
    /// For other flows into its join.
    Join { arrived: u32, of: u32 },
    /// For what is inside.
    Inside { tokens: u32 },
    /// For multi-instance children.
    Children {
        active: u32,
        completed: u32,
        total: u32,
    },
    /// For an operator.
    Incident {
        incident: Key,
        kind: &'static str,
        message: String,
    },
    /// For its turn: there is more to do than one step may.
    Turn,
}

/// All tokens in memory with their reasons, outer scopes first.
#[must_use]
pub fn waiting(process: &Process, instance: &Instance) -> Vec<Waiting> {
    let turn = instance.has_todo();
    let mut all = Vec::new();
    for segment in instance.segments() {
        for token in segment.tokens() {
            let at = At {
                segment: segment.id().number,
                token: token.key(),
            };
            let depth = std::iter::successors(scope_of(instance, at), |at| scope_of(instance, *at))
                .count() as u32;
            let watched_by = token
                .attached()
                .iter()
                .map(|attached| {
                    let reason = match &attached.trigger {
                        AttachedTrigger::Timer { timer, due, .. } => Reason::Timer {
                            timer: *timer,
                            due: *due,
                        },
                        AttachedTrigger::Message {
                            name,
                            correlation_key,
                            ..
                        } => Reason::Message {
                            name: name.clone(),
                            correlation_key: correlation_key.clone(),
                        },
                    };
                    (attached.on, reason)
                })
                .collect();
            let reason = reason(process, token, turn);
            all.push(Waiting {
                segment: segment.id(),
                token: token.key(),
                node: token.node(),
                depth,
                reason,
                watched_by,
            });
        }
    }
    all
}

fn reason(process: &Process, token: &Token, turn: bool) -> Option<Reason> {
    if let Some(incident) = token.incident() {
        let (incident, kind, message) =
            (incident.key, incident.kind.name(), incident.message.clone());
        return Some(Reason::Incident {
            incident,
            kind,
            message,
        });
    }
    let inside = |token: &Token| match token.body() {
        Some(Body {
            total, completed, ..
        }) if token.children() == 0 => {
            let active = token.body().map_or(0, Body::active);
            (active > 0).then_some(Reason::Children {
                active,
                completed: *completed,
                total: *total,
            })
        }
        _ => (token.children() > 0).then_some(Reason::Inside {
            tokens: token.children(),
        }),
    };
    let found = match token.wait() {
        Wait::Job(job) if job.state == JobState::Open => Some(Reason::Job {
            job: job.key,
            job_type: job.job_type.clone(),
            retries: job.retries,
            retry_at: job.retry_at,
        }),
        Wait::Job(_) => None,
        Wait::UserTask { task, assignee } => Some(Reason::Person {
            task: *task,
            assignee: assignee.clone(),
        }),
        Wait::Timer { timer, due } => Some(Reason::Timer {
            timer: *timer,
            due: *due,
        }),
        Wait::Message {
            name,
            correlation_key,
            ..
        } => Some(Reason::Message {
            name: name.clone(),
            correlation_key: correlation_key.clone(),
        }),
        Wait::Join { arrived } => {
            let of = process.named(token.node()).incoming.len() as u32;
            Some(Reason::Join {
                arrived: arrived.len() as u32,
                of,
            })
        }
        Wait::Children => inside(token),
        Wait::Nothing if token.phase() == Phase::Terminating => inside(token),
        Wait::Nothing => None,
    };
    found.or(turn.then_some(Reason::Turn))
}

/// The variables that a token sees, its own before those around it; all, or those that are asked for.
#[must_use]
pub fn visible_variables(
    instance: &Instance,
    segment: u32,
    token: Key,
    names: &[SmolStr],
) -> Variables {
    let at = At { segment, token };
    if !names.is_empty() {
        let none = Variables::new();
        let lookup = Lookup::new(instance, at, &none);
        return names
            .iter()
            .filter_map(|name| Some((name.clone(), lookup.json(name)?.clone())))
            .collect();
    }
    let path: Vec<At> = std::iter::successors(Some(at), |at| scope_of(instance, *at)).collect();
    let mut visible = Variables::new();
    for at in path.iter().rev() {
        let token = instance.known(at.segment).known(at.token);
        visible.merge(token.variables());
    }
    visible
}
