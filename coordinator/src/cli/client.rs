//! The client: requests to one coordinator, and what its answers mean.

use super::Failure;
use reqwest::{Method, RequestBuilder, StatusCode, Url};
use serde_json::{Value, json};
use std::time::Duration;

/// Somebody who does not even accept a connection within that time is not there.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// The most bytes of an answer.
const ANSWER_BYTES_MAX: usize = 64 << 20;

/// Speaks with one coordinator.
pub(super) struct Client {
    http: reqwest::Client,
    url: Url,
    token: Option<String>,
}

impl Client {
    pub(super) fn new(url: &str, token: Option<&str>) -> Result<Client, Failure> {
        let wrong = |why: String| {
            Failure::Usage(format!(
                "--url {url}: {why}; expected an address such as http://127.0.0.1:8080"
            ))
        };
        let parsed = Url::parse(url).map_err(|error| wrong(error.to_string()))?;
        if !matches!(parsed.scheme(), "http" | "https") || parsed.cannot_be_a_base() {
            return Err(wrong("that is no HTTP address".to_owned()));
        }
        // Another part of the process may have installed it first.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            // The token goes to the coordinator that was named and nowhere else.
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| {
                Failure::Refused(format!("the HTTP client cannot be set up: {error}"))
            })?;
        Ok(Client {
            http,
            url: parsed,
            token: token.filter(|token| !token.is_empty()).map(str::to_owned),
        })
    }

    /// A request to the path of those parts, each of which may hold any character.
    pub(super) fn request(&self, method: Method, path: &[&str]) -> RequestBuilder {
        let mut url = self.url.clone();
        if let Ok(mut parts) = url.path_segments_mut() {
            parts.pop_if_empty().extend(path);
        }
        let request = self.http.request(method, url);
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    pub(super) async fn get(&self, path: &[&str]) -> Result<Value, Failure> {
        self.send(self.request(Method::GET, path)).await
    }

    pub(super) async fn get_by(
        &self,
        path: &[&str],
        name: &str,
        value: &str,
    ) -> Result<Value, Failure> {
        self.send(self.request(Method::GET, path).query(&[(name, value)]))
            .await
    }

    pub(super) async fn post(&self, path: &[&str], body: &Value) -> Result<Value, Failure> {
        self.send(self.request(Method::POST, path).json(body)).await
    }

    /// Searches with a filter.
    pub(super) async fn search(&self, kind: &str, filter: Value) -> Result<Value, Failure> {
        let body = json!({ "filter": filter, "page": { "limit": 10_000 } });
        self.post(&["v2", kind, "search"], &body).await
    }

    /// Sends a request; no body is as good as `null`.
    pub(super) async fn send(&self, request: RequestBuilder) -> Result<Value, Failure> {
        let bytes = self.bytes(request).await?;
        if bytes.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&bytes).map_err(|error| {
            Failure::Refused(format!(
                "{} answered with something that is no JSON ({error}): is it a coordinator?",
                self.url
            ))
        })
    }

    /// Sends a request whose answer is any bytes.
    pub(super) async fn bytes(&self, request: RequestBuilder) -> Result<Vec<u8>, Failure> {
        let mut response = request
            .send()
            .await
            .map_err(|error| self.unreachable(&error))?;
        let status = response.status();
        let mut bytes = Vec::new();
        while let Some(chunk) = response
            .chunk()
            .await
            .map_err(|error| self.unreachable(&error))?
        {
            if bytes.len() + chunk.len() > ANSWER_BYTES_MAX {
                return Err(Failure::Refused(format!(
                    "the answer has more than {} MiB: ask for less",
                    ANSWER_BYTES_MAX >> 20
                )));
            }
            bytes.extend_from_slice(&chunk);
        }
        if status.is_success() {
            return Ok(bytes);
        }
        Err(Failure::Refused(refusal(status, &bytes)))
    }

    fn unreachable(&self, error: &reqwest::Error) -> Failure {
        let mut cause: &dyn std::error::Error = error;
        while let Some(deeper) = cause.source() {
            cause = deeper;
        }
        Failure::Unreachable(format!(
            "no coordinator answers at {}: {cause}; start one with `botswain serve`, or name another with --url or BOTSWAIN_URL",
            self.url
        ))
    }
}

fn refusal(status: StatusCode, body: &[u8]) -> String {
    let problem: Value = serde_json::from_slice(body).unwrap_or_default();
    match problem["detail"].as_str() {
        Some(detail) => detail.to_owned(),
        None => format!("the answer was {status}: is it a coordinator?"),
    }
}
