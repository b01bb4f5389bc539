//! Jobs over HTTP: activation, results, back-off, leases.

use crate::door::{Door, PATIENCE, key};
use reqwest::Method;
use serde_json::json;
use std::time::Instant;

#[tokio::test]
async fn a_worker_takes_a_job_and_completes_it() {
    let door = Door::open().await;
    door.deploy("start > pick:job(header shelf = 7) > end")
        .await;
    let instance = door.start(json!({ "item": "bolt", "other": 1 })).await;
    let body = json!({
        "type": "pick", "timeout": 60_000, "maxJobsToActivate": 5, "worker": "w", "fetchVariable": ["item"], "withLease": true,
    });
    let jobs = door.post("/v2/jobs/activation", body).await.ok();
    let job = &jobs["jobs"][0];
    assert_eq!(jobs["jobs"].as_array().unwrap().len(), 1);
    assert_eq!(job["type"], "pick");
    assert_eq!(job["worker"], "w");
    assert_eq!(job["retries"], 3);
    assert_eq!(job["variables"], json!({ "item": "bolt" }));
    assert_eq!(job["customHeaders"], json!({ "shelf": "7" }));
    assert_eq!(job["processInstanceKey"], *instance);
    assert_eq!(job["elementId"], "pick");
    assert_eq!(job["kind"], "BPMN_ELEMENT");
    assert_eq!(job["listenerEventType"], "UNSPECIFIED");
    assert!(job["deadline"].as_i64().unwrap() > 1_600_000_000_000);
    let path = format!("/v2/jobs/{}/completion", key(&job["jobKey"]));
    let body = json!({ "variables": { "done": true }, "leaseToken": job["leaseToken"] });
    assert_eq!(door.post(&path, body).await.status, 204);
    assert_eq!(
        door.get(&format!("/v2/process-instances/{instance}"))
            .await
            .ok()["state"],
        "COMPLETED"
    );
    let again = door.send(door.request(Method::POST, &path)).await;
    again.refused(
        404,
        "Command 'COMPLETE' rejected with code 'NOT_FOUND': Expected to complete job with key",
    );
}

#[tokio::test]
async fn a_worker_that_waits_gets_the_job_that_comes_later() {
    let door = Door::open().await;
    door.deploy("start > pick:job > end").await;
    let body = json!({ "type": "pick", "timeout": 60_000, "maxJobsToActivate": 1, "requestTimeout": 20_000 });
    let (jobs, instance) = tokio::join!(
        door.post("/v2/jobs/activation", body),
        door.start(json!({}))
    );
    assert_eq!(jobs.ok()["jobs"][0]["processInstanceKey"], *instance);
}

#[tokio::test]
async fn a_worker_that_waits_in_vain_gets_an_empty_list() {
    let door = Door::open().await;
    for wait in [-1, 30] {
        let began = Instant::now();
        let body = json!({ "type": "none", "timeout": 1000, "maxJobsToActivate": 1, "requestTimeout": wait });
        assert_eq!(
            door.post("/v2/jobs/activation", body).await.ok(),
            json!({ "jobs": [] })
        );
        assert!(began.elapsed() < PATIENCE / 2);
    }
}

#[tokio::test]
async fn a_job_whose_worker_went_away_is_given_to_the_next_one() {
    let door = Door::open().await;
    door.deploy("start > pick:job > end").await;
    let body = json!({ "type": "pick", "timeout": 600_000, "maxJobsToActivate": 1, "requestTimeout": 600_000 });
    // The writer has heard of the first worker when the metrics say that nothing waits; then the worker goes away.
    let gone = door
        .request(Method::POST, "/v2/jobs/activation")
        .json(&body)
        .timeout(std::time::Duration::from_millis(200));
    gone.send().await.unwrap_err();
    door.start(json!({})).await;
    let job = door.job("pick").await;
    assert_eq!(job["retries"], 3);
}

#[tokio::test]
async fn a_failed_job_comes_again_until_its_retries_are_used_up() {
    let door = Door::open().await;
    door.deploy("start > pick:job > end").await;
    let instance = door.start(json!({})).await;
    let first = door.job("pick").await;
    let path = format!("/v2/jobs/{}/failure", key(&first["jobKey"]));
    door.post(
        &path,
        json!({ "retries": 1, "errorMessage": "shelf is empty", "retryBackOff": 1 }),
    )
    .await
    .ok();
    let second = door.job("pick").await;
    assert_eq!(
        (&second["jobKey"], &second["retries"]),
        (&first["jobKey"], &json!(1))
    );
    door.post(&path, json!({ "errorMessage": "still empty" }))
        .await
        .ok();
    let incidents = door
        .search("incidents", json!({ "processInstanceKey": instance }))
        .await;
    assert_eq!(incidents.len(), 1);
    assert_eq!(incidents[0]["errorType"], "JOB_NO_RETRIES");
    assert!(
        incidents[0]["errorMessage"]
            .as_str()
            .unwrap()
            .contains("still empty")
    );
    assert_eq!(incidents[0]["jobKey"], first["jobKey"]);
    let jobs = door
        .search("jobs", json!({ "processInstanceKey": instance }))
        .await;
    assert_eq!(jobs[0]["state"], "FAILED");
}

#[tokio::test]
async fn an_error_takes_the_way_that_the_model_draws() {
    let door = Door::open().await;
    door.deploy("start > pick:job > end; pick@error(SOLD-OUT) > sorry:job > end")
        .await;
    door.start(json!({})).await;
    let job = door.job("pick").await;
    let path = format!("/v2/jobs/{}/error", key(&job["jobKey"]));
    let body =
        json!({ "errorCode": "SOLD-OUT", "errorMessage": "none left", "variables": { "left": 0 } });
    assert_eq!(door.post(&path, body).await.status, 204);
    assert_eq!(door.job("sorry").await["variables"]["left"], 0);
}

#[tokio::test]
async fn a_job_is_changed_while_it_is_open() {
    let door = Door::open().await;
    door.deploy("start > pick:job > end").await;
    door.start(json!({})).await;
    let job = door.job("pick").await;
    let path = format!("/v2/jobs/{}", key(&job["jobKey"]));
    let change = |body| door.call(Method::PATCH, &path, body);
    assert_eq!(
        change(json!({ "changeset": { "retries": 9, "timeout": 1000 } }))
            .await
            .status,
        204
    );
    let found = door
        .search("jobs", json!({ "jobKey": job["jobKey"] }))
        .await;
    assert_eq!(found[0]["retries"], 9);
    change(json!({ "changeset": {} }))
        .await
        .refused(400, "at least one of [retries, timeout]");
    change(json!({}))
        .await
        .refused(400, "at least one of [retries, timeout]");
    change(json!({ "changeset": { "retries": 0 } }))
        .await
        .refused(400, "positive amount of retries");
}
