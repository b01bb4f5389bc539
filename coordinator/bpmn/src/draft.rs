//! A process in the making: ids that are unique, flows that know both ends, messages that are named once.

use std::collections::{BTreeMap, BTreeSet};

use crate::arrange::arrange;
use crate::model::{
    Artifact, ArtifactKind, Element, ElementIdx, Error, ErrorIdx, Escalation, EscalationIdx,
    EventDefinition, EventSource, Extra, Flow, FlowIdx, Kind, Message, MessageIdx, Model, Position,
    Process, Signal, SignalIdx, Text,
};

#[derive(Debug, Clone)]
pub(crate) struct Draft {
    model: Model,
    process: Process,
    elements: BTreeMap<String, ElementIdx>,
    ids: BTreeSet<String>,
}

impl Draft {
    pub(crate) fn new(process_id: &str) -> Draft {
        let namespace = "https://botswain.dev/models".to_owned();
        Draft {
            model: Model {
                id: "definitions".into(),
                target_namespace: Some(namespace),
                ..Model::default()
            },
            process: Process {
                id: process_id.to_owned(),
                executable: true,
                ..Process::default()
            },
            elements: BTreeMap::new(),
            ids: BTreeSet::from(["definitions".to_owned(), process_id.to_owned()]),
        }
    }

    pub(crate) fn find(&self, id: &str) -> Option<ElementIdx> {
        self.elements.get(id).copied()
    }

    pub(crate) fn element(&self, idx: ElementIdx) -> &Element {
        self.process.element(idx)
    }

    pub(crate) fn element_mut(&mut self, idx: ElementIdx) -> &mut Element {
        &mut self.process.elements[idx.0 as usize]
    }

    /// Adds an element; the error says why its id can't be used.
    pub(crate) fn add(
        &mut self,
        parent: Option<ElementIdx>,
        mut element: Element,
    ) -> Result<ElementIdx, String> {
        if !is_id(&element.id) {
            return Err(format!("`{}` can't be an id", element.id));
        }
        if !self.ids.insert(element.id.clone()) {
            return Err(format!("the id `{}` is used twice", element.id));
        }
        let idx = ElementIdx(self.process.elements.len() as u32);
        element.parent = parent;
        element.event_sources = vec![EventSource::default(); element.events().len()];
        self.elements.insert(element.id.clone(), idx);
        self.process.elements.push(element);
        Ok(idx)
    }

    /// Leads from one element to another: by a flow, or by an association from a compensation boundary event to its handler.
    pub(crate) fn connect(&mut self, source: ElementIdx, target: ElementIdx) -> Option<FlowIdx> {
        let (from, to) = (
            self.element(source).id.clone(),
            self.element(target).id.clone(),
        );
        let id = self.unused_id(&format!("{from}_to_{to}"));
        let parent = self.element(source).parent;
        if catches_compensation(self.element(source)) {
            self.element_mut(target).for_compensation = true;
            let kind = ArtifactKind::Association {
                source: from,
                target: to,
                direction: Some("One".into()),
            };
            let at = Position::default();
            self.process.artifacts.push(Artifact {
                id,
                kind,
                parent,
                extra: Extra::default(),
                at,
            });
            return None;
        }
        let idx = FlowIdx(self.process.flows.len() as u32);
        self.process.flows.push(Flow {
            id,
            name: None,
            source,
            target,
            parent,
            condition: None,
            condition_language: None,
            extra: Extra::default(),
            at: Position::default(),
        });
        self.element_mut(source).outgoing.push(idx);
        self.element_mut(target).incoming.push(idx);
        Some(idx)
    }

    pub(crate) fn flow_mut(&mut self, idx: FlowIdx) -> &mut Flow {
        &mut self.process.flows[idx.0 as usize]
    }

    pub(crate) fn message(&mut self, name: Text, correlation_key: Option<Text>) -> MessageIdx {
        let known = self.model.messages.iter().position(|known| {
            known.name.as_ref() == Some(&name) && known.correlation_key == correlation_key
        });
        let at = known.unwrap_or_else(|| {
            let id = self.unused_id(&format!("message-{name}"));
            let extra = Extra::default();
            self.model.messages.push(Message {
                id,
                name: Some(name),
                correlation_key,
                extra,
                at: Position::default(),
            });
            self.model.messages.len() - 1
        });
        MessageIdx(at as u32)
    }

    pub(crate) fn error(&mut self, code: Text) -> ErrorIdx {
        let known = self
            .model
            .errors
            .iter()
            .position(|known| known.code.as_ref() == Some(&code));
        let at = known.unwrap_or_else(|| {
            let id = self.unused_id(&format!("error-{code}"));
            let extra = Extra::default();
            self.model.errors.push(Error {
                id,
                name: None,
                code: Some(code),
                extra,
                at: Position::default(),
            });
            self.model.errors.len() - 1
        });
        ErrorIdx(at as u32)
    }

    pub(crate) fn signal(&mut self, name: Text) -> SignalIdx {
        let known = self
            .model
            .signals
            .iter()
            .position(|known| known.name.as_ref() == Some(&name));
        let at = known.unwrap_or_else(|| {
            let id = self.unused_id(&format!("signal-{name}"));
            let extra = Extra::default();
            self.model.signals.push(Signal {
                id,
                name: Some(name),
                extra,
                at: Position::default(),
            });
            self.model.signals.len() - 1
        });
        SignalIdx(at as u32)
    }

    pub(crate) fn escalation(&mut self, code: Text) -> EscalationIdx {
        let known = self
            .model
            .escalations
            .iter()
            .position(|known| known.code.as_ref() == Some(&code));
        let at = known.unwrap_or_else(|| {
            let id = self.unused_id(&format!("escalation-{code}"));
            let extra = Extra::default();
            self.model.escalations.push(Escalation {
                id,
                name: None,
                code: Some(code),
                extra,
                at: Position::default(),
            });
            self.model.escalations.len() - 1
        });
        EscalationIdx(at as u32)
    }

    pub(crate) fn finish(mut self) -> Model {
        arrange(&mut self.process);
        self.model.processes.push(self.process);
        self.model
    }

    fn unused_id(&mut self, wanted: &str) -> String {
        let wanted: String = wanted
            .chars()
            .map(|c| if is_id_char(c) { c } else { '_' })
            .collect();
        let id = (2u32..)
            .map(|count| format!("{wanted}_{count}"))
            .find_map(|next| {
                let candidate = if self.ids.contains(&wanted) {
                    next
                } else {
                    wanted.clone()
                };
                (!self.ids.contains(&candidate)).then_some(candidate)
            })
            .unwrap_or(wanted);
        self.ids.insert(id.clone());
        id
    }
}

/// Says whether a text can be an id in XML.
pub(crate) fn is_id(text: &str) -> bool {
    text.chars().all(is_id_char) && text.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

fn is_id_char(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '-' | '.')
}

fn catches_compensation(element: &Element) -> bool {
    matches!(&element.kind, Kind::Boundary { events, .. } if events.iter().any(|event| matches!(event, EventDefinition::Compensate { .. })))
}
