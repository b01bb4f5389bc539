//! Door: what the coordinator shows over HTTP, read by the demo and by tests.

use std::time::Duration;

use anyhow::Context as _;
use serde::Deserialize;
use serde_json::{Value, json};

/// How long one request may take.
const REQUEST: Duration = Duration::from_secs(30);

/// A client of the coordinator's HTTP door.
#[derive(Debug, Clone)]
pub struct Door {
    url: String,
    client: reqwest::Client,
}

/// One leg's try at one job.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Attempt {
    /// Its id.
    pub attempt: String,
    /// What kind of job it was.
    pub job_type: String,
    /// Which leg.
    pub leg: String,
    /// Who held it: an agent's name, a connector's.
    pub holder: Option<String>,
    outcome: Option<String>,
    /// What was said about it.
    pub message: Option<String>,
    started_at: Option<String>,
    offered_at: String,
    ended_at: Option<String>,
}

impl Attempt {
    /// Whether it has ended, however.
    pub fn is_over(&self) -> bool {
        self.outcome.is_some()
    }

    /// Whether it did its job.
    pub fn has_succeeded(&self) -> bool {
        self.outcome.as_deref() == Some("SUCCEEDED")
    }

    /// How it ended, in small letters; `open` while it has not.
    pub fn ended(&self) -> String {
        self.outcome.as_deref().unwrap_or("open").to_lowercase()
    }

    /// How long it took, in milliseconds; none while it runs.
    pub fn took_ms(&self) -> Option<u64> {
        let begin = self.started_at.as_ref().unwrap_or(&self.offered_at);
        let (begin, end) = (milliseconds(begin)?, milliseconds(self.ended_at.as_ref()?)?);
        u64::try_from(end - begin).ok()
    }
}

fn milliseconds(text: &str) -> Option<i64> {
    text.parse::<jiff::Timestamp>()
        .ok()
        .map(jiff::Timestamp::as_millisecond)
}

/// A piece of evidence.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Evidence {
    /// The attempt that it tells of.
    pub attempt: String,
    /// What kind of job that was.
    pub job_type: String,
    /// The file's name.
    pub name: String,
    /// The content's address.
    pub digest: String,
}

impl Door {
    /// A client of the door at this address.
    pub fn at(address: &str) -> anyhow::Result<Self> {
        // Whoever was first in this process has the same wish.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder()
            .timeout(REQUEST)
            .no_proxy()
            .build();
        Ok(Self {
            url: format!("http://{address}"),
            client: client.context("set up HTTP")?,
        })
    }

    /// Where the door is.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Reads JSON.
    pub async fn get(&self, path: &str) -> anyhow::Result<Value> {
        self.json(self.client.get(format!("{}{path}", self.url)), path)
            .await
    }

    /// Sends JSON and reads JSON.
    pub async fn post(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        self.json(
            self.client.post(format!("{}{path}", self.url)).json(body),
            path,
        )
        .await
    }

    async fn json(&self, request: reqwest::RequestBuilder, path: &str) -> anyhow::Result<Value> {
        let response = request
            .send()
            .await
            .with_context(|| format!("ask {path}"))?;
        let status = response.status();
        let text = response
            .text()
            .await
            .with_context(|| format!("read the answer of {path}"))?;
        anyhow::ensure!(status.is_success(), "{path} answered {status}: {text}");
        if text.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_str(&text).with_context(|| format!("understand the answer of {path}"))
    }

    /// The state of an instance.
    pub async fn state(&self, instance: &str) -> anyhow::Result<String> {
        let shown = self
            .get(&format!("/v2/process-instances/{instance}"))
            .await?;
        Ok(shown["state"].as_str().unwrap_or_default().to_owned())
    }

    /// A top variable of an instance.
    pub async fn variable(&self, instance: &str, name: &str) -> anyhow::Result<Option<Value>> {
        let filter = json!({"processInstanceKey": instance, "scopeKey": instance, "name": name});
        let found = self
            .post("/v2/variables/search", &json!({ "filter": filter }))
            .await?;
        found["items"][0]["value"]
            .as_str()
            .map(|text| {
                serde_json::from_str(text).with_context(|| format!("understand variable {name}"))
            })
            .transpose()
    }

    /// Why an instance waits, in words.
    pub async fn why(&self, instance: &str) -> anyhow::Result<String> {
        let shown = self
            .get(&format!("/botswain/v1/instances/{instance}/waiting"))
            .await?;
        let tokens = shown["tokens"].as_array().cloned().unwrap_or_default();
        let words: Vec<String> = tokens
            .iter()
            .map(|token| {
                format!(
                    "{}: {}",
                    token["elementId"].as_str().unwrap_or("?"),
                    token["why"].as_str().unwrap_or("?")
                )
            })
            .collect();
        Ok(words.join("; "))
    }

    /// All attempts of an instance, oldest first.
    pub async fn attempts(&self, instance: &str) -> anyhow::Result<Vec<Attempt>> {
        self.items(&format!("/botswain/v1/attempts?instance={instance}"))
            .await
    }

    /// All evidence of an instance.
    pub async fn evidence(&self, instance: &str) -> anyhow::Result<Vec<Evidence>> {
        self.items(&format!("/botswain/v1/evidence?instance={instance}"))
            .await
    }

    async fn items<T: serde::de::DeserializeOwned>(&self, path: &str) -> anyhow::Result<Vec<T>> {
        let mut shown = self.get(path).await?;
        serde_json::from_value(shown["items"].take()).with_context(|| format!("understand {path}"))
    }

    /// The content of a piece of evidence.
    pub async fn content(&self, digest: &str) -> anyhow::Result<Vec<u8>> {
        let path = format!("/botswain/v1/evidence/{digest}");
        let response = self
            .client
            .get(format!("{}{path}", self.url))
            .send()
            .await?
            .error_for_status()?;
        Ok(response
            .bytes()
            .await
            .with_context(|| format!("read {path}"))?
            .to_vec())
    }
}
