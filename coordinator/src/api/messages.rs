//! Messages: something happened outside, and whoever awaits it hears of it.

use super::fields::Payload;
use super::problem::Problem;
use super::{ApiState, TENANT};
use crate::runtime::{Answer, Ask};
use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

/// The longest time to live: a year.
const TTL_MS_MAX: i64 = 366 * 24 * 3_600_000;

pub(crate) async fn publish(
    State(api): State<ApiState>,
    body: Payload,
) -> Result<Json<Value>, Problem> {
    let body = body.fields()?;
    body.tenant()?;
    let ask = Ask::PublishMessage {
        name: body.needed_text("name")?,
        correlation_key: body.text("correlationKey")?.unwrap_or_default(),
        message_id: body.text("messageId")?.filter(|id| !id.is_empty()),
        ttl_ms: body
            .integer("timeToLive", 0, TTL_MS_MAX)?
            .unwrap_or(0)
            .unsigned_abs(),
        variables: body.variables("variables")?,
    };
    let Answer::Made(key) = api.ask("PUBLISH", ask).await? else {
        return Err(Problem::unexpected("PUBLISH"));
    };
    Ok(Json(
        json!({ "tenantId": TENANT, "messageKey": key.to_string() }),
    ))
}
