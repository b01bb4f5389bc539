//! The fluent builder: processes made by programs.

use crate::draft::Draft;
use crate::model::{
    Element, ElementIdx, ErrorIdx, EscalationIdx, EventDefinition, JobDefinition, Kind, MessageIdx,
    Model, SignalIdx, Text, UserTask,
};
use crate::problem::Problem;

/// Builds a model with one executable process, one element after another.
///
/// Each element is connected with the one before; [`Builder::at`] goes back to another one, [`Builder::when`] and
/// [`Builder::otherwise`] say when the next connection is taken. Mistakes are collected and returned by [`Builder::finish`].
///
/// ```
/// let model = botswain_bpmn::Builder::process("order")
///     .start("start")
///     .job("check", "stock.check")
///     .exclusive("enough")
///     .when("count > 0")
///     .job("pick", "warehouse.pick")
///     .end("done")
///     .at("enough")
///     .otherwise()
///     .end("sold-out")
///     .finish();
/// assert!(model.is_ok_and(|model| model.processes[0].elements.len() == 6));
/// ```
#[derive(Debug, Clone)]
pub struct Builder {
    draft: Draft,
    scope: Option<ElementIdx>,
    last: Option<ElementIdx>,
    next: Next,
    problems: Vec<Problem>,
}

#[derive(Debug, Clone)]
enum Next {
    Always,
    When(String),
    Otherwise,
}

impl Builder {
    /// Begins a process.
    #[must_use]
    pub fn process(id: &str) -> Builder {
        Builder {
            draft: Draft::new(id),
            scope: None,
            last: None,
            next: Next::Always,
            problems: Vec::new(),
        }
    }

    /// Adds a none start event.
    #[must_use]
    pub fn start(self, id: &str) -> Builder {
        self.element(Element::new(
            id,
            Kind::StartEvent {
                events: vec![],
                interrupting: true,
                parallel_multiple: false,
                form: None,
            },
        ))
    }

    /// Adds a none end event.
    #[must_use]
    pub fn end(self, id: &str) -> Builder {
        self.element(Element::new(id, Kind::EndEvent { events: vec![] }))
    }

    /// Adds a service task of a job type.
    #[must_use]
    pub fn job(self, id: &str, job_type: &str) -> Builder {
        let job = Some(JobDefinition {
            job_type: Text::parse(job_type),
            retries: None,
        });
        self.element(Element::new(
            id,
            Kind::ServiceTask {
                job,
                agent_type: None,
            },
        ))
    }

    /// Adds a user task that the coordinator keeps itself.
    #[must_use]
    pub fn user(self, id: &str) -> Builder {
        self.element(Element::new(
            id,
            Kind::UserTask(Box::new(UserTask {
                native: true,
                ..UserTask::default()
            })),
        ))
    }

    /// Adds an exclusive gateway.
    #[must_use]
    pub fn exclusive(self, id: &str) -> Builder {
        self.element(Element::new(id, Kind::ExclusiveGateway))
    }

    /// Adds a parallel gateway.
    #[must_use]
    pub fn parallel(self, id: &str) -> Builder {
        self.element(Element::new(id, Kind::ParallelGateway))
    }

    /// Adds an event that waits.
    #[must_use]
    pub fn catch(self, id: &str, event: EventDefinition) -> Builder {
        self.element(Element::new(
            id,
            Kind::IntermediateCatch {
                events: vec![event],
                parallel_multiple: false,
            },
        ))
    }

    /// Adds a sub-process with what `inside` builds.
    #[must_use]
    pub fn sub_process(self, id: &str, inside: impl FnOnce(Builder) -> Builder) -> Builder {
        self.scope(
            Element::new(
                id,
                Kind::SubProcess {
                    triggered_by_event: false,
                },
            ),
            inside,
        )
    }

    /// Adds a scope of any kind with what `inside` builds; an event sub-process is not connected.
    #[must_use]
    pub fn scope(mut self, element: Element, inside: impl FnOnce(Builder) -> Builder) -> Builder {
        let outer = self.scope;
        let before = self.last;
        if matches!(
            element.kind,
            Kind::SubProcess {
                triggered_by_event: true
            }
        ) {
            self.last = None;
        }
        let count = self.problems.len();
        self = self.element(element);
        let scope = self.last;
        if self.problems.len() == count {
            self.scope = scope;
        }
        self.last = None;
        self = inside(self);
        self.scope = outer;
        self.next = Next::Always;
        let stands_alone = scope.is_some_and(|idx| {
            matches!(
                self.draft.element(idx).kind,
                Kind::SubProcess {
                    triggered_by_event: true
                }
            )
        });
        self.last = if stands_alone { before } else { scope };
        self
    }

    /// Adds a boundary event beside an activity and goes on from there.
    #[must_use]
    pub fn boundary(
        mut self,
        host: &str,
        id: &str,
        interrupting: bool,
        event: EventDefinition,
    ) -> Builder {
        let Some(attached_to) = self.draft.find(host) else {
            return self.wrong(id, format!("there is no `{host}` to attach it to"));
        };
        let kind = Kind::Boundary {
            attached_to,
            interrupting,
            events: vec![event],
            parallel_multiple: false,
        };
        self.last = None;
        self.element(Element::new(id, kind))
    }

    /// Adds any element.
    #[must_use]
    pub fn element(mut self, element: Element) -> Builder {
        let id = element.id.clone();
        match self.draft.add(self.scope, element) {
            Ok(idx) => {
                self.link(idx);
                self.last = Some(idx);
                self
            }
            Err(message) => self.wrong(&id, message),
        }
    }

    /// Changes the last element.
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut Element)) -> Builder {
        if let Some(last) = self.last {
            change(self.draft.element_mut(last));
        }
        self
    }

    /// Goes back to an element, to go on from there.
    #[must_use]
    pub fn at(mut self, id: &str) -> Builder {
        match self.draft.find(id) {
            Some(idx) => {
                self.last = Some(idx);
                self
            }
            None => self.wrong(id, "there is no such element".into()),
        }
    }

    /// Connects the last element with one that is there already.
    #[must_use]
    pub fn to(mut self, id: &str) -> Builder {
        match self.draft.find(id) {
            Some(idx) => {
                self.link(idx);
                self
            }
            None => self.wrong(id, "there is no such element".into()),
        }
    }

    /// Makes the next connection depend on a FEEL expression.
    #[must_use]
    pub fn when(mut self, feel: &str) -> Builder {
        self.next = Next::When(feel.to_owned());
        self
    }

    /// Makes the next connection the default flow.
    #[must_use]
    pub fn otherwise(mut self) -> Builder {
        self.next = Next::Otherwise;
        self
    }

    /// Names a message; the correlation key is a FEEL expression.
    pub fn message(&mut self, name: &str, correlation_key: Option<&str>) -> MessageIdx {
        self.draft.message(
            Text::parse(name),
            correlation_key.map(|key| Text::Feel(key.to_owned())),
        )
    }

    /// Names an error code.
    pub fn error(&mut self, code: &str) -> ErrorIdx {
        self.draft.error(Text::parse(code))
    }

    /// Names a signal.
    pub fn signal(&mut self, name: &str) -> SignalIdx {
        self.draft.signal(Text::parse(name))
    }

    /// Names an escalation code.
    pub fn escalation(&mut self, code: &str) -> EscalationIdx {
        self.draft.escalation(Text::parse(code))
    }

    /// Returns the model, or everything that was wrong.
    pub fn finish(self) -> Result<Model, Vec<Problem>> {
        if self.problems.is_empty() {
            Ok(self.draft.finish())
        } else {
            Err(self.problems)
        }
    }

    fn link(&mut self, target: ElementIdx) {
        let next = std::mem::replace(&mut self.next, Next::Always);
        let Some(source) = self.last else { return };
        if let Some(flow) = self.draft.connect(source, target) {
            match next {
                Next::Always => {}
                Next::When(feel) => self.draft.flow_mut(flow).condition = Some(Text::Feel(feel)),
                Next::Otherwise => self.draft.element_mut(source).default_flow = Some(flow),
            }
        }
    }

    fn wrong(mut self, id: &str, message: String) -> Builder {
        self.problems.push(Problem {
            code: "builder",
            element: Some(id.to_owned()),
            line: 0,
            column: 0,
            message,
            remedy: "correct the call of the builder; ids begin with a letter or `_`, and `-`, `.`, digits may follow".into(),
        });
        self
    }
}

#[cfg(test)]
mod tests {
    use super::Builder;
    use crate::notation::build;

    #[test]
    fn a_built_process_equals_the_written_one() {
        let built = Builder::process("process")
            .start("start")
            .exclusive("big")
            .when("amount > 10")
            .sub_process("sub", |sub| {
                sub.start("sub.start").job("a", "a").end("sub.end")
            })
            .end("end")
            .at("big")
            .otherwise()
            .to("end")
            .finish();
        let written = build(
            "start > big:xor > [amount > 10] sub:{ start > a:job > end } > end; big > [else] end",
        );
        assert_eq!(built, Ok(written));
    }

    #[test]
    fn every_mistake_is_reported_at_once() {
        let problems = Builder::process("p")
            .start("a b")
            .start("s")
            .end("s")
            .at("nowhere")
            .finish()
            .err()
            .unwrap_or_default();
        let messages: Vec<_> = problems
            .iter()
            .map(|problem| problem.message.as_str())
            .collect();
        assert_eq!(
            messages,
            [
                "`a b` can't be an id",
                "the id `s` is used twice",
                "there is no such element"
            ]
        );
    }
}
