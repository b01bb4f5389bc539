//! Process instances: start, await, look, find, cancel.

use super::fields::{Fields, Payload, path_key};
use super::problem::Problem;
use super::search::{self, Kind, Known, time};
use super::{ApiState, TENANT};
use crate::runtime::{Answer, Ask, AwaitEnd, Created, ProcessRef};
use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use botswain_engine::{Key, Start};
use botswain_store::reader::{
    InstanceField, InstanceItem, Instances, LIMIT_MAX, Op, Search, VariableField, Variables,
};
use botswain_store::rows::{Digest, InstanceState};
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use smol_str::SmolStr;
use std::time::Duration;
use uuid::Uuid;

/// How long an end is awaited when nobody says so.
const AWAIT_MS_DEFAULT: i64 = 10_000;

/// The longest wait for an end.
const AWAIT_MS_MAX: i64 = 600_000;

const TAGS_MAX: usize = 10;
const TAG_BYTES_MAX: usize = 100;
const BUSINESS_ID_BYTES_MAX: usize = 256;
const IDEMPOTENCY_KEY_BYTES_MAX: usize = 256;

/// What a start is answered with.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Started {
    process_definition_id: SmolStr,
    process_definition_version: u32,
    tenant_id: &'static str,
    variables: Box<RawValue>,
    process_definition_key: String,
    process_instance_key: String,
    tags: Vec<SmolStr>,
    business_id: Option<SmolStr>,
}

/// What was asked for besides the process and its variables.
struct Wish {
    tags: Vec<SmolStr>,
    business_id: Option<SmolStr>,
    fetch: Vec<SmolStr>,
    wait: Option<Duration>,
}

pub(crate) async fn create(
    State(api): State<ApiState>,
    headers: HeaderMap,
    body: Payload,
) -> Result<Json<Started>, Problem> {
    let (process, variables, wish) = read(&body.fields()?)?;
    let id = deduplication_id(&headers)?;
    let start = Start {
        variables,
        business_id: wish.business_id.clone(),
        tags: wish.tags.clone(),
    };
    let await_end = wish.wait.map(|_| AwaitEnd {
        fetch: wish.fetch.clone(),
    });
    let ask = Ask::Start {
        process,
        start,
        await_end,
    };
    let asked = api.ask_once("CREATE", ask, id);
    let answer = match wish.wait {
        None => asked.await?,
        Some(wait) => tokio::time::timeout(wait, asked).await.map_err(|_| {
            let detail = format!(
                "the process instance did not end within {} ms: once started, it goes on; a larger requestTimeout waits longer, up to {AWAIT_MS_MAX}",
                wait.as_millis()
            );
            Problem::new(StatusCode::GATEWAY_TIMEOUT, "GATEWAY_TIMEOUT", detail)
        })??,
    };
    match answer {
        Answer::Created(created) => {
            tracing::Span::current().record("instance", created.instance.as_u64());
            Ok(Json(started(created, "{}".to_owned(), wish)))
        }
        Answer::Ended {
            created,
            completed: true,
            variables,
        } => {
            tracing::Span::current().record("instance", created.instance.as_u64());
            Ok(Json(started(created, variables, wish)))
        }
        Answer::Ended {
            created,
            completed: false,
            ..
        } => Err(cancelled(created.instance)),
        Answer::Made(instance) => repeated(&api, instance, wish).await,
        _ => Err(Problem::unexpected("CREATE")),
    }
}

fn read(body: &Fields<'_>) -> Result<(ProcessRef, botswain_engine::Variables, Wish), Problem> {
    body.tenant()?;
    let version = body
        .integer("processDefinitionVersion", -1, i64::from(u32::MAX))?
        .filter(|version| *version != -1);
    let process = match (
        body.text("processDefinitionId")?,
        body.key("processDefinitionKey")?,
    ) {
        (Some(_), Some(_)) => {
            return Err(Problem::wrong(
                "Only one of [processDefinitionId, processDefinitionKey] is allowed.",
            ));
        }
        (None, None) => {
            return Err(Problem::wrong(
                "At least one of [processDefinitionId, processDefinitionKey] is required.",
            ));
        }
        (Some(id), None) => ProcessRef::Id(
            id,
            version.map(|version| u32::try_from(version).unwrap_or(u32::MAX)),
        ),
        (None, Some(key)) => ProcessRef::Key(key),
    };
    for name in ["startInstructions", "runtimeInstructions"] {
        if !body.objects(name)?.is_empty() {
            return Err(Problem::wrong(format!(
                "field '{name}': this coordinator starts instances at their start event only, leave the field out"
            )));
        }
    }
    let tags = body.texts("tags")?;
    if tags.len() > TAGS_MAX
        || tags
            .iter()
            .any(|tag| tag.is_empty() || tag.len() > TAG_BYTES_MAX)
    {
        return Err(Problem::wrong(format!(
            "field 'tags': expected at most {TAGS_MAX} tags of 1 to {TAG_BYTES_MAX} bytes"
        )));
    }
    let business_id = body.text("businessId")?;
    if business_id
        .as_ref()
        .is_some_and(|id| id.is_empty() || id.len() > BUSINESS_ID_BYTES_MAX)
    {
        return Err(Problem::wrong(format!(
            "field 'businessId': expected 1 to {BUSINESS_ID_BYTES_MAX} bytes"
        )));
    }
    let wait = match body.flag("awaitCompletion")? {
        Some(true) => {
            let asked = body
                .integer("requestTimeout", 0, AWAIT_MS_MAX)?
                .filter(|wait| *wait > 0);
            Some(Duration::from_millis(
                asked.unwrap_or(AWAIT_MS_DEFAULT).unsigned_abs(),
            ))
        }
        _ => None,
    };
    let wish = Wish {
        tags,
        business_id,
        fetch: body.texts("fetchVariables")?,
        wait,
    };
    Ok((process, body.variables("variables")?, wish))
}

fn started(created: Created, variables: String, wish: Wish) -> Started {
    Started {
        process_definition_id: created.process_id,
        process_definition_version: created.version,
        tenant_id: TENANT,
        variables: raw(variables),
        process_definition_key: created.definition.to_string(),
        process_instance_key: created.instance.to_string(),
        tags: wish.tags,
        business_id: wish.business_id,
    }
}

fn cancelled(instance: Key) -> Problem {
    let detail = format!(
        "process instance '{instance}' was terminated before it completed: it has no result"
    );
    Problem::new(StatusCode::CONFLICT, "INVALID_STATE", detail)
}

/// An earlier request of the same id has started the instance: what is stored tells about it.
async fn repeated(api: &ApiState, instance: Key, wish: Wish) -> Result<Json<Started>, Problem> {
    let item = find(api, instance)
        .await?
        .ok_or_else(|| no_such(instance))?;
    let created = Created {
        instance,
        definition: item.row.definition,
        process_id: item.process_id.unwrap_or_default(),
        version: item.version.unwrap_or_default(),
    };
    let variables = match (wish.wait, item.row.state) {
        (None, _) => "{}".to_owned(),
        (Some(_), InstanceState::Completed) => {
            let fetch = wish.fetch.clone();
            api.read(move |api| root_variables(api, instance, &fetch))
                .await?
        }
        (Some(_), InstanceState::Active) => {
            let detail = format!(
                "process instance '{instance}' was started by an earlier request of this Idempotency-Key and still runs: \
                 read it with GET /v2/process-instances/{instance}"
            );
            return Err(Problem::new(StatusCode::CONFLICT, "ALREADY_EXISTS", detail));
        }
        (Some(_), InstanceState::Terminated | InstanceState::Stopped) => {
            return Err(cancelled(instance));
        }
    };
    Ok(Json(started(created, variables, wish)))
}

fn root_variables(api: &ApiState, instance: Key, fetch: &[SmolStr]) -> Result<String, Problem> {
    let search = Search::<Variables> {
        limit: LIMIT_MAX,
        ..Search::default()
    }
    .filter(VariableField::Instance, Op::Eq(instance.into()))
    .filter(VariableField::Scope, Op::Eq(instance.into()));
    let mut variables = botswain_engine::Variables::new();
    for item in api.reader.search(&search)?.items {
        if !fetch.is_empty() && !fetch.contains(&item.name) {
            continue;
        }
        let value = if item.is_truncated {
            let whole = api.reader.variable(instance, instance, &item.name)?;
            whole.map_or(item.value, |row| row.value)
        } else {
            item.value
        };
        variables.set(item.name, value);
    }
    Ok(variables.to_json())
}

/// Text that the coordinator wrote itself; should it be no JSON after all, the answer says so and does not break.
pub(crate) fn raw(json: String) -> Box<RawValue> {
    RawValue::from_string(json).unwrap_or_else(|error| {
        tracing::error!(%error, "variables are stored that are no JSON");
        RawValue::NULL.to_owned()
    })
}

/// A UUID stands for itself, any other text for a digest of it.
fn deduplication_id(headers: &HeaderMap) -> Result<Option<Uuid>, Problem> {
    let Some(value) = headers.get("idempotency-key") else {
        return Ok(None);
    };
    let text = value.as_bytes();
    if text.is_empty() || text.len() > IDEMPOTENCY_KEY_BYTES_MAX {
        return Err(Problem::wrong(format!(
            "header Idempotency-Key: expected 1 to {IDEMPOTENCY_KEY_BYTES_MAX} bytes, found {}",
            text.len()
        )));
    }
    Ok(Some(Uuid::try_parse_ascii(text).unwrap_or_else(|_| {
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&Digest::of(text).0[..16]);
        Uuid::from_bytes(bytes)
    })))
}

pub(crate) async fn cancel(
    State(api): State<ApiState>,
    Path(key): Path<String>,
    body: Payload,
) -> Result<StatusCode, Problem> {
    body.fields()?;
    let instance = path_key(&key)?;
    tracing::Span::current().record("instance", instance.as_u64());
    api.order("CANCEL", Ask::CancelInstance { instance }).await
}

pub(crate) async fn get(
    State(api): State<ApiState>,
    Path(key): Path<String>,
) -> Result<Json<Value>, Problem> {
    let instance = path_key(&key)?;
    let item = find(&api, instance)
        .await?
        .ok_or_else(|| no_such(instance))?;
    Ok(Json(shown(item)))
}

/// Says that there is no such instance.
pub(crate) fn no_such(instance: Key) -> Problem {
    Problem::not_found(format!("Process Instance with key '{instance}' not found"))
}

/// Finds an instance, running or not.
pub(crate) async fn find(api: &ApiState, instance: Key) -> Result<Option<InstanceItem>, Problem> {
    let search = Search::<Instances>::default().filter(InstanceField::Key, Op::Eq(instance.into()));
    Ok(api.search(search).await?.items.pop())
}

static FIELDS: &[Known<InstanceField>] = &[
    Known {
        name: "processInstanceKey",
        field: InstanceField::Key,
        kind: Kind::Key,
    },
    Known {
        name: "processDefinitionKey",
        field: InstanceField::Definition,
        kind: Kind::Key,
    },
    Known {
        name: "processDefinitionId",
        field: InstanceField::ProcessId,
        kind: Kind::Text,
    },
    Known {
        name: "processDefinitionName",
        field: InstanceField::ProcessName,
        kind: Kind::Text,
    },
    Known {
        name: "processDefinitionVersion",
        field: InstanceField::Version,
        kind: Kind::Integer,
    },
    Known {
        name: "processDefinitionVersionTag",
        field: InstanceField::VersionTag,
        kind: Kind::Text,
    },
    Known {
        name: "state",
        field: InstanceField::State,
        kind: Kind::Word(state_code),
    },
    Known {
        name: "startDate",
        field: InstanceField::StartedAt,
        kind: Kind::Time,
    },
    Known {
        name: "endDate",
        field: InstanceField::EndedAt,
        kind: Kind::Time,
    },
    Known {
        name: "hasIncident",
        field: InstanceField::Incidents,
        kind: Kind::Any,
    },
    Known {
        name: "businessId",
        field: InstanceField::BusinessId,
        kind: Kind::Text,
    },
    Known {
        name: "tags",
        field: InstanceField::Tags,
        kind: Kind::Member,
    },
];

fn state_code(word: &str) -> Option<i64> {
    let word = if word == STOPPED {
        InstanceState::Stopped.name()
    } else {
        word
    };
    InstanceState::from_name(word).map(InstanceState::code)
}

/// The word of Camunda 8's clients that comes nearest to an instance that was stopped because of a bug.
const STOPPED: &str = "SUSPENDED";

pub(crate) async fn search(
    State(api): State<ApiState>,
    body: Payload,
) -> Result<Json<Value>, Problem> {
    let search = search::read::<Instances>(&body.fields()?, FIELDS)?;
    Ok(Json(search::page(api.search(search).await?, shown)))
}

fn shown(item: InstanceItem) -> Value {
    let InstanceItem {
        row,
        process_id,
        process_name,
        version,
        version_tag,
    } = item;
    json!({
        "processInstanceKey": row.key.to_string(),
        "rootProcessInstanceKey": row.key.to_string(),
        "processDefinitionId": process_id,
        "processDefinitionName": process_name,
        "processDefinitionVersion": version,
        "processDefinitionVersionTag": version_tag,
        "processDefinitionKey": row.definition.to_string(),
        "parentProcessInstanceKey": null,
        "parentElementInstanceKey": null,
        "startDate": time(row.started_at),
        "endDate": row.ended_at.map(time),
        "state": if row.state == InstanceState::Stopped { STOPPED } else { row.state.name() },
        "hasIncident": row.incidents > 0,
        "tenantId": TENANT,
        "tags": row.tags,
        "businessId": row.business_id,
    })
}
