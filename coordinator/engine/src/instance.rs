//! Instances: the state of one run, as segments of tokens. Only `apply` writes it, and it never consults the model.

// A new kind does not compile until every match here knows it; tests may ask for one kind only.
#![cfg_attr(not(test), warn(clippy::wildcard_enum_match_arm))]

mod apply;

use crate::event::{Interruption, Millis, Repeat, Todo};
use crate::incident::IncidentKind;
use crate::key::{Key, ROOT_SEGMENT, SegmentId};
use crate::process::Symbol;
use crate::variables::{Json, Variables};
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use std::collections::BTreeMap;

/// The segments of one root instance that are in memory.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Instance {
    segments: BTreeMap<u32, Segment>,
}

/// A part of an instance with its own events and checkpoint: the root, or one multi-instance child.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Segment {
    id: SegmentId,
    origin: Origin,
    /// In the order of their keys; a scope's token comes before the tokens inside.
    tokens: Vec<Token>,
    /// Activations since the last input from outside.
    activations: u32,
    stopped: bool,
}

/// Where a segment comes from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Origin {
    /// It is the root of an instance.
    Root(Header),
    /// It is a child of a multi-instance body.
    Child(Parent),
}

/// What only the root segment knows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Header {
    /// The definition that the instance runs.
    pub definition: Key,
    /// When it began.
    pub started_at: Millis,
    /// What its caller calls it.
    pub business_id: Option<SmolStr>,
    /// Labels.
    pub tags: Vec<SmolStr>,
    /// What steps left over.
    pub(crate) todo: Vec<Todo>,
    /// The number of the next new segment.
    pub(crate) next_segment: u32,
}

/// The body that a child belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parent {
    /// The segment of the body.
    pub segment: u32,
    /// The body's token.
    pub body: Key,
    /// The child's place, from 0.
    pub index: u32,
}

/// One place where an instance is active.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Token {
    key: Key,
    node: Symbol,
    scope: Option<Key>,
    phase: Phase,
    wait: Wait,
    variables: Variables,
    /// What came back and is not handed on yet: output mappings read it, and a repaired incident reads it again.
    pending: Option<Variables>,
    /// Boundary events that are watching.
    attached: Vec<Attached>,
    /// Tokens inside, of this segment.
    children: u32,
    incident: Option<Incident>,
    body: Option<Box<Body>>,
    then: Option<Box<Interruption>>,
    flow: Option<Symbol>,
}

/// How far a token has come on its element.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Phase {
    /// It arrived; inputs are being made ready.
    Activating,
    /// The element works or waits.
    Active,
    /// The work is done; results are being handed on.
    Completing,
    /// It is being ended from outside, and waits for what is inside.
    Terminating,
}

/// What a token waits for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Wait {
    /// Nothing yet, or nothing any more.
    Nothing,
    /// The other flows into a join.
    Join {
        /// The flows that are here.
        arrived: Vec<Symbol>,
    },
    /// A job.
    Job(Job),
    /// A person.
    UserTask {
        /// The task.
        task: Key,
        /// Who has it.
        assignee: Option<SmolStr>,
    },
    /// A timer.
    Timer {
        /// The timer.
        timer: Key,
        /// When it fires.
        due: Millis,
    },
    /// A message.
    Message {
        /// The subscription.
        subscription: Key,
        /// The message's name.
        name: SmolStr,
        /// Its correlation key.
        correlation_key: SmolStr,
    },
    /// What is inside.
    Children,
}

/// The job of a token.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Job {
    /// Its key.
    pub key: Key,
    /// What kind of work it is.
    pub job_type: SmolStr,
    /// How many failures it may still have.
    pub retries: i32,
    /// Not offered before that time.
    pub retry_at: Option<Millis>,
    /// Whether it may be offered at all.
    pub state: JobState,
    /// Headers that were computed; none means those of the model.
    pub headers: Option<Json>,
}

/// Whether a job may be offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum JobState {
    /// Somebody may do it.
    Open,
    /// It has no retries left.
    Failed,
    /// It ended with an error that nobody catches.
    Errored,
}

/// A boundary event that is watching.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Attached {
    /// The boundary event.
    pub on: Symbol,
    /// What it waits for.
    pub trigger: AttachedTrigger,
}

/// What a boundary event waits for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum AttachedTrigger {
    /// A timer.
    Timer {
        /// The timer.
        timer: Key,
        /// When it fires.
        due: Millis,
        /// How it goes on.
        repeat: Option<Repeat>,
    },
    /// A message.
    Message {
        /// The subscription.
        subscription: Key,
        /// The message's name.
        name: SmolStr,
        /// Its correlation key.
        correlation_key: SmolStr,
    },
}

/// An open incident of a token.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Incident {
    /// Its key.
    pub key: Key,
    /// What kind of problem.
    pub kind: IncidentKind,
    /// What was expected, what was found, what to do.
    pub message: String,
}

/// The children of a multi-instance body, as counters: each child is a segment of its own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Body {
    /// How many there will be.
    pub total: u32,
    /// The segment of the first.
    pub first_segment: u32,
    /// How many have been begun.
    pub spawned: u32,
    /// How many completed.
    pub completed: u32,
    /// How many were terminated.
    pub terminated: u32,
    /// The items, until all children have begun.
    pub items: Vec<Json>,
    /// The bytes of the items.
    pub items_bytes: usize,
    /// One bit for each child that ended.
    pub ended: Vec<u64>,
    /// The children's results, by index.
    pub outputs: Vec<Option<Json>>,
    /// The bytes of the results.
    pub outputs_bytes: usize,
}

impl Body {
    /// How many children are running.
    #[must_use]
    pub const fn active(&self) -> u32 {
        self.spawned - self.completed - self.terminated
    }

    /// The running children from `from` on, by index.
    pub fn alive(&self, from: u32) -> impl Iterator<Item = u32> {
        (from..self.spawned).filter(|index| !self.has_ended(*index))
    }

    /// Whether that child ended.
    #[must_use]
    pub fn has_ended(&self, index: u32) -> bool {
        self.ended[index as usize / 64] & (1 << (index % 64)) != 0
    }
}

impl Instance {
    /// An instance of which nothing is in memory yet.
    #[must_use]
    pub const fn new() -> Instance {
        Instance {
            segments: BTreeMap::new(),
        }
    }

    /// Takes a segment into memory.
    pub fn load(&mut self, segment: Segment) {
        self.segments.insert(segment.id.number, segment);
    }

    /// Drops a segment from memory; what it says must be durable.
    pub fn unload(&mut self, number: u32) -> Option<Segment> {
        self.segments.remove(&number)
    }

    /// A segment that is in memory.
    #[must_use]
    pub fn segment(&self, number: u32) -> Option<&Segment> {
        self.segments.get(&number)
    }

    /// The root segment.
    #[must_use]
    pub fn root(&self) -> Option<&Segment> {
        self.segments.get(&ROOT_SEGMENT)
    }

    /// All segments in memory.
    pub fn segments(&self) -> impl Iterator<Item = &Segment> {
        self.segments.values()
    }

    /// Whether nothing is in memory.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.segments.is_empty()
    }

    /// Whether steps left work over, so that the instance must be queued again.
    #[must_use]
    pub fn has_todo(&self) -> bool {
        self.root()
            .and_then(Segment::header)
            .is_some_and(|header| !header.todo.is_empty())
    }

    pub(crate) fn known(&self, number: u32) -> &Segment {
        self.segment(number).expect(
            "the segment is in memory: the caller loaded the path, and `needs` named the rest",
        )
    }
}

impl Segment {
    /// The segment's name.
    #[must_use]
    pub const fn id(&self) -> SegmentId {
        self.id
    }

    /// Where it comes from.
    #[must_use]
    pub const fn origin(&self) -> &Origin {
        &self.origin
    }

    /// The body it belongs to; none for the root.
    #[must_use]
    pub const fn parent(&self) -> Option<Parent> {
        match &self.origin {
            Origin::Root(_) => None,
            Origin::Child(parent) => Some(*parent),
        }
    }

    /// What only the root knows.
    #[must_use]
    pub const fn header(&self) -> Option<&Header> {
        match &self.origin {
            Origin::Root(header) => Some(header),
            Origin::Child(_) => None,
        }
    }

    /// The tokens, outer scopes first.
    #[must_use]
    pub fn tokens(&self) -> &[Token] {
        &self.tokens
    }

    /// Finds a token.
    #[must_use]
    pub fn token(&self, key: Key) -> Option<&Token> {
        self.tokens
            .binary_search_by_key(&key, |token| token.key)
            .ok()
            .map(|at| &self.tokens[at])
    }

    /// Whether the segment is over.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.tokens.is_empty()
    }

    /// Whether the instance was stopped because of a bug.
    #[must_use]
    pub const fn is_stopped(&self) -> bool {
        self.stopped
    }

    /// Activations since the last input from outside.
    #[must_use]
    pub const fn activations(&self) -> u32 {
        self.activations
    }

    /// About how many bytes the segment takes in memory.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let tokens: usize = self
            .tokens
            .iter()
            .map(|token| {
                size_of::<Token>()
                    + token.variables.bytes()
                    + token.pending.as_ref().map_or(0, Variables::bytes)
                    + token.attached.len() * size_of::<Attached>()
                    + token.body.as_ref().map_or(0, |body| {
                        (body.outputs.len() + body.items.len()) * size_of::<Option<Json>>()
                            + body.outputs_bytes
                            + body.items_bytes
                            + body.ended.len() * 8
                    })
            })
            .sum();
        size_of::<Segment>() + tokens
    }

    /// The first token of the segment: the process, or the child's activity.
    #[must_use]
    pub fn first(&self) -> Option<&Token> {
        self.tokens.first()
    }

    pub(crate) fn known(&self, key: Key) -> &Token {
        self.token(key)
            .expect("the token is in its segment: it was found there in this step")
    }
}

impl Token {
    /// The token's key: the element instance's key.
    #[must_use]
    pub const fn key(&self) -> Key {
        self.key
    }

    /// The element it sits on.
    #[must_use]
    pub const fn node(&self) -> Symbol {
        self.node
    }

    /// The token of the scope around it; none for the root.
    #[must_use]
    pub const fn scope(&self) -> Option<Key> {
        self.scope
    }

    /// How far it has come.
    #[must_use]
    pub const fn phase(&self) -> Phase {
        self.phase
    }

    /// What it waits for.
    #[must_use]
    pub const fn wait(&self) -> &Wait {
        &self.wait
    }

    /// The variables of its own scope.
    #[must_use]
    pub const fn variables(&self) -> &Variables {
        &self.variables
    }

    /// Boundary events that are watching.
    #[must_use]
    pub fn attached(&self) -> &[Attached] {
        &self.attached
    }

    /// How many tokens are inside, in this segment.
    #[must_use]
    pub const fn children(&self) -> u32 {
        self.children
    }

    /// The open incident.
    #[must_use]
    pub const fn incident(&self) -> Option<&Incident> {
        self.incident.as_ref()
    }

    /// The children of a multi-instance body.
    #[must_use]
    pub fn body(&self) -> Option<&Body> {
        self.body.as_deref()
    }

    /// The sequence flow it came by.
    #[must_use]
    pub const fn flow(&self) -> Option<Symbol> {
        self.flow
    }

    pub(crate) const fn pending(&self) -> Option<&Variables> {
        self.pending.as_ref()
    }

    pub(crate) fn then(&self) -> Option<&Interruption> {
        self.then.as_deref()
    }

    /// The job it waits for.
    #[must_use]
    pub const fn job(&self) -> Option<&Job> {
        if let Wait::Job(job) = &self.wait {
            Some(job)
        } else {
            None
        }
    }
}
