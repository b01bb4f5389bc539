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

#[cfg(test)]
mod tests {
    use crate::check::Input::{Resolve, Throws};
    use crate::check::{check, check_with, done};
    use expect_test::expect;

    #[test]
    fn an_error_goes_to_the_nearest_handler_of_its_code() {
        let model =
            "start > sub:{ start > a:job > end; a@error(SOLD-OUT) > order:job > end2:end } > end;
                 sub@rest:error > tell:job > end3:end";
        check(
            model,
            [Throws("a", "SOLD-OUT", r#"{"item":1}"#)],
            expect![[r#"
        process: 1 inside
          sub: 1 inside
            order: job"#]],
        );
        check(
            model,
            [Throws("a", "BROKEN", "{}")],
            expect![[r#"
        process: 1 inside
          tell: job"#]],
        );
    }

    #[test]
    fn an_error_that_nobody_catches_is_an_incident() {
        let model = "start > a:job > end; a@error(SOLD-OUT) > end2:end";
        check(
            model,
            [Throws("a", "BROKEN", "{}")],
            expect![[r#"
        process: 1 inside
          a: UNHANDLED_ERROR_EVENT error 'BROKEN' (sorry) was thrown at 'a' and nothing catches it, caught here: SOLD-OUT: add an error boundary event in a new version, or resolve the incident to try again"#]],
        );
        check(
            model,
            [Throws("a", "BROKEN", "{}"), Resolve("a"), done("a")],
            expect!["completed {}"],
        );
    }

    #[test]
    fn a_handler_for_the_code_comes_before_one_for_all() {
        check(
            "start > a:job > end; a@rest:error > b:job > e2:end; a@known:error(E) > c:job > e3:end",
            [Throws("a", "E", "{}")],
            expect![[r#"
                process: 1 inside
                  c: job"#]],
        );
        check(
            "start > a:job > end; a@rest:error > b:job > e2:end; a@known:error(E) > c:job > e3:end",
            [Throws("a", "F", "{}")],
            expect![[r#"
                process: 1 inside
                  b: job"#]],
        );
    }

    #[test]
    fn a_nearer_handler_for_all_comes_before_a_further_one_for_the_code() {
        check(
            "start > sub:{ start > a:job > end; a@rest:error > b:job > e2:end } > end; sub@known:error(E) > c:job > e3:end",
            [Throws("a", "E", "{}")],
            expect![[r#"
                process: 1 inside
                  sub: 1 inside
                    b: job"#]],
        );
    }

    #[test]
    fn the_handler_gets_what_was_thrown() {
        check_with(
            "start > a:job > end; a@known:error(E) > b:job > e3:end",
            r#"{"why":"?"}"#,
            [Throws("a", "E", r#"{"why":"no paper"}"#), done("b")],
            expect![[r#"completed {"why":"no paper"}"#]],
        );
    }

    #[test]
    fn an_error_in_a_child_is_caught_inside_the_child_first() {
        check(
            "start > each:(each x in [1,2]){ start > a:job > end; a@here:error(E) > b:job > e2:end } > end; each@outside:error > c:job > e3:end",
            [Throws("a", "E", "{}")],
            expect![[r#"
                process: 1 inside
                  each: 2 active, 0 of 2 completed
                    each: 1 inside
                      b: job
                    each: 1 inside
                      a: job"#]],
        );
        check(
            "start > each:(each x in [1,2]){ start > a:job > end; a@here:error(E) > b:job > e2:end } > end; each@outside:error > c:job > e3:end",
            [Throws("a", "F", "{}")],
            expect![[r#"
                process: 1 inside
                  c: job"#]],
        );
    }
}
