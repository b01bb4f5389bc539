//! Our own paths under `/botswain/v1`: what Camunda 8 has no word for.

mod agents;
mod attempts;
mod audit;
mod bots;
mod routes;
mod tables;
mod waiting;

use super::ApiState;
use super::problem::Problem;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post};
use std::collections::BTreeMap;

/// Room for the package and what HTTP puts around it.
pub(super) const PACKAGE_BODY_BYTES_MAX: usize =
    botswain_proto::package::PACKAGE_BYTES_MAX + (4 << 10);

/// The routes of `/botswain/v1`.
pub(super) fn routes() -> Router<ApiState> {
    let bots = get(bots::list)
        .post(bots::push)
        .layer(DefaultBodyLimit::max(PACKAGE_BODY_BYTES_MAX));
    Router::new()
        .route("/routes", get(routes::list))
        .route(
            "/routes/{job_type}",
            get(routes::get).put(routes::set).delete(routes::remove),
        )
        .route("/agents", get(agents::list))
        .route("/agents/{id}", get(agents::get).delete(agents::revoke))
        .route("/agent-tokens", post(agents::make_token))
        .route("/bots", bots)
        .route("/bots/{digest}", get(bots::get))
        .route("/attempts", get(attempts::list))
        .route("/evidence", get(attempts::list_evidence))
        .route("/evidence/{digest}", get(attempts::evidence))
        .route("/jobs/{key}/completion", post(super::jobs::settle))
        .route("/instances/{key}/waiting", get(waiting::show))
        .route("/audit", get(audit::list))
}

/// The parameters behind the `?` of a path.
type Parameters = axum::extract::Query<BTreeMap<String, String>>;

/// Refuses parameters that the path does not know: one that is ignored would answer with more than was asked for.
fn only(parameters: &Parameters, known: &[&str]) -> Result<(), Problem> {
    match parameters
        .keys()
        .find(|name| !known.contains(&name.as_str()))
    {
        None => Ok(()),
        Some(name) => Err(Problem::wrong(format!(
            "parameter '{}': this path knows {}",
            super::fields::excerpt(name),
            known.join(", ")
        ))),
    }
}
