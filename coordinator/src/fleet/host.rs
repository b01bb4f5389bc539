//! The host: what the door asks of the coordinator behind it. The door decides nothing that has to be durable.

use super::ca::Issued;
use super::enrolment::Enrolment;
use crate::dispatch::SessionId;
use botswain_proto::enrol::Refusal;
use botswain_proto::ids::{AgentId, AttemptId, Digest, Seq};
use botswain_proto::message::{Beat, EvidenceRef, Hello, Sync, SyncItem, TaskEvent, Verdict};
use bytes::Bytes;
use std::pin::Pin;

/// An answer that comes when it is durable.
pub type Later<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// The coordinator could not take it, or nobody knows whether it did: the agent keeps it and connects again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Gone(pub String);

/// Whether a file of evidence is to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// Send it.
    Wanted,
    /// The attempt has it already.
    AlreadyThere,
}

/// The coordinator, as the door sees it. Every call puts its question in line before it returns, so that what one agent
/// says is heard in the order in which it was said; the answer comes after the commit.
pub trait FleetHost: Send + std::marker::Sync + 'static {
    /// A number for a new connection.
    fn new_session(&self) -> SessionId;

    /// A machine wants to become an agent: redeem the token, name the agent, issue its certificate, all in one commit.
    fn enrol(&self, enrolment: Enrolment) -> Later<Result<Issued, Refusal>>;

    /// An agent connected. The error is told to the agent, which tries again later.
    fn hello(
        &self,
        session: SessionId,
        agent: AgentId,
        hello: Box<Hello>,
    ) -> Later<Result<Sync, Gone>>;

    /// Something happened to an attempt.
    fn event(
        &self,
        session: SessionId,
        agent: AgentId,
        event: Box<TaskEvent>,
    ) -> Later<Result<Verdict, Gone>>;

    /// An event that nobody can read: it is only noted.
    fn unreadable(
        &self,
        session: SessionId,
        agent: AgentId,
        seq: Seq,
        problem: String,
    ) -> Later<Result<(), Gone>>;

    /// An agent lives; the leases it renews, in milliseconds.
    fn beat(
        &self,
        session: SessionId,
        agent: AgentId,
        beat: Box<Beat>,
    ) -> Later<Result<Vec<(AttemptId, u64)>, Gone>>;

    /// An agent compared what is open.
    fn sync_answer(&self, session: SessionId, agent: AgentId, items: Vec<SyncItem>);

    /// A connection is over.
    fn gone(&self, session: SessionId, agent: AgentId, why: String);

    /// A bot package by its content; none where there is no such package. Without an agent's name (on the plaintext door)
    /// nobody's right is checked, here and below.
    fn package(&self, agent: Option<AgentId>, digest: Digest)
    -> Later<Result<Option<Bytes>, Gone>>;

    /// Whether a file belongs to an attempt of that agent and is still missing. A refusal is told to the agent.
    fn evidence_expected(
        &self,
        agent: Option<AgentId>,
        attempt: AttemptId,
        file: EvidenceRef,
    ) -> Later<Result<Expected, String>>;

    /// A file of evidence is in the folder and durable: note it.
    fn evidence_stored(
        &self,
        agent: Option<AgentId>,
        attempt: AttemptId,
        file: EvidenceRef,
    ) -> Later<Result<(), Gone>>;
}
