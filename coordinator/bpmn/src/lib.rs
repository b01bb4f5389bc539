//! BPMN 2.0 XML to model and back.
//!
//! The model holds all of BPMN; whether an element can be executed is the engine's decision, taken when it compiles a [`Process`].

mod arrange;
mod builder;
mod draft;
mod model;
mod notation;
mod problem;
mod read;
mod write;
mod xml;

pub use builder::Builder;
pub use model::*;
pub use notation::{build, parse};
pub use problem::{Limits, Problem};
pub use read::read;
pub use write::write;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
