//! What each element of BPMN becomes in the model, and that it is written as it was read.

use botswain_bpmn::{Kind, Limits, Loop, Model, Process, read, write};
use expect_test::{Expect, expect};

const ROOT: &str = r#"
    <b:message id="paid" name="paid"><b:extensionElements><zeebe:subscription correlationKey="=order.id"/></b:extensionElements></b:message>
    <b:error id="sold-out" name="Sold out" errorCode="SOLD-OUT"/>
    <b:signal id="go" name="=kind"/>
    <b:escalation id="help" escalationCode="HELP"/>
    <b:timerEventDefinition id="daily"><b:timeCycle>R/P1D</b:timeCycle></b:timerEventDefinition>"#;

/// Reads a process with one element, and compares the element and its copy that went through the writer.
fn model(inside: &str) -> Model {
    let xml = format!(
        r#"<?xml version="1.0" encoding="UTF-8"?>
<b:definitions xmlns:b="http://www.omg.org/spec/BPMN/20100524/MODEL" xmlns:zeebe="http://camunda.org/schema/zeebe/1.0"
    xmlns:camunda="http://camunda.org/schema/1.0/bpmn" id="d" targetNamespace="t">{ROOT}
    <b:process id="p" isExecutable="true">{inside}</b:process></b:definitions>"#
    );
    let model = match read(xml.as_bytes(), &Limits::default()) {
        Ok(model) => model,
        Err(problems) => panic!(
            "{}",
            problems
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join("\n")
        ),
    };
    let written = write(&model);
    let again = read(written.as_bytes(), &Limits::default());
    assert_eq!(again.as_ref(), Ok(&model), "{written}");
    assert_eq!(again.map(|again| write(&again)), Ok(written));
    model
}

fn process(inside: &str) -> Process {
    model(inside).processes.remove(0)
}

fn kind(xml: &str, expected: Expect) {
    expected.assert_eq(&format!("{:?}", process(xml).elements[0].kind));
}

#[test]
fn tasks() {
    kind(r#"<b:task id="a"/>"#, expect!["Task"]);
    kind(r#"<b:manualTask id="a"/>"#, expect!["ManualTask"]);
    kind(
        r#"<b:serviceTask id="a"><b:extensionElements><zeebe:taskDefinition type="=kind" retries="5"/>
           <zeebe:agentDefinition agentType="x"/></b:extensionElements></b:serviceTask>"#,
        expect![[
            r#"ServiceTask { job: Some(JobDefinition { job_type: Feel("kind"), retries: Some(Literal("5")) }), agent_type: Some("x") }"#
        ]],
    );
    kind(
        r#"<b:serviceTask id="a"/>"#,
        expect!["ServiceTask { job: None, agent_type: None }"],
    );
    kind(
        r#"<b:sendTask id="a" messageRef="paid"><b:extensionElements><zeebe:publishMessage messageId="1" correlationKey="=k" timeToLive="PT1M"/>
           </b:extensionElements></b:sendTask>"#,
        expect![[
            r#"SendTask { job: None, publish: Some(PublishMessage { message_id: Some(Literal("1")), correlation_key: Some(Feel("k")), time_to_live: Some(Literal("PT1M")) }), message: Some(MessageIdx(0)) }"#
        ]],
    );
    kind(
        r#"<b:receiveTask id="a" messageRef="tns:paid" instantiate="true"/>"#,
        expect!["ReceiveTask { message: Some(MessageIdx(0)), instantiate: true }"],
    );
    kind(
        r#"<b:scriptTask id="a"><b:extensionElements><zeebe:script expression="= 1 + 1" resultVariable="two"/></b:extensionElements></b:scriptTask>"#,
        expect![[
            r#"ScriptTask { script: Some(Script { expression: Feel("1 + 1"), result_variable: "two" }), body: None, job: None }"#
        ]],
    );
    kind(
        r#"<b:scriptTask id="a" scriptFormat="js"><b:script> 1 &lt; 2 </b:script></b:scriptTask>"#,
        expect![[
            r#"ScriptTask { script: None, body: Some(ScriptBody { format: Some("js"), text: " 1 < 2 " }), job: None }"#
        ]],
    );
    kind(
        r#"<b:userTask id="a"><b:extensionElements><zeebe:userTask/><zeebe:formDefinition formId="f" bindingType="versionTag" versionTag="v1"/>
           <zeebe:assignmentDefinition assignee="=a" candidateGroups="g" candidateUsers="=[u]"/><zeebe:taskSchedule dueDate="=d"/>
           <zeebe:priorityDefinition priority="80"/></b:extensionElements></b:userTask>"#,
        expect![[
            r#"UserTask(UserTask { native: true, job: None, form: Some(FormLink { form_key: None, form_id: Some(Literal("f")), external_reference: None, binding: VersionTag(Literal("v1")) }), assignment: Some(Assignment { assignee: Some(Feel("a")), candidate_groups: Some(Literal("g")), candidate_users: Some(Feel("[u]")) }), schedule: Some(Schedule { due_date: Some(Feel("d")), follow_up_date: None }), priority: Some(Literal("80")) })"#
        ]],
    );
    kind(
        r#"<b:userTask id="a"/>"#,
        expect![
            "UserTask(UserTask { native: false, job: None, form: None, assignment: None, schedule: None, priority: None })"
        ],
    );
    kind(
        r#"<b:businessRuleTask id="a"><b:extensionElements><zeebe:calledDecision decisionId="d" resultVariable="r" bindingType="deployment"/>
           </b:extensionElements></b:businessRuleTask>"#,
        expect![[
            r#"BusinessRuleTask { decision: Some(CalledDecision { decision_id: Literal("d"), result_variable: "r", binding: Deployment }), job: None }"#
        ]],
    );
    kind(
        r#"<b:callActivity id="a"><b:extensionElements><zeebe:calledElement processId="=id" propagateAllChildVariables="false" businessId="b"/>
           </b:extensionElements></b:callActivity>"#,
        expect![[
            r#"CallActivity { called: Some(CalledElement { process_id: Feel("id"), propagate_all_child_variables: false, propagate_all_parent_variables: true, business_id: Some(Literal("b")), binding: Latest, standard: false }) }"#
        ]],
    );
    kind(
        r#"<b:callActivity id="a" calledElement="other"/>"#,
        expect![[
            r#"CallActivity { called: Some(CalledElement { process_id: Literal("other"), propagate_all_child_variables: true, propagate_all_parent_variables: true, business_id: None, binding: Latest, standard: true }) }"#
        ]],
    );
    kind(
        r#"<b:callActivity id="a"><b:extensionElements><zeebe:calledElement processIdExpression="id"/></b:extensionElements></b:callActivity>"#,
        expect![[
            r#"CallActivity { called: Some(CalledElement { process_id: Feel("id"), propagate_all_child_variables: true, propagate_all_parent_variables: true, business_id: None, binding: Latest, standard: false }) }"#
        ]],
    );
}

#[test]
fn gateways() {
    kind(
        r#"<b:exclusiveGateway id="a" gatewayDirection="Diverging"/>"#,
        expect!["ExclusiveGateway"],
    );
    kind(r#"<b:parallelGateway id="a"/>"#, expect!["ParallelGateway"]);
    kind(
        r#"<b:inclusiveGateway id="a"/>"#,
        expect!["InclusiveGateway"],
    );
    kind(
        r#"<b:eventBasedGateway id="a" instantiate="true" eventGatewayType="Parallel"/>"#,
        expect!["EventBasedGateway { instantiate: true, parallel: true }"],
    );
    kind(
        r#"<b:complexGateway id="a"><b:activationCondition>=activationCount >= 2</b:activationCondition></b:complexGateway>"#,
        expect![[r#"ComplexGateway { activation_condition: Some(Feel("activationCount >= 2")) }"#]],
    );
}

#[test]
fn events() {
    kind(
        r#"<b:startEvent id="a"><b:extensionElements><zeebe:formDefinition formKey="k"/></b:extensionElements></b:startEvent>"#,
        expect![[
            r#"StartEvent { events: [], interrupting: true, parallel_multiple: false, form: Some(FormLink { form_key: Some(Literal("k")), form_id: None, external_reference: None, binding: Latest }) }"#
        ]],
    );
    kind(
        r#"<b:startEvent id="a" isInterrupting="false" parallelMultiple="true"><b:messageEventDefinition messageRef="paid"/>
           <b:signalEventDefinition signalRef="go"/></b:startEvent>"#,
        expect![
            "StartEvent { events: [Message { message: Some(MessageIdx(0)), job: None, publish: None }, Signal { signal: Some(SignalIdx(0)) }], interrupting: false, parallel_multiple: true, form: None }"
        ],
    );
    kind(
        r#"<b:startEvent id="a"><b:conditionalEventDefinition><b:extensionElements><zeebe:conditionalFilter variableNames="x" variableEvents="create"/>
           </b:extensionElements><b:condition>=x > 1</b:condition></b:conditionalEventDefinition></b:startEvent>"#,
        expect![[
            r#"StartEvent { events: [Conditional(ConditionalDefinition { condition: Some(Feel("x > 1")), variable_names: Some("x"), variable_events: Some("create") })], interrupting: true, parallel_multiple: false, form: None }"#
        ]],
    );
    kind(
        r#"<b:intermediateCatchEvent id="a"><b:timerEventDefinition id="t"><b:timeDuration>
           =duration("PT1H") </b:timeDuration></b:timerEventDefinition></b:intermediateCatchEvent>"#,
        expect![[
            r#"IntermediateCatch { events: [Timer(Duration(Feel("duration(\"PT1H\")")))], parallel_multiple: false }"#
        ]],
    );
    kind(
        r#"<b:intermediateCatchEvent id="a"><b:timerEventDefinition><b:timeDate>2030-01-01T00:00:00Z</b:timeDate></b:timerEventDefinition></b:intermediateCatchEvent>"#,
        expect![[
            r#"IntermediateCatch { events: [Timer(Date(Literal("2030-01-01T00:00:00Z")))], parallel_multiple: false }"#
        ]],
    );
    kind(
        r#"<b:intermediateCatchEvent id="a"><b:timerEventDefinition/></b:intermediateCatchEvent>"#,
        expect!["IntermediateCatch { events: [Timer(Unset)], parallel_multiple: false }"],
    );
    kind(
        r#"<b:intermediateCatchEvent id="a"><b:eventDefinitionRef>daily</b:eventDefinitionRef></b:intermediateCatchEvent>"#,
        expect![[
            r#"IntermediateCatch { events: [Timer(Cycle(Literal("R/P1D")))], parallel_multiple: false }"#
        ]],
    );
    kind(
        r#"<b:intermediateCatchEvent id="a"><b:linkEventDefinition name="there"/></b:intermediateCatchEvent>"#,
        expect![[
            r#"IntermediateCatch { events: [Link { name: "there" }], parallel_multiple: false }"#
        ]],
    );
    kind(
        r#"<b:intermediateThrowEvent id="a"><b:messageEventDefinition messageRef="paid"><b:extensionElements><zeebe:taskDefinition type="mail"/>
           </b:extensionElements></b:messageEventDefinition></b:intermediateThrowEvent>"#,
        expect![[
            r#"IntermediateThrow { events: [Message { message: Some(MessageIdx(0)), job: Some(JobDefinition { job_type: Literal("mail"), retries: None }), publish: None }] }"#
        ]],
    );
    kind(
        r#"<b:endEvent id="a"><b:extensionElements><zeebe:taskDefinition type="mail"/></b:extensionElements>
           <b:messageEventDefinition/></b:endEvent>"#,
        expect![[
            r#"EndEvent { events: [Message { message: None, job: Some(JobDefinition { job_type: Literal("mail"), retries: None }), publish: None }] }"#
        ]],
    );
    kind(
        r#"<b:endEvent id="a"><b:errorEventDefinition errorRef="sold-out"/></b:endEvent>"#,
        expect![
            "EndEvent { events: [Error { error: Some(ErrorIdx(0)), code_variable: None, message_variable: None }] }"
        ],
    );
    kind(
        r#"<b:endEvent id="a"><b:escalationEventDefinition escalationRef="help"/></b:endEvent>"#,
        expect![
            "EndEvent { events: [Escalation { escalation: Some(EscalationIdx(0)), code_variable: None }] }"
        ],
    );
    kind(
        r#"<b:endEvent id="a"><b:terminateEventDefinition/></b:endEvent>"#,
        expect!["EndEvent { events: [Terminate] }"],
    );
    kind(
        r#"<b:endEvent id="a"><b:cancelEventDefinition/></b:endEvent>"#,
        expect!["EndEvent { events: [Cancel] }"],
    );
    kind(
        r#"<b:intermediateThrowEvent id="a"><b:compensateEventDefinition activityRef="pay" waitForCompletion="false"/></b:intermediateThrowEvent>"#,
        expect![[
            r#"IntermediateThrow { events: [Compensate { activity: Some("pay"), wait: false }] }"#
        ]],
    );
    let boundary = process(
        r#"<b:boundaryEvent id="late" attachedToRef="a" cancelActivity="false"><b:errorEventDefinition camunda:errorCodeVariable="code"/></b:boundaryEvent>
           <b:task id="a"/>"#,
    );
    expect![[r#"Boundary { attached_to: ElementIdx(1), interrupting: false, events: [Error { error: None, code_variable: Some("code"), message_variable: None }], parallel_multiple: false }"#]].assert_eq(&format!("{:?}", boundary.elements[0].kind));
    assert_eq!(boundary.boundaries(boundary.find("a").unwrap()).count(), 1);
}

#[test]
fn sub_processes_hold_what_stands_inside_of_them() {
    let process = process(
        r#"<b:subProcess id="outer"><b:incoming>f</b:incoming>
             <b:transaction id="t" method="Compensate"><b:task id="x"/></b:transaction>
             <b:adHocSubProcess id="h" cancelRemainingInstances="false" ordering="Sequential">
               <b:extensionElements><zeebe:adHoc activeElementsCollection="=[]" outputCollection="r" outputElement="=1"/>
                 <zeebe:taskDefinition type="agent"/></b:extensionElements>
               <b:task id="y"/><b:completionCondition>=done</b:completionCondition></b:adHocSubProcess>
             <b:sequenceFlow id="g" sourceRef="t" targetRef="h"/>
           </b:subProcess>
           <b:subProcess id="e" triggeredByEvent="true"/>
           <b:startEvent id="s"/><b:sequenceFlow id="f" sourceRef="s" targetRef="outer"/>"#,
    );
    let lines: Vec<String> = process
        .elements
        .iter()
        .map(|element| {
            let scope = element
                .parent
                .map_or("", |parent| &process.element(parent).id);
            format!("{}/{} {:?}", scope, element.id, element.kind)
        })
        .collect();
    expect![[r#"
        /outer SubProcess { triggered_by_event: false }
        outer/t Transaction { method: Some("Compensate") }
        t/x Task
        outer/h AdHocSubProcess(AdHoc { active_elements: Some(Feel("[]")), output_collection: Some("r"), output_element: Some(Feel("1")), completion_condition: Some(Feel("done")), cancel_remaining: false, sequential: true, job: Some(JobDefinition { job_type: Literal("agent"), retries: None }), agent_type: None })
        h/y Task
        /e SubProcess { triggered_by_event: true }
        /s StartEvent { events: [], interrupting: true, parallel_multiple: false, form: None }"#]].assert_eq(&lines.join("\n"));
    assert_eq!(
        process
            .flows
            .iter()
            .map(|flow| flow.id.as_str())
            .collect::<Vec<_>>(),
        ["f", "g"]
    );
    assert_eq!(process.children(None).count(), 3);
}

#[test]
fn what_activities_have() {
    let process = process(
        r#"<b:serviceTask id="a" default="f2" isForCompensation="true" startQuantity="2" completionQuantity="3" camunda:async="true">
             <b:documentation>why</b:documentation>
             <b:extensionElements>
               <zeebe:ioMapping><zeebe:input source="=1" target="x"/><zeebe:input target="y"/><zeebe:output source="text" target="z.a"/></zeebe:ioMapping>
               <zeebe:taskHeaders><zeebe:header key="k" value="a&#10;b"/></zeebe:taskHeaders>
               <zeebe:jobPriorityDefinition priority="=7"/>
               <zeebe:executionListeners><zeebe:executionListener eventType="start" type="l" retries="1"/></zeebe:executionListeners>
               <zeebe:taskListeners><zeebe:taskListener eventType="assigning" type="t"/></zeebe:taskListeners>
               <zeebe:linkedResources><zeebe:linkedResource resourceId="r" resourceType="RPA" linkName="script" bindingType="deployment"/></zeebe:linkedResources>
               <zeebe:properties><zeebe:property name="n" value="v"/></zeebe:properties>
               <camunda:field name="kept">text</camunda:field>
             </b:extensionElements>
             <b:outgoing>f2</b:outgoing><b:outgoing>f1</b:outgoing>
             <b:property id="prop"/><b:dataInputAssociation id="i"><b:sourceRef>o</b:sourceRef><b:targetRef>prop</b:targetRef></b:dataInputAssociation>
             <b:multiInstanceLoopCharacteristics isSequential="true"><b:extensionElements>
               <zeebe:loopCharacteristics inputCollection="=items" inputElement="item" outputCollection="r" outputElement="=x"/></b:extensionElements>
               <b:completionCondition>=enough</b:completionCondition></b:multiInstanceLoopCharacteristics>
           </b:serviceTask>
           <b:task id="z"/><b:sequenceFlow id="f1" sourceRef="a" targetRef="z"><b:conditionExpression language="feel">=x > 1</b:conditionExpression></b:sequenceFlow>
           <b:sequenceFlow id="f2" name="else" sourceRef="a" targetRef="z"/><b:dataObjectReference id="o" dataObjectRef="o1"/><b:dataObject id="o1" isCollection="true"/>"#,
    );
    let element = &process.elements[0];
    expect![[r#"
        (true, 2, 3, Some(Feel("7")))
        [("x", Feel("1")), ("y", Feel("null"))]
        [("z.a", Literal("text"))]
        [Header { key: "k", value: "a\nb", id: None }]
        [(Start, JobDefinition { job_type: Literal("l"), retries: Some(Literal("1")) })]
        [(Assigning, JobDefinition { job_type: Literal("t"), retries: None })]
        [LinkedResource { resource_id: Literal("r"), resource_type: Some("RPA"), link_name: Some("script"), binding: Deployment }]
        [Property { name: "n", value: "v" }]
        [(["o"], Some("prop"))]"#]].assert_eq(&format!(
        "{:?}\n{:?}\n{:?}\n{:?}\n{:?}\n{:?}\n{:?}\n{:?}\n{:?}",
        (
            element.for_compensation,
            element.start_quantity,
            element.completion_quantity,
            &element.job_priority
        ),
        element
            .inputs
            .iter()
            .map(|mapping| (&mapping.target, &mapping.source))
            .collect::<Vec<_>>(),
        element
            .outputs
            .iter()
            .map(|mapping| (&mapping.target, &mapping.source))
            .collect::<Vec<_>>(),
        element.headers,
        element
            .listeners
            .iter()
            .map(|listener| (listener.event, &listener.job))
            .collect::<Vec<_>>(),
        element
            .task_listeners
            .iter()
            .map(|listener| (listener.event, &listener.job))
            .collect::<Vec<_>>(),
        element.linked_resources,
        element.properties,
        element
            .data_inputs
            .iter()
            .map(|data| (&data.sources, &data.target))
            .collect::<Vec<_>>(),
    ));
    let Some(Loop::MultiInstance(multi)) = &element.repeats else {
        panic!("a multi-instance loop")
    };
    expect![[
        r#"true Some(Feel("items")) Some("item") Some("r") Some(Feel("x")) Some(Feel("enough"))"#
    ]]
    .assert_eq(&format!(
        "{} {:?} {:?} {:?} {:?} {:?}",
        multi.sequential,
        multi.input_collection,
        multi.input_element,
        multi.output_collection,
        multi.output_element,
        multi.completion_condition
    ));
    let extra = &element.extra;
    let kept = (
        &extra.documentation[0].text,
        &extra.attributes[0].name,
        &extra.extensions[0].name,
        &extra.children[0].name,
    );
    expect![[r#"("why", "async", "field", "property")"#]].assert_eq(&format!("{kept:?}"));
    let outgoing: Vec<_> = process.elements[0]
        .outgoing
        .iter()
        .map(|flow| process.flow(*flow).id.as_str())
        .collect();
    assert_eq!(
        outgoing,
        ["f2", "f1"],
        "the order is the one of the element"
    );
    assert_eq!(process.data.len(), 2);
}

#[test]
fn other_loops() {
    let repeats = |xml: &str| {
        process(&format!(r#"<b:task id="a">{xml}</b:task>"#))
            .elements
            .remove(0)
            .repeats
    };
    let standard = repeats(
        r#"<b:standardLoopCharacteristics testBefore="true" loopMaximum="3"><b:loopCondition>=more</b:loopCondition></b:standardLoopCharacteristics>"#,
    );
    let Some(Loop::Standard(standard)) = standard else {
        panic!("a standard loop")
    };
    assert!(standard.test_before && standard.maximum.is_some() && standard.condition.is_some());
    for (xml, expected) in [
        (
            r#"<b:multiInstanceLoopCharacteristics behavior="One" oneBehaviorEventRef="daily"><b:loopCardinality>3</b:loopCardinality></b:multiInstanceLoopCharacteristics>"#,
            expect![[
                r#"Some(Literal("3")) One(Some(EventReference { id: "daily", definition: Timer(Cycle(Literal("R/P1D"))) }))"#
            ]],
        ),
        (
            r#"<b:multiInstanceLoopCharacteristics behavior="Complex"><b:complexBehaviorDefinition><b:condition>=x</b:condition><b:event id="e"><b:signalEventDefinition signalRef="go"/></b:event></b:complexBehaviorDefinition></b:multiInstanceLoopCharacteristics>"#,
            expect![[
                r#"None Complex([ComplexBehavior { id: None, condition: Some(Feel("x")), event_id: Some("e"), events: [Signal { signal: Some(SignalIdx(0)) }], event_sources: [EventSource { id: None, by_reference: false, extra: Extra { documentation: [], attributes: [], extensions: [], children: [] }, at: Position { line: 9, column: 187 } }], extra: Extra { documentation: [], attributes: [], extensions: [], children: [] } }])"#
            ]],
        ),
        (
            r#"<b:multiInstanceLoopCharacteristics behavior="None"/>"#,
            expect!["None None(None)"],
        ),
    ] {
        let Some(Loop::MultiInstance(multi)) = repeats(xml) else {
            panic!("a multi-instance loop")
        };
        expected.assert_eq(&format!("{:?} {:?}", multi.cardinality, multi.behavior));
    }
}

#[test]
fn what_is_named_at_the_root() {
    let model = model("");
    expect![[r#"
        Some(Literal("paid")) Some(Feel("order.id"))
        Some(Literal("SOLD-OUT"))
        Some(Feel("kind"))
        Some(Literal("HELP"))
        Timer(Cycle(Literal("R/P1D")))"#]]
    .assert_eq(&format!(
        "{:?} {:?}\n{:?}\n{:?}\n{:?}\n{:?}",
        model.messages[0].name,
        model.messages[0].correlation_key,
        model.errors[0].code,
        model.signals[0].name,
        model.escalations[0].code,
        model.event_definitions[0].definition
    ));
}

#[test]
fn the_drawing_pools_and_lanes_are_kept() {
    let xml = r##"<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL" xmlns:x="http://www.omg.org/spec/BPMN/20100524/DI"
        xmlns:dc="http://www.omg.org/spec/DD/20100524/DC" xmlns:di="http://www.omg.org/spec/DD/20100524/DI" xmlns:bioc="http://bpmn.io/schema/bpmn/biocolor/1.0">
      <collaboration id="c"><participant id="pool" name="Shop" processRef="p"><participantMultiplicity minimum="1"/></participant>
        <participant id="box"/><messageFlow id="m" sourceRef="box" targetRef="a"/>
        <textAnnotation id="note"><text>mind  the
gap</text></textAnnotation><association id="to" sourceRef="note" targetRef="pool"/><group id="g" categoryValueRef="cv"/></collaboration>
      <process id="p"><laneSet id="ls"><lane id="l"><flowNodeRef>a</flowNodeRef><childLaneSet id="cls"><lane id="l2"/></childLaneSet></lane></laneSet><task id="a"/></process>
      <x:BPMNDiagram id="dia" name="n" resolution="96"><x:BPMNPlane id="pl" bpmnElement="c">
        <x:BPMNShape id="s" bpmnElement="a" isExpanded="true" bioc:stroke="#fff"><dc:Bounds x="1.5" y="-2" width="1e2" height="80"/>
          <x:BPMNLabel labelStyle="st"><dc:Bounds x="0" y="0" width="1" height="1"/></x:BPMNLabel></x:BPMNShape>
        <x:BPMNEdge id="e" bpmnElement="m" sourceElement="s"><di:extension><bioc:e/></di:extension><di:waypoint x="1" y="2"/><di:waypoint x="3" y="4"/></x:BPMNEdge>
        <x:BPMNShape id="s2" bpmnElement="pool" isHorizontal="false"><dc:Bounds x="0" y="0" width="0" height="0"/></x:BPMNShape>
      </x:BPMNPlane><x:BPMNLabelStyle id="st"><dc:Font name="Arial" size="11"/></x:BPMNLabelStyle></x:BPMNDiagram>
    </definitions>"##;
    let model = read(xml.as_bytes(), &Limits::default()).unwrap();
    expect![[r##"
        <?xml version="1.0" encoding="UTF-8"?>
        <bpmn:definitions xmlns:bpmn="http://www.omg.org/spec/BPMN/20100524/MODEL" xmlns:x="http://www.omg.org/spec/BPMN/20100524/DI" xmlns:dc="http://www.omg.org/spec/DD/20100524/DC" xmlns:di="http://www.omg.org/spec/DD/20100524/DI" xmlns:bioc="http://bpmn.io/schema/bpmn/biocolor/1.0">
          <bpmn:collaboration id="c">
            <bpmn:participant id="pool" name="Shop" processRef="p">
              <bpmn:participantMultiplicity minimum="1"/>
            </bpmn:participant>
            <bpmn:participant id="box"/>
            <bpmn:messageFlow id="m" sourceRef="box" targetRef="a"/>
            <bpmn:textAnnotation id="note">
              <bpmn:text>mind  the
        gap</bpmn:text>
            </bpmn:textAnnotation>
            <bpmn:association id="to" sourceRef="note" targetRef="pool"/>
            <bpmn:group id="g" categoryValueRef="cv"/>
          </bpmn:collaboration>
          <bpmn:process id="p" isExecutable="false">
            <bpmn:laneSet id="ls">
              <bpmn:lane id="l">
                <bpmn:flowNodeRef>a</bpmn:flowNodeRef>
                <bpmn:childLaneSet id="cls">
                  <bpmn:lane id="l2"/>
                </bpmn:childLaneSet>
              </bpmn:lane>
            </bpmn:laneSet>
            <bpmn:task id="a"/>
          </bpmn:process>
          <x:BPMNDiagram id="dia" name="n" resolution="96">
            <x:BPMNPlane id="pl" bpmnElement="c">
              <x:BPMNShape id="s" bpmnElement="a" isExpanded="true" bioc:stroke="#fff">
                <dc:Bounds x="1.5" y="-2" width="100" height="80"/>
                <x:BPMNLabel labelStyle="st">
                  <dc:Bounds x="0" y="0" width="1" height="1"/>
                </x:BPMNLabel>
              </x:BPMNShape>
              <x:BPMNEdge id="e" bpmnElement="m" sourceElement="s">
                <di:extension>
                  <bioc:e/>
                </di:extension>
                <di:waypoint x="1" y="2"/>
                <di:waypoint x="3" y="4"/>
              </x:BPMNEdge>
              <x:BPMNShape id="s2" bpmnElement="pool" isHorizontal="false">
                <dc:Bounds x="0" y="0" width="0" height="0"/>
              </x:BPMNShape>
            </x:BPMNPlane>
            <x:BPMNLabelStyle id="st">
              <dc:Font name="Arial" size="11"/>
            </x:BPMNLabelStyle>
          </x:BPMNDiagram>
        </bpmn:definitions>
    "##]].assert_eq(&write(&model));
    assert_eq!(
        read(write(&model).as_bytes(), &Limits::default()),
        Ok(model)
    );
}

#[test]
fn only_native_user_tasks_are_native() {
    let native =
        |xml| matches!(&process(xml).elements[0].kind, Kind::UserTask(user) if user.native);
    assert!(!native(r#"<b:userTask id="a"/>"#));
    assert!(native(
        r#"<b:userTask id="a"><b:extensionElements><zeebe:userTask/></b:extensionElements></b:userTask>"#
    ));
}
