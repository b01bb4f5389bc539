//! The door: the port that agents reach, with enrolment over HTTPS and gRPC for those that have a certificate.

use super::admission::Admission;
use super::ca::{Ca, CaError};
use super::enrolment::Enrolment;
use super::evidence::EvidenceFolder;
use super::host::FleetHost;
use super::lines::Lines;
use super::link::{Link, REVOKED};
use axum::Router;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response as HttpResponse};
use axum::routing::post;
use botswain_engine::event::Millis;
use botswain_proto::agent::agent_link_server::AgentLinkServer;
use botswain_proto::enrol::{BODY_MAX_BYTES, PATH, Refusal, Response};
use botswain_proto::ids::{AgentId, Digest};
use botswain_proto::limits::{CHUNK_BYTES, MESSAGE_MAX_BYTES};
use bytes::Bytes;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tonic::Status;

/// How many connections may be open.
const CONNECTIONS_MAX: usize = 20_000;
/// How many machines may be enrolled at the same moment; checking a request costs two signatures.
const ENROLMENTS_MAX: usize = 8;
/// How many files of evidence may arrive at the same moment.
const UPLOADS_MAX: usize = 32;
/// How long a handshake may take.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// A path that is dead is noticed after both together.
const KEEP_ALIVE: Duration = Duration::from_secs(20);
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(20);
/// Streams of one agent: its session, packages and evidence.
const STREAMS_MAX: u32 = 32;
/// A chunk with its head and the wire's own bytes.
const DECODE_MAX_BYTES: usize = MESSAGE_MAX_BYTES + CHUNK_BYTES;
/// The service's paths.
const LINK_PATH: &str = "/botswain.agent.v1.AgentLink/{*method}";

/// Where the door is, and what it needs.
pub struct DoorSettings {
    /// Where agents connect.
    pub listen: SocketAddr,
    /// Host names and addresses by which agents reach it, besides the one it listens on.
    pub names: Vec<String>,
    /// Speak without TLS and believe what agents say about themselves: for tests, on this machine alone.
    pub plaintext: bool,
    /// How long an agent may leave its line full.
    pub patience: Duration,
}

impl DoorSettings {
    /// The usual settings for an address.
    #[must_use]
    pub fn new(listen: SocketAddr) -> DoorSettings {
        DoorSettings {
            listen,
            names: Vec::new(),
            plaintext: false,
            patience: Duration::from_secs(20),
        }
    }
}

/// Why the door cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum DoorError {
    /// Without TLS, for others to listen in.
    #[error(
        "agents may connect without TLS on this machine alone: expected a loopback address, found {0}"
    )]
    OpenPlaintext(SocketAddr),
    /// The address cannot be used.
    #[error("listen on {address}: {error}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        error: io::Error,
    },
    /// The certificate authority.
    #[error(transparent)]
    Ca(#[from] CaError),
    /// TLS.
    #[error("TLS: {0}")]
    Tls(String),
}

/// Who is at the other end of a connection.
#[derive(Clone, Debug)]
pub(super) enum Peer {
    /// Somebody with a certificate of our authority.
    Certificate(Digest),
    /// Somebody on this machine, without TLS.
    Loopback,
    /// Somebody without a certificate, who may only enrol.
    Stranger,
}

/// What all connections share.
pub(super) struct Shared {
    pub(super) host: Arc<dyn FleetHost>,
    pub(super) lines: Lines,
    pub(super) admission: Arc<Admission>,
    pub(super) evidence: Arc<EvidenceFolder>,
    pub(super) stopping: watch::Receiver<bool>,
    pub(super) patience: Duration,
    pub(super) uploads: Semaphore,
    enrolments: Semaphore,
    ca: Digest,
}

impl Shared {
    /// Which agent speaks: the certificate decides, whatever is claimed.
    pub(super) fn speaker(&self, peer: &Peer, claim: &AgentId) -> Result<AgentId, Status> {
        Ok(self.bulk_speaker(peer)?.unwrap_or_else(|| claim.clone()))
    }

    /// Which agent speaks where messages carry no name; none on the plaintext door, which believes everybody.
    pub(super) fn bulk_speaker(&self, peer: &Peer) -> Result<Option<AgentId>, Status> {
        match peer {
            Peer::Certificate(fingerprint) => {
                let agent = self.admission.agent_of(fingerprint);
                agent
                    .map(Some)
                    .ok_or_else(|| Status::permission_denied(REVOKED))
            }
            Peer::Loopback => Ok(None),
            Peer::Stranger => Err(Status::unauthenticated(
                "a certificate of this coordinator is needed: enrol the machine (botswain-agent enrol)",
            )),
        }
    }
}

/// The door.
pub struct Door {
    /// The coordinator behind it.
    pub host: Arc<dyn FleetHost>,
    /// What is sent to agents.
    pub lines: Lines,
    /// Who may speak.
    pub admission: Arc<Admission>,
    /// Where evidence goes.
    pub evidence: Arc<EvidenceFolder>,
    /// Who vouches.
    pub ca: Arc<Ca>,
}

/// A door that is open.
pub struct Running {
    /// Where it really listens.
    pub address: SocketAddr,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Running {
    /// Closes the door and ends all connections.
    pub async fn stop(self) {
        // Nobody listens any more when the task is gone already.
        let _ = self.stop.send(true);
        let _ = self.task.await;
    }
}

impl Door {
    /// Opens the door.
    ///
    /// # Errors
    /// Why it cannot be opened, and what to do.
    pub async fn open(self, settings: DoorSettings, now: Millis) -> Result<Running, DoorError> {
        if settings.plaintext && !settings.listen.ip().is_loopback() {
            return Err(DoorError::OpenPlaintext(settings.listen));
        }
        let acceptor = if settings.plaintext {
            None
        } else {
            Some(self.acceptor(&settings, now)?)
        };
        let listener =
            TcpListener::bind(settings.listen)
                .await
                .map_err(|error| DoorError::Listen {
                    address: settings.listen,
                    error,
                })?;
        let address = listener.local_addr().map_err(|error| DoorError::Listen {
            address: settings.listen,
            error,
        })?;
        let (stop, stopping) = watch::channel(false);
        let shared = Arc::new(Shared {
            ca: self.ca.fingerprint(),
            host: self.host,
            lines: self.lines,
            admission: self.admission,
            evidence: self.evidence,
            stopping: stopping.clone(),
            patience: settings.patience,
            uploads: Semaphore::new(UPLOADS_MAX),
            enrolments: Semaphore::new(ENROLMENTS_MAX),
        });
        let link = AgentLinkServer::new(Link(Arc::clone(&shared)))
            .max_decoding_message_size(DECODE_MAX_BYTES)
            .max_encoding_message_size(DECODE_MAX_BYTES);
        let mut router = Router::new().route_service(LINK_PATH, link);
        if !settings.plaintext {
            // A token is not sent where anybody on the machine could listen.
            router = router
                .route(PATH, post(enrol))
                .layer(DefaultBodyLimit::max(BODY_MAX_BYTES));
        }
        let router = router.with_state(shared);
        let task = tokio::spawn(accept(listener, acceptor, router, stopping));
        Ok(Running {
            address,
            stop,
            task,
        })
    }

    fn acceptor(&self, settings: &DoorSettings, now: Millis) -> Result<TlsAcceptor, DoorError> {
        let tls = |error: &dyn ToString| DoorError::Tls(error.to_string());
        let mut names = settings.names.clone();
        names.push(settings.listen.ip().to_string());
        let (chain, key) = self.ca.server(&names, now)?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut roots = RootCertStore::empty();
        roots
            .add(self.ca.der().clone())
            .map_err(|error| tls(&error))?;
        // Without a certificate one may enrol; each gRPC call looks at the certificate itself.
        let verifier =
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
                .allow_unauthenticated()
                .build()
                .map_err(|error| tls(&error))?;
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| tls(&error))?
            .with_client_cert_verifier(verifier)
            .with_single_cert(chain, key)
            .map_err(|error| tls(&error))?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(TlsAcceptor::from(Arc::new(config)))
    }
}

async fn accept(
    listener: TcpListener,
    acceptor: Option<TlsAcceptor>,
    router: Router,
    mut stopping: watch::Receiver<bool>,
) {
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let permit = tokio::select! {
            permit = Arc::clone(&room).acquire_owned() => permit,
            _ = stopping.wait_for(|stop| *stop) => return,
        };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stopping.wait_for(|stop| *stop) => return,
        };
        let (stream, from) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of file handles, most likely: breathe, and let connections end meanwhile.
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let (acceptor, router, mut stop) = (acceptor.clone(), router.clone(), stopping.clone());
        tokio::spawn(async move {
            let _permit = permit;
            tokio::select! {
                () = connection(stream, from, acceptor, router) => {}
                // Sessions say why they end; this is for whatever else is still open a moment later.
                () = async {
                    let _ = stop.wait_for(|stop| *stop).await;
                    tokio::time::sleep(Duration::from_secs(1)).await;
                } => {}
            }
        });
    }
}

async fn connection(
    stream: TcpStream,
    from: SocketAddr,
    acceptor: Option<TlsAcceptor>,
    router: Router,
) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%from, %error, "a connection was gone before it began");
        return;
    }
    let Some(acceptor) = acceptor else {
        return serve(stream, Peer::Loopback, from, router).await;
    };
    match tokio::time::timeout(HANDSHAKE_TIMEOUT, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => {
            let certificate = stream
                .get_ref()
                .1
                .peer_certificates()
                .and_then(|chain| chain.first());
            let peer =
                certificate.map_or(Peer::Stranger, |leaf| Peer::Certificate(Digest::of(leaf)));
            serve(stream, peer, from, router).await;
        }
        Ok(Err(error)) => {
            tracing::warn!(%from, %error, "a TLS handshake failed: the peer may have a certificate of another authority")
        }
        Err(_) => tracing::debug!(%from, "a TLS handshake took too long"),
    }
}

async fn serve<S>(stream: S, peer: Peer, from: SocketAddr, router: Router)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service =
        hyper::service::service_fn(move |mut request: hyper::Request<hyper::body::Incoming>| {
            request.extensions_mut().insert(peer.clone());
            let mut router = router.clone();
            tower::Service::call(&mut router, request.map(Body::new))
        });
    let mut server = auto::Builder::new(TokioExecutor::new());
    server
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HANDSHAKE_TIMEOUT)
        .max_buf_size(64 * 1024);
    server
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(KEEP_ALIVE)
        .keep_alive_timeout(KEEP_ALIVE_TIMEOUT)
        .max_concurrent_streams(STREAMS_MAX)
        .max_header_list_size(16 * 1024)
        .initial_stream_window_size(256 * 1024)
        .initial_connection_window_size(1024 * 1024);
    if let Err(error) = server.serve_connection(TokioIo::new(stream), service).await {
        tracing::debug!(%from, %error, "a connection broke");
    }
}

async fn enrol(
    State(shared): State<Arc<Shared>>,
    body: Result<Bytes, axum::extract::rejection::BytesRejection>,
) -> HttpResponse {
    let refuse = |status: StatusCode, code: &str, message: String| {
        (
            status,
            axum::Json(Refusal {
                code: code.to_owned(),
                message,
            }),
        )
            .into_response()
    };
    let body = match body {
        Ok(body) => body,
        Err(rejection) => {
            return refuse(rejection.status(), "invalid_request", rejection.body_text());
        }
    };
    let Ok(_room) = shared.enrolments.try_acquire() else {
        let message = "too many machines are being enrolled: come again in a moment".to_owned();
        return refuse(StatusCode::SERVICE_UNAVAILABLE, "busy", message);
    };
    let issued = match Enrolment::read(&body, shared.ca) {
        Ok(enrolment) => shared.host.enrol(enrolment).await,
        Err(refusal) => Err(refusal),
    };
    match issued {
        Ok(issued) => {
            tracing::info!(agent = %issued.agent, serial = %issued.serial, "an agent was enrolled");
            shared
                .admission
                .admit(issued.agent.clone(), issued.fingerprint);
            let response = Response {
                agent_id: issued.agent,
                chain_pem: issued.chain_pem,
                ca_pem: issued.ca_pem,
            };
            axum::Json(response).into_response()
        }
        Err(refusal) => {
            tracing::warn!(code = %refusal.code, "an enrolment was refused");
            let status = match refusal.code.as_str() {
                "invalid_request" => StatusCode::BAD_REQUEST,
                "unavailable" => StatusCode::SERVICE_UNAVAILABLE,
                _ => StatusCode::FORBIDDEN,
            };
            (status, axum::Json(refusal)).into_response()
        }
    }
}
