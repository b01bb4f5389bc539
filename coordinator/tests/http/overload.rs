//! Overload: what is too much is refused at once, and what ends something still comes in.

use crate::door::{Door, PATIENCE, key};
use serde_json::json;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Instant;

/// A request that announces a large body and never sends it.
fn announce(door: &Door, path: &str) -> TcpStream {
    let address = door.url.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\ncontent-length: 9999999\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream
}

/// Whether it was refused without its body.
fn was_refused(mut stream: &TcpStream) -> bool {
    stream.set_nonblocking(true).unwrap();
    let mut head = [0; 12];
    stream.read_exact(&mut head).is_ok() && head == *b"HTTP/1.1 503"
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn too_many_large_requests_are_refused_and_a_result_still_comes_in() {
    let door = Door::open().await;
    door.deploy("start > pick:job > end").await;
    door.start(json!({})).await;
    let job = door.job("pick").await;
    let held: Vec<TcpStream> = (0..40)
        .map(|_| announce(&door, "/v2/process-instances"))
        .collect();
    let long = "x".repeat(9_000_000);
    let parts = json!({ "a": &long[..4_000_000], "b": &long[..4_000_000], "c": &long[..900_000] });
    let body = json!({ "processDefinitionId": "process", "variables": parts });
    let began = Instant::now();
    let refused = loop {
        let answer = door.post("/v2/process-instances", body.clone()).await;
        if answer.status != 200 {
            break answer;
        }
        assert!(began.elapsed() < PATIENCE, "nothing is refused");
    };
    let problem = refused.refused(503, "Reached maximum capacity of requests handled");
    assert_eq!(problem["title"], "RESOURCE_EXHAUSTED");
    assert!(
        held.iter().any(was_refused),
        "none of those that announced much was refused"
    );
    let path = format!("/v2/jobs/{}/completion", key(&job["jobKey"]));
    assert_eq!(
        door.post(
            &path,
            json!({ "variables": { "result": &long[..1_000_000] } })
        )
        .await
        .status,
        204
    );
    drop(held);
    let began = Instant::now();
    while door
        .post("/v2/process-instances", body.clone())
        .await
        .status
        != 200
    {
        assert!(began.elapsed() < PATIENCE, "there is room again");
    }
}
