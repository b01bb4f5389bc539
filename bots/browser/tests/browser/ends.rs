//! How attempts end before their last step, and that nothing of them stays behind.

use std::time::{Duration, Instant};

use botswain_action::{Cancel, EvidenceFile, Outcome, Runner, StepRecord};
use serde_json::json;

use crate::harness::{self, Case, Site, processes, run, run_with, wait_for};
use crate::{click, open};

#[test]
fn a_host_that_nobody_allowed_does_not_exist() {
    let site = Site::open();
    let go = json!({"type": "waitForExpression", "expression": format!("(location.href = 'http://{}/widgets', true)", site.address)});
    let seen = json!({"type": "waitForElement", "selectors": ["#said"], "timeout": 1500});
    let ran = run(
        &site,
        Case {
            steps: json!([open("/"), go, seen]),
            ..Case::default()
        },
    );
    assert!(
        matches!(ran.outcome, Outcome::Failed { .. }),
        "{:?}",
        ran.outcome
    );
}

/// Cancels the attempt as soon as a step is recorded, from the thread of the run.
struct CancelAfter {
    steps: usize,
    seen: usize,
    cancel: Cancel,
}

impl Runner for CancelAfter {
    fn reach_commit_point(&mut self) -> Result<(), String> {
        Ok(())
    }
    fn record(&mut self, _step: StepRecord) {
        self.seen += 1;
        if self.seen == self.steps {
            self.cancel.cancel();
        }
    }
    fn keep(&mut self, _file: EvidenceFile) {}
}

#[test]
fn a_cancelled_attempt_leaves_no_process_behind() {
    let site = Site::open();
    let folder = tempfile::tempdir().unwrap();
    let cancel = Cancel::new();
    let asked = cancel.clone();
    let path = folder.path().to_owned();
    let watcher = std::thread::spawn(move || {
        wait_for("the browser", || processes(&path).len() > 3);
        asked.cancel();
        Instant::now()
    });
    let case = Case {
        steps: json!([open("/widgets"), {"type": "waitForElement", "selectors": ["#never"], "timeout": 30000}]),
        cancel,
        ..Case::default()
    };
    let mut runner = botswain_action::MemoryRunner::default();
    let outcome = run_with(&site, case, &mut runner, folder.path());
    let asked_at = watcher.join().unwrap();
    assert_eq!(outcome, Outcome::Cancelled { undone: true });
    assert!(
        asked_at.elapsed() < Duration::from_secs(10),
        "{:?}",
        asked_at.elapsed()
    );
    assert!(
        processes(folder.path()).is_empty(),
        "{:?}",
        processes(folder.path())
    );
}

#[test]
fn an_attempt_that_was_cancelled_between_steps_does_not_begin_the_next_one() {
    let site = Site::open();
    let folder = tempfile::tempdir().unwrap();
    let cancel = Cancel::new();
    let mut runner = CancelAfter {
        steps: 1,
        seen: 0,
        cancel: cancel.clone(),
    };
    let case = Case {
        steps: json!([open("/widgets"), click("#twice")]),
        cancel,
        ..Case::default()
    };
    assert_eq!(
        run_with(&site, case, &mut runner, folder.path()),
        Outcome::Cancelled { undone: true }
    );
    assert_eq!(runner.seen, 1);
}

#[test]
fn time_limits_end_a_page_that_never_answers() {
    let site = Site::open();
    let ran = run(
        &site,
        Case {
            steps: json!([open("/slow")]),
            limit: Duration::from_secs(5),
            step_limit: Duration::from_secs(60),
            ..Case::default()
        },
    );
    assert_eq!(ran.outcome, Outcome::TimedOut);
    assert!(processes(ran.folder.path()).is_empty());
    let ran = run(
        &site,
        Case {
            steps: json!([open("/slow")]),
            step_limit: Duration::from_millis(500),
            ..Case::default()
        },
    );
    assert!(
        ran.message().starts_with("step_timeout: step 0"),
        "{}",
        ran.message()
    );
}

/// Panics in the middle of the run.
struct Panics;

impl Runner for Panics {
    fn reach_commit_point(&mut self) -> Result<(), String> {
        Ok(())
    }
    fn record(&mut self, _step: StepRecord) {
        panic!("the runner fails");
    }
    fn keep(&mut self, _file: EvidenceFile) {}
}

#[test]
fn a_panic_leaves_no_process_behind() {
    let site = Site::open();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_owned();
    let died = std::thread::spawn(move || {
        run_with(
            &site,
            Case {
                steps: json!([open("/widgets")]),
                ..Case::default()
            },
            &mut Panics,
            &path,
        )
    })
    .join();
    assert!(died.is_err());
    assert!(
        processes(folder.path()).is_empty(),
        "{:?}",
        processes(folder.path())
    );
}

#[test]
fn a_machine_without_a_browser_says_what_to_install() {
    let site = Site::open();
    let mut settings = harness::settings(&site);
    settings.browser = Some("/nowhere/chromium".into());
    let message = settings.preflight().unwrap_err().to_string();
    assert!(message.contains("BOTSWAIN_BROWSER"), "{message}");
}

/// The other half of the next test, in a process of its own: it waits for an element until it is killed.
#[test]
#[ignore = "started by a_killed_runner_leaves_no_process_behind"]
fn waits_until_it_is_killed() {
    let folder = std::env::var("BOTSWAIN_TEST_FOLDER").unwrap();
    let site = Site::open();
    let steps = json!([open("/widgets"), {"type": "waitForElement", "selectors": ["#never"], "timeout": 30000}]);
    let mut runner = botswain_action::MemoryRunner::default();
    run_with(
        &site,
        Case {
            steps,
            ..Case::default()
        },
        &mut runner,
        std::path::Path::new(&folder),
    );
}

#[test]
fn a_killed_runner_leaves_no_process_behind() {
    let folder = tempfile::tempdir().unwrap();
    let mut runner = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "--ignored", "ends::waits_until_it_is_killed"])
        .env("BOTSWAIN_TEST_FOLDER", folder.path())
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    wait_for("the browser", || processes(folder.path()).len() > 3);
    runner.kill().unwrap();
    runner.wait().unwrap();
    wait_for("the end of the browser", || {
        processes(folder.path()).is_empty()
    });
}
