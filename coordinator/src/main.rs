//! The program `botswain`: the coordinator and its command line.

use anyhow::Context;
use botswain::cli;
use botswain::config::Config;
use botswain::server::Server;
use clap::{Parser, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;
use tracing_subscriber::EnvFilter;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Runs BPMN processes and hands their tasks to bots, connectors, workers and people.
#[derive(Parser)]
#[command(version, about)]
struct Arguments {
    #[command(flatten)]
    connection: cli::Connection,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Starts a coordinator.
    Serve(Box<Serve>),
    #[command(flatten)]
    Ask(cli::Command),
}

#[derive(clap::Args)]
struct Serve {
    /// The configuration file; `botswain.toml` here if there is one.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The data folder.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// HTTP without a token, on loopback only.
    #[arg(long)]
    dev: bool,
    /// The port of HTTP; 0 takes a free one.
    #[arg(long)]
    http_port: Option<u16>,
    /// The port of workers' gRPC; 0 takes a free one.
    #[arg(long)]
    grpc_port: Option<u16>,
    /// The port of agents; 0 takes a free one.
    #[arg(long)]
    agents_port: Option<u16>,
    /// Agents may also speak without TLS on this port of the loopback address; for tests.
    #[arg(long)]
    agents_plaintext_port: Option<u16>,
    /// The file with the secrets of connectors and bots.
    #[arg(long, value_name = "FILE")]
    secrets: Option<PathBuf>,
    /// The folder with the connectors' definitions.
    #[arg(long, value_name = "DIR")]
    connectors: Option<PathBuf>,
}

fn main() -> ExitCode {
    let Arguments {
        connection,
        command,
    } = Arguments::parse();
    let done = match command {
        Command::Serve(flags) => serve(*flags),
        Command::Ask(command) => return cli::run(&connection, command),
    };
    match done {
        Ok(code) => code,
        Err(error) => {
            eprintln!("botswain: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn serve(flags: Serve) -> anyhow::Result<ExitCode> {
    let mut config = Config::load(flags.config.as_deref())?;
    config.data = flags.data.unwrap_or(config.data);
    config.dev |= flags.dev;
    config.http_port = flags.http_port.unwrap_or(config.http_port);
    config.grpc_port = flags.grpc_port.unwrap_or(config.grpc_port);
    config.agents_port = flags.agents_port.unwrap_or(config.agents_port);
    config.agents_plaintext_port = flags.agents_plaintext_port.or(config.agents_plaintext_port);
    config.secrets = flags.secrets.or(config.secrets);
    config.connectors = flags.connectors.or(config.connectors);
    log(&config)?;
    let threads = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .max_blocking_threads(16)
        .enable_all()
        .build()
        .context("start the threads")?;
    threads.block_on(async {
        let server = Server::start(&config).await?;
        announce(&server);
        tracing::info!(data = %config.data.display(), grpc = %server.grpc, "serving");
        server.run(asked_to_stop()).await
    })?;
    Ok(ExitCode::SUCCESS)
}

/// One line for programs that start a coordinator: where each door is.
#[expect(
    clippy::print_stdout,
    reason = "whoever started the program reads the line"
)]
fn announce(server: &Server) {
    let mut line = serde_json::json!({
        "http": server.http.to_string(),
        "grpc": server.grpc.to_string(),
        "agents": server.agents.to_string(),
    });
    if let Some(plaintext) = server.agents_plaintext {
        line["agentsPlaintext"] = plaintext.to_string().into();
    }
    println!("{line}");
    if let Some(token) = &server.new_token {
        eprintln!("the token of HTTP, shown this once: {token}");
    }
}

fn log(config: &Config) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(&config.log)
        .with_context(|| format!("understand log = {:?}", config.log))?;
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_target(false);
    if config.log_json {
        lines.json().init();
    } else {
        lines.init();
    }
    Ok(())
}

async fn asked_to_stop() {
    let mut terminate =
        match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(terminate) => terminate,
            Err(error) => {
                tracing::warn!(%error, "SIGTERM cannot be heard, only an interrupt");
                let _ = tokio::signal::ctrl_c().await;
                return;
            }
        };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
}
