//! Events: what happened. The only output of the engine and the only way its state changes.

use crate::incident::IncidentKind;
use crate::key::Key;
use crate::process::Symbol;
use crate::variables::{Json, Variables};
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

/// Milliseconds since 1970-01-01T00:00:00Z.
pub type Millis = i64;

/// What happened in one segment. The order of the variants is part of the stored format: new ones go to the end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Event {
    /// A root instance began; its root token has the key of the instance. Heard by the header row.
    InstanceStarted {
        /// The definition (one version of a process) that it runs.
        definition: Key,
        /// The process's own symbol.
        node: Symbol,
        /// The variables of the root scope.
        variables: Variables,
        /// What the caller calls this instance.
        business_id: Option<SmolStr>,
        /// Labels that the caller gave.
        tags: Vec<SmolStr>,
    },
    /// A multi-instance child began: the first event of its segment. Heard by the history.
    ChildStarted {
        /// The segment of the multi-instance body.
        parent: u32,
        /// The token of the multi-instance body.
        body: Key,
        /// The child's place, from 0.
        index: u32,
        /// The token of the child's activity.
        token: Key,
        /// The activity.
        node: Symbol,
        /// The item and the loop counter.
        locals: Variables,
    },
    /// A token reached an element. Heard by the history.
    TokenEntered {
        /// The token, which is the element instance's key.
        token: Key,
        /// The element.
        node: Symbol,
        /// The token of the scope around it.
        scope: Key,
        /// The sequence flow it came by.
        flow: Option<Symbol>,
        /// What an event brought along, for the output mappings.
        payload: Variables,
    },
    /// Another sequence flow reached a join that waits. Heard by nobody but the state.
    TokenArrived {
        /// The token that waits at the join.
        token: Key,
        /// The sequence flow.
        flow: Symbol,
    },
    /// The inner elements of a scope may run. Heard by nobody but the state.
    ScopeOpened {
        /// The token of the sub-process.
        token: Key,
    },
    /// Variables of one scope were written. Heard by the variables' history.
    VariablesSet {
        /// The token whose scope holds them.
        scope: Key,
        /// The values that were written.
        variables: Variables,
    },
    /// A job waits for somebody to do it. Heard by dispatch.
    JobOpened {
        /// The token that waits for it.
        token: Key,
        /// The job.
        job: Key,
        /// The element.
        node: Symbol,
        /// What kind of work it is.
        job_type: SmolStr,
        /// How many failures it may still have.
        retries: i32,
        /// Headers that were computed, a JSON object; none means those of the model.
        headers: Option<Json>,
    },
    /// The job was done. Heard by dispatch.
    JobCompleted {
        /// The token that waited.
        token: Key,
        /// The job.
        job: Key,
        /// The result.
        variables: Variables,
    },
    /// A try of the job failed. Heard by dispatch, which offers it again while retries are left.
    JobFailed {
        /// The token that waits.
        token: Key,
        /// The job.
        job: Key,
        /// How many failures it may still have.
        retries: i32,
        /// Not offered before that time.
        retry_at: Option<Millis>,
        /// What the worker said.
        message: String,
    },
    /// The job ended with a BPMN error; `caught` tells whether the model has a handler. Heard by dispatch.
    JobErrorThrown {
        /// The token that waited.
        token: Key,
        /// The job.
        job: Key,
        /// The error's code.
        code: SmolStr,
        /// What the worker said.
        message: String,
        /// Whether a boundary event took it.
        caught: bool,
    },
    /// The job may be tried that often. Heard by dispatch.
    JobRetriesSet {
        /// The token that waits.
        token: Key,
        /// The job.
        job: Key,
        /// How many failures it may have.
        retries: i32,
        /// Whether it is offered from here on; else it stays as it is, because its incident is open.
        offered: bool,
    },
    /// Nobody needs the job any more. Heard by dispatch.
    JobCancelled {
        /// The token that waited.
        token: Key,
        /// The job.
        job: Key,
    },
    /// A person is asked. Heard by the task lists.
    UserTaskOpened {
        /// The token that waits.
        token: Key,
        /// The task.
        task: Key,
        /// The element.
        node: Symbol,
        /// Who may do it, until when, with which form.
        details: Box<UserTaskDetails>,
    },
    /// Somebody took the task, or gave it back. Heard by the task lists.
    UserTaskAssigned {
        /// The token that waits.
        token: Key,
        /// The task.
        task: Key,
        /// The assignee, none when given back.
        assignee: Option<SmolStr>,
    },
    /// The person is done. Heard by the task lists.
    UserTaskCompleted {
        /// The token that waited.
        token: Key,
        /// The task.
        task: Key,
        /// The result.
        variables: Variables,
    },
    /// Nobody needs the task any more. Heard by the task lists.
    UserTaskCancelled {
        /// The token that waited.
        token: Key,
        /// The task.
        task: Key,
    },
    /// A timer runs. Heard by the timer queue.
    TimerSet {
        /// The token that it belongs to.
        token: Key,
        /// The timer.
        timer: Key,
        /// The event that it triggers: the token's own element, or one at its boundary.
        on: Symbol,
        /// When it fires.
        due: Millis,
        /// How it goes on afterwards.
        repeat: Option<Repeat>,
    },
    /// The timer's time came. Heard by the timer queue.
    TimerFired {
        /// The token that it belonged to.
        token: Key,
        /// The timer.
        timer: Key,
    },
    /// Nobody needs the timer any more. Heard by the timer queue.
    TimerCancelled {
        /// The token that it belonged to.
        token: Key,
        /// The timer.
        timer: Key,
    },
    /// A message is awaited. Heard by correlation.
    SubscriptionOpened {
        /// The token that waits.
        token: Key,
        /// The subscription.
        subscription: Key,
        /// The event that it triggers: the token's own element, or one at its boundary.
        on: Symbol,
        /// The message's name.
        name: SmolStr,
        /// The message's correlation key.
        correlation_key: SmolStr,
        /// Whether the subscription ends with its first message.
        once: bool,
    },
    /// A message came. Heard by correlation.
    MessageCorrelated {
        /// The token that waited.
        token: Key,
        /// The subscription.
        subscription: Key,
        /// The message.
        message: Key,
        /// What it carried.
        variables: Variables,
    },
    /// The message is no longer awaited. Heard by correlation.
    SubscriptionClosed {
        /// The token that waited.
        token: Key,
        /// The subscription.
        subscription: Key,
    },
    /// A multi-instance activity knows its children. Heard by nobody but the state.
    ChildrenPlanned {
        /// The body's token.
        token: Key,
        /// How many there will be.
        total: u32,
        /// The segment of the first; the others follow without a gap.
        first_segment: u32,
        /// The items, one JSON text each; empty for a loop without a collection.
        items: Vec<Json>,
    },
    /// Children up to that number were begun. Heard by nobody but the state.
    ChildrenSpawned {
        /// The body's token.
        token: Key,
        /// How many have been begun in all.
        spawned: u32,
    },
    /// A child ended. Heard by nobody but the state.
    ChildEnded {
        /// The body's token.
        token: Key,
        /// The child's place, from 0.
        index: u32,
        /// Its entry for the output collection.
        output: Option<Json>,
        /// Whether it completed; else it was terminated.
        completed: bool,
    },
    /// Numbers for new segments were taken from the root. Heard by nobody but the root's state.
    SegmentsReserved {
        /// The number of the next new segment.
        next: u32,
    },
    /// A multi-instance activity needs no more children: its completion condition holds. Heard by nobody but the state.
    ChildrenDone {
        /// The body's token.
        token: Key,
    },
    /// A scope or an activity is being ended from outside, and waits for what is inside. Heard by the history.
    TokenTerminating {
        /// The token.
        token: Key,
        /// The boundary event that goes on when it is gone.
        then: Option<Interruption>,
    },
    /// A token left its element. Heard by the history.
    TokenLeft {
        /// The token.
        token: Key,
        /// Whether the element completed; else it was terminated.
        completed: bool,
    },
    /// The instance cannot go on here by itself. Heard by the operator.
    IncidentRaised {
        /// The token that is stuck.
        token: Key,
        /// The incident.
        incident: Key,
        /// The element.
        node: Symbol,
        /// What kind of problem.
        kind: IncidentKind,
        /// What was expected, what was found, what to do.
        message: String,
        /// The job it is about.
        job: Option<Key>,
    },
    /// The incident is over. Heard by the operator.
    IncidentResolved {
        /// The token that was stuck.
        token: Key,
        /// The incident.
        incident: Key,
    },
    /// The instance has more to do than one step may; this replaces what was left before. Heard by the runtime, which
    /// queues the instance again while anything is left.
    Continued {
        /// What is left.
        todo: Vec<Todo>,
    },
    /// The root instance is over. Heard by whoever awaits it.
    InstanceEnded {
        /// Whether it completed; else it was terminated.
        completed: bool,
    },
    /// The instance was stopped because of a bug, and nothing more is decided for it. Heard by the operator.
    InstanceStopped {
        /// What went wrong.
        reason: String,
    },
}

/// Work that is decided and not yet done.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Todo {
    /// A token goes on to an element.
    Enter {
        /// The segment.
        segment: u32,
        /// The element.
        node: Symbol,
        /// The scope that it runs in.
        scope: Key,
        /// The sequence flow.
        flow: Option<Symbol>,
        /// What an event brought along.
        payload: Variables,
    },
    /// A multi-instance body begins more children.
    Spawn {
        /// The segment of the body.
        segment: u32,
        /// The body's token.
        body: Key,
    },
    /// A multi-instance body ends its children.
    EndChildren {
        /// The segment of the body.
        segment: u32,
        /// The body's token.
        body: Key,
        /// The first child, by index, that may not have been asked yet.
        from: u32,
    },
    /// A scope may be complete.
    Check {
        /// The segment.
        segment: u32,
        /// The scope's token.
        scope: Key,
    },
}

/// The boundary event that interrupted an activity.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interruption {
    /// The boundary event.
    pub boundary: Symbol,
    /// What the event brought along.
    pub payload: Variables,
}

/// How a timer goes on after it fired.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Repeat {
    /// How often it fires again; none means for ever.
    pub left: Option<u32>,
    /// The ISO 8601 duration or the cron expression between two firings.
    pub every: SmolStr,
}

/// Who may do a user task, until when, and with which form.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct UserTaskDetails {
    /// The person who has it.
    pub assignee: Option<SmolStr>,
    /// The groups that may take it.
    pub candidate_groups: Vec<SmolStr>,
    /// The people who may take it.
    pub candidate_users: Vec<SmolStr>,
    /// ISO 8601: when it should be done.
    pub due_date: Option<SmolStr>,
    /// ISO 8601: when somebody should look at it again.
    pub follow_up_date: Option<SmolStr>,
    /// The form's identifier.
    pub form: Option<SmolStr>,
    /// 0 to 100; 50 is usual.
    pub priority: u8,
}

/// The events of one step in one segment, with the time at which it was decided: the unit of the journal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// When.
    pub at: Millis,
    /// What, in order.
    pub events: Vec<Event>,
}
