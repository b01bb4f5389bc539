//! XML without BPMN: bytes to a tree, with limits and places.

mod fields;
mod names;
mod text;
mod tree;

pub(crate) use fields::{Fields, rank};
pub(crate) use names::{BPMN, BPMNDI, CAMUNDA, DC, DI, XML, XSI, ZEEBE, known_prefix};
pub(crate) use text::decode;
pub(crate) use tree::{Ns, Tree};
