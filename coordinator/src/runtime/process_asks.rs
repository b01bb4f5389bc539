//! What is asked about processes and instances: deploy, start, cancel, repair, look.

use super::ask::{
    Answer, Ask, AwaitEnd, Created, Deployed, ProcessRef, Refusal, RefusalKind, ReplyTo,
};
use super::cache::Cached;
use super::definitions::Definition;
use super::deployment::Deployment;
use super::writer::{Awaiting, Failure, Writer};
use botswain_engine::{Command, Env, Key, SegmentId, Start, create, waiting};
use botswain_store::StoreError;
use botswain_store::rows::{AuditRow, DeduplicationRow, DefinitionRow, Digest, Put};
use smol_str::SmolStr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use uuid::Uuid;

/// How long a timer waits whose instance could not be read.
const RETRY_MS: i64 = 1_000;

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

    fn deploy(&mut self, deployment: Deployment, by: &str) -> Answer {
        let mut deployed = Vec::new();
        for (resource, process) in deployment.into_processes() {
            let digest = Digest::of(&resource.bytes);
            let latest = self.definitions.latest(&process.id);
            // The same file again is the same version.
            if let Some(known) = latest
                .filter(|known| known.digest == digest && known.resource_name == resource.name)
            {
                let (key, version) = (known.key, known.version);
                let resource_name = resource.name.clone();
                deployed.push(Deployed {
                    key,
                    process_id: process.id.clone(),
                    version,
                    resource_name,
                });
                continue;
            }
            let version = latest.map_or(1, |known| known.version + 1);
            let row = DefinitionRow {
                key: self.keys.take(),
                process_id: process.id.clone(),
                version,
                version_tag: process.version_tag.clone(),
                name: process.name.as_ref().map(ToString::to_string),
                resource_name: resource.name.clone(),
                digest,
                xml: resource.bytes.clone(),
                symbols: process.symbols().clone(),
                deployed_at: self.now.wall,
            };
            self.definitions.add(&row, process);
            self.audit(
                by.to_owned(),
                SmolStr::new_static("process.deploy"),
                format!("{} v{version}", row.process_id),
                None,
            );
            deployed.push(Deployed {
                key: row.key,
                process_id: row.process_id.clone(),
                version,
                resource_name: row.resource_name.clone(),
            });
            self.batch.put(Put::Definition(Box::new(row)));
        }
        Answer::Deployed(deployed)
    }

    fn start(
        &mut self,
        process: &ProcessRef,
        start: Start,
        await_end: Option<AwaitEnd>,
        reply: ReplyTo,
        deduplication: Option<Uuid>,
    ) {
        let definition = match self.find_definition(process) {
            Ok(definition) => definition,
            Err(refusal) => return self.replies.push((reply, Err(refusal))),
        };
        let seed = self.fresh_seed();
        let env = Env {
            now: self.now.wall,
            seed,
            keys: &mut self.keys,
        };
        let made = catch_unwind(AssertUnwindSafe(|| {
            create(env, &definition.process, definition.key, start)
        }));
        let Ok((instance, decided)) = made else {
            let message = format!(
                "the first step of process '{}' failed with an internal error",
                definition.process.id
            );
            return self
                .replies
                .push((reply, Err(Refusal::new(RefusalKind::Internal, message))));
        };
        let root = instance
            .segments()
            .next()
            .expect("a new instance has its root")
            .id()
            .root;
        let created = Created {
            instance: root,
            definition: definition.key,
            process_id: definition.process.id.clone(),
            version: definition.version,
        };
        self.fresh_instances.push(root);
        if let Some(id) = deduplication {
            self.remember_reply(id, &Answer::Made(root));
        }
        match await_end {
            None => self.replies.push((reply, Ok(Answer::Created(created)))),
            Some(AwaitEnd { fetch }) => {
                let reply = match reply {
                    // A stream hears of the start at once, and of the end later.
                    ReplyTo::Stream {
                        session,
                        request_id,
                    } => {
                        let now = ReplyTo::Stream {
                            session,
                            request_id,
                        };
                        self.replies
                            .push((now, Ok(Answer::Created(created.clone()))));
                        ReplyTo::Stream {
                            session,
                            request_id,
                        }
                    }
                    other => other,
                };
                self.awaiting.entry(root).or_default().push(Awaiting {
                    reply,
                    fetch,
                    created,
                });
            }
        }
        self.cache.insert(
            root,
            Cached {
                instance,
                definition: Arc::clone(&definition),
            },
        );
        self.accept(root, &definition, decided);
        self.match_messages();
    }

    fn find_definition(&mut self, process: &ProcessRef) -> Result<Arc<Definition>, Refusal> {
        let (key, none) = match process {
            ProcessRef::Key(key) => (
                Some(*key),
                format!("Expected to find process definition with key '{key}', but none found"),
            ),
            ProcessRef::Id(id, None) => (
                self.definitions.latest(id).map(|known| known.key),
                format!(
                    "Expected to find process definition with process ID '{id}', but none found"
                ),
            ),
            ProcessRef::Id(id, Some(version)) => (
                self.definitions
                    .version(id, *version)
                    .map(|known| known.key),
                format!(
                    "Expected to find process definition with process ID '{id}' and version '{version}', but none found"
                ),
            ),
        };
        let found = match key {
            Some(key) => self
                .definitions
                .get(key, self.store.as_mut())
                .map_err(|error| Refusal::unreadable(&error))?,
            None => None,
        };
        found.ok_or_else(|| Refusal::new(RefusalKind::NotFound, none))
    }

    fn cancel(&mut self, instance: Key) -> Result<Answer, Refusal> {
        let none = || {
            let message = format!(
                "Expected to cancel a process instance with key '{instance}', but no such process was found"
            );
            Refusal::new(RefusalKind::NotFound, message)
        };
        self.run(SegmentId::root(instance), Command::Cancel)
            .map(|()| Answer::Done)
            .map_err(|failure| {
                let refusal = failure.refusal("cancel");
                if refusal.kind == RefusalKind::NotFound {
                    none()
                } else {
                    refusal
                }
            })
    }

    fn inspect(&mut self, instance: Key) -> Result<Answer, Refusal> {
        let id = SegmentId::root(instance);
        self.load_path(id)
            .map_err(|failure| failure.refusal("show"))?;
        let cached = self
            .cache
            .get(instance)
            .expect("its root was loaded a moment ago");
        let process = Arc::clone(&cached.definition.process);
        let stopped = cached
            .instance
            .root()
            .is_some_and(botswain_engine::Segment::is_stopped);
        Ok(Answer::Inspected {
            waiting: waiting(&process, &cached.instance),
            process,
            stopped,
        })
    }

    fn resolve_incident(&mut self, incident: Key) -> Result<Answer, Refusal> {
        let none = || Refusal::not_found("resolve", "incident", incident);
        let row = self
            .store
            .incident(incident)
            .map_err(|error| Refusal::unreadable(&error))?;
        let id = match row {
            Some(row) => SegmentId {
                root: row.root,
                number: row.segment,
            },
            None => self.batch_segment_of_incident(incident).ok_or_else(none)?,
        };
        let done = self.run(id, Command::ResolveIncident { incident });
        done.map(|()| Answer::Done).map_err(|failure| {
            let refusal = failure.refusal("resolve");
            if refusal.kind == RefusalKind::NotFound {
                none()
            } else {
                refusal
            }
        })
    }

    fn batch_segment_of_incident(&self, incident: Key) -> Option<SegmentId> {
        let change = self.batch.rows.incidents.get(incident)?;
        change.row().map(|row| SegmentId {
            root: row.root,
            number: row.segment,
        })
    }

    fn set_variables(
        &mut self,
        scope: Key,
        variables: botswain_engine::Variables,
        local: bool,
    ) -> Result<Answer, Refusal> {
        let none = || {
            let message = format!(
                "Expected to update variables for element with key '{scope}', but no such element was found"
            );
            Refusal::new(RefusalKind::NotFound, message)
        };
        let id = match self
            .store
            .element(scope)
            .map_err(|error| Refusal::unreadable(&error))?
        {
            Some(row) => SegmentId {
                root: row.root,
                number: row.segment,
            },
            None => SegmentId::root(scope),
        };
        let command = Command::SetVariables {
            scope,
            variables,
            local,
        };
        self.run(id, command)
            .map(|()| Answer::Made(scope))
            .map_err(|failure| {
                let refusal = failure.refusal("update");
                if refusal.kind == RefusalKind::NotFound {
                    none()
                } else {
                    refusal
                }
            })
    }

    /// Fires the timers that are due, in their order, some in each turn.
    pub(super) fn fire_timers(&mut self) {
        for (timer, segment) in self
            .timers
            .due(self.now.wall, self.settings.timers_per_turn)
        {
            match self.run(segment, Command::FireTimer { timer }) {
                Ok(()) => {}
                // It fires when its instance can be read again.
                Err(Failure::Refused(refusal)) => {
                    tracing::warn!(timer = timer.as_u64(), %refusal, "a timer waits");
                    self.timers
                        .set(timer, self.now.wall.saturating_add(RETRY_MS), segment);
                }
                Err(Failure::Rejected(rejection)) => {
                    tracing::warn!(timer = timer.as_u64(), %rejection, "a timer did not fire");
                }
            }
        }
        self.match_messages();
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
    fn remember_reply(&mut self, id: Uuid, answer: &Answer) {
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

    /// Reads what the next turns need, now that the store knows everything.
    pub(super) fn read_ahead(&mut self) {
        let read = |timers: &mut super::timers::Timers,
                    store: &mut dyn botswain_store::Store,
                    part|
         -> Result<(), StoreError> {
            while timers.wants_read() {
                timers.read(store, part)?;
            }
            Ok(())
        };
        if let Err(error) = read(&mut self.timers, self.store.as_mut(), self.settings.part) {
            tracing::error!(%error, "timers could not be read");
        }
        self.refill();
    }
}
