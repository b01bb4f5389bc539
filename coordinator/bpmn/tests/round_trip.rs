//! Processes that were built are written, read, and still the same.

use botswain_bpmn::{Limits, Model, build, read, write};
use proptest::prelude::*;

fn same_when_read_again(model: &Model) {
    let written = write(model);
    let again = read(written.as_bytes(), &Limits::default());
    assert_eq!(again.as_ref(), Ok(model), "{written}");
    assert_eq!(again.map(|again| write(&again)), Ok(written));
}

#[test]
fn everything_that_the_notation_can_say_survives() {
    for text in [
        "start > end",
        "start > fork:and > (pick:job(type=x, retries=2, priority=5) | pack:send | s:scriptjob) > join:and > end",
        "start > big:xor > ([amount > 100 and name = \"<&>\"] check:user | [else]) > checked:or > end",
        "start > sub:{ start > a:job > inner:{ start > end } > end } > t:transaction{ start > end } > h:adhoc(done=x, sequential, type=y){ b:task; c:manual } > end",
        "start > pick:job > end; pick@late:timer(PT1H, non-interrupting) > remind:job > end; pick@error(SOLD-OUT) > sorry:end(error=NO-ORDER)",
        "start > pay:job > end; pay@compensate > refund:job",
        r#"start > pack:job(each item in order.items, collect weights = {"a": item}, in x = a + 1, out y = f(1, "),"), header k = v) > n:task(times 3) > w:task(while more, max 3) > end"#,
        r#"begin:start(message=begin, key=id) > d:timer(date==due) > c:timer(cycle="0 0 * * *") > m:message(paid, key=order.id) > s:signal(go) > w:condition(stock > 0) > end"#,
        "start > note:throw(message=sent, type=mail) > up:throw(escalation=HELP) > undo:throw(compensate=pay) > l:throw(link=there); here:link(there) > stop:end(terminate)",
        "start > a:job > end; stop:event{ begin:start(error, non-interrupting) > over:end }; other:event{ go:start(signal=x) > undo:end(compensate) }",
        "start > u:user(assignee==me, groups=sales, due==later, form=f, priority=80) > j:user(job) > rule:rule(d -> r) > c:call(other, all-out=false, tag=v1) > r:receive(paid, key=id) > end",
        "start > wait:event > (m:message(paid, key=id) > end | t:timer(PT1H) > late:end) ; k:complex(activationCount > 1)",
        "start > calc:script(1 +\n\t2 -> x) > end",
    ] {
        same_when_read_again(&build(text));
    }
}

/// A path of a few elements, nested in blocks that begin and end.
fn block(depth: u32) -> BoxedStrategy<String> {
    let leaf = prop::sample::select(vec![
        "#:job(type=x)",
        "#:task",
        "#:user",
        "#:script(a + 1 -> b)",
        "#:timer(PT1S)",
        "#:message(m, key=k)",
        "#:job(each i in list, collect r = i)",
    ]);
    leaf.prop_map(str::to_owned)
        .prop_recursive(depth, 24, 3, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 1..3).prop_map(|steps| steps.join(" > ")),
                prop::collection::vec(inner.clone(), 2..4)
                    .prop_map(|branches| format!("#:and > ({}) > #:and", branches.join(" | "))),
                (inner.clone(), inner.clone()).prop_map(|(one, two)| format!(
                    "#:xor > ([x > 1] {one} | [else] {two}) > #:xor"
                )),
                inner.prop_map(|inside| format!("#:{{ start > {inside} > end }}")),
            ]
        })
        .boxed()
}

/// Gives each element an id of its own.
fn numbered(text: &str) -> String {
    text.split('#')
        .enumerate()
        .map(|(at, piece)| {
            if at == 0 {
                piece.to_owned()
            } else {
                format!("e{at}{piece}")
            }
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_process_of_blocks_survives(text in block(4)) {
        same_when_read_again(&build(&numbered(&format!("start > {text} > end"))));
    }
}
