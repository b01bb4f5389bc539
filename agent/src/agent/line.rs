//! The line: one connection after the other, each told as up, messages, down.

use std::time::Duration;

use botswain_proto::agent::AgentMessage;
use botswain_proto::message::ToAgent;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::identity::Identity;
use crate::link::{self, Address, Backoff, Bulk, Fault, Security};

/// Messages of the coordinator that may wait for the session.
const INCOMING_MAX: usize = 64;
/// Time for the last words of an agent that stops.
const FAREWELL: Duration = Duration::from_secs(2);

/// What an open line is used through.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) outgoing: mpsc::Sender<AgentMessage>,
    pub(super) bulk: Bulk,
}

/// What happens on the line.
#[derive(Debug)]
pub(super) enum Event {
    Up(Open),
    Message(ToAgent),
    Down,
}

#[derive(Debug)]
enum Told {
    Event(Event),
    Over(Fault),
}

/// The agent's line to its coordinator.
pub(super) struct Line {
    address: Address,
    identity: Option<std::sync::Arc<Identity>>,
    current: Option<(mpsc::Receiver<Told>, JoinHandle<()>)>,
    up: bool,
    wait: Option<tokio::time::Instant>,
}

impl Line {
    pub(super) fn new(address: Address, identity: Option<Identity>) -> Self {
        Self {
            address,
            identity: identity.map(std::sync::Arc::new),
            current: None,
            up: false,
            wait: None,
        }
    }

    /// The next thing that happens; may be dropped and called again at any time.
    pub(super) async fn next(&mut self, backoff: &mut Backoff) -> Event {
        loop {
            if let Some(until) = self.wait {
                tokio::time::sleep_until(until).await;
                self.wait = None;
            }
            let (events, _) = self.current.get_or_insert_with(|| {
                let (tell, events) = mpsc::channel(INCOMING_MAX);
                let task = tokio::spawn(serve(self.address.clone(), self.identity.clone(), tell));
                (events, task)
            });
            let fault = match events.recv().await {
                Some(Told::Event(event)) => {
                    self.up |= matches!(event, Event::Up(_));
                    return event;
                }
                Some(Told::Over(fault)) => fault,
                None => Fault::Lost("the connection was given up".to_owned()),
            };
            self.current = None;
            let wait = match &fault {
                Fault::Refused(_) => backoff.next_wait_refused(),
                Fault::Lost(_) => backoff.next_wait(),
            };
            tracing::warn!(%fault, again_in_ms = wait.as_millis(), "no connection to the coordinator");
            self.wait = Some(tokio::time::Instant::now() + wait);
            if std::mem::take(&mut self.up) {
                return Event::Down;
            }
        }
    }

    /// Gives the connection up; the next event is its end.
    pub(super) fn drop_connection(&mut self) {
        if let Some((_, task)) = &self.current {
            task.abort();
        }
    }

    /// Lets what was said last leave.
    pub(super) async fn finish(mut self, open: Option<Open>) {
        drop(open);
        if let Some((mut events, _)) = self.current.take() {
            let rest = async { while let Some(Told::Event(_)) = events.recv().await {} };
            let _ = tokio::time::timeout(FAREWELL, rest).await;
        }
    }
}

async fn serve(
    address: Address,
    identity: Option<std::sync::Arc<Identity>>,
    tell: mpsc::Sender<Told>,
) {
    let fault = match talk(&address, identity.as_deref(), &tell).await {
        Ok(()) => Fault::Lost("the coordinator closed the connection".to_owned()),
        Err(fault) => fault,
    };
    let _ = tell.send(Told::Over(fault)).await;
}

async fn talk(
    address: &Address,
    identity: Option<&Identity>,
    tell: &mpsc::Sender<Told>,
) -> Result<(), Fault> {
    let security = match identity {
        Some(identity) if !address.is_plaintext() => Security::Mutual(identity),
        _ => Security::Plaintext,
    };
    let connection = link::connect(address, security).await?;
    let open = Open {
        outgoing: connection.outgoing.clone(),
        bulk: connection.bulk.clone(),
    };
    if tell.send(Told::Event(Event::Up(open))).await.is_err() {
        return Ok(());
    }
    let mut messages = connection.speak().await?;
    while let Some(message) = messages.message().await? {
        match ToAgent::try_from(message) {
            Ok(message) => {
                if tell
                    .send(Told::Event(Event::Message(message)))
                    .await
                    .is_err()
                {
                    return Ok(());
                }
            }
            // One bad message must not stop the good ones.
            Err(error) => tracing::warn!(%error, "ignored a message of the coordinator"),
        }
    }
    Ok(())
}
