//! Boundary events: what happens when one is triggered, to the activity it watches and to the path that leaves it.

use crate::event::Interruption;
use crate::process::{Boundary, Element, Symbol};
use crate::step::{At, Cx};
use crate::variables::Variables;

/// Lets a boundary event of the activity `host` happen.
pub(crate) fn happen(cx: &mut Cx<'_>, host: At, on: Symbol, payload: Variables) {
    let node = cx.process.named(on);
    let Element::BoundaryEvent(Boundary { interrupting, .. }) = &node.element else {
        unreachable!("only boundary events watch beside an activity")
    };
    if *interrupting {
        cx.terminate(
            host,
            Some(Interruption {
                boundary: on,
                payload,
            }),
        );
        return;
    }
    let scope = cx.scope(host).expect("an activity is in a scope");
    cx.enter_next(scope, on, None, payload);
}
