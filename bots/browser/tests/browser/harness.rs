//! A small web site in this process, and one way to run a bot against it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{Query, State};
use axum::response::{Html, Redirect};
use axum::routing::{get, post};
use botswain_action::{
    Action, Attempt, Cancel, EffectClass, MemoryRunner, Object, Outcome, Runner, Secrets,
};
use botswain_browser::{About, BrowserBot, Settings};
use serde_json::{Value, json};

type Sent = Arc<Mutex<Vec<BTreeMap<String, String>>>>;

/// A web site that remembers every form it was sent.
pub(crate) struct Site {
    pub(crate) address: SocketAddr,
    sent: Sent,
    _runtime: tokio::runtime::Runtime,
}

impl Site {
    pub(crate) fn open() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let sent = Sent::default();
        let page = |text: &'static str| get(move || async move { Html(text) });
        let router = Router::new()
            .route("/", get(front))
            .route("/save", post(save))
            .route("/done", get(done))
            .route("/widgets", page(include_str!("../pages/widgets.html")))
            .route("/frames", page(include_str!("../pages/frames.html")))
            .route("/inner", page(include_str!("../pages/inner.html")))
            .route("/innermost", page("<title>Innermost</title><button id=deep onclick=\"document.title='pressed'; top.postMessage('deep','*')\">Deep</button>"))
            .route("/popup", page("<title>Popup</title><button id=in-popup onclick=\"opener.document.getElementById('said').textContent='from popup'\">Tell</button>"))
            .route("/slow", get(|| async { tokio::time::sleep(Duration::from_secs(600)).await; "late" }))
            .route("/fixtures/api/json/pages/index.html", page(include_str!("../pages/testcafe.html")))
            .route("/fixtures/api/json/pages/frame", page(include_str!("../pages/testcafe-frame.html")))
            .with_state(sent.clone());
        let listener = runtime
            .block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))
            .unwrap();
        let address = listener.local_addr().unwrap();
        runtime.spawn(async move { axum::serve(listener, router).await });
        Self {
            address,
            sent,
            _runtime: runtime,
        }
    }

    pub(crate) fn sent(&self) -> Vec<BTreeMap<String, String>> {
        self.sent.lock().unwrap().clone()
    }
}

async fn front(headers: axum::http::HeaderMap) -> Html<&'static str> {
    let host = headers.get("host").and_then(|host| host.to_str().ok());
    Html(match host {
        Some("coffee.test") => include_str!("../pages/coffee.html"),
        _ => include_str!("../pages/form.html"),
    })
}

async fn save(State(sent): State<Sent>, body: String) -> Result<Redirect, Html<String>> {
    let form: BTreeMap<String, String> = url::form_urlencoded::parse(body.as_bytes())
        .into_owned()
        .collect();
    let name = form.get("name").cloned().unwrap_or_default();
    if name == "Refused" {
        return Err(Html(
            "<title>Refused</title><p class=error>Name is on the list of C-19</p>".to_owned(),
        ));
    }
    let mut sent = sent.lock().unwrap();
    sent.push(form);
    Ok(Redirect::to(&format!("/done?number={}", 4710 + sent.len())))
}

async fn done(Query(query): Query<BTreeMap<String, String>>) -> Html<String> {
    let number = query.get("number").cloned().unwrap_or_default();
    Html(format!(
        "<title>Saved</title><h1 id=done>Customer No. {number} saved</h1><a id=card href='/card/{number}' data-ok=true>card</a>"
    ))
}

/// What a test says about a run; the rest is as usual.
pub(crate) struct Case<'c> {
    pub(crate) steps: Value,
    pub(crate) overlay: &'c str,
    pub(crate) input: Value,
    pub(crate) effect: EffectClass,
    pub(crate) limit: Duration,
    pub(crate) step_limit: Duration,
    pub(crate) cancel: Cancel,
    pub(crate) refuse_commit: bool,
}

impl Default for Case<'_> {
    fn default() -> Self {
        Self {
            steps: json!([]),
            overlay: "",
            input: json!({}),
            effect: EffectClass::Idempotent,
            limit: Duration::from_secs(60),
            step_limit: Duration::from_secs(10),
            cancel: Cancel::new(),
            refuse_commit: false,
        }
    }
}

/// What a run left behind.
pub(crate) struct Ran {
    pub(crate) outcome: Outcome,
    pub(crate) seen: MemoryRunner,
    pub(crate) folder: tempfile::TempDir,
}

impl Ran {
    pub(crate) fn output(&self) -> Value {
        match &self.outcome {
            Outcome::Succeeded { output } => json!(output),
            other => panic!("{other:?}\n{:#?}", self.seen.steps),
        }
    }

    pub(crate) fn message(&self) -> String {
        match &self.outcome {
            Outcome::Failed { code, message, .. } => format!("{code}: {message}"),
            Outcome::Unknown { message } => format!("unknown: {message}"),
            other => panic!("{other:?}\n{:#?}", self.seen.steps),
        }
    }
}

/// The site is `http://crm.test/` for the browser.
pub(crate) fn settings(site: &Site) -> Settings {
    Settings {
        redirect: ["crm.test", "localhost:3000", "coffee.test"]
            .map(|name| (name.to_owned(), site.address.to_string()))
            .to_vec(),
        ..Settings::from_env()
    }
}

pub(crate) fn run(site: &Site, case: Case<'_>) -> Ran {
    let mut seen = MemoryRunner {
        refuse_commit: case.refuse_commit.then(|| "disk full".to_owned()),
        ..MemoryRunner::default()
    };
    let folder = tempfile::tempdir().unwrap();
    let outcome = run_with(site, case, &mut seen, folder.path());
    Ran {
        outcome,
        seen,
        folder,
    }
}

pub(crate) fn run_with(
    site: &Site,
    case: Case<'_>,
    runner: &mut dyn Runner,
    folder: &std::path::Path,
) -> Outcome {
    let recording = json!({"title": "test", "steps": case.steps}).to_string();
    let about = About {
        name: "test@1".to_owned(),
        effect: case.effect,
        input: json!({"type": "object"}),
        output: json!({"type": "object"}),
        hosts: Vec::new(),
        secrets: vec!["password".to_owned()],
        step_limit: case.step_limit,
    };
    let bot = BrowserBot::new(
        about,
        recording.as_bytes(),
        Some(case.overlay.as_bytes()),
        settings(site),
    );
    let bot = bot.unwrap_or_else(|error| panic!("{error}"));
    let input: Object = case.input.as_object().cloned().unwrap();
    let secrets = Secrets::from_iter([("password", "hunter2&more")]);
    let mut attempt = Attempt::new(
        &input,
        &secrets,
        folder,
        Instant::now(),
        case.limit,
        case.cancel,
        runner,
    );
    bot.run(&mut attempt)
}

/// The living processes that belong to an attempt's browser.
pub(crate) fn processes(folder: &std::path::Path) -> Vec<String> {
    let mark = folder.to_string_lossy().into_owned();
    std::fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| std::fs::read(entry.ok()?.path().join("cmdline")).ok())
        .map(|line| String::from_utf8_lossy(&line).replace('\0', " "))
        .filter(|line| line.contains(&mark))
        .collect()
}

/// Waits for a condition, with a limit.
pub(crate) fn wait_for(what: &str, mut condition: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(30);
    while !condition() {
        assert!(Instant::now() < end, "{what} did not come");
        std::thread::yield_now();
    }
}
