//! Scenarios of multi-instance activities, in the words of `check`.

use crate::check::Input::{Cancel, Done, Locally, Resolve, Set, Throws, Wait};
use crate::check::{check, check_with, done};
use expect_test::expect;

const HOUR: i64 = 3_600_000;

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
fn each_child_has_the_variable_of_its_result() {
    check_with(
        "start > pack:job(each item in [1,2], collect weights = w.kg) > end",
        r#"{"w":"untouched"}"#,
        [
            Done("pack", r#"{"w":{"kg":1}}"#),
            Done("pack", r#"{"w":{"kg":2}}"#),
        ],
        expect![[r#"completed {"w":"untouched","weights":[1,2]}"#]],
    );
}

#[test]
fn a_result_may_be_the_item_itself() {
    check(
        "start > pack:job(each item in [1,2], collect items = item) > end",
        [done("pack"), Done("pack", r#"{"item":7}"#)],
        expect![[r#"completed {"items":[1,7]}"#]],
    );
}

#[test]
fn children_side_by_side_end_when_enough_completed() {
    check(
        "start > ask:job(each x in [1,2,3], until numberOfCompletedInstances >= 2) > b:job > end",
        [done("ask")],
        expect![[r#"
            process: 1 inside
              ask: 2 active, 1 of 3 completed
                ask: job
                ask: job"#]],
    );
    check(
        "start > ask:job(each x in [1,2,3], until numberOfCompletedInstances >= 2) > b:job > end",
        [done("ask"), done("ask")],
        expect![[r#"
            process: 1 inside
              b: job"#]],
    );
}

#[test]
fn a_timer_at_the_body_ends_all_children() {
    check(
        "start > each:(each x in [1,2,3]){ start > a:job > end } > end; each@late:timer(PT1H) > b:job > e2:end",
        [done("a"), Wait(HOUR)],
        expect![[r#"
            process: 1 inside
              b: job"#]],
    );
}

#[test]
fn a_timer_inside_a_child_ends_its_task_only() {
    check(
        r#"start > each:(each x in [1,2]){ start > a:job > end; a@late:timer(=if x = 1 then "PT1H" else "PT9H") > b:job > e2:end } > end"#,
        [Wait(HOUR)],
        expect![[r#"
            process: 1 inside
              each: 2 active, 0 of 2 completed
                each: 1 inside
                  b: job
                each: 1 inside
                  a: job [late: timer in 28800 s]"#]],
    );
}

#[test]
fn a_result_that_cannot_be_computed_holds_the_child() {
    check(
        "start > a:job(each x in [1], collect all = assert(r, r != null)) > end",
        [done("a")],
        expect![[r#"
            process: 1 inside
              a: 1 active, 0 of 1 completed
                a: EXTRACT_VALUE_ERROR the output element of 'a' `=assert(r, r != null)` failed: assertion failed: The condition is not fulfilled"#]],
    );
    check(
        "start > a:job(each x in [1], collect all = assert(r, r != null)) > end",
        [done("a"), Set(r#"{"r":4}"#), Resolve("a")],
        expect![[r#"completed {"all":[4],"r":4}"#]],
    );
}

#[test]
fn a_completion_condition_must_be_true_or_false() {
    check(
        "start > a:job(seq x in [1,2], until enough) > end",
        [done("a")],
        expect![[r#"
            process: 1 inside
              a: 1 active, 0 of 2 completed
                a: CONDITION_ERROR the completion condition of 'a' expects a boolean: `=enough` gave null (NO_VARIABLE_FOUND: No variable found with name 'enough'); correct the variables, then resolve the incident"#]],
    );
    check(
        "start > a:job(seq x in [1,2], until enough) > end",
        [done("a"), Set(r#"{"enough":true}"#), Resolve("a")],
        expect![[r#"completed {"enough":true}"#]],
    );
}

#[test]
fn an_empty_collection_completes_at_once_also_after_an_incident() {
    check(
        "start > a:job(each x in [], collect all = x) > ([good] e1:end | [not(good)] e2:end)",
        [],
        expect![[r#"
            process: 1 inside
              a: CONDITION_ERROR the condition of flow 'a_to_e1' of 'a' expects a boolean: `=good` gave null (NO_VARIABLE_FOUND: No variable found with name 'good'); correct the variables, then resolve the incident"#]],
    );
    check(
        "start > a:job(each x in [], collect all = x) > ([good] e1:end | [not(good)] e2:end)",
        [Set(r#"{"good":true}"#), Resolve("a")],
        expect![[r#"completed {"all":[],"good":true}"#]],
    );
}

#[test]
fn many_children_that_need_nobody_complete_in_many_steps() {
    check(
        "start > a:script(x * 2 -> r, each x in for i in 1..1000 return i, collect all = r) > b:script(sum(all) -> s, out total = s, out all = null) > end",
        [],
        expect![[r#"completed {"all":null,"total":1001000}"#]],
    );
    check(
        "start > a:script(x * 2 -> r, seq x in for i in 1..1000 return i, collect all = r) > b:script(sum(all) -> s, out total = s, out all = null) > end",
        [],
        expect![[r#"completed {"all":null,"total":1001000}"#]],
    );
}

#[test]
fn variables_of_a_child_stay_its_own() {
    check(
        "start > each:(each x in [1,2]){ start > a:job > b:job(in seen = y) > end } > end",
        [
            Locally("each", r#"{"y":0}"#),
            Locally("each", r#"{"y":0}"#),
            Done("a", r#"{"y":5}"#),
        ],
        expect![[r#"
            process: 1 inside
              each: 2 active, 0 of 2 completed
                each: 1 inside
                  b: job
                each: 1 inside
                  a: job"#]],
    );
}
