//! Commit: how many microseconds a task costs here, and how many batches a second the disk confirms.
//!
//! `cargo bench -p botswain-store --bench commit [-- INSTANCES]`

#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]

use botswain_engine::{Event, Key, KeySource, Partition, Symbol, Variables};
use botswain_store::rows::{Held, LegKind};
use botswain_store::sqlite::Options;
use botswain_store::{Batch, SqliteStore, Store};
use std::time::{Duration, Instant};
use uuid::Uuid;

const PART: Partition = Partition(1);
const TASKS: usize = 3;

/// One instance on its way: which task is next, and what it waits with.
struct Running {
    root: Key,
    done: usize,
    token: Key,
    job: Key,
}

/// Events of a process with three service tasks, as the engine emits them.
struct Story {
    keys: KeySource,
    definition: Key,
    start: Variables,
    result: Variables,
    events: Vec<(u32, Event)>,
}

impl Story {
    fn new() -> Story {
        // 1 KB of variables when the instance starts, a short result for each task.
        let start = format!(
            r#"{{"customer":{{"name":"Ada","note":"{}"}},"sum":129.5}}"#,
            "x".repeat(950)
        );
        Story {
            keys: KeySource::new(PART, 10),
            definition: Key::new(PART, 1),
            start: Variables::from_json(&start).expect("the text is an object"),
            result: Variables::from_json(r#"{"result":{"ok":true,"number":4711}}"#)
                .expect("the text is an object"),
            events: Vec::new(),
        }
    }

    fn enter(&mut self, root: Key, node: u32) -> Key {
        let token = self.keys.take();
        let (node, flow) = (Symbol(node), Some(Symbol(node + 10)));
        self.events.push((
            0,
            Event::TokenEntered {
                token,
                node,
                scope: root,
                flow,
                payload: Variables::new(),
            },
        ));
        token
    }

    fn job(&mut self, root: Key, node: u32) -> (Key, Key) {
        let (token, job) = (self.enter(root, node), self.keys.take());
        let job_type = ["crm.add-customer", "print-card", "confirm"][node as usize % 3].into();
        self.events.push((
            0,
            Event::JobOpened {
                token,
                job,
                node: Symbol(node),
                job_type,
                retries: 3,
                headers: None,
            },
        ));
        (token, job)
    }

    fn begin(&mut self) -> Running {
        self.events.clear();
        let root = self.keys.take();
        let (definition, node, variables) = (self.definition, Symbol(0), self.start.clone());
        let tags = Vec::new();
        self.events.push((
            0,
            Event::InstanceStarted {
                definition,
                node,
                variables,
                business_id: None,
                tags,
            },
        ));
        let start = self.enter(root, 1);
        self.events.push((
            0,
            Event::TokenLeft {
                token: start,
                completed: true,
            },
        ));
        let (token, job) = self.job(root, 2);
        Running {
            root,
            done: 0,
            token,
            job,
        }
    }

    fn complete(&mut self, running: &mut Running) {
        self.events.clear();
        let Running {
            root, token, job, ..
        } = *running;
        let variables = self.result.clone();
        self.events.push((
            0,
            Event::JobCompleted {
                token,
                job,
                variables: variables.clone(),
            },
        ));
        self.events.push((
            0,
            Event::VariablesSet {
                scope: root,
                variables,
            },
        ));
        self.events.push((
            0,
            Event::TokenLeft {
                token,
                completed: true,
            },
        ));
        running.done += 1;
        if running.done < TASKS {
            (running.token, running.job) = self.job(root, 2 + running.done as u32);
        } else {
            let end = self.enter(root, 9);
            self.events.push((
                0,
                Event::TokenLeft {
                    token: end,
                    completed: true,
                },
            ));
            self.events.push((
                0,
                Event::TokenLeft {
                    token: root,
                    completed: true,
                },
            ));
            self.events
                .push((0, Event::InstanceEnded { completed: true }));
        }
    }
}

/// The processor time of all threads, which a busy machine disturbs less than the clock.
fn processor() -> (Duration, Duration) {
    let usage = nix::sys::resource::getrusage(nix::sys::resource::UsageWho::RUSAGE_SELF)
        .expect("the system counts");
    let time = |t: nix::sys::time::TimeVal| {
        Duration::from_micros((t.tv_sec() * 1_000_000 + t.tv_usec()).unsigned_abs())
    };
    (time(usage.user_time()), time(usage.system_time()))
}

/// The bytes that the process has written to files.
fn written() -> u64 {
    let io = std::fs::read_to_string("/proc/self/io").unwrap_or_default();
    io.lines()
        .find_map(|line| line.strip_prefix("wchar: ")?.parse().ok())
        .unwrap_or(0)
}

#[derive(Default)]
struct Spent {
    project: Duration,
    commit: Duration,
    commits: Vec<Duration>,
    rows: usize,
    bytes: usize,
}

/// Runs instances with `steps` steps in a batch; each instance waits at least one batch between two of its steps.
fn run(instances: usize, steps: usize) -> Spent {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut store = SqliteStore::open(folder.path(), Options::default()).expect("a store opens");
    let recovered = store.recover(PART).expect("a new store recovers");
    let (mut story, mut spent) = (Story::new(), Spent::default());
    let mut batch = Batch::new(PART);
    let (mut seq, mut started, mut ended, mut now) = (0, 0, 0, 1_700_000_000_000);
    let mut waiting = std::collections::VecDeque::new();
    while ended < instances {
        let from = Instant::now();
        seq += 1;
        now += 3;
        batch.begin(recovered.epoch, seq);
        // A quarter of the steps starts instances: each takes one start and three completions.
        let ready = waiting.len();
        let starts = (steps.div_ceil(TASKS + 1))
            .max(steps.saturating_sub(ready))
            .min(instances - started);
        for _ in 0..starts {
            let running = story.begin();
            batch.record(running.root, story.definition, now, &story.events);
            batch.assign(running.job, 1, held(seq));
            waiting.push_back(running);
        }
        started += starts;
        for _ in 0..ready.min(steps - starts.min(steps)) {
            let Some(mut running) = waiting.pop_front() else {
                break;
            };
            story.complete(&mut running);
            batch.record(running.root, story.definition, now, &story.events);
            if running.done < TASKS {
                batch.assign(running.job, 1, held(seq));
                waiting.push_back(running);
            } else {
                ended += 1;
            }
        }
        (batch.keys_used, batch.now) = (story.keys.used(), now);
        spent.rows += batch.rows.len() + batch.journal().len();
        spent.bytes += batch.bytes();
        spent.project += from.elapsed();
        let from = Instant::now();
        store.commit(&batch).expect("a batch commits");
        spent.commits.push(from.elapsed());
    }
    spent.commit = spent.commits.iter().sum();
    let size = std::fs::metadata(folder.path().join("botswain.db")).map_or(0, |file| file.len());
    let log = std::fs::metadata(folder.path().join("botswain.db-wal")).map_or(0, |file| file.len());
    println!(
        "  file {} MB, log {} MB, {} bytes an instance",
        size >> 20,
        log >> 20,
        size / instances as u64
    );
    spent
}

fn held(seq: u64) -> Held {
    Held {
        leg: LegKind::Worker,
        leg_name: "worker".into(),
        holder: "worker-1".into(),
        attempt: Uuid::from_u64_pair(seq, 1),
        lease_until: Some(1_700_000_060_000),
    }
}

fn percentile(sorted: &[Duration], share: f64) -> Duration {
    sorted[((sorted.len() - 1) as f64 * share) as usize]
}

/// Batches that change the marks alone: what the disk costs.
fn raw_rate() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut store = SqliteStore::open(folder.path(), Options::default()).expect("a store opens");
    let recovered = store.recover(PART).expect("a new store recovers");
    let mut batch = Batch::new(PART);
    let mut times = Vec::new();
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(2) {
        let from = Instant::now();
        batch.begin(recovered.epoch, times.len() as u64 + 1);
        store.commit(&batch).expect("a batch commits");
        times.push(from.elapsed());
    }
    times.sort_unstable();
    println!(
        "empty batches: {:.0}/s, p50 {:.0} us, p99 {:.0} us",
        times.len() as f64 / begun.elapsed().as_secs_f64(),
        percentile(&times, 0.5).as_secs_f64() * 1e6,
        percentile(&times, 0.99).as_secs_f64() * 1e6
    );
}

fn main() {
    let instances = std::env::args()
        .skip(1)
        .find_map(|word| word.parse().ok())
        .unwrap_or(100_000);
    raw_rate();
    for steps in [100, 1000] {
        println!(
            "{steps} steps in a batch, {instances} instances with {TASKS} tasks and 1 KB of variables:"
        );
        let (user, system) = processor();
        let before = written();
        let mut spent = run(instances, steps);
        let (user, system) = (processor().0 - user, processor().1 - system);
        spent.commits.sort_unstable();
        let tasks = (instances * TASKS) as f64;
        let us = |time: Duration| time.as_secs_f64() * 1e6 / tasks;
        println!(
            "  {:.2} us a task: {:.2} to record and project, {:.2} to commit; {:.1} rows and {:.0} bytes of journal a task",
            us(spent.project + spent.commit),
            us(spent.project),
            us(spent.commit),
            spent.rows as f64 / tasks,
            spent.bytes as f64 / tasks
        );
        println!(
            "  {:.0} bytes written a task, log and file together",
            (written() - before) as f64 / tasks
        );
        println!(
            "  processor: {:.2} us a task in user mode, {:.2} in system mode",
            us(user),
            us(system)
        );
        println!(
            "  {} commits: p50 {:.1} ms, p99 {:.1} ms, longest {:.1} ms; {:.0} tasks/s",
            spent.commits.len(),
            percentile(&spent.commits, 0.5).as_secs_f64() * 1e3,
            percentile(&spent.commits, 0.99).as_secs_f64() * 1e3,
            percentile(&spent.commits, 1.0).as_secs_f64() * 1e3,
            tasks / (spent.project + spent.commit).as_secs_f64()
        );
    }
}
