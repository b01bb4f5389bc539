//! A crowd: many instances that each wait for a timer and a message, on a writer of its own with a database of its own. Time is
//! passed in.

use super::{model, resident_kib, rows};
use anyhow::{Context as _, ensure};
use botswain::dispatch::Now;
use botswain::runtime::{
    Ask, Deployment, ProcessRef, ReplyTo, Request, Resource, Settings, Writer,
};
use botswain_engine::{Start, Variables};
use botswain_store::SqliteStore;
use botswain_store::sqlite::Options;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use rusqlite::Connection;
use serde_json::json;
use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

/// How many instances one batch begins.
const BATCH: u64 = 2_000;
/// How many of them get their message.
const MESSAGES: u64 = 200;
/// How many timers one turn may fire.
const TIMERS_PER_TURN: usize = 1_000;
/// The longest wait of a timer.
const LONGEST_S: u64 = 100_000;
/// A moment in 2027.
const WALL: i64 = 1_800_000_000_000;

/// What a crowd cost.
#[derive(Clone, Copy, Debug)]
pub struct Crowd {
    /// How many instances.
    pub instances: u64,
    /// How long it took to begin them.
    pub began: Duration,
    /// How much more memory the process took with all of them waiting, in KiB.
    pub grown_kib: u64,
    /// The database.
    pub database_mib: u64,
    /// The slowest of the messages for one of them, commit included.
    pub slowest_message: Duration,
    /// How long a restart took until the first turn.
    pub restart: Duration,
    /// How long it took to fire all timers.
    pub fired: Duration,
}

struct Stage<'a> {
    folder: &'a Path,
    writer: Writer,
    mono: u64,
    wall: i64,
}

impl Stage<'_> {
    fn open(folder: &Path, wall: i64) -> anyhow::Result<Stage<'_>> {
        let store = SqliteStore::open(folder, Options::default())?;
        let settings = Settings {
            timers_per_turn: TIMERS_PER_TURN,
            ..Settings::default()
        };
        let writer = Writer::open(Box::new(store), settings, Now { mono: 0, wall })?;
        Ok(Stage {
            folder,
            writer,
            mono: 0,
            wall,
        })
    }

    fn turn(&mut self, asks: impl IntoIterator<Item = Ask>) -> anyhow::Result<()> {
        self.mono += 1;
        let mut requests: Vec<Request> = asks
            .into_iter()
            .map(|ask| Request::new(ask, ReplyTo::Nobody))
            .collect();
        let turned = self.writer.turn(
            &mut requests,
            Now {
                mono: self.mono,
                wall: self.wall,
            },
        );
        ensure!(
            turned.fatal.is_none() && !turned.published.starts_anew,
            "a turn failed: {turned:?}"
        );
        Ok(())
    }

    fn due(&self) -> anyhow::Result<BTreeSet<(i64, i64)>> {
        let database = Connection::open(self.folder.join("botswain.db"))?;
        let mut rows = database.prepare("SELECT due, key FROM timer")?;
        let rows = rows.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

/// Begins so many, lets some get their message, restarts, and fires all timers.
///
/// # Errors
/// Something was lost, came out of order, or took more than it may.
pub fn crowd(folder: &Path, instances: u64, seed: u64) -> anyhow::Result<Crowd> {
    let mut rng = SmallRng::seed_from_u64(seed);
    let mut stage = Stage::open(folder, WALL)?;
    let text =
        "start > fork:and > (t:timer(duration==wait) | m:message(go, key=order)) > join:and > end";
    let files = vec![Resource {
        name: "crowd.bpmn".to_owned(),
        bytes: model("crowd", text).into_bytes(),
    }];
    let deployment =
        Deployment::compile(files).map_err(|refusal| anyhow::anyhow!(refusal.message))?;
    stage.turn([Ask::Deploy {
        deployment: Box::new(deployment),
        by: "test".to_owned(),
    }])?;
    let before = resident_kib(std::process::id())?;
    let at = Instant::now();
    let mut next = 0;
    while next < instances {
        let until = (next + BATCH).min(instances);
        let starts: Vec<Ask> = (next..until)
            .map(|n| start(n, rng.random_range(60..LONGEST_S)))
            .collect();
        stage.turn(starts)?;
        next = until;
    }
    let began = at.elapsed();
    let grown_kib = resident_kib(std::process::id())?.saturating_sub(before);
    let total = i64::try_from(instances)?;
    ensure!(
        rows(folder, "instance")? == total
            && rows(folder, "timer")? == total
            && rows(folder, "subscription")? == total
    );

    let mut given = BTreeSet::new();
    let mut slowest_message = Duration::ZERO;
    while (given.len() as u64) < MESSAGES.min(instances) {
        let n = rng.random_range(0..instances);
        if !given.insert(n) {
            continue;
        }
        let at = Instant::now();
        stage.turn([publish(n)])?;
        slowest_message = slowest_message.max(at.elapsed());
    }
    let waiting = total - i64::try_from(given.len())?;
    ensure!(
        rows(folder, "subscription")? == waiting,
        "{} messages were sent, and {} still wait",
        given.len(),
        rows(folder, "subscription")?
    );

    drop(stage);
    let at = Instant::now();
    let mut stage = Stage::open(folder, WALL + 1)?;
    stage.turn([])?;
    let restart = at.elapsed();
    ensure!(
        rows(folder, "timer")? == total && rows(folder, "subscription")? == waiting,
        "a restart lost something"
    );

    // All are due at once: they fire in their order, so many in each turn.
    stage.wall = WALL + i64::try_from(LONGEST_S)? * 1_000;
    let small = instances <= 20_000;
    let mut left = if small { stage.due()? } else { BTreeSet::new() };
    let at = Instant::now();
    let mut remaining = total;
    while remaining > 0 {
        stage.turn([])?;
        let now = rows(folder, "timer")?;
        let fired = remaining - now;
        ensure!(
            (1..=TIMERS_PER_TURN as i64).contains(&fired),
            "{fired} timers fired in one turn"
        );
        remaining = now;
        if small {
            let after = stage.due()?;
            let last_fired = left
                .difference(&after)
                .last()
                .copied()
                .context("some fired")?;
            ensure!(
                after.first().is_none_or(|first| *first > last_fired),
                "{last_fired:?} fired before {:?}",
                after.first()
            );
            left = after;
        }
    }
    let fired = at.elapsed();
    let database = Connection::open(folder.join("botswain.db"))?;
    let ended: i64 = database.query_row(
        "SELECT count(*) FROM instance WHERE ended_at IS NOT NULL",
        [],
        |row| row.get(0),
    )?;
    ensure!(
        ended == total - waiting,
        "{ended} ended, and {} had both",
        total - waiting
    );
    ensure!(
        rows(folder, "subscription")? == waiting,
        "the others wait for their message still"
    );
    let one = (0..instances)
        .find(|n| !given.contains(n))
        .context("one that waits")?;
    stage.turn([publish(one)])?;
    ensure!(
        rows(folder, "subscription")? == waiting - 1,
        "the last one got its message"
    );
    let database_mib = std::fs::metadata(folder.join("botswain.db"))?.len() >> 20;
    Ok(Crowd {
        instances,
        began,
        grown_kib,
        database_mib,
        slowest_message,
        restart,
        fired,
    })
}

fn start(n: u64, wait_s: u64) -> Ask {
    let json = json!({ "order": format!("o{n}"), "wait": format!("PT{wait_s}S") }).to_string();
    let variables = Variables::from_json(&json).expect("an object");
    Ask::Start {
        process: ProcessRef::Id("crowd".into(), None),
        start: Start {
            variables,
            ..Start::default()
        },
        await_end: None,
    }
}

fn publish(n: u64) -> Ask {
    Ask::PublishMessage {
        name: "go".into(),
        correlation_key: format!("o{n}").into(),
        message_id: None,
        ttl_ms: 0,
        variables: Variables::new(),
    }
}
