//! Flow nodes, in the order of children that BPMN's schema wants.

use super::Writing;
use crate::model::{
    Behavior, ComplexBehavior, Element, Kind, Loop, MultiInstance, Process, StandardLoop, Text,
};
use crate::xml::ZEEBE;

impl Writing<'_> {
    /// Begins an element and writes all that comes before what stands inside of it.
    pub(super) fn start_element(&mut self, process: &Process, element: &Element) {
        self.out.start(element.kind.tag());
        self.out.attribute("id", &element.id);
        self.out.some("name", element.name.as_ref());
        self.attributes(process, element);
        self.head(&element.extra, |out| out.extensions(element));
        self.children(&element.extra, 0..=1);
        for flow in &element.incoming {
            self.out.leaf("incoming", &process.flow(*flow).id);
        }
        for flow in &element.outgoing {
            self.out.leaf("outgoing", &process.flow(*flow).id);
        }
        self.children(&element.extra, 2..=4);
        element
            .data_inputs
            .iter()
            .for_each(|association| self.data_association("dataInputAssociation", association));
        element
            .data_outputs
            .iter()
            .for_each(|association| self.data_association("dataOutputAssociation", association));
        self.children(&element.extra, 5..=6);
        self.events(element.events(), &element.event_sources);
        match &element.repeats {
            Some(Loop::MultiInstance(multi)) => self.multi_instance(multi),
            Some(Loop::Standard(standard)) => self.standard_loop(standard),
            None => {}
        }
        match &element.kind {
            Kind::ScriptTask {
                body: Some(body), ..
            } => self.out.leaf("script", &body.text),
            Kind::ComplexGateway {
                activation_condition,
            } => self.expression("activationCondition", activation_condition.as_ref()),
            _ => {}
        }
    }

    /// Writes what comes after all that stands inside of an element, and ends it.
    pub(super) fn end_element(&mut self, element: &Element) {
        if let Kind::AdHocSubProcess(ad_hoc) = &element.kind {
            self.expression("completionCondition", ad_hoc.completion_condition.as_ref());
        }
        self.children(&element.extra, 7..=u8::MAX);
        self.out.end();
    }

    fn attributes(&mut self, process: &Process, element: &Element) {
        let model = self.model;
        match &element.kind {
            Kind::StartEvent {
                interrupting,
                parallel_multiple,
                ..
            } => {
                self.out.flag("isInterrupting", *interrupting, true);
                self.out.flag("parallelMultiple", *parallel_multiple, false);
            }
            Kind::IntermediateCatch {
                parallel_multiple, ..
            } => self.out.flag("parallelMultiple", *parallel_multiple, false),
            Kind::Boundary {
                attached_to,
                interrupting,
                parallel_multiple,
                ..
            } => {
                self.out
                    .attribute("attachedToRef", &process.element(*attached_to).id);
                self.out.flag("cancelActivity", *interrupting, true);
                self.out.flag("parallelMultiple", *parallel_multiple, false);
            }
            Kind::SendTask { message, .. } => self
                .out
                .some("messageRef", message.map(|idx| &model.message(idx).id)),
            Kind::ReceiveTask {
                message,
                instantiate,
            } => {
                self.out
                    .some("messageRef", message.map(|idx| &model.message(idx).id));
                self.out.flag("instantiate", *instantiate, false);
            }
            Kind::ScriptTask {
                body: Some(body), ..
            } => self.out.some("scriptFormat", body.format.as_ref()),
            Kind::CallActivity {
                called: Some(called),
            } if called.standard => self.text("calledElement", Some(&called.process_id)),
            Kind::SubProcess { triggered_by_event } => {
                self.out
                    .flag("triggeredByEvent", *triggered_by_event, false)
            }
            Kind::Transaction { method } => self.out.some("method", method.as_ref()),
            Kind::AdHocSubProcess(ad_hoc) => {
                self.out
                    .flag("cancelRemainingInstances", ad_hoc.cancel_remaining, true);
                self.out
                    .some("ordering", ad_hoc.sequential.then_some("Sequential"));
            }
            Kind::EventBasedGateway {
                instantiate,
                parallel,
            } => {
                self.out.flag("instantiate", *instantiate, false);
                self.out
                    .some("eventGatewayType", parallel.then_some("Parallel"));
            }
            _ => {}
        }
        self.out.some(
            "default",
            element.default_flow.map(|flow| &process.flow(flow).id),
        );
        self.out
            .flag("isForCompensation", element.for_compensation, false);
        self.out.some(
            "startQuantity",
            (element.start_quantity != 1).then(|| element.start_quantity.to_string()),
        );
        self.out.some(
            "completionQuantity",
            (element.completion_quantity != 1).then(|| element.completion_quantity.to_string()),
        );
    }

    fn multi_instance(&mut self, multi: &MultiInstance) {
        self.out.start("multiInstanceLoopCharacteristics");
        self.out.flag("isSequential", multi.sequential, false);
        match &multi.behavior {
            Behavior::All => {}
            Behavior::None(event) => {
                self.out.attribute("behavior", "None");
                self.out.some(
                    "noneBehaviorEventRef",
                    event.as_ref().map(|event| &event.id),
                );
            }
            Behavior::One(event) => {
                self.out.attribute("behavior", "One");
                self.out
                    .some("oneBehaviorEventRef", event.as_ref().map(|event| &event.id));
            }
            Behavior::Complex(_) => self.out.attribute("behavior", "Complex"),
        }
        self.head(&multi.extra, |out| {
            let says = multi.input_element.is_some() || multi.output_collection.is_some();
            if says || multi.input_collection.is_some() || multi.output_element.is_some() {
                out.start_of(Some(ZEEBE), "loopCharacteristics");
                out.some(
                    "inputCollection",
                    multi.input_collection.as_ref().map(Text::to_string),
                );
                out.some("inputElement", multi.input_element.as_ref());
                out.some("outputCollection", multi.output_collection.as_ref());
                out.some(
                    "outputElement",
                    multi.output_element.as_ref().map(Text::to_string),
                );
                out.end();
            }
        });
        self.expression("loopCardinality", multi.cardinality.as_ref());
        self.children(&multi.extra, 0..=u8::MAX);
        if let Behavior::Complex(behaviors) = &multi.behavior {
            behaviors
                .iter()
                .for_each(|behavior| self.complex_behavior(behavior));
        }
        self.expression("completionCondition", multi.completion_condition.as_ref());
        self.out.end();
    }

    fn complex_behavior(&mut self, behavior: &ComplexBehavior) {
        self.out.start("complexBehaviorDefinition");
        self.out.some("id", behavior.id.as_ref());
        self.head(&behavior.extra, |_| {});
        self.expression("condition", behavior.condition.as_ref());
        if behavior.event_id.is_some() || !behavior.events.is_empty() {
            self.out.start("event");
            self.out.some("id", behavior.event_id.as_ref());
            self.events(&behavior.events, &behavior.event_sources);
            self.out.end();
        }
        self.foot(&behavior.extra);
    }

    fn standard_loop(&mut self, standard: &StandardLoop) {
        self.out.start("standardLoopCharacteristics");
        self.out.flag("testBefore", standard.test_before, false);
        self.text("loopMaximum", standard.maximum.as_ref());
        self.head(&standard.extra, |_| {});
        self.expression("loopCondition", standard.condition.as_ref());
        self.foot(&standard.extra);
    }
}
