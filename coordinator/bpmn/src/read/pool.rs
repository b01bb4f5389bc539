//! Pools, message flows, artifacts, data and lanes.

use super::Reading;
use crate::model::{
    Artifact, ArtifactKind, Collaboration, DataAssociation, DataElement, DataKind, ElementIdx,
    Lane, LaneSet, MessageFlow, Participant,
};
use crate::xml::{Fields, Ns};

pub(super) fn is_artifact(name: &str) -> bool {
    matches!(name, "textAnnotation" | "association" | "group")
}

pub(super) fn is_data(name: &str) -> bool {
    matches!(
        name,
        "dataObject" | "dataObjectReference" | "dataStoreReference"
    )
}

impl<'t> Reading<'t> {
    pub(super) fn collaboration(&mut self, mut fields: Fields<'t>) -> Option<Collaboration> {
        let at = fields.at();
        let id = self.id_or_new(&mut fields);
        let participants = fields
            .children("participant")
            .into_iter()
            .map(|fields| self.participant(fields))
            .collect();
        let message_flows = fields
            .children("messageFlow")
            .into_iter()
            .map(|fields| self.message_flow(fields))
            .collect();
        let artifacts = fields.children_where(|ns, name| ns == Ns::Bpmn && is_artifact(name));
        let artifacts = artifacts
            .into_iter()
            .map(|fields| self.artifact(fields, None))
            .collect();
        let name = fields.attribute("name");
        Some(Collaboration {
            id,
            name,
            participants,
            message_flows,
            artifacts,
            extra: fields.extra(),
            at,
        })
    }

    fn participant(&mut self, mut fields: Fields<'t>) -> Participant {
        let at = fields.at();
        let id = self.id_or_new(&mut fields);
        Participant {
            id,
            name: fields.attribute("name"),
            process: fields.attribute("processRef"),
            extra: fields.extra(),
            at,
        }
    }

    fn message_flow(&mut self, mut fields: Fields<'t>) -> MessageFlow {
        let at = fields.at();
        let id = self.id_or_new(&mut fields);
        let source = self.needed(&mut fields, "sourceRef", Some(&id));
        let target = self.needed(&mut fields, "targetRef", Some(&id));
        let (name, message) = (fields.attribute("name"), fields.attribute("messageRef"));
        MessageFlow {
            id,
            name,
            source,
            target,
            message,
            extra: fields.extra(),
            at,
        }
    }

    pub(super) fn artifact(
        &mut self,
        mut fields: Fields<'t>,
        parent: Option<ElementIdx>,
    ) -> Artifact {
        let at = fields.at();
        let id = self.id_or_new(&mut fields);
        let kind = match fields.name() {
            "association" => ArtifactKind::Association {
                source: self.needed(&mut fields, "sourceRef", Some(&id)),
                target: self.needed(&mut fields, "targetRef", Some(&id)),
                direction: fields.attribute("associationDirection"),
            },
            "group" => ArtifactKind::Group {
                category_value: fields.attribute("categoryValueRef"),
            },
            _ => ArtifactKind::TextAnnotation {
                text: fields
                    .child("text")
                    .map(|text| text.text())
                    .unwrap_or_default(),
                format: fields.attribute("textFormat"),
            },
        };
        Artifact {
            id,
            kind,
            parent,
            extra: fields.extra(),
            at,
        }
    }

    pub(super) fn data(
        &mut self,
        mut fields: Fields<'t>,
        parent: Option<ElementIdx>,
    ) -> DataElement {
        let at = fields.at();
        let id = self.id_or_new(&mut fields);
        let kind = match fields.name() {
            "dataObjectReference" => DataKind::ObjectReference {
                object: fields.attribute("dataObjectRef"),
            },
            "dataStoreReference" => DataKind::StoreReference {
                store: fields.attribute("dataStoreRef"),
            },
            _ => DataKind::Object {
                collection: self.flag(&mut fields, "isCollection", false, Some(&id)),
            },
        };
        DataElement {
            id,
            name: fields.attribute("name"),
            kind,
            parent,
            extra: fields.extra(),
            at,
        }
    }

    pub(super) fn data_association(&mut self, mut fields: Fields<'t>) -> DataAssociation {
        let at = fields.at();
        let sources = fields.child_texts("sourceRef");
        let target = fields.child_text("targetRef");
        DataAssociation {
            id: fields.attribute("id"),
            sources,
            target,
            extra: fields.extra(),
            at,
        }
    }

    /// Reads lanes; their nesting is bounded by the depth of the document.
    pub(super) fn lane_set(
        &mut self,
        mut fields: Fields<'t>,
        parent: Option<ElementIdx>,
    ) -> LaneSet {
        let lanes = fields
            .children("lane")
            .into_iter()
            .map(|fields| self.lane(fields))
            .collect();
        LaneSet {
            id: fields.attribute("id"),
            name: fields.attribute("name"),
            lanes,
            parent,
            extra: fields.extra(),
        }
    }

    fn lane(&mut self, mut fields: Fields<'t>) -> Lane {
        let at = fields.at();
        let id = self.id_or_new(&mut fields);
        let members = fields.child_texts("flowNodeRef");
        let lane_set = fields
            .child("childLaneSet")
            .map(|fields| Box::new(self.lane_set(fields, None)));
        Lane {
            id,
            name: fields.attribute("name"),
            members,
            lane_set,
            extra: fields.extra(),
            at,
        }
    }
}
