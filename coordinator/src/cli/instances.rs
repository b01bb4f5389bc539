//! Instances: start, list, cancel.

use super::client::Client;
use super::output::{Output, cell, items, moment};
use super::{Done, variables};
use serde_json::{Value, json};

/// What is started.
#[derive(Debug, clap::Args)]
pub struct Start {
    /// The process's id, or the key of one of its versions.
    process: String,
    /// Which version; the latest if none is named.
    #[arg(long, value_name = "N")]
    version: Option<u32>,
    /// The variables: JSON, @FILE, or - for standard input.
    #[arg(long, value_name = "JSON")]
    variables: Option<String>,
    /// Waits for the end and prints the result.
    #[arg(long)]
    wait: bool,
    /// How many seconds the end is awaited.
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=600))]
    timeout: u64,
    /// What you call this instance.
    #[arg(long, value_name = "ID")]
    business_id: Option<String>,
    /// A label; may be given several times.
    #[arg(long = "tag", value_name = "TAG")]
    tags: Vec<String>,
    /// The same key starts one instance only, however often the command is repeated.
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
}

/// Which instances are listed.
#[derive(Debug, clap::Args)]
pub struct List {
    /// In that state: active, completed, terminated or suspended.
    #[arg(long)]
    state: Option<String>,
    /// Of that process.
    #[arg(long, value_name = "ID")]
    process: Option<String>,
    /// With that business id.
    #[arg(long, value_name = "ID")]
    business_id: Option<String>,
    /// Only those that wait for an operator.
    #[arg(long)]
    incidents: bool,
    /// How many at most.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    limit: u32,
}

pub(super) async fn start(client: &Client, out: &mut Output, start: Start) -> Done {
    let mut body = json!({
        "variables": variables(start.variables.as_deref())?,
        "awaitCompletion": start.wait,
        "requestTimeout": if start.wait { start.timeout * 1000 } else { 0 },
        "tags": start.tags,
    });
    // An id of BPMN never begins with a digit.
    let named = if start.process.bytes().all(|byte| byte.is_ascii_digit()) {
        "processDefinitionKey"
    } else {
        "processDefinitionId"
    };
    body[named] = json!(start.process);
    if let Some(version) = start.version {
        body["processDefinitionVersion"] = json!(version);
    }
    if let Some(id) = start.business_id {
        body["businessId"] = json!(id);
    }
    let mut request = client
        .request(reqwest::Method::POST, &["v2", "process-instances"])
        .json(&body);
    if let Some(key) = start.idempotency_key {
        request = request.header("idempotency-key", key);
    }
    let answer = client.send(request).await?;
    out.answer(&answer, |out| {
        let (process, version) = (
            cell(&answer, "processDefinitionId"),
            cell(&answer, "processDefinitionVersion"),
        );
        let key = cell(&answer, "processInstanceKey");
        if start.wait {
            out.line(&format!(
                "instance {key} of {process} version {version} completed"
            ));
            out.line(&serde_json::to_string_pretty(&answer["variables"]).unwrap_or_default());
        } else {
            out.line(&format!(
                "instance {key} of {process} version {version} started: botswain show {key}"
            ));
        }
    })
}

pub(super) async fn list(client: &Client, out: &mut Output, list: List) -> Done {
    let mut filter = json!({});
    for (field, value) in [
        ("state", list.state),
        ("processDefinitionId", list.process),
        ("businessId", list.business_id),
    ] {
        if let Some(value) = value {
            filter[field] = json!(value);
        }
    }
    if list.incidents {
        filter["hasIncident"] = json!(true);
    }
    let body = json!({
        "filter": filter,
        "sort": [{ "field": "processInstanceKey", "order": "DESC" }],
        "page": { "limit": list.limit },
    });
    let answer = client
        .post(&["v2", "process-instances", "search"], &body)
        .await?;
    out.answer(&answer, |out| {
        let rows: Vec<Vec<String>> = items(&answer).iter().map(row).collect();
        let shown = rows.len() as u64;
        let headings = [
            "instance",
            "process",
            "version",
            "state",
            "incident",
            "started",
            "ended",
            "business id",
            "tags",
        ];
        out.table(&headings, rows);
        let total = answer["page"]["totalItems"].as_u64().unwrap_or(shown);
        if total > shown {
            out.line(&format!("{shown} of {total}: --limit shows more"));
        }
    })
}

fn row(item: &Value) -> Vec<String> {
    vec![
        cell(item, "processInstanceKey"),
        cell(item, "processDefinitionId"),
        cell(item, "processDefinitionVersion"),
        cell(item, "state"),
        cell(item, "hasIncident"),
        moment(item, "startDate"),
        moment(item, "endDate"),
        cell(item, "businessId"),
        cell(item, "tags"),
    ]
}

pub(super) async fn cancel(client: &Client, out: &mut Output, instance: &str) -> Done {
    client
        .post(
            &["v2", "process-instances", instance, "cancellation"],
            &json!({}),
        )
        .await?;
    out.answer(
        &json!({ "processInstanceKey": instance, "cancelled": true }),
        |out| {
            out.line(&format!("instance {instance} is being cancelled"));
        },
    )
}
