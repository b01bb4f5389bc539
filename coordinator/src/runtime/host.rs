//! The host: the writer's own thread, and the handle through which everybody reaches it.

use super::ask::{Answer, Ask, Refusal, RefusalKind, ReplyTo, Request};
use super::inbox::{Inbox, turn_away};
use super::published::Published;
use super::writer::{Settings, Writer};
use crate::dispatch::{Now, SessionId};
use botswain_store::{Store, StoreError};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::sync::oneshot;
use uuid::Uuid;

/// How long the writer sleeps when nothing is due: messages that are over are forgotten at least that often.
const PATIENCE_MAX: Duration = Duration::from_secs(60);

/// Why the runtime did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// What is stored cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The system gave no thread.
    #[error("the writer's thread: {0}")]
    Thread(std::io::Error),
}

/// Where what became durable goes: agents and connectors. Called on the writer's thread, so it must not wait.
pub trait Outlet: Send {
    /// Takes it.
    fn leave(&mut self, published: Published);
}

/// An outlet for a coordinator without agents and connectors.
pub struct NoOutlet;

impl Outlet for NoOutlet {
    fn leave(&mut self, _published: Published) {}
}

/// The handle of the single writer.
#[derive(Clone)]
pub struct Runtime {
    inbox: Arc<Inbox>,
    sessions: Arc<AtomicU64>,
}

impl Runtime {
    /// Takes over the partition and starts the writer's thread, which ends when the inbox is closed and empty. `fatal` is
    /// called once if the process has to end.
    ///
    /// # Errors
    /// What is stored cannot be read, or there is no thread.
    pub fn start(
        store: Box<dyn Store>,
        settings: Settings,
        outlet: impl Outlet + 'static,
        fatal: impl FnOnce(String) + Send + 'static,
    ) -> Result<(Runtime, JoinHandle<()>), StartError> {
        let mut clock = MachineClock::new();
        let writer = Writer::open(store, settings, clock.now())?;
        let inbox = Arc::new(Inbox::default());
        let runtime = Runtime {
            inbox: Arc::clone(&inbox),
            sessions: Arc::new(AtomicU64::new(1)),
        };
        let thread = std::thread::Builder::new()
            .name("writer".to_owned())
            .spawn(move || drive(writer, &inbox, clock, outlet, fatal))
            .map_err(StartError::Thread)?;
        Ok((runtime, thread))
    }

    /// Asks, and waits for the answer, which comes when it is durable.
    ///
    /// # Errors
    /// Why it was not done, or that nobody knows.
    pub async fn ask(&self, ask: Ask) -> Result<Answer, Refusal> {
        self.ask_once(ask, None).await
    }

    /// Asks with an id under which repeating it changes nothing.
    ///
    /// # Errors
    /// Why it was not done, or that nobody knows.
    pub async fn ask_once(&self, ask: Ask, deduplication: Option<Uuid>) -> Result<Answer, Refusal> {
        self.ask_in_line(ask, deduplication).await
    }

    /// Puts a question in line at once; the answer comes later.
    pub fn ask_now(
        &self,
        ask: Ask,
    ) -> impl Future<Output = Result<Answer, Refusal>> + Send + use<> {
        self.ask_in_line(ask, None)
    }

    fn ask_in_line(
        &self,
        ask: Ask,
        deduplication: Option<Uuid>,
    ) -> impl Future<Output = Result<Answer, Refusal>> + Send + use<> {
        let (caller, answer) = oneshot::channel();
        self.send(Request {
            ask,
            reply: ReplyTo::Caller(caller),
            deduplication,
        });
        async move {
            answer.await.unwrap_or_else(|_| {
                let message = "the coordinator stopped before it answered: ask again, nobody knows whether it happened";
                Err(Refusal::new(RefusalKind::Unavailable, message))
            })
        }
    }

    /// Sends a request whose answer goes where it says.
    pub fn send(&self, request: Request) {
        if let Err(refused) = self.inbox.put(request) {
            let (request, refusal) = *refused;
            turn_away(request, refusal);
        }
    }

    /// Sends many under one lock, and gives back those for which there is no room.
    #[must_use]
    pub fn send_all(&self, requests: impl Iterator<Item = Request>) -> Vec<(Request, Refusal)> {
        self.inbox.put_all(requests).unwrap_or_default()
    }

    /// A number for a new stream.
    #[must_use]
    pub fn new_session(&self) -> SessionId {
        SessionId(self.sessions.fetch_add(1, Ordering::Relaxed))
    }

    /// How many requests wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.inbox.waiting()
    }

    /// Lets nothing more in; the writer ends after what waits.
    pub fn stop(&self) {
        self.inbox.close();
    }
}

fn drive(
    mut writer: Writer,
    inbox: &Inbox,
    mut clock: MachineClock,
    mut outlet: impl Outlet,
    fatal: impl FnOnce(String),
) {
    let mut requests = Vec::new();
    let mut patience = Duration::ZERO;
    let mut forgot_at = Instant::now();
    loop {
        if !inbox.take(patience, &mut requests) {
            return;
        }
        if forgot_at.elapsed() >= PATIENCE_MAX {
            forgot_at = Instant::now();
            writer.forget_at_next_turn();
        }
        let turned = writer.turn(&mut requests, clock.now());
        let published = turned.published;
        if !published.is_empty() {
            outlet.leave(published);
        }
        if let Some(reason) = turned.fatal {
            inbox.close();
            return fatal(reason);
        }
        patience = if turned.more {
            Duration::ZERO
        } else {
            turned.due_in.map_or(PATIENCE_MAX, |ms| {
                Duration::from_millis(ms.max(1)).min(PATIENCE_MAX)
            })
        };
    }
}

/// The machine's clocks.
struct MachineClock {
    began: Instant,
}

impl MachineClock {
    fn new() -> MachineClock {
        MachineClock {
            began: Instant::now(),
        }
    }

    fn now(&mut self) -> Now {
        let wall = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Now {
            mono: u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX),
            wall: i64::try_from(wall.as_millis()).unwrap_or(i64::MAX),
        }
    }
}
