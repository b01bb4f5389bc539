//! footprint: how much memory coordinator and agent take when nothing happens, how fast the coordinator is there, how large they are.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use botswain_tests::demo::programs::Programs;
use botswain_tests::demo::stage::{Choice, Stage};
use botswain_tests::demo::started::Started;
use clap::Parser;

/// One megabyte, as the bars count it.
const MB: f64 = 1_000_000.0;
/// How long a start may take before it counts as failed.
const START_MAX: Duration = Duration::from_secs(30);

/// Measures the programs beside this one.
#[derive(Parser)]
struct Arguments {
    /// Seconds without work before memory is looked at.
    #[arg(long, default_value_t = 60)]
    idle: u64,
    /// How many starts are timed.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..))]
    starts: u16,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let programs = Programs::beside_this()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    for (name, max) in [("botswain", None), ("botswain-agent", Some(15.0))] {
        let size = std::fs::metadata(programs.path(name))?.len() as f64 / MB;
        tell(name, "size", size, "MB", max);
    }
    let mut starts = Vec::new();
    for _ in 0..arguments.starts {
        starts.push(start(&programs)?.as_secs_f64() * 1_000.0);
    }
    starts.sort_by(f64::total_cmp);
    tell(
        "botswain",
        "start, median",
        starts[starts.len() / 2],
        "ms",
        Some(200.0),
    );
    tell(
        "botswain",
        "start, slowest",
        starts[starts.len() - 1],
        "ms",
        None,
    );
    runtime.block_on(idle(&programs, arguments.idle))
}

/// From exec to the first good answer of `/health`, with an empty data folder.
fn start(programs: &Programs) -> anyhow::Result<Duration> {
    let folder = tempfile::tempdir()?;
    let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let began = Instant::now();
    let coordinator = Started::silent(
        &programs.path("botswain"),
        |command| {
            command.args(["serve", "--dev", "--grpc-port", "0", "--agents-port", "0"]);
            command.arg("--http-port").arg(port.to_string());
            command.arg("--data").arg(folder.path().join("data"));
            command.current_dir(folder.path());
        },
        &folder.path().join("log"),
    )?;
    while !is_healthy(port) {
        coordinator.check()?;
        anyhow::ensure!(
            began.elapsed() < START_MAX,
            "the coordinator did not become healthy"
        );
        std::thread::yield_now();
    }
    let took = began.elapsed();
    coordinator.end()?;
    Ok(took)
}

fn is_healthy(port: u16) -> bool {
    let ask = || -> std::io::Result<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_read_timeout(Some(Duration::from_secs(1)))?;
        stream
            .write_all(b"GET /health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    };
    ask().is_ok_and(|answer| answer.starts_with("HTTP/1.1 200"))
}

/// Memory of a coordinator with a model and an agent, and of that agent, after some time without work.
async fn idle(programs: &Programs, seconds: u64) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let choice = Choice {
        own_screen: true,
        tells: false,
    };
    let stage = Stage::set(&folder.path().join("stage"), programs, choice).await?;
    let mut tick = tokio::time::interval(Duration::from_secs(1));
    for _ in 0..=seconds {
        tick.tick().await;
        stage.check()?;
    }
    let [coordinator, agent] = stage.processes();
    let what = format!("PSS after {seconds} s");
    tell("botswain", &what, pss(coordinator)?, "MB", Some(40.0));
    tell("botswain-agent", &what, pss(agent)?, "MB", Some(12.0));
    stage.strike()
}

/// What a process takes, what it shares counted in shares.
fn pss(process: u32) -> anyhow::Result<f64> {
    let path = format!("/proc/{process}/smaps_rollup");
    let text = std::fs::read_to_string(Path::new(&path)).with_context(|| format!("read {path}"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<f64>().ok());
    Ok(kib.with_context(|| format!("{path} has no Pss"))? * 1_024.0 / MB)
}

#[expect(
    clippy::print_stdout,
    reason = "a program whose result is what it prints"
)]
fn tell(program: &str, what: &str, found: f64, unit: &str, max: Option<f64>) {
    let verdict = max.map_or_else(String::new, |max| {
        let word = if found <= max { "held" } else { "MISSED" };
        format!("   (at most {max} {unit}: {word})")
    });
    println!("{program:14} {what:18} {found:8.1} {unit}{verdict}");
}
