//! Connectors: the coordinator's own legs. Definitions are read at the start; each call runs beside the writer.

use crate::dispatch::End;
use crate::runtime::{Ask, ConnectorCall, ReplyTo, Request, Runtime};
use anyhow::Context;
use botswain_connectors::{
    Call, Client, ClientOptions, Connector, Effect, Happened as Perhaps, JobView, Object, Outcome,
    RestConnector, RestOptions, Secrets, Settings,
};
use botswain_proto::message::{BpmnError, EffectClass, Happened, Reason, State};
use botswain_store::evidence::EvidenceFiles;
use botswain_store::rows::{EvidenceRow, Put};
use smol_str::SmolStr;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

/// The connector that does what a model with Camunda's REST task says in its variables.
const REST: &str = "http-json";

/// How many calls of one connector may run at once.
const CALLS_MAX: u32 = 64;

/// All connectors, with what they need to be called.
#[derive(Clone)]
pub(crate) struct Connectors(Arc<Inner>);

struct Inner {
    named: BTreeMap<SmolStr, Connector>,
    rest: RestConnector,
    client: Client,
    secrets: Secrets,
    evidence: EvidenceFiles,
}

impl Connectors {
    /// Reads every `NAME.toml` of the folder.
    ///
    /// # Errors
    /// All problems of the first file that is wrong.
    pub(crate) fn load(
        folder: Option<&Path>,
        rest: &RestOptions,
        secrets: Secrets,
        evidence: EvidenceFiles,
    ) -> anyhow::Result<Connectors> {
        let mut named = BTreeMap::new();
        if let Some(folder) = folder {
            let entries = std::fs::read_dir(folder)
                .with_context(|| format!("read connectors in {}", folder.display()))?;
            for entry in entries {
                let path = entry?.path();
                if path.extension().is_none_or(|extension| extension != "toml") {
                    continue;
                }
                let name = path
                    .file_stem()
                    .and_then(|stem| stem.to_str())
                    .context("a connector's name is its file's name")?;
                let source = std::fs::read_to_string(&path)
                    .with_context(|| format!("read connector {}", path.display()))?;
                let connector = Connector::from_toml(name, &source, &Settings::default())
                    .with_context(|| format!("understand connector {}", path.display()))?;
                for secret in connector.secrets() {
                    if secrets.get(secret).is_none() {
                        anyhow::bail!(
                            "connector {} needs the secret {secret}: add it to the file that `secrets` names",
                            path.display()
                        );
                    }
                }
                named.insert(SmolStr::from(name), connector);
            }
        }
        let rest = RestConnector::new(rest).context("understand what REST tasks may do")?;
        let client =
            Client::new(&ClientOptions::default()).context("set up the connectors' HTTP client")?;
        Ok(Connectors(Arc::new(Inner {
            named,
            rest,
            client,
            secrets,
            evidence,
        })))
    }

    /// What the writer is told of each connector.
    pub(crate) fn announcements(&self) -> impl Iterator<Item = Ask> {
        let slots = CALLS_MAX;
        let named = self
            .0
            .named
            .iter()
            .map(move |(name, connector)| Ask::Connector {
                name: name.clone(),
                slots,
                effect: class(connector.effect()),
            });
        // A POST without a key may do it twice, and a REST task may be one.
        let rest = Ask::Connector {
            name: SmolStr::new_static(REST),
            slots,
            effect: EffectClass::AtMostOnce,
        };
        named.chain(std::iter::once(rest))
    }

    /// The secret of that name, for an attempt that its bot's manifest names it for.
    #[must_use]
    pub(crate) fn secret(&self, name: &str) -> Option<&str> {
        self.0.secrets.get(name)
    }

    /// Does a call and tells the writer how it ended.
    pub(crate) async fn run(self, runtime: Runtime, call: ConnectorCall) {
        let began = Instant::now();
        let attempt = call.offer.attempt;
        let done = self.call(&call).await;
        let run_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let mut end = match done {
            Ok(Call { outcome, evidence }) => {
                if let Ok(text) = serde_json::to_vec_pretty(&evidence) {
                    self.keep(&runtime, attempt.0, text).await;
                }
                end_of(outcome)
            }
            Err(message) => failed(false, Happened::No, message),
        };
        end.run_ms = run_ms;
        let ended = Ask::AttemptEnded {
            attempt,
            end: Box::new(end),
            warnings: Vec::new(),
        };
        runtime.send(Request::new(ended, ReplyTo::Nobody));
    }

    async fn call(&self, call: &ConnectorCall) -> Result<Call, String> {
        let object =
            |text: &str| serde_json::from_str::<Object>(text).map_err(|error| error.to_string());
        let variables = object(&call.job.variables)?;
        let headers: BTreeMap<String, String> = object(call.job.headers.as_str())?
            .into_iter()
            .map(|(name, value)| {
                (
                    name,
                    value
                        .as_str()
                        .map_or_else(|| value.to_string(), ToOwned::to_owned),
                )
            })
            .collect();
        let (job_key, attempt_key) = (call.job.key.to_string(), call.offer.attempt.to_string());
        let view = JobView {
            job_type: &call.offer.job_type,
            job_key: &job_key,
            attempt_key: &attempt_key,
            variables: &variables,
            headers: &headers,
        };
        let inner = &self.0;
        if let Some(connector) = inner.named.get(&call.name) {
            return Ok(connector.call(&inner.client, &inner.secrets, view).await);
        }
        if call.name == REST {
            return Ok(inner.rest.call(&inner.client, &inner.secrets, view).await);
        }
        Err(format!(
            "connector {} is not configured: add its file and start the coordinator again",
            call.name
        ))
    }

    /// Keeps what was sent and came back; an attempt without evidence is still an attempt.
    async fn keep(&self, runtime: &Runtime, attempt: uuid::Uuid, text: Vec<u8>) {
        let (files, size) = (self.0.evidence.clone(), text.len() as u64);
        let kept = tokio::task::spawn_blocking(move || files.keep(&text)).await;
        match kept {
            Ok(Ok(digest)) => {
                let row = EvidenceRow {
                    attempt,
                    name: "call.json".to_owned(),
                    media_type: SmolStr::new_static("application/json"),
                    size,
                    digest,
                    at: jiff::Timestamp::now().as_millisecond(),
                };
                let write = Ask::Write {
                    put: Box::new(Put::Evidence(row)),
                    audit: None,
                };
                runtime.send(Request::new(write, ReplyTo::Nobody));
            }
            Ok(Err(error)) => tracing::warn!(%error, %attempt, "evidence was not kept"),
            Err(error) => tracing::warn!(%error, %attempt, "evidence was not kept"),
        }
    }
}

const fn class(effect: Effect) -> EffectClass {
    match effect {
        Effect::Pure => EffectClass::Pure,
        Effect::Idempotent => EffectClass::Idempotent,
        Effect::AtMostOnce => EffectClass::AtMostOnce,
    }
}

fn end_of(outcome: Outcome) -> End {
    let json = |variables: Object| {
        serde_json::Value::Object(variables)
            .to_string()
            .into_bytes()
            .into()
    };
    match outcome {
        Outcome::Succeeded { variables } => End::success(json(variables)),
        Outcome::Failed {
            retryable,
            happened,
            message,
            retry_after: _,
        } => {
            let happened = match happened {
                Perhaps::No => Happened::No,
                Perhaps::Perhaps => Happened::Maybe,
            };
            failed(retryable, happened, message)
        }
        Outcome::BpmnError {
            code,
            message,
            variables,
        } => End {
            state: State::BpmnError,
            happened: Happened::No,
            bpmn_error: Some(BpmnError { code, message }),
            ..End::success(json(variables))
        },
        Outcome::Unknown { message } => End {
            state: State::Unknown,
            ..failed(false, Happened::Maybe, message)
        },
    }
}

fn failed(retryable: bool, happened: Happened, text: String) -> End {
    let reason = Reason {
        code: "connector".to_owned(),
        text,
        retryable,
        policy_rule: String::new(),
    };
    End {
        state: State::Failed,
        happened,
        reason: Some(reason),
        ..End::success(bytes::Bytes::new())
    }
}
