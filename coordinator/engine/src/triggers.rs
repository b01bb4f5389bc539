//! Triggers: what makes an event happen, wherever it is drawn.

// A new kind does not compile until every match here knows it; tests may ask for one kind only.
#![cfg_attr(not(test), warn(clippy::wildcard_enum_match_arm))]

pub(crate) mod error;
pub(crate) mod message;
pub(crate) mod timer;
