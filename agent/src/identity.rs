//! Identity: the agent's name, key and certificates on its disk.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use botswain_proto::ids::AgentId;
use serde::{Deserialize, Serialize};

const KEY: &str = "key.pem";
const CHAIN: &str = "chain.pem";
const CA: &str = "ca.pem";
const ABOUT: &str = "agent.json";

/// Who the agent is, and whom it trusts.
pub struct Identity {
    /// Its name, the common name of its certificate.
    pub agent: AgentId,
    /// The coordinator that gave it.
    pub coordinator: String,
    /// The private key, which never leaves the machine (PEM).
    pub key_pem: String,
    /// The certificate and its issuers (PEM).
    pub chain_pem: String,
    /// The coordinator's CA (PEM).
    pub ca_pem: String,
}

// A key has no business in a log.
impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Identity({} of {})", self.agent, self.coordinator)
    }
}

#[derive(Serialize, Deserialize)]
struct About {
    agent_id: AgentId,
    coordinator: String,
}

impl Identity {
    /// Reads the identity of a data folder, `None` before enrolment.
    pub fn load(data: &Path) -> Result<Option<Self>> {
        let folder = folder(data);
        let about = match fs::read(folder.join(ABOUT)) {
            Ok(about) => about,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => {
                return Err(error).with_context(|| format!("failed to read {}", folder.display()));
            }
        };
        let about: About = serde_json::from_slice(&about).with_context(|| {
            format!(
                "{} is damaged; remove the folder {} and enrol again",
                ABOUT,
                folder.display()
            )
        })?;
        let read = |name: &str| {
            fs::read_to_string(folder.join(name)).with_context(|| {
                format!(
                    "failed to read {name}; remove the folder {} and enrol again",
                    folder.display()
                )
            })
        };
        Ok(Some(Self {
            agent: about.agent_id,
            coordinator: about.coordinator,
            key_pem: read(KEY)?,
            chain_pem: read(CHAIN)?,
            ca_pem: read(CA)?,
        }))
    }

    /// Writes the identity; its last file makes it count, so that a cut in between leaves none.
    pub fn store(&self, data: &Path) -> Result<()> {
        let folder = folder(data);
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true);
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder
            .create(&folder)
            .with_context(|| format!("failed to create {}", folder.display()))?;
        let about = serde_json::to_vec_pretty(&About {
            agent_id: self.agent.clone(),
            coordinator: self.coordinator.clone(),
        })?;
        for (name, content) in [
            (KEY, self.key_pem.as_bytes()),
            (CHAIN, self.chain_pem.as_bytes()),
            (CA, self.ca_pem.as_bytes()),
            (ABOUT, &about),
        ] {
            write_private(&folder, name, content)
                .with_context(|| format!("failed to write {}", folder.join(name).display()))?;
        }
        Ok(())
    }
}

fn folder(data: &Path) -> PathBuf {
    data.join("identity")
}

fn write_private(folder: &Path, name: &str, content: &[u8]) -> io::Result<()> {
    let part = folder.join(format!("{name}.part"));
    let _ = fs::remove_file(&part);
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&part)?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(&part, folder.join(name))?;
    fs::File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_reads_what_it_wrote_and_keeps_its_key_to_itself() {
        let data = tempfile::tempdir().unwrap();
        assert!(Identity::load(data.path()).unwrap().is_none());
        let identity = Identity {
            agent: "anna".parse().unwrap(),
            coordinator: "https://localhost:26511".to_owned(),
            key_pem: "secret key".to_owned(),
            chain_pem: "chain".to_owned(),
            ca_pem: "ca".to_owned(),
        };
        identity.store(data.path()).unwrap();
        let read = Identity::load(data.path()).unwrap().unwrap();
        assert_eq!(read.agent, identity.agent);
        assert_eq!(read.key_pem, "secret key");
        assert!(!format!("{read:?}").contains("secret"));
        let mode = fs::metadata(folder(data.path()).join(KEY))
            .unwrap()
            .permissions();
        assert_eq!(
            std::os::unix::fs::PermissionsExt::mode(&mode) & 0o777,
            0o600
        );
    }
}
