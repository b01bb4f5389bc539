//! The browser's processes: started together, ended together, whatever happens in between.

use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;

/// How long ended processes may take to leave the table.
const GONE_LIMIT: Duration = Duration::from_secs(5);

/// A program with all that it starts; dropping it ends them all.
pub(crate) struct Tree {
    child: Child,
    mark: String,
}

impl Tree {
    /// Starts the program in a process group of its own; `mark` is a text that its helpers carry in their command lines.
    pub(crate) fn start(program: &Path, args: &[String], mark: &Path) -> io::Result<Self> {
        let mut command = Command::new(program);
        command
            .args(args)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .process_group(0);
        end_with_parent(&mut command);
        Ok(Self {
            child: command.spawn()?,
            mark: mark.to_string_lossy().into_owned(),
        })
    }

    pub(crate) fn output(&mut self) -> Option<std::process::ChildStdout> {
        self.child.stdout.take()
    }

    /// Ends every process and waits until they are gone.
    pub(crate) fn end(&mut self) {
        let group = Pid::from_raw(self.child.id().cast_signed());
        let end = Instant::now() + GONE_LIMIT;
        loop {
            // The group is ours as long as its leader is not reaped.
            let _ = killpg(group, Signal::SIGKILL);
            let left = carrying(&self.mark);
            for pid in &left {
                let _ = kill(Pid::from_raw(*pid), Signal::SIGKILL);
            }
            if left.is_empty() || Instant::now() >= end {
                break;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        let _ = self.child.wait();
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        self.end();
    }
}

/// A runner that dies without a word takes the driver with it, and the driver's pipe takes the browser.
#[cfg(target_os = "linux")]
#[expect(
    unsafe_code,
    reason = "pre_exec runs between fork and exec; prctl is safe to call there"
)]
fn end_with_parent(command: &mut Command) {
    unsafe {
        command
            .pre_exec(|| nix::sys::prctl::set_pdeathsig(Signal::SIGKILL).map_err(io::Error::from));
    }
}

#[cfg(not(target_os = "linux"))]
fn end_with_parent(_command: &mut Command) {}

/// The living processes whose command line holds the mark.
pub(crate) fn carrying(mark: &str) -> Vec<i32> {
    let Ok(entries) = std::fs::read_dir("/proc") else {
        return Vec::new();
    };
    let own = std::process::id().cast_signed();
    entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok())
        .filter(|pid| *pid != own)
        .filter(|pid| {
            // A process that ended and was not reaped has an empty command line.
            std::fs::read(format!("/proc/{pid}/cmdline"))
                .is_ok_and(|line| String::from_utf8_lossy(&line).contains(mark))
        })
        .collect()
}
