//! BPMN errors: who catches one that is thrown at a token, and what the handler gets (BPMN 2.0, 10.5.6).

use crate::elements;
use crate::incident::{IncidentKind, Problem};
use crate::process::{Boundary, Element, Symbol, Trigger};
use crate::step::{At, Cx};
use crate::variables::{Json, Variables};
use smol_str::SmolStr;

/// The boundary event that takes an error, and the activity it watches.
pub(crate) struct Handler {
    host: At,
    boundary: Symbol,
}

/// Finds who catches an error: from the token outwards, a handler for this code before one for all.
pub(crate) fn handler(cx: &Cx<'_>, thrown_at: At, code: &str) -> Option<Handler> {
    let mut here = Some(thrown_at);
    while let Some(host) = here {
        let mut for_all = None;
        for idx in &cx.node(host).boundaries {
            let node = cx.process.node(*idx);
            let Element::BoundaryEvent(Boundary {
                trigger: Trigger::Error { code: caught, .. },
                ..
            }) = &node.element
            else {
                continue;
            };
            match caught {
                Some(caught) if caught == code => {
                    return Some(Handler {
                        host,
                        boundary: node.symbol,
                    });
                }
                Some(_) => {}
                None => for_all = Some(node.symbol),
            }
        }
        if let Some(boundary) = for_all {
            return Some(Handler { host, boundary });
        }
        here = cx.scope(host);
    }
    None
}

/// Lets the handler take the error: the activity it watches ends.
pub(crate) fn caught(
    cx: &mut Cx<'_>,
    handler: &Handler,
    code: &str,
    message: &str,
    variables: Variables,
) {
    let mut payload = variables;
    let node = cx.process.named(handler.boundary);
    if let Element::BoundaryEvent(Boundary {
        trigger:
            Trigger::Error {
                code_variable,
                message_variable,
                ..
            },
        ..
    }) = &node.element
    {
        for (name, text) in [(code_variable, code), (message_variable, message)] {
            if let Some(name) = name {
                payload.set(
                    name.clone(),
                    Json::from_trusted(serde_json::Value::from(text).to_string()),
                );
            }
        }
    }
    elements::happen(cx, handler.host, handler.boundary, payload);
}

/// The incident of an error that nobody catches.
pub(crate) fn unhandled(cx: &Cx<'_>, at: At, code: &str, message: &str) -> Problem {
    let mut known: Vec<SmolStr> = Vec::new();
    let mut here = Some(at);
    while let Some(host) = here {
        for idx in &cx.node(host).boundaries {
            if let Element::BoundaryEvent(Boundary {
                trigger: Trigger::Error {
                    code: Some(code), ..
                },
                ..
            }) = &cx.process.node(*idx).element
            {
                known.push(code.clone());
            }
        }
        here = cx.scope(host);
    }
    let catchers = if known.is_empty() {
        "no error is caught here".to_owned()
    } else {
        format!("caught here: {}", known.join(", "))
    };
    let said = if message.is_empty() {
        String::new()
    } else {
        format!(" ({message})")
    };
    Problem::new(
        IncidentKind::UnhandledErrorEvent,
        format!(
            "error '{code}'{said} was thrown at '{}' and nothing catches it, {catchers}: add an error boundary event in a new \
             version, or resolve the incident to try again",
            cx.node(at).id
        ),
    )
}
