//! Script tasks with a FEEL expression: the coordinator computes the result at once.

use super::activity;
use crate::incident::{IncidentKind, Problem};
use crate::lookup::What;
use crate::process::{Node, Script};
use crate::step::{At, Cx};
use crate::variables::{Json, Variables};

pub(super) fn enter<'a>(
    cx: &mut Cx<'a>,
    at: At,
    node: &'a Node,
    script: &'a Script,
) -> Result<(), Problem> {
    activity::done_at_once(cx, at, node, |cx, locals| {
        let what = What::of("the script", node);
        let found = cx.evaluate_for(
            IncidentKind::ExtractValueError,
            at,
            locals,
            what,
            &script.expression,
        )?;
        Ok(Variables::from_iter([(
            script.result.clone(),
            Json::from_trusted(found.value.to_json()),
        )]))
    })
}

#[cfg(test)]
mod tests {
    use crate::check::check_with;
    use expect_test::expect;

    #[test]
    fn a_script_computes_a_variable() {
        check_with(
            "start > sum:script(a + b -> total) > end",
            r#"{"a":1,"b":2.5}"#,
            [],
            expect![[r#"completed {"a":1,"b":2.5,"total":3.5}"#]],
        );
    }
}
