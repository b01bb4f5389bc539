//! The legacy CRM: an old web application whose customers are keyed in by hand, until its owner adds an HTTP API.
//!
//! It stands outside Botswain on purpose: it has its own login, its own rules, its own database, and it counts every
//! attempt to add a customer and by which door it came. What Botswain claims to have done is compared with that count.

mod api;
pub mod assets;
mod audit;
mod credentials;
mod customer;
mod faults;
mod pages;
mod records;
#[cfg(test)]
mod tests;
mod web;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

pub use audit::{Difference, Expected};
pub use credentials::Credentials;
pub use customer::{Customer, CustomerType, Door, Draft, FieldError};
pub use faults::{Fault, Faults};
pub use records::{Attempt, AttemptOutcome, Records};

/// No form and no API request of this application is longer than this.
const REQUEST_BYTES_MAX: usize = 64 * 1024;

/// How a CRM is started.
#[derive(Debug, Clone)]
pub struct Options {
    /// The folder that holds its database and its credentials.
    pub data: PathBuf,
    /// The port on the loopback interface; 0 takes a free one.
    pub port: u16,
    /// The login; none means: read `credentials.json`, or make it with random values at the first start.
    pub credentials: Option<Credentials>,
    /// Whether a second customer with the same e-mail address is accepted: then a repeated effect is visible as a second row.
    pub accept_duplicates: bool,
    /// Whether `/testing/faults` may make it slow or failing.
    pub testing: bool,
}

impl Options {
    /// A CRM with its data in this folder, on a free port, with the rules of the real thing.
    pub fn in_folder(data: impl Into<PathBuf>) -> Self {
        Self {
            data: data.into(),
            port: 0,
            credentials: None,
            accept_duplicates: false,
            testing: false,
        }
    }
}

/// A running CRM; it stops when this is dropped.
#[derive(Debug)]
pub struct Crm {
    url: String,
    data: PathBuf,
    credentials: Credentials,
    faults: Faults,
    stop: Option<oneshot::Sender<()>>,
    server: Option<JoinHandle<std::io::Result<()>>>,
}

/// What the handlers share.
#[derive(Clone)]
struct App {
    store: records::Store,
    credentials: Arc<Credentials>,
    sessions: Arc<web::Sessions>,
    faults: Faults,
}

impl Crm {
    /// Opens the database, binds the port and serves until stopped.
    pub async fn start(options: Options) -> anyhow::Result<Self> {
        std::fs::create_dir_all(&options.data)
            .with_context(|| format!("create folder {}", options.data.display()))?;
        let credentials = match options.credentials {
            Some(credentials) => credentials,
            None => Credentials::load_or_create(&options.data)?,
        };
        let store = records::Store::open(&options.data, options.accept_duplicates)?;
        let faults = Faults::default();
        let app = App {
            store,
            credentials: Arc::new(credentials.clone()),
            sessions: Arc::new(web::Sessions::default()),
            faults: faults.clone(),
        };
        let mut router = Router::new().merge(web::routes()).merge(api::routes());
        if options.testing {
            router = router.merge(faults::routes());
        }
        let router = router
            .layer(DefaultBodyLimit::max(REQUEST_BYTES_MAX))
            .with_state(app);

        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, options.port));
        let listener = tokio::net::TcpListener::bind(address)
            .await
            .with_context(|| format!("listen on {address}"))?;
        let url = format!(
            "http://{}",
            listener.local_addr().context("read the bound address")?
        );
        let (stop, stopped) = oneshot::channel::<()>();
        let server = tokio::spawn(async move {
            axum::serve(listener, router)
                .with_graceful_shutdown(async {
                    // A dropped sender means the same as a stop.
                    let _ = stopped.await;
                })
                .await
        });
        Ok(Self {
            url,
            data: options.data,
            credentials,
            faults,
            stop: Some(stop),
            server: Some(server),
        })
    }

    /// The address of the application, without a slash at the end.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The login of the web application and the token of the API.
    pub fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    /// The folder that holds its database.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// What makes this CRM slow or failing.
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    /// Reads everything the database holds, as [`Records::read`] does.
    pub fn records(&self) -> anyhow::Result<Records> {
        Records::read(&self.data)
    }

    /// Waits until the server ends by itself, which it does only when it fails.
    pub async fn wait(mut self) -> anyhow::Result<()> {
        match self.server.take() {
            Some(server) => server.await.context("run the server")?.context("serve"),
            None => Ok(()),
        }
    }
}

impl Drop for Crm {
    fn drop(&mut self) {
        self.faults.clear();
        drop(self.stop.take());
        if let Some(server) = self.server.take() {
            server.abort();
        }
    }
}
