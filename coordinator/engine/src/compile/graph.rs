//! Graph: elements and flows of one process become numbered nodes; multi-instance activities become two.

use super::convert::{Notes, Place};
use super::element;
use super::structure::{self, Structure};
use crate::process::{
    self, Element, Flow, FlowIdx, MultiInstance, Name, Node, NodeIdx, PROCESS_NODE, Process, Reach,
    Role, Scope, Symbol, Symbols,
};
use botswain_bpmn::{self as bpmn, ElementIdx, Kind, Loop, Model, Problem};
use smol_str::SmolStr;
use std::collections::BTreeMap;

/// Above this many nodes no reachability is kept, and joins that nothing reaches are not reported: it grows with the square,
/// to 3 MB here.
const REACH_NODES_MAX: usize = 5_000;

/// Where the elements of the model went.
pub(super) struct Places {
    /// The node that flows and boundary events are connected to: the body, where there is one.
    outer: Vec<NodeIdx>,
    /// The node that does the element's own work.
    inner: Vec<NodeIdx>,
}

impl Places {
    pub(super) fn outer(&self, element: ElementIdx) -> NodeIdx {
        self.outer[element.0 as usize]
    }

    fn inner(&self, element: ElementIdx) -> NodeIdx {
        self.inner[element.0 as usize]
    }
}

pub(super) fn compile(
    model: &Model,
    source: &bpmn::Process,
    frozen: Option<&Symbols>,
) -> Result<Process, Vec<Problem>> {
    let mut notes = Notes {
        problems: Vec::new(),
    };
    let places = place(source);
    let names = names(source);
    let symbols = match frozen {
        None => Symbols(names.clone()),
        Some(frozen) => frozen.clone(),
    };
    let numbers: BTreeMap<&Name, Symbol> = symbols
        .0
        .iter()
        .enumerate()
        .map(|(at, name)| (name, Symbol(at as u32)))
        .collect();
    let mut of_name = Vec::with_capacity(names.len());
    for name in &names {
        match numbers.get(name) {
            Some(symbol) => of_name.push(*symbol),
            None => notes.note(
                Place {
                    id: &name.id,
                    at: source.at,
                },
                "unknown-symbol",
                format!(
                    "the stored symbol table lacks '{}' ({:?})",
                    name.id, name.role
                ),
                "run the build that deployed this version, or deploy the model again",
            ),
        }
    }
    structure::check(source, &mut notes);
    let nodes = nodes(model, source, &places, &mut notes);
    let flows = flows(source, &places, &mut notes);
    if !notes.problems.is_empty() {
        return Err(notes.problems);
    }
    let (mut nodes, mut flows) = (nodes, flows);
    let mut here = vec![process::Place::Node(PROCESS_NODE); symbols.0.len()];
    for (at, node) in nodes.iter_mut().enumerate() {
        node.symbol = of_name[at];
        here[node.symbol.0 as usize] = process::Place::Node(NodeIdx(at as u32));
    }
    for (at, flow) in flows.iter_mut().enumerate() {
        flow.symbol = of_name[nodes.len() + at];
        here[flow.symbol.0 as usize] = process::Place::Flow(FlowIdx(at as u32));
    }
    let reach = reach(&nodes, &flows);
    Ok(Process {
        id: SmolStr::from(source.id.as_str()),
        name: source.name.as_deref().map(SmolStr::from),
        version_tag: source.version_tag.as_deref().map(SmolStr::from),
        nodes: nodes.into_boxed_slice(),
        flows: flows.into_boxed_slice(),
        symbols,
        places: here.into_boxed_slice(),
        reach,
    })
}

fn place(source: &bpmn::Process) -> Places {
    let mut next = 1;
    let mut places = Places {
        outer: Vec::new(),
        inner: Vec::new(),
    };
    for element in &source.elements {
        places.outer.push(NodeIdx(next));
        if matches!(element.repeats, Some(Loop::MultiInstance(_))) {
            next += 1;
        }
        places.inner.push(NodeIdx(next));
        next += 1;
    }
    places
}

/// The names of all nodes, then of all flows, in the order of the graph.
fn names(source: &bpmn::Process) -> Vec<Name> {
    let mut names = vec![Name {
        id: SmolStr::from(source.id.as_str()),
        role: Role::Process,
    }];
    for element in &source.elements {
        let id = SmolStr::from(element.id.as_str());
        if matches!(element.repeats, Some(Loop::MultiInstance(_))) {
            names.push(Name {
                id: id.clone(),
                role: Role::Body,
            });
        }
        names.push(Name {
            id,
            role: Role::Element,
        });
    }
    names.extend(source.flows.iter().map(|flow| Name {
        id: SmolStr::from(flow.id.as_str()),
        role: Role::Flow,
    }));
    names
}

fn nodes(model: &Model, source: &bpmn::Process, places: &Places, notes: &mut Notes) -> Vec<Node> {
    let structure = Structure::of(source);
    let top = Place {
        id: &source.id,
        at: source.at,
    };
    let mut nodes = vec![blank(
        &source.id,
        source.name.as_deref(),
        Element::Process(scope(structure.starts(None), top, places, notes)),
    )];
    if !source.listeners.is_empty() {
        notes.unsupported(
            top,
            "an execution listener",
            "remove the listener, or make it a task of the process",
        );
    }
    for (at, element) in (0u32..).zip(&source.elements) {
        let idx = ElementIdx(at);
        let here = Place::of(element);
        let parent = element
            .parent
            .map_or(PROCESS_NODE, |parent| places.inner(parent));
        let own = match &element.kind {
            Kind::SubProcess {
                triggered_by_event: false,
            } => Element::SubProcess(scope(structure.starts(Some(idx)), here, places, notes)),
            _ => element::convert(model, source, element, places, notes),
        };
        element::check(element, notes);
        let mut node = blank(&element.id, element.name.as_deref(), own);
        node.inputs = notes.mappings(here, "input", &element.inputs);
        node.outputs = notes.mappings(here, "output", &element.outputs);
        let mut outside = match marker(element, places.inner(idx), notes) {
            Some(marker) => {
                let body = blank(
                    &element.id,
                    element.name.as_deref(),
                    Element::MultiInstance(Box::new(marker)),
                );
                node.parent = Some(places.outer(idx));
                let inner = node;
                nodes.push(body);
                nodes.push(inner);
                nodes.len() - 2
            }
            None => {
                nodes.push(node);
                nodes.len() - 1
            }
        };
        // A repeated activity whose marker has a problem still takes its two places, so that the others keep theirs.
        if nodes.len() - 1 < places.inner(idx).0 as usize {
            nodes.push(blank(&element.id, None, Element::PassThroughTask));
            outside = nodes.len() - 2;
        }
        let outer = &mut nodes[outside];
        outer.parent = Some(parent);
        outer.incoming = element
            .incoming
            .iter()
            .map(|flow| FlowIdx(flow.0))
            .collect();
        outer.outgoing = element
            .outgoing
            .iter()
            .map(|flow| FlowIdx(flow.0))
            .collect();
        outer.default_flow = element.default_flow.map(|flow| FlowIdx(flow.0));
        outer.boundaries = structure
            .boundaries(idx)
            .iter()
            .map(|boundary| places.outer(*boundary))
            .collect();
    }
    nodes
}

fn blank(id: &str, name: Option<&str>, element: Element) -> Node {
    Node {
        symbol: Symbol(0),
        id: SmolStr::from(id),
        name: name.map(SmolStr::from),
        element,
        parent: None,
        incoming: Box::default(),
        outgoing: Box::default(),
        default_flow: None,
        boundaries: Box::default(),
        inputs: Box::default(),
        outputs: Box::default(),
    }
}

/// The start of a process or of an embedded sub-process: exactly one none start event.
fn scope(
    starts: Option<&[ElementIdx]>,
    place: Place<'_>,
    places: &Places,
    notes: &mut Notes,
) -> Scope {
    match starts {
        Some([start]) => {
            return Scope {
                start: places.outer(*start),
            };
        }
        // Its start events are refused one by one.
        Some([]) => {}
        None => notes.note(
            place,
            "missing-start-event",
            "must have exactly one start event, and has none",
            "add a start event without a trigger",
        ),
        Some([_, ..]) => notes.note(
            place,
            "several-start-events",
            "multiple none start events are not allowed",
            "keep one start event without a trigger, and lead the flow from it",
        ),
    }
    Scope {
        start: PROCESS_NODE,
    }
}

fn marker(element: &bpmn::Element, inner: NodeIdx, notes: &mut Notes) -> Option<MultiInstance> {
    let here = Place::of(element);
    let multi = match &element.repeats {
        None => return None,
        Some(Loop::Standard(_)) => {
            notes.unsupported(
                here,
                "the standard loop marker",
                "draw the loop with an exclusive gateway",
            );
            return None;
        }
        Some(Loop::MultiInstance(multi)) => multi,
    };
    if multi.behavior != bpmn::Behavior::All {
        notes.unsupported(
            here,
            "the multi-instance attribute 'behavior'",
            "leave the behavior at 'All'",
        );
    }
    let Some(collection) = &multi.input_collection else {
        notes.note(
            here,
            "missing-input-collection",
            "a multi-instance activity must have an input collection",
            "set zeebe:loopCharacteristics inputCollection to an expression that gives a list",
        );
        return None;
    };
    if multi.output_collection.is_some() != multi.output_element.is_some() {
        notes.note(
            here,
            "incomplete-output-collection",
            "the output collection and the output element belong together, and one of them is missing",
            "set both, or none",
        );
    }
    let input_collection = notes.expression(here, "the input collection", collection)?;
    let output_element = multi
        .output_element
        .as_ref()
        .and_then(|text| notes.expression(here, "the output element", text));
    let completion_condition = multi
        .completion_condition
        .as_ref()
        .and_then(|text| notes.expression(here, "the completion condition", text));
    let output_variable = output_element
        .as_ref()
        .and_then(path_begins_with)
        .filter(|name| multi.input_element.as_deref() != Some(name.as_str()));
    Some(MultiInstance {
        inner,
        output_variable,
        sequential: multi.sequential,
        input_collection,
        input_element: multi.input_element.as_deref().map(SmolStr::from),
        output_collection: multi.output_collection.as_deref().map(SmolStr::from),
        output_element,
        completion_condition,
    })
}

/// The variable of an expression that is a variable or a path inside one, and nothing more.
fn path_begins_with(expression: &botswain_feel::Expression) -> Option<SmolStr> {
    let [name] = expression.names() else {
        return None;
    };
    let rest = expression.source().trim().strip_prefix(name.as_str())?;
    let is_path = rest.is_empty()
        || rest.starts_with('.')
            && rest
                .chars()
                .all(|c| c.is_alphanumeric() || matches!(c, '.' | '_'));
    is_path.then(|| name.clone())
}

fn flows(source: &bpmn::Process, places: &Places, notes: &mut Notes) -> Vec<Flow> {
    source
        .flows
        .iter()
        .map(|flow| {
            let here = Place {
                id: &flow.id,
                at: flow.at,
            };
            // A parallel gateway takes all of its flows, whatever is written at them (BPMN 2.0, 10.6.4).
            let is_taken_anyway = matches!(source.element(flow.source).kind, Kind::ParallelGateway);
            let condition = flow
                .condition
                .as_ref()
                .filter(|text| !text.is_empty() && !is_taken_anyway);
            Flow {
                symbol: Symbol(0),
                id: SmolStr::from(flow.id.as_str()),
                source: places.outer(flow.source),
                target: places.outer(flow.target),
                condition: condition.and_then(|text| notes.expression(here, "the condition", text)),
            }
        })
        .collect()
}

fn reach(nodes: &[Node], flows: &[Flow]) -> Reach {
    let mut edges: Vec<(NodeIdx, NodeIdx)> = flows
        .iter()
        .map(|flow| (flow.source, flow.target))
        .collect();
    for (at, node) in (0u32..).zip(nodes) {
        edges.extend(
            node.boundaries
                .iter()
                .map(|boundary| (NodeIdx(at), *boundary)),
        );
    }
    let joins =
        |node: &Node| matches!(node.element, Element::ParallelGateway) && node.incoming.len() > 1;
    if nodes.len() > REACH_NODES_MAX || !nodes.iter().any(joins) {
        Reach::default()
    } else {
        Reach::new(nodes.len(), &edges)
    }
}
