//! Links: how messages travel between the agent and its coordinator. The session knows none of it.

mod address;
mod backoff;
mod bulk;
mod grpc;

pub use address::{Address, AddressError};
pub use backoff::Backoff;
pub use bulk::Bulk;
pub use grpc::{Connection, Fault, Security, connect};
