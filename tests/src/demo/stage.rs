//! Stage: everything that the main job needs, started in one folder and ended together.

use std::future::Future;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use serde_json::Value;

use super::door::Door;
use super::operator::{Operator, say};
use super::programs::Programs;
use super::screen::Screen;
use super::started::Started;
use crate::crm::{self, Credentials, Records};

/// How long the agent may take to be connected.
const CONNECTED: Duration = Duration::from_secs(60);
/// How often is asked whether something has happened.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// The bots of the demo.
pub const BOTS: [&str; 3] = ["crm-add-customer", "card-print", "letter-write"];

/// What may be chosen.
#[derive(Debug, Clone, Copy)]
pub struct Choice {
    /// Whether bots type on a screen of their own although there is another one.
    pub own_screen: bool,
    /// Whether progress and commands are told.
    pub tells: bool,
}

/// A running stage; dropping it ends every process.
#[derive(Debug)]
pub struct Stage {
    // Ended in this order: first who works, then what they work with.
    agent: Started,
    coordinator: Started,
    crm: Started,
    screen: Option<Screen>,
    /// Its folder.
    pub folder: PathBuf,
    /// The command line.
    pub operator: Operator,
    /// What the coordinator shows.
    pub door: Door,
    /// Where the CRM is.
    pub crm_url: String,
}

impl Stage {
    /// Starts everything in an empty folder: screen, CRM, coordinator, agent; pushes the bots, sets the routes, deploys.
    pub async fn set(folder: &Path, programs: &Programs, choice: Choice) -> anyhow::Result<Self> {
        let tell = |line: String| {
            if choice.tells {
                say(&line);
            }
        };
        std::fs::create_dir_all(folder).with_context(|| format!("create {}", folder.display()))?;
        // Rules of the policy are compared with real paths.
        let folder = &folder
            .canonicalize()
            .with_context(|| format!("find {}", folder.display()))?;
        let logs = folder.join("logs");
        std::fs::create_dir_all(&logs).with_context(|| format!("create {}", logs.display()))?;

        let screen = if choice.own_screen || std::env::var_os("DISPLAY").is_none() {
            let screen = Screen::virtual_one(&logs)?;
            tell(format!(
                "screen        a virtual one, DISPLAY={}",
                screen.display()
            ));
            Some(screen)
        } else {
            None
        };

        let data = folder.join("crm");
        let (crm, ready) = Started::with_first_line(
            &programs.path("legacy-crm"),
            |command| {
                command.arg("--data").arg(&data);
            },
            &logs.join("crm.log"),
        )?;
        let crm_url = field(&ready, "url")?;
        tell(format!(
            "legacy CRM    {crm_url}, user clerk, password in {}",
            Credentials::path(&data).display()
        ));
        crm::assets::copy(folder, &crm_url)?;
        let credentials = Credentials::load_or_create(&data)?;
        let secrets = folder.join("secrets.toml");
        write_secrets(&secrets, &credentials)
            .with_context(|| format!("write {}", secrets.display()))?;

        let (coordinator, ready) = Started::with_first_line(
            &programs.path("botswain"),
            |command| {
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
                command.arg("--data").arg(folder.join("coordinator"));
                command.arg("--secrets").arg(&secrets);
                command.arg("--connectors").arg(folder.join("connectors"));
                // A folder with a configuration of its own is not this folder.
                command.current_dir(folder);
            },
            &logs.join("coordinator.log"),
        )?;
        let door = Door::at(&field(&ready, "http")?)?;
        let agents = field(&ready, "agents")?;
        tell(format!(
            "coordinator   {}, agents at {agents}, log {}",
            door.url(),
            logs.join("coordinator.log").display()
        ));

        let operator = Operator::of(
            programs.path("botswain"),
            door.url().to_owned(),
            choice.tells,
        );
        let token = operator.agent_token()?;
        let agent = Started::silent(
            &programs.path("botswain-agent"),
            |command| {
                command.args([
                    "run",
                    "--name",
                    "desk-1",
                    "--coordinator",
                    &format!("https://{agents}"),
                ]);
                command.arg("--data").arg(folder.join("agent"));
                command.arg("--policy").arg(folder.join("policy.toml"));
                // Not an argument: everybody on the machine can read those.
                command.env("BOTSWAIN_AGENT_TOKEN", &token);
                if let Some(screen) = &screen {
                    command.env("DISPLAY", screen.display());
                    // A desktop of its own must not speak with the clerk's.
                    command
                        .env_remove("WAYLAND_DISPLAY")
                        .env_remove("XAUTHORITY")
                        .env_remove("DBUS_SESSION_BUS_ADDRESS");
                }
            },
            &logs.join("agent.log"),
        )?;
        let stage = Self {
            agent,
            coordinator,
            crm,
            screen,
            folder: folder.clone(),
            operator,
            door,
            crm_url,
        };
        stage
            .until("the agent to connect", CONNECTED, async || {
                let agents = stage.door.get("/botswain/v1/agents").await?;
                Ok((agents["items"][0]["state"] == "CONNECTED").then_some(()))
            })
            .await?;
        tell(format!(
            "agent         desk-1, enrolled over mutual TLS, log {}",
            logs.join("agent.log").display()
        ));
        stage.prepare()?;
        Ok(stage)
    }

    fn prepare(&self) -> anyhow::Result<()> {
        for bot in BOTS {
            self.operator
                .run(&["bot", "push", &self.path(&format!("bots/{bot}"))])?;
        }
        let routes = self.folder.join("routes.txt");
        let text = std::fs::read_to_string(&routes)
            .with_context(|| format!("read {}", routes.display()))?;
        for line in text.lines() {
            let (job_type, leg) = line
                .split_once(' ')
                .with_context(|| format!("{line:?} is no JOB-TYPE LEG"))?;
            self.operator.run(&["route", "set", job_type, leg])?;
        }
        self.operator
            .run(&["deploy", &self.path("onboarding.bpmn")])?;
        Ok(())
    }

    /// A file of the stage, as a command names it.
    pub fn path(&self, name: &str) -> String {
        self.folder.join(name).display().to_string()
    }

    /// What the CRM's own database holds.
    pub fn records(&self) -> anyhow::Result<Records> {
        Records::read(&self.folder.join("crm"))
    }

    /// The processes of coordinator and agent.
    pub fn processes(&self) -> [u32; 2] {
        [self.coordinator.id(), self.agent.id()]
    }

    /// Fails if a process that has to run has ended.
    pub fn check(&self) -> anyhow::Result<()> {
        self.coordinator.check()?;
        self.agent.check()?;
        self.crm.check()
    }

    /// Asks until there is an answer; every process has to run meanwhile.
    pub async fn until<T, F>(
        &self,
        what: &str,
        limit: Duration,
        mut ask: impl FnMut() -> F,
    ) -> anyhow::Result<T>
    where
        F: Future<Output = anyhow::Result<Option<T>>>,
    {
        let end = Instant::now() + limit;
        let mut look = tokio::time::interval(LOOK_EVERY);
        loop {
            look.tick().await;
            self.check()?;
            if let Some(answer) = ask().await? {
                return Ok(answer);
            }
            anyhow::ensure!(
                Instant::now() < end,
                "waited {} s for {what}; the logs are in {}",
                limit.as_secs(),
                self.path("logs")
            );
        }
    }

    /// Ends every process politely, and says so if one could not be ended.
    pub fn strike(self) -> anyhow::Result<()> {
        self.agent.end()?;
        self.coordinator.end()?;
        self.crm.end()?;
        drop(self.screen);
        Ok(())
    }
}

fn field(line: &str, name: &str) -> anyhow::Result<String> {
    let ready: Value =
        serde_json::from_str(line).with_context(|| format!("understand {line:?}"))?;
    ready[name]
        .as_str()
        .map(ToOwned::to_owned)
        .with_context(|| format!("{line:?} has no {name}"))
}

fn write_secrets(path: &Path, credentials: &Credentials) -> std::io::Result<()> {
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    // Both are letters and digits only, made by the CRM.
    writeln!(file, "CRM_TOKEN = \"{}\"", credentials.api_token)?;
    writeln!(file, "CRM_PASSWORD = \"{}\"", credentials.password)
}
