//! Uploads: evidence goes to the coordinator, one file after the other, whenever there is a connection.

use botswain_proto::ids::AttemptId;
use tokio::task::JoinHandle;

use crate::evidence::Evidence;
use crate::link::Bulk;

/// The upload under way, if any.
pub(super) struct Uploads {
    evidence: Evidence,
    under_way: Option<JoinHandle<()>>,
}

impl Uploads {
    pub(super) fn new(evidence: Evidence) -> Self {
        Self {
            evidence,
            under_way: None,
        }
    }

    /// Begins with what waits, unless an upload is under way; the next look takes what came meanwhile.
    pub(super) fn begin(&mut self, mut bulk: Bulk, still_open: &dyn Fn(AttemptId) -> bool) {
        if self
            .under_way
            .as_ref()
            .is_some_and(|task| !task.is_finished())
        {
            return;
        }
        let waiting = self.evidence.waiting(still_open);
        if waiting.is_empty() {
            return;
        }
        let evidence = self.evidence.clone();
        self.under_way = Some(tokio::spawn(async move {
            for file in waiting {
                match bulk.upload(&file).await {
                    Ok(()) => evidence.done(&file),
                    Err(status) => {
                        tracing::debug!(file = file.file.name, %status, "evidence waits");
                        return;
                    }
                }
            }
        }));
    }
}
