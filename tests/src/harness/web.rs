//! A client of the HTTP door.

use anyhow::Context as _;
use serde_json::{Value, json};
use std::sync::Once;

/// What was answered.
#[derive(Clone, Debug)]
pub struct Answered {
    /// The status.
    pub status: u16,
    /// The body as text.
    pub text: String,
}

impl Answered {
    /// The body of a good answer.
    ///
    /// # Panics
    /// It was refused.
    #[track_caller]
    pub fn ok(&self) -> Value {
        assert!((200..300).contains(&self.status), "{self:?}");
        serde_json::from_str(&self.text).unwrap_or(Value::Null)
    }

    /// The detail of a refusal with that status.
    ///
    /// # Panics
    /// It was not refused, or otherwise.
    #[track_caller]
    #[must_use]
    pub fn refused(&self, status: u16) -> String {
        assert_eq!(self.status, status, "{self:?}");
        let body: Value = serde_json::from_str(&self.text).unwrap_or(Value::Null);
        body["detail"].as_str().unwrap_or_default().to_owned()
    }
}

/// An HTTP client of one coordinator.
#[derive(Clone, Debug)]
pub struct Web {
    client: reqwest::Client,
    url: String,
}

impl Web {
    /// A client of the door at that address.
    ///
    /// # Errors
    /// The client cannot be built.
    pub fn new(url: &str) -> anyhow::Result<Web> {
        static PROVIDER: Once = Once::new();
        PROVIDER.call_once(|| {
            // Another test of this process may have been first.
            let _ = rustls::crypto::ring::default_provider().install_default();
        });
        let client = reqwest::Client::builder()
            .timeout(super::PATIENCE)
            .build()?;
        Ok(Web {
            client,
            url: url.to_owned(),
        })
    }

    /// Reads.
    ///
    /// # Errors
    /// There was no answer.
    pub async fn get(&self, path: &str) -> anyhow::Result<Answered> {
        answered(self.client.get(format!("{}{path}", self.url))).await
    }

    /// Sends JSON.
    ///
    /// # Errors
    /// There was no answer.
    pub async fn post(&self, path: &str, body: &Value) -> anyhow::Result<Answered> {
        answered(self.client.post(format!("{}{path}", self.url)).json(body)).await
    }

    /// Puts JSON.
    ///
    /// # Errors
    /// There was no answer.
    pub async fn put(&self, path: &str, body: &Value) -> anyhow::Result<Answered> {
        answered(self.client.put(format!("{}{path}", self.url)).json(body)).await
    }

    /// Sends text of a media type.
    ///
    /// # Errors
    /// There was no answer.
    pub async fn send(&self, path: &str, media: &str, body: Vec<u8>) -> anyhow::Result<Answered> {
        let request = self
            .client
            .post(format!("{}{path}", self.url))
            .header("content-type", media);
        answered(request.body(body)).await
    }

    /// Deploys a file.
    ///
    /// # Errors
    /// There was no answer.
    pub async fn deploy(&self, name: &str, xml: &str) -> anyhow::Result<Answered> {
        let body = format!(
            "--edge\r\nContent-Disposition: form-data; name=\"resources\"; filename=\"{name}\"\r\n\
             Content-Type: application/octet-stream\r\n\r\n{xml}\r\n--edge--\r\n"
        );
        self.send(
            "/v2/deployments",
            "multipart/form-data; boundary=edge",
            body.into_bytes(),
        )
        .await
    }

    /// Starts an instance and tells its key.
    ///
    /// # Errors
    /// There was no answer, or a refusal.
    pub async fn start(&self, process: &str, variables: &Value) -> anyhow::Result<String> {
        let body = json!({ "processDefinitionId": process, "variables": variables });
        let answered = self.post("/v2/process-instances", &body).await?;
        let key = answered.ok()["processInstanceKey"]
            .as_str()
            .map(str::to_owned);
        key.context("an instance has a key")
    }

    /// How many a search finds.
    ///
    /// # Errors
    /// There was no answer, or a refusal.
    pub async fn count(&self, kind: &str, filter: Value) -> anyhow::Result<u64> {
        let found = self
            .post(
                &format!("/v2/{kind}/search"),
                &json!({ "filter": filter, "page": { "limit": 1 } }),
            )
            .await?;
        found.ok()["page"]["totalItems"]
            .as_u64()
            .context("a search counts")
    }
}

async fn answered(request: reqwest::RequestBuilder) -> anyhow::Result<Answered> {
    let response = request.send().await?;
    let status = response.status().as_u16();
    Ok(Answered {
        status,
        text: response.text().await?,
    })
}
