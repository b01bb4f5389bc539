//! Evidence: what attempts left behind is listed and read, and never run.

use crate::door::{Door, key};
use botswain::fleet::EvidenceFolder;
use botswain::runtime::Ask;
use botswain_proto::ids;
use botswain_store::rows::{Digest, EvidenceRow, Put};
use reqwest::Method;
use serde_json::json;
use std::sync::Arc;

#[tokio::test]
async fn evidence_is_listed_by_its_instance_and_read_by_its_digest() {
    let folder = tempfile::tempdir().unwrap();
    let files = Arc::new(EvidenceFolder::open(folder.path().join("evidence")).unwrap());
    let door = Door::with(None, |state| state.with_evidence(Arc::clone(&files))).await;
    door.send(
        door.request(Method::PUT, "/botswain/v1/routes/pick")
            .body("person"),
    )
    .await
    .ok();
    door.deploy("start > pick:job > end").await;
    let instance = door.start(json!({})).await;
    let attempts = door
        .get(&format!("/botswain/v1/attempts?instance={instance}"))
        .await
        .ok();
    let attempt = attempts["items"][0]["attempt"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    let mut digests = Vec::new();
    for (name, media_type, bytes) in [
        ("page.html", "text/html", &b"<script>"[..]),
        ("shot.png", "image/png", b"PNG"),
    ] {
        let digest = ids::Digest::of(bytes);
        let path = files.path(&digest);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
        let row = EvidenceRow {
            attempt,
            name: name.to_owned(),
            media_type: media_type.into(),
            size: bytes.len() as u64,
            digest: Digest(digest.0),
            at: 1,
        };
        let put = Box::new(Put::Evidence(row));
        door.runtime
            .ask(Ask::Write { put, audit: None })
            .await
            .unwrap();
        digests.push(digest.to_string());
    }
    for by in [format!("instance={instance}"), format!("attempt={attempt}")] {
        let listed = door.get(&format!("/botswain/v1/evidence?{by}")).await.ok();
        assert_eq!(listed["page"]["totalItems"], 2);
        assert_eq!(listed["items"][0]["digest"], digests[0]);
        assert_eq!(listed["items"][0]["jobType"], "pick");
        key(&listed["items"][0]["jobKey"]);
    }
    let page = door
        .get(&format!("/botswain/v1/evidence/{}", digests[0]))
        .await;
    assert_eq!(
        (page.text.as_str(), page.media.as_str()),
        ("<script>", "application/octet-stream")
    );
    let shot = door
        .get(&format!("/botswain/v1/evidence/{}", digests[1]))
        .await;
    assert_eq!(
        (shot.text.as_str(), shot.media.as_str()),
        ("PNG", "image/png")
    );
    std::fs::remove_file(files.path(&digests[1].parse().unwrap())).unwrap();
    door.get(&format!("/botswain/v1/evidence/{}", digests[1]))
        .await
        .refused(500, "its file cannot be read");
}
