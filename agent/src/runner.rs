//! The runner: every attempt runs in a process of its own, and nothing of it outlives it.
//!
//! The agent starts itself again (`botswain-agent attempt`, a command for nobody else) and talks to that process over a socket.
//! So a bot that crashes, hangs or leaks takes nothing else with it, its secrets are gone with it, and the idle agent
//! holds none of its memory. The commit point is a question over that socket: the answer comes when the journal is durable.

mod attempt;
mod frames;
mod host;
mod processes;
mod registry;
mod schema;

pub use attempt::main as attempt_main;
pub use host::{Host, Wish};
pub use registry::{Registry, effect_class, locks_of};
