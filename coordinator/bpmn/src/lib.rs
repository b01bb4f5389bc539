//! BPMN 2.0 XML to model and back.
//!
//! The model holds all of BPMN; whether an element can be executed is the engine's decision, taken when it compiles a [`Process`].

mod model;
mod problem;

pub use model::*;
pub use problem::{Limits, Problem};
