//! The HTTP door: Camunda 8's REST v2, our own paths under `/botswain/v1`, health and metrics.

mod auth;
mod budget;
mod cluster;
mod definitions;
mod deployments;
mod elements;
mod fields;
mod incidents;
mod jobs;
mod linger;
mod messages;
mod models;
mod own;
mod problem;
mod process_instances;
mod search;
mod user_tasks;

use crate::fleet::EvidenceFolder;
use crate::runtime::{Answer, Ask, Runtime};
use axum::Router;
use axum::extract::{DefaultBodyLimit, MatchedPath, Request, State};
use axum::http::StatusCode;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post, put};
use botswain_engine::Partition;
use botswain_proto::ids::Digest;
use botswain_store::Reader;
use botswain_store::reader::{Entity, Page, Search};
use budget::Budgets;
use models::Models;
use problem::Problem;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;
use tracing::Instrument;
use uuid::Uuid;

/// The only tenant.
const TENANT: &str = "<default>";

/// What all requests share.
#[derive(Clone)]
pub struct ApiState {
    runtime: Runtime,
    reader: Reader,
    part: Partition,
    token: Option<Arc<str>>,
    ca: Option<Digest>,
    evidence: Option<Arc<EvidenceFolder>>,
    models: Models,
    budgets: Budgets,
    counters: Arc<Counters>,
}

/// What the door counts.
#[derive(Debug)]
struct Counters {
    started: Instant,
    /// Answers by the first digit of their status, 1 to 5.
    answers: [AtomicU64; 5],
}

impl ApiState {
    /// A door to that writer and its store; without a token it serves this machine only (dev mode).
    #[must_use]
    pub fn new(
        runtime: Runtime,
        reader: Reader,
        part: Partition,
        token: Option<String>,
    ) -> ApiState {
        let counters = Counters {
            started: Instant::now(),
            answers: std::array::from_fn(|_| AtomicU64::new(0)),
        };
        ApiState {
            runtime,
            reader,
            part,
            token: token.map(Arc::from),
            ca: None,
            evidence: None,
            models: Models::default(),
            budgets: Budgets::default(),
            counters: Arc::new(counters),
        }
    }

    /// Lets it make tokens for agents, which carry the fingerprint of the coordinator's CA.
    #[must_use]
    pub fn with_ca(mut self, fingerprint: Digest) -> ApiState {
        self.ca = Some(fingerprint);
        self
    }

    /// Lets it show what agents sent.
    #[must_use]
    pub fn with_evidence(mut self, evidence: Arc<EvidenceFolder>) -> ApiState {
        self.evidence = Some(evidence);
        self
    }

    /// Asks the writer; `intent` names the command in what is said about a refusal.
    async fn ask(&self, intent: &str, ask: Ask) -> Result<Answer, Problem> {
        self.ask_once(intent, ask, None).await
    }

    async fn ask_once(&self, intent: &str, ask: Ask, id: Option<Uuid>) -> Result<Answer, Problem> {
        let answer = self.runtime.ask_once(ask, id).await;
        answer.map_err(|refusal| Problem::refused(intent, refusal))
    }

    /// Asks the writer for something that has no other answer than that it is done.
    async fn order(&self, intent: &str, ask: Ask) -> Result<StatusCode, Problem> {
        self.ask(intent, ask).await.map(|_| StatusCode::NO_CONTENT)
    }

    /// Reads beside the writer, on a thread that may wait.
    async fn read<T, F>(&self, read: F) -> Result<T, Problem>
    where
        T: Send + 'static,
        F: FnOnce(&ApiState) -> Result<T, Problem> + Send + 'static,
    {
        let room = self.budgets.read()?;
        let api = self.clone();
        let span = tracing::Span::current();
        let done = tokio::task::spawn_blocking(move || {
            let _room = room;
            span.in_scope(|| read(&api))
        })
        .await;
        done.unwrap_or_else(|error| {
            let detail = format!("the read ended with an internal error: {error}");
            Err(Problem::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "INTERNAL",
                detail,
            ))
        })
    }

    async fn search<E>(&self, search: Search<E>) -> Result<Page<E::Item>, Problem>
    where
        E: Entity + Send + Sync + 'static,
        E::Field: Send + Sync,
        E::Item: Send,
    {
        self.read(move |api| Ok(api.reader.search(&search)?)).await
    }

    /// Who is written into the audit log.
    fn who(&self) -> String {
        let who = if self.token.is_some() {
            "operator"
        } else {
            "anyone on this machine (dev mode)"
        };
        who.to_owned()
    }
}

/// The door's routes.
pub fn router(state: ApiState) -> Router {
    let v2 = Router::new()
        .route("/topology", get(cluster::topology))
        .route("/status", get(cluster::status))
        .route("/license", get(cluster::license))
        .route("/authentication/me", get(cluster::me))
        .route("/deployments", post(deployments::deploy))
        .route("/process-definitions/search", post(definitions::search))
        .route("/process-definitions/{key}", get(definitions::get))
        .route("/process-definitions/{key}/xml", get(definitions::xml))
        .route("/process-instances", post(process_instances::create))
        .route("/process-instances/search", post(process_instances::search))
        .route("/process-instances/{key}", get(process_instances::get))
        .route(
            "/process-instances/{key}/cancellation",
            post(process_instances::cancel),
        )
        .route("/jobs/activation", post(jobs::activate))
        .route("/jobs/search", post(jobs::search))
        .route("/jobs/{key}", axum::routing::patch(jobs::update))
        .route("/jobs/{key}/completion", post(jobs::complete))
        .route("/jobs/{key}/failure", post(jobs::fail))
        .route("/jobs/{key}/error", post(jobs::throw_error))
        .route("/messages/publication", post(messages::publish))
        .route("/user-tasks/search", post(user_tasks::search))
        .route("/user-tasks/{key}", get(user_tasks::get))
        .route("/user-tasks/{key}/completion", post(user_tasks::complete))
        .route("/user-tasks/{key}/assignment", post(user_tasks::assign))
        .route("/user-tasks/{key}/assignee", delete(user_tasks::unassign))
        .route("/incidents/search", post(incidents::search))
        .route("/incidents/{key}", get(incidents::get))
        .route("/incidents/{key}/resolution", post(incidents::resolve))
        .route("/element-instances/search", post(elements::search))
        .route("/element-instances/{key}", get(elements::get))
        .route(
            "/element-instances/{key}/variables",
            put(elements::set_variables),
        )
        .route("/variables/search", post(elements::search_variables));
    let guarded = Router::new()
        .nest("/v2", v2)
        .nest("/botswain/v1", own::routes())
        .route("/metrics", get(cluster::metrics))
        .layer(middleware::from_fn_with_state(state.clone(), auth::check));
    Router::new()
        .merge(guarded)
        .route("/health", get(cluster::health))
        .fallback(nothing_here)
        .method_not_allowed_fallback(other_method)
        .layer(DefaultBodyLimit::max(fields::REQUEST_BYTES_MAX))
        .layer(middleware::from_fn_with_state(state.clone(), around))
        .with_state(state)
}

/// Around every request: its span, its problem's body, its count. What it carries is never logged.
async fn around(State(api): State<ApiState>, request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or("", |route| route.as_str())
        .to_owned();
    let span = tracing::info_span!(
        "http",
        method = %request.method(),
        route,
        instance = tracing::field::Empty,
        job = tracing::field::Empty,
    );
    let room = api.budgets.request(&request);
    let request = request.map(linger::lingering);
    let response = match room {
        Ok(_room) => next.run(request).instrument(span.clone()).await,
        Err(problem) => problem.into_response(),
    };
    let status = response.status();
    if let Some(problem) = response.extensions().get::<Problem>() {
        span.in_scope(|| {
            tracing::debug!(status = status.as_u16(), detail = problem.detail, "refused")
        });
    }
    if let Some(counter) = api
        .counters
        .answers
        .get(usize::from(status.as_u16() / 100).saturating_sub(1))
    {
        counter.fetch_add(1, Ordering::Relaxed);
    }
    problem::render(response, &path)
}

async fn nothing_here(request: Request) -> Response {
    Problem::not_found(format!(
        "there is nothing at {} {}: the paths that exist are listed under HTTP in coordinator/README.md",
        request.method(),
        request.uri().path()
    ))
    .into_response()
}

async fn other_method(request: Request) -> Response {
    let detail = format!(
        "{} is not a method of {}",
        request.method(),
        request.uri().path()
    );
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "METHOD_NOT_ALLOWED", detail).into_response()
}
