//! An attempt's process: runs one action once, then ends with everything it started.

use std::collections::BTreeSet;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use botswain_action::{
    Action, Attempt, Cancel, EvidenceFile, Mask, Object, Outcome, Probe, Runner, Secrets,
    StepRecord,
};
use botswain_proto::limits::{EVIDENCE_FILES_MAX, EVIDENCE_MAX_BYTES, PAYLOAD_MAX_BYTES};

use super::frames::{self, Begin, FromRun, ProbedFrame, ToRun};
use super::registry::Registry;
use super::{processes, schema};
use crate::evidence::file_name;

/// Name of the step log among the evidence.
const STEPS_FILE: &str = "steps.jsonl";
/// Name of a result too large for a message.
const OUTPUT_FILE: &str = "result.json";
/// Longest BPMN error variables; they have no file to go to.
const WARNINGS_MAX: usize = 16;

/// Runs the attempt that the agent describes on standard input, which is a socket.
pub fn main(registry: &Registry) -> ExitCode {
    processes::adopt_orphans();
    match take_socket().and_then(|socket| serve(socket, registry)) {
        Ok(()) => ExitCode::SUCCESS,
        // The agent is gone, and with it everybody who could hear.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
            processes::end_descendants(&BTreeSet::new());
            ExitCode::FAILURE
        }
        Err(error) => {
            tracing::error!(%error, "an attempt's process failed; it is started by the agent only");
            processes::end_descendants(&BTreeSet::new());
            ExitCode::FAILURE
        }
    }
}

/// Takes the socket away from standard input, so that no program inherits it.
fn take_socket() -> io::Result<UnixStream> {
    let stdin = io::stdin();
    let socket: OwnedFd = stdin.as_fd().try_clone_to_owned()?;
    let null = fs::File::open("/dev/null")?;
    nix::unistd::dup2_stdin(&null)?;
    Ok(UnixStream::from(socket))
}

fn serve(mut socket: UnixStream, registry: &Registry) -> io::Result<()> {
    let begin = match frames::read(&mut socket)? {
        Some(ToRun::Begin(begin)) => begin,
        // The agent died before it said what is to be done.
        None => return Ok(()),
        Some(_) => return Err(io::Error::other("the first frame is no beginning")),
    };
    let cancel = Cancel::new();
    let (answer, answers) = channel();
    listen(socket.try_clone()?, cancel.clone(), answer);
    let mut keeper = Keeper {
        socket: socket.try_clone()?,
        answers,
        evidence: begin.evidence.clone(),
        files: 0,
        bytes: 0,
        warnings: Vec::new(),
    };
    let end = perform(&begin, registry, cancel, &mut keeper);
    // Before the end is told: whoever hears it may rely on nothing being alive.
    let strays = processes::end_descendants(&BTreeSet::new());
    if strays > 0 {
        keeper.warn(format!(
            "{strays} programs were still running and were ended"
        ));
    }
    let frame = match end {
        End::Run(outcome) => keeper.ended(outcome),
        End::Probe(found) => FromRun::Probed(found),
    };
    frames::write(&mut socket, &frame)
}

/// Hears the agent. When the agent is gone, everything of the attempt ends.
fn listen(mut socket: UnixStream, cancel: Cancel, answer: Sender<Result<(), String>>) {
    std::thread::spawn(move || {
        loop {
            match frames::read(&mut socket) {
                Ok(Some(ToRun::Grant)) => drop(answer.send(Ok(()))),
                Ok(Some(ToRun::Deny(why))) => drop(answer.send(Err(why))),
                Ok(Some(ToRun::Cancel)) => cancel.cancel(),
                Ok(Some(ToRun::Begin(_))) => {}
                Ok(None) | Err(_) => {
                    processes::end_descendants(&BTreeSet::new());
                    std::process::exit(1);
                }
            }
        }
    });
}

enum End {
    Run(Outcome),
    Probe(ProbedFrame),
}

fn perform(begin: &Begin, registry: &Registry, cancel: Cancel, keeper: &mut Keeper) -> End {
    let secrets = Secrets::from_iter(
        begin
            .secrets
            .iter()
            .map(|(name, value)| (name.clone(), value.clone())),
    );
    let refuse = |message: String| {
        if begin.probe {
            End::Probe(ProbedFrame::CannotTell(message))
        } else {
            End::Run(Outcome::failed("setup", message))
        }
    };
    let package = match begin.package.as_ref().map(fs::read).transpose() {
        Ok(package) => package,
        Err(error) => return refuse(format!("the package cannot be read: {error}")),
    };
    let action = match registry.find(&begin.work, package.as_deref()) {
        Ok(found) => found.action,
        Err(reason) => return refuse(reason.text),
    };
    if let Err(problems) = schema::check(&action.input_schema(), &begin.input) {
        return match begin.probe {
            true => refuse(problems),
            false => End::Run(Outcome::failed(
                "invalid_input",
                format!("input {problems}"),
            )),
        };
    }
    let mask = Mask::new(&secrets);
    let mut attempt = Attempt::new(
        &begin.input,
        &secrets,
        &begin.folder,
        Instant::now(),
        Duration::from_millis(begin.limit_ms),
        cancel,
        keeper,
    );
    if begin.probe {
        return End::Probe(match action.probe(&mut attempt) {
            Probe::Happened { output } => ProbedFrame::Happened(masked(&mask, output)),
            Probe::DidNotHappen => ProbedFrame::DidNotHappen,
            Probe::CannotTell { message } => ProbedFrame::CannotTell(mask.text(&message)),
        });
    }
    let outcome = action.run(&mut attempt);
    let committed = attempt.is_committed();
    End::Run(checked(action.as_ref(), outcome, committed, keeper, &mask))
}

fn masked(mask: &Mask, object: Object) -> Object {
    match mask.value(&serde_json::Value::Object(object)) {
        serde_json::Value::Object(object) => object,
        _ => Object::new(),
    }
}

/// An output of another shape than declared is told, but the work is done: a process must not do it twice for that.
fn checked(
    action: &dyn Action,
    outcome: Outcome,
    committed: bool,
    keeper: &mut Keeper,
    mask: &Mask,
) -> Outcome {
    match outcome {
        Outcome::Succeeded { output } => {
            if let Err(problems) = schema::check(&action.output_schema(), &output) {
                let message = format!("the output is not of the declared shape: {problems}");
                if committed {
                    keeper.warn(message);
                } else {
                    return Outcome::failed("invalid_output", message);
                }
            }
            Outcome::Succeeded {
                output: masked(mask, output),
            }
        }
        Outcome::BpmnError {
            code,
            message,
            variables,
        } => Outcome::BpmnError {
            code,
            message: mask.text(&message),
            variables: masked(mask, variables),
        },
        Outcome::Failed { .. }
        | Outcome::Rejected { .. }
        | Outcome::Cancelled { .. }
        | Outcome::TimedOut
        | Outcome::Unknown { .. } => outcome,
    }
}

/// The attempt's side of evidence and commit point.
struct Keeper {
    socket: UnixStream,
    answers: Receiver<Result<(), String>>,
    evidence: PathBuf,
    files: usize,
    bytes: u64,
    warnings: Vec<String>,
}

impl Keeper {
    fn warn(&mut self, warning: String) {
        if self.warnings.len() < WARNINGS_MAX {
            self.warnings.push(warning);
        }
    }

    fn ended(&mut self, outcome: Outcome) -> FromRun {
        let mut output_file = None;
        let outcome = match outcome {
            Outcome::Succeeded { output } => {
                let text = serde_json::Value::Object(output.clone()).to_string();
                if text.len() <= PAYLOAD_MAX_BYTES {
                    Outcome::Succeeded { output }
                } else if text.len() as u64 <= EVIDENCE_MAX_BYTES
                    && fs::write(self.evidence.join(OUTPUT_FILE), text).is_ok()
                {
                    output_file = Some(OUTPUT_FILE.to_owned());
                    Outcome::Succeeded {
                        output: Object::new(),
                    }
                } else {
                    Outcome::Unknown {
                        message: "the work succeeded, but its output is too large to keep"
                            .to_owned(),
                    }
                }
            }
            Outcome::BpmnError {
                code,
                message,
                variables,
            } => {
                let size = serde_json::to_string(&variables).map_or(usize::MAX, |text| text.len());
                let variables = if size <= PAYLOAD_MAX_BYTES {
                    variables
                } else {
                    self.warn("the error's variables were too large and are left out".to_owned());
                    Object::new()
                };
                Outcome::BpmnError {
                    code,
                    message,
                    variables,
                }
            }
            other => other,
        };
        FromRun::Ended {
            outcome,
            warnings: std::mem::take(&mut self.warnings),
            output_file,
        }
    }

    fn append(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.evidence.join(name))?
            .write_all(bytes)
    }
}

impl Runner for Keeper {
    fn reach_commit_point(&mut self) -> Result<(), String> {
        frames::write(&mut self.socket, &FromRun::CommitPoint)
            .map_err(|error| format!("the agent cannot be asked: {error}"))?;
        self.answers
            .recv()
            .unwrap_or_else(|_| Err("the agent is gone".to_owned()))
    }

    fn record(&mut self, step: StepRecord) {
        if let Some(matched) = &step.matched
            && matched.index > 0
        {
            self.warn(format!(
                "step {} ({}) matched only its selector number {}",
                step.index + 1,
                step.name,
                matched.index + 1
            ));
        }
        // Written line by line, so that the log of a run that is killed is whole up to there.
        if let Ok(mut line) = serde_json::to_vec(&step) {
            line.push(b'\n');
            if self.bytes + line.len() as u64 <= EVIDENCE_MAX_BYTES {
                self.bytes += line.len() as u64;
                if let Err(error) = self.append(STEPS_FILE, &line) {
                    self.warn(format!("the step log could not be written: {error}"));
                }
            }
        }
        let _ = frames::write(&mut self.socket, &FromRun::Step(step.name));
    }

    fn keep(&mut self, file: EvidenceFile) {
        self.files += 1;
        let fits =
            self.files < EVIDENCE_FILES_MAX - 1 && file.bytes.len() as u64 <= EVIDENCE_MAX_BYTES;
        if !fits {
            self.warn(format!(
                "{} is too much evidence and is left out",
                file.name
            ));
            return;
        }
        let name = file_name(&file.name, &file.media_type);
        if let Err(error) = fs::write(self.evidence.join(&name), file.bytes) {
            self.warn(format!("{name} could not be kept: {error}"));
        }
    }
}
