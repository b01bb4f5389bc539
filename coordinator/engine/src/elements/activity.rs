//! Activities: what all of them prepare before their own work: inputs, and the boundary events that watch.

use crate::event::{Event, Millis, Repeat};
use crate::incident::Problem;
use crate::mapping::Done;
use crate::process::{Element, Node, Symbol, Trigger};
use crate::step::{At, Cx};
use crate::triggers;
use crate::variables::Variables;
use smol_str::SmolStr;

/// What is known before the first event: everything that could fail.
pub(super) struct Prepared {
    /// The variables of the element's own scope.
    pub(super) locals: Variables,
    watches: Vec<Watch>,
}

enum Watch {
    Timer {
        on: Symbol,
        due: Millis,
        repeat: Option<Repeat>,
    },
    Message {
        on: Symbol,
        name: SmolStr,
        correlation_key: SmolStr,
        once: bool,
    },
}

/// Evaluates the inputs and what the boundary events wait for.
pub(super) fn prepare(cx: &Cx<'_>, at: At, node: &Node) -> Result<Prepared, Problem> {
    let locals = if node.inputs.is_empty() {
        Variables::new()
    } else {
        cx.inputs(at, node)?
    };
    let mut watches = Vec::new();
    for boundary in &node.boundaries {
        let event = cx.process.node(*boundary);
        let Element::BoundaryEvent(boundary) = &event.element else {
            unreachable!("compile lists boundary events only")
        };
        match &boundary.trigger {
            Trigger::Timer(timer) => {
                let (due, repeat) = triggers::timer::first(cx, at, &locals, event, timer)?;
                watches.push(Watch::Timer {
                    on: event.symbol,
                    due,
                    repeat,
                });
            }
            Trigger::Message(message) => {
                // The key is asked of the scope around the activity: its inputs are not meant.
                let outside = cx.scope(at).unwrap_or(at);
                let (name, correlation_key) =
                    triggers::message::awaited(cx, outside, &Variables::new(), event, message)?;
                let once = boundary.interrupting;
                watches.push(Watch::Message {
                    on: event.symbol,
                    name,
                    correlation_key,
                    once,
                });
            }
            Trigger::Error { .. } => {}
        }
    }
    Ok(Prepared { locals, watches })
}

/// Sets the inputs and lets the boundary events watch.
pub(super) fn begin(cx: &mut Cx<'_>, at: At, prepared: Prepared) {
    let token = at.token;
    if !prepared.locals.is_empty() {
        cx.emit(
            at.segment,
            Event::VariablesSet {
                scope: token,
                variables: prepared.locals,
            },
        );
    }
    for watch in prepared.watches {
        match watch {
            Watch::Timer { on, due, repeat } => {
                let timer = cx.fresh_key();
                cx.emit(
                    at.segment,
                    Event::TimerSet {
                        token,
                        timer,
                        on,
                        due,
                        repeat,
                    },
                );
            }
            Watch::Message {
                on,
                name,
                correlation_key,
                once,
            } => {
                let subscription = cx.fresh_key();
                let opened = Event::SubscriptionOpened {
                    token,
                    subscription,
                    on,
                    name,
                    correlation_key,
                    once,
                };
                cx.emit(at.segment, opened);
            }
        }
    }
}

/// A task with nothing to do for a computer.
pub(super) fn pass_through<'a>(cx: &mut Cx<'a>, at: At, node: &'a Node) -> Result<(), Problem> {
    done_at_once(cx, at, node, |_, _| Ok(Variables::new()))
}

/// An activity that works without waiting: `work` gets its inputs and gives its results.
pub(super) fn done_at_once<'a>(
    cx: &mut Cx<'a>,
    at: At,
    node: &'a Node,
    work: impl FnOnce(&Cx<'a>, &Variables) -> Result<Variables, Problem>,
) -> Result<(), Problem> {
    let locals = cx.inputs(at, node)?;
    let payload = work(cx, &locals)?;
    // The inputs are the element's own variables: output mappings see them, and results of the same name stay inside.
    // They are set together with the results, so that a try after an incident does not read them as if they came from outside.
    cx.finish_with(at, node, Done { locals, payload })
}

#[cfg(test)]
mod tests {
    use crate::check::Input::Done;
    use crate::check::{check, check_with, done};
    use expect_test::expect;

    #[test]
    fn manual_and_undefined_tasks_pass() {
        check(
            "start > file:manual > think:task > end",
            [],
            expect!["completed {}"],
        );
    }

    #[test]
    fn flows_out_of_a_task_are_taken_by_their_conditions() {
        check_with(
            "start > a:job > ([x > 1] b:job > e1:end | [x > 2] c:job > e2:end | [else] d:job > e3:end)",
            r#"{"x":5}"#,
            [done("a")],
            expect![[r#"
                process: 2 inside
                  b: job
                  c: job"#]],
        );
        check_with(
            "start > a:job > ([x > 1] b:job > e1:end | [x > 2] c:job > e2:end | [else] d:job > e3:end)",
            r#"{"x":0}"#,
            [done("a")],
            expect![[r#"
                process: 1 inside
                  d: job"#]],
        );
    }

    #[test]
    fn conditions_of_a_task_know_its_results_and_not_its_inputs() {
        check_with(
            "start > a:job(in x = 9) > ([x > 1] b:job > e1:end | [else] d:job > e3:end)",
            r#"{"x":0}"#,
            [Done("a", r#"{"x":9}"#)],
            expect![[r#"
                process: 1 inside
                  d: job"#]],
        );
        check_with(
            "start > a:job > ([x > 1] b:job > e1:end | [else] d:job > e3:end)",
            r#"{"x":0}"#,
            [Done("a", r#"{"x":9}"#)],
            expect![[r#"
                process: 1 inside
                  b: job"#]],
        );
    }
}
