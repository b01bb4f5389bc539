//! A step: one command, decided and applied. Work is a bounded queue, and whatever does not fit goes on as its own step.

// A new kind does not compile until every match here knows it; tests may ask for one kind only.
#![cfg_attr(not(test), warn(clippy::wildcard_enum_match_arm))]

mod commands;
mod terminate;
mod work;

pub use commands::{create, step};

use crate::event::{Event, Millis, Todo};
use crate::incident::Problem;
use crate::instance::{Instance, Phase, Segment, Token};
use crate::key::{Key, KeySource, ROOT_SEGMENT};
use crate::process::{Node, Process};
use crate::variables::Variables;
use std::cell::Cell;
use std::collections::VecDeque;

/// How many pieces of work one step may do; the rest continues behind other instances.
pub const WORK_PER_STEP_MAX: u32 = 200;

/// How many elements a segment may activate without any input from outside before it is held as spinning.
pub const ACTIVATIONS_MAX: u32 = 100_000;

/// How many multi-instance children one entry of the queue begins or ends; each of them counts as a piece of work.
pub(crate) const CHILDREN_PER_WORK: u32 = 32;

/// Everything that is not state: a step is a function of this, the process, the instance and the command.
pub struct Env<'a> {
    /// The time of the step; it never goes back within a partition.
    pub now: Millis,
    /// Where `uuid()` and `random number()` come from.
    pub seed: u64,
    /// Where fresh keys come from.
    pub keys: &'a mut KeySource,
}

/// What a step decided; it is applied already.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Decided {
    /// What happened, with the number of the segment, in order.
    pub events: Vec<(u32, Event)>,
    /// How the instance ended, if it did.
    pub ended: Option<Ended>,
}

/// The end of an instance.
#[derive(Clone, Debug, PartialEq)]
pub struct Ended {
    /// Whether it completed; else it was terminated.
    pub completed: bool,
    /// The variables of the root scope.
    pub variables: Variables,
}

/// A token and the segment that holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct At {
    pub(crate) segment: u32,
    pub(crate) token: Key,
}

/// What a step works with. Elements change state by `emit` and in no other way.
pub(crate) struct Cx<'a> {
    pub(crate) now: Millis,
    seed: u64,
    evaluations: Cell<u64>,
    keys: &'a mut KeySource,
    pub(crate) process: &'a Process,
    instance: &'a mut Instance,
    root: Key,
    decided: Decided,
    queue: VecDeque<Todo>,
    /// What earlier steps left over and this one does not touch.
    later: Vec<Todo>,
    later_changed: bool,
    work_left: u32,
}

impl<'a> Cx<'a> {
    fn new(env: Env<'a>, process: &'a Process, instance: &'a mut Instance, root: Key) -> Cx<'a> {
        Cx {
            now: env.now,
            seed: env.seed,
            evaluations: Cell::new(0),
            keys: env.keys,
            process,
            instance,
            root,
            decided: Decided::default(),
            queue: VecDeque::new(),
            later: Vec::new(),
            later_changed: false,
            work_left: work_per_step(),
        }
    }

    /// Applies an event first and records it second, so that what follows in this step sees the new state.
    pub(crate) fn emit(&mut self, segment: u32, event: Event) {
        #[cfg(test)]
        if crate::check::faults::has(crate::check::faults::Fault::ForgetsToApply, &event) {
            self.decided.events.push((segment, event));
            return;
        }
        self.instance.apply(self.root, segment, self.now, &event);
        self.decided.events.push((segment, event));
    }

    pub(crate) fn push(&mut self, todo: Todo) {
        self.queue.push_back(todo);
    }

    /// Queues a look at a scope, behind all that is queued already; one look is enough.
    pub(crate) fn look_at(&mut self, scope: At) {
        let todo = Todo::Check {
            segment: scope.segment,
            scope: scope.token,
        };
        self.queue.retain(|queued| *queued != todo);
        self.queue.push_back(todo);
    }

    /// Takes a share of what this step may do; false when nothing is left of it.
    pub(crate) fn spend(&mut self) -> bool {
        let left = self.work_left > 0;
        self.work_left = self.work_left.saturating_sub(1);
        left
    }

    /// Whether something around a token is being ended, so that the token waits for nothing but its own end.
    pub(crate) fn is_ending(&self, at: At) -> bool {
        std::iter::successors(self.scope(at), |at| self.scope(*at)).any(|around| {
            let token = self.token(around);
            match token.phase() {
                Phase::Terminating => true,
                // A body completes early when its completion condition holds: its other children are being ended.
                Phase::Completing => token.body().is_some(),
                Phase::Activating | Phase::Active => false,
            }
        })
    }

    pub(crate) fn fresh_key(&mut self) -> Key {
        self.keys.take()
    }

    /// A seed of its own for every evaluation of the step.
    pub(crate) fn fresh_seed(&self) -> u64 {
        let n = self.evaluations.get() + 1;
        self.evaluations.set(n);
        self.seed
            .wrapping_add(n.wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    pub(crate) fn instance(&self) -> &Instance {
        self.instance
    }

    pub(crate) fn segment(&self, number: u32) -> &Segment {
        self.instance.known(number)
    }

    pub(crate) fn token(&self, at: At) -> &Token {
        self.segment(at.segment).known(at.token)
    }

    pub(crate) fn find(&self, at: At) -> Option<&Token> {
        self.instance.segment(at.segment)?.token(at.token)
    }

    /// The node a token sits on; the process outlives the step.
    pub(crate) fn node(&self, at: At) -> &'a Node {
        self.process.named(self.token(at).node())
    }

    /// The scope around a token; none for the root.
    pub(crate) fn scope(&self, at: At) -> Option<At> {
        scope_of(self.instance, at)
    }

    pub(crate) const fn root(&self) -> At {
        At {
            segment: ROOT_SEGMENT,
            token: self.root,
        }
    }

    /// The number of the next new segment.
    pub(crate) fn next_segment(&self) -> u32 {
        self.segment(ROOT_SEGMENT)
            .header()
            .expect("segment 0 is the root")
            .next_segment
    }

    pub(crate) fn raise(&mut self, at: At, problem: Problem) {
        let (token, node) = (at.token, self.token(at).node());
        let job = self.token(at).job().map(|job| job.key);
        let incident = self.fresh_key();
        let Problem { kind, message } = problem;
        self.emit(
            at.segment,
            Event::IncidentRaised {
                token,
                incident,
                node,
                kind,
                message,
                job,
            },
        );
    }

    /// Whether work that is decided and not done yet belongs to a scope.
    pub(crate) fn is_awaited(&self, scope: At) -> bool {
        self.queue.iter().chain(&self.later).any(|todo| match todo {
            Todo::Enter {
                segment,
                scope: key,
                ..
            } => *segment == scope.segment && *key == scope.token,
            Todo::Spawn { .. } | Todo::EndChildren { .. } | Todo::Check { .. } => false,
        })
    }

    /// Forgets tokens that are on their way into a scope that ends.
    pub(crate) fn forget(&mut self, scope: At) {
        #[cfg(test)]
        if crate::check::faults::is(crate::check::faults::Fault::EntersEndedScopes) {
            return;
        }
        let keep = |todo: &Todo| !matches!(todo, Todo::Enter { segment, scope: key, .. } if *segment == scope.segment && *key == scope.token);
        self.queue.retain(keep);
        let before = self.later.len();
        self.later.retain(keep);
        self.later_changed |= self.later.len() != before;
    }

    fn into_decided(mut self) -> Decided {
        let leftover = !self.queue.is_empty();
        if (leftover || self.later_changed) && self.decided.ended.is_none() {
            let mut todo = std::mem::take(&mut self.later);
            todo.extend(std::mem::take(&mut self.queue));
            self.emit(ROOT_SEGMENT, Event::Continued { todo });
        }
        self.decided
    }
}

#[cfg(not(test))]
const fn work_per_step() -> u32 {
    WORK_PER_STEP_MAX
}

/// Tests give a step less to do, so that what is left over meets every other command.
#[cfg(test)]
fn work_per_step() -> u32 {
    crate::check::faults::work_per_step()
}

/// The scope around a token: in the same segment, or the body that the segment is a child of.
pub(crate) fn scope_of(instance: &Instance, at: At) -> Option<At> {
    let segment = instance.known(at.segment);
    let scope = segment.known(at.token).scope()?;
    match segment.parent() {
        Some(parent) if parent.body == scope => Some(At {
            segment: parent.segment,
            token: scope,
        }),
        _ => Some(At {
            segment: at.segment,
            token: scope,
        }),
    }
}

/// The segments that must be in memory before `Command::Continue` is decided, beside those on the paths of what is named here.
/// Ask again after loading: what is loaded may name more.
#[must_use]
pub fn needs(instance: &Instance) -> Vec<u32> {
    let Some(header) = instance.root().and_then(Segment::header) else {
        return vec![ROOT_SEGMENT];
    };
    let mut missing = Vec::new();
    for todo in &header.todo {
        let (Todo::Enter { segment, .. }
        | Todo::Spawn { segment, .. }
        | Todo::EndChildren { segment, .. }
        | Todo::Check { segment, .. }) = todo;
        let Some(holder) = instance.segment(*segment) else {
            missing.push(*segment);
            continue;
        };
        if let Todo::EndChildren { body, from, .. } = todo
            && let Some(body) = holder.token(*body).and_then(Token::body)
        {
            let next = body
                .alive(*from)
                .take(CHILDREN_PER_WORK as usize)
                .map(|index| body.first_segment + index);
            missing.extend(next.filter(|number| instance.segment(*number).is_none()));
        }
    }
    missing.sort_unstable();
    missing.dedup();
    missing
}
