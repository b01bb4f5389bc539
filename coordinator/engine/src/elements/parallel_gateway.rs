//! Parallel gateways, whole: the join waits for a token on every flow in, the fork takes every flow out (BPMN 2.0, 13.4.1).

use crate::event::Event;
use crate::incident::{IncidentKind, Problem};
use crate::instance::{Token, Wait};
use crate::process::{Node, Symbol};
use crate::step::{At, Cx};
use crate::variables::Variables;

/// Counts an arrival. The token is given out when the last flow arrives; a second token on one flow waits for its own round.
pub(super) fn may_enter(
    cx: &mut Cx<'_>,
    scope: At,
    node: &Node,
    flow: Option<Symbol>,
) -> Option<At> {
    let Some(flow) = flow.filter(|_| node.incoming.len() > 1) else {
        return Some(cx.place(scope, node, flow, Variables::new()));
    };
    let waits = |token: &&Token| {
        token.node() == node.symbol
            && token.scope() == Some(scope.token)
            && matches!(token.wait(), Wait::Join { arrived } if !arrived.contains(&flow))
    };
    let waiting = cx
        .segment(scope.segment)
        .tokens()
        .iter()
        .find(waits)
        .map(Token::key);
    let at = match waiting {
        Some(token) => At {
            segment: scope.segment,
            token,
        },
        None => cx.place(scope, node, Some(flow), Variables::new()),
    };
    cx.emit(
        at.segment,
        Event::TokenArrived {
            token: at.token,
            flow,
        },
    );
    if !is_complete(cx, at, node) {
        return None;
    }
    if let Some(incident) = cx.token(at).incident().map(|incident| incident.key) {
        cx.emit(
            at.segment,
            Event::IncidentResolved {
                token: at.token,
                incident,
            },
        );
    }
    Some(at)
}

/// Takes every flow out; a join that is tried again after an incident goes on waiting if flows are missing.
pub(super) fn enter<'a>(cx: &mut Cx<'a>, at: At, node: &'a Node) -> Result<(), Problem> {
    if matches!(cx.token(at).wait(), Wait::Join { .. }) && !is_complete(cx, at, node) {
        return Ok(());
    }
    cx.leave(at, &node.outgoing);
    Ok(())
}

/// Raises an incident for a join that waits for a flow which no live token of its scope can reach.
pub(super) fn recheck(cx: &mut Cx<'_>, scope: At) {
    if cx.is_awaited(scope) {
        return;
    }
    let inside: Vec<At> = cx
        .segment(scope.segment)
        .tokens()
        .iter()
        .filter(|token| token.scope() == Some(scope.token))
        .map(|token| At {
            segment: scope.segment,
            token: token.key(),
        })
        .collect();
    for at in &inside {
        let token = cx.token(*at);
        let Wait::Join { arrived } = token.wait() else {
            continue;
        };
        if token.incident().is_some() {
            continue;
        }
        let node = cx.node(*at);
        let missing = node
            .incoming
            .iter()
            .map(|flow| cx.process.flow(*flow))
            .filter(|f| !arrived.contains(&f.symbol));
        let stuck = missing.into_iter().find(|flow| {
            !inside.iter().filter(|other| *other != at).any(|other| {
                let from = cx.process.find(cx.token(*other).node());
                from == flow.source || cx.process.reach.contains(from, flow.source)
            })
        });
        if let Some(flow) = stuck {
            let message = format!(
                "the join '{}' waits for flow '{}', and no live token can reach it: cancel the instance, or correct the model in \
                 a new version",
                node.id, flow.id
            );
            cx.raise(*at, Problem::new(IncidentKind::JoinUnreachable, message));
        }
    }
}

fn is_complete(cx: &Cx<'_>, at: At, node: &Node) -> bool {
    #[cfg(test)]
    if crate::check::faults::is(crate::check::faults::Fault::JoinsTooEarly) {
        return true;
    }
    match cx.token(at).wait() {
        Wait::Join { arrived } => arrived.len() == node.incoming.len(),
        Wait::Nothing
        | Wait::Job(_)
        | Wait::UserTask { .. }
        | Wait::Timer { .. }
        | Wait::Message { .. }
        | Wait::Children => true,
    }
}

#[cfg(test)]
mod tests {
    use crate::check::Input::Wait;
    use crate::check::{check, check_with, done};
    use expect_test::expect;

    const HOUR: i64 = 3_600_000;

    #[test]
    fn join_waits_for_the_slower_branch() {
        let model = "start > fork:and > (pick:job | pack:job) > join:and > end";
        check(
            model,
            [done("pick")],
            expect![[r#"
        process: 2 inside
          pack: job
          join: 1 of 2 arrived"#]],
        );
        check(model, [done("pick"), done("pack")], expect!["completed {}"]);
    }

    #[test]
    fn a_join_that_nothing_can_reach_is_an_incident() {
        let model = "start > way:xor > ([left] a:job | [else] b:job) > join:and > end";
        check_with(
            model,
            r#"{"left":true}"#,
            [done("a")],
            expect![[r#"
        process: 1 inside
          join: JOIN_UNREACHABLE the join 'join' waits for flow 'b_to_join', and no live token can reach it: cancel the instance, or correct the model in a new version"#]],
        );
    }

    #[test]
    fn a_join_in_a_loop_joins_in_every_turn() {
        check_with(
            "start > again:xor > fork:and > (a:job | b:job) > join:and > n:script(n + 1 -> n) > more:xor > ([n < 3] again | [else] end)",
            r#"{"n":0}"#,
            [done("a"), done("b"), done("b")],
            expect![[r#"
                process: 2 inside
                  a: job
                  join: 1 of 2 arrived"#]],
        );
        check_with(
            "start > again:xor > fork:and > (a:job | b:job) > join:and > n:script(n + 1 -> n) > more:xor > ([n < 3] again | [else] end)",
            r#"{"n":0}"#,
            [
                done("a"),
                done("b"),
                done("b"),
                done("a"),
                done("a"),
                done("b"),
            ],
            expect![[r#"completed {"n":3}"#]],
        );
    }

    #[test]
    fn two_tokens_of_one_flow_do_not_join_each_other() {
        check(
            "start > fork:and > (a:job > m | b:job > m | c:job > d:job > join:and); fork > e:job > join; m:xor > f:job > join; join > g:job > end",
            [
                done("a"),
                done("b"),
                done("f"),
                done("f"),
                done("c"),
                done("d"),
            ],
            expect![[r#"
                process: 3 inside
                  e: job
                  join: 2 of 3 arrived
                  join: JOIN_UNREACHABLE the join 'join' waits for flow 'd_to_join', and no live token can reach it: cancel the instance, or correct the model in a new version"#]],
        );
    }

    #[test]
    fn a_join_counts_on_tokens_at_boundary_events() {
        check(
            "start > fork:and > (a:job > m:xor | b:job) > join:and > end; a@late:timer(PT1H) > c:job > m",
            [done("b"), Wait(HOUR)],
            expect![[r#"
                process: 2 inside
                  join: 1 of 2 arrived
                  c: job"#]],
        );
    }
}
