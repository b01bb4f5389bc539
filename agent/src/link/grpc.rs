//! The gRPC link: one stream in both directions over mutual TLS.

use std::time::Duration;

use botswain_proto::agent::agent_link_client::AgentLinkClient;
use botswain_proto::agent::{AgentMessage, CoordinatorMessage};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity as TlsIdentity};
use tonic::{Code, Status, Streaming};

use super::{Address, Bulk};
use crate::identity::Identity;

/// Messages that may wait for the network; the session's own window keeps them few.
const OUTGOING_MAX: usize = 256;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);
const KEEP_ALIVE: Duration = Duration::from_secs(30);
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(20);

/// How the line is protected.
#[derive(Debug)]
pub enum Security<'a> {
    /// Both sides show certificates.
    Mutual(&'a Identity),
    /// Nothing; to this machine alone.
    Plaintext,
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The coordinator does not want this agent.
    #[error("the coordinator refused this agent: {0}")]
    Refused(String),
    /// Anything that may pass.
    #[error("{0}")]
    Lost(String),
}

impl From<Status> for Fault {
    fn from(status: Status) -> Self {
        let text = format!("{:?}: {}", status.code(), status.message());
        match status.code() {
            Code::Unauthenticated | Code::PermissionDenied => Self::Refused(text),
            _ => Self::Lost(text),
        }
    }
}

/// A line that is open.
#[derive(Debug)]
pub struct Connection {
    /// What the agent says.
    pub outgoing: mpsc::Sender<AgentMessage>,
    /// Packages and evidence on the same line.
    pub bulk: Bulk,
    client: AgentLinkClient<Channel>,
    waiting: mpsc::Receiver<AgentMessage>,
}

/// Opens a line; the stream begins with `Connection::speak`.
pub async fn connect(address: &Address, security: Security<'_>) -> Result<Connection, Fault> {
    let lost = |error: tonic::transport::Error| Fault::Lost(chain(&error));
    let mut endpoint = Endpoint::from_shared(address.to_string())
        .map_err(lost)?
        .connect_timeout(CONNECT_TIMEOUT)
        .http2_keep_alive_interval(KEEP_ALIVE)
        .keep_alive_timeout(KEEP_ALIVE_TIMEOUT)
        .keep_alive_while_idle(true)
        .tcp_nodelay(true)
        .initial_stream_window_size(256 * 1024)
        .initial_connection_window_size(512 * 1024);
    if let Security::Mutual(identity) = security {
        let tls = ClientTlsConfig::new()
            .ca_certificate(Certificate::from_pem(&identity.ca_pem))
            .identity(TlsIdentity::from_pem(
                &identity.chain_pem,
                &identity.key_pem,
            ))
            .domain_name(address.host());
        endpoint = endpoint.tls_config(tls).map_err(lost)?;
    }
    let channel = endpoint.connect().await.map_err(lost)?;
    let (outgoing, waiting) = mpsc::channel(OUTGOING_MAX);
    let client = AgentLinkClient::new(channel)
        .max_decoding_message_size(4 * botswain_proto::limits::MESSAGE_MAX_BYTES)
        .max_encoding_message_size(4 * botswain_proto::limits::MESSAGE_MAX_BYTES);
    Ok(Connection {
        outgoing,
        bulk: Bulk::new(client.clone()),
        client,
        waiting,
    })
}

impl Connection {
    /// Begins the stream. What was put into `outgoing` before goes first, so the coordinator hears a hello before it answers.
    pub async fn speak(self) -> Result<Streaming<CoordinatorMessage>, Fault> {
        let mut client = self.client;
        let stream = client.session(ReceiverStream::new(self.waiting)).await?;
        Ok(stream.into_inner())
    }
}

/// The whole story of an error: the outermost text alone says "transport error".
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}
