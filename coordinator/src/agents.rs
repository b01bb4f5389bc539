//! The agents' host: what the fleet's door asks, put before the writer in the order in which it was said.

use crate::dispatch::SessionId;
use crate::fleet::{Admission, Ca, Enrolment, Expected, FleetHost, Gone, Issued, Later};
use crate::runtime::{Answer, Ask, Refusal, Runtime};
use botswain_proto::enrol;
use botswain_proto::ids::{AgentId, AttemptId, Digest, Seq};
use botswain_proto::message::{Beat, EvidenceRef, Hello, Sync, SyncItem, TaskEvent, Verdict};
use bytes::Bytes;
use std::sync::Arc;

/// The coordinator behind the fleet's door.
pub(crate) struct Host {
    /// The writer.
    pub(crate) runtime: Runtime,
    /// Who vouches for agents.
    pub(crate) ca: Arc<Ca>,
    /// Who may speak.
    pub(crate) admission: Arc<Admission>,
}

impl Host {
    /// Asks at once and gives the answer later; `take` picks what the question is answered with.
    fn ask<T: Send + 'static>(
        &self,
        ask: Ask,
        take: impl FnOnce(Answer) -> Option<T> + Send + 'static,
    ) -> Later<Result<T, Gone>> {
        let answer = self.runtime.ask_now(ask);
        Box::pin(async move {
            let answer = answer.await.map_err(|refusal| Gone(refusal.message))?;
            take(answer).ok_or_else(|| {
                Gone("the coordinator answered something else than it was asked".to_owned())
            })
        })
    }
}

impl FleetHost for Host {
    fn new_session(&self) -> SessionId {
        self.runtime.new_session()
    }

    fn enrol(&self, enrolment: Enrolment) -> Later<Result<Issued, enrol::Refusal>> {
        let ask = Ask::Enrol {
            enrolment: Box::new(enrolment),
            ca: Arc::clone(&self.ca),
        };
        let (answer, admission) = (self.runtime.ask_now(ask), Arc::clone(&self.admission));
        Box::pin(async move {
            match answer.await {
                Ok(Answer::Enrolled(issued)) => {
                    let issued = *issued?;
                    admission.admit(issued.agent.clone(), issued.fingerprint);
                    Ok(issued)
                }
                Ok(_) => Err(unavailable(
                    "the coordinator answered something else than it was asked",
                )),
                Err(refusal) => Err(unavailable(&refusal.message)),
            }
        })
    }

    fn hello(
        &self,
        session: SessionId,
        agent: AgentId,
        hello: Box<Hello>,
    ) -> Later<Result<Sync, Gone>> {
        self.ask(
            Ask::AgentHello {
                session,
                agent,
                hello,
            },
            |answer| match answer {
                Answer::Sync(sync) => Some(*sync),
                _ => None,
            },
        )
    }

    fn event(
        &self,
        session: SessionId,
        agent: AgentId,
        event: Box<TaskEvent>,
    ) -> Later<Result<Verdict, Gone>> {
        self.ask(
            Ask::AgentEvent {
                session,
                agent,
                event,
            },
            |answer| match answer {
                Answer::Verdict(verdict) => Some(verdict),
                _ => None,
            },
        )
    }

    fn unreadable(
        &self,
        session: SessionId,
        agent: AgentId,
        seq: Seq,
        problem: String,
    ) -> Later<Result<(), Gone>> {
        let details = serde_json::json!({ "session": session.0, "seq": seq.0, "problem": problem })
            .to_string();
        self.ask(
            Ask::Note {
                who: format!("agent {agent}"),
                what: "agent.unreadable",
                subject: agent.to_string(),
                details,
            },
            |_| Some(()),
        )
    }

    fn beat(
        &self,
        session: SessionId,
        agent: AgentId,
        beat: Box<Beat>,
    ) -> Later<Result<Vec<(AttemptId, u64)>, Gone>> {
        self.ask(
            Ask::AgentBeat {
                session,
                agent,
                beat,
            },
            |answer| match answer {
                Answer::Leases(leases) => Some(leases),
                _ => None,
            },
        )
    }

    fn sync_answer(&self, session: SessionId, agent: AgentId, items: Vec<SyncItem>) {
        drop(self.runtime.ask_now(Ask::AgentSync {
            session,
            agent,
            items,
        }));
    }

    fn gone(&self, session: SessionId, agent: AgentId, why: String) {
        drop(self.runtime.ask_now(Ask::AgentGone {
            session,
            agent,
            why,
        }));
    }

    fn package(
        &self,
        _agent: Option<AgentId>,
        digest: Digest,
    ) -> Later<Result<Option<Bytes>, Gone>> {
        self.ask(Ask::Package { digest }, |answer| match answer {
            Answer::Package(bytes) => Some(bytes.map(Bytes::from)),
            _ => None,
        })
    }

    fn evidence_expected(
        &self,
        agent: Option<AgentId>,
        attempt: AttemptId,
        file: EvidenceRef,
    ) -> Later<Result<Expected, String>> {
        let answer = self.runtime.ask_now(Ask::EvidenceExpected {
            agent,
            attempt,
            file: Box::new(file),
        });
        Box::pin(async move {
            match answer.await {
                Ok(Answer::EvidenceThere(true)) => Ok(Expected::AlreadyThere),
                Ok(_) => Ok(Expected::Wanted),
                Err(Refusal { message, .. }) => Err(message),
            }
        })
    }

    fn evidence_stored(
        &self,
        agent: Option<AgentId>,
        attempt: AttemptId,
        file: EvidenceRef,
    ) -> Later<Result<(), Gone>> {
        self.ask(
            Ask::EvidenceStored {
                agent,
                attempt,
                file: Box::new(file),
            },
            |_| Some(()),
        )
    }
}

fn unavailable(message: &str) -> enrol::Refusal {
    enrol::Refusal {
        code: "unavailable".to_owned(),
        message: message.to_owned(),
    }
}
