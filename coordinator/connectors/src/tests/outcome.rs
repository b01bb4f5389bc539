//! How a call may end: what certainly did not happen, what may have happened, and what the model is told.

use std::time::Duration;

use super::server::{self, Server, call, call_with, closed_port, raw_server};
use crate::{Client, ClientOptions, Connector, Effect, Happened, Outcome, Settings};
use serde_json::json;

/// The story of an outcome in one word, as tables want it.
fn word(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Succeeded { .. } => "succeeded",
        Outcome::Failed {
            retryable: true,
            happened: Happened::No,
            ..
        } => "retry",
        Outcome::Failed {
            retryable: true,
            happened: Happened::Perhaps,
            ..
        } => "retry it here",
        Outcome::Failed {
            retryable: false,
            happened: Happened::No,
            ..
        } => "failed",
        Outcome::Failed {
            retryable: false,
            happened: Happened::Perhaps,
            ..
        } => "failed perhaps",
        Outcome::BpmnError { .. } => "error",
        Outcome::Unknown { .. } => "unknown",
    }
}

#[tokio::test]
async fn a_status_means_something_else_for_each_effect() {
    let server = Server::start().await;
    for (status, pure, idempotent, at_most_once) in [
        (200, "succeeded", "succeeded", "succeeded"),
        (204, "succeeded", "succeeded", "succeeded"),
        (307, "failed", "failed", "failed"),
        (303, "failed", "failed perhaps", "unknown"),
        (400, "failed", "failed", "failed"),
        (404, "failed", "failed", "failed"),
        (408, "retry", "retry it here", "unknown"),
        (409, "failed", "failed", "failed"),
        (429, "retry", "retry", "retry"),
        (500, "retry", "retry it here", "unknown"),
        (501, "failed", "failed perhaps", "unknown"),
        (503, "retry", "retry it here", "unknown"),
        (504, "retry", "retry it here", "unknown"),
    ] {
        for (method, expected) in [("GET", pure), ("PUT", idempotent), ("POST", at_most_once)] {
            let definition =
                format!("method = \"{method}\"\nurl = \"{{{{settings.base}}}}/status/{status}\"");
            let outcome = server.call(&definition, json!({})).await.outcome;
            assert_eq!(word(&outcome), expected, "{method} {status}: {outcome:?}");
        }
    }
}

#[tokio::test]
async fn a_definition_says_what_its_server_means_by_a_status() {
    let server = Server::start().await;
    let definition = r#"
        method = "POST"
        url = "{{settings.base}}/status/{status}"
        success = ["2xx", 404]
        retryable = [409]
        did_not_happen = ["4xx", 503]
    "#;
    for (status, expected) in [
        (404, "succeeded"),
        (409, "retry"),
        (429, "failed"),
        (503, "failed"),
        (500, "unknown"),
    ] {
        let outcome = server
            .call(definition, json!({"status": status}))
            .await
            .outcome;
        assert_eq!(word(&outcome), expected, "{status}: {outcome:?}");
    }
}

#[tokio::test]
async fn a_server_says_how_long_to_wait() {
    let server = Server::start().await;
    let outcome = server
        .call(
            "method = \"GET\"\nurl = \"{{settings.base}}/status/429\"",
            json!({}),
        )
        .await
        .outcome;
    let Outcome::Failed {
        retry_after,
        message,
        ..
    } = outcome
    else {
        panic!("{outcome:?}")
    };
    assert_eq!(retry_after, Some(Duration::from_secs(7)));
    assert!(
        message.contains("429 Too Many Requests") && message.contains("because of 429"),
        "{message}"
    );
}

#[tokio::test]
async fn a_refused_connection_certainly_did_nothing() {
    let base = closed_port().await;
    let settings = Settings::from([("base".to_owned(), base)]);
    for method in ["GET", "PUT", "POST"] {
        let definition = format!("method = \"{method}\"\nurl = \"{{{{settings.base}}}}/\"");
        let outcome = call(
            &Connector::from_toml("c", &definition, &settings).unwrap(),
            json!({}),
        )
        .await
        .outcome;
        assert_eq!(word(&outcome), "retry", "{outcome:?}");
    }
}

#[tokio::test]
async fn a_name_that_nobody_has_certainly_did_nothing() {
    let definition = "method = \"POST\"\nurl = \"http://nobody.invalid/\"\nplaintext = true\nconnect_timeout_seconds = 2";
    let outcome = call(
        &Connector::from_toml("c", definition, &Settings::new()).unwrap(),
        json!({}),
    )
    .await
    .outcome;
    assert_eq!(word(&outcome), "retry", "{outcome:?}");
}

#[tokio::test]
async fn a_missing_answer_leaves_the_effect_open() {
    let server = Server::start().await;
    let broken = raw_server(b"").await;
    let settings = Settings::from([
        ("hold".to_owned(), server.url.clone()),
        ("broken".to_owned(), broken),
    ]);
    for (method, expected) in [
        ("GET", "retry"),
        ("PUT", "retry it here"),
        ("POST", "unknown"),
    ] {
        for url in ["{{settings.hold}}/hold", "{{settings.broken}}/"] {
            let definition =
                format!("method = \"{method}\"\nurl = \"{url}\"\ntimeout_seconds = 0.2");
            let outcome = call(
                &Connector::from_toml("c", &definition, &settings).unwrap(),
                json!({}),
            )
            .await
            .outcome;
            assert_eq!(word(&outcome), expected, "{method} {url}: {outcome:?}");
        }
    }
}

#[tokio::test]
async fn a_key_that_the_server_knows_makes_a_post_repeatable() {
    let server = Server::start().await;
    let definition = "method = \"POST\"\nurl = \"{{settings.base}}/hold\"\ntimeout_seconds = 0.2\nidempotency_key = {}";
    assert_eq!(server.connector(definition).effect(), Effect::Idempotent);
    assert_eq!(
        word(&server.call(definition, json!({})).await.outcome),
        "retry it here"
    );
    let careful = format!("effect = \"at_most_once\"\n{definition}");
    assert_eq!(
        word(&server.call(&careful, json!({})).await.outcome),
        "unknown"
    );
}

#[tokio::test]
async fn an_answer_that_cannot_be_used_does_not_undo_what_was_done() {
    let server = Server::start().await;
    let cut = raw_server(b"HTTP/1.1 201 Created\r\ncontent-length: 100\r\n\r\nonly this").await;
    let settings = Settings::from([
        ("base".to_owned(), server.url.clone()),
        ("cut".to_owned(), cut),
    ]);
    for (url, text) in [
        ("{{settings.base}}/broken", "not JSON"),
        ("{{settings.base}}/big", "longer than 50000 bytes"),
        ("{{settings.cut}}/", "broke within the answer"),
    ] {
        for (method, expected) in [
            ("GET", "failed"),
            ("PUT", "failed perhaps"),
            ("POST", "unknown"),
        ] {
            let definition =
                format!("method = \"{method}\"\nurl = \"{url}\"\nresponse_bytes_max = 50000");
            let outcome = call(
                &Connector::from_toml("c", &definition, &settings).unwrap(),
                json!({}),
            )
            .await
            .outcome;
            assert_eq!(word(&outcome), expected, "{method} {url}: {outcome:?}");
            assert!(format!("{outcome:?}").contains(text), "{outcome:?}");
        }
    }
}

#[tokio::test]
async fn a_plain_text_is_a_text() {
    let server = Server::start().await;
    let definition =
        "method = \"GET\"\nurl = \"{{settings.base}}/text\"\n[output]\nword = \"=response.body\"";
    let outcome = server.call(definition, json!({})).await.outcome;
    assert_eq!(
        outcome,
        Outcome::Succeeded {
            variables: server::object(json!({"word": "plain text"}))
        }
    );
}

#[tokio::test]
async fn an_answer_becomes_a_bpmn_error_by_status_or_by_expression() {
    let server = Server::start().await;
    let definition = r#"
        method = "POST"
        url = "{{settings.base}}/status/{status}"
        [[error]]
        status = [409, 410]
        when = "=response.body.error.code = \"refused\""
        code = "CUSTOMER_EXISTS"
        message = "=response.body.error.message"
        [error.variables]
        existing = "=response.body.error.number"
        [[error]]
        when = "=response.status = 422"
        code = "INVALID"
    "#;
    let outcome = server
        .call(definition, json!({"status": 409}))
        .await
        .outcome;
    let expected = Outcome::BpmnError {
        code: "CUSTOMER_EXISTS".to_owned(),
        message: "because of 409".to_owned(),
        variables: server::object(json!({"existing": "C-7"})),
    };
    assert_eq!(outcome, expected);
    let outcome = server
        .call(definition, json!({"status": 422}))
        .await
        .outcome;
    let Outcome::BpmnError { code, message, .. } = outcome else {
        panic!("{outcome:?}")
    };
    assert_eq!(
        (code.as_str(), message.as_str()),
        ("INVALID", "the answer is 422 Unprocessable Entity")
    );
    assert_eq!(
        word(
            &server
                .call(definition, json!({"status": 404}))
                .await
                .outcome
        ),
        "failed"
    );
}

#[tokio::test]
async fn the_whole_result_may_be_one_expression() {
    let server = Server::start().await;
    let definition =
        "method = \"GET\"\nurl = \"{{settings.base}}/a\"\nresult = \"={uri: response.body.uri}\"";
    let outcome = server.call(definition, json!({})).await.outcome;
    assert_eq!(
        outcome,
        Outcome::Succeeded {
            variables: server::object(json!({"uri": "/a"}))
        }
    );
    let wrong = definition.replace("{uri: response.body.uri}", "1");
    let outcome = server.call(&wrong, json!({})).await.outcome;
    assert!(
        format!("{outcome:?}").contains("expected a context"),
        "{outcome:?}"
    );
}

#[tokio::test]
async fn a_redirect_is_followed_only_when_asked_and_only_to_allowed_hosts() {
    let server = Server::start().await;
    let other = Server::start().await;
    let get = |rest: &str| {
        format!("method = \"GET\"\nurl = \"{{{{settings.base}}}}/redirect?302,{{to}}\"\n{rest}")
    };
    // The place is encoded, so the target is given by path here.
    let local = get("").replace("{to}", "/text");
    let outcome = server.call(&local, json!({})).await.outcome;
    assert!(format!("{outcome:?}").contains("302 Found"), "{outcome:?}");
    assert_eq!(server.received().len(), 1);
    assert_eq!(
        word(
            &server
                .call(&format!("{local}\nredirects = 1"), json!({}))
                .await
                .outcome
        ),
        "succeeded"
    );

    let away = get("redirects = 3").replace("{to}", &format!("{}/text", other.url));
    let outcome = server.call(&away, json!({})).await.outcome;
    assert!(
        format!("{outcome:?}").contains("is not allowed"),
        "{outcome:?}"
    );
    assert!(other.received().is_empty());

    let auth = "[auth]\nkind = \"bearer\"\ntoken = \"{{secrets.TOKEN}}\"";
    let allowed = format!("{away}\nallowed_hosts = [\"127.0.0.1:*\"]\n{auth}");
    assert_eq!(
        word(&server.call(&allowed, json!({})).await.outcome),
        "succeeded"
    );
    assert_eq!(other.received()[0].header("authorization"), None);

    let around = get("redirects = 1").replace("{to}", "/redirect?302,/text");
    let outcome = server.call(&around, json!({})).await.outcome;
    assert!(format!("{outcome:?}").contains("302 Found"), "{outcome:?}");
    let post = local.replace("GET", "POST").replace("302", "307");
    assert_eq!(
        word(
            &server
                .call(&format!("{post}\nredirects = 3"), json!({}))
                .await
                .outcome
        ),
        "failed"
    );
}

mod tls {
    use std::sync::Arc;

    use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio_rustls::TlsAcceptor;
    use tokio_rustls::rustls::ServerConfig;
    use tokio_rustls::rustls::pki_types::PrivateKeyDer;

    use super::*;

    #[tokio::test]
    async fn a_server_is_trusted_by_a_ca_file_and_otherwise_nothing_is_sent() {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let leaf = CertificateParams::new(["localhost".to_owned()])
            .unwrap()
            .signed_by(&key, &authority)
            .unwrap();
        let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![leaf.der().clone()],
                PrivateKeyDer::Pkcs8(key.serialize_der().into()),
            )
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let Ok(mut stream) = acceptor.accept(stream).await else {
                    continue;
                };
                let mut request = [0; 4096];
                let _ = stream.read(&mut request).await;
                let _ = stream
                    .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n42")
                    .await;
                let _ = stream.shutdown().await;
            }
        });
        let definition = format!("method = \"POST\"\nurl = \"https://localhost:{port}/\"");
        let connector = Connector::from_toml("c", &definition, &Settings::new()).unwrap();

        let outcome = call(&connector, json!({})).await.outcome;
        assert_eq!(word(&outcome), "retry", "{outcome:?}");
        assert!(
            format!("{outcome:?}").contains("certificate"),
            "{outcome:?}"
        );

        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ca.pem");
        std::fs::write(&file, authority.pem()).unwrap();
        let client = Client::new(&ClientOptions {
            ca_files: vec![file.clone()],
        })
        .unwrap();
        let outcome = call_with(&client, &connector, json!({})).await.outcome;
        assert_eq!(word(&outcome), "succeeded", "{outcome:?}");

        std::fs::write(&file, "no certificate").unwrap();
        assert!(
            Client::new(&ClientOptions {
                ca_files: vec![file]
            })
            .unwrap_err()
            .to_string()
            .contains("holds no certificate")
        );
    }
}
