//! Activities: how their work is defined, repeated and given data.

use super::{EventDefinition, EventSource, Extra, Position, Text};

/// A job that somebody outside does (`zeebe:taskDefinition`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobDefinition {
    /// The type that workers, bots and connectors ask for.
    pub job_type: Text,
    /// How often it is tried; Camunda's default is 3.
    pub retries: Option<Text>,
}

/// An expression whose result becomes a variable (`zeebe:script`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    /// The expression.
    pub expression: Text,
    /// The variable that takes the result.
    pub result_variable: String,
}

/// BPMN's own script: a language and a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScriptBody {
    /// The language.
    pub format: Option<String>,
    /// The text.
    pub text: String,
}

/// What a user task says about the person and the form.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct UserTask {
    /// Whether the coordinator keeps the task itself (`zeebe:userTask`); else it is a job of a reserved type.
    pub native: bool,
    /// A job definition, which Camunda does not use here.
    pub job: Option<JobDefinition>,
    /// The form to fill in.
    pub form: Option<FormLink>,
    /// Who does it.
    pub assignment: Option<Assignment>,
    /// Until when.
    pub schedule: Option<Schedule>,
    /// How urgent, 0 to 100.
    pub priority: Option<Text>,
}

/// Who does a user task (`zeebe:assignmentDefinition`).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Assignment {
    /// The one person.
    pub assignee: Option<Text>,
    /// The groups that may take it.
    pub candidate_groups: Option<Text>,
    /// The people who may take it.
    pub candidate_users: Option<Text>,
}

/// Until when a user task is done (`zeebe:taskSchedule`).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Schedule {
    /// When it has to be done.
    pub due_date: Option<Text>,
    /// When to look at it again.
    pub follow_up_date: Option<Text>,
}

/// Which form is shown (`zeebe:formDefinition`).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FormLink {
    /// The key of a form; `camunda-forms:bpmn:<id>` means one in this file.
    pub form_key: Option<Text>,
    /// The id of a deployed form.
    pub form_id: Option<Text>,
    /// A form that something else knows.
    pub external_reference: Option<Text>,
    /// Which version of a deployed form.
    pub binding: Binding,
}

/// Which version of another resource is meant.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Binding {
    /// The newest at the time of use.
    #[default]
    Latest,
    /// The one of the same deployment.
    Deployment,
    /// The newest with this tag.
    VersionTag(Text),
}

/// A form that is kept inside of the model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Form {
    /// Its id.
    pub id: String,
    /// The form as JSON.
    pub body: String,
}

/// The process that a call activity starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CalledElement {
    /// The id of the process.
    pub process_id: Text,
    /// Whether all variables of the called process come back.
    pub propagate_all_child_variables: bool,
    /// Whether all variables go along.
    pub propagate_all_parent_variables: bool,
    /// The business id of the called instance.
    pub business_id: Option<Text>,
    /// Which version is called.
    pub binding: Binding,
    /// Whether BPMN's own attribute names the process, as other engines write it, and not `zeebe:calledElement`.
    pub standard: bool,
}

/// The decision of a business rule task (`zeebe:calledDecision`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CalledDecision {
    /// The id of the decision.
    pub decision_id: Text,
    /// The variable that takes the result.
    pub result_variable: String,
    /// Which version is used.
    pub binding: Binding,
}

/// What an ad-hoc sub-process says about its activities.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct AdHoc {
    /// The ids of the activities that start at once, as an expression.
    pub active_elements: Option<Text>,
    /// The variable that collects the results.
    pub output_collection: Option<String>,
    /// The result of one activity.
    pub output_element: Option<Text>,
    /// When the sub-process is done.
    pub completion_condition: Option<Text>,
    /// Whether what still runs is cancelled then.
    pub cancel_remaining: bool,
    /// Whether one activity runs at a time.
    pub sequential: bool,
    /// The job that decides what runs.
    pub job: Option<JobDefinition>,
    /// The kind of agent that decides what runs (`zeebe:agentDefinition`).
    pub agent_type: Option<String>,
}

/// How an activity repeats.
#[derive(Debug, Clone, PartialEq)]
pub enum Loop {
    /// Once for each item.
    MultiInstance(Box<MultiInstance>),
    /// While a condition holds.
    Standard(StandardLoop),
}

/// Once for each item, one after another or side by side.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct MultiInstance {
    /// One after another.
    pub sequential: bool,
    /// How many, where BPMN's own count is used instead of a collection.
    pub cardinality: Option<Text>,
    /// The items.
    pub input_collection: Option<Text>,
    /// The variable of the one item.
    pub input_element: Option<String>,
    /// The variable that collects the results.
    pub output_collection: Option<String>,
    /// The result of one item.
    pub output_element: Option<Text>,
    /// When the rest is not needed any more.
    pub completion_condition: Option<Text>,
    /// Which completions throw an event.
    pub behavior: Behavior,
    /// What else was found.
    pub extra: Extra,
    /// Where it is written.
    pub at: Position,
}

/// Which completions of a multi-instance activity throw an event.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Behavior {
    /// No event is thrown: the activity waits for all.
    #[default]
    All,
    /// Every completion throws the event.
    None(Option<EventReference>),
    /// The first completion throws the event.
    One(Option<EventReference>),
    /// Each completion throws the events whose condition holds.
    Complex(Vec<ComplexBehavior>),
}

/// An event definition at the root of the file, with the id by which it is referred to.
#[derive(Debug, Clone, PartialEq)]
pub struct EventReference {
    /// The id.
    pub id: String,
    /// What is thrown.
    pub definition: EventDefinition,
}

/// Events that are thrown when a condition holds.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ComplexBehavior {
    /// The id of the behavior.
    pub id: Option<String>,
    /// The condition.
    pub condition: Option<Text>,
    /// The id of the event.
    pub event_id: Option<String>,
    /// What is thrown.
    pub events: Vec<EventDefinition>,
    /// The id and the origin of each of the event definitions.
    pub event_sources: Vec<EventSource>,
    /// What else was found.
    pub extra: Extra,
}

/// While a condition holds.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct StandardLoop {
    /// Whether the condition is looked at before the first time.
    pub test_before: bool,
    /// The most repetitions.
    pub maximum: Option<Text>,
    /// The condition to go on.
    pub condition: Option<Text>,
    /// What else was found.
    pub extra: Extra,
    /// Where it is written.
    pub at: Position,
}

/// A variable that is set from an expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mapping {
    /// The expression; a literal is the text itself.
    pub source: Text,
    /// The variable, or a path into one.
    pub target: String,
    /// Where it is written.
    pub at: Position,
}

/// A static header of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// The key.
    pub key: String,
    /// The value.
    pub value: String,
    /// The id, where the file gives one.
    pub id: Option<String>,
}

/// A free key/value pair.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Property {
    /// The name.
    pub name: String,
    /// The value.
    pub value: String,
}

/// A job that blocks the element until it is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecutionListener {
    /// When.
    pub event: ListenerEvent,
    /// What.
    pub job: JobDefinition,
    /// Static headers of the job.
    pub headers: Vec<Header>,
    /// Where it is written.
    pub at: Position,
}

/// When an execution listener runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListenerEvent {
    /// Before the element does anything.
    Start,
    /// Before the element is left.
    End,
    /// Before the first item of a multi-instance activity.
    BeforeAll,
    /// When the process is cancelled.
    Cancel,
}

/// A job that may deny or correct a change of a user task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskListener {
    /// When.
    pub event: TaskListenerEvent,
    /// What.
    pub job: JobDefinition,
    /// Static headers of the job.
    pub headers: Vec<Header>,
    /// Where it is written.
    pub at: Position,
}

/// When a task listener runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TaskListenerEvent {
    /// Before the task is offered.
    Creating,
    /// Before somebody is assigned.
    Assigning,
    /// Before its attributes change.
    Updating,
    /// Before it is completed.
    Completing,
    /// Before it is cancelled.
    Canceling,
}

/// A deployed resource that a job takes along.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkedResource {
    /// The id of the resource.
    pub resource_id: Text,
    /// What kind of resource it is.
    pub resource_type: Option<String>,
    /// The name by which the worker knows it.
    pub link_name: Option<String>,
    /// Which version.
    pub binding: Binding,
}
