//! Jobs: any HTTP client is a worker that asks for them, and says how they ended.

use super::fields::{Fields, Payload, path_key};
use super::problem::Problem;
use super::process_instances::raw;
use super::search::{self, Kind, Known, time};
use super::{ApiState, TENANT};
use crate::runtime::{Activated, Answer, Ask, Refusal, Runtime};
use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use botswain_engine::instance::JobState;
use botswain_engine::{Key, Variables};
use botswain_store::reader::{JobField, JobItem, Jobs};
use botswain_store::rows::job_state_code;
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use smol_str::SmolStr;
use tokio::sync::oneshot;

/// The most jobs that one request activates.
const ACTIVATED_MAX: i64 = 10_000;

/// How long jobs are awaited when nobody says so.
const WAIT_MS_DEFAULT: u64 = 10_000;

/// The most retries that anybody may set.
const RETRIES_MAX: i64 = 1_000_000;

/// The longest back-off: a year.
const BACK_OFF_MS_MAX: i64 = 366 * 24 * 3_600_000;

/// Not a `Value`, so that numbers of variables keep their digits.
#[derive(Serialize)]
pub(crate) struct GivenJobs {
    jobs: Vec<ActivatedJob>,
}

/// A job as its worker gets it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ActivatedJob {
    job_key: String,
    r#type: String,
    worker: SmolStr,
    retries: i32,
    deadline: i64,
    variables: Box<RawValue>,
    custom_headers: Box<RawValue>,
    process_definition_id: String,
    process_definition_version: i32,
    process_definition_key: String,
    process_instance_key: String,
    root_process_instance_key: String,
    element_id: String,
    element_instance_key: String,
    tenant_id: &'static str,
    kind: &'static str,
    listener_event_type: &'static str,
    user_task: Option<()>,
    tags: [String; 0],
    priority: Option<i32>,
    lease_token: Option<String>,
}

pub(crate) async fn activate(
    State(api): State<ApiState>,
    body: Payload,
) -> Result<Json<GivenJobs>, Problem> {
    let body = body.fields()?;
    for tenant in body.texts("tenantIds")? {
        super::fields::tenant_is_default(Some(&tenant))?;
    }
    let needed = |name: &str, most| {
        body.integer(name, i64::MIN, most)?
            .ok_or_else(|| Problem::wrong(format!("No {name} provided.")))
    };
    let job_type = body
        .text("type")?
        .ok_or_else(|| Problem::wrong("No type provided."))?;
    let lease_ms = u64::try_from(needed("timeout", i64::MAX)?).unwrap_or(0);
    let most = u32::try_from(needed("maxJobsToActivate", ACTIVATED_MAX)?).unwrap_or(0);
    // As Zeebe's gateway does: nothing said means a while, a negative number not at all.
    let wait_ms = match body
        .integer("requestTimeout", i64::MIN, i64::MAX)?
        .unwrap_or(0)
    {
        0 => WAIT_MS_DEFAULT,
        wait => u64::try_from(wait).unwrap_or(0),
    };
    let with_lease = body.flag("withLease")?.unwrap_or_default();
    let worker = body.text("worker")?.unwrap_or_default();
    let fetch = body.texts("fetchVariable")?;
    let ask = Ask::Activate {
        job_type,
        worker,
        most,
        lease_ms,
        wait_ms,
        fetch,
    };
    let jobs = ask_for_jobs(api.runtime.clone(), ask)
        .await
        .map_err(|refusal| Problem::refused("ACTIVATE", refusal))?;
    let jobs: Vec<ActivatedJob> = jobs.into_iter().map(|job| given(job, with_lease)).collect();
    Ok(Json(GivenJobs { jobs }))
}

/// Waits for jobs. When the caller is gone by then, they are given back at once and do not wait for their leases to end.
async fn ask_for_jobs(runtime: Runtime, ask: Ask) -> Result<Vec<Activated>, Refusal> {
    let (tell, told) = oneshot::channel();
    tokio::spawn(async move {
        let answer = match runtime.ask(ask).await {
            Ok(Answer::Jobs(jobs)) => Ok(jobs),
            Ok(_) => Ok(Vec::new()),
            Err(refusal) => Err(refusal),
        };
        if let Err(Ok(jobs)) = tell.send(answer) {
            give_back(&runtime, jobs).await;
        }
    });
    told.await.unwrap_or_else(|_| Ok(Vec::new()))
}

async fn give_back(runtime: &Runtime, jobs: Vec<Activated>) {
    for Activated { job, .. } in jobs {
        let key = Key::from_u64(job.key.cast_unsigned());
        let ask = Ask::FailJob {
            job: key,
            fence: job.fence,
            retries: job.retries,
            back_off_ms: 0,
            message: "the worker's connection was closed before it got the job".to_owned(),
            variables: Variables::new(),
        };
        if let Err(refusal) = runtime.ask(ask).await {
            tracing::warn!(job = key.as_u64(), %refusal, "a job whose worker is gone waits for the end of its lease");
        }
    }
}

fn given(activated: Activated, with_lease: bool) -> ActivatedJob {
    let Activated { job, worker } = activated;
    let text = |bytes: &[u8]| raw(String::from_utf8_lossy(bytes).into_owned());
    ActivatedJob {
        job_key: job.key.to_string(),
        variables: text(&job.variables),
        custom_headers: text(&job.headers),
        r#type: job.r#type,
        worker,
        retries: job.retries,
        deadline: job.deadline_ms,
        process_definition_id: job.process_id,
        process_definition_version: job.process_version,
        process_definition_key: job.process_key.to_string(),
        process_instance_key: job.instance_key.to_string(),
        root_process_instance_key: job.instance_key.to_string(),
        element_id: job.element_id,
        element_instance_key: job.element_instance_key.to_string(),
        tenant_id: TENANT,
        kind: "BPMN_ELEMENT",
        listener_event_type: "UNSPECIFIED",
        user_task: None,
        tags: [],
        priority: None,
        lease_token: with_lease.then(|| job.fence.to_string()),
    }
}

pub(crate) async fn complete(
    State(api): State<ApiState>,
    Path(key): Path<String>,
    body: Payload,
) -> Result<StatusCode, Problem> {
    let (job, body) = (job_of(&key)?, body.fields()?);
    let ask = Ask::CompleteJob {
        job,
        fence: fence(&body)?,
        variables: body.variables("variables")?,
    };
    api.order("COMPLETE", ask).await
}

/// An operator's word that a job is done: also where an attempt ended in doubt, and no worker may say so.
pub(crate) async fn settle(
    State(api): State<ApiState>,
    Path(key): Path<String>,
    body: Payload,
) -> Result<StatusCode, Problem> {
    let (job, body) = (job_of(&key)?, body.fields()?);
    let ask = Ask::SettleJob {
        job,
        variables: body.variables("variables")?,
        by: api.who(),
    };
    api.order("COMPLETE", ask).await
}

pub(crate) async fn fail(
    State(api): State<ApiState>,
    Path(key): Path<String>,
    body: Payload,
) -> Result<StatusCode, Problem> {
    let (job, body) = (job_of(&key)?, body.fields()?);
    let retries = body
        .integer("retries", i64::from(i32::MIN), RETRIES_MAX)?
        .unwrap_or(0);
    let back_off = body
        .integer("retryBackOff", 0, BACK_OFF_MS_MAX)?
        .unwrap_or(0);
    let ask = Ask::FailJob {
        job,
        fence: fence(&body)?,
        retries: i32::try_from(retries).unwrap_or(0),
        back_off_ms: back_off.unsigned_abs(),
        message: body.prose("errorMessage")?,
        variables: body.variables("variables")?,
    };
    api.order("FAIL", ask).await
}

pub(crate) async fn throw_error(
    State(api): State<ApiState>,
    Path(key): Path<String>,
    body: Payload,
) -> Result<StatusCode, Problem> {
    let (job, body) = (job_of(&key)?, body.fields()?);
    let ask = Ask::ThrowError {
        job,
        fence: fence(&body)?,
        code: body.needed_text("errorCode")?,
        message: body.prose("errorMessage")?,
        variables: body.variables("variables")?,
    };
    api.order("THROW_ERROR", ask).await
}

pub(crate) async fn update(
    State(api): State<ApiState>,
    Path(key): Path<String>,
    body: Payload,
) -> Result<StatusCode, Problem> {
    let (job, body) = (job_of(&key)?, body.fields()?);
    let none = || Problem::wrong("field 'changeset': expected at least one of [retries, timeout]");
    let changes = body.object("changeset")?.ok_or_else(none)?;
    let retries = changes.integer("retries", i64::from(i32::MIN), RETRIES_MAX)?;
    let timeout_ms = changes
        .integer("timeout", 1, i64::MAX)?
        .map(i64::unsigned_abs);
    if retries.is_none() && timeout_ms.is_none() {
        return Err(none());
    }
    let retries = retries.map(|retries| i32::try_from(retries).unwrap_or(0));
    api.order(
        "UPDATE",
        Ask::UpdateJob {
            job,
            retries,
            timeout_ms,
        },
    )
    .await
}

fn job_of(path: &str) -> Result<Key, Problem> {
    let job = path_key(path)?;
    tracing::Span::current().record("job", job.as_u64());
    Ok(job)
}

/// The token of a lease is the attempt's fence; without it whoever names the job speaks for it.
fn fence(body: &Fields<'_>) -> Result<u64, Problem> {
    match body.text("leaseToken")? {
        None => Ok(0),
        Some(text) => text.parse().map_err(|_| {
            Problem::wrong(
                "field 'leaseToken': expected the leaseToken that the job was activated with",
            )
        }),
    }
}

static FIELDS: &[Known<JobField>] = &[
    Known {
        name: "jobKey",
        field: JobField::Key,
        kind: Kind::Key,
    },
    Known {
        name: "type",
        field: JobField::JobType,
        kind: Kind::Text,
    },
    Known {
        name: "worker",
        field: JobField::Holder,
        kind: Kind::Text,
    },
    Known {
        name: "state",
        field: JobField::State,
        kind: Kind::Word(state_code),
    },
    Known {
        name: "retries",
        field: JobField::Retries,
        kind: Kind::Integer,
    },
    Known {
        name: "deadline",
        field: JobField::LeaseUntil,
        kind: Kind::Time,
    },
    Known {
        name: "creationTime",
        field: JobField::CreatedAt,
        kind: Kind::Time,
    },
    Known {
        name: "processDefinitionId",
        field: JobField::ProcessId,
        kind: Kind::Text,
    },
    Known {
        name: "processDefinitionKey",
        field: JobField::Definition,
        kind: Kind::Key,
    },
    Known {
        name: "processInstanceKey",
        field: JobField::Instance,
        kind: Kind::Key,
    },
    Known {
        name: "elementId",
        field: JobField::ElementId,
        kind: Kind::Text,
    },
    Known {
        name: "elementInstanceKey",
        field: JobField::Element,
        kind: Kind::Key,
    },
];

fn state_code(word: &str) -> Option<i64> {
    let states = [JobState::Open, JobState::Failed, JobState::Errored];
    states
        .into_iter()
        .find(|state| state_word(*state) == word)
        .map(job_state_code)
}

fn state_word(state: JobState) -> &'static str {
    match state {
        JobState::Open => "CREATED",
        JobState::Failed => "FAILED",
        JobState::Errored => "ERROR_THROWN",
    }
}

pub(crate) async fn search(
    State(api): State<ApiState>,
    body: Payload,
) -> Result<Json<Value>, Problem> {
    let search = search::read::<Jobs>(&body.fields()?, FIELDS)?;
    Ok(Json(search::page(api.search(search).await?, shown)))
}

fn shown(item: JobItem) -> Value {
    let JobItem {
        row,
        element_id,
        process_id,
    } = item;
    json!({
        "jobKey": row.key.to_string(),
        "type": row.job_type,
        "worker": row.held.as_ref().map_or("", |held| held.holder.as_str()),
        "state": state_word(row.state),
        "kind": "BPMN_ELEMENT",
        "listenerEventType": "UNSPECIFIED",
        "retries": row.retries,
        "hasFailedWithRetriesLeft": row.retry_at.is_some(),
        "isDenied": null,
        "deniedReason": null,
        "errorCode": null,
        "errorMessage": null,
        "customHeaders": {},
        "deadline": row.held.as_ref().and_then(|held| held.lease_until).map(time),
        "creationTime": time(row.created_at),
        "endTime": null,
        "processDefinitionId": process_id,
        "processDefinitionKey": row.definition.to_string(),
        "processInstanceKey": row.root.to_string(),
        "rootProcessInstanceKey": row.root.to_string(),
        "elementId": element_id,
        "elementInstanceKey": row.token.to_string(),
        "tenantId": TENANT,
    })
}
