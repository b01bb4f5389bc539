//! Elements: what each drawn thing does, in four verbs. Every match names every kind, so a new kind does not compile until
//! each verb knows it.

// A new kind does not compile until every match here knows it; tests may ask for one kind only.
#![cfg_attr(not(test), warn(clippy::wildcard_enum_match_arm))]

mod activity;
mod boundary_event;
mod catch_event;
mod end_event;
mod exclusive_gateway;
mod job_task;
pub(crate) mod multi_instance;
mod parallel_gateway;
mod script_task;
mod sub_process;
mod user_task;

pub(crate) use boundary_event::happen;

use crate::event::Event;
use crate::incident::{IncidentKind, Problem};
use crate::lookup::What;
use crate::mapping::Writes;
use crate::process::{Element, FlowIdx, Node, Symbol};
use crate::step::{At, Cx};
use crate::variables::Variables;

/// Whether a token that comes by `flow` may enter: joins say "not yet". Else the token is placed.
pub(crate) fn may_enter(
    cx: &mut Cx<'_>,
    scope: At,
    node: &Node,
    flow: Option<Symbol>,
    payload: Variables,
) -> Option<At> {
    match &node.element {
        Element::ParallelGateway => parallel_gateway::may_enter(cx, scope, node, flow),
        Element::Process(_)
        | Element::SubProcess(_)
        | Element::MultiInstance(_)
        | Element::StartEvent
        | Element::EndEvent
        | Element::TerminateEndEvent
        | Element::ErrorEndEvent(_)
        | Element::NoneThrowEvent
        | Element::TimerCatchEvent(_)
        | Element::MessageCatchEvent(_)
        | Element::BoundaryEvent(_)
        | Element::JobTask(_)
        | Element::ScriptTask(_)
        | Element::UserTask(_)
        | Element::PassThroughTask
        | Element::ExclusiveGateway => Some(cx.place(scope, node, flow, payload)),
    }
}

/// Begins an element's work. Also how a repaired incident tries again.
pub(crate) fn enter<'a>(cx: &mut Cx<'a>, at: At, node: &'a Node) -> Result<(), Problem> {
    match &node.element {
        Element::Process(_) => unreachable!("an instance is created, not entered"),
        Element::SubProcess(scope) => sub_process::enter(cx, at, node, scope),
        Element::MultiInstance(marker) => multi_instance::enter(cx, at, node, marker),
        Element::StartEvent
        | Element::NoneThrowEvent
        | Element::EndEvent
        | Element::BoundaryEvent(_) => {
            let payload = cx.token(at).pending().cloned().unwrap_or_default();
            cx.finish(at, node, &payload)
        }
        Element::PassThroughTask => activity::pass_through(cx, at, node),
        Element::TerminateEndEvent => end_event::terminate(cx, at, node),
        Element::ErrorEndEvent(code) => end_event::throw_error(cx, at, node, code),
        Element::TimerCatchEvent(timer) => catch_event::enter_timer(cx, at, node, timer),
        Element::MessageCatchEvent(message) => catch_event::enter_message(cx, at, node, message),
        Element::JobTask(task) => job_task::enter(cx, at, node, task),
        Element::ScriptTask(script) => script_task::enter(cx, at, node, script),
        Element::UserTask(task) => user_task::enter(cx, at, node, task),
        Element::ExclusiveGateway => exclusive_gateway::enter(cx, at, node),
        Element::ParallelGateway => parallel_gateway::enter(cx, at, node),
    }
}

/// Goes on after what the element waited for: the job is done, the timer fired, the scope is complete.
pub(crate) fn resume<'a>(cx: &mut Cx<'a>, at: At, node: &'a Node) -> Result<(), Problem> {
    match &node.element {
        Element::Process(_) => {
            cx.end_instance(true);
            Ok(())
        }
        Element::MultiInstance(marker) => multi_instance::resume(cx, at, node, marker),
        Element::SubProcess(_)
        | Element::TimerCatchEvent(_)
        | Element::MessageCatchEvent(_)
        | Element::JobTask(_)
        | Element::UserTask(_)
        | Element::StartEvent
        | Element::EndEvent
        | Element::TerminateEndEvent
        | Element::ErrorEndEvent(_)
        | Element::NoneThrowEvent
        | Element::BoundaryEvent(_)
        | Element::ScriptTask(_)
        | Element::PassThroughTask
        | Element::ExclusiveGateway
        | Element::ParallelGateway => {
            let payload = cx.token(at).pending().cloned().unwrap_or_default();
            cx.finish(at, node, &payload)
        }
    }
}

/// Gives up what the element waits for, because it is ended from outside. What is inside has been ended before.
pub(crate) fn cancel(cx: &mut Cx<'_>, at: At, node: &Node) {
    match &node.element {
        Element::JobTask(_) => job_task::cancel(cx, at),
        Element::UserTask(_) => user_task::cancel(cx, at),
        Element::TimerCatchEvent(_) | Element::MessageCatchEvent(_) => catch_event::cancel(cx, at),
        Element::MultiInstance(_) => multi_instance::cancel(cx, at),
        Element::Process(_)
        | Element::SubProcess(_)
        | Element::StartEvent
        | Element::EndEvent
        | Element::TerminateEndEvent
        | Element::ErrorEndEvent(_)
        | Element::NoneThrowEvent
        | Element::BoundaryEvent(_)
        | Element::ScriptTask(_)
        | Element::PassThroughTask
        | Element::ExclusiveGateway
        | Element::ParallelGateway => {}
    }
}

/// Looks at a scope that came to rest: are there joins that nothing can reach any more?
pub(crate) fn recheck(cx: &mut Cx<'_>, scope: At) {
    parallel_gateway::recheck(cx, scope);
}

/// The flows that a completed element takes: all without a condition, and those whose condition holds; the default flow when
/// none of them does.
pub(crate) fn flows_out(
    cx: &Cx<'_>,
    at: At,
    node: &Node,
    writes: &Writes,
) -> Result<Vec<FlowIdx>, Problem> {
    if node
        .outgoing
        .iter()
        .all(|flow| cx.process.flow(*flow).condition.is_none())
        && node.default_flow.is_none()
    {
        return Ok(node.outgoing.to_vec());
    }
    let mut over = Variables::new();
    for (_, variables) in writes.iter().filter(|(written, _)| *written != at) {
        over.merge(variables);
    }
    // Conditions of an activity's flows are about the scope around it.
    let scope = cx.scope(at).unwrap_or(at);
    let mut taken = Vec::new();
    for idx in &node.outgoing {
        let flow = cx.process.flow(*idx);
        if Some(*idx) == node.default_flow {
            continue;
        }
        let holds = match &flow.condition {
            None => true,
            Some(condition) => {
                let part = format!("the condition of flow '{}'", flow.id);
                cx.condition(
                    scope,
                    &over,
                    What {
                        part: &part,
                        id: &node.id,
                    },
                    condition,
                )?
            }
        };
        if holds {
            taken.push(*idx);
        }
    }
    match (taken.is_empty(), node.default_flow) {
        (true, Some(default)) => Ok(vec![default]),
        (true, None) => Err(no_flow(node)),
        (false, _) => Ok(taken),
    }
}

pub(crate) fn no_flow(node: &Node) -> Problem {
    Problem::new(
        IncidentKind::ConditionError,
        format!(
            "no condition of a flow out of '{}' holds, and it has no default flow: correct the variables and resolve the \
             incident, or add a default flow",
            node.id
        ),
    )
}

/// Ends a token's own wait with an event.
fn end_wait(cx: &mut Cx<'_>, at: At, event: Option<Event>) {
    if let Some(event) = event {
        cx.emit(at.segment, event);
    }
}
