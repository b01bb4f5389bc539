//! Budgets: how many bytes of requests, and how many reads, are under way at a time. What goes beyond is refused at once.

use super::fields::REQUEST_BYTES_MAX;
use super::own::PACKAGE_BODY_BYTES_MAX;
use super::problem::Problem;
use axum::extract::Request;
use axum::http::{Method, StatusCode, header};
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Memory for the bodies of requests that begin something, or look.
const BEGIN_KIB: usize = 256 << 10;

/// Memory for the bodies of requests that end something: results and cancellations come in when nothing else does.
const FINISH_KIB: usize = 64 << 10;

/// How many reads wait for a thread: far more than people cause, and few enough for whoever comes next to be answered soon.
const READS: usize = 1_000;

/// The last parts of the paths that end something.
const FINISHING: [&str; 5] = [
    "completion",
    "failure",
    "error",
    "cancellation",
    "resolution",
];

/// What is left of all budgets.
#[derive(Clone, Debug)]
pub(super) struct Budgets {
    begin: Arc<Semaphore>,
    finish: Arc<Semaphore>,
    reads: Arc<Semaphore>,
}

impl Default for Budgets {
    fn default() -> Budgets {
        Budgets {
            begin: Arc::new(Semaphore::new(BEGIN_KIB)),
            finish: Arc::new(Semaphore::new(FINISH_KIB)),
            reads: Arc::new(Semaphore::new(READS)),
        }
    }
}

impl Budgets {
    /// Room for a request, from before its body is read until it is answered.
    pub(super) fn request(&self, request: &Request) -> Result<OwnedSemaphorePermit, Problem> {
        let path = request.uri().path();
        let is_finish = path
            .rsplit('/')
            .next()
            .is_some_and(|last| FINISHING.contains(&last));
        let budget = if is_finish { &self.finish } else { &self.begin };
        let kib = u32::try_from(announced(request) >> 10)
            .unwrap_or(u32::MAX)
            .saturating_add(1);
        Arc::clone(budget)
            .try_acquire_many_owned(kib)
            .map_err(|_| full("requests"))
    }

    /// Room for a read.
    pub(super) fn read(&self) -> Result<OwnedSemaphorePermit, Problem> {
        Arc::clone(&self.reads)
            .try_acquire_owned()
            .map_err(|_| full("reads"))
    }
}

/// How many bytes the body may turn out to have; never more than what is read of it.
fn announced(request: &Request) -> usize {
    let most = if request.uri().path().ends_with("/bots") {
        PACKAGE_BODY_BYTES_MAX
    } else {
        REQUEST_BYTES_MAX
    };
    let length = request.headers().get(header::CONTENT_LENGTH);
    let length = length.and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    let is_chunked = request.headers().contains_key(header::TRANSFER_ENCODING);
    match length {
        Some(length) => length.min(most),
        None if is_chunked => most,
        // Over HTTP/2 a body may come without a length.
        None if request.version() == axum::http::Version::HTTP_2
            && request.method() != Method::GET =>
        {
            most
        }
        None => 0,
    }
}

fn full(what: &str) -> Problem {
    let detail = format!("Reached maximum capacity of {what} handled: come again in a moment");
    Problem::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "RESOURCE_EXHAUSTED",
        detail,
    )
}
