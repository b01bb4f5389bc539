//! A coordinator's process: started, killed, stopped; ended with the test, and by the kernel if the test is killed.

use crate::demo::programs::Programs;
use anyhow::Context as _;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// How a coordinator is started.
#[derive(Clone, Debug, Default)]
pub struct Start {
    /// The configuration file's text.
    pub config: String,
    /// Agents may speak without TLS.
    pub plaintext: bool,
    /// What is logged, to the standard error output of the test.
    pub log: Option<String>,
}

/// A running coordinator.
pub struct Coordinator {
    child: Child,
    /// Where HTTP is.
    pub http: String,
    /// Where workers are served.
    pub grpc: String,
    /// Where agents are served.
    pub agents: String,
    /// Where agents are served without TLS.
    pub plaintext: Option<String>,
    /// The data folder.
    pub data: PathBuf,
}

impl Coordinator {
    /// Starts one on that data folder and waits until it serves.
    ///
    /// # Errors
    /// It cannot be built or does not start.
    pub fn start(data: &Path) -> anyhow::Result<Coordinator> {
        Coordinator::start_with(data, &Start::default())
    }

    /// Starts one as told.
    ///
    /// # Errors
    /// It cannot be built or does not start.
    pub fn start_with(data: &Path, start: &Start) -> anyhow::Result<Coordinator> {
        let program = Programs::of_the_test()?.path("botswain");
        Coordinator::start_program(&program, data, start)
    }

    /// Starts that program.
    ///
    /// # Errors
    /// It does not start.
    pub fn start_program(
        program: &Path,
        data: &Path,
        start: &Start,
    ) -> anyhow::Result<Coordinator> {
        std::fs::create_dir_all(data)?;
        let config = data.join("test.toml");
        std::fs::write(&config, &start.config)?;
        // A killed test cannot end what it started: the kernel does, and setpriv asks it to.
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--"]).arg(program);
        command.args([
            "serve",
            "--dev",
            "--http-port",
            "0",
            "--grpc-port",
            "0",
            "--agents-port",
            "0",
        ]);
        command.arg("--config").arg(&config).arg("--data").arg(data);
        if start.plaintext {
            command.args(["--agents-plaintext-port", "0"]);
        }
        command.env("BOTSWAIN_LOG", start.log.as_deref().unwrap_or("off"));
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command
            .spawn()
            .with_context(|| format!("start {}", program.display()))?;
        let mut line = String::new();
        let out = child.stdout.take().context("its output is a pipe")?;
        BufReader::new(out).read_line(&mut line)?;
        let ready: Result<serde_json::Value, _> = serde_json::from_str(&line);
        let Ok(ready) = ready else {
            // It may have ended by itself.
            let _ = child.kill();
            anyhow::bail!(
                "the coordinator did not start: {line:?}, {:?}",
                child.wait()
            );
        };
        let at = |name: &str| ready[name].as_str().map(str::to_owned);
        let needed = |name: &'static str| at(name).with_context(|| format!("no {name} in {line}"));
        Ok(Coordinator {
            http: format!("http://{}", needed("http")?),
            grpc: format!("http://{}", needed("grpc")?),
            agents: needed("agents")?,
            plaintext: at("agentsPlaintext"),
            data: data.to_owned(),
            child,
        })
    }

    /// Its process.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Kills it as a power cut would, apart from the disk.
    pub fn kill(mut self) {
        self.end();
    }

    /// Asks it to stop and waits until it has.
    ///
    /// # Errors
    /// It did not end well.
    pub fn stop(mut self) -> anyhow::Result<()> {
        let asked = Command::new("kill")
            .args(["-TERM", &self.child.id().to_string()])
            .status()?;
        anyhow::ensure!(asked.success(), "it had ended already");
        let ended = self.child.wait()?;
        anyhow::ensure!(ended.success(), "it ended with {ended}");
        Ok(())
    }

    fn end(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Coordinator {
    fn drop(&mut self) {
        self.end();
    }
}

/// The memory that a process really takes.
///
/// # Errors
/// There is no such process.
pub fn resident_kib(process: u32) -> anyhow::Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS"))
        .context("no VmRSS")?;
    let number = line.split_whitespace().nth(1).context("no number")?;
    Ok(number.parse()?)
}
