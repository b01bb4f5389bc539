//! API: the door that the CRM's owner has just added. JSON, a bearer token, and an idempotency key.

use axum::Router;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{FromRequestParts, Path, Query, State};
use axum::http::header::{AUTHORIZATION, LOCATION, WWW_AUTHENTICATE};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::{get, post};
use serde::Deserialize;
use serde_json::{Value, json};

use super::App;
use super::customer::{Customer, Door, Draft, FieldError};
use super::records::Refusal;

const KEY_HEADER: &str = "idempotency-key";
const KEY_LENGTH_MAX: usize = 128;

/// A caller who knows the token.
struct Caller;

impl FromRequestParts<App> for Caller {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Response> {
        let token = parts
            .headers
            .get(AUTHORIZATION)
            .and_then(|value| value.to_str().ok());
        match token.and_then(|text| text.strip_prefix("Bearer ")) {
            Some(token) if app.credentials.is_api_token(token) => Ok(Self),
            _ => {
                let text = "send the API token as 'Authorization: Bearer TOKEN'";
                let mut response = problem(StatusCode::UNAUTHORIZED, "unauthorized", text);
                response.headers_mut().insert(
                    WWW_AUTHENTICATE,
                    axum::http::HeaderValue::from_static("Bearer"),
                );
                Err(response)
            }
        }
    }
}

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/api/customers", get(find).post(add))
        .route("/api/customers/{number}", get(read))
        .route("/api/customers/{number}/confirmation", post(confirm))
        .route("/api/records", get(records))
}

#[derive(Deserialize)]
struct FindQuery {
    email: Option<String>,
    reference: Option<String>,
}

async fn add(
    State(app): State<App>,
    _: Caller,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let body = match body {
        Ok(body) => body,
        Err(rejection) => return problem(rejection.status(), "unreadable", &rejection.to_string()),
    };
    let draft: Draft = match serde_json::from_slice(&body) {
        Ok(draft) => draft,
        Err(error) => return problem(StatusCode::BAD_REQUEST, "invalid_json", &error.to_string()),
    };
    let key = match headers.get(KEY_HEADER).map(|value| value.to_str()) {
        None => None,
        Some(Ok(key)) if (1..=KEY_LENGTH_MAX).contains(&key.len()) => Some(key.to_owned()),
        Some(_) => {
            let text =
                format!("an idempotency key has 1 to {KEY_LENGTH_MAX} printable ASCII characters");
            return problem(StatusCode::BAD_REQUEST, "invalid_idempotency_key", &text);
        }
    };
    if let Err(status) = app.faults.before(Door::Api).await {
        return problem(status, "unavailable", "nothing was done, try again later");
    }
    let result = app.store.add(Door::Api, draft, key).await;
    app.faults.before_answer(Door::Api).await;
    match result {
        Ok(Ok(added)) => {
            let location = format!("/api/customers/{}", added.customer.number);
            let mut response = (
                StatusCode::CREATED,
                [(LOCATION, location)],
                Json(added.customer),
            )
                .into_response();
            if added.replayed {
                let replayed = axum::http::HeaderValue::from_static("true");
                response
                    .headers_mut()
                    .insert("idempotency-replayed", replayed);
            }
            response
        }
        Ok(Err(Refusal::Invalid(errors))) => invalid(&errors),
        Ok(Err(Refusal::Duplicate { number })) => {
            let error = json!({"error": {
                "code": "duplicate_email",
                "message": format!("a customer with this e-mail address exists already: {number}"),
                "number": number,
            }});
            (StatusCode::CONFLICT, Json(error)).into_response()
        }
        Ok(Err(Refusal::KeyReused)) => {
            let text = "this idempotency key was used for another request";
            problem(
                StatusCode::UNPROCESSABLE_ENTITY,
                "idempotency_key_reused",
                text,
            )
        }
        Err(error) => broken(&error),
    }
}

async fn read(State(app): State<App>, _: Caller, Path(number): Path<String>) -> Response {
    customer_or_404(app.store.customer(number).await)
}

async fn find(State(app): State<App>, _: Caller, Query(query): Query<FindQuery>) -> Response {
    if query.email.is_none() && query.reference.is_none() {
        let text = "name what to find: ?email=ADDRESS or ?reference=TEXT";
        return problem(StatusCode::BAD_REQUEST, "missing_parameter", text);
    }
    match app.store.find(query.email, query.reference).await {
        Ok(customers) => Json(json!({"items": customers})).into_response(),
        Err(error) => broken(&error),
    }
}

async fn confirm(State(app): State<App>, _: Caller, Path(number): Path<String>) -> Response {
    if let Err(status) = app.faults.before(Door::Api).await {
        return problem(status, "unavailable", "nothing was done, try again later");
    }
    let confirmed = app.store.confirm(number).await;
    app.faults.before_answer(Door::Api).await;
    customer_or_404(confirmed)
}

async fn records(State(app): State<App>, _: Caller) -> Response {
    match app.store.records().await {
        Ok(records) => Json(records).into_response(),
        Err(error) => broken(&error),
    }
}

fn customer_or_404(found: anyhow::Result<Option<Customer>>) -> Response {
    match found {
        Ok(Some(customer)) => Json(customer).into_response(),
        Ok(None) => problem(
            StatusCode::NOT_FOUND,
            "not_found",
            "there is no customer with this number",
        ),
        Err(error) => broken(&error),
    }
}

fn invalid(errors: &[FieldError]) -> Response {
    let error: Value = json!({"error": {
        "code": "invalid_customer",
        "message": "the customer breaks a rule; nothing was saved",
        "fields": errors,
    }});
    (StatusCode::UNPROCESSABLE_ENTITY, Json(error)).into_response()
}

fn broken(error: &anyhow::Error) -> Response {
    tracing::error!("crm: {error:#}");
    problem(
        StatusCode::INTERNAL_SERVER_ERROR,
        "database",
        "the database does not answer",
    )
}

fn problem(status: StatusCode, code: &str, message: &str) -> Response {
    (
        status,
        Json(json!({"error": {"code": code, "message": message}})),
    )
        .into_response()
}
