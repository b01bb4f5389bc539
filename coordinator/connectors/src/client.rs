//! Client: connections to other people's servers, with our own TLS and without any habit of repeating a request.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;

const CA_FILE_BYTES_MAX: u64 = 4 << 20;
/// Connectors differ in few connect time limits; a definition that brings more of them shares none.
const CLIENTS_MAX: usize = 32;
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

/// Why no client could be made.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// A CA file cannot be read.
    #[error("read CA file {path}: {problem}; name a PEM file with certificates")]
    CaFile {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// TLS cannot be set up.
    #[error("set up TLS: {0}")]
    Tls(#[from] rustls::Error),
    /// The HTTP client cannot be set up.
    #[error("set up the HTTP client")]
    Http(#[source] reqwest::Error),
}

/// How a client is set up.
#[derive(Debug, Clone, Default)]
pub struct ClientOptions {
    /// PEM files with further certification authorities, beside those of the operating system.
    pub ca_files: Vec<PathBuf>,
}

/// The connections of all connectors; cheap to clone.
#[derive(Debug, Clone)]
pub struct Client(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    authorities: Vec<CertificateDer<'static>>,
    tls: OnceLock<ClientConfig>,
    clients: Mutex<BTreeMap<Kind, reqwest::Client>>,
}

/// What two calls must have in common to share a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Kind {
    pub(crate) connect_timeout: Duration,
    pub(crate) encrypted: bool,
    /// Whether each request has a connection of its own. A kept connection may be closed by the server at the moment it
    /// is used again; then nobody knows whether the request was received.
    pub(crate) fresh: bool,
}

impl Client {
    /// Reads the CA files; the operating system's authorities are read when the first encrypted call needs them.
    pub fn new(options: &ClientOptions) -> Result<Self, ClientError> {
        let mut authorities = Vec::new();
        for path in &options.ca_files {
            let problem = |problem: String| ClientError::CaFile {
                path: path.clone(),
                problem,
            };
            let size = std::fs::metadata(path)
                .map_err(|error| problem(error.to_string()))?
                .len();
            if size > CA_FILE_BYTES_MAX {
                return Err(problem(format!(
                    "{size} bytes, at most {CA_FILE_BYTES_MAX} are allowed"
                )));
            }
            let text = std::fs::read(path).map_err(|error| problem(error.to_string()))?;
            let found = CertificateDer::pem_slice_iter(&text)
                .collect::<Result<Vec<_>, _>>()
                .map_err(|error| problem(error.to_string()))?;
            if found.is_empty() {
                return Err(problem("it holds no certificate".to_owned()));
            }
            let mut roots = RootCertStore::empty();
            for certificate in &found {
                roots
                    .add(certificate.clone())
                    .map_err(|error| problem(error.to_string()))?;
            }
            authorities.extend(found);
        }
        let inner = Inner {
            authorities,
            tls: OnceLock::new(),
            clients: Mutex::default(),
        };
        Ok(Self(Arc::new(inner)))
    }

    pub(crate) fn of(&self, kind: Kind) -> Result<reqwest::Client, ClientError> {
        let mut clients = self
            .0
            .clients
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get(&kind) {
            return Ok(client.clone());
        }
        let tls = if kind.encrypted {
            self.tls()?
        } else {
            config(RootCertStore::empty())?
        };
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .connect_timeout(kind.connect_timeout)
            .pool_idle_timeout(IDLE_TIMEOUT)
            .pool_max_idle_per_host(if kind.fresh { 0 } else { 8 })
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .no_proxy()
            .user_agent(concat!("botswain/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(ClientError::Http)?;
        if clients.len() < CLIENTS_MAX {
            clients.insert(kind, client.clone());
        }
        Ok(client)
    }

    fn tls(&self) -> Result<ClientConfig, ClientError> {
        if let Some(tls) = self.0.tls.get() {
            return Ok(tls.clone());
        }
        let mut roots = RootCertStore::empty();
        let system = rustls_native_certs::load_native_certs();
        for error in &system.errors {
            tracing::warn!(
                "connectors: a certification authority of the operating system is left out: {error}"
            );
        }
        roots.add_parsable_certificates(system.certs);
        roots.add_parsable_certificates(self.0.authorities.iter().cloned());
        let tls = config(roots)?;
        Ok(self.0.tls.get_or_init(|| tls).clone())
    }
}

fn config(roots: RootCertStore) -> Result<ClientConfig, ClientError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    Ok(ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth())
}
