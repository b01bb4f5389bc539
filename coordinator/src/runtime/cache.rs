//! The cache: segments in memory. The ones that nobody touched for long leave by bytes, sealed where that saves a replay.

use super::definitions::Definition;
use botswain_engine::{Instance, Key, SegmentId};
use rustc_hash::FxHashMap;
use std::collections::VecDeque;
use std::sync::Arc;

/// A checkpoint is sealed after about that many bytes of events.
pub(super) const SEAL_AFTER_BYTES: usize = 64 << 10;

/// Below that many bytes of events a segment that leaves is not sealed: replaying them costs less than a checkpoint.
pub(super) const SEAL_ON_LEAVING_BYTES: usize = 4 << 10;

/// One root instance, as far as it is in memory.
pub(super) struct Cached {
    pub(super) instance: Instance,
    pub(super) definition: Arc<Definition>,
}

struct Meta {
    bytes: usize,
    journal_bytes: usize,
    /// Touched since the hand of the clock came by.
    recent: bool,
}

/// All instances in memory.
#[derive(Default)]
pub(super) struct Cache {
    roots: FxHashMap<Key, Cached>,
    metas: FxHashMap<SegmentId, Meta>,
    /// The clock: each segment in memory stands here once.
    ring: VecDeque<SegmentId>,
    bytes: usize,
}

impl Cache {
    pub(super) fn get(&self, root: Key) -> Option<&Cached> {
        self.roots.get(&root)
    }

    /// All segments in memory.
    pub(super) fn segments(&self) -> impl Iterator<Item = &botswain_engine::Segment> {
        self.roots
            .values()
            .flat_map(|cached| cached.instance.segments())
    }

    pub(super) fn get_mut(&mut self, root: Key) -> Option<&mut Cached> {
        self.roots.get_mut(&root)
    }

    pub(super) fn has(&self, id: SegmentId) -> bool {
        self.roots
            .get(&id.root)
            .is_some_and(|cached| cached.instance.segment(id.number).is_some())
    }

    pub(super) fn insert(&mut self, root: Key, cached: Cached) {
        self.roots.insert(root, cached);
    }

    /// Notes that a segment was loaded or changed, and by how many bytes of events.
    pub(super) fn touched(&mut self, id: SegmentId, event_bytes: usize) {
        let Some(segment) = self
            .roots
            .get(&id.root)
            .and_then(|cached| cached.instance.segment(id.number))
        else {
            return;
        };
        let bytes = segment.bytes();
        match self.metas.get_mut(&id) {
            Some(meta) => {
                self.bytes = self.bytes - meta.bytes + bytes;
                meta.bytes = bytes;
                meta.journal_bytes += event_bytes;
                meta.recent = true;
            }
            None => {
                self.bytes += bytes;
                self.metas.insert(
                    id,
                    Meta {
                        bytes,
                        journal_bytes: event_bytes,
                        recent: true,
                    },
                );
                self.ring.push_back(id);
            }
        }
    }

    /// Whether enough happened since the last checkpoint, which is forgotten by asking.
    pub(super) fn take_seal(&mut self, id: SegmentId) -> bool {
        match self.metas.get_mut(&id) {
            Some(meta) if meta.journal_bytes >= SEAL_AFTER_BYTES => {
                meta.journal_bytes = 0;
                true
            }
            _ => false,
        }
    }

    /// Drops a segment that is over.
    pub(super) fn drop_segment(&mut self, id: SegmentId) {
        if let Some(meta) = self.metas.remove(&id) {
            self.bytes -= meta.bytes;
        }
        let empty = self.roots.get_mut(&id.root).is_some_and(|cached| {
            cached.instance.unload(id.number);
            cached.instance.is_empty()
        });
        if empty {
            self.roots.remove(&id.root);
        }
    }

    /// Drops an instance with all its segments.
    pub(super) fn drop_root(&mut self, root: Key) {
        let Some(cached) = self.roots.remove(&root) else {
            return;
        };
        for segment in cached.instance.segments() {
            if let Some(meta) = self.metas.remove(&segment.id()) {
                self.bytes -= meta.bytes;
            }
        }
    }

    /// Chooses segments to leave until `most` bytes are kept; each comes with whether it should be sealed first.
    pub(super) fn leaving(&mut self, most: usize) -> Vec<(SegmentId, bool)> {
        let mut leaving = Vec::new();
        let mut bytes = self.bytes;
        let mut looks = 2 * self.ring.len();
        while bytes > most && looks > 0 {
            looks -= 1;
            let Some(id) = self.ring.pop_front() else {
                break;
            };
            // What was dropped meanwhile has no meta any more; what came back stands in the ring again.
            let Some(meta) = self.metas.get_mut(&id) else {
                continue;
            };
            if meta.recent {
                meta.recent = false;
                self.ring.push_back(id);
                continue;
            }
            bytes -= meta.bytes;
            leaving.push((id, meta.journal_bytes >= SEAL_ON_LEAVING_BYTES));
        }
        // Dropped segments leave gaps behind; a ring that is mostly gaps is made anew.
        if self.ring.len() > 64 + 4 * self.metas.len() {
            let metas = &self.metas;
            let mut seen = rustc_hash::FxHashSet::default();
            self.ring
                .retain(|id| metas.contains_key(id) && seen.insert(*id));
        }
        leaving
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        *self = Cache::default();
    }

    /// The bytes of all segments in memory.
    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// How many segments are in memory.
    pub(super) fn len(&self) -> usize {
        self.metas.len()
    }
}
