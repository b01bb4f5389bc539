//! Lock: one process on one data folder.

use crate::store::StoreError;
use nix::fcntl::{Flock, FlockArg};
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;

/// The lock file's name in the data folder.
const FILE: &str = "lock";

/// Held while the store is open; the system frees it when the process ends, however it ends.
#[derive(Debug)]
pub(super) struct FolderLock(#[expect(dead_code, reason = "held, not read")] Flock<File>);

impl FolderLock {
    pub(super) fn take(folder: &Path) -> Result<FolderLock, StoreError> {
        let path = folder.join(FILE);
        let failed = |error| StoreError::File {
            path: path.display().to_string(),
            error,
        };
        let file = OpenOptions::new()
            .create(true)
            .read(true)
            .write(true)
            .truncate(false)
            .open(&path)
            .map_err(failed)?;
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(mut file) => {
                file.set_len(0).map_err(failed)?;
                file.seek(SeekFrom::Start(0)).map_err(failed)?;
                writeln!(file, "{}", std::process::id()).map_err(failed)?;
                Ok(FolderLock(file))
            }
            Err((file, nix::errno::Errno::EWOULDBLOCK)) => {
                let mut pid = String::new();
                // The holder writes its number right after it took the lock; an empty file means that it is about to.
                file.take(20).read_to_string(&mut pid).map_err(failed)?;
                let pid = if pid.trim().is_empty() {
                    "unknown"
                } else {
                    pid.trim()
                };
                Err(StoreError::InUse {
                    folder: folder.display().to_string(),
                    pid: pid.to_owned(),
                })
            }
            Err((_, errno)) => Err(failed(std::io::Error::from(errno))),
        }
    }
}
