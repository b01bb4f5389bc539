//! The drawing: where each element and flow is shown.

use super::{Extra, Xml};

/// One drawing; a collapsed sub-process has one of its own.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Diagram {
    /// Its id.
    pub id: Option<String>,
    /// Its name for people.
    pub name: Option<String>,
    /// The id of the plane.
    pub plane_id: Option<String>,
    /// The id of the process, collaboration or sub-process that is drawn.
    pub element: Option<String>,
    /// Shapes and edges, from the bottom to the top.
    pub figures: Vec<Figure>,
    /// Fonts that labels refer to.
    pub label_styles: Vec<Xml>,
    /// What else was found at the diagram.
    pub extra: Extra,
    /// What else was found at the plane.
    pub plane_extra: Extra,
}

/// Something drawn.
#[derive(Debug, Clone, PartialEq)]
pub enum Figure {
    /// An element, a pool, a lane, data or an annotation.
    Shape(Shape),
    /// A flow or an association.
    Edge(Edge),
}

/// A box, circle or diamond.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Shape {
    /// Its id.
    pub id: Option<String>,
    /// The id of what is drawn.
    pub element: Option<String>,
    /// Where it is drawn; a file can lack it.
    pub bounds: Option<Bounds>,
    /// Its label, where that has a place of its own.
    pub label: Option<Label>,
    /// Pools and lanes: from left to right.
    pub horizontal: Option<bool>,
    /// Sub-processes: drawn with what is inside.
    pub expanded: Option<bool>,
    /// Exclusive gateways: drawn with the cross.
    pub marker_visible: Option<bool>,
    /// Colors and what else was found.
    pub extra: Extra,
}

/// A line.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Edge {
    /// Its id.
    pub id: Option<String>,
    /// The id of what is drawn.
    pub element: Option<String>,
    /// The points from its beginning to its end.
    pub waypoints: Vec<Point>,
    /// Its label, where that has a place of its own.
    pub label: Option<Label>,
    /// The id of the shape or edge where it begins.
    pub source: Option<String>,
    /// The id of the shape or edge where it ends.
    pub target: Option<String>,
    /// Colors and what else was found.
    pub extra: Extra,
}

/// A text beside a shape or edge.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Label {
    /// Its id.
    pub id: Option<String>,
    /// The id of its style.
    pub style: Option<String>,
    /// Where it is drawn.
    pub bounds: Option<Bounds>,
    /// What else was found.
    pub extra: Extra,
}

/// A rectangle.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Bounds {
    /// From the left.
    pub x: f64,
    /// From the top.
    pub y: f64,
    /// To the right.
    pub width: f64,
    /// Downwards.
    pub height: f64,
}

/// A point.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Point {
    /// From the left.
    pub x: f64,
    /// From the top.
    pub y: f64,
}

impl Diagram {
    /// Lists the shapes.
    pub fn shapes(&self) -> impl Iterator<Item = &Shape> {
        self.figures.iter().filter_map(|figure| match figure {
            Figure::Shape(shape) => Some(shape),
            Figure::Edge(_) => None,
        })
    }

    /// Lists the edges.
    pub fn edges(&self) -> impl Iterator<Item = &Edge> {
        self.figures.iter().filter_map(|figure| match figure {
            Figure::Edge(edge) => Some(edge),
            Figure::Shape(_) => None,
        })
    }
}
