//! What is asked about user tasks: those of the model, and those that stand for an attempt of a person.

use super::ask::{Answer, Refusal, RefusalKind};
use super::writer::Writer;
use botswain_engine::event::UserTaskDetails;
use botswain_engine::{Command, Key, SegmentId, Variables};
use botswain_store::rows::{UserTaskPatch, UserTaskRow, UserTaskState};
use smol_str::SmolStr;
use uuid::Uuid;

/// The form of a user task that stands for an attempt: its evidence is what the person needs to see.
pub(super) const ATTEMPT_FORM: &str = "botswain:attempt:";

impl Writer {
    pub(super) fn complete_user_task(
        &mut self,
        task: Key,
        variables: Variables,
    ) -> Result<Answer, Refusal> {
        let row = self.open_user_task(task, "complete")?;
        if let Some(attempt) = row
            .details
            .form
            .as_ref()
            .and_then(|form| form.strip_prefix(ATTEMPT_FORM))
        {
            let attempt = Uuid::parse_str(attempt).map(botswain_proto::ids::AttemptId);
            let attempt = attempt.map_err(|_| Refusal::not_found("complete", "user task", task))?;
            let end = crate::dispatch::End::success(variables.to_json().into_bytes().into());
            return match self.attempt_ended(attempt, end, Vec::new()) {
                Answer::Verdict(botswain_proto::message::Verdict::Committed) => Ok(Answer::Done),
                _ => Err(Refusal::not_found("complete", "user task", task)),
            };
        }
        let id = SegmentId {
            root: row.root,
            number: row.segment,
        };
        self.run(id, Command::CompleteUserTask { task, variables })
            .map(|()| Answer::Done)
            .map_err(|failure| failure.refusal("complete"))
    }

    pub(super) fn assign_user_task(
        &mut self,
        task: Key,
        assignee: Option<SmolStr>,
        allow_override: bool,
    ) -> Result<Answer, Refusal> {
        let row = self.open_user_task(task, "assign")?;
        if let Some(have) = row.details.assignee.as_ref()
            && assignee.is_some()
            && !allow_override
            && assignee.as_ref() != Some(have)
        {
            let message = format!(
                "Expected to assign user task with key '{task}', but it is assigned to '{have}' already"
            );
            return Err(Refusal::new(RefusalKind::InvalidState, message));
        }
        if row
            .details
            .form
            .as_ref()
            .is_some_and(|form| form.starts_with(ATTEMPT_FORM))
        {
            let patch = UserTaskPatch {
                assignee: Some(assignee),
                ..UserTaskPatch::default()
            };
            self.batch.rows.user_tasks.update(task, patch);
            return Ok(Answer::Done);
        }
        let id = SegmentId {
            root: row.root,
            number: row.segment,
        };
        self.run(id, Command::AssignUserTask { task, assignee })
            .map(|()| Answer::Done)
            .map_err(|failure| failure.refusal("assign"))
    }

    fn open_user_task(&mut self, task: Key, verb: &str) -> Result<UserTaskRow, Refusal> {
        let fresh = self
            .batch
            .rows
            .user_tasks
            .get(task)
            .and_then(|change| change.row().cloned());
        let row = match fresh {
            Some(row) => Some(row),
            None => self
                .store
                .user_task(task)
                .map_err(|error| Refusal::unreadable(&error))?,
        };
        row.filter(|row| row.state == UserTaskState::Open)
            .ok_or_else(|| Refusal::not_found(verb, "user task", task))
    }

    /// A person's leg is a user task with the key of the job.
    pub(super) fn ask_person(&mut self, job: Key, segment: SegmentId, token: Key, attempt: Uuid) {
        let Some(cached) = self.cache.get(segment.root) else {
            return;
        };
        let Some(node) = cached
            .instance
            .segment(segment.number)
            .and_then(|known| known.token(token))
            .map(|t| t.node())
        else {
            return;
        };
        let row = UserTaskRow {
            key: job,
            root: segment.root,
            segment: segment.number,
            token,
            definition: cached.definition.key,
            node,
            state: UserTaskState::Open,
            details: UserTaskDetails {
                form: Some(SmolStr::from(format!("{ATTEMPT_FORM}{attempt}"))),
                priority: 50,
                ..UserTaskDetails::default()
            },
            created_at: self.now.wall,
            ended_at: None,
        };
        self.batch.rows.user_tasks.insert(job, row);
    }
}
