//! Process definitions: the deployed versions and their models.

use super::fields::{Payload, path_key};
use super::problem::Problem;
use super::search::{self, Kind, Known};
use super::{ApiState, TENANT};
use axum::Json;
use axum::extract::{Path, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use botswain_engine::Key;
use botswain_store::reader::{DefinitionField, DefinitionItem, Definitions, Op, Search};
use serde_json::{Value, json};

static FIELDS: &[Known<DefinitionField>] = &[
    Known {
        name: "processDefinitionKey",
        field: DefinitionField::Key,
        kind: Kind::Key,
    },
    Known {
        name: "processDefinitionId",
        field: DefinitionField::ProcessId,
        kind: Kind::Text,
    },
    Known {
        name: "version",
        field: DefinitionField::Version,
        kind: Kind::Integer,
    },
    Known {
        name: "versionTag",
        field: DefinitionField::VersionTag,
        kind: Kind::Text,
    },
    Known {
        name: "name",
        field: DefinitionField::Name,
        kind: Kind::Text,
    },
    Known {
        name: "resourceName",
        field: DefinitionField::ResourceName,
        kind: Kind::Text,
    },
    Known {
        name: "isLatestVersion",
        field: DefinitionField::IsLatest,
        kind: Kind::Flag,
    },
];

pub(crate) async fn search(
    State(api): State<ApiState>,
    body: Payload,
) -> Result<Json<Value>, Problem> {
    let search = search::read::<Definitions>(&body.fields()?, FIELDS)?;
    Ok(Json(search::page(api.search(search).await?, shown)))
}

pub(crate) async fn get(
    State(api): State<ApiState>,
    Path(key): Path<String>,
) -> Result<Json<Value>, Problem> {
    let definition = path_key(&key)?;
    let search =
        Search::<Definitions>::default().filter(DefinitionField::Key, Op::Eq(definition.into()));
    let found = api.search(search).await?.items.pop();
    found
        .map(|item| Json(shown(item)))
        .ok_or_else(|| no_such(definition))
}

pub(crate) async fn xml(
    State(api): State<ApiState>,
    Path(key): Path<String>,
) -> Result<Response, Problem> {
    let definition = path_key(&key)?;
    let row = api
        .read(move |api| Ok(api.reader.definition(definition)?))
        .await?;
    let row = row.ok_or_else(|| no_such(definition))?;
    Ok(([(header::CONTENT_TYPE, "text/xml; charset=utf-8")], row.xml).into_response())
}

fn no_such(definition: Key) -> Problem {
    Problem::not_found(format!(
        "Process Definition with key '{definition}' not found"
    ))
}

fn shown(item: DefinitionItem) -> Value {
    json!({
        "processDefinitionKey": item.key.to_string(),
        "processDefinitionId": item.process_id,
        "name": item.name,
        "version": item.version,
        "versionTag": item.version_tag,
        "resourceName": item.resource_name,
        "hasStartForm": false,
        "tenantId": TENANT,
    })
}
