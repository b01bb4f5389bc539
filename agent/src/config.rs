//! Configuration: agent.toml, then BOTSWAIN_AGENT_*, then flags.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use botswain_proto::enrol::Token;
use botswain_proto::ids::AgentId;
use serde::Deserialize;

use crate::link::Address;

/// Attempts at once unless configured: one clerk's machine has one desktop, and a device little memory.
const SLOTS: usize = 4;

/// Flags and variables; each stands above the file.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Flags {
    /// Folder of the agent's journal, identity, packages and evidence
    #[arg(long, env = "BOTSWAIN_AGENT_DATA", global = true)]
    pub data: Option<PathBuf>,
    /// Configuration file [default: agent.toml in the data folder]
    #[arg(long, env = "BOTSWAIN_AGENT_CONFIG", global = true)]
    pub config: Option<PathBuf>,
    /// Address of the coordinator, https://host:26511
    #[arg(long, env = "BOTSWAIN_AGENT_COORDINATOR", global = true)]
    pub coordinator: Option<String>,
    /// One-time enrolment token, as printed by `botswain agent-token`
    #[arg(
        long,
        env = "BOTSWAIN_AGENT_TOKEN",
        global = true,
        hide_env_values = true
    )]
    pub token: Option<String>,
    /// Name of the agent that is wished for at enrolment [default: the host's name]
    #[arg(long, env = "BOTSWAIN_AGENT_NAME", global = true)]
    pub name: Option<String>,
    /// What the machine's owner allows [default: policy.toml in the data folder]
    #[arg(long, env = "BOTSWAIN_AGENT_POLICY", global = true)]
    pub policy: Option<PathBuf>,
    /// Label for routes, key=value; may be given more than once
    #[arg(
        long = "label",
        env = "BOTSWAIN_AGENT_LABELS",
        value_delimiter = ',',
        global = true
    )]
    pub labels: Vec<String>,
    /// How many attempts may be outstanding at once
    #[arg(long, env = "BOTSWAIN_AGENT_SLOTS", global = true)]
    pub slots: Option<usize>,
    /// Speak plain text; only with a loopback address, http://127.0.0.1:PORT
    #[arg(long, env = "BOTSWAIN_AGENT_PLAINTEXT", global = true)]
    pub plaintext: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileShape {
    coordinator: Option<String>,
    name: Option<String>,
    policy: Option<PathBuf>,
    #[serde(default)]
    labels: Vec<String>,
    slots: Option<usize>,
    /// Bytes of one of the journal's two segments.
    journal_segment_bytes: Option<u64>,
}

/// What the agent runs with.
#[derive(Debug, Clone)]
pub struct Config {
    /// Its folder.
    pub data: PathBuf,
    /// Its coordinator; after enrolment the one of the identity, unless another is given.
    pub coordinator: Option<Address>,
    /// Token of a machine that is not enrolled.
    pub token: Option<Token>,
    /// Wished name.
    pub name: AgentId,
    /// The policy's file.
    pub policy: PathBuf,
    /// Labels.
    pub labels: Vec<String>,
    /// Attempts at once.
    pub slots: usize,
    /// Plain text to this machine.
    pub plaintext: bool,
    /// Bytes of one of the journal's two segments.
    pub journal_segment_bytes: u64,
}

impl Config {
    /// Puts file, variables and flags together.
    pub fn load(flags: Flags) -> Result<Self> {
        let data = match flags.data {
            Some(data) => data,
            None => default_data()?,
        };
        let path = flags
            .config
            .clone()
            .unwrap_or_else(|| data.join("agent.toml"));
        let file = match std::fs::read_to_string(&path) {
            Ok(text) => toml::from_str(&text)
                .with_context(|| format!("failed to read {}", path.display()))?,
            Err(error)
                if error.kind() == std::io::ErrorKind::NotFound && flags.config.is_none() =>
            {
                FileShape::default()
            }
            Err(error) => {
                return Err(error).with_context(|| format!("failed to read {}", path.display()));
            }
        };
        let coordinator: Option<Address> = flags
            .coordinator
            .or(file.coordinator)
            .map(|text| text.parse())
            .transpose()?;
        if coordinator.as_ref().is_some_and(Address::is_plaintext) != flags.plaintext
            && coordinator.is_some()
        {
            bail!(
                "an http:// address and --plaintext go together; without them, use https:// and a token"
            );
        }
        let slots = flags.slots.or(file.slots).unwrap_or(SLOTS);
        if !(1..=botswain_proto::limits::OPEN_MAX).contains(&slots) {
            bail!(
                "slots is {slots}, expected 1 to {}",
                botswain_proto::limits::OPEN_MAX
            );
        }
        let labels = if flags.labels.is_empty() {
            file.labels
        } else {
            flags.labels
        };
        Ok(Self {
            policy: flags
                .policy
                .or(file.policy)
                .unwrap_or_else(|| data.join("policy.toml")),
            coordinator,
            token: flags.token.map(|text| text.parse()).transpose()?,
            name: match flags.name.or(file.name) {
                Some(name) => name.parse()?,
                None => host_name(),
            },
            labels,
            slots,
            plaintext: flags.plaintext,
            journal_segment_bytes: file
                .journal_segment_bytes
                .unwrap_or(crate::journal::SEGMENT_BYTES),
            data,
        })
    }
}

fn default_data() -> Result<PathBuf> {
    if nix::unistd::geteuid().is_root() {
        return Ok(PathBuf::from("/var/lib/botswain-agent"));
    }
    let base = std::env::var_os("XDG_DATA_HOME")
        .map(PathBuf::from)
        .filter(|base| base.is_absolute())
        .or_else(|| std::env::var_os("HOME").map(|home| Path::new(&home).join(".local/share")));
    match base {
        Some(base) => Ok(base.join("botswain-agent")),
        None => bail!("no home folder is known; name the agent's folder with --data"),
    }
}

/// The host's name, made into an agent's name.
fn host_name() -> AgentId {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name: String = name
        .trim()
        .to_ascii_lowercase()
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .take(63)
        .collect();
    name.trim_start_matches('-')
        .parse()
        .unwrap_or_else(|_| "agent".parse().expect("this is an agent's name"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(file: &str, flags: Flags, part: Result<usize, &str>) {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("agent.toml"), file).unwrap();
        let config = Config::load(Flags {
            data: Some(folder.path().to_owned()),
            ..flags
        });
        match (config, part) {
            (Ok(config), Ok(slots)) => assert_eq!(config.slots, slots),
            (Err(error), Err(part)) => {
                let error = format!("{error:#}");
                assert!(error.contains(part), "{error}");
            }
            (config, part) => panic!("{config:?}, expected {part:?}"),
        }
    }

    #[test]
    fn flags_stand_above_the_file() {
        check("", Flags::default(), Ok(SLOTS));
        check("slots = 2", Flags::default(), Ok(2));
        let three = Flags {
            slots: Some(3),
            ..Flags::default()
        };
        check("slots = 2", three, Ok(3));
    }

    #[test]
    fn a_mistake_is_told_with_its_remedy() {
        check("slot = 2", Flags::default(), Err("unknown field"));
        check("slots = 0", Flags::default(), Err("expected 1 to"));
        check("name = \"Anna\"", Flags::default(), Err("a-z"));
        let plain = |coordinator: &str, plaintext| Flags {
            coordinator: Some(coordinator.to_owned()),
            plaintext,
            ..Flags::default()
        };
        check("", plain("http://127.0.0.1:1", false), Err("--plaintext"));
        check("", plain("https://127.0.0.1:1", true), Err("--plaintext"));
        check("", plain("http://plant.example:1", true), Err("plain text"));
        check("", plain("http://127.0.0.1:1", true), Ok(SLOTS));
    }
}
