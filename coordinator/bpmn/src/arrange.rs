//! The one order of a process's arenas, in which a model that was read equals the same model built or read again.

use std::collections::BTreeMap;

use crate::model::{Element, ElementIdx, FlowIdx, Kind, Process};

/// Puts elements before what stands inside of them, and flows, data, artifacts and lanes in the order of their scopes.
pub(crate) fn arrange(process: &mut Process) {
    let order = scopes_first(&process.elements);
    let mut moved = vec![ElementIdx(0); order.len()];
    for (new, old) in order.iter().enumerate() {
        moved[*old] = ElementIdx(new as u32);
    }
    let moved_to = |idx: &mut ElementIdx| *idx = moved[idx.0 as usize];
    let moved_scope = |scope: &mut Option<ElementIdx>| {
        if let Some(idx) = scope {
            moved_to(idx);
        }
    };

    let mut elements: Vec<Option<Element>> = std::mem::take(&mut process.elements)
        .into_iter()
        .map(Some)
        .collect();
    process.elements = order
        .iter()
        .filter_map(|old| elements[*old].take())
        .collect();
    for element in &mut process.elements {
        moved_scope(&mut element.parent);
        if let Kind::Boundary { attached_to, .. } = &mut element.kind {
            moved_to(attached_to);
        }
    }
    for flow in &mut process.flows {
        moved_to(&mut flow.source);
        moved_to(&mut flow.target);
        moved_scope(&mut flow.parent);
    }
    process
        .data
        .iter_mut()
        .for_each(|data| moved_scope(&mut data.parent));
    process
        .artifacts
        .iter_mut()
        .for_each(|artifact| moved_scope(&mut artifact.parent));
    process
        .lane_sets
        .iter_mut()
        .for_each(|lanes| moved_scope(&mut lanes.parent));

    process.data.sort_by_key(|data| data.parent);
    process.artifacts.sort_by_key(|artifact| artifact.parent);
    process.lane_sets.sort_by_key(|lanes| lanes.parent);
    arrange_flows(process);
}

fn arrange_flows(process: &mut Process) {
    let mut order: Vec<usize> = (0..process.flows.len()).collect();
    order.sort_by_key(|old| process.flows[*old].parent);
    let mut moved = vec![FlowIdx(0); order.len()];
    for (new, old) in order.iter().enumerate() {
        moved[*old] = FlowIdx(new as u32);
    }
    process.flows.sort_by_key(|flow| flow.parent);
    for element in &mut process.elements {
        element
            .incoming
            .iter_mut()
            .chain(&mut element.outgoing)
            .chain(&mut element.default_flow)
            .for_each(|idx| *idx = moved[idx.0 as usize]);
    }
}

/// Lists the elements depth first, siblings in their order, without recursion: models nest as deep as their limits allow.
fn scopes_first(elements: &[Element]) -> Vec<usize> {
    let mut children: BTreeMap<Option<ElementIdx>, Vec<usize>> = BTreeMap::new();
    for (at, element) in elements.iter().enumerate().rev() {
        children.entry(element.parent).or_default().push(at);
    }
    let mut open = children.remove(&None).unwrap_or_default();
    let mut order = Vec::with_capacity(elements.len());
    while let Some(at) = open.pop() {
        order.push(at);
        open.extend(
            children
                .remove(&Some(ElementIdx(at as u32)))
                .unwrap_or_default(),
        );
    }
    order
}
