//! Crashes: a real agent is killed at every moment of its journal's life, for every effect class, and effects are counted outside.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::fs;

use botswain_proto::ids::AttemptId;
use botswain_proto::message::{EffectClass, Happened, State, TaskEvent};
use support::{Agent, Coordinator, counting_agent, data_folder, task};

const POLICY: &str = "[[allow]]\nname = \"tests\"\nactions = [\"test.*\"]\n";

struct Crash {
    end: TaskEvent,
    /// How often the effect is there.
    count: usize,
    crashed: bool,
}

/// Runs one task through a crash at the fail point and tells what became of it.
async fn crash(fail_point: &str, action: &str, effect: EffectClass) -> Crash {
    let folder = tempfile::tempdir().unwrap();
    let effects = folder.path().join("effects");
    let data = data_folder(folder.path(), POLICY);
    let coordinator = Coordinator::new();
    let address = coordinator.serve().await;
    let args = ["--coordinator", &address, "--plaintext", "--name", "anna"];
    let task = task(action, effect, &effects);
    let attempt = task.attempt;
    coordinator.offer(task);
    let program = counting_agent();
    let mut agent = Agent::start(&program, &data, &args, Some(fail_point));
    let crashed = agent_ends_or(&coordinator, &mut agent, attempt, fail_point).await;
    drop(agent);
    if crashed {
        let _again = Agent::start(&program, &data, &args, None);
        coordinator.until_end(attempt).await;
    }
    let memory = coordinator.memory.lock().unwrap();
    let ends = memory.ends(attempt);
    assert_eq!(ends.len(), 1, "{fail_point} {action}: {ends:#?}");
    let count = fs::read_to_string(&effects).map_or(0, |text| text.lines().count());
    Crash {
        end: ends[0].clone(),
        count,
        crashed,
    }
}

/// True when the agent died at the fail point, false when the attempt came to its end without passing it.
async fn agent_ends_or(
    coordinator: &Coordinator,
    agent: &mut Agent,
    attempt: AttemptId,
    fail_point: &str,
) -> bool {
    // The coordinator's receipts come after the end; some moments lie behind them.
    let after_end = fail_point.starts_with("reported");
    let until = std::time::Instant::now() + support::PATIENCE;
    let mut look = tokio::time::interval(std::time::Duration::from_millis(5));
    while std::time::Instant::now() < until {
        look.tick().await;
        if agent.has_ended() {
            return true;
        }
        if !after_end && !coordinator.memory.lock().unwrap().ends(attempt).is_empty() {
            return agent.has_ended();
        }
    }
    panic!("{fail_point}: neither an end nor a crash");
}

/// What must hold whenever the agent died.
fn judge(fail_point: &str, effect: EffectClass, end: &TaskEvent, count: usize) {
    let told = format!(
        "{fail_point} {effect:?}: {:?} {:?} {count} times",
        end.state, end.reason
    );
    match effect {
        EffectClass::Pure => assert_eq!(end.state, State::Succeeded, "{told}"),
        EffectClass::Idempotent | EffectClass::Checkable => {
            assert_eq!((end.state, count), (State::Succeeded, 1), "{told}");
        }
        EffectClass::AtMostOnce => {
            assert!(count <= 1, "{told}");
            match end.state {
                State::Succeeded => assert_eq!(count, 1, "{told}"),
                State::Unknown => assert_eq!(end.happened, Some(Happened::Maybe), "{told}"),
                State::Failed => {
                    assert_eq!((end.happened, count), (Some(Happened::No), 0), "{told}");
                }
                _ => panic!("{told}"),
            }
            let expected = match fail_point {
                // The commit point is durable; whether the effect is there, only the outside knows.
                "committed.after_sync" | "commit.before_grant" => Some((State::Unknown, Some(0))),
                "commit.after_grant" => Some((State::Unknown, None)),
                "effect.done" | "finished.before_write" | "finished.lost" | "finished.torn" => {
                    Some((State::Unknown, Some(1)))
                }
                // Certainly nothing: the commit point never became durable, so it was never passed.
                "run.before_spawn"
                | "run.after_spawn"
                | "started.after_sync"
                | "committed.before_write"
                | "committed.lost"
                | "committed.torn" => Some((State::Failed, Some(0))),
                // As if nothing had been: the offer comes again.
                "received.before_write"
                | "received.lost"
                | "offer.arrived"
                | "rotate.before_sync" => Some((State::Succeeded, Some(1))),
                "finished.after_sync" => Some((State::Succeeded, Some(1))),
                _ => None,
            };
            if let Some((state, times)) = expected {
                assert_eq!(end.state, state, "{told}");
                assert!(times.is_none_or(|times| times == count), "{told}");
            }
        }
    }
}

/// Kills an agent at every moment. `passed_by` are the moments that work of this class never comes to.
async fn matrix(action: &str, effect: EffectClass, passed_by: &[&str]) {
    let mut never = Vec::new();
    for fail_point in botswain_agent::fail_point::names() {
        let crash = crash(&fail_point, action, effect).await;
        judge(&fail_point, effect, &crash.end, crash.count);
        if !crash.crashed {
            never.push(fail_point);
        }
    }
    // Nobody is refused here; what can wait is not synced by itself.
    let expected = never.iter().all(|name| {
        passed_by
            .iter()
            .chain(&["refused."])
            .any(|prefix| name.starts_with(prefix))
    });
    assert!(expected, "not reached: {never:?}");
}

#[tokio::test]
async fn pure_work_is_done_whenever_the_agent_dies() {
    matrix("test.pure", EffectClass::Pure, &["commit"]).await;
}

#[tokio::test]
async fn idempotent_work_is_done_whenever_the_agent_dies() {
    matrix("test.idempotent", EffectClass::Idempotent, &["commit"]).await;
}

#[tokio::test]
async fn checkable_work_is_done_exactly_once_whenever_the_agent_dies() {
    matrix("test.checkable", EffectClass::Checkable, &[]).await;
}

#[tokio::test]
async fn at_most_once_work_is_never_repeated_whenever_the_agent_dies() {
    matrix("test.at_most_once", EffectClass::AtMostOnce, &[]).await;
}

#[tokio::test]
async fn a_refusal_is_not_lost_whenever_the_agent_dies() {
    for moment in ["before_write", "before_sync", "torn", "lost", "after_sync"] {
        let crash = crash(&format!("refused.{moment}"), "forbidden", EffectClass::Pure).await;
        assert!(crash.crashed, "{moment}");
        assert_eq!((crash.end.state, crash.count), (State::Rejected, 0));
    }
}
