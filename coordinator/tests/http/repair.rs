//! User tasks, incidents, variables: what people do.

use crate::door::{Door, key};
use reqwest::Method;
use serde_json::json;

#[tokio::test]
async fn a_person_takes_a_task_gives_it_back_and_completes_it() {
    let door = Door::open().await;
    door.deploy("start > check:user(groups=clerks, priority=70) > end")
        .await;
    let instance = door.start(json!({})).await;
    let tasks = door
        .search(
            "user-tasks",
            json!({ "state": "CREATED", "candidateGroup": "clerks" }),
        )
        .await;
    assert_eq!(tasks.len(), 1, "{tasks:?}");
    assert_eq!(tasks[0]["elementId"], "check");
    assert_eq!(tasks[0]["priority"], 70);
    assert_eq!(tasks[0]["processInstanceKey"], *instance);
    let task = format!("/v2/user-tasks/{}", key(&tasks[0]["userTaskKey"]));
    let path = format!("{task}/assignment");
    assert_eq!(
        door.post(&path, json!({ "assignee": "ann" })).await.status,
        204
    );
    assert_eq!(door.get(&task).await.ok()["assignee"], "ann");
    door.post(&path, json!({ "assignee": "bob", "allowOverride": false }))
        .await
        .refused(409, "assigned");
    let unassign = door.request(Method::DELETE, &format!("{task}/assignee"));
    assert_eq!(door.send(unassign).await.status, 204);
    assert_eq!(door.get(&task).await.ok()["assignee"], json!(null));
    door.post(&path, json!({})).await.refused(400, "assignee");
    let done = door
        .post(
            &format!("{task}/completion"),
            json!({ "variables": { "ok": true } }),
        )
        .await;
    assert_eq!(done.status, 204);
    assert_eq!(door.get(&task).await.ok()["state"], "COMPLETED");
    let again = door.post(&format!("{task}/completion"), json!({})).await;
    again.refused(404, "Expected to complete user task with key");
}

#[tokio::test]
async fn an_incident_is_repaired_and_resolved() {
    let door = Door::open().await;
    door.deploy("start > pick:job > end").await;
    let instance = door.start(json!({})).await;
    let job = key(&door.job("pick").await["jobKey"]);
    door.post(&format!("/v2/jobs/{job}/failure"), json!({ "retries": 0 }))
        .await
        .ok();
    let got = door
        .get(&format!("/v2/process-instances/{instance}"))
        .await
        .ok();
    assert_eq!(got["hasIncident"], true);
    let incident =
        key(&door.search("incidents", json!({ "state": "ACTIVE" })).await[0]["incidentKey"]);
    door.call(
        Method::PATCH,
        &format!("/v2/jobs/{job}"),
        json!({ "changeset": { "retries": 2 } }),
    )
    .await
    .ok();
    let path = format!("/v2/incidents/{incident}");
    assert_eq!(
        door.send(door.request(Method::POST, &format!("{path}/resolution")))
            .await
            .status,
        204
    );
    assert_eq!(door.get(&path).await.ok()["state"], "RESOLVED");
    assert_eq!(key(&door.job("pick").await["jobKey"]), job);
    door.post("/v2/incidents/99/resolution", json!({}))
        .await
        .refused(404, "Expected to resolve incident with key '99'");
}

#[tokio::test]
async fn variables_are_set_from_outside() {
    let door = Door::open().await;
    door.deploy("start > pick:job > end").await;
    let instance = door.start(json!({ "a": 1 })).await;
    let path = format!("/v2/element-instances/{instance}/variables");
    let set = |body| door.call(Method::PUT, &path, body);
    assert_eq!(
        set(json!({ "variables": { "a": 2, "b": "x" } }))
            .await
            .status,
        204
    );
    let found = door
        .search(
            "variables",
            json!({ "processInstanceKey": instance, "name": { "$in": ["a", "b"] } }),
        )
        .await;
    let values: Vec<_> = found
        .iter()
        .map(|variable| (variable["name"].clone(), variable["value"].clone()))
        .collect();
    assert_eq!(
        values,
        [(json!("a"), json!("2")), (json!("b"), json!("\"x\""))]
    );
    set(json!({})).await.refused(400, "No variables provided");
    set(json!({ "variables": 7 }))
        .await
        .refused(400, "variables are not a JSON object");
    let missing = door
        .call(
            Method::PUT,
            "/v2/element-instances/99/variables",
            json!({ "variables": {} }),
        )
        .await;
    missing.refused(
        404,
        "Expected to update variables for element with key '99'",
    );
}
