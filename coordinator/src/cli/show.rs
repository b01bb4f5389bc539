//! Show: one instance, where its tokens are, why they wait, and what was tried.

use super::Done;
use super::client::Client;
use super::output::{Output, cell, cut, items, moment};
use serde_json::{Value, json};

pub(super) async fn show(client: &Client, out: &mut Output, key: &str) -> Done {
    let instance = client.get(&["v2", "process-instances", key]).await?;
    let waiting = client
        .get(&["botswain", "v1", "instances", key, "waiting"])
        .await?;
    let incidents = client
        .search(
            "incidents",
            json!({ "processInstanceKey": key, "state": "ACTIVE" }),
        )
        .await?;
    let variables = client
        .search(
            "variables",
            json!({ "processInstanceKey": key, "scopeKey": key }),
        )
        .await?;
    let attempts = client
        .get_by(&["botswain", "v1", "attempts"], "instance", key)
        .await?;
    let evidence = client
        .get_by(&["botswain", "v1", "evidence"], "instance", key)
        .await?;
    let whole = json!({
        "instance": instance,
        "waiting": waiting,
        "incidents": incidents["items"],
        "variables": variables["items"],
        "attempts": attempts["items"],
        "evidence": evidence["items"],
    });
    out.answer(&whole, |out| {
        head(out, &instance, &waiting);
        tokens(out, &waiting);
        section(out, "variables", &variables, &["name", "value"], |item| {
            vec![cell(item, "name"), cell(item, "value")]
        });
        let headings = [
            "attempt at",
            "who",
            "by",
            "outcome",
            "happened",
            "offered",
            "ended",
            "message",
        ];
        section(out, "attempts", &attempts, &headings, attempt);
        match items(&evidence).len() {
            0 => {}
            count => out.line(&format!(
                "\nevidence: {count} files (botswain evidence {key} --save DIR)"
            )),
        }
    })
}

fn head(out: &mut Output, instance: &Value, waiting: &Value) {
    let business = cell(instance, "businessId");
    let business = if business.is_empty() {
        business
    } else {
        format!(", business id {business}")
    };
    let ended = moment(instance, "endDate");
    let ended = if ended.is_empty() {
        ended
    } else {
        format!(", ended {ended}")
    };
    out.line(&format!(
        "instance {} of {} version {}: {}, started {}{ended}{business}",
        cell(instance, "processInstanceKey"),
        cell(instance, "processDefinitionId"),
        cell(instance, "processDefinitionVersion"),
        cell(waiting, "state"),
        moment(instance, "startDate"),
    ));
    let stopped = cell(waiting, "stopReason");
    if !stopped.is_empty() {
        out.line(&format!(
            "stopped after an internal error: {}",
            cut(&stopped)
        ));
    }
}

/// The tokens as a tree: what is inside of a scope stands below it.
fn tokens(out: &mut Output, waiting: &Value) {
    let tokens = waiting["tokens"]
        .as_array()
        .map_or(&[] as &[_], Vec::as_slice);
    if tokens.is_empty() {
        return;
    }
    out.line("");
    for token in tokens {
        let depth = usize::try_from(token["depth"].as_u64().unwrap_or(0))
            .unwrap_or(0)
            .min(40);
        let margin = "  ".repeat(depth);
        let name = cell(token, "elementName");
        let name = if name.is_empty() {
            name
        } else {
            format!(" \"{}\"", cut(&name))
        };
        let why = cell(token, "why");
        let why = if why.is_empty() {
            "no reason is known: report this as an error".to_owned()
        } else {
            why
        };
        let kind = cell(token, "type").to_lowercase().replace('_', " ");
        out.line(&format!(
            "{margin}{} ({kind}){name}: {}",
            cell(token, "elementId"),
            one_line(&why)
        ));
        for watch in token["watchedBy"]
            .as_array()
            .map_or(&[] as &[_], Vec::as_slice)
        {
            let reason = &watch["reason"];
            let what = match reason["kind"].as_str() {
                Some("TIMER") => format!("timer at {}", moment(reason, "due")),
                Some("MESSAGE") => format!("message {}", cell(reason, "messageName")),
                _ => cell(reason, "kind").to_lowercase(),
            };
            out.line(&format!(
                "{margin}  … or {}: {what}",
                cell(watch, "elementId")
            ));
        }
    }
    if let Some(more) = waiting["more"].as_u64().filter(|more| *more > 0) {
        out.line(&format!("… and {more} more tokens"));
    }
}

/// Reasons are shown whole: they say what to do.
fn one_line(text: &str) -> String {
    text.chars()
        .map(|character| {
            if character.is_control() {
                ' '
            } else {
                character
            }
        })
        .collect()
}

fn section(
    out: &mut Output,
    name: &str,
    answer: &Value,
    headings: &[&str],
    row: impl Fn(&Value) -> Vec<String>,
) {
    let items = items(answer);
    if items.is_empty() {
        return;
    }
    out.line(&format!("\n{name}"));
    out.table(headings, items.iter().map(row).collect());
}

fn attempt(item: &Value) -> Vec<String> {
    let outcome = cell(item, "outcome");
    vec![
        cell(item, "jobType"),
        cell(item, "leg"),
        cell(item, "holder"),
        if outcome.is_empty() {
            cell(item, "state")
        } else {
            outcome
        },
        cell(item, "happened"),
        moment(item, "offeredAt"),
        moment(item, "endedAt"),
        cell(item, "message"),
    ]
}
