//! A full database: writes are refused with the remedy, reads go on, and nothing that was acknowledged is lost.

use crate::door::Door;
use botswain_store::sqlite::Options;
use serde_json::json;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Far more than fit into the small database.
const STARTS_MAX: usize = 2_000;

#[tokio::test]
async fn a_full_database_refuses_reads_on_and_resumes_with_room() {
    let folder = Arc::new(tempfile::tempdir().unwrap());
    let small = Options {
        pages_max: Some(160),
        ..Options::default()
    };
    let door = Door::on(folder, small, None, |state| state).await;
    door.deploy("start > pick:job > end").await;
    let filling = "x".repeat(4_000);
    let mut acknowledged = BTreeSet::new();
    let body = json!({ "processDefinitionId": "process", "variables": { "filling": filling } });
    let refused = loop {
        assert!(
            acknowledged.len() < STARTS_MAX,
            "the database is never full"
        );
        let answer = door.post("/v2/process-instances", body.clone()).await;
        if answer.status != 200 {
            break answer;
        }
        acknowledged.insert(
            answer.json()["processInstanceKey"]
                .as_str()
                .unwrap()
                .to_owned(),
        );
    };
    let problem = refused.refused(503, "the database is full: free space");
    assert_eq!(problem["title"], "RESOURCE_EXHAUSTED");
    let found = |items: Vec<serde_json::Value>| -> BTreeSet<String> {
        items
            .iter()
            .map(|item| item["processInstanceKey"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(
        found(door.search("process-instances", json!({})).await),
        acknowledged
    );
    let door = Door::on(door.close(), Options::default(), None, |state| state).await;
    assert_eq!(
        found(door.search("process-instances", json!({})).await),
        acknowledged
    );
    door.post("/v2/process-instances", body).await.ok();
    let job = door.job("pick").await;
    let path = format!("/v2/jobs/{}/completion", job["jobKey"].as_str().unwrap());
    assert_eq!(door.post(&path, json!({})).await.status, 204);
}
