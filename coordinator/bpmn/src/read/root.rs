//! What stands at the root of a file, and the ids by which the rest refers to it.

use std::collections::BTreeMap;

use super::Reading;
use crate::model::{
    Error, ErrorIdx, Escalation, EscalationIdx, EventDefinition, Message, MessageIdx, Model,
    Position, RootEventDefinition, Signal, SignalIdx, Text,
};
use crate::xml::{Fields, Ns};

/// Ids of the whole file: what they name, and that they are used once.
#[derive(Default)]
pub(super) struct Ids {
    pub(super) messages: BTreeMap<String, MessageIdx>,
    pub(super) errors: BTreeMap<String, ErrorIdx>,
    pub(super) signals: BTreeMap<String, SignalIdx>,
    pub(super) escalations: BTreeMap<String, EscalationIdx>,
    pub(super) events: BTreeMap<String, EventDefinition>,
    /// How much text event definitions by reference have copied so far.
    pub(super) copied: usize,
    used: BTreeMap<String, Position>,
    next: u32,
}

impl<'t> Reading<'t> {
    pub(super) fn root(&mut self, root: &mut Fields<'t>) -> Model {
        let mut model = Model {
            id: root.attribute("id").unwrap_or_default(),
            name: root.attribute("name"),
            target_namespace: root.attribute("targetNamespace"),
            exporter: root.attribute("exporter"),
            exporter_version: root.attribute("exporterVersion"),
            namespaces: self.tree.namespaces.clone(),
            ..Model::default()
        };
        // Events refer to these, wherever they stand in the file.
        model.messages = root
            .children("message")
            .into_iter()
            .map(|fields| self.message(fields))
            .collect();
        model.errors = root
            .children("error")
            .into_iter()
            .map(|fields| self.error(fields))
            .collect();
        model.signals = root
            .children("signal")
            .into_iter()
            .map(|fields| self.signal(fields))
            .collect();
        model.escalations = root
            .children("escalation")
            .into_iter()
            .map(|fields| self.escalation(fields))
            .collect();
        let events =
            root.children_where(|ns, name| ns == Ns::Bpmn && name.ends_with("EventDefinition"));
        model.event_definitions = events
            .into_iter()
            .filter_map(|fields| self.root_event(fields))
            .collect();

        model.collaborations = root
            .children_where(|ns, name| {
                ns == Ns::Bpmn && matches!(name, "collaboration" | "globalConversation")
            })
            .into_iter()
            .filter_map(|fields| self.collaboration(fields))
            .collect();
        model.processes = root
            .children("process")
            .into_iter()
            .map(|fields| self.process(fields))
            .collect();
        model.diagrams = root
            .children_of(Ns::BpmnDi, "BPMNDiagram")
            .into_iter()
            .map(|fields| self.diagram(fields))
            .collect();
        let rest = std::mem::replace(root, Fields::new(self.tree, self.tree.root()));
        model.extra = rest.extra();
        model
    }

    fn message(&mut self, mut fields: Fields<'t>) -> Message {
        let at = fields.at();
        let id = self.needed_id(&mut fields);
        let subscription = self.extension(&mut fields, "subscription", Some(&id));
        let correlation_key =
            subscription.and_then(|mut subscription| subscription.text_attribute("correlationKey"));
        let name = fields.text_attribute("name");
        let next = MessageIdx(self.ids.messages.len() as u32);
        self.ids.messages.insert(id.clone(), next);
        Message {
            id,
            name,
            correlation_key,
            extra: fields.extra(),
            at,
        }
    }

    fn error(&mut self, mut fields: Fields<'t>) -> Error {
        let at = fields.at();
        let id = self.needed_id(&mut fields);
        let next = ErrorIdx(self.ids.errors.len() as u32);
        self.ids.errors.insert(id.clone(), next);
        Error {
            id,
            name: fields.attribute("name"),
            code: code(&mut fields, "errorCode"),
            extra: fields.extra(),
            at,
        }
    }

    fn signal(&mut self, mut fields: Fields<'t>) -> Signal {
        let at = fields.at();
        let id = self.needed_id(&mut fields);
        let next = SignalIdx(self.ids.signals.len() as u32);
        self.ids.signals.insert(id.clone(), next);
        Signal {
            id,
            name: fields.text_attribute("name"),
            extra: fields.extra(),
            at,
        }
    }

    fn escalation(&mut self, mut fields: Fields<'t>) -> Escalation {
        let at = fields.at();
        let id = self.needed_id(&mut fields);
        let next = EscalationIdx(self.ids.escalations.len() as u32);
        self.ids.escalations.insert(id.clone(), next);
        Escalation {
            id,
            name: fields.attribute("name"),
            code: code(&mut fields, "escalationCode"),
            extra: fields.extra(),
            at,
        }
    }

    fn root_event(&mut self, mut fields: Fields<'t>) -> Option<RootEventDefinition> {
        let at = fields.at();
        let id = self.needed_id(&mut fields);
        let definition = self.event_definition(&mut fields, &id)?;
        self.ids.events.insert(id.clone(), definition.clone());
        Some(RootEventDefinition {
            id,
            definition,
            extra: fields.extra(),
            at,
        })
    }

    /// Takes the id of something that can't do without, and notes that it is used.
    pub(super) fn needed_id(&mut self, fields: &mut Fields<'t>) -> String {
        match fields.attribute("id").filter(|id| !id.is_empty()) {
            Some(id) => {
                self.use_id(&id, fields.at());
                id
            }
            None => {
                let message = format!("`{}` has no id", fields.name());
                self.problems.add(
                    "missing-id",
                    None,
                    fields.at(),
                    message,
                    "give it an id that is unique in the file",
                );
                String::new()
            }
        }
    }

    /// Takes the id of something, or makes one where a file may leave it out.
    pub(super) fn id_or_new(&mut self, fields: &mut Fields<'t>) -> String {
        if let Some(id) = fields.attribute("id").filter(|id| !id.is_empty()) {
            self.use_id(&id, fields.at());
            return id;
        }
        // The count never goes back, so that a file full of taken ids can't make this slow.
        let id = loop {
            let id = format!("{}_{}", fields.name(), self.ids.next);
            self.ids.next += 1;
            if !self.ids.used.contains_key(&id) {
                break id;
            }
        };
        self.use_id(&id, fields.at());
        id
    }

    pub(super) fn use_id(&mut self, id: &str, at: Position) {
        if let Some(before) = self.ids.used.insert(id.to_owned(), at) {
            let message = format!("the id is used twice, first in line {}", before.line);
            self.problems.add(
                "duplicate-id",
                Some(id.to_owned()),
                at,
                message,
                "give one of the two another id",
            );
        }
    }

    /// Takes a reference and finds what it names; a prefix before the id is a namespace of the file itself.
    pub(super) fn reference<T: Copy>(
        &mut self,
        fields: &mut Fields<'t>,
        (attribute, what): (&str, &str),
        owner: &str,
        known: impl Fn(&Ids) -> &BTreeMap<String, T>,
    ) -> Option<T> {
        let id = fields.attribute(attribute).filter(|id| !id.is_empty())?;
        let found = known(&self.ids)
            .get(&id)
            .or_else(|| known(&self.ids).get(local(&id)))
            .copied();
        if found.is_none() {
            let message =
                format!("`{attribute}` names {what} `{id}`, which the file does not define");
            let remedy = format!("define {what} at the root of the file, or correct the reference");
            self.problems.add(
                "unknown-reference",
                Some(owner.to_owned()),
                fields.at(),
                message,
                &remedy,
            );
        }
        found
    }
}

fn code(fields: &mut Fields<'_>, name: &str) -> Option<Text> {
    fields.text_attribute(name).filter(|code| !code.is_empty())
}

/// The id without the prefix of a namespace.
pub(super) fn local(id: &str) -> &str {
    id.rsplit_once(':').map_or(id, |(_, local)| local)
}
