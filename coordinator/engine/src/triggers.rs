//! Triggers: what makes an event happen, wherever it is drawn.

pub(crate) mod error;
pub(crate) mod message;
pub(crate) mod timer;
