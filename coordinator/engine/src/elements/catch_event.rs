//! Catch events in the flow: a token waits at them for a timer or for a message. Receive tasks are message catch events.

use super::activity;
use crate::event::Event;
use crate::incident::Problem;
use crate::instance::Wait;
use crate::process::{MessageRef, Node, Timer};
use crate::step::{At, Cx};
use crate::triggers;

pub(super) fn enter_timer(
    cx: &mut Cx<'_>,
    at: At,
    node: &Node,
    timer: &Timer,
) -> Result<(), Problem> {
    let prepared = activity::prepare(cx, at, node)?;
    let (due, repeat) = triggers::timer::first(cx, at, &prepared.locals, node, timer)?;
    activity::begin(cx, at, prepared);
    let timer = cx.fresh_key();
    cx.emit(
        at.segment,
        Event::TimerSet {
            token: at.token,
            timer,
            on: node.symbol,
            due,
            repeat,
        },
    );
    Ok(())
}

pub(super) fn enter_message(
    cx: &mut Cx<'_>,
    at: At,
    node: &Node,
    message: &MessageRef,
) -> Result<(), Problem> {
    let prepared = activity::prepare(cx, at, node)?;
    let (name, correlation_key) =
        triggers::message::awaited(cx, at, &prepared.locals, node, message)?;
    activity::begin(cx, at, prepared);
    let (token, subscription, on) = (at.token, cx.fresh_key(), node.symbol);
    cx.emit(
        at.segment,
        Event::SubscriptionOpened {
            token,
            subscription,
            on,
            name,
            correlation_key,
            once: true,
        },
    );
    Ok(())
}

pub(super) fn cancel(cx: &mut Cx<'_>, at: At) {
    let token = at.token;
    let event = match cx.token(at).wait() {
        Wait::Timer { timer, .. } => Some(Event::TimerCancelled {
            token,
            timer: *timer,
        }),
        Wait::Message { subscription, .. } => Some(Event::SubscriptionClosed {
            token,
            subscription: *subscription,
        }),
        Wait::Nothing
        | Wait::Join { .. }
        | Wait::Job(_)
        | Wait::UserTask { .. }
        | Wait::Children => None,
    };
    super::end_wait(cx, at, event);
}
