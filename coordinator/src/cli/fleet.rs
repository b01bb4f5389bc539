//! Fleet: agents, their tokens, their bots, and the evidence that they leave.

use super::client::Client;
use super::output::{Output, cell, items, moment};
use super::{Done, Failure};
use botswain_proto::package::{FILES_MAX, PACKAGE_BYTES_MAX, Package};
use reqwest::Method;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Lists agents, or revokes one.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Agents {
    #[command(subcommand)]
    order: Option<AgentOrder>,
}

#[derive(Debug, clap::Subcommand)]
enum AgentOrder {
    /// Withdraws an agent's right: its certificate is not accepted any more.
    Revoke {
        /// The agent's name.
        agent: String,
    },
}

/// A token for new agents.
#[derive(Debug, clap::Args)]
pub struct AgentToken {
    /// A label that the agents cannot change, key=value; may be given several times.
    #[arg(long = "label", value_name = "KEY=VALUE")]
    labels: Vec<String>,
    /// How many machines it enrols.
    #[arg(long, default_value_t = 1)]
    uses: u32,
    /// How long it is good: 90s, 30m, 1h, 7d.
    #[arg(long, default_value = "24h", value_parser = seconds, value_name = "TIME")]
    valid: u64,
    /// For people: what it is for.
    #[arg(long)]
    note: Option<String>,
}

/// What is done with bots.
#[derive(Debug, clap::Subcommand)]
pub enum Bot {
    /// Checks a bot's folder and pushes it as a package.
    Push {
        /// The folder with bot.toml.
        folder: PathBuf,
    },
    /// Lists the packages.
    List,
}

/// Lists or saves evidence.
#[derive(Debug, clap::Args)]
pub struct Evidence {
    /// The instance's key.
    instance: String,
    /// Saves the files below this folder.
    #[arg(long, value_name = "DIR")]
    save: Option<PathBuf>,
}

fn seconds(text: &str) -> Result<u64, String> {
    let wrong = || format!("expected a time such as 90s, 30m, 1h or 7d, found {text:?}");
    let unit = text.chars().last().ok_or_else(wrong)?;
    let number: u64 = text[..text.len() - unit.len_utf8()]
        .parse()
        .map_err(|_| wrong())?;
    let factor = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        _ => return Err(wrong()),
    };
    number
        .checked_mul(factor)
        .filter(|seconds| *seconds > 0)
        .ok_or_else(wrong)
}

pub(super) async fn agents(client: &Client, out: &mut Output, agents: Agents) -> Done {
    if let Some(AgentOrder::Revoke { agent }) = agents.order {
        client
            .send(client.request(Method::DELETE, &["botswain", "v1", "agents", &agent]))
            .await?;
        return out.answer(&json!({ "agent": agent, "revoked": true }), |out| {
            out.line(&format!("agent {agent} is revoked"));
        });
    }
    let answer = client.get(&["botswain", "v1", "agents"]).await?;
    out.answer(&answer, |out| {
        let rows = items(&answer).iter().map(|item| {
            let busy = match (item["held"].as_u64(), item["slots"].as_u64()) {
                (Some(held), Some(slots)) => format!("{held}/{slots}"),
                _ => String::new(),
            };
            vec![
                cell(item, "agent"),
                cell(item, "state"),
                busy,
                cell(item, "labels"),
                cell(item, "provides"),
                cell(item, "actions"),
                moment(item, "enrolledAt"),
                cell(item, "gone"),
            ]
        });
        let headings = [
            "agent", "state", "busy", "labels", "provides", "actions", "enrolled", "why gone",
        ];
        out.table(&headings, rows.collect());
    })
}

pub(super) async fn agent_token(client: &Client, out: &mut Output, token: AgentToken) -> Done {
    let body = json!({ "labels": token.labels, "uses": token.uses, "validSeconds": token.valid, "note": token.note });
    let answer = client
        .post(&["botswain", "v1", "agent-tokens"], &body)
        .await?;
    out.answer(&answer, |out| {
        out.line(&cell(&answer, "token"));
        // Not on standard output, so that TOKEN=$(botswain agent-token) is the token alone.
        eprintln!(
            "good for {} machine(s) until {}: botswain-agent run --token TOKEN --coordinator https://HOST:26511",
            cell(&answer, "uses"),
            moment(&answer, "expiresAt"),
        );
    })
}

pub(super) async fn bot(client: &Client, out: &mut Output, bot: Bot) -> Done {
    let path = ["botswain", "v1", "bots"];
    match bot {
        Bot::Push { folder } => {
            let package = Package::from_files(files(&folder)?).map_err(|error| {
                Failure::Refused(format!(
                    "the bot in {} cannot be used:\n{error}",
                    folder.display()
                ))
            })?;
            let request = client
                .request(Method::POST, &path)
                .header("content-type", "application/octet-stream")
                .body(package.pack());
            let answer = client.send(request).await?;
            out.answer(&answer, |out| {
                let (name, version) = (cell(&answer, "name"), cell(&answer, "version"));
                out.line(&format!(
                    "bot {name}@{version} is there (digest {})",
                    cell(&answer, "digest")
                ));
                out.line(&format!(
                    "to use it: botswain route set JOB-TYPE bot:{name}@{version}"
                ));
            })
        }
        Bot::List => {
            let answer = client.get(&path).await?;
            out.answer(&answer, |out| {
                let row = |item: &Value| {
                    vec![
                        format!("{}@{}", cell(item, "name"), cell(item, "version")),
                        cell(item, "size"),
                        moment(item, "pushedAt"),
                        cell(item, "digest"),
                    ]
                };
                out.table(
                    &["bot", "bytes", "pushed", "digest"],
                    items(&answer).iter().map(row).collect(),
                );
            })
        }
    }
}

/// All files below a folder, by their path inside it; hidden ones stay where they are.
fn files(folder: &Path) -> Result<BTreeMap<String, Vec<u8>>, Failure> {
    let wrong =
        |path: &Path, why: String| Failure::Usage(format!("read {}: {why}", path.display()));
    let mut files = BTreeMap::new();
    let mut bytes = 0;
    let mut folders = vec![(folder.to_owned(), String::new())];
    while let Some((here, prefix)) = folders.pop() {
        let entries = std::fs::read_dir(&here).map_err(|error| wrong(&here, error.to_string()))?;
        for entry in entries {
            let entry = entry.map_err(|error| wrong(&here, error.to_string()))?;
            let path = entry.path();
            let name = entry.file_name();
            let name = name
                .to_str()
                .ok_or_else(|| wrong(&path, "the name is not UTF-8: rename it".to_owned()))?;
            if name.starts_with('.') {
                continue;
            }
            let kind = entry
                .file_type()
                .map_err(|error| wrong(&path, error.to_string()))?;
            if kind.is_dir() {
                folders.push((path, format!("{prefix}{name}/")));
                continue;
            }
            let size = entry
                .metadata()
                .map_err(|error| wrong(&path, error.to_string()))?
                .len();
            bytes += size;
            if !kind.is_file() || files.len() >= FILES_MAX || bytes > PACKAGE_BYTES_MAX as u64 {
                let limit = PACKAGE_BYTES_MAX >> 20;
                let why = format!(
                    "a bot's folder holds plain files only, at most {FILES_MAX} with {limit} MiB together"
                );
                return Err(wrong(&path, why));
            }
            let content = std::fs::read(&path).map_err(|error| wrong(&path, error.to_string()))?;
            files.insert(format!("{prefix}{name}"), content);
        }
    }
    Ok(files)
}

pub(super) async fn evidence(client: &Client, out: &mut Output, evidence: Evidence) -> Done {
    let answer = client
        .get_by(
            &["botswain", "v1", "evidence"],
            "instance",
            &evidence.instance,
        )
        .await?;
    let mut saved = Vec::new();
    if let Some(folder) = &evidence.save {
        for item in items(&answer) {
            saved.push(save(client, folder, item).await?);
        }
    }
    out.answer(&answer, |out| {
        let rows = items(&answer).iter().enumerate().map(|(at, item)| {
            vec![
                cell(item, "jobType"),
                cell(item, "attempt"),
                cell(item, "name"),
                cell(item, "mediaType"),
                cell(item, "size"),
                moment(item, "at"),
                saved
                    .get(at)
                    .map(|path| path.display().to_string())
                    .unwrap_or_default(),
            ]
        });
        out.table(
            &[
                "attempt at",
                "attempt",
                "name",
                "type",
                "bytes",
                "at",
                "saved as",
            ],
            rows.collect(),
        );
    })
}

async fn save(client: &Client, folder: &Path, item: &Value) -> Result<PathBuf, Failure> {
    let digest = cell(item, "digest");
    let bytes = client
        .bytes(client.request(Method::GET, &["botswain", "v1", "evidence", &digest]))
        .await?;
    let path = folder
        .join(plain(&cell(item, "attempt")))
        .join(plain(&cell(item, "name")));
    let wrong =
        |error: std::io::Error| Failure::Refused(format!("save {}: {error}", path.display()));
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent).map_err(wrong)?;
    }
    std::fs::write(&path, bytes).map_err(wrong)?;
    Ok(path)
}

/// A name that stays below its folder, whatever an agent called its file.
fn plain(name: &str) -> String {
    let plain: String = name
        .chars()
        .map(|character| {
            if character.is_ascii_alphanumeric() || "._-".contains(character) {
                character
            } else {
                '_'
            }
        })
        .collect();
    if plain.trim_matches('.').is_empty() {
        "_".to_owned()
    } else {
        plain
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_never_leaves_its_folder() {
        assert_eq!(plain("after commit.png"), "after_commit.png");
        assert_eq!(plain("../../etc/passwd"), ".._.._etc_passwd");
        assert_eq!(plain(".."), "_");
        assert_eq!(plain(""), "_");
    }

    #[test]
    fn times_are_read_with_their_unit() {
        assert_eq!(
            (seconds("90s"), seconds("2h"), seconds("7d")),
            (Ok(90), Ok(7_200), Ok(604_800))
        );
        for text in [
            "",
            "h",
            "1",
            "1y",
            "0s",
            "-1h",
            "99999999999999999999s",
            "1ü",
        ] {
            assert!(seconds(text).is_err(), "{text}");
        }
    }
}
