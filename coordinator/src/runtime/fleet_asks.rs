//! What is asked about routes and attempts: routes are set, agents speak, attempts end, and dispatch's rows are written.

use super::ask::{Answer, Refusal, RefusalKind, leg_words};
use super::job_asks::holder_words;
use super::writer::Writer;
use crate::dispatch::{self, AttemptState, Change, End, HolderName, Route, SessionId};
use botswain_engine::SegmentId;
use botswain_proto::ids::{AgentId, AttemptId};
use botswain_proto::message::{Happened, Hello, TaskEvent};
use botswain_store::rows::{
    self, AttemptOutcome, AttemptRow, JobPatch, Put, RouteRow, UserTaskPatch, UserTaskState,
};
use smol_str::SmolStr;

impl Writer {
    pub(super) fn set_route(
        &mut self,
        job_type: SmolStr,
        route: Option<Box<Route>>,
        by: &str,
    ) -> Result<Answer, Refusal> {
        let version = self
            .desk
            .route(&job_type)
            .map_or(0, |route| route.version)
            .max(self.route_versions(&job_type))
            + 1;
        let json = match route {
            Some(mut route) => {
                route.job_type = job_type.clone();
                route.version = version;
                route.check().map_err(|error| {
                    Refusal::new(RefusalKind::InvalidArgument, error.to_string())
                })?;
                for condition in route.legs().filter_map(|leg| leg.when.as_deref()) {
                    botswain_feel::Expression::parse(condition).map_err(|error| {
                        let message = format!(
                            "the condition `{condition}` of route {job_type} is wrong: {error}"
                        );
                        Refusal::new(RefusalKind::InvalidArgument, message)
                    })?;
                }
                let json = serde_json::to_string(&route).expect("a route is plain data");
                self.desk.set_route(*route);
                Some(json)
            }
            None => {
                self.desk.set_route(Route {
                    version,
                    ..Route::implicit(job_type.clone())
                });
                None
            }
        };
        self.audit(
            by.to_owned(),
            SmolStr::new_static("route.set"),
            job_type.to_string(),
            json.clone(),
        );
        let version = u32::try_from(version).unwrap_or(u32::MAX);
        self.batch.put(Put::Route(RouteRow {
            job_type,
            version,
            json,
            at: self.now.wall,
            by: by.to_owned(),
        }));
        Ok(Answer::Done)
    }

    fn route_versions(&mut self, job_type: &str) -> u64 {
        let rows = self.store.routes().unwrap_or_default();
        rows.iter()
            .find(|row| row.job_type == job_type)
            .map_or(0, |row| u64::from(row.version))
    }

    pub(super) fn routes(&mut self) -> Result<Answer, Refusal> {
        let rows = self
            .store
            .routes()
            .map_err(|error| Refusal::unreadable(&error))?;
        let routes = rows
            .into_iter()
            .filter_map(|row| serde_json::from_str(&row.json?).ok());
        Ok(Answer::Routes(routes.collect()))
    }

    /// The end of an attempt that the coordinator itself, or a person, worked on.
    pub(super) fn attempt_ended(
        &mut self,
        attempt: AttemptId,
        end: End,
        warnings: Vec<String>,
    ) -> Answer {
        let answer = self.desk.ended(attempt, end, self.now);
        self.note_warnings(attempt, warnings);
        self.carry_out(answer.decided.into_iter().collect());
        Answer::Verdict(answer.verdict)
    }

    pub(super) fn agent_event(&mut self, agent: &AgentId, event: &TaskEvent) -> Answer {
        let answer = self.desk.on_event(agent, event, self.now);
        self.note_warnings(event.attempt, event.warnings.clone());
        self.carry_out(answer.decided.into_iter().collect());
        Answer::Verdict(answer.verdict)
    }

    pub(super) fn agent_hello(
        &mut self,
        session: SessionId,
        agent: &AgentId,
        hello: &Hello,
    ) -> Result<Answer, Refusal> {
        let asked: Vec<AttemptId> = hello.open.iter().map(|open| open.attempt).collect();
        for attempt in self.desk.unknown(&asked) {
            let row = self
                .store
                .attempt(self.settings.part, attempt.0)
                .map_err(|error| Refusal::unreadable(&error))?;
            if let Some(row) = row.filter(|row| row.state == rows::AttemptState::Ended) {
                let owner = row.holder.parse().ok();
                self.desk.remember(attempt, owner);
            }
        }
        let (sync, decided) = self
            .desk
            .hello(agent, session, hello, self.now)
            .map_err(|refused| Refusal::new(RefusalKind::InvalidState, refused.to_string()))?;
        self.carry_out(decided);
        Ok(Answer::Notices(vec![dispatch::Notice::Sync {
            session,
            agent: agent.clone(),
            sync,
        }]))
    }

    pub(super) fn revoke_agent(&mut self, agent: &AgentId, by: &str) -> Result<Answer, Refusal> {
        let rows = self
            .store
            .agents()
            .map_err(|error| Refusal::unreadable(&error))?;
        let Some(mut row) = rows.into_iter().find(|row| row.id == agent.as_str()) else {
            let message =
                format!("Expected to revoke agent '{agent}', but no such agent was found");
            return Err(Refusal::new(RefusalKind::NotFound, message));
        };
        row.revoked_at = Some(self.now.wall);
        self.batch.put(Put::Agent(row));
        self.desk.revoke(agent);
        self.audit(
            by.to_owned(),
            SmolStr::new_static("agent.revoke"),
            agent.to_string(),
            None,
        );
        Ok(Answer::Done)
    }

    fn note_warnings(&mut self, attempt: AttemptId, warnings: Vec<String>) {
        if !warnings.is_empty() {
            self.warnings.insert(attempt, warnings);
        }
    }

    /// Writes the rows that dispatch wants written, and keeps what it wants sent and read for after the commit.
    pub(super) fn write_outbox(&mut self) {
        let outbox = self.desk.take_outbox();
        for change in outbox.changes {
            match change {
                Change::JobFreed {
                    job, fence, leg, ..
                } => {
                    if self.batch.rows.job_is_gone(job) {
                        continue;
                    }
                    self.batch.release(job);
                    self.batch.rows.jobs.update(
                        job,
                        JobPatch {
                            fence: Some(fence),
                            ..JobPatch::default()
                        },
                    );
                    if let Some(leg) = leg {
                        tracing::debug!(job = job.as_u64(), %leg, "a job waits for its next leg");
                    }
                }
                Change::JobSuspended { job, .. } => self.batch.release(job),
                Change::JobResumed {
                    job,
                    fence,
                    attempt,
                    holder,
                } => {
                    let leg = self.desk.attempt(attempt).map(|row| row.leg.clone());
                    let (leg, leg_name) = leg
                        .as_ref()
                        .map_or((rows::LegKind::Bot, SmolStr::default()), leg_words);
                    let holder = holder_words(&holder);
                    let held = rows::Held {
                        leg,
                        leg_name,
                        holder,
                        attempt: attempt.0,
                        lease_until: None,
                    };
                    self.batch.assign(job, fence, held);
                }
                Change::Attempt(row) => self.write_attempt(&row),
                Change::Audit(audit) => {
                    let what = SmolStr::from(audit.what);
                    self.audit(
                        format!("agent {}", audit.agent),
                        what,
                        audit.agent.to_string(),
                        Some(audit.details),
                    );
                }
            }
        }
        self.warnings.clear();
        self.published.notices.extend(outbox.notices);
        self.wanted_refills.extend(outbox.refills);
    }

    fn write_attempt(&mut self, row: &dispatch::AttemptRow) {
        if row.holder == HolderName::Person && row.state.is_end() {
            let how = if row.state == AttemptState::Succeeded {
                UserTaskState::Completed
            } else {
                UserTaskState::Cancelled
            };
            let patch = UserTaskPatch {
                ended: Some((self.now.wall, how)),
                ..UserTaskPatch::default()
            };
            self.batch.rows.user_tasks.update(row.job, patch);
        }
        let (leg, leg_name) = leg_words(&row.leg);
        let state = match row.state {
            AttemptState::Offered | AttemptState::Accepted => rows::AttemptState::Offered,
            AttemptState::Started | AttemptState::Lost | AttemptState::Closing => {
                rows::AttemptState::Started
            }
            _ => rows::AttemptState::Ended,
        };
        let retryable = row.reason.as_ref().is_some_and(|reason| reason.retryable);
        let outcome = match row.state {
            AttemptState::Offered
            | AttemptState::Accepted
            | AttemptState::Started
            | AttemptState::Lost
            | AttemptState::Closing => None,
            AttemptState::Succeeded => Some(AttemptOutcome::Succeeded),
            AttemptState::BpmnError => Some(AttemptOutcome::BpmnError),
            AttemptState::Rejected => Some(AttemptOutcome::Rejected),
            AttemptState::Failed if retryable => Some(AttemptOutcome::Failed),
            AttemptState::Failed => Some(AttemptOutcome::FailedFinally),
            AttemptState::Cancelled => Some(AttemptOutcome::Cancelled),
            AttemptState::TimedOut => Some(AttemptOutcome::TimedOut),
            AttemptState::Unknown => Some(AttemptOutcome::Unknown),
        };
        let happened = row.happened.map(|happened| match happened {
            Happened::No => rows::Happened::No,
            Happened::Yes => rows::Happened::Yes,
            Happened::Maybe => rows::Happened::Unknown,
        });
        let warnings = self
            .warnings
            .get(&row.id)
            .map(|all| serde_json::json!(all).to_string());
        let stored = AttemptRow {
            id: row.id.0,
            job: row.job,
            root: row.segment.root,
            job_type: self.job_type_of(row.segment, row.job),
            fence: row.fence,
            leg,
            leg_name,
            holder: holder_words(&row.holder),
            state,
            offered_at: row.offered_at,
            started_at: row.started_at,
            ended_at: row.ended_at,
            outcome,
            message: row.reason.as_ref().map(|reason| reason.text.clone()),
            warnings,
            happened,
            details: serde_json::to_string(row).expect("an attempt is plain data"),
        };
        self.batch.put(Put::Attempt(Box::new(stored)));
    }

    fn job_type_of(&mut self, id: SegmentId, job: botswain_engine::Key) -> SmolStr {
        let in_memory = self.cache.get(id.root).and_then(|cached| {
            let segment = cached.instance.segment(id.number)?;
            let mut jobs = segment
                .tokens()
                .iter()
                .filter_map(botswain_engine::Token::job);
            jobs.find(|have| have.key == job)
                .map(|have| have.job_type.clone())
        });
        if let Some(job_type) = in_memory {
            return job_type;
        }
        // The job ended in this batch; its row is there until the commit.
        self.store
            .job(job)
            .ok()
            .flatten()
            .map(|row| row.job_type)
            .unwrap_or_default()
    }
}
