//! What keeps a model from being executed: each rule with its code, its element and its remedy.

use super::{compile, compile_frozen};
use crate::process::Symbols;
use botswain_bpmn::{Element, Kind, Limits, Model, Problem, build, read};
use expect_test::{Expect, expect};

fn said(problems: &[Problem]) -> String {
    let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
    lines.join("\n")
}

fn refused(model: &Model, expected: Expect) {
    let problems = compile(model).err().unwrap_or_default();
    for problem in &problems {
        assert!(!problem.remedy.is_empty(), "{problem}");
    }
    expected.assert_eq(&said(&problems));
}

#[track_caller]
fn check(model: &str, expected: Expect) {
    refused(&build(model), expected);
}

/// The content of a process as XML, for what the notation does not say.
#[track_caller]
fn check_xml(inside: &str, expected: Expect) {
    let xml = format!(
        "<b:definitions xmlns:b='http://www.omg.org/spec/BPMN/20100524/MODEL' xmlns:zeebe='http://camunda.org/schema/zeebe/1.0'>\
         <b:message id='m'/><b:message id='named' name='n'/><b:error id='err' errorCode=''/>\
         <b:process id='p' isExecutable='true'>\n{inside}\n</b:process></b:definitions>"
    );
    let model = read(xml.as_bytes(), &Limits::default()).unwrap_or_else(|p| panic!("{}", said(&p)));
    refused(&model, expected);
}

fn changed(text: &str, id: &str, change: impl FnOnce(&mut Element)) -> Model {
    let mut model = build(text);
    let idx = model.processes[0].find(id).unwrap();
    change(&mut model.processes[0].elements[idx.0 as usize]);
    model
}

#[test]
fn every_problem_is_said_at_once() {
    check(
        "start > a:job(type==1 +) > b:job(retries=many) > g:xor > (c:call(x) | d:job) > end; a@s:signal(s) > e2:end",
        expect![[r#"
            a: failed to parse the job type `=1 +`, line 1, column 4: expected a value but found the end (feel-syntax) -> correct the expression
            b: the number of retries is 'many', expected a whole number (invalid-retries) -> write a whole number, or an expression that gives one
            g_to_c: must have a condition or be the default flow of 'g' (missing-condition) -> add a condition, or mark the flow as default
            g_to_d: must have a condition or be the default flow of 'g' (missing-condition) -> add a condition, or mark the flow as default
            c: the element 'callActivity' is currently not supported (unsupported-element) -> replace it by supported elements
            s: a signal boundary event is currently not supported (unsupported-element) -> use a timer, message or error boundary event"#]],
    );
}

#[test]
fn a_model_needs_something_to_execute() {
    let mut model = build("start > end");
    model.processes[0].executable = false;
    refused(
        &model,
        expect![[
            r#"must contain at least one executable process (no-executable-process) -> set isExecutable="true" at the process that is meant to run"#
        ]],
    );
    check(
        "a:job > end",
        expect![
            "process: must have exactly one start event, and has none (missing-start-event) -> add a start event without a trigger"
        ],
    );
    check(
        "start > end; start2:start > end",
        expect![[
            r#"process: multiple none start events are not allowed (several-start-events) -> keep one start event without a trigger, and lead the flow from it"#
        ]],
    );
    check(
        "start > s:{ a:job > end } > end",
        expect![
            "s: must have exactly one start event, and has none (missing-start-event) -> add a start event without a trigger"
        ],
    );
}

#[test]
fn flows_stay_in_their_scope_and_respect_events() {
    let mut model = build("start > s:{ start > a:job > end } > b:job > end");
    let process = &mut model.processes[0];
    let (b, flow) = (process.find("b").unwrap(), 0);
    let inside = process
        .flows
        .iter()
        .position(|flow| flow.parent.is_some())
        .unwrap_or(flow);
    process.flows[inside].target = b;
    refused(
        &model,
        expect![[
            r#"s.start_to_a: leads from 's.start' to 'b', and they are not in the same process or sub-process (flow-leaves-scope) -> let the flow end in its scope, and go on from the sub-process itself"#
        ]],
    );
    check_xml(
        "<b:startEvent id='s'><b:incoming>f2</b:incoming><b:outgoing>f1</b:outgoing></b:startEvent><b:endEvent id='e'><b:incoming>f1</b:incoming><b:outgoing>f2</b:outgoing></b:endEvent>\
         <b:sequenceFlow id='f1' sourceRef='s' targetRef='e'/><b:sequenceFlow id='f2' sourceRef='e' targetRef='s'/>",
        expect![[r#"
            2:1: s: a start event must not have incoming sequence flows (incoming-at-start) -> lead the flow to the element after the start event
            2:91: e: an end event must not have outgoing sequence flows (outgoing-at-end) -> make it an intermediate event, or remove the flow"#]],
    );
    check_xml(
        "<b:startEvent id='s'><b:outgoing>f1</b:outgoing></b:startEvent><b:exclusiveGateway id='g'><b:incoming>f1</b:incoming><b:outgoing>f2</b:outgoing></b:exclusiveGateway>\
         <b:boundaryEvent id='late' attachedToRef='g'><b:incoming>f2</b:incoming><b:timerEventDefinition><b:timeDuration>PT1H</b:timeDuration></b:timerEventDefinition></b:boundaryEvent>\
         <b:sequenceFlow id='f1' sourceRef='s' targetRef='g'/><b:sequenceFlow id='f2' sourceRef='g' targetRef='late'/>",
        expect![[r#"
            2:166: late: a boundary event must not have incoming sequence flows (incoming-at-boundary) -> lead the flow to the element after the boundary event
            2:166: late: must be attached to an activity, and 'g' is of the kind 'exclusiveGateway' (attached-to-no-activity) -> attach it to a task, a sub-process or a call activity"#]],
    );
    let model = changed("start > a:job > b:job > end", "start", |start| {
        start.default_flow = Some(botswain_bpmn::FlowIdx(2));
    });
    refused(
        &model,
        expect![[
            r#"start: its default flow 'b_to_end' does not begin here (default-flow-elsewhere) -> name one of its own outgoing flows"#
        ]],
    );
}

#[test]
fn events_say_what_they_wait_for() {
    check_xml(
        "<b:startEvent id='s'><b:outgoing>f1</b:outgoing></b:startEvent>\
         <b:intermediateCatchEvent id='none'><b:incoming>f1</b:incoming></b:intermediateCatchEvent>\
         <b:intermediateCatchEvent id='unset'><b:timerEventDefinition/></b:intermediateCatchEvent>\
         <b:intermediateCatchEvent id='cyclic'><b:timerEventDefinition><b:timeCycle>R/PT1H</b:timeCycle></b:timerEventDefinition></b:intermediateCatchEvent>\
         <b:intermediateCatchEvent id='wrong'><b:timerEventDefinition><b:timeDuration>soon</b:timeDuration></b:timerEventDefinition></b:intermediateCatchEvent>\
         <b:intermediateCatchEvent id='which'><b:messageEventDefinition/></b:intermediateCatchEvent>\
         <b:intermediateCatchEvent id='unnamed'><b:messageEventDefinition messageRef='m'/></b:intermediateCatchEvent>\
         <b:receiveTask id='keyless' messageRef='named'/>\
         <b:endEvent id='codeless'><b:errorEventDefinition errorRef='err'/></b:endEvent>\
         <b:task id='t'/>\
         <b:boundaryEvent id='soft' attachedToRef='t' cancelActivity='false'><b:errorEventDefinition/></b:boundaryEvent>\
         <b:boundaryEvent id='empty' attachedToRef='t'><b:errorEventDefinition errorRef='err'/></b:boundaryEvent>\
         <b:sequenceFlow id='f1' sourceRef='s' targetRef='none'/>",
        expect![[r#"
            2:64: none: must have exactly one event definition, and has 0 (event-definitions) -> keep one event definition
            2:154: unset: a timer must have a time date, a time duration or a time cycle (missing-timer) -> say when the timer fires
            2:243: cyclic: a time cycle is only allowed where the event doesn't interrupt: at a non-interrupting boundary event (timer-cycle) -> use a time duration or a time date
            2:390: wrong: `soon` is not an ISO 8601 duration such as PT15M or P1DT2H: a duration begins with P (invalid-timer) -> correct the time, or compute it with an expression
            2:540: which: must reference a message (missing-message) -> choose or create the message that is awaited
            2:631: unnamed: the message 'm' must have a name (missing-message-name) -> name the message
            2:631: unnamed: the message 'm' must have exactly one zeebe:subscription extension element (missing-correlation-key) -> give the message a subscription correlation key
            2:739: keyless: the message 'named' must have exactly one zeebe:subscription extension element (missing-correlation-key) -> give the message a subscription correlation key
            2:787: codeless: an error end event must refer to an error, and its errorCode must be present and not empty (missing-error-code) -> choose an error with a code
            2:882: soft: an error boundary event must be interrupting (error-boundary-not-interrupting) -> remove cancelActivity="false""#]],
    );
}

#[test]
fn tasks_say_who_works() {
    check_xml(
        "<b:startEvent id='s'/><b:serviceTask id='typeless'/><b:sendTask id='send'/><b:businessRuleTask id='rule'/><b:scriptTask id='script'/>\
         <b:serviceTask id='wrong'><b:extensionElements><zeebe:taskDefinition type='=a b c' retries='often'/></b:extensionElements></b:serviceTask>",
        expect![[r#"
            2:23: typeless: must have exactly one 'zeebe:taskDefinition' extension element with a type (missing-task-definition) -> set the type of the job that does the work
            2:53: send: must have exactly one 'zeebe:taskDefinition' extension element with a type (missing-task-definition) -> set the type of the job that does the work
            2:76: rule: must have exactly one 'zeebe:taskDefinition' extension element with a type (missing-task-definition) -> set the type of the job that does the work
            2:107: script: must have exactly one 'zeebe:taskDefinition' extension element with a type (missing-task-definition) -> set the type of the job that does the work
            2:134: wrong: failed to parse the job type `=a b c`, line 1, column 3: expected an operator or the end but found 'b' (feel-syntax) -> correct the expression
            2:134: wrong: the number of retries is 'often', expected a whole number (invalid-retries) -> write a whole number, or an expression that gives one"#]],
    );
    check(
        "start > a:script(1 +* 2 -> r) > end",
        expect![[
            r#"a: failed to parse the script `=1 +* 2`, line 1, column 4: expected a value but found '*' (feel-syntax) -> correct the expression"#
        ]],
    );
    check(
        "start > a:job(in x.. = 1, out y = nonsense() ) > end",
        expect![[r#"
            a: the target 'x..' of an input mapping is not a variable path (invalid-target) -> name a variable, or a path such as customer.address
            a: failed to parse the source of the output mapping to 'y' `=nonsense()`, line 1, column 1: unknown function 'nonsense' (feel-syntax) -> correct the expression"#]],
    );
    check(
        "start > a:user(assignee==f(x), priority=high) > end",
        expect![[
            r#"a: failed to parse the assignee `=f(x)`, line 1, column 1: unknown function 'f' (feel-syntax) -> correct the expression"#
        ]],
    );
}

#[test]
fn gateways_know_their_way() {
    check(
        "start > g:xor > ([x] a:job | b:job | c:job) > m:xor > end",
        expect![[r#"
            g_to_b: must have a condition or be the default flow of 'g' (missing-condition) -> add a condition, or mark the flow as default
            g_to_c: must have a condition or be the default flow of 'g' (missing-condition) -> add a condition, or mark the flow as default"#]],
    );
    // A parallel gateway takes all of its flows, whatever is written at them.
    check(
        "start > g:and > ([x] a:job | b:job) > m:and > end",
        expect![[r#""#]],
    );
    check(
        "start > g:xor > ([x y] a:job | [else] b:job) > m:xor > end",
        expect![[
            r#"g_to_a: failed to parse the condition `=x y`, line 1, column 3: expected an operator or the end but found 'y' (feel-syntax) -> correct the expression"#
        ]],
    );
}

#[test]
fn repetitions_say_over_what() {
    check(
        "start > a:job(times 3) > end",
        expect![[
            r#"a: a multi-instance activity must have an input collection (missing-input-collection) -> set zeebe:loopCharacteristics inputCollection to an expression that gives a list"#
        ]],
    );
    check(
        "start > a:job(while x) > end",
        expect![[
            r#"a: the standard loop marker is currently not supported (unsupported-element) -> draw the loop with an exclusive gateway"#
        ]],
    );
    check(
        "start > a:job(each x in y z) > end",
        expect![[
            r#"a: failed to parse the input collection `=y z`, line 1, column 3: expected an operator or the end but found 'z' (feel-syntax) -> correct the expression"#
        ]],
    );
    let model = changed(
        "start > a:job(each x in y, collect r = x) > end",
        "a",
        |a| {
            if let Some(botswain_bpmn::Loop::MultiInstance(multi)) = &mut a.repeats {
                multi.output_element = None;
            }
        },
    );
    refused(
        &model,
        expect![[
            r#"a: the output collection and the output element belong together, and one of them is missing (incomplete-output-collection) -> set both, or none"#
        ]],
    );
    let mut repeats = None;
    changed("start > a:job(each x in y) > end", "a", |a| {
        repeats = a.repeats.clone();
    });
    let model = changed("start > end", "end", |end| end.repeats = repeats);
    refused(
        &model,
        expect![
            "end: an element of the kind 'endEvent' cannot carry a loop marker, only activities can (repeated-no-activity) -> put it into a sub-process that carries the marker"
        ],
    );
}

#[test]
fn what_is_not_executed_is_refused_by_name() {
    check(
        "start > a:call(other) > g:or > (b:transaction{ start > end } | c:adhoc{ x:job } | d:throw(signal=s)) > h:event > (t:timer(PT1H) | s:signal(s)) > k:end(escalation=e); w:event{ begin:start(timer=PT1H) > end }",
        expect![[r#"
            a: the element 'callActivity' is currently not supported (unsupported-element) -> replace it by supported elements
            g: the element 'inclusiveGateway' is currently not supported (unsupported-element) -> replace it by supported elements
            b: the element 'transaction' is currently not supported (unsupported-element) -> replace it by supported elements
            c: the element 'adHocSubProcess' is currently not supported (unsupported-element) -> replace it by supported elements
            d: a signal throw event is currently not supported (unsupported-element) -> use a message throw event or a task
            h: the element 'eventBasedGateway' is currently not supported (unsupported-element) -> replace it by supported elements
            s: a signal catch event is currently not supported (unsupported-element) -> use a timer or message catch event
            k: an escalation end event is currently not supported (unsupported-element) -> use a none, message, error or terminate end event
            w: an event sub-process is currently not supported (unsupported-element) -> use a boundary event at an embedded sub-process
            begin: a timer start event is currently not supported (unsupported-element) -> start with a none start event"#]],
    );
    check(
        "begin:start(message=m, key=k) > end",
        expect![[
            r#"begin: a message start event is currently not supported (unsupported-element) -> start with a none start event"#
        ]],
    );
    let model = changed("start > a:job > b:task > end", "a", |a| {
        a.for_compensation = true;
        a.start_quantity = 2;
    });
    refused(
        &model,
        expect![[r#"
        a: a compensation handler is currently not supported (unsupported-element) -> model the undo as an ordinary path
        a: a start or completion quantity other than 1 is currently not supported (unsupported-element) -> leave the quantity at 1"#]],
    );
    check(
        "start > a:job(priority=50) > r:rule(decide -> x) > end",
        expect![[r#"
            a: a job priority is currently not supported (unsupported-element) -> remove zeebe:jobPriorityDefinition
            r: a called decision is currently not supported (unsupported-element) -> give the business rule task a zeebe:taskDefinition"#]],
    );
}

#[test]
fn a_hundred_problems_are_enough() {
    let tasks: Vec<String> = (0..150).map(|n| format!("g{n}:complex(x)")).collect();
    let problems = compile(&build(&format!("start > {} > end", tasks.join(" > ")))).unwrap_err();
    assert_eq!(problems.len(), 101);
    expect![[r#"problems left out here: 50 (more-problems) -> correct the ones above first"#]]
        .assert_eq(&problems[100].to_string());
}

#[test]
fn a_stored_version_is_compiled_with_its_own_symbols() {
    let model = build("start > a:job(each x in y) > end");
    let process = compile(&model).unwrap().remove(0);
    let again = compile_frozen(&model, "process", process.symbols()).unwrap();
    assert_eq!(again.symbols(), process.symbols());
    // Another build may number its nodes in another order: symbols keep their meaning.
    let mut turned = process.symbols().clone();
    turned.0.reverse();
    let other = compile_frozen(&model, "process", &turned).unwrap();
    for node in other.nodes() {
        assert_eq!(turned.0[node.symbol.0 as usize].id, node.id);
        assert_eq!(other.named(node.symbol).id, node.id);
    }
    let lacking = Symbols(process.symbols().0[1..].to_vec());
    let problems = compile_frozen(&model, "process", &lacking).unwrap_err();
    expect![[r#"process: the stored symbol table lacks 'process' (Process) (unknown-symbol) -> run the build that deployed this version, or deploy the model again"#]].assert_eq(&said(&problems));
    let problems = compile_frozen(&model, "gone", process.symbols()).unwrap_err();
    expect![[r#"gone: the stored model has no process 'gone' (missing-process) -> restore the data folder from a backup"#]].assert_eq(&said(&problems));
}

#[test]
fn a_large_model_compiles() {
    let tasks: Vec<String> = (0..20_000).map(|n| format!("t{n}:task")).collect();
    let text = format!("start > {} > end", tasks.join(" > "));
    let mut model = build(&text);
    assert_eq!(compile(&model).unwrap()[0].nodes().len(), 20_003);
    // A sub-process and a boundary event in every place.
    for element in &mut model.processes[0].elements {
        if matches!(element.kind, Kind::Task) {
            element.kind = Kind::ParallelGateway;
        }
    }
    assert!(compile(&model).is_ok());
}
