//! The soak: random campaigns, kills, endurance and a crowd, for as many minutes as it is given. It prints seeds and figures, and
//! ends with the first promise that is broken.

use anyhow::{Context as _, ensure};
use botswain_tests::harness::{Coordinator, Ledger, Start, crowd, resident_kib};
use botswain_tests::simulation::{Figures, Variant, run};
use clap::Parser;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Looks for broken promises until its time is over.
#[derive(Parser)]
struct Arguments {
    /// How long all parts with a budget take together: a third each for the simulation, for kills and for endurance.
    #[arg(long, default_value_t = 30.0)]
    minutes: f64,
    /// Where chance begins; the clock's choice if not given.
    #[arg(long)]
    seed: Option<u64>,
    /// How many instances wait in the crowd; 0 leaves it out.
    #[arg(long, default_value_t = 1_000_000)]
    crowd: u64,
    /// How many kills at least, whatever the budget.
    #[arg(long, default_value_t = 0)]
    kills: u64,
    /// The coordinator's program; beside this one if not given.
    #[arg(long)]
    botswain: Option<PathBuf>,
    /// Where data folders are made.
    #[arg(long)]
    folder: Option<PathBuf>,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let clock = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?;
    let seed = arguments.seed.unwrap_or(clock.as_secs());
    say(format!("seed           {seed}"));
    let part = Duration::from_secs_f64(arguments.minutes * 60.0 / 3.0);
    simulate(seed.wrapping_mul(1_000_003), part)?;
    let threads = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    threads.block_on(kill(&arguments, seed, part))?;
    threads.block_on(endure(&arguments, seed, part))?;
    if arguments.crowd > 0 {
        let folder = folder(&arguments)?;
        let crowd = crowd(folder.path(), arguments.crowd, seed)?;
        say(format!(
            "crowd          {} waiting: begun in {:.1} s, memory grew by {} MiB, database {} MiB, slowest message {} ms, restart {} ms, \
             all timers fired in {:.1} s",
            crowd.instances,
            crowd.began.as_secs_f64(),
            crowd.grown_kib >> 10,
            crowd.database_mib,
            crowd.slowest_message.as_millis(),
            crowd.restart.as_millis(),
            crowd.fired.as_secs_f64()
        ));
    }
    say("verdict        no promise was broken".to_owned());
    Ok(())
}

#[expect(
    clippy::print_stdout,
    reason = "a program whose result is what it prints"
)]
fn say(line: String) {
    println!("{line}");
}

fn folder(arguments: &Arguments) -> anyhow::Result<tempfile::TempDir> {
    Ok(match &arguments.folder {
        Some(folder) => tempfile::tempdir_in(folder)?,
        None => tempfile::tempdir()?,
    })
}

fn program(arguments: &Arguments) -> anyhow::Result<PathBuf> {
    let program = match &arguments.botswain {
        Some(program) => program.clone(),
        None => std::env::current_exe()?.with_file_name("botswain"),
    };
    ensure!(
        program.is_file(),
        "{} is missing: build it, or name it with --botswain",
        program.display()
    );
    Ok(program)
}

/// Seeds one after the other on all processors, until the time is over.
fn simulate(first: u64, long: Duration) -> anyhow::Result<()> {
    let until = Instant::now() + long;
    let (next, broken) = (AtomicU64::new(0), AtomicBool::new(false));
    let (figures, found) = (Mutex::new(Figures::default()), Mutex::new(None));
    let work = || {
        let mut own = Figures::default();
        while Instant::now() < until && !broken.load(Ordering::Relaxed) {
            let seed = first.wrapping_add(next.fetch_add(1, Ordering::Relaxed));
            let done = std::panic::catch_unwind(|| run(seed, Variant::Sound));
            match done.unwrap_or_else(|_| Err(format!("seed {seed}: a panic"))) {
                Ok(one) => own.add(one),
                Err(promise) => {
                    broken.store(true, Ordering::Relaxed);
                    if let Ok(mut found) = found.lock() {
                        found.get_or_insert(promise);
                    }
                }
            }
        }
        if let Ok(mut figures) = figures.lock() {
            figures.add(own);
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, usize::from) {
            scope.spawn(work);
        }
    });
    let of = figures.into_inner().unwrap_or_default();
    say(format!(
        "simulation     {} seeds from {first}: {} instances, {} batches, {} failed commits, {} + {} crashes, {} messages lost or doubled, \
         {} effects, {:.1} h of simulated time",
        next.into_inner(),
        of.instances,
        of.commits,
        of.failed_commits,
        of.coordinator_crashes,
        of.agent_crashes,
        of.lost_or_doubled,
        of.effects,
        of.simulated_ms as f64 / 3_600_000.0
    ));
    match found.into_inner() {
        Ok(Some(promise)) => anyhow::bail!("{promise}"),
        _ => Ok(()),
    }
}

/// Coordinators that are killed under load; a fresh folder now and then keeps the audits short.
async fn kill(arguments: &Arguments, seed: u64, long: Duration) -> anyhow::Result<()> {
    const KILLS_OF_A_FOLDER: u64 = 100;
    let program = program(arguments)?;
    let until = Instant::now() + long;
    let (mut kills, mut starts, mut completions, mut messages, mut round) = (0, 0, 0, 0, 0u64);
    while Instant::now() < until || kills < arguments.kills {
        let folder = folder(arguments)?;
        let data = folder.path().join("data");
        let start = || Coordinator::start_program(&program, &data, &Start::default());
        round += 1;
        let seed = seed.wrapping_add(round);
        let broken = |error: anyhow::Error| error.context(format!("kills with seed {seed}"));
        let mut ledger = Ledger::new(seed);
        ledger.deploy(&start()?).await?;
        while ledger.tally().kills < KILLS_OF_A_FOLDER
            && (Instant::now() < until || kills + ledger.tally().kills < arguments.kills)
        {
            let coordinator = start()?;
            ledger.audit(&coordinator).map_err(broken)?;
            ledger
                .audit_through_the_door(&coordinator)
                .await
                .map_err(broken)?;
            ledger.live_and_kill(coordinator).await.map_err(broken)?;
        }
        let coordinator = start()?;
        ledger.audit(&coordinator).map_err(broken)?;
        ledger.finish(&coordinator).await.map_err(broken)?;
        ledger.audit(&coordinator).map_err(broken)?;
        let tally = ledger.tally();
        kills += tally.kills;
        starts += tally.starts;
        completions += tally.completions;
        messages += tally.messages;
    }
    say(format!(
        "kills          {kills}: {starts} starts, {messages} messages, {completions} completions acknowledged, none lost, none twice"
    ));
    Ok(())
}

/// One coordinator under steady load: what it takes must not grow with what it has done.
async fn endure(arguments: &Arguments, seed: u64, long: Duration) -> anyhow::Result<()> {
    let program = program(arguments)?;
    let folder = folder(arguments)?;
    let coordinator =
        Coordinator::start_program(&program, &folder.path().join("data"), &Start::default())?;
    let mut ledger = Ledger::new(seed);
    ledger.deploy(&coordinator).await?;
    let slice = (long / 10).max(Duration::from_secs(1));
    let mut resident = Vec::new();
    for _ in 0..10 {
        ledger.live(&coordinator, slice).await?;
        resident.push(resident_kib(coordinator.id())? >> 10);
    }
    ledger.finish(&coordinator).await?;
    ledger.audit(&coordinator)?;
    let tally = ledger.tally();
    say(format!(
        "endurance      {:.0} s: {} instances, {} jobs; resident MiB {resident:?}",
        slice.as_secs_f64() * 10.0,
        tally.starts,
        tally.completions
    ));
    let (warm, last) = (resident[4], *resident.last().context("ten looks")?);
    ensure!(
        last <= warm + warm / 2 + 32,
        "memory grows with what was done: {resident:?} MiB"
    );
    coordinator.stop()
}
