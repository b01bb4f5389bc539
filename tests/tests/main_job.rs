//! The main job with everything real: programs, browser, screen, editor, databases; and somebody else's model, unmodified.

#![expect(
    clippy::unwrap_used,
    reason = "a test ends where something is not as it should be"
)]

use std::path::{Path, PathBuf};
use std::time::Duration;

use botswain_tests::conformance::corpus;
use botswain_tests::crm::Door;
use botswain_tests::demo::job::{Application, Done, Run};
use botswain_tests::demo::programs::Programs;
use botswain_tests::demo::report;
use botswain_tests::demo::stage::{Choice, Stage};
use serde_json::{Value, json};

/// How long one half of the job may take on a busy machine.
const HALF: Duration = Duration::from_secs(300);

async fn stage(folder: &Path) -> Stage {
    let choice = Choice {
        own_screen: true,
        tells: false,
    };
    Stage::set(folder, &Programs::of_the_test().unwrap(), choice)
        .await
        .unwrap()
}

fn begin(stage: &Stage, application: Application) -> Run {
    let key = stage
        .operator
        .start(
            "onboarding",
            &application.reference,
            &application.variables(),
        )
        .unwrap();
    Run::new(application, key)
}

async fn over(stage: &Stage, instance: &str) {
    let over = stage
        .until(
            &format!("the end of instance {instance}"),
            HALF,
            async || {
                let state = stage.door.state(instance).await?;
                Ok((state != "ACTIVE").then_some(state))
            },
        )
        .await;
    if let Err(error) = over {
        panic!("{error:#}; {}", stage.door.why(instance).await.unwrap());
    }
}

#[tokio::test]
async fn a_task_moves_from_a_bot_to_an_api_and_every_customer_exists_once() {
    let folder = tempfile::tempdir().unwrap();
    let stage = stage(folder.path()).await;
    let mut runs = vec![
        begin(&stage, Application::good(1)),
        begin(&stage, Application::poor(2)),
        begin(&stage, Application::good(3)),
    ];
    // The bot has both customers; nothing else is over before the route changes.
    for run in [&runs[0], &runs[2]] {
        stage
            .until("the bot to take a customer", HALF, async || {
                Ok((!stage.door.attempts(&run.instance).await?.is_empty()).then_some(()))
            })
            .await
            .unwrap();
    }
    stage
        .operator
        .run(&["route", "set", "crm.add-customer", "connector:crm-api"])
        .unwrap();
    runs.push(begin(&stage, Application::good(4)));
    runs.push(begin(&stage, Application::poor(5)));
    let mut done = Vec::new();
    for run in &runs {
        over(&stage, &run.instance).await;
        done.push(Done::read(&stage.door, run).await.unwrap());
    }

    let records = stage.records().unwrap();
    assert_eq!(
        report::problems(&done, &records, &stage.folder).unwrap(),
        [""; 0]
    );
    assert_eq!(
        (records.by_door(Door::Web), records.by_door(Door::Api)),
        (2, 1)
    );
    for instance in &done {
        for attempt in &instance.attempts {
            let files: Vec<&str> = instance
                .evidence
                .iter()
                .filter(|file| file.attempt == attempt.attempt)
                .map(|file| file.name.as_str())
                .collect();
            let expected = match attempt.leg.as_str() {
                "bot:crm-add-customer@1" | "bot:letter-write@1" => {
                    &["steps.jsonl", "before-commit.png", "after-commit.png"][..]
                }
                "bot:card-print@1" => &["steps.jsonl", "print.stdout.txt"],
                _ => &["call.json"],
            };
            for name in expected {
                assert!(
                    files.contains(name),
                    "{name} is missing: {attempt:?} {files:?}"
                );
            }
        }
    }
    let saved = folder.path().join("saved");
    let files = report::save(&stage.door, &done, &saved).await.unwrap();
    assert_eq!(
        files,
        done.iter().map(|done| done.evidence.len()).sum::<usize>()
    );
    no_secret_is_told(&stage, &saved);
    stage.strike().unwrap();
}

/// Only the CRM's own file and the coordinator's file of secrets hold them.
fn no_secret_is_told(stage: &Stage, saved: &Path) {
    let credentials =
        botswain_tests::crm::Credentials::load_or_create(&stage.folder.join("crm")).unwrap();
    let mut open = vec![
        saved.to_owned(),
        stage.folder.join("logs"),
        stage.folder.join("coordinator"),
        stage.folder.join("agent"),
    ];
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(
                std::fs::read_dir(path)
                    .unwrap()
                    .map(|entry| entry.unwrap().path()),
            );
        } else if path.is_file() {
            let bytes = std::fs::read(&path).unwrap();
            for secret in [&credentials.password, &credentials.api_token] {
                let found = bytes
                    .windows(secret.len())
                    .any(|part| part == secret.as_bytes());
                assert!(!found, "{} holds a secret", path.display());
            }
        }
    }
}

/// Somebody else's onboarding model where it is, else one of the same shape.
fn approval_model() -> (PathBuf, &'static str) {
    let theirs =
        corpus::folder("models/zeebe/berndruecker+customer-onboarding-camunda-8-springboot");
    let theirs = theirs.and_then(|folder| corpus::files(&folder, ".bpmn").pop());
    match theirs {
        Some(model) => (model, "customer-onboarding"),
        None => {
            let ours = Path::new(env!("CARGO_MANIFEST_DIR"))
                .join("models")
                .join("approved-by-a-person.bpmn");
            (ours, "approved-by-a-person")
        }
    }
}

#[tokio::test]
async fn an_unmodified_model_is_served_by_a_route_and_by_workers_over_http() {
    let folder = tempfile::tempdir().unwrap();
    let stage = stage(folder.path()).await;
    let (model, process) = approval_model();
    stage
        .operator
        .run(&["deploy", model.to_str().unwrap()])
        .unwrap();
    stage
        .operator
        .run(&["route", "set", "addCustomerToCrm", "connector:crm-api"])
        .unwrap();
    let start = |reference: &str| {
        let variables = json!({
            "reference": reference, "name": "Bernd Brot", "email": format!("{reference}@example.com"),
            "phone": null, "customerType": "private",
        });
        stage
            .operator
            .start(process, reference, &variables)
            .unwrap()
    };
    for (reference, accepted) in [("order-1", true), ("order-2", false)] {
        let instance = start(reference);
        let job = work(&stage, "scoreCustomer", &json!({"score": 72})).await;
        assert_eq!(job["processInstanceKey"], instance.as_str());
        let approval = json!({"automaticProcessing": accepted});
        let job = work(&stage, "io.camunda.zeebe:userTask", &approval).await;
        assert_eq!(job["variables"]["score"], 72);
        over(&stage, &instance).await;
        assert_eq!(stage.door.state(&instance).await.unwrap(), "COMPLETED");
        let number = stage
            .door
            .variable(&instance, "customerNumber")
            .await
            .unwrap();
        assert_eq!(number.is_some(), accepted, "{reference}: {number:?}");
    }
    let records = stage.records().unwrap();
    let references: Vec<&str> = records
        .customers
        .iter()
        .map(|one| one.reference.as_str())
        .collect();
    assert_eq!(references, ["order-1"]);
    stage.strike().unwrap();
}

/// A worker that does one job, with nothing but HTTP.
async fn work(stage: &Stage, job_type: &str, variables: &Value) -> Value {
    let ask = json!({
        "type": job_type, "worker": "a worker over HTTP", "timeout": 60_000, "maxJobsToActivate": 1, "requestTimeout": 20_000,
    });
    let answer = stage.door.post("/v2/jobs/activation", &ask).await.unwrap();
    let job = answer["jobs"][0].clone();
    let key = job["jobKey"]
        .as_str()
        .unwrap_or_else(|| panic!("no job {job_type}: {answer}"));
    stage
        .door
        .post(
            &format!("/v2/jobs/{key}/completion"),
            &json!({ "variables": variables }),
        )
        .await
        .unwrap();
    job
}
