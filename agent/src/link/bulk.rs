//! Bulk: packages that come and evidence that goes, beside the stream of messages.

use botswain_proto::agent::agent_link_client::AgentLinkClient;
use botswain_proto::agent::{EvidenceChunk, EvidenceHead, FetchPackageRequest};
use botswain_proto::ids::Digest;
use botswain_proto::limits::{CHUNK_BYTES, PACKAGE_MAX_BYTES};
use tonic::Status;
use tonic::transport::Channel;

use crate::evidence::Waiting;

/// Fetches packages and brings evidence.
#[derive(Debug, Clone)]
pub struct Bulk {
    client: AgentLinkClient<Channel>,
}

impl Bulk {
    pub(super) fn new(client: AgentLinkClient<Channel>) -> Self {
        Self { client }
    }

    /// The bytes of a package; the caller checks that they are what was asked for.
    pub async fn fetch(&mut self, digest: Digest) -> Result<Vec<u8>, Status> {
        let request = FetchPackageRequest {
            digest: digest.to_string(),
        };
        let mut chunks = self.client.fetch_package(request).await?.into_inner();
        let mut bytes = Vec::new();
        while let Some(chunk) = chunks.message().await? {
            if (bytes.len() + chunk.data.len()) as u64 > PACKAGE_MAX_BYTES {
                return Err(Status::out_of_range("the package is too large"));
            }
            bytes.extend_from_slice(&chunk.data);
        }
        Ok(bytes)
    }

    /// Brings one file of evidence; returns when the coordinator has it for good.
    pub async fn upload(&mut self, waiting: &Waiting) -> Result<(), Status> {
        let content = std::fs::read(&waiting.path)
            .map_err(|error| Status::not_found(format!("{}: {error}", waiting.path.display())))?;
        let head = EvidenceHead {
            attempt: waiting.attempt.to_string(),
            name: waiting.file.name.clone(),
            media_type: waiting.file.media_type.clone(),
            sha256: waiting.file.sha256.to_string(),
            size: waiting.file.size,
        };
        let mut chunks = vec![EvidenceChunk {
            head: Some(head),
            data: bytes::Bytes::new(),
        }];
        let content = bytes::Bytes::from(content);
        chunks.extend((0..content.len()).step_by(CHUNK_BYTES).map(|from| {
            let to = (from + CHUNK_BYTES).min(content.len());
            EvidenceChunk {
                head: None,
                data: content.slice(from..to),
            }
        }));
        self.client
            .upload_evidence(tokio_stream::iter(chunks))
            .await?;
        Ok(())
    }
}
