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

#[cfg(test)]
mod tests {
    use crate::check::{check, done};
    use expect_test::expect;

    #[test]
    fn an_error_end_event_is_caught_outside() {
        let model =
            "start > sub:{ start > fork:and > (a:job | bad:job > fail:end(error=E1)) > end } > end;
                 sub@error(E1) > b:job > end2:end";
        check(
            model,
            [done("bad")],
            expect![[r#"
        process: 1 inside
          b: job"#]],
        );
        check(
            "start > fail:end(error=E1)",
            [],
            expect![[r#"
        process: 1 inside
          fail: UNHANDLED_ERROR_EVENT error 'E1' was thrown at 'fail' and nothing catches it, no error is caught here: add an error boundary event in a new version, or resolve the incident to try again"#]],
        );
    }

    #[test]
    fn a_terminate_end_event_ends_its_scope_only() {
        let model = "start > sub:{ start > fork:and > (a:job | b:job > stop:end(terminate)) > end } > c:job > end";
        check(
            model,
            [done("b")],
            expect![[r#"
        process: 1 inside
          c: job"#]],
        );
    }

    #[test]
    fn a_terminate_end_event_of_the_process_completes_it() {
        check(
            "start > fork:and > (a:job > e1:end | b:job > stop:end(terminate))",
            [done("b")],
            expect!["completed {}"],
        );
    }

    #[test]
    fn a_terminate_end_event_in_a_child_ends_that_child() {
        check(
            "start > each:(each x in [1,2]){ start > fork:and > (a:job > end | b:job > stop:end(terminate)) } > end",
            [done("b")],
            expect![[r#"
                process: 1 inside
                  each: 1 active, 1 of 2 completed
                    each: 2 inside
                      a: job
                      b: job"#]],
        );
        check(
            "start > each:(each x in [1,2]){ start > fork:and > (a:job > end | b:job > stop:end(terminate)) } > end",
            [done("b"), done("b")],
            expect!["completed {}"],
        );
    }

    #[test]
    fn an_error_end_event_in_a_child_ends_all_children() {
        check(
            "start > each:(each x in [1,2,3]){ start > a:job > fail:end(error=E) } > end; each@caught:error(E) > b:job > e2:end",
            [done("a")],
            expect![[r#"
                process: 1 inside
                  b: job"#]],
        );
    }
}
