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

#[cfg(test)]
mod tests {
    use crate::check::Input::{Failed, Message, Resolve, Set, Wait};
    use crate::check::{check, check_with, done};
    use expect_test::expect;

    const HOUR: i64 = 3_600_000;

    #[test]
    fn an_interrupting_timer_ends_the_task() {
        let model = "start > a:job > end; a@late:timer(PT1H) > b:job > end2:end";
        check(
            model,
            [],
            expect![[r#"
        process: 1 inside
          a: job [late: timer in 3600 s]"#]],
        );
        check(
            model,
            [Wait(HOUR)],
            expect![[r#"
        process: 1 inside
          b: job"#]],
        );
        check(model, [Wait(HOUR), done("b")], expect!["completed {}"]);
        check(model, [done("a")], expect!["completed {}"]);
    }

    #[test]
    fn a_repeating_timer_reminds_while_the_task_goes_on() {
        let model =
            "start > a:job > end; a@late:timer(R2/PT1H, non-interrupting) > remind:job > end2:end";
        check(
            model,
            [Wait(HOUR)],
            expect![[r#"
        process: 2 inside
          a: job [late: timer in 3600 s]
          remind: job"#]],
        );
        check(
            model,
            [Wait(5 * HOUR)],
            expect![[r#"
        process: 3 inside
          a: job
          remind: job
          remind: job"#]],
        );
        check(
            model,
            [Wait(HOUR), done("a"), done("remind")],
            expect!["completed {}"],
        );
    }

    #[test]
    fn a_message_at_the_boundary_interrupts_or_not() {
        let stops = "start > a:job > end; a@stop:message(stop, key=id) > b:job > end2:end";
        check_with(
            stops,
            r#"{"id":"x"}"#,
            [Message("stop", "x", r#"{"why":"no"}"#)],
            expect![[r#"
        process: 1 inside
          b: job"#]],
        );
        let asks =
            "start > a:job > end; a@ask:message(ask, key=id, non-interrupting) > b:job > end2:end";
        let twice = [Message("ask", "x", "{}"), Message("ask", "x", "{}")];
        check_with(
            asks,
            r#"{"id":"x"}"#,
            twice,
            expect![[r#"
        process: 3 inside
          a: job [ask: message ask for x]
          b: job
          b: job"#]],
        );
    }

    #[test]
    fn an_interrupted_sub_process_ends_whole() {
        check(
            "start > sub:{ start > fork:and > (a:job | b:user | c:timer(PT5H) | d:message(m, key=1)) > join:and > end } > end; sub@late:timer(PT1H) > e:job > e2:end",
            [Wait(HOUR)],
            expect![[r#"
                process: 1 inside
                  e: job"#]],
        );
    }

    #[test]
    fn a_message_beside_a_sub_process_leaves_it_alone() {
        check(
            "start > sub:{ start > a:job > end } > end; sub@ask:message(ask, key=1, non-interrupting) > b:job(in t = text) > e2:end",
            [Message("ask", "1", r#"{"text":"hi"}"#), done("a")],
            expect![[r#"
                process: 1 inside
                  b: job"#]],
        );
        check(
            "start > sub:{ start > a:job > end } > end; sub@ask:message(ask, key=1, non-interrupting) > b:job(in t = text) > e2:end",
            [
                Message("ask", "1", r#"{"text":"hi"}"#),
                done("a"),
                done("b"),
            ],
            expect![[r#"completed {"text":"hi"}"#]],
        );
    }

    #[test]
    fn a_task_with_an_incident_can_be_interrupted() {
        check(
            "start > a:job > end; a@late:timer(PT1H) > b:job > e2:end",
            [Failed("a", 0), Wait(HOUR)],
            expect![[r#"
                process: 1 inside
                  b: job"#]],
        );
    }

    #[test]
    fn a_timer_that_cannot_be_read_holds_the_task_until_it_can() {
        check(
            "start > a:job > end; a@late:timer(date==due) > b:job > e2:end",
            [],
            expect![[r#"
                process: 1 inside
                  a: EXTRACT_VALUE_ERROR the timer of 'late' expects a string: `=due` gave null (NO_VARIABLE_FOUND: No variable found with name 'due'); correct the variables, then resolve the incident"#]],
        );
        check(
            "start > a:job > end; a@late:timer(date==due) > b:job > e2:end",
            [Set(r#"{"due":"2030-01-01T00:00:00Z"}"#), Resolve("a")],
            expect![[r#"
                process: 1 inside
                  a: job [late: timer in 193456000 s]"#]],
        );
    }
}
