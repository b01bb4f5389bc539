//! Elements: what each kind of the model becomes, and what keeps one from being executed.

use super::convert::{Notes, Place};
use super::graph::Places;
use crate::process::{
    Boundary, Element, JobTask, MessageRef, Script, Timer, Trigger, UserTask, Value,
};
use crate::triggers::timer;
use crate::variables::Json;
use botswain_bpmn::{self as bpmn, EventDefinition, Kind, MessageIdx, Model, TimerDefinition};
use smol_str::SmolStr;

/// How often a job is tried when the model doesn't say.
const RETRIES_USUAL: &str = "3";

/// The reserved type of user tasks that a worker serves.
const USER_TASK_JOB: &str = "io.camunda.zeebe:userTask";

/// Converts one element. After a problem the result does not matter: nothing with a problem is ever run.
pub(super) fn convert(
    model: &Model,
    source: &bpmn::Process,
    element: &bpmn::Element,
    places: &Places,
    notes: &mut Notes,
) -> Element {
    let here = Place::of(element);
    let refused = Element::PassThroughTask;
    match &element.kind {
        Kind::StartEvent { events, .. } => {
            if !events.is_empty() {
                notes.unsupported(
                    here,
                    &an(&tags(events), "start event"),
                    "start with a none start event",
                );
            }
            Element::StartEvent
        }
        Kind::EndEvent { events } => end_event(model, element, events, notes).unwrap_or(refused),
        Kind::IntermediateCatch { events, .. } => match one(element, events, notes) {
            Some(EventDefinition::Timer(definition)) => {
                timer(here, definition, false, notes).map_or(refused, Element::TimerCatchEvent)
            }
            Some(EventDefinition::Message { message, .. }) => {
                message_ref(model, element, *message, notes)
                    .map_or(refused, Element::MessageCatchEvent)
            }
            Some(other) => {
                notes.unsupported(
                    here,
                    &an(kind(other), "catch event"),
                    "use a timer or message catch event",
                );
                refused
            }
            None => refused,
        },
        Kind::IntermediateThrow { events } => match events.as_slice() {
            [] => Element::NoneThrowEvent,
            [EventDefinition::Message { job, .. }] => {
                job_task(element, job.as_ref(), notes).unwrap_or(refused)
            }
            _ => {
                notes.unsupported(
                    here,
                    &an(&tags(events), "throw event"),
                    "use a message throw event or a task",
                );
                refused
            }
        },
        Kind::Boundary {
            attached_to,
            interrupting,
            events,
            ..
        } => {
            let trigger = one(element, events, notes)
                .and_then(|event| trigger(model, element, event, *interrupting, notes));
            let attached_to = places.outer(*attached_to);
            trigger.map_or(refused, |trigger| {
                Element::BoundaryEvent(Boundary {
                    attached_to,
                    interrupting: *interrupting,
                    trigger,
                })
            })
        }
        Kind::ServiceTask { job, .. } | Kind::SendTask { job, .. } => {
            job_task(element, job.as_ref(), notes).unwrap_or(refused)
        }
        Kind::BusinessRuleTask { decision, job } => {
            if decision.is_some() {
                notes.unsupported(
                    here,
                    "a called decision",
                    "give the business rule task a zeebe:taskDefinition",
                );
                return refused;
            }
            job_task(element, job.as_ref(), notes).unwrap_or(refused)
        }
        Kind::ScriptTask {
            script: Some(script),
            ..
        } => script_task(here, script, notes).unwrap_or(refused),
        Kind::ScriptTask {
            script: None, job, ..
        } => job_task(element, job.as_ref(), notes).unwrap_or(refused),
        Kind::UserTask(task) => user_task(here, element, task, notes).unwrap_or(refused),
        Kind::ManualTask | Kind::Task => Element::PassThroughTask,
        Kind::ReceiveTask {
            message,
            instantiate,
        } => {
            if *instantiate {
                notes.unsupported(
                    here,
                    "an instantiating receive task",
                    "start the process with a none start event",
                );
            }
            message_ref(model, element, *message, notes).map_or(refused, Element::MessageCatchEvent)
        }
        Kind::ExclusiveGateway => {
            conditions(source, element, notes);
            Element::ExclusiveGateway
        }
        Kind::ParallelGateway => Element::ParallelGateway,
        Kind::SubProcess { .. } => {
            notes.unsupported(
                here,
                "an event sub-process",
                "use a boundary event at an embedded sub-process",
            );
            refused
        }
        Kind::CallActivity { .. }
        | Kind::Transaction { .. }
        | Kind::AdHocSubProcess(_)
        | Kind::InclusiveGateway
        | Kind::EventBasedGateway { .. }
        | Kind::ComplexGateway { .. } => {
            notes.unsupported(
                here,
                &format!("the element '{}'", element.kind.tag()),
                "replace it by supported elements",
            );
            refused
        }
    }
}

/// Notes what an element says beside its kind and is not executed.
pub(super) fn check(element: &bpmn::Element, notes: &mut Notes) {
    let here = Place::of(element);
    if !element.listeners.is_empty() || !element.task_listeners.is_empty() {
        notes.unsupported(
            here,
            "a listener",
            "remove the listener, or make it a task of the process",
        );
    }
    if element.for_compensation {
        notes.unsupported(
            here,
            "a compensation handler",
            "model the undo as an ordinary path",
        );
    }
    if element.start_quantity != 1 || element.completion_quantity != 1 {
        notes.unsupported(
            here,
            "a start or completion quantity other than 1",
            "leave the quantity at 1",
        );
    }
    if element.job_priority.is_some() {
        notes.unsupported(here, "a job priority", "remove zeebe:jobPriorityDefinition");
    }
    if !element.linked_resources.is_empty() {
        notes.unsupported(here, "a linked resource", "remove zeebe:linkedResources");
    }
}

fn one<'m>(
    element: &bpmn::Element,
    events: &'m [EventDefinition],
    notes: &mut Notes,
) -> Option<&'m EventDefinition> {
    match events {
        [event] => Some(event),
        _ => {
            let message = format!(
                "must have exactly one event definition, and has {}",
                events.len()
            );
            notes.note(
                Place::of(element),
                "event-definitions",
                message,
                "keep one event definition",
            );
            None
        }
    }
}

fn end_event(
    model: &Model,
    element: &bpmn::Element,
    events: &[EventDefinition],
    notes: &mut Notes,
) -> Option<Element> {
    let here = Place::of(element);
    match events {
        [] => Some(Element::EndEvent),
        [EventDefinition::Terminate] => Some(Element::TerminateEndEvent),
        [EventDefinition::Message { job, .. }] => job_task(element, job.as_ref(), notes),
        [EventDefinition::Error { error, .. }] => {
            let code = error
                .and_then(|error| model.error(error).code.as_ref())
                .filter(|code| !code.is_empty());
            let Some(code) = code else {
                notes.note(
                    here,
                    "missing-error-code",
                    "an error end event must refer to an error, and its errorCode must be present and not empty",
                    "choose an error with a code",
                );
                return None;
            };
            notes
                .value(here, "the error code", code)
                .map(Element::ErrorEndEvent)
        }
        _ => {
            notes.unsupported(
                here,
                &an(&tags(events), "end event"),
                "use a none, message, error or terminate end event",
            );
            None
        }
    }
}

fn trigger(
    model: &Model,
    element: &bpmn::Element,
    event: &EventDefinition,
    interrupting: bool,
    notes: &mut Notes,
) -> Option<Trigger> {
    let here = Place::of(element);
    match event {
        EventDefinition::Timer(definition) => {
            timer(here, definition, !interrupting, notes).map(Trigger::Timer)
        }
        EventDefinition::Message { message, .. } => {
            message_ref(model, element, *message, notes).map(Trigger::Message)
        }
        EventDefinition::Error {
            error,
            code_variable,
            message_variable,
        } => {
            if !interrupting {
                notes.note(
                    here,
                    "error-boundary-not-interrupting",
                    "an error boundary event must be interrupting",
                    "remove cancelActivity=\"false\"",
                );
            }
            let code = match error.and_then(|error| model.error(error).code.as_ref()) {
                None => None,
                Some(bpmn::Text::Literal(code)) if !code.is_empty() => {
                    Some(SmolStr::from(code.as_str()))
                }
                Some(_) => {
                    notes.note(
                        here,
                        "static-error-code",
                        "the code of a caught error must be a fixed text that is not empty",
                        "write the code itself, or refer to no error to catch all",
                    );
                    None
                }
            };
            Some(Trigger::Error {
                code,
                code_variable: code_variable.as_deref().map(SmolStr::from),
                message_variable: message_variable.as_deref().map(SmolStr::from),
            })
        }
        other => {
            notes.unsupported(
                here,
                &an(kind(other), "boundary event"),
                "use a timer, message or error boundary event",
            );
            None
        }
    }
}

fn timer(
    here: Place<'_>,
    definition: &TimerDefinition,
    cycles: bool,
    notes: &mut Notes,
) -> Option<Timer> {
    let what = "the timer";
    let timer = match definition {
        TimerDefinition::Date(text) => Timer::Date(notes.value(here, what, text)?),
        TimerDefinition::Duration(text) => Timer::Duration(notes.value(here, what, text)?),
        TimerDefinition::Cycle(text) => {
            if !cycles {
                notes.note(
                    here,
                    "timer-cycle",
                    "a time cycle is only allowed where the event doesn't interrupt: at a non-interrupting boundary event",
                    "use a time duration or a time date",
                );
            }
            Timer::Cycle(notes.value(here, what, text)?)
        }
        TimerDefinition::Unset => {
            notes.note(
                here,
                "missing-timer",
                "a timer must have a time date, a time duration or a time cycle",
                "say when the timer fires",
            );
            return None;
        }
    };
    let (Timer::Date(value) | Timer::Duration(value) | Timer::Cycle(value)) = &timer;
    if let Value::Literal(text) = value
        && let Err(error) = timer::check(&timer, text)
    {
        notes.note(
            here,
            "invalid-timer",
            error.to_string(),
            "correct the time, or compute it with an expression",
        );
    }
    Some(timer)
}

fn message_ref(
    model: &Model,
    element: &bpmn::Element,
    message: Option<MessageIdx>,
    notes: &mut Notes,
) -> Option<MessageRef> {
    let here = Place::of(element);
    let Some(message) = message.map(|message| model.message(message)) else {
        notes.note(
            here,
            "missing-message",
            "must reference a message",
            "choose or create the message that is awaited",
        );
        return None;
    };
    let name = message.name.as_ref().filter(|name| !name.is_empty());
    if name.is_none() {
        let note = format!("the message '{}' must have a name", message.id);
        notes.note(here, "missing-message-name", note, "name the message");
    }
    let Some(key) = &message.correlation_key else {
        let note = format!(
            "the message '{}' must have exactly one zeebe:subscription extension element",
            message.id
        );
        notes.note(
            here,
            "missing-correlation-key",
            note,
            "give the message a subscription correlation key",
        );
        return None;
    };
    let correlation_key = notes.expression(here, "the correlation key", key)?;
    Some(MessageRef {
        name: notes.value(here, "the message name", name?)?,
        correlation_key,
    })
}

fn job_task(
    element: &bpmn::Element,
    job: Option<&bpmn::JobDefinition>,
    notes: &mut Notes,
) -> Option<Element> {
    let here = Place::of(element);
    let Some(job) = job.filter(|job| !job.job_type.is_empty()) else {
        notes.note(
            here,
            "missing-task-definition",
            "must have exactly one 'zeebe:taskDefinition' extension element with a type",
            "set the type of the job that does the work",
        );
        return None;
    };
    let job_type = notes.value(here, "the job type", &job.job_type);
    let retries = retries(here, job.retries.as_ref(), notes);
    Some(Element::JobTask(JobTask {
        job_type: job_type?,
        retries: retries?,
        headers: headers(element),
        user_task: None,
    }))
}

fn retries(here: Place<'_>, text: Option<&bpmn::Text>, notes: &mut Notes) -> Option<Value> {
    let Some(text) = text.filter(|text| !text.is_empty()) else {
        return Some(Value::Literal(SmolStr::new_static(RETRIES_USUAL)));
    };
    let value = notes.value(here, "the number of retries", text)?;
    if let Value::Literal(text) = &value
        && text.trim().parse::<i32>().is_err()
    {
        let message = format!("the number of retries is '{text}', expected a whole number");
        notes.note(
            here,
            "invalid-retries",
            message,
            "write a whole number, or an expression that gives one",
        );
    }
    Some(value)
}

fn headers(element: &bpmn::Element) -> Json {
    let map: serde_json::Map<String, serde_json::Value> = element
        .headers
        .iter()
        .map(|header| (header.key.clone(), header.value.clone().into()))
        .collect();
    Json::from_trusted(serde_json::Value::Object(map).to_string())
}

fn script_task(here: Place<'_>, script: &bpmn::Script, notes: &mut Notes) -> Option<Element> {
    let (bpmn::Text::Literal(source) | bpmn::Text::Feel(source)) = &script.expression;
    if script.result_variable.is_empty() {
        notes.note(
            here,
            "missing-result-variable",
            "a script must name its result variable",
            "set the result variable",
        );
    }
    let expression = notes.feel(here, "the script", source)?;
    Some(Element::ScriptTask(Script {
        expression,
        result: SmolStr::from(script.result_variable.as_str()),
    }))
}

fn user_task(
    here: Place<'_>,
    element: &bpmn::Element,
    task: &bpmn::UserTask,
    notes: &mut Notes,
) -> Option<Element> {
    let assignment = task.assignment.clone().unwrap_or_default();
    let schedule = task.schedule.clone().unwrap_or_default();
    let form = task.form.as_ref().and_then(|form| {
        form.form_id
            .as_ref()
            .or(form.external_reference.as_ref())
            .or(form.form_key.as_ref())
    });
    let details = UserTask {
        assignee: notes.optional(here, "the assignee", assignment.assignee.as_ref()),
        candidate_groups: notes.optional(
            here,
            "the candidate groups",
            assignment.candidate_groups.as_ref(),
        ),
        candidate_users: notes.optional(
            here,
            "the candidate users",
            assignment.candidate_users.as_ref(),
        ),
        due_date: notes.optional(here, "the due date", schedule.due_date.as_ref()),
        follow_up_date: notes.optional(
            here,
            "the follow-up date",
            schedule.follow_up_date.as_ref(),
        ),
        form: notes.optional(here, "the form", form),
        priority: notes.optional(here, "the priority", task.priority.as_ref()),
    };
    if task.native {
        return Some(Element::UserTask(Box::new(details)));
    }
    let retries = retries(
        here,
        task.job.as_ref().and_then(|job| job.retries.as_ref()),
        notes,
    )?;
    Some(Element::JobTask(JobTask {
        job_type: Value::Literal(SmolStr::new_static(USER_TASK_JOB)),
        retries,
        headers: headers(element),
        user_task: Some(Box::new(details)),
    }))
}

/// Flows out of an exclusive gateway need a condition when there are several, except the default flow.
fn conditions(source: &bpmn::Process, element: &bpmn::Element, notes: &mut Notes) {
    if element.outgoing.len() < 2 {
        return;
    }
    for idx in &element.outgoing {
        let flow = source.flow(*idx);
        if flow.condition.as_ref().is_none_or(bpmn::Text::is_empty)
            && element.default_flow != Some(*idx)
        {
            notes.note(
                Place {
                    id: &flow.id,
                    at: flow.at,
                },
                "missing-condition",
                format!(
                    "must have a condition or be the default flow of '{}'",
                    element.id
                ),
                "add a condition, or mark the flow as default",
            );
        }
    }
}

fn tags(events: &[EventDefinition]) -> String {
    events.iter().map(kind).collect::<Vec<_>>().join(" and ")
}

/// `an error end event`, `a signal end event`.
fn an(kind: &str, event: &str) -> String {
    let article = if kind.starts_with(['a', 'e', 'i', 'o', 'u']) {
        "an"
    } else {
        "a"
    };
    format!("{article} {kind} {event}")
}

const fn kind(event: &EventDefinition) -> &'static str {
    match event {
        EventDefinition::Timer(_) => "timer",
        EventDefinition::Message { .. } => "message",
        EventDefinition::Signal { .. } => "signal",
        EventDefinition::Error { .. } => "error",
        EventDefinition::Escalation { .. } => "escalation",
        EventDefinition::Conditional(_) => "conditional",
        EventDefinition::Link { .. } => "link",
        EventDefinition::Compensate { .. } => "compensation",
        EventDefinition::Terminate => "terminate",
        EventDefinition::Cancel => "cancel",
    }
}
