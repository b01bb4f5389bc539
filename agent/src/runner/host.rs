//! The host: the agent's side of the processes in which attempts run.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use botswain_action::Outcome;
use botswain_device::tree::{self, Tree};
use botswain_proto::ids::AttemptId;
use botswain_proto::json;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::sync::mpsc::Sender;

use super::frames::{self, Begin, FromRun, ProbedFrame, ToRun};
use super::processes;
use crate::evidence::Evidence;
use crate::fail_point;
use crate::session::{Input, Probed, Run, RunEnd};

/// What a run is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// Do the work.
    Run,
    /// Look whether it happened.
    Probe,
}

/// Runs attempts and tells their ends.
#[derive(Debug)]
pub struct Host {
    program: PathBuf,
    evidence: Evidence,
    inputs: Sender<Input>,
    running: BTreeMap<AttemptId, Handle>,
    /// Processes of runs, which no sweep may touch; locked while one is being made.
    roots: Arc<Mutex<BTreeSet<i32>>>,
}

#[derive(Debug)]
struct Handle {
    socket: UnixStream,
    root: i32,
}

impl Host {
    /// Prepares for runs whose ends go into `inputs`; ends what an agent that died here left behind.
    pub fn new(program: PathBuf, evidence: Evidence, inputs: Sender<Input>) -> Self {
        processes::adopt_orphans();
        let strays = tree::end_strays();
        if strays > 0 {
            tracing::warn!(
                strays,
                "ended programs that an agent before this one left behind"
            );
        }
        Self {
            program,
            evidence,
            inputs,
            running: BTreeMap::new(),
            roots: Arc::default(),
        }
    }

    /// Begins a run or a probe; its end comes as an input, also when it could not begin.
    pub fn begin(&mut self, wish: Wish, run: Run, package: Option<PathBuf>) {
        let attempt = run.task.attempt;
        match self.spawn(wish, run, package) {
            Ok(handle) => {
                self.running.insert(attempt, handle);
            }
            Err(error) => {
                let how = format!("its process could not be started: {error}");
                let inputs = self.inputs.clone();
                // Not from here: whoever calls also empties the channel.
                std::thread::spawn(move || {
                    let _ = inputs.blocking_send(lost(attempt, wish, how, &[]));
                });
            }
        }
    }

    fn spawn(&self, wish: Wish, run: Run, package: Option<PathBuf>) -> io::Result<Handle> {
        let attempt = run.task.attempt;
        let folder = self.evidence.prepare(attempt)?;
        let begin = ToRun::Begin(Box::new(Begin {
            probe: wish == Wish::Probe,
            input: json::object(&run.task.input).map_err(io::Error::other)?,
            work: run.task.work,
            package,
            secrets: run
                .secrets
                .into_iter()
                .map(|secret| (secret.name, secret.value))
                .collect(),
            folder: folder.work,
            evidence: folder.files,
            limit_ms: run.limit_ms,
        }));
        fail_point::hit("run.before_spawn");
        let (mut here, there) = UnixStream::pair()?;
        let mut command = Command::new(&self.program);
        command
            .arg("attempt")
            .stdin(Stdio::from(OwnedFd::from(there)))
            .stdout(Stdio::null())
            .env_remove(fail_point::VARIABLE);
        // What the agent was told is not for bots: tokens among it.
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("BOTSWAIN_AGENT_") {
                command.env_remove(name);
            }
        }
        let tree = {
            let mut roots = self.roots.lock().unwrap_or_else(PoisonError::into_inner);
            let tree = Tree::spawn(&mut command)?;
            roots.insert(i32::try_from(tree.id()).map_err(io::Error::other)?);
            tree
        };
        // The command holds a copy of the other end; while it lives, the end of the run would never be heard.
        drop(command);
        fail_point::hit("run.after_spawn");
        let root = i32::try_from(tree.id()).map_err(io::Error::other)?;
        frames::write(&mut here, &begin)?;
        let socket = here.try_clone()?;
        let watch = Watch {
            attempt,
            wish,
            tree,
            root,
            roots: Arc::clone(&self.roots),
            inputs: self.inputs.clone(),
            evidence: self.evidence.clone(),
        };
        std::thread::spawn(move || watch.until_end(here));
        Ok(Handle { socket, root })
    }

    /// Lets the run pass its commit point.
    pub fn grant(&mut self, attempt: AttemptId) {
        self.say(attempt, &ToRun::Grant);
    }

    /// Forbids the run to pass its commit point.
    pub fn deny(&mut self, attempt: AttemptId, why: String) {
        self.say(attempt, &ToRun::Deny(why));
    }

    /// Asks the run to stop by itself.
    pub fn cancel(&mut self, attempt: AttemptId) {
        self.say(attempt, &ToRun::Cancel);
    }

    /// Ends the run at once; its watcher ends the rest of it.
    pub fn kill(&mut self, attempt: AttemptId) {
        if let Some(handle) = self.running.get(&attempt) {
            // The number belongs to the run until its watcher has collected it, and then the handle is gone too.
            let roots = self.roots.lock().unwrap_or_else(PoisonError::into_inner);
            if roots.contains(&handle.root) {
                let _ = kill(Pid::from_raw(handle.root), Signal::SIGKILL);
            }
        }
    }

    /// Forgets a run whose end was heard.
    pub fn over(&mut self, attempt: AttemptId) {
        self.running.remove(&attempt);
    }

    /// Attempts whose processes exist.
    pub fn running(&self) -> BTreeSet<AttemptId> {
        self.running.keys().copied().collect()
    }

    fn say(&mut self, attempt: AttemptId, frame: &ToRun) {
        if let Some(handle) = self.running.get_mut(&attempt) {
            // A run that is gone tells its end by itself.
            let _ = frames::write(&mut handle.socket, frame);
        }
    }
}

/// What waits for a run's end, on a thread of its own.
struct Watch {
    attempt: AttemptId,
    wish: Wish,
    tree: Tree,
    root: i32,
    roots: Arc<Mutex<BTreeSet<i32>>>,
    inputs: Sender<Input>,
    evidence: Evidence,
}

impl Watch {
    fn until_end(mut self, mut socket: UnixStream) {
        let attempt = self.attempt;
        let mut last = None;
        loop {
            match frames::read(&mut socket) {
                Ok(Some(FromRun::CommitPoint)) => {
                    let _ = self.inputs.blocking_send(Input::CommitPoint { attempt });
                }
                Ok(Some(FromRun::Step(step))) => {
                    let _ = self.inputs.blocking_send(Input::Step { attempt, step });
                }
                Ok(Some(end)) => last = Some(end),
                Ok(None) => break,
                Err(error) => {
                    tracing::warn!(%attempt, %error, "an attempt's process spoke nonsense");
                    break;
                }
            }
        }
        let how = self.end_tree();
        fail_point::hit("effect.done");
        let files = self.evidence.list(attempt).unwrap_or_default();
        let _ = fs::remove_dir_all(self.evidence.work(attempt));
        let input = match (last, self.wish) {
            (
                Some(FromRun::Ended {
                    outcome,
                    warnings,
                    output_file,
                }),
                Wish::Run,
            ) => ended(attempt, outcome, warnings, output_file, files),
            (Some(FromRun::Probed(found)), Wish::Probe) => Input::Probed {
                attempt,
                outcome: match found {
                    ProbedFrame::Happened(output) => Probed::Happened(output),
                    ProbedFrame::DidNotHappen => Probed::DidNotHappen,
                    ProbedFrame::CannotTell(why) => Probed::CannotTell(why),
                },
            },
            (_, wish) => lost(attempt, wish, how, &files),
        };
        let _ = self.inputs.blocking_send(input);
    }

    /// Ends everything of the run, and says how its process ended.
    fn end_tree(&mut self) -> String {
        let _ = kill(Pid::from_raw(self.root), Signal::SIGKILL);
        let status = self.tree.end(Duration::ZERO);
        let mut roots = self.roots.lock().unwrap_or_else(PoisonError::into_inner);
        roots.remove(&self.root);
        // What the run's process left when it was killed is this agent's child by now.
        processes::end_descendants(&roots);
        drop(roots);
        match status {
            Ok(status) => format!("its process ended with {status}"),
            Err(error) => format!("its process ended, nobody knows how: {error}"),
        }
    }
}

fn ended(
    attempt: AttemptId,
    outcome: Outcome,
    warnings: Vec<String>,
    output_file: Option<String>,
    files: Vec<botswain_proto::message::EvidenceRef>,
) -> Input {
    let result_ref =
        output_file.and_then(|name| files.iter().find(|file| file.name == name).cloned());
    Input::Ended {
        attempt,
        end: Box::new(RunEnd {
            outcome: Ok(outcome),
            evidence: files,
            warnings,
            result_ref,
        }),
    }
}

fn lost(
    attempt: AttemptId,
    wish: Wish,
    how: String,
    files: &[botswain_proto::message::EvidenceRef],
) -> Input {
    match wish {
        Wish::Run => Input::Ended {
            attempt,
            end: Box::new(RunEnd {
                outcome: Err(how),
                evidence: files.to_vec(),
                warnings: Vec::new(),
                result_ref: None,
            }),
        },
        Wish::Probe => Input::Probed {
            attempt,
            outcome: Probed::CannotTell(how),
        },
    }
}
