//! Checkpointer: when the write-ahead log is written back into the database file.
//!
//! A thread of its own copies most of the log while commits go on. Only the short rest is copied by the writer, so that the
//! log can begin again from its start.

use crate::store::StoreError;
use rusqlite::wal::CheckpointMode;
use rusqlite::{Connection, ffi};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

#[derive(Debug)]
pub(super) struct Checkpointer {
    shared: Arc<Shared>,
    wish: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
    log_pages: u32,
}

#[derive(Debug, Default)]
struct Shared {
    /// The length of the log at the last commit.
    pages: AtomicU32,
    /// The thread is at work.
    busy: AtomicBool,
    /// The thread has copied what it found: the rest is short.
    copied: AtomicBool,
    /// The system could not make a copy durable.
    sync_failed: AtomicBool,
}

impl Checkpointer {
    pub(super) fn start(
        conn: &mut Connection,
        path: &Path,
        log_pages: u32,
    ) -> Result<Checkpointer, StoreError> {
        let shared = Arc::new(Shared::default());
        let counted = Arc::clone(&shared);
        conn.wal_hook(Some(move |_: &mut _, pages: std::ffi::c_int| {
            counted.pages.store(pages.unsigned_abs(), Ordering::Relaxed);
            Ok(())
        }))?;
        let copier = Connection::open(path)?;
        copier.execute_batch(
            "PRAGMA busy_timeout = 5000; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 0;",
        )?;
        // One wish that waits covers all that come after it.
        let (wish, wishes) = sync_channel(1);
        let theirs = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("store-checkpoint".to_owned())
            .spawn(move || copy_on_wish(&copier, &theirs, &wishes))
            .map_err(|error| StoreError::File {
                path: path.display().to_string(),
                error,
            })?;
        Ok(Checkpointer {
            shared,
            wish: Some(wish),
            thread: Some(thread),
            log_pages,
        })
    }

    /// Called after each commit, on the writer's thread.
    pub(super) fn after_commit(&self, conn: &Connection) {
        if self.shared.pages.load(Ordering::Relaxed) < self.log_pages {
            return;
        }
        if self.shared.copied.swap(false, Ordering::Acquire) {
            copy(conn, &self.shared);
        } else if !self.shared.busy.swap(true, Ordering::AcqRel)
            && let Some(wish) = &self.wish
        {
            // Full or closed: the thread is at work, or gone with the process.
            let _already_wished = wish.try_send(());
        }
    }

    /// Whether the system failed to make a copy durable: what the file holds is unknowable then.
    pub(super) fn sync_failed(&self) -> bool {
        self.shared.sync_failed.load(Ordering::Relaxed)
    }
}

impl Drop for Checkpointer {
    fn drop(&mut self) {
        drop(self.wish.take());
        if let Some(thread) = self.thread.take() {
            let _panicked = thread.join();
        }
    }
}

fn copy_on_wish(conn: &Connection, shared: &Shared, wishes: &Receiver<()>) {
    while wishes.recv().is_ok() {
        copy(conn, shared);
        shared.copied.store(true, Ordering::Release);
        shared.busy.store(false, Ordering::Release);
    }
}

fn copy(conn: &Connection, shared: &Shared) {
    let Err(error) = conn.wal_checkpoint_v2(None::<&str>, CheckpointMode::PASSIVE) else {
        return;
    };
    match error.sqlite_error().map(|error| error.extended_code) {
        // Another copy is at work.
        Some(ffi::SQLITE_BUSY | ffi::SQLITE_LOCKED) => {}
        Some(ffi::SQLITE_IOERR_FSYNC) => shared.sync_failed.store(true, Ordering::Relaxed),
        _ => {
            tracing::warn!(%error, "the write-ahead log could not be written back and grows; free space on the disk")
        }
    }
}
