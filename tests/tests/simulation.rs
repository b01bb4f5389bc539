//! The simulation's promises: whatever fails in whatever order, nothing acknowledged is lost and nothing happens twice; and a
//! system that breaks a promise is found out.

use botswain_tests::simulation::{Figures, Variant, run};
use std::sync::atomic::{AtomicU64, Ordering};

/// Seeds that found something once.
const FOUND: [u64; 0] = [];

/// Runs seeds on all processors; panics with the first broken promise.
fn all(seeds: impl Iterator<Item = u64>) -> Figures {
    let seeds: Vec<u64> = seeds.collect();
    let next = AtomicU64::new(0);
    let one = || {
        let mut figures = Figures::default();
        while let Some(seed) = seeds.get(next.fetch_add(1, Ordering::Relaxed) as usize) {
            match run(*seed, Variant::Sound) {
                Ok(of_one) => figures.add(of_one),
                Err(broken) => panic!("{broken}"),
            }
        }
        figures
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..2).map(|_| scope.spawn(one)).collect();
        let mut figures = Figures::default();
        for thread in threads {
            match thread.join() {
                Ok(of_one) => figures.add(of_one),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        figures
    })
}

#[test]
fn nothing_acknowledged_is_lost_and_nothing_happens_twice() {
    // BOTSWAIN_SEEDS=15..16 shows one seed again, BOTSWAIN_SEEDS=1000..9000 looks for more.
    let asked = std::env::var("BOTSWAIN_SEEDS").ok();
    let asked = asked
        .as_deref()
        .and_then(|seeds| seeds.split_once(".."))
        .map(|(from, to)| {
            let number = |text: &str| {
                text.parse::<u64>()
                    .unwrap_or_else(|_| panic!("BOTSWAIN_SEEDS: {text} is no number"))
            };
            number(from)..number(to)
        });
    let figures = match asked {
        Some(seeds) => all(seeds),
        None => all(FOUND.into_iter().chain(0..300)),
    };
    eprintln!("{figures:?}");
    assert!(figures.instances > 0);
}

#[test]
fn the_same_seed_is_the_same_run() {
    assert_eq!(run(7, Variant::Sound), run(7, Variant::Sound));
}

/// The first seed that finds a wrong system out.
fn found_out(variant: Variant) -> String {
    (0..300)
        .find_map(|seed| run(seed, variant).err())
        .unwrap_or_else(|| panic!("{variant:?} was not found out"))
}

#[test]
fn replies_that_leave_before_the_sync_are_found_out() {
    let broken = found_out(Variant::RepliesBeforeSync);
    assert!(broken.contains("acknowledged"), "{broken}");
}

#[test]
fn agents_that_act_before_they_record_are_found_out() {
    let broken = found_out(Variant::AgentsActFirst);
    assert!(
        broken.contains("took effect") || broken.contains("number"),
        "{broken}"
    );
}

#[test]
fn repeated_requests_without_an_id_are_found_out() {
    let broken = found_out(Variant::NoDeduplication);
    assert!(
        broken.contains("started 2 times")
            || broken.contains("times")
            || broken.contains("then to be"),
        "{broken}"
    );
}
