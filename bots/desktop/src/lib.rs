//! What a bot does on a clerk's desktop: starts a program, finds its windows, types and reads back, clicks, saves, looks.
//!
//! X11 only. One bot at a time has the session, so every bot declares `Need::DesktopSession`.

mod bot;
mod clipboard;
mod display;
mod halt;
mod keyboard;
mod layout;
mod picture;
mod program;
mod session;
mod typing;
mod what;
mod windows;

pub use bot::{Bot, BotError};
pub use botswain_device::Manifest;
