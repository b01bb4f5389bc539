//! Speed: what the worker path costs per job. Not part of the ordinary run, because it measures the machine.

use crate::dispatch::*;
use botswain_engine::key::{Key, SegmentId};
use std::time::Instant;

#[test]
#[ignore = "a measurement: cargo test --release -- --ignored --nocapture dispatch"]
fn the_worker_path_costs_well_below_a_microsecond_per_job() {
    const JOBS: u64 = 2_000_000;
    const BATCH: u64 = 1_000;
    let mut desk = Desk::new(Settings::default());
    let mut now = Now { mono: 0, wall: 0 };
    for session in 1..=4 {
        let wish = Subscription {
            id: 1,
            job_type: "pick".into(),
            worker: "w".into(),
            credits: 1 << 20,
            lease_ms: 300_000,
        };
        desk.subscribe(SessionId(session), wish)
            .expect("the first subscription of the session");
    }
    let mut given = Vec::new();
    let began = Instant::now();
    for batch in 0..JOBS / BATCH {
        now = Now {
            mono: now.mono + 12,
            wall: now.wall + 12,
        };
        for number in 0..BATCH {
            let key = Key::from_u64(batch * BATCH + number + 1);
            desk.open(
                Job {
                    key,
                    segment: SegmentId::root(key),
                    token: key,
                    job_type: "pick".into(),
                    priority: 0,
                    retries: 3,
                    available_at: 0,
                    fence: 0,
                },
                now,
            );
        }
        given.clear();
        desk.assign(now, usize::MAX, &mut given);
        for one in &given {
            desk.worker_result(one.job, one.fence)
                .expect("its holder has it");
            desk.close(one.job, Closed::Done);
        }
        for session in 1..=4 {
            desk.credits(SessionId(session), 1, 1_000);
        }
        drop(desk.take_outbox());
    }
    let nanos = began.elapsed().as_nanos() / u128::from(JOBS);
    eprintln!("open + assign + result + close: {nanos} ns per job");
}
