//! Bulk: packages on their way to agents, evidence on its way from them.

use super::door::Shared;
use super::host::{Expected, Gone};
use botswain_proto::agent::{EvidenceChunk, EvidenceHead, EvidenceStored, PackageChunk};
use botswain_proto::ids::{AgentId, AttemptId, Digest};
use botswain_proto::limits::{CHUNK_BYTES, EVIDENCE_MAX_BYTES, NAME_MAX_BYTES};
use botswain_proto::message::EvidenceRef;
use bytes::Bytes;
use futures_util::Stream;
use std::time::Duration;
use tonic::{Status, Streaming};

/// How long an upload may stand still.
const CHUNK_TIMEOUT: Duration = Duration::from_secs(60);

/// The chunks of a package.
pub(super) async fn package(
    shared: &Shared,
    agent: Option<AgentId>,
    digest: &str,
) -> Result<impl Stream<Item = Result<PackageChunk, Status>> + Send + 'static, Status> {
    let digest: Digest = digest
        .parse()
        .map_err(|error| Status::invalid_argument(format!("digest: {error}")))?;
    let found = shared
        .host
        .package(agent, digest)
        .await
        .map_err(unavailable)?;
    let mut rest =
        found.ok_or_else(|| Status::not_found(format!("there is no package {digest}")))?;
    let total = rest.len() as u64;
    let mut first = true;
    Ok(futures_util::stream::iter(std::iter::from_fn(move || {
        if rest.is_empty() && !first {
            return None;
        }
        let data: Bytes = rest.split_to(rest.len().min(CHUNK_BYTES));
        let chunk = PackageChunk {
            total: if first { total } else { 0 },
            data,
        };
        first = false;
        Some(Ok(chunk))
    })))
}

/// Takes one file of evidence: it is durable, and noted, before the answer.
pub(super) async fn evidence(
    shared: &Shared,
    agent: Option<AgentId>,
    mut chunks: Streaming<EvidenceChunk>,
) -> Result<EvidenceStored, Status> {
    let _room = shared.uploads.try_acquire().map_err(|_| {
        Status::resource_exhausted("too many files are arriving: come again in a moment")
    })?;
    let mut first = next(&mut chunks)
        .await?
        .ok_or_else(|| Status::invalid_argument("head: is missing"))?;
    let head = first
        .head
        .take()
        .ok_or_else(|| Status::invalid_argument("head: is missing in the first chunk"))?;
    let (attempt, file) = read_head(head)?;
    let expected = shared
        .host
        .evidence_expected(agent.clone(), attempt, file.clone());
    let sha256 = file.sha256.to_string();
    match expected.await.map_err(Status::permission_denied)? {
        Expected::AlreadyThere => {
            return Ok(EvidenceStored {
                sha256,
                already_there: true,
            });
        }
        Expected::Wanted => {}
    }
    let wrong = |error: super::EvidenceError| match error {
        super::EvidenceError::Io { .. } => Status::unavailable(error.to_string()),
        _ => Status::invalid_argument(error.to_string()),
    };
    let mut arriving = shared
        .evidence
        .receive(file.sha256, file.size)
        .await
        .map_err(wrong)?;
    arriving.write(&first.data).await.map_err(wrong)?;
    while let Some(chunk) = next(&mut chunks).await? {
        if chunk.head.is_some() {
            return Err(Status::invalid_argument(
                "head: is allowed in the first chunk only",
            ));
        }
        arriving.write(&chunk.data).await.map_err(wrong)?;
    }
    arriving.finish().await.map_err(wrong)?;
    shared
        .host
        .evidence_stored(agent, attempt, file)
        .await
        .map_err(unavailable)?;
    Ok(EvidenceStored {
        sha256,
        already_there: false,
    })
}

async fn next(chunks: &mut Streaming<EvidenceChunk>) -> Result<Option<EvidenceChunk>, Status> {
    match tokio::time::timeout(CHUNK_TIMEOUT, chunks.message()).await {
        Ok(chunk) => chunk,
        Err(_) => Err(Status::deadline_exceeded("the upload stood still")),
    }
}

fn read_head(head: EvidenceHead) -> Result<(AttemptId, EvidenceRef), Status> {
    let wrong = |place: &str, problem: &dyn ToString| {
        Status::invalid_argument(format!("head.{place}: {}", problem.to_string()))
    };
    let attempt = head
        .attempt
        .parse()
        .map_err(|error| wrong("attempt", &error))?;
    let sha256 = head
        .sha256
        .parse()
        .map_err(|error| wrong("sha256", &error))?;
    for (place, text) in [("name", &head.name), ("media_type", &head.media_type)] {
        if text.is_empty() || text.len() > NAME_MAX_BYTES {
            return Err(wrong(
                place,
                &format!("expected 1 to {NAME_MAX_BYTES} bytes"),
            ));
        }
    }
    if head.size > EVIDENCE_MAX_BYTES {
        return Err(wrong(
            "size",
            &format!(
                "{} bytes, at most {EVIDENCE_MAX_BYTES} are allowed",
                head.size
            ),
        ));
    }
    Ok((
        attempt,
        EvidenceRef {
            name: head.name,
            media_type: head.media_type,
            sha256,
            size: head.size,
        },
    ))
}

fn unavailable(gone: Gone) -> Status {
    Status::unavailable(gone.0)
}
