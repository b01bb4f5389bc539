//! Multi-instance activities: each child is a segment of its own, the body keeps counters and the indexed results.

#[cfg(test)]
mod tests;

use super::activity;
use crate::event::{Event, Todo};
use crate::incident::{IncidentKind, Problem};
use crate::instance::{Body, Parent, Phase};
use crate::lookup::{SCOPE_BYTES_MAX, What};
use crate::mapping::{Done, Writes};
use crate::process::{MultiInstance, Node};
use crate::step::{At, CHILDREN_PER_WORK, Cx};
use crate::variables::{Json, Variables};
use botswain_feel as feel;
use smol_str::SmolStr;

/// The most children of one multi-instance activity.
pub(crate) const CHILDREN_MAX: usize = 1_000_000;

const LOOP_COUNTER: SmolStr = SmolStr::new_static("loopCounter");

pub(super) fn enter<'a>(
    cx: &mut Cx<'a>,
    at: At,
    node: &'a Node,
    marker: &'a MultiInstance,
) -> Result<(), Problem> {
    let prepared = activity::prepare(cx, at, node)?;
    let items = items(cx, at, node, marker)?;
    activity::begin(cx, at, prepared);
    let total = items.len() as u32;
    let first_segment = cx.next_segment();
    cx.emit(
        at.segment,
        Event::ChildrenPlanned {
            token: at.token,
            total,
            first_segment,
            items,
        },
    );
    if total == 0 {
        return complete(cx, at, node, marker);
    }
    let root = cx.root();
    cx.emit(
        root.segment,
        Event::SegmentsReserved {
            next: first_segment + total,
        },
    );
    cx.push(Todo::Spawn {
        segment: at.segment,
        body: at.token,
    });
    Ok(())
}

/// The rest is done: the body completes.
pub(super) fn resume<'a>(
    cx: &mut Cx<'a>,
    at: At,
    node: &'a Node,
    marker: &'a MultiInstance,
) -> Result<(), Problem> {
    complete(cx, at, node, marker)
}

/// Ends the children, some in each step.
pub(super) fn cancel(cx: &mut Cx<'_>, at: At) {
    #[cfg(test)]
    if crate::check::faults::is(crate::check::faults::Fault::LeavesChildrenBehind) {
        return;
    }
    if Cx::body_is_busy(cx.token(at)) {
        cx.push(Todo::EndChildren {
            segment: at.segment,
            body: at.token,
            from: 0,
        });
    }
}

/// Begins the next children; a sequential body has one at a time, and the end of each asks for the next.
pub(crate) fn spawn(cx: &mut Cx<'_>, at: At) {
    for n in 0..CHILDREN_PER_WORK {
        if n > 0 && !cx.spend() {
            break;
        }
        let Some(token) = cx.find(at) else { return };
        let (Some(body), Phase::Active) = (token.body(), token.phase()) else {
            return;
        };
        if cx.is_ending(at) {
            return;
        }
        let Element { marker, inner } = element(cx, at);
        if body.spawned == body.total || (marker.sequential && body.active() > 0) {
            return;
        }
        let index = body.spawned;
        let segment = body.first_segment + index;
        let mut locals = Variables::new();
        if let Some(name) = &marker.output_variable {
            locals.set(name.clone(), Json::from_trusted("null"));
        }
        if let Some(name) = &marker.input_element {
            locals.set(name.clone(), body.items[index as usize].clone());
        }
        locals.set(LOOP_COUNTER, Json::from_trusted((index + 1).to_string()));
        let token = cx.fresh_key();
        let (parent, body, node) = (at.segment, at.token, inner.symbol);
        cx.emit(
            segment,
            Event::ChildStarted {
                parent,
                body,
                index,
                token,
                node,
                locals,
            },
        );
        cx.emit(
            at.segment,
            Event::ChildrenSpawned {
                token: at.token,
                spawned: index + 1,
            },
        );
        cx.activate(At { segment, token });
        if marker.sequential {
            return;
        }
    }
    let more = cx
        .find(at)
        .and_then(|token| token.body())
        .is_some_and(|body| body.spawned < body.total);
    if more {
        cx.push(Todo::Spawn {
            segment: at.segment,
            body: at.token,
        });
    }
}

/// Ends the next children of a body that is ending, from the index `from` on. What is not in memory is left for a step that
/// has it.
pub(crate) fn end_children(cx: &mut Cx<'_>, at: At, from: u32) -> Option<Todo> {
    let body = cx.find(at)?.body()?;
    let first = body.first_segment;
    let mut next = from;
    for n in 0..CHILDREN_PER_WORK {
        let index = cx.find(at)?.body()?.alive(next).next()?;
        if n > 0 && !cx.spend() {
            break;
        }
        let child = cx
            .instance()
            .segment(first + index)
            .and_then(|segment| segment.first());
        let Some(child) = child else {
            return Some(Todo::EndChildren {
                segment: at.segment,
                body: at.token,
                from: index,
            });
        };
        let child = At {
            segment: first + index,
            token: child.key(),
        };
        cx.terminate(child, None);
        next = index + 1;
    }
    cx.push(Todo::EndChildren {
        segment: at.segment,
        body: at.token,
        from: next,
    });
    None
}

/// Completes a child's activity: its result goes to the body, and the body looks whether it is complete.
pub(crate) fn finish_child(
    cx: &mut Cx<'_>,
    at: At,
    node: &Node,
    marker: &MultiInstance,
    done: Done,
    mut writes: Writes,
) -> Result<(), Problem> {
    let mut over = done.seen();
    for (_, variables) in &writes {
        over.merge(variables);
    }
    let output = match &marker.output_element {
        None => None,
        Some(expression) => {
            let what = What::of("the output element", node);
            let found =
                cx.evaluate_for(IncidentKind::ExtractValueError, at, &over, what, expression)?;
            let output = Json::from_trusted(found.value.to_json());
            check_results(cx, at, node, &output)?;
            Some(output)
        }
    };
    let parent = cx.segment(at.segment).parent().expect("a child has a body");
    let is_enough = match &marker.completion_condition {
        None => false,
        Some(condition) => {
            let body = cx
                .token(At {
                    segment: parent.segment,
                    token: parent.body,
                })
                .body()
                .expect("it planned this child");
            let counters = [
                ("numberOfInstances", body.spawned),
                ("numberOfActiveInstances", body.active() - 1),
                ("numberOfCompletedInstances", body.completed + 1),
                ("numberOfTerminatedInstances", body.terminated),
            ];
            for (name, value) in counters {
                over.set(
                    SmolStr::new_static(name),
                    Json::from_trusted(value.to_string()),
                );
            }
            cx.condition(
                at,
                &over,
                What::of("the completion condition", node),
                condition,
            )?
        }
    };
    cx.release(at);
    writes.insert(0, (at, done.locals));
    cx.write(writes);
    cx.emit(
        at.segment,
        Event::TokenLeft {
            token: at.token,
            completed: true,
        },
    );
    child_ended(cx, parent, Some(output), is_enough);
    Ok(())
}

/// Refuses a result that would make the output collection too large.
fn check_results(cx: &Cx<'_>, at: At, node: &Node, output: &Json) -> Result<(), Problem> {
    let parent = cx.segment(at.segment).parent().expect("a child has a body");
    let body = At {
        segment: parent.segment,
        token: parent.body,
    };
    let have = cx
        .token(body)
        .body()
        .expect("it planned this child")
        .outputs_bytes;
    if have + output.bytes() <= SCOPE_BYTES_MAX {
        return Ok(());
    }
    let message = format!(
        "the results of '{}' grow beyond {SCOPE_BYTES_MAX} bytes: collect references instead of documents",
        node.id
    );
    Err(Problem::new(IncidentKind::LimitExceeded, message))
}

/// Counts a child that ended: with an entry for the output collection when it completed. `is_enough` tells that the completion
/// condition holds.
pub(crate) fn child_ended(
    cx: &mut Cx<'_>,
    parent: Parent,
    result: Option<Option<Json>>,
    is_enough: bool,
) {
    let at = At {
        segment: parent.segment,
        token: parent.body,
    };
    let completed = result.is_some();
    let ended = Event::ChildEnded {
        token: parent.body,
        index: parent.index,
        output: result.flatten(),
        completed,
    };
    cx.emit(parent.segment, ended);
    let token = cx.token(at);
    let phase = token.phase();
    let body = token.body().expect("it planned this child");
    let (active, unspawned) = (body.active(), body.spawned < body.total);
    match phase {
        Phase::Terminating => {
            if active == 0 {
                cx.gone(at);
            }
        }
        Phase::Completing => {
            if active == 0 {
                cx.resume(at);
            }
        }
        Phase::Activating | Phase::Active => {
            if is_enough {
                cx.emit(at.segment, Event::ChildrenDone { token: at.token });
                if active > 0 {
                    cx.push(Todo::EndChildren {
                        segment: at.segment,
                        body: at.token,
                        from: 0,
                    });
                } else {
                    cx.resume(at);
                }
            } else if unspawned {
                let Element { marker, .. } = element(cx, at);
                if marker.sequential {
                    cx.push(Todo::Spawn {
                        segment: at.segment,
                        body: at.token,
                    });
                }
            } else if active == 0 {
                cx.resume(at);
            }
        }
    }
}

struct Element<'a> {
    marker: &'a MultiInstance,
    inner: &'a Node,
}

fn element<'a>(cx: &Cx<'a>, at: At) -> Element<'a> {
    let crate::process::Element::MultiInstance(marker) = &cx.node(at).element else {
        unreachable!("a token with children is on a multi-instance body")
    };
    Element {
        marker,
        inner: cx.process.node(marker.inner),
    }
}

fn complete<'a>(
    cx: &mut Cx<'a>,
    at: At,
    node: &'a Node,
    marker: &MultiInstance,
) -> Result<(), Problem> {
    let mut results = Variables::new();
    if let Some(name) = &marker.output_collection {
        let body = cx.token(at).body().expect("its children were planned");
        results.set(name.clone(), collected(body));
    }
    let scope = cx.scope(at).expect("an activity is in a scope");
    cx.check_size(scope, node, &results)?;
    let writes = if results.is_empty() {
        Vec::new()
    } else {
        cx.propagate(scope, results)
    };
    let repeats = node.parent.map(|parent| &cx.process.node(parent).element);
    debug_assert!(
        !matches!(repeats, Some(crate::process::Element::MultiInstance(_))),
        "a body is not repeated itself"
    );
    let flows = super::flows_out(cx, at, node, &writes)?;
    cx.release(at);
    cx.write(writes);
    cx.leave(at, &flows);
    Ok(())
}

/// The children's results in the order of the items; null where a child gave none.
fn collected(body: &Body) -> Json {
    let mut text = String::from("[");
    for index in 0..body.total as usize {
        if index > 0 {
            text.push(',');
        }
        text.push_str(
            body.outputs
                .get(index)
                .and_then(Option::as_ref)
                .map_or("null", Json::as_str),
        );
    }
    text.push(']');
    Json::from_trusted(text)
}

fn items(cx: &Cx<'_>, at: At, node: &Node, marker: &MultiInstance) -> Result<Vec<Json>, Problem> {
    let what = What::of("the input collection", node);
    let scope = cx.scope(at).unwrap_or(at);
    let kind = IncidentKind::ExtractValueError;
    let found = cx.evaluate_for(
        kind,
        scope,
        &Variables::new(),
        what,
        &marker.input_collection,
    )?;
    let feel::Value::List(items) = &found.value else {
        let message = format!(
            "{what} expects a list: `={}` gave {}; correct the variables, then resolve the incident",
            marker.input_collection.source(),
            found.described()
        );
        return Err(Problem::new(kind, message));
    };
    let items = items.items();
    if items.len() > CHILDREN_MAX {
        let message = format!(
            "{what} has {} items, the limit is {CHILDREN_MAX}: split the work",
            items.len()
        );
        return Err(Problem::new(IncidentKind::LimitExceeded, message));
    }
    Ok(items
        .iter()
        .map(|item| Json::from_trusted(item.to_json()))
        .collect())
}
