//! The load generator: an own coordinator, an open-loop load over real connections, and figures with the machine's own beside.

use anyhow::{Context, bail};
use botswain::runtime::{Ask, Deployment, NoOutlet, Resource, Runtime, Settings};
use botswain_store::SqliteStore;
use botswain_tests::load::machine::{self, Syncs};
use botswain_tests::load::run::{Plan, run};
use clap::Parser;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Starts instances at a fixed rate against a coordinator of its own and prints what came of it.
#[derive(Parser)]
struct Arguments {
    /// Instances a second.
    #[arg(long, default_value_t = 3_000.0)]
    rate: f64,
    /// Service tasks of an instance.
    #[arg(long, default_value_t = 3)]
    tasks: usize,
    /// Bytes of variables of an instance.
    #[arg(long, default_value_t = 1_024)]
    variables: usize,
    /// Seconds that are not counted.
    #[arg(long, default_value_t = 10.0)]
    warm_up: f64,
    /// Seconds that are counted.
    #[arg(long, default_value_t = 60.0)]
    seconds: f64,
    /// Streams that start instances.
    #[arg(long, default_value_t = 2)]
    starters: usize,
    /// Streams that do jobs.
    #[arg(long, default_value_t = 2)]
    workers: usize,
    /// Jobs that one stream may hold of one type.
    #[arg(long, default_value_t = 4_000)]
    credits: u32,
    /// The coordinator's program; beside this one if not given.
    #[arg(long)]
    botswain: Option<PathBuf>,
    /// Where the data folder is made.
    #[arg(long)]
    folder: Option<PathBuf>,
}

struct Coordinator {
    child: Child,
    grpc: String,
}

impl Drop for Coordinator {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let threads = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    threads.block_on(load(arguments))
}

#[expect(
    clippy::print_stdout,
    reason = "a program whose result is what it prints"
)]
async fn load(arguments: Arguments) -> anyhow::Result<()> {
    let folder = match &arguments.folder {
        Some(folder) => tempfile::tempdir_in(folder)?,
        None => tempfile::tempdir()?,
    };
    let syncs = machine::syncs(folder.path())?;
    let raw_before = machine::raw_rows_per_second(folder.path())?;
    let data = folder.path().join("data");
    let job_types: Vec<String> = (1..=arguments.tasks).map(|n| format!("load-{n}")).collect();
    deploy(&data, &job_types).await?;
    let coordinator = begin(&arguments, &data)?;
    let filler = "x".repeat(arguments.variables.saturating_sub(60).max(1));
    let plan = Plan {
        process_id: "process".to_owned(),
        job_types,
        rate: arguments.rate,
        warm_up: Duration::from_secs_f64(arguments.warm_up),
        measured: Duration::from_secs_f64(arguments.seconds),
        variables: format!(
            r#"{{"customer":"Ann","amount":17.5,"urgent":false,"note":"{filler}"}}"#
        ),
        starters: arguments.starters,
        workers: arguments.workers,
        credits: arguments.credits,
    };
    let pid = coordinator.child.id();
    let (ticks_before, own_before, its_before) = (
        machine::ticks()?,
        machine::taken(std::process::id())?,
        machine::taken(pid)?,
    );
    let outcome = run(&coordinator.grpc, &plan).await?;
    let (ticks_after, own_after, its_after) = (
        machine::ticks()?,
        machine::taken(std::process::id())?,
        machine::taken(pid)?,
    );
    let bytes = machine::bytes_below(&data)?;
    let raw_after = machine::raw_rows_per_second(folder.path())?;
    let stolen = machine::stolen_percent(ticks_before, ticks_after);
    let drift = 100.0 * (raw_after - raw_before).abs() / raw_before;
    let Syncs {
        p50: sync_p50,
        p99: sync_p99,
    } = syncs;
    let all_seconds = arguments.warm_up + outcome.seconds;
    println!(
        "instances      {:.0}/s scheduled, {} of {} ended, {} refused",
        arguments.rate, outcome.ended, outcome.scheduled, outcome.refused
    );
    println!(
        "tasks          {:.0}/s",
        outcome.tasks as f64 / outcome.seconds
    );
    println!(
        "latency        p50 {} ms, p95 {} ms, p99 {} ms, max {} ms",
        outcome.latency.value_at_quantile(0.50),
        outcome.latency.value_at_quantile(0.95),
        outcome.latency.value_at_quantile(0.99),
        outcome.latency.max()
    );
    println!(
        "coordinator    {:.0} % of one processor, {:.1} MiB resident",
        100.0 * (its_after.cpu - its_before.cpu) / all_seconds,
        its_after.rss as f64 / f64::from(1 << 20)
    );
    println!(
        "load generator {:.0} % of one processor",
        100.0 * (own_after.cpu - own_before.cpu) / all_seconds
    );
    println!(
        "disk           {:.0} bytes per instance",
        bytes as f64 / outcome.started_in_all.max(1) as f64
    );
    println!(
        "machine        fdatasync p50 {sync_p50} us, p99 {sync_p99} us; raw SQLite {:.0} rows/s before, {:.0} rows/s after; {stolen:.1} % stolen",
        raw_before, raw_after
    );
    if stolen > 3.0 || drift > 15.0 {
        println!(
            "verdict        inconclusive: the machine was disturbed ({stolen:.1} % stolen, raw rate drifted by {drift:.0} %)"
        );
    }
    if outcome.ended < outcome.scheduled {
        bail!(
            "{} instances did not end within 10 s",
            outcome.scheduled - outcome.ended
        );
    }
    Ok(())
}

fn begin(arguments: &Arguments, data: &std::path::Path) -> anyhow::Result<Coordinator> {
    let program = match &arguments.botswain {
        Some(program) => program.clone(),
        None => std::env::current_exe()?.with_file_name("botswain"),
    };
    let mut child = Command::new(&program)
        .args([
            "serve",
            "--dev",
            "--http-port",
            "0",
            "--grpc-port",
            "0",
            "--agents-port",
            "0",
            "--data",
        ])
        .arg(data)
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("start {}", program.display()))?;
    let mut line = String::new();
    let out = child.stdout.take().context("the coordinator's output")?;
    BufReader::new(out).read_line(&mut line)?;
    let ready: serde_json::Value = serde_json::from_str(&line)
        .with_context(|| format!("understand the coordinator's first line {line:?}"))?;
    let address = |name: &str| {
        ready[name]
            .as_str()
            .map(|at| format!("http://{at}"))
            .with_context(|| format!("no {name}"))
    };
    Ok(Coordinator {
        grpc: address("grpc")?,
        child,
    })
}

/// Deploys the model before the coordinator starts.
async fn deploy(data: &std::path::Path, job_types: &[String]) -> anyhow::Result<()> {
    let tasks: Vec<String> = job_types
        .iter()
        .map(|job_type| format!("{job_type}:job"))
        .collect();
    let model = botswain_bpmn::build(&format!("start > {} > end", tasks.join(" > ")));
    let store = SqliteStore::open(data, botswain_store::sqlite::Options::default())?;
    let (runtime, writer) = Runtime::start(Box::new(store), Settings::default(), NoOutlet, |_| {})?;
    let bytes = botswain_bpmn::write(&model).into_bytes();
    let deployment = Deployment::compile(vec![Resource {
        name: "load.bpmn".to_owned(),
        bytes,
    }])?;
    runtime
        .ask(Ask::Deploy {
            deployment: Box::new(deployment),
            by: "load".to_owned(),
        })
        .await?;
    runtime.stop();
    if writer.join().is_err() {
        bail!("the writer failed");
    }
    Ok(())
}
