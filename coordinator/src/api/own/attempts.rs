//! Attempts: who tried a job, how it went, and the evidence of it.

use super::tables::{AttemptField, AttemptItem, Attempts, Evidence, EvidenceField, EvidenceItem};
use super::{Parameters, only};
use crate::api::ApiState;
use crate::api::fields::parse_key;
use crate::api::problem::Problem;
use crate::api::search::{page, time};
use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use botswain_proto::ids::Digest;
use botswain_store::reader::{LIMIT_MAX, Op, Order, Search, Value as Stored};
use botswain_store::rows::{AttemptOutcome, AttemptState, Happened, LegKind};
use serde_json::{Value, json};
use uuid::Uuid;

/// What attempts and evidence are asked for by.
const BY: &[&str] = &["instance", "job", "attempt"];

/// Reads the one parameter that says of what.
fn of(parameters: &Parameters) -> Result<(&'static str, Stored), Problem> {
    only(parameters, BY)?;
    let mut named = BY
        .iter()
        .filter_map(|name| Some((*name, parameters.get(*name)?)));
    let (Some((name, text)), None) = (named.next(), named.next()) else {
        return Err(Problem::wrong(
            "expected one of the parameters ?instance=KEY, ?job=KEY and ?attempt=UUID",
        ));
    };
    let value = match name {
        "attempt" => Uuid::parse_str(text)
            .ok()
            .map(|id| Stored::Bytes(id.as_bytes().to_vec())),
        _ => parse_key(text).map(Stored::from),
    };
    value.map(|value| (name, value)).ok_or_else(|| {
        Problem::wrong(format!(
            "parameter '{name}': expected a key, and a UUID for an attempt"
        ))
    })
}

pub(crate) async fn list(
    State(api): State<ApiState>,
    parameters: Parameters,
) -> Result<Json<Value>, Problem> {
    let (by, value) = of(&parameters)?;
    let field = match by {
        "instance" => AttemptField::Instance,
        "job" => AttemptField::Job,
        _ => AttemptField::Id,
    };
    let search = Search::<Attempts> {
        limit: LIMIT_MAX,
        ..Search::default()
    }
    .filter(field, Op::Eq(value))
    .sort(AttemptField::OfferedAt, Order::Ascending)
    .sort(AttemptField::Fence, Order::Ascending);
    Ok(Json(page(api.search(search).await?, shown)))
}

fn shown(row: AttemptItem) -> Value {
    let kind = row.leg.map_or("", LegKind::name);
    let leg = match row.leg_name.as_str() {
        "" => kind.to_owned(),
        name => format!("{kind}:{name}"),
    };
    let warnings: Option<Value> = row
        .warnings
        .as_deref()
        .and_then(|text| serde_json::from_str(text).ok());
    json!({
        "attempt": row.id.to_string(),
        "jobKey": row.job.to_string(),
        "processInstanceKey": row.root.to_string(),
        "jobType": row.job_type,
        "fence": row.fence,
        "leg": leg,
        "holder": row.holder,
        "state": row.state.map(AttemptState::name),
        "outcome": row.outcome.map(AttemptOutcome::name),
        "happened": row.happened.map(Happened::name),
        "message": row.message,
        "warnings": warnings.unwrap_or_else(|| json!([])),
        "offeredAt": time(row.offered_at),
        "startedAt": row.started_at.map(time),
        "endedAt": row.ended_at.map(time),
    })
}

pub(crate) async fn list_evidence(
    State(api): State<ApiState>,
    parameters: Parameters,
) -> Result<Json<Value>, Problem> {
    let (by, value) = of(&parameters)?;
    let field = match by {
        "instance" => EvidenceField::Instance,
        "job" => EvidenceField::Job,
        _ => EvidenceField::Attempt,
    };
    let search = Search::<Evidence> {
        limit: LIMIT_MAX,
        ..Search::default()
    }
    .filter(field, Op::Eq(value));
    Ok(Json(page(api.search(search).await?, shown_evidence)))
}

fn shown_evidence(item: EvidenceItem) -> Value {
    json!({
        "attempt": item.attempt.to_string(),
        "jobKey": item.job.to_string(),
        "processInstanceKey": item.root.to_string(),
        "jobType": item.job_type,
        "name": item.name,
        "mediaType": item.media_type,
        "size": item.size,
        "digest": hex::encode(&item.digest),
        "at": time(item.at),
    })
}

pub(crate) async fn evidence(
    State(api): State<ApiState>,
    Path(digest): Path<String>,
) -> Result<Response, Problem> {
    let digest: Digest = digest.parse().map_err(|_| {
        Problem::wrong(
            "the path's digest: expected 64 hexadecimal digits, as lists of evidence show them",
        )
    })?;
    let missing = || Problem::not_found(format!("there is no evidence with the digest {digest}"));
    let search = Search::<Evidence> {
        limit: 1,
        ..Search::default()
    }
    .filter(
        EvidenceField::Digest,
        Op::Eq(Stored::Bytes(digest.0.to_vec())),
    );
    let item = api.search(search).await?.items.pop().ok_or_else(missing)?;
    let folder = api.evidence.as_ref().ok_or_else(missing)?;
    let path = folder.path(&digest);
    let bytes = tokio::fs::read(&path).await.map_err(|error| {
        tracing::error!(path = %path.display(), %error, "evidence cannot be read");
        let kind = error.kind();
        let detail = format!(
            "the evidence {digest} is known, and its file cannot be read ({kind}): the log names it"
        );
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL", detail)
    })?;
    // Bots photograph other people's pages: what they bring home is shown, never run under this address.
    let is_shown = item.media_type.starts_with("image/") && item.media_type != "image/svg+xml"
        || item.media_type.starts_with("text/plain")
        || item.media_type == "application/json";
    let media = if is_shown {
        item.media_type.as_str()
    } else {
        "application/octet-stream"
    };
    let headers = [
        (header::CONTENT_TYPE, media),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; sandbox",
        ),
    ];
    Ok((headers, Body::from(bytes)).into_response())
}
