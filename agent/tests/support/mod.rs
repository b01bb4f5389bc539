//! A small coordinator for tests: it keeps what it acknowledged, offers a task until it is accepted, and counts ends.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "support of tests, each of which uses a part of it"
)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use botswain_proto::agent::agent_link_server::{AgentLink, AgentLinkServer};
use botswain_proto::agent::{
    AgentMessage, CoordinatorMessage, EvidenceChunk, EvidenceStored, FetchPackageRequest,
    PackageChunk,
};
use botswain_proto::ids::{AttemptId, Digest, Epoch, Fence, JobKey, Seq};
use botswain_proto::message::{
    EffectClass, FromAgent, Hello, Limits, OnLost, Receipt, State, Sync, Task, TaskEvent, ToAgent,
    Verdict, Work,
};
use tokio::sync::{mpsc, watch};
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

/// How long a test waits for what must come.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// What the coordinator remembers.
#[derive(Debug, Default)]
pub struct Memory {
    pub hellos: Vec<Hello>,
    /// Acknowledged events by journal and number.
    pub events: BTreeMap<(String, Seq), TaskEvent>,
    pub refusals: Vec<TaskEvent>,
    pub tasks: Vec<Task>,
    pub evidence: BTreeMap<(String, String), Vec<u8>>,
    pub packages: BTreeMap<Digest, Vec<u8>>,
    pub peers: Vec<bool>,
    pub goodbyes: usize,
}

impl Memory {
    pub fn ends(&self, attempt: AttemptId) -> Vec<&TaskEvent> {
        self.events
            .values()
            .filter(|event| event.attempt == attempt && event.state.is_end())
            .collect()
    }

    fn accepted(&self, attempt: AttemptId) -> bool {
        self.events.values().any(|event| event.attempt == attempt)
    }
}

#[derive(Debug, Clone)]
pub struct Coordinator {
    pub memory: Arc<Mutex<Memory>>,
    changed: Arc<watch::Sender<u64>>,
}

impl Coordinator {
    pub fn new() -> Self {
        Self {
            memory: Arc::default(),
            changed: Arc::new(watch::Sender::new(0)),
        }
    }

    /// The service, for a server that a test builds.
    pub fn service(&self) -> AgentLinkServer<Self> {
        AgentLinkServer::new(self.clone())
    }

    /// Serves plain text on a free port of this machine.
    pub async fn serve(&self) -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let incoming = tokio_stream::wrappers::TcpListenerStream::new(listener);
        tokio::spawn(
            tonic::transport::Server::builder()
                .add_service(AgentLinkServer::new(self.clone()))
                .serve_with_incoming(incoming),
        );
        format!("http://127.0.0.1:{port}")
    }

    pub fn offer(&self, task: Task) {
        self.memory.lock().unwrap().tasks.push(task);
        self.note();
    }

    fn note(&self) {
        self.changed.send_modify(|n| *n += 1);
    }

    /// Waits until what the coordinator remembers is as wished.
    pub async fn until<T>(&self, what: &str, mut look: impl FnMut(&Memory) -> Option<T>) -> T {
        let mut changed = self.changed.subscribe();
        let wait = async {
            loop {
                changed.borrow_and_update();
                if let Some(found) = look(&self.memory.lock().unwrap()) {
                    return found;
                }
                changed.changed().await.unwrap();
            }
        };
        match tokio::time::timeout(PATIENCE, wait).await {
            Ok(found) => found,
            Err(_) => panic!(
                "waited in vain for {what}: {:#?}",
                self.memory.lock().unwrap()
            ),
        }
    }

    pub async fn until_end(&self, attempt: AttemptId) -> TaskEvent {
        self.until("an end", |memory| {
            memory.ends(attempt).first().map(|end| (*end).clone())
        })
        .await
    }

    async fn talk(self, mut incoming: Streaming<AgentMessage>, out: mpsc::Sender<ToAgent>) {
        let mut changed = self.changed.subscribe();
        let mut journal = String::new();
        let mut offered: Vec<AttemptId> = Vec::new();
        loop {
            changed.borrow_and_update();
            if !journal.is_empty() {
                let tasks: Vec<Task> = {
                    let memory = self.memory.lock().unwrap();
                    memory
                        .tasks
                        .iter()
                        .filter(|task| {
                            !memory.accepted(task.attempt) && !offered.contains(&task.attempt)
                        })
                        .cloned()
                        .collect()
                };
                for task in tasks {
                    offered.push(task.attempt);
                    if out.send(ToAgent::Task(Box::new(task))).await.is_err() {
                        return;
                    }
                }
            }
            let message = tokio::select! {
                message = incoming.next() => message,
                _ = changed.changed() => continue,
            };
            let Some(Ok(message)) = message else { return };
            let answer = match FromAgent::try_from(message).unwrap() {
                FromAgent::Hello(hello) => {
                    journal.clone_from(&hello.journal_id);
                    self.memory.lock().unwrap().hellos.push(*hello);
                    Some(ToAgent::Sync(Sync {
                        epoch: Epoch(1),
                        ..Sync::default()
                    }))
                }
                FromAgent::Event(event) if event.seq == Seq(0) => {
                    if event.state == State::Rejected {
                        self.memory.lock().unwrap().refusals.push(*event);
                    }
                    None
                }
                FromAgent::Event(event) => {
                    let seq = event.seq;
                    let key = (journal.clone(), seq);
                    let mut memory = self.memory.lock().unwrap();
                    let verdict = if let Some(known) = memory.events.get(&key) {
                        assert_eq!(
                            (known.attempt, known.state),
                            (event.attempt, event.state),
                            "a number was given out twice"
                        );
                        Verdict::Duplicate
                    } else {
                        memory.events.insert(key, *event);
                        Verdict::Committed
                    };
                    Some(ToAgent::Receipt(Receipt {
                        items: vec![(seq, verdict)],
                        leases: Vec::new(),
                    }))
                }
                FromAgent::Goodbye { .. } => {
                    self.memory.lock().unwrap().goodbyes += 1;
                    None
                }
                FromAgent::Beat(_) | FromAgent::SyncAnswer(_) => None,
            };
            self.note();
            if let Some(answer) = answer
                && out.send(answer).await.is_err()
            {
                return;
            }
        }
    }
}

type Sent<T> = std::pin::Pin<Box<dyn tokio_stream::Stream<Item = Result<T, Status>> + Send>>;

#[tonic::async_trait]
impl AgentLink for Coordinator {
    type SessionStream = Sent<CoordinatorMessage>;
    type FetchPackageStream = Sent<PackageChunk>;

    async fn session(
        &self,
        request: Request<Streaming<AgentMessage>>,
    ) -> Result<Response<Self::SessionStream>, Status> {
        let with_certificate = request.peer_certs().is_some_and(|certs| !certs.is_empty());
        self.memory.lock().unwrap().peers.push(with_certificate);
        let (out, messages) = mpsc::channel(16);
        tokio::spawn(self.clone().talk(request.into_inner(), out));
        let messages = ReceiverStream::new(messages).map(|message| Ok(message.into()));
        Ok(Response::new(Box::pin(messages)))
    }

    async fn fetch_package(
        &self,
        request: Request<FetchPackageRequest>,
    ) -> Result<Response<Self::FetchPackageStream>, Status> {
        let digest: Digest = request.into_inner().digest.parse().unwrap();
        let bytes = self
            .memory
            .lock()
            .unwrap()
            .packages
            .get(&digest)
            .cloned()
            .ok_or_else(|| Status::not_found("no such package"))?;
        let chunk = PackageChunk {
            total: bytes.len() as u64,
            data: bytes.into(),
        };
        Ok(Response::new(Box::pin(tokio_stream::once(Ok(chunk)))))
    }

    async fn upload_evidence(
        &self,
        request: Request<Streaming<EvidenceChunk>>,
    ) -> Result<Response<EvidenceStored>, Status> {
        let mut chunks = request.into_inner();
        let mut head = None;
        let mut bytes = Vec::new();
        while let Some(chunk) = chunks.message().await? {
            head = head.or(chunk.head);
            bytes.extend_from_slice(&chunk.data);
        }
        let head = head.unwrap();
        assert_eq!(Digest::of(&bytes).to_string(), head.sha256);
        let key = (head.attempt, head.name);
        self.memory.lock().unwrap().evidence.insert(key, bytes);
        self.note();
        Ok(Response::new(EvidenceStored {
            sha256: head.sha256,
            already_there: false,
        }))
    }
}

/// A task for an action with a file as its input.
pub fn task(action: &str, effect: EffectClass, file: &Path) -> Task {
    Task {
        attempt: AttemptId(uuid::Uuid::now_v7()),
        job: JobKey(1),
        fence: Fence(1),
        epoch: Epoch(1),
        work: Work::Action(action.to_owned()),
        input: serde_json::json!({"file": file}).to_string().into(),
        secrets: Vec::new(),
        effect,
        limits: Limits {
            run_timeout_ms: 30_000,
            cancel_grace_ms: 200,
            ..Limits::default()
        },
        on_lost: OnLost::Wait,
        labels: Vec::new(),
        trace: String::new(),
        process_id: "onboarding".to_owned(),
        instance_key: 1,
        job_type: "test".to_owned(),
        locks: Vec::new(),
    }
}

/// A data folder with a small journal and this policy.
pub fn data_folder(folder: &Path, policy: &str) -> PathBuf {
    let data = folder.join("agent");
    std::fs::create_dir(&data).unwrap();
    std::fs::write(data.join("policy.toml"), policy).unwrap();
    std::fs::write(data.join("agent.toml"), "journal_segment_bytes = 524288\n").unwrap();
    data
}

/// A running agent; its drop ends it.
pub struct Agent(pub Child);

impl Agent {
    pub fn start(program: &Path, data: &Path, args: &[&str], fail_point: Option<&str>) -> Self {
        let mut command = Command::new(program);
        command
            .arg("run")
            .arg("--data")
            .arg(data)
            .args(args)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .env(
                "BOTSWAIN_AGENT_LOG",
                std::env::var("AGENT_LOG").unwrap_or("error".to_owned()),
            );
        if let Some(name) = fail_point {
            command.env("BOTSWAIN_FAIL_POINT", name);
        }
        Self(command.spawn().unwrap())
    }

    /// Waits for the agent's own end.
    pub fn has_ended(&mut self) -> bool {
        self.0.try_wait().unwrap().is_some()
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The agent with countable actions, built beside the tests.
pub fn counting_agent() -> PathBuf {
    let bin = Path::new(env!("CARGO_BIN_EXE_botswain-agent"));
    let path = bin.parent().unwrap().join("examples/counting_agent");
    assert!(
        path.exists(),
        "run cargo test without --test, or build it: cargo build -p botswain-agent --example counting_agent"
    );
    path
}

/// Waits for a condition outside of the coordinator.
pub fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let until = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < until, "waited in vain for {what}");
        std::thread::park_timeout(Duration::from_millis(5));
    }
}
