//! What an XML element holds, taken field by field; the rest is kept as it is.

use super::names::BPMN;
use super::tree::{Attribute, Content, NodeId, Ns, Tree};
use crate::model::{Documentation, Extra, Position, Text, Xml, XmlAttribute, XmlContent};

pub(crate) struct Fields<'t> {
    tree: &'t Tree,
    node: NodeId,
    attributes: Vec<&'t Attribute>,
    children: Vec<NodeId>,
    extensions: Vec<NodeId>,
}

impl<'t> Fields<'t> {
    pub(crate) fn new(tree: &'t Tree, node: NodeId) -> Fields<'t> {
        let mut children = Vec::new();
        let mut extensions = Vec::new();
        for child in tree.children(node) {
            let found = tree.node(child);
            if found.ns == Ns::Bpmn && found.name == "extensionElements"
                || found.ns == Ns::Di && found.name == "extension"
            {
                extensions.extend(tree.children(child));
            } else {
                children.push(child);
            }
        }
        Fields {
            tree,
            node,
            attributes: tree.node(node).attributes.iter().collect(),
            children,
            extensions,
        }
    }

    pub(crate) fn at(&self) -> Position {
        self.tree.node(self.node).at
    }

    pub(crate) fn ns(&self) -> Ns {
        self.tree.node(self.node).ns
    }

    pub(crate) fn name(&self) -> &'t str {
        &self.tree.node(self.node).name
    }

    /// Takes an attribute that has no namespace.
    pub(crate) fn attribute(&mut self, name: &str) -> Option<String> {
        self.take_attribute(|attribute| attribute.ns == Ns::None && attribute.name == name)
    }

    /// Takes an attribute of any namespace: engines disagree about the prefix of some.
    pub(crate) fn attribute_of_any(&mut self, name: &str) -> Option<String> {
        self.take_attribute(|attribute| attribute.name == name)
    }

    pub(crate) fn text_attribute(&mut self, name: &str) -> Option<Text> {
        self.attribute(name).map(|value| Text::parse(&value))
    }

    fn take_attribute(&mut self, wanted: impl Fn(&Attribute) -> bool) -> Option<String> {
        let at = self
            .attributes
            .iter()
            .position(|attribute| wanted(attribute))?;
        Some(self.attributes.remove(at).value.clone())
    }

    /// Takes all children of BPMN's namespace with this name.
    pub(crate) fn children(&mut self, name: &str) -> Vec<Fields<'t>> {
        self.children_of(Ns::Bpmn, name)
    }

    pub(crate) fn children_of(&mut self, ns: Ns, name: &str) -> Vec<Fields<'t>> {
        self.children_where(|found, local| found == ns && local == name)
    }

    pub(crate) fn children_where(&mut self, wanted: impl Fn(Ns, &str) -> bool) -> Vec<Fields<'t>> {
        let tree = self.tree;
        let (taken, left) = self.children.drain(..).partition(|child| {
            let node = tree.node(*child);
            wanted(node.ns, &node.name)
        });
        self.children = left;
        let taken: Vec<NodeId> = taken;
        taken
            .into_iter()
            .map(|child| Fields::new(tree, child))
            .collect()
    }

    /// Takes the first child of BPMN's namespace with this name.
    pub(crate) fn child(&mut self, name: &str) -> Option<Fields<'t>> {
        self.child_of(Ns::Bpmn, name)
    }

    pub(crate) fn child_of(&mut self, ns: Ns, name: &str) -> Option<Fields<'t>> {
        let at = self.children.iter().position(|child| {
            let node = self.tree.node(*child);
            node.ns == ns && node.name == name
        })?;
        Some(Fields::new(self.tree, self.children.remove(at)))
    }

    /// Takes the text of the first child with this name, without white space around it.
    pub(crate) fn child_text(&mut self, name: &str) -> Option<String> {
        self.child(name).map(|child| child.text().trim().to_owned())
    }

    /// Takes the expression in the first child with this name; an empty one is none.
    pub(crate) fn child_expression(&mut self, name: &str) -> Option<Text> {
        self.child_text(name)
            .filter(|text| !text.is_empty())
            .map(|text| Text::parse(&text))
    }

    /// Takes the text of all children with this name.
    pub(crate) fn child_texts(&mut self, name: &str) -> Vec<String> {
        self.children(name)
            .iter()
            .map(|child| child.text().trim().to_owned())
            .filter(|text| !text.is_empty())
            .collect()
    }

    /// Takes all of Zeebe's extension elements with this name.
    pub(crate) fn extensions(&mut self, name: &str) -> Vec<Fields<'t>> {
        let tree = self.tree;
        let mut taken = Vec::new();
        self.extensions.retain(|child| {
            let node = tree.node(*child);
            let wanted = node.ns == Ns::Zeebe && node.name == name;
            if wanted {
                taken.push(*child);
            }
            !wanted
        });
        taken
            .into_iter()
            .map(|child| Fields::new(tree, child))
            .collect()
    }

    /// Returns the text inside, white space included.
    pub(crate) fn text(&self) -> String {
        let content = self.tree.node(self.node).content.iter();
        content
            .filter_map(|content| {
                if let Content::Text(text) = content {
                    Some(&**text)
                } else {
                    None
                }
            })
            .collect()
    }

    /// Keeps what was not taken.
    pub(crate) fn extra(mut self) -> Extra {
        let documentation = self
            .children("documentation")
            .into_iter()
            .map(|mut text| Documentation {
                id: text.attribute("id"),
                format: text.attribute("textFormat"),
                text: text.text(),
            })
            .collect();
        let mut children: Vec<Xml> = self
            .children
            .iter()
            .map(|child| xml(self.tree, *child))
            .collect();
        children.sort_by_key(rank);
        Extra {
            documentation,
            attributes: self
                .attributes
                .iter()
                .map(|attribute| kept(self.tree, attribute))
                .collect(),
            extensions: self
                .extensions
                .iter()
                .map(|child| xml(self.tree, *child))
                .collect(),
            children,
        }
    }

    /// Keeps the whole element as it is.
    pub(crate) fn xml(&self) -> Xml {
        xml(self.tree, self.node)
    }
}

/// Where BPMN's schema wants a child that is only kept: flows come after 1, data associations after 4, loops after 6.
pub(crate) fn rank(child: &Xml) -> u8 {
    if child.namespace.as_deref() != Some(BPMN) {
        return 7;
    }
    match child.name.as_str() {
        "import" | "extension" | "auditing" | "monitoring" => 0,
        "categoryValueRef" => 1,
        "ioSpecification" | "supportedInterfaceRef" | "ioBinding" => 2,
        "property" => 3,
        "dataInput" | "dataOutput" => 4,
        "inputSet" | "outputSet" => 5,
        "performer" | "humanPerformer" | "potentialOwner" | "resourceRole" => 6,
        "relationship" => 8,
        _ => 7,
    }
}

fn kept(tree: &Tree, attribute: &Attribute) -> XmlAttribute {
    XmlAttribute {
        namespace: tree.uri(attribute.ns).map(str::to_owned),
        name: attribute.name.clone(),
        value: attribute.value.clone(),
    }
}

fn xml(tree: &Tree, id: NodeId) -> Xml {
    let node = tree.node(id);
    let mixed = node
        .content
        .iter()
        .any(|content| matches!(content, Content::Node(_)));
    let content = node.content.iter().filter_map(|content| match content {
        Content::Node(child) => Some(XmlContent::Element(xml(tree, *child))),
        Content::Text(text) if text.is_empty() || (mixed && text.trim().is_empty()) => None,
        Content::Text(text) => Some(XmlContent::Text(text.clone())),
    });
    Xml {
        namespace: tree.uri(node.ns).map(str::to_owned),
        name: node.name.clone(),
        attributes: node
            .attributes
            .iter()
            .map(|attribute| kept(tree, attribute))
            .collect(),
        content: content.collect(),
        at: node.at,
    }
}
