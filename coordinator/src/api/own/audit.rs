//! The audit log: who did what to what.

use super::{Parameters, only};
use crate::api::ApiState;
use crate::api::problem::Problem;
use crate::api::search::{page, time};
use axum::Json;
use axum::extract::State;
use botswain_store::reader::{
    Audit, AuditField, LIMIT_DEFAULT, LIMIT_MAX, Op, Order, PageFrom, Search, Value as Stored,
};
use botswain_store::rows::AuditRow;
use serde_json::{Value, json};

pub(crate) async fn list(
    State(api): State<ApiState>,
    parameters: Parameters,
) -> Result<Json<Value>, Problem> {
    only(&parameters, &["who", "what", "subject", "limit", "after"])?;
    let limit = match parameters.get("limit") {
        None => LIMIT_DEFAULT,
        Some(text) => text
            .parse()
            .ok()
            .filter(|limit| (1..=LIMIT_MAX).contains(limit))
            .ok_or_else(|| {
                Problem::wrong(format!(
                    "parameter 'limit': expected a whole number from 1 to {LIMIT_MAX}"
                ))
            })?,
    };
    let from = parameters
        .get("after")
        .map_or(PageFrom::Start, |after| PageFrom::After(after.clone()));
    let mut search = Search::<Audit> {
        limit,
        from,
        ..Search::default()
    }
    .sort(AuditField::Key, Order::Descending);
    for (name, field) in [
        ("who", AuditField::Who),
        ("what", AuditField::What),
        ("subject", AuditField::Subject),
    ] {
        if let Some(text) = parameters.get(name) {
            search = search.filter(field, Op::Eq(Stored::Text(text.clone())));
        }
    }
    Ok(Json(page(api.search(search).await?, shown)))
}

fn shown(row: AuditRow) -> Value {
    let details: Option<Value> = row
        .details
        .as_deref()
        .and_then(|text| serde_json::from_str(text).ok());
    json!({
        "key": row.key.to_string(),
        "at": time(row.at),
        "who": row.who,
        "what": row.what,
        "subject": row.subject,
        "details": details,
    })
}
