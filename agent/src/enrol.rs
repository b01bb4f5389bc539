//! Enrolment: a one-time token becomes a key of this machine and a certificate of the coordinator.
//!
//! The server is trusted because its chain ends in the CA whose fingerprint the token carries; nothing else counts,
//! and nothing is sent before that is proven.

mod pinned;

use std::sync::Arc;

use anyhow::{Context, Result, bail};
use botswain_proto::enrol::{BODY_MAX_BYTES, Facts, PATH, Refusal, Request, Response, Token};
use botswain_proto::ids::Digest;
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::rt::TokioIo;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};

use crate::identity::Identity;
use crate::link::Address;

/// Becomes an agent of the coordinator.
pub async fn enrol(address: &Address, token: &Token, facts: Facts) -> Result<Identity> {
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256)
        .context("failed to make a key")?;
    let mut params = rcgen::CertificateParams::default();
    params
        .distinguished_name
        .push(rcgen::DnType::CommonName, facts.name.clone());
    let csr = params
        .serialize_request(&key)
        .and_then(|csr| csr.pem())
        .context("failed to make a certificate request")?;
    let request = Request {
        token: token.to_string(),
        csr_pem: csr,
        facts,
    };
    let response = post(address, token.ca, &request)
        .await
        .with_context(|| format!("failed to enrol at {address}"))?;
    let ca = CertificateDer::from_pem_slice(response.ca_pem.as_bytes())
        .context("the coordinator's answer holds no CA certificate")?;
    if Digest::of(&ca) != token.ca {
        bail!("the coordinator's answer holds another CA than the token names");
    }
    Ok(Identity {
        agent: response.agent_id,
        coordinator: address.to_string(),
        key_pem: key.serialize_pem(),
        chain_pem: response.chain_pem,
        ca_pem: response.ca_pem,
    })
}

async fn post(address: &Address, ca: Digest, request: &Request) -> Result<Response> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = pinned::Pinned::new(ca, Arc::clone(&provider));
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    let name = ServerName::try_from(address.host().to_owned())
        .with_context(|| format!("{:?} is no host name", address.host()))?;
    let stream = tokio::net::TcpStream::connect((address.host(), address.port())).await?;
    let stream = tokio_rustls::TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let connection = tokio::spawn(connection);
    let body = serde_json::to_vec(request)?;
    let request = hyper::Request::post(PATH)
        .header("host", format!("{}:{}", address.host(), address.port()))
        .header("content-type", "application/json")
        .body(Full::new(bytes::Bytes::from(body)))?;
    let response = sender.send_request(request).await?;
    let status = response.status();
    let body = Limited::new(response.into_body(), BODY_MAX_BYTES)
        .collect()
        .await
        .map_err(|error| anyhow::anyhow!("read the answer: {error}"))?
        .to_bytes();
    connection.abort();
    if status.is_success() {
        return serde_json::from_slice(&body).context("the coordinator's answer is not understood");
    }
    match serde_json::from_slice::<Refusal>(&body) {
        Ok(refusal) => bail!("{} ({})", refusal.message, refusal.code),
        Err(_) => bail!("the coordinator answered {status}"),
    }
}
