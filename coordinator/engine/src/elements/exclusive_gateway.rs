//! Exclusive gateways: one flow, the first whose condition holds, else the default flow (BPMN 2.0, 13.4.2).

use crate::incident::Problem;
use crate::lookup::What;
use crate::process::Node;
use crate::step::{At, Cx};
use crate::variables::Variables;

pub(super) fn enter(cx: &mut Cx<'_>, at: At, node: &Node) -> Result<(), Problem> {
    let over = Variables::new();
    let mut taken = None;
    for idx in &node.outgoing {
        let flow = cx.process.flow(*idx);
        if Some(*idx) == node.default_flow {
            continue;
        }
        let holds = match &flow.condition {
            // A single flow out needs no condition.
            None => true,
            Some(condition) => {
                let part = format!("the condition of flow '{}'", flow.id);
                cx.condition(
                    at,
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
            taken = Some(*idx);
            break;
        }
    }
    let taken = match (taken.or(node.default_flow), node.outgoing.is_empty()) {
        (Some(flow), _) => vec![flow],
        (None, true) => Vec::new(),
        (None, false) => return Err(super::no_flow(node)),
    };
    cx.leave(at, &taken);
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::check::Input::{Resolve, Set};
    use crate::check::{check, check_with};
    use expect_test::expect;

    #[test]
    fn an_exclusive_gateway_takes_the_first_condition_that_holds() {
        let model = "start > size:xor > ([amount > 100] check:job | [amount > 10] look:job | [else] pass:job) > done:xor > end";
        check_with(
            model,
            r#"{"amount":500}"#,
            [],
            expect![[r#"
        process: 1 inside
          check: job"#]],
        );
        check_with(
            model,
            r#"{"amount":50}"#,
            [],
            expect![[r#"
        process: 1 inside
          look: job"#]],
        );
        check_with(
            model,
            r#"{"amount":5}"#,
            [],
            expect![[r#"
        process: 1 inside
          pass: job"#]],
        );
        check_with(
            model,
            r#"{"amount":"a lot"}"#,
            [],
            expect![[r#"
        process: 1 inside
          size: CONDITION_ERROR the condition of flow 'size_to_check' of 'size' expects a boolean: `=amount > 100` gave null (NOT_COMPARABLE: Can't compare '"a lot"' with '100': they are of type string and number); correct the variables, then resolve the incident"#]],
        );
    }

    #[test]
    fn a_condition_is_tried_again_when_its_incident_is_resolved() {
        let model = "start > ok:xor > ([good] a:job | [not(good)] b:job) > done:xor > end";
        check(
            model,
            [],
            expect![[r#"
        process: 1 inside
          ok: CONDITION_ERROR the condition of flow 'ok_to_a' of 'ok' expects a boolean: `=good` gave null (NO_VARIABLE_FOUND: No variable found with name 'good'); correct the variables, then resolve the incident"#]],
        );
        check(
            model,
            [Set(r#"{"good":false}"#), Resolve("ok")],
            expect![[r#"
        process: 1 inside
          b: job"#]],
        );
    }
}
