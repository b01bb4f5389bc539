//! From XML to the model: every problem of a file at once.

mod diagram;
mod element;
mod event;
mod extension;
mod names;
mod pool;
mod problems;
mod process;
mod root;

use crate::model::Model;
use crate::problem::{Limits, Problem};
use crate::xml::{Fields, Ns, Tree, decode};
use problems::Problems;
use root::Ids;

/// Lanes and what is kept as XML nest no deeper than this, whatever the limits say: they are trees that are walked by recursion.
/// Processes and sub-processes are flat, so only the limits bound them.
const TREE_DEPTH_MAX: usize = 256;

/// Reads a BPMN 2.0 XML document, or says everything that is wrong with it.
///
/// The prefixes of namespaces don't matter; what has no meaning for execution is kept in the model; entities and DTDs are refused.
pub fn read(xml: &[u8], limits: &Limits) -> Result<Model, Vec<Problem>> {
    if xml.len() > limits.bytes_max {
        let message = format!(
            "the document has {} bytes, more than {}",
            xml.len(),
            limits.bytes_max
        );
        return Err(vec![whole(
            "too-large",
            message,
            "divide the model, or raise the limit for bytes",
        )]);
    }
    let text = decode(xml)
        .map_err(|message| vec![whole("encoding", message, "save the document as UTF-8")])?;
    let tree = Tree::read(&text, limits).map_err(|problem| vec![problem])?;
    let mut reading = Reading {
        tree: &tree,
        problems: Problems::new(limits.problems_max),
        ids: Ids::default(),
        copied_max: limits.bytes_max,
    };
    let model = reading.definitions();
    reading.problems.finish().map(|()| model)
}

/// What all parts of the reader share.
struct Reading<'t> {
    tree: &'t Tree,
    problems: Problems,
    ids: Ids,
    copied_max: usize,
}

impl<'t> Reading<'t> {
    fn definitions(&mut self) -> Model {
        let mut root = Fields::new(self.tree, self.tree.root());
        if root.ns() != Ns::Bpmn || root.name() != "definitions" {
            let message = match (root.name(), self.tree.uri(root.ns())) {
                ("definitions", None) => "`definitions` has no namespace".to_owned(),
                ("definitions", Some(uri)) => {
                    format!("`definitions` has the namespace `{uri}`, which is not BPMN 2.0's")
                }
                (other, _) => format!("the document is `{other}`, not BPMN 2.0 definitions"),
            };
            let remedy = "send BPMN 2.0 XML: `definitions` in the namespace http://www.omg.org/spec/BPMN/20100524/MODEL";
            self.problems
                .add("not-bpmn", None, root.at(), message, remedy);
            return Model::default();
        }
        self.unknown_names();
        if self.is_too_deep() {
            return Model::default();
        }
        self.root(&mut root)
    }

    /// Reports what nests too deep outside of processes and sub-processes.
    fn is_too_deep(&mut self) -> bool {
        let mut open = vec![(self.tree.root(), 0)];
        while let Some((id, depth)) = open.pop() {
            let node = self.tree.node(id);
            let is_scope =
                node.ns == Ns::Bpmn && (node.name == "process" || process::is_scope(&node.name));
            let depth = if is_scope { 0 } else { depth + 1 };
            if depth > TREE_DEPTH_MAX {
                let message = format!(
                    "XML elements outside of sub-processes are nested deeper than {TREE_DEPTH_MAX}"
                );
                self.problems
                    .add("too-deep", None, node.at, message, "nest less");
                return true;
            }
            open.extend(self.tree.children(id).map(|child| (child, depth)));
        }
        false
    }

    /// Reports elements that claim to be BPMN but are not: a misspelt task must not vanish.
    fn unknown_names(&mut self) {
        let mut open = vec![self.tree.root()];
        while let Some(id) = open.pop() {
            let node = self.tree.node(id);
            // What other tools put into their extensions is theirs, whatever namespace they give it.
            if node.ns != Ns::Bpmn || node.name == "extensionElements" {
                continue;
            }
            if !names::is_bpmn(&node.name) {
                let id = node
                    .attributes
                    .iter()
                    .find(|attribute| attribute.ns == Ns::None && attribute.name == "id");
                let message = format!("BPMN 2.0 has no element `{}`", node.name);
                self.problems.add(
                    "unknown-element",
                    id.map(|id| id.value.clone()),
                    node.at,
                    message,
                    "correct its name, or remove it",
                );
            }
            open.extend(self.tree.children(id));
        }
    }
}

fn whole(code: &'static str, message: String, remedy: &str) -> Problem {
    Problem {
        code,
        element: None,
        line: 1,
        column: 1,
        message,
        remedy: remedy.to_owned(),
    }
}
