//! Evidence files: the bytes of screenshots and logs, each once, under its digest.

use crate::rows::Digest;
use crate::store::StoreError;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

/// The folder of evidence in a data folder. A file is there whole or not at all.
#[derive(Clone, Debug)]
pub struct EvidenceFiles {
    folder: PathBuf,
}

impl EvidenceFiles {
    /// Takes the folder of a data folder, and makes it if there is none.
    ///
    /// # Errors
    /// The folder cannot be made.
    pub fn open(data_folder: &Path) -> Result<EvidenceFiles, StoreError> {
        let folder = data_folder.join("evidence");
        fs::create_dir_all(&folder).map_err(|error| failed(&folder, error))?;
        Ok(EvidenceFiles { folder })
    }

    /// Keeps bytes durably and returns their address. The row that names them is written afterwards, never before.
    ///
    /// # Errors
    /// There is no room, or the file cannot be written.
    pub fn keep(&self, bytes: &[u8]) -> Result<Digest, StoreError> {
        let digest = Digest::of(bytes);
        let path = self.path(digest);
        if fs::metadata(&path).is_ok_and(|file| file.len() == bytes.len() as u64) {
            return Ok(digest);
        }
        let parent = path.parent().unwrap_or(&self.folder);
        fs::create_dir_all(parent).map_err(|error| failed(parent, error))?;
        let draft = parent.join(format!("{}.draft", uuid::Uuid::new_v4()));
        let written = write_synced(&draft, bytes).and_then(|()| fs::rename(&draft, &path));
        if let Err(error) = written {
            // The draft is of no use to anybody; that it stays is the lesser harm.
            let _stays = fs::remove_file(&draft);
            return Err(failed(&path, error));
        }
        for folder in [parent, &self.folder] {
            File::open(folder)
                .and_then(|folder| folder.sync_all())
                .map_err(|error| failed(folder, error))?;
        }
        Ok(digest)
    }

    /// Reads the bytes of an address; none, if they are not there or are not what they should be.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn read(&self, digest: Digest) -> Result<Option<Vec<u8>>, StoreError> {
        let path = self.path(digest);
        match fs::read(&path) {
            Ok(bytes) => Ok((Digest::of(&bytes) == digest).then_some(bytes)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed(&path, error)),
        }
    }

    /// Removes the bytes of an address that no row names any more.
    ///
    /// # Errors
    /// The file cannot be removed.
    pub fn forget(&self, digest: Digest) -> Result<(), StoreError> {
        let path = self.path(digest);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(failed(&path, error)),
            _ => Ok(()),
        }
    }

    /// Where the bytes of an address lie.
    #[must_use]
    pub fn path(&self, digest: Digest) -> PathBuf {
        let name = digest.to_string();
        self.folder.join(&name[..2]).join(&name[2..])
    }
}

fn write_synced(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut file = File::create_new(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn failed(path: &Path, error: std::io::Error) -> StoreError {
    StoreError::File {
        path: path.display().to_string(),
        error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_kept_once_and_read_back_by_their_address() {
        let folder = tempfile::tempdir().unwrap();
        let files = EvidenceFiles::open(folder.path()).unwrap();
        let digest = files.keep(b"screenshot").unwrap();
        assert_eq!(files.keep(b"screenshot").unwrap(), digest);
        assert_eq!(files.read(digest).unwrap().unwrap(), b"screenshot");
        let name = digest.to_string();
        assert!(
            folder
                .path()
                .join("evidence")
                .join(&name[..2])
                .join(&name[2..])
                .is_file()
        );
        assert_eq!(
            fs::read_dir(files.path(digest).parent().unwrap())
                .unwrap()
                .count(),
            1,
            "no draft stays"
        );
        files.forget(digest).unwrap();
        files.forget(digest).unwrap();
        assert_eq!(files.read(digest).unwrap(), None);
    }

    #[test]
    fn damaged_bytes_are_never_handed_out() {
        let folder = tempfile::tempdir().unwrap();
        let files = EvidenceFiles::open(folder.path()).unwrap();
        let digest = files.keep(b"whole").unwrap();
        fs::write(files.path(digest), b"whol!").unwrap();
        assert_eq!(files.read(digest).unwrap(), None);
    }
}
