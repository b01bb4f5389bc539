//! Messages: what a token awaits, and what it does with the message that matches.

use crate::elements;
use crate::event::Event;
use crate::incident::Problem;
use crate::key::Key;
use crate::lookup::What;
use crate::process::{MessageRef, Node, Symbol};
use crate::step::{At, Cx};
use crate::variables::Variables;
use smol_str::SmolStr;

/// The name and the correlation key of an awaited message, as the token at `at` sees them.
pub(crate) fn awaited(
    cx: &Cx<'_>,
    at: At,
    over: &Variables,
    node: &Node,
    message: &MessageRef,
) -> Result<(SmolStr, SmolStr), Problem> {
    let name = cx.text(at, over, What::of("the message name", node), &message.name)?;
    let key = cx.key_text(
        at,
        over,
        What::of("the correlation key", node),
        &message.correlation_key,
    )?;
    Ok((name, key))
}

/// Lets a message arrive: for the token itself, or for an event at its boundary.
pub(crate) fn correlated(
    cx: &mut Cx<'_>,
    at: At,
    subscription: Key,
    on: Symbol,
    message: Key,
    variables: Variables,
) {
    let token = at.token;
    let correlated = Event::MessageCorrelated {
        token,
        subscription,
        message,
        variables: variables.clone(),
    };
    let own = on == cx.token(at).node();
    cx.emit(at.segment, correlated);
    if own {
        cx.emit(
            at.segment,
            Event::SubscriptionClosed {
                token,
                subscription,
            },
        );
        cx.resume(at);
    } else {
        elements::happen(cx, at, on, variables);
    }
}
