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
