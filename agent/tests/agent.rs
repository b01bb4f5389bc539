//! The real program against a small coordinator: enrolment, mutual TLS, policy, limits, evidence, bots.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use botswain_proto::enrol::{Request, Response, Token};
use botswain_proto::ids::{AttemptId, Digest};
use botswain_proto::message::{BotRef, EffectClass, Happened, State, Work};
use botswain_proto::package::Package;
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use rcgen::{CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls_pki_types::PrivateKeyDer;
use support::{Agent, Coordinator, counting_agent, data_folder, task, wait_for};
use tokio_rustls::rustls;

const PROGRAM: &str = env!("CARGO_BIN_EXE_botswain-agent");

/// A coordinator with a CA of its own, enrolment and sessions on one TLS port.
struct Secure {
    coordinator: Coordinator,
    address: String,
    token: Token,
}

impl Secure {
    async fn start() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        params
            .distinguished_name
            .push(DnType::CommonName, "test CA");
        let ca = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let token = Token {
            secret: "abcdefghijklmnopqrstuvwxyz".to_owned(),
            ca: Digest::of(ca.der()),
        };
        let server_key = KeyPair::generate().unwrap();
        let server = CertificateParams::new(vec!["localhost".to_owned(), "127.0.0.1".to_owned()])
            .unwrap()
            .signed_by(&server_key, &ca)
            .unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut roots = rustls::RootCertStore::empty();
        roots.add(ca.der().clone()).unwrap();
        let verifier = rustls::server::WebPkiClientVerifier::builder_with_provider(
            Arc::new(roots),
            Arc::clone(&provider),
        )
        .allow_unauthenticated()
        .build()
        .unwrap();
        let mut config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(verifier)
            .with_single_cert(
                vec![server.der().clone(), ca.der().clone()],
                PrivateKeyDer::try_from(server_key.serialize_der()).unwrap(),
            )
            .unwrap();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!(
            "https://localhost:{}",
            listener.local_addr().unwrap().port()
        );
        let coordinator = Coordinator::new();
        let (sessions, incoming) = tokio::sync::mpsc::channel::<Result<_, std::io::Error>>(8);
        tokio::spawn(
            tonic::transport::Server::builder()
                .add_service(coordinator.service())
                .serve_with_incoming(tokio_stream::wrappers::ReceiverStream::new(incoming)),
        );
        let door = Arc::new((ca, token.clone()));
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let Ok(stream) = acceptor.accept(stream).await else {
                    continue;
                };
                if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
                    sessions.send(Ok(stream)).await.unwrap();
                    continue;
                }
                let door = Arc::clone(&door);
                let service =
                    hyper::service::service_fn(move |request| enrol(Arc::clone(&door), request));
                tokio::spawn(
                    hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service),
                );
            }
        });
        Self {
            coordinator,
            address,
            token,
        }
    }
}

type Door = Arc<(CertifiedIssuer<'static, KeyPair>, Token)>;

async fn enrol(
    door: Door,
    request: hyper::Request<hyper::body::Incoming>,
) -> Result<hyper::Response<Full<bytes::Bytes>>, std::convert::Infallible> {
    let (ca, token) = &*door;
    let body = request.into_body().collect().await.unwrap().to_bytes();
    let request: Request = serde_json::from_slice(&body).unwrap();
    if request.token != token.to_string() {
        let refusal = r#"{"code":"unknown_token","message":"make another token"}"#;
        let mut response = hyper::Response::new(Full::from(refusal));
        *response.status_mut() = hyper::StatusCode::FORBIDDEN;
        return Ok(response);
    }
    let mut csr = rcgen::CertificateSigningRequestParams::from_pem(&request.csr_pem).unwrap();
    csr.params.distinguished_name = rcgen::DistinguishedName::new();
    csr.params
        .distinguished_name
        .push(DnType::CommonName, "anna-1");
    let cert = csr.signed_by(ca).unwrap();
    let response = Response {
        agent_id: "anna-1".parse().unwrap(),
        chain_pem: cert.pem(),
        ca_pem: ca.pem(),
    };
    Ok(hyper::Response::new(Full::from(
        serde_json::to_vec(&response).unwrap(),
    )))
}

fn enrol_with(secure: &Secure, token: &Token, data: &Path) -> (bool, String) {
    let output = Command::new(PROGRAM)
        .args(["enrol", "--name", "anna", "--coordinator", &secure.address])
        .args(["--token", &token.to_string()])
        .arg("--data")
        .arg(data)
        .output()
        .unwrap();
    (
        output.status.success(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_machine_enrols_and_talks_with_its_certificate() {
    let secure = Secure::start().await;
    let folder = tempfile::tempdir().unwrap();
    let data = data_folder(folder.path(), "");
    let token = secure.token.to_string();
    let args = [
        "--name",
        "anna",
        "--coordinator",
        &secure.address,
        "--token",
        &token,
    ];
    let agent = Agent::start(Path::new(PROGRAM), &data, &args, None);
    let hello = secure
        .coordinator
        .until("a hello", |memory| memory.hellos.first().cloned())
        .await;
    assert_eq!(hello.agent.as_str(), "anna-1");
    assert_eq!(secure.coordinator.memory.lock().unwrap().peers, [true]);
    let key = fs::read_to_string(data.join("identity/key.pem")).unwrap();
    assert!(key.contains("PRIVATE KEY"));
    // The next start needs neither token nor address.
    drop(agent);
    let _agent = Agent::start(Path::new(PROGRAM), &data, &[], None);
    secure
        .coordinator
        .until("another hello", |memory| {
            (memory.hellos.len() == 2).then_some(())
        })
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_without_the_tokens_ca_gets_nothing() {
    let secure = Secure::start().await;
    let folder = tempfile::tempdir().unwrap();
    let other = Token {
        ca: Digest::of(b"another CA"),
        ..secure.token.clone()
    };
    let (enrolled, error) =
        tokio::task::block_in_place(|| enrol_with(&secure, &other, folder.path()));
    assert!(!enrolled && error.contains("UnknownIssuer"), "{error}");
    assert!(!folder.path().join("identity").exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_used_up_token_is_refused_with_its_reason() {
    let secure = Secure::start().await;
    let folder = tempfile::tempdir().unwrap();
    let other = Token {
        secret: "zyxwvutsrqponmlkjihgfedcba".to_owned(),
        ..secure.token
    };
    let (enrolled, error) =
        tokio::task::block_in_place(|| enrol_with(&secure, &other, folder.path()));
    assert!(!enrolled && error.contains("make another token"), "{error}");
}

/// An agent with these actions allowed, and its coordinator.
async fn plain(program: &Path, policy: &str) -> (tempfile::TempDir, Coordinator, Agent) {
    let folder = tempfile::tempdir().unwrap();
    let data = data_folder(folder.path(), policy);
    let coordinator = Coordinator::new();
    let address = coordinator.serve().await;
    let args = ["--coordinator", &address, "--plaintext", "--name", "anna"];
    let agent = Agent::start(program, &data, &args, None);
    (folder, coordinator, agent)
}

fn alive(pid: i32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

#[tokio::test]
async fn a_time_limit_ends_also_what_left_the_group_and_the_session() {
    let (folder, coordinator, _agent) =
        plain(&counting_agent(), "[[allow]]\nactions = [\"test.*\"]\n").await;
    let pid_file = folder.path().join("pid");
    let mut task = task("test.hang", EffectClass::Pure, &pid_file);
    task.limits.run_timeout_ms = 1_500;
    let attempt = task.attempt;
    coordinator.offer(task);
    let end = coordinator.until_end(attempt).await;
    assert_eq!(end.state, State::TimedOut);
    assert_eq!(end.happened, Some(Happened::No));
    let pid: i32 = fs::read_to_string(&pid_file)
        .unwrap()
        .trim()
        .parse()
        .unwrap();
    assert!(!alive(pid), "the program lives on");
}

#[tokio::test]
async fn a_killed_agent_leaves_nothing_running() {
    let (folder, coordinator, agent) =
        plain(&counting_agent(), "[[allow]]\nactions = [\"test.*\"]\n").await;
    let pid_file = folder.path().join("pid");
    coordinator.offer(task("test.hang", EffectClass::Pure, &pid_file));
    let pid: i32 = tokio::task::spawn_blocking(move || {
        wait_for("the program", || {
            fs::read_to_string(&pid_file).ok()?.trim().parse().ok()
        })
    })
    .await
    .unwrap();
    assert!(alive(pid));
    drop(agent);
    wait_for("the program's end", || (!alive(pid)).then_some(()));
}

#[tokio::test]
async fn what_the_owner_did_not_allow_is_refused_by_name_of_the_rule() {
    let policy = r#"
        [[allow]]
        name = "only true"
        actions = ["command.run"]
        programs = [{ path = "/bin/true" }]
    "#;
    let (folder, coordinator, _agent) = plain(Path::new(PROGRAM), policy).await;
    let mut task = task("command.run", EffectClass::AtMostOnce, folder.path());
    task.input = r#"{"program": "/bin/sh", "args": ["-c", "true"]}"#.into();
    let attempt = task.attempt;
    coordinator.offer(task);
    let end = coordinator.until_end(attempt).await;
    let reason = end.reason.unwrap();
    assert_eq!(end.state, State::Rejected, "{reason:?}");
    assert_eq!(reason.policy_rule, "only true", "{reason:?}");
    assert!(reason.text.contains("/bin/sh"), "{reason:?}");
}

#[tokio::test]
async fn an_allowed_command_runs_and_its_evidence_arrives() {
    let policy = "[[allow]]\nactions = [\"command.run\"]\nprograms = [{ path = \"/bin/echo\", args = [\"*\"] }]\n";
    let (folder, coordinator, mut agent) = plain(Path::new(PROGRAM), policy).await;
    let mut task = task("command.run", EffectClass::AtMostOnce, folder.path());
    task.input = r#"{"program": "/bin/echo", "args": ["card"]}"#.into();
    let attempt = task.attempt;
    coordinator.offer(task);
    let end = coordinator.until_end(attempt).await;
    assert_eq!(end.state, State::Succeeded, "{:?}", end.reason);
    assert!(String::from_utf8_lossy(&end.result).contains("card"));
    for file in end.evidence {
        let key = (attempt.to_string(), file.name);
        coordinator
            .until("the evidence", |memory| {
                memory.evidence.get(&key).map(Vec::len)
            })
            .await;
    }
    // A clean stop says goodbye.
    let pid = nix::unistd::Pid::from_raw(i32::try_from(agent.0.id()).unwrap());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
    coordinator
        .until("a goodbye", |memory| (memory.goodbyes == 1).then_some(()))
        .await;
    tokio::task::spawn_blocking(move || {
        wait_for("the agent's end", || agent.has_ended().then_some(()))
    })
    .await
    .unwrap();
}

const BOT: &str = r#"
name = "greet"
version = "1"
description = "says a name"
driver = "device"
effect = "at_most_once"

[[needs.programs]]
path = "/bin/echo"

[input]
type = "object"
required = ["name"]
properties.name.type = "string"

[output]
type = "object"
"#;

const STEPS: &str = r#"
[[step]]
id = "say"
command.run = { program = "/bin/echo", args = ["{input.name}"] }
"#;

fn bot(input: &str) -> (Package, botswain_proto::message::Task) {
    let files = [("bot.toml", BOT), ("steps.toml", STEPS)]
        .map(|(name, text)| (name.to_owned(), text.as_bytes().to_vec()));
    let package = Package::from_files(files.into()).unwrap();
    let mut task = task("", EffectClass::AtMostOnce, Path::new("/"));
    task.work = Work::Bot(BotRef {
        name: "greet".to_owned(),
        version: "1".to_owned(),
        digest: Digest::of(&package.pack()),
    });
    task.input = input.to_owned().into();
    (package, task)
}

async fn run_bot(input: &str) -> botswain_proto::message::TaskEvent {
    let policy = "[[allow]]\nbots = [\"greet@1\"]\nprograms = [{ path = \"/bin/echo\", args = [\"...\"] }]\n";
    let (_folder, coordinator, _agent) = plain(Path::new(PROGRAM), policy).await;
    let (package, task) = bot(input);
    let packed = package.pack();
    coordinator
        .memory
        .lock()
        .unwrap()
        .packages
        .insert(Digest::of(&packed), packed);
    let attempt: AttemptId = task.attempt;
    coordinator.offer(task);
    coordinator.until_end(attempt).await
}

#[tokio::test]
async fn a_bot_is_fetched_by_its_content_and_runs() {
    let end = run_bot(r#"{"name": "Anna"}"#).await;
    assert_eq!(end.state, State::Succeeded, "{:?}", end.reason);
}

#[tokio::test]
async fn an_input_of_another_shape_never_runs() {
    let end = run_bot(r#"{"name": 7}"#).await;
    let reason = end.reason.unwrap();
    assert_eq!(end.happened, Some(Happened::No), "{reason:?}");
    assert_ne!(end.state, State::Succeeded);
}

#[test]
fn the_agent_opens_no_port_and_lists_its_fail_points() {
    let output = Command::new(PROGRAM).arg("fail-points").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("committed.after_sync"), "{text}");
    let output = Command::new(PROGRAM)
        .args([
            "run",
            "--coordinator",
            "http://plant.example:1",
            "--plaintext",
        ])
        .args(["--data", "/nonexistent"])
        .output()
        .unwrap();
    assert!(String::from_utf8_lossy(&output.stderr).contains("plain text"));
}
