//! The link: one agent's session over gRPC. Receipts wait for the commit, and the certificate says who speaks.

use super::bulk;
use super::door::{Peer, Shared};
use super::host::Gone;
use crate::dispatch::SessionId;
use botswain_proto::agent::agent_link_server::AgentLink;
use botswain_proto::agent::{
    AgentMessage, CoordinatorMessage, EvidenceChunk, EvidenceStored, FetchPackageRequest,
    PackageChunk, agent_message::Body,
};
use botswain_proto::ids::{AgentId, Seq};
use botswain_proto::limits::MESSAGE_MAX_BYTES;
use botswain_proto::message::{FromAgent, Hello, Receipt, ToAgent, Verdict};
use futures_util::future::BoxFuture;
use futures_util::stream::{BoxStream, FuturesUnordered, StreamExt};
use prost::Message as _;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

/// How long a connection may be silent before it says hello.
const HELLO_TIMEOUT: Duration = Duration::from_secs(10);
/// How many events of one agent may wait for their commit; more are read when some are done.
const PENDING_MAX: usize = 256;
/// Frames between the session and the network.
const FRAMES_MAX: usize = 16;

/// The service behind the door.
#[derive(Clone)]
pub(super) struct Link(pub(super) Arc<Shared>);

/// What the session still has to say about something that is being committed.
enum Done {
    Event(Seq, Verdict),
    Leases(Vec<(botswain_proto::ids::AttemptId, u64)>),
    Noted,
    Gone(Gone),
}

#[tonic::async_trait]
impl AgentLink for Link {
    type SessionStream = BoxStream<'static, Result<CoordinatorMessage, Status>>;
    type FetchPackageStream = BoxStream<'static, Result<PackageChunk, Status>>;

    async fn session(
        &self,
        request: Request<Streaming<AgentMessage>>,
    ) -> Result<Response<Self::SessionStream>, Status> {
        let peer = peer(&request);
        let mut incoming = request.into_inner();
        let first = tokio::time::timeout(HELLO_TIMEOUT, incoming.message())
            .await
            .map_err(|_| Status::deadline_exceeded("expected a Hello"))??;
        let hello = match first.map(read).transpose()? {
            Some(FromAgent::Hello(hello)) => hello,
            _ => {
                return Err(Status::invalid_argument(
                    "expected a Hello as the first message",
                ));
            }
        };
        let agent = self.0.speaker(&peer, &hello.agent)?;
        if agent != hello.agent {
            tracing::warn!(%agent, claimed = %hello.agent, "an agent called itself otherwise than its certificate does");
        }
        let (frames, outgoing) = mpsc::channel(FRAMES_MAX);
        let session = Session {
            shared: Arc::clone(&self.0),
            id: self.0.host.new_session(),
            agent,
            peer,
            incoming,
            frames,
        };
        tokio::spawn(session.run(hello));
        Ok(Response::new(ReceiverStream::new(outgoing).boxed()))
    }

    async fn fetch_package(
        &self,
        request: Request<FetchPackageRequest>,
    ) -> Result<Response<Self::FetchPackageStream>, Status> {
        let agent = self.0.bulk_speaker(&peer(&request))?;
        let chunks = bulk::package(&self.0, agent, &request.into_inner().digest).await?;
        Ok(Response::new(chunks.boxed()))
    }

    async fn upload_evidence(
        &self,
        request: Request<Streaming<EvidenceChunk>>,
    ) -> Result<Response<EvidenceStored>, Status> {
        let agent = self.0.bulk_speaker(&peer(&request))?;
        bulk::evidence(&self.0, agent, request.into_inner())
            .await
            .map(Response::new)
    }
}

async fn until_stop(stopping: &mut tokio::sync::watch::Receiver<bool>) {
    // A door that is gone has stopped, too.
    let _ = stopping.wait_for(|stop| *stop).await;
}

fn peer<T>(request: &Request<T>) -> Peer {
    request
        .extensions()
        .get::<Peer>()
        .cloned()
        .unwrap_or(Peer::Stranger)
}

/// A message of the wire as the domain's, with everything checked.
fn read(message: AgentMessage) -> Result<FromAgent, Status> {
    let size = message.encoded_len();
    if size > MESSAGE_MAX_BYTES {
        return Err(Status::invalid_argument(format!(
            "message: holds {size} bytes, at most {MESSAGE_MAX_BYTES} are allowed"
        )));
    }
    FromAgent::try_from(message).map_err(|error| Status::invalid_argument(error.to_string()))
}

struct Session {
    shared: Arc<Shared>,
    id: SessionId,
    agent: AgentId,
    peer: Peer,
    incoming: Streaming<AgentMessage>,
    frames: mpsc::Sender<Result<CoordinatorMessage, Status>>,
}

impl Session {
    async fn run(mut self, hello: Box<Hello>) {
        let mut line = self.shared.lines.connect(self.id);
        let greeted = self
            .shared
            .host
            .hello(self.id, self.agent.clone(), hello)
            .await;
        let ended = match greeted {
            // What became durable meanwhile waits in the line: the first word is always the Sync.
            Ok(sync) => match self.say(ToAgent::Sync(sync)).await {
                Ok(()) => self.talk(&mut line).await,
                Err(ended) => ended,
            },
            Err(Gone(why)) => Ended {
                why: why.clone(),
                tell: Some(Status::unavailable(why)),
            },
        };
        self.shared.lines.hang_up(self.id);
        self.shared
            .host
            .gone(self.id, self.agent.clone(), ended.why.clone());
        tracing::info!(agent = %self.agent, session = self.id.0, why = %ended.why, "an agent's connection is over");
        if let Some(status) = ended.tell {
            // Without a reader nobody misses it.
            let _ = self.frames.try_send(Err(status));
        }
    }

    async fn talk(&mut self, line: &mut mpsc::Receiver<ToAgent>) -> Ended {
        let mut changes = self.shared.admission.changes();
        let mut stopping = self.shared.stopping.clone();
        let mut pending: FuturesUnordered<BoxFuture<'static, Done>> = FuturesUnordered::new();
        loop {
            tokio::select! {
                biased;
                changed = changes.changed() => {
                    if changed.is_err() || self.shared.speaker(&self.peer, &self.agent).is_err() {
                        return Ended::told("the agent was revoked", Status::permission_denied(REVOKED));
                    }
                }
                () = until_stop(&mut stopping) => {
                    return Ended::told("the coordinator stops", Status::unavailable("the coordinator stops: connect again in a moment"));
                }
                Some(done) = pending.next(), if !pending.is_empty() => {
                    if let Err(ended) = self.receipt(done, &mut pending).await {
                        return ended;
                    }
                }
                message = line.recv() => {
                    let Some(message) = message else {
                        return Ended::told("the agent did not read what it was sent", Status::resource_exhausted("read faster, and connect again"));
                    };
                    if let Err(ended) = self.say(message).await {
                        return ended;
                    }
                }
                message = self.incoming.message(), if pending.len() < PENDING_MAX => {
                    match message {
                        Ok(Some(message)) => match self.heard(message) {
                            Ok(Some(later)) => pending.push(later),
                            Ok(None) => {}
                            Err(ended) => return ended,
                        },
                        Ok(None) => return Ended::silent("the agent ended the connection"),
                        Err(status) => {
                            let why = format!("the connection broke: {}", status.message());
                            return Ended { why, tell: Some(status) };
                        }
                    }
                }
            }
        }
    }

    /// Passes a message on; what comes back becomes a receipt.
    fn heard(&mut self, message: AgentMessage) -> Result<Option<BoxFuture<'static, Done>>, Ended> {
        let host = &self.shared.host;
        let (id, agent) = (self.id, self.agent.clone());
        let seq = match &message.body {
            Some(Body::Event(event)) => Some(Seq(event.seq)),
            _ => None,
        };
        let message = match (read(message), seq) {
            (Ok(message), _) => message,
            // One bad event must not stop the others behind it: it is noted, and the agent keeps it aside.
            (Err(status), Some(seq)) => {
                let noted = host.unreadable(id, agent, seq, status.message().to_owned());
                return Ok(Some(Box::pin(async move {
                    match noted.await {
                        Ok(()) => Done::Event(seq, Verdict::Invalid),
                        Err(gone) => Done::Gone(gone),
                    }
                })));
            }
            (Err(status), None) => {
                return Err(Ended {
                    why: format!("a message was wrong: {}", status.message()),
                    tell: Some(status),
                });
            }
        };
        match message {
            FromAgent::Hello(_) => {
                let status =
                    Status::invalid_argument("a Hello is allowed once, as the first message");
                Err(Ended::told("a second Hello", status))
            }
            FromAgent::Event(event) => {
                let seq = event.seq;
                let verdict = host.event(id, agent, event);
                Ok(Some(Box::pin(async move {
                    match verdict.await {
                        Ok(_) if seq == Seq(0) => Done::Noted,
                        Ok(verdict) => Done::Event(seq, verdict),
                        Err(gone) => Done::Gone(gone),
                    }
                })))
            }
            FromAgent::Beat(beat) => {
                let leases = host.beat(id, agent, Box::new(beat));
                Ok(Some(Box::pin(async move {
                    match leases.await {
                        Ok(leases) => Done::Leases(leases),
                        Err(gone) => Done::Gone(gone),
                    }
                })))
            }
            FromAgent::SyncAnswer(items) => {
                host.sync_answer(id, agent, items);
                Ok(None)
            }
            FromAgent::Goodbye { why } => Err(Ended::silent(if why.is_empty() {
                "stopped".to_owned()
            } else {
                format!("stopped: {why}")
            })),
        }
    }

    /// Sends what is committed, together with everything else that is by now.
    async fn receipt(
        &self,
        first: Done,
        pending: &mut FuturesUnordered<BoxFuture<'static, Done>>,
    ) -> Result<(), Ended> {
        let mut receipt = Receipt::default();
        let mut next = Some(first);
        while let Some(done) = next {
            match done {
                Done::Event(seq, verdict) => receipt.items.push((seq, verdict)),
                Done::Leases(leases) => receipt.leases.extend(leases),
                Done::Noted => {}
                Done::Gone(Gone(why)) => {
                    return Err(Ended {
                        why: why.clone(),
                        tell: Some(Status::unavailable(why)),
                    });
                }
            }
            next = futures_util::FutureExt::now_or_never(pending.next()).flatten();
        }
        receipt.items.sort_unstable_by_key(|(seq, _)| *seq);
        if receipt.items.is_empty() && receipt.leases.is_empty() {
            return Ok(());
        }
        self.say(ToAgent::Receipt(receipt)).await
    }

    async fn say(&self, message: ToAgent) -> Result<(), Ended> {
        let sent = self
            .frames
            .send_timeout(Ok(message.into()), self.shared.patience)
            .await;
        sent.map_err(|error| match error {
            mpsc::error::SendTimeoutError::Closed(_) => Ended::silent("the connection broke"),
            mpsc::error::SendTimeoutError::Timeout(_) => {
                Ended::silent("the agent did not read what it was sent")
            }
        })
    }
}

pub(super) const REVOKED: &str = "the agent's certificate is not admitted (any more): enrol the machine with a new token (botswain agent-token)";

/// How a session ended: for the record, and for the agent.
struct Ended {
    why: String,
    tell: Option<Status>,
}

impl Ended {
    fn told(why: &str, status: Status) -> Ended {
        Ended {
            why: why.to_owned(),
            tell: Some(status),
        }
    }

    fn silent(why: impl Into<String>) -> Ended {
        Ended {
            why: why.into(),
            tell: None,
        }
    }
}
