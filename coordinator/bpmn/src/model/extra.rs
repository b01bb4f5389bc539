//! What a file says beyond what Botswain reads: kept, so that writing a model loses nothing.

use super::Position;

/// Documentation, and the XML that has no meaning for execution.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Extra {
    /// Texts for people.
    pub documentation: Vec<Documentation>,
    /// Attributes that are not read.
    pub attributes: Vec<XmlAttribute>,
    /// Extension elements that are not read.
    pub extensions: Vec<Xml>,
    /// Children of BPMN's own that are not read, such as `ioSpecification`.
    pub children: Vec<Xml>,
}

/// A text for people, attached to anything.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Documentation {
    /// Its id.
    pub id: Option<String>,
    /// The media type of the text, where it isn't plain.
    pub format: Option<String>,
    /// The text.
    pub text: String,
}

/// The prefixes of a file. They always compare equal, because a file says the same with other prefixes.
#[derive(Debug, Clone, Default)]
pub struct Namespaces(pub Vec<Namespace>);

impl PartialEq for Namespaces {
    fn eq(&self, _: &Namespaces) -> bool {
        true
    }
}

impl Eq for Namespaces {}

/// A prefix and the namespace that it stands for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Namespace {
    /// The prefix.
    pub prefix: String,
    /// The namespace.
    pub uri: String,
}

/// An XML element as it was found.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Xml {
    /// The namespace; none for names without one.
    pub namespace: Option<String>,
    /// The name without a prefix.
    pub name: String,
    /// The attributes in their order.
    pub attributes: Vec<XmlAttribute>,
    /// Text and elements inside; white space between elements is left out.
    pub content: Vec<XmlContent>,
    /// Where it is written.
    pub at: Position,
}

/// An XML attribute as it was found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct XmlAttribute {
    /// The namespace; none for the usual attribute without a prefix.
    pub namespace: Option<String>,
    /// The name without a prefix.
    pub name: String,
    /// The value, with entities resolved.
    pub value: String,
}

/// What stands inside of an XML element.
#[derive(Debug, Clone, PartialEq)]
pub enum XmlContent {
    /// Another element.
    Element(Xml),
    /// Text, with entities resolved.
    Text(String),
}
