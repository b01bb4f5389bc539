//! The inbox: what arrived while the last commit ran. Bounded by class, so that beginning new work never starves finishing it.

use super::ask::{Ask, Refusal, RefusalKind, ReplyTo, Request};
use parking_lot::{Condvar, Mutex};
use std::collections::VecDeque;
use std::time::Duration;

/// What kind of work a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// It ends something: results, cancellations, what agents say. Refused last.
    Finish,
    /// It begins something. Refused early when the writer is behind.
    Begin,
}

/// How many requests of the class `Begin` may wait. At 3,000 starts a second that is three seconds, after which a caller
/// is better off to come again than to wait.
const BEGIN_MAX: usize = 10_000;

/// How many requests of the class `Finish` may wait: more than all workers' credits together in any sane setup.
const FINISH_MAX: usize = 200_000;

/// How many bytes of requests may wait.
const BYTES_MAX: usize = 256 << 20;

/// What one batch takes at most of each class.
const BATCH_MAX: usize = 2_048;

/// The queue in front of the writer.
#[derive(Default)]
pub struct Inbox {
    state: Mutex<State>,
    wake: Condvar,
}

#[derive(Default)]
struct State {
    finish: VecDeque<Request>,
    begin: VecDeque<Request>,
    bytes: usize,
    closed: bool,
    nudged: bool,
}

impl Class {
    /// The class of what is asked.
    #[must_use]
    pub const fn of(ask: &Ask) -> Class {
        match ask {
            Ask::Deploy { .. }
            | Ask::Start { .. }
            | Ask::PublishMessage { .. }
            | Ask::BotPushed { .. } => Class::Begin,
            _ => Class::Finish,
        }
    }
}

fn bytes_of(ask: &Ask) -> usize {
    match ask {
        Ask::Start { start, .. } => start.variables.bytes(),
        Ask::CompleteJob { variables, .. }
        | Ask::FailJob { variables, .. }
        | Ask::ThrowError { variables, .. }
        | Ask::PublishMessage { variables, .. }
        | Ask::CompleteUserTask { variables, .. }
        | Ask::SetVariables { variables, .. } => variables.bytes(),
        Ask::Deploy { deployment, .. } => deployment.bytes(),
        _ => 256,
    }
}

impl Inbox {
    /// Puts a request in, or gives it back with the reason.
    ///
    /// # Errors
    /// There is no room, or the coordinator is stopping.
    pub fn put(&self, request: Request) -> Result<(), Box<(Request, Refusal)>> {
        self.put_all(std::iter::once(request))
            .map_or(Ok(()), |mut refused| {
                Err(Box::new(
                    refused.pop().expect("one request went in and came back"),
                ))
            })
    }

    /// Puts requests in under one lock; gives back those for which there is no room.
    pub fn put_all(
        &self,
        requests: impl Iterator<Item = Request>,
    ) -> Option<Vec<(Request, Refusal)>> {
        let mut refused = Vec::new();
        let mut state = self.state.lock();
        let was_empty = state.finish.is_empty() && state.begin.is_empty();
        for request in requests {
            if state.closed {
                let refusal = Refusal::new(
                    RefusalKind::Unavailable,
                    "the coordinator is stopping: connect again in a moment",
                );
                refused.push((request, refusal));
                continue;
            }
            let bytes = bytes_of(&request.ask);
            let class = Class::of(&request.ask);
            let (queue, most) = match class {
                Class::Finish => (state.finish.len(), FINISH_MAX),
                Class::Begin => (state.begin.len(), BEGIN_MAX),
            };
            if queue >= most || (class == Class::Begin && state.bytes + bytes > BYTES_MAX) {
                let refusal = Refusal::new(
                    RefusalKind::ResourceExhausted,
                    "Reached maximum capacity of requests handled: come again in a moment",
                );
                refused.push((request, refusal));
                continue;
            }
            state.bytes += bytes;
            match class {
                Class::Finish => state.finish.push_back(request),
                Class::Begin => state.begin.push_back(request),
            }
        }
        drop(state);
        if was_empty {
            self.wake.notify_one();
        }
        (!refused.is_empty()).then_some(refused)
    }

    /// Takes the next batch: waits for one at most `patience`. None when the inbox is closed and empty.
    pub fn take(&self, patience: Duration, into: &mut Vec<Request>) -> bool {
        let mut state = self.state.lock();
        if state.finish.is_empty()
            && state.begin.is_empty()
            && !state.closed
            && !state.nudged
            && !patience.is_zero()
        {
            self.wake.wait_for(&mut state, patience);
        }
        state.nudged = false;
        for _ in 0..BATCH_MAX {
            let Some(request) = state.finish.pop_front() else {
                break;
            };
            state.bytes = state.bytes.saturating_sub(bytes_of(&request.ask));
            into.push(request);
        }
        for _ in 0..BATCH_MAX {
            let Some(request) = state.begin.pop_front() else {
                break;
            };
            state.bytes = state.bytes.saturating_sub(bytes_of(&request.ask));
            into.push(request);
        }
        !(state.closed && into.is_empty())
    }

    /// Lets nothing more in.
    pub fn close(&self) {
        self.state.lock().closed = true;
        self.wake.notify_one();
    }

    /// How many requests wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        let state = self.state.lock();
        state.finish.len() + state.begin.len()
    }
}

/// Tells a caller at once why there is no room; streams are told by their door.
pub(super) fn turn_away(request: Request, refusal: Refusal) {
    if let ReplyTo::Caller(caller) = request.reply {
        // A caller that is gone wants no answer.
        let _ = caller.send(Err(refusal));
    }
}
