//! Giving out: jobs meet their doers before the commit, and what dispatch decides is told to the engine.

use super::ask::{Activated, Answer, leg_words};
use super::published::{AgentTask, ConnectorCall, GivenJob};
use super::steps::panic_text;
use super::writer::Writer;
use crate::dispatch::{Assignment, Decided, Decision, Facts, Job, Refill, SessionId, To};
use botswain_engine::process::Element;
use botswain_engine::{Command, Key, SegmentId, Variables, visible_variables};
use botswain_proto::worker::Job as WorkerJob;
use botswain_store::rows::Held;
use smol_str::SmolStr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use uuid::Uuid;

impl Writer {
    /// Jobs meet their doers: decided now, durable with this batch, sent after it.
    pub(super) fn give_out(&mut self) {
        while let Some((job, segment, token)) = self.desk.next_unrouted() {
            self.of_instance(segment.root, job, |writer| {
                writer.route_job(job, segment, token);
            });
        }
        let mut assignments = std::mem::take(&mut self.assignments);
        self.desk.assign(
            self.now,
            self.settings.assignments_per_turn,
            &mut assignments,
        );
        // What was freed before it was given out again: the assignment is a job's last word.
        self.write_outbox();
        for assignment in assignments.drain(..) {
            let (root, job) = (assignment.segment.root, assignment.job);
            self.of_instance(root, job, |writer| writer.hand_over(assignment));
        }
        self.assignments = assignments;
        self.answer_activations();
    }

    /// Looks into an instance for one of its jobs; a panic there stops the instance, as one in a step does, and nobody else.
    fn of_instance(&mut self, root: Key, job: Key, look: impl FnOnce(&mut Writer)) {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| look(self))) {
            let reason = panic_text(panic.as_ref());
            self.stop_instance(root, &reason);
            self.desk.refused(
                job,
                format!("its instance was stopped after an internal error: {reason}"),
            );
        }
    }

    fn route_job(&mut self, job: Key, segment: SegmentId, token: Key) {
        if self.load_path(segment).is_err() {
            return;
        }
        let Some(cached) = self.cache.get(segment.root) else {
            return;
        };
        let header = cached
            .instance
            .root()
            .and_then(botswain_engine::Segment::header);
        let facts = Variable {
            business_id: header.and_then(|header| header.business_id.clone()),
            variables: visible_variables(&cached.instance, segment.number, token, &[]),
            now: self.now.wall,
        };
        if let Some(decided) = self.desk.choose(job, &facts) {
            self.carry_out(vec![decided]);
        }
    }

    fn hand_over(&mut self, assignment: Assignment) {
        let Assignment {
            job,
            segment,
            token,
            fence,
            lease_until,
            ref to,
            ..
        } = assignment;
        // The instance may have left memory since the job was opened.
        if self.load_path(segment).is_err() {
            tracing::warn!(
                job = job.as_u64(),
                "the instance of a job cannot be loaded: the job stays where it is"
            );
            return;
        }
        match to {
            To::Worker {
                session,
                subscription,
            } => {
                let (session, subscription) = (*session, *subscription);
                let Some((fetch, worker)) = self.wish_of(session, subscription) else {
                    self.desk.give_back(job, fence);
                    return;
                };
                let Some(given) = self.given(&assignment, &fetch) else {
                    return;
                };
                let held = Held {
                    leg: botswain_store::rows::LegKind::Worker,
                    leg_name: SmolStr::default(),
                    holder: worker.clone(),
                    attempt: Uuid::nil(),
                    lease_until: Some(lease_until),
                };
                self.batch.assign(job, fence, held);
                let message = self.worker_job(given, subscription, token, lease_until);
                match self.activations.get_mut(&session) {
                    Some(activation) => activation.jobs.push(Activated {
                        job: message,
                        worker,
                    }),
                    None => {
                        self.sessions.job(session, message);
                    }
                }
            }
            To::Agent {
                session,
                agent,
                offer,
            } => {
                let Some(given) = self.given(&assignment, &[]) else {
                    return;
                };
                if !offer.again {
                    self.hold(
                        job,
                        fence,
                        &offer.leg,
                        agent.to_string(),
                        offer.attempt.0,
                        Some(lease_until),
                    );
                }
                let task = AgentTask {
                    session: *session,
                    agent: agent.clone(),
                    epoch: self.epoch,
                    job: given,
                    offer: offer.clone(),
                };
                self.published.tasks.push(task);
            }
            To::Connector { name, offer } => {
                let Some(given) = self.given(&assignment, &[]) else {
                    return;
                };
                self.hold(
                    job,
                    fence,
                    &offer.leg,
                    name.to_string(),
                    offer.attempt.0,
                    None,
                );
                self.published.calls.push(ConnectorCall {
                    name: name.clone(),
                    job: given,
                    offer: offer.clone(),
                });
            }
            To::Person { offer } => {
                self.hold(
                    job,
                    fence,
                    &offer.leg,
                    "person".to_owned(),
                    offer.attempt.0,
                    None,
                );
                self.ask_person(job, segment, token, offer.attempt.0);
            }
        }
    }

    fn hold(
        &mut self,
        job: Key,
        fence: u64,
        leg: &crate::dispatch::LegKind,
        holder: String,
        attempt: Uuid,
        lease_until: Option<i64>,
    ) {
        let (leg, leg_name) = leg_words(leg);
        self.batch.assign(
            job,
            fence,
            Held {
                leg,
                leg_name,
                holder: SmolStr::from(holder),
                attempt,
                lease_until,
            },
        );
    }

    fn wish_of(&self, session: SessionId, subscription: u32) -> Option<(Vec<SmolStr>, SmolStr)> {
        if let Some(activation) = self.activations.get(&session) {
            return Some((activation.fetch.clone(), activation.worker.clone()));
        }
        let wish = self.sessions.get(session)?.wishes.get(&subscription)?;
        Some((wish.fetch.clone(), wish.worker.clone()))
    }

    /// What the doer of a job gets to see.
    fn given(&self, assignment: &Assignment, fetch: &[SmolStr]) -> Option<GivenJob> {
        let id = assignment.segment;
        let cached = self.cache.get(id.root)?;
        let token = cached
            .instance
            .segment(id.number)?
            .token(assignment.token)?;
        let node = cached.definition.process.named(token.node());
        let own = token.job()?;
        let headers = match (&own.headers, &node.element) {
            (Some(headers), _) => headers.clone(),
            (None, Element::JobTask(task)) => task.headers.clone(),
            (None, _) => botswain_engine::Json::from_trusted("{}"),
        };
        let variables = visible_variables(&cached.instance, id.number, assignment.token, fetch);
        Some(GivenJob {
            key: assignment.job,
            fence: assignment.fence,
            job_type: own.job_type.clone(),
            instance: id.root,
            process_id: cached.definition.process.id.clone(),
            element_id: node.id.clone(),
            headers,
            variables: variables.to_json(),
            retries: assignment.retries,
        })
    }

    fn worker_job(
        &self,
        given: GivenJob,
        subscription: u32,
        token: Key,
        deadline_ms: i64,
    ) -> WorkerJob {
        let known = self
            .cache
            .get(given.instance)
            .map(|cached| &cached.definition);
        let (process_version, process_key) = known.map_or((0, 0), |definition| {
            (definition.version.cast_signed(), definition.key.as_i64())
        });
        WorkerJob {
            key: given.key.as_i64(),
            subscription,
            r#type: given.job_type.to_string(),
            process_id: given.process_id.to_string(),
            process_version,
            process_key,
            instance_key: given.instance.as_i64(),
            element_id: given.element_id.to_string(),
            element_instance_key: token.as_i64(),
            headers: given.headers.as_str().to_owned().into_bytes().into(),
            variables: given.variables.into_bytes().into(),
            retries: given.retries,
            deadline_ms,
            fence: given.fence,
            attempt: String::new(),
        }
    }

    fn answer_activations(&mut self) {
        let served: Vec<SessionId> = self
            .activations
            .iter()
            .filter(|(_, activation)| !activation.jobs.is_empty())
            .map(|(id, _)| *id)
            .collect();
        for session in served {
            if let Some(activation) = self.activations.remove(&session) {
                self.replies
                    .push((activation.reply, Ok(Answer::Jobs(activation.jobs))));
            }
        }
    }

    /// Leases, back-offs and waits that are over.
    pub(super) fn expire(&mut self) {
        let expired = self
            .desk
            .expire(self.now, self.settings.assignments_per_turn);
        for (session, _) in expired.requests {
            if let Some(activation) = self.activations.remove(&session) {
                self.replies
                    .push((activation.reply, Ok(Answer::Jobs(activation.jobs))));
            }
        }
        self.carry_out(expired.decided);
    }

    /// Tells the engine what dispatch decided about jobs.
    pub(super) fn carry_out(&mut self, decided: Vec<Decided>) {
        for Decided {
            job,
            segment,
            decision,
            ..
        } in decided
        {
            let command = match decision {
                Decision::Complete {
                    result,
                    result_ref: _,
                } => match read_variables(&result) {
                    Ok(variables) => Command::CompleteJob { job, variables },
                    Err(message) => Command::SuspendJob {
                        job,
                        message: format!("the result cannot be read: {message}"),
                    },
                },
                Decision::ThrowError {
                    code,
                    message,
                    variables,
                } => {
                    let variables = read_variables(&variables).unwrap_or_default();
                    Command::ThrowError {
                        job,
                        code,
                        message,
                        variables,
                    }
                }
                Decision::Fail {
                    retries,
                    retry_after_ms,
                    message,
                } => {
                    let wait = i64::try_from(retry_after_ms).unwrap_or(i64::MAX);
                    let retry_at = (retry_after_ms > 0 && retries > 0)
                        .then(|| self.now.wall.saturating_add(wait));
                    Command::FailJob {
                        job,
                        retries,
                        retry_at,
                        message,
                        variables: Variables::new(),
                    }
                }
                Decision::Suspend { message } => Command::SuspendJob { job, message },
            };
            if let Err(failure) = self.run(segment, command) {
                self.desk.refused(job, failure.refusal("settle").message);
            }
        }
        self.match_messages();
    }

    /// Jobs that waited in the store come to dispatch.
    pub(super) fn refill(&mut self) {
        let refills = std::mem::take(&mut self.wanted_refills);
        for wish in refills {
            if let Err(error) = self.refill_one(&wish) {
                tracing::error!(%error, job_type = %wish.job_type, "waiting jobs could not be read");
            }
        }
    }

    fn refill_one(&mut self, wish: &Refill) -> Result<(), botswain_store::StoreError> {
        // Only between batches, so that the store knows everything that dispatch knows.
        let after = wish
            .from
            .map(|rank| Key::from_u64(rank.key.as_u64().saturating_sub(1)));
        let rows = self
            .store
            .open_jobs(self.settings.part, &wish.job_type, after, wish.limit)?;
        let end = rows.len() < wish.limit;
        let mut later: Option<i64> = None;
        let mut jobs = Vec::with_capacity(rows.len());
        for row in rows {
            if let Some(at) = row.retry_at.filter(|at| *at > self.now.wall) {
                later = Some(later.map_or(at, |known| known.min(at)));
            }
            jobs.push(Job {
                key: row.key,
                segment: SegmentId {
                    root: row.root,
                    number: row.segment,
                },
                token: row.token,
                job_type: row.job_type,
                priority: 0,
                retries: row.retries,
                available_at: row.retry_at.unwrap_or(0),
                fence: row.fence,
            });
        }
        self.desk.refill(wish, jobs, end, later, self.now);
        Ok(())
    }
}

/// The variables of a job, as conditions of routes see them.
struct Variable {
    business_id: Option<SmolStr>,
    variables: Variables,
    now: i64,
}

impl botswain_feel::Scope for Variable {
    fn get(&self, name: &str) -> Option<botswain_feel::Value> {
        let json = self.variables.get(name)?;
        Some(botswain_feel::Value::from_json(json.as_str()).unwrap_or(botswain_feel::Value::Null))
    }
}

impl Facts for Variable {
    fn business_key(&self) -> Option<&str> {
        self.business_id.as_deref()
    }

    fn holds(&self, condition: &str) -> Result<bool, String> {
        let expression =
            botswain_feel::Expression::parse(condition).map_err(|error| error.to_string())?;
        let env = botswain_feel::Env {
            now: self.now,
            ..botswain_feel::Env::default()
        };
        match expression.evaluate(self, &env).result {
            Ok(botswain_feel::Value::Bool(holds)) => Ok(holds),
            Ok(value) => Err(format!(
                "`{condition}` gave {}, expected true or false",
                value.type_name()
            )),
            Err(error) => Err(error.to_string()),
        }
    }
}

fn read_variables(bytes: &[u8]) -> Result<Variables, String> {
    let text = std::str::from_utf8(bytes).map_err(|error| format!("it is not UTF-8: {error}"))?;
    Variables::from_json(text).map_err(|error| error.to_string())
}
