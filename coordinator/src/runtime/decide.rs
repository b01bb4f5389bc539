//! Decide: which request goes where, and what a repeated one is told.

use super::ask::{Answer, Ask, Refusal, ReplyTo};
use super::writer::Writer;
use botswain_engine::Key;
use botswain_store::rows::{AuditRow, DeduplicationRow, Put};
use smol_str::SmolStr;
use uuid::Uuid;

impl Writer {
    /// Decides one request; its answer waits for the commit.
    pub(super) fn decide(&mut self, ask: Ask, reply: ReplyTo, deduplication: Option<Uuid>) {
        if let Some(id) = deduplication {
            match self.repeated_reply(id) {
                Ok(None) => {}
                Ok(Some(answer)) => return self.replies.push((reply, Ok(answer))),
                Err(refusal) => return self.replies.push((reply, Err(refusal))),
            }
        }
        let answer = match ask {
            Ask::Start {
                process,
                start,
                await_end,
            } => return self.start(&process, start, await_end, reply, deduplication),
            Ask::Activate {
                job_type,
                worker,
                most,
                lease_ms,
                wait_ms,
                fetch,
            } => {
                return self.activate(job_type, worker, most, lease_ms, wait_ms, fetch, reply);
            }
            Ask::Deploy { deployment, by } => Ok(self.deploy(*deployment, &by)),
            Ask::CompleteJob {
                job,
                fence,
                variables,
            } => self.complete_job(job, fence, variables),
            Ask::SettleJob { job, variables, by } => self.settle_job(job, variables, &by),
            Ask::FailJob {
                job,
                fence,
                retries,
                back_off_ms,
                message,
                variables,
            } => self.fail_job(job, fence, retries, back_off_ms, message, variables),
            Ask::ThrowError {
                job,
                fence,
                code,
                message,
                variables,
            } => self.throw_error(job, fence, code, message, variables),
            Ask::UpdateJob {
                job,
                retries,
                timeout_ms,
            } => self.update_job(job, retries, timeout_ms),
            Ask::PublishMessage {
                name,
                correlation_key,
                message_id,
                ttl_ms,
                variables,
            } => self.publish_message(name, correlation_key, message_id, ttl_ms, variables),
            Ask::CompleteUserTask { task, variables } => self.complete_user_task(task, variables),
            Ask::AssignUserTask {
                task,
                assignee,
                allow_override,
            } => self.assign_user_task(task, assignee, allow_override),
            Ask::ResolveIncident { incident } => self.resolve_incident(incident),
            Ask::SetVariables {
                scope,
                variables,
                local,
            } => self.set_variables(scope, variables, local),
            Ask::CancelInstance { instance } => self.cancel(instance),
            Ask::Inspect { instance } => self.inspect(instance),
            Ask::ExplainJob { job } => Ok(Answer::Explained(Some(self.desk.explain(job)))),
            Ask::OpenSession { session, out } => {
                self.sessions.open(session, out);
                Ok(Answer::Done)
            }
            Ask::CloseSession { session } => {
                self.desk.worker_gone(session);
                self.sessions.close(session);
                Ok(Answer::Done)
            }
            Ask::Subscribe {
                session,
                wish,
                fetch,
            } => self.subscribe(session, wish, fetch),
            Ask::Credits {
                session,
                subscription,
                more,
            } => {
                self.desk.credits(session, subscription, more);
                Ok(Answer::Done)
            }
            Ask::Unsubscribe {
                session,
                subscription,
            } => {
                self.desk.unsubscribe(session, subscription);
                Ok(Answer::Done)
            }
            Ask::SetRoute {
                job_type,
                route,
                by,
            } => self.set_route(job_type, route, &by),
            Ask::Routes => self.routes(),
            Ask::Write { put, audit } => {
                if let Some((who, what, subject)) = audit {
                    self.audit(who, what, subject, None);
                }
                self.batch.put(*put);
                Ok(Answer::Done)
            }
            Ask::BotPushed { put, bot, by } => {
                self.audit(
                    by,
                    SmolStr::new_static("bot.push"),
                    format!("{}@{}", bot.name, bot.version),
                    None,
                );
                self.batch.put(*put);
                self.desk.set_bot(*bot);
                Ok(Answer::Done)
            }
            Ask::Connector {
                name,
                slots,
                effect,
            } => {
                self.connectors.insert(name.clone(), (slots, effect));
                self.desk.set_connector(name, slots, effect);
                Ok(Answer::Done)
            }
            Ask::AttemptEnded {
                attempt,
                end,
                warnings,
            } => Ok(self.attempt_ended(attempt, *end, warnings)),
            Ask::Enrol { enrolment, ca } => Ok(Answer::Enrolled(self.enrol(&enrolment, &ca))),
            Ask::Note {
                who,
                what,
                subject,
                details,
            } => {
                self.audit(who, SmolStr::new_static(what), subject, Some(details));
                Ok(Answer::Done)
            }
            Ask::Package { digest } => self.package(digest),
            Ask::EvidenceExpected {
                agent,
                attempt,
                file,
            } => self.evidence_expected(agent.as_ref(), attempt, &file),
            Ask::EvidenceStored {
                agent,
                attempt,
                file,
            } => self.evidence_stored(agent.as_ref(), attempt, *file),
            Ask::AgentRevoked { agent, by } => self.revoke_agent(&agent, &by),
            Ask::AgentHello {
                session,
                agent,
                hello,
            } => self.agent_hello(session, &agent, &hello),
            Ask::AgentGone {
                session,
                agent,
                why,
            } => {
                self.desk.agent_gone(&agent, session, &why);
                Ok(Answer::Done)
            }
            Ask::AgentEvent {
                session: _,
                agent,
                event,
            } => Ok(self.agent_event(&agent, &event)),
            Ask::AgentBeat {
                session,
                agent,
                beat,
            } => Ok(Answer::Leases(
                self.desk.beat(&agent, session, &beat, self.now),
            )),
            Ask::AgentSync {
                session: _,
                agent,
                items,
            } => {
                let decided = self.desk.sync_answer(&agent, &items, self.now);
                self.carry_out(decided);
                Ok(Answer::Done)
            }
            Ask::Agents => Ok(Answer::Agents(self.desk.agents().collect())),
            Ask::AdvanceClock { by_ms } => {
                self.clock_ahead = self
                    .clock_ahead
                    .saturating_add(i64::try_from(by_ms).unwrap_or(i64::MAX));
                Ok(Answer::Done)
            }
        };
        self.match_messages();
        if let (Some(id), Ok(answer)) = (deduplication, &answer) {
            self.remember_reply(id, answer);
        }
        self.replies.push((reply, answer));
    }

    pub(super) fn audit(
        &mut self,
        who: String,
        what: SmolStr,
        subject: String,
        details: Option<String>,
    ) {
        let row = AuditRow {
            key: self.keys.take(),
            at: self.now.wall,
            who,
            what,
            subject,
            details,
        };
        self.batch.put(Put::Audit(row));
    }

    fn repeated_reply(&mut self, id: Uuid) -> Result<Option<Answer>, Refusal> {
        let stored = match self.repeated.get(&id) {
            Some(reply) => Some(reply.clone()),
            None => {
                let row = self
                    .store
                    .reply(self.settings.part, id)
                    .map_err(|error| Refusal::unreadable(&error))?;
                row.map(|row| row.reply)
            }
        };
        Ok(
            stored.map(|reply| match <[u8; 8]>::try_from(reply.as_slice()) {
                Ok(key) => Answer::Made(Key::from_u64(u64::from_be_bytes(key))),
                Err(_) => Answer::Done,
            }),
        )
    }

    /// What a repeated request is told: the key that the first one made.
    pub(super) fn remember_reply(&mut self, id: Uuid, answer: &Answer) {
        let reply = match answer {
            Answer::Made(key) => key.as_u64().to_be_bytes().to_vec(),
            Answer::Created(created) => created.instance.as_u64().to_be_bytes().to_vec(),
            _ => Vec::new(),
        };
        self.repeated.insert(id, reply.clone());
        self.batch.put(Put::Deduplication(DeduplicationRow {
            id,
            reply,
            at: self.now.wall,
        }));
    }
}
