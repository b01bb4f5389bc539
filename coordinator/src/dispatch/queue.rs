//! Queues: the jobs that wait for one leg, the most urgent and then the oldest first; the tail may stay in the store.

use botswain_engine::key::Key;
use std::cmp::Reverse;
use std::collections::VecDeque;

/// A job's place in its queue: higher priority first, then the older key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rank {
    /// Higher goes first.
    pub priority: Reverse<i32>,
    /// Lower goes first.
    pub key: Key,
}

impl Rank {
    pub(super) const FIRST: Rank = Rank {
        priority: Reverse(i32::MAX),
        key: Key::from_u64(0),
    };

    /// The rank just after this one.
    pub(super) const fn next(self) -> Rank {
        Rank {
            priority: self.priority,
            key: Key::from_u64(self.key.as_u64().saturating_add(1)),
        }
    }

    /// The rank of a job.
    #[must_use]
    pub const fn new(priority: i32, key: Key) -> Rank {
        Rank {
            priority: Reverse(priority),
            key,
        }
    }
}

/// One place in a queue. It may be out of date: only the job itself knows whether it still waits here.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ticket {
    pub(super) key: Key,
    pub(super) slot: u32,
}

struct Level {
    priority: i32,
    tickets: VecDeque<Ticket>,
}

/// What became of a job that was put into a queue.
pub(super) enum Put {
    /// It is in memory.
    Kept,
    /// It waits in the store.
    Spilled,
    /// It is in memory, and the last one left for the store.
    Displaced(Ticket),
}

/// The jobs that wait for one leg of one job type.
#[derive(Default)]
pub(super) struct Queue {
    levels: Vec<Level>,
    live: usize,
    stored: usize,
    /// The store may have jobs from this rank on; none means that memory has all.
    horizon: Option<Rank>,
    asked: bool,
}

impl Queue {
    pub(super) fn live(&self) -> usize {
        self.live
    }

    pub(super) fn has_more_in_store(&self) -> bool {
        self.horizon.is_some()
    }

    /// Puts a job at its place; `waits` tells whether an older ticket still counts.
    pub(super) fn put(
        &mut self,
        ticket: Ticket,
        priority: i32,
        capacity: usize,
        waits: impl Fn(Ticket) -> bool,
    ) -> Put {
        let rank = Rank::new(priority, ticket.key);
        if self.horizon.is_some_and(|horizon| rank >= horizon) {
            return Put::Spilled;
        }
        if self.live >= capacity {
            let last = self.last();
            if last.is_none_or(|last| rank > last) {
                self.spill(rank);
                return Put::Spilled;
            }
        }
        self.insert(ticket, priority);
        while self.live > capacity {
            let Some((rank, out)) = self.pop_last() else {
                break;
            };
            if waits(out) {
                self.live -= 1;
                self.spill(rank);
                return Put::Displaced(out);
            }
        }
        Put::Kept
    }

    fn pop_last(&mut self) -> Option<(Rank, Ticket)> {
        self.drop_empty_levels();
        let rank = self.last()?;
        let ticket = self.levels.last_mut()?.tickets.pop_back()?;
        self.stored -= 1;
        Some((rank, ticket))
    }

    /// Remembers that the store has a job of that rank.
    pub(super) fn spill(&mut self, rank: Rank) {
        self.horizon = Some(self.horizon.map_or(rank, |horizon| horizon.min(rank)));
    }

    fn insert(&mut self, ticket: Ticket, priority: i32) {
        let at = self
            .levels
            .partition_point(|level| level.priority > priority);
        if self
            .levels
            .get(at)
            .is_none_or(|level| level.priority != priority)
        {
            self.levels.insert(
                at,
                Level {
                    priority,
                    tickets: VecDeque::new(),
                },
            );
        }
        let tickets = &mut self.levels[at].tickets;
        if tickets.back().is_none_or(|back| back.key <= ticket.key) {
            tickets.push_back(ticket);
        } else if tickets.front().is_some_and(|front| front.key >= ticket.key) {
            tickets.push_front(ticket);
        } else {
            let at = tickets.partition_point(|other| other.key < ticket.key);
            tickets.insert(at, ticket);
        }
        self.live += 1;
        self.stored += 1;
    }

    fn last(&self) -> Option<Rank> {
        let level = self
            .levels
            .iter()
            .rfind(|level| !level.tickets.is_empty())?;
        level
            .tickets
            .back()
            .map(|ticket| Rank::new(level.priority, ticket.key))
    }

    /// Takes out the first job that `waits` confirms; out-of-date tickets are dropped on the way.
    pub(super) fn pop(&mut self, mut waits: impl FnMut(Ticket) -> bool) -> Option<Ticket> {
        while let Some(level) = self.levels.first_mut() {
            while let Some(ticket) = level.tickets.pop_front() {
                self.stored -= 1;
                if waits(ticket) {
                    self.live -= 1;
                    return Some(ticket);
                }
            }
            // The last level stays, so that a busy queue keeps its memory.
            if self.levels.len() == 1 {
                return None;
            }
            self.levels.remove(0);
        }
        None
    }

    /// A job left the queue; its ticket stays behind until it is met or there are too many of them.
    pub(super) fn left(&mut self, mut waits: impl FnMut(Ticket) -> bool) {
        self.live = self.live.saturating_sub(1);
        if self.stored > 64 + 2 * self.live {
            let mut stored = 0;
            for level in &mut self.levels {
                level.tickets.retain(|ticket| waits(*ticket));
                stored += level.tickets.len();
            }
            self.stored = stored;
            self.drop_empty_levels();
        }
    }

    fn drop_empty_levels(&mut self) {
        self.levels.retain(|level| !level.tickets.is_empty());
    }

    /// Where to go on reading in the store, once, when memory runs low.
    pub(super) fn wants_refill(&mut self, capacity: usize) -> Option<Rank> {
        if self.asked || self.live * 4 > capacity {
            return None;
        }
        self.asked = self.horizon.is_some();
        self.horizon
    }

    /// Opens the queue for what was read from the store, `from` (none: the first) up to before `end` (none: the last);
    /// `put` closes it again where memory is full.
    pub(super) fn open_for(&mut self, from: Option<Rank>, end: Option<Rank>) {
        self.asked = false;
        let Some(from) = from else {
            self.horizon = end;
            return;
        };
        if let Some(horizon) = self.horizon
            && horizon >= from
            && end.is_none_or(|end| horizon <= end)
        {
            self.horizon = end;
        }
    }

    /// The store may have anything.
    pub(super) fn spill_all(&mut self) {
        self.asked = true;
        self.horizon = Some(Rank::FIRST);
    }

    /// All tickets, in order.
    pub(super) fn tickets(&self) -> impl Iterator<Item = Ticket> {
        self.levels
            .iter()
            .flat_map(|level| level.tickets.iter().copied())
    }
}
