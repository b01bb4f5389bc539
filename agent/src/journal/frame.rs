//! Frames: how records lie in a segment's file, and how a torn tail differs from damage.
//!
//! Header: 8 bytes magic, 1 byte version, 8 bytes generation, 4 bytes checksum.
//! Frame: 1 byte mark, 4 bytes length, 4 bytes batch, 4 bytes checksum (over all but itself), payload.
//! All records of one fsync carry one batch number, and the first of them a mark of its own. After a power cut any part of
//! the last batch may be missing, but a bad frame that a *later* batch follows was durable once: then the disk lost it, and
//! the journal is not to be trusted.

const MAGIC: &[u8; 8] = b"botswnjl";
const VERSION: u8 = 1;
const HEADER_BYTES: usize = 21;
const FIRST: u8 = 0xB5;
const NEXT: u8 = 0xB6;
const FRAME_BYTES: usize = 13;
/// Largest payload; a task or an event with its largest result fits twice.
const PAYLOAD_MAX: usize = 256 * 1024;

/// Why a segment cannot be trusted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// Written by another, later version.
    #[error(
        "it has format version {0}, this program reads {VERSION}; install the agent that wrote it"
    )]
    Version(u8),
    /// Not a journal's beginning.
    #[error("its beginning is damaged")]
    Header,
    /// A durable record is gone.
    #[error("a record at byte {0} is damaged although later ones are whole")]
    Middle(usize),
    /// A record with a right checksum that makes no sense.
    #[error("{0}")]
    Record(String),
}

pub(super) struct Read<'a> {
    pub payloads: Vec<&'a [u8]>,
    pub end: u64,
    pub batch: u32,
}

pub(super) fn header(generation: u64) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEADER_BYTES);
    bytes.extend_from_slice(MAGIC);
    bytes.push(VERSION);
    bytes.extend_from_slice(&generation.to_le_bytes());
    bytes.extend_from_slice(&crc32fast::hash(&bytes).to_le_bytes());
    bytes
}

/// The generation and where frames begin; `None` where the file was never finished.
pub(super) fn read_header(bytes: &[u8]) -> Result<Option<(u64, usize)>, Damage> {
    let head = bytes.get(..HEADER_BYTES).unwrap_or_default();
    let right = head.len() == HEADER_BYTES
        && crc32fast::hash(&head[..17]).to_le_bytes() == head[17..21]
        && &head[..8] == MAGIC;
    if !right {
        // A torn header is that of a file whose making was cut off: then nothing durable stands behind it.
        return if whole_frames(bytes, 0).any(|frame| frame.batch > 0) {
            Err(Damage::Header)
        } else {
            Ok(None)
        };
    }
    if head[8] != VERSION {
        return Err(Damage::Version(head[8]));
    }
    let generation = head[9..17]
        .iter()
        .rev()
        .fold(0, |n, byte| n << 8 | u64::from(*byte));
    Ok(Some((generation, HEADER_BYTES)))
}

/// Appends a frame; `first` says that an fsync came right before it.
pub(super) fn write(bytes: &mut Vec<u8>, batch: u32, first: bool, payload: &[u8]) {
    let mark = if first { FIRST } else { NEXT };
    let length = u32::try_from(payload.len()).unwrap_or(u32::MAX);
    bytes.push(mark);
    bytes.extend_from_slice(&length.to_le_bytes());
    bytes.extend_from_slice(&batch.to_le_bytes());
    bytes.extend_from_slice(&checksum(mark, length, batch, payload).to_le_bytes());
    bytes.extend_from_slice(payload);
}

struct Frame<'a> {
    first: bool,
    batch: u32,
    payload: &'a [u8],
}

/// All whole frames from `from` on.
pub(super) fn read_all(bytes: &[u8], from: usize) -> Result<Read<'_>, Damage> {
    let mut read = Read {
        payloads: Vec::new(),
        end: from as u64,
        batch: 0,
    };
    let mut at = from;
    while let Some(frame) = read_one(bytes, at) {
        read.payloads.push(frame.payload);
        read.batch = frame.batch;
        at += FRAME_BYTES + frame.payload.len();
    }
    read.end = at as u64;
    // The bad frame belongs to batch `last` or begins the one after it. What an fsync separates from it was written later.
    let next = read.batch.saturating_add(1);
    if whole_frames(bytes, at)
        .any(|frame| frame.batch > next || (frame.batch == next && frame.first))
    {
        return Err(Damage::Middle(at));
    }
    Ok(read)
}

/// Whole frames anywhere behind `from`.
fn whole_frames(bytes: &[u8], from: usize) -> impl Iterator<Item = Frame<'_>> {
    let mut rest = from;
    std::iter::from_fn(move || {
        loop {
            let offset = bytes
                .get(rest..)?
                .iter()
                .position(|byte| matches!(*byte, FIRST | NEXT))?;
            let at = rest + offset;
            if let Some(frame) = read_one(bytes, at) {
                rest = at + FRAME_BYTES + frame.payload.len();
                return Some(frame);
            }
            rest = at + 1;
        }
    })
}

fn read_one(bytes: &[u8], at: usize) -> Option<Frame<'_>> {
    let head = bytes.get(at..at + FRAME_BYTES)?;
    let mark = head[0];
    if !matches!(mark, FIRST | NEXT) {
        return None;
    }
    let number = |from: usize| {
        head[from..from + 4]
            .iter()
            .rev()
            .fold(0, |n, byte| n << 8 | u32::from(*byte))
    };
    let (length, batch, sum) = (number(1), number(5), number(9));
    let size = usize::try_from(length)
        .ok()
        .filter(|size| *size <= PAYLOAD_MAX)?;
    let payload = bytes.get(at + FRAME_BYTES..at + FRAME_BYTES + size)?;
    (checksum(mark, length, batch, payload) == sum).then_some(Frame {
        first: mark == FIRST,
        batch,
        payload,
    })
}

fn checksum(mark: u8, length: u32, batch: u32, payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&[mark]);
    hasher.update(&length.to_le_bytes());
    hasher.update(&batch.to_le_bytes());
    hasher.update(payload);
    hasher.finalize()
}
