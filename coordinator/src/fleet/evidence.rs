//! Evidence: files that agents send, kept by their content, durable before anybody is told that they are there.

use botswain_proto::ids::Digest;
use botswain_proto::limits::EVIDENCE_MAX_BYTES;
use sha2::{Digest as _, Sha256};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::fs;
use tokio::io::AsyncWriteExt;

/// Why a file was not taken.
#[derive(Debug, thiserror::Error)]
pub enum EvidenceError {
    /// More than was announced, or than is allowed.
    #[error("more than the announced {0} bytes were sent")]
    TooMuch(u64),
    /// Larger than any evidence may be.
    #[error("{0} bytes are announced, at most {EVIDENCE_MAX_BYTES} are allowed")]
    TooLarge(u64),
    /// Less than was announced.
    #[error("{found} bytes were sent, {announced} were announced")]
    TooLittle {
        /// What came.
        found: u64,
        /// What should have come.
        announced: u64,
    },
    /// Other bytes than were announced.
    #[error("the content has SHA-256 {found}, {announced} was announced")]
    OtherContent {
        /// What came.
        found: Digest,
        /// What should have come.
        announced: Digest,
    },
    /// The disk does not take it.
    #[error("{path}: {error}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
}

/// The folder of all evidence.
#[derive(Debug)]
pub struct EvidenceFolder {
    root: PathBuf,
    counter: AtomicU64,
}

impl EvidenceFolder {
    /// Uses a folder, and makes it where it is missing. Uploads that were interrupted are removed.
    ///
    /// # Errors
    /// Names the folder.
    pub fn open(root: PathBuf) -> Result<EvidenceFolder, EvidenceError> {
        let io = |path: &Path, error| EvidenceError::Io {
            path: path.to_owned(),
            error,
        };
        let arriving = root.join("arriving");
        std::fs::create_dir_all(&arriving).map_err(|error| io(&arriving, error))?;
        let left_over = std::fs::read_dir(&arriving).map_err(|error| io(&arriving, error))?;
        for entry in left_over.flatten() {
            std::fs::remove_file(entry.path()).map_err(|error| io(&entry.path(), error))?;
        }
        Ok(EvidenceFolder {
            root,
            counter: AtomicU64::new(0),
        })
    }

    /// Where a file is, whether it is there or not.
    #[must_use]
    pub fn path(&self, content: &Digest) -> PathBuf {
        let name = content.to_string();
        // The same place as in the store, which shows files and forgets them.
        self.root.join(&name[..2]).join(&name[2..])
    }

    /// Begins to take a file.
    ///
    /// # Errors
    /// It is larger than allowed, or the disk does not take it.
    pub(super) async fn receive(
        &self,
        announced: Digest,
        size: u64,
    ) -> Result<Arriving<'_>, EvidenceError> {
        if size > EVIDENCE_MAX_BYTES {
            return Err(EvidenceError::TooLarge(size));
        }
        let number = self.counter.fetch_add(1, Ordering::Relaxed);
        let path = self.root.join("arriving").join(number.to_string());
        let file = fs::File::create(&path)
            .await
            .map_err(|error| EvidenceError::Io {
                path: path.clone(),
                error,
            })?;
        Ok(Arriving {
            folder: self,
            path,
            file: Some(file),
            hash: Sha256::new(),
            found: 0,
            announced,
            size,
        })
    }
}

/// A file that arrives; what is not finished is removed.
pub(super) struct Arriving<'a> {
    folder: &'a EvidenceFolder,
    path: PathBuf,
    file: Option<fs::File>,
    hash: Sha256,
    found: u64,
    announced: Digest,
    size: u64,
}

impl Arriving<'_> {
    pub(super) async fn write(&mut self, bytes: &[u8]) -> Result<(), EvidenceError> {
        self.found += bytes.len() as u64;
        if self.found > self.size {
            return Err(EvidenceError::TooMuch(self.size));
        }
        self.hash.update(bytes);
        let Some(file) = &mut self.file else {
            return Ok(());
        };
        file.write_all(bytes)
            .await
            .map_err(|error| EvidenceError::Io {
                path: self.path.clone(),
                error,
            })
    }

    /// Checks the content and makes it durable under its name.
    pub(super) async fn finish(mut self) -> Result<(), EvidenceError> {
        if self.found != self.size {
            return Err(EvidenceError::TooLittle {
                found: self.found,
                announced: self.size,
            });
        }
        let found = Digest(std::mem::take(&mut self.hash).finalize().into());
        if found != self.announced {
            return Err(EvidenceError::OtherContent {
                found,
                announced: self.announced,
            });
        }
        let io = |path: &Path| {
            let path = path.to_owned();
            move |error| EvidenceError::Io { path, error }
        };
        if let Some(mut file) = self.file.take() {
            file.flush().await.map_err(io(&self.path))?;
            file.sync_all().await.map_err(io(&self.path))?;
        }
        let place = self.folder.path(&self.announced);
        let shelf = place.parent().unwrap_or(&self.folder.root).to_owned();
        fs::create_dir_all(&shelf).await.map_err(io(&shelf))?;
        fs::rename(&self.path, &place).await.map_err(io(&place))?;
        for folder in [&shelf, &self.folder.root] {
            let folder_file = fs::File::open(folder).await.map_err(io(folder))?;
            folder_file.sync_all().await.map_err(io(folder))?;
        }
        Ok(())
    }
}

impl Drop for Arriving<'_> {
    fn drop(&mut self) {
        // After a success there is nothing under this name any more.
        let _ = std::fs::remove_file(&self.path);
    }
}
