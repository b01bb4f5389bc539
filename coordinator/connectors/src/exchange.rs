//! Exchange: sends one request and reads its answer, and knows at every moment whether the request may have arrived.

use std::time::Duration;

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, COOKIE, HeaderMap, LOCATION, RETRY_AFTER};
use reqwest::{Method, StatusCode, Url};
use serde_json::Value;
use tokio::time::{Instant, timeout_at};

use crate::Object;
use crate::address::{Hosts, is_loopback};
use crate::client::{Client, Kind};
use crate::mask::Mask;
use crate::outcome::{Effect, Evidence};

const HEADERS_MAX: usize = 100;
const RETRY_AFTER_SECONDS_MAX: u64 = 3_600;

/// A request, ready to be sent.
pub(crate) struct Request {
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Option<Vec<u8>>,
    pub(crate) limits: Limits,
    pub(crate) hosts: Hosts,
    pub(crate) effect: Effect,
    pub(crate) plaintext: bool,
    pub(crate) mask: Mask,
}

/// How long and how large an exchange may be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Limits {
    /// Until the connection stands; shorter than the whole.
    pub(crate) connect_timeout: Duration,
    /// Until the answer is read.
    pub(crate) timeout: Duration,
    pub(crate) response_bytes_max: usize,
    /// How many redirects of a request without effect are followed.
    pub(crate) redirects: usize,
}

/// An answer that came.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Object,
    /// The body, or why it could not be read.
    pub(crate) body: Result<Value, String>,
    pub(crate) retry_after: Option<Duration>,
}

/// No answer came.
#[derive(Debug)]
pub(crate) struct Failure {
    /// What an error expression sees as `error.code`.
    pub(crate) code: &'static str,
    pub(crate) message: String,
    pub(crate) arrived: Arrived,
    pub(crate) retryable: bool,
}

/// Whether the other side may have received the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Arrived {
    /// It certainly did not.
    No,
    Perhaps,
}

impl Failure {
    /// Nothing was sent, and nothing will be until somebody changes something.
    pub(crate) fn refused(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            arrived: Arrived::No,
            retryable: false,
        }
    }
}

/// Sends the request and reads the answer; the evidence is masked.
pub(crate) async fn exchange(
    client: &Client,
    mut request: Request,
) -> (Result<Answer, Failure>, Evidence) {
    let begin = Instant::now();
    let mut evidence = Evidence {
        method: request.method.to_string(),
        url: request.mask.text(request.url.as_str()),
        sent_bytes: request.body.as_ref().map_or(0, Vec::len) as u64,
        ..Evidence::default()
    };
    let mut redirects = request.limits.redirects;
    let result = loop {
        match once(client, &request, &mut evidence).await {
            Err(failure) => break Err(failure),
            Ok((answer, location)) => {
                let follows = request.effect == Effect::Pure
                    && matches!(request.method, Method::GET | Method::HEAD)
                    && matches!(answer.status, 301 | 302 | 303 | 307 | 308);
                let Some(location) = location.filter(|_| follows && redirects > 0) else {
                    break Ok(answer);
                };
                redirects -= 1;
                if let Err(failure) = redirect(&mut request, &location) {
                    break Err(failure);
                }
            }
        }
    };
    evidence.elapsed_ms = u64::try_from(begin.elapsed().as_millis()).unwrap_or(u64::MAX);
    (result, evidence)
}

fn redirect(request: &mut Request, location: &str) -> Result<(), Failure> {
    let refused =
        |why: &str| Failure::refused("redirect_refused", format!("the answer redirects {why}"));
    let to = request
        .url
        .join(location)
        .map_err(|_| refused("to an address that cannot be read"))?;
    guard(&to, &request.hosts, request.plaintext)
        .map_err(|why| refused(&format!("elsewhere: {why}")))?;
    if request.url.scheme() == "https" && to.scheme() != "https" {
        return Err(refused("from https to http"));
    }
    if request.url.origin() != to.origin() {
        request.headers.remove(AUTHORIZATION);
        request.headers.remove(COOKIE);
    }
    request.url = to;
    Ok(())
}

/// Refuses an address that the connector may not call.
pub(crate) fn guard(url: &Url, hosts: &Hosts, plaintext: bool) -> Result<(), String> {
    if !matches!(url.scheme(), "http" | "https") {
        return Err(format!("the scheme {} is not allowed", url.scheme()));
    }
    let host = url.host_str().unwrap_or_default();
    if !hosts.allow(url) {
        let port = url
            .port()
            .map_or_else(String::new, |port| format!(":{port}"));
        return Err(format!(
            "the host {host}{port} is not allowed; add it to the connector's allowed_hosts"
        ));
    }
    if url.scheme() == "http" && !plaintext && !is_loopback(url) {
        return Err(format!(
            "http to {host} can be read on the way; use https, or set plaintext = true"
        ));
    }
    Ok(())
}

async fn once(
    client: &Client,
    request: &Request,
    evidence: &mut Evidence,
) -> Result<(Answer, Option<String>), Failure> {
    let kind = Kind {
        connect_timeout: request.limits.connect_timeout,
        encrypted: request.url.scheme() == "https",
        fresh: request.effect == Effect::AtMostOnce,
    };
    let http = client
        .of(kind)
        .map_err(|error| Failure::refused("client", error.to_string()))?;
    let mut builder = http
        .request(request.method.clone(), request.url.clone())
        .headers(request.headers.clone());
    if let Some(body) = &request.body {
        builder = builder.body(body.clone());
    }
    let built = builder
        .build()
        .map_err(|error| Failure::refused("request", chain(error)))?;
    // Connecting has its own, earlier limit, so whoever runs into this one had a connection.
    let deadline = Instant::now() + request.limits.timeout;
    let mut response = match timeout_at(deadline, http.execute(built)).await {
        Ok(Ok(response)) => response,
        Ok(Err(error)) if error.is_connect() => {
            return Err(Failure {
                code: if error.is_timeout() {
                    "connect_timeout"
                } else {
                    "connection_failed"
                },
                message: request.mask.text(&format!(
                    "no connection to {}: {}",
                    origin(request),
                    chain(error)
                )),
                arrived: Arrived::No,
                retryable: true,
            });
        }
        Ok(Err(error)) => {
            return Err(Failure {
                code: "connection_lost",
                message: request.mask.text(&format!(
                    "the connection to {} broke before an answer: {}",
                    origin(request),
                    chain(error)
                )),
                arrived: Arrived::Perhaps,
                retryable: true,
            });
        }
        Err(_) => {
            let seconds = request.limits.timeout.as_secs_f64();
            return Err(Failure {
                code: "timeout",
                message: format!("no answer from {} within {seconds} s", origin(request)),
                arrived: Arrived::Perhaps,
                retryable: true,
            });
        }
    };
    let status = response.status().as_u16();
    evidence.status = Some(status);
    let location = text_of(response.headers(), LOCATION.as_str());
    let json = text_of(response.headers(), CONTENT_TYPE.as_str()).map(|kind| is_json(&kind));
    let retry_after = text_of(response.headers(), RETRY_AFTER.as_str())
        .and_then(|text| text.parse::<u64>().ok())
        .map(|seconds| Duration::from_secs(seconds.min(RETRY_AFTER_SECONDS_MAX)));
    let headers = headers_object(response.headers());
    let body = read(
        &mut response,
        deadline,
        request.limits.response_bytes_max,
        evidence,
    )
    .await
    .and_then(|bytes| parse(bytes, json));
    Ok((
        Answer {
            status,
            headers,
            body,
            retry_after,
        },
        location,
    ))
}

async fn read(
    response: &mut reqwest::Response,
    deadline: Instant,
    bytes_max: usize,
    evidence: &mut Evidence,
) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    loop {
        match timeout_at(deadline, response.chunk()).await {
            Ok(Ok(Some(chunk))) => {
                evidence.received_bytes += chunk.len() as u64;
                if bytes.len() + chunk.len() > bytes_max {
                    return Err(format!(
                        "the answer is longer than {bytes_max} bytes; raise response_bytes_max"
                    ));
                }
                bytes.extend_from_slice(&chunk);
            }
            Ok(Ok(None)) => return Ok(bytes),
            Ok(Err(_)) => return Err("the connection broke within the answer".to_owned()),
            Err(_) => return Err("the answer did not end in time".to_owned()),
        }
    }
}

/// Reads the body by its content type; without one it is JSON if it can be.
fn parse(bytes: Vec<u8>, json: Option<bool>) -> Result<Value, String> {
    if bytes.is_empty() {
        return Ok(Value::Null);
    }
    let text = String::from_utf8(bytes).map_err(|_| "the answer is not UTF-8".to_owned())?;
    match (json, serde_json::from_str(&text)) {
        (Some(false), _) | (None, Err(_)) => Ok(Value::String(text)),
        (Some(true) | None, Ok(value)) => Ok(value),
        (Some(true), Err(error)) => Err(format!("the answer is not JSON: {error}")),
    }
}

fn is_json(kind: &str) -> bool {
    let kind = kind
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    kind == "application/json" || kind.ends_with("+json")
}

fn text_of(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_owned)
}

/// The headers as expressions see them: small names, first values, no cookies.
fn headers_object(headers: &HeaderMap) -> Object {
    let mut object = Object::new();
    for (name, value) in headers.iter().take(HEADERS_MAX) {
        if let Ok(text) = value.to_str()
            && name != "set-cookie"
            && !object.contains_key(name.as_str())
        {
            object.insert(name.as_str().to_owned(), Value::from(text));
        }
    }
    object
}

fn origin(request: &Request) -> String {
    request.url.origin().ascii_serialization()
}

/// The error with its causes, without the address: that may hold a secret.
fn chain(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(inner) = cause {
        let inner_text = inner.to_string();
        if !text.contains(&inner_text) {
            text.push_str(": ");
            text.push_str(&inner_text);
        }
        cause = inner.source();
    }
    text
}

/// The words that go with a status.
pub(crate) fn reason(status: u16) -> String {
    let words = StatusCode::from_u16(status)
        .ok()
        .and_then(|status| status.canonical_reason());
    words.map_or_else(|| status.to_string(), |words| format!("{status} {words}"))
}
