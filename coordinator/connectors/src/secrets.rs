//! Secrets: a file that only the coordinator can read, and texts that name what is in it.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Read as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

const FILE_BYTES_MAX: u64 = 1 << 20;
const VALUE_BYTES_MAX: usize = 16 << 10;
const NAME_BYTES_MAX: usize = 100;

/// Why a secrets file cannot be used; never holds a value of it.
#[derive(Debug, thiserror::Error)]
pub enum SecretsError {
    /// The file cannot be read.
    #[error("read secrets {path}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It is a folder, a pipe or something else.
    #[error("secrets {path} is not a file; name a file with lines NAME = \"value\"")]
    NotAFile {
        /// The file.
        path: PathBuf,
    },
    /// Somebody else can read or write it.
    #[error("secrets {path} has mode {mode:03o}, others can reach it; run: chmod 600 {path}")]
    Open {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// It belongs to another user.
    #[error(
        "secrets {path} belongs to user {owner}, not to the coordinator's user {user}; run: chown {user} {path}"
    )]
    Foreign {
        /// The file.
        path: PathBuf,
        /// Who owns it.
        owner: u32,
        /// Whom the coordinator runs as.
        user: u32,
    },
    /// It is not a list of names and values.
    #[error("secrets {path}: {problem}; write one line NAME = \"value\" for each secret")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong, by line or name and never by value.
        problem: String,
    },
}

/// The secrets that connectors may use, by name.
#[derive(Clone, Default)]
pub struct Secrets(Arc<BTreeMap<String, String>>);

impl Secrets {
    /// Reads a TOML file of names and texts; refuses one that anybody but its owner can reach.
    pub fn load(path: &Path) -> Result<Self, SecretsError> {
        let unreadable = |source| SecretsError::Unreadable {
            path: path.to_owned(),
            source,
        };
        let malformed = |problem: String| SecretsError::Malformed {
            path: path.to_owned(),
            problem,
        };
        // Not blocking: the path may name a pipe.
        let file = std::fs::OpenOptions::new()
            .read(true)
            .custom_flags(nix::libc::O_NONBLOCK)
            .open(path)
            .map_err(unreadable)?;
        // Of the open file, so that nobody exchanges it between the check and the reading.
        let metadata = file.metadata().map_err(unreadable)?;
        if !metadata.is_file() {
            return Err(SecretsError::NotAFile {
                path: path.to_owned(),
            });
        }
        let mode = metadata.mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(SecretsError::Open {
                path: path.to_owned(),
                mode,
            });
        }
        let (owner, user) = (metadata.uid(), nix::unistd::geteuid().as_raw());
        if owner != user && owner != 0 {
            return Err(SecretsError::Foreign {
                path: path.to_owned(),
                owner,
                user,
            });
        }
        let mut text = String::new();
        file.take(FILE_BYTES_MAX + 1)
            .read_to_string(&mut text)
            .map_err(unreadable)?;
        if text.len() as u64 > FILE_BYTES_MAX {
            return Err(malformed(format!("more than {FILE_BYTES_MAX} bytes")));
        }
        Self::parse(&text).map_err(malformed)
    }

    /// Makes secrets from names and values, for a coordinator that has them from elsewhere.
    pub fn from_pairs(pairs: impl IntoIterator<Item = (String, String)>) -> Self {
        Self(Arc::new(pairs.into_iter().collect()))
    }

    /// The names, in order: what may be shown of secrets.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// The secret of that name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    fn parse(text: &str) -> Result<Self, String> {
        let table: toml::Table = text.parse().map_err(|error: toml::de::Error| {
            // The parser's own text quotes the line, and the line holds the secret.
            let at = error.span().map_or(0, |span| span.start).min(text.len());
            format!(
                "line {} cannot be read",
                text.as_bytes()[..at]
                    .iter()
                    .filter(|b| **b == b'\n')
                    .count()
                    + 1
            )
        })?;
        let mut secrets = BTreeMap::new();
        for (name, value) in table {
            if !is_name(&name) {
                return Err(format!(
                    "{:?} is no name of a secret",
                    name.chars().take(40).collect::<String>()
                ));
            }
            match value {
                toml::Value::String(value) if (1..=VALUE_BYTES_MAX).contains(&value.len()) => {
                    secrets.insert(name, value);
                }
                _ => {
                    return Err(format!(
                        "{name} is not a text of 1 to {VALUE_BYTES_MAX} bytes"
                    ));
                }
            }
        }
        Ok(Self(Arc::new(secrets)))
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

pub(crate) fn is_name(name: &str) -> bool {
    (1..=NAME_BYTES_MAX).contains(&name.len())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn file(content: &str, mode: u32) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secrets.toml");
        std::fs::write(&path, content).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        (folder, path)
    }

    #[test]
    fn secrets_of_a_private_file_are_read() {
        let (_folder, path) = file("CRM_TOKEN = \"hunter2hunter2\"\n", 0o600);
        let secrets = Secrets::load(&path).unwrap();
        assert_eq!(secrets.get("CRM_TOKEN"), Some("hunter2hunter2"));
        assert_eq!(format!("{secrets:?}"), r#"{"CRM_TOKEN"}"#);
    }

    #[test]
    fn a_file_that_others_can_reach_is_refused_with_the_remedy() {
        for mode in [0o640, 0o604, 0o660, 0o602] {
            let (_folder, path) = file("A = \"b\"\n", mode);
            let error = Secrets::load(&path).unwrap_err().to_string();
            assert!(
                error.contains(&format!("has mode {mode:o}")) && error.contains("chmod 600"),
                "{error}"
            );
        }
    }

    #[test]
    fn a_folder_and_a_missing_file_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(
            Secrets::load(folder.path()),
            Err(SecretsError::NotAFile { .. })
        ));
        assert!(matches!(
            Secrets::load(&folder.path().join("x")),
            Err(SecretsError::Unreadable { .. })
        ));
    }

    #[test]
    fn a_broken_file_is_named_by_line_and_never_by_value() {
        for content in [
            "A = \"fine\"\nB = hunter2\n",
            "A = \"fine\"\nB = \"hunter2\n",
            "A = 1\nB = { c = \"hunter2\" }",
        ] {
            let (_folder, path) = file(content, 0o600);
            let error = Secrets::load(&path).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");
        }
    }
}
