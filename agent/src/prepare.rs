//! Preparing: before a task is accepted, its work is found and the policy is asked.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use botswain_action::Need;
use botswain_proto::json;
use botswain_proto::message::{Reason, Task};

use crate::policy::{self, LocalTime, Policy, Question};
use crate::runner::{Registry, effect_class, locks_of};
use crate::session::Prepared;

/// The policy as its file says it at this moment: what the owner changes holds for the next task.
#[derive(Debug, Clone)]
pub struct PolicyFile {
    path: PathBuf,
    read: Arc<Mutex<Read>>,
}

#[derive(Debug)]
struct Read {
    changed: Option<SystemTime>,
    policy: Result<Arc<Policy>, String>,
}

impl PolicyFile {
    /// Follows a file; where there is none, nothing is allowed.
    pub fn new(path: PathBuf) -> Self {
        Self {
            path,
            read: Arc::new(Mutex::new(Read {
                changed: None,
                policy: Ok(Arc::default()),
            })),
        }
    }

    /// The policy in force, or why the file cannot be used.
    pub fn current(&self) -> Result<Arc<Policy>, String> {
        let changed = fs::metadata(&self.path)
            .and_then(|meta| meta.modified())
            .ok();
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if changed.is_none() {
            *read = Read {
                changed,
                policy: Ok(Arc::default()),
            };
        } else if read.changed != changed {
            read.policy = self.load().map(Arc::new);
            read.changed = changed;
            match &read.policy {
                Ok(policy) => tracing::info!(version = policy.version(), "policy read"),
                Err(error) => {
                    tracing::error!(%error, "the policy cannot be used, so nothing is allowed")
                }
            }
        }
        read.policy.clone()
    }

    fn load(&self) -> Result<Policy, String> {
        let place = self.path.display();
        let meta = fs::metadata(&self.path).map_err(|error| format!("{place}: {error}"))?;
        let mode = std::os::unix::fs::PermissionsExt::mode(&meta.permissions());
        if mode & 0o002 != 0 {
            return Err(format!(
                "{place} can be written by everybody; run chmod o-w {place}"
            ));
        }
        let text = fs::read_to_string(&self.path).map_err(|error| format!("{place}: {error}"))?;
        policy::parse(&text).map_err(|error| format!("{place}: {error}"))
    }
}

/// Finds the work, asks what it needs, and asks the policy.
pub fn prepare(
    task: &Task,
    registry: &Registry,
    package: Option<&[u8]>,
    policy: &PolicyFile,
    at: LocalTime,
) -> Result<Prepared, Reason> {
    let found = registry.find(&task.work, package)?;
    let action = found.action;
    let input = json::object(&task.input)
        .map_err(|error| reason("invalid_input", format!("the input {error}")))?;
    let needs: Vec<Need> = action
        .needs(&input)
        .map_err(|error| reason("invalid_input", error.to_string()))?
        .into_iter()
        .chain(found.declared)
        .map(resolved)
        .collect();
    let policy = policy.current().map_err(|error| Reason {
        code: "policy".to_owned(),
        text: error,
        retryable: false,
        policy_rule: "unreadable policy".to_owned(),
    })?;
    let rule = policy.decide(&Question {
        work: &task.work,
        job_type: &task.job_type,
        needs: &needs,
        at,
    })?;
    tracing::info!(attempt = %task.attempt, work = %task.work, rule, "allowed");
    Ok(Prepared {
        effect: effect_class(action.effect()),
        locks: locks_of(&needs),
        limit_ms: found.limit_ms,
    })
}

/// The local time of the machine.
pub fn local_time() -> LocalTime {
    let now = jiff::Zoned::now();
    LocalTime {
        weekday: now.weekday().to_monday_zero_offset().unsigned_abs(),
        minute: u16::from(now.hour().unsigned_abs()) * 60 + u16::from(now.minute().unsigned_abs()),
    }
}

/// A path as the system sees it: a link out of an allowed folder is not inside it.
fn resolved(need: Need) -> Need {
    match need {
        Need::Folder { path, write } => Need::Folder {
            path: real_path(&path),
            write,
        },
        Need::Device { path } => Need::Device {
            path: real_path(&path),
        },
        other @ (Need::Browser
        | Need::DesktopSession
        | Need::Program { .. }
        | Need::Host { .. }
        | Need::Service { .. }) => other,
    }
}

fn real_path(path: &str) -> String {
    let path = Path::new(path);
    let mut missing = Vec::new();
    let mut there = path;
    loop {
        if let Ok(real) = fs::canonicalize(there) {
            let mut real = real;
            real.extend(missing.iter().rev());
            return real.to_string_lossy().into_owned();
        }
        match (there.parent(), there.file_name()) {
            (Some(parent), Some(name)) => {
                missing.push(name.to_owned());
                there = parent;
            }
            // `..` at the end has no name: what cannot be resolved stays as it is, and the policy refuses it.
            _ => return path.to_string_lossy().into_owned(),
        }
    }
}

fn reason(code: &str, text: String) -> Reason {
    Reason {
        code: code.to_owned(),
        text,
        retryable: false,
        policy_rule: String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_out_of_a_folder_is_seen_through() {
        let folder = tempfile::tempdir().unwrap();
        let root = fs::canonicalize(folder.path()).unwrap();
        fs::create_dir(root.join("inside")).unwrap();
        std::os::unix::fs::symlink("/etc", root.join("inside/out")).unwrap();
        let through = root.join("inside/out/new.conf");
        assert_eq!(real_path(through.to_str().unwrap()), "/etc/new.conf");
        let plain = root.join("inside/a/b.txt");
        assert_eq!(real_path(plain.to_str().unwrap()), plain.to_str().unwrap());
    }

    #[test]
    fn a_policy_holds_from_the_moment_it_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("policy.toml");
        let policy = PolicyFile::new(path.clone());
        assert!(!policy.current().unwrap().may_allow("command.run"));
        fs::write(&path, "[[allow]]\nactions = [\"command.run\"]\n").unwrap();
        assert!(policy.current().unwrap().may_allow("command.run"));
        fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o666)).unwrap();
        let other = PolicyFile::new(path.clone());
        assert!(other.current().unwrap_err().contains("chmod"));
        fs::remove_file(&path).unwrap();
        assert!(!policy.current().unwrap().may_allow("command.run"));
    }
}
