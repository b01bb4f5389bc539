//! Embedded sub-processes: a scope of its own; complete when nothing is active inside.

use super::activity;
use crate::event::Event;
use crate::incident::Problem;
use crate::process::{Node, Scope};
use crate::step::{At, Cx};
use crate::variables::Variables;

pub(super) fn enter(cx: &mut Cx<'_>, at: At, node: &Node, scope: &Scope) -> Result<(), Problem> {
    let prepared = activity::prepare(cx, at, node)?;
    activity::begin(cx, at, prepared);
    cx.emit(at.segment, Event::ScopeOpened { token: at.token });
    let start = cx.process.node(scope.start).symbol;
    cx.enter_next(at, start, None, Variables::new());
    Ok(())
}
