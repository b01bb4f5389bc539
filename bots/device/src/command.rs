//! Command: runs one program with its arguments, never a shell, and reads what it says.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::{Component, Path};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use botswain_action::{Action, Attempt, EffectClass, InputError, Need, Object, Outcome, Stop};
use nix::unistd::{AccessFlags, access};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::halt::{Effect, Halt};
use crate::tree::Tree;

const ARGUMENTS_MAX: usize = 256;
const ARGUMENT_BYTES_MAX: usize = 96 * 1024;
const STDIN_BYTES_MAX: usize = 4 * 1024 * 1024;
const OUTPUT_BYTES_MAX: usize = 4 * 1024 * 1024;
const OUTPUT_BYTES_DEFAULT: usize = 256 * 1024;
const VARIABLES_MAX: usize = 64;
const EXIT_CODES_MAX: usize = 64;
const SAID_BYTES_MAX: usize = 500;
/// How long a program has to end by itself once it was asked to.
const GRACE: Duration = Duration::from_secs(2);
/// How long its last words may take to arrive after it ended.
const LAST_WORDS: Duration = Duration::from_secs(2);
// Names that an input may choose. Others decide what code an allowed program loads, so only a reviewed package sets them.
const INPUT_VARIABLES: [&str; 5] = ["LANG", "LC_ALL", "LC_TIME", "TZ", "TERM"];

/// What is to be run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// Absolute path of the program.
    pub program: String,
    /// Its arguments, each as the program receives it.
    #[serde(default)]
    pub args: Vec<String>,
    /// The folder it runs in; the attempt's own folder where none is given.
    #[serde(default)]
    pub cwd: Option<String>,
    /// Variables of its environment, which is empty otherwise.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// What it reads.
    #[serde(default)]
    pub stdin: Option<String>,
    /// How much of each of its two outputs is kept; the rest is read and dropped.
    #[serde(default)]
    pub output_bytes_max: Option<usize>,
    /// What its exit codes mean.
    #[serde(default)]
    pub exit: Exit,
}

/// What exit codes mean; a code that is not listed is a failure that may have had an effect.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Exit {
    /// The work is done.
    pub done: Vec<i32>,
    /// The program did certainly nothing and may be run again.
    pub nothing_done: Vec<i32>,
    /// The model knows about it: exit code and BPMN error code.
    pub errors: BTreeMap<String, String>,
}

impl Default for Exit {
    fn default() -> Self {
        Exit {
            done: vec![0],
            nothing_done: Vec::new(),
            errors: BTreeMap::new(),
        }
    }
}

/// Runs a program that the agent's policy allows.
#[derive(Debug, Clone, Copy)]
pub struct CommandRun;

impl Action for CommandRun {
    fn name(&self) -> &str {
        "command.run"
    }

    fn effect(&self) -> EffectClass {
        EffectClass::AtMostOnce
    }

    fn input_schema(&self) -> Value {
        let text = json!({"type": "string"});
        let codes =
            json!({"type": "array", "items": {"type": "integer"}, "maxItems": EXIT_CODES_MAX});
        json!({
            "type": "object", "required": ["program"], "additionalProperties": false,
            "properties": {
                "program": {"type": "string", "pattern": "^/", "description": "absolute path"},
                "args": {"type": "array", "items": text, "maxItems": ARGUMENTS_MAX},
                "cwd": {"type": "string", "pattern": "^/"},
                "env": {"type": "object", "additionalProperties": text, "propertyNames": {"enum": INPUT_VARIABLES}},
                "stdin": {"type": "string"},
                "output_bytes_max": {"type": "integer", "minimum": 0, "maximum": OUTPUT_BYTES_MAX},
                "exit": {
                    "type": "object", "additionalProperties": false,
                    "properties": {"done": codes, "nothing_done": codes, "errors": {"type": "object", "additionalProperties": text}},
                },
            },
        })
    }

    fn output_schema(&self) -> Value {
        json!({
            "type": "object", "required": ["exit_code", "stdout", "stderr", "truncated"],
            "properties": {
                "exit_code": {"type": "integer"}, "stdout": {"type": "string"}, "stderr": {"type": "string"}, "truncated": {"type": "boolean"},
            },
        })
    }

    fn needs(&self, input: &Object) -> Result<Vec<Need>, InputError> {
        Ok(needs(&request(input)?))
    }

    fn run(&self, attempt: &mut Attempt<'_>) -> Outcome {
        let request = match request(attempt.input()) {
            Ok(request) => request,
            Err(error) => return error.into(),
        };
        if let Err(stop) = attempt.reach_commit_point() {
            return attempt.stopped(stop, self.effect());
        }
        let deadline = attempt.deadline();
        match run(&request, attempt, deadline) {
            Ok(output) => Outcome::Succeeded { output },
            Err(halt) => halt.outcome(attempt, self.effect(), true, None),
        }
    }
}

fn request(input: &Object) -> Result<Request, InputError> {
    let request: Request = serde_json::from_value(Value::Object(input.clone()))
        .map_err(|error| InputError::new("command", error.to_string()))?;
    check(&request)?;
    if let Some(name) = request
        .env
        .keys()
        .find(|name| !INPUT_VARIABLES.contains(&name.as_str()))
    {
        let message = format!(
            "only {} may be set by an input; others belong into a bot package",
            INPUT_VARIABLES.join(", ")
        );
        return Err(InputError::new(format!("env.{name}"), message));
    }
    Ok(request)
}

pub(crate) fn needs(request: &Request) -> Vec<Need> {
    let mut needs = vec![Need::Program {
        path: request.program.clone(),
        args: request.args.clone(),
    }];
    if let Some(cwd) = &request.cwd {
        needs.push(Need::Folder {
            path: cwd.clone(),
            write: true,
        });
    }
    needs
}

/// Refuses what no policy can judge or no program can receive.
pub(crate) fn check(request: &Request) -> Result<(), InputError> {
    let refuse = |place: &str, message: String| Err(InputError::new(place, message));
    if !is_plain_path(&request.program) {
        return refuse(
            "program",
            format!(
                "`{}` is no absolute path without `.` and `..`; write `/usr/bin/lp`, not `lp`",
                request.program
            ),
        );
    }
    if let Some(cwd) = &request.cwd
        && !is_plain_path(cwd)
    {
        return refuse(
            "cwd",
            format!("`{cwd}` is no absolute path without `.` and `..`"),
        );
    }
    if request.args.len() > ARGUMENTS_MAX {
        return refuse(
            "args",
            format!(
                "{} arguments, {ARGUMENTS_MAX} are allowed; pass lists by stdin",
                request.args.len()
            ),
        );
    }
    let texts = request
        .args
        .iter()
        .chain(request.env.values())
        .chain(request.env.keys());
    for text in texts {
        if text.contains('\0') || text.len() > ARGUMENT_BYTES_MAX {
            return refuse(
                "args",
                format!(
                    "an argument or variable holds a zero byte or exceeds {ARGUMENT_BYTES_MAX} bytes; pass it by stdin"
                ),
            );
        }
    }
    if request.env.len() > VARIABLES_MAX {
        return refuse(
            "env",
            format!(
                "{} variables, {VARIABLES_MAX} are allowed",
                request.env.len()
            ),
        );
    }
    for name in request.env.keys() {
        let word = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if !word || name.starts_with("LD_") || name.starts_with("BOTSWAIN_") {
            return refuse(
                &format!("env.{name}"),
                "this variable cannot be set; it is no name, or it changes which code is loaded"
                    .to_owned(),
            );
        }
    }
    if request
        .stdin
        .as_ref()
        .is_some_and(|stdin| stdin.len() > STDIN_BYTES_MAX)
    {
        return refuse(
            "stdin",
            format!("more than {STDIN_BYTES_MAX} bytes; put a file and name it in the arguments"),
        );
    }
    if request
        .output_bytes_max
        .is_some_and(|limit| limit > OUTPUT_BYTES_MAX)
    {
        return refuse(
            "output_bytes_max",
            format!("more than {OUTPUT_BYTES_MAX} bytes; let the program write a file and get it"),
        );
    }
    if request.exit.done.len() + request.exit.nothing_done.len() + request.exit.errors.len()
        > EXIT_CODES_MAX
    {
        return refuse("exit", format!("more than {EXIT_CODES_MAX} exit codes"));
    }
    if let Some(code) = request
        .exit
        .errors
        .keys()
        .find(|code| code.parse::<i32>().is_err())
    {
        return refuse(
            &format!("exit.errors.{code}"),
            "expected an exit code such as \"3\"".to_owned(),
        );
    }
    Ok(())
}

pub(crate) fn is_plain_path(path: &str) -> bool {
    let plain = |component| matches!(component, Component::RootDir | Component::Normal(_));
    path.starts_with('/')
        && !path.contains('\0')
        && !path.split('/').any(|part| part == "." || part == "..")
        && Path::new(path).components().all(plain)
}

/// Runs the program until it ends, `deadline` passes or the attempt must stop; nothing it started outlives this call.
pub(crate) fn run(
    request: &Request,
    attempt: &mut Attempt<'_>,
    deadline: Instant,
) -> Result<Object, Halt> {
    check(request).map_err(|error| Halt::refused("input", error.to_string()))?;
    let program = Path::new(&request.program);
    if !program.is_file() {
        return Err(Halt::refused(
            "program_not_found",
            format!(
                "no program at {}; install it on this machine",
                request.program
            ),
        ));
    }
    if access(program, AccessFlags::X_OK).is_err() {
        return Err(Halt::refused(
            "program_not_executable",
            format!(
                "{} may not be executed by the agent's user",
                request.program
            ),
        ));
    }
    let mut command = Command::new(program);
    command
        .args(&request.args)
        .current_dir(request.cwd.as_ref().map_or(attempt.folder(), Path::new))
        .env_clear()
        .env("PATH", "/usr/local/bin:/usr/bin:/bin")
        .env("LANG", "C.UTF-8")
        .envs(std::env::var_os("HOME").map(|home| ("HOME", home)))
        .envs(&request.env)
        .stdin(if request.stdin.is_some() {
            Stdio::piped()
        } else {
            Stdio::null()
        })
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut tree = Tree::spawn(&mut command).map_err(|error| Halt::Failed {
        code: "program_not_started",
        message: format!(
            "failed to start {} in {}: {error}",
            request.program,
            command
                .get_current_dir()
                .unwrap_or(Path::new("?"))
                .display()
        ),
        retryable: true,
        effect: Effect::None,
    })?;

    let limit = request.output_bytes_max.unwrap_or(OUTPUT_BYTES_DEFAULT);
    let stdout = tree.child().stdout.take().map(|pipe| listen(pipe, limit));
    let stderr = tree.child().stderr.take().map(|pipe| listen(pipe, limit));
    if let (Some(mut pipe), Some(stdin)) = (tree.child().stdin.take(), request.stdin.clone()) {
        // A program may end without having read all of it; that is its own business.
        thread::spawn(move || drop(pipe.write_all(stdin.as_bytes())));
    }

    let stop = wait(&tree, attempt, deadline).err();
    let grace = if stop.is_some() {
        GRACE
    } else {
        Duration::ZERO
    };
    let status = tree.end(grace).map_err(|error| Halt::Failed {
        code: "program_lost",
        message: format!("failed to learn how {} ended: {error}", request.program),
        retryable: false,
        effect: Effect::Possible,
    })?;
    if let Some(stop) = stop {
        return Err(Halt::Stop(stop));
    }
    let stdout = stdout.map(last_words).unwrap_or_default();
    let stderr = stderr.map(last_words).unwrap_or_default();
    judge(request, status, &stdout, &stderr)
}

fn wait(tree: &Tree, attempt: &Attempt<'_>, deadline: Instant) -> Result<(), Stop> {
    let mut pause = Duration::from_millis(1);
    while !tree.has_exited() {
        attempt.checkpoint()?;
        if Instant::now() >= deadline {
            return Err(Stop::TimedOut);
        }
        attempt
            .cancel()
            .wait(pause.min(deadline.saturating_duration_since(Instant::now())));
        pause = (pause * 2).min(Duration::from_millis(20));
    }
    Ok(())
}

#[derive(Debug, Default)]
struct Said {
    bytes: Vec<u8>,
    truncated: bool,
}

fn listen(mut pipe: impl Read + Send + 'static, limit: usize) -> Receiver<Said> {
    let (say, hear) = mpsc::sync_channel(1);
    thread::spawn(move || {
        let mut said = Said::default();
        let mut buffer = [0; 16 * 1024];
        // Reading goes on past the limit, because a program whose pipe is full would never end.
        while let Ok(count @ 1..) = pipe.read(&mut buffer) {
            let room = limit.saturating_sub(said.bytes.len());
            said.bytes.extend_from_slice(&buffer[..count.min(room)]);
            said.truncated |= count > room;
        }
        drop(say.send(said));
    });
    hear
}

fn last_words(hear: Receiver<Said>) -> Said {
    // The tree has ended, so the pipes are closed; only a process of another user could keep one open.
    hear.recv_timeout(LAST_WORDS).unwrap_or(Said {
        bytes: Vec::new(),
        truncated: true,
    })
}

fn judge(
    request: &Request,
    status: ExitStatus,
    stdout: &Said,
    stderr: &Said,
) -> Result<Object, Halt> {
    let text = |said: &Said| String::from_utf8_lossy(&said.bytes).into_owned();
    let result = |code: i32| {
        Object::from_iter([
            ("exit_code".to_owned(), json!(code)),
            ("stdout".to_owned(), json!(text(stdout))),
            ("stderr".to_owned(), json!(text(stderr))),
            (
                "truncated".to_owned(),
                json!(stdout.truncated || stderr.truncated),
            ),
        ])
    };
    let complaint = |how: String| {
        let said = if stderr.bytes.is_empty() {
            text(stdout)
        } else {
            text(stderr)
        };
        let tail: Vec<char> = said.trim().chars().rev().take(SAID_BYTES_MAX).collect();
        match tail.is_empty() {
            true => format!("{} {how} and said nothing", request.program),
            false => format!(
                "{} {how}; it said: {}",
                request.program,
                tail.into_iter().rev().collect::<String>()
            ),
        }
    };
    let Some(code) = status.code() else {
        let message = complaint(format!(
            "was ended by signal {}",
            status.signal().unwrap_or(0)
        ));
        return Err(Halt::Failed {
            code: "program_killed",
            message,
            retryable: true,
            effect: Effect::Possible,
        });
    };
    if request.exit.done.contains(&code) {
        return Ok(result(code));
    }
    if let Some(error) = request.exit.errors.get(&code.to_string()) {
        return Err(Halt::Bpmn {
            code: error.clone(),
            message: complaint(format!("ended with exit code {code}")),
            variables: result(code),
        });
    }
    let message = complaint(format!(
        "ended with exit code {code}, expected {:?}",
        request.exit.done
    ));
    let nothing_done = request.exit.nothing_done.contains(&code);
    let effect = if nothing_done {
        Effect::None
    } else {
        Effect::Possible
    };
    Err(Halt::Failed {
        code: "exit_code",
        message,
        retryable: nothing_done,
        effect,
    })
}
