//! What a device can do for a process: run an allowed program, put a file, get a file; alone or as a short list of steps.
//!
//! Linux only. Every call blocks and is bounded in time, output and file size.

mod bot;
mod command;
mod file;
mod halt;
mod place;
pub mod tree;

pub use bot::{Bot, BotError, Manifest};
pub use command::{CommandRun, Exit, Request};
pub use file::{Encoding, FileGet, FilePut, GetRequest, PutRequest};

/// Reads a file as `file.get` does, for a bot that has no attempt to spend on it.
pub fn get_file(request: &GetRequest) -> Result<botswain_action::Object, String> {
    file::get(request).map_err(|halt| halt.message())
}

/// The device actions that need no package; the agent's policy decides which of them may run.
pub fn actions() -> Vec<Box<dyn botswain_action::Action>> {
    vec![Box::new(CommandRun), Box::new(FilePut), Box::new(FileGet)]
}
