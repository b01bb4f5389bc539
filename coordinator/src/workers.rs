//! The workers' door: our own gRPC stream for programs that do jobs, start instances and publish messages at full speed.

use crate::dispatch::{SessionId, Subscription};
use crate::runtime::{
    Ask, AwaitEnd, ProcessRef, Refusal, RefusalKind, ReplyTo, Request, Runtime, SessionOut,
};
use botswain_engine::{Key, Start, Variables};
use botswain_proto::limits::{WORKER_FRAME_MAX_BYTES, WORKER_ITEMS_MAX};
use botswain_proto::worker::worker_link_server::{WorkerLink, WorkerLinkServer};
use botswain_proto::worker::{Code, Error, Reply, ServerMessage, WorkerMessage};
use smol_str::SmolStr;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use tokio_stream::{Stream, StreamExt};
use tonic::{Response, Status, Streaming};
use uuid::Uuid;

/// The service, bound to the writer.
#[derive(Clone)]
pub struct Workers {
    runtime: Runtime,
}

/// The gRPC service with its limits.
#[must_use]
pub fn service(runtime: Runtime) -> WorkerLinkServer<Workers> {
    WorkerLinkServer::new(Workers { runtime })
        .max_decoding_message_size(WORKER_FRAME_MAX_BYTES)
        .max_encoding_message_size(64 << 20)
        .accept_compressed(tonic::codec::CompressionEncoding::Gzip)
}

#[tonic::async_trait]
impl WorkerLink for Workers {
    type WorkStream = Pin<Box<dyn Stream<Item = Result<ServerMessage, Status>> + Send>>;

    async fn work(
        &self,
        request: tonic::Request<Streaming<WorkerMessage>>,
    ) -> Result<Response<Self::WorkStream>, Status> {
        let session = self.runtime.new_session();
        let out = Arc::new(SessionOut::default());
        let opened = self
            .runtime
            .ask(Ask::OpenSession {
                session,
                out: Arc::clone(&out),
            })
            .await;
        opened.map_err(|refusal| Status::unavailable(refusal.message))?;
        let broken = Arc::new(OnceLock::new());
        let reader = Reader {
            runtime: self.runtime.clone(),
            session,
            out: Arc::clone(&out),
            broken: Arc::clone(&broken),
        };
        tokio::spawn(reader.run(request.into_inner()));
        let stream =
            futures_util::stream::unfold((out, Some(broken)), |(out, broken)| async move {
                let reason = broken?;
                match out.next().await {
                    Some(frame) => Some((Ok(frame), (out, Some(reason)))),
                    // Whoever said what cannot be read hears why the stream is over.
                    None => reason
                        .get()
                        .cloned()
                        .map(|status| (Err(status), (out, None))),
                }
            });
        Ok(Response::new(Box::pin(stream)))
    }
}

/// Reads what a worker says, and passes it on frame by frame.
struct Reader {
    runtime: Runtime,
    session: SessionId,
    out: Arc<SessionOut>,
    /// Why the stream broke.
    broken: Arc<OnceLock<Status>>,
}

impl Reader {
    async fn run(self, mut frames: Streaming<WorkerMessage>) {
        loop {
            match frames.next().await {
                Some(Ok(frame)) => self.pass_on(frame),
                Some(Err(status)) => {
                    tracing::debug!(%status, "a worker's stream broke");
                    // The first reason is the reason.
                    let _ = self.broken.set(status);
                    break;
                }
                None => break,
            }
        }
        let close = Request::new(
            Ask::CloseSession {
                session: self.session,
            },
            ReplyTo::Nobody,
        );
        self.runtime.send(close);
    }

    fn pass_on(&self, frame: WorkerMessage) {
        let items = frame.start.len()
            + frame.complete.len()
            + frame.fail.len()
            + frame.throw_error.len()
            + frame.publish.len();
        let mut requests = Vec::with_capacity(items + frame.subscribe.len() + frame.credits.len());
        let mut refused = Vec::new();
        if items > WORKER_ITEMS_MAX {
            let message = format!(
                "a frame has {items} items, the limit is {WORKER_ITEMS_MAX}: send several frames"
            );
            let wrong = Refusal::new(RefusalKind::InvalidArgument, message);
            let ids = ids_of(&frame);
            self.out.send(ServerMessage {
                replies: ids.map(|id| failed(id, &wrong)).collect(),
                ..ServerMessage::default()
            });
            return;
        }
        self.translate(frame, &mut requests, &mut refused);
        for (request, refusal) in self.runtime.send_all(requests.into_iter()) {
            if let ReplyTo::Stream { request_id, .. } = request.reply {
                refused.push(failed(request_id, &refusal));
            }
        }
        if !refused.is_empty() {
            self.out.send(ServerMessage {
                replies: refused,
                ..ServerMessage::default()
            });
        }
    }

    fn translate(
        &self,
        frame: WorkerMessage,
        requests: &mut Vec<Request>,
        refused: &mut Vec<Reply>,
    ) {
        let session = self.session;
        for wish in frame.subscribe {
            let subscription = Subscription {
                id: wish.subscription,
                job_type: SmolStr::from(wish.job_type),
                worker: SmolStr::from(wish.worker),
                credits: wish.credits,
                lease_ms: wish.lease_ms,
            };
            let fetch = wish
                .fetch_variables
                .into_iter()
                .map(SmolStr::from)
                .collect();
            requests.push(Request::new(
                Ask::Subscribe {
                    session,
                    wish: subscription,
                    fetch,
                },
                ReplyTo::Nobody,
            ));
        }
        for credits in frame.credits {
            let ask = Ask::Credits {
                session,
                subscription: credits.subscription,
                more: credits.more,
            };
            requests.push(Request::new(ask, ReplyTo::Nobody));
        }
        let mut add = |request_id: u64, ask: Result<Ask, Refusal>, deduplication: &str| {
            let made = ask.and_then(|ask| Ok((ask, deduplication_id(deduplication)?)));
            match made {
                Ok((ask, deduplication)) => {
                    requests.push(Request {
                        ask,
                        reply: ReplyTo::Stream {
                            session,
                            request_id,
                        },
                        deduplication,
                    });
                }
                Err(refusal) => refused.push(failed(request_id, &refusal)),
            }
        };
        for start in frame.start {
            let ask = variables(&start.variables).map(|variables| Ask::Start {
                process: ProcessRef::Id(
                    SmolStr::from(start.process_id),
                    u32::try_from(start.version).ok().filter(|v| *v > 0),
                ),
                start: Start {
                    variables,
                    ..Start::default()
                },
                await_end: start.await_end.then(|| AwaitEnd {
                    fetch: start
                        .fetch_variables
                        .into_iter()
                        .map(SmolStr::from)
                        .collect(),
                }),
            });
            add(start.request_id, ask, &start.deduplication_id);
        }
        for done in frame.complete {
            let ask = variables(&done.variables).map(|variables| Ask::CompleteJob {
                job: key(done.job_key),
                fence: done.fence,
                variables,
            });
            add(done.request_id, ask, "");
        }
        for fail in frame.fail {
            let ask = variables(&fail.variables).map(|variables| Ask::FailJob {
                job: key(fail.job_key),
                fence: fail.fence,
                retries: fail.retries,
                back_off_ms: fail.backoff_ms,
                message: fail.message,
                variables,
            });
            add(fail.request_id, ask, "");
        }
        for thrown in frame.throw_error {
            let ask = variables(&thrown.variables).map(|variables| Ask::ThrowError {
                job: key(thrown.job_key),
                fence: thrown.fence,
                code: SmolStr::from(thrown.code),
                message: thrown.message,
                variables,
            });
            add(thrown.request_id, ask, "");
        }
        for message in frame.publish {
            let ask = variables(&message.variables).map(|variables| Ask::PublishMessage {
                name: SmolStr::from(message.name),
                correlation_key: SmolStr::from(message.correlation_key),
                message_id: Some(SmolStr::from(message.message_id)).filter(|id| !id.is_empty()),
                ttl_ms: message.time_to_live_ms,
                variables,
            });
            add(message.request_id, ask, &message.deduplication_id);
        }
        for subscription in frame.unsubscribe {
            requests.push(Request::new(
                Ask::Unsubscribe {
                    session,
                    subscription,
                },
                ReplyTo::Nobody,
            ));
        }
    }
}

fn ids_of(frame: &WorkerMessage) -> impl Iterator<Item = u64> {
    let starts = frame.start.iter().map(|item| item.request_id);
    let completes = frame.complete.iter().map(|item| item.request_id);
    let fails = frame.fail.iter().map(|item| item.request_id);
    let errors = frame.throw_error.iter().map(|item| item.request_id);
    let messages = frame.publish.iter().map(|item| item.request_id);
    starts
        .chain(completes)
        .chain(fails)
        .chain(errors)
        .chain(messages)
}

fn variables(bytes: &[u8]) -> Result<Variables, Refusal> {
    let wrong = |message: String| Refusal::new(RefusalKind::InvalidArgument, message);
    let text = std::str::from_utf8(bytes)
        .map_err(|error| wrong(format!("variables are not UTF-8: {error}")))?;
    Variables::from_json(text).map_err(|error| wrong(error.to_string()))
}

const fn key(wire: i64) -> Key {
    Key::from_u64(wire.cast_unsigned())
}

/// Deduplication ids are texts on the wire; a UUID stands for itself, any other text for a digest of it.
fn deduplication_id(text: &str) -> Result<Option<Uuid>, Refusal> {
    if text.is_empty() {
        return Ok(None);
    }
    if text.len() > 256 {
        let message = format!(
            "a deduplication id has {} bytes, the limit is 256",
            text.len()
        );
        return Err(Refusal::new(RefusalKind::InvalidArgument, message));
    }
    Ok(Some(Uuid::parse_str(text).unwrap_or_else(|_| {
        let digest = botswain_store::rows::Digest::of(text.as_bytes()).0;
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&digest[..16]);
        Uuid::from_bytes(bytes)
    })))
}

fn failed(request_id: u64, refusal: &Refusal) -> Reply {
    let code = match refusal.kind {
        RefusalKind::InvalidArgument => Code::InvalidArgument,
        RefusalKind::NotFound => Code::NotFound,
        RefusalKind::AlreadyExists => Code::AlreadyExists,
        RefusalKind::InvalidState => Code::InvalidState,
        RefusalKind::ResourceExhausted => Code::ResourceExhausted,
        RefusalKind::Unavailable => Code::Unavailable,
        RefusalKind::Internal => Code::Internal,
    };
    Reply {
        request_id,
        key: 0,
        error: Some(Error {
            code: code.into(),
            message: refusal.message.clone(),
        }),
    }
}
