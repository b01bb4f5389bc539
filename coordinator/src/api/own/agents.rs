//! Agents: which machines work for this coordinator, and the tokens by which they come.

use crate::api::ApiState;
use crate::api::fields::Payload;
use crate::api::problem::Problem;
use crate::api::search::time;
use crate::dispatch::AgentView;
use crate::fleet::{TokenScope, mint};
use crate::runtime::{Answer, Ask};
use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use botswain_proto::ids::AgentId;
use botswain_store::reader::{Agents, LIMIT_MAX, Search};
use botswain_store::rows::{AgentRow, Digest, EnrolmentTokenRow, Put};
use serde_json::{Value, json};
use smol_str::SmolStr;
use std::collections::BTreeMap;

/// How long a token is good when nobody says so: a day.
const VALID_SECONDS_DEFAULT: i64 = 24 * 3_600;

/// The longest time that a token is good: 90 days.
const VALID_SECONDS_MAX: i64 = 90 * 24 * 3_600;

/// How many machines one token enrols at most.
const USES_MAX: i64 = 10_000;

/// Labels of one token, and their length.
const LABELS_MAX: usize = 32;
const LABEL_BYTES_MAX: usize = 256;

pub(crate) async fn list(State(api): State<ApiState>) -> Result<Json<Value>, Problem> {
    let agents = known(&api).await?;
    Ok(Json(
        json!({ "items": agents.into_values().collect::<Vec<_>>() }),
    ))
}

pub(crate) async fn get(
    State(api): State<ApiState>,
    Path(id): Path<String>,
) -> Result<Json<Value>, Problem> {
    let id = agent_id(&id)?;
    let agent = known(&api).await?.remove(id.as_str());
    agent.map(Json).ok_or_else(|| {
        Problem::not_found(format!(
            "there is no agent '{id}': GET /botswain/v1/agents lists all"
        ))
    })
}

pub(crate) async fn revoke(
    State(api): State<ApiState>,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let ask = Ask::AgentRevoked {
        agent: agent_id(&id)?,
        by: api.who(),
    };
    api.order("REVOKE", ask).await
}

fn agent_id(text: &str) -> Result<AgentId, Problem> {
    text.parse()
        .map_err(|error| Problem::wrong(format!("the path's agent: {error}")))
}

/// What is stored of each agent, with what dispatch knows of it at present.
async fn known(api: &ApiState) -> Result<BTreeMap<String, Value>, Problem> {
    let Answer::Agents(views) = api.ask("SHOW", Ask::Agents).await? else {
        return Err(Problem::unexpected("SHOW"));
    };
    let mut views: BTreeMap<String, AgentView> = views
        .into_iter()
        .map(|view| (view.id.to_string(), view))
        .collect();
    let rows = api
        .search(Search::<Agents> {
            limit: LIMIT_MAX,
            ..Search::default()
        })
        .await?
        .items;
    let mut agents = BTreeMap::new();
    for row in rows {
        let view = views.remove(row.id.as_str());
        agents.insert(row.id.to_string(), shown(Some(&row), view.as_ref()));
    }
    for (id, view) in views {
        agents.insert(id, shown(None, Some(&view)));
    }
    Ok(agents)
}

fn shown(row: Option<&AgentRow>, view: Option<&AgentView>) -> Value {
    let id = row
        .map(|row| row.id.to_string())
        .or_else(|| view.map(|view| view.id.to_string()));
    let state = match view {
        _ if row.is_some_and(|row| row.revoked_at.is_some()) => "REVOKED",
        Some(AgentView {
            gone: None,
            paused: true,
            ..
        }) => "PAUSED",
        Some(AgentView { gone: None, .. }) => "CONNECTED",
        _ => "GONE",
    };
    json!({
        "agent": id,
        "state": state,
        "gone": view.and_then(|view| view.gone.as_deref()),
        "slots": view.map(|view| view.slots),
        "held": view.map(|view| view.held),
        "labels": view.map_or_else(Vec::new, |view| view.labels.clone()),
        "provides": view.map_or_else(Vec::new, |view| view.needs.clone()),
        "actions": view.map_or_else(Vec::new, |view| view.actions.clone()),
        "serial": row.map(|row| row.serial.as_str()),
        "fingerprint": row.map(|row| row.fingerprint.to_string()),
        "enrolledAt": row.map(|row| time(row.enrolled_at)),
        "revokedAt": row.and_then(|row| row.revoked_at).map(time),
        "seenAt": row.and_then(|row| row.seen_at).map(time),
    })
}

/// The token is in this answer and nowhere else: what is stored is its digest.
pub(crate) async fn make_token(
    State(api): State<ApiState>,
    body: Payload,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let body = body.fields()?;
    let uses = body.integer("uses", 1, USES_MAX)?.unwrap_or(1);
    let valid = body
        .integer("validSeconds", 1, VALID_SECONDS_MAX)?
        .unwrap_or(VALID_SECONDS_DEFAULT);
    let labels = body.texts("labels")?;
    if let Some(wrong) = labels.iter().find(|label| !is_label(label)) {
        return Err(Problem::wrong(format!(
            "field 'labels': expected key=value of at most {LABEL_BYTES_MAX} bytes, found {}",
            crate::api::fields::excerpt(wrong)
        )));
    }
    if labels.len() > LABELS_MAX {
        return Err(Problem::wrong(format!(
            "field 'labels': expected at most {LABELS_MAX} labels"
        )));
    }
    let ca = api.ca.ok_or_else(|| {
        let detail = "this coordinator has no door for agents: start it with one, then ask again";
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "UNAVAILABLE", detail)
    })?;
    let expires_at = jiff::Timestamp::now().as_millisecond() + valid * 1000;
    let uses = u32::try_from(uses).unwrap_or(1);
    let (token, stored) = mint(ca, expires_at, uses).map_err(|error| {
        Problem::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "INTERNAL",
            error.to_string(),
        )
    })?;
    let scope = TokenScope {
        labels,
        note: body.prose("note")?,
    };
    let row = EnrolmentTokenRow {
        digest: Digest(stored.digest.0),
        expires_at: stored.expires_at,
        uses_left: stored.uses_left,
        scope: serde_json::to_string(&scope).unwrap_or_default(),
    };
    let audit = (
        api.who(),
        SmolStr::new_static("agent.token"),
        row.digest.to_string(),
    );
    let put = Box::new(Put::EnrolmentToken(row));
    api.ask(
        "CREATE",
        Ask::Write {
            put,
            audit: Some(audit),
        },
    )
    .await?;
    let shown = json!({
        "token": token.to_string(),
        "expiresAt": time(expires_at),
        "uses": uses,
        "labels": scope.labels,
    });
    Ok((StatusCode::CREATED, Json(shown)))
}

fn is_label(label: &str) -> bool {
    label.len() <= LABEL_BYTES_MAX
        && label
            .split_once('=')
            .is_some_and(|(key, value)| !key.is_empty() && !value.is_empty())
}
