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

#[cfg(test)]
mod tests {
    use crate::check::Input::{Message, Wait};
    use crate::check::{check, check_with};
    use expect_test::expect;

    const HOUR: i64 = 3_600_000;

    #[test]
    fn a_timer_waits_for_its_time() {
        let model = "start > pause:timer(PT2H) > end";
        check(
            model,
            [Wait(HOUR)],
            expect![[r#"
        process: 1 inside
          pause: timer in 3600 s"#]],
        );
        check(model, [Wait(2 * HOUR)], expect!["completed {}"]);
        check_with(
            "start > pause:timer(=due) > end",
            r#"{"due":7}"#,
            [],
            expect![[r#"
        process: 1 inside
          pause: EXTRACT_VALUE_ERROR the timer of 'pause' expects a string: `=due` gave the number 7; correct the variables, then resolve the incident"#]],
        );
    }

    #[test]
    fn a_message_is_awaited_by_name_and_key() {
        let model = "start > paid:message(payment, key=order) > end";
        check_with(
            model,
            r#"{"order":17}"#,
            [],
            expect![[r#"
        process: 1 inside
          paid: message payment for 17"#]],
        );
        check_with(
            model,
            r#"{"order":17}"#,
            [Message("payment", "17", r#"{"sum":3}"#)],
            expect![[r#"completed {"order":17,"sum":3}"#]],
        );
        check(
            model,
            [],
            expect![[r#"
        process: 1 inside
          paid: EXTRACT_VALUE_ERROR the correlation key of 'paid' expects a string or a number: `=order` gave null (NO_VARIABLE_FOUND: No variable found with name 'order'); correct the variables, then resolve the incident"#]],
        );
    }

    #[test]
    fn inputs_of_a_message_event_are_seen_by_its_key() {
        check_with(
            "start > paid:receive(payment, key=order.id, in order = orders[1]) > end",
            r#"{"orders":[{"id":"o-1"}]}"#,
            [],
            expect![[r#"
                process: 1 inside
                  paid: message payment for o-1"#]],
        );
        check_with(
            "start > paid:receive(payment, key=order.id, in order = orders[1], out sum = amount) > end",
            r#"{"orders":[{"id":"o-1"}]}"#,
            [Message("payment", "o-1", r#"{"amount":3}"#)],
            expect![[r#"completed {"orders":[{"id":"o-1"}],"sum":3}"#]],
        );
    }
}
