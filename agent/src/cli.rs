//! The command line of the agent.

use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use botswain_proto::enrol::Facts;
use clap::{Parser, Subcommand};

use crate::config::{Config, Flags};
use crate::identity::Identity;
use crate::runner::{Registry, attempt_main};
use crate::{agent, enrol, fail_point, journal, policy};

#[derive(Debug, Parser)]
#[command(
    name = "botswain-agent",
    version,
    about = "Runs bots and device actions for a Botswain coordinator"
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    flags: Flags,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs the agent; enrols first if a token is given and the machine is not enrolled
    Run,
    /// Enrols this machine: makes its key and gets its certificate
    Enrol,
    /// Checks a policy file
    CheckPolicy,
    /// Shows what the journal holds
    Journal,
    /// Runs one attempt for an agent that started it
    #[command(hide = true)]
    Attempt,
    /// Lists the moments at which a crash test can end the agent
    #[command(hide = true)]
    FailPoints,
}

/// Runs the program with these actions.
pub fn main(registry: Registry) -> ExitCode {
    let arguments = Arguments::parse();
    start_log();
    match dispatch(arguments, registry) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("botswain-agent: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn start_log() {
    let filter = tracing_subscriber::EnvFilter::try_from_env("BOTSWAIN_AGENT_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
}

fn dispatch(arguments: Arguments, registry: Registry) -> Result<ExitCode> {
    match arguments.command {
        Command::Attempt => return Ok(attempt_main(&registry)),
        Command::FailPoints => {
            show(&fail_point::names().join("\n"));
            return Ok(ExitCode::SUCCESS);
        }
        Command::Run | Command::Enrol | Command::CheckPolicy | Command::Journal => {}
    }
    let config = Config::load(arguments.flags)?;
    match arguments.command {
        Command::Run => runtime()?.block_on(run(config, registry))?,
        Command::Enrol => {
            let identity = runtime()?.block_on(enrol_here(&config))?;
            show(&format!(
                "enrolled as {} at {}",
                identity.agent, identity.coordinator
            ));
        }
        Command::CheckPolicy => check_policy(&config)?,
        Command::Journal => show_journal(&config)?,
        Command::Attempt | Command::FailPoints => {}
    }
    Ok(ExitCode::SUCCESS)
}

fn runtime() -> Result<tokio::runtime::Runtime> {
    // One thread: the agent waits, it does not compute. Runs have threads and processes of their own.
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("failed to start")
}

async fn run(config: Config, registry: Registry) -> Result<()> {
    let identity = match Identity::load(&config.data)? {
        Some(identity) => Some(identity),
        None if config.plaintext => None,
        None if config.token.is_some() => Some(enrol_here(&config).await?),
        None => bail!(
            "this machine is not enrolled; get a token with `botswain agent-token` on the coordinator, then run botswain-agent run --token TOKEN --coordinator https://HOST:26511"
        ),
    };
    agent::run(config, identity, registry).await
}

async fn enrol_here(config: &Config) -> Result<Identity> {
    if let Some(identity) = Identity::load(&config.data)? {
        bail!(
            "this machine is {} of {} already; remove {} to enrol it anew",
            identity.agent,
            identity.coordinator,
            config.data.join("identity").display()
        );
    }
    let Some(token) = &config.token else {
        bail!("a token is needed; get one with `botswain agent-token` on the coordinator");
    };
    let Some(address) = &config.coordinator else {
        bail!("the coordinator's address is needed: --coordinator https://HOST:26511");
    };
    if address.is_plaintext() {
        bail!("enrolment never goes over plain text; use https://");
    }
    let facts = Facts {
        name: config.name.to_string(),
        os: std::env::consts::OS.to_owned(),
        arch: std::env::consts::ARCH.to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        labels: config.labels.clone(),
    };
    let identity = enrol::enrol(address, token, facts).await?;
    identity.store(&config.data)?;
    tracing::info!(agent = %identity.agent, "enrolled");
    Ok(identity)
}

fn check_policy(config: &Config) -> Result<()> {
    let place = config.policy.display();
    let text = std::fs::read_to_string(&config.policy)
        .with_context(|| format!("failed to read {place}"))?;
    let policy = policy::parse(&text).with_context(|| format!("{place} cannot be used"))?;
    show(&format!(
        "{place} is in order, version {}",
        policy.version()
    ));
    Ok(())
}

fn show_journal(config: &Config) -> Result<()> {
    for record in journal::inspect(&config.data.join("journal"))? {
        show(&record.to_string());
    }
    Ok(())
}

#[expect(clippy::print_stdout, reason = "the answer to a command")]
fn show(text: &str) {
    println!("{text}");
}
