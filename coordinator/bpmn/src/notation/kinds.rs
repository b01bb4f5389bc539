//! What each kind of the text notation stands for.

use super::args::{Args, feel, text};
use super::syntax::{KindText, Mention};
use crate::draft::Draft;
use crate::model::{
    AdHoc, Assignment, Binding, CalledDecision, CalledElement, ConditionalDefinition, Element,
    ElementIdx, EventDefinition, FormLink, Header, JobDefinition, Kind, Loop, Mapping,
    MultiInstance, Position, Schedule, Script, StandardLoop, Text, TimerDefinition, UserTask,
};
use crate::problem::Problem;

type Result<T> = std::result::Result<T, Box<Problem>>;

const KINDS: &str = "one of job, send, script, scriptjob, user, manual, task, rule, receive, call, xor, and, or, event, complex, timer, \
                     message, signal, condition, link, catch, throw, start, end, or `{ … }`";
const BOUNDARIES: &str =
    "one of timer, message, signal, error, escalation, condition, compensate, cancel, catch";

/// Gives `start…` and `end…` their kind.
pub(super) fn by_name(name: &str) -> Option<Kind> {
    if name.starts_with("start") {
        Some(Kind::StartEvent {
            events: vec![],
            interrupting: true,
            parallel_multiple: false,
            form: None,
        })
    } else if name.starts_with("end") {
        Some(Kind::EndEvent { events: vec![] })
    } else {
        None
    }
}

/// Makes the element that a mention introduces.
pub(super) fn introduced<'a>(
    source: &'a str,
    draft: &mut Draft,
    mention: &Mention<'a>,
    kind: &KindText<'a>,
) -> Result<Element> {
    let mut args = Args::new(source, mention.at, kind.word, &kind.args);
    let mut element = Element::new(mention.name.clone(), Kind::Task);
    if mention.host.is_none()
        && kind.body.is_none()
        && !matches!(kind.word, "xor" | "and" | "or" | "event" | "complex")
        || kind.body.is_some()
    {
        common(&mut args, &mut element)?;
    }
    element.kind = if mention.host.is_some() {
        boundary(&mut args, draft, kind)?
    } else if kind.body.is_some() {
        scope(&mut args, kind)?
    } else {
        plain(&mut args, draft, &mut element, kind)?
    };
    args.finish()?;
    Ok(element)
}

fn plain(
    args: &mut Args<'_>,
    draft: &mut Draft,
    element: &mut Element,
    kind: &KindText<'_>,
) -> Result<Kind> {
    Ok(match kind.word {
        "job" => Kind::ServiceTask {
            job: Some(job(args, &element.id)),
            agent_type: None,
        },
        "send" => Kind::SendTask {
            job: Some(job(args, &element.id)),
            publish: None,
            message: None,
        },
        "scriptjob" => Kind::ScriptTask {
            script: None,
            body: None,
            job: Some(job(args, &element.id)),
        },
        "script" => {
            let (expression, result_variable) = args.arrow("expression")?;
            Kind::ScriptTask {
                script: Some(Script {
                    expression: feel(expression),
                    result_variable,
                }),
                body: None,
                job: None,
            }
        }
        "user" => Kind::UserTask(Box::new(user(args, element.job_priority.take()))),
        "manual" => Kind::ManualTask,
        "task" => Kind::Task,
        "rule" => rule(args)?,
        "receive" => {
            let instantiate = args.flag("instantiate");
            let key = args.feel("key");
            let name = args.needed("message name")?;
            Kind::ReceiveTask {
                message: Some(draft.message(text(name), key)),
                instantiate,
            }
        }
        "call" => Kind::CallActivity {
            called: Some(call(args)?),
        },
        "xor" => Kind::ExclusiveGateway,
        "and" => Kind::ParallelGateway,
        "or" => Kind::InclusiveGateway,
        "event" => Kind::EventBasedGateway {
            instantiate: args.flag("instantiate"),
            parallel: args.flag("parallel"),
        },
        "complex" => Kind::ComplexGateway {
            activation_condition: args.positional().map(feel),
        },
        "catch" => Kind::IntermediateCatch {
            parallel_multiple: args.flag("parallel"),
            events: triggers(args, draft),
        },
        "timer" | "message" | "signal" | "condition" | "link" => Kind::IntermediateCatch {
            events: vec![trigger(args, draft, kind.word)?],
            parallel_multiple: false,
        },
        "throw" => Kind::IntermediateThrow {
            events: triggers(args, draft),
        },
        "end" => Kind::EndEvent {
            events: triggers(args, draft),
        },
        "start" => {
            let interrupting = !args.flag("non-interrupting");
            let parallel_multiple = args.flag("parallel");
            let form = args.text("form").map(|form_id| FormLink {
                form_id: Some(form_id),
                ..FormLink::default()
            });
            Kind::StartEvent {
                events: triggers(args, draft),
                interrupting,
                parallel_multiple,
                form,
            }
        }
        other => return Err(args.wrong(format!("`{other}` is not a kind"), KINDS)),
    })
}

fn boundary(args: &mut Args<'_>, draft: &mut Draft, kind: &KindText<'_>) -> Result<Kind> {
    let interrupting = !args.flag("non-interrupting");
    let mut parallel_multiple = false;
    let events = match kind.word {
        "catch" => {
            parallel_multiple = args.flag("parallel");
            triggers(args, draft)
        }
        "timer" | "message" | "signal" | "error" | "escalation" | "condition" | "compensate"
        | "cancel" => {
            vec![trigger(args, draft, kind.word)?]
        }
        other => return Err(args.wrong(format!("`{other}` can't be a boundary event"), BOUNDARIES)),
    };
    // The host is known once every element of the scope is.
    Ok(Kind::Boundary {
        attached_to: ElementIdx(0),
        interrupting,
        events,
        parallel_multiple,
    })
}

fn scope(args: &mut Args<'_>, kind: &KindText<'_>) -> Result<Kind> {
    Ok(match kind.word {
        "" | "sub" => Kind::SubProcess {
            triggered_by_event: false,
        },
        "event" => Kind::SubProcess {
            triggered_by_event: true,
        },
        "transaction" => Kind::Transaction { method: None },
        "adhoc" => Kind::AdHocSubProcess(Box::new(AdHoc {
            active_elements: args.feel("active"),
            completion_condition: args.feel("done"),
            cancel_remaining: !args.flag("keep-remaining"),
            sequential: args.flag("sequential"),
            job: args.text("type").map(|job_type| JobDefinition {
                job_type,
                retries: None,
            }),
            ..AdHoc::default()
        })),
        other => {
            let message = format!("`{other}` has nothing inside");
            return Err(args.wrong(
                message,
                "write `{ … }`, `event{ … }`, `transaction{ … }` or `adhoc{ … }`",
            ));
        }
    })
}

fn job(args: &mut Args<'_>, id: &str) -> JobDefinition {
    JobDefinition {
        job_type: args
            .text("type")
            .unwrap_or_else(|| Text::Literal(id.to_owned())),
        retries: args.text("retries"),
    }
}

fn user(args: &mut Args<'_>, priority: Option<Text>) -> UserTask {
    let assignment = Assignment {
        assignee: args.text("assignee"),
        candidate_groups: args.text("groups"),
        candidate_users: args.text("users"),
    };
    let schedule = Schedule {
        due_date: args.text("due"),
        follow_up_date: args.text("follow-up"),
    };
    UserTask {
        native: !args.flag("job"),
        job: None,
        form: args.text("form").map(|form_id| FormLink {
            form_id: Some(form_id),
            ..FormLink::default()
        }),
        assignment: (assignment != Assignment::default()).then_some(assignment),
        schedule: (schedule != Schedule::default()).then_some(schedule),
        priority,
    }
}

fn rule(args: &mut Args<'_>) -> Result<Kind> {
    if let Some(job_type) = args.text("type") {
        let job = Some(JobDefinition {
            job_type,
            retries: args.text("retries"),
        });
        return Ok(Kind::BusinessRuleTask {
            decision: None,
            job,
        });
    }
    let (decision, result_variable) = args.arrow("decision")?;
    let decision = CalledDecision {
        decision_id: text(decision),
        result_variable,
        binding: Binding::Latest,
    };
    Ok(Kind::BusinessRuleTask {
        decision: Some(decision),
        job: None,
    })
}

fn call(args: &mut Args<'_>) -> Result<CalledElement> {
    Ok(CalledElement {
        propagate_all_child_variables: args.named("all-out") != Some("false"),
        propagate_all_parent_variables: args.named("all-in") != Some("false"),
        business_id: args.text("business-id"),
        standard: false,
        binding: match args.text("tag") {
            Some(tag) => Binding::VersionTag(tag),
            None if args.flag("same-deployment") => Binding::Deployment,
            None => Binding::Latest,
        },
        process_id: text(args.needed("process id")?),
    })
}

/// Reads the trigger that a kind itself names: `timer(PT5M)`.
fn trigger(args: &mut Args<'_>, draft: &mut Draft, word: &str) -> Result<EventDefinition> {
    Ok(match word {
        "timer" => match timer_by_name(args) {
            Some(timer) => EventDefinition::Timer(timer),
            None => EventDefinition::Timer(timer_by_form(args.needed("duration")?)),
        },
        "message" => {
            let key = args.feel("key");
            let name = args.needed("message name")?;
            EventDefinition::Message {
                message: Some(draft.message(text(name), key)),
                job: None,
                publish: None,
            }
        }
        "signal" => EventDefinition::Signal {
            signal: Some(draft.signal(text(args.needed("signal name")?))),
        },
        "error" => EventDefinition::Error {
            code_variable: args.named("code-variable").map(str::to_owned),
            message_variable: args.named("message-variable").map(str::to_owned),
            error: args.positional().map(|code| draft.error(text(code))),
        },
        "escalation" => EventDefinition::Escalation {
            code_variable: args.named("code-variable").map(str::to_owned),
            escalation: args.positional().map(|code| draft.escalation(text(code))),
        },
        "condition" => condition(feel(args.needed("condition")?)),
        "link" => EventDefinition::Link {
            name: args.needed("link name")?.to_owned(),
        },
        "compensate" => EventDefinition::Compensate {
            activity: None,
            wait: true,
        },
        "cancel" => EventDefinition::Cancel,
        other => return Err(args.wrong(format!("`{other}` is not a trigger"), BOUNDARIES)),
    })
}

/// Reads triggers by their names: `end(error=CODE)`.
fn triggers(args: &mut Args<'_>, draft: &mut Draft) -> Vec<EventDefinition> {
    let mut events = Vec::new();
    if let Some(timer) = args
        .named("timer")
        .map(timer_by_form)
        .or_else(|| timer_by_name(args))
    {
        events.push(EventDefinition::Timer(timer));
    }
    if let Some(name) = args.text("message") {
        let key = args.feel("key");
        let job = args.text("type").map(|job_type| JobDefinition {
            job_type,
            retries: args.text("retries"),
        });
        events.push(EventDefinition::Message {
            message: Some(draft.message(name, key)),
            job,
            publish: None,
        });
    }
    if let Some(name) = args.text("signal") {
        events.push(EventDefinition::Signal {
            signal: Some(draft.signal(name)),
        });
    }
    let catch_all_error = args.flag("error");
    if let Some(code) = args
        .text("error")
        .map(Some)
        .or(catch_all_error.then_some(None))
    {
        let code_variable = args.named("code-variable").map(str::to_owned);
        let message_variable = args.named("message-variable").map(str::to_owned);
        events.push(EventDefinition::Error {
            error: code.map(|code| draft.error(code)),
            code_variable,
            message_variable,
        });
    }
    let catch_all_escalation = args.flag("escalation");
    if let Some(code) = args
        .text("escalation")
        .map(Some)
        .or(catch_all_escalation.then_some(None))
    {
        let code_variable = args.named("code-variable").map(str::to_owned);
        events.push(EventDefinition::Escalation {
            escalation: code.map(|code| draft.escalation(code)),
            code_variable,
        });
    }
    if let Some(feel) = args.feel("condition") {
        events.push(condition(feel));
    }
    if let Some(name) = args.named("link") {
        events.push(EventDefinition::Link {
            name: name.to_owned(),
        });
    }
    let activity = args.named("compensate").map(str::to_owned);
    if activity.is_some() || args.flag("compensate") {
        events.push(EventDefinition::Compensate {
            activity,
            wait: true,
        });
    }
    if args.flag("terminate") {
        events.push(EventDefinition::Terminate);
    }
    if args.flag("cancel") {
        events.push(EventDefinition::Cancel);
    }
    events
}

fn condition(condition: Text) -> EventDefinition {
    EventDefinition::Conditional(ConditionalDefinition {
        condition: Some(condition),
        variable_names: None,
        variable_events: None,
    })
}

fn timer_by_name(args: &mut Args<'_>) -> Option<TimerDefinition> {
    let date = args.text("date").map(TimerDefinition::Date);
    let duration = args.text("duration").map(TimerDefinition::Duration);
    let cycle = args.text("cycle").map(TimerDefinition::Cycle);
    date.or(duration).or(cycle)
}

fn timer_by_form(value: &str) -> TimerDefinition {
    let value = text(value);
    match &value {
        Text::Feel(_) => TimerDefinition::Duration(value),
        Text::Literal(literal) if literal.starts_with('P') => TimerDefinition::Duration(value),
        Text::Literal(literal) if literal.starts_with('R') => TimerDefinition::Cycle(value),
        Text::Literal(_) => TimerDefinition::Date(value),
    }
}

/// Reads what every activity and event can have.
fn common(args: &mut Args<'_>, element: &mut Element) -> Result<()> {
    let mapping = |(target, source)| Mapping {
        source,
        target,
        at: Position::default(),
    };
    element.inputs = args
        .phrases("in")
        .into_iter()
        .map(|arg| mapping(assignment(arg.text)))
        .collect();
    element.outputs = args
        .phrases("out")
        .into_iter()
        .map(|arg| mapping(assignment(arg.text)))
        .collect();
    for arg in args.phrases("header") {
        let (key, value) = arg.text.split_once('=').unwrap_or((arg.text, ""));
        element.headers.push(Header {
            key: key.trim().into(),
            value: value.trim().into(),
            id: None,
        });
    }
    element.job_priority = args.text("priority");
    element.for_compensation = args.flag("compensation");
    element.repeats = repeats(args)?;
    Ok(())
}

fn repeats(args: &mut Args<'_>) -> Result<Option<Loop>> {
    let (parallel, sequential) = (args.phrase("each")?, args.phrase("seq")?);
    let times = args.phrase("times")?;
    let collect = args.phrase("collect")?;
    let until = args.phrase("until")?;
    let (condition, maximum) = (args.phrase("while")?, args.phrase("max")?);
    if parallel.is_some() && sequential.is_some() {
        return Err(args.wrong(
            "it repeats both side by side and one after another".into(),
            "write `each … in …` or `seq … in …`",
        ));
    }
    if condition.is_some() || maximum.is_some() {
        let condition = condition.map(|arg| feel(arg.text));
        let maximum = maximum.map(|arg| text(arg.text));
        return Ok(Some(Loop::Standard(StandardLoop {
            condition,
            maximum,
            ..StandardLoop::default()
        })));
    }
    let Some(items) = parallel.or(sequential).or(times) else {
        return match collect.or(until) {
            Some(_) => Err(args.wrong(
                "it does not repeat".into(),
                "write `each item in items` before `collect` and `until`",
            )),
            None => Ok(None),
        };
    };
    let mut multi = MultiInstance {
        sequential: sequential.is_some(),
        ..MultiInstance::default()
    };
    if parallel.or(sequential).is_some() {
        let Some((item, collection)) = items.text.split_once(" in ") else {
            return Err(args.wrong(
                "it does not say what to go through".into(),
                "write `each item in items`",
            ));
        };
        multi.input_element = (item.trim() != "_").then(|| item.trim().to_owned());
        multi.input_collection = Some(feel(collection.trim()));
    }
    multi.cardinality = times.map(|arg| feel(arg.text));
    if let Some(collect) = collect {
        let (results, result) = assignment(collect.text);
        multi.output_collection = Some(results);
        multi.output_element = Some(result);
    }
    multi.completion_condition = until.map(|arg| feel(arg.text));
    Ok(Some(Loop::MultiInstance(Box::new(multi))))
}

/// Reads `variable = expression`; a single variable is taken as it is.
fn assignment(value: &str) -> (String, Text) {
    let (target, source) = value.split_once('=').unwrap_or((value, value));
    (target.trim().to_owned(), feel(source.trim()))
}
