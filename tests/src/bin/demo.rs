//! demo: the main job, end to end, with its progress on the terminal.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use botswain_tests::demo::job::{Application, Done, Run};
use botswain_tests::demo::operator::say;
use botswain_tests::demo::programs::Programs;
use botswain_tests::demo::report;
use botswain_tests::demo::stage::{Choice, Stage};
use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};

/// How long all instances of one half may take.
const HALF: Duration = Duration::from_secs(600);

/// Runs the main job: a process whose tasks are done by bots, a device action and an API, and a bot replaced while it runs.
#[derive(Parser)]
#[command(name = "demo")]
struct Arguments {
    /// How many customers come in by the bot, and again how many after the switch to the API.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=50))]
    customers: u16,
    /// The folder for everything that it writes; it is emptied first.
    #[arg(long)]
    folder: Option<PathBuf>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    // One thread: what it starts lives as long as the thread that started it.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let done = runtime
        .context("start")
        .and_then(|runtime| runtime.block_on(unless_interrupted(play(arguments))));
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("demo: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Gives up when somebody asks for it; giving up ends every process.
async fn unless_interrupted(play: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    let (mut interrupt, mut terminate, mut hangup) = (
        signal(SignalKind::interrupt())?,
        signal(SignalKind::terminate())?,
        signal(SignalKind::hangup())?,
    );
    tokio::select! {
        done = play => done,
        _ = interrupt.recv() => anyhow::bail!("interrupted"),
        _ = terminate.recv() => anyhow::bail!("asked to end"),
        _ = hangup.recv() => anyhow::bail!("the terminal is gone"),
    }
}

async fn play(arguments: Arguments) -> anyhow::Result<()> {
    let began = Instant::now();
    let folder = match arguments.folder {
        Some(folder) => std::path::absolute(folder)?,
        None => Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("..")
            .canonicalize()?
            .join(".demo"),
    };
    empty(&folder)?;
    let programs = Programs::beside_this()?;
    let stage = Stage::set(
        &folder,
        &programs,
        Choice {
            own_screen: false,
            tells: true,
        },
    )
    .await?;
    let customers = usize::from(arguments.customers);

    say(&format!(
        "\n{customers} customers come in by the bot, one applicant is rejected\n"
    ));
    let mut runs = Vec::new();
    for n in 1..=customers {
        runs.push(begin(&stage, Application::good(n))?);
    }
    runs.push(begin(&stage, Application::poor(customers + 1))?);
    say("");
    // The switch comes while work is under way: when the bot has all of its customers, and not one instance more is over.
    follow(&stage, &mut runs, began, |_, taken| taken >= customers).await?;

    say("\nthe CRM has an API: the task moves, the model stays, everything runs on\n");
    stage
        .operator
        .run(&["route", "set", "crm.add-customer", "connector:crm-api"])?;
    for n in customers + 2..=2 * customers + 1 {
        runs.push(begin(&stage, Application::good(n))?);
    }
    runs.push(begin(&stage, Application::poor(2 * customers + 2))?);
    say("");
    let all = runs.len();
    follow(&stage, &mut runs, began, |over, _| over == all).await?;

    let mut done = Vec::new();
    for run in &runs {
        done.push(Done::read(&stage.door, run).await?);
    }
    let evidence = stage.folder.join("evidence");
    let files = report::save(&stage.door, &done, &evidence).await?;
    let records = stage.records()?;
    say(&format!("\n{}", report::table(&done)));
    say(&format!(
        "the CRM's own database    {}",
        report::crm(&records)
    ));
    say(&format!(
        "instances                 {} in {} s",
        done.len(),
        began.elapsed().as_secs()
    ));
    say(&format!(
        "evidence                  {files} files in {}",
        evidence.display()
    ));
    say(&format!(
        "cards and letters         {}, {}",
        stage.path("spool"),
        stage.path("letters")
    ));
    say(&format!("logs                      {}", stage.path("logs")));
    let problems = report::problems(&done, &records, &stage.folder)?;
    stage.strike()?;
    anyhow::ensure!(
        problems.is_empty(),
        "CRM and instances do not agree:\n  {}",
        problems.join("\n  ")
    );
    say(
        "verdict                   every customer exactly once: CRM, cards, letters and instances agree",
    );
    Ok(())
}

/// Empties the folder of an earlier demo, and no other folder.
fn empty(folder: &Path) -> anyhow::Result<()> {
    let mark = folder.join(".botswain-demo");
    let is_there = folder
        .try_exists()
        .with_context(|| format!("look at {}", folder.display()))?;
    if is_there && mark.is_file() {
        std::fs::remove_dir_all(folder).with_context(|| format!("empty {}", folder.display()))?;
    } else if is_there && std::fs::read_dir(folder)?.next().is_some() {
        anyhow::bail!(
            "{} holds something else; name an empty folder with --folder",
            folder.display()
        );
    }
    std::fs::create_dir_all(folder).with_context(|| format!("create {}", folder.display()))?;
    std::fs::write(&mark, "").with_context(|| format!("write {}", mark.display()))
}

fn begin(stage: &Stage, application: Application) -> anyhow::Result<Run> {
    let instance = stage.operator.start(
        "onboarding",
        &application.reference,
        &application.variables(),
    )?;
    Ok(Run::new(application, instance))
}

/// Tells what happens until `enough`, asked with how many instances are over and how many customers the bot has taken.
async fn follow(
    stage: &Stage,
    runs: &mut [Run],
    began: Instant,
    enough: impl Fn(usize, usize) -> bool,
) -> anyhow::Result<()> {
    let end = Instant::now() + HALF;
    let mut taken = BTreeSet::new();
    let mut look = tokio::time::interval(Duration::from_millis(250));
    loop {
        look.tick().await;
        stage.check()?;
        for run in runs.iter_mut().filter(|run| !run.is_over) {
            look_at(stage, run, began, &mut taken).await?;
        }
        if enough(runs.iter().filter(|run| run.is_over).count(), taken.len()) {
            return Ok(());
        }
        if Instant::now() > end {
            return Err(stuck(stage, runs).await);
        }
    }
}

async fn look_at(
    stage: &Stage,
    run: &mut Run,
    began: Instant,
    taken: &mut BTreeSet<String>,
) -> anyhow::Result<()> {
    let reference = &run.application.reference;
    let tell = |what: String| {
        say(&format!(
            "{:7.1} s  {reference}  {what}",
            began.elapsed().as_secs_f64()
        ))
    };
    // The state first: what is over has told all of its attempts after it.
    let state = stage.door.state(&run.instance).await?;
    for attempt in stage.door.attempts(&run.instance).await? {
        if attempt.job_type == "crm.add-customer" {
            taken.insert(attempt.attempt.clone());
        }
        if !attempt.is_over() || run.told.contains(&attempt.attempt) {
            continue;
        }
        let who = attempt.holder.as_deref().unwrap_or("nobody");
        let took = attempt.took_ms().unwrap_or(0);
        let message = attempt
            .message
            .as_deref()
            .map_or_else(String::new, |message| format!(": {message}"));
        tell(format!(
            "{:17} {} by {} ({who}) in {took} ms{message}",
            attempt.job_type,
            attempt.ended(),
            attempt.leg
        ));
        run.told.push(attempt.attempt.clone());
    }
    if state == "ACTIVE" {
        let waiting = stage
            .door
            .get(&format!("/v2/process-instances/{}", run.instance))
            .await?;
        if waiting["hasIncident"] == true {
            let why = stage.door.why(&run.instance).await?;
            anyhow::bail!(
                "instance {} ({reference}) needs an operator: {why}",
                run.instance
            );
        }
    } else {
        run.is_over = true;
        let accepted = if run.application.is_accepted() {
            "onboarded"
        } else {
            "rejected"
        };
        tell(format!("{}: {accepted}", state.to_lowercase()));
    }
    Ok(())
}

async fn stuck(stage: &Stage, runs: &[Run]) -> anyhow::Error {
    let mut lines = Vec::new();
    for run in runs.iter().filter(|run| !run.is_over) {
        let why = stage
            .door
            .why(&run.instance)
            .await
            .unwrap_or_else(|error| format!("{error:#}"));
        lines.push(format!("  {}: {why}", run.application.reference));
    }
    anyhow::anyhow!(
        "not over after {} s:\n{}\nlogs: {}",
        HALF.as_secs(),
        lines.join("\n"),
        stage.path("logs")
    )
}
