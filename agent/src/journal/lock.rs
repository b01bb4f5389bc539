//! The lock: one agent per data folder.

use std::fs::{File, OpenOptions};
use std::path::Path;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

use super::{JournalError, io_error};

/// An agent that was killed while it started a program leaves the lock to that program for a moment.
const PATIENCE: Duration = Duration::from_secs(2);

/// Held as long as the agent lives; the system takes it back when the process ends in whatever way.
#[derive(Debug)]
pub(super) struct Lock(#[expect(dead_code, reason = "held for its drop")] Flock<File>);

impl Lock {
    pub(super) fn take(folder: &Path) -> Result<Self, JournalError> {
        let path = folder.join("lock");
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(io_error("open", &path))?;
        let until = Instant::now() + PATIENCE;
        let mut file = file;
        loop {
            match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
                Ok(lock) => return Ok(Self(lock)),
                Err((again, Errno::EWOULDBLOCK)) if Instant::now() < until => file = again,
                Err((_, Errno::EWOULDBLOCK)) => return Err(JournalError::InUse(folder.to_owned())),
                Err((_, errno)) => return Err(io_error("lock", &path)(errno.into())),
            }
            std::thread::park_timeout(Duration::from_millis(20));
        }
    }
}
