//! The drawing.

use super::{Writing, xml};
use crate::model::{Bounds, Diagram, Edge, Extra, Figure, Label, Point, Shape};
use crate::xml::{BPMNDI, DC, DI};

impl Writing<'_> {
    pub(super) fn diagram(&mut self, diagram: &Diagram) {
        self.out.start_of(Some(BPMNDI), "BPMNDiagram");
        self.out.some("id", diagram.id.as_ref());
        self.out.some("name", diagram.name.as_ref());
        self.drawn_head(&diagram.extra);
        self.out.start_of(Some(BPMNDI), "BPMNPlane");
        self.out.some("id", diagram.plane_id.as_ref());
        self.out.some("bpmnElement", diagram.element.as_ref());
        self.drawn_head(&diagram.plane_extra);
        for figure in &diagram.figures {
            match figure {
                Figure::Shape(shape) => self.shape(shape),
                Figure::Edge(edge) => self.edge(edge),
            }
        }
        self.foot(&diagram.plane_extra);
        diagram
            .label_styles
            .iter()
            .for_each(|style| xml(&mut self.out, style));
        self.foot(&diagram.extra);
    }

    fn shape(&mut self, shape: &Shape) {
        self.out.start_of(Some(BPMNDI), "BPMNShape");
        self.out.some("id", shape.id.as_ref());
        self.out.some("bpmnElement", shape.element.as_ref());
        self.drawn_flag("isHorizontal", shape.horizontal);
        self.drawn_flag("isExpanded", shape.expanded);
        self.drawn_flag("isMarkerVisible", shape.marker_visible);
        self.drawn_head(&shape.extra);
        self.bounds(shape.bounds);
        self.label(shape.label.as_ref());
        self.foot(&shape.extra);
    }

    fn edge(&mut self, edge: &Edge) {
        self.out.start_of(Some(BPMNDI), "BPMNEdge");
        self.out.some("id", edge.id.as_ref());
        self.out.some("bpmnElement", edge.element.as_ref());
        self.out.some("sourceElement", edge.source.as_ref());
        self.out.some("targetElement", edge.target.as_ref());
        self.drawn_head(&edge.extra);
        for Point { x, y } in &edge.waypoints {
            self.out.start_of(Some(DI), "waypoint");
            self.out.attribute("x", &x.to_string());
            self.out.attribute("y", &y.to_string());
            self.out.end();
        }
        self.label(edge.label.as_ref());
        self.foot(&edge.extra);
    }

    fn label(&mut self, label: Option<&Label>) {
        let Some(label) = label else { return };
        self.out.start_of(Some(BPMNDI), "BPMNLabel");
        self.out.some("id", label.id.as_ref());
        self.out.some("labelStyle", label.style.as_ref());
        self.drawn_head(&label.extra);
        self.bounds(label.bounds);
        self.foot(&label.extra);
    }

    fn bounds(&mut self, bounds: Option<Bounds>) {
        let Some(Bounds {
            x,
            y,
            width,
            height,
        }) = bounds
        else {
            return;
        };
        self.out.start_of(Some(DC), "Bounds");
        self.out.attribute("x", &x.to_string());
        self.out.attribute("y", &y.to_string());
        self.out.attribute("width", &width.to_string());
        self.out.attribute("height", &height.to_string());
        self.out.end();
    }

    fn drawn_flag(&mut self, name: &str, value: Option<bool>) {
        self.out.some(
            name,
            value.map(|value| if value { "true" } else { "false" }),
        );
    }

    /// Writes what a drawing keeps; its extension elements have another name than those of the model.
    fn drawn_head(&mut self, extra: &Extra) {
        for attribute in &extra.attributes {
            self.out.attribute_of(
                attribute.namespace.as_deref(),
                &attribute.name,
                &attribute.value,
            );
        }
        if !extra.extensions.is_empty() {
            self.out.start_of(Some(DI), "extension");
            extra
                .extensions
                .iter()
                .for_each(|child| xml(&mut self.out, child));
            self.out.end();
        }
    }
}
