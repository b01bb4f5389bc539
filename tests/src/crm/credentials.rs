//! Credentials: who may log in to the CRM, and with which token its API is called.

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use rand::Rng as _;
use rand::distr::Alphanumeric;
use serde::{Deserialize, Serialize};

/// The one clerk's login and the one token of the API.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Credentials {
    /// The clerk's user name.
    pub user: String,
    /// The clerk's password.
    pub password: String,
    /// The bearer token of the API.
    pub api_token: String,
}

impl Credentials {
    /// Reads the credentials of this data folder, or makes them with random values, readable by the owner only.
    pub fn load_or_create(data: &Path) -> anyhow::Result<Self> {
        let path = Self::path(data);
        match std::fs::read(&path) {
            Ok(bytes) => {
                serde_json::from_slice(&bytes).with_context(|| format!("read {}", path.display()))
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let credentials = Self {
                    user: "clerk".to_owned(),
                    password: random_text(16),
                    api_token: random_text(32),
                };
                let mut file = std::fs::OpenOptions::new()
                    .write(true)
                    .create_new(true)
                    .mode(0o600)
                    .open(&path)
                    .with_context(|| format!("create {}", path.display()))?;
                file.write_all(&serde_json::to_vec_pretty(&credentials)?)
                    .with_context(|| format!("write {}", path.display()))?;
                Ok(credentials)
            }
            Err(error) => Err(error).with_context(|| format!("read {}", path.display())),
        }
    }

    /// Where the credentials of this data folder are.
    pub fn path(data: &Path) -> PathBuf {
        data.join("credentials.json")
    }

    pub(super) fn is_clerk(&self, user: &str, password: &str) -> bool {
        // Both are compared, so that the time taken does not tell which of them was wrong.
        same(&self.user, user) & same(&self.password, password)
    }

    pub(super) fn is_api_token(&self, token: &str) -> bool {
        same(&self.api_token, token)
    }
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials")
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}

pub(super) fn random_text(length: usize) -> String {
    rand::rng()
        .sample_iter(Alphanumeric)
        .take(length)
        .map(char::from)
        .collect()
}

fn same(expected: &str, given: &str) -> bool {
    expected.len() == given.len()
        && expected
            .bytes()
            .zip(given.bytes())
            .fold(0, |acc, (a, b)| acc | (a ^ b))
            == 0
}
