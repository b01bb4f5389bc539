//! The coordinator's wiring: the single writer, dispatch, doors, and the command line on top.

pub mod dispatch;
pub mod runtime;
pub mod workers;
