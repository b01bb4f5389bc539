//! Commands: what each one asks of which token, and when it is refused.

use super::{At, Cx, Decided, Env};
use crate::command::{Command, Rejection, Start};
use crate::elements;
use crate::event::Event;
use crate::incident::{IncidentKind, Problem};
use crate::instance::{AttachedTrigger, Instance, Job, JobState, Phase, Segment, Token, Wait};
use crate::key::{Key, ROOT_SEGMENT};
use crate::lookup::SCOPE_BYTES_MAX;
use crate::mapping::Writes;
use crate::process::{Element, PROCESS_NODE, Process, Symbol};
use crate::triggers;
use crate::variables::Variables;
use smol_str::SmolStr;

/// Starts an instance: its key is the first fresh one.
#[must_use]
pub fn create(
    env: Env<'_>,
    process: &Process,
    definition: Key,
    start: Start,
) -> (Instance, Decided) {
    let root = env.keys.take();
    let mut instance = Instance::new();
    let mut cx = Cx::new(env, process, &mut instance, root);
    let Start {
        variables,
        business_id,
        tags,
    } = start;
    cx.emit(
        ROOT_SEGMENT,
        Event::InstanceStarted {
            definition,
            node: process.root(),
            variables,
            business_id,
            tags,
        },
    );
    let Element::Process(scope) = &process.node(PROCESS_NODE).element else {
        unreachable!("node 0 is the process: compile put it there")
    };
    let top = cx.root();
    cx.enter_next(
        top,
        process.node(scope.start).symbol,
        None,
        Variables::new(),
    );
    cx.work();
    let decided = cx.into_decided();
    (instance, decided)
}

/// Decides a command of one segment and applies the outcome. The segment and its ancestors are in memory, and for
/// [`Command::Continue`] what [`super::needs`] names.
///
/// # Errors
/// A refusal leaves the instance untouched.
pub fn step(
    env: Env<'_>,
    process: &Process,
    instance: &mut Instance,
    number: u32,
    command: Command,
) -> Result<Decided, Rejection> {
    let top = instance.known(ROOT_SEGMENT);
    let root = top.id().root;
    let Some(top_token) = top.first() else {
        return Err(Rejection::NotFound {
            what: "process instance",
            key: root,
        });
    };
    if top.is_stopped() {
        // A stopped instance can be cancelled, and that may take several steps.
        let is_ending = top_token.phase() == Phase::Terminating;
        let ends =
            matches!(command, Command::Cancel) || is_ending && matches!(command, Command::Continue);
        if !ends {
            return Err(Rejection::Stopped(root));
        }
    }
    let mut cx = Cx::new(env, process, instance, root);
    if let Some(header) = cx.instance.root().and_then(Segment::header) {
        let todo = header.todo.clone();
        if matches!(command, Command::Continue) {
            cx.later_changed = !todo.is_empty();
            cx.queue.extend(todo);
        } else {
            cx.later = todo;
        }
    }
    cx.admit(number, command)?;
    cx.work();
    Ok(cx.into_decided())
}

impl Cx<'_> {
    /// Refuses before the first event, or begins to act.
    fn admit(&mut self, number: u32, command: Command) -> Result<(), Rejection> {
        match command {
            Command::CompleteJob { job, variables } => self.complete_job(number, job, variables),
            Command::FailJob {
                job,
                retries,
                retry_at,
                message,
                variables,
            } => {
                let at = self.open_job(number, job)?;
                let token = at.token;
                let writes = vec![(at, variables)];
                self.admit_size(&writes)?;
                self.write(writes);
                let text = message.clone();
                let retries = retries.max(0);
                self.emit(
                    number,
                    Event::JobFailed {
                        token,
                        job,
                        retries,
                        retry_at,
                        message,
                    },
                );
                if retries == 0 {
                    let id = &self.node(at).id;
                    let message = format!(
                        "job '{job}' of element '{id}' failed and has no retries left: {}; repair the cause, then resolve the \
                         incident to try it once more",
                        if text.is_empty() {
                            "the worker gave no reason"
                        } else {
                            &text
                        }
                    );
                    self.raise(at, Problem::new(IncidentKind::JobNoRetries, message));
                }
                Ok(())
            }
            Command::SuspendJob { job, message } => {
                let at = self.open_job(number, job)?;
                let text = message.clone();
                self.emit(
                    number,
                    Event::JobFailed {
                        token: at.token,
                        job,
                        retries: 0,
                        retry_at: None,
                        message,
                    },
                );
                let message = format!(
                    "the outcome of an attempt at job '{job}' is unknown: {text}; look at the evidence, then complete the job if \
                     it happened, or resolve the incident to do it again"
                );
                self.raise(at, Problem::new(IncidentKind::AttemptUnknown, message));
                Ok(())
            }
            Command::ThrowError {
                job,
                code,
                message,
                variables,
            } => {
                let at = self.open_job(number, job)?;
                self.throw_from_job(at, job, code, message, variables);
                Ok(())
            }
            Command::SetRetries { job, retries } => {
                let at = self.find_job(number, job)?;
                if retries < 1 {
                    return Err(Rejection::InvalidArgument(format!(
                        "expected to update retries for job with key '{job}' with a positive amount of retries, found {retries}"
                    )));
                }
                let offered = self.token(at).incident().is_none();
                self.emit(
                    number,
                    Event::JobRetriesSet {
                        token: at.token,
                        job,
                        retries,
                        offered,
                    },
                );
                Ok(())
            }
            Command::CompleteUserTask { task, variables } => {
                let at = self.user_task(number, task)?;
                self.emit(
                    number,
                    Event::UserTaskCompleted {
                        token: at.token,
                        task,
                        variables,
                    },
                );
                self.resume(at);
                Ok(())
            }
            Command::AssignUserTask { task, assignee } => {
                let at = self.user_task(number, task)?;
                self.emit(
                    number,
                    Event::UserTaskAssigned {
                        token: at.token,
                        task,
                        assignee,
                    },
                );
                Ok(())
            }
            Command::FireTimer { timer } => {
                let (at, on) = self.locate(number, |token| timer_of(token, timer)).ok_or(
                    Rejection::NotFound {
                        what: "timer",
                        key: timer,
                    },
                )?;
                triggers::timer::fired(self, at, timer, on);
                Ok(())
            }
            Command::Correlate {
                subscription,
                message,
                variables,
            } => {
                let (at, on) = self
                    .locate(number, |token| subscription_of(token, subscription))
                    .ok_or(Rejection::NotFound {
                        what: "message subscription",
                        key: subscription,
                    })?;
                triggers::message::correlated(self, at, subscription, on, message, variables);
                Ok(())
            }
            Command::ResolveIncident { incident } => self.resolve(number, incident),
            Command::SetVariables {
                scope,
                variables,
                local,
            } => {
                let at = At {
                    segment: number,
                    token: scope,
                };
                if self.find(at).is_none() {
                    return Err(Rejection::NotFound {
                        what: "element",
                        key: scope,
                    });
                }
                let writes = if local {
                    vec![(at, variables)]
                } else {
                    self.propagate(at, variables)
                };
                self.admit_size(&writes)?;
                self.write(writes);
                Ok(())
            }
            Command::Cancel => {
                let top = self.root();
                if self.token(top).phase() != Phase::Terminating {
                    self.terminate(top, None);
                }
                Ok(())
            }
            Command::Continue => Ok(()),
            Command::Stop { reason } => {
                self.emit(ROOT_SEGMENT, Event::InstanceStopped { reason });
                Ok(())
            }
        }
    }

    fn complete_job(
        &mut self,
        number: u32,
        job: Key,
        variables: Variables,
    ) -> Result<(), Rejection> {
        let at = self.find_job(number, job)?;
        let token = self.token(at);
        let unknown = token
            .incident()
            .filter(|incident| incident.kind == IncidentKind::AttemptUnknown)
            .map(|i| i.key);
        match unknown {
            // What nobody knew is known: it happened.
            Some(incident) => self.emit(
                number,
                Event::IncidentResolved {
                    token: at.token,
                    incident,
                },
            ),
            None => {
                self.open_job(number, job)?;
            }
        }
        self.emit(
            number,
            Event::JobCompleted {
                token: at.token,
                job,
                variables,
            },
        );
        self.resume(at);
        Ok(())
    }

    fn throw_from_job(
        &mut self,
        at: At,
        job: Key,
        code: SmolStr,
        message: String,
        variables: Variables,
    ) {
        let token = at.token;
        let handler = triggers::error::handler(self, at, &code);
        let caught = handler.is_some();
        self.emit(
            at.segment,
            Event::JobErrorThrown {
                token,
                job,
                code: code.clone(),
                message: message.clone(),
                caught,
            },
        );
        match handler {
            Some(handler) => triggers::error::caught(self, &handler, &code, &message, variables),
            None => {
                let problem = triggers::error::unhandled(self, at, &code, &message);
                self.raise(at, problem);
            }
        }
    }

    fn resolve(&mut self, number: u32, incident: Key) -> Result<(), Rejection> {
        let held = |token: &Token| {
            token
                .incident()
                .filter(|open| open.key == incident)
                .map(|_| token.node())
        };
        let (at, _) = self.locate(number, held).ok_or(Rejection::NotFound {
            what: "incident",
            key: incident,
        })?;
        self.emit(
            number,
            Event::IncidentResolved {
                token: at.token,
                incident,
            },
        );
        let token = self.token(at);
        match (token.phase(), token.job().map(|job| (job.key, job.retries))) {
            (Phase::Activating, _) => {
                let node = self.node(at);
                if let Err(problem) = elements::enter(self, at, node) {
                    self.raise(at, problem);
                }
            }
            (Phase::Active, Some((job, retries))) => {
                let retries = retries.max(1);
                self.emit(
                    number,
                    Event::JobRetriesSet {
                        token: at.token,
                        job,
                        retries,
                        offered: true,
                    },
                );
            }
            // A scope whose results could not be handed on: nothing is active inside, and it completes.
            (Phase::Active, None) => self.look_at(at),
            (Phase::Terminating, _) => {}
            (Phase::Completing, _) => self.resume(at),
        }
        self.check_next(at);
        Ok(())
    }

    /// Finds what a command is about. What only waits for its own end is not found: it is as good as cancelled.
    fn locate(
        &self,
        number: u32,
        holds: impl Fn(&Token) -> Option<Symbol>,
    ) -> Option<(At, Symbol)> {
        let found = self.segment(number).tokens().iter().find_map(|token| {
            holds(token).map(|on| {
                (
                    At {
                        segment: number,
                        token: token.key(),
                    },
                    on,
                )
            })
        });
        found.filter(|(at, _)| !self.is_ending(*at))
    }

    /// Refuses variables from outside that would make a scope too large.
    fn admit_size(&self, writes: &Writes) -> Result<(), Rejection> {
        for (at, variables) in writes {
            let bytes = self.size_with(*at, variables);
            if bytes > SCOPE_BYTES_MAX {
                return Err(Rejection::InvalidArgument(format!(
                    "the variables make the scope '{}' {bytes} bytes large, the limit is {SCOPE_BYTES_MAX}: keep large \
                     documents outside and pass a reference",
                    at.token
                )));
            }
        }
        Ok(())
    }

    fn find_job(&self, number: u32, job: Key) -> Result<At, Rejection> {
        self.locate(number, |token| {
            token
                .job()
                .filter(|have| have.key == job)
                .map(|_| token.node())
        })
        .map(|(at, _)| at)
        .ok_or(Rejection::NotFound {
            what: "job",
            key: job,
        })
    }

    fn open_job(&self, number: u32, job: Key) -> Result<At, Rejection> {
        let at = self.find_job(number, job)?;
        let state = match self.token(at).job() {
            Some(Job {
                state: JobState::Failed,
                ..
            }) => "FAILED",
            Some(Job {
                state: JobState::Errored,
                ..
            }) => "ERROR_THROWN",
            Some(Job {
                state: JobState::Open,
                ..
            })
            | None => return Ok(at),
        };
        Err(Rejection::InvalidState {
            what: "job",
            key: job,
            state,
            expected: "ACTIVATABLE or ACTIVATED",
        })
    }

    fn user_task(&self, number: u32, task: Key) -> Result<At, Rejection> {
        let holds = |token: &Token| {
            let is_it = matches!(token.wait(), Wait::UserTask { task: have, .. } if *have == task);
            is_it.then(|| token.node())
        };
        self.locate(number, holds)
            .map(|(at, _)| at)
            .ok_or(Rejection::NotFound {
                what: "user task",
                key: task,
            })
    }
}

fn timer_of(token: &Token, timer: Key) -> Option<Symbol> {
    if matches!(token.wait(), Wait::Timer { timer: own, .. } if *own == timer) {
        return Some(token.node());
    }
    let watches = |trigger: &AttachedTrigger| matches!(trigger, AttachedTrigger::Timer { timer: t, .. } if *t == timer);
    token
        .attached()
        .iter()
        .find(|attached| watches(&attached.trigger))
        .map(|attached| attached.on)
}

fn subscription_of(token: &Token, subscription: Key) -> Option<Symbol> {
    if matches!(token.wait(), Wait::Message { subscription: own, .. } if *own == subscription) {
        return Some(token.node());
    }
    let watches = |trigger: &AttachedTrigger| matches!(trigger, AttachedTrigger::Message { subscription: s, .. } if *s == subscription);
    token
        .attached()
        .iter()
        .find(|attached| watches(&attached.trigger))
        .map(|attached| attached.on)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::Input::{Cancel, Done, Failed, Message, Set, Stop, Throws, Wait};
    use crate::check::{Run, check, compile_one, done, faults};
    use expect_test::expect;
    use std::sync::Arc;

    #[test]
    fn a_stopped_instance_takes_a_cancel_and_nothing_else() {
        check(
            "start > a:job > end",
            [Stop, done("a"), Set(r#"{"x":1}"#), Stop],
            expect![[r#"
                refused: instance '2251799813685250' was stopped after an internal error: cancel it, or report the error that its incident names
                refused: instance '2251799813685250' was stopped after an internal error: cancel it, or report the error that its incident names
                refused: instance '2251799813685250' was stopped after an internal error: cancel it, or report the error that its incident names
                process: 1 inside
                  a: job"#]],
        );
        check(
            "start > many:job(each x in for i in 1..300 return i) > end",
            [Stop, Cancel],
            expect!["terminated {}"],
        );
    }

    #[test]
    fn what_is_being_ended_is_not_found() {
        faults::set_work_per_step(1);
        let model = "start > each:(each x in [1,2,3]){ start > a:job > end; a@late:timer(PT1H, non-interrupting) > e1:end } > end;
                 each@stop:message(stop, key=1) > b:job > e2:end";
        let process = Arc::new(compile_one(model));
        let mut run = Run::of(process, Variables::new(), false);
        while run.instance.has_todo() {
            run.proceed();
        }
        run.apply(Message("stop", "1", "{}"));
        assert!(run.instance.has_todo(), "the children are still there");
        run.apply(Done("a", r#"{"late":true}"#));
        run.apply(Throws("a", "E", "{}"));
        run.apply(Failed("a", 0));
        run.apply(Wait(3_600_000));
        while run.instance.has_todo() {
            run.proceed();
        }
        expect![[r#"
            refused: no such job with key '2251799813685264' was found
            refused: no such job with key '2251799813685264' was found
            refused: no such job with key '2251799813685264' was found
            refused: no such timer with key '2251799813685263' was found
            refused: no such timer with key '2251799813685267' was found
            process: 1 inside
              b: job"#]]
        .assert_eq(&run.story());
    }

    #[test]
    fn variables_have_a_limit() {
        let large = |name: &str| format!(r#"{{"{name}":"{}"}}"#, "x".repeat(4_000_000));
        let mut run = Run::start("start > a:job > end", "{}");
        for name in ["a", "b", "c", "d", "d", "e"] {
            let (scope, variables) = (run.root, Variables::from_json(&large(name)).unwrap());
            run.command(
                0,
                Command::SetVariables {
                    scope,
                    variables,
                    local: false,
                },
            );
        }
        expect![[r#"
            refused: the variables make the scope '2251799813685250' 20000015 bytes large, the limit is 16777216: keep large documents outside and pass a reference
            process: 1 inside
              a: job"#]].assert_eq(&run.story());
    }
}
