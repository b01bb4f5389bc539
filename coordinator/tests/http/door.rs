//! A coordinator with its HTTP door on a free port, and a client of it.

use botswain::api::{ApiState, router};
use botswain::runtime::{NoOutlet, Runtime, Settings};
use botswain_engine::Partition;
use botswain_store::sqlite::Options;
use botswain_store::{Reader, SqliteStore};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use std::sync::{Arc, Once};
use std::thread::JoinHandle;
use std::time::Duration;
use tempfile::TempDir;

/// No test waits longer for anything.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A running door.
pub(crate) struct Door {
    pub(crate) url: String,
    pub(crate) runtime: Runtime,
    client: reqwest::Client,
    token: Option<String>,
    folder: Arc<TempDir>,
    writer: Option<JoinHandle<()>>,
}

/// What was answered.
#[derive(Debug)]
pub(crate) struct Answered {
    pub(crate) status: u16,
    pub(crate) media: String,
    pub(crate) text: String,
}

impl Answered {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    #[track_caller]
    pub(crate) fn ok(&self) -> Value {
        assert!((200..300).contains(&self.status), "{self:?}");
        if self.text.is_empty() {
            Value::Null
        } else {
            self.json()
        }
    }

    /// A problem of that status whose detail says `part`.
    #[track_caller]
    pub(crate) fn refused(&self, status: u16, part: &str) -> Value {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(self.media, "application/problem+json", "{self:?}");
        let problem = self.json();
        for field in ["type", "title", "status", "detail", "instance"] {
            assert!(!problem[field].is_null(), "{field} is missing: {problem}");
        }
        assert_eq!(problem["status"], status);
        assert!(
            problem["detail"].as_str().unwrap().contains(part),
            "{part:?} is not in {problem}"
        );
        problem
    }
}

impl Door {
    /// In dev mode.
    pub(crate) async fn open() -> Door {
        Door::with(None, |state| state).await
    }

    pub(crate) async fn with(
        token: Option<&str>,
        dress: impl FnOnce(ApiState) -> ApiState,
    ) -> Door {
        let folder = Arc::new(tempfile::tempdir().unwrap());
        Door::on(folder, Options::default(), token, dress).await
    }

    /// On a data folder that may have been used before.
    pub(crate) async fn on(
        folder: Arc<TempDir>,
        options: Options,
        token: Option<&str>,
        dress: impl FnOnce(ApiState) -> ApiState,
    ) -> Door {
        static PROVIDER: Once = Once::new();
        PROVIDER.call_once(|| {
            // Another test of this process may have been first.
            let _ = rustls::crypto::ring::default_provider().install_default();
        });
        let store = SqliteStore::open(folder.path(), options).unwrap();
        let (runtime, writer) =
            Runtime::start(Box::new(store), Settings::default(), NoOutlet, |reason| {
                panic!("{reason}")
            })
            .unwrap();
        let reader = Reader::open(folder.path()).unwrap();
        let state = ApiState::new(
            runtime.clone(),
            reader,
            Partition(1),
            token.map(str::to_owned),
        );
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let app = router(dress(state));
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        let client = reqwest::Client::builder()
            .timeout(PATIENCE)
            .build()
            .unwrap();
        Door {
            url,
            runtime,
            client,
            token: token.map(str::to_owned),
            folder,
            writer: Some(writer),
        }
    }

    /// Ends the writer, and gives the folder back.
    pub(crate) fn close(mut self) -> Arc<TempDir> {
        self.runtime.stop();
        self.writer.take().unwrap().join().unwrap();
        Arc::clone(&self.folder)
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.client.request(method, format!("{}{path}", self.url));
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    pub(crate) async fn send(&self, request: RequestBuilder) -> Answered {
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        let media = response
            .headers()
            .get("content-type")
            .map(|value| value.to_str().unwrap().to_owned());
        let text = String::from_utf8_lossy(&response.bytes().await.unwrap()).into_owned();
        Answered {
            status,
            media: media.unwrap_or_default(),
            text,
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Answered {
        self.send(self.request(Method::GET, path)).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answered {
        self.send(self.request(Method::POST, path).json(&body))
            .await
    }

    pub(crate) async fn call(&self, method: Method, path: &str, body: Value) -> Answered {
        self.send(self.request(method, path).json(&body)).await
    }

    pub(crate) async fn text(
        &self,
        path: &str,
        media: &str,
        body: impl Into<reqwest::Body>,
    ) -> Answered {
        self.send(
            self.request(Method::POST, path)
                .header("content-type", media)
                .body(body),
        )
        .await
    }

    /// Deploys files as a browser would.
    pub(crate) async fn deploy_files(&self, files: &[(&str, &str)]) -> Answered {
        let mut body = String::new();
        for (name, content) in files {
            body.push_str(&format!(
                "--edge\r\nContent-Disposition: form-data; name=\"resources\"; filename=\"{name}\"\r\n\
                 Content-Type: application/octet-stream\r\n\r\n{content}\r\n"
            ));
        }
        body.push_str("--edge--\r\n");
        self.text(
            "/v2/deployments",
            "multipart/form-data; boundary=edge",
            body,
        )
        .await
    }

    /// Deploys a process of the text notation.
    pub(crate) async fn deploy(&self, process: &str) -> Value {
        let xml = botswain_bpmn::write(&botswain_bpmn::build(process));
        self.deploy_files(&[("process.bpmn", &xml)]).await.ok()
    }

    /// Starts an instance of `process` and tells its key.
    pub(crate) async fn start(&self, variables: Value) -> String {
        let body = json!({ "processDefinitionId": "process", "variables": variables });
        key(&self.post("/v2/process-instances", body).await.ok()["processInstanceKey"])
    }

    /// Takes the jobs of a type.
    pub(crate) async fn activate(&self, job_type: &str, most: u32) -> Vec<Value> {
        let body = json!({ "type": job_type, "timeout": 60_000, "maxJobsToActivate": most, "worker": "test" });
        self.post("/v2/jobs/activation", body).await.ok()["jobs"]
            .as_array()
            .unwrap()
            .clone()
    }

    /// Takes one job.
    pub(crate) async fn job(&self, job_type: &str) -> Value {
        let mut jobs = self.activate(job_type, 1).await;
        assert_eq!(jobs.len(), 1, "no job of type {job_type}");
        jobs.remove(0)
    }

    /// The items of a search.
    pub(crate) async fn search(&self, kind: &str, filter: Value) -> Vec<Value> {
        let found = self
            .post(
                &format!("/v2/{kind}/search"),
                json!({ "filter": filter, "page": { "limit": 10_000 } }),
            )
            .await
            .ok();
        found["items"].as_array().unwrap().clone()
    }
}

#[track_caller]
pub(crate) fn key(value: &Value) -> String {
    let text = value
        .as_str()
        .unwrap_or_else(|| panic!("a key is text: {value}"));
    assert!(
        !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()),
        "{text}"
    );
    text.to_owned()
}
