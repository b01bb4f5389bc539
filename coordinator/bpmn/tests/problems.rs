//! What is wrong with a file is said with its code, its element, its place, its cause and its remedy; all of it at once.

use botswain_bpmn::{Limits, Problem, read};
use expect_test::{Expect, expect};

fn problems_of(xml: &[u8], limits: &Limits) -> Vec<Problem> {
    read(xml, limits).err().unwrap_or_default()
}

/// Reads `inside` as the content of a process, from line 2.
fn check(inside: &str, expected: Expect) {
    let xml = format!(
        "<b:definitions xmlns:b='http://www.omg.org/spec/BPMN/20100524/MODEL' xmlns:zeebe='http://camunda.org/schema/zeebe/1.0'><b:process id='p'>\n{inside}\n</b:process></b:definitions>"
    );
    check_document(&xml, &Limits::default(), expected);
}

fn check_document(xml: &str, limits: &Limits, expected: Expect) {
    let lines: Vec<String> = problems_of(xml.as_bytes(), limits)
        .iter()
        .map(ToString::to_string)
        .collect();
    expected.assert_eq(&lines.join("\n"));
}

fn document(xml: &str, expected: Expect) {
    check_document(xml, &Limits::default(), expected);
}

#[test]
fn every_problem_is_reported_at_once() {
    check(
        "<b:task/>\n<b:task id='a'/> <b:task id='a'/>\n<b:sequenceFlow id='f' sourceRef='a' targetRef='nowhere'/>\n<b:tsk id='x'/>",
        expect![[r#"
            2:1: `task` has no id (missing-id) -> give it an id that is unique in the file
            3:18: a: the id is used twice, first in line 3 (duplicate-id) -> give one of the two another id
            4:1: f: `targetRef` names `nowhere`, which is not an element of the process `p` (unknown-reference) -> name an event, activity or gateway of the same process
            5:1: x: BPMN 2.0 has no element `tsk` (unknown-element) -> correct its name, or remove it"#]],
    );
}

#[test]
fn ids_are_given_and_unique() {
    check(
        "<b:task name='no id'/>",
        expect!["2:1: `task` has no id (missing-id) -> give it an id that is unique in the file"],
    );
    check(
        "<b:task id='p'/>",
        expect![
            "2:1: p: the id is used twice, first in line 1 (duplicate-id) -> give one of the two another id"
        ],
    );
}

#[test]
fn references_name_what_there_is() {
    check(
        "<b:boundaryEvent id='late' attachedToRef='gone'><b:timerEventDefinition/></b:boundaryEvent>",
        expect![
            "2:1: late: `attachedToRef` names `gone`, which is not an element of the process `p` (unknown-reference) -> name an event, activity or gateway of the same process"
        ],
    );
    check(
        "<b:boundaryEvent id='late'><b:timerEventDefinition/></b:boundaryEvent>",
        expect![
            "2:1: late: `boundaryEvent` has no `attachedToRef` (missing-attribute) -> add the attribute `attachedToRef`"
        ],
    );
    check(
        "<b:receiveTask id='a' messageRef='gone'/>",
        expect![
            "2:1: a: `messageRef` names the message `gone`, which the file does not define (unknown-reference) -> define the message at the root of the file, or correct the reference"
        ],
    );
    check(
        "<b:endEvent id='a'><b:errorEventDefinition errorRef='gone'/></b:endEvent>",
        expect![
            "2:20: a: `errorRef` names the error `gone`, which the file does not define (unknown-reference) -> define the error at the root of the file, or correct the reference"
        ],
    );
    check(
        "<b:endEvent id='a'><b:signalEventDefinition signalRef='gone'/></b:endEvent>",
        expect![
            "2:20: a: `signalRef` names the signal `gone`, which the file does not define (unknown-reference) -> define the signal at the root of the file, or correct the reference"
        ],
    );
    check(
        "<b:endEvent id='a'><b:escalationEventDefinition escalationRef='gone'/></b:endEvent>",
        expect![
            "2:20: a: `escalationRef` names the escalation `gone`, which the file does not define (unknown-reference) -> define the escalation at the root of the file, or correct the reference"
        ],
    );
    check(
        "<b:endEvent id='a'><b:eventDefinitionRef>gone</b:eventDefinitionRef></b:endEvent>",
        expect![
            "2:20: a: `eventDefinitionRef` names the event definition `gone`, which the file does not define (unknown-reference) -> define it at the root of the file, or write it inside of the event"
        ],
    );
    check(
        "<b:exclusiveGateway id='a' default='gone'/>",
        expect![
            "2:1: a: the default flow `gone` does not leave this element (unknown-reference) -> name one of its outgoing flows"
        ],
    );
    check(
        "<b:sequenceFlow id='f' sourceRef='a'/>",
        expect![[r#"
        2:1: f: `sequenceFlow` has no `targetRef` (missing-attribute) -> add the attribute `targetRef`
        2:1: f: `sourceRef` names `a`, which is not an element of the process `p` (unknown-reference) -> name an event, activity or gateway of the same process"#]],
    );
}

#[test]
fn values_are_of_their_kind() {
    check(
        "<b:subProcess id='a' triggeredByEvent='yes'/>",
        expect!["2:1: a: `triggeredByEvent` is `yes` (invalid-value) -> write `true` or `false`"],
    );
    check(
        "<b:task id='a' startQuantity='0' completionQuantity='many'/>",
        expect![[r#"
            2:1: a: `startQuantity` is `0` (invalid-value) -> write a whole number from 1
            2:1: a: `completionQuantity` is `many` (invalid-value) -> write a whole number from 1"#]],
    );
    check(
        "<b:eventBasedGateway id='a' eventGatewayType='Both'/>",
        expect![
            "2:1: a: `eventGatewayType` is `Both` (invalid-value) -> write one of Exclusive, Parallel"
        ],
    );
    check(
        "<b:startEvent id='a'><b:timerEventDefinition><b:timeDate>x</b:timeDate><b:timeCycle>y</b:timeCycle></b:timerEventDefinition></b:startEvent>",
        expect![
            "2:22: a: the timer has more than one of date, duration and cycle (invalid-value) -> keep one of them"
        ],
    );
    document(
        "<definitions xmlns='http://www.omg.org/spec/BPMN/20100524/MODEL' xmlns:di='http://www.omg.org/spec/BPMN/20100524/DI' xmlns:dc='http://www.omg.org/spec/DD/20100524/DC'>\n<di:BPMNDiagram><di:BPMNPlane><di:BPMNShape bpmnElement='a' isExpanded='?'><dc:Bounds x='left' y='NaN' width='1' height='1'/></di:BPMNShape></di:BPMNPlane></di:BPMNDiagram></definitions>",
        expect![[r#"
            2:31: a: `isExpanded` is `?` (invalid-value) -> write `true` or `false`
            2:76: a: `x` of `Bounds` is `left`, which is not a number (invalid-value) -> write a number such as `160` or `82.5`
            2:76: a: `y` of `Bounds` is `NaN`, which is not a number (invalid-value) -> write a number such as `160` or `82.5`"#]],
    );
}

#[test]
fn extension_elements_say_what_they_must_once() {
    let task = |inside: &str| {
        format!(
            "<b:serviceTask id='a'><b:extensionElements>{inside}</b:extensionElements></b:serviceTask>"
        )
    };
    check(
        &task("<zeebe:taskDefinition retries='1'/>"),
        expect![
            "2:44: a: `taskDefinition` has no `type` (missing-attribute) -> add the attribute `type`"
        ],
    );
    check(
        &task("<zeebe:taskDefinition type='a'/><zeebe:taskDefinition type='b'/>"),
        expect![
            "2:76: a: `zeebe:taskDefinition` stands twice (duplicate-extension) -> keep one of them"
        ],
    );
    check(
        &task("<zeebe:ioMapping><zeebe:input source='=1'/></zeebe:ioMapping>"),
        expect![
            "2:61: a: `input` has no `target` (missing-attribute) -> add the attribute `target`"
        ],
    );
    check(
        &task("<zeebe:ioMapping><zeebe:output target='x'/></zeebe:ioMapping>"),
        expect![
            "2:61: a: `output` has no `source` (missing-attribute) -> add the attribute `source`"
        ],
    );
    check(
        &task("<zeebe:taskHeaders><zeebe:header value='1'/></zeebe:taskHeaders>"),
        expect!["2:63: a: `header` has no `key` (missing-attribute) -> add the attribute `key`"],
    );
    check(
        &task(
            "<zeebe:executionListeners><zeebe:executionListener eventType='middle' type='x'/></zeebe:executionListeners>",
        ),
        expect![
            "2:70: a: the event of an execution listener is `middle` (invalid-value) -> write `start`, `end`, `beforeAll` or `cancel`"
        ],
    );
    check(
        &task(
            "<zeebe:taskListeners><zeebe:taskListener eventType='noticing' type='x'/></zeebe:taskListeners>",
        ),
        expect![
            "2:65: a: the event of a task listener is `noticing` (invalid-value) -> write `creating`, `assigning`, `updating`, `completing` or `canceling`"
        ],
    );
    check(
        "<b:callActivity id='a'><b:extensionElements><zeebe:calledElement processId='x' bindingType='versionTag'/></b:extensionElements></b:callActivity>
         <b:callActivity id='c'><b:extensionElements><zeebe:calledElement processId='x' bindingType='newest'/></b:extensionElements></b:callActivity>",
        expect![[r#"
            2:45: a: the binding is `versionTag`, but there is no `versionTag` (missing-attribute) -> add the attribute `versionTag`
            3:54: c: the binding is `newest` (invalid-value) -> write `latest`, `deployment` or `versionTag`"#]],
    );
}

#[test]
fn only_elements_of_bpmn_stand_in_a_process() {
    check(
        "<b:servicetask id='a'/>",
        expect![
            "2:1: a: BPMN 2.0 has no element `servicetask` (unknown-element) -> correct its name, or remove it"
        ],
    );
    check(
        "<b:choreographyTask id='a'/>",
        expect![
            "2:1: a: `choreographyTask` can't stand in a process (unknown-element) -> use an event, an activity or a gateway"
        ],
    );
    check(
        "<b:implicitThrowEvent id='a'/>",
        expect![
            "2:1: a: `implicitThrowEvent` can't stand in a process (unknown-element) -> use a start, end, boundary, intermediate catch or intermediate throw event"
        ],
    );
    check(
        "<b:startEvent id='a'><b:fooEventDefinition/></b:startEvent>",
        expect![[r#"
            2:22: BPMN 2.0 has no element `fooEventDefinition` (unknown-element) -> correct its name, or remove it
            2:22: a: `fooEventDefinition` is not a kind of event (unknown-element) -> use a timer, message, signal, error, escalation, conditional, link, compensate, terminate or cancel event"#]],
    );
}

#[test]
fn documents_are_xml_and_bpmn() {
    document(
        "",
        expect!["1:1: there is no XML element (malformed-xml) -> send a BPMN 2.0 XML document"],
    );
    document(
        "no xml",
        expect!["1:1: there is text outside of the root element (malformed-xml) -> remove it"],
    );
    document(
        "<a><b></a>",
        expect![
            "1:7: ill-formed document: expected `</b>`, but `</a>` was found (malformed-xml) -> correct the XML at this place"
        ],
    );
    document(
        "<a>\n  <b>",
        expect!["2:6: `b` is not closed (malformed-xml) -> complete the document"],
    );
    document(
        "<a/><b/>",
        expect!["1:5: there is a second root element (malformed-xml) -> keep one `definitions`"],
    );
    document(
        "<a x='1' x='2'/>",
        expect!["1:1: the attribute `x` stands twice (malformed-xml) -> keep one of them"],
    );
    document(
        "<a x=1/>",
        expect![[
            r#"1:1: position 4: attribute value must be enclosed in `"` or `'` (malformed-xml) -> correct the attribute"#
        ]],
    );
    document(
        "<x:a/>",
        expect![[
            r#"1:1: the namespace prefix `x` is not declared (unknown-prefix) -> declare it: `xmlns:x="…"`"#
        ]],
    );
    document(
        "<a xmlns:x=''/>",
        expect![
            "1:1: the namespace prefix `x` can't stand for `` (malformed-xml) -> correct the namespace"
        ],
    );
    document(
        "<a>\u{1}</a>",
        expect![
            "1:4: a character that XML does not allow (malformed-xml) -> remove the control character"
        ],
    );
    document(
        "<a>&#1;</a>",
        expect!["1:4: a character that XML does not allow (malformed-xml) -> remove it"],
    );
    document(
        "<a x='&#xFFFF;'/>",
        expect!["1:1: a character that XML does not allow (malformed-xml) -> remove it"],
    );
    document(
        "<html/>",
        expect![
            "1:1: the document is `html`, not BPMN 2.0 definitions (not-bpmn) -> send BPMN 2.0 XML: `definitions` in the namespace http://www.omg.org/spec/BPMN/20100524/MODEL"
        ],
    );
    document(
        "<definitions/>",
        expect![
            "1:1: `definitions` has no namespace (not-bpmn) -> send BPMN 2.0 XML: `definitions` in the namespace http://www.omg.org/spec/BPMN/20100524/MODEL"
        ],
    );
    document(
        "<definitions xmlns='http://www.omg.org/spec/DMN/20180521/MODEL/'/>",
        expect![
            "1:1: `definitions` has the namespace `http://www.omg.org/spec/DMN/20180521/MODEL/`, which is not BPMN 2.0's (not-bpmn) -> send BPMN 2.0 XML: `definitions` in the namespace http://www.omg.org/spec/BPMN/20100524/MODEL"
        ],
    );
    expect!["1:1: byte 4 is not UTF-8 (encoding) -> save the document as UTF-8"]
        .assert_eq(&problems_of(b"<a>\xFF</a>", &Limits::default())[0].to_string());
}

#[test]
fn entities_and_document_types_are_refused() {
    document(
        "<!DOCTYPE a [<!ENTITY x 'y'>]><a>&x;</a>",
        expect![
            "1:1: the document has a DOCTYPE (doctype) -> remove it: entities and DTDs are not read"
        ],
    );
    document(
        "<a>&x;</a>",
        expect!["1:4: the entity `&x;` is not known (unknown-entity) -> write the text itself"],
    );
    document(
        "<a b='&x;'/>",
        expect!["1:1: at 1..2: unrecognized entity `x` (unknown-entity) -> write the text itself"],
    );
}

#[test]
fn limits_are_kept() {
    let limits = |change: fn(&mut Limits)| {
        let mut limits = Limits::default();
        change(&mut limits);
        limits
    };
    check_document(
        "<a>12345</a>",
        &limits(|limits| limits.bytes_max = 10),
        expect![
            "1:1: the document has 12 bytes, more than 10 (too-large) -> divide the model, or raise the limit for bytes"
        ],
    );
    check_document(
        "<a><b><c/></b></a>",
        &limits(|limits| limits.depth_max = 2),
        expect![
            "1:7: XML elements are nested deeper than 2 (too-deep) -> nest less, or raise the limit for depth"
        ],
    );
    check_document(
        "<a><b/><c/></a>",
        &limits(|limits| limits.elements_max = 2),
        expect![
            "1:8: there are more than 2 XML elements (too-many-elements) -> divide the model, or raise the limit for elements"
        ],
    );
    let many: String = (0..300).map(|count| format!(" a{count}=''")).collect();
    check_document(
        &format!("<a{many}/>"),
        &Limits::default(),
        expect![
            "1:1: an XML element has more than 256 attributes (too-many-attributes) -> use fewer attributes"
        ],
    );
    let many: String = (0..9).map(|count| format!(" a{count}=''")).collect();
    check_document(
        &format!("<a{many}/>"),
        &limits(|limits| limits.elements_max = 2),
        expect![
            "1:1: there are more than 8 XML attributes (too-many-attributes) -> divide the model, or raise the limit for elements"
        ],
    );
    let many: String = (0..200)
        .map(|count| format!(" xmlns:a{count}='x'"))
        .collect();
    check_document(
        &format!("<a{many}><b{many}/></a>"),
        &Limits::default(),
        expect![
            "1:2894: more than 256 namespace prefixes are in use at once (too-many-attributes) -> declare each namespace once, at the root"
        ],
    );
    check_document(
        "<b:definitions xmlns:b='http://www.omg.org/spec/BPMN/20100524/MODEL'><b:process id='p'><b:task/><b:task/><b:task/></b:process></b:definitions>",
        &limits(|limits| limits.problems_max = 2),
        expect![[r#"
            1:88: `task` has no id (missing-id) -> give it an id that is unique in the file
            1:97: `task` has no id (missing-id) -> give it an id that is unique in the file
            problems left out here: 1 (more-problems) -> correct the ones above first"#]],
    );
}
