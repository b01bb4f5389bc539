//! Problems: why a request was refused, as `application/problem+json` with the place and the remedy.

use crate::runtime::{Refusal, RefusalKind};
use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use botswain_store::StoreError;
use botswain_store::reader::SearchError;
use std::borrow::Cow;

/// Why a request was refused. What it becomes on the wire, [`render`] decides, because it knows the path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) status: StatusCode,
    pub(crate) title: Cow<'static, str>,
    pub(crate) detail: String,
}

impl Problem {
    pub(crate) fn new(
        status: StatusCode,
        title: impl Into<Cow<'static, str>>,
        detail: impl Into<String>,
    ) -> Problem {
        Problem {
            status,
            title: title.into(),
            detail: detail.into(),
        }
    }

    /// The request itself makes no sense.
    pub(crate) fn wrong(detail: impl Into<String>) -> Problem {
        Problem::new(StatusCode::BAD_REQUEST, "INVALID_ARGUMENT", detail)
    }

    /// What the path names is not there.
    pub(crate) fn not_found(detail: impl Into<String>) -> Problem {
        Problem::new(StatusCode::NOT_FOUND, "NOT_FOUND", detail)
    }

    /// The writer refused the command `intent`.
    pub(crate) fn refused(intent: &str, refusal: Refusal) -> Problem {
        let word = refusal.kind.word();
        let status = match refusal.kind {
            RefusalKind::InvalidArgument => StatusCode::BAD_REQUEST,
            RefusalKind::NotFound => StatusCode::NOT_FOUND,
            RefusalKind::AlreadyExists | RefusalKind::InvalidState => StatusCode::CONFLICT,
            RefusalKind::ResourceExhausted | RefusalKind::Unavailable => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            RefusalKind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        };
        let detail = match refusal.kind {
            RefusalKind::InvalidArgument
            | RefusalKind::NotFound
            | RefusalKind::AlreadyExists
            | RefusalKind::InvalidState => format!(
                "Command '{intent}' rejected with code '{word}': {}",
                refusal.message
            ),
            // Nothing was decided about the command: it is about this coordinator.
            RefusalKind::ResourceExhausted | RefusalKind::Unavailable | RefusalKind::Internal => {
                refusal.message
            }
        };
        Problem::new(status, word, detail)
    }

    /// A bug: the writer answered something else than it was asked.
    pub(crate) fn unexpected(intent: &str) -> Problem {
        let detail =
            format!("the answer to '{intent}' was of another kind: report this as an error");
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL", detail)
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Problem {
        let detail = format!("failed to read the database: {error}");
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "UNAVAILABLE", detail)
    }
}

impl From<SearchError> for Problem {
    fn from(error: SearchError) -> Problem {
        match error {
            SearchError::Store(error) => error.into(),
            wrong => Problem::wrong(wrong.to_string()),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// Writes the body of a response that carries a problem.
pub(crate) fn render(mut response: Response, path: &str) -> Response {
    let Some(problem) = response.extensions_mut().remove::<Problem>() else {
        return response;
    };
    let body = serde_json::json!({
        "type": "about:blank",
        "title": problem.title,
        "status": problem.status.as_u16(),
        "detail": problem.detail,
        "instance": path,
    });
    *response.body_mut() = Body::from(body.to_string());
    response.headers_mut().remove(header::CONTENT_LENGTH);
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/problem+json"),
    );
    if problem.status == StatusCode::UNAUTHORIZED {
        response
            .headers_mut()
            .insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(kind: RefusalKind, expected: &str) {
        let problem = Problem::refused("COMPLETE", Refusal::new(kind, "it is so"));
        assert_eq!(
            format!(
                "{} {}: {}",
                problem.status.as_u16(),
                problem.title,
                problem.detail
            ),
            expected
        );
    }

    #[test]
    fn each_refusal_has_the_status_and_the_words_that_clients_know() {
        let rejected =
            |word: &str| format!("Command 'COMPLETE' rejected with code '{word}': it is so");
        check(
            RefusalKind::InvalidArgument,
            &format!("400 INVALID_ARGUMENT: {}", rejected("INVALID_ARGUMENT")),
        );
        check(
            RefusalKind::NotFound,
            &format!("404 NOT_FOUND: {}", rejected("NOT_FOUND")),
        );
        check(
            RefusalKind::AlreadyExists,
            &format!("409 ALREADY_EXISTS: {}", rejected("ALREADY_EXISTS")),
        );
        check(
            RefusalKind::InvalidState,
            &format!("409 INVALID_STATE: {}", rejected("INVALID_STATE")),
        );
        // Clients slow down on this title alone, and fail fast on every other 503.
        check(
            RefusalKind::ResourceExhausted,
            "503 RESOURCE_EXHAUSTED: it is so",
        );
        check(RefusalKind::Unavailable, "503 UNAVAILABLE: it is so");
        check(RefusalKind::Internal, "500 INTERNAL: it is so");
    }
}
