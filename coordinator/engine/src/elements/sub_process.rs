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

#[cfg(test)]
mod tests {
    use crate::check::Input::{Done, Resolve, Set};
    use crate::check::{check, done};
    use expect_test::expect;

    #[test]
    fn a_sub_process_completes_when_nothing_is_active_inside() {
        let model =
            "start > sub:{ start > fork:and > (a:job > end | b:job > end2:end) } > c:job > end";
        check(
            model,
            [done("a")],
            expect![[r#"
        process: 1 inside
          sub: 1 inside
            b: job"#]],
        );
        check(
            model,
            [done("a"), done("b")],
            expect![[r#"
        process: 1 inside
          c: job"#]],
        );
    }

    #[test]
    fn a_sub_process_hands_on_its_results_after_an_incident() {
        check(
            "start > sub:(in own = 5, out y = assert(own, z != null)){ start > a:job > end } > end",
            [done("a")],
            expect![[r#"
                process: 1 inside
                  sub: IO_MAPPING_ERROR the output mapping to 'y' of 'sub' `=assert(own, z != null)` failed: assertion failed: The condition is not fulfilled"#]],
        );
        check(
            "start > sub:(in own = 5, out y = assert(own, z != null)){ start > a:job > end } > end",
            [done("a"), Set(r#"{"z":1}"#), Resolve("sub")],
            expect![[r#"completed {"y":5,"z":1}"#]],
        );
    }

    #[test]
    fn variables_of_a_sub_process_stay_inside() {
        check(
            "start > sub:(in own = 5){ start > a:job > end } > b:job(in seen = own) > end",
            [Done("a", r#"{"own":6,"out":7}"#), done("b")],
            expect![[r#"completed {"out":7}"#]],
        );
    }
}
