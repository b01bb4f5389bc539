//! What became durable and leaves: answers, jobs, ends, work for agents and connectors.

use super::ask::{Answer, Refusal, RefusalKind, ReplyTo};
use super::writer::Writer;
use crate::dispatch::{Notice, Offer, SessionId};
use botswain_engine::{Json, Key};
use botswain_proto::ids::AgentId;
use botswain_proto::worker::{EndState, Ended, Reply};
use smol_str::SmolStr;

/// What became durable and leaves: to agents and to connectors. Streams and callers have been answered already.
#[derive(Debug, Default)]
pub struct Published {
    /// Work for agents.
    pub tasks: Vec<AgentTask>,
    /// Calls of connectors.
    pub calls: Vec<ConnectorCall>,
    /// What agents are told besides.
    pub notices: Vec<Notice>,
    /// Agents that may not speak any more.
    pub revoked: Vec<AgentId>,
    /// What agents were told may not have happened: they must compare again.
    pub starts_anew: bool,
}

impl Published {
    /// Whether nothing leaves.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.tasks.is_empty()
            && self.calls.is_empty()
            && self.notices.is_empty()
            && self.revoked.is_empty()
            && !self.starts_anew
    }
}

/// An attempt for an agent.
#[derive(Clone, Debug)]
pub struct AgentTask {
    /// The agent's connection.
    pub session: SessionId,
    /// The agent.
    pub agent: AgentId,
    /// The coordinator's term.
    pub epoch: u64,
    /// The job as it is given out.
    pub job: GivenJob,
    /// What it is asked to do.
    pub offer: Box<Offer>,
}

/// A call of a connector.
#[derive(Clone, Debug)]
pub struct ConnectorCall {
    /// The connector.
    pub name: SmolStr,
    /// The job as it is given out.
    pub job: GivenJob,
    /// What it is asked to do.
    pub offer: Box<Offer>,
}

/// A job with what its doer gets to see.
#[derive(Clone, Debug)]
pub struct GivenJob {
    /// Its key.
    pub key: Key,
    /// The rank of the try.
    pub fence: u64,
    /// What kind of work it is.
    pub job_type: SmolStr,
    /// Its instance.
    pub instance: Key,
    /// The process.
    pub process_id: SmolStr,
    /// The element.
    pub element_id: SmolStr,
    /// The headers, a JSON object.
    pub headers: Json,
    /// The variables, a JSON object.
    pub variables: String,
    /// How many failures it may still have.
    pub retries: i32,
}

impl Writer {
    /// Nothing left the process before this: answers, jobs, ends, work for agents.
    pub(super) fn publish(&mut self) {
        for (reply, answer) in std::mem::take(&mut self.replies) {
            self.answer(reply, answer);
        }
        self.sessions.publish();
        self.messages.committed();
        self.repeated.clear();
        self.redeemed.clear();
        self.fresh_instances.clear();
    }

    pub(super) fn answer(&mut self, reply: ReplyTo, answer: Result<Answer, Refusal>) {
        match reply {
            ReplyTo::Caller(caller) => {
                // A caller that is gone wants no answer; jobs that it asked for certainly never reached it.
                if let Err(Ok(Answer::Jobs(jobs))) = caller.send(answer) {
                    for job in jobs {
                        self.desk
                            .give_back(Key::from_u64(job.job.key.cast_unsigned()), job.job.fence);
                    }
                }
            }
            ReplyTo::Stream {
                session,
                request_id,
            } => self.answer_stream(session, request_id, answer),
            ReplyTo::Nobody => {}
        }
    }

    fn answer_stream(
        &mut self,
        session: SessionId,
        request_id: u64,
        answer: Result<Answer, Refusal>,
    ) {
        let reply = match answer {
            Ok(Answer::Ended {
                created,
                completed,
                variables,
            }) => {
                let state = if completed {
                    EndState::Completed
                } else {
                    EndState::Terminated
                };
                let instance_key = created.instance.as_i64();
                let variables = variables.into_bytes().into();
                let ended = Ended {
                    request_id,
                    instance_key,
                    state: state.into(),
                    variables,
                };
                self.sessions.ended(session, ended);
                return;
            }
            Ok(Answer::Made(key)) => Reply {
                request_id,
                key: key.as_i64(),
                error: None,
            },
            Ok(Answer::Created(created)) => Reply {
                request_id,
                key: created.instance.as_i64(),
                error: None,
            },
            Ok(_) => Reply {
                request_id,
                key: 0,
                error: None,
            },
            Err(refusal) => Reply {
                request_id,
                key: 0,
                error: Some(worker_error(&refusal)),
            },
        };
        self.sessions.reply(session, reply);
    }
}

fn worker_error(refusal: &Refusal) -> botswain_proto::worker::Error {
    use botswain_proto::worker::{Code, Error};
    let code = match refusal.kind {
        RefusalKind::InvalidArgument => Code::InvalidArgument,
        RefusalKind::NotFound => Code::NotFound,
        RefusalKind::AlreadyExists => Code::AlreadyExists,
        RefusalKind::InvalidState => Code::InvalidState,
        RefusalKind::ResourceExhausted => Code::ResourceExhausted,
        RefusalKind::Unavailable => Code::Unavailable,
        RefusalKind::Internal => Code::Internal,
    };
    Error {
        code: code.into(),
        message: refusal.message.clone(),
    }
}
