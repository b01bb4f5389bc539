//! The server: store, writer and doors of one coordinator, wired together and ended in order.

use crate::config::Config;
use crate::dispatch;
use crate::runtime::{NoOutlet, Runtime, Settings};
use crate::workers;
use anyhow::Context;
use botswain_store::SqliteStore;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

/// A coordinator that runs.
pub struct Server {
    runtime: Runtime,
    /// Where workers are served.
    pub grpc: SocketAddr,
    /// Where HTTP is served.
    pub http: SocketAddr,
    writer: std::thread::JoinHandle<()>,
    fatal: oneshot::Receiver<String>,
    stop: tokio::sync::watch::Sender<bool>,
    doors: Vec<tokio::task::JoinHandle<()>>,
}

impl Server {
    /// Opens the data folder and all doors.
    ///
    /// # Errors
    /// The folder or a port cannot be used.
    pub async fn start(config: &Config) -> anyhow::Result<Server> {
        config.check()?;
        let options = botswain_store::sqlite::Options {
            pages_max: config.database_mib_max.map(|mib| mib * (1024 * 1024 / botswain_store::sqlite::PAGE_BYTES)),
            ..botswain_store::sqlite::Options::default()
        };
        let store = SqliteStore::open(&config.data, options)
            .with_context(|| format!("open data folder {}", config.data.display()))?;
        let seed = u64::from_ne_bytes(rand::random());
        let settings = Settings {
            cache_bytes_max: config.memory_mib << 20,
            retention_ms: i64::from(config.retention_days) * 24 * 3_600_000,
            seed,
            desk: dispatch::Settings { seed, ..dispatch::Settings::default() },
            ..Settings::default()
        };
        let (tell, fatal) = oneshot::channel();
        let (runtime, writer) = Runtime::start(Box::new(store), settings, NoOutlet, move |reason| {
            // Nobody listens any more when the process is ending already.
            let _ = tell.send(reason);
        })?;
        let (stop, stopped) = tokio::sync::watch::channel(false);
        let mut doors = Vec::new();
        let listener = listen(config.address(config.grpc_port)).await?;
        let grpc = listener.local_addr()?;
        doors.push(tokio::spawn(serve_grpc(listener, runtime.clone(), stopped.clone())));
        let listener = listen(config.address(config.http_port)).await?;
        let http = listener.local_addr()?;
        doors.push(tokio::spawn(serve_http(listener, stopped)));
        Ok(Server { runtime, grpc, http, writer, fatal, stop, doors })
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
        let Server { runtime, writer, fatal, stop, doors, .. } = self;
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
            for door in doors {
                // A door that panicked has said so in the log.
                let _ = door.await;
            }
            let _ = writer.await;
        };
        // A client that never closes its stream must not keep the process.
        let _ = tokio::time::timeout(Duration::from_secs(10), ends).await;
        ended
    }
}

async fn listen(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| format!("listen on {address}: choose another port"))
}

async fn serve_http(listener: TcpListener, mut stopped: tokio::sync::watch::Receiver<bool>) {
    let router = axum::Router::new().route("/health", axum::routing::get(|| async { "ok" }));
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

async fn serve_grpc(listener: TcpListener, runtime: Runtime, mut stopped: tokio::sync::watch::Receiver<bool>) {
    let incoming = tokio_stream::wrappers::TcpListenerStream::new(listener);
    let incoming = tokio_stream::StreamExt::map(incoming, |stream| {
        stream.inspect(|stream| {
            // Without it a small answer waits for an acknowledgement of the one before.
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
