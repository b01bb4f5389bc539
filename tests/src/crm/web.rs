//! Web: the door that a clerk uses. A session cookie after the login, forms, and pages.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::extract::rejection::FormRejection;
use axum::extract::{Form, FromRequestParts, Path, Query, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, COOKIE, LOCATION, SET_COOKIE,
};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, Uri};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use serde::Deserialize;

use super::customer::{Door, Draft, FieldError};
use super::records::Refusal;
use super::{App, credentials, pages};

const COOKIE_NAME: &str = "crm_session";
/// Older sessions are forgotten when more clerks than this log in.
const SESSIONS_MAX: usize = 1_000;

/// Who is logged in, by the random name of the session.
#[derive(Debug, Default)]
pub(super) struct Sessions(Mutex<Open>);

#[derive(Debug, Default)]
struct Open {
    count: u64,
    by_name: BTreeMap<String, (u64, String)>,
}

impl Sessions {
    fn begin(&self, user: String) -> String {
        let name = credentials::random_text(32);
        let mut open = self.lock();
        if open.by_name.len() >= SESSIONS_MAX {
            let oldest = open
                .by_name
                .iter()
                .min_by_key(|(_, (age, _))| *age)
                .map(|(name, _)| name.clone());
            if let Some(oldest) = oldest {
                open.by_name.remove(&oldest);
            }
        }
        open.count += 1;
        let age = open.count;
        open.by_name.insert(name.clone(), (age, user));
        name
    }

    fn user(&self, name: &str) -> Option<String> {
        self.lock().by_name.get(name).map(|(_, user)| user.clone())
    }

    fn end(&self, name: &str) {
        self.lock().by_name.remove(name);
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A clerk who is logged in; anybody else is sent to the login page.
struct Clerk {
    user: String,
    session: String,
}

impl FromRequestParts<App> for Clerk {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Response> {
        let cookies = parts
            .headers
            .get_all(COOKIE)
            .iter()
            .filter_map(|value| value.to_str().ok());
        let session = cookies
            .flat_map(|line| line.split(';'))
            .filter_map(|pair| pair.trim().split_once('='))
            .find(|(name, _)| *name == COOKIE_NAME)
            .map(|(_, value)| value.to_owned());
        if let Some(session) = session
            && let Some(user) = app.sessions.user(&session)
        {
            return Ok(Self { user, session });
        }
        let next = if parts.uri.path() == "/customers/new" {
            "/login?next=/customers/new"
        } else {
            "/login"
        };
        Err(see_other(next))
    }
}

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/", get(async || see_other("/customers")))
        .route(
            "/style.css",
            get(async || asset("text/css; charset=utf-8", pages::STYLE)),
        )
        .route(
            "/enhance.js",
            get(async || asset("text/javascript; charset=utf-8", pages::SCRIPT)),
        )
        .route("/login", get(login_page).post(login))
        .route("/logout", post(logout))
        .route("/customers", get(list).post(add))
        .route("/customers/new", get(form))
        .route("/customers/{number}", get(detail))
        .route("/customers/{number}/created", get(created))
        .fallback(not_found)
}

#[derive(Deserialize)]
struct LoginQuery {
    #[serde(default)]
    next: String,
}

#[derive(Deserialize)]
struct Login {
    #[serde(default)]
    next: String,
    #[serde(default)]
    user: String,
    #[serde(default)]
    password: String,
}

#[derive(Deserialize)]
struct ListQuery {
    #[serde(default)]
    q: String,
    #[serde(default)]
    page: u32,
}

async fn login_page(Query(query): Query<LoginQuery>) -> Response {
    html(StatusCode::OK, pages::login(&query.next, "", false))
}

async fn login(State(app): State<App>, form: Result<Form<Login>, FormRejection>) -> Response {
    let Form(login) = match form {
        Ok(form) => form,
        Err(rejection) => return unreadable(None, &rejection),
    };
    if !app.credentials.is_clerk(&login.user, &login.password) {
        return html(
            StatusCode::FORBIDDEN,
            pages::login(&login.next, &login.user, true),
        );
    }
    let session = app.sessions.begin(login.user);
    // Only pages of this application: the address comes from outside.
    let next = if login.next == "/customers/new" {
        "/customers/new"
    } else {
        "/customers"
    };
    with_cookie(
        see_other(next),
        &format!("{COOKIE_NAME}={session}; Path=/; HttpOnly; SameSite=Lax"),
    )
}

async fn logout(State(app): State<App>, clerk: Clerk) -> Response {
    app.sessions.end(&clerk.session);
    with_cookie(
        see_other("/login"),
        &format!("{COOKIE_NAME}=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0"),
    )
}

async fn list(State(app): State<App>, clerk: Clerk, Query(query): Query<ListQuery>) -> Response {
    match app.store.search(query.q.clone(), query.page).await {
        Ok((customers, total)) => html(
            StatusCode::OK,
            pages::list(&clerk.user, &query.q, query.page, &customers, total),
        ),
        Err(error) => broken(&clerk, &error),
    }
}

async fn form(clerk: Clerk) -> Response {
    html(
        StatusCode::OK,
        pages::form(&clerk.user, &Draft::default(), &[]),
    )
}

async fn add(
    State(app): State<App>,
    clerk: Clerk,
    form: Result<Form<Draft>, FormRejection>,
) -> Response {
    let Form(draft) = match form {
        Ok(form) => form,
        Err(rejection) => return unreadable(Some(&clerk.user), &rejection),
    };
    if let Err(status) = app.faults.before(Door::Web).await {
        let text = "The application is not available at the moment. Nothing was saved.";
        return html(
            status,
            pages::message(Some(&clerk.user), "Not available", text),
        );
    }
    let result = app.store.add(Door::Web, draft.clone(), None).await;
    app.faults.before_answer(Door::Web).await;
    let errors = match result {
        Ok(Ok(added)) => {
            return see_other(&format!("/customers/{}/created", added.customer.number));
        }
        Ok(Err(Refusal::Invalid(errors))) => errors,
        Ok(Err(Refusal::Duplicate { number })) => {
            let message = format!("A customer with this e-mail address exists already: {number}.");
            vec![FieldError {
                field: "email".to_owned(),
                message,
            }]
        }
        // The form has no idempotency key, so this cannot be one of its answers.
        Ok(Err(Refusal::KeyReused)) => Vec::new(),
        Err(error) => return broken(&clerk, &error),
    };
    html(
        StatusCode::UNPROCESSABLE_ENTITY,
        pages::form(&clerk.user, &draft, &errors),
    )
}

async fn detail(State(app): State<App>, clerk: Clerk, Path(number): Path<String>) -> Response {
    show(&app, &clerk, number, pages::detail).await
}

async fn created(State(app): State<App>, clerk: Clerk, Path(number): Path<String>) -> Response {
    show(&app, &clerk, number, pages::created).await
}

async fn show(
    app: &App,
    clerk: &Clerk,
    number: String,
    page: fn(&str, &super::Customer) -> String,
) -> Response {
    match app.store.customer(number).await {
        Ok(Some(customer)) => html(StatusCode::OK, page(&clerk.user, &customer)),
        Ok(None) => {
            let text = "There is no customer with this number.";
            html(
                StatusCode::NOT_FOUND,
                pages::message(Some(&clerk.user), "Not found", text),
            )
        }
        Err(error) => broken(clerk, &error),
    }
}

async fn not_found(uri: Uri) -> Response {
    let text = format!("There is no page {}.", uri.path());
    html(
        StatusCode::NOT_FOUND,
        pages::message(None, "Not found", &text),
    )
}

fn unreadable(user: Option<&str>, rejection: &FormRejection) -> Response {
    let text = format!("The form could not be read: {rejection}.");
    html(
        rejection.status(),
        pages::message(user, "Not readable", &text),
    )
}

fn broken(clerk: &Clerk, error: &anyhow::Error) -> Response {
    tracing::error!("crm: {error:#}");
    let text = "The database does not answer. Please try again later.";
    html(
        StatusCode::INTERNAL_SERVER_ERROR,
        pages::message(Some(&clerk.user), "Not available", text),
    )
}

fn html(status: StatusCode, page: String) -> Response {
    let headers = [
        (CACHE_CONTROL, "no-store"),
        (
            CONTENT_SECURITY_POLICY,
            "default-src 'self'; frame-ancestors 'none'; form-action 'self'",
        ),
    ];
    (status, headers, Html(page)).into_response()
}

fn asset(kind: &'static str, text: &'static str) -> Response {
    ([(CONTENT_TYPE, kind)], text).into_response()
}

fn see_other(to: &str) -> Response {
    match HeaderValue::from_str(to) {
        Ok(to) => (StatusCode::SEE_OTHER, [(LOCATION, to)]).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

fn with_cookie(mut response: Response, cookie: &str) -> Response {
    if let Ok(cookie) = HeaderValue::from_str(cookie) {
        response.headers_mut().insert(SET_COOKIE, cookie);
    }
    response
}
