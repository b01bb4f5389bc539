//! Watch: whether what memory holds is what the store would rebuild. For tests and for whoever doubts.

use super::writer::Writer;
use botswain_store::{StoreError, rebuild};

impl Writer {
    /// Compares every segment in memory with what its checkpoint and journal amount to; between turns only. The first
    /// difference in words, none where there is none.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn differs_from_store(&mut self) -> Result<Option<String>, StoreError> {
        for segment in self.cache.segments() {
            let id = segment.id();
            let Some(stored) = self.store.load_segment(id)? else {
                return Ok(Some(format!("{id:?} is in memory and not in the store")));
            };
            let rebuilt = rebuild(id, &stored, None)?;
            if rebuilt != *segment {
                return Ok(Some(format!(
                    "{id:?} differs:\nmemory: {segment:?}\nstore:  {rebuilt:?}"
                )));
            }
        }
        Ok(None)
    }
}
