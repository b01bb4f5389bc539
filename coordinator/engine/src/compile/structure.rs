//! Structure: what may be connected with what, so that a token is always in the scope of the element it sits on.

use super::convert::{Notes, Place};
use botswain_bpmn::{self as bpmn, ElementIdx, Kind};
use std::collections::BTreeMap;

/// What stands where, looked up often and found at once.
pub(super) struct Structure {
    /// None start events by their scope; a scope with other start events only has an empty list.
    starts: BTreeMap<Option<u32>, Vec<ElementIdx>>,
    boundaries: BTreeMap<u32, Vec<ElementIdx>>,
}

impl Structure {
    pub(super) fn of(source: &bpmn::Process) -> Structure {
        let mut starts: BTreeMap<_, Vec<_>> = BTreeMap::new();
        let mut boundaries: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for (idx, element) in (0u32..).map(ElementIdx).zip(&source.elements) {
            if let Kind::StartEvent { events, .. } = &element.kind {
                let parent = element.parent.map(|parent| parent.0);
                let none = starts.entry(parent).or_default();
                if events.is_empty() {
                    none.push(idx);
                }
            }
            if let Kind::Boundary { attached_to, .. } = &element.kind {
                boundaries.entry(attached_to.0).or_default().push(idx);
            }
        }
        Structure { starts, boundaries }
    }

    /// The none start events of a scope; nothing when it has no start event at all.
    pub(super) fn starts(&self, scope: Option<ElementIdx>) -> Option<&[ElementIdx]> {
        let found = self.starts.get(&scope.map(|scope| scope.0));
        found.map(Vec::as_slice)
    }

    /// The boundary events of an activity.
    pub(super) fn boundaries(&self, host: ElementIdx) -> &[ElementIdx] {
        self.boundaries.get(&host.0).map_or(&[], Vec::as_slice)
    }
}

/// Notes what is connected as BPMN forbids.
pub(super) fn check(source: &bpmn::Process, notes: &mut Notes) {
    for element in &source.elements {
        check_element(source, element, notes);
    }
    for flow in &source.flows {
        let (from, to) = (source.element(flow.source), source.element(flow.target));
        if from.parent != to.parent {
            let here = Place {
                id: &flow.id,
                at: flow.at,
            };
            notes.note(
                here,
                "flow-leaves-scope",
                format!(
                    "leads from '{}' to '{}', and they are not in the same process or sub-process",
                    from.id, to.id
                ),
                "let the flow end in its scope, and go on from the sub-process itself",
            );
        }
    }
}

fn check_element(source: &bpmn::Process, element: &bpmn::Element, notes: &mut Notes) {
    let here = Place::of(element);
    match &element.kind {
        Kind::StartEvent { .. } if !element.incoming.is_empty() => notes.note(
            here,
            "incoming-at-start",
            "a start event must not have incoming sequence flows",
            "lead the flow to the element after the start event",
        ),
        Kind::EndEvent { .. } if !element.outgoing.is_empty() => notes.note(
            here,
            "outgoing-at-end",
            "an end event must not have outgoing sequence flows",
            "make it an intermediate event, or remove the flow",
        ),
        Kind::Boundary { attached_to, .. } => {
            let host = source.element(*attached_to);
            if !element.incoming.is_empty() {
                notes.note(
                    here,
                    "incoming-at-boundary",
                    "a boundary event must not have incoming sequence flows",
                    "lead the flow to the element after the boundary event",
                );
            }
            if !host.kind.is_activity() {
                let message = format!(
                    "must be attached to an activity, and '{}' is of the kind '{}'",
                    host.id,
                    host.kind.tag()
                );
                let remedy = "attach it to a task, a sub-process or a call activity";
                notes.note(here, "attached-to-no-activity", message, remedy);
            }
            if host.parent != element.parent {
                let message = format!("must be in the same scope as '{}'", host.id);
                let remedy = "move the event to the scope of its activity";
                notes.note(here, "attached-elsewhere", message, remedy);
            }
        }
        _ => {}
    }
    if element.repeats.is_some() && !element.kind.is_activity() {
        notes.note(
            here,
            "repeated-no-activity",
            format!(
                "an element of the kind '{}' cannot carry a loop marker, only activities can",
                element.kind.tag()
            ),
            "put it into a sub-process that carries the marker",
        );
    }
    if let Some(default) = element.default_flow
        && !element.outgoing.contains(&default)
    {
        notes.note(
            here,
            "default-flow-elsewhere",
            format!(
                "its default flow '{}' does not begin here",
                source.flow(default).id
            ),
            "name one of its own outgoing flows",
        );
    }
}
