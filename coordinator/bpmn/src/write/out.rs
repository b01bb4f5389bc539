//! XML text: names with prefixes, escapes, indentation.

use std::collections::BTreeMap;

use crate::model::{Namespaces, Text};
use crate::xml::{BPMN, XML, XSI, ZEEBE, known_prefix};

pub(super) struct Out {
    body: String,
    open: Vec<Open>,
    /// The start tag that was written last is not closed yet, so attributes can follow.
    in_tag: bool,
    prefixes: BTreeMap<String, String>,
    declared: Vec<(String, String)>,
}

struct Open {
    name: String,
    has_text: bool,
}

/// A place to go back to when an element turned out empty.
pub(super) struct Mark {
    len: usize,
    depth: usize,
    in_tag: bool,
}

impl Out {
    pub(super) fn new(namespaces: &Namespaces) -> Out {
        let mut out = Out {
            body: String::new(),
            open: Vec::new(),
            in_tag: false,
            prefixes: BTreeMap::new(),
            declared: Vec::new(),
        };
        for namespace in &namespaces.0 {
            if !namespace.prefix.is_empty() {
                out.declare(&namespace.prefix, &namespace.uri);
            }
        }
        out.prefix(BPMN);
        out
    }

    pub(super) fn finish(self) -> String {
        let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
        // The root element is always the first tag, and namespaces are known once everything is written.
        let (head, rest) = self
            .body
            .split_at(self.body.find([' ', '>', '/']).unwrap_or(self.body.len()));
        xml.push_str(head);
        for (prefix, uri) in &self.declared {
            xml.push_str(&format!(" xmlns:{prefix}=\""));
            escape(&mut xml, uri, true);
            xml.push('"');
        }
        xml.push_str(rest);
        xml.push('\n');
        xml
    }

    /// Begins an element of BPMN.
    pub(super) fn start(&mut self, name: &str) {
        self.start_of(Some(BPMN), name);
    }

    pub(super) fn start_of(&mut self, namespace: Option<&str>, name: &str) {
        let name = self.name(namespace, name);
        self.close_tag();
        if self.open.last().is_some_and(|open| !open.has_text) {
            self.line();
        }
        self.body.push('<');
        self.body.push_str(&name);
        self.open.push(Open {
            name,
            has_text: false,
        });
        self.in_tag = true;
    }

    pub(super) fn attribute(&mut self, name: &str, value: &str) {
        self.attribute_of(None, name, value);
    }

    pub(super) fn attribute_of(&mut self, namespace: Option<&str>, name: &str, value: &str) {
        let name = self.name(namespace, name);
        self.body.push(' ');
        self.body.push_str(&name);
        self.body.push_str("=\"");
        escape(&mut self.body, value, true);
        self.body.push('"');
    }

    pub(super) fn some(&mut self, name: &str, value: Option<impl AsRef<str>>) {
        if let Some(value) = value {
            self.attribute(name, value.as_ref());
        }
    }

    /// Writes an attribute only where it says something else than BPMN's default.
    pub(super) fn flag(&mut self, name: &str, value: bool, default: bool) {
        if value != default {
            self.attribute(name, if value { "true" } else { "false" });
        }
    }

    pub(super) fn text(&mut self, text: &str) {
        self.close_tag();
        if let Some(open) = self.open.last_mut() {
            open.has_text = true;
        }
        escape(&mut self.body, text, false);
    }

    pub(super) fn leaf(&mut self, name: &str, text: &str) {
        self.start(name);
        self.text(text);
        self.end();
    }

    pub(super) fn end(&mut self) {
        let Some(open) = self.open.pop() else { return };
        if self.in_tag {
            self.body.push_str("/>");
            self.in_tag = false;
            return;
        }
        if !open.has_text {
            self.line();
        }
        self.body.push_str("</");
        self.body.push_str(&open.name);
        self.body.push('>');
    }

    /// Writes one of Camunda 8's extension elements that only has attributes.
    pub(super) fn zeebe(&mut self, name: &str, attributes: &[(&str, Option<&Text>)]) {
        self.start_of(Some(ZEEBE), name);
        for (name, text) in attributes {
            self.some(name, text.map(Text::to_string));
        }
        self.end();
    }

    /// Writes an expression, with the type that tells readers that its text matters.
    pub(super) fn expression(&mut self, name: &str, text: Option<&Text>, language: Option<&str>) {
        let Some(text) = text else { return };
        let kind = self.name(Some(BPMN), "tFormalExpression");
        self.start(name);
        self.attribute_of(Some(XSI), "type", &kind);
        self.some("language", language);
        self.text(&text.to_string());
        self.end();
    }

    pub(super) fn mark(&self) -> Mark {
        Mark {
            len: self.body.len(),
            depth: self.open.len(),
            in_tag: self.in_tag,
        }
    }

    /// Ends the element that was begun at the mark, or takes it back when nothing was written in it.
    pub(super) fn end_or_undo(&mut self, mark: Mark) {
        if self.in_tag && self.open.len() == mark.depth + 1 {
            self.body.truncate(mark.len);
            self.open.truncate(mark.depth);
            self.in_tag = mark.in_tag;
        } else {
            self.end();
        }
    }

    fn close_tag(&mut self) {
        if self.in_tag {
            self.body.push('>');
            self.in_tag = false;
        }
    }

    fn line(&mut self) {
        self.body.push('\n');
        // Deep models would otherwise be mostly indentation.
        self.body
            .extend(std::iter::repeat_n("  ", self.open.len().min(32)));
    }

    fn name(&mut self, namespace: Option<&str>, name: &str) -> String {
        match namespace {
            Some(uri) => format!("{}:{name}", self.prefix(uri)),
            None => name.to_owned(),
        }
    }

    fn prefix(&mut self, uri: &str) -> String {
        if uri == XML {
            return "xml".into();
        }
        if let Some(prefix) = self.prefixes.get(uri) {
            return prefix.clone();
        }
        let prefix = known_prefix(uri, |prefix| {
            self.declared.iter().any(|(used, _)| used == prefix)
        });
        self.declare(&prefix, uri);
        prefix
    }

    fn declare(&mut self, prefix: &str, uri: &str) {
        if self.declared.iter().any(|(used, _)| used == prefix) {
            return;
        }
        self.declared.push((prefix.to_owned(), uri.to_owned()));
        self.prefixes
            .entry(uri.to_owned())
            .or_insert_with(|| prefix.to_owned());
    }
}

fn escape(out: &mut String, text: &str, in_attribute: bool) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' if in_attribute => out.push_str("&#34;"),
            // Readers would turn these into spaces.
            '\n' if in_attribute => out.push_str("&#10;"),
            '\t' if in_attribute => out.push_str("&#9;"),
            '\r' => out.push_str("&#13;"),
            '\n' | '\t' | ' '..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'.. => out.push(c),
            // XML has no way to write other characters.
            _ => out.push('\u{FFFD}'),
        }
    }
}
