//! The package cache: bot packages by their content, verified before every use.

use std::fs;
use std::io;
use std::path::PathBuf;

use botswain_proto::ids::Digest;
use botswain_proto::limits::PACKAGE_MAX_BYTES;

/// A folder of packages.
#[derive(Debug, Clone)]
pub struct Packages {
    root: PathBuf,
}

/// What the cache cannot do.
#[derive(Debug, thiserror::Error)]
pub enum PackageError {
    /// The content is not what its address says.
    #[error("the package {expected} arrived with the content of {found}")]
    Digest {
        /// The address.
        expected: Digest,
        /// The content's.
        found: Digest,
    },
    /// More than a package may have.
    #[error("the package {digest} has more than {PACKAGE_MAX_BYTES} bytes")]
    TooLarge {
        /// The address.
        digest: Digest,
    },
    /// The disk refuses.
    #[error("keep package {digest}: {source}")]
    Io {
        /// The address.
        digest: Digest,
        /// Why not.
        source: io::Error,
    },
}

impl Packages {
    /// Keeps packages in a folder.
    pub fn new(root: PathBuf) -> Self {
        Self { root }
    }

    /// Where a package lies, if it is here and whole.
    pub fn find(&self, digest: Digest) -> Option<(PathBuf, Vec<u8>)> {
        let path = self.path(digest);
        let size = fs::metadata(&path).ok()?.len();
        if size > PACKAGE_MAX_BYTES {
            return None;
        }
        let bytes = fs::read(&path).ok()?;
        if Digest::of(&bytes) == digest {
            Some((path, bytes))
        } else {
            // A damaged file is fetched again; it must not stand in the way.
            let _ = fs::remove_file(&path);
            None
        }
    }

    /// Keeps a package, if it is what its address says.
    pub fn keep(&self, digest: Digest, bytes: &[u8]) -> Result<(), PackageError> {
        if bytes.len() as u64 > PACKAGE_MAX_BYTES {
            return Err(PackageError::TooLarge { digest });
        }
        let found = Digest::of(bytes);
        if found != digest {
            return Err(PackageError::Digest {
                expected: digest,
                found,
            });
        }
        let io = |source| PackageError::Io { digest, source };
        fs::create_dir_all(&self.root).map_err(io)?;
        let part = self.root.join(format!("{digest}.part"));
        fs::write(&part, bytes).map_err(io)?;
        fs::rename(&part, self.path(digest)).map_err(io)
    }

    fn path(&self, digest: Digest) -> PathBuf {
        self.root.join(digest.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_matches_its_address_is_kept_and_used() {
        let folder = tempfile::tempdir().unwrap();
        let packages = Packages::new(folder.path().join("packages"));
        let digest = Digest::of(b"bot");
        assert!(packages.keep(digest, b"other").is_err());
        assert!(packages.find(digest).is_none());
        packages.keep(digest, b"bot").unwrap();
        assert_eq!(packages.find(digest).unwrap().1, b"bot");
        fs::write(packages.path(digest), b"bat").unwrap();
        assert!(packages.find(digest).is_none());
    }
}
