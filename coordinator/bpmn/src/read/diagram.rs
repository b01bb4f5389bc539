//! The drawing: shapes, edges, labels.

use super::Reading;
use crate::model::{Bounds, Diagram, Edge, Figure, Label, Point, Shape};
use crate::xml::{Fields, Ns};

impl<'t> Reading<'t> {
    pub(super) fn diagram(&mut self, mut fields: Fields<'t>) -> Diagram {
        let mut diagram = Diagram {
            id: fields.attribute("id"),
            name: fields.attribute("name"),
            ..Diagram::default()
        };
        diagram.label_styles = fields
            .children_of(Ns::BpmnDi, "BPMNLabelStyle")
            .iter()
            .map(Fields::xml)
            .collect();
        if let Some(mut plane) = fields.child_of(Ns::BpmnDi, "BPMNPlane") {
            diagram.plane_id = plane.attribute("id");
            diagram.element = plane.attribute("bpmnElement");
            let figures = plane.children_where(|ns, name| {
                ns == Ns::BpmnDi && matches!(name, "BPMNShape" | "BPMNEdge")
            });
            diagram.figures = figures
                .into_iter()
                .map(|figure| self.figure(figure))
                .collect();
            diagram.plane_extra = plane.extra();
        }
        diagram.extra = fields.extra();
        diagram
    }

    fn figure(&mut self, mut fields: Fields<'t>) -> Figure {
        let id = fields.attribute("id");
        let element = fields.attribute("bpmnElement");
        let label = fields
            .child_of(Ns::BpmnDi, "BPMNLabel")
            .map(|label| self.label(label, element.as_deref()));
        if fields.name() == "BPMNEdge" {
            let waypoints = fields
                .children_of(Ns::Di, "waypoint")
                .into_iter()
                .map(|mut point| self.point(&mut point, element.as_deref()))
                .collect();
            let (source, target) = (
                fields.attribute("sourceElement"),
                fields.attribute("targetElement"),
            );
            return Figure::Edge(Edge {
                id,
                element,
                waypoints,
                label,
                source,
                target,
                extra: fields.extra(),
            });
        }
        let bounds = self.bounds(&mut fields, element.as_deref());
        let horizontal = self.optional_flag(&mut fields, "isHorizontal", element.as_deref());
        let expanded = self.optional_flag(&mut fields, "isExpanded", element.as_deref());
        let marker_visible = self.optional_flag(&mut fields, "isMarkerVisible", element.as_deref());
        Figure::Shape(Shape {
            id,
            element,
            bounds,
            label,
            horizontal,
            expanded,
            marker_visible,
            extra: fields.extra(),
        })
    }

    fn label(&mut self, mut fields: Fields<'t>, owner: Option<&str>) -> Label {
        let bounds = self.bounds(&mut fields, owner);
        Label {
            id: fields.attribute("id"),
            style: fields.attribute("labelStyle"),
            bounds,
            extra: fields.extra(),
        }
    }

    fn bounds(&mut self, fields: &mut Fields<'t>, owner: Option<&str>) -> Option<Bounds> {
        let mut bounds = fields.child_of(Ns::Dc, "Bounds")?;
        Some(Bounds {
            x: self.number(&mut bounds, "x", owner),
            y: self.number(&mut bounds, "y", owner),
            width: self.number(&mut bounds, "width", owner),
            height: self.number(&mut bounds, "height", owner),
        })
    }

    fn point(&mut self, fields: &mut Fields<'t>, owner: Option<&str>) -> Point {
        Point {
            x: self.number(fields, "x", owner),
            y: self.number(fields, "y", owner),
        }
    }

    fn number(&mut self, fields: &mut Fields<'t>, name: &str, owner: Option<&str>) -> f64 {
        let value = self.needed(fields, name, owner);
        if value.is_empty() {
            return 0.0;
        }
        match value.trim().parse::<f64>() {
            Ok(number) if number.is_finite() => number,
            _ => {
                let message = format!(
                    "`{name}` of `{}` is `{value}`, which is not a number",
                    fields.name()
                );
                self.problems.add(
                    "invalid-value",
                    owner.map(str::to_owned),
                    fields.at(),
                    message,
                    "write a number such as `160` or `82.5`",
                );
                0.0
            }
        }
    }

    fn optional_flag(
        &mut self,
        fields: &mut Fields<'t>,
        name: &str,
        owner: Option<&str>,
    ) -> Option<bool> {
        let value = fields.attribute(name)?;
        Some(
            self.boolean(&value, name, fields, owner)
                .unwrap_or_default(),
        )
    }

    /// Takes an attribute that is true or false.
    pub(super) fn flag(
        &mut self,
        fields: &mut Fields<'t>,
        name: &str,
        default: bool,
        owner: Option<&str>,
    ) -> bool {
        let Some(value) = fields.attribute(name) else {
            return default;
        };
        self.boolean(&value, name, fields, owner).unwrap_or(default)
    }

    fn boolean(
        &mut self,
        value: &str,
        name: &str,
        fields: &Fields<'t>,
        owner: Option<&str>,
    ) -> Option<bool> {
        match value.trim() {
            "true" | "1" => Some(true),
            "false" | "0" => Some(false),
            other => {
                let message = format!("`{name}` is `{other}`");
                self.problems.add(
                    "invalid-value",
                    owner.map(str::to_owned),
                    fields.at(),
                    message,
                    "write `true` or `false`",
                );
                None
            }
        }
    }
}
