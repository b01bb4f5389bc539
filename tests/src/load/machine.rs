//! What the machine can do in the same minute: syncs, raw SQLite batches, stolen time, and what a process takes.

use rusqlite::Connection;
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

/// The time a machine took for small synced writes, in microseconds.
#[derive(Clone, Copy, Debug)]
pub struct Syncs {
    /// The median.
    pub p50: u64,
    /// One of a hundred is slower.
    pub p99: u64,
}

/// Times 300 synced writes of 4 KiB.
///
/// # Errors
/// The folder cannot be written.
pub fn syncs(folder: &Path) -> anyhow::Result<Syncs> {
    let mut file = std::fs::File::create(folder.join("syncs"))?;
    let mut times = hdrhistogram::Histogram::<u64>::new(3)?;
    for _ in 0..300 {
        file.write_all(&[7; 4096])?;
        let began = Instant::now();
        file.sync_data()?;
        times.record(u64::try_from(began.elapsed().as_micros())?)?;
    }
    std::fs::remove_file(folder.join("syncs"))?;
    Ok(Syncs {
        p50: times.value_at_quantile(0.5),
        p99: times.value_at_quantile(0.99),
    })
}

/// How many unindexed row operations a second SQLite commits in batches of 1,000 steps of 4 rows, WAL and FULL.
///
/// # Errors
/// The database cannot be written.
pub fn raw_rows_per_second(folder: &Path) -> anyhow::Result<f64> {
    let path = folder.join("raw.db");
    let mut db = Connection::open(&path)?;
    db.pragma_update(None, "journal_mode", "WAL")?;
    db.pragma_update(None, "synchronous", "FULL")?;
    db.execute_batch("CREATE TABLE row (a INTEGER, b INTEGER, c BLOB) STRICT")?;
    let began = Instant::now();
    let mut rows = 0u32;
    while began.elapsed() < Duration::from_millis(1_000) {
        let batch = db.transaction()?;
        {
            let mut insert = batch.prepare_cached("INSERT INTO row VALUES (?1, ?2, ?3)")?;
            for n in 0..4_000u32 {
                insert.execute(rusqlite::params![n, rows, [5u8; 100]])?;
            }
        }
        batch.commit()?;
        rows += 4_000;
    }
    let rate = f64::from(rows) / began.elapsed().as_secs_f64();
    drop(db);
    for name in ["raw.db", "raw.db-wal", "raw.db-shm"] {
        // What is not there needs no removal.
        let _ = std::fs::remove_file(folder.join(name));
    }
    Ok(rate)
}

/// Processor time of the machine so far, in ticks: all, and what others took from it.
#[derive(Clone, Copy, Debug)]
pub struct Ticks {
    all: u64,
    stolen: u64,
}

/// Reads `/proc/stat`.
///
/// # Errors
/// It is not there.
pub fn ticks() -> anyhow::Result<Ticks> {
    let text = std::fs::read_to_string("/proc/stat")?;
    let line = text.lines().next().unwrap_or_default();
    let numbers: Vec<u64> = line
        .split_whitespace()
        .skip(1)
        .filter_map(|n| n.parse().ok())
        .collect();
    Ok(Ticks {
        all: numbers.iter().take(8).sum(),
        stolen: numbers.get(7).copied().unwrap_or(0),
    })
}

/// The share of time that was stolen between two readings, in percent.
#[must_use]
pub fn stolen_percent(before: Ticks, after: Ticks) -> f64 {
    let all = after.all.saturating_sub(before.all).max(1);
    100.0 * after.stolen.saturating_sub(before.stolen) as f64 / all as f64
}

/// What a process took so far.
#[derive(Clone, Copy, Debug, Default)]
pub struct Taken {
    /// Processor seconds.
    pub cpu: f64,
    /// Resident memory, in bytes.
    pub rss: u64,
}

/// Reads `/proc/PID`.
///
/// # Errors
/// The process is gone.
pub fn taken(pid: u32) -> anyhow::Result<Taken> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let rest = stat.rsplit(')').next().unwrap_or_default();
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let ticks: u64 = [11, 12]
        .iter()
        .filter_map(|at| fields.get(*at)?.parse::<u64>().ok())
        .sum();
    let pages: u64 = fields
        .get(21)
        .and_then(|pages| pages.parse().ok())
        .unwrap_or(0);
    Ok(Taken {
        cpu: ticks as f64 / 100.0,
        rss: pages * 4096,
    })
}

/// The bytes of all files below a folder.
///
/// # Errors
/// The folder cannot be read.
pub fn bytes_below(folder: &Path) -> anyhow::Result<u64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let about = entry.metadata()?;
        bytes += if about.is_dir() {
            bytes_below(&entry.path())?
        } else {
            about.len()
        };
    }
    Ok(bytes)
}
