//! What the text notation draws, told back as text.

use expect_test::{Expect, expect};

use super::parse;
use crate::model::{Loop, Model, Process};

/// Tells a model in lines: elements with their kind, scope and flows.
fn told(model: &Model) -> String {
    let process = &model.processes[0];
    let mut lines: Vec<String> = process
        .elements
        .iter()
        .map(|element| line(process, element))
        .collect();
    lines.extend(
        process
            .artifacts
            .iter()
            .map(|artifact| format!("{:?}", artifact.kind)),
    );
    lines.join("\n")
}

fn line(process: &Process, element: &crate::Element) -> String {
    let mut line = format!("{} {}", element.kind.tag(), element.id);
    if let Some(parent) = element.parent {
        line += &format!(" in {}", process.element(parent).id);
    }
    for event in element.events() {
        line += &format!(" {event:?}");
    }
    for mapping in &element.inputs {
        line += &format!(" in {}={}", mapping.target, mapping.source);
    }
    for mapping in &element.outputs {
        line += &format!(" out {}={}", mapping.target, mapping.source);
    }
    match &element.repeats {
        Some(Loop::MultiInstance(multi)) => {
            let text = |text: &Option<crate::Text>| {
                text.as_ref().map(ToString::to_string).unwrap_or_default()
            };
            line += &format!(
                " {} {:?} of {} times {} collects {:?} {} until {}",
                if multi.sequential {
                    "one after another"
                } else {
                    "side by side"
                },
                multi.input_element,
                text(&multi.input_collection),
                text(&multi.cardinality),
                multi.output_collection,
                text(&multi.output_element),
                text(&multi.completion_condition)
            );
        }
        Some(Loop::Standard(standard)) => line += &format!(" {standard:?}"),
        None => {}
    }
    for flow in &element.outgoing {
        let flow_target = &process.element(process.flow(*flow).target).id;
        let default = if element.default_flow == Some(*flow) {
            "default "
        } else {
            ""
        };
        let condition = process
            .flow(*flow)
            .condition
            .as_ref()
            .map(|text| format!("[{text}] "))
            .unwrap_or_default();
        line += &format!(" -> {default}{condition}{flow_target}");
    }
    line
}

fn check(text: &str, expected: Expect) {
    match parse(text) {
        Ok(model) => expected.assert_eq(&told(&model)),
        Err(problem) => expected.assert_eq(&problem.to_string()),
    }
}

#[test]
fn branches_lead_to_what_follows() {
    check(
        "start > fork:and > (pick:job | pack:job) > join:and > end",
        expect![[r#"
            startEvent start -> fork
            parallelGateway fork -> pick -> pack
            serviceTask pick -> join
            serviceTask pack -> join
            parallelGateway join -> end
            endEvent end"#]],
    );
}

#[test]
fn a_branch_that_mentions_an_element_jumps_there() {
    check(
        "start > try:job > good:xor > ([again] try | [else] end)",
        expect![[r#"
            startEvent start -> try
            serviceTask try -> good
            exclusiveGateway good -> [=again] try -> default end
            endEvent end"#]],
    );
}

#[test]
fn an_empty_branch_leads_on_directly() {
    check(
        "start > big:xor > ([amount > items[1].limit] check:user | [else]) > checked:xor > end",
        expect![[r#"
            startEvent start -> big
            exclusiveGateway big -> [=amount > items[1].limit] check -> default checked
            userTask check -> checked
            exclusiveGateway checked -> end
            endEvent end"#]],
    );
}

#[test]
fn a_sub_process_has_its_own_start_and_end() {
    check(
        "start > sub:{ start > a:job > inner:{ start > end } > end } > end",
        expect![[r#"
            startEvent start -> sub
            subProcess sub -> end
            startEvent sub.start in sub -> a
            serviceTask a in sub -> inner
            subProcess inner in sub -> sub.end
            startEvent inner.start in inner -> inner.end
            endEvent inner.end in inner
            endEvent sub.end in sub
            endEvent end"#]],
    );
}

#[test]
fn boundary_events_begin_paths_of_their_own() {
    check(
        "start > pick:job > end;
         pick@late:timer(PT1H, non-interrupting) > remind:job > end;
         pick@error(SOLD-OUT) > sorry:end(error=NO-ORDER)",
        expect![[r#"
            startEvent start -> pick
            serviceTask pick -> end
            endEvent end
            boundaryEvent late Timer(Duration(Literal("PT1H"))) -> remind
            serviceTask remind -> end
            boundaryEvent pick.error Error { error: Some(ErrorIdx(0)), code_variable: None, message_variable: None } -> sorry
            endEvent sorry Error { error: Some(ErrorIdx(1)), code_variable: None, message_variable: None }"#]],
    );
}

#[test]
fn compensation_is_associated_with_its_handler() {
    check(
        "start > pay:job > end; pay@compensate > refund:job",
        expect![[r#"
            startEvent start -> pay
            serviceTask pay -> end
            endEvent end
            boundaryEvent pay.compensate Compensate { activity: None, wait: true }
            serviceTask refund
            Association { source: "pay.compensate", target: "refund", direction: Some("One") }"#]],
    );
}

#[test]
fn activities_repeat_and_map_their_data() {
    check(
        r#"start > pack:job(type=pack, each item in order.items, collect weights = {"a": item, "b": 2}, in x = a + 1, out y = f(1, "),"))
           > count:job(seq _ in items, until done) > thrice:task(times 3) > again:manual(while more, max 3) > end"#,
        expect![[r#"
            startEvent start -> pack
            serviceTask pack in x==a + 1 out y==f(1, "),") side by side Some("item") of =order.items times  collects Some("weights") ={"a": item, "b": 2} until  -> count
            serviceTask count one after another None of =items times  collects None  until =done -> thrice
            task thrice side by side None of  times =3 collects None  until  -> again
            manualTask again StandardLoop { test_before: false, maximum: Some(Literal("3")), condition: Some(Feel("more")), extra: Extra { documentation: [], attributes: [], extensions: [], children: [] }, at: Position { line: 0, column: 0 } } -> end
            endEvent end"#]],
    );
}

#[test]
fn events_have_all_triggers() {
    check(
        r#"from:start(message=begin, key=id) > t:timer(PT5M) > d:timer(date==due) > c:timer(cycle="0 0, 5 * * *") > m:message(paid, key=order.id)
           > s:signal(go) > w:condition(stock > 0) > note:throw(message=sent, type=mail) > up:throw(escalation=HELP) > undo:throw(compensate=pay)
           > stop:end(terminate)"#,
        expect![[r#"
            startEvent from Message { message: Some(MessageIdx(0)), job: None, publish: None } -> t
            intermediateCatchEvent t Timer(Duration(Literal("PT5M"))) -> d
            intermediateCatchEvent d Timer(Date(Feel("due"))) -> c
            intermediateCatchEvent c Timer(Cycle(Literal("0 0, 5 * * *"))) -> m
            intermediateCatchEvent m Message { message: Some(MessageIdx(1)), job: None, publish: None } -> s
            intermediateCatchEvent s Signal { signal: Some(SignalIdx(0)) } -> w
            intermediateCatchEvent w Conditional(ConditionalDefinition { condition: Some(Feel("stock > 0")), variable_names: None, variable_events: None }) -> note
            intermediateThrowEvent note Message { message: Some(MessageIdx(2)), job: Some(JobDefinition { job_type: Literal("mail"), retries: None }), publish: None } -> up
            intermediateThrowEvent up Escalation { escalation: Some(EscalationIdx(0)), code_variable: None } -> undo
            intermediateThrowEvent undo Compensate { activity: Some("pay"), wait: true } -> stop
            endEvent stop Terminate"#]],
    );
}

#[test]
fn an_event_sub_process_stands_alone() {
    check(
        "start > a:job > end; stop:event{ begin:start(error, non-interrupting) > over:end }",
        expect![[r#"
            startEvent start -> a
            serviceTask a -> end
            endEvent end
            subProcess stop
            startEvent begin in stop Error { error: None, code_variable: None, message_variable: None } -> over
            endEvent over in stop"#]],
    );
}

#[test]
fn mistakes_are_explained_with_their_place() {
    for (text, expected) in [
        (
            "start > pick",
            expect![
                "1:9: `pick` is not introduced in this scope (notation) -> introduce it once with its kind, such as `pick:job`"
            ],
        ),
        (
            "start > pick:jobb > end",
            expect![
                "1:9: `jobb` is not a kind (notation) -> one of job, send, script, scriptjob, user, manual, task, rule, receive, call, xor, and, or, event, complex, timer, message, signal, condition, link, catch, throw, start, end, or `{ … }`"
            ],
        ),
        (
            "start > pick:job(tpye=x) > end",
            expect![
                "1:18: `job` has no argument `tpye=x` (notation) -> it knows: in, out, header, priority, compensation, each, seq, times, collect, until, while, max, type, retries"
            ],
        ),
        (
            "start > pick:job(type=x > end",
            expect![[
                r#"1:17: this `(` is not closed (notation) -> close it with `)`, and the strings inside with `"`"#
            ]],
        ),
        (
            "start > (a:job | b:job > end",
            expect!["1:29: the text ends (notation) -> write `|` or `)` here"],
        ),
        (
            "start > a:job > a:job > end",
            expect!["1:17: the id `a` is used twice (notation) -> give it another id"],
        ),
        (
            "start >\n  > end",
            expect!["2:3: found `>` (notation) -> write an element such as `pick:job` here"],
        ),
        (
            "start > x:xor > ([else] a:job | [else] b:job) > end",
            expect![
                "1:33: `x` has two default flows (notation) -> write `[else]` before one branch only"
            ],
        ),
        (
            "start > a:job > end; b@timer(PT1H) > end",
            expect![
                "1:22: there is no activity `b` in this scope (notation) -> attach the boundary event to an activity beside it"
            ],
        ),
        (
            "start > s:script(1 + 1) > end",
            expect![
                "1:9: `script` says no variable for its result (notation) -> write `script(expression -> variable)`"
            ],
        ),
        (
            "",
            expect!["1:1: the text ends (notation) -> write an element such as `pick:job` here"],
        ),
        (
            "start > sub:{ a:job } > a",
            expect![
                "1:25: `a` is not introduced in this scope (notation) -> introduce it once with its kind, such as `pick:job`"
            ],
        ),
        (
            "start > x:foo{ a:job }",
            expect![
                "1:9: `foo` has nothing inside (notation) -> write `{ … }`, `event{ … }`, `transaction{ … }` or `adhoc{ … }`"
            ],
        ),
        (
            "start > a:job(collect x = y)",
            expect![
                "1:9: it does not repeat (notation) -> write `each item in items` before `collect` and `until`"
            ],
        ),
    ] {
        check(text, expected);
    }
}
