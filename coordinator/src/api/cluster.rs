//! The coordinator itself: topology, status, licence, who asks, health, metrics.

use super::problem::Problem;
use super::{ApiState, TENANT};
use crate::runtime::{Ask, Refusal, RefusalKind};
use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use botswain_engine::Key;
use botswain_store::WHOLE_PROCESS;
use botswain_store::reader::{Definitions, InstanceField, Instances, LIMIT_MAX, Op, Search, Value};
use botswain_store::rows::Counts;
use serde_json::{Value as JsonValue, json};
use std::fmt::Write as _;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// The version of Camunda 8 whose contract is followed: clients choose their features by it.
const CONTRACT_VERSION: &str = "8.9.0";

/// The writer commits many times in that time; one that does not answer within is not well.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

pub(crate) async fn topology(State(api): State<ApiState>) -> Json<JsonValue> {
    let health = if answers(&api).await.is_ok() {
        "healthy"
    } else {
        "unhealthy"
    };
    Json(json!({
        "brokers": [{
            "nodeId": 0,
            "host": "localhost",
            "port": 26500,
            "partitions": [{ "partitionId": api.part.0, "role": "leader", "health": health }],
            "version": CONTRACT_VERSION,
        }],
        "clusterSize": 1,
        "partitionsCount": 1,
        "replicationFactor": 1,
        "gatewayVersion": CONTRACT_VERSION,
        "lastCompletedChangeId": "-1",
        "clusterId": null,
    }))
}

pub(crate) async fn status(State(api): State<ApiState>) -> Result<StatusCode, Problem> {
    answers(&api).await.map(|()| StatusCode::NO_CONTENT)
}

pub(crate) async fn license() -> Json<JsonValue> {
    Json(
        json!({ "validLicense": true, "licenseType": "Apache-2.0", "isCommercial": false, "expiresAt": null }),
    )
}

pub(crate) async fn me(State(api): State<ApiState>) -> Json<JsonValue> {
    Json(json!({
        "username": if api.token.is_some() { "operator" } else { "anonymous" },
        "displayName": null,
        "email": null,
        "authorizedComponents": ["*"],
        "tenants": [{ "tenantId": TENANT, "name": "Default", "description": null }],
        "groups": [],
        "roles": [],
        "salesPlanType": null,
        "c8Links": {},
        "canLogout": false,
    }))
}

pub(crate) async fn health(State(api): State<ApiState>) -> Result<Json<JsonValue>, Problem> {
    answers(&api)
        .await
        .map(|()| Json(json!({ "status": "UP" })))
}

/// Whether the writer answers: a question that changes nothing, in the class that is refused last.
async fn answers(api: &ApiState) -> Result<(), Problem> {
    let question = api.runtime.ask(Ask::ExplainJob {
        job: Key::from_u64(0),
    });
    let silent = || {
        let message = format!(
            "the writer did not answer within {} seconds: the log says what it waits for",
            ANSWER_WITHIN.as_secs()
        );
        Refusal::new(RefusalKind::Unavailable, message)
    };
    let answer = tokio::time::timeout(ANSWER_WITHIN, question)
        .await
        .unwrap_or_else(|_| Err(silent()));
    answer
        .map(|_| ())
        .map_err(|refusal| Problem::refused("HEALTH", refusal))
}

pub(crate) async fn metrics(State(api): State<ApiState>) -> Result<Response, Problem> {
    let (instances, incidents) = api.read(counted).await?;
    let mut text = String::new();
    let mut metric = |name: &str, kind: &str, help: &str, values: &[(String, f64)]| {
        let _infallible = writeln!(
            text,
            "# HELP botswain_{name} {help}\n# TYPE botswain_{name} {kind}"
        );
        for (labels, value) in values {
            let _infallible = writeln!(text, "botswain_{name}{labels} {value}");
        }
    };
    let plain = |value: f64| vec![(String::new(), value)];
    metric(
        "uptime_seconds",
        "gauge",
        "Since when the door is open.",
        &plain(api.counters.started.elapsed().as_secs_f64()),
    );
    metric(
        "requests_waiting",
        "gauge",
        "Requests in front of the writer.",
        &plain(api.runtime.waiting() as f64),
    );
    if let Some(bytes) = resident_bytes() {
        metric(
            "memory_resident_bytes",
            "gauge",
            "Memory of this process.",
            &plain(bytes as f64),
        );
    }
    let answers = api.counters.answers.iter().enumerate().map(|(at, count)| {
        (
            format!("{{status=\"{}xx\"}}", at + 1),
            count.load(Ordering::Relaxed) as f64,
        )
    });
    metric(
        "http_answers_total",
        "counter",
        "Answers of this door.",
        &answers.collect::<Vec<_>>(),
    );
    let running = instances.entered - instances.completed - instances.terminated;
    metric(
        "instances",
        "gauge",
        "Instances that run.",
        &plain(running as f64),
    );
    for (name, help, count) in [
        (
            "instances_started_total",
            "Instances that were started.",
            instances.entered,
        ),
        (
            "instances_completed_total",
            "Instances that came to their end.",
            instances.completed,
        ),
        (
            "instances_terminated_total",
            "Instances that were cancelled.",
            instances.terminated,
        ),
    ] {
        metric(name, "counter", help, &plain(count as f64));
    }
    metric(
        "instances_with_incidents",
        "gauge",
        "Instances that wait for an operator.",
        &plain(incidents as f64),
    );
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response())
}

/// How often instances began and ended, by the counters that the writer keeps, and how many wait for an operator.
fn counted(api: &ApiState) -> Result<(Counts, usize), Problem> {
    let versions = Search::<Definitions> {
        limit: LIMIT_MAX,
        ..Search::default()
    };
    let mut instances = Counts::default();
    for version in api.reader.search(&versions)?.items {
        for (node, counts) in api.reader.counts(version.key)? {
            if node == WHOLE_PROCESS {
                instances.add(counts);
            }
        }
    }
    let stuck = Search::<Instances> {
        limit: 1,
        ..Search::default()
    }
    .filter(InstanceField::Incidents, Op::Gt(Value::Integer(0)));
    Ok((instances, api.reader.search(&stuck)?.total))
}

/// What this process keeps in memory, where the system tells.
fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().trim_end_matches("kB").trim().parse().ok()?;
    Some(kib << 10)
}
