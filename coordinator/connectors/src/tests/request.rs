//! What a connector sends: address, query, headers, body, identity.

use super::server::{PASSWORD, Server, TOKEN, call};
use crate::{Connector, Outcome, Settings};
use serde_json::json;

fn output(outcome: Outcome) -> serde_json::Value {
    match outcome {
        Outcome::Succeeded { variables } => variables.into(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn variables_become_the_request_and_the_answer_becomes_variables() {
    let server = Server::start().await;
    let definition = r#"
        method = "POST"
        url = "{{settings.base}}/customers/{reference}"
        drop_nulls = true
        [query]
        tag = "=tags"
        absent = "=missing"
        verbose = true
        [headers]
        X-Priority = "=job.headers.priority"
        X-Job = "=job.type"
        [body]
        name = "=customer.name"
        phone = "=customer.phone"
        source = "botswain"
        list = [1, "=1 + 1"]
        [output]
        sentTo = "=response.body.uri"
        status = "=response.status"
        kind = "=response.headers.date != null"
    "#;
    let variables = json!({
        "reference": "ONB 1/2", "tags": ["a b", "c&d"], "customer": {"name": "Ada", "phone": null}});
    let done = server.call(definition, variables).await;
    let uri = "/customers/ONB%201%2F2?tag=a+b&tag=c%26d&verbose=true";
    assert_eq!(
        output(done.outcome),
        json!({"sentTo": uri, "status": 200, "kind": true})
    );

    let received = &server.received()[0];
    assert_eq!(received.method, "POST");
    assert_eq!(received.header("x-priority"), Some("high"));
    assert_eq!(received.header("x-job"), Some("crm.add-customer"));
    assert_eq!(received.header("content-type"), Some("application/json"));
    assert_eq!(
        received.json(),
        json!({"name": "Ada", "source": "botswain", "list": [1, 2]})
    );
    assert_eq!(done.evidence.method, "POST");
    assert_eq!(done.evidence.status, Some(200));
    assert_eq!(done.evidence.sent_bytes, received.body.len() as u64);
    assert!(done.evidence.received_bytes > 0);
}

#[tokio::test]
async fn a_caller_proves_who_it_is_by_token_by_password_or_not_at_all() {
    let server = Server::start().await;
    let base = "method = \"GET\"\nurl = \"{{settings.base}}/\"\n";
    for (auth, expected) in [
        ("", None),
        ("[auth]\nkind = \"none\"", None),
        (
            "[auth]\nkind = \"bearer\"\ntoken = \"{{secrets.TOKEN}}\"",
            Some(format!("Bearer {TOKEN}")),
        ),
        (
            "[auth]\nkind = \"basic\"\nuser = \"clerk\"\npassword = \"{{secrets.PASSWORD}}\"",
            Some("Basic Y2xlcms6cGE1NSAid29yZCI=".to_owned()),
        ),
    ] {
        output(
            server
                .call(&format!("{base}{auth}"), json!({}))
                .await
                .outcome,
        );
        let received = server.received().pop().unwrap();
        assert_eq!(
            received.header("authorization"),
            expected.as_deref(),
            "{auth}"
        );
    }
}

#[tokio::test]
async fn a_repetition_has_the_same_idempotency_key() {
    let server = Server::start().await;
    let definition = "method = \"POST\"\nurl = \"{{settings.base}}/\"\nidempotency_key = {}\n";
    let own = "method = \"POST\"\nurl = \"{{settings.base}}/\"\n[idempotency_key]\nheader = \"X-Key\"\nvalue = '=reference + \"/\" + job.key'";
    for definition in [definition, definition, own] {
        output(
            server
                .call(definition, json!({"reference": "ONB-1"}))
                .await
                .outcome,
        );
    }
    let received = server.received();
    assert_eq!(received[0].header("idempotency-key"), Some("4711"));
    assert_eq!(received[1].header("idempotency-key"), Some("4711"));
    assert_eq!(received[2].header("x-key"), Some("ONB-1/4711"));
}

#[tokio::test]
async fn a_body_has_the_form_that_its_content_type_names() {
    let server = Server::start().await;
    let base = "method = \"PUT\"\nurl = \"{{settings.base}}/\"\n";
    for (rest, expected) in [
        ("body = \"=[1, a]\"", "[1,\"ä&b\"]"),
        (
            "[headers]\nContent-Type = \"application/x-www-form-urlencoded\"\n[body]\na = \"=a\"\nn = 1",
            "a=%C3%A4%26b&n=1",
        ),
        (
            "body = \"hello {{settings.base}}\"\n[headers]\nContent-Type = \"text/plain\"",
            "",
        ),
        ("body = \"a text\"", "\"a text\""),
    ] {
        output(
            server
                .call(&format!("{base}{rest}"), json!({"a": "ä&b"}))
                .await
                .outcome,
        );
        let body = server.received().pop().unwrap().body;
        let expected = if expected.is_empty() {
            format!("hello {}", server.url)
        } else {
            expected.to_owned()
        };
        assert_eq!(body, expected);
    }
}

#[tokio::test]
async fn data_can_neither_name_a_secret_nor_leave_its_place() {
    let server = Server::start().await;
    let definition = "method = \"POST\"\nurl = \"{{settings.base}}/a/{x}\"\n[body]\nx = \"=x\"\n[headers]\nX-It = \"=y\"";
    output(
        server
            .call(
                definition,
                json!({"x": "{{secrets.TOKEN}}", "y": "{{secrets.TOKEN}}"}),
            )
            .await
            .outcome,
    );
    let received = server.received().pop().unwrap();
    assert!(!format!("{received:?}").contains(TOKEN), "{received:?}");
    for (x, y) in [("..", "fine"), ("", "fine"), ("fine", "a\r\nX-Evil: 1")] {
        let done = server.call(definition, json!({"x": x, "y": y})).await;
        assert!(
            matches!(
                done.outcome,
                Outcome::Failed {
                    retryable: false,
                    ..
                }
            ),
            "{done:?}"
        );
    }
    assert_eq!(server.received().len(), 1);
}

#[tokio::test]
async fn a_host_that_is_not_allowed_is_not_called() {
    let server = Server::start().await;
    let definition =
        "method = \"GET\"\nurl = \"=base + path\"\nallowed_hosts = [\"crm.example\"]\n";
    let done = server
        .call(definition, json!({"base": server.url, "path": "/"}))
        .await;
    let text = format!("{done:?}");
    assert!(
        text.contains("the host 127.0.0.1") && text.contains("is not allowed"),
        "{text}"
    );
    assert!(server.received().is_empty());

    let allowed = definition.replace("crm.example", "127.0.0.1:*");
    output(
        server
            .call(&allowed, json!({"base": server.url, "path": "/x"}))
            .await
            .outcome,
    );
    assert_eq!(server.received()[0].uri, "/x");
}

#[tokio::test]
async fn no_secret_is_in_what_leaves_a_connector() {
    let server = Server::start().await;
    let definition = r#"
        method = "POST"
        url = "{{settings.base}}/leak?key={{secrets.OTHER}}"
        [headers]
        X-Key = "{{secrets.TOKEN}}"
        [auth]
        kind = "basic"
        user = "clerk"
        password = "{{secrets.PASSWORD}}"
        [[error]]
        status = 403
        when = "=reported"
        code = "REFUSED"
        message = "=response.body"
        variables = { answer = "=response.body" }
    "#;
    let connector = server.connector(definition);
    assert_eq!(connector.secrets(), ["OTHER", "PASSWORD", "TOKEN"]);
    for reported in [true, false] {
        let done = call(&connector, json!({"reported": reported})).await;
        let text = format!(
            "{connector:?} {done:?} {}",
            serde_json::to_string(&done.evidence).unwrap()
        );
        for secret in [TOKEN, PASSWORD, "0ther-s3cret", "Y2xlcms6cGE1NSAid29yZCI="] {
            assert!(!text.contains(secret), "{secret} is in {text}");
        }
        assert!(text.contains("you sent Basic •••"), "{text}");
    }
    // What was sent had them.
    assert!(server.received()[0].uri.contains("0ther-s3cret"));
}

#[tokio::test]
async fn a_missing_secret_is_named_before_anything_is_sent() {
    let server = Server::start().await;
    let definition = "method = \"POST\"\nurl = \"{{settings.base}}/\"\n[auth]\nkind = \"bearer\"\ntoken = \"{{secrets.NOBODY}}\"";
    let text = format!("{:?}", server.call(definition, json!({})).await.outcome);
    assert!(
        text.contains("the secret NOBODY is not in the secrets file"),
        "{text}"
    );
    assert!(server.received().is_empty());
}

#[test]
fn every_problem_of_a_definition_is_named_at_once() {
    let definition = r#"
        method = "FETCH"
        url = "http://crm.example/{oops"
        colour = "blue"
        timeout_seconds = -1
        retryable = ["9xx"]
        effect = "maybe"
        [auth]
        kind = "bearer"
        token = "literal-t0ken"
        [headers]
        Host = "elsewhere"
        [body]
        a = "=1 +"
        b = "{{settings.nowhere}}"
        [output]
        leak = "{{secrets.TOKEN}}"
        [[error]]
        message = "x"
    "#;
    let error = Connector::from_toml("crm-api", definition, &Settings::new()).unwrap_err();
    let keys: Vec<&str> = error
        .problems
        .iter()
        .map(|problem| problem.key.as_str())
        .collect();
    assert_eq!(
        keys,
        [
            "method",
            "url",
            "timeout_seconds",
            "headers.Host",
            "body.a",
            "body.b",
            "auth.token",
            "effect",
            "retryable",
            "output",
            "error[0].when",
            "error[0].code",
            "colour",
        ]
    );
    let text = error.to_string();
    assert!(!text.contains("literal-t0ken"), "{text}");
    assert!(
        text.contains("connector crm-api, body.b: the setting nowhere is not given; write"),
        "{text}"
    );
}

#[test]
fn plain_http_to_another_machine_must_be_asked_for() {
    let plain = "method = \"GET\"\nurl = \"http://crm.example/\"\n";
    let error = Connector::from_toml("c", plain, &Settings::new())
        .unwrap_err()
        .to_string();
    assert!(error.contains("plaintext = true"), "{error}");
    Connector::from_toml("c", &format!("{plain}plaintext = true"), &Settings::new()).unwrap();
    Connector::from_toml(
        "c",
        "method = \"GET\"\nurl = \"http://localhost:1/\"",
        &Settings::new(),
    )
    .unwrap();
}

#[test]
fn a_definition_is_toml_or_json_and_bounded() {
    let json = json!({"method": "GET", "url": "https://crm.example/{x}"});
    assert_eq!(
        Connector::from_json("c", json, &Settings::new())
            .unwrap()
            .name(),
        "c"
    );
    assert!(Connector::from_json("c", json!([]), &Settings::new()).is_err());
    for source in ["method = ", &"#".repeat(300_000)] {
        assert!(Connector::from_toml("c", source, &Settings::new()).is_err());
    }
}
