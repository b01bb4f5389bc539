//! Faults: makes the CRM slow or failing on request, so that tests see what Botswain does then.
//!
//! A slow answer is held until it is released, never for a time.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::put;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::App;
use super::customer::Door;

/// What happens to the next requests that add or confirm a customer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase", deny_unknown_fields)]
pub enum Fault {
    /// Nothing is done and this status is answered, for so many requests.
    Refuse {
        /// Which door is affected.
        door: Door,
        /// The HTTP status that is answered.
        status: u16,
        /// How many requests are refused.
        times: u32,
    },
    /// The request waits before anything is done, until the fault is cleared.
    HoldBefore {
        /// Which door is affected.
        door: Door,
    },
    /// The work is done, but the answer waits until the fault is cleared.
    HoldAnswer {
        /// Which door is affected.
        door: Door,
    },
}

/// The fault that is set, shared by the handlers and whoever sets it.
#[derive(Debug, Clone)]
pub struct Faults {
    current: Arc<watch::Sender<Option<Fault>>>,
}

impl Default for Faults {
    fn default() -> Self {
        Self {
            current: Arc::new(watch::Sender::new(None)),
        }
    }
}

impl Faults {
    /// Replaces the fault; requests that an earlier one holds go on.
    pub fn set(&self, fault: Fault) {
        self.current.send_replace(Some(fault));
    }

    /// Ends the fault; requests that it holds go on.
    pub fn clear(&self) {
        self.current.send_replace(None);
    }

    /// Waits or refuses before the work, as the fault says.
    pub(super) async fn before(&self, door: Door) -> Result<(), StatusCode> {
        let mut refused = None;
        self.current.send_if_modified(|current| {
            let Some(Fault::Refuse {
                door: at,
                status,
                times,
            }) = current
            else {
                return false;
            };
            if *at != door || *times == 0 {
                return false;
            }
            refused =
                Some(StatusCode::from_u16(*status).unwrap_or(StatusCode::SERVICE_UNAVAILABLE));
            *times -= 1;
            true
        });
        if let Some(status) = refused {
            return Err(status);
        }
        self.wait_while(|fault| *fault == Fault::HoldBefore { door })
            .await;
        Ok(())
    }

    /// Waits after the work, as the fault says.
    pub(super) async fn before_answer(&self, door: Door) {
        self.wait_while(|fault| *fault == Fault::HoldAnswer { door })
            .await;
    }

    async fn wait_while(&self, holds: impl Fn(&Fault) -> bool) {
        let mut current = self.current.subscribe();
        // The sender lives in `self`, so this cannot fail.
        let _ = current
            .wait_for(|fault| !fault.as_ref().is_some_and(&holds))
            .await;
    }
}

pub(super) fn routes() -> Router<App> {
    Router::new().route("/testing/faults", put(set).delete(clear))
}

async fn set(State(app): State<App>, Json(fault): Json<Fault>) -> StatusCode {
    app.faults.set(fault);
    StatusCode::NO_CONTENT
}

async fn clear(State(app): State<App>) -> StatusCode {
    app.faults.clear();
    StatusCode::NO_CONTENT
}
