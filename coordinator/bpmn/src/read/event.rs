//! Event definitions: in an event, by reference, or at the root of the file.

use super::Reading;
use super::root::local;
use crate::model::{
    ConditionalDefinition, EventDefinition, EventReference, EventSource, Text, TimerDefinition,
};
use crate::xml::{Fields, Ns};

impl<'t> Reading<'t> {
    /// Takes the event definitions of an event, with the job by which it throws a message.
    pub(super) fn events(
        &mut self,
        fields: &mut Fields<'t>,
        owner: &str,
    ) -> (Vec<EventDefinition>, Vec<EventSource>) {
        let found = fields.children_where(|ns, name| {
            let refers = name == "eventDefinitionRef" || name == "eventDefinition";
            ns == Ns::Bpmn && (refers || name.ends_with("EventDefinition"))
        });
        let mut events = Vec::new();
        let mut sources = Vec::new();
        for mut found in found {
            let at = found.at();
            if found.name() == "eventDefinitionRef" {
                if let Some(reference) = self.event_reference(&found.text(), &found, owner) {
                    events.push(reference.definition);
                    sources.push(EventSource {
                        id: Some(reference.id),
                        by_reference: true,
                        extra: found.extra(),
                        at,
                    });
                }
            } else if let Some(definition) = self.event_definition(&mut found, owner) {
                let id = found.attribute("id");
                if let Some(id) = &id {
                    self.use_id(id, at);
                }
                events.push(definition);
                sources.push(EventSource {
                    id,
                    by_reference: false,
                    extra: found.extra(),
                    at,
                });
            }
        }
        // Modelers write the job beside the event definition or inside of it; it belongs to the message.
        for event in &mut events {
            if let EventDefinition::Message { job, publish, .. } = event {
                *job = job.take().or_else(|| self.job(fields, owner));
                *publish = publish.take().or_else(|| self.publish(fields, owner));
            }
        }
        (events, sources)
    }

    /// Finds an event definition at the root of the file.
    pub(super) fn event_reference(
        &mut self,
        id: &str,
        fields: &Fields<'t>,
        owner: &str,
    ) -> Option<EventReference> {
        let id = id.trim();
        let id = if self.ids.events.contains_key(id) {
            id
        } else {
            local(id)
        };
        let found = self.ids.events.get(id).cloned();
        if found.is_none() {
            let message = format!(
                "`{}` names the event definition `{id}`, which the file does not define",
                fields.name()
            );
            let remedy = "define it at the root of the file, or write it inside of the event";
            self.problems.add(
                "unknown-reference",
                Some(owner.to_owned()),
                fields.at(),
                message,
                remedy,
            );
        }
        let definition = found?;
        self.ids.copied += text_of(&definition);
        if self.ids.copied > self.copied_max {
            let message = "event definitions by reference repeat too much text".to_owned();
            let remedy = "shorten the event definitions at the root of the file";
            self.problems.add(
                "too-large",
                Some(owner.to_owned()),
                fields.at(),
                message,
                remedy,
            );
            return None;
        }
        Some(EventReference {
            id: id.to_owned(),
            definition,
        })
    }

    pub(super) fn event_definition(
        &mut self,
        fields: &mut Fields<'t>,
        owner: &str,
    ) -> Option<EventDefinition> {
        Some(match fields.name() {
            "timerEventDefinition" => EventDefinition::Timer(self.timer(fields, owner)),
            "messageEventDefinition" => EventDefinition::Message {
                message: self.reference(fields, ("messageRef", "the message"), owner, |ids| {
                    &ids.messages
                }),
                job: self.job(fields, owner),
                publish: self.publish(fields, owner),
            },
            "signalEventDefinition" => EventDefinition::Signal {
                signal: self.reference(fields, ("signalRef", "the signal"), owner, |ids| {
                    &ids.signals
                }),
            },
            "errorEventDefinition" => EventDefinition::Error {
                error: self.reference(fields, ("errorRef", "the error"), owner, |ids| &ids.errors),
                code_variable: fields.attribute_of_any("errorCodeVariable"),
                message_variable: fields.attribute_of_any("errorMessageVariable"),
            },
            "escalationEventDefinition" => EventDefinition::Escalation {
                escalation: self.reference(
                    fields,
                    ("escalationRef", "the escalation"),
                    owner,
                    |ids| &ids.escalations,
                ),
                code_variable: fields.attribute_of_any("escalationCodeVariable"),
            },
            "conditionalEventDefinition" => {
                let condition = fields.child_expression("condition");
                let filter = self.extension(fields, "conditionalFilter", Some(owner));
                let (variable_names, variable_events) = filter
                    .map(|mut filter| {
                        (
                            filter.attribute("variableNames"),
                            filter.attribute("variableEvents"),
                        )
                    })
                    .unwrap_or_default();
                EventDefinition::Conditional(ConditionalDefinition {
                    condition,
                    variable_names,
                    variable_events,
                })
            }
            "linkEventDefinition" => EventDefinition::Link {
                name: fields.attribute("name").unwrap_or_default(),
            },
            "compensateEventDefinition" => EventDefinition::Compensate {
                activity: fields.attribute("activityRef").filter(|id| !id.is_empty()),
                wait: self.flag(fields, "waitForCompletion", true, Some(owner)),
            },
            "terminateEventDefinition" => EventDefinition::Terminate,
            "cancelEventDefinition" => EventDefinition::Cancel,
            other => {
                let message = format!("`{other}` is not a kind of event");
                let remedy = "use a timer, message, signal, error, escalation, conditional, link, compensate, terminate or cancel event";
                self.problems.add(
                    "unknown-element",
                    Some(owner.to_owned()),
                    fields.at(),
                    message,
                    remedy,
                );
                return None;
            }
        })
    }

    fn timer(&mut self, fields: &mut Fields<'t>, owner: &str) -> TimerDefinition {
        let date = timed(fields, "timeDate").map(TimerDefinition::Date);
        let duration = timed(fields, "timeDuration").map(TimerDefinition::Duration);
        let cycle = timed(fields, "timeCycle").map(TimerDefinition::Cycle);
        let mut found = [date, duration, cycle].into_iter().flatten();
        let first = found.next();
        if found.next().is_some() {
            let message = "the timer has more than one of date, duration and cycle".to_owned();
            self.problems.add(
                "invalid-value",
                Some(owner.to_owned()),
                fields.at(),
                message,
                "keep one of them",
            );
        }
        first.unwrap_or(TimerDefinition::Unset)
    }
}

/// Takes when a timer fires; an empty text still says which kind of timer is drawn.
fn timed(fields: &mut Fields<'_>, name: &str) -> Option<Text> {
    fields.child_text(name).map(|text| Text::parse(&text))
}

/// How many bytes of text a definition holds.
fn text_of(definition: &EventDefinition) -> usize {
    let length = |text: &Option<Text>| text.as_ref().map_or(0, |text| text.as_str().len());
    let name = |text: &Option<String>| text.as_ref().map_or(0, String::len);
    match definition {
        EventDefinition::Timer(
            TimerDefinition::Date(text)
            | TimerDefinition::Duration(text)
            | TimerDefinition::Cycle(text),
        ) => text.as_str().len(),
        EventDefinition::Message { job, publish, .. } => {
            let job = job
                .as_ref()
                .map_or(0, |job| job.job_type.as_str().len() + length(&job.retries));
            let publish = publish.as_ref().map_or(0, |publish| {
                length(&publish.message_id)
                    + length(&publish.correlation_key)
                    + length(&publish.time_to_live)
            });
            job + publish
        }
        EventDefinition::Error {
            code_variable,
            message_variable,
            ..
        } => name(code_variable) + name(message_variable),
        EventDefinition::Escalation { code_variable, .. } => name(code_variable),
        EventDefinition::Conditional(conditional) => {
            length(&conditional.condition)
                + name(&conditional.variable_names)
                + name(&conditional.variable_events)
        }
        EventDefinition::Link { name } => name.len(),
        EventDefinition::Compensate { activity, .. } => name(activity),
        EventDefinition::Timer(TimerDefinition::Unset)
        | EventDefinition::Signal { .. }
        | EventDefinition::Terminate
        | EventDefinition::Cancel => 0,
    }
}
