//! The server: store, writer and doors of one coordinator, wired together and ended in order.

use crate::agents::Host;
use crate::api::{self, ApiState};
use crate::config::Config;
use crate::connectors::Connectors;
use crate::dispatch;
use crate::fleet::{Admission, Ca, Door, DoorSettings, EvidenceFolder, FleetHost, Lines, Running};
use crate::outlet::Out;
use crate::runtime::{Runtime, Settings};
use crate::workers;
use anyhow::Context;
use base64::Engine as _;
use botswain_connectors::{RestOptions, Secrets};
use botswain_engine::Partition;
use botswain_proto::ids::Digest;
use botswain_store::evidence::EvidenceFiles;
use botswain_store::sqlite::{Options, PAGE_BYTES};
use botswain_store::{Reader, SqliteStore, Store};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;

/// How long the doors may take to close before the process ends all the same.
const PARTING: Duration = Duration::from_secs(10);

/// A coordinator that runs.
pub struct Server {
    runtime: Runtime,
    /// Where workers are served.
    pub grpc: SocketAddr,
    /// Where HTTP is served.
    pub http: SocketAddr,
    /// Where agents are served.
    pub agents: SocketAddr,
    /// Where agents are served without TLS, if that was asked for.
    pub agents_plaintext: Option<SocketAddr>,
    /// The token of HTTP, if it was made at this start: it is shown once.
    pub new_token: Option<String>,
    writer: std::thread::JoinHandle<()>,
    fatal: oneshot::Receiver<String>,
    stop: watch::Sender<bool>,
    doors: Vec<JoinHandle<()>>,
    fleet: Vec<Running>,
}

impl Server {
    /// Opens the data folder and all doors.
    ///
    /// # Errors
    /// The folder, a file that the configuration names, or a port cannot be used.
    pub async fn start(config: &Config) -> anyhow::Result<Server> {
        config.check()?;
        let options = Options {
            pages_max: config
                .database_mib_max
                .map(|mib| mib * (1024 * 1024 / PAGE_BYTES)),
            ..Options::default()
        };
        let mut store = SqliteStore::open(&config.data, options)
            .with_context(|| format!("open data folder {}", config.data.display()))?;
        let now = jiff::Timestamp::now().as_millisecond();
        let ca = Arc::new(
            Ca::open(&config.data.join("ca"), now).context("open the certificate authority")?,
        );
        let admission = Arc::new(Admission::default());
        for row in store
            .agents()
            .context("read agents")?
            .into_iter()
            .filter(|row| row.revoked_at.is_none())
        {
            if let Ok(agent) = row.id.parse() {
                admission.admit(agent, Digest(row.fingerprint.0));
            }
        }
        let evidence =
            Arc::new(EvidenceFolder::open(config.data.join("evidence")).context("open evidence")?);
        let connectors = connectors(config)?;
        let (token, new_token) = if config.dev {
            (None, None)
        } else {
            http_token(&mut store)?
        };
        let reader = Reader::open(&config.data).context("open the database for reading")?;

        let (tell, fatal) = oneshot::channel();
        let lines = Lines::default();
        let late = Arc::new(OnceLock::new());
        let out = Out {
            lines: lines.clone(),
            admission: Arc::clone(&admission),
            connectors: connectors.clone(),
            threads: tokio::runtime::Handle::current(),
            runtime: Arc::clone(&late),
        };
        let (runtime, writer) =
            Runtime::start(Box::new(store), settings(config), out, move |reason| {
                // Nobody listens any more when the process is ending already.
                let _ = tell.send(reason);
            })?;
        // The writer's first calls wait for what is announced now.
        let _ = late.set(runtime.clone());
        for announcement in connectors.announcements() {
            runtime
                .ask(announcement)
                .await
                .context("announce a connector")?;
        }

        let (stop, stopped) = watch::channel(false);
        let mut doors = Vec::new();
        let listener = listen(config.address(config.grpc_port)).await?;
        let grpc = listener.local_addr()?;
        doors.push(tokio::spawn(serve_grpc(
            listener,
            runtime.clone(),
            stopped.clone(),
        )));
        let listener = listen(config.address(config.http_port)).await?;
        let http = listener.local_addr()?;
        let state = ApiState::new(runtime.clone(), reader, Partition(1), token)
            .with_ca(ca.fingerprint())
            .with_evidence(Arc::clone(&evidence));
        doors.push(tokio::spawn(serve_http(
            listener,
            api::router(state),
            stopped,
        )));

        let host: Arc<dyn FleetHost> = Arc::new(Host {
            runtime: runtime.clone(),
            ca: Arc::clone(&ca),
            admission: Arc::clone(&admission),
        });
        let door = || Door {
            host: Arc::clone(&host),
            lines: lines.clone(),
            admission: Arc::clone(&admission),
            evidence: Arc::clone(&evidence),
            ca: Arc::clone(&ca),
        };
        let names = config.agents_names.clone();
        let tls = DoorSettings {
            names,
            ..DoorSettings::new(config.agents_address())
        };
        let mut fleet = vec![
            door()
                .open(tls, now)
                .await
                .context("open the agents' door")?,
        ];
        if let Some(port) = config.agents_plaintext_port {
            let plain = DoorSettings {
                plaintext: true,
                ..DoorSettings::new(config.address(port))
            };
            fleet.push(
                door()
                    .open(plain, now)
                    .await
                    .context("open the agents' door without TLS")?,
            );
        }
        let agents = fleet[0].address;
        let agents_plaintext = fleet.get(1).map(|door| door.address);
        Ok(Server {
            runtime,
            grpc,
            http,
            agents,
            agents_plaintext,
            new_token,
            writer,
            fatal,
            stop,
            doors,
            fleet,
        })
    }

    /// The handle of the writer.
    #[must_use]
    pub const fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    /// Serves until `until` is over or the writer cannot go on, then ends in order: doors first, the writer after what waits.
    ///
    /// # Errors
    /// The writer could not go on.
    pub async fn run(self, until: impl Future<Output = ()>) -> anyhow::Result<()> {
        let Server {
            runtime,
            writer,
            fatal,
            stop,
            doors,
            fleet,
            ..
        } = self;
        let ended = tokio::select! {
            () = until => Ok(()),
            reason = fatal => Err(anyhow::anyhow!(
                "the writer cannot go on: {}", reason.unwrap_or_else(|_| "it ended without a word".to_owned())
            )),
        };
        // Nobody listens any more when all doors are closed already.
        let _ = stop.send(true);
        runtime.stop();
        let writer = tokio::task::spawn_blocking(move || writer.join());
        let ends = async {
            for door in fleet {
                door.stop().await;
            }
            // A writer that panicked has said so in the log.
            let _ = writer.await;
            for door in doors {
                let _ = door.await;
            }
        };
        // A client that never closes its stream must not keep the process.
        let _ = tokio::time::timeout(PARTING, ends).await;
        ended
    }
}

fn settings(config: &Config) -> Settings {
    let seed = u64::from_ne_bytes(rand::random());
    Settings {
        cache_bytes_max: config.memory_mib << 20,
        retention_ms: i64::from(config.retention_days) * 24 * 3_600_000,
        seed,
        desk: dispatch::Settings {
            seed,
            ..dispatch::Settings::default()
        },
        ..Settings::default()
    }
}

fn connectors(config: &Config) -> anyhow::Result<Connectors> {
    let secrets = match &config.secrets {
        Some(path) => Secrets::load(path).context("read the secrets")?,
        None => Secrets::default(),
    };
    let rest = RestOptions {
        allowed_hosts: config.rest_hosts.clone(),
        allowed_secrets: config.rest_secrets.clone(),
        ..RestOptions::default()
    };
    let files = EvidenceFiles::open(&config.data).context("open evidence")?;
    Connectors::load(config.connectors.as_deref(), &rest, secrets, files)
}

/// The token of HTTP: made at the first start, kept beside the database for its owner only.
fn http_token(store: &mut SqliteStore) -> anyhow::Result<(Option<String>, Option<String>)> {
    let path = store.folder().join("token");
    if let Ok(token) = std::fs::read_to_string(&path) {
        return Ok((Some(token.trim().to_owned()), None));
    }
    let token = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>());
    write_private(&path, &token).with_context(|| format!("write {}", path.display()))?;
    Ok((Some(token.clone()), Some(token)))
}

fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

async fn listen(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address)
        .await
        .with_context(|| format!("listen on {address}: choose another port"))
}

async fn serve_http(
    listener: TcpListener,
    router: axum::Router,
    mut stopped: watch::Receiver<bool>,
) {
    use axum::serve::ListenerExt as _;
    let listener = listener.tap_io(|stream| {
        // Without it a small answer waits for an acknowledgement of the one before.
        let _ = stream.set_nodelay(true);
    });
    let served = axum::serve(listener, router)
        .with_graceful_shutdown(async move {
            // The sender lives as long as the server.
            let _ = stopped.changed().await;
        })
        .await;
    if let Err(error) = served {
        tracing::error!(%error, "the HTTP door failed");
    }
}

async fn serve_grpc(listener: TcpListener, runtime: Runtime, mut stopped: watch::Receiver<bool>) {
    let incoming = tokio_stream::wrappers::TcpListenerStream::new(listener);
    let incoming = tokio_stream::StreamExt::map(incoming, |stream| {
        stream.inspect(|stream| {
            // As for HTTP.
            let _ = stream.set_nodelay(true);
        })
    });
    let served = tonic::transport::Server::builder()
        .http2_keepalive_interval(Some(Duration::from_secs(30)))
        .initial_connection_window_size(16 << 20)
        .initial_stream_window_size(8 << 20)
        .add_service(workers::service(runtime))
        .serve_with_incoming_shutdown(incoming, async move {
            // The sender lives as long as the server.
            let _ = stopped.changed().await;
        })
        .await;
    if let Err(error) = served {
        tracing::error!(%error, "the workers' door failed");
    }
}
