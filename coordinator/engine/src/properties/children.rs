//! Children: very many multi-instance children cost the same each, in steps that stay small, and a segment with a long history
//! is read back.

use crate::check::{START, compile_one};
use crate::command::{Command, Start};
use crate::event::{Event, Record};
use crate::instance::{Instance, Segment};
use crate::key::{KeySource, Partition, SegmentId};
use crate::process::Process;
use crate::step::{Decided, Env, WORK_PER_STEP_MAX, create, step};
use crate::variables::Variables;
use std::time::Duration;

/// The most events that one step may have: each piece of work begins or ends one child, which is a handful of events.
const EVENTS_PER_STEP_MAX: usize = 10 * WORK_PER_STEP_MAX as usize;

/// What was counted while an instance with `children` children began and was cancelled.
#[derive(Debug, Default)]
struct Costs {
    steps: usize,
    events: usize,
    bytes: usize,
    most_events: usize,
}

impl Costs {
    fn count(&mut self, decided: &Decided) {
        self.steps += 1;
        self.events += decided.events.len();
        self.most_events = self.most_events.max(decided.events.len());
        for (_, event) in &decided.events {
            self.bytes += postcard::to_stdvec(event).unwrap().len();
        }
    }
}

fn env(keys: &mut KeySource) -> Env<'_> {
    Env {
        now: START,
        seed: 1,
        keys,
    }
}

fn go_on(process: &Process, instance: &mut Instance, keys: &mut KeySource, costs: &mut Costs) {
    while instance.has_todo() {
        let decided = step(env(keys), process, instance, 0, Command::Continue).unwrap();
        costs.count(&decided);
    }
}

fn begin_and_cancel(children: usize) -> [Costs; 2] {
    // Order lines, as large as they usually are: a number with more digits takes up to four bytes more, and nothing else grows.
    let line = r#"{sku: "A-1000-17", name: "a cup of the usual size", price: 12.5, amount: 3}"#;
    let model = format!(
        "start > each:job(each x in for i in 1..{children} return {line}, collect all = x) > end"
    );
    let process = compile_one(&model);
    let mut keys = KeySource::new(Partition(1), 1_000_000_000);
    let definition = keys.take();
    let (mut instance, decided) = create(env(&mut keys), &process, definition, Start::default());
    let [mut begun, mut cancelled] = [Costs::default(), Costs::default()];
    begun.count(&decided);
    go_on(&process, &mut instance, &mut keys, &mut begun);
    assert_eq!(instance.segments().count(), children + 1);
    let decided = step(env(&mut keys), &process, &mut instance, 0, Command::Cancel).unwrap();
    cancelled.count(&decided);
    go_on(&process, &mut instance, &mut keys, &mut cancelled);
    assert!(instance.segments().all(Segment::has_ended));
    [begun, cancelled]
}

fn is_about(one: f64, other: f64, percent: f64) -> bool {
    (one - other).abs() <= one * percent / 100.0
}

#[test]
fn each_child_costs_the_same_however_many_there_are() {
    let mut sizes = vec![1_000, 10_000];
    if !cfg!(debug_assertions) || std::env::var_os("BOTSWAIN_CASES").is_some() {
        sizes.push(100_000);
    }
    let mut first: Option<[(f64, f64); 2]> = None;
    for children in sizes {
        let costs = begin_and_cancel(children);
        let each = costs.each_ref().map(|costs| {
            let n = children as f64;
            (costs.events as f64 / n, costs.bytes as f64 / n)
        });
        for (what, (costs, each)) in ["begun", "cancelled"].iter().zip(costs.iter().zip(each)) {
            println!(
                "{children} children {what}: {} steps, at most {} events in one, {:.2} events and {:.1} bytes a child",
                costs.steps, costs.most_events, each.0, each.1
            );
            assert!(costs.most_events <= EVENTS_PER_STEP_MAX, "{costs:?}");
            assert!(costs.steps >= children / WORK_PER_STEP_MAX as usize);
        }
        let first = first.get_or_insert(each);
        for (one, other) in first.iter().zip(&each) {
            assert!(is_about(one.0, other.0, 2.0), "events: {one:?} {other:?}");
        }
        let bytes = |both: &[(f64, f64); 2]| both[0].1 + both[1].1;
        let (one, other) = (bytes(first), bytes(&each));
        assert!(is_about(one, other, 2.0), "bytes: {one} {other}");
    }
}

/// How often a loop with one job turns before its segment is read back.
const TURNS: usize = 20_000;

#[test]
fn a_segment_is_read_back_after_many_events() {
    let process =
        compile_one("start > again:xor > a:job > more:xor > ([n < 0] end | [else] again)");
    let mut keys = KeySource::new(Partition(1), 0);
    let definition = keys.take();
    let start = Start {
        variables: Variables::from_json(r#"{"n":0}"#).unwrap(),
        ..Start::default()
    };
    let (mut instance, decided) = create(env(&mut keys), &process, definition, start);
    let root = SegmentId::root(instance.root().unwrap().id().root);
    let mut journal: Vec<Vec<u8>> = Vec::new();
    let mut events = 0;
    let mut keep = |decided: Decided| {
        let all: Vec<Event> = decided.events.into_iter().map(|(_, event)| event).collect();
        events += all.len();
        let record = Record {
            at: START,
            events: all,
        };
        journal.push(postcard::to_stdvec(&record).unwrap());
    };
    keep(decided);
    for turn in 0..TURNS {
        let job = instance.root().unwrap().tokens()[1].job().unwrap().key;
        let variables = Variables::from_json(&format!(r#"{{"n":{turn}}}"#)).unwrap();
        let done = Command::CompleteJob { job, variables };
        keep(step(env(&mut keys), &process, &mut instance, 0, done).unwrap());
    }
    let mut reloaded = Instance::new();
    let took = measured(|| {
        for stored in &journal {
            reloaded.replay(root, &postcard::from_bytes(stored).unwrap());
        }
    });
    assert_eq!(reloaded, instance);
    let bytes: usize = journal.iter().map(Vec::len).sum();
    println!("{events} events of {bytes} bytes were read back in {took:?}");
}

/// How long something takes, for people to read: nothing is decided by it.
#[expect(
    clippy::disallowed_methods,
    reason = "a test tells how fast the engine is; the engine reads no clock"
)]
fn measured(work: impl FnOnce()) -> Duration {
    let before = std::time::Instant::now();
    work();
    before.elapsed()
}
