//! The policy's file: how `policy.toml` is written, and what is wrong with one that is not.

use botswain_proto::ids::Digest;
use serde::Deserialize;

use super::pattern::Pattern;
use super::times::Window;
use super::{BotPattern, Folder, Host, Policy, Program, Rule};

/// Largest file.
const BYTES_MAX: usize = 256 * 1024;
/// Most rules.
const RULES_MAX: usize = 1_000;

/// What is wrong with a policy file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// Too much of it.
    #[error("it holds {0} bytes, at most {BYTES_MAX} are allowed")]
    TooLarge(usize),
    /// Not TOML, or with keys that mean nothing.
    #[error("{0}")]
    Toml(String),
    /// A rule that cannot be.
    #[error("rule {rule:?}: {message}")]
    Rule {
        /// Its name.
        rule: String,
        /// What to do about it.
        message: String,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileShape {
    #[serde(default)]
    allow: Vec<RuleShape>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleShape {
    name: Option<String>,
    #[serde(default)]
    actions: Vec<String>,
    #[serde(default)]
    bots: Vec<String>,
    #[serde(default)]
    job_types: Vec<String>,
    #[serde(default)]
    times: Vec<String>,
    #[serde(default)]
    browser: bool,
    #[serde(default)]
    desktop: bool,
    #[serde(default)]
    hosts: Vec<String>,
    #[serde(default)]
    folders: Vec<FolderShape>,
    #[serde(default)]
    programs: Vec<ProgramShape>,
    #[serde(default)]
    devices: Vec<String>,
    #[serde(default)]
    services: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FolderShape {
    path: String,
    #[serde(default)]
    write: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ProgramShape {
    path: String,
    args: Option<Vec<String>>,
}

/// Reads a policy file.
pub fn parse(text: &str) -> Result<Policy, PolicyError> {
    if text.len() > BYTES_MAX {
        return Err(PolicyError::TooLarge(text.len()));
    }
    let file: FileShape =
        toml::from_str(text).map_err(|error| PolicyError::Toml(error.to_string()))?;
    if file.allow.len() > RULES_MAX {
        return Err(PolicyError::Toml(format!(
            "{} rules, at most {RULES_MAX} are allowed",
            file.allow.len()
        )));
    }
    let rules = file
        .allow
        .into_iter()
        .enumerate()
        .map(|(index, rule)| {
            let name = rule
                .name
                .clone()
                .unwrap_or_else(|| format!("rule {}", index + 1));
            read_rule(name.clone(), rule).map_err(|message| PolicyError::Rule {
                rule: name,
                message,
            })
        })
        .collect::<Result<_, _>>()?;
    Ok(Policy {
        rules,
        version: Digest::of(text.as_bytes()).to_string()[..16].to_owned(),
    })
}

fn read_rule(name: String, rule: RuleShape) -> Result<Rule, String> {
    if name.is_empty() || name.len() > 100 {
        return Err("a rule's name has 1 to 100 bytes".to_owned());
    }
    if rule.actions.is_empty() && rule.bots.is_empty() {
        return Err("it names neither `actions` nor `bots`".to_owned());
    }
    Ok(Rule {
        name,
        actions: patterns(&rule.actions)?,
        bots: rule
            .bots
            .iter()
            .map(|text| read_bot(text))
            .collect::<Result<_, _>>()?,
        job_types: patterns(&rule.job_types)?,
        times: rule
            .times
            .iter()
            .map(|text| Window::parse(text))
            .collect::<Result<_, _>>()?,
        browser: rule.browser,
        desktop: rule.desktop,
        hosts: rule
            .hosts
            .iter()
            .map(|text| Host::parse(text))
            .collect::<Result<_, _>>()?,
        folders: rule
            .folders
            .into_iter()
            .map(read_folder)
            .collect::<Result<_, _>>()?,
        programs: rule
            .programs
            .into_iter()
            .map(read_program)
            .collect::<Result<_, _>>()?,
        devices: patterns(&rule.devices)?,
        services: patterns(&rule.services)?,
    })
}

fn patterns(texts: &[String]) -> Result<Vec<Pattern>, String> {
    texts.iter().map(|text| Pattern::new(text)).collect()
}

/// `name`, `name@version`, `name@sha256:digest`; name and version may be patterns.
fn read_bot(text: &str) -> Result<BotPattern, String> {
    let (name, version) = match text.split_once('@') {
        Some((name, version)) => (name, Some(version)),
        None => (text, None),
    };
    let digest = version
        .and_then(|version| version.strip_prefix("sha256:"))
        .map(|digest| {
            digest
                .parse()
                .map_err(|error| format!("bot {text:?}: {error}"))
        })
        .transpose()?;
    let version = version
        .filter(|_| digest.is_none())
        .map(Pattern::new)
        .transpose()?;
    Ok(BotPattern {
        name: Pattern::new(name)?,
        version,
        digest,
    })
}

fn read_folder(folder: FolderShape) -> Result<Folder, String> {
    let absolute = folder.path.starts_with('/') && !folder.path.split('/').any(|part| part == "..");
    if !absolute {
        return Err(format!("folder {:?} is no absolute path", folder.path));
    }
    Ok(Folder {
        path: folder.path,
        write: folder.write,
    })
}

fn read_program(program: ProgramShape) -> Result<Program, String> {
    if !program.path.starts_with('/') {
        return Err(format!(
            "program {:?} needs an absolute path, because the search path is not the owner's alone",
            program.path
        ));
    }
    let open_end = program
        .args
        .as_ref()
        .is_some_and(|args| args.last().is_some_and(|last| last == "..."));
    let args = program
        .args
        .map(|args| {
            let named = args.len() - usize::from(open_end);
            args[..named]
                .iter()
                .map(|arg| Pattern::argument(arg))
                .collect::<Result<Vec<_>, _>>()
        })
        .transpose()?;
    Ok(Program {
        path: program.path,
        args,
        open_end,
    })
}
