//! Element instances and variables: where tokens were and are, and what their scopes hold.

use super::fields::{Payload, path_key};
use super::problem::Problem;
use super::search::{self, Kind, Known, time};
use super::{ApiState, TENANT};
use crate::runtime::Ask;
use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use botswain_engine::Key;
use botswain_store::StoreError;
use botswain_store::reader::{
    ElementField, ElementItem, Elements, Op, Page, Search, VariableField, VariableItem, Variables,
};
use botswain_store::rows::{Digest, ElementState};
use serde_json::{Value, json};

pub(crate) async fn set_variables(
    State(api): State<ApiState>,
    Path(key): Path<String>,
    body: Payload,
) -> Result<StatusCode, Problem> {
    let (scope, body) = (path_key(&key)?, body.fields()?);
    if body.json("variables").is_none() {
        return Err(Problem::wrong("No variables provided."));
    }
    let ask = Ask::SetVariables {
        scope,
        variables: body.variables("variables")?,
        local: body.flag("local")?.unwrap_or_default(),
    };
    api.order("UPDATE", ask).await
}

static FIELDS: &[Known<ElementField>] = &[
    Known {
        name: "elementInstanceKey",
        field: ElementField::Key,
        kind: Kind::Key,
    },
    Known {
        name: "processInstanceKey",
        field: ElementField::Instance,
        kind: Kind::Key,
    },
    Known {
        name: "elementInstanceScopeKey",
        field: ElementField::Scope,
        kind: Kind::Key,
    },
    Known {
        name: "processDefinitionKey",
        field: ElementField::Definition,
        kind: Kind::Key,
    },
    Known {
        name: "processDefinitionId",
        field: ElementField::ProcessId,
        kind: Kind::Text,
    },
    Known {
        name: "elementId",
        field: ElementField::ElementId,
        kind: Kind::Text,
    },
    Known {
        name: "state",
        field: ElementField::State,
        kind: Kind::Word(state_code),
    },
    Known {
        name: "startDate",
        field: ElementField::EnteredAt,
        kind: Kind::Time,
    },
    Known {
        name: "endDate",
        field: ElementField::LeftAt,
        kind: Kind::Time,
    },
    Known {
        name: "incidentKey",
        field: ElementField::Incident,
        kind: Kind::Key,
    },
    Known {
        name: "hasIncident",
        field: ElementField::Incident,
        kind: Kind::There,
    },
];

fn state_code(word: &str) -> Option<i64> {
    ElementState::from_name(word).map(ElementState::code)
}

pub(crate) async fn search(
    State(api): State<ApiState>,
    body: Payload,
) -> Result<Json<Value>, Problem> {
    let search = search::read::<Elements>(&body.fields()?, FIELDS)?;
    Ok(Json(search::page(found(&api, search).await?, |shown| {
        shown
    })))
}

pub(crate) async fn get(
    State(api): State<ApiState>,
    Path(key): Path<String>,
) -> Result<Json<Value>, Problem> {
    let element = path_key(&key)?;
    let search = Search::<Elements>::default().filter(ElementField::Key, Op::Eq(element.into()));
    let shown = found(&api, search).await?.items.pop();
    shown.map(Json).ok_or_else(|| {
        Problem::not_found(format!("Element Instance with key '{element}' not found"))
    })
}

async fn found(api: &ApiState, search: Search<Elements>) -> Result<Page<Value>, Problem> {
    api.read(move |api| {
        let page = api.reader.search(&search)?;
        let items = page
            .items
            .into_iter()
            .map(|item| shown(api, item))
            .collect::<Result<_, _>>()?;
        Ok(Page {
            items,
            total: page.total,
            total_is_capped: page.total_is_capped,
            start: page.start,
            end: page.end,
        })
    })
    .await
}

fn shown(api: &ApiState, item: ElementItem) -> Result<Value, StoreError> {
    let ElementItem {
        row,
        element_id,
        process_id,
    } = item;
    let model = api.models.of(&api.reader, row.definition)?;
    let element = model.get(row.node);
    let name = element.and_then(|element| element.name.clone());
    Ok(json!({
        "elementInstanceKey": row.key.to_string(),
        "elementId": element_id,
        "elementName": name.or_else(|| element_id.as_ref().map(ToString::to_string)),
        "type": element.map_or("UNKNOWN", |element| element.kind),
        "state": row.state.name(),
        "startDate": time(row.entered_at),
        "endDate": row.left_at.map(time),
        "hasIncident": row.incident.is_some(),
        "incidentKey": row.incident.map(|incident| incident.to_string()),
        "elementInstanceScopeKey": row.scope.to_string(),
        "processDefinitionId": process_id,
        "processDefinitionKey": row.definition.to_string(),
        "processInstanceKey": row.root.to_string(),
        "rootProcessInstanceKey": row.root.to_string(),
        "tenantId": TENANT,
    }))
}

static VARIABLE_FIELDS: &[Known<VariableField>] = &[
    Known {
        name: "processInstanceKey",
        field: VariableField::Instance,
        kind: Kind::Key,
    },
    Known {
        name: "scopeKey",
        field: VariableField::Scope,
        kind: Kind::Key,
    },
    Known {
        name: "name",
        field: VariableField::Name,
        kind: Kind::Text,
    },
    Known {
        name: "value",
        field: VariableField::Value,
        kind: Kind::Text,
    },
];

pub(crate) async fn search_variables(
    State(api): State<ApiState>,
    body: Payload,
) -> Result<Json<Value>, Problem> {
    let search = search::read::<Variables>(&body.fields()?, VARIABLE_FIELDS)?;
    Ok(Json(search::page(
        api.search(search).await?,
        shown_variable,
    )))
}

fn shown_variable(item: VariableItem) -> Value {
    json!({
        "variableKey": variable_key(item.scope, &item.name).to_string(),
        "name": item.name,
        "value": item.value.as_str(),
        "isTruncated": item.is_truncated,
        "scopeKey": item.scope.to_string(),
        "processInstanceKey": item.root.to_string(),
        "rootProcessInstanceKey": item.root.to_string(),
        "tenantId": TENANT,
    })
}

/// Variables have no keys of their own: a number that is always the same for the same name in the same scope.
fn variable_key(scope: Key, name: &str) -> u64 {
    let mut text = scope.as_u64().to_be_bytes().to_vec();
    text.extend_from_slice(name.as_bytes());
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&Digest::of(&text).0[..8]);
    u64::from_be_bytes(bytes) >> 1
}
