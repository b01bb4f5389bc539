//! The coordinator's wiring: the single writer, dispatch, doors, and the command line on top.

mod agents;
pub mod api;
pub mod cli;
pub mod config;
mod connectors;
pub mod dispatch;
pub mod fleet;
mod outlet;
pub mod runtime;
pub mod server;
pub mod workers;
