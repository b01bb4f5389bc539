//! The journal: what an agent knows after its power was cut at any moment.
//!
//! Two segment files. Records are appended to the active one, each with its length and a checksum. When it is full, what
//! the records amount to is written as a snapshot into the other file, which is then the active one; the old file keeps
//! its content until then, so that a cut during the change loses nothing. Space is reserved when a file is made: a full
//! disk refuses new work instead of losing the end of old work.

mod frame;
mod lock;

use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::fail_point;
use crate::session::{Ledger, Record, RecordError};

pub use frame::Damage;
use lock::Lock;

/// Size of each of the two segments: together the journal's whole share of the disk.
pub const SEGMENT_BYTES: u64 = 8 * 1024 * 1024;
/// Smallest size that holds a few of the largest tasks.
pub const SEGMENT_BYTES_MIN: u64 = 512 * 1024;

/// What the journal cannot do.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The disk refuses.
    #[error("{what} {path}: {source}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Another agent uses the folder.
    #[error(
        "the data folder {0} is in use by another agent; stop it, or give this one a folder of its own with --data"
    )]
    InUse(PathBuf),
    /// A later version wrote it.
    #[error("the journal {path} cannot be read: {damage}")]
    Later {
        /// The segment.
        path: PathBuf,
        /// The version.
        damage: Damage,
    },
    /// A record that cannot be written.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// What must be remembered does not fit.
    #[error(
        "what the journal must remember ({needed} bytes) does not fit into a segment of {size} bytes"
    )]
    Full {
        /// Bytes of the snapshot.
        needed: usize,
        /// Bytes of a segment.
        size: u64,
    },
}

/// What was found when the journal was opened.
#[derive(Debug)]
pub struct Opened {
    /// The journal, ready for more.
    pub journal: Journal,
    /// What it amounts to.
    pub ledger: Ledger,
    /// For the coordinator and people, where the journal was not whole.
    pub note: Option<String>,
}

/// An append-only file of records.
#[derive(Debug)]
pub struct Journal {
    folder: PathBuf,
    file: File,
    active: usize,
    generation: u64,
    batch: u32,
    end: u64,
    size: u64,
    unsynced: bool,
    _lock: Lock,
}

struct Segment {
    generation: u64,
    records: Vec<Record>,
    end: u64,
    batch: u32,
}

impl Journal {
    /// Opens the journal of a folder, or begins one; `fresh_id` names it where none is readable.
    pub fn open(folder: &Path, size: u64, fresh_id: &str) -> Result<Opened, JournalError> {
        let size = size.max(SEGMENT_BYTES_MIN);
        fs::create_dir_all(folder).map_err(io_error("create folder", folder))?;
        let lock = Lock::take(folder)?;
        let mut notes = Vec::new();
        let mut found: Vec<(usize, Segment)> = Vec::new();
        let mut damaged: Vec<Option<u64>> = Vec::new();
        for index in 0..2 {
            let path = segment_path(folder, index);
            let bytes = match fs::read(&path) {
                Ok(bytes) => bytes,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(io_error("read", &path)(error)),
            };
            match read_segment(&bytes) {
                Ok(Some(segment)) => found.push((index, segment)),
                // A later version's journal is another program's property.
                Err((_, damage @ Damage::Version(_))) => {
                    return Err(JournalError::Later { path, damage });
                }
                // Never finished: the other file still holds everything.
                Ok(None) => {}
                Err((generation, damage)) => {
                    notes.push(format!("{}: {damage}", path.display()));
                    damaged.push(generation);
                }
            }
        }
        let newest = found
            .into_iter()
            .max_by_key(|(_, segment)| segment.generation);
        // A damaged file that is surely the older one does no harm. If it may be the newer one, neither is trusted.
        let readable = newest.filter(|(_, segment)| {
            damaged
                .iter()
                .all(|generation| generation.is_some_and(|old| old < segment.generation))
        });
        let Some((active, segment)) = readable else {
            // Files that were never sealed are a first start that was cut off: nothing was ever acted upon.
            let note = if notes.is_empty() {
                None
            } else {
                for index in 0..2 {
                    set_aside(folder, index)?;
                }
                Some(format!(
                    "the journal could not be read ({}) and was set aside in {}",
                    notes.join("; "),
                    folder.display()
                ))
            };
            return Self::begin(folder, size, fresh_id, note, lock);
        };
        let path = segment_path(folder, active);
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .open(&path)
            .map_err(io_error("open", &path))?;
        let length = file.metadata().map_err(io_error("measure", &path))?.len();
        // A torn tail is cut off for good, so that later records never stand behind rubbish.
        let rest = length.saturating_sub(segment.end);
        erase(&mut file, segment.end, rest).map_err(io_error("cut the tail of", &path))?;
        reserve(&file, size.max(length)).map_err(io_error("reserve space for", &path))?;
        file.sync_all().map_err(io_error("sync", &path))?;
        let ledger = Ledger::replay(&segment.records);
        Ok(Opened {
            journal: Self {
                folder: folder.to_owned(),
                file,
                active,
                generation: segment.generation,
                batch: segment.batch + 1,
                end: segment.end,
                size,
                unsynced: false,
                _lock: lock,
            },
            ledger,
            note: None,
        })
    }

    fn begin(
        folder: &Path,
        size: u64,
        fresh_id: &str,
        note: Option<String>,
        lock: Lock,
    ) -> Result<Opened, JournalError> {
        let ledger = Ledger::replay([&Record::Opened {
            journal_id: fresh_id.to_owned(),
        }]);
        let (file, end) = write_segment(folder, 0, 1, size, &ledger.snapshot())?;
        Ok(Opened {
            journal: Self {
                folder: folder.to_owned(),
                file,
                active: 0,
                generation: 1,
                batch: 2,
                end,
                size,
                unsynced: false,
                _lock: lock,
            },
            ledger,
            note,
        })
    }

    /// Bytes of open attempts and unreported events that surely fit into a segment, with room for their ends.
    pub fn live_bytes_max(size: u64) -> usize {
        usize::try_from(size.max(SEGMENT_BYTES_MIN) / 4).unwrap_or(usize::MAX)
    }

    /// Writes records, and makes them durable unless all of them can wait. `ledger` is what the journal amounts to with them.
    pub fn append(&mut self, records: &[Record], ledger: &Ledger) -> Result<(), JournalError> {
        if records.is_empty() {
            return Ok(());
        }
        let mut bytes = Vec::new();
        for record in records {
            fail_point::hit_record(record.kind(), "before_write");
            let first = !self.unsynced && bytes.is_empty();
            frame::write(&mut bytes, self.batch, first, &record.encode()?);
        }
        if self.end + bytes.len() as u64 > self.size {
            return self.rotate(ledger);
        }
        let path = segment_path(&self.folder, self.active);
        self.file
            .seek(SeekFrom::Start(self.end))
            .and_then(|_| self.file.write_all(&bytes))
            .map_err(io_error("write", &path))?;
        self.end += bytes.len() as u64;
        for record in records {
            fail_point::hit_record(record.kind(), "before_sync");
            self.cut_power(record.kind(), bytes.len() as u64);
        }
        self.unsynced = true;
        if !records.iter().all(Record::can_wait) {
            self.sync()?;
        }
        for record in records {
            fail_point::hit_record(record.kind(), "after_sync");
        }
        Ok(())
    }

    /// Leaves the disk as a power cut would, where a crash test asks for it.
    fn cut_power(&mut self, kind: &str, written: u64) {
        for (moment, left) in [("torn", written / 2), ("lost", 0)] {
            if fail_point::is_armed(kind, moment) {
                let _ = erase(&mut self.file, self.end - written + left, written - left);
                fail_point::hit_record(kind, moment);
            }
        }
    }

    /// Makes durable what could wait.
    pub fn sync(&mut self) -> Result<(), JournalError> {
        if self.unsynced {
            let path = segment_path(&self.folder, self.active);
            self.file.sync_data().map_err(io_error("sync", &path))?;
            self.batch = self.batch.wrapping_add(1);
            self.unsynced = false;
        }
        Ok(())
    }

    fn rotate(&mut self, ledger: &Ledger) -> Result<(), JournalError> {
        let other = 1 - self.active;
        let (file, end) = write_segment(
            &self.folder,
            other,
            self.generation + 1,
            self.size,
            &ledger.snapshot(),
        )?;
        self.file = file;
        self.active = other;
        self.generation += 1;
        self.batch = 2;
        self.end = end;
        self.unsynced = false;
        Ok(())
    }
}

/// Reads a journal without changing it: its records, and where each ends in its file.
pub fn inspect(folder: &Path) -> Result<Vec<Record>, JournalError> {
    let mut newest: Option<Segment> = None;
    for index in 0..2 {
        let path = segment_path(folder, index);
        let Ok(bytes) = fs::read(&path) else { continue };
        if let Ok(Some(segment)) = read_segment(&bytes)
            && newest
                .as_ref()
                .is_none_or(|best| best.generation < segment.generation)
        {
            newest = Some(segment);
        }
    }
    Ok(newest.map(|segment| segment.records).unwrap_or_default())
}

/// Path of a segment's file.
pub fn segment_path(folder: &Path, index: usize) -> PathBuf {
    folder.join(format!("journal-{index}.bin"))
}

/// A segment's content, `None` where its snapshot was never finished.
fn read_segment(bytes: &[u8]) -> Result<Option<Segment>, (Option<u64>, Damage)> {
    let Some((generation, from)) = frame::read_header(bytes).map_err(|damage| (None, damage))?
    else {
        return Ok(None);
    };
    let damaged = |damage| (Some(generation), damage);
    let read = frame::read_all(bytes, from).map_err(damaged)?;
    let mut records = Vec::with_capacity(read.payloads.len());
    for payload in &read.payloads {
        let record = Record::decode(payload);
        records.push(record.map_err(|error| damaged(Damage::Record(error.to_string())))?);
    }
    if !records
        .iter()
        .any(|record| matches!(record, Record::SnapshotEnd))
    {
        return Ok(None);
    }
    Ok(Some(Segment {
        generation,
        records,
        end: read.end,
        batch: read.batch,
    }))
}

/// Writes a whole segment with a snapshot and makes it durable, file and folder.
fn write_segment(
    folder: &Path,
    index: usize,
    generation: u64,
    size: u64,
    snapshot: &[Record],
) -> Result<(File, u64), JournalError> {
    let path = segment_path(folder, index);
    let mut bytes = frame::header(generation);
    for record in snapshot {
        frame::write(&mut bytes, 0, false, &record.encode()?);
    }
    let mut seal = Vec::new();
    frame::write(&mut seal, 1, true, &Record::SnapshotEnd.encode()?);
    let end = (bytes.len() + seal.len()) as u64;
    if end > size {
        return Err(JournalError::Full {
            needed: bytes.len(),
            size,
        });
    }
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(true);
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&path).map_err(io_error("create", &path))?;
    reserve(&file, size).map_err(io_error("reserve space for", &path))?;
    file.write_all(&bytes).map_err(io_error("write", &path))?;
    fail_point::hit("rotate.before_sync");
    file.sync_all().map_err(io_error("sync", &path))?;
    // The seal goes behind an fsync of its own: with it, a bad snapshot is damage; without it, the file was never finished.
    file.write_all(&seal).map_err(io_error("write", &path))?;
    file.sync_all().map_err(io_error("sync", &path))?;
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(io_error("sync folder", folder))?;
    fail_point::hit("rotate.after_sync");
    Ok((file, end))
}

fn reserve(file: &File, size: u64) -> io::Result<()> {
    match nix::fcntl::posix_fallocate(file, 0, i64::try_from(size).unwrap_or(i64::MAX)) {
        Ok(()) => Ok(()),
        // Some file systems cannot reserve; the journal works there too, only a full disk shows later.
        Err(nix::errno::Errno::EOPNOTSUPP | nix::errno::Errno::EINVAL) => {
            if file.metadata()?.len() < size {
                file.set_len(size)?;
            }
            Ok(())
        }
        Err(errno) => Err(errno.into()),
    }
}

fn erase(file: &mut File, from: u64, length: u64) -> io::Result<()> {
    const ZEROS: [u8; 4096] = [0; 4096];
    file.seek(SeekFrom::Start(from))?;
    let mut left = length;
    while left > 0 {
        let part = left.min(ZEROS.len() as u64);
        file.write_all(&ZEROS[..usize::try_from(part).unwrap_or(ZEROS.len())])?;
        left -= part;
    }
    Ok(())
}

fn set_aside(folder: &Path, index: usize) -> Result<(), JournalError> {
    let path = segment_path(folder, index);
    let aside = folder.join(format!("journal-{index}.unreadable"));
    match fs::rename(&path, &aside) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(io_error("set aside", &path)(error)),
    }
}

fn io_error<'a>(what: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> JournalError + 'a {
    move |source| JournalError::Io {
        what,
        path: path.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests;
