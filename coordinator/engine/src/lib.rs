//! The engine: decides what a process instance does next. Pure: no I/O, no clock, no randomness, no async.
//!
//! Nine words are used the same way everywhere. Static: a *process* is one compiled version of a model, a *node* is an element
//! of it, a *flow* connects two nodes. Dynamic: an *instance* is one run, a *token* is one place where it is active, an
//! *arrival* is a flow that reached a join. Change: a *command* asks, an *event* happened, a *rejection* says why not; an
//! *incident* is an event too: the instance cannot go on by itself.

#[cfg(test)]
mod check;
mod compile;
mod elements;
mod lookup;
mod mapping;
#[cfg(test)]
mod properties;
mod step;
mod triggers;
mod wait;

pub mod command;
pub mod event;
pub mod incident;
pub mod instance;
pub mod key;
pub mod process;
pub mod variables;

pub use command::{Command, Rejection, Start};
pub use compile::{compile, compile_frozen};
pub use event::{Event, Millis, Record};
pub use incident::IncidentKind;
pub use instance::{Instance, Segment, Token};
pub use key::{Key, KeySource, Partition, SegmentId};
pub use process::{Process, Symbol, Symbols};
pub use step::{ACTIVATIONS_MAX, Decided, Ended, Env, WORK_PER_STEP_MAX, create, needs, step};
pub use variables::{Json, Variables};
pub use wait::{Reason, Waiting, visible_variables, waiting};
