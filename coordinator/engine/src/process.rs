//! Processes: one deployed version of a model, compiled once and shared by all its instances.

use crate::variables::Json;
use botswain_feel::Expression;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use std::sync::Arc;

/// Names a node or a flow of one version in everything that is stored. The table behind it is frozen at deployment, so that
/// a later build that compiles the model differently still understands what was stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Symbol(pub u32);

/// The place of a node in [`Process::nodes`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeIdx(pub u32);

/// The place of a flow in [`Process::flows`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FlowIdx(pub u32);

/// What a BPMN id stands for: one drawn element can be several nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Role {
    /// The process itself.
    Process,
    /// The element.
    Element,
    /// The multi-instance body around the element.
    Body,
    /// A sequence flow.
    Flow,
}

/// One entry of the symbol table.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Name {
    /// The BPMN id.
    pub id: SmolStr,
    /// What is meant by it.
    pub role: Role,
}

/// The symbol table of one version: stored at deployment, and given back to every later compilation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Symbols(pub Vec<Name>);

/// A flat graph: the process is node 0, a scope's children name it as their parent.
#[derive(Debug)]
pub struct Process {
    /// The BPMN id of the process.
    pub id: SmolStr,
    /// Its name for people.
    pub name: Option<SmolStr>,
    /// The author's label of this version.
    pub version_tag: Option<SmolStr>,
    pub(crate) nodes: Box<[Node]>,
    pub(crate) flows: Box<[Flow]>,
    pub(crate) symbols: Symbols,
    /// Where each symbol is found now; flows and nodes share the numbering.
    pub(crate) places: Box<[Place]>,
    pub(crate) reach: Reach,
}

/// Where a symbol is found in this build's graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Node(NodeIdx),
    Flow(FlowIdx),
}

/// The root of the graph.
pub(crate) const PROCESS_NODE: NodeIdx = NodeIdx(0);

/// An element, the process itself, or a multi-instance body.
#[derive(Debug)]
pub struct Node {
    /// The name in everything stored.
    pub symbol: Symbol,
    /// The BPMN id.
    pub id: SmolStr,
    /// The name for people.
    pub name: Option<SmolStr>,
    /// What it is and does.
    pub element: Element,
    /// The scope around it; none for the process.
    pub parent: Option<NodeIdx>,
    /// Flows that lead here.
    pub incoming: Box<[FlowIdx]>,
    /// Flows that lead away, in the order of the model.
    pub outgoing: Box<[FlowIdx]>,
    /// The flow taken when no condition holds.
    pub default_flow: Option<FlowIdx>,
    /// Boundary events attached here.
    pub boundaries: Box<[NodeIdx]>,
    /// Variables made for the element.
    pub inputs: Box<[Mapping]>,
    /// Variables handed to the scope around it.
    pub outputs: Box<[Mapping]>,
}

/// A sequence flow.
#[derive(Debug)]
pub struct Flow {
    /// The name in everything stored.
    pub symbol: Symbol,
    /// The BPMN id.
    pub id: SmolStr,
    /// Where it leads.
    pub target: NodeIdx,
    /// Where it begins.
    pub source: NodeIdx,
    /// When it is taken.
    pub condition: Option<Expression>,
}

/// What a node is. Closed: a new kind does not compile until every verb knows it.
#[derive(Debug)]
pub enum Element {
    /// The process.
    Process(Scope),
    /// An embedded sub-process.
    SubProcess(Scope),
    /// Repeats its inner activity.
    MultiInstance(Box<MultiInstance>),
    /// Begins a scope.
    StartEvent,
    /// Ends a path.
    EndEvent,
    /// Ends its scope at once.
    TerminateEndEvent,
    /// Throws an error.
    ErrorEndEvent(Value),
    /// Marks a place.
    NoneThrowEvent,
    /// Waits for a timer.
    TimerCatchEvent(Timer),
    /// Waits for a message; receive tasks are the same.
    MessageCatchEvent(MessageRef),
    /// Waits beside an activity.
    BoundaryEvent(Boundary),
    /// Somebody else works: service, send, script, business rule and job-based user tasks, message throw events.
    JobTask(JobTask),
    /// An expression works.
    ScriptTask(Script),
    /// A person works.
    UserTask(Box<UserTask>),
    /// Nothing to do for a computer: manual and undefined tasks.
    PassThroughTask,
    /// Takes one of its flows.
    ExclusiveGateway,
    /// Waits for all flows in, takes all flows out.
    ParallelGateway,
}

/// What runs inside a process or a sub-process.
#[derive(Debug)]
pub struct Scope {
    /// The none start event.
    pub start: NodeIdx,
}

/// A multi-instance marker.
#[derive(Debug)]
pub struct MultiInstance {
    /// The activity that is repeated.
    pub inner: NodeIdx,
    /// One child after the other.
    pub sequential: bool,
    /// The list of items.
    pub input_collection: Expression,
    /// The variable that holds the child's item.
    pub input_element: Option<SmolStr>,
    /// The variable that gathers the results.
    pub output_collection: Option<SmolStr>,
    /// A child's result.
    pub output_element: Option<Expression>,
    /// The variable that the result is read from: each child has its own, so that children don't write each other's.
    pub output_variable: Option<SmolStr>,
    /// When the rest is not needed any more.
    pub completion_condition: Option<Expression>,
}

/// A value of the model: fixed, or computed when it is needed.
#[derive(Clone, Debug)]
pub enum Value {
    /// The text itself.
    Literal(SmolStr),
    /// An expression.
    Feel(Expression),
}

/// Who does a job, and how often it may fail.
#[derive(Debug)]
pub struct JobTask {
    /// The job's type.
    pub job_type: Value,
    /// How many tries.
    pub retries: Value,
    /// Static headers, a JSON object.
    pub headers: Json,
    /// Whether it is a user task that a worker serves: its details travel as headers.
    pub user_task: Option<Box<UserTask>>,
}

/// The details of a user task, as the model says them.
#[derive(Debug, Default)]
pub struct UserTask {
    pub assignee: Option<Value>,
    pub candidate_groups: Option<Value>,
    pub candidate_users: Option<Value>,
    pub due_date: Option<Value>,
    pub follow_up_date: Option<Value>,
    pub form: Option<Value>,
    pub priority: Option<Value>,
}

/// A FEEL script task.
#[derive(Debug)]
pub struct Script {
    /// What is computed.
    pub expression: Expression,
    /// The variable that takes the result.
    pub result: SmolStr,
}

/// When a timer fires.
#[derive(Debug)]
pub enum Timer {
    /// At a point in time.
    Date(Value),
    /// After a duration.
    Duration(Value),
    /// Again and again.
    Cycle(Value),
}

/// Which message is awaited.
#[derive(Debug)]
pub struct MessageRef {
    /// Its name.
    pub name: Value,
    /// The expression whose value the message must carry.
    pub correlation_key: Expression,
}

/// A boundary event.
#[derive(Debug)]
pub struct Boundary {
    /// The activity that it watches.
    pub attached_to: NodeIdx,
    /// Whether the activity ends when the event happens.
    pub interrupting: bool,
    /// What it waits for.
    pub trigger: Trigger,
}

/// What a boundary event waits for.
#[derive(Debug)]
pub enum Trigger {
    /// A timer.
    Timer(Timer),
    /// A message.
    Message(MessageRef),
    /// An error; without a code it takes all.
    Error {
        /// The code.
        code: Option<SmolStr>,
        /// The variable that takes the code.
        code_variable: Option<SmolStr>,
        /// The variable that takes the message.
        message_variable: Option<SmolStr>,
    },
}

/// A variable mapping.
#[derive(Debug)]
pub struct Mapping {
    /// Where the value comes from.
    pub source: Value,
    /// The variable, and the path inside it.
    pub target: Arc<[SmolStr]>,
}

/// Which nodes can be reached from which by sequence flows (and from an activity by its boundary events), within a scope.
#[derive(Debug, Default)]
pub struct Reach {
    words_per_node: usize,
    bits: Box<[u64]>,
}

impl Reach {
    /// Computes the closure of `edges` over `nodes` nodes.
    pub(crate) fn new(nodes: usize, edges: &[(NodeIdx, NodeIdx)]) -> Reach {
        let words = nodes.div_ceil(64);
        let mut bits = vec![0u64; nodes * words].into_boxed_slice();
        let mut next: Vec<Vec<u32>> = vec![Vec::new(); nodes];
        for (from, to) in edges {
            next[from.0 as usize].push(to.0);
        }
        let mut stack = Vec::new();
        for from in 0..nodes {
            stack.extend(next[from].iter().copied());
            while let Some(to) = stack.pop() {
                let (word, bit) = (from * words + to as usize / 64, 1u64 << (to % 64));
                if bits[word] & bit == 0 {
                    bits[word] |= bit;
                    stack.extend(next[to as usize].iter().copied());
                }
            }
        }
        Reach {
            words_per_node: words,
            bits,
        }
    }

    /// Whether a token that leaves `from` can come to `to`.
    pub(crate) fn contains(&self, from: NodeIdx, to: NodeIdx) -> bool {
        if self.words_per_node == 0 {
            return true;
        }
        let word = from.0 as usize * self.words_per_node + to.0 as usize / 64;
        self.bits[word] & (1 << (to.0 % 64)) != 0
    }
}

impl Process {
    /// The node of a place in this build's graph.
    #[must_use]
    pub fn node(&self, idx: NodeIdx) -> &Node {
        &self.nodes[idx.0 as usize]
    }

    /// The flow of a place in this build's graph.
    #[must_use]
    pub fn flow(&self, idx: FlowIdx) -> &Flow {
        &self.flows[idx.0 as usize]
    }

    /// The place of a stored node.
    #[must_use]
    pub fn find(&self, symbol: Symbol) -> NodeIdx {
        match self.places[symbol.0 as usize] {
            Place::Node(idx) => idx,
            Place::Flow(_) => unreachable!("{symbol:?} was stored as a node"),
        }
    }

    /// The node that a stored symbol names.
    #[must_use]
    pub fn named(&self, symbol: Symbol) -> &Node {
        self.node(self.find(symbol))
    }

    /// The flow that a stored symbol names.
    #[must_use]
    pub fn flow_named(&self, symbol: Symbol) -> &Flow {
        match self.places[symbol.0 as usize] {
            Place::Flow(idx) => self.flow(idx),
            Place::Node(_) => unreachable!("{symbol:?} was stored as a flow"),
        }
    }

    /// The BPMN id behind a symbol.
    #[must_use]
    pub fn id_of(&self, symbol: Symbol) -> &SmolStr {
        &self.symbols.0[symbol.0 as usize].id
    }

    /// The symbol table, to be stored with the version.
    #[must_use]
    pub const fn symbols(&self) -> &Symbols {
        &self.symbols
    }

    /// All nodes; the first is the process.
    #[must_use]
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The symbol of the process itself.
    #[must_use]
    pub fn root(&self) -> Symbol {
        self.node(PROCESS_NODE).symbol
    }
}

impl Element {
    /// The name of the kind that Camunda 8's clients know.
    #[must_use]
    pub fn type_name(&self) -> &'static str {
        match self {
            Element::Process(_) => "PROCESS",
            Element::SubProcess(_) => "SUB_PROCESS",
            Element::MultiInstance(_) => "MULTI_INSTANCE_BODY",
            Element::StartEvent => "START_EVENT",
            Element::EndEvent | Element::TerminateEndEvent | Element::ErrorEndEvent(_) => {
                "END_EVENT"
            }
            Element::NoneThrowEvent => "INTERMEDIATE_THROW_EVENT",
            Element::TimerCatchEvent(_) | Element::MessageCatchEvent(_) => {
                "INTERMEDIATE_CATCH_EVENT"
            }
            Element::BoundaryEvent(_) => "BOUNDARY_EVENT",
            Element::JobTask(task) if task.user_task.is_some() => "USER_TASK",
            Element::JobTask(_) => "SERVICE_TASK",
            Element::ScriptTask(_) => "SCRIPT_TASK",
            Element::UserTask(_) => "USER_TASK",
            Element::PassThroughTask => "TASK",
            Element::ExclusiveGateway => "EXCLUSIVE_GATEWAY",
            Element::ParallelGateway => "PARALLEL_GATEWAY",
        }
    }
}
