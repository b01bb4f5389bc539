//! A process and the scopes inside of it, walked without recursion.

use std::collections::BTreeMap;

use super::Reading;
use super::pool::{is_artifact, is_data};
use super::root::local;
use crate::arrange::arrange;
use crate::model::{ElementIdx, Flow, FlowIdx, Form, Kind, Position, Process, Text};
use crate::xml::{Fields, Ns};

/// What an element says about others, by id; they are found once the whole process is read.
#[derive(Default)]
pub(super) struct Links {
    pub(super) attached_to: Option<String>,
    pub(super) default_flow: Option<String>,
    pub(super) incoming: Vec<String>,
    pub(super) outgoing: Vec<String>,
}

struct Ends {
    source: String,
    target: String,
}

struct Open<'t> {
    inside: std::vec::IntoIter<Fields<'t>>,
    scope: Option<ElementIdx>,
}

impl<'t> Reading<'t> {
    pub(super) fn process(&mut self, mut fields: Fields<'t>) -> Process {
        let mut process = Process {
            at: fields.at(),
            id: self.needed_id(&mut fields),
            ..Process::default()
        };
        let owner = process.id.clone();
        process.name = fields.attribute("name");
        process.executable = self.flag(&mut fields, "isExecutable", false, Some(&owner));
        process.version_tag = self
            .extension(&mut fields, "versionTag", Some(&owner))
            .and_then(|mut tag| tag.attribute("value"));
        process.job_priority = self.job_priority(&mut fields, &owner);
        process.user_task_forms = fields
            .extensions("userTaskForm")
            .into_iter()
            .map(|mut form| Form {
                id: self.needed(&mut form, "id", Some(&owner)),
                body: form.text(),
            })
            .collect();
        process.properties = self.properties(&mut fields, &owner);
        process.listeners = self.execution_listeners(&mut fields, &owner);

        let mut links = Vec::new();
        let mut ends = Vec::new();
        let mut open = vec![Open {
            inside: inside(&mut fields).into_iter(),
            scope: None,
        }];
        process.extra = fields.extra();
        while let Some(Open {
            inside: left,
            scope,
        }) = open.last_mut()
        {
            let scope = *scope;
            let Some(mut next) = left.next() else {
                open.pop();
                continue;
            };
            match next.name() {
                "sequenceFlow" => {
                    let (flow, flow_ends) = self.flow(next, scope);
                    process.flows.push(flow);
                    ends.push(flow_ends);
                }
                "laneSet" => process.lane_sets.push(self.lane_set(next, scope)),
                name if is_artifact(name) => process.artifacts.push(self.artifact(next, scope)),
                name if is_data(name) => process.data.push(self.data(next, scope)),
                _ => {
                    let children = if is_scope(next.name()) {
                        inside(&mut next)
                    } else {
                        Vec::new()
                    };
                    let (mut element, element_links) = self.element(next);
                    element.parent = scope;
                    let idx = ElementIdx(process.elements.len() as u32);
                    process.elements.push(element);
                    links.push(element_links);
                    if !children.is_empty() {
                        open.push(Open {
                            inside: children.into_iter(),
                            scope: Some(idx),
                        });
                    }
                }
            }
        }
        self.link(&mut process, &links, &ends);
        if self.problems.is_empty() {
            arrange(&mut process);
        }
        process
    }

    fn flow(&mut self, mut fields: Fields<'t>, parent: Option<ElementIdx>) -> (Flow, Ends) {
        let at = fields.at();
        let id = self.id_or_new(&mut fields);
        let source = self.needed(&mut fields, "sourceRef", Some(&id));
        let target = self.needed(&mut fields, "targetRef", Some(&id));
        let name = fields.attribute("name");
        let (mut condition, mut condition_language) = (None, None);
        if let Some(mut expression) = fields.child("conditionExpression") {
            let text = expression.text();
            if !text.trim().is_empty() {
                condition = Some(Text::parse(text.trim()));
                condition_language = expression.attribute("language");
            }
        }
        let unknown = ElementIdx(0);
        let flow = Flow {
            id,
            name,
            source: unknown,
            target: unknown,
            parent,
            condition,
            condition_language,
            extra: fields.extra(),
            at,
        };
        (flow, Ends { source, target })
    }

    /// Finds what ids stand for. Where one stands for nothing, a problem is noted and the process is never used.
    fn link(&mut self, process: &mut Process, links: &[Links], ends: &[Ends]) {
        let elements: BTreeMap<String, ElementIdx> = (0u32..)
            .map(ElementIdx)
            .zip(&process.elements)
            .map(|(idx, element)| (element.id.clone(), idx))
            .collect();
        let find = |id: &str| {
            elements
                .get(id)
                .or_else(|| elements.get(local(id)))
                .copied()
        };
        let process_id = process.id.clone();
        for (at, ends) in ends.iter().enumerate() {
            let flow = &mut process.flows[at];
            let (source, target) = (find(&ends.source), find(&ends.target));
            for (attribute, id, found) in [
                ("sourceRef", &ends.source, source),
                ("targetRef", &ends.target, target),
            ] {
                if found.is_none() && !id.is_empty() {
                    self.unknown_node(&flow.id, flow.at, attribute, id, &process_id);
                }
            }
            let (Some(source), Some(target)) = (source, target) else {
                continue;
            };
            (flow.source, flow.target) = (source, target);
            process.elements[source.0 as usize]
                .outgoing
                .push(FlowIdx(at as u32));
            process.elements[target.0 as usize]
                .incoming
                .push(FlowIdx(at as u32));
        }
        let flows: BTreeMap<&str, FlowIdx> = (0u32..)
            .map(FlowIdx)
            .zip(&process.flows)
            .map(|(idx, flow)| (flow.id.as_str(), idx))
            .collect();
        for (element, links) in process.elements.iter_mut().zip(links) {
            as_listed(&mut element.incoming, &links.incoming, &flows);
            as_listed(&mut element.outgoing, &links.outgoing, &flows);
            if let Some(id) = &links.default_flow {
                element.default_flow = flows
                    .get(id.as_str())
                    .or_else(|| flows.get(local(id)))
                    .copied();
                if element
                    .default_flow
                    .is_none_or(|flow| !element.outgoing.contains(&flow))
                {
                    let message = format!("the default flow `{id}` does not leave this element");
                    self.problems.add(
                        "unknown-reference",
                        Some(element.id.clone()),
                        element.at,
                        message,
                        "name one of its outgoing flows",
                    );
                }
            }
            if let Some(id) = &links.attached_to {
                match (find(id), &mut element.kind) {
                    (Some(found), Kind::Boundary { attached_to, .. }) => *attached_to = found,
                    _ => {
                        let (owner, at) = (element.id.clone(), element.at);
                        self.unknown_node(&owner, at, "attachedToRef", id, &process_id);
                    }
                }
            }
        }
    }

    fn unknown_node(
        &mut self,
        owner: &str,
        at: Position,
        attribute: &str,
        id: &str,
        process: &str,
    ) {
        let message = format!(
            "`{attribute}` names `{id}`, which is not an element of the process `{process}`"
        );
        self.problems.add(
            "unknown-reference",
            Some(owner.to_owned()),
            at,
            message,
            "name an event, activity or gateway of the same process",
        );
    }
}

/// Puts flows into the order in which their element lists them; flows that it does not list follow.
fn as_listed(flows: &mut [FlowIdx], listed: &[String], ids: &BTreeMap<&str, FlowIdx>) {
    let mut places = BTreeMap::new();
    for (place, id) in listed.iter().enumerate() {
        if let Some(flow) = ids.get(id.as_str()).or_else(|| ids.get(local(id))) {
            places.entry(*flow).or_insert(place);
        }
    }
    flows.sort_by_key(|flow| places.get(flow).copied().unwrap_or(usize::MAX));
}

pub(super) fn is_scope(name: &str) -> bool {
    matches!(name, "subProcess" | "transaction" | "adHocSubProcess")
}

/// Takes what stands inside of a process or sub-process, and leaves what describes it.
fn inside<'t>(fields: &mut Fields<'t>) -> Vec<Fields<'t>> {
    fields.children_where(|ns, name| {
        let is_flow_node =
            name.ends_with("Gateway") || name.ends_with("Task") || name.ends_with("Event");
        ns == Ns::Bpmn
            && (is_flow_node
                || is_scope(name)
                || is_artifact(name)
                || is_data(name)
                || matches!(name, "task" | "callActivity" | "sequenceFlow" | "laneSet"))
    })
}
