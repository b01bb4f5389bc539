//! Processes: everything that descends from this one, and how it ends.
//!
//! Both the agent and each attempt's process adopt orphans (`PR_SET_CHILD_SUBREAPER`), so a program that leaves its group,
//! opens a session of its own and forks twice is still a descendant when the attempt is over.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::Pid;

/// Rounds of looking and killing; each waits a little for what was killed to go.
const ROUNDS: usize = 400;

/// Makes this process the parent of its orphaned descendants.
pub(super) fn adopt_orphans() {
    if let Err(error) = nix::sys::prctl::set_child_subreaper(true) {
        tracing::warn!(%error, "orphaned programs of attempts may outlive them");
    }
}

/// Ends every descendant of this process but `keep` and theirs; says how many were still alive.
pub(super) fn end_descendants(keep: &BTreeSet<i32>) -> usize {
    let me = Pid::this().as_raw();
    let mut ended = BTreeSet::new();
    for _ in 0..ROUNDS {
        let left = descendants(me, keep);
        if left.is_empty() {
            break;
        }
        for (pid, process) in left {
            if process.dead {
                if process.parent == me {
                    let _ = waitpid(Pid::from_raw(pid), Some(WaitPidFlag::WNOHANG));
                }
            } else {
                // Whoever ended in the meantime is what was wanted.
                let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
                ended.insert(pid);
            }
        }
        std::thread::park_timeout(Duration::from_millis(5));
    }
    ended.len()
}

#[derive(Debug, Clone, Copy)]
struct Process {
    parent: i32,
    dead: bool,
}

fn descendants(root: i32, keep: &BTreeSet<i32>) -> BTreeMap<i32, Process> {
    let all = all();
    let mut children: BTreeMap<i32, Vec<i32>> = BTreeMap::new();
    for (pid, process) in &all {
        children.entry(process.parent).or_default().push(*pid);
    }
    let mut found = BTreeMap::new();
    let mut open = vec![root];
    while let Some(parent) = open.pop() {
        for pid in children.get(&parent).into_iter().flatten() {
            if let Some(process) = all.get(pid)
                && !keep.contains(pid)
                && found.insert(*pid, *process).is_none()
            {
                open.push(*pid);
            }
        }
    }
    found
}

fn all() -> BTreeMap<i32, Process> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return BTreeMap::new();
    };
    entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter_map(|pid: i32| {
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
            // The name in parentheses may hold anything; fields are counted behind it.
            let mut fields = stat.get(stat.rfind(')')? + 1..)?.split_ascii_whitespace();
            let dead = matches!(fields.next()?, "Z" | "X");
            let parent = fields.next()?.parse().ok()?;
            Some((pid, Process { parent, dead }))
        })
        .collect()
}
