//! Processes and what stands beside the flow, scope by scope without recursion.

use std::collections::BTreeMap;

use super::Writing;
use crate::model::{
    DataAssociation, DataElement, DataKind, ElementIdx, Flow, Lane, LaneSet, Process,
};
use crate::xml::ZEEBE;

/// What stands directly in a scope, by its place in the process.
#[derive(Default)]
struct Inside {
    elements: Vec<ElementIdx>,
    flows: Vec<usize>,
    data: Vec<usize>,
    artifacts: Vec<usize>,
    lane_sets: Vec<usize>,
}

struct Open {
    scope: Option<ElementIdx>,
    inside: Inside,
    next: usize,
}

impl Writing<'_> {
    pub(super) fn process(&mut self, process: &Process) {
        self.out.start("process");
        self.out.attribute("id", &process.id);
        self.out.some("name", process.name.as_ref());
        self.out.attribute(
            "isExecutable",
            if process.executable { "true" } else { "false" },
        );
        self.head(&process.extra, |out| {
            if let Some(tag) = &process.version_tag {
                out.start_of(Some(ZEEBE), "versionTag");
                out.attribute("value", tag);
                out.end();
            }
            if process.job_priority.is_some() {
                out.zeebe(
                    "jobPriorityDefinition",
                    &[("priority", process.job_priority.as_ref())],
                );
            }
            for form in &process.user_task_forms {
                out.start_of(Some(ZEEBE), "userTaskForm");
                out.attribute("id", &form.id);
                out.text(&form.body);
                out.end();
            }
            out.listeners(&process.listeners);
            out.properties(&process.properties);
        });
        self.children(&process.extra, 0..=5);
        self.inside(process);
        self.children(&process.extra, 6..=u8::MAX);
        self.out.end();
    }

    fn inside(&mut self, process: &Process) {
        let mut scopes = scopes(process);
        let top = scopes.remove(&None).unwrap_or_default();
        let mut open = vec![Open {
            scope: None,
            inside: top,
            next: 0,
        }];
        while let Some(frame) = open.last_mut() {
            if frame.next == 0 {
                frame
                    .inside
                    .lane_sets
                    .iter()
                    .for_each(|at| self.lane_set("laneSet", &process.lane_sets[*at]));
            }
            let Some(idx) = frame.inside.elements.get(frame.next).copied() else {
                let scope = frame.scope;
                frame
                    .inside
                    .flows
                    .iter()
                    .for_each(|at| self.flow(process, &process.flows[*at]));
                frame
                    .inside
                    .data
                    .iter()
                    .for_each(|at| self.data(&process.data[*at]));
                frame
                    .inside
                    .artifacts
                    .iter()
                    .for_each(|at| self.artifact(&process.artifacts[*at]));
                if let Some(scope) = scope {
                    self.end_element(process.element(scope));
                }
                open.pop();
                continue;
            };
            frame.next += 1;
            self.start_element(process, process.element(idx));
            let inside = scopes.remove(&Some(idx)).unwrap_or_default();
            open.push(Open {
                scope: Some(idx),
                inside,
                next: 0,
            });
        }
    }

    fn flow(&mut self, process: &Process, flow: &Flow) {
        self.out.start("sequenceFlow");
        self.out.attribute("id", &flow.id);
        self.out.some("name", flow.name.as_ref());
        self.out
            .attribute("sourceRef", &process.element(flow.source).id);
        self.out
            .attribute("targetRef", &process.element(flow.target).id);
        self.head(&flow.extra, |_| {});
        self.children(&flow.extra, 0..=u8::MAX);
        self.out.expression(
            "conditionExpression",
            flow.condition.as_ref(),
            flow.condition_language.as_deref(),
        );
        self.out.end();
    }

    fn data(&mut self, data: &DataElement) {
        self.out.start(match data.kind {
            DataKind::Object { .. } => "dataObject",
            DataKind::ObjectReference { .. } => "dataObjectReference",
            DataKind::StoreReference { .. } => "dataStoreReference",
        });
        self.out.attribute("id", &data.id);
        self.out.some("name", data.name.as_ref());
        match &data.kind {
            DataKind::Object { collection } => self.out.flag("isCollection", *collection, false),
            DataKind::ObjectReference { object } => self.out.some("dataObjectRef", object.as_ref()),
            DataKind::StoreReference { store } => self.out.some("dataStoreRef", store.as_ref()),
        }
        self.head(&data.extra, |_| {});
        self.foot(&data.extra);
    }

    pub(super) fn data_association(&mut self, name: &str, association: &DataAssociation) {
        self.out.start(name);
        self.out.some("id", association.id.as_ref());
        self.head(&association.extra, |_| {});
        association
            .sources
            .iter()
            .for_each(|source| self.out.leaf("sourceRef", source));
        if let Some(target) = &association.target {
            self.out.leaf("targetRef", target);
        }
        self.foot(&association.extra);
    }

    fn lane_set(&mut self, name: &str, lanes: &LaneSet) {
        self.out.start(name);
        self.out.some("id", lanes.id.as_ref());
        self.out.some("name", lanes.name.as_ref());
        self.head(&lanes.extra, |_| {});
        lanes.lanes.iter().for_each(|lane| self.lane(lane));
        self.foot(&lanes.extra);
    }

    fn lane(&mut self, lane: &Lane) {
        self.out.start("lane");
        self.out.attribute("id", &lane.id);
        self.out.some("name", lane.name.as_ref());
        self.head(&lane.extra, |_| {});
        self.children(&lane.extra, 0..=u8::MAX);
        lane.members
            .iter()
            .for_each(|member| self.out.leaf("flowNodeRef", member));
        if let Some(lanes) = &lane.lane_set {
            self.lane_set("childLaneSet", lanes);
        }
        self.out.end();
    }
}

fn scopes(process: &Process) -> BTreeMap<Option<ElementIdx>, Inside> {
    let mut scopes: BTreeMap<Option<ElementIdx>, Inside> = BTreeMap::new();
    for (idx, element) in (0u32..).map(ElementIdx).zip(&process.elements) {
        scopes.entry(element.parent).or_default().elements.push(idx);
    }
    for (at, flow) in process.flows.iter().enumerate() {
        scopes.entry(flow.parent).or_default().flows.push(at);
    }
    for (at, data) in process.data.iter().enumerate() {
        scopes.entry(data.parent).or_default().data.push(at);
    }
    for (at, artifact) in process.artifacts.iter().enumerate() {
        scopes
            .entry(artifact.parent)
            .or_default()
            .artifacts
            .push(at);
    }
    for (at, lanes) in process.lane_sets.iter().enumerate() {
        scopes.entry(lanes.parent).or_default().lane_sets.push(at);
    }
    scopes
}
