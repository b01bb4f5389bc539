//! The model: everything that a BPMN file says, in flat arenas.
//!
//! Two models are equal when they say the same; where in a file they say it ([`Position`]) does not count.

mod activity;
mod data;
mod diagram;
mod event;
mod extra;

pub use activity::*;
pub use data::*;
pub use diagram::*;
pub use event::*;
pub use extra::*;

/// A whole BPMN file (`definitions`).
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Model {
    /// The id of the definitions; empty where the file gives none.
    pub id: String,
    /// The name of the definitions.
    pub name: Option<String>,
    /// The namespace of what the file defines.
    pub target_namespace: Option<String>,
    /// The tool that wrote the file.
    pub exporter: Option<String>,
    /// The version of the tool that wrote the file.
    pub exporter_version: Option<String>,
    /// Namespace prefixes that the file declares, for values that use them.
    pub namespaces: Namespaces,
    /// The processes, in document order.
    pub processes: Vec<Process>,
    /// The messages that events and tasks refer to.
    pub messages: Vec<Message>,
    /// The errors that events refer to.
    pub errors: Vec<Error>,
    /// The signals that events refer to.
    pub signals: Vec<Signal>,
    /// The escalations that events refer to.
    pub escalations: Vec<Escalation>,
    /// Event definitions that stand outside of any event, for use by reference.
    pub event_definitions: Vec<RootEventDefinition>,
    /// Pools and the message flows between them.
    pub collaborations: Vec<Collaboration>,
    /// The drawings.
    pub diagrams: Vec<Diagram>,
    /// Root elements without a meaning for execution (item definitions, interfaces, choreographies, ...), and what else was found.
    pub extra: Extra,
}

/// A process: its elements and sequence flows in flat arenas, those of sub-processes included.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Process {
    /// The id by which it is deployed and started.
    pub id: String,
    /// Its name for people.
    pub name: Option<String>,
    /// Whether it is meant to be executed.
    pub executable: bool,
    /// The label of this version (`zeebe:versionTag`).
    pub version_tag: Option<String>,
    /// The priority of its jobs (`zeebe:jobPriorityDefinition`).
    pub job_priority: Option<Text>,
    /// Flow nodes: a sub-process comes before its children, siblings in document order.
    pub elements: Vec<Element>,
    /// Sequence flows: those of the process first, then those of each sub-process in arena order.
    pub flows: Vec<Flow>,
    /// Lanes, of the process and of its sub-processes.
    pub lane_sets: Vec<LaneSet>,
    /// Data objects, their references and references to data stores.
    pub data: Vec<DataElement>,
    /// Text annotations, associations and groups.
    pub artifacts: Vec<Artifact>,
    /// Forms that are kept inside of the model (`zeebe:userTaskForm`).
    pub user_task_forms: Vec<Form>,
    /// Free key/value pairs (`zeebe:properties`).
    pub properties: Vec<Property>,
    /// Jobs around the whole process (`zeebe:executionListeners`).
    pub listeners: Vec<ExecutionListener>,
    /// Documentation and what else was found.
    pub extra: Extra,
    /// Where it is written.
    pub at: Position,
}

/// The place of an [`Element`] in [`Process::elements`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ElementIdx(pub u32);

/// The place of a [`Flow`] in [`Process::flows`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FlowIdx(pub u32);

/// A flow node: an event, an activity or a gateway.
#[derive(Debug, Clone, PartialEq)]
pub struct Element {
    /// Its id, unique in the file.
    pub id: String,
    /// Its name for people.
    pub name: Option<String>,
    /// What it is.
    pub kind: Kind,
    /// The sub-process that it stands in; none at the top of the process.
    pub parent: Option<ElementIdx>,
    /// Flows that lead here, in the order the element lists them, then in the order of the flows.
    pub incoming: Vec<FlowIdx>,
    /// Flows that lead away, in the order the element lists them, then in the order of the flows.
    pub outgoing: Vec<FlowIdx>,
    /// The flow that is taken when no condition holds.
    pub default_flow: Option<FlowIdx>,
    /// Variables made for the element (`zeebe:input`).
    pub inputs: Vec<Mapping>,
    /// Variables handed back to the scope around it (`zeebe:output`).
    pub outputs: Vec<Mapping>,
    /// The loop or multi-instance marker.
    pub repeats: Option<Loop>,
    /// Whether it only runs to compensate another activity.
    pub for_compensation: bool,
    /// Tokens it takes to start (BPMN's default is 1).
    pub start_quantity: u32,
    /// Tokens it leaves with (BPMN's default is 1).
    pub completion_quantity: u32,
    /// Static headers of its jobs (`zeebe:taskHeaders`).
    pub headers: Vec<Header>,
    /// The priority of its jobs (`zeebe:jobPriorityDefinition`).
    pub job_priority: Option<Text>,
    /// Jobs around the element (`zeebe:executionListeners`).
    pub listeners: Vec<ExecutionListener>,
    /// Jobs around the changes of a user task (`zeebe:taskListeners`).
    pub task_listeners: Vec<TaskListener>,
    /// Resources that its job takes along (`zeebe:linkedResources`).
    pub linked_resources: Vec<LinkedResource>,
    /// Free key/value pairs (`zeebe:properties`).
    pub properties: Vec<Property>,
    /// The id and the origin of each of its event definitions, in their order.
    pub event_sources: Vec<EventSource>,
    /// Data flowing in, shown and kept.
    pub data_inputs: Vec<DataAssociation>,
    /// Data flowing out, shown and kept.
    pub data_outputs: Vec<DataAssociation>,
    /// Documentation and what else was found.
    pub extra: Extra,
    /// Where it is written.
    pub at: Position,
}

/// What an element is, with what only that kind has.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// Begins a process or a sub-process; without events it is the none start event.
    StartEvent {
        events: Vec<EventDefinition>,
        interrupting: bool,
        parallel_multiple: bool,
        form: Option<FormLink>,
    },
    /// Ends a path; without events it is the none end event.
    EndEvent { events: Vec<EventDefinition> },
    /// Waits for one of its events, or for all of them when it is parallel multiple.
    IntermediateCatch {
        events: Vec<EventDefinition>,
        parallel_multiple: bool,
    },
    /// Throws its events; without events it only marks a place.
    IntermediateThrow { events: Vec<EventDefinition> },
    /// Waits beside an activity.
    Boundary {
        attached_to: ElementIdx,
        interrupting: bool,
        events: Vec<EventDefinition>,
        parallel_multiple: bool,
    },
    /// A job for a program.
    ServiceTask {
        job: Option<JobDefinition>,
        agent_type: Option<String>,
    },
    /// A job that sends a message.
    SendTask {
        job: Option<JobDefinition>,
        publish: Option<PublishMessage>,
        message: Option<MessageIdx>,
    },
    /// An expression or a job.
    ScriptTask {
        script: Option<Script>,
        body: Option<ScriptBody>,
        job: Option<JobDefinition>,
    },
    /// Work for a person; without `native` it is a job of a reserved type.
    UserTask(Box<UserTask>),
    /// Work that is done outside of any program.
    ManualTask,
    /// A task that says nothing about how it is done.
    Task,
    /// Waits for a message; instantiating, it starts the process.
    ReceiveTask {
        message: Option<MessageIdx>,
        instantiate: bool,
    },
    /// A decision or a job.
    BusinessRuleTask {
        decision: Option<CalledDecision>,
        job: Option<JobDefinition>,
    },
    /// Calls another process.
    CallActivity { called: Option<CalledElement> },
    /// A part of the process with a scope of its own; triggered by event, it stands outside of the flow.
    SubProcess { triggered_by_event: bool },
    /// A sub-process that is cancelled and compensated as one.
    Transaction { method: Option<String> },
    /// A sub-process whose activities run in any order.
    AdHocSubProcess(Box<AdHoc>),
    /// Takes one of its flows.
    ExclusiveGateway,
    /// Takes all of its flows, and waits for all that arrive.
    ParallelGateway,
    /// Takes the flows whose condition holds, and waits for those that can still arrive.
    InclusiveGateway,
    /// Takes the flow whose event happens first.
    EventBasedGateway { instantiate: bool, parallel: bool },
    /// Waits until its activation condition holds.
    ComplexGateway { activation_condition: Option<Text> },
}

/// A sequence flow.
#[derive(Debug, Clone, PartialEq)]
pub struct Flow {
    /// Its id, unique in the file.
    pub id: String,
    /// Its name for people.
    pub name: Option<String>,
    /// Where it begins.
    pub source: ElementIdx,
    /// Where it leads.
    pub target: ElementIdx,
    /// The sub-process that it stands in; none at the top of the process.
    pub parent: Option<ElementIdx>,
    /// When it is taken.
    pub condition: Option<Text>,
    /// The language that the condition names, where it names one.
    pub condition_language: Option<String>,
    /// Documentation and what else was found.
    pub extra: Extra,
    /// Where it is written.
    pub at: Position,
}

/// A value of the model: Camunda 8 reads text that begins with `=` as a FEEL expression.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Text {
    /// The text itself.
    Literal(String),
    /// An expression, without the `=`.
    Feel(String),
}

/// Where something is written; lines and columns begin at 1, and 0 means that it was not read from XML.
///
/// Positions always compare equal, so that a model equals its copy from another file.
#[derive(Debug, Clone, Copy, Default)]
pub struct Position {
    /// The line.
    pub line: u32,
    /// The column, in characters.
    pub column: u32,
}

impl PartialEq for Position {
    fn eq(&self, _: &Position) -> bool {
        true
    }
}

impl Eq for Position {}

impl Text {
    /// Reads an attribute or the body of an expression by Camunda 8's rule.
    #[must_use]
    pub fn parse(text: &str) -> Text {
        match text.strip_prefix('=') {
            Some(feel) => Text::Feel(feel.trim().to_owned()),
            None => Text::Literal(text.to_owned()),
        }
    }

    /// Returns the text, or the expression without `=`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Text::Literal(text) | Text::Feel(text) => text,
        }
    }

    /// Says whether there is nothing to read or to evaluate.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.as_str().is_empty()
    }
}

impl std::fmt::Display for Text {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Text::Literal(text) => f.write_str(text),
            Text::Feel(text) => write!(f, "={text}"),
        }
    }
}

impl Model {
    /// Finds a process by its id.
    #[must_use]
    pub fn process(&self, id: &str) -> Option<&Process> {
        self.processes.iter().find(|process| process.id == id)
    }

    /// Returns the message that an event or task refers to.
    #[must_use]
    pub fn message(&self, idx: MessageIdx) -> &Message {
        &self.messages[idx.0 as usize]
    }

    /// Returns the error that an event refers to.
    #[must_use]
    pub fn error(&self, idx: ErrorIdx) -> &Error {
        &self.errors[idx.0 as usize]
    }

    /// Returns the signal that an event refers to.
    #[must_use]
    pub fn signal(&self, idx: SignalIdx) -> &Signal {
        &self.signals[idx.0 as usize]
    }

    /// Returns the escalation that an event refers to.
    #[must_use]
    pub fn escalation(&self, idx: EscalationIdx) -> &Escalation {
        &self.escalations[idx.0 as usize]
    }
}

impl Process {
    /// Finds an element by its id.
    #[must_use]
    pub fn find(&self, id: &str) -> Option<ElementIdx> {
        self.elements
            .iter()
            .position(|element| element.id == id)
            .map(|at| ElementIdx(at as u32))
    }

    /// Returns an element of this process.
    #[must_use]
    pub fn element(&self, idx: ElementIdx) -> &Element {
        &self.elements[idx.0 as usize]
    }

    /// Returns a sequence flow of this process.
    #[must_use]
    pub fn flow(&self, idx: FlowIdx) -> &Flow {
        &self.flows[idx.0 as usize]
    }

    /// Lists what stands directly in a sub-process, or at the top of the process.
    pub fn children(
        &self,
        parent: Option<ElementIdx>,
    ) -> impl Iterator<Item = (ElementIdx, &Element)> {
        (0u32..)
            .map(ElementIdx)
            .zip(&self.elements)
            .filter(move |(_, element)| element.parent == parent)
    }

    /// Lists the boundary events of an activity.
    pub fn boundaries(&self, activity: ElementIdx) -> impl Iterator<Item = (ElementIdx, &Element)> {
        (0u32..).map(ElementIdx).zip(&self.elements).filter(
            move |(_, element)| matches!(element.kind, Kind::Boundary { attached_to, .. } if attached_to == activity),
        )
    }
}

impl Element {
    /// Makes an element of a kind with nothing else set.
    #[must_use]
    pub fn new(id: impl Into<String>, kind: Kind) -> Element {
        Element {
            id: id.into(),
            name: None,
            kind,
            parent: None,
            incoming: Vec::new(),
            outgoing: Vec::new(),
            default_flow: None,
            inputs: Vec::new(),
            outputs: Vec::new(),
            repeats: None,
            for_compensation: false,
            start_quantity: 1,
            completion_quantity: 1,
            headers: Vec::new(),
            job_priority: None,
            listeners: Vec::new(),
            task_listeners: Vec::new(),
            linked_resources: Vec::new(),
            properties: Vec::new(),
            event_sources: Vec::new(),
            data_inputs: Vec::new(),
            data_outputs: Vec::new(),
            extra: Extra::default(),
            at: Position::default(),
        }
    }

    /// Returns the event definitions of an event; nothing else has any.
    #[must_use]
    pub fn events(&self) -> &[EventDefinition] {
        match &self.kind {
            Kind::StartEvent { events, .. }
            | Kind::EndEvent { events }
            | Kind::IntermediateCatch { events, .. }
            | Kind::IntermediateThrow { events }
            | Kind::Boundary { events, .. } => events,
            _ => &[],
        }
    }
}

impl Kind {
    /// Returns BPMN's name of the kind, as it is written in XML.
    #[must_use]
    pub fn tag(&self) -> &'static str {
        match self {
            Kind::StartEvent { .. } => "startEvent",
            Kind::EndEvent { .. } => "endEvent",
            Kind::IntermediateCatch { .. } => "intermediateCatchEvent",
            Kind::IntermediateThrow { .. } => "intermediateThrowEvent",
            Kind::Boundary { .. } => "boundaryEvent",
            Kind::ServiceTask { .. } => "serviceTask",
            Kind::SendTask { .. } => "sendTask",
            Kind::ScriptTask { .. } => "scriptTask",
            Kind::UserTask(_) => "userTask",
            Kind::ManualTask => "manualTask",
            Kind::Task => "task",
            Kind::ReceiveTask { .. } => "receiveTask",
            Kind::BusinessRuleTask { .. } => "businessRuleTask",
            Kind::CallActivity { .. } => "callActivity",
            Kind::SubProcess { .. } => "subProcess",
            Kind::Transaction { .. } => "transaction",
            Kind::AdHocSubProcess(_) => "adHocSubProcess",
            Kind::ExclusiveGateway => "exclusiveGateway",
            Kind::ParallelGateway => "parallelGateway",
            Kind::InclusiveGateway => "inclusiveGateway",
            Kind::EventBasedGateway { .. } => "eventBasedGateway",
            Kind::ComplexGateway { .. } => "complexGateway",
        }
    }

    /// Says whether elements can stand inside of it.
    #[must_use]
    pub fn is_scope(&self) -> bool {
        matches!(
            self,
            Kind::SubProcess { .. } | Kind::Transaction { .. } | Kind::AdHocSubProcess(_)
        )
    }

    /// Says whether it is an activity: a task, a sub-process or a call.
    #[must_use]
    pub fn is_activity(&self) -> bool {
        self.is_scope()
            || matches!(
                self,
                Kind::ServiceTask { .. }
                    | Kind::SendTask { .. }
                    | Kind::ScriptTask { .. }
                    | Kind::UserTask(_)
                    | Kind::ManualTask
                    | Kind::Task
                    | Kind::ReceiveTask { .. }
                    | Kind::BusinessRuleTask { .. }
                    | Kind::CallActivity { .. }
            )
    }
}
