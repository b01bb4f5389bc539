//! The XML of a document as a flat tree, read without recursion, entities from outside or unbounded memory.

use std::collections::{BTreeMap, BTreeSet};

use quick_xml::Reader;
use quick_xml::XmlVersion;
use quick_xml::events::{BytesStart, Event};
use quick_xml::name::{PrefixDeclaration, QName};

use super::names::{BPMN, BPMNDI, DC, DI, XML, XSI, ZEEBE, known_prefix};
use crate::model::{Namespace, Namespaces, Position};
use crate::problem::{Limits, Problem};

/// Names are looked up by going through what is in scope, and duplicates by comparing all pairs: both stay cheap at these sizes.
const ATTRIBUTES_MAX: usize = 256;
const PREFIXES_MAX: usize = 256;
/// A waypoint has two attributes, bounds have four: more for each element on average is not BPMN.
const ATTRIBUTES_PER_ELEMENT: usize = 4;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Ns {
    None,
    Bpmn,
    BpmnDi,
    Dc,
    Di,
    Zeebe,
    Xsi,
    Other(u32),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct NodeId(u32);

pub(crate) struct Tree {
    nodes: Vec<Node>,
    others: Vec<String>,
    pub(crate) namespaces: Namespaces,
    places: Places,
}

pub(crate) struct Node {
    pub(crate) ns: Ns,
    pub(crate) name: String,
    pub(crate) attributes: Vec<Attribute>,
    pub(crate) content: Vec<Content>,
    pub(crate) at: Position,
}

pub(crate) struct Attribute {
    pub(crate) ns: Ns,
    pub(crate) name: String,
    pub(crate) value: String,
}

pub(crate) enum Content {
    Node(NodeId),
    Text(String),
}

impl Tree {
    pub(crate) fn read(text: &str, limits: &Limits) -> Result<Tree, Problem> {
        let tree = Tree {
            nodes: Vec::new(),
            others: Vec::new(),
            namespaces: Namespaces::default(),
            places: Places::new(),
        };
        Growing {
            text,
            limits,
            tree,
            open: Vec::new(),
            scope: Vec::new(),
            known: BTreeMap::new(),
            declared: BTreeSet::new(),
            attributes: 0,
        }
        .read()
    }

    pub(crate) fn root(&self) -> NodeId {
        NodeId(0)
    }

    pub(crate) fn children(&self, id: NodeId) -> impl Iterator<Item = NodeId> {
        self.node(id)
            .content
            .iter()
            .filter_map(|content| match content {
                Content::Node(child) => Some(*child),
                Content::Text(_) => None,
            })
    }

    pub(crate) fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.0 as usize]
    }

    pub(crate) fn uri(&self, ns: Ns) -> Option<&str> {
        Some(match ns {
            Ns::None => return None,
            Ns::Bpmn => BPMN,
            Ns::BpmnDi => BPMNDI,
            Ns::Dc => DC,
            Ns::Di => DI,
            Ns::Zeebe => ZEEBE,
            Ns::Xsi => XSI,
            Ns::Other(at) => &self.others[at as usize],
        })
    }
}

/// The tree while it is read.
struct Growing<'a, 'l> {
    text: &'a str,
    limits: &'l Limits,
    tree: Tree,
    open: Vec<(NodeId, usize)>,
    scope: Vec<(String, Ns)>,
    known: BTreeMap<String, Ns>,
    declared: BTreeSet<(String, Ns)>,
    attributes: usize,
}

impl<'a> Growing<'a, '_> {
    fn read(mut self) -> Result<Tree, Problem> {
        if let Some(at) = self.text.find(|c: char| !is_xml(c)) {
            let message = "a character that XML does not allow".to_owned();
            return Err(self.problem("malformed-xml", at, message, "remove the control character"));
        }
        let mut reader = Reader::from_str(self.text);
        reader.config_mut().check_comments = false;
        loop {
            let at = reader.buffer_position() as usize;
            let event = match reader.read_event() {
                Ok(event) => event,
                Err(error) => {
                    let at = (reader.error_position() as usize)
                        .max(at)
                        .min(self.text.len());
                    return Err(self.problem(
                        "malformed-xml",
                        at,
                        error.to_string(),
                        "correct the XML at this place",
                    ));
                }
            };
            match event {
                Event::Start(start) => self.start(&start, at)?,
                Event::Empty(start) => {
                    self.start(&start, at)?;
                    self.end();
                }
                Event::End(_) => self.end(),
                Event::Text(text) => self.text(text.xml10_content().into_owned(), at)?,
                Event::CData(text) => self.text(text.xml10_content().into_owned(), at)?,
                Event::GeneralRef(reference) => {
                    let text = self.resolve(&reference, at)?;
                    self.text(text, at)?;
                }
                Event::DocType(_) => {
                    let message = "the document has a DOCTYPE".to_owned();
                    return Err(self.problem(
                        "doctype",
                        at,
                        message,
                        "remove it: entities and DTDs are not read",
                    ));
                }
                Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
                Event::Eof => break,
            }
        }
        self.finish()
    }

    fn finish(self) -> Result<Tree, Problem> {
        let end = self.text.len();
        if let Some((open, _)) = self.open.last() {
            let name = self.tree.node(*open).name.clone();
            return Err(self.problem(
                "malformed-xml",
                end,
                format!("`{name}` is not closed"),
                "complete the document",
            ));
        }
        if self.tree.nodes.is_empty() {
            return Err(self.problem(
                "malformed-xml",
                end,
                "there is no XML element".into(),
                "send a BPMN 2.0 XML document",
            ));
        }
        Ok(self.tree)
    }

    fn start(&mut self, start: &BytesStart<'_>, at: usize) -> Result<(), Problem> {
        if self.open.is_empty() && !self.tree.nodes.is_empty() {
            let message = "there is a second root element".to_owned();
            return Err(self.problem("malformed-xml", at, message, "keep one `definitions`"));
        }
        if self.open.len() >= self.limits.depth_max {
            let message = format!(
                "XML elements are nested deeper than {}",
                self.limits.depth_max
            );
            return Err(self.problem(
                "too-deep",
                at,
                message,
                "nest less, or raise the limit for depth",
            ));
        }
        if self.tree.nodes.len() >= self.limits.elements_max {
            let message = format!(
                "there are more than {} XML elements",
                self.limits.elements_max
            );
            return Err(self.problem(
                "too-many-elements",
                at,
                message,
                "divide the model, or raise the limit for elements",
            ));
        }
        let outside = self.scope.len();
        let mut attributes = Vec::new();
        let mut names = start.attributes();
        // Duplicates are looked for once the number of attributes is known to be small.
        for attribute in names.with_checks(false) {
            let attribute = attribute.map_err(|error| {
                self.problem(
                    "malformed-xml",
                    at,
                    error.to_string(),
                    "correct the attribute",
                )
            })?;
            if attributes.len() >= ATTRIBUTES_MAX {
                let message = format!("an XML element has more than {ATTRIBUTES_MAX} attributes");
                return Err(self.problem(
                    "too-many-attributes",
                    at,
                    message,
                    "use fewer attributes",
                ));
            }
            let value = match attribute.normalized_value(XmlVersion::Implicit1_0) {
                Ok(value) => value.into_owned(),
                Err(error) => {
                    return Err(self.problem(
                        "unknown-entity",
                        at,
                        error.to_string(),
                        "write the text itself",
                    ));
                }
            };
            if value.contains(|c| !is_xml(c)) {
                return Err(self.problem(
                    "malformed-xml",
                    at,
                    "a character that XML does not allow".into(),
                    "remove it",
                ));
            }
            match attribute.key.as_namespace_binding() {
                Some(PrefixDeclaration::Default) => self.declare("", value, at)?,
                Some(PrefixDeclaration::Named(prefix)) => self.declare(prefix, value, at)?,
                None => attributes.push((attribute.key.0.to_owned(), value)),
            }
        }
        let name = start.name();
        let (ns, local) = self.name(name, true, at)?;
        let mut resolved: Vec<Attribute> = Vec::with_capacity(attributes.len());
        for (key, value) in attributes {
            let (ns, name) = self.name(QName(&key), false, at)?;
            if resolved
                .iter()
                .any(|other| other.ns == ns && other.name == name)
            {
                return Err(self.problem(
                    "malformed-xml",
                    at,
                    format!("the attribute `{key}` stands twice"),
                    "keep one of them",
                ));
            }
            resolved.push(Attribute { ns, name, value });
        }
        self.attributes += resolved.len();
        let attributes_max = self
            .limits
            .elements_max
            .saturating_mul(ATTRIBUTES_PER_ELEMENT);
        if self.attributes > attributes_max {
            let message = format!("there are more than {attributes_max} XML attributes");
            return Err(self.problem(
                "too-many-attributes",
                at,
                message,
                "divide the model, or raise the limit for elements",
            ));
        }
        let id = NodeId(self.tree.nodes.len() as u32);
        let place = self.tree.places.at(self.text, at);
        self.tree.nodes.push(Node {
            ns,
            name: local,
            attributes: resolved,
            content: Vec::new(),
            at: place,
        });
        if let Some((parent, _)) = self.open.last() {
            self.tree.nodes[parent.0 as usize]
                .content
                .push(Content::Node(id));
        }
        self.open.push((id, outside));
        Ok(())
    }

    fn end(&mut self) {
        if let Some((_, outside)) = self.open.pop() {
            self.scope.truncate(outside);
        }
    }

    fn text(&mut self, text: String, at: usize) -> Result<(), Problem> {
        let Some((open, _)) = self.open.last() else {
            if text.trim().is_empty() {
                return Ok(());
            }
            let message = "there is text outside of the root element".to_owned();
            return Err(self.problem("malformed-xml", at, message, "remove it"));
        };
        if text.contains(|c| !is_xml(c)) {
            return Err(self.problem(
                "malformed-xml",
                at,
                "a character that XML does not allow".into(),
                "remove it",
            ));
        }
        let content = &mut self.tree.nodes[open.0 as usize].content;
        match content.last_mut() {
            Some(Content::Text(before)) => before.push_str(&text),
            _ => content.push(Content::Text(text)),
        }
        Ok(())
    }

    fn resolve(
        &self,
        reference: &quick_xml::events::BytesRef<'_>,
        at: usize,
    ) -> Result<String, Problem> {
        let named = match &**reference {
            "lt" => Some("<"),
            "gt" => Some(">"),
            "amp" => Some("&"),
            "quot" => Some("\""),
            "apos" => Some("'"),
            _ => None,
        };
        match (named, reference.resolve_char_ref()) {
            (Some(text), _) => Ok(text.to_owned()),
            (None, Ok(Some(c))) => Ok(c.to_string()),
            (None, Ok(None)) => {
                let message = format!("the entity `&{};` is not known", &**reference);
                Err(self.problem("unknown-entity", at, message, "write the text itself"))
            }
            (None, Err(error)) => Err(self.problem(
                "malformed-xml",
                at,
                error.to_string(),
                "write the text itself",
            )),
        }
    }

    fn declare(&mut self, prefix: &str, uri: String, at: usize) -> Result<(), Problem> {
        if self.scope.len() >= PREFIXES_MAX {
            let message = format!("more than {PREFIXES_MAX} namespace prefixes are in use at once");
            return Err(self.problem(
                "too-many-attributes",
                at,
                message,
                "declare each namespace once, at the root",
            ));
        }
        let misused = matches!(prefix, "xml" | "xmlns") || (uri.is_empty() && !prefix.is_empty());
        if misused && uri != XML {
            let message = format!("the namespace prefix `{prefix}` can't stand for `{uri}`");
            return Err(self.problem("malformed-xml", at, message, "correct the namespace"));
        }
        let ns = self.namespace(&uri);
        self.scope.push((prefix.to_owned(), ns));
        if ns != Ns::None && uri != XML && self.declared.insert((prefix.to_owned(), ns)) {
            self.keep(prefix, uri);
        }
        Ok(())
    }

    /// Keeps a prefix, because values such as `xsd:string` use it. What has no prefix, or one with two meanings, gets one.
    fn keep(&mut self, prefix: &str, uri: String) {
        let kept = &mut self.tree.namespaces.0;
        if kept.len() >= PREFIXES_MAX {
            return;
        }
        let is_used = |prefix: &str| kept.iter().any(|known| known.prefix == prefix);
        if !prefix.is_empty() && !is_used(prefix) {
            kept.push(Namespace {
                prefix: prefix.to_owned(),
                uri,
            });
        } else if !kept.iter().any(|known| known.uri == uri) {
            let prefix = known_prefix(&uri, is_used);
            kept.push(Namespace { prefix, uri });
        }
    }

    fn namespace(&mut self, uri: &str) -> Ns {
        match uri {
            "" => Ns::None,
            BPMN => Ns::Bpmn,
            BPMNDI => Ns::BpmnDi,
            DC => Ns::Dc,
            DI => Ns::Di,
            ZEEBE => Ns::Zeebe,
            XSI => Ns::Xsi,
            _ => match self.known.get(uri) {
                Some(ns) => *ns,
                None => {
                    let ns = Ns::Other(self.tree.others.len() as u32);
                    self.tree.others.push(uri.to_owned());
                    self.known.insert(uri.to_owned(), ns);
                    ns
                }
            },
        }
    }

    fn name(
        &mut self,
        name: QName<'_>,
        is_element: bool,
        at: usize,
    ) -> Result<(Ns, String), Problem> {
        let (local, prefix) = match name.0.split_once(':') {
            Some((prefix, local)) => (local, prefix),
            None => (name.0, ""),
        };
        if !is_name(local) || (!prefix.is_empty() && !is_name(prefix)) || name.0.starts_with(':') {
            let message = format!("`{}` is not a name", name.0);
            return Err(self.problem(
                "malformed-xml",
                at,
                message,
                "correct the XML at this place",
            ));
        }
        if prefix.is_empty() && !is_element {
            return Ok((Ns::None, local.to_owned()));
        }
        if let Some((_, ns)) = self.scope.iter().rev().find(|(known, _)| known == prefix) {
            return Ok((*ns, local.to_owned()));
        }
        match prefix {
            "" => Ok((Ns::None, local.to_owned())),
            "xml" => Ok((self.namespace(XML), local.to_owned())),
            _ => {
                let message = format!("the namespace prefix `{prefix}` is not declared");
                Err(self.problem(
                    "unknown-prefix",
                    at,
                    message,
                    &format!("declare it: `xmlns:{prefix}=\"…\"`"),
                ))
            }
        }
    }

    fn problem(&self, code: &'static str, at: usize, message: String, remedy: &str) -> Problem {
        let Position { line, column } = Places::new().at(self.text, at);
        let element = self.open.last().and_then(|(open, _)| {
            self.tree
                .node(*open)
                .attributes
                .iter()
                .find(|attribute| attribute.ns == Ns::None && attribute.name == "id")
                .map(|id| id.value.clone())
        });
        Problem {
            code,
            element,
            line,
            column,
            message,
            remedy: remedy.to_owned(),
        }
    }
}

/// Turns rising byte offsets into lines and columns, each byte looked at once.
struct Places {
    offset: usize,
    place: Position,
}

impl Places {
    fn new() -> Places {
        Places {
            offset: 0,
            place: Position { line: 1, column: 1 },
        }
    }

    fn at(&mut self, text: &str, offset: usize) -> Position {
        for c in text.get(self.offset..offset).unwrap_or_default().chars() {
            if c == '\n' {
                self.place = Position {
                    line: self.place.line + 1,
                    column: 1,
                };
            } else {
                self.place.column += 1;
            }
        }
        self.offset = self.offset.max(offset);
        self.place
    }
}

/// XML 1.0's characters.
fn is_xml(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..)
}

/// XML's names, as far as they matter: what is read can be written again.
fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_alphabetic() || c == '_')
        && text.chars().all(|c| {
            c.is_alphanumeric()
                || matches!(c, '_' | '-' | '.' | '\u{B7}')
                || (!c.is_ascii() && !c.is_whitespace())
        })
}
