//! Program: something the bot has started, what it complains about, and its end.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use botswain_device::tree::Tree;

use crate::halt::Halt;

const SAID_BYTES_MAX: usize = 64 * 1024;
const GRACE: Duration = Duration::from_secs(2);

// What a program needs to be part of the session; nothing else of the agent's environment reaches it.
const INHERITED: [&str; 18] = [
    "HOME",
    "USER",
    "LOGNAME",
    "PATH",
    "LANG",
    "LC_ALL",
    "LC_CTYPE",
    "LC_MESSAGES",
    "LC_TIME",
    "TZ",
    "XAUTHORITY",
    "XDG_RUNTIME_DIR",
    "XDG_DATA_DIRS",
    "XDG_CONFIG_DIRS",
    "XDG_CURRENT_DESKTOP",
    "DBUS_SESSION_BUS_ADDRESS",
    "GTK_IM_MODULE",
    "QT_IM_MODULE",
];

/// What is to be started.
#[derive(Debug)]
pub(crate) struct Start<'s> {
    pub(crate) program: &'s str,
    pub(crate) args: &'s [String],
    pub(crate) cwd: &'s Path,
    pub(crate) env: &'s BTreeMap<String, String>,
    pub(crate) display: &'s str,
}

/// A program of the bot; it ends with the bot.
#[derive(Debug)]
pub(crate) struct Program {
    pub(crate) path: String,
    tree: Tree,
    said: Arc<Mutex<Vec<u8>>>,
}

impl Program {
    pub(crate) fn start(start: &Start<'_>) -> Result<Program, Halt> {
        let program = Path::new(start.program);
        if !program.is_file() {
            return Err(Halt::lasting(
                "program_not_found",
                format!(
                    "no program at {}; install it on this machine",
                    start.program
                ),
            ));
        }
        let mut command = Command::new(program);
        command
            .args(start.args)
            .current_dir(start.cwd)
            .env_clear()
            .env("LANG", "C.UTF-8")
            .envs(
                INHERITED
                    .iter()
                    .filter_map(|name| Some((*name, std::env::var_os(name)?))),
            )
            .env("DISPLAY", start.display)
            .envs(start.env)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let mut tree = Tree::spawn(&mut command).map_err(|error| {
            Halt::passing(
                "program_not_started",
                format!("failed to start {}: {error}", start.program),
            )
        })?;
        let said = Arc::new(Mutex::new(Vec::new()));
        if let Some(mut pipe) = tree.child().stderr.take() {
            let said = Arc::clone(&said);
            std::thread::spawn(move || {
                let mut buffer = [0; 4096];
                // Reading goes on past the limit, because a program whose pipe is full would stop.
                while let Ok(count @ 1..) = pipe.read(&mut buffer) {
                    let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
                    let room = SAID_BYTES_MAX - said.len();
                    said.extend_from_slice(&buffer[..count.min(room)]);
                }
            });
        }
        Ok(Program {
            path: start.program.to_owned(),
            tree,
            said,
        })
    }

    /// Gives the process id of the program itself.
    pub(crate) fn id(&self) -> u32 {
        self.tree.id()
    }

    pub(crate) fn has_exited(&self) -> bool {
        self.tree.has_exited()
    }

    /// What it has written to its error output so far.
    pub(crate) fn said(&self) -> String {
        String::from_utf8_lossy(&self.said.lock().unwrap_or_else(PoisonError::into_inner))
            .into_owned()
    }

    /// Ends it with everything it started.
    pub(crate) fn end(&mut self) {
        if let Err(error) = self.tree.end(GRACE) {
            tracing::warn!(%error, program = self.path, "failed to end a program");
        }
    }
}
