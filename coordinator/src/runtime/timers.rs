//! Timers: the next ones that are due. All of them are rows; memory holds only the nearest.

use botswain_engine::event::Millis;
use botswain_engine::{Key, Partition, SegmentId};
use botswain_store::{Store, StoreError};
use rustc_hash::FxHashMap;
use std::collections::BTreeSet;

/// How many timers are kept in memory.
const KEPT_MAX: usize = 20_000;

/// The nearest timers.
pub(super) struct Timers {
    next: BTreeSet<(Millis, Key)>,
    places: FxHashMap<Key, (Millis, SegmentId)>,
    /// Timers that are due later than this are in the store only; none means that all are here.
    beyond: Option<(Millis, Key)>,
}

impl Timers {
    /// Nothing is known yet: the first look reads the store.
    pub(super) fn unread() -> Timers {
        Timers {
            next: BTreeSet::new(),
            places: FxHashMap::default(),
            beyond: Some((Millis::MIN, Key::from_u64(0))),
        }
    }

    pub(super) fn set(&mut self, timer: Key, due: Millis, segment: SegmentId) {
        if self.beyond.is_some_and(|beyond| (due, timer) > beyond) {
            return;
        }
        self.next.insert((due, timer));
        self.places.insert(timer, (due, segment));
        if self.next.len() > KEPT_MAX
            && let Some(last) = self.next.pop_last()
        {
            self.places.remove(&last.1);
            self.beyond = self.next.last().copied();
        }
    }

    pub(super) fn gone(&mut self, timer: Key) {
        if let Some((due, _)) = self.places.remove(&timer) {
            self.next.remove(&(due, timer));
        }
    }

    /// Takes up to `limit` timers that are due.
    pub(super) fn due(&mut self, now: Millis, limit: usize) -> Vec<(Key, SegmentId)> {
        let mut due = Vec::new();
        while due.len() < limit
            && let Some((at, timer)) = self.next.first().copied()
            && at <= now
        {
            self.next.pop_first();
            if let Some((_, segment)) = self.places.remove(&timer) {
                due.push((timer, segment));
            }
        }
        due
    }

    /// When the next timer is due, as far as memory knows.
    pub(super) fn next_due(&self) -> Option<Millis> {
        self.next.first().map(|(due, _)| *due)
    }

    /// Whether the store has to be read before the next timer is known. Only between batches: a batch's own timers are not
    /// in the store yet.
    pub(super) fn wants_read(&self) -> bool {
        self.next.is_empty() && self.beyond.is_some()
    }

    /// Reads the nearest timers.
    pub(super) fn read(
        &mut self,
        store: &mut dyn Store,
        part: Partition,
    ) -> Result<(), StoreError> {
        let after = self.beyond.filter(|(due, _)| *due > Millis::MIN);
        let rows = store.next_timers(part, after, KEPT_MAX / 2)?;
        self.beyond = if rows.len() < KEPT_MAX / 2 {
            None
        } else {
            rows.last().map(|row| (row.due, row.key))
        };
        for row in rows {
            self.next.insert((row.due, row.key));
            self.places.insert(
                row.key,
                (
                    row.due,
                    SegmentId {
                        root: row.root,
                        number: row.segment,
                    },
                ),
            );
        }
        Ok(())
    }
}
