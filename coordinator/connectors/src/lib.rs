//! Connectors: jobs that the coordinator does itself by calling somebody's HTTP API.
//!
//! A [`Connector`] is compiled once from its definition, which names every problem at once; [`Connector::call`] does one
//! attempt at one job and says how it ended. What certainly did not happen and what may have happened are never mixed.

mod address;
mod answer;
mod client;
mod connector;
mod definition;
mod exchange;
mod expression;
mod fields;
mod keys;
mod mask;
mod outcome;
mod problem;
mod rest;
mod secrets;
mod status;
#[cfg(test)]
mod tests;
mod text;

pub use client::{Client, ClientError, ClientOptions};
pub use connector::Connector;
pub use definition::Settings;
pub use outcome::{Call, Effect, Evidence, Happened, JobView, Outcome};
pub use problem::{DefinitionError, Problem};
pub use rest::{REST_JOB_TYPE, RestConnector, RestOptions};
pub use secrets::{Secrets, SecretsError};

/// A JSON object: the variables of a job and what a connector gives back.
pub type Object = serde_json::Map<String, serde_json::Value>;
