//! Limits: how large what crosses a wire may be.
//!
//! Both sides check the same constants, so that a sender fails early and a receiver never has to trust it.

/// Largest JSON input or result of a task; larger ones travel as a blob.
pub const PAYLOAD_MAX_BYTES: usize = 48 * 1024;
/// Largest whole message between agent and coordinator: what every MQTT broker accepts.
pub const MESSAGE_MAX_BYTES: usize = 64 * 1024;
/// Largest frame on a worker's stream.
pub const WORKER_FRAME_MAX_BYTES: usize = 4 * 1024 * 1024;
/// Largest number of items in one frame on a worker's stream.
pub const WORKER_ITEMS_MAX: usize = 4_096;
/// Chunk of a package or a file of evidence.
pub const CHUNK_BYTES: usize = 64 * 1024;
/// Largest bot package.
pub const PACKAGE_MAX_BYTES: u64 = 32 * 1024 * 1024;
/// Largest single file of evidence.
pub const EVIDENCE_MAX_BYTES: u64 = 16 * 1024 * 1024;
/// Most files of evidence of one attempt.
pub const EVIDENCE_FILES_MAX: usize = 64;
/// Longest text meant for people.
pub const TEXT_MAX_BYTES: usize = 4 * 1024;
/// Longest tail of a program's output.
pub const TAIL_MAX_BYTES: usize = 4 * 1024;
/// Longest name: an action, a label, a secret, a job type.
pub const NAME_MAX_BYTES: usize = 256;
/// Most entries in a list inside a message: labels, secrets, locks, warnings.
pub const LIST_MAX: usize = 128;
/// Most open attempts one Hello or Sync may list; also the most slots an agent may offer.
pub const OPEN_MAX: usize = 512;
/// Deepest nesting of a JSON payload.
pub const JSON_DEPTH_MAX: usize = 64;
