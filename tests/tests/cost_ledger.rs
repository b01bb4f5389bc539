//! The cost ledger: what a task and an instance cost in events, bytes, rows and allocations. Noise can't touch these figures, so a
//! change of them is a decision: `UPDATE_EXPECT=1` renews them, and the commit says why.

use botswain_engine::event::Event;
use botswain_engine::{
    Command, Decided, Env, Instance, Key, KeySource, Partition, Process, SegmentId, Start,
    Variables, compile, create, step,
};
use botswain_store::Batch;
use expect_test::expect;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::fmt::Write as _;

const NOW: i64 = 1_700_000_000_000;

/// The system's allocator, which also counts what this thread asks for.
struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

#[expect(
    unsafe_code,
    reason = "an allocator can be counted in no other way; all is handed on to the system's"
)]
// SAFETY: every call is handed on to the system's allocator unchanged; the counter is a constant-initialized cell without a
// destructor, so that touching it never allocates.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract of `dealloc`, and the block came from the system's allocator.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, bytes: usize) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller keeps the contract of `realloc`, and the block came from the system's allocator.
        unsafe { System.realloc(pointer, layout, bytes) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn counted<T>(work: impl FnOnce() -> T) -> (T, u64) {
    let before = ALLOCATIONS.get();
    let result = work();
    (result, ALLOCATIONS.get() - before)
}

/// What one step cost.
#[derive(Clone, Copy, Default)]
struct Cost {
    events: usize,
    journal_bytes: usize,
    rows: usize,
    step_allocations: u64,
    batch_allocations: u64,
}

impl Cost {
    fn add(&mut self, other: Cost) {
        self.events += other.events;
        self.journal_bytes += other.journal_bytes;
        self.rows += other.rows;
        self.step_allocations += other.step_allocations;
        self.batch_allocations += other.batch_allocations;
    }

    fn line(self, what: &str, text: &mut String) {
        let _ = writeln!(
            text,
            "{what}: {} events, {} journal bytes, {} row changes, {} allocations in the step, {} in the batch",
            self.events,
            self.journal_bytes,
            self.rows,
            self.step_allocations,
            self.batch_allocations
        );
    }
}

struct Ledger {
    process: Process,
    definition: Key,
    keys: KeySource,
    instance: Instance,
    /// Begun anew for every step.
    alone: Batch,
    /// Holds the whole instance, as group commit does.
    whole: Batch,
    costs: Vec<Cost>,
}

impl Ledger {
    fn start(model: &str, variables: &Variables) -> Ledger {
        let process = compile(&botswain_bpmn::build(model))
            .expect("the model compiles")
            .remove(0);
        let mut keys = KeySource::new(Partition(1), 1_000_000);
        let definition = keys.take();
        let start = Start {
            variables: variables.clone(),
            ..Start::default()
        };
        let ((instance, decided), allocations) = counted(|| {
            let env = Env {
                now: NOW,
                seed: 1,
                keys: &mut keys,
            };
            create(env, &process, definition, start)
        });
        let mut ledger = Ledger {
            process,
            definition,
            keys,
            instance,
            alone: Batch::new(Partition(1)),
            whole: Batch::new(Partition(1)),
            costs: Vec::new(),
        };
        ledger.enter(&decided, allocations);
        ledger
    }

    fn complete_the_job(&mut self, variables: &Variables) {
        let root = self.instance.root().expect("it is in memory");
        let job = root.tokens().iter().find_map(|token| token.job());
        let job = job.expect("a job is open").key;
        let variables = variables.clone();
        let Ledger {
            process,
            keys,
            instance,
            ..
        } = self;
        let (decided, allocations) = counted(|| {
            let env = Env {
                now: NOW,
                seed: 1,
                keys,
            };
            step(
                env,
                process,
                instance,
                0,
                Command::CompleteJob { job, variables },
            )
        });
        self.enter(&decided.expect("the job is open"), allocations);
    }

    fn enter(&mut self, decided: &Decided, step_allocations: u64) {
        let events: &[(u32, Event)] = &decided.events;
        let root = self.root();
        self.alone.begin(1, 1);
        let ((), batch_allocations) = counted(|| {
            self.alone.record(root.root, self.definition, NOW, events);
        });
        self.whole.record(root.root, self.definition, NOW, events);
        self.costs.push(Cost {
            events: events.len(),
            journal_bytes: self.alone.bytes(),
            rows: self.alone.rows.len(),
            step_allocations,
            batch_allocations,
        });
    }

    fn root(&self) -> SegmentId {
        self.instance.root().expect("it is in memory").id()
    }
}

#[test]
fn three_tasks_with_a_kilobyte_of_variables() {
    let text = format!(
        r#"{{"customer":{{"name":"Ann","city":"Ulm"}},"order":17,"note":"{}"}}"#,
        "x".repeat(950)
    );
    let variables = Variables::from_json(&text).expect("an object");
    let result = Variables::from_json(r#"{"score":42}"#).expect("an object");
    let mut ledger = Ledger::start("start > a:job > b:job > c:job > end", &variables);
    let mut text = String::new();
    for _ in 0..3 {
        ledger.complete_the_job(&result);
    }
    let mut all = Cost::default();
    for (what, cost) in ["start", "first task", "second task", "third task and end"]
        .iter()
        .zip(&ledger.costs)
    {
        cost.line(what, &mut text);
        all.add(*cost);
    }
    all.line("the instance, a batch for each step", &mut text);
    let _ = writeln!(
        text,
        "the instance, one batch: {} journal bytes, {} row changes",
        ledger.whole.bytes(),
        ledger.whole.rows.len()
    );
    expect![[r#"
        start: 5 events, 1099 journal bytes, 10 row changes, 11 allocations in the step, 17 in the batch
        first task: 5 events, 107 journal bytes, 6 row changes, 14 allocations in the step, 0 in the batch
        second task: 5 events, 107 journal bytes, 6 row changes, 13 allocations in the step, 0 in the batch
        third task and end: 7 events, 107 journal bytes, 7 row changes, 13 allocations in the step, 0 in the batch
        the instance, a batch for each step: 22 events, 1420 journal bytes, 29 row changes, 51 allocations in the step, 17 in the batch
        the instance, one batch: 1417 journal bytes, 16 row changes
    "#]].assert_eq(&text);
}
