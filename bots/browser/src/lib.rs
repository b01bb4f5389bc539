//! The browser bot: runs what a clerk recorded in Chrome's DevTools, and brings back what the page answered.

mod bot;
mod browser;
mod evidence;
mod fault;
mod outputs;
mod overlay;
mod page;
mod problem;
mod process;
mod recording;
mod run;
mod selector;
mod steps;
mod wire;

pub use bot::{About, BrowserBot};
pub use browser::{BrowserMissing, Settings};
pub use overlay::Overlay;
pub use problem::{BotError, Problem};
pub use recording::{Recording, Step, StepKind};
pub use selector::{Part, Selector};
