//! A server of the tests' own: it answers by path and remembers what it received.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use crate::{Call, Client, ClientOptions, Connector, JobView, Object, Secrets, Settings};
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

pub(super) const TOKEN: &str = "tok-5ecret/with+signs";
pub(super) const PASSWORD: &str = "pa55 \"word\"";

/// What one request brought.
#[derive(Debug, Clone)]
pub(super) struct Received {
    pub(super) method: String,
    pub(super) uri: String,
    pub(super) headers: HeaderMap,
    pub(super) body: String,
}

impl Received {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

type Log = Arc<Mutex<Vec<Received>>>;

pub(super) struct Server {
    pub(super) url: String,
    log: Log,
}

impl Server {
    pub(super) async fn start() -> Self {
        let log = Log::default();
        let router = Router::new()
            .route("/status/{status}", any(status))
            .route("/hold", any(hold))
            .route("/big", any(async || "x".repeat(100_000)))
            .route(
                "/broken",
                any(async || ([(header::CONTENT_TYPE, "application/json")], "{oops")),
            )
            .route("/text", any(async || "plain text"))
            .route("/leak", any(leak))
            .route("/redirect", any(redirect))
            .fallback(echo)
            .with_state(log.clone());
        let router = router.layer(axum::middleware::from_fn_with_state(log.clone(), remember));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, log }
    }

    pub(super) fn received(&self) -> Vec<Received> {
        self.log.lock().unwrap().clone()
    }

    pub(super) fn settings(&self) -> Settings {
        Settings::from([("base".to_owned(), self.url.clone())])
    }

    pub(super) fn connector(&self, definition: &str) -> Connector {
        Connector::from_toml("test", definition, &self.settings())
            .unwrap_or_else(|error| panic!("{error}"))
    }

    pub(super) async fn call(&self, definition: &str, variables: Value) -> Call {
        call(&self.connector(definition), variables).await
    }
}

async fn remember(
    State(log): State<Log>,
    request: axum::extract::Request,
    next: axum::middleware::Next,
) -> Response {
    let (parts, body) = request.into_parts();
    let bytes = axum::body::to_bytes(body, 16 << 20).await.unwrap();
    log.lock().unwrap().push(Received {
        method: parts.method.to_string(),
        uri: parts.uri.to_string(),
        headers: parts.headers.clone(),
        body: String::from_utf8_lossy(&bytes).into_owned(),
    });
    next.run(axum::extract::Request::from_parts(parts, bytes.into()))
        .await
}

async fn echo(method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let headers: BTreeMap<&str, &str> = headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.to_str().unwrap()))
        .collect();
    let text = String::from_utf8_lossy(&body).into_owned();
    axum::Json(json!({"method": method.as_str(), "uri": uri.to_string(), "headers": headers, "body": text})).into_response()
}

async fn status(Path(status): Path<u16>) -> Response {
    let error = json!({"error": {"code": "refused", "message": format!("because of {status}"), "number": "C-7"}});
    (
        StatusCode::from_u16(status).unwrap(),
        [(header::RETRY_AFTER, "7")],
        axum::Json(error),
    )
        .into_response()
}

async fn hold() -> Response {
    std::future::pending().await
}

async fn leak(headers: HeaderMap) -> Response {
    let sent = headers
        .get(header::AUTHORIZATION)
        .map_or("", |value| value.to_str().unwrap());
    (StatusCode::FORBIDDEN, format!("you sent {sent}")).into_response()
}

async fn redirect(RawQuery(query): RawQuery) -> Response {
    let query = query.unwrap();
    let (status, to) = query.split_once(',').unwrap();
    (
        StatusCode::from_u16(status.parse().unwrap()).unwrap(),
        [(header::LOCATION, to.to_owned())],
    )
        .into_response()
}

/// A server that accepts, reads the request and answers with these bytes, then closes.
pub(super) async fn raw_server(answer: &'static [u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 4096];
            let _ = stream.read(&mut request).await;
            let _ = stream.write_all(answer).await;
        }
    });
    url
}

/// An address where nobody listens.
pub(super) async fn closed_port() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

pub(super) fn secrets() -> Secrets {
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    Secrets::from_pairs([
        pair("TOKEN", TOKEN),
        pair("PASSWORD", PASSWORD),
        pair("OTHER", "0ther-s3cret"),
    ])
}

pub(super) fn client() -> Client {
    Client::new(&ClientOptions::default()).unwrap()
}

pub(super) fn object(value: Value) -> Object {
    match value {
        Value::Object(object) => object,
        other => panic!("{other} is no object"),
    }
}

pub(super) async fn call(connector: &Connector, variables: Value) -> Call {
    call_with(&client(), connector, variables).await
}

pub(super) async fn call_with(client: &Client, connector: &Connector, variables: Value) -> Call {
    let variables = object(variables);
    let headers = BTreeMap::from([("priority".to_owned(), "high".to_owned())]);
    let job = JobView {
        job_type: "crm.add-customer",
        job_key: "4711",
        attempt_key: "4711-2",
        variables: &variables,
        headers: &headers,
    };
    connector.call(client, &secrets(), job).await
}
