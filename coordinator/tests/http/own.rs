//! Our own paths: routes, agents, bots, attempts, evidence, waiting, audit.

use crate::door::{Door, key};
use botswain_proto::package::Package;
use reqwest::Method;
use serde_json::json;
use std::collections::BTreeMap;

#[tokio::test]
async fn a_route_is_set_shown_and_taken_away_and_the_audit_log_knows() {
    let door = Door::open().await;
    let path = "/botswain/v1/routes/crm.add-customer";
    let implicit = door.get(path).await.ok();
    assert_eq!(implicit["implicit"], true);
    assert_eq!(implicit["choices"][0]["kind"], "worker");
    let put = |body: &'static str| door.send(door.request(Method::PUT, path).body(body));
    let set = put("connector:crm-api 20% else bot:crm-add-customer@1")
        .await
        .ok();
    assert_eq!(set["version"], 1);
    assert_eq!(set["choices"][0]["weight"], 20);
    assert_eq!(set["otherwise"][0]["kind"], "bot:crm-add-customer@1");
    let json = r#"{"choices": [{"kind": "person", "when": "amount > 5"}, "worker"], "otherwise": ["person"]}"#;
    assert_eq!(put(json).await.ok()["version"], 2);
    assert_eq!(
        door.get("/botswain/v1/routes").await.ok()["items"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    put("robot:x")
        .await
        .refused(400, "expected bot:NAME@VERSION");
    put("").await.refused(400, "has no leg");
    put(r#"{"choices": [{"kind": "person", "when": "amount > >"}]}"#)
        .await
        .refused(400, "amount > >");
    put(r#"{"choices": 5}"#)
        .await
        .refused(400, "the route cannot be read");
    assert_eq!(door.call(Method::DELETE, path, json!({})).await.status, 204);
    door.call(Method::DELETE, path, json!({}))
        .await
        .refused(404, "has no route");
    let audit = door
        .get("/botswain/v1/audit?what=route.set&limit=2")
        .await
        .ok();
    assert_eq!(audit["items"].as_array().unwrap().len(), 2);
    assert_eq!(audit["page"]["totalItems"], 3);
    assert_eq!(audit["items"][0]["subject"], "crm.add-customer");
    door.get("/botswain/v1/audit?limit=0")
        .await
        .refused(400, "parameter 'limit'");
    door.get("/botswain/v1/audit?color=red")
        .await
        .refused(400, "parameter 'color'");
}

fn package(version: &str, step: &str) -> Vec<u8> {
    let manifest = format!(
        "name = \"print-card\"\nversion = \"{version}\"\ndriver = \"device\"\neffect = \"idempotent\"\n\
         [input]\ntype = \"object\"\n[output]\ntype = \"object\"\n"
    );
    let steps = format!("[[step]]\naction = \"command.run\"\nnote = \"{step}\"\n");
    let files = BTreeMap::from([
        ("bot.toml".to_owned(), manifest.into_bytes()),
        ("steps.toml".to_owned(), steps.into_bytes()),
    ]);
    Package::from_files(files)
        .unwrap_or_else(|error| panic!("{error}"))
        .pack()
}

#[tokio::test]
async fn a_bot_is_pushed_once_and_read_back_as_it_was() {
    let door = Door::open().await;
    let bytes = package("1", "print");
    let push = |bytes: Vec<u8>| door.text("/botswain/v1/bots", "application/octet-stream", bytes);
    let first = push(bytes.clone()).await;
    assert_eq!(first.status, 201, "{first:?}");
    let digest = first.json()["digest"].as_str().unwrap().to_owned();
    assert_eq!(push(bytes.clone()).await.status, 200);
    push(package("1", "other"))
        .await
        .refused(409, "a version never changes");
    push(package("2", "other")).await.ok();
    let list = door.get("/botswain/v1/bots").await.ok();
    let names: Vec<_> = list["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|bot| format!("{}@{}", bot["name"], bot["version"]))
        .collect();
    assert_eq!(names, ["\"print-card\"@\"1\"", "\"print-card\"@\"2\""]);
    let request = door.request(Method::GET, &format!("/botswain/v1/bots/{digest}"));
    assert_eq!(request.send().await.unwrap().bytes().await.unwrap(), bytes);
    push(b"no package".to_vec())
        .await
        .refused(400, "the bot package cannot be used");
    push(Vec::new())
        .await
        .refused(400, "the bot package cannot be used");
    push(vec![0; (32 << 20) + (8 << 10)])
        .await
        .refused(413, "for bot packages 32 MiB");
    door.get("/botswain/v1/bots/abc")
        .await
        .refused(400, "64 hexadecimal digits");
    door.get(&format!("/botswain/v1/bots/{}", "0".repeat(64)))
        .await
        .refused(404, "there is no bot");
}

#[tokio::test]
async fn each_token_says_where_it_is_and_why_it_waits() {
    let door = Door::open().await;
    door.deploy("start > fork:and > (pick:job | check:user | paid:message(paid, key=order) | pause:timer(PT1H)) > join:and > end").await;
    let instance = door.start(json!({ "order": "7" })).await;
    let shown = door
        .get(&format!("/botswain/v1/instances/{instance}/waiting"))
        .await
        .ok();
    let why = |id: &str| {
        let tokens = shown["tokens"].as_array().unwrap();
        let token = tokens
            .iter()
            .find(|token| token["elementId"] == id)
            .unwrap_or_else(|| panic!("{id}: {shown}"));
        token["why"].as_str().unwrap().to_owned()
    };
    assert!(
        why("pick").contains("no worker asks for pick"),
        "{}",
        why("pick")
    );
    assert!(why("check").contains("nobody has taken it"));
    assert_eq!(why("paid"), "message paid with correlation key 7");
    assert!(why("pause").starts_with("timer: fires at 20"));
    assert_eq!(why("process"), "4 inside");
    door.post(
        &format!("/v2/process-instances/{instance}/cancellation"),
        json!({}),
    )
    .await
    .ok();
    let over = door
        .get(&format!("/botswain/v1/instances/{instance}/waiting"))
        .await
        .ok();
    assert_eq!(
        (&over["state"], &over["tokens"]),
        (&json!("TERMINATED"), &json!([]))
    );
    door.get("/botswain/v1/instances/99/waiting")
        .await
        .refused(404, "not found");
}

#[tokio::test]
async fn a_job_of_a_person_is_a_user_task_and_an_attempt() {
    let door = Door::open().await;
    door.send(
        door.request(Method::PUT, "/botswain/v1/routes/pick")
            .body("person"),
    )
    .await
    .ok();
    door.deploy("start > pick:job > end").await;
    let instance = door.start(json!({})).await;
    let tasks = door
        .search("user-tasks", json!({ "processInstanceKey": instance }))
        .await;
    assert_eq!(tasks.len(), 1);
    let task = key(&tasks[0]["userTaskKey"]);
    door.post(
        &format!("/v2/user-tasks/{task}/completion"),
        json!({ "variables": { "done": 1 } }),
    )
    .await
    .ok();
    assert_eq!(
        door.get(&format!("/v2/process-instances/{instance}"))
            .await
            .ok()["state"],
        "COMPLETED"
    );
    let attempts = door
        .get(&format!("/botswain/v1/attempts?instance={instance}"))
        .await
        .ok();
    assert_eq!(attempts["items"][0]["leg"], "person");
    assert_eq!(attempts["items"][0]["outcome"], "SUCCEEDED");
    assert_eq!(attempts["items"][0]["jobType"], "pick");
    let one = door
        .get(&format!(
            "/botswain/v1/attempts?attempt={}",
            attempts["items"][0]["attempt"].as_str().unwrap()
        ))
        .await;
    assert_eq!(one.ok()["items"].as_array().unwrap().len(), 1);
    let evidence = door
        .get(&format!("/botswain/v1/evidence?instance={instance}"))
        .await
        .ok();
    assert_eq!(evidence["items"], json!([]));
    door.get("/botswain/v1/attempts")
        .await
        .refused(400, "expected one of the parameters");
    door.get("/botswain/v1/attempts?job=x")
        .await
        .refused(400, "parameter 'job'");
    door.get(&format!("/botswain/v1/evidence/{}", "0".repeat(64)))
        .await
        .refused(404, "there is no evidence");
}

#[tokio::test]
async fn a_token_for_agents_is_shown_once_and_carries_the_fingerprint() {
    let ca = botswain_proto::ids::Digest::of(b"ca");
    let door = Door::with(None, |state| state.with_ca(ca)).await;
    let body = json!({ "labels": ["site=berlin"], "uses": 3, "validSeconds": 60 });
    let made = door.post("/botswain/v1/agent-tokens", body).await;
    assert_eq!(made.status, 201);
    let token: botswain_proto::enrol::Token =
        made.json()["token"].as_str().unwrap().parse().unwrap();
    assert_eq!(token.ca, ca);
    let audit = door.get("/botswain/v1/audit").await;
    assert_eq!(audit.ok()["items"][0]["what"], "agent.token");
    assert!(!audit.text.contains(&token.secret));
    door.post("/botswain/v1/agent-tokens", json!({ "uses": 0 }))
        .await
        .refused(400, "field 'uses'");
    door.post("/botswain/v1/agent-tokens", json!({ "labels": ["berlin"] }))
        .await
        .refused(400, "expected key=value");
    Door::open()
        .await
        .post("/botswain/v1/agent-tokens", json!({}))
        .await
        .refused(503, "no door for agents");
}

#[tokio::test]
async fn agents_are_listed_and_an_unknown_one_is_not_revoked() {
    let door = Door::open().await;
    assert_eq!(
        door.get("/botswain/v1/agents").await.ok()["items"],
        json!([])
    );
    door.get("/botswain/v1/agents/anna")
        .await
        .refused(404, "there is no agent 'anna'");
    door.get("/botswain/v1/agents/ANNA")
        .await
        .refused(400, "an agent's name");
    door.call(Method::DELETE, "/botswain/v1/agents/anna", json!({}))
        .await
        .refused(404, "no such agent was found");
}

#[tokio::test]
async fn a_job_whose_bot_was_never_pushed_says_so() {
    let door = Door::open().await;
    door.send(
        door.request(Method::PUT, "/botswain/v1/routes/pick")
            .body("bot:crm@1"),
    )
    .await
    .ok();
    door.deploy("start > pick:job > end").await;
    let instance = door.start(json!({})).await;
    let shown = door
        .get(&format!("/botswain/v1/instances/{instance}/waiting"))
        .await
        .ok()
        .to_string();
    assert!(
        shown.contains("bot:crm@1 was never pushed: botswain bot push DIR"),
        "{shown}"
    );
}
