//! Records: what the journal holds, one for each step of an attempt's life.
//!
//! Tasks and events are kept in their wire form, which later versions can read although fields were added.

use botswain_proto::agent as wire;
use botswain_proto::ids::{AttemptId, Epoch, Fence, JobKey, Seq};
use botswain_proto::message::{EffectClass, Task, TaskEvent, WireError};
use serde::{Deserialize, Serialize};

/// A moment of one start of the machine; moments of different starts cannot be compared.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    /// Names the start of the machine.
    pub machine_start: u64,
    /// Milliseconds since then.
    pub ms: u64,
}

impl Stamp {
    /// Milliseconds from `earlier` to here, where both belong to one start of the machine.
    pub fn since(self, earlier: Self) -> Option<u64> {
        (self.machine_start == earlier.machine_start).then(|| self.ms.saturating_sub(earlier.ms))
    }
}

/// One line of the journal.
#[derive(Debug, Clone, PartialEq)]
pub enum Record {
    /// A journal begins; first record of every one.
    Opened {
        /// Its name.
        journal_id: String,
    },
    /// A task was accepted. Its secrets are not here.
    Received {
        /// The task.
        task: Box<Task>,
        /// True when secrets came with it.
        had_secrets: bool,
        /// What a repetition does.
        effect: EffectClass,
        /// Number of the event that says so.
        seq: Seq,
        /// When it arrived.
        at: Stamp,
    },
    /// A task was not accepted, or was withdrawn before it was.
    Refused {
        /// The event that says so.
        event: Box<TaskEvent>,
    },
    /// A run begins.
    Started {
        /// The attempt.
        attempt: AttemptId,
        /// Number of the event that says so.
        seq: Seq,
        /// When.
        at: Stamp,
    },
    /// The run is about to do what cannot be undone.
    Committed {
        /// The attempt.
        attempt: AttemptId,
    },
    /// The attempt is over.
    Finished {
        /// The event that says how.
        event: Box<TaskEvent>,
    },
    /// The coordinator has an event. Losing this line means that the event is sent again, so it waits for the next one.
    Reported {
        /// Number of the event.
        seq: Seq,
    },
    /// Nobody waits for an attempt any more.
    Closed {
        /// The attempt.
        attempt: AttemptId,
    },
    /// A coordinator of a higher term was heard.
    Epoch {
        /// The term.
        epoch: Epoch,
    },
    /// What remains of an attempt that is over; only in snapshots.
    Remains {
        /// The job.
        job: JobKey,
        /// Its highest fence.
        fence: Fence,
        /// The attempt of that fence.
        attempt: AttemptId,
        /// Its end, where one is kept.
        event: Option<Box<TaskEvent>>,
    },
    /// An event without a receipt; only in snapshots.
    Pending {
        /// The event.
        event: Box<TaskEvent>,
    },
    /// Highest event number; only in snapshots.
    Counter {
        /// The number.
        seq: Seq,
    },
    /// The snapshot at the beginning of a segment is whole.
    SnapshotEnd,
}

/// A line that this version cannot read.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// Not the form of a record.
    #[error("record of a form that this version does not know: {0}")]
    Form(#[from] postcard::Error),
    /// A task or event that is no message.
    #[error("record with an unreadable message: {0}")]
    Message(#[from] prost::DecodeError),
    /// A task or event that breaks the protocol.
    #[error("record with an invalid message: {0}")]
    Wire(#[from] WireError),
}

// The stored form: variants and fields are only ever added at the end, and messages are protobuf.
#[derive(Serialize, Deserialize)]
enum Stored<'a> {
    Opened(&'a str),
    Received {
        task: &'a [u8],
        had_secrets: bool,
        effect: EffectClass,
        seq: Seq,
        at: Stamp,
    },
    Refused(&'a [u8]),
    Started(AttemptId, Seq, Stamp),
    Committed(AttemptId),
    Finished(&'a [u8]),
    Reported(Seq),
    Closed(AttemptId),
    Epoch(Epoch),
    Remains(JobKey, Fence, AttemptId, Option<&'a [u8]>),
    Pending(&'a [u8]),
    Counter(Seq),
    SnapshotEnd,
}

impl Record {
    /// The stored form.
    pub fn encode(&self) -> Result<Vec<u8>, RecordError> {
        let message;
        let stored = match self {
            Self::Opened { journal_id } => Stored::Opened(journal_id),
            Self::Received {
                task,
                had_secrets,
                effect,
                seq,
                at,
            } => {
                message = task_bytes(task);
                Stored::Received {
                    task: &message,
                    had_secrets: *had_secrets,
                    effect: *effect,
                    seq: *seq,
                    at: *at,
                }
            }
            Self::Refused { event } => {
                message = event_bytes(event);
                Stored::Refused(&message)
            }
            Self::Started { attempt, seq, at } => Stored::Started(*attempt, *seq, *at),
            Self::Committed { attempt } => Stored::Committed(*attempt),
            Self::Finished { event } => {
                message = event_bytes(event);
                Stored::Finished(&message)
            }
            Self::Reported { seq } => Stored::Reported(*seq),
            Self::Closed { attempt } => Stored::Closed(*attempt),
            Self::Epoch { epoch } => Stored::Epoch(*epoch),
            Self::Remains {
                job,
                fence,
                attempt,
                event,
            } => {
                message = event.as_deref().map(event_bytes).unwrap_or_default();
                Stored::Remains(*job, *fence, *attempt, event.is_some().then_some(&*message))
            }
            Self::Pending { event } => {
                message = event_bytes(event);
                Stored::Pending(&message)
            }
            Self::Counter { seq } => Stored::Counter(*seq),
            Self::SnapshotEnd => Stored::SnapshotEnd,
        };
        Ok(postcard::to_stdvec(&stored)?)
    }

    /// Reads the stored form.
    pub fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        Ok(match postcard::from_bytes(bytes)? {
            Stored::Opened(journal_id) => Self::Opened {
                journal_id: journal_id.to_owned(),
            },
            Stored::Received {
                task,
                had_secrets,
                effect,
                seq,
                at,
            } => Self::Received {
                task: Box::new(read_task(task)?),
                had_secrets,
                effect,
                seq,
                at,
            },
            Stored::Refused(event) => Self::Refused {
                event: Box::new(read_event(event)?),
            },
            Stored::Started(attempt, seq, at) => Self::Started { attempt, seq, at },
            Stored::Committed(attempt) => Self::Committed { attempt },
            Stored::Finished(event) => Self::Finished {
                event: Box::new(read_event(event)?),
            },
            Stored::Reported(seq) => Self::Reported { seq },
            Stored::Closed(attempt) => Self::Closed { attempt },
            Stored::Epoch(epoch) => Self::Epoch { epoch },
            Stored::Remains(job, fence, attempt, event) => Self::Remains {
                job,
                fence,
                attempt,
                event: event.map(read_event).transpose()?.map(Box::new),
            },
            Stored::Pending(event) => Self::Pending {
                event: Box::new(read_event(event)?),
            },
            Stored::Counter(seq) => Self::Counter { seq },
            Stored::SnapshotEnd => Self::SnapshotEnd,
        })
    }

    /// True when losing the record costs nothing but a repetition of a message.
    pub fn can_wait(&self) -> bool {
        matches!(self, Self::Reported { .. })
    }

    /// The word of the record's kind, for fail points and people.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Opened { .. } => "opened",
            Self::Received { .. } => "received",
            Self::Refused { .. } => "refused",
            Self::Started { .. } => "started",
            Self::Committed { .. } => "committed",
            Self::Finished { .. } => "finished",
            Self::Reported { .. } => "reported",
            Self::Closed { .. } => "closed",
            Self::Epoch { .. } => "epoch",
            Self::Remains { .. } => "remains",
            Self::Pending { .. } => "pending",
            Self::Counter { .. } => "counter",
            Self::SnapshotEnd => "snapshot_end",
        }
    }
}

impl std::fmt::Display for Record {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.kind())?;
        match self {
            Self::Opened { journal_id } => write!(f, " {journal_id}"),
            Self::Received {
                task, effect, seq, ..
            } => write!(
                f,
                " {} job {} fence {} {} {effect:?} #{seq}",
                task.attempt, task.job, task.fence, task.work
            ),
            Self::Refused { event } | Self::Finished { event } | Self::Pending { event } => write!(
                f,
                " {} job {} fence {} {:?} #{}",
                event.attempt, event.job, event.fence, event.state, event.seq
            ),
            Self::Started { attempt, seq, .. } => write!(f, " {attempt} #{seq}"),
            Self::Committed { attempt } | Self::Closed { attempt } => write!(f, " {attempt}"),
            Self::Reported { seq } | Self::Counter { seq } => write!(f, " #{seq}"),
            Self::Epoch { epoch } => write!(f, " {epoch}"),
            Self::Remains {
                job,
                fence,
                attempt,
                event,
            } => {
                write!(f, " job {job} fence {fence} {attempt}")?;
                match event {
                    Some(event) => write!(f, " {:?}", event.state),
                    None => write!(f, " closed"),
                }
            }
            Self::SnapshotEnd => Ok(()),
        }
    }
}

fn task_bytes(task: &Task) -> Vec<u8> {
    // Whatever path a task took to get here: its secrets end before the journal.
    let mut task = task.clone();
    task.secrets.clear();
    prost::Message::encode_to_vec(&wire::Task::from(task))
}

fn read_task(bytes: &[u8]) -> Result<Task, RecordError> {
    let task: wire::Task = prost::Message::decode(bytes)?;
    Ok(task.try_into()?)
}

fn event_bytes(event: &TaskEvent) -> Vec<u8> {
    prost::Message::encode_to_vec(&wire::TaskEvent::from(event.clone()))
}

fn read_event(bytes: &[u8]) -> Result<TaskEvent, RecordError> {
    let event: wire::TaskEvent = prost::Message::decode(bytes)?;
    Ok(event.try_into()?)
}
