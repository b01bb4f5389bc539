//! The lock: one agent per data folder.

use std::fs::{File, OpenOptions};
use std::path::Path;

use nix::fcntl::{Flock, FlockArg};

use super::{JournalError, io_error};

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
        Flock::lock(file, FlockArg::LockExclusiveNonblock)
            .map(Self)
            .map_err(|(_, errno)| match errno {
                nix::errno::Errno::EWOULDBLOCK => JournalError::InUse(folder.to_owned()),
                errno => io_error("lock", &path)(errno.into()),
            })
    }
}
