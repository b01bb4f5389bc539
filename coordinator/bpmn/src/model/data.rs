//! What stands beside the flow: data, lanes, artifacts, pools.

use super::{ElementIdx, Extra, Position};

/// A data object, a reference to one, or a reference to a data store.
#[derive(Debug, Clone, PartialEq)]
pub struct DataElement {
    /// Its id.
    pub id: String,
    /// Its name for people.
    pub name: Option<String>,
    /// What it is.
    pub kind: DataKind,
    /// The sub-process that it stands in.
    pub parent: Option<ElementIdx>,
    /// What else was found.
    pub extra: Extra,
    /// Where it is written.
    pub at: Position,
}

/// What a data element is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DataKind {
    /// The data itself.
    Object { collection: bool },
    /// A drawn place where the data is used, by the object's id.
    ObjectReference { object: Option<String> },
    /// A drawn place where a store is used, by the store's id.
    StoreReference { store: Option<String> },
}

/// An arrow between data and an activity or event.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct DataAssociation {
    /// Its id.
    pub id: Option<String>,
    /// The ids of where data comes from.
    pub sources: Vec<String>,
    /// The id of where data goes.
    pub target: Option<String>,
    /// What else was found, transformations and assignments included.
    pub extra: Extra,
    /// Where it is written.
    pub at: Position,
}

/// A text annotation, an association or a group.
#[derive(Debug, Clone, PartialEq)]
pub struct Artifact {
    /// Its id.
    pub id: String,
    /// What it is.
    pub kind: ArtifactKind,
    /// The sub-process that it stands in.
    pub parent: Option<ElementIdx>,
    /// What else was found.
    pub extra: Extra,
    /// Where it is written.
    pub at: Position,
}

/// What an artifact is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ArtifactKind {
    /// A remark in the drawing.
    TextAnnotation {
        text: String,
        format: Option<String>,
    },
    /// A line between two things, by their ids; from a compensation boundary event it leads to the handler.
    Association {
        source: String,
        target: String,
        direction: Option<String>,
    },
    /// A frame around things, by the id of its category value.
    Group { category_value: Option<String> },
}

/// Lanes that divide a process or a lane.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct LaneSet {
    /// Its id.
    pub id: Option<String>,
    /// Its name for people.
    pub name: Option<String>,
    /// The lanes.
    pub lanes: Vec<Lane>,
    /// The sub-process that it stands in.
    pub parent: Option<ElementIdx>,
    /// What else was found.
    pub extra: Extra,
}

/// A lane: who does what is drawn in it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Lane {
    /// Its id.
    pub id: String,
    /// Its name for people.
    pub name: Option<String>,
    /// The ids of the elements in it.
    pub members: Vec<String>,
    /// Lanes inside of it.
    pub lane_set: Option<Box<LaneSet>>,
    /// What else was found.
    pub extra: Extra,
    /// Where it is written.
    pub at: Position,
}

/// Pools and what goes on between them.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Collaboration {
    /// Its id.
    pub id: String,
    /// Its name for people.
    pub name: Option<String>,
    /// The pools.
    pub participants: Vec<Participant>,
    /// The messages between them.
    pub message_flows: Vec<MessageFlow>,
    /// Text annotations, associations and groups.
    pub artifacts: Vec<Artifact>,
    /// What else was found, conversations included.
    pub extra: Extra,
    /// Where it is written.
    pub at: Position,
}

/// A pool.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Participant {
    /// Its id.
    pub id: String,
    /// Its name for people.
    pub name: Option<String>,
    /// The id of its process; none for a pool that shows nothing inside.
    pub process: Option<String>,
    /// What else was found.
    pub extra: Extra,
    /// Where it is written.
    pub at: Position,
}

/// A message that goes from one pool to another.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct MessageFlow {
    /// Its id.
    pub id: String,
    /// Its name for people.
    pub name: Option<String>,
    /// The id of where it begins: a pool or an element.
    pub source: String,
    /// The id of where it leads: a pool or an element.
    pub target: String,
    /// The id of the message.
    pub message: Option<String>,
    /// What else was found.
    pub extra: Extra,
    /// Where it is written.
    pub at: Position,
}
