//! A coordinator for the door's tests: it commits when the test says so, and remembers what it heard.

use crate::dispatch::SessionId;
use crate::fleet::*;
use botswain_proto::agent::agent_link_client::AgentLinkClient;
use botswain_proto::agent::{AgentMessage, CoordinatorMessage};
use botswain_proto::enrol::{Facts, Refusal, Request, Response};
use botswain_proto::ids::{AgentId, AttemptId, Digest, Epoch, Seq};
use botswain_proto::message::{
    Beat, Capabilities, EvidenceRef, FromAgent, Hello, Sync, SyncItem, TaskEvent, ToAgent, Verdict,
};
use bytes::Bytes;
use parking_lot::Mutex;
use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::{CertificateDer, ServerName};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{mpsc, watch};
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
use tonic::{Status, Streaming};

pub(super) const NOW: i64 = 1_900_000_000_000;

#[derive(Default)]
pub(super) struct Remembered {
    pub(super) tokens: BTreeMap<Digest, StoredToken>,
    pub(super) agents: Vec<AgentId>,
    pub(super) heard: Vec<String>,
    pub(super) packages: BTreeMap<Digest, Bytes>,
    pub(super) evidence: Vec<(AttemptId, String)>,
}

pub(super) struct Stub {
    pub(super) ca: Arc<Ca>,
    pub(super) state: Mutex<Remembered>,
    sessions: AtomicU64,
    /// Commits answer only while this is true.
    pub(super) committing: watch::Sender<bool>,
    pub(super) changed: watch::Sender<u64>,
}

impl Stub {
    fn note(&self, text: String) {
        self.state.lock().heard.push(text);
        self.changed.send_modify(|version| *version += 1);
    }

    fn committed<T: Send + 'static>(&self, answer: T) -> Later<T> {
        let mut committing = self.committing.subscribe();
        Box::pin(async move {
            let _ = committing.wait_for(|go| *go).await;
            answer
        })
    }

    /// Waits until something was heard.
    pub(super) async fn until_heard(&self, part: &str) {
        let mut changed = self.changed.subscribe();
        let heard = async {
            while !self
                .state
                .lock()
                .heard
                .iter()
                .any(|line| line.contains(part))
            {
                changed.changed().await.unwrap();
            }
        };
        let within = tokio::time::timeout(Duration::from_secs(10), heard).await;
        assert!(
            within.is_ok(),
            "{part} was not heard, only {:?}",
            self.state.lock().heard
        );
    }
}

impl FleetHost for Stub {
    fn new_session(&self) -> SessionId {
        SessionId(self.sessions.fetch_add(1, Ordering::Relaxed) + 1)
    }

    fn enrol(&self, enrolment: Enrolment) -> Later<Result<Issued, Refusal>> {
        let mut state = self.state.lock();
        let token = match redeem(state.tokens.get(&enrolment.token).cloned(), NOW) {
            Ok(token) => token,
            Err(refusal) => return Box::pin(async { Err(refusal) }),
        };
        state.tokens.insert(token.digest, token);
        let agent = unique_name(&enrolment.facts.name, |name| state.agents.contains(name));
        state.agents.push(agent.clone());
        let issued = self
            .ca
            .issue(&enrolment.csr, &agent, now())
            .map_err(|error| Refusal {
                code: "invalid_request".to_owned(),
                message: error.to_string(),
            });
        self.committed(issued)
    }

    fn hello(
        &self,
        session: SessionId,
        agent: AgentId,
        hello: Box<Hello>,
    ) -> Later<Result<Sync, Gone>> {
        self.note(format!(
            "{} hello from {agent}, {} open",
            session.0,
            hello.open.len()
        ));
        self.committed(Ok(Sync {
            epoch: Epoch(3),
            ..Sync::default()
        }))
    }

    fn event(
        &self,
        _: SessionId,
        agent: AgentId,
        event: Box<TaskEvent>,
    ) -> Later<Result<Verdict, Gone>> {
        self.note(format!("event {} of {agent}: {:?}", event.seq, event.state));
        self.committed(Ok(Verdict::Committed))
    }

    fn unreadable(
        &self,
        _: SessionId,
        agent: AgentId,
        seq: Seq,
        problem: String,
    ) -> Later<Result<(), Gone>> {
        self.note(format!("unreadable event {seq} of {agent}: {problem}"));
        self.committed(Ok(()))
    }

    fn beat(
        &self,
        _: SessionId,
        agent: AgentId,
        beat: Box<Beat>,
    ) -> Later<Result<Vec<(AttemptId, u64)>, Gone>> {
        self.note(format!("beat of {agent}"));
        self.committed(Ok(beat
            .running
            .iter()
            .map(|attempt| (*attempt, 60_000))
            .collect()))
    }

    fn sync_answer(&self, _: SessionId, agent: AgentId, items: Vec<SyncItem>) {
        self.note(format!("{} items of {agent}", items.len()));
    }

    fn gone(&self, session: SessionId, agent: AgentId, why: String) {
        self.note(format!("{} gone: {agent}, {why}", session.0));
    }

    fn package(&self, _: Option<AgentId>, digest: Digest) -> Later<Result<Option<Bytes>, Gone>> {
        let found = self.state.lock().packages.get(&digest).cloned();
        Box::pin(async move { Ok(found) })
    }

    fn evidence_expected(
        &self,
        agent: Option<AgentId>,
        attempt: AttemptId,
        file: EvidenceRef,
    ) -> Later<Result<Expected, String>> {
        let there = self
            .state
            .lock()
            .evidence
            .contains(&(attempt, file.name.clone()));
        let foreign = file.name.starts_with("foreign");
        Box::pin(async move {
            match (foreign, there) {
                (true, _) => Err(format!("attempt {attempt} is not with {agent:?}")),
                (false, true) => Ok(Expected::AlreadyThere),
                (false, false) => Ok(Expected::Wanted),
            }
        })
    }

    fn evidence_stored(
        &self,
        _: Option<AgentId>,
        attempt: AttemptId,
        file: EvidenceRef,
    ) -> Later<Result<(), Gone>> {
        self.state.lock().evidence.push((attempt, file.name));
        self.committed(Ok(()))
    }
}

pub(super) struct Place {
    pub(super) folder: tempfile::TempDir,
    pub(super) stub: Arc<Stub>,
    pub(super) lines: Lines,
    pub(super) admission: Arc<Admission>,
    pub(super) evidence: Arc<EvidenceFolder>,
    pub(super) running: Running,
}

impl Place {
    pub(super) async fn open() -> Place {
        Place::open_with(|_| {}).await
    }

    pub(super) async fn open_with(change: impl FnOnce(&mut DoorSettings)) -> Place {
        let folder = tempfile::tempdir().unwrap();
        let ca = Arc::new(Ca::open(&folder.path().join("ca"), now()).unwrap());
        let stub = Arc::new(Stub {
            ca: Arc::clone(&ca),
            state: Mutex::default(),
            sessions: AtomicU64::new(0),
            committing: watch::Sender::new(true),
            changed: watch::Sender::new(0),
        });
        let lines = Lines::default();
        let admission = Arc::new(Admission::default());
        let evidence = Arc::new(EvidenceFolder::open(folder.path().join("evidence")).unwrap());
        let mut settings = DoorSettings::new("127.0.0.1:0".parse().unwrap());
        change(&mut settings);
        let door = Door {
            host: Arc::clone(&stub) as Arc<dyn FleetHost>,
            lines: lines.clone(),
            admission: Arc::clone(&admission),
            evidence: Arc::clone(&evidence),
            ca,
        };
        let running = door.open(settings, now()).await.unwrap();
        Place {
            folder,
            stub,
            lines,
            admission,
            evidence,
            running,
        }
    }

    /// A token that enrols one machine.
    pub(super) fn token(&self) -> String {
        self.token_until(NOW + 60_000)
    }

    pub(super) fn token_until(&self, expires_at: i64) -> String {
        let (token, stored) = mint(self.stub.ca.fingerprint(), expires_at, 1).unwrap();
        self.stub.state.lock().tokens.insert(stored.digest, stored);
        token.to_string()
    }

    pub(super) async fn enrolled(&self, name: &str) -> Machine {
        let machine = Machine::new();
        let response = machine
            .enrol(self.running.address, &self.token(), name)
            .await
            .unwrap();
        Machine {
            chain_pem: response.chain_pem,
            ..machine
        }
    }

    pub(super) async fn client(
        &self,
        machine: Option<&Machine>,
    ) -> Result<AgentLinkClient<Channel>, String> {
        client(self.running.address, self.stub.ca.pem(), machine).await
    }
}

/// The machine's clock: certificates are checked against it by the TLS library.
fn now() -> i64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .as_millis() as i64
}

pub(super) async fn client(
    address: SocketAddr,
    ca_pem: &str,
    machine: Option<&Machine>,
) -> Result<AgentLinkClient<Channel>, String> {
    let mut tls = ClientTlsConfig::new()
        .ca_certificate(Certificate::from_pem(ca_pem))
        .domain_name("localhost");
    if let Some(machine) = machine {
        tls = tls.identity(Identity::from_pem(
            &machine.chain_pem,
            machine.key.serialize_pem(),
        ));
    }
    let endpoint = Endpoint::from_shared(format!("https://{address}"))
        .unwrap()
        .tls_config(tls)
        .unwrap();
    let channel = endpoint
        .connect()
        .await
        .map_err(|error| format!("{error:?}"))?;
    Ok(AgentLinkClient::new(channel).max_encoding_message_size(8 << 20))
}

pub(super) struct Machine {
    pub(super) key: KeyPair,
    pub(super) chain_pem: String,
}

impl Machine {
    pub(super) fn new() -> Machine {
        Machine {
            key: KeyPair::generate().unwrap(),
            chain_pem: String::new(),
        }
    }

    pub(super) fn request(&self, token: &str, name: &str) -> Request {
        let csr = CertificateParams::default()
            .serialize_request(&self.key)
            .unwrap();
        let facts = Facts {
            name: name.to_owned(),
            ..Facts::default()
        };
        Request {
            token: token.to_owned(),
            csr_pem: csr.pem().unwrap(),
            facts,
        }
    }

    pub(super) async fn enrol(
        &self,
        door: SocketAddr,
        token: &str,
        name: &str,
    ) -> Result<Response, Refusal> {
        let body = serde_json::to_vec(&self.request(token, name)).unwrap();
        let (status, body) = post(door, &body).await;
        match status {
            200 => Ok(serde_json::from_slice(&body).unwrap()),
            _ => Err(serde_json::from_slice(&body).unwrap()),
        }
    }
}

/// Posts to the enrolment path over HTTPS; whoever answers is believed, because the test looks at something else.
pub(super) async fn post(door: SocketAddr, body: &[u8]) -> (u16, Vec<u8>) {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AnyServer))
        .with_no_client_auth();
    let stream = tokio::net::TcpStream::connect(door).await.unwrap();
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    let mut stream = connector
        .connect(ServerName::try_from("localhost").unwrap(), stream)
        .await
        .unwrap();
    let head = format!(
        "POST /enrol HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    // A server that refuses a large body may close before it has read all.
    let _ = stream.write_all(body).await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    let text = String::from_utf8_lossy(&answer);
    let status = text.split_whitespace().nth(1).unwrap().parse().unwrap();
    let at = text.find("\r\n\r\n").unwrap() + 4;
    (status, answer[at..].to_vec())
}

#[derive(Debug)]
struct AnyServer;

impl rustls::client::danger::ServerCertVerifier for AnyServer {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: rustls::pki_types::UnixTime,
    ) -> Result<rustls::client::danger::ServerCertVerified, rustls::Error> {
        Ok(rustls::client::danger::ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        Ok(rustls::client::danger::HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        Ok(rustls::client::danger::HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        rustls::crypto::ring::default_provider()
            .signature_verification_algorithms
            .supported_schemes()
    }
}

/// A session from the agent's side.
pub(super) struct Talk {
    pub(super) say: mpsc::Sender<AgentMessage>,
    hear: Streaming<CoordinatorMessage>,
}

impl Talk {
    pub(super) async fn begin(
        client: &mut AgentLinkClient<Channel>,
        name: &str,
    ) -> Result<Talk, Status> {
        let (say, outgoing) = mpsc::channel(2_000);
        say.send(FromAgent::Hello(Box::new(hello(name))).into())
            .await
            .unwrap();
        let outgoing = tokio_stream::wrappers::ReceiverStream::new(outgoing);
        let hear = client.session(outgoing).await?.into_inner();
        Ok(Talk { say, hear })
    }

    pub(super) async fn say(&self, message: FromAgent) {
        self.say.send(message.into()).await.unwrap();
    }

    pub(super) async fn hear(&mut self) -> Result<ToAgent, Status> {
        let message = tokio::time::timeout(Duration::from_secs(10), self.hear.message())
            .await
            .expect("nothing was said");
        let message = message?.ok_or_else(|| Status::cancelled("the stream is over"))?;
        Ok(ToAgent::try_from(message).unwrap())
    }
}

pub(super) fn hello(name: &str) -> Hello {
    Hello {
        agent: name.parse().unwrap(),
        boot_id: "boot".to_owned(),
        conn: 1,
        journal_id: "journal".to_owned(),
        last_seq: Seq(0),
        open: Vec::new(),
        capabilities: Capabilities {
            slots: 2,
            ..Capabilities::default()
        },
        agent_version: "1".to_owned(),
        policy_version: String::new(),
        highest_epoch: Epoch(0),
        note: String::new(),
    }
}
