//! Deploy, start, await, look, cancel.

use crate::door::{Door, PATIENCE, key};
use reqwest::Method;
use serde_json::json;
use std::time::Instant;

#[tokio::test]
async fn a_deployment_tells_what_it_made_and_the_same_file_makes_nothing_new() {
    let door = Door::open().await;
    let first = door.deploy("start > pick:job > end").await;
    let process = &first["deployments"][0]["processDefinition"];
    assert_eq!(process["processDefinitionId"], "process");
    assert_eq!(process["processDefinitionVersion"], 1);
    assert_eq!(process["resourceName"], "process.bpmn");
    assert_eq!(process["tenantId"], "<default>");
    key(&first["deploymentKey"]);
    let again = door.deploy("start > pick:job > end").await;
    assert_eq!(again["deployments"], first["deployments"]);
    let changed = door.deploy("start > pack:job > end").await;
    assert_eq!(
        changed["deployments"][0]["processDefinition"]["processDefinitionVersion"],
        2
    );
}

#[tokio::test]
async fn a_deployed_model_is_found_and_read_back() {
    let door = Door::open().await;
    let made = door.deploy("start > pick:job > end").await;
    let version = key(&made["deployments"][0]["processDefinition"]["processDefinitionKey"]);
    let found = door
        .search(
            "process-definitions",
            json!({ "processDefinitionId": "process" }),
        )
        .await;
    assert_eq!(found.len(), 1);
    assert_eq!(found[0]["processDefinitionKey"], *version);
    let got = door
        .get(&format!("/v2/process-definitions/{version}"))
        .await
        .ok();
    assert_eq!(got["version"], 1);
    let xml = door
        .get(&format!("/v2/process-definitions/{version}/xml"))
        .await;
    assert_eq!(xml.status, 200);
    assert!(
        xml.text.contains("<bpmn:process") || xml.text.contains("process id=\"process\""),
        "{}",
        xml.text
    );
    door.get("/v2/process-definitions/99")
        .await
        .refused(404, "not found");
    door.get("/v2/process-definitions/99/xml")
        .await
        .refused(404, "not found");
}

#[tokio::test]
async fn an_instance_is_started_by_id_by_version_and_by_key() {
    let door = Door::open().await;
    let made = door.deploy("start > pick:job > end").await;
    let version = key(&made["deployments"][0]["processDefinition"]["processDefinitionKey"]);
    for body in [
        json!({ "processDefinitionId": "process", "variables": { "a": 1 }, "tags": ["x"], "businessId": "order-1" }),
        json!({ "processDefinitionId": "process", "processDefinitionVersion": -1, "unknownField": true }),
        json!({ "processDefinitionId": "process", "processDefinitionVersion": 1, "tenantId": "<default>" }),
        json!({ "processDefinitionKey": version }),
        json!({ "processDefinitionKey": version.parse::<u64>().unwrap() }),
    ] {
        let started = door.post("/v2/process-instances", body.clone()).await.ok();
        assert_eq!(started["processDefinitionKey"], *version, "{body}");
        assert_eq!(started["processDefinitionVersion"], 1);
        assert_eq!(started["processDefinitionId"], "process");
        assert_eq!(started["variables"], json!({}));
        let instance = key(&started["processInstanceKey"]);
        let got = door
            .get(&format!("/v2/process-instances/{instance}"))
            .await
            .ok();
        assert_eq!(got["state"], "ACTIVE");
        assert_eq!(got["businessId"], body["businessId"]);
        assert_eq!(
            got["tags"],
            if body["tags"].is_null() {
                json!([])
            } else {
                body["tags"].clone()
            }
        );
    }
}

#[tokio::test]
async fn a_start_that_awaits_its_end_answers_with_the_result() {
    let door = Door::open().await;
    door.deploy("start > sum:script(a + 1 -> b) > end").await;
    let body = json!({
        "processDefinitionId": "process", "variables": { "a": 41, "big": 12345678901234567890_u64 }, "awaitCompletion": true,
    });
    let ended = door.post("/v2/process-instances", body).await;
    assert_eq!(ended.ok()["variables"]["b"], 42);
    assert!(
        ended.text.contains("12345678901234567890"),
        "digits are kept: {}",
        ended.text
    );
    let body = json!({
        "processDefinitionId": "process", "variables": { "a": 1 }, "awaitCompletion": true, "fetchVariables": ["b"],
    });
    assert_eq!(
        door.post("/v2/process-instances", body).await.ok()["variables"],
        json!({ "b": 2 })
    );
}

#[tokio::test]
async fn a_start_that_waits_too_long_says_that_the_instance_goes_on() {
    let door = Door::open().await;
    door.deploy("start > pick:job > end").await;
    let body =
        json!({ "processDefinitionId": "process", "awaitCompletion": true, "requestTimeout": 50 });
    door.post("/v2/process-instances", body)
        .await
        .refused(504, "goes on");
    let began = Instant::now();
    while door
        .search("process-instances", json!({ "state": "active" }))
        .await
        .len()
        != 1
    {
        assert!(began.elapsed() < PATIENCE, "it was not started");
    }
}

#[tokio::test]
async fn a_start_that_awaits_a_cancelled_instance_hears_so() {
    let door = Door::open().await;
    door.deploy("start > pick:job > end").await;
    let body = json!({ "processDefinitionId": "process", "awaitCompletion": true, "requestTimeout": 20_000 });
    let cancel = async {
        let job = door.job("pick").await;
        let instance = key(&job["processInstanceKey"]);
        door.post(
            &format!("/v2/process-instances/{instance}/cancellation"),
            json!({}),
        )
        .await
        .ok();
    };
    let (awaited, ()) = tokio::join!(door.post("/v2/process-instances", body), cancel);
    awaited.refused(409, "terminated");
}

#[tokio::test]
async fn the_same_idempotency_key_starts_one_instance() {
    let door = Door::open().await;
    door.deploy("start > sum:script(1 -> b) > end").await;
    let start = |body| {
        let request = door
            .request(Method::POST, "/v2/process-instances")
            .header("idempotency-key", "order 7")
            .json(&body);
        door.send(request)
    };
    let body = json!({ "processDefinitionId": "process", "variables": { "a": 1 } });
    let first = start(body.clone()).await.ok();
    let second = start(body).await.ok();
    assert_eq!(first["processInstanceKey"], second["processInstanceKey"]);
    assert_eq!(
        first["processDefinitionKey"],
        second["processDefinitionKey"]
    );
    let awaited = start(json!({ "processDefinitionId": "process", "awaitCompletion": true }))
        .await
        .ok();
    assert_eq!(awaited["processInstanceKey"], first["processInstanceKey"]);
    assert_eq!(awaited["variables"], json!({ "a": 1, "b": 1 }));
    assert_eq!(door.search("process-instances", json!({})).await.len(), 1);
}

#[tokio::test]
async fn a_cancelled_instance_is_terminated_and_cannot_be_cancelled_again() {
    let door = Door::open().await;
    door.deploy("start > pick:job > end").await;
    let instance = door.start(json!({})).await;
    let path = format!("/v2/process-instances/{instance}/cancellation");
    assert_eq!(
        door.send(door.request(Method::POST, &path)).await.status,
        204
    );
    let got = door
        .get(&format!("/v2/process-instances/{instance}"))
        .await
        .ok();
    assert_eq!(got["state"], "TERMINATED");
    assert!(got["endDate"].as_str().unwrap().ends_with('Z'));
    let refused = door.post(&path, json!({})).await;
    let problem = refused.refused(
        404,
        "Command 'CANCEL' rejected with code 'NOT_FOUND': Expected to cancel a process instance",
    );
    assert_eq!(problem["title"], "NOT_FOUND");
    assert_eq!(problem["instance"], path);
}

#[tokio::test]
async fn a_published_message_moves_who_awaits_it() {
    let door = Door::open().await;
    door.deploy("start > paid:message(paid, key=order) > end")
        .await;
    let instance = door.start(json!({ "order": "7" })).await;
    let body = json!({ "name": "paid", "correlationKey": "7", "timeToLive": 60_000, "messageId": "m", "variables": { "sum": 5 } });
    let published = door
        .post("/v2/messages/publication", body.clone())
        .await
        .ok();
    key(&published["messageKey"]);
    let got = door
        .get(&format!("/v2/process-instances/{instance}"))
        .await
        .ok();
    assert_eq!(got["state"], "COMPLETED");
    let again = door.post("/v2/messages/publication", body).await;
    again.refused(409, "a message with that id was already published");
}

#[tokio::test]
async fn the_coordinator_tells_about_itself() {
    let door = Door::open().await;
    let topology = door.get("/v2/topology").await.ok();
    assert_eq!(
        topology["brokers"][0]["partitions"][0],
        json!({ "partitionId": 1, "role": "leader", "health": "healthy" })
    );
    assert!(
        topology["gatewayVersion"]
            .as_str()
            .unwrap()
            .starts_with("8.9")
    );
    assert_eq!(door.get("/v2/status").await.status, 204);
    assert_eq!(door.get("/v2/license").await.ok()["validLicense"], true);
    assert_eq!(
        door.get("/v2/authentication/me").await.ok()["username"],
        "anonymous"
    );
    assert_eq!(door.get("/health").await.ok()["status"], "UP");
    door.deploy("start > pick:job > end").await;
    door.start(json!({})).await;
    let metrics = door.get("/metrics").await;
    assert!(
        metrics
            .text
            .contains("botswain_http_answers_total{status=\"2xx\"}"),
        "{}",
        metrics.text
    );
    assert!(
        metrics.text.contains("botswain_instances 1\n"),
        "{}",
        metrics.text
    );
}
