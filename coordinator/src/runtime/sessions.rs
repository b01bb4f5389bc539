//! Sessions: the streams of workers, and what waits to be sent on each.

use crate::dispatch::SessionId;
use botswain_proto::worker::{Ended, Job, Reply, ServerMessage};
use parking_lot::Mutex;
use rustc_hash::FxHashMap;
use smol_str::SmolStr;
use tokio::sync::Notify;

/// What waits to be sent on a stream. It is bounded by the stream's credits and by its open requests, which the door counts;
/// what piles up while the stream is busy leaves as one frame.
#[derive(Debug, Default)]
pub struct SessionOut {
    waiting: Mutex<Waiting>,
    notify: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    message: ServerMessage,
    closed: bool,
}

impl SessionOut {
    /// Adds what became durable.
    pub fn send(&self, more: ServerMessage) {
        let mut waiting = self.waiting.lock();
        if waiting.message.jobs.is_empty()
            && waiting.message.replies.is_empty()
            && waiting.message.ended.is_empty()
        {
            waiting.message = more;
        } else {
            waiting.message.jobs.extend(more.jobs);
            waiting.message.replies.extend(more.replies);
            waiting.message.ended.extend(more.ended);
        }
        drop(waiting);
        self.notify.notify_one();
    }

    /// Ends the stream after what waits.
    pub fn close(&self) {
        self.waiting.lock().closed = true;
        self.notify.notify_one();
    }

    /// Waits for the next frame; none when the session is closed.
    pub async fn next(&self) -> Option<ServerMessage> {
        loop {
            {
                let mut waiting = self.waiting.lock();
                let message = &waiting.message;
                if !(message.jobs.is_empty()
                    && message.replies.is_empty()
                    && message.ended.is_empty())
                {
                    return Some(std::mem::take(&mut waiting.message));
                }
                if waiting.closed {
                    return None;
                }
            }
            self.notify.notified().await;
        }
    }
}

/// A stream's subscription, as far as sending needs it.
pub(super) struct Wish {
    pub(super) worker: SmolStr,
    pub(super) fetch: Vec<SmolStr>,
}

pub(super) struct Session {
    pub(super) out: std::sync::Arc<SessionOut>,
    pub(super) wishes: FxHashMap<u32, Wish>,
    frame: ServerMessage,
}

/// All streams.
#[derive(Default)]
pub(super) struct Sessions {
    all: FxHashMap<SessionId, Session>,
    /// Streams with something to send after the commit.
    touched: Vec<SessionId>,
}

impl Sessions {
    pub(super) fn open(&mut self, session: SessionId, out: std::sync::Arc<SessionOut>) {
        self.all.insert(
            session,
            Session {
                out,
                wishes: FxHashMap::default(),
                frame: ServerMessage::default(),
            },
        );
    }

    pub(super) fn get(&self, session: SessionId) -> Option<&Session> {
        self.all.get(&session)
    }

    pub(super) fn get_mut(&mut self, session: SessionId) -> Option<&mut Session> {
        self.all.get_mut(&session)
    }

    pub(super) fn close(&mut self, session: SessionId) {
        if let Some(gone) = self.all.remove(&session) {
            gone.out.close();
        }
    }

    /// Ends all streams: what they were promised is not known any more.
    pub(super) fn close_all(&mut self) {
        for (_, gone) in self.all.drain() {
            gone.out.close();
        }
        self.touched.clear();
    }

    pub(super) fn job(&mut self, session: SessionId, job: Job) -> bool {
        self.with(session, |frame| frame.jobs.push(job))
    }

    pub(super) fn reply(&mut self, session: SessionId, reply: Reply) {
        self.with(session, |frame| frame.replies.push(reply));
    }

    pub(super) fn ended(&mut self, session: SessionId, ended: Ended) {
        self.with(session, |frame| frame.ended.push(ended));
    }

    fn with(&mut self, session: SessionId, add: impl FnOnce(&mut ServerMessage)) -> bool {
        let Some(known) = self.all.get_mut(&session) else {
            return false;
        };
        let frame = &mut known.frame;
        if frame.jobs.is_empty() && frame.replies.is_empty() && frame.ended.is_empty() {
            self.touched.push(session);
        }
        add(frame);
        true
    }

    /// Sends what the batch decided: it is durable.
    pub(super) fn publish(&mut self) {
        for session in self.touched.drain(..) {
            if let Some(known) = self.all.get_mut(&session) {
                known.out.send(std::mem::take(&mut known.frame));
            }
        }
    }
}
