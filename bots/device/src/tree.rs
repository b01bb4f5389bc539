//! Tree: a program with everything it starts, and how all of it ends.
//!
//! A process belongs to the tree when it is in the program's process group, descends from a process of the tree, or carries
//! the tree's mark in its environment. The mark finds what has left both: daemons that fork twice and open a session of their own.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Read};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill, killpg};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::unistd::Pid;

/// The variable that marks every process of a tree.
pub const MARK: &str = "BOTSWAIN_TREE";

// Longer environments exist, but variables are written in order and the mark begins with B.
const ENVIRONMENT_BYTES_MAX: u64 = 1024 * 1024;
const KILL_ROUNDS: usize = 200;

static COUNTER: AtomicU64 = AtomicU64::new(0);

/// A running program and all of its descendants; dropping it ends them.
#[derive(Debug)]
pub struct Tree {
    child: Child,
    root: i32,
    mark: String,
    ended: Option<ExitStatus>,
}

impl Tree {
    /// Starts the program in a process group of its own.
    pub fn spawn(command: &mut Command) -> io::Result<Tree> {
        let me = i32::try_from(std::process::id()).unwrap_or(0);
        let born = process(me).map_or(0, |process| process.born);
        let mark = format!("{me}.{born}.{}", COUNTER.fetch_add(1, Ordering::Relaxed));
        let child = command.process_group(0).env(MARK, &mark).spawn()?;
        let root = i32::try_from(child.id()).map_err(io::Error::other)?;
        Ok(Tree {
            child,
            root,
            mark,
            ended: None,
        })
    }

    /// Gives the program itself, for its pipes.
    pub fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// Gives the process id of the program itself.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Says whether the program itself has ended; its descendants may go on.
    pub fn has_exited(&self) -> bool {
        if self.ended.is_some() {
            return true;
        }
        // The exit status stays where it is: as long as it is not collected, the number of the process and of its group is not reused.
        let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
        !matches!(
            waitid(Id::Pid(Pid::from_raw(self.root)), flags),
            Ok(WaitStatus::StillAlive)
        )
    }

    /// Lists the living processes of the tree.
    pub fn members(&self) -> Vec<u32> {
        members_of(
            &processes(),
            &self.mark,
            self.ended.is_none().then_some(self.root),
        )
        .into_iter()
        .filter_map(|pid| u32::try_from(pid).ok())
        .collect()
    }

    /// Ends every process of the tree, politely for as long as `grace`, then by force; gives the exit status of the program itself.
    pub fn end(&mut self, grace: Duration) -> io::Result<ExitStatus> {
        if let Some(status) = self.ended {
            return Ok(status);
        }
        let limit = Instant::now() + grace;
        let mut asked = BTreeSet::new();
        loop {
            let alive = members_of(&processes(), &self.mark, Some(self.root));
            if alive.is_empty() || Instant::now() >= limit {
                break;
            }
            for pid in alive
                .iter()
                .filter(|pid| !asked.contains(*pid))
                .copied()
                .collect::<Vec<_>>()
            {
                signal(pid, Signal::SIGTERM);
                asked.insert(pid);
            }
            std::thread::park_timeout(Duration::from_millis(5));
        }
        // What is stopped cannot fork while the list is read; rounds catch what was born in between.
        for _ in 0..KILL_ROUNDS {
            let alive = members_of(&processes(), &self.mark, Some(self.root));
            if alive.is_empty() {
                break;
            }
            let _ = killpg(Pid::from_raw(self.root), Signal::SIGKILL);
            for pid in alive {
                signal(pid, Signal::SIGKILL);
            }
            std::thread::park_timeout(Duration::from_millis(5));
        }
        let status = self.child.wait()?;
        self.ended = Some(status);
        Ok(status)
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        if let Err(error) = self.end(Duration::ZERO) {
            tracing::warn!(%error, program = self.root, "failed to end a program");
        }
    }
}

/// Ends the trees whose agent is gone: a killed agent could not end them itself. Gives how many processes that were.
pub fn end_strays() -> usize {
    let processes = processes();
    let mut strays = BTreeSet::new();
    for pid in processes.keys() {
        let Some(mark) = mark_of(*pid) else { continue };
        let mut fields = mark.split('.').map(|field| field.parse::<u64>().ok());
        let (Some(Some(owner)), Some(Some(born))) = (fields.next(), fields.next()) else {
            continue;
        };
        let alive = i32::try_from(owner)
            .ok()
            .and_then(|owner| processes.get(&owner))
            .is_some_and(|process| process.born == born);
        if !alive {
            strays.extend(members_of(&processes, &mark, None));
        }
    }
    for pid in &strays {
        signal(*pid, Signal::SIGKILL);
    }
    strays.len()
}

fn signal(pid: i32, signal: Signal) {
    // A process that ended in the meantime is what was wanted.
    let _ = kill(Pid::from_raw(pid), signal);
}

#[derive(Debug, Clone, Copy)]
struct Process {
    parent: i32,
    group: i32,
    born: u64,
    dead: bool,
}

fn processes() -> BTreeMap<i32, Process> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return BTreeMap::new();
    };
    entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok())
        .filter_map(|pid| Some((pid, process(pid)?)))
        .collect()
}

fn process(pid: i32) -> Option<Process> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name stands in parentheses and may itself hold anything, so the fields are counted from the last one on.
    let fields: Vec<&str> = stat
        .get(stat.rfind(')')? + 1..)?
        .split_ascii_whitespace()
        .collect();
    Some(Process {
        dead: matches!(*fields.first()?, "Z" | "X"),
        parent: fields.get(1)?.parse().ok()?,
        group: fields.get(2)?.parse().ok()?,
        born: fields.get(19)?.parse().ok()?,
    })
}

fn mark_of(pid: i32) -> Option<String> {
    let mut environment = Vec::new();
    let file = fs::File::open(format!("/proc/{pid}/environ")).ok()?;
    file.take(ENVIRONMENT_BYTES_MAX)
        .read_to_end(&mut environment)
        .ok()?;
    let prefix = format!("{MARK}=");
    let entry = environment
        .split(|byte| *byte == 0)
        .find_map(|entry| entry.strip_prefix(prefix.as_bytes()))?;
    String::from_utf8(entry.to_vec()).ok()
}

fn members_of(processes: &BTreeMap<i32, Process>, mark: &str, root: Option<i32>) -> Vec<i32> {
    let me = i32::try_from(std::process::id()).unwrap_or(0);
    let mut members: BTreeSet<i32> = processes
        .iter()
        .filter(|(pid, process)| {
            root.is_some_and(|root| **pid == root || process.group == root)
                || mark_of(**pid).is_some_and(|found| found == mark)
        })
        .map(|(pid, _)| *pid)
        .collect();
    loop {
        let more: Vec<i32> = processes
            .iter()
            .filter(|(pid, process)| !members.contains(*pid) && members.contains(&process.parent))
            .map(|(pid, _)| *pid)
            .collect();
        if more.is_empty() {
            break;
        }
        members.extend(more);
    }
    members.remove(&me);
    members
        .into_iter()
        .filter(|pid| processes.get(pid).is_some_and(|process| !process.dead))
        .collect()
}
