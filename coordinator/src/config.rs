//! Configuration: one struct; `botswain.toml`, then `BOTSWAIN_*`, then flags. Every default is visible here.

use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

/// What a coordinator is told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where everything is kept.
    pub data: PathBuf,
    /// The address of all doors; any but a loopback address needs TLS and authentication.
    pub listen: IpAddr,
    /// HTTP: REST, console, health, metrics. 0 takes a free port.
    pub http_port: u16,
    /// gRPC: workers and Zeebe's gateway. 0 takes a free port.
    pub grpc_port: u16,
    /// The address of the agents' door, which is safe to open: mutual TLS.
    pub agents_listen: IpAddr,
    /// gRPC over mutual TLS: agents; enrolment over HTTPS on the same port. 0 takes a free port.
    pub agents_port: u16,
    /// Names and addresses under which agents reach this machine, for the certificate.
    pub agents_names: Vec<String>,
    /// Agents may also speak without TLS, on loopback only; for tests.
    pub agents_plaintext_port: Option<u16>,
    /// On loopback: HTTP without a token.
    pub dev: bool,
    /// The file with the secrets of connectors and bots; readable by its owner only.
    pub secrets: Option<PathBuf>,
    /// The folder with the connectors' definitions, one TOML file each.
    pub connectors: Option<PathBuf>,
    /// The hosts that REST tasks of models may call by the connector `http-json`: `name`, `name:port`, `name:*` or `*.name`.
    pub rest_hosts: Vec<String>,
    /// The secrets that REST tasks of models may use.
    pub rest_secrets: Vec<String>,
    /// How much of the instances stays in memory, in MiB.
    pub memory_mib: usize,
    /// The largest size of the database, in MiB; none means as large as the disk.
    pub database_mib_max: Option<u32>,
    /// How many days ended instances are kept.
    pub retention_days: u32,
    /// What is logged: `info`, `debug`, or a filter such as `botswain=debug,warn`.
    pub log: String,
    /// Log lines as JSON.
    pub log_json: bool,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            data: default_data(),
            listen: IpAddr::V4(Ipv4Addr::LOCALHOST),
            agents_listen: IpAddr::V4(Ipv4Addr::LOCALHOST),
            http_port: 8080,
            grpc_port: 26500,
            agents_port: 26511,
            agents_names: vec!["localhost".to_owned(), "127.0.0.1".to_owned()],
            agents_plaintext_port: None,
            dev: false,
            secrets: None,
            connectors: None,
            rest_hosts: Vec::new(),
            rest_secrets: Vec::new(),
            memory_mib: 64,
            database_mib_max: None,
            retention_days: 30,
            log: "info".to_owned(),
            log_json: false,
        }
    }
}

impl Config {
    /// Reads the file, then what the environment says; flags are laid over it by the caller.
    ///
    /// # Errors
    /// The file cannot be read, or a setting has no such meaning.
    pub fn load(file: Option<&Path>) -> anyhow::Result<Config> {
        let path = file.map_or_else(|| PathBuf::from("botswain.toml"), Path::to_path_buf);
        let mut table = match std::fs::read_to_string(&path) {
            Ok(text) => text
                .parse::<toml::Table>()
                .with_context(|| format!("read configuration {}", path.display()))?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && file.is_none() => {
                toml::Table::new()
            }
            Err(error) => {
                return Err(error)
                    .with_context(|| format!("read configuration {}", path.display()));
            }
        };
        let known = toml::Table::try_from(Config::known()).context("list the settings")?;
        for (name, value) in environment() {
            if known.contains_key(&name) {
                table.insert(name, value);
            }
        }
        table
            .try_into()
            .with_context(|| format!("understand configuration {} and BOTSWAIN_*", path.display()))
    }

    /// All settings with a value, so that each has a name to be known by.
    fn known() -> Config {
        Config {
            agents_plaintext_port: Some(0),
            secrets: Some(PathBuf::new()),
            connectors: Some(PathBuf::new()),
            database_mib_max: Some(0),
            ..Config::default()
        }
    }

    /// Refuses what would be open to the world.
    ///
    /// # Errors
    /// The address needs TLS and authentication, which the HTTP and worker doors do not have by themselves.
    pub fn check(&self) -> anyhow::Result<()> {
        if !self.listen.is_loopback() {
            bail!(
                "listen = {}: only loopback addresses are served without TLS; keep 127.0.0.1 and put a TLS proxy in front, agents \
                 reach their own port over mutual TLS",
                self.listen
            );
        }
        Ok(())
    }

    /// The address of the agents' door.
    #[must_use]
    pub fn agents_address(&self) -> SocketAddr {
        SocketAddr::new(self.agents_listen, self.agents_port)
    }

    /// The address of a door.
    #[must_use]
    pub fn address(&self, port: u16) -> SocketAddr {
        SocketAddr::new(self.listen, port)
    }
}

fn environment() -> BTreeMap<String, toml::Value> {
    let parse = |text: String| -> toml::Value {
        let number = text.parse::<i64>().ok().map(toml::Value::Integer);
        let boolean = text.parse::<bool>().ok().map(toml::Value::Boolean);
        let list = || {
            text.starts_with('[')
                .then(|| {
                    format!("v = {text}")
                        .parse::<toml::Table>()
                        .ok()?
                        .remove("v")
                })
                .flatten()
        };
        number
            .or(boolean)
            .or_else(list)
            .unwrap_or(toml::Value::String(text))
    };
    std::env::vars()
        .filter_map(|(name, text)| {
            Some((name.strip_prefix("BOTSWAIN_")?.to_lowercase(), parse(text)))
        })
        .collect()
}

/// `/var/lib/botswain` for a service user, else `$XDG_DATA_HOME/botswain`.
fn default_data() -> PathBuf {
    let service = PathBuf::from("/var/lib/botswain");
    if service.is_dir() {
        return service;
    }
    let home = std::env::var_os("XDG_DATA_HOME").map(PathBuf::from);
    let home = home
        .or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".local/share")));
    home.unwrap_or_else(|| PathBuf::from(".")).join("botswain")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_sets_what_it_names_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("botswain.toml");
        std::fs::write(&file, "http_port = 1\nlog = \"debug\"\n").unwrap();
        let config = Config::load(Some(&file)).unwrap();
        assert_eq!(
            (config.http_port, config.log.as_str(), config.grpc_port),
            (1, "debug", 26500)
        );
    }

    #[test]
    fn an_unknown_setting_is_refused_by_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("botswain.toml");
        std::fs::write(&file, "htp_port = 1\n").unwrap();
        let error = format!("{:#}", Config::load(Some(&file)).unwrap_err());
        assert!(error.contains("htp_port"), "{error}");
    }

    #[test]
    fn an_open_address_is_refused_with_the_remedy() {
        let config = Config {
            listen: "0.0.0.0".parse().unwrap(),
            ..Config::default()
        };
        assert!(config.check().unwrap_err().to_string().contains("TLS"));
    }
}
