//! Everything that needs more than one crate.

pub mod conformance;
pub mod crm;
pub mod demo;
pub mod harness;
pub mod load;
pub mod simulation;
