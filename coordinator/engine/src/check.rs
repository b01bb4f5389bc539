//! Check: a scenario in words, and what is left to wait for afterwards, in words. Every test of the engine goes through it.
//!
//! After each step it also proves the engine's standing promises: a checkpoint plus the events of the step is the state, what
//! the events say is open is what the state says is open, no token waits without a reason, and nothing is left when an instance
//! has ended.

pub(crate) mod faults;
mod ledger;

use crate::command::{Command, Rejection, Start};
use crate::compile;
use crate::event::{Millis, Record};
use crate::instance::{AttachedTrigger, Instance, Segment, Token, Wait};
use crate::key::{Key, KeySource, Partition, SegmentId};
use crate::process::{Process, Symbol};
use crate::step::{Decided, Ended, Env, create, needs, step};
use crate::variables::Variables;
use crate::wait::{Reason, waiting};
use expect_test::Expect;
use ledger::Ledger;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::Arc;

pub(crate) const START: Millis = 1_700_000_000_000;

/// What happens from outside, each to the first open thing of that kind at the element named.
#[derive(Clone, Debug)]
pub(crate) enum Input {
    Done(&'static str, &'static str),
    Failed(&'static str, i32),
    Unknown(&'static str),
    Throws(&'static str, &'static str, &'static str),
    Person(&'static str, &'static str),
    Wait(Millis),
    Message(&'static str, &'static str, &'static str),
    Resolve(&'static str),
    Retries(&'static str, i32),
    Set(&'static str),
    Locally(&'static str, &'static str),
    Cancel,
    Stop,
}

pub(crate) fn done(id: &'static str) -> Input {
    Input::Done(id, "{}")
}

/// Runs a model of the text notation through the inputs and compares what it waits for then.
#[track_caller]
pub(crate) fn check(model: &str, inputs: impl IntoIterator<Item = Input>, expected: Expect) {
    check_with(model, "{}", inputs, expected);
}

/// The same with variables to start with.
#[track_caller]
pub(crate) fn check_with(
    model: &str,
    variables: &str,
    inputs: impl IntoIterator<Item = Input>,
    expected: Expect,
) {
    let mut run = Run::start(model, variables);
    for input in inputs {
        run.apply(input);
    }
    expected.assert_eq(&run.story());
}

/// One instance and the world around it.
#[derive(Clone)]
pub(crate) struct Run {
    pub(crate) process: Arc<Process>,
    pub(crate) instance: Instance,
    pub(crate) now: Millis,
    pub(crate) keys: KeySource,
    pub(crate) journal: Vec<(u32, Record)>,
    pub(crate) ended: Option<Ended>,
    pub(crate) root: Key,
    /// Whether what a step leaves over is done at once.
    pub(crate) at_once: bool,
    pub(crate) rejections: Vec<Rejection>,
    ledger: Ledger,
    message: u64,
}

impl Run {
    #[track_caller]
    pub(crate) fn start(model: &str, variables: &str) -> Run {
        let process = compile_one(model);
        Run::of(
            Arc::new(process),
            Variables::from_json(variables).unwrap(),
            true,
        )
    }

    pub(crate) fn of(process: Arc<Process>, variables: Variables, at_once: bool) -> Run {
        let mut keys = KeySource::new(Partition(1), 0);
        let definition = keys.take();
        let env = Env {
            now: START,
            seed: 7,
            keys: &mut keys,
        };
        let (instance, decided) = create(
            env,
            &process,
            definition,
            Start {
                variables,
                ..Start::default()
            },
        );
        let root = instance.segments().next().unwrap().id().root;
        let mut run = Run {
            process,
            instance,
            now: START,
            keys,
            journal: Vec::new(),
            ended: None,
            root,
            at_once,
            rejections: Vec::new(),
            ledger: Ledger::default(),
            message: 0,
        };
        run.took(&[], decided);
        run.go_on();
        run
    }

    #[track_caller]
    pub(crate) fn apply(&mut self, input: Input) {
        match input {
            Input::Wait(span) => self.pass(span),
            Input::Cancel => self.command(0, Command::Cancel),
            Input::Stop => {
                let reason = "a bug".to_owned();
                self.command(0, Command::Stop { reason });
            }
            Input::Locally(id, variables) => {
                let (segment, scope) = self.find(id, |token| Some(token.key()));
                let variables = Variables::from_json(variables).unwrap();
                self.command(
                    segment,
                    Command::SetVariables {
                        scope,
                        variables,
                        local: true,
                    },
                );
            }
            Input::Set(variables) => {
                let (scope, variables) = (self.root, Variables::from_json(variables).unwrap());
                self.command(
                    0,
                    Command::SetVariables {
                        scope,
                        variables,
                        local: false,
                    },
                );
            }
            Input::Message(name, key, variables) => self.publish(name, key, variables),
            Input::Done(id, variables) => {
                let variables = Variables::from_json(variables).unwrap();
                self.about_job(id, |job| Command::CompleteJob { job, variables });
            }
            Input::Failed(id, retries) => {
                let message = "the printer is out of paper".to_owned();
                let variables = Variables::new();
                self.about_job(id, |job| Command::FailJob {
                    job,
                    retries,
                    retry_at: None,
                    message,
                    variables,
                });
            }
            Input::Unknown(id) => self.about_job(id, |job| Command::SuspendJob {
                job,
                message: "power was cut".to_owned(),
            }),
            Input::Throws(id, code, variables) => {
                let variables = Variables::from_json(variables).unwrap();
                self.about_job(id, |job| Command::ThrowError {
                    job,
                    code: code.into(),
                    message: "sorry".to_owned(),
                    variables,
                });
            }
            Input::Retries(id, retries) => {
                self.about_job(id, |job| Command::SetRetries { job, retries })
            }
            Input::Person(id, variables) => {
                let (segment, task) = self.find(id, |token| match token.wait() {
                    Wait::UserTask { task, .. } => Some(*task),
                    _ => None,
                });
                let variables = Variables::from_json(variables).unwrap();
                self.command(segment, Command::CompleteUserTask { task, variables });
            }
            Input::Resolve(id) => {
                let (segment, incident) =
                    self.find(id, |token| token.incident().map(|incident| incident.key));
                self.command(segment, Command::ResolveIncident { incident });
            }
        }
    }

    #[track_caller]
    fn about_job(&mut self, id: &str, command: impl FnOnce(Key) -> Command) {
        let (segment, job) = self.find(id, |token| token.job().map(|job| job.key));
        self.command(segment, command(job));
    }

    #[track_caller]
    fn find(&self, id: &str, what: impl Fn(&Token) -> Option<Key>) -> (u32, Key) {
        self.instance
            .segments()
            .flat_map(|segment| {
                segment
                    .tokens()
                    .iter()
                    .map(move |token| (segment.id().number, token))
            })
            .filter(|(_, token)| self.process.id_of(token.node()) == id)
            .find_map(|(segment, token)| what(token).map(|key| (segment, key)))
            .unwrap_or_else(|| panic!("nothing of that kind is open at '{id}':\n{}", self.story()))
    }

    fn pass(&mut self, span: Millis) {
        let until = self.now + span;
        let mut fired = BTreeSet::new();
        while let Some((due, segment, timer)) =
            self.next_timer(&fired).filter(|(due, ..)| *due <= until)
        {
            fired.insert(timer);
            self.now = self.now.max(due);
            self.command(segment, Command::FireTimer { timer });
        }
        self.now = until;
    }

    fn next_timer(&self, fired: &BTreeSet<Key>) -> Option<(Millis, u32, Key)> {
        let own = |token: &Token| match token.wait() {
            Wait::Timer { timer, due } => Some((*due, *timer)),
            _ => None,
        };
        let timers = self.instance.segments().flat_map(|segment| {
            segment.tokens().iter().flat_map(move |token| {
                let attached =
                    token
                        .attached()
                        .iter()
                        .filter_map(|attached| match &attached.trigger {
                            AttachedTrigger::Timer { timer, due, .. } => Some((*due, *timer)),
                            AttachedTrigger::Message { .. } => None,
                        });
                own(token)
                    .into_iter()
                    .chain(attached)
                    .map(move |(due, timer)| (due, segment.id().number, timer))
            })
        });
        timers.filter(|(.., timer)| !fired.contains(timer)).min()
    }

    fn publish(&mut self, name: &str, key: &str, variables: &str) {
        let mut open = Vec::new();
        for segment in self.instance.segments() {
            for token in segment.tokens() {
                if let Wait::Message {
                    subscription,
                    name: n,
                    correlation_key: k,
                } = token.wait()
                {
                    open.push((segment.id().number, *subscription, n.clone(), k.clone()));
                }
                for attached in token.attached() {
                    if let AttachedTrigger::Message {
                        subscription,
                        name: n,
                        correlation_key: k,
                    } = &attached.trigger
                    {
                        open.push((segment.id().number, *subscription, n.clone(), k.clone()));
                    }
                }
            }
        }
        let Some((segment, subscription, ..)) =
            open.into_iter().find(|(_, _, n, k)| n == name && k == key)
        else {
            panic!(
                "nobody awaits message '{name}' with key '{key}':\n{}",
                self.story()
            )
        };
        self.message += 1;
        let message = Key::new(Partition(1), 1_000_000 + self.message);
        let variables = Variables::from_json(variables).unwrap();
        self.command(
            segment,
            Command::Correlate {
                subscription,
                message,
                variables,
            },
        );
    }

    pub(crate) fn command(&mut self, segment: u32, command: Command) {
        let checkpoint = self.checkpoint();
        let env = Env {
            now: self.now,
            seed: self.now.cast_unsigned(),
            keys: &mut self.keys,
        };
        match step(env, &self.process, &mut self.instance, segment, command) {
            Ok(decided) => {
                self.took(&checkpoint, decided);
                self.go_on();
            }
            Err(rejection) => {
                assert_eq!(
                    restored(&checkpoint),
                    self.instance,
                    "a refusal leaves the instance untouched"
                );
                self.rejections.push(rejection);
            }
        }
    }

    fn go_on(&mut self) {
        while self.at_once && self.ended.is_none() && self.instance.has_todo() {
            self.proceed();
        }
        self.prove();
        if self.at_once || self.ended.is_some() {
            self.prove_by_journal();
        }
    }

    /// Does what a step left over.
    pub(crate) fn proceed(&mut self) {
        assert_eq!(
            needs(&self.instance),
            Vec::<u32>::new(),
            "all segments are in memory here"
        );
        let checkpoint = self.checkpoint();
        let env = Env {
            now: self.now,
            seed: 3,
            keys: &mut self.keys,
        };
        let decided = step(env, &self.process, &mut self.instance, 0, Command::Continue).unwrap();
        self.took(&checkpoint, decided);
        self.prove();
    }

    fn checkpoint(&self) -> Vec<Vec<u8>> {
        let sealed = |segment: &Segment| postcard::to_stdvec(segment).unwrap();
        self.instance.segments().map(sealed).collect()
    }

    fn took(&mut self, checkpoint: &[Vec<u8>], decided: Decided) {
        let mut reloaded = restored(checkpoint);
        for (number, event) in decided.events {
            self.ledger.hear(&event);
            let record = Record {
                at: self.now,
                events: vec![event],
            };
            let stored = postcard::to_stdvec(&record).unwrap();
            let read: Record = postcard::from_bytes(&stored).unwrap();
            assert_eq!(read, record, "an event is read as it was written");
            let root = self.root;
            reloaded.replay(SegmentId { root, number }, &read);
            self.journal.push((number, record));
        }
        assert_eq!(
            reloaded, self.instance,
            "a checkpoint and what happened since is the state"
        );
        if decided.ended.is_some() {
            self.ended = decided.ended;
        }
    }

    fn prove(&self) {
        assert_eq!(
            self.ledger,
            Ledger::of(&self.instance, self.root),
            "what was opened and not closed is what is open"
        );
        for open in waiting(&self.process, &self.instance) {
            let id = self.process.id_of(open.node);
            assert!(
                open.reason.is_some(),
                "'{id}' waits without a reason: {open:?}\n{:#?}",
                self.instance
            );
        }
        for segment in self.instance.segments() {
            for token in segment.tokens() {
                let inside = segment
                    .tokens()
                    .iter()
                    .filter(|other| other.scope() == Some(token.key()))
                    .count();
                assert_eq!(
                    inside,
                    token.children() as usize,
                    "tokens inside are counted"
                );
            }
        }
        if self.ended.is_some() {
            assert!(
                self.instance.segments().all(Segment::has_ended),
                "nothing is left: {:#?}",
                self.instance
            );
            assert!(!self.instance.has_todo(), "nothing is left to do");
        }
    }

    fn prove_by_journal(&self) {
        let mut replayed = Instance::new();
        for (number, record) in &self.journal {
            let id = SegmentId {
                root: self.root,
                number: *number,
            };
            replayed.replay(id, record);
        }
        assert_eq!(replayed, self.instance, "replay equals live");
    }

    pub(crate) fn story(&self) -> String {
        let mut text = String::new();
        for rejection in &self.rejections {
            let _ = writeln!(text, "refused: {rejection}");
        }
        if let Some(ended) = &self.ended {
            let how = if ended.completed {
                "completed"
            } else {
                "terminated"
            };
            let _ = write!(text, "{how} {}", ended.variables.to_json());
            return text;
        }
        for open in waiting(&self.process, &self.instance) {
            let line = self.line(open.node, open.reason.as_ref());
            let _ = write!(
                text,
                "{:indent$}{line}",
                "",
                indent = 2 * open.depth as usize
            );
            for (on, reason) in &open.watched_by {
                let _ = write!(text, " [{}]", self.line(*on, Some(reason)));
            }
            text.push('\n');
        }
        text.truncate(text.trim_end().len());
        text
    }

    fn line(&self, node: Symbol, reason: Option<&Reason>) -> String {
        let id = self.process.id_of(node);
        match reason {
            None => format!("{id}: no reason"),
            Some(Reason::Job { job_type, .. }) if job_type == id => format!("{id}: job"),
            Some(Reason::Job { job_type, .. }) => format!("{id}: job {job_type}"),
            Some(Reason::Person { assignee, .. }) => {
                format!(
                    "{id}: person{}",
                    assignee
                        .as_ref()
                        .map(|who| format!(" {who}"))
                        .unwrap_or_default()
                )
            }
            Some(Reason::Timer { due, .. }) => {
                format!("{id}: timer in {} s", (due - self.now) / 1000)
            }
            Some(Reason::Message {
                name,
                correlation_key,
            }) => format!("{id}: message {name} for {correlation_key}"),
            Some(Reason::Join { arrived, of }) => format!("{id}: {arrived} of {of} arrived"),
            Some(Reason::Inside { tokens }) => format!("{id}: {tokens} inside"),
            Some(Reason::Children {
                active,
                completed,
                total,
            }) => {
                format!("{id}: {active} active, {completed} of {total} completed")
            }
            Some(Reason::Incident { kind, message, .. }) => format!("{id}: {kind} {message}"),
            Some(Reason::Turn) => format!("{id}: its turn"),
        }
    }
}

#[track_caller]
pub(crate) fn compile_one(model: &str) -> Process {
    let model = botswain_bpmn::build(model);
    match compile(&model) {
        Ok(mut processes) => processes.remove(0),
        Err(problems) => panic!(
            "{}",
            problems
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join("\n")
        ),
    }
}

fn restored(checkpoint: &[Vec<u8>]) -> Instance {
    let mut instance = Instance::new();
    for sealed in checkpoint {
        instance.load(postcard::from_bytes(sealed).unwrap());
    }
    instance
}
