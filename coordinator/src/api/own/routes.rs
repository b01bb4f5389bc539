//! Routes: which legs may do the jobs of a type; set, shown and taken away while everything runs.

use crate::api::ApiState;
use crate::api::fields::{excerpt, whole_body};
use crate::api::problem::Problem;
use crate::dispatch::{Leg, Route};
use crate::runtime::{Answer, Ask};
use axum::Json;
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use smol_str::SmolStr;

/// The longest route text or JSON.
const ROUTE_BYTES_MAX: usize = 256 << 10;

/// A route as people write it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WrittenRoute {
    choices: Vec<Value>,
    #[serde(default)]
    otherwise: Vec<Value>,
    #[serde(default)]
    sticky: bool,
}

pub(crate) async fn list(State(api): State<ApiState>) -> Result<Json<Value>, Problem> {
    let routes: Vec<Value> = all(&api).await?.iter().map(shown).collect();
    Ok(Json(json!({ "items": routes })))
}

pub(crate) async fn get(
    State(api): State<ApiState>,
    Path(job_type): Path<String>,
) -> Result<Json<Value>, Problem> {
    let job_type = job_type_of(job_type)?;
    let routes = all(&api).await?;
    let route = routes.into_iter().find(|route| route.job_type == job_type);
    // A type without a route is served too: by whoever asks for it.
    Ok(Json(shown(
        &route.unwrap_or_else(|| Route::implicit(job_type)),
    )))
}

pub(crate) async fn set(
    State(api): State<ApiState>,
    Path(job_type): Path<String>,
    request: Request,
) -> Result<Json<Value>, Problem> {
    let job_type = job_type_of(job_type)?;
    let body = whole_body(request).await?;
    if body.len() > ROUTE_BYTES_MAX {
        return Err(Problem::wrong(format!(
            "the route has {} bytes, the limit is {ROUTE_BYTES_MAX}",
            body.len()
        )));
    }
    let text = std::str::from_utf8(&body).map_err(|_| Problem::wrong("the route is not UTF-8"))?;
    let route = if text.trim_start().starts_with('{') {
        from_json(job_type.clone(), text)
    } else {
        from_text(job_type.clone(), text)
    };
    let ask = Ask::SetRoute {
        job_type: job_type.clone(),
        route: Some(Box::new(route?)),
        by: api.who(),
    };
    api.ask("UPDATE", ask).await?;
    let route = all(&api)
        .await?
        .into_iter()
        .find(|route| route.job_type == job_type);
    Ok(Json(route.as_ref().map_or(Value::Null, shown)))
}

pub(crate) async fn remove(
    State(api): State<ApiState>,
    Path(job_type): Path<String>,
) -> Result<StatusCode, Problem> {
    let job_type = job_type_of(job_type)?;
    if !all(&api)
        .await?
        .iter()
        .any(|route| route.job_type == job_type)
    {
        return Err(Problem::not_found(format!(
            "job type '{job_type}' has no route: its jobs wait for whoever asks for the type"
        )));
    }
    api.order(
        "DELETE",
        Ask::SetRoute {
            job_type,
            route: None,
            by: api.who(),
        },
    )
    .await
}

fn job_type_of(text: String) -> Result<SmolStr, Problem> {
    if text.trim().is_empty() || text.len() > 255 {
        return Err(Problem::wrong(format!(
            "the path's job type: expected 1 to 255 bytes, found {}",
            text.len()
        )));
    }
    Ok(SmolStr::from(text))
}

async fn all(api: &ApiState) -> Result<Vec<Route>, Problem> {
    match api.ask("SHOW", Ask::Routes).await? {
        Answer::Routes(routes) => Ok(routes),
        _ => Err(Problem::unexpected("SHOW")),
    }
}

fn from_json(job_type: SmolStr, text: &str) -> Result<Route, Problem> {
    let written: WrittenRoute = serde_json::from_str(text).map_err(|error| {
        Problem::wrong(format!(
            "the route cannot be read: {error}; expected {{\"choices\": [\"connector:crm-api\", {{\"kind\": \"bot:crm@1\", \
             \"weight\": 20, \"when\": \"amount > 10\"}}], \"otherwise\": [\"person\"]}}"
        ))
    })?;
    // A leg is its text alone, or an object with all of its numbers.
    let legs = |written: Vec<Value>| -> Result<Vec<Leg>, Problem> {
        let legs = written.into_iter().map(|written| match written {
            Value::String(text) => leg(&text),
            other => serde_json::from_value(other)
                .map_err(|error| Problem::wrong(format!("the route's leg: {error}"))),
        });
        legs.collect()
    };
    Ok(Route {
        job_type,
        version: 0,
        choices: legs(written.choices)?,
        otherwise: legs(written.otherwise)?,
        sticky: written.sticky,
    })
}

fn leg(text: &str) -> Result<Leg, Problem> {
    let kind = text
        .parse()
        .map_err(|error| Problem::wrong(format!("the route's leg: {error}")))?;
    Ok(Leg::new(kind))
}

/// Reads `LEG [N%] [LEG [N%] …] [else LEG …]`.
fn from_text(job_type: SmolStr, text: &str) -> Result<Route, Problem> {
    let (mut choices, mut otherwise): (Vec<Leg>, Vec<Leg>) = (Vec::new(), Vec::new());
    let mut is_else = false;
    for word in text.split_whitespace() {
        if word == "else" {
            is_else = true;
            continue;
        }
        match (word.strip_suffix('%'), choices.last_mut()) {
            (Some(number), Some(last)) if !is_else => {
                last.weight = number.parse().map_err(|_| {
                    Problem::wrong(format!(
                        "the route's weight: expected a share such as 20%, found {}",
                        excerpt(word)
                    ))
                })?;
            }
            _ if is_else => otherwise.push(leg(word)?),
            _ => choices.push(leg(word)?),
        }
    }
    Ok(Route {
        job_type,
        version: 0,
        choices,
        otherwise,
        sticky: false,
    })
}

fn shown(route: &Route) -> Value {
    let leg = |leg: &Leg| {
        json!({
            "kind": leg.kind.to_string(),
            "weight": leg.weight,
            "when": leg.when,
            "labels": leg.labels,
            "tries": leg.tries,
            "effect": leg.effect,
            "limits": leg.limits,
        })
    };
    json!({
        "jobType": route.job_type,
        "version": route.version,
        "implicit": route.version == 0,
        "choices": route.choices.iter().map(leg).collect::<Vec<_>>(),
        "otherwise": route.otherwise.iter().map(leg).collect::<Vec<_>>(),
        "sticky": route.sticky,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(route: &Route) -> String {
        let legs = |legs: &[Leg]| {
            legs.iter()
                .map(|leg| format!("{} {}", leg.kind, leg.weight))
                .collect::<Vec<_>>()
                .join(", ")
        };
        format!("{} / {}", legs(&route.choices), legs(&route.otherwise))
    }

    #[test]
    fn a_route_is_read_from_a_sentence_and_from_json() {
        let text = from_text("t".into(), "connector:crm-api 20% bot:a@1 else person").unwrap();
        assert_eq!(
            words(&text),
            "connector:crm-api 20, bot:a@1 100 / person 100"
        );
        let json = r#"{"choices": ["worker", {"kind": "person", "weight": 5, "when": "a > 1"}], "sticky": true}"#;
        let json = from_json("t".into(), json).unwrap();
        assert_eq!(words(&json), "worker 100, person 5 / ");
        assert!(json.sticky);
    }

    #[test]
    fn a_leg_that_is_none_is_named() {
        for text in [
            "robot",
            "worker x%",
            r#"{"choices": ["robot"]}"#,
            r#"{"choices": 1}"#,
        ] {
            let route = if text.starts_with('{') {
                from_json("t".into(), text)
            } else {
                from_text("t".into(), text)
            };
            assert!(route.unwrap_err().detail.contains("expected"), "{text}");
        }
    }
}
