//! World: instances, their jobs, timers and messages, without a coordinator. When nothing else can happen, time jumps.

use botswain_bpmn::{Model, Problem};
use botswain_engine::event::Event;
use botswain_engine::instance::{AttachedTrigger, JobState, Token, Wait};
use botswain_engine::process::Element;
use botswain_engine::{
    Command, Env, IncidentKind, Instance, Key, KeySource, Millis, Partition, Process, Start,
    Variables, compile, create, step,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

const BEGIN: Millis = 1_700_000_000_000;

/// More than any case needs: a case that does more turns for ever.
const TURNS_MAX: usize = 20_000;

/// A job that somebody may do.
#[derive(Clone, Debug)]
pub struct OpenJob {
    /// Its key.
    pub key: Key,
    /// What kind of work it is.
    pub job_type: String,
    /// The element's BPMN id.
    pub element: String,
    /// The headers, a JSON object.
    pub headers: serde_json::Value,
    /// The variables that the job sees.
    pub variables: serde_json::Value,
    place: (usize, u32),
}

/// What a worker does with a job.
#[derive(Clone, Debug)]
pub enum Done {
    /// It is done, with these results.
    Completed(serde_json::Value),
    /// It is done that many milliseconds later.
    Later(Millis),
    /// It ended with a BPMN error.
    Threw(&'static str),
    /// A message was published, and then it was done.
    Published(String, String),
}

/// What happened at an element, for traces.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Seen {
    /// A token entered it.
    Entered(String),
    /// It completed.
    Completed(String),
    /// It was terminated.
    Terminated(String),
    /// Its incident.
    Incident(IncidentKind),
}

struct Running {
    process: Arc<Process>,
    instance: Instance,
    ended: Option<(bool, Variables)>,
}

/// Everything that a case needs.
pub struct World {
    processes: Vec<Arc<Process>>,
    running: Vec<Running>,
    keys: KeySource,
    now: Millis,
    delayed: Vec<(Millis, OpenJob)>,
    buffered: Vec<(String, String)>,
    /// The element of each open token.
    keys_of: BTreeMap<Key, String>,
    /// What happened so far, in order.
    pub seen: Vec<Seen>,
}

impl World {
    /// Compiles a model.
    ///
    /// # Errors
    /// All problems of the model.
    pub fn deploy(model: &Model) -> Result<World, Vec<Problem>> {
        let mut keys = KeySource::new(Partition(1), 0);
        keys.take();
        Ok(World {
            processes: compile(model)?.into_iter().map(Arc::new).collect(),
            running: Vec::new(),
            keys,
            now: BEGIN,
            delayed: Vec::new(),
            buffered: Vec::new(),
            keys_of: BTreeMap::new(),
            seen: Vec::new(),
        })
    }

    /// Starts an instance of a process; false when there is no such process.
    pub fn start(&mut self, process_id: &str, variables: &serde_json::Value) -> bool {
        let Some(process) = self.processes.iter().find(|p| p.id == process_id).cloned() else {
            return false;
        };
        let start = Start {
            variables: variables_of(variables),
            ..Start::default()
        };
        let env = Env {
            now: self.now,
            seed: 1,
            keys: &mut self.keys,
        };
        let definition = Key::new(Partition(1), 1);
        let (instance, decided) = create(env, &process, definition, start);
        let number = self.running.len();
        self.running.push(Running {
            process,
            instance,
            ended: None,
        });
        self.heard(number, decided);
        true
    }

    /// Lets everything happen that can, jobs before timers, until all rests.
    pub fn run(&mut self, mut worker: impl FnMut(&[OpenJob], &OpenJob) -> Done) {
        let mut taken = BTreeSet::new();
        for _ in 0..TURNS_MAX {
            if self.go_on() {
                continue;
            }
            let open = self.open_jobs();
            if let Some(job) = open.iter().find(|job| !taken.contains(&job.key)) {
                taken.insert(job.key);
                match worker(&open, job) {
                    Done::Later(span) => self.delayed.push((self.now + span, job.clone())),
                    done => self.finish(job, done),
                }
                continue;
            }
            if self.deliver() {
                continue;
            }
            if !self.jump() {
                return;
            }
        }
    }

    /// Does what steps left over; false when nothing is.
    pub fn go_on(&mut self) -> bool {
        for number in 0..self.running.len() {
            if self.running[number].ended.is_none() && self.running[number].instance.has_todo() {
                self.command(number, 0, Command::Continue);
                return true;
            }
        }
        false
    }

    /// Lets the timer or the message at an element happen; false when none waits there.
    pub fn trigger(&mut self, element: &str) -> bool {
        let found = self.waits().find(|wait| wait.element == element);
        match found.map(|wait| (wait.place, wait.how)) {
            None => false,
            Some(((number, segment), How::Timer(timer, due))) => {
                self.now = self.now.max(due);
                self.command(number, segment, Command::FireTimer { timer });
                true
            }
            Some(((number, segment), How::Message(subscription, ..))) => {
                self.correlate(number, segment, subscription);
                true
            }
        }
    }

    /// Whether all instances are over, and how the last one that was started ended.
    #[must_use]
    pub fn ended(&self) -> Option<(bool, serde_json::Value)> {
        let (completed, variables) = self.running.last()?.ended.as_ref()?;
        let variables = serde_json::from_str(&variables.to_json()).ok()?;
        Some((*completed, variables))
    }

    fn command(&mut self, number: usize, segment: u32, command: Command) {
        let running = &mut self.running[number];
        let env = Env {
            now: self.now,
            seed: 1,
            keys: &mut self.keys,
        };
        // A refusal means that the thing is gone already: nothing happened.
        if let Ok(decided) = step(
            env,
            &running.process,
            &mut running.instance,
            segment,
            command,
        ) {
            self.heard(number, decided);
        }
    }

    fn heard(&mut self, number: usize, decided: botswain_engine::Decided) {
        let running = &mut self.running[number];
        for (_, event) in &decided.events {
            let seen = match event {
                Event::TokenEntered { token, node, .. }
                | Event::ChildStarted { token, node, .. } => {
                    // A multi-instance body is not drawn: its children are.
                    if matches!(
                        running.process.named(*node).element,
                        Element::MultiInstance(_)
                    ) {
                        continue;
                    }
                    self.keys_of
                        .insert(*token, running.process.id_of(*node).to_string());
                    Seen::Entered(running.process.id_of(*node).to_string())
                }
                Event::TokenLeft { token, completed } => {
                    let Some(id) = self.keys_of.remove(token) else {
                        continue;
                    };
                    if *completed {
                        Seen::Completed(id)
                    } else {
                        Seen::Terminated(id)
                    }
                }
                Event::IncidentRaised { kind, .. } => Seen::Incident(*kind),
                _ => continue,
            };
            self.seen.push(seen);
        }
        if let Some(ended) = decided.ended {
            running.ended = Some((ended.completed, ended.variables));
        }
    }

    fn open_jobs(&self) -> Vec<OpenJob> {
        let mut open = Vec::new();
        for (number, running) in self.running.iter().enumerate() {
            for segment in running.instance.segments() {
                for token in segment.tokens() {
                    let place = (number, segment.id().number);
                    open.extend(open_job(running, place, token));
                }
            }
        }
        open
    }

    fn finish(&mut self, job: &OpenJob, done: Done) {
        let (number, segment) = job.place;
        let key = job.key;
        let command = match done {
            Done::Completed(results) => Command::CompleteJob {
                job: key,
                variables: variables_of(&results),
            },
            Done::Later(_) => Command::CompleteJob {
                job: key,
                variables: Variables::new(),
            },
            Done::Threw(code) => Command::ThrowError {
                job: key,
                code: code.into(),
                message: String::new(),
                variables: Variables::new(),
            },
            Done::Published(name, correlation_key) => {
                self.buffered.push((name, correlation_key));
                Command::CompleteJob {
                    job: key,
                    variables: Variables::new(),
                }
            }
        };
        self.command(number, segment, command);
    }

    /// Brings a published message to who awaits it; false when nobody does.
    fn deliver(&mut self) -> bool {
        let waits: Vec<Awaited> = self.waits().collect();
        for at in 0..self.buffered.len() {
            let (name, key) = &self.buffered[at];
            let found = waits
                .iter()
                .find(|wait| matches!(&wait.how, How::Message(_, n, k) if n == name && k == key));
            if let Some(Awaited {
                place: (number, segment),
                how: How::Message(subscription, ..),
                ..
            }) = found
            {
                let (number, segment, subscription) = (*number, *segment, *subscription);
                self.buffered.remove(at);
                self.correlate(number, segment, subscription);
                return true;
            }
        }
        false
    }

    fn correlate(&mut self, number: usize, segment: u32, subscription: Key) {
        let command = Command::Correlate {
            subscription,
            message: Key::new(Partition(1), 1_000_000),
            variables: Variables::new(),
        };
        self.command(number, segment, command);
    }

    /// Lets time pass until the next timer or delayed job; false when there is none.
    fn jump(&mut self) -> bool {
        let timer = self
            .waits()
            .filter_map(|wait| match wait.how {
                How::Timer(timer, due) => Some((due, timer, wait.place)),
                How::Message(..) => None,
            })
            .min();
        let delayed = self.delayed.iter().map(|(due, _)| *due).min();
        match (timer, delayed) {
            (None, None) => false,
            (Some((due, timer, (number, segment))), delayed)
                if delayed.is_none_or(|other| due <= other) =>
            {
                self.now = self.now.max(due);
                self.command(number, segment, Command::FireTimer { timer });
                true
            }
            (_, Some(due)) => {
                self.now = self.now.max(due);
                let at = self
                    .delayed
                    .iter()
                    .position(|(d, _)| *d == due)
                    .unwrap_or(0);
                let (_, job) = self.delayed.remove(at);
                self.finish(&job, Done::Completed(serde_json::json!({})));
                true
            }
            (Some(_), None) => false,
        }
    }

    fn waits(&self) -> impl Iterator<Item = Awaited> + '_ {
        self.running
            .iter()
            .enumerate()
            .flat_map(|(number, running)| {
                running.instance.segments().flat_map(move |segment| {
                    segment.tokens().iter().flat_map(move |token| {
                        awaited(running, (number, segment.id().number), token)
                    })
                })
            })
    }
}

struct Awaited {
    place: (usize, u32),
    element: String,
    how: How,
}

enum How {
    Timer(Key, Millis),
    Message(Key, String, String),
}

fn awaited(running: &Running, place: (usize, u32), token: &Token) -> Vec<Awaited> {
    let mut all = Vec::new();
    let mut add = |node, how| {
        let element = running.process.id_of(node).to_string();
        all.push(Awaited {
            place,
            element,
            how,
        });
    };
    match token.wait() {
        Wait::Timer { timer, due } => add(token.node(), How::Timer(*timer, *due)),
        Wait::Message {
            subscription,
            name,
            correlation_key,
        } => {
            let how = How::Message(*subscription, name.to_string(), correlation_key.to_string());
            add(token.node(), how);
        }
        Wait::Nothing
        | Wait::Join { .. }
        | Wait::Job(_)
        | Wait::UserTask { .. }
        | Wait::Children => {}
    }
    for attached in token.attached() {
        let how = match &attached.trigger {
            AttachedTrigger::Timer { timer, due, .. } => How::Timer(*timer, *due),
            AttachedTrigger::Message {
                subscription,
                name,
                correlation_key,
            } => How::Message(*subscription, name.to_string(), correlation_key.to_string()),
        };
        add(attached.on, how);
    }
    all
}

fn open_job(running: &Running, place: (usize, u32), token: &Token) -> Option<OpenJob> {
    let job = token.job().filter(|job| job.state == JobState::Open)?;
    let node = running.process.named(token.node());
    let of_model = match &node.element {
        Element::JobTask(task) => task.headers.as_str(),
        _ => "{}",
    };
    let headers = job.headers.as_ref().map_or(of_model, |json| json.as_str());
    let seen =
        botswain_engine::visible_variables(&running.instance, place.1, token.key(), &[]).to_json();
    Some(OpenJob {
        key: job.key,
        job_type: job.job_type.to_string(),
        element: node.id.to_string(),
        headers: serde_json::from_str(headers).unwrap_or_default(),
        variables: serde_json::from_str(&seen).unwrap_or_default(),
        place,
    })
}

fn variables_of(json: &serde_json::Value) -> Variables {
    Variables::from_json(&json.to_string()).expect("a case's variables are an object")
}
