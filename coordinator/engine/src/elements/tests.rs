//! Scenarios of the elements, one model each, in the words of `check`.

use crate::check::Input::{
    Cancel, Done, Failed, Message, Person, Resolve, Retries, Set, Throws, Unknown, Wait,
};
use crate::check::{check, check_with, done};
use expect_test::expect;

const HOUR: i64 = 3_600_000;

#[test]
fn three_jobs_follow_each_other() {
    check(
        "start > a:job > b:job > c:job > end",
        [done("a")],
        expect![[r#"
        process: 1 inside
          b: job"#]],
    );
    check(
        "start > a:job > b:job > c:job > end",
        [done("a"), done("b"), Done("c", r#"{"x":1}"#)],
        expect![[r#"completed {"x":1}"#]],
    );
}

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

#[test]
fn a_script_computes_a_variable() {
    check_with(
        "start > sum:script(a + b -> total) > end",
        r#"{"a":1,"b":2.5}"#,
        [],
        expect![[r#"completed {"a":1,"b":2.5,"total":3.5}"#]],
    );
}

#[test]
fn inputs_are_local_and_outputs_go_out() {
    let model =
        r#"start > a:job(in total = price * 2, out order.sum = result, out seen = total) > end"#;
    check_with(
        model,
        r#"{"price":4,"order":{"id":7}}"#,
        [Done("a", r#"{"result":9}"#)],
        expect![[r#"completed {"order":{"id":7,"sum":9},"price":4,"seen":8}"#]],
    );
}

#[test]
fn a_result_goes_to_the_scope_that_has_the_variable() {
    let model = "start > sub:{ start > a:job(in x = 1) > b:job > end } > end";
    check_with(
        model,
        r#"{"y":0}"#,
        [Done("a", r#"{"x":5,"y":6,"z":7}"#), done("b")],
        expect![[r#"completed {"y":6,"z":7}"#]],
    );
}

#[test]
fn a_failing_output_mapping_keeps_the_result() {
    let model = r#"start > a:job(out x = assert(y, y != null)) > end"#;
    check(
        model,
        [Done("a", r#"{"z":1}"#)],
        expect![[r#"
        process: 1 inside
          a: IO_MAPPING_ERROR the output mapping to 'x' of 'a' `=assert(y, y != null)` failed: assertion failed: The condition is not fulfilled"#]],
    );
    check(
        model,
        [Done("a", r#"{"z":1}"#), Set(r#"{"y":3}"#), Resolve("a")],
        expect![[r#"completed {"x":3,"y":3}"#]],
    );
}

#[test]
fn a_job_without_retries_is_an_incident_until_somebody_repairs_it() {
    let model = "start > a:job > end";
    check(
        model,
        [Failed("a", 2)],
        expect![[r#"
        process: 1 inside
          a: job"#]],
    );
    check(
        model,
        [Failed("a", 0)],
        expect![[r#"
        process: 1 inside
          a: JOB_NO_RETRIES job '2251799813685253' of element 'a' failed and has no retries left: the printer is out of paper; repair the cause, then resolve the incident to try it once more"#]],
    );
    check(
        model,
        [Failed("a", 0), done("a")],
        expect![[r#"
        refused: job '2251799813685253' is FAILED, expected ACTIVATABLE or ACTIVATED
        process: 1 inside
          a: JOB_NO_RETRIES job '2251799813685253' of element 'a' failed and has no retries left: the printer is out of paper; repair the cause, then resolve the incident to try it once more"#]],
    );
    check(
        model,
        [Failed("a", 0), Retries("a", 3), Resolve("a"), done("a")],
        expect!["completed {}"],
    );
    check(
        model,
        [Failed("a", 0), Retries("a", 0)],
        expect![[r#"
        refused: expected to update retries for job with key '2251799813685253' with a positive amount of retries, found 0
        process: 1 inside
          a: JOB_NO_RETRIES job '2251799813685253' of element 'a' failed and has no retries left: the printer is out of paper; repair the cause, then resolve the incident to try it once more"#]],
    );
}

#[test]
fn an_unknown_outcome_is_settled_by_a_person_or_by_a_late_result() {
    let model = "start > pay:job > end";
    check(
        model,
        [Unknown("pay")],
        expect![[r#"
        process: 1 inside
          pay: ATTEMPT_UNKNOWN the outcome of an attempt at job '2251799813685253' is unknown: power was cut; look at the evidence, then complete the job if it happened, or resolve the incident to do it again"#]],
    );
    check(
        model,
        [Unknown("pay"), done("pay")],
        expect!["completed {}"],
    );
    check(
        model,
        [Unknown("pay"), Resolve("pay")],
        expect![[r#"
        process: 1 inside
          pay: job"#]],
    );
}

#[test]
fn a_person_completes_a_user_task() {
    let model = r#"start > look:user(assignee==clerk, groups="sales, support") > end"#;
    check_with(
        model,
        r#"{"clerk":"ann"}"#,
        [],
        expect![[r#"
        process: 1 inside
          look: person ann"#]],
    );
    check_with(
        model,
        r#"{"clerk":"ann"}"#,
        [Person("look", r#"{"ok":true}"#)],
        expect![[r#"completed {"clerk":"ann","ok":true}"#]],
    );
    check(
        model,
        [],
        expect![[r#"
        process: 1 inside
          look: EXTRACT_VALUE_ERROR the assignee of 'look' expects a string: `=clerk` gave null (NO_VARIABLE_FOUND: No variable found with name 'clerk'); correct the variables, then resolve the incident"#]],
    );
}

#[test]
fn a_job_based_user_task_is_a_job_of_the_reserved_type() {
    check(
        "start > look:user(job) > end",
        [],
        expect![[r#"
        process: 1 inside
          look: job io.camunda.zeebe:userTask"#]],
    );
}

#[test]
fn manual_and_undefined_tasks_pass() {
    check(
        "start > file:manual > think:task > end",
        [],
        expect!["completed {}"],
    );
}

#[test]
fn a_timer_waits_for_its_time() {
    let model = "start > pause:timer(PT2H) > end";
    check(
        model,
        [Wait(HOUR)],
        expect![[r#"
        process: 1 inside
          pause: timer in 3600 s"#]],
    );
    check(model, [Wait(2 * HOUR)], expect!["completed {}"]);
    check_with(
        "start > pause:timer(=due) > end",
        r#"{"due":7}"#,
        [],
        expect![[r#"
        process: 1 inside
          pause: EXTRACT_VALUE_ERROR the timer of 'pause' expects a string: `=due` gave the number 7; correct the variables, then resolve the incident"#]],
    );
}

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
fn a_message_is_awaited_by_name_and_key() {
    let model = "start > paid:message(payment, key=order) > end";
    check_with(
        model,
        r#"{"order":17}"#,
        [],
        expect![[r#"
        process: 1 inside
          paid: message payment for 17"#]],
    );
    check_with(
        model,
        r#"{"order":17}"#,
        [Message("payment", "17", r#"{"sum":3}"#)],
        expect![[r#"completed {"order":17,"sum":3}"#]],
    );
    check(
        model,
        [],
        expect![[r#"
        process: 1 inside
          paid: EXTRACT_VALUE_ERROR the correlation key of 'paid' expects a string or a number: `=order` gave null (NO_VARIABLE_FOUND: No variable found with name 'order'); correct the variables, then resolve the incident"#]],
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
fn an_error_goes_to_the_nearest_handler_of_its_code() {
    let model =
        "start > sub:{ start > a:job > end; a@error(SOLD-OUT) > order:job > end2:end } > end;
                 sub@rest:error > tell:job > end3:end";
    check(
        model,
        [Throws("a", "SOLD-OUT", r#"{"item":1}"#)],
        expect![[r#"
        process: 1 inside
          sub: 1 inside
            order: job"#]],
    );
    check(
        model,
        [Throws("a", "BROKEN", "{}")],
        expect![[r#"
        process: 1 inside
          tell: job"#]],
    );
}

#[test]
fn an_error_that_nobody_catches_is_an_incident() {
    let model = "start > a:job > end; a@error(SOLD-OUT) > end2:end";
    check(
        model,
        [Throws("a", "BROKEN", "{}")],
        expect![[r#"
        process: 1 inside
          a: UNHANDLED_ERROR_EVENT error 'BROKEN' (sorry) was thrown at 'a' and nothing catches it, caught here: SOLD-OUT: add an error boundary event in a new version, or resolve the incident to try again"#]],
    );
    check(
        model,
        [Throws("a", "BROKEN", "{}"), Resolve("a"), done("a")],
        expect!["completed {}"],
    );
}

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
fn a_sub_process_completes_when_nothing_is_active_inside() {
    let model = "start > sub:{ start > fork:and > (a:job > end | b:job > end2:end) } > c:job > end";
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
fn children_side_by_side_collect_their_results_in_order() {
    let model = "start > pack:job(each item in items, collect weights = w) > end";
    check_with(
        model,
        r#"{"items":[3,1,2]}"#,
        [],
        expect![[r#"
        process: 1 inside
          pack: 3 active, 0 of 3 completed
            pack: job
            pack: job
            pack: job"#]],
    );
    let results = [
        Done("pack", r#"{"w":30}"#),
        Done("pack", r#"{"w":10}"#),
        Done("pack", r#"{"w":20}"#),
    ];
    check_with(
        model,
        r#"{"items":[3,1,2]}"#,
        results,
        expect![[r#"completed {"items":[3,1,2],"weights":[30,10,20]}"#]],
    );
    check_with(
        model,
        r#"{"items":[]}"#,
        [],
        expect![[r#"completed {"items":[],"weights":[]}"#]],
    );
    check_with(
        model,
        r#"{"items":5}"#,
        [],
        expect![[r#"
        process: 1 inside
          pack: EXTRACT_VALUE_ERROR the input collection of 'pack' expects a list: `=items` gave the number 5; correct the variables, then resolve the incident"#]],
    );
}

#[test]
fn children_one_after_another_stop_when_the_condition_holds() {
    let model = "start > ask:job(seq who in people, collect answers = yes, until yes) > end";
    check_with(
        model,
        r#"{"people":["a","b","c"]}"#,
        [Done("ask", r#"{"yes":false}"#)],
        expect![[r#"
        process: 1 inside
          ask: 1 active, 1 of 3 completed
            ask: job"#]],
    );
    let inputs = [
        Done("ask", r#"{"yes":false}"#),
        Done("ask", r#"{"yes":true}"#),
    ];
    check_with(
        model,
        r#"{"people":["a","b","c"]}"#,
        inputs,
        expect![[r#"completed {"answers":[false,true,null],"people":["a","b","c"]}"#]],
    );
}

#[test]
fn an_error_in_one_child_ends_the_others() {
    let model = "start > each:(each x in [1,2,3]){ start > a:job > end } > end; each@error(E) > b:job > end2:end";
    check(
        model,
        [Throws("a", "E", "{}")],
        expect![[r#"
        process: 1 inside
          b: job"#]],
    );
    check(
        model,
        [Throws("a", "E", "{}"), done("b")],
        expect!["completed {}"],
    );
}

#[test]
fn children_can_have_children() {
    let model = "start > outer:(each x in [10,20], collect all = r){ start > inner:job(each y in [1,2], collect r = y * x) > end } > end";
    check(
        model,
        [done("inner"), done("inner"), done("inner"), done("inner")],
        expect![[r#"completed {"all":[[10,20],[20,40]]}"#]],
    );
    check(model, [done("inner"), Cancel], expect!["terminated {}"]);
}

#[test]
fn cancelling_ends_everything() {
    let model = "start > fork:and > (a:job | sub:{ start > b:user > end } | m:message(x, key=1) | many:job(each i in [1,2,3])) > join:and > end";
    check(model, [Cancel], expect!["terminated {}"]);
}

#[test]
fn a_loop_that_waits_for_nothing_is_held() {
    let model = "start > again:xor > again2:task > back:xor > ([false] end | [else] again)";
    check(
        model,
        [],
        expect![[r#"
        process: 1 inside
          back: SPINNING 100000 elements were activated without waiting for anything, the last is 'back': correct the loop in a new version, or resolve the incident to let it go on"#]],
    );
}
