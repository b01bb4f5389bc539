//! Flow nodes: what each kind says about itself.

use super::Reading;
use super::process::Links;
use crate::model::{
    AdHoc, Assignment, Behavior, ComplexBehavior, Element, ElementIdx, EventReference, Kind, Loop,
    MultiInstance, Schedule, ScriptBody, StandardLoop, UserTask,
};
use crate::xml::Fields;

impl<'t> Reading<'t> {
    pub(super) fn element(&mut self, mut fields: Fields<'t>) -> (Element, Links) {
        let at = fields.at();
        let id = self.needed_id(&mut fields);
        let mut links = Links {
            attached_to: None,
            default_flow: None,
            incoming: fields.child_texts("incoming"),
            outgoing: fields.child_texts("outgoing"),
        };
        let mut element = Element::new(id.clone(), Kind::Task);
        element.at = at;
        element.name = fields.attribute("name");
        element.kind = self.kind(&mut fields, &mut element, &mut links);
        let is_gateway = fields.name().ends_with("Gateway");
        if is_gateway || element.kind.is_activity() {
            links.default_flow = fields.attribute("default").filter(|id| !id.is_empty());
        }
        (element.inputs, element.outputs) = self.mappings(&mut fields, &id);
        element.headers = self.headers(&mut fields, &id);
        element.job_priority = self.job_priority(&mut fields, &id);
        element.listeners = self.execution_listeners(&mut fields, &id);
        element.task_listeners = self.task_listeners(&mut fields, &id);
        element.linked_resources = self.linked_resources(&mut fields, &id);
        element.properties = self.properties(&mut fields, &id);
        let inputs = fields.children("dataInputAssociation");
        element.data_inputs = inputs
            .into_iter()
            .map(|fields| self.data_association(fields))
            .collect();
        let outputs = fields.children("dataOutputAssociation");
        element.data_outputs = outputs
            .into_iter()
            .map(|fields| self.data_association(fields))
            .collect();
        if element.kind.is_activity() {
            element.for_compensation =
                self.flag(&mut fields, "isForCompensation", false, Some(&id));
            element.start_quantity = self.quantity(&mut fields, "startQuantity", &id);
            element.completion_quantity = self.quantity(&mut fields, "completionQuantity", &id);
            element.repeats = self.repeats(&mut fields, &id);
        }
        element.extra = fields.extra();
        (element, links)
    }

    fn kind(&mut self, fields: &mut Fields<'t>, element: &mut Element, links: &mut Links) -> Kind {
        let id = element.id.clone();
        match fields.name() {
            "task" => Kind::Task,
            "manualTask" => Kind::ManualTask,
            "serviceTask" => Kind::ServiceTask {
                job: self.job(fields, &id),
                agent_type: self.agent_type(fields, &id),
            },
            "sendTask" => Kind::SendTask {
                job: self.job(fields, &id),
                publish: self.publish(fields, &id),
                message: self.reference(fields, ("messageRef", "the message"), &id, |ids| {
                    &ids.messages
                }),
            },
            "receiveTask" => Kind::ReceiveTask {
                message: self.reference(fields, ("messageRef", "the message"), &id, |ids| {
                    &ids.messages
                }),
                instantiate: self.flag(fields, "instantiate", false, Some(&id)),
            },
            "scriptTask" => {
                let format = fields.attribute("scriptFormat");
                let text = fields.child("script").map(|script| script.text());
                let body = (format.is_some() || text.is_some()).then(|| ScriptBody {
                    format,
                    text: text.unwrap_or_default(),
                });
                Kind::ScriptTask {
                    script: self.script(fields, &id),
                    body,
                    job: self.job(fields, &id),
                }
            }
            "userTask" => Kind::UserTask(Box::new(self.user_task(fields, &id))),
            "businessRuleTask" => Kind::BusinessRuleTask {
                decision: self.called_decision(fields, &id),
                job: self.job(fields, &id),
            },
            "callActivity" => Kind::CallActivity {
                called: self.called_element(fields, &id),
            },
            "subProcess" => Kind::SubProcess {
                triggered_by_event: self.flag(fields, "triggeredByEvent", false, Some(&id)),
            },
            "transaction" => Kind::Transaction {
                method: fields.attribute("method"),
            },
            "adHocSubProcess" => Kind::AdHocSubProcess(Box::new(self.ad_hoc(fields, &id))),
            "exclusiveGateway" => Kind::ExclusiveGateway,
            "parallelGateway" => Kind::ParallelGateway,
            "inclusiveGateway" => Kind::InclusiveGateway,
            "complexGateway" => Kind::ComplexGateway {
                activation_condition: fields.child_expression("activationCondition"),
            },
            "eventBasedGateway" => Kind::EventBasedGateway {
                instantiate: self.flag(fields, "instantiate", false, Some(&id)),
                parallel: self.one_of(fields, "eventGatewayType", ["Exclusive", "Parallel"], &id)
                    == 1,
            },
            name if name.ends_with("Event") => self.event(name, fields, element, links),
            other => {
                let message = format!("`{other}` can't stand in a process");
                self.problems.add(
                    "unknown-element",
                    Some(id),
                    fields.at(),
                    message,
                    "use an event, an activity or a gateway",
                );
                Kind::Task
            }
        }
    }

    fn event(
        &mut self,
        name: &str,
        fields: &mut Fields<'t>,
        element: &mut Element,
        links: &mut Links,
    ) -> Kind {
        let id = element.id.clone();
        let (events, sources) = self.events(fields, &id);
        element.event_sources = sources;
        match name {
            "startEvent" => Kind::StartEvent {
                events,
                interrupting: self.flag(fields, "isInterrupting", true, Some(&id)),
                parallel_multiple: self.flag(fields, "parallelMultiple", false, Some(&id)),
                form: self.form(fields, &id),
            },
            "endEvent" => Kind::EndEvent { events },
            "intermediateThrowEvent" => Kind::IntermediateThrow { events },
            "intermediateCatchEvent" => Kind::IntermediateCatch {
                events,
                parallel_multiple: self.flag(fields, "parallelMultiple", false, Some(&id)),
            },
            "boundaryEvent" => {
                links.attached_to = Some(self.needed(fields, "attachedToRef", Some(&id)))
                    .filter(|host| !host.is_empty());
                Kind::Boundary {
                    attached_to: ElementIdx(0),
                    interrupting: self.flag(fields, "cancelActivity", true, Some(&id)),
                    events,
                    parallel_multiple: self.flag(fields, "parallelMultiple", false, Some(&id)),
                }
            }
            other => {
                let message = format!("`{other}` can't stand in a process");
                let remedy =
                    "use a start, end, boundary, intermediate catch or intermediate throw event";
                self.problems
                    .add("unknown-element", Some(id), fields.at(), message, remedy);
                Kind::Task
            }
        }
    }

    fn user_task(&mut self, fields: &mut Fields<'t>, id: &str) -> UserTask {
        let assignment = self
            .extension(fields, "assignmentDefinition", Some(id))
            .map(|mut found| Assignment {
                assignee: found.text_attribute("assignee"),
                candidate_groups: found.text_attribute("candidateGroups"),
                candidate_users: found.text_attribute("candidateUsers"),
            });
        let schedule = self
            .extension(fields, "taskSchedule", Some(id))
            .map(|mut found| Schedule {
                due_date: found.text_attribute("dueDate"),
                follow_up_date: found.text_attribute("followUpDate"),
            });
        UserTask {
            native: self.extension(fields, "userTask", Some(id)).is_some(),
            job: self.job(fields, id),
            form: self.form(fields, id),
            assignment,
            schedule,
            priority: self
                .extension(fields, "priorityDefinition", Some(id))
                .and_then(|mut found| found.text_attribute("priority")),
        }
    }

    fn ad_hoc(&mut self, fields: &mut Fields<'t>, id: &str) -> AdHoc {
        let mut ad_hoc = AdHoc {
            completion_condition: fields.child_expression("completionCondition"),
            cancel_remaining: self.flag(fields, "cancelRemainingInstances", true, Some(id)),
            sequential: self.one_of(fields, "ordering", ["Parallel", "Sequential"], id) == 1,
            job: self.job(fields, id),
            agent_type: self.agent_type(fields, id),
            ..AdHoc::default()
        };
        if let Some(mut found) = self.extension(fields, "adHoc", Some(id)) {
            ad_hoc.active_elements = found.text_attribute("activeElementsCollection");
            ad_hoc.output_collection = found.attribute("outputCollection");
            ad_hoc.output_element = found.text_attribute("outputElement");
        }
        ad_hoc
    }

    fn agent_type(&mut self, fields: &mut Fields<'t>, id: &str) -> Option<String> {
        self.extension(fields, "agentDefinition", Some(id))
            .and_then(|mut found| found.attribute("agentType"))
    }

    fn repeats(&mut self, fields: &mut Fields<'t>, id: &str) -> Option<Loop> {
        if let Some(mut found) = fields.child("standardLoopCharacteristics") {
            let at = found.at();
            let test_before = self.flag(&mut found, "testBefore", false, Some(id));
            let condition = found.child_expression("loopCondition");
            let maximum = found.text_attribute("loopMaximum");
            return Some(Loop::Standard(StandardLoop {
                test_before,
                maximum,
                condition,
                extra: found.extra(),
                at,
            }));
        }
        let mut found = fields.child("multiInstanceLoopCharacteristics")?;
        let mut multi = MultiInstance {
            sequential: self.flag(&mut found, "isSequential", false, Some(id)),
            cardinality: found.child_expression("loopCardinality"),
            completion_condition: found.child_expression("completionCondition"),
            behavior: self.behavior(&mut found, id),
            at: found.at(),
            ..MultiInstance::default()
        };
        if let Some(mut zeebe) = self.extension(&mut found, "loopCharacteristics", Some(id)) {
            multi.input_collection = zeebe.text_attribute("inputCollection");
            multi.input_element = zeebe.attribute("inputElement");
            multi.output_collection = zeebe.attribute("outputCollection");
            multi.output_element = zeebe.text_attribute("outputElement");
        }
        multi.extra = found.extra();
        Some(Loop::MultiInstance(Box::new(multi)))
    }

    fn behavior(&mut self, fields: &mut Fields<'t>, id: &str) -> Behavior {
        match self.one_of(fields, "behavior", ["All", "None", "One", "Complex"], id) {
            0 => Behavior::All,
            1 => Behavior::None(self.thrown(fields, "noneBehaviorEventRef", id)),
            2 => Behavior::One(self.thrown(fields, "oneBehaviorEventRef", id)),
            _ => Behavior::Complex(
                fields
                    .children("complexBehaviorDefinition")
                    .into_iter()
                    .map(|fields| self.complex_behavior(fields, id))
                    .collect(),
            ),
        }
    }

    fn thrown(
        &mut self,
        fields: &mut Fields<'t>,
        attribute: &str,
        id: &str,
    ) -> Option<EventReference> {
        let reference = fields.attribute(attribute)?;
        self.event_reference(&reference, fields, id)
    }

    fn complex_behavior(&mut self, mut fields: Fields<'t>, id: &str) -> ComplexBehavior {
        let mut behavior = ComplexBehavior {
            id: fields.attribute("id"),
            condition: fields.child_expression("condition"),
            ..ComplexBehavior::default()
        };
        if let Some(mut event) = fields.child("event") {
            behavior.event_id = event.attribute("id");
            (behavior.events, behavior.event_sources) = self.events(&mut event, id);
        }
        behavior.extra = fields.extra();
        behavior
    }

    fn quantity(&mut self, fields: &mut Fields<'t>, name: &str, id: &str) -> u32 {
        let Some(value) = fields.attribute(name) else {
            return 1;
        };
        match value.trim().parse() {
            Ok(quantity) if quantity > 0 => quantity,
            _ => {
                let message = format!("`{name}` is `{value}`");
                self.problems.add(
                    "invalid-value",
                    Some(id.to_owned()),
                    fields.at(),
                    message,
                    "write a whole number from 1",
                );
                1
            }
        }
    }

    /// Takes an attribute that has one of a few values, the first when it is left out, and says which.
    fn one_of<const N: usize>(
        &mut self,
        fields: &mut Fields<'t>,
        name: &str,
        values: [&str; N],
        id: &str,
    ) -> usize {
        let Some(value) = fields.attribute(name) else {
            return 0;
        };
        values
            .iter()
            .position(|known| *known == value.trim())
            .unwrap_or_else(|| {
                let message = format!("`{name}` is `{value}`");
                self.problems.add(
                    "invalid-value",
                    Some(id.to_owned()),
                    fields.at(),
                    message,
                    &format!("write one of {}", values.join(", ")),
                );
                0
            })
    }
}
