//! Models in the shape of Camunda's REST connector: what they may do here, and what they may not.

use std::collections::BTreeMap;

use super::server::{Server, TOKEN, client, object, secrets};
use crate::{Call, Effect, JobView, Outcome, REST_JOB_TYPE, RestConnector, RestOptions};
use serde_json::{Value, json};

fn connector() -> RestConnector {
    let options = RestOptions {
        allowed_hosts: vec!["127.0.0.1:*".to_owned()],
        allowed_secrets: vec!["TOKEN".to_owned()],
        ..RestOptions::default()
    };
    RestConnector::new(&options).unwrap()
}

async fn call(connector: &RestConnector, variables: Value, headers: &[(&str, &str)]) -> Call {
    let headers: BTreeMap<String, String> = headers
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    let variables = object(variables);
    let job = JobView {
        job_type: REST_JOB_TYPE,
        job_key: "1",
        attempt_key: "1-1",
        variables: &variables,
        headers: &headers,
    };
    connector.call(&client(), &secrets(), job).await
}

#[tokio::test]
async fn a_models_inputs_are_the_request() {
    let server = Server::start().await;
    let inputs = json!({
        "method": "PUT",
        "url": format!("{}/messages/1", server.url),
        "authentication": {"type": "bearer", "token": "{{secrets.TOKEN}}"},
        "headers": {"X-Key": "key {{secrets.TOKEN}}"},
        "queryParameters": {"q": "a b", "n": 1},
        "body": {"text": "hi", "none": null},
        "ignoreNullValues": true,
        "storeResponse": false,
        "connectionTimeoutInSeconds": 20,
        "readTimeoutInSeconds": "20",
    });
    let headers = [
        ("resultVariable", "answer"),
        (
            "resultExpression",
            "={uri: response.body.uri, twice: response.status * 2}",
        ),
        ("retryBackoff", "PT0S"),
    ];
    let done = call(&connector(), inputs, &headers).await;
    let Outcome::Succeeded { variables } = &done.outcome else {
        panic!("{done:?}")
    };
    assert_eq!(variables["uri"], "/messages/1?q=a+b&n=1");
    assert_eq!(variables["twice"], 400);
    assert_eq!(variables["answer"]["status"], 200);
    // The echoing server gives the token back; it does not become a variable.
    assert_eq!(
        variables["answer"]["body"]["headers"]["authorization"],
        "Bearer •••"
    );
    let received = &server.received()[0];
    assert_eq!(
        received.header("authorization"),
        Some(format!("Bearer {TOKEN}").as_str())
    );
    assert_eq!(
        received.header("x-key"),
        Some(format!("key {TOKEN}").as_str())
    );
    assert_eq!(received.json(), json!({"text": "hi"}));
}

#[tokio::test]
async fn each_kind_of_authentication_is_understood_or_refused_by_name() {
    let server = Server::start().await;
    let inputs = |auth: Value| json!({"method": "GET", "url": format!("{}/", server.url), "authentication": auth});
    for (auth, header, expected) in [
        (json!({"type": "noAuth"}), "authorization", None),
        (
            json!({"type": "bearer", "token": "secrets.TOKEN"}),
            "authorization",
            Some(format!("Bearer {TOKEN}")),
        ),
        (
            json!({"type": "basic", "username": "u", "password": "p"}),
            "authorization",
            Some("Basic dTpw".to_owned()),
        ),
        (
            json!({"type": "apiKey", "apiKeyLocation": "headers", "name": "X-Api", "value": "{{secrets.TOKEN}}"}),
            "x-api",
            Some(TOKEN.to_owned()),
        ),
    ] {
        let done = call(&connector(), inputs(auth), &[]).await;
        assert!(
            matches!(done.outcome, Outcome::Succeeded { .. }),
            "{done:?}"
        );
        assert_eq!(
            server.received().pop().unwrap().header(header),
            expected.as_deref()
        );
    }
    let query = json!({"type": "apiKey", "apiKeyLocation": "query", "name": "key", "value": "{{secrets.TOKEN}}"});
    let done = call(&connector(), inputs(query), &[]).await;
    assert!(
        server
            .received()
            .pop()
            .unwrap()
            .uri
            .contains("key=tok-5ecret%2Fwith%2Bsigns")
    );
    assert!(!format!("{done:?}").contains("tok-5ecret"), "{done:?}");

    let oauth = json!({"type": "oauth-client-credentials-flow"});
    let text = format!("{:?}", call(&connector(), inputs(oauth), &[]).await.outcome);
    assert!(
        text.contains("oauth-client-credentials-flow") && text.contains("not supported"),
        "{text}"
    );
}

#[tokio::test]
async fn a_model_reaches_allowed_hosts_and_uses_allowed_secrets_only() {
    let server = Server::start().await;
    let url = format!("{}/", server.url);
    let nothing = RestConnector::new(&RestOptions::default()).unwrap();
    let text = format!(
        "{:?}",
        call(&nothing, json!({"method": "GET", "url": url}), &[])
            .await
            .outcome
    );
    assert!(
        text.contains("is not allowed; add it to the connector's allowed_hosts"),
        "{text}"
    );

    for inputs in [
        json!({"method": "GET", "url": url, "headers": {"X-Key": "{{secrets.OTHER}}"}}),
        json!({"method": "GET", "url": format!("{url}?k={{{{secrets.TOKEN}}}}")}),
        json!({"method": "GET", "url": "file:///etc/passwd"}),
        json!({"method": "GET", "url": "http://127.0.0.1.evil.example/"}),
        json!({"method": "GET"}),
        json!({"method": "STEAL", "url": url}),
        json!({"method": "GET", "url": url, "readTimeoutInSeconds": "soon"}),
        json!({"method": "GET", "url": url, "headers": {"Host": "evil"}}),
    ] {
        let done = call(&connector(), inputs.clone(), &[]).await;
        assert!(
            matches!(
                done.outcome,
                Outcome::Failed {
                    retryable: false,
                    ..
                }
            ),
            "{inputs}: {done:?}"
        );
    }
    assert!(server.received().is_empty());
}

#[tokio::test]
async fn a_body_that_names_a_secret_is_only_text() {
    let server = Server::start().await;
    let inputs = json!({"method": "POST", "url": format!("{}/", server.url), "body": {"x": "{{secrets.TOKEN}}"}});
    call(&connector(), inputs, &[]).await;
    assert_eq!(
        server.received()[0].json(),
        json!({"x": "{{secrets.TOKEN}}"})
    );
}

#[tokio::test]
async fn an_error_expression_decides_what_an_answer_means() {
    let server = Server::start().await;
    let inputs = |method: &str, status: u16| json!({"method": method, "url": format!("{}/status/{status}", server.url)});
    let expression = r#"=if error.code = "404" then bpmnError("GONE", error.message)
        else if error.code = "409" then bpmnError("EXISTS", "there is one", {number: response.body.error.number})
        else if error != null then jobError("later", {}, 2)
        else null"#;
    let headers = [("errorExpression", expression)];

    let outcome = call(&connector(), inputs("POST", 409), &headers)
        .await
        .outcome;
    let expected = Outcome::BpmnError {
        code: "EXISTS".to_owned(),
        message: "there is one".to_owned(),
        variables: object(json!({"number": "C-7"})),
    };
    assert_eq!(outcome, expected);
    let outcome = call(&connector(), inputs("GET", 404), &headers)
        .await
        .outcome;
    assert!(
        matches!(&outcome, Outcome::BpmnError { code, .. } if code == "GONE"),
        "{outcome:?}"
    );
    let outcome = call(&connector(), inputs("GET", 500), &headers)
        .await
        .outcome;
    assert!(
        matches!(&outcome, Outcome::Failed { retryable: true, message, .. } if message == "later"),
        "{outcome:?}"
    );
    // Not even an expression makes a POST repeatable whose effect is open.
    let outcome = call(&connector(), inputs("POST", 500), &headers)
        .await
        .outcome;
    assert!(matches!(outcome, Outcome::Unknown { .. }), "{outcome:?}");
    assert!(matches!(
        call(&connector(), inputs("GET", 200), &headers)
            .await
            .outcome,
        Outcome::Succeeded { .. }
    ));

    let ignore = [(
        "errorExpression",
        "=if error != null then ignoreError({found: false}) else null",
    )];
    let outcome = call(&connector(), inputs("GET", 404), &ignore)
        .await
        .outcome;
    assert_eq!(
        outcome,
        Outcome::Succeeded {
            variables: object(json!({"found": false}))
        }
    );
    let outcome = call(&connector(), inputs("POST", 502), &ignore)
        .await
        .outcome;
    assert!(matches!(outcome, Outcome::Unknown { .. }), "{outcome:?}");

    let wrong = [("errorExpression", "=bpmnError(")];
    let text = format!(
        "{:?}",
        call(&connector(), inputs("GET", 200), &wrong).await.outcome
    );
    assert!(text.contains("task header errorExpression"), "{text}");
}

#[test]
fn the_effect_of_a_job_follows_from_its_method() {
    let effect = |method: &str| connector().effect(&object(json!({"method": method})));
    assert_eq!(effect("GET"), Effect::Pure);
    assert_eq!(effect("DELETE"), Effect::Idempotent);
    assert_eq!(effect("POST"), Effect::AtMostOnce);
    assert_eq!(effect("?"), Effect::AtMostOnce);
}
