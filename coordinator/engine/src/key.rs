//! Keys: how every stored thing is named, and in which partition it lives.

use serde::{Deserialize, Serialize};
use std::fmt;

/// The number of low bits of a key that count within its partition.
pub const COUNTER_BITS: u32 = 51;

/// The highest partition number that fits into a key (13 bits).
pub const PARTITION_MAX: u16 = 8191;

/// A partition: the unit that one coordinator owns and writes. Partitions count from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Partition(pub u16);

/// The name of an instance, a token, a job, a timer, … : `(partition << 51) + n`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Key(u64);

impl Key {
    /// Composes a key from its partition and its number there.
    #[must_use]
    pub const fn new(partition: Partition, counter: u64) -> Key {
        Key(((partition.0 as u64) << COUNTER_BITS) + counter)
    }

    /// Takes a key back from its stored form.
    #[must_use]
    pub const fn from_u64(value: u64) -> Key {
        Key(value)
    }

    /// The stored form.
    #[must_use]
    pub const fn as_u64(self) -> u64 {
        self.0
    }

    /// The stored form for databases and protocols that know signed integers only; no key reaches the sign bit before
    /// partition 4096.
    #[must_use]
    pub const fn as_i64(self) -> i64 {
        self.0.cast_signed()
    }

    /// The partition that made the key.
    #[must_use]
    pub const fn partition(self) -> Partition {
        Partition((self.0 >> COUNTER_BITS) as u16)
    }

    /// The number within the partition.
    #[must_use]
    pub const fn counter(self) -> u64 {
        self.0 & ((1 << COUNTER_BITS) - 1)
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.partition().0, self.counter())
    }
}

/// Where a partition's next keys come from; its mark commits with the batch that used them.
#[derive(Clone, Debug)]
pub struct KeySource {
    partition: Partition,
    next: u64,
}

impl KeySource {
    /// Continues after `used` keys; the first key of a partition has number 1.
    #[must_use]
    pub const fn new(partition: Partition, used: u64) -> KeySource {
        KeySource {
            partition,
            next: used + 1,
        }
    }

    /// Takes the next key.
    pub fn take(&mut self) -> Key {
        let key = Key::new(self.partition, self.next);
        self.next += 1;
        key
    }

    /// How many keys were taken since the partition began: the mark to store.
    #[must_use]
    pub const fn used(&self) -> u64 {
        self.next - 1
    }

    /// The partition whose keys these are.
    #[must_use]
    pub const fn partition(&self) -> Partition {
        self.partition
    }
}

/// A part of an instance with its own events and checkpoint. Number 0 is the root; each multi-instance child is another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SegmentId {
    /// The key of the root instance.
    pub root: Key,
    /// The number of the segment within the instance.
    pub number: u32,
}

/// The number of an instance's root segment.
pub const ROOT_SEGMENT: u32 = 0;

impl SegmentId {
    /// The root segment of an instance.
    #[must_use]
    pub const fn root(root: Key) -> SegmentId {
        SegmentId {
            root,
            number: ROOT_SEGMENT,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_tells_its_partition() {
        let key = Key::new(Partition(1), 1);
        assert_eq!(key.as_u64(), 2_251_799_813_685_249);
        assert_eq!(key.partition(), Partition(1));
        assert_eq!(Key::new(Partition(PARTITION_MAX), 7).counter(), 7);
    }

    #[test]
    fn keys_go_on_after_the_mark() {
        let mut keys = KeySource::new(Partition(2), 41);
        assert_eq!(keys.take().counter(), 42);
        assert_eq!(keys.used(), 42);
    }
}
