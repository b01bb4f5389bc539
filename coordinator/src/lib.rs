//! The coordinator's wiring: the single writer, dispatch, doors, and the command line on top.

pub mod api;
mod outlet;
mod connectors;
mod agents;
pub mod config;
pub mod dispatch;
pub mod fleet;
pub mod runtime;
pub mod server;
pub mod workers;
