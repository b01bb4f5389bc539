//! Kills: a coordinator on SQLite is killed under load again and again, and its clients' ledger is compared with what is there.

use botswain_tests::harness::{Coordinator, Ledger};

/// How often it is killed.
const KILLS: u64 = 50;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_is_there_once_however_often_the_coordinator_is_killed()
-> anyhow::Result<()> {
    let seed = std::env::var("BOTSWAIN_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok())
        .unwrap_or(1);
    eprintln!("seed {seed}");
    let folder = tempfile::tempdir()?;
    let mut ledger = Ledger::new(seed);
    let coordinator = Coordinator::start(folder.path())?;
    ledger.deploy(&coordinator).await?;
    ledger.live_and_kill(coordinator).await?;
    while ledger.tally().kills < KILLS {
        let coordinator = Coordinator::start(folder.path())?;
        ledger.audit(&coordinator)?;
        ledger.audit_through_the_door(&coordinator).await?;
        ledger.live_and_kill(coordinator).await?;
    }
    let coordinator = Coordinator::start(folder.path())?;
    ledger.audit(&coordinator)?;
    ledger.finish(&coordinator).await?;
    ledger.audit(&coordinator)?;
    let tally = ledger.tally();
    eprintln!("{tally:?}");
    assert_eq!((tally.kills, tally.unanswered), (KILLS, 0));
    assert!(
        tally.starts > 500 && tally.completions > 500,
        "hardly any load: {tally:?}"
    );
    coordinator.stop()
}
