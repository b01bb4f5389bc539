//! Messages between agents and the coordinator as checked types: what the wire's doors turn text and numbers into.

mod from_agent;
mod hello;
mod kinds;
mod to_agent;

pub use from_agent::{
    Beat, BpmnError, EvidenceRef, FromAgent, Progress, Reason, SyncItem, Tail, TaskEvent,
};
pub use hello::{ActionOffer, BotOffer, Capabilities, Hello, OpenAttempt};
pub use kinds::{EffectClass, Happened, Known, OnLost, State, Verdict};
pub use to_agent::{BotRef, Cancel, Limits, Receipt, Secret, Sync, Task, ToAgent, Work};

/// A message that breaks the protocol, with the place and what was expected there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {message}")]
pub struct WireError {
    /// Path of the field, such as `task.fence`.
    pub place: &'static str,
    /// What was expected and what was found.
    pub message: String,
}

pub(crate) fn wrong(place: &'static str, message: impl ToString) -> WireError {
    WireError {
        place,
        message: message.to_string(),
    }
}

/// Refuses a text longer than `max` bytes.
pub(crate) fn text(place: &'static str, text: String, max: usize) -> Result<String, WireError> {
    if text.len() > max {
        return Err(wrong(
            place,
            format!("holds {} bytes, at most {max} are allowed", text.len()),
        ));
    }
    Ok(text)
}

/// Refuses an empty or overlong name.
pub(crate) fn name(place: &'static str, value: String) -> Result<String, WireError> {
    if value.is_empty() {
        return Err(wrong(place, "is empty, a name is expected"));
    }
    text(place, value, crate::limits::NAME_MAX_BYTES)
}

/// Refuses a list longer than `max`.
pub(crate) fn list<T>(place: &'static str, items: Vec<T>, max: usize) -> Result<Vec<T>, WireError> {
    if items.len() > max {
        return Err(wrong(
            place,
            format!("holds {} entries, at most {max} are allowed", items.len()),
        ));
    }
    Ok(items)
}

/// Refuses a list with an overlong entry.
pub(crate) fn texts(
    place: &'static str,
    items: Vec<String>,
    max: usize,
) -> Result<Vec<String>, WireError> {
    list(place, items, crate::limits::LIST_MAX)?
        .into_iter()
        .map(|item| text(place, item, max))
        .collect()
}

pub(crate) fn job(place: &'static str, key: i64) -> Result<crate::ids::JobKey, WireError> {
    if key <= 0 {
        return Err(wrong(place, "expected the key of a job, a positive number"));
    }
    Ok(crate::ids::JobKey(key))
}

pub(crate) fn fence(place: &'static str, fence: u64) -> Result<crate::ids::Fence, WireError> {
    if fence == 0 {
        return Err(wrong(place, "expected a fence, which begins at 1"));
    }
    Ok(crate::ids::Fence(fence))
}

pub(crate) fn attempt(place: &'static str, text: &str) -> Result<crate::ids::AttemptId, WireError> {
    text.parse().map_err(|error| wrong(place, error))
}
