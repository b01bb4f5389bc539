//! From the model to XML: what was read is written again, and what was built is valid BPMN 2.0.

mod diagram;
mod element;
mod event;
mod extension;
mod out;
mod process;

use crate::model::{
    Artifact, ArtifactKind, Collaboration, EventDefinition, Extra, Model, Text, Xml, XmlContent,
};
use crate::xml::rank;
use out::Out;

/// Writes a model as BPMN 2.0 XML with Camunda 8's extensions and the drawing; reading it gives the same model.
///
/// Control characters, which XML cannot hold, are replaced. Indices have to lie within their arenas, as `read` and the builders leave
/// them.
#[must_use]
pub fn write(model: &Model) -> String {
    let mut out = Writing {
        out: Out::new(&model.namespaces),
        model,
    };
    out.definitions();
    out.out.finish()
}

/// What all parts of the writer share.
struct Writing<'m> {
    out: Out,
    model: &'m Model,
}

impl Writing<'_> {
    fn definitions(&mut self) {
        let model = self.model;
        self.out.start("definitions");
        self.out
            .some("id", (!model.id.is_empty()).then_some(&model.id));
        self.out.some("name", model.name.as_ref());
        self.out
            .some("targetNamespace", model.target_namespace.as_ref());
        self.out.some("exporter", model.exporter.as_ref());
        self.out
            .some("exporterVersion", model.exporter_version.as_ref());
        self.head(&model.extra, |_| {});
        self.children(&model.extra, 0..=1);
        self.children(&model.extra, 2..=7);
        for message in &model.messages {
            self.out.start("message");
            self.out.attribute("id", &message.id);
            self.text("name", message.name.as_ref());
            self.head(&message.extra, |out| {
                if let Some(key) = &message.correlation_key {
                    out.zeebe("subscription", &[("correlationKey", Some(key))]);
                }
            });
            self.foot(&message.extra);
        }
        for error in &model.errors {
            self.out.start("error");
            self.out.attribute("id", &error.id);
            self.out.some("name", error.name.as_ref());
            self.text("errorCode", error.code.as_ref());
            self.head(&error.extra, |_| {});
            self.foot(&error.extra);
        }
        for signal in &model.signals {
            self.out.start("signal");
            self.out.attribute("id", &signal.id);
            self.text("name", signal.name.as_ref());
            self.head(&signal.extra, |_| {});
            self.foot(&signal.extra);
        }
        for escalation in &model.escalations {
            self.out.start("escalation");
            self.out.attribute("id", &escalation.id);
            self.out.some("name", escalation.name.as_ref());
            self.text("escalationCode", escalation.code.as_ref());
            self.head(&escalation.extra, |_| {});
            self.foot(&escalation.extra);
        }
        for event in &model.event_definitions {
            self.event_definition(&event.definition, Some(&event.id), &event.extra, true);
        }
        model
            .collaborations
            .iter()
            .for_each(|collaboration| self.collaboration(collaboration));
        model
            .processes
            .iter()
            .for_each(|process| self.process(process));
        model
            .diagrams
            .iter()
            .for_each(|diagram| self.diagram(diagram));
        self.children(&model.extra, 8..=u8::MAX);
        self.out.end();
    }

    fn collaboration(&mut self, collaboration: &Collaboration) {
        self.out.start("collaboration");
        self.out.attribute("id", &collaboration.id);
        self.out.some("name", collaboration.name.as_ref());
        self.head(&collaboration.extra, |_| {});
        for participant in &collaboration.participants {
            self.out.start("participant");
            self.out.attribute("id", &participant.id);
            self.out.some("name", participant.name.as_ref());
            self.out.some("processRef", participant.process.as_ref());
            self.head(&participant.extra, |_| {});
            self.foot(&participant.extra);
        }
        for flow in &collaboration.message_flows {
            self.out.start("messageFlow");
            self.out.attribute("id", &flow.id);
            self.out.some("name", flow.name.as_ref());
            self.out.attribute("sourceRef", &flow.source);
            self.out.attribute("targetRef", &flow.target);
            self.out.some("messageRef", flow.message.as_ref());
            self.head(&flow.extra, |_| {});
            self.foot(&flow.extra);
        }
        collaboration
            .artifacts
            .iter()
            .for_each(|artifact| self.artifact(artifact));
        self.foot(&collaboration.extra);
    }

    fn artifact(&mut self, artifact: &Artifact) {
        let name = match artifact.kind {
            ArtifactKind::TextAnnotation { .. } => "textAnnotation",
            ArtifactKind::Association { .. } => "association",
            ArtifactKind::Group { .. } => "group",
        };
        self.out.start(name);
        self.out.attribute("id", &artifact.id);
        match &artifact.kind {
            ArtifactKind::TextAnnotation { text, format } => {
                self.out.some("textFormat", format.as_ref());
                self.head(&artifact.extra, |_| {});
                self.out.leaf("text", text);
            }
            ArtifactKind::Association {
                source,
                target,
                direction,
            } => {
                self.out.some("associationDirection", direction.as_ref());
                self.out.attribute("sourceRef", source);
                self.out.attribute("targetRef", target);
                self.head(&artifact.extra, |_| {});
            }
            ArtifactKind::Group { category_value } => {
                self.out.some("categoryValueRef", category_value.as_ref());
                self.head(&artifact.extra, |_| {});
            }
        }
        self.foot(&artifact.extra);
    }

    /// Writes the attributes that were kept, documentation and extension elements.
    fn head(&mut self, extra: &Extra, extensions: impl FnOnce(&mut Out)) {
        for attribute in &extra.attributes {
            self.out.attribute_of(
                attribute.namespace.as_deref(),
                &attribute.name,
                &attribute.value,
            );
        }
        for documentation in &extra.documentation {
            self.out.start("documentation");
            self.out.some("id", documentation.id.as_ref());
            self.out.some("textFormat", documentation.format.as_ref());
            self.out.text(&documentation.text);
            self.out.end();
        }
        let mark = self.out.mark();
        self.out.start("extensionElements");
        extensions(&mut self.out);
        extra
            .extensions
            .iter()
            .for_each(|child| xml(&mut self.out, child));
        self.out.end_or_undo(mark);
    }

    /// Writes the children that were kept and have their place here.
    fn children(&mut self, extra: &Extra, ranks: std::ops::RangeInclusive<u8>) {
        for child in &extra.children {
            if ranks.contains(&rank(child)) {
                xml(&mut self.out, child);
            }
        }
    }

    /// Writes all children that were kept, and ends the element.
    fn foot(&mut self, extra: &Extra) {
        self.children(extra, 0..=u8::MAX);
        self.out.end();
    }

    fn text(&mut self, name: &str, text: Option<&Text>) {
        if let Some(text) = text {
            self.out.attribute(name, &text.to_string());
        }
    }

    fn expression(&mut self, name: &str, text: Option<&Text>) {
        self.out.expression(name, text, None);
    }

    fn id_of_message(&self, event: &EventDefinition) -> Option<&str> {
        match event {
            EventDefinition::Message {
                message: Some(idx), ..
            } => Some(&self.model.message(*idx).id),
            _ => None,
        }
    }
}

/// Writes XML as it was found.
fn xml(out: &mut Out, xml_element: &Xml) {
    out.start_of(xml_element.namespace.as_deref(), &xml_element.name);
    for attribute in &xml_element.attributes {
        out.attribute_of(
            attribute.namespace.as_deref(),
            &attribute.name,
            &attribute.value,
        );
    }
    for content in &xml_element.content {
        match content {
            XmlContent::Element(child) => xml(out, child),
            XmlContent::Text(text) => out.text(text),
        }
    }
    out.end();
}
