//! The policy: what the machine's owner allows. What no rule allows is refused, and the refusal names the rule.
//!
//! Pure: the file's text, the question and the local time come in. `policy/file.rs` says how the file is written.

mod file;
mod pattern;
mod times;

use botswain_action::Need;
use botswain_proto::ids::Digest;
use botswain_proto::message::{Reason, Work};

pub use file::{PolicyError, parse};
use pattern::Pattern;
pub use times::LocalTime;
use times::Window;

/// What the machine's owner allows.
#[derive(Debug, Clone, Default)]
pub struct Policy {
    rules: Vec<Rule>,
    version: String,
}

#[derive(Debug, Clone)]
struct Rule {
    name: String,
    actions: Vec<Pattern>,
    bots: Vec<BotPattern>,
    job_types: Vec<Pattern>,
    times: Vec<Window>,
    browser: bool,
    desktop: bool,
    hosts: Vec<Host>,
    folders: Vec<Folder>,
    programs: Vec<Program>,
    devices: Vec<Pattern>,
    services: Vec<Pattern>,
}

#[derive(Debug, Clone)]
struct BotPattern {
    name: Pattern,
    version: Option<Pattern>,
    digest: Option<Digest>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Host {
    name: String,
    port: Option<u16>,
    below: bool,
}

#[derive(Debug, Clone)]
struct Folder {
    path: String,
    write: bool,
}

#[derive(Debug, Clone)]
struct Program {
    path: String,
    args: Option<Vec<Pattern>>,
    /// The last pattern was `...`: any further arguments.
    open_end: bool,
}

/// A question to the policy.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// What is to be done.
    pub work: &'a Work,
    /// For which type of job.
    pub job_type: &'a str,
    /// What it uses of the machine; paths are absolute and without links.
    pub needs: &'a [Need],
    /// When.
    pub at: LocalTime,
}

impl Policy {
    /// Digest of the file, for people who compare machines.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// True when some rule could allow the action.
    pub fn may_allow(&self, action: &str) -> bool {
        self.rules
            .iter()
            .any(|rule| rule.actions.iter().any(|pattern| pattern.matches(action)))
    }

    /// The name of the rule that allows it, or the refusal.
    pub fn decide(&self, question: &Question<'_>) -> Result<String, Reason> {
        let mut nearest: Option<(String, String)> = None;
        for rule in &self.rules {
            if !rule.names(question.work) {
                continue;
            }
            match rule.misses(question) {
                None => return Ok(rule.name.clone()),
                Some(miss) => {
                    nearest.get_or_insert((rule.name.clone(), miss));
                }
            }
        }
        let work = question.work;
        let (rule, text) = match nearest {
            Some((rule, miss)) => {
                let text = format!("the policy's rule {rule:?} does not allow {work} {miss}");
                (rule, text)
            }
            None => (
                "default deny".to_owned(),
                format!(
                    "no rule of the policy names {work}; the machine's owner can add one to policy.toml"
                ),
            ),
        };
        Err(Reason {
            code: "policy".to_owned(),
            text,
            retryable: false,
            policy_rule: rule,
        })
    }
}

impl Rule {
    fn names(&self, work: &Work) -> bool {
        match work {
            Work::Action(name) => self.actions.iter().any(|pattern| pattern.matches(name)),
            Work::Bot(bot) => self.bots.iter().any(|pattern| {
                pattern.name.matches(&bot.name)
                    && pattern
                        .version
                        .as_ref()
                        .is_none_or(|version| version.matches(&bot.version))
                    && pattern.digest.is_none_or(|digest| digest == bot.digest)
            }),
        }
    }

    /// What of the question the rule does not allow.
    fn misses(&self, question: &Question<'_>) -> Option<String> {
        let known_type = self.job_types.is_empty()
            || self
                .job_types
                .iter()
                .any(|pattern| pattern.matches(question.job_type));
        if !known_type {
            return Some(format!("for jobs of type {:?}", question.job_type));
        }
        if !self.times.is_empty() && !self.times.iter().any(|window| window.holds(question.at)) {
            return Some(format!("at this time ({})", question.at));
        }
        question
            .needs
            .iter()
            .find_map(|need| self.misses_need(need))
    }

    fn misses_need(&self, need: &Need) -> Option<String> {
        let (allowed, what) = match need {
            Need::Browser => (
                self.browser,
                "to use a browser; add `browser = true`".to_owned(),
            ),
            Need::DesktopSession => (
                self.desktop,
                "to use the desktop; add `desktop = true`".to_owned(),
            ),
            Need::Program { path, args } => (
                self.programs
                    .iter()
                    .any(|program| program.allows(path, args)),
                format!("to run {}", shown(path, args)),
            ),
            Need::Host { host } => (
                Host::parse(host)
                    .is_ok_and(|wanted| self.hosts.iter().any(|host| host.covers(&wanted))),
                format!("to talk to {host}; add it to `hosts`"),
            ),
            Need::Folder { path, write } => (
                self.folders
                    .iter()
                    .any(|folder| folder.covers(path, *write)),
                format!("to {} {path}", if *write { "write to" } else { "read" }),
            ),
            Need::Device { path } => (
                self.devices.iter().any(|pattern| pattern.matches(path)),
                format!("to use the device {path}; add it to `devices`"),
            ),
            Need::Service { unit } => (
                self.services.iter().any(|pattern| pattern.matches(unit)),
                format!("to touch the service {unit}; add it to `services`"),
            ),
        };
        (!allowed).then_some(what)
    }
}

impl Program {
    fn allows(&self, path: &str, args: &[String]) -> bool {
        if self.path != path {
            return false;
        }
        let Some(patterns) = &self.args else {
            return args.is_empty();
        };
        let enough = if self.open_end {
            args.len() >= patterns.len()
        } else {
            args.len() == patterns.len()
        };
        enough
            && patterns
                .iter()
                .zip(args)
                .all(|(pattern, arg)| pattern.matches(arg))
    }
}

impl Folder {
    fn covers(&self, path: &str, write: bool) -> bool {
        // Whoever asks has resolved links; what still climbs is not a path but an attempt.
        if path.split('/').any(|part| part == "..") {
            return false;
        }
        let below = path
            .strip_prefix(self.path.trim_end_matches('/'))
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        below && (self.write || !write)
    }
}

impl Host {
    fn parse(text: &str) -> Result<Self, String> {
        let (below, rest) = match text.strip_prefix("*.") {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        // An IPv6 address stands in brackets, so that its colons are not a port's.
        let (name, port) = match rest.rsplit_once(':') {
            Some((name, port)) if !name.contains(':') || name.ends_with(']') => {
                let port = port
                    .parse()
                    .map_err(|_| format!("{text:?} has a port that is no number"))?;
                (name, Some(port))
            }
            _ => (rest, None),
        };
        if name.is_empty() || name.contains(['*', '/', ' ']) {
            return Err(format!(
                "{text:?} is no host; write name, name:port, or *.name"
            ));
        }
        Ok(Self {
            name: name.to_ascii_lowercase(),
            port,
            below,
        })
    }

    fn covers(&self, wanted: &Self) -> bool {
        let port = self.port.is_none() || self.port == wanted.port;
        let name = if self.below {
            wanted
                .name
                .strip_suffix(&self.name)
                .is_some_and(|rest| rest.ends_with('.') || (wanted.below && rest.is_empty()))
        } else {
            self.name == wanted.name && !wanted.below
        };
        port && name
    }
}

fn shown(path: &str, args: &[String]) -> String {
    let mut text = path.to_owned();
    for arg in args {
        text.push_str(&format!(" {arg:?}"));
    }
    text.chars().take(300).collect()
}

#[cfg(test)]
mod tests;
