//! End events that do more than end a path: terminate ends its scope, error throws.

use crate::incident::Problem;
use crate::lookup::What;
use crate::process::{Node, Value};
use crate::step::{At, Cx};
use crate::triggers;
use crate::variables::Variables;

pub(super) fn terminate<'a>(cx: &mut Cx<'a>, at: At, node: &'a Node) -> Result<(), Problem> {
    let scope = cx.scope(at).expect("an end event is in a scope");
    cx.finish(at, node, &Variables::new())?;
    cx.terminate_inside(scope);
    Ok(())
}

pub(super) fn throw_error(
    cx: &mut Cx<'_>,
    at: At,
    node: &Node,
    code: &Value,
) -> Result<(), Problem> {
    let code = cx.text(
        at,
        &Variables::new(),
        What::of("the error code", node),
        code,
    )?;
    let Some(handler) = triggers::error::handler(cx, at, &code) else {
        return Err(triggers::error::unhandled(cx, at, &code, ""));
    };
    triggers::error::caught(cx, &handler, &code, "", Variables::new());
    Ok(())
}
