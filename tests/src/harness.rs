//! The harness: real coordinators on free ports, and clients of their doors. Whatever a test starts ends with it.

mod crowd;
mod ledger;
mod process;
mod stream;
mod web;

pub use crowd::{Crowd, crowd};
pub use ledger::{Ledger, Tally, rows};
pub use process::{Coordinator, Start, resident_kib};
pub use stream::{Said, Stream};
pub use web::{Answered, Web};

use std::time::{Duration, Instant};

/// No test waits longer for anything.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Looks again and again until there is something to see.
///
/// # Panics
/// There is nothing to see within the time that any test waits.
pub async fn wait_for<T, F: Future<Output = Option<T>>>(
    what: &str,
    mut look: impl FnMut() -> F,
) -> T {
    let until = Instant::now() + PATIENCE;
    let mut pace = tokio::time::interval(Duration::from_millis(10));
    loop {
        pace.tick().await;
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < until, "waited in vain for {what}");
    }
}

/// A process of the text notation as a file, under an id of its own.
#[must_use]
pub fn model(id: &str, text: &str) -> String {
    botswain_bpmn::write(&botswain_bpmn::build(text)).replace("\"process\"", &format!("\"{id}\""))
}
