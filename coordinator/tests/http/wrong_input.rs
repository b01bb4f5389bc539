//! Wrong input at every path: a clear error, nothing lost, and the coordinator goes on.

use crate::door::Door;
use reqwest::Method;
use serde_json::{Value, json};

const BROKEN: &str =
    "<definitions xmlns=\"http://www.omg.org/spec/BPMN/20100524/MODEL\"><process id=\"a\">";

#[tokio::test]
async fn a_model_that_cannot_run_is_refused_with_every_problem() {
    let door = Door::open().await;
    let broken = door.deploy_files(&[("broken.bpmn", BROKEN)]).await;
    let detail = broken.refused(400, "'broken.bpmn'")["detail"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(detail.starts_with(
        "Command 'CREATE' rejected with code 'INVALID_ARGUMENT': Expected to deploy new resources"
    ));
    assert!(detail.contains("line 1"), "{detail}");
    door.deploy_files(&[("words.bpmn", "hello")])
        .await
        .refused(400, "'words.bpmn'");
    door.deploy_files(&[("empty.bpmn", "")])
        .await
        .refused(400, "'empty.bpmn'");
    let good = botswain_bpmn::write(&botswain_bpmn::build(
        "start > pick:job(header a = b) > end",
    ));
    let unknown = good.replace("serviceTask", "servicTask");
    door.deploy_files(&[("unknown.bpmn", &unknown)])
        .await
        .refused(400, "servicTask");
    let feel = botswain_bpmn::write(&botswain_bpmn::build(
        "start > big:xor > ([1 + 1 > 1] pick:job | [else]) > end",
    ));
    let feel = feel
        .replace("1 + 1 &gt; 1", "1 + + &gt; (")
        .replace("1 + 1 > 1", "1 + + > (");
    door.deploy_files(&[("feel.bpmn", &feel)])
        .await
        .refused(400, "ERROR");
    // Nothing of a deployment remains when one of its files is wrong.
    door.deploy_files(&[("good.bpmn", &good), ("broken.bpmn", BROKEN)])
        .await
        .refused(400, "'broken.bpmn'");
    assert!(
        door.search("process-definitions", json!({}))
            .await
            .is_empty()
    );
    door.deploy_files(&[])
        .await
        .refused(400, "at least one resource");
    door.post("/v2/deployments", json!({}))
        .await
        .refused(400, "multipart/form-data");
    let cut = door
        .text(
            "/v2/deployments",
            "multipart/form-data; boundary=edge",
            "--edge\r\nContent-Dispo",
        )
        .await;
    cut.refused(400, "could not be read");
    door.deploy_files(&[("good.bpmn", &good)]).await.ok();
}

#[tokio::test]
async fn a_start_that_makes_no_sense_names_the_field() {
    let door = Door::open().await;
    door.deploy("start > pick:job > end").await;
    let id = |mut more: Value| {
        more["processDefinitionId"] = json!("process");
        more
    };
    for (body, status, part) in [
        (
            json!({}),
            400,
            "At least one of [processDefinitionId, processDefinitionKey] is required",
        ),
        (
            id(json!({ "processDefinitionKey": "1" })),
            400,
            "Only one of",
        ),
        (
            json!({ "processDefinitionId": "none" }),
            404,
            "Expected to find process definition with process ID 'none', but none found",
        ),
        (
            json!({ "processDefinitionKey": "99" }),
            404,
            "Expected to find process definition with key '99', but none found",
        ),
        (
            json!({ "processDefinitionKey": "x" }),
            400,
            "field 'processDefinitionKey': expected a key",
        ),
        (
            json!({ "processDefinitionId": 7 }),
            400,
            "field 'processDefinitionId': expected text, found 7",
        ),
        (
            id(json!({ "processDefinitionVersion": 9 })),
            404,
            "and version '9', but none found",
        ),
        (
            id(json!({ "processDefinitionVersion": "one" })),
            400,
            "field 'processDefinitionVersion': expected a whole number",
        ),
        (
            id(json!({ "variables": [1] })),
            400,
            "field 'variables': variables are not a JSON object",
        ),
        (id(json!({ "variables": "x" })), 400, "found a string"),
        (
            id(json!({ "tenantId": "acme" })),
            400,
            "multi-tenancy is disabled",
        ),
        (
            id(json!({ "tags": vec!["a"; 11] })),
            400,
            "field 'tags': expected at most 10",
        ),
        (id(json!({ "businessId": "" })), 400, "field 'businessId'"),
        (
            id(json!({ "startInstructions": [{ "elementId": "pick" }] })),
            400,
            "field 'startInstructions'",
        ),
        (
            id(json!({ "awaitCompletion": "yes" })),
            400,
            "field 'awaitCompletion': expected true or false, found \"yes\"",
        ),
    ] {
        door.post("/v2/process-instances", body)
            .await
            .refused(status, part);
    }
    assert!(door.search("process-instances", json!({})).await.is_empty());
}

#[tokio::test]
async fn a_body_that_is_no_json_is_refused_at_every_path() {
    let door = Door::open().await;
    let paths = [
        "/v2/process-instances",
        "/v2/process-instances/search",
        "/v2/process-instances/5/cancellation",
        "/v2/jobs/activation",
        "/v2/jobs/5/completion",
        "/v2/jobs/5/failure",
        "/v2/jobs/5/error",
        "/v2/jobs/search",
        "/v2/messages/publication",
        "/v2/user-tasks/search",
        "/v2/user-tasks/5/completion",
        "/v2/user-tasks/5/assignment",
        "/v2/incidents/search",
        "/v2/incidents/5/resolution",
        "/v2/element-instances/search",
        "/v2/variables/search",
        "/v2/process-definitions/search",
        "/botswain/v1/agent-tokens",
    ];
    for path in paths {
        for (body, part) in [
            ("{\"a\": ", "not valid JSON"),
            ("[1]", "not a JSON object"),
            ("\"x\"", "not a JSON object"),
        ] {
            door.text(path, "application/json", body)
                .await
                .refused(400, part);
        }
        let latin = door
            .text(path, "application/json", vec![b'{', 0xff, b'}'])
            .await;
        latin.refused(400, "not UTF-8 at byte 1");
        door.text(path, "text/plain", "{}")
            .await
            .refused(415, "Content-Type: application/json");
        let deep = format!(
            "{{\"variables\": {{\"a\": {}1{}}}}}",
            "[".repeat(100_000),
            "]".repeat(100_000)
        );
        // Some paths have no use for such a field; what counts is that they answer.
        assert_ne!(
            door.text(path, "application/json", deep).await.status,
            500,
            "{path}"
        );
    }
    assert_eq!(door.get("/health").await.status, 200);
}

#[tokio::test]
async fn a_body_of_ten_megabytes_is_refused_with_the_limit() {
    let door = Door::open().await;
    door.deploy("start > pick:job > end").await;
    let long = "x".repeat(10_000_000);
    let body = json!({ "processDefinitionId": "process", "variables": { "long": long } });
    door.post("/v2/process-instances", body)
        .await
        .refused(413, "10000000 bytes (10 MB)");
    door.deploy_files(&[("long.bpmn", &long)])
        .await
        .refused(413, "10000000 bytes");
    let body =
        json!({ "processDefinitionId": "process", "variables": { "long": &long[..5_000_000] } });
    let value = door.post("/v2/process-instances", body).await;
    value.refused(
        400,
        "the value of variable 'long' has 5000002 bytes, the limit is 4194304",
    );
    let deep = format!("{}1{}", "[".repeat(200), "]".repeat(200));
    let body =
        format!("{{\"processDefinitionId\": \"process\", \"variables\": {{\"deep\": {deep}}}}}");
    door.text("/v2/process-instances", "application/json", body)
        .await
        .refused(400, "nested deeper than");
    door.start(json!({ "fits": &long[..4_000_000] })).await;
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    let door = Door::open().await;
    let word =
        |verb: &str| format!("Expected to {verb} job with key '99', but no such job was found");
    door.post("/v2/jobs/99/completion", json!({}))
        .await
        .refused(404, &word("complete"));
    door.post("/v2/jobs/99/failure", json!({}))
        .await
        .refused(404, &word("fail"));
    door.post("/v2/jobs/99/error", json!({ "errorCode": "X" }))
        .await
        .refused(404, &word("throw an error for"));
    let retries = json!({ "changeset": { "retries": 1 } });
    door.call(Method::PATCH, "/v2/jobs/99", retries)
        .await
        .refused(404, &word("update retries for"));
    for path in [
        "/v2/process-instances/99",
        "/v2/user-tasks/99",
        "/v2/incidents/99",
        "/v2/element-instances/99",
    ] {
        door.get(path).await.refused(404, "'99' not found");
    }
    for path in [
        "/v2/process-instances/abc",
        "/v2/user-tasks/-",
        "/v2/incidents/0",
        "/v2/process-definitions/9e9",
    ] {
        door.get(path)
            .await
            .refused(400, "the path's key: expected a key");
    }
    door.get("/v2/nothing")
        .await
        .refused(404, "there is nothing at GET /v2/nothing");
    door.get("/").await.refused(404, "there is nothing");
    door.call(Method::DELETE, "/v2/topology", json!({}))
        .await
        .refused(405, "DELETE is not a method");
}

#[tokio::test]
async fn a_request_for_jobs_that_makes_no_sense_is_refused() {
    let door = Door::open().await;
    let whole =
        json!({ "type": "a", "timeout": 1000, "maxJobsToActivate": 1, "requestTimeout": -1 });
    for (name, value, part) in [
        ("type", json!(null), "No type provided"),
        (
            "type",
            json!(""),
            "Expected to activate job batch with type to be present, but it was blank",
        ),
        ("timeout", json!(null), "No timeout provided"),
        (
            "timeout",
            json!(0),
            "Expected to activate job batch with timeout to be greater than zero",
        ),
        (
            "maxJobsToActivate",
            json!(0),
            "maxJobsToActivate to be greater than zero, but it was 0",
        ),
        (
            "maxJobsToActivate",
            json!(-3),
            "maxJobsToActivate to be greater than zero",
        ),
        ("maxJobsToActivate", json!(1.5), "expected a whole number"),
        (
            "fetchVariable",
            json!("a"),
            "field 'fetchVariable': expected a list of texts",
        ),
        ("tenantIds", json!(["acme"]), "multi-tenancy is disabled"),
    ] {
        let mut body = whole.clone();
        body[name] = value;
        door.post("/v2/jobs/activation", body)
            .await
            .refused(400, part);
    }
}

#[tokio::test]
async fn nobody_comes_in_without_the_token() {
    let door = Door::with(Some("secret-token"), |state| state).await;
    assert_eq!(door.get("/v2/topology").await.status, 200);
    assert_eq!(
        door.get("/v2/authentication/me").await.ok()["username"],
        "operator"
    );
    let client = reqwest::Client::new();
    for path in ["/v2/topology", "/botswain/v1/routes", "/metrics"] {
        let url = format!("{}{path}", door.url);
        for request in [
            client.get(&url),
            client.get(&url).bearer_auth("wrong"),
            client.get(&url).basic_auth("a", Some("secret-token")),
        ] {
            let answer = door.send(request).await;
            answer.refused(401, "Authorization: Bearer");
            assert!(
                !answer.text.contains("secret-token") && !answer.text.contains("wrong"),
                "{answer:?}"
            );
        }
    }
    assert_eq!(
        door.send(client.get(format!("{}/health", door.url)))
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn without_a_token_no_page_of_another_site_comes_in() {
    let door = Door::open().await;
    let foreign = door
        .request(Method::GET, "/v2/topology")
        .header("host", "evil.example");
    door.send(foreign).await.refused(403, "the host");
    let page = door
        .request(Method::POST, "/v2/process-instances/5/cancellation")
        .header("origin", "http://evil.example");
    door.send(page).await.refused(403, "the origin");
    let own = door
        .request(Method::GET, "/v2/topology")
        .header("origin", &door.url);
    assert_eq!(door.send(own).await.status, 200);
}
