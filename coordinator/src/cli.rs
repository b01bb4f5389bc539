//! The command line: commands that read as sentences, spoken over HTTP with a coordinator.

mod client;
mod deploy;
mod fleet;
mod instances;
mod output;
mod repair;
mod route;
mod show;

use client::Client;
use output::Output;
use std::path::PathBuf;
use std::process::ExitCode;

/// How a command ended, for whoever runs it from a program.
const REFUSED: u8 = 1;
const USAGE: u8 = 2;
const UNREACHABLE: u8 = 3;

/// Which coordinator is meant, and how it answers.
#[derive(Clone, Debug, clap::Args)]
pub struct Connection {
    /// The coordinator's HTTP address.
    #[arg(
        long,
        global = true,
        env = "BOTSWAIN_URL",
        default_value = "http://127.0.0.1:8080",
        value_name = "URL"
    )]
    url: String,
    /// The bearer token that was printed at the coordinator's first start.
    #[arg(
        long,
        global = true,
        env = "BOTSWAIN_TOKEN",
        hide_env_values = true,
        value_name = "TOKEN"
    )]
    token: Option<String>,
    /// Answers as JSON, for programs.
    #[arg(long, global = true)]
    json: bool,
}

/// What can be asked of a coordinator.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Deploys BPMN files: each changed process becomes a new version.
    Deploy {
        /// The files.
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
    },
    /// Starts an instance of a process.
    Start(instances::Start),
    /// Lists instances, the newest first.
    Instances(instances::List),
    /// Shows an instance: where each token is and why it waits, incidents, attempts, evidence.
    Show {
        /// The instance's key.
        instance: String,
    },
    /// Ends an instance.
    Cancel {
        /// The instance's key.
        instance: String,
    },
    /// Lists what waits for an operator, or resolves one of it.
    Incidents(repair::Incidents),
    /// Lists the variables of an instance, or sets some: for repairs, before an incident is resolved.
    Variables(repair::Variables),
    /// Lists what people are asked to do, or completes one of it.
    Tasks(repair::Tasks),
    /// Completes a job by hand: for repairs, when its work was done in another way.
    CompleteJob(repair::CompleteJob),
    /// Says who may do the jobs of a type.
    Route {
        #[command(subcommand)]
        route: route::Route,
    },
    /// Lists agents, or withdraws an agent's right.
    Agents(fleet::Agents),
    /// Makes a token by which machines become agents. It is shown once.
    AgentToken(fleet::AgentToken),
    /// Pushes and lists bot packages.
    Bot {
        #[command(subcommand)]
        bot: fleet::Bot,
    },
    /// Lists the evidence of an instance, or saves it.
    Evidence(fleet::Evidence),
}

/// Why a command was not done.
#[derive(Debug)]
enum Failure {
    /// The coordinator refused it, or it failed there.
    Refused(String),
    /// What was typed makes no sense.
    Usage(String),
    /// Nobody answers.
    Unreachable(String),
}

type Done = Result<(), Failure>;

/// Speaks with the coordinator; the answer goes to standard output, what went wrong to standard error. The code is 0 when it was
/// done, 1 when it was refused, 2 when the command makes no sense, 3 when nobody answers.
pub fn run(connection: &Connection, command: Command) -> ExitCode {
    match spoken(connection, command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let (code, text) = match failure {
                Failure::Refused(text) => (REFUSED, text),
                Failure::Usage(text) => (USAGE, text),
                Failure::Unreachable(text) => (UNREACHABLE, text),
            };
            eprintln!("botswain: {text}");
            ExitCode::from(code)
        }
    }
}

fn spoken(connection: &Connection, command: Command) -> Done {
    let client = Client::new(&connection.url, connection.token.as_deref())?;
    let mut output = Output::new(connection.json);
    let threads = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::Refused(format!("the program cannot run: {error}")))?;
    threads.block_on(async {
        let out = &mut output;
        match command {
            Command::Deploy { files } => deploy::deploy(&client, out, &files).await,
            Command::Start(start) => instances::start(&client, out, start).await,
            Command::Instances(list) => instances::list(&client, out, list).await,
            Command::Show { instance } => show::show(&client, out, &instance).await,
            Command::Cancel { instance } => instances::cancel(&client, out, &instance).await,
            Command::Incidents(incidents) => repair::incidents(&client, out, incidents).await,
            Command::Variables(variables) => repair::list_variables(&client, out, variables).await,
            Command::Tasks(tasks) => repair::tasks(&client, out, tasks).await,
            Command::CompleteJob(job) => repair::complete_job(&client, out, job).await,
            Command::Route { route } => route::route(&client, out, route).await,
            Command::Agents(agents) => fleet::agents(&client, out, agents).await,
            Command::AgentToken(token) => fleet::agent_token(&client, out, token).await,
            Command::Bot { bot } => fleet::bot(&client, out, bot).await,
            Command::Evidence(evidence) => fleet::evidence(&client, out, evidence).await,
        }
    })
}

/// Reads variables: JSON, or `@FILE`, or `-` for standard input.
fn variables(text: Option<&str>) -> Result<serde_json::Value, Failure> {
    let Some(text) = text else {
        return Ok(serde_json::json!({}));
    };
    let read = |error: std::io::Error, name: &str| {
        Failure::Usage(format!("read variables from {name}: {error}"))
    };
    let json = match text.strip_prefix('@') {
        Some(file) => std::fs::read_to_string(file).map_err(|error| read(error, file))?,
        None if text == "-" => std::io::read_to_string(std::io::stdin())
            .map_err(|error| read(error, "standard input"))?,
        None => text.to_owned(),
    };
    match serde_json::from_str::<serde_json::Value>(&json) {
        Ok(object @ serde_json::Value::Object(_)) => Ok(object),
        Ok(_) => Err(Failure::Usage(
            "--variables: expected a JSON object such as '{\"amount\": 5}', found another JSON value".to_owned(),
        )),
        Err(error) => Err(Failure::Usage(format!(
            "--variables: {error}; expected a JSON object such as '{{\"amount\": 5}}', @FILE, or - for standard input"
        ))),
    }
}
