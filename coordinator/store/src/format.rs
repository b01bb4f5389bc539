//! Formats: how records and checkpoints are written, so that every later build reads them and no earlier one misreads them.

use botswain_engine::{Event, Instance, Millis, Record, Segment, SegmentId};
use serde::ser::SerializeSeq;
use serde::{Serialize, Serializer};

/// The format of journal rows that this build writes: postcard of [`Record`]s, one after the other.
pub const RECORDS_FORMAT: u8 = 1;

/// The format of checkpoints that this build writes: postcard of a [`Segment`].
pub const CHECKPOINT_FORMAT: u8 = 1;

/// Why stored bytes cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// A later build wrote them.
    #[error(
        "{what} has format {found}, and this build reads formats up to {known}: start a botswain that is at least as new as the one that wrote it"
    )]
    Newer {
        /// What was read.
        what: &'static str,
        /// Its format.
        found: u8,
        /// The newest format that this build reads.
        known: u8,
    },
    /// They are not what they should be.
    #[error("{what} is damaged ({reason}): restore the data folder from a backup")]
    Damaged {
        /// What was read.
        what: &'static str,
        /// What was found.
        reason: String,
    },
    /// A segment has neither a checkpoint nor a journal that begins with its start.
    #[error("segment {0:?} has no beginning: restore the data folder from a backup")]
    NoBeginning(SegmentId),
}

/// Appends one step's events of one segment to a journal row.
pub fn append_record<'e>(
    out: &mut Vec<u8>,
    at: Millis,
    events: impl ExactSizeIterator<Item = &'e Event> + Clone,
) {
    if out.is_empty() {
        out.push(RECORDS_FORMAT);
    }
    // A tuple is written like the struct `Record`, and needs no copy of the events.
    let written = postcard::to_extend(&(at, Listed(events)), Appender(out));
    written.expect("events always serialize: they hold no maps of unknown length");
}

struct Listed<I>(I);

impl<'e, I: ExactSizeIterator<Item = &'e Event> + Clone> Serialize for Listed<I> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(Some(self.0.len()))?;
        for event in self.0.clone() {
            list.serialize_element(event)?;
        }
        list.end()
    }
}

struct Appender<'a>(&'a mut Vec<u8>);

impl Extend<u8> for Appender<'_> {
    fn extend<T: IntoIterator<Item = u8>>(&mut self, bytes: T) {
        self.0.extend(bytes);
    }
}

/// Reads the records of one journal row.
///
/// # Errors
/// The row has a newer format, or is damaged.
pub fn read_records(bytes: &[u8]) -> Result<Vec<Record>, FormatError> {
    const WHAT: &str = "a journal row";
    let mut rest = checked(bytes, WHAT, RECORDS_FORMAT)?;
    let mut records = Vec::new();
    while !rest.is_empty() {
        let (record, after) =
            postcard::take_from_bytes(rest).map_err(|error| damaged(WHAT, error))?;
        records.push(record);
        rest = after;
    }
    Ok(records)
}

/// Writes a checkpoint of a segment.
pub fn write_checkpoint(segment: &Segment, out: &mut Vec<u8>) {
    out.push(CHECKPOINT_FORMAT);
    postcard::to_extend(segment, Appender(out))
        .expect("segments always serialize: they hold no maps of unknown length");
}

/// Reads a checkpoint.
///
/// # Errors
/// It has a newer format, or is damaged.
pub fn read_checkpoint(bytes: &[u8]) -> Result<Segment, FormatError> {
    const WHAT: &str = "a checkpoint";
    let rest = checked(bytes, WHAT, CHECKPOINT_FORMAT)?;
    postcard::from_bytes(rest).map_err(|error| damaged(WHAT, error))
}

/// What the store holds of one segment: its last checkpoint and the journal rows after it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Loaded {
    /// The checkpoint.
    pub checkpoint: Option<Vec<u8>>,
    /// The journal after the checkpoint: the batch's number and the records.
    pub journal: Vec<(u64, Vec<u8>)>,
}

impl Loaded {
    /// How many bytes of journal follow the checkpoint.
    #[must_use]
    pub fn journal_bytes(&self) -> usize {
        self.journal.iter().map(|(_, data)| data.len()).sum()
    }
}

/// Builds a segment from what is stored, and from what a batch that is not committed yet adds to it.
///
/// # Errors
/// Something stored has a newer format or is damaged, or there is no beginning.
pub fn rebuild(
    id: SegmentId,
    loaded: &Loaded,
    pending: Option<&[u8]>,
) -> Result<Segment, FormatError> {
    let mut instance = Instance::new();
    if let Some(checkpoint) = &loaded.checkpoint {
        instance.load(read_checkpoint(checkpoint)?);
    }
    for data in loaded
        .journal
        .iter()
        .map(|(_, data)| data.as_slice())
        .chain(pending)
    {
        for record in read_records(data)? {
            let begins = matches!(
                record.events.first(),
                Some(Event::InstanceStarted { .. } | Event::ChildStarted { .. })
            );
            // Replaying is total once the segment has begun exactly once; anything else would be a bug's panic.
            if begins == instance.segment(id.number).is_some() {
                return Err(FormatError::NoBeginning(id));
            }
            instance.replay(id, &record);
        }
    }
    instance
        .unload(id.number)
        .ok_or(FormatError::NoBeginning(id))
}

fn checked<'b>(bytes: &'b [u8], what: &'static str, known: u8) -> Result<&'b [u8], FormatError> {
    match bytes.split_first() {
        None => Err(FormatError::Damaged {
            what,
            reason: "it is empty".to_owned(),
        }),
        Some((found, _)) if *found > known => Err(FormatError::Newer {
            what,
            found: *found,
            known,
        }),
        Some((0, _)) => Err(FormatError::Damaged {
            what,
            reason: "it has format 0".to_owned(),
        }),
        Some((_, rest)) => Ok(rest),
    }
}

fn damaged(what: &'static str, error: postcard::Error) -> FormatError {
    FormatError::Damaged {
        what,
        reason: error.to_string(),
    }
}
