//! Started: a program with a log of its own that ends, with all it started, when whoever started it ends.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use anyhow::Context as _;
use botswain_device::tree::Tree;

/// How long a program may take to say that it is ready.
const READY: Duration = Duration::from_secs(60);
/// How long it may take to end by itself.
const GRACE: Duration = Duration::from_secs(5);

/// A running program.
#[derive(Debug)]
pub struct Started {
    name: String,
    log: PathBuf,
    tree: Tree,
}

impl Started {
    /// Starts a program; what it says goes into `log`.
    pub fn silent(
        program: &Path,
        configure: impl FnOnce(&mut Command),
        log: &Path,
    ) -> anyhow::Result<Self> {
        start(program, configure, log, Stdio::from(append(log)?))
    }

    /// Starts a program and waits for its first line of output.
    pub fn with_first_line(
        program: &Path,
        configure: impl FnOnce(&mut Command),
        log: &Path,
    ) -> anyhow::Result<(Self, String)> {
        let mut started = start(program, configure, log, Stdio::piped())?;
        let output = started
            .tree
            .child()
            .stdout
            .take()
            .context("its output is a pipe")?;
        let (tell, told) = mpsc::channel();
        std::thread::spawn(move || {
            let mut output = BufReader::new(output);
            let mut line = String::new();
            let read = output.read_line(&mut line);
            // The one who waits may have given up.
            let _ = tell.send(read.map(|_| line));
            // Whatever comes later is read, or the program would wait for a reader.
            let _ = std::io::copy(&mut output, &mut std::io::sink());
        });
        let line = match told.recv_timeout(READY) {
            Ok(Ok(line)) if !line.is_empty() => line,
            _ => anyhow::bail!("{}", started.trouble("did not become ready")),
        };
        Ok((started, line.trim().to_owned()))
    }

    /// Fails if the program has ended.
    pub fn check(&self) -> anyhow::Result<()> {
        anyhow::ensure!(!self.tree.has_exited(), "{}", self.trouble("ended"));
        Ok(())
    }

    /// Its process.
    pub fn id(&self) -> u32 {
        self.tree.id()
    }

    /// Ends it politely, then by force.
    pub fn end(mut self) -> anyhow::Result<()> {
        self.tree
            .end(GRACE)
            .with_context(|| format!("end {}", self.name))?;
        Ok(())
    }

    fn trouble(&self, what: &str) -> String {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        let last = lines[lines.len().saturating_sub(5)..].join("\n  ");
        format!(
            "{} {what}; its log is {}:\n  {last}",
            self.name,
            self.log.display()
        )
    }
}

fn append(log: &Path) -> anyhow::Result<File> {
    let file = File::options().create(true).append(true).open(log);
    file.with_context(|| format!("write {}", log.display()))
}

fn start(
    program: &Path,
    configure: impl FnOnce(&mut Command),
    log: &Path,
    output: Stdio,
) -> anyhow::Result<Started> {
    let name = program
        .file_name()
        .unwrap_or(OsStr::new("program"))
        .to_string_lossy()
        .into_owned();
    // A killed starter cannot end what it started: the kernel does, and setpriv asks it to.
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--"]).arg(program);
    configure(&mut command);
    command
        .stdin(Stdio::null())
        .stdout(output)
        .stderr(append(log)?);
    let tree = Tree::spawn(&mut command).with_context(|| format!("start {}", program.display()))?;
    Ok(Started {
        name,
        log: log.to_owned(),
        tree,
    })
}
