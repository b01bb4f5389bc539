//! Connectors against a server of the tests' own: what is sent, how it may end, and what a model may ask for.

mod outcome;
mod request;
mod rest;
mod server;
