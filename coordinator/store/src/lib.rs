//! The store: makes batches durable, and finds what was stored. It decides nothing.
//!
//! The single writer gathers a [`Batch`] and hands it to a [`Store`]; [`projection`] computes the rows once, backends only
//! execute them. Truth is a segment's checkpoint plus the journal after it ([`rebuild`]); rows are for looking up.

pub mod batch;
pub mod evidence;
pub mod format;
pub mod memory;
pub mod projection;
pub mod reader;
pub mod rows;
pub mod sqlite;
pub mod store;

pub use batch::Batch;
pub use evidence::EvidenceFiles;
pub use format::{FormatError, Loaded, rebuild};
pub use memory::{Faults, MemoryStore};
pub use projection::{Rows, WHOLE_PROCESS};
pub use reader::Reader;
pub use sqlite::SqliteStore;
pub use store::{BLOB_BYTES_MIN, CommitError, Pruned, Recovered, Store, StoreError};
