//! Lines: what waits to be sent to each agent. A slow agent loses its line, and never holds anybody up.

use crate::dispatch::SessionId;
use botswain_proto::limits::OPEN_MAX;
use botswain_proto::message::ToAgent;
use parking_lot::Mutex;
use rustc_hash::FxHashMap;
use std::sync::Arc;
use tokio::sync::mpsc;

/// How many messages may wait for one agent: an offer and a cancellation for each attempt that it may hold.
const WAITING_MAX: usize = 2 * OPEN_MAX;

/// Why a message was not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotSent {
    /// The connection is over: an offer on it certainly never arrived.
    #[error("the agent's connection is over")]
    Gone,
    /// The agent does not read; its connection ends with this message.
    #[error("the agent does not read what it is sent, its connection was ended")]
    Slow,
}

/// The connections of all agents, as far as sending needs them. Cheap to clone.
#[derive(Clone, Default)]
pub struct Lines {
    all: Arc<Mutex<FxHashMap<SessionId, mpsc::Sender<ToAgent>>>>,
}

impl Lines {
    /// Sends without waiting; may be called from the writer's thread.
    ///
    /// # Errors
    /// The connection is over, or ends now because the agent does not read.
    pub fn send(&self, session: SessionId, message: ToAgent) -> Result<(), NotSent> {
        let mut all = self.all.lock();
        let Some(line) = all.get(&session) else {
            return Err(NotSent::Gone);
        };
        match line.try_send(message) {
            Ok(()) => Ok(()),
            Err(mpsc::error::TrySendError::Closed(_)) => {
                all.remove(&session);
                Err(NotSent::Gone)
            }
            Err(mpsc::error::TrySendError::Full(_)) => {
                all.remove(&session);
                Err(NotSent::Slow)
            }
        }
    }

    /// Ends a connection: the agent connects again and compares.
    pub fn hang_up(&self, session: SessionId) {
        self.all.lock().remove(&session);
    }

    /// Ends all connections.
    pub fn hang_up_all(&self) {
        self.all.lock().clear();
    }

    /// How many agents are connected.
    #[must_use]
    pub fn open(&self) -> usize {
        self.all.lock().len()
    }

    /// Opens a line; it is over when the receiver has given its last message.
    pub(super) fn connect(&self, session: SessionId) -> mpsc::Receiver<ToAgent> {
        let (line, receiver) = mpsc::channel(WAITING_MAX);
        self.all.lock().insert(session, line);
        receiver
    }
}
