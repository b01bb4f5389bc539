//! File: puts a file so that it is there whole or not at all, and gets one back.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use botswain_action::{Action, Attempt, EffectClass, InputError, Need, Object, Outcome, Stop};
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg, OFlag, openat, renameat};
use nix::sys::stat::{Mode, fchmod};
use nix::unistd::{UnlinkatFlags, fsync, unlinkat};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::command::is_plain_path;
use crate::halt::{Effect, Halt};
use crate::place::{Place, error};

/// The largest file that is put or got: larger ones do not belong into variables.
const FILE_BYTES_MAX: usize = 4 * 1024 * 1024;
const GET_BYTES_DEFAULT: usize = 1024 * 1024;
// Whoever puts files into the same folder waits for a few milliseconds; longer means that another program holds the lock.
const LOCK_WAIT: Duration = Duration::from_secs(10);

/// What is to be put where.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PutRequest {
    /// Absolute path of the file.
    pub path: String,
    /// Its content as text.
    #[serde(default)]
    pub content: Option<String>,
    /// Its content in base64.
    #[serde(default)]
    pub content_base64: Option<String>,
    /// Its permissions, `0644` where none are given.
    #[serde(default)]
    pub mode: Option<String>,
    /// The SHA-256 that the content must have.
    #[serde(default)]
    pub sha256: Option<String>,
}

/// What is to be read.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GetRequest {
    /// Absolute path of the file.
    pub path: String,
    /// How the content is given back.
    #[serde(default)]
    pub encoding: Encoding,
    /// How large the file may be.
    #[serde(default)]
    pub bytes_max: Option<usize>,
}

/// How a file's content is given back.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Encoding {
    /// As text; a file that is not UTF-8 is refused.
    #[default]
    Text,
    /// In base64.
    Base64,
}

/// Puts a file: the same content twice leaves the same file.
#[derive(Debug, Clone, Copy)]
pub struct FilePut;

/// Gets a file's content.
#[derive(Debug, Clone, Copy)]
pub struct FileGet;

impl Action for FilePut {
    fn name(&self) -> &str {
        "file.put"
    }

    fn effect(&self) -> EffectClass {
        EffectClass::Idempotent
    }

    fn input_schema(&self) -> Value {
        json!({
            "type": "object", "required": ["path"], "additionalProperties": false,
            "properties": {
                "path": {"type": "string", "pattern": "^/"},
                "content": {"type": "string"},
                "content_base64": {"type": "string"},
                "mode": {"type": "string", "pattern": "^0?[0-7]{3}$"},
                "sha256": {"type": "string", "pattern": "^[0-9a-fA-F]{64}$"},
            },
        })
    }

    fn output_schema(&self) -> Value {
        json!({
            "type": "object", "required": ["sha256", "bytes", "changed"],
            "properties": {"sha256": {"type": "string"}, "bytes": {"type": "integer"}, "changed": {"type": "boolean"}},
        })
    }

    fn needs(&self, input: &Object) -> Result<Vec<Need>, InputError> {
        needs(&read::<PutRequest>(input)?.path, true)
    }

    fn run(&self, attempt: &mut Attempt<'_>) -> Outcome {
        let request: PutRequest = match read(attempt.input()) {
            Ok(request) => request,
            Err(error) => return error.into(),
        };
        match put(&request, attempt) {
            Ok(output) => Outcome::Succeeded { output },
            Err(halt) => halt.outcome(attempt, self.effect(), true, None),
        }
    }
}

impl Action for FileGet {
    fn name(&self) -> &str {
        "file.get"
    }

    fn effect(&self) -> EffectClass {
        EffectClass::Pure
    }

    fn input_schema(&self) -> Value {
        json!({
            "type": "object", "required": ["path"], "additionalProperties": false,
            "properties": {
                "path": {"type": "string", "pattern": "^/"},
                "encoding": {"enum": ["text", "base64"]},
                "bytes_max": {"type": "integer", "minimum": 0, "maximum": FILE_BYTES_MAX},
            },
        })
    }

    fn output_schema(&self) -> Value {
        json!({
            "type": "object", "required": ["content", "encoding", "sha256", "bytes"],
            "properties": {
                "content": {"type": "string"}, "encoding": {"enum": ["text", "base64"]},
                "sha256": {"type": "string"}, "bytes": {"type": "integer"},
            },
        })
    }

    fn needs(&self, input: &Object) -> Result<Vec<Need>, InputError> {
        needs(&read::<GetRequest>(input)?.path, false)
    }

    fn run(&self, attempt: &mut Attempt<'_>) -> Outcome {
        let request: GetRequest = match read(attempt.input()) {
            Ok(request) => request,
            Err(error) => return error.into(),
        };
        match get(&request) {
            Ok(output) => Outcome::Succeeded { output },
            Err(halt) => halt.outcome(attempt, self.effect(), true, None),
        }
    }
}

fn read<T: for<'de> Deserialize<'de>>(input: &Object) -> Result<T, InputError> {
    serde_json::from_value(Value::Object(input.clone()))
        .map_err(|error| InputError::new("file", error.to_string()))
}

pub(crate) fn needs(path: &str, write: bool) -> Result<Vec<Need>, InputError> {
    if !is_plain_path(path) {
        return Err(InputError::new(
            "path",
            format!("`{path}` is no absolute path without `.` and `..`"),
        ));
    }
    Ok(vec![Need::Folder {
        path: path.to_owned(),
        write,
    }])
}

/// Puts the file: written beside its place, flushed, renamed, and the folder flushed, so that a power cut leaves the old or the new one.
pub(crate) fn put(request: &PutRequest, attempt: &Attempt<'_>) -> Result<Object, Halt> {
    let content = content(request)?;
    let mode = mode(request.mode.as_deref())?;
    let sha256 = hex::encode(Sha256::digest(&content));
    if let Some(expected) = &request.sha256
        && !expected.eq_ignore_ascii_case(&sha256)
    {
        return Err(Halt::refused(
            "sha256",
            format!("the content's SHA-256 is {sha256}, expected {expected}"),
        ));
    }
    let place = Place::open(&request.path)?;
    let unchanged = match place.look()? {
        Some(stat) => {
            let same_mode = stat.st_mode & 0o7777 == mode.bits();
            let same_size = usize::try_from(stat.st_size).is_ok_and(|size| size == content.len());
            same_mode && same_size && load(&place, FILE_BYTES_MAX)? == content
        }
        None => false,
    };
    if !unchanged {
        write(&place, &content, mode, attempt)?;
    }
    Ok(Object::from_iter([
        ("sha256".to_owned(), json!(sha256)),
        ("bytes".to_owned(), json!(content.len())),
        ("changed".to_owned(), json!(!unchanged)),
    ]))
}

/// Reads the file.
pub(crate) fn get(request: &GetRequest) -> Result<Object, Halt> {
    let limit = request
        .bytes_max
        .unwrap_or(GET_BYTES_DEFAULT)
        .min(FILE_BYTES_MAX);
    let place = Place::open(&request.path)?;
    if place.look()?.is_none() {
        return Err(Halt::refused(
            "file_not_found",
            format!("no file at {}", request.path),
        ));
    }
    let bytes = load(&place, limit)?;
    let sha256 = hex::encode(Sha256::digest(&bytes));
    let count = bytes.len();
    let content = match request.encoding {
        Encoding::Base64 => STANDARD.encode(&bytes),
        Encoding::Text => String::from_utf8(bytes).map_err(|error| {
            let at = error.utf8_error().valid_up_to();
            Halt::refused(
                "encoding",
                format!(
                    "{} is no UTF-8 text from byte {at} on; get it with `encoding = \"base64\"`",
                    request.path
                ),
            )
        })?,
    };
    Ok(Object::from_iter([
        ("content".to_owned(), json!(content)),
        ("encoding".to_owned(), json!(request.encoding)),
        ("sha256".to_owned(), json!(sha256)),
        ("bytes".to_owned(), json!(count)),
    ]))
}

fn content(request: &PutRequest) -> Result<Vec<u8>, Halt> {
    let content = match (&request.content, &request.content_base64) {
        (Some(text), None) => text.clone().into_bytes(),
        (None, Some(encoded)) => STANDARD.decode(encoded).map_err(|error| {
            Halt::refused(
                "content_base64",
                format!("the content is no base64: {error}"),
            )
        })?,
        _ => {
            return Err(Halt::refused(
                "content",
                "give either `content` or `content_base64`",
            ));
        }
    };
    if content.len() > FILE_BYTES_MAX {
        return Err(Halt::refused(
            "content",
            format!("{} bytes, {FILE_BYTES_MAX} are allowed", content.len()),
        ));
    }
    Ok(content)
}

fn mode(mode: Option<&str>) -> Result<Mode, Halt> {
    let text = mode.unwrap_or("0644");
    // Set-user-id and its like would turn a file into a way to other rights.
    match u32::from_str_radix(text, 8) {
        Ok(bits) if bits <= 0o777 && text.len() <= 4 => Ok(Mode::from_bits_truncate(bits)),
        _ => Err(Halt::refused(
            "mode",
            format!(
                "`{text}` are no permissions; write octal digits such as `0640`, without set-id bits"
            ),
        )),
    }
}

fn load(place: &Place, limit: usize) -> Result<Vec<u8>, Halt> {
    // A file exchanged for a pipe after the look would block for ever without O_NONBLOCK.
    let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
    let file: File = openat(&place.folder, place.name.as_str(), flags, Mode::empty())
        .map_err(|errno| error("open", &place.path, errno))?
        .into();
    let mut bytes = Vec::new();
    let read = file.take(limit as u64 + 1).read_to_end(&mut bytes);
    read.map_err(|cause| Halt::refused("file", format!("failed to read {}: {cause}", place.path)))?;
    if bytes.len() > limit {
        return Err(Halt::refused(
            "file_too_large",
            format!(
                "{} is larger than the {limit} bytes allowed here; raise `bytes_max` (at most {FILE_BYTES_MAX})",
                place.path
            ),
        ));
    }
    Ok(bytes)
}

fn write(place: &Place, content: &[u8], mode: Mode, attempt: &Attempt<'_>) -> Result<(), Halt> {
    let folder = lock(place, attempt)?;
    // One fixed name per target: what a power cut left behind is written over, not added to.
    let part = format!(
        ".{}.part",
        hex::encode(&Sha256::digest(place.name.as_bytes())[..12])
    );
    let _ = unlinkat(&*folder, part.as_str(), UnlinkatFlags::NoRemoveDir);
    let flags =
        OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let mut file: File = openat(
        &*folder,
        part.as_str(),
        flags,
        Mode::S_IRUSR | Mode::S_IWUSR,
    )
    .map_err(|errno| error("create a file beside", &place.path, errno))?
    .into();
    let written = file
        .write_all(content)
        .and_then(|()| fchmod(&file, mode).map_err(Into::into))
        .and_then(|()| file.sync_all())
        .map_err(|cause| {
            error(
                "write",
                &place.path,
                Errno::from_raw(cause.raw_os_error().unwrap_or(0)),
            )
        })
        .and_then(|()| {
            renameat(&*folder, part.as_str(), &*folder, place.name.as_str())
                .map_err(|errno| error("replace", &place.path, errno))
        });
    if let Err(halt) = written {
        let _ = unlinkat(&*folder, part.as_str(), UnlinkatFlags::NoRemoveDir);
        return Err(halt);
    }
    fsync(&*folder).map_err(|errno| Halt::Failed {
        code: "file",
        message: format!(
            "failed to flush the folder of {}: {}",
            place.path,
            errno.desc()
        ),
        retryable: true,
        effect: Effect::Possible,
    })
}

fn lock(place: &Place, attempt: &Attempt<'_>) -> Result<Flock<OwnedFd>, Halt> {
    let limit = Instant::now() + LOCK_WAIT;
    // A duplicate would share the lock with its original, so the folder is opened once more.
    let again = || {
        openat(
            &place.folder,
            ".",
            OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC,
            Mode::empty(),
        )
    };
    let mut folder = again().map_err(|errno| error("open the folder of", &place.path, errno))?;
    loop {
        match Flock::lock(folder, FlockArg::LockExclusiveNonblock) {
            Ok(locked) => return Ok(locked),
            Err((back, Errno::EWOULDBLOCK)) if Instant::now() < limit => folder = back,
            Err((_, errno)) => {
                let message = format!(
                    "failed to lock the folder of {}: {}; another program holds the lock",
                    place.path,
                    errno.desc()
                );
                return Err(Halt::Failed {
                    code: "file",
                    message,
                    retryable: true,
                    effect: Effect::None,
                });
            }
        }
        attempt.checkpoint()?;
        if attempt.cancel().wait(Duration::from_millis(5)) {
            return Err(Halt::Stop(Stop::Cancelled));
        }
    }
}
