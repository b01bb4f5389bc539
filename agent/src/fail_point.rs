//! Fail points: named moments at which a crash test lets the agent die.
//!
//! `BOTSWAIN_FAIL_POINT=<name>` kills the process with SIGKILL when it passes that moment; `<name>#<n>` at the n-th time.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// The variable that names the moment.
pub const VARIABLE: &str = "BOTSWAIN_FAIL_POINT";

/// Record kinds with moments around their way to the disk.
const KINDS: [&str; 7] = [
    "received",
    "refused",
    "started",
    "committed",
    "finished",
    "reported",
    "epoch",
];
const MOMENTS: [&str; 5] = [
    "before_write",
    "before_sync",
    // As a power cut leaves it before the fsync: half of what was written, or nothing of it.
    "torn",
    "lost",
    "after_sync",
];

/// All other moments.
const NAMED: [&str; 10] = [
    // A segment is written anew.
    "rotate.before_sync",
    "rotate.after_sync",
    // An offer arrived and was not looked at yet.
    "offer.arrived",
    // A run is durable as started, its process does not exist yet.
    "run.before_spawn",
    // Its process exists.
    "run.after_spawn",
    // The commit point is durable, the run does not know it yet.
    "commit.before_grant",
    "commit.after_grant",
    // The run is over, the effect is done, its end is not in the journal yet.
    "effect.done",
    // An event is durable and about to leave, or has left.
    "send.before",
    "send.after",
];

/// Names of all fail points.
pub fn names() -> Vec<String> {
    let records = KINDS
        .iter()
        .flat_map(|kind| MOMENTS.iter().map(move |moment| format!("{kind}.{moment}")));
    records
        .chain(NAMED.iter().map(|name| (*name).to_owned()))
        .collect()
}

struct Armed {
    name: String,
    left: AtomicU32,
}

fn armed() -> Option<&'static Armed> {
    static ARMED: OnceLock<Option<Armed>> = OnceLock::new();
    ARMED
        .get_or_init(|| {
            let value = std::env::var(VARIABLE).ok()?;
            let (name, times) = value.split_once('#').unwrap_or((&value, "1"));
            Some(Armed {
                name: name.to_owned(),
                left: AtomicU32::new(times.parse().unwrap_or(1)),
            })
        })
        .as_ref()
}

/// Passes a moment.
pub fn hit(name: &str) {
    if let Some(armed) = armed()
        && armed.name == name
    {
        pass(armed);
    }
}

/// Passes a moment of a record's way to the disk.
pub fn hit_record(kind: &str, moment: &str) {
    if let Some(armed) = armed()
        && armed
            .name
            .split_once('.')
            .is_some_and(|(a, b)| a == kind && b == moment)
    {
        pass(armed);
    }
}

/// True when this record's way to the disk is to end in that moment; the caller prepares the disk and calls `end`.
pub fn is_armed(kind: &str, moment: &str) -> bool {
    armed().is_some_and(|armed| {
        armed
            .name
            .split_once('.')
            .is_some_and(|(a, b)| a == kind && b == moment)
    })
}

fn pass(armed: &Armed) {
    if armed.left.fetch_sub(1, Ordering::Relaxed) == 1 {
        let _ = nix::sys::signal::kill(nix::unistd::Pid::this(), nix::sys::signal::Signal::SIGKILL);
    }
}
