//! Incidents: what waits for an operator, and its repair.

use super::fields::{Payload, path_key};
use super::problem::Problem;
use super::search::{self, Kind, Known, time};
use super::{ApiState, TENANT};
use crate::runtime::Ask;
use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use botswain_engine::IncidentKind;
use botswain_store::reader::{IncidentField, IncidentItem, Incidents, Op, Search};
use botswain_store::rows::IncidentState;
use serde_json::{Value, json};

pub(crate) async fn resolve(
    State(api): State<ApiState>,
    Path(key): Path<String>,
    body: Payload,
) -> Result<StatusCode, Problem> {
    body.fields()?;
    api.order(
        "RESOLVE",
        Ask::ResolveIncident {
            incident: path_key(&key)?,
        },
    )
    .await
}

pub(crate) async fn get(
    State(api): State<ApiState>,
    Path(key): Path<String>,
) -> Result<Json<Value>, Problem> {
    let incident = path_key(&key)?;
    let search = Search::<Incidents>::default().filter(IncidentField::Key, Op::Eq(incident.into()));
    let found = api.search(search).await?.items.pop();
    found
        .map(|item| Json(shown(item)))
        .ok_or_else(|| Problem::not_found(format!("Incident with key '{incident}' not found")))
}

static FIELDS: &[Known<IncidentField>] = &[
    Known {
        name: "incidentKey",
        field: IncidentField::Key,
        kind: Kind::Key,
    },
    Known {
        name: "errorType",
        field: IncidentField::Kind,
        kind: Kind::Text,
    },
    Known {
        name: "errorMessage",
        field: IncidentField::Message,
        kind: Kind::Text,
    },
    Known {
        name: "state",
        field: IncidentField::State,
        kind: Kind::Word(state_code),
    },
    Known {
        name: "creationTime",
        field: IncidentField::RaisedAt,
        kind: Kind::Time,
    },
    Known {
        name: "jobKey",
        field: IncidentField::Job,
        kind: Kind::Key,
    },
    Known {
        name: "elementId",
        field: IncidentField::ElementId,
        kind: Kind::Text,
    },
    Known {
        name: "elementInstanceKey",
        field: IncidentField::Element,
        kind: Kind::Key,
    },
    Known {
        name: "processDefinitionId",
        field: IncidentField::ProcessId,
        kind: Kind::Text,
    },
    Known {
        name: "processDefinitionKey",
        field: IncidentField::Definition,
        kind: Kind::Key,
    },
    Known {
        name: "processInstanceKey",
        field: IncidentField::Instance,
        kind: Kind::Key,
    },
];

fn state_code(word: &str) -> Option<i64> {
    IncidentState::from_name(word).map(IncidentState::code)
}

pub(crate) async fn search(
    State(api): State<ApiState>,
    body: Payload,
) -> Result<Json<Value>, Problem> {
    let search = search::read::<Incidents>(&body.fields()?, FIELDS)?;
    Ok(Json(search::page(api.search(search).await?, shown)))
}

/// Clients with a closed list of kinds know these; the others have a field of their own.
const fn known_type(kind: IncidentKind) -> &'static str {
    match kind {
        IncidentKind::JobNoRetries
        | IncidentKind::ConditionError
        | IncidentKind::ExtractValueError
        | IncidentKind::IoMappingError
        | IncidentKind::UnhandledErrorEvent
        | IncidentKind::ResourceNotFound => kind.name(),
        IncidentKind::AttemptUnknown
        | IncidentKind::JoinUnreachable
        | IncidentKind::Spinning
        | IncidentKind::LimitExceeded => "UNKNOWN",
    }
}

fn shown(item: IncidentItem) -> Value {
    let IncidentItem {
        row,
        element_id,
        process_id,
    } = item;
    json!({
        "incidentKey": row.key.to_string(),
        "errorType": known_type(row.kind),
        "kind": row.kind.name(),
        "errorMessage": row.message,
        "state": row.state.name(),
        "creationTime": time(row.raised_at),
        "resolutionTime": row.resolved_at.map(time),
        "jobKey": row.job.map(|job| job.to_string()),
        "elementId": element_id,
        "elementInstanceKey": row.token.to_string(),
        "processDefinitionId": process_id,
        "processDefinitionKey": row.definition.to_string(),
        "processInstanceKey": row.root.to_string(),
        "rootProcessInstanceKey": row.root.to_string(),
        "tenantId": TENANT,
    })
}
