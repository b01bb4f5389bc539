//! Rows that are computed from events: instances, elements, variables, and everything that a token can wait for.

use super::{Patch, codes};
use botswain_engine::event::UserTaskDetails;
use botswain_engine::instance::JobState;
use botswain_engine::{IncidentKind, Json, Key, Millis, Symbol};
use smol_str::SmolStr;
use uuid::Uuid;

codes! {
    /// How an instance stands.
    InstanceState {
        /// It runs.
        Active = 0, "ACTIVE";
        /// It came to its end.
        Completed = 1, "COMPLETED";
        /// It was cancelled.
        Terminated = 2, "TERMINATED";
        /// It was stopped because of a bug.
        Stopped = 3, "STOPPED";
    }
}

codes! {
    /// How an element instance stands.
    ElementState {
        /// A token sits on it.
        Active = 0, "ACTIVE";
        /// The token went on.
        Completed = 1, "COMPLETED";
        /// The token was ended from outside.
        Terminated = 2, "TERMINATED";
    }
}

codes! {
    /// How an incident stands.
    IncidentState {
        /// The instance waits for an operator.
        Open = 0, "ACTIVE";
        /// It is over.
        Resolved = 1, "RESOLVED";
    }
}

codes! {
    /// How a user task stands.
    UserTaskState {
        /// A person is asked.
        Open = 0, "CREATED";
        /// The person is done.
        Completed = 1, "COMPLETED";
        /// Nobody needs it any more.
        Cancelled = 2, "CANCELED";
    }
}

codes! {
    /// What kind of doer a leg of a route is.
    LegKind {
        /// A bot on an agent.
        Bot = 0, "bot";
        /// A connector of the coordinator.
        Connector = 1, "connector";
        /// A program that asks for jobs.
        Worker = 2, "worker";
        /// A person.
        Person = 3, "person";
    }
}

/// An instance's header: the only row that every instance keeps after its end.
#[derive(Clone, Debug, PartialEq)]
pub struct InstanceRow {
    /// The root instance.
    pub key: Key,
    /// The version that it runs.
    pub definition: Key,
    /// How it stands.
    pub state: InstanceState,
    /// When it began.
    pub started_at: Millis,
    /// When it ended.
    pub ended_at: Option<Millis>,
    /// What its caller calls it.
    pub business_id: Option<SmolStr>,
    /// Labels.
    pub tags: Vec<SmolStr>,
    /// How many incidents are open.
    pub incidents: i64,
    /// Why it was stopped.
    pub stop_reason: Option<String>,
}

/// A change of an instance's header.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct InstancePatch {
    /// How it stands.
    pub state: Option<InstanceState>,
    /// When it ended.
    pub ended_at: Option<Millis>,
    /// How many more incidents are open.
    pub incidents: i64,
    /// Why it was stopped.
    pub stop_reason: Option<String>,
}

impl Patch for InstancePatch {
    type Row = InstanceRow;

    fn apply(self, row: &mut InstanceRow) {
        row.state = self.state.unwrap_or(row.state);
        row.ended_at = self.ended_at.or(row.ended_at);
        row.incidents += self.incidents;
        if self.stop_reason.is_some() {
            row.stop_reason = self.stop_reason;
        }
    }

    fn then(&mut self, later: InstancePatch) {
        self.state = later.state.or(self.state);
        self.ended_at = later.ended_at.or(self.ended_at);
        self.incidents += later.incidents;
        if later.stop_reason.is_some() {
            self.stop_reason = later.stop_reason;
        }
    }
}

/// A job that is not done yet.
#[derive(Clone, Debug, PartialEq)]
pub struct JobRow {
    /// The job.
    pub key: Key,
    /// Its instance.
    pub root: Key,
    /// The segment of its token.
    pub segment: u32,
    /// The token that waits.
    pub token: Key,
    /// The version that the instance runs.
    pub definition: Key,
    /// The element.
    pub node: Symbol,
    /// What kind of work it is.
    pub job_type: SmolStr,
    /// How many failures it may still have.
    pub retries: i32,
    /// Not offered before that time.
    pub retry_at: Option<Millis>,
    /// Whether it may be offered at all.
    pub state: JobState,
    /// When it was opened.
    pub created_at: Millis,
    /// The number of the last attempt; it only rises.
    pub fence: u64,
    /// Who does it.
    pub held: Option<Held>,
}

/// Who does a job, in which attempt, and until when.
#[derive(Clone, Debug, PartialEq)]
pub struct Held {
    /// What kind of doer.
    pub leg: LegKind,
    /// The leg's name: a bot's package, a connector.
    pub leg_name: SmolStr,
    /// The agent or the worker.
    pub holder: SmolStr,
    /// The attempt.
    pub attempt: Uuid,
    /// When the job is given to somebody else.
    pub lease_until: Option<Millis>,
}

/// A change of a job.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct JobPatch {
    /// How many failures it may still have.
    pub retries: Option<i32>,
    /// Not offered before that time.
    pub retry_at: Option<Option<Millis>>,
    /// Whether it may be offered at all.
    pub state: Option<JobState>,
    /// The number of the last attempt.
    pub fence: Option<u64>,
    /// Who does it.
    pub held: Option<Option<Held>>,
}

impl Patch for JobPatch {
    type Row = JobRow;

    fn apply(self, row: &mut JobRow) {
        row.retries = self.retries.unwrap_or(row.retries);
        row.retry_at = self.retry_at.unwrap_or(row.retry_at);
        row.state = self.state.unwrap_or(row.state);
        row.fence = self.fence.unwrap_or(row.fence);
        if let Some(held) = self.held {
            row.held = held;
        }
    }

    fn then(&mut self, later: JobPatch) {
        self.retries = later.retries.or(self.retries);
        self.retry_at = later.retry_at.or(self.retry_at);
        self.state = later.state.or(self.state);
        self.fence = later.fence.or(self.fence);
        if later.held.is_some() {
            self.held = later.held;
        }
    }
}

/// The stored number of a job's state.
#[must_use]
pub const fn job_state_code(state: JobState) -> i64 {
    match state {
        JobState::Open => 0,
        JobState::Failed => 1,
        JobState::Errored => 2,
    }
}

/// Takes a job's state back from its stored number.
#[must_use]
pub const fn job_state_from_code(code: i64) -> Option<JobState> {
    match code {
        0 => Some(JobState::Open),
        1 => Some(JobState::Failed),
        2 => Some(JobState::Errored),
        _ => None,
    }
}

/// An element instance: one visit of a token.
#[derive(Clone, Debug, PartialEq)]
pub struct ElementRow {
    /// The token.
    pub key: Key,
    /// Its instance.
    pub root: Key,
    /// Its segment.
    pub segment: u32,
    /// The token of the scope around it.
    pub scope: Key,
    /// The version that the instance runs.
    pub definition: Key,
    /// The element.
    pub node: Symbol,
    /// When the token came.
    pub entered_at: Millis,
    /// When it left.
    pub left_at: Option<Millis>,
    /// How it stands.
    pub state: ElementState,
    /// The open incident.
    pub incident: Option<Key>,
    /// The last job that it waited for.
    pub job: Option<Key>,
}

/// A change of an element instance.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ElementPatch {
    /// When and how the token left.
    pub left: Option<(Millis, ElementState)>,
    /// The open incident.
    pub incident: Option<Option<Key>>,
    /// The last job that it waited for.
    pub job: Option<Key>,
}

impl Patch for ElementPatch {
    type Row = ElementRow;

    fn apply(self, row: &mut ElementRow) {
        if let Some((at, state)) = self.left {
            row.left_at = Some(at);
            row.state = state;
        }
        row.incident = self.incident.unwrap_or(row.incident);
        row.job = self.job.or(row.job);
    }

    fn then(&mut self, later: ElementPatch) {
        self.left = later.left.or(self.left);
        self.incident = later.incident.or(self.incident);
        self.job = later.job.or(self.job);
    }
}

/// A variable's last value in one scope.
#[derive(Clone, Debug, PartialEq)]
pub struct VariableRow {
    /// Its instance.
    pub root: Key,
    /// The token whose scope holds it.
    pub scope: Key,
    /// Its name.
    pub name: SmolStr,
    /// Its value; over [`crate::BLOB_BYTES_MIN`] it is stored beside the row.
    pub value: Json,
}

/// A timer that runs.
#[derive(Clone, Debug, PartialEq)]
pub struct TimerRow {
    /// The timer.
    pub key: Key,
    /// Its instance.
    pub root: Key,
    /// The segment of its token.
    pub segment: u32,
    /// Its token.
    pub token: Key,
    /// The version that the instance runs.
    pub definition: Key,
    /// The event that it triggers.
    pub on: Symbol,
    /// When it fires.
    pub due: Millis,
}

/// A row that never changes between its birth and its end.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fixed<R>(std::marker::PhantomData<R>);

impl<R> Default for Fixed<R> {
    fn default() -> Self {
        Fixed(std::marker::PhantomData)
    }
}

impl<R: Clone + std::fmt::Debug> Patch for Fixed<R> {
    type Row = R;

    fn apply(self, _row: &mut R) {}

    fn then(&mut self, _later: Fixed<R>) {}
}

/// A message that is awaited.
#[derive(Clone, Debug, PartialEq)]
pub struct SubscriptionRow {
    /// The subscription.
    pub key: Key,
    /// Its instance.
    pub root: Key,
    /// The segment of its token.
    pub segment: u32,
    /// The token that waits.
    pub token: Key,
    /// The version that the instance runs.
    pub definition: Key,
    /// The event that it triggers.
    pub on: Symbol,
    /// The message's name.
    pub name: SmolStr,
    /// The message's correlation key.
    pub correlation_key: SmolStr,
    /// Whether it ends with its first message.
    pub once: bool,
    /// When it was opened.
    pub created_at: Millis,
}

/// Something that an instance cannot repair by itself.
#[derive(Clone, Debug, PartialEq)]
pub struct IncidentRow {
    /// The incident.
    pub key: Key,
    /// Its instance.
    pub root: Key,
    /// The segment of its token.
    pub segment: u32,
    /// The token that is stuck.
    pub token: Key,
    /// The version that the instance runs.
    pub definition: Key,
    /// The element.
    pub node: Symbol,
    /// What kind of problem.
    pub kind: IncidentKind,
    /// What was expected, what was found, what to do.
    pub message: String,
    /// The job it is about.
    pub job: Option<Key>,
    /// When it was raised.
    pub raised_at: Millis,
    /// How it stands.
    pub state: IncidentState,
    /// When it was resolved.
    pub resolved_at: Option<Millis>,
}

/// The end of an incident.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct IncidentPatch {
    /// When it was resolved.
    pub resolved_at: Option<Millis>,
}

impl Patch for IncidentPatch {
    type Row = IncidentRow;

    fn apply(self, row: &mut IncidentRow) {
        if let Some(at) = self.resolved_at {
            row.state = IncidentState::Resolved;
            row.resolved_at = Some(at);
        }
    }

    fn then(&mut self, later: IncidentPatch) {
        self.resolved_at = later.resolved_at.or(self.resolved_at);
    }
}

/// A question to a person.
#[derive(Clone, Debug, PartialEq)]
pub struct UserTaskRow {
    /// The task.
    pub key: Key,
    /// Its instance.
    pub root: Key,
    /// The segment of its token.
    pub segment: u32,
    /// The token that waits.
    pub token: Key,
    /// The version that the instance runs.
    pub definition: Key,
    /// The element.
    pub node: Symbol,
    /// How it stands.
    pub state: UserTaskState,
    /// Who has it, who may take it, until when.
    pub details: UserTaskDetails,
    /// When it was opened.
    pub created_at: Millis,
    /// When it was done or cancelled.
    pub ended_at: Option<Millis>,
}

/// A change of a user task.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct UserTaskPatch {
    /// Who has it.
    pub assignee: Option<Option<SmolStr>>,
    /// When and how it ended.
    pub ended: Option<(Millis, UserTaskState)>,
}

impl Patch for UserTaskPatch {
    type Row = UserTaskRow;

    fn apply(self, row: &mut UserTaskRow) {
        if let Some(assignee) = self.assignee {
            row.details.assignee = assignee;
        }
        if let Some((at, state)) = self.ended {
            row.ended_at = Some(at);
            row.state = state;
        }
    }

    fn then(&mut self, later: UserTaskPatch) {
        if later.assignee.is_some() {
            self.assignee = later.assignee;
        }
        self.ended = later.ended.or(self.ended);
    }
}

/// How often the elements of a version were visited; [`crate::WHOLE_PROCESS`] stands for the instances themselves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Begun.
    pub entered: i64,
    /// Came to their end; counted for instances only.
    pub completed: i64,
    /// Were ended from outside; counted for instances only.
    pub terminated: i64,
    /// Incidents raised.
    pub incidents: i64,
}

impl Counts {
    /// Adds others.
    pub fn add(&mut self, others: Counts) {
        self.entered += others.entered;
        self.completed += others.completed;
        self.terminated += others.terminated;
        self.incidents += others.incidents;
    }
}
