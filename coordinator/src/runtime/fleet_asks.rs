//! What is asked about routes and attempts: routes are set, agents speak, attempts end, and dispatch's rows are written.

use super::ask::{Answer, Refusal, RefusalKind, leg_words};
use super::writer::Writer;
use crate::dispatch::{self, AttemptState, Change, End, HolderName, Route, SessionId};
use crate::fleet::{Ca, Enrolment, Issued, StoredToken, TokenScope, redeem, unique_name};
use botswain_engine::SegmentId;
use botswain_proto::enrol;
use botswain_proto::ids::{AgentId, AttemptId};
use botswain_proto::message::{EvidenceRef, Happened, Hello, TaskEvent};
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
        self.note_capabilities(agent, hello);
        Ok(Answer::Sync(Box::new(sync)))
    }

    /// What an agent last said it can do is kept for lists.
    fn note_capabilities(&mut self, agent: &AgentId, hello: &Hello) {
        let rows = self.store.agents().unwrap_or_default();
        let Some(mut row) = rows.into_iter().find(|row| row.id == agent.as_str()) else {
            return;
        };
        let capabilities = &hello.capabilities;
        row.seen_at = Some(self.now.wall);
        row.capabilities = Some(
            serde_json::json!({
                "version": hello.agent_version,
                "policyVersion": hello.policy_version,
                "os": capabilities.os,
                "arch": capabilities.arch,
                "slots": capabilities.slots,
                "labels": capabilities.labels,
                "needs": capabilities.needs,
                "actions": capabilities.actions.iter().map(|action| &action.name).collect::<Vec<_>>(),
                "note": hello.note,
                "journalId": hello.journal_id,
            })
            .to_string(),
        );
        self.batch.put(Put::Agent(row));
    }

    /// Redeems the token, names the agent and issues its certificate: all of it is in one commit, or none.
    pub(super) fn enrol(
        &mut self,
        enrolment: &Enrolment,
        ca: &Ca,
    ) -> Result<Box<Issued>, enrol::Refusal> {
        let unavailable = |message: String| enrol::Refusal {
            code: "unavailable".to_owned(),
            message,
        };
        let digest = rows::Digest(enrolment.token.0);
        let row = match self.redeemed.get(&digest) {
            Some(row) => Some(row.clone()),
            None => self
                .store
                .enrolment_token(digest)
                .map_err(|error| unavailable(error.to_string()))?,
        };
        let scope: TokenScope = row
            .as_ref()
            .and_then(|row| serde_json::from_str(&row.scope).ok())
            .unwrap_or_default();
        let stored = row.as_ref().map(|row| StoredToken {
            digest: enrolment.token,
            expires_at: row.expires_at,
            uses_left: row.uses_left,
        });
        let token = redeem(stored, self.now.wall)?;
        let agent = unique_name(&enrolment.facts.name, |name| {
            self.desk.agent(name).is_some()
        });
        let issued = ca
            .issue(&enrolment.csr, &agent, self.now.wall)
            .map_err(|error| unavailable(error.to_string()))?;
        if let Some(mut row) = row {
            row.uses_left = token.uses_left;
            self.redeemed.insert(digest, row.clone());
            self.batch.put(Put::EnrolmentToken(row));
        }
        let labels = serde_json::to_string(&scope.labels).expect("labels are plain data");
        self.batch.put(Put::Agent(rows::AgentRow {
            id: SmolStr::from(agent.as_str()),
            serial: issued.serial.clone(),
            fingerprint: rows::Digest(issued.fingerprint.0),
            labels,
            enrolled_at: self.now.wall,
            revoked_at: None,
            capabilities: None,
            seen_at: None,
        }));
        self.audit(
            agent.to_string(),
            SmolStr::new_static("agent.enrol"),
            agent.to_string(),
            None,
        );
        self.desk.enrolled(agent, scope.labels, None);
        Ok(Box::new(issued))
    }

    pub(super) fn package(
        &mut self,
        digest: botswain_proto::ids::Digest,
    ) -> Result<Answer, Refusal> {
        let row = self
            .store
            .package(rows::Digest(digest.0))
            .map_err(|error| Refusal::unreadable(&error))?;
        Ok(Answer::Package(row.map(|row| row.bytes)))
    }

    /// Whether a file is there already; refused for an attempt that the agent does not hold.
    pub(super) fn evidence_expected(
        &mut self,
        agent: Option<&AgentId>,
        attempt: AttemptId,
        file: &EvidenceRef,
    ) -> Result<Answer, Refusal> {
        let live = self
            .desk
            .attempt(attempt)
            .map(|row| holder_words(&row.holder));
        let holder = match live {
            Some(holder) => Some(holder),
            None => {
                let row = self.store.attempt(self.settings.part, attempt.0);
                row.map_err(|error| Refusal::unreadable(&error))?
                    .map(|row| row.holder)
            }
        };
        if holder.is_none() || agent.is_some_and(|agent| holder.as_deref() != Some(agent.as_str()))
        {
            let message = format!(
                "attempt {attempt} is not an attempt of this agent: its evidence is not taken"
            );
            return Err(Refusal::new(RefusalKind::NotFound, message));
        }
        let there = self
            .store
            .evidence(self.settings.part, attempt.0)
            .map_err(|error| Refusal::unreadable(&error))?;
        let same = |row: &rows::EvidenceRow| row.name == file.name && row.digest.0 == file.sha256.0;
        Ok(Answer::EvidenceThere(there.iter().any(same)))
    }

    pub(super) fn evidence_stored(
        &mut self,
        agent: Option<&AgentId>,
        attempt: AttemptId,
        file: EvidenceRef,
    ) -> Result<Answer, Refusal> {
        self.evidence_expected(agent, attempt, &file)?;
        self.batch.put(Put::Evidence(rows::EvidenceRow {
            attempt: attempt.0,
            name: file.name,
            media_type: SmolStr::from(file.media_type),
            size: file.size,
            digest: rows::Digest(file.sha256.0),
            at: self.now.wall,
        }));
        Ok(Answer::Done)
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
        self.published.revoked.push(agent.clone());
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
        self.write_changes(outbox.changes);
        self.warnings.clear();
        self.published.notices.extend(outbox.notices);
        self.wanted_refills.extend(outbox.refills);
    }

    /// Writes rows of jobs, attempts and the audit log.
    pub(super) fn write_changes(&mut self, changes: Vec<Change>) {
        for change in changes {
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

/// Who holds an attempt, as rows say it.
fn holder_words(holder: &HolderName) -> SmolStr {
    match holder {
        HolderName::Agent(agent) => SmolStr::from(agent.as_str()),
        HolderName::Connector => SmolStr::new_static("connector"),
        HolderName::Person => SmolStr::new_static("person"),
        HolderName::Worker => SmolStr::new_static("worker"),
    }
}
