//! Frames: what the agent and an attempt's process say to each other. Length, then JSON.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::path::PathBuf;

use botswain_action::{Object, Outcome};
use botswain_proto::message::Work;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// Largest frame; larger results travel as files.
const FRAME_BYTES_MAX: usize = 1024 * 1024;

/// What the agent says.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum ToRun {
    /// The first frame.
    Begin(Box<Begin>),
    /// The commit point is durable.
    Grant,
    /// The commit point must not be passed.
    Deny(String),
    /// Stop when you can.
    Cancel,
}

/// What an attempt's process needs to know.
#[derive(Serialize, Deserialize)]
pub(super) struct Begin {
    pub(super) probe: bool,
    pub(super) work: Work,
    /// File of the packed bot.
    pub(super) package: Option<PathBuf>,
    pub(super) input: Object,
    pub(super) secrets: BTreeMap<String, String>,
    /// The attempt's working folder.
    pub(super) folder: PathBuf,
    /// Where its evidence goes.
    pub(super) evidence: PathBuf,
    pub(super) limit_ms: u64,
}

// Secrets pass through here, so no field is printed.
impl std::fmt::Debug for Begin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Begin({})", self.work)
    }
}

/// What an attempt's process says.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum FromRun {
    /// It is about to do what cannot be undone, and waits for the answer.
    CommitPoint,
    /// A step is over.
    Step(String),
    /// The run is over.
    Ended {
        outcome: Outcome,
        warnings: Vec<String>,
        /// The output is too large for a message and lies in this file of evidence.
        output_file: Option<String>,
    },
    /// The look at the outside is over.
    Probed(ProbedFrame),
}

/// What a probe found.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum ProbedFrame {
    Happened(Object),
    DidNotHappen,
    CannotTell(String),
}

pub(super) fn write<T: Serialize>(to: &mut impl Write, frame: &T) -> io::Result<()> {
    let body = serde_json::to_vec(frame)?;
    let length = u32::try_from(body.len())
        .ok()
        .filter(|_| body.len() <= FRAME_BYTES_MAX)
        .ok_or_else(|| io::Error::other(format!("a frame of {} bytes is too large", body.len())))?;
    let mut bytes = Vec::with_capacity(4 + body.len());
    bytes.extend_from_slice(&length.to_le_bytes());
    bytes.extend_from_slice(&body);
    to.write_all(&bytes)
}

/// The next frame, `None` when the other side is gone.
pub(super) fn read<T: DeserializeOwned>(from: &mut impl Read) -> io::Result<Option<T>> {
    let mut head = [0; 4];
    match from.read_exact(&mut head) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    }
    let length = usize::try_from(u32::from_le_bytes(head)).unwrap_or(usize::MAX);
    if length > FRAME_BYTES_MAX {
        return Err(io::Error::other(format!(
            "a frame of {length} bytes is too large"
        )));
    }
    let mut body = vec![0; length];
    from.read_exact(&mut body)?;
    Ok(Some(serde_json::from_slice(&body)?))
}
