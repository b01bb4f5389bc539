//! What every bot and device action has in common: how it is called, what it leaves behind, how it may end.
//!
//! An action blocks; whoever runs it gives it a thread of its own. Nothing here does I/O.

mod action;
mod attempt;
mod cancel;
mod evidence;
mod mask;
mod memory;
mod outcome;
pub mod steps;
pub mod template;

pub use action::{Action, EffectClass, InputError, Need, Probe};
pub use attempt::{Attempt, Runner, Stop};
pub use cancel::Cancel;
pub use evidence::{EvidenceFile, Matched, StepRecord, StepResult};
pub use mask::{Mask, Secrets};
pub use memory::MemoryRunner;
pub use outcome::Outcome;

/// A JSON object: the shape of every action's input, output and BPMN error variables.
pub type Object = serde_json::Map<String, serde_json::Value>;
