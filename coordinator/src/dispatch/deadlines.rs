//! Deadlines: which slot's time comes next. Setting and clearing touch no memory but the slot's own links.

use std::collections::BTreeMap;

/// Deadlines are kept to this many milliseconds, rounded up: a lease is never cut short.
const TICK_MS: u64 = 16;
const NONE: u32 = u32::MAX;

#[derive(Clone, Copy)]
struct Link {
    tick: u64,
    before: u32,
    after: u32,
}

const UNSET: Link = Link {
    tick: u64::MAX,
    before: NONE,
    after: NONE,
};

/// At most one deadline for each slot.
#[derive(Default)]
pub(super) struct Deadlines {
    links: Vec<Link>,
    first: BTreeMap<u64, u32>,
}

impl Deadlines {
    /// Sets the slot's deadline, in place of an older one.
    pub(super) fn set(&mut self, slot: u32, at_ms: u64) {
        self.clear(slot);
        let index = slot as usize;
        if index >= self.links.len() {
            self.links.resize(index + 1, UNSET);
        }
        let tick = at_ms.div_ceil(TICK_MS).min(u64::MAX - 1);
        let head = self.first.insert(tick, slot).unwrap_or(NONE);
        self.links[index] = Link {
            tick,
            before: NONE,
            after: head,
        };
        if head != NONE {
            self.links[head as usize].before = slot;
        }
    }

    /// Takes the slot's deadline away.
    pub(super) fn clear(&mut self, slot: u32) {
        let Some(link) = self.links.get_mut(slot as usize) else {
            return;
        };
        let Link {
            tick,
            before,
            after,
        } = std::mem::replace(link, UNSET);
        if tick == u64::MAX {
            return;
        }
        if after != NONE {
            self.links[after as usize].before = before;
        }
        if before != NONE {
            self.links[before as usize].after = after;
        } else if after != NONE {
            self.first.insert(tick, after);
        } else {
            self.first.remove(&tick);
        }
    }

    /// Takes out one slot whose deadline has come.
    pub(super) fn pop_due(&mut self, now_ms: u64) -> Option<u32> {
        let (&tick, &slot) = self.first.first_key_value()?;
        if tick * TICK_MS > now_ms {
            return None;
        }
        self.clear(slot);
        Some(slot)
    }

    /// When the next deadline comes.
    pub(super) fn next(&self) -> Option<u64> {
        self.first
            .first_key_value()
            .map(|(tick, _)| tick.saturating_mul(TICK_MS))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deadlines_come_in_order_and_never_early() {
        let mut deadlines = Deadlines::default();
        for (slot, at) in [(0, 500), (1, 100), (2, 101), (3, 100)] {
            deadlines.set(slot, at);
        }
        deadlines.set(0, 90);
        deadlines.clear(1);
        assert_eq!(deadlines.next(), Some(96));
        assert_eq!(deadlines.pop_due(95), None);
        assert_eq!(deadlines.pop_due(96), Some(0));
        let mut rest = [deadlines.pop_due(200), deadlines.pop_due(200)];
        rest.sort();
        assert_eq!(rest, [Some(2), Some(3)]);
        assert_eq!(
            (deadlines.pop_due(u64::MAX), deadlines.next()),
            (None, None)
        );
    }
}
