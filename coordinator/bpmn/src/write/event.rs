//! Event definitions.

use super::Writing;
use crate::model::{EventDefinition, EventSource, Extra, TimerDefinition};
use crate::xml::{CAMUNDA, ZEEBE};

impl Writing<'_> {
    /// Writes the event definitions of an event, those by reference as references.
    pub(super) fn events(&mut self, events: &[EventDefinition], sources: &[EventSource]) {
        let unknown = EventSource::default();
        for (at, event) in events.iter().enumerate() {
            let source = sources.get(at).unwrap_or(&unknown);
            match (&source.id, source.by_reference) {
                (Some(id), true) => self.out.leaf("eventDefinitionRef", id),
                (id, _) => self.event_definition(event, id.as_deref(), &source.extra, false),
            }
        }
    }

    /// Writes an event definition; at the root of the file there is no event around it that could hold its job.
    pub(super) fn event_definition(
        &mut self,
        event: &EventDefinition,
        id: Option<&str>,
        extra: &Extra,
        at_root: bool,
    ) {
        self.out.start(tag(event));
        self.out.some("id", id);
        match event {
            EventDefinition::Timer(timer) => {
                self.head(extra, |_| {});
                match timer {
                    TimerDefinition::Date(text) => self.expression("timeDate", Some(text)),
                    TimerDefinition::Duration(text) => self.expression("timeDuration", Some(text)),
                    TimerDefinition::Cycle(text) => self.expression("timeCycle", Some(text)),
                    TimerDefinition::Unset => {}
                }
            }
            EventDefinition::Message { job, publish, .. } => {
                let message = self.id_of_message(event).map(str::to_owned);
                self.out.some("messageRef", message);
                self.head(extra, |out| {
                    if at_root {
                        out.job(job.as_ref());
                        out.publish(publish.as_ref());
                    }
                });
            }
            EventDefinition::Signal { signal } => {
                self.out
                    .some("signalRef", signal.map(|idx| &self.model.signal(idx).id));
                self.head(extra, |_| {});
            }
            EventDefinition::Error {
                error,
                code_variable,
                message_variable,
            } => {
                self.out
                    .some("errorRef", error.map(|idx| &self.model.error(idx).id));
                self.variable("errorCodeVariable", code_variable.as_deref());
                self.variable("errorMessageVariable", message_variable.as_deref());
                self.head(extra, |_| {});
            }
            EventDefinition::Escalation {
                escalation,
                code_variable,
            } => {
                self.out.some(
                    "escalationRef",
                    escalation.map(|idx| &self.model.escalation(idx).id),
                );
                self.variable("escalationCodeVariable", code_variable.as_deref());
                self.head(extra, |_| {});
            }
            EventDefinition::Conditional(conditional) => {
                self.head(extra, |out| {
                    if conditional.variable_names.is_some() || conditional.variable_events.is_some()
                    {
                        out.start_of(Some(ZEEBE), "conditionalFilter");
                        out.some("variableNames", conditional.variable_names.as_ref());
                        out.some("variableEvents", conditional.variable_events.as_ref());
                        out.end();
                    }
                });
                self.expression("condition", conditional.condition.as_ref());
            }
            EventDefinition::Link { name } => {
                self.out.attribute("name", name);
                self.head(extra, |_| {});
            }
            EventDefinition::Compensate { activity, wait } => {
                self.out.flag("waitForCompletion", *wait, true);
                self.out.some("activityRef", activity.as_ref());
                self.head(extra, |_| {});
            }
            EventDefinition::Terminate | EventDefinition::Cancel => self.head(extra, |_| {}),
        }
        self.foot(extra);
    }

    /// The names of these variables have no attribute in BPMN or Camunda 8; Camunda 7's is the one that other tools know.
    fn variable(&mut self, name: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.out.attribute_of(Some(CAMUNDA), name, value);
        }
    }
}

fn tag(event: &EventDefinition) -> &'static str {
    match event {
        EventDefinition::Timer(_) => "timerEventDefinition",
        EventDefinition::Message { .. } => "messageEventDefinition",
        EventDefinition::Signal { .. } => "signalEventDefinition",
        EventDefinition::Error { .. } => "errorEventDefinition",
        EventDefinition::Escalation { .. } => "escalationEventDefinition",
        EventDefinition::Conditional(_) => "conditionalEventDefinition",
        EventDefinition::Link { .. } => "linkEventDefinition",
        EventDefinition::Compensate { .. } => "compensateEventDefinition",
        EventDefinition::Terminate => "terminateEventDefinition",
        EventDefinition::Cancel => "cancelEventDefinition",
    }
}
