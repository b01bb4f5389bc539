//! Waiting: where each token of an instance is, and why it waits; for a job also why nobody picks it up.

use crate::api::ApiState;
use crate::api::fields::path_key;
use crate::api::problem::Problem;
use crate::api::process_instances::{find, no_such};
use crate::api::search::time;
use crate::runtime::{Answer, Ask, RefusalKind};
use axum::Json;
use axum::extract::{Path, State};
use botswain_engine::{Key, Process, Reason, Waiting};
use botswain_store::rows::InstanceState;
use serde_json::{Value, json};

/// How many jobs of one instance are explained: more than a person reads.
const EXPLAINED_MAX: usize = 200;

pub(crate) async fn show(
    State(api): State<ApiState>,
    Path(key): Path<String>,
) -> Result<Json<Value>, Problem> {
    let instance = path_key(&key)?;
    tracing::Span::current().record("instance", instance.as_u64());
    let item = find(&api, instance)
        .await?
        .ok_or_else(|| no_such(instance))?;
    let state = item.row.state;
    let mut shown = json!({
        "processInstanceKey": instance.to_string(),
        "state": state.name(),
        "stopReason": item.row.stop_reason,
        "tokens": [],
        "more": 0,
    });
    if matches!(state, InstanceState::Completed | InstanceState::Terminated) {
        return Ok(Json(shown));
    }
    let (process, waiting) = match api.runtime.ask(Ask::Inspect { instance }).await {
        Ok(Answer::Inspected {
            process, waiting, ..
        }) => (process, waiting),
        Ok(_) => return Err(Problem::unexpected("INSPECT")),
        // It ended between the two questions.
        Err(refusal) if refusal.kind == RefusalKind::NotFound => return Ok(Json(shown)),
        Err(refusal) => return Err(Problem::refused("INSPECT", refusal)),
    };
    let mut tokens = Vec::new();
    for token in waiting.iter().take(EXPLAINED_MAX) {
        let explained = match &token.reason {
            Some(Reason::Job { job, .. }) => explain(&api, *job).await?,
            _ => None,
        };
        tokens.push(token_shown(&process, token, explained));
    }
    shown["tokens"] = Value::Array(tokens);
    shown["more"] = json!(waiting.len().saturating_sub(EXPLAINED_MAX));
    Ok(Json(shown))
}

async fn explain(api: &ApiState, job: Key) -> Result<Option<String>, Problem> {
    match api.ask("EXPLAIN", Ask::ExplainJob { job }).await? {
        Answer::Explained(why) => Ok(why.map(|why| why.to_string())),
        _ => Err(Problem::unexpected("EXPLAIN")),
    }
}

fn token_shown(process: &Process, token: &Waiting, explained: Option<String>) -> Value {
    let node = process.named(token.node);
    let watched: Vec<Value> = token
        .watched_by
        .iter()
        .map(|(on, reason)| json!({ "elementId": process.named(*on).id, "reason": reason_shown(reason) }))
        .collect();
    json!({
        "elementInstanceKey": token.token.to_string(),
        "elementId": node.id,
        "elementName": node.name,
        "type": node.element.type_name(),
        "depth": token.depth,
        "reason": token.reason.as_ref().map(reason_shown),
        "why": token.reason.as_ref().map(|reason| words(reason, explained.as_deref())),
        "watchedBy": watched,
    })
}

fn reason_shown(reason: &Reason) -> Value {
    match reason {
        Reason::Job {
            job,
            job_type,
            retries,
            retry_at,
        } => json!({
            "kind": "JOB", "jobKey": job.to_string(), "jobType": job_type, "retries": retries, "retryAt": retry_at.map(time),
        }),
        Reason::Person { task, assignee } => json!({
            "kind": "PERSON", "userTaskKey": task.to_string(), "assignee": assignee,
        }),
        Reason::Timer { due, .. } => json!({ "kind": "TIMER", "due": time(*due) }),
        Reason::Message {
            name,
            correlation_key,
        } => json!({
            "kind": "MESSAGE", "messageName": name, "correlationKey": correlation_key,
        }),
        Reason::Join { arrived, of } => json!({ "kind": "JOIN", "arrived": arrived, "of": of }),
        Reason::Inside { tokens } => json!({ "kind": "INSIDE", "tokens": tokens }),
        Reason::Children {
            active,
            completed,
            total,
        } => json!({
            "kind": "CHILDREN", "active": active, "completed": completed, "total": total,
        }),
        Reason::Incident {
            incident,
            kind,
            message,
        } => json!({
            "kind": "INCIDENT", "incidentKey": incident.to_string(), "incidentKind": kind, "message": message,
        }),
        Reason::Turn => json!({ "kind": "TURN" }),
    }
}

/// The reason in words, with what to do about it where there is something to do.
fn words(reason: &Reason, explained: Option<&str>) -> String {
    match reason {
        Reason::Job { job, job_type, .. } => {
            let explained = explained.unwrap_or("nothing more is known");
            format!("job {job} of type {job_type}: {explained}")
        }
        Reason::Person {
            task,
            assignee: Some(who),
        } => format!("user task {task}: {who} has it"),
        Reason::Person {
            task,
            assignee: None,
        } => {
            format!("user task {task}: nobody has taken it (botswain tasks complete {task})")
        }
        Reason::Timer { due, .. } => format!("timer: fires at {}", time(*due)),
        Reason::Message {
            name,
            correlation_key,
        } => format!("message {name} with correlation key {correlation_key}"),
        Reason::Join { arrived, of } => format!("join: {arrived} of {of} flows arrived"),
        Reason::Inside { tokens } => format!("{tokens} inside"),
        Reason::Children {
            active,
            completed,
            total,
        } => {
            format!("{completed} of {total} children completed, {active} active")
        }
        Reason::Incident {
            incident,
            kind,
            message,
        } => {
            format!(
                "incident {incident} ({kind}): {message} (botswain incidents resolve {incident})"
            )
        }
        Reason::Turn => "its turn: it goes on by itself".to_owned(),
    }
}
