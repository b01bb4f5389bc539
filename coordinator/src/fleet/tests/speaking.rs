//! Speaking: who may, what is said first, receipts after commits, and limits.

use super::stub::*;
use crate::dispatch::SessionId;
use crate::fleet::*;
use botswain_proto::agent::{
    AgentMessage, EvidenceChunk, EvidenceHead, FetchPackageRequest, agent_message::Body,
};
use botswain_proto::ids::{AttemptId, Digest, Fence, JobKey, Seq};
use botswain_proto::limits::{EVIDENCE_MAX_BYTES, PAYLOAD_MAX_BYTES};
use botswain_proto::message::{Beat, Cancel, FromAgent, State, TaskEvent, ToAgent, Verdict};
use bytes::Bytes;
use tonic::Code;

fn attempt() -> AttemptId {
    "0198c0de-0000-7000-8000-000000000001".parse().unwrap()
}

fn event(seq: u64, state: State) -> FromAgent {
    FromAgent::Event(Box::new(TaskEvent {
        attempt: attempt(),
        job: JobKey(7),
        fence: Fence(1),
        seq: Seq(seq),
        boot_id: "boot".to_owned(),
        state,
        reason: None,
        progress: None,
        result: Bytes::new(),
        result_ref: None,
        queued_ms: 0,
        run_ms: 0,
        tail: None,
        evidence: Vec::new(),
        happened: None,
        bpmn_error: None,
        warnings: Vec::new(),
        replayed: false,
    }))
}

fn cancel(why: &str) -> ToAgent {
    ToAgent::Cancel(Cancel {
        attempt: attempt(),
        fence: Fence(1),
        epoch: botswain_proto::ids::Epoch(3),
        grace_ms: None,
        why: why.to_owned(),
    })
}

#[tokio::test]
async fn a_receipt_waits_for_the_commit() {
    let place = Place::open().await;
    let machine = place.enrolled("anna").await;
    let mut client = place.client(Some(&machine)).await.unwrap();
    let mut talk = Talk::begin(&mut client, "anna").await.unwrap();
    assert!(matches!(talk.hear().await.unwrap(), ToAgent::Sync(sync) if sync.epoch.0 == 3));

    place.stub.committing.send_replace(false);
    talk.say(event(1, State::Accepted)).await;
    talk.say(event(2, State::Started)).await;
    talk.say(FromAgent::Beat(Beat {
        running: vec![attempt()],
        ..Beat::default()
    }))
    .await;
    place.stub.until_heard("beat of anna").await;
    // What is sent without a commit overtakes the receipts, which wait.
    place.lines.send(SessionId(1), cancel("first")).unwrap();
    assert!(
        matches!(talk.hear().await.unwrap(), ToAgent::Cancel(_)),
        "a receipt before the commit"
    );

    place.stub.committing.send_replace(true);
    let mut verdicts = Vec::new();
    let mut leases = 0;
    while verdicts.len() < 2 || leases < 1 {
        let ToAgent::Receipt(receipt) = talk.hear().await.unwrap() else {
            panic!("expected receipts only")
        };
        verdicts.extend(receipt.items);
        leases += receipt.leases.len();
    }
    assert_eq!(
        verdicts,
        [(Seq(1), Verdict::Committed), (Seq(2), Verdict::Committed)]
    );

    talk.say(FromAgent::Goodbye {
        why: "lunch".to_owned(),
    })
    .await;
    place.stub.until_heard("gone: anna, stopped: lunch").await;
    assert_eq!(place.lines.open(), 0);
    place.running.stop().await;
}

#[tokio::test]
async fn the_first_word_is_the_sync_whatever_became_durable_before() {
    let place = Place::open().await;
    let machine = place.enrolled("anna").await;
    let mut client = place.client(Some(&machine)).await.unwrap();
    place.stub.committing.send_replace(false);
    let (sent, begun) = tokio::join!(
        async {
            place.stub.until_heard("hello from anna").await;
            let sent = place.lines.send(SessionId(1), cancel("early"));
            place.stub.committing.send_replace(true);
            sent
        },
        Talk::begin(&mut client, "anna")
    );
    sent.unwrap();
    let mut talk = begun.unwrap();
    assert!(matches!(talk.hear().await.unwrap(), ToAgent::Sync(_)));
    assert!(matches!(talk.hear().await.unwrap(), ToAgent::Cancel(cancel) if cancel.why == "early"));
    drop(talk);
    place.running.stop().await;
}

#[tokio::test]
async fn the_certificate_says_who_speaks_whatever_the_hello_claims() {
    let place = Place::open().await;
    let machine = place.enrolled("anna").await;
    let mut client = place.client(Some(&machine)).await.unwrap();
    let mut talk = Talk::begin(&mut client, "boss").await.unwrap();
    talk.hear().await.unwrap();
    talk.say(event(1, State::Started)).await;
    place.stub.until_heard("event 1 of anna").await;
    drop(talk);
    place.running.stop().await;
}

#[tokio::test]
async fn without_a_certificate_there_is_only_enrolment() {
    let place = Place::open().await;
    let mut client = place.client(None).await.unwrap();
    let refused = Talk::begin(&mut client, "anna").await.err().unwrap();
    assert_eq!(refused.code(), Code::Unauthenticated);
    assert!(refused.message().contains("enrol"), "{}", refused.message());
    let refused = client
        .fetch_package(FetchPackageRequest {
            digest: Digest::of(b"").to_string(),
        })
        .await
        .err()
        .unwrap();
    assert_eq!(refused.code(), Code::Unauthenticated);
    place.running.stop().await;
}

#[tokio::test]
async fn a_certificate_of_another_authority_does_not_get_past_the_handshake() {
    let (place, other) = (Place::open().await, Place::open().await);
    let foreign = other.enrolled("anna").await;
    let error = match client(place.running.address, place.stub.ca.pem(), Some(&foreign)).await {
        Err(error) => error,
        // In TLS 1.3 the client may learn of it with its first request.
        Ok(mut client) => format!(
            "{:?}",
            Talk::begin(&mut client, "anna").await.err().unwrap()
        ),
    };
    assert!(
        error.contains("UnknownCA") || error.contains("alert"),
        "{error}"
    );
    assert!(place.stub.state.lock().heard.is_empty(), "{error}");
    place.running.stop().await;
    other.running.stop().await;
}

#[tokio::test]
async fn a_revoked_agent_is_cut_off_and_stays_out() {
    let place = Place::open().await;
    let machine = place.enrolled("anna").await;
    let mut client = place.client(Some(&machine)).await.unwrap();
    let mut talk = Talk::begin(&mut client, "anna").await.unwrap();
    talk.hear().await.unwrap();
    place.admission.revoke(&"anna".parse().unwrap());
    assert_eq!(
        talk.hear().await.unwrap_err().code(),
        Code::PermissionDenied
    );
    place
        .stub
        .until_heard("gone: anna, the agent was revoked")
        .await;
    let refused = Talk::begin(&mut client, "anna").await.err().unwrap();
    assert_eq!(refused.code(), Code::PermissionDenied);
    assert!(
        refused.message().contains("botswain agent-token"),
        "{}",
        refused.message()
    );
    place.running.stop().await;
}

#[tokio::test]
async fn a_wrong_event_is_put_aside_and_the_next_ones_are_heard() {
    let place = Place::open().await;
    let machine = place.enrolled("anna").await;
    let mut client = place.client(Some(&machine)).await.unwrap();
    let mut talk = Talk::begin(&mut client, "anna").await.unwrap();
    talk.hear().await.unwrap();
    let mut wrong = AgentMessage::from(event(1, State::Started));
    if let Some(Body::Event(event)) = &mut wrong.body {
        event.result = Bytes::from(vec![b' '; PAYLOAD_MAX_BYTES + 1]);
    }
    talk.say.send(wrong).await.unwrap();
    talk.say(event(2, State::Started)).await;
    let mut verdicts = Vec::new();
    while verdicts.len() < 2 {
        let ToAgent::Receipt(receipt) = talk.hear().await.unwrap() else {
            panic!("expected receipts only")
        };
        verdicts.extend(receipt.items);
    }
    verdicts.sort();
    assert_eq!(
        verdicts,
        [(Seq(1), Verdict::Invalid), (Seq(2), Verdict::Committed)]
    );
    place
        .stub
        .until_heard("unreadable event 1 of anna: event.result")
        .await;
    drop(talk);
    place.running.stop().await;
}

#[tokio::test]
async fn an_oversized_message_ends_the_connection_with_its_reason() {
    let place = Place::open().await;
    let machine = place.enrolled("anna").await;
    let mut client = place.client(Some(&machine)).await.unwrap();
    let mut talk = Talk::begin(&mut client, "anna").await.unwrap();
    talk.hear().await.unwrap();
    let mut huge = AgentMessage::from(event(1, State::Started));
    if let Some(Body::Event(event)) = &mut huge.body {
        event.result = Bytes::from(vec![b' '; 1 << 20]);
    }
    talk.say.send(huge).await.unwrap();
    let refused = talk.hear().await.unwrap_err();
    assert_eq!(refused.code(), Code::OutOfRange, "{refused}");
    place.stub.until_heard("gone: anna").await;
    place.running.stop().await;
}

#[tokio::test]
async fn whoever_says_something_before_hello_is_sent_away() {
    let place = Place::open().await;
    let machine = place.enrolled("anna").await;
    let mut client = place.client(Some(&machine)).await.unwrap();
    let first = AgentMessage::from(event(1, State::Started));
    let refused = client
        .session(tokio_stream::iter([first]))
        .await
        .err()
        .unwrap();
    assert_eq!(refused.code(), Code::InvalidArgument);
    place.running.stop().await;
}

#[tokio::test]
async fn a_package_comes_whole_and_in_chunks() {
    let place = Place::open().await;
    let machine = place.enrolled("anna").await;
    let mut client = place.client(Some(&machine)).await.unwrap();
    let package = Bytes::from((0..200_000_u32).map(|n| n as u8).collect::<Vec<_>>());
    let digest = Digest::of(&package);
    place
        .stub
        .state
        .lock()
        .packages
        .insert(digest, package.clone());
    let request = FetchPackageRequest {
        digest: digest.to_string(),
    };
    let mut chunks = client.fetch_package(request).await.unwrap().into_inner();
    let mut whole = Vec::new();
    while let Some(chunk) = chunks.message().await.unwrap() {
        assert_eq!(chunk.total, if whole.is_empty() { 200_000 } else { 0 });
        whole.extend_from_slice(&chunk.data);
    }
    assert_eq!(Digest::of(&whole), digest);
    let request = FetchPackageRequest {
        digest: Digest::of(b"x").to_string(),
    };
    assert_eq!(
        client.fetch_package(request).await.err().unwrap().code(),
        Code::NotFound
    );
    place.running.stop().await;
}

fn upload(name: &str, content: &[u8], announced: &[u8]) -> Vec<EvidenceChunk> {
    let head = EvidenceHead {
        attempt: attempt().to_string(),
        name: name.to_owned(),
        media_type: "text/plain".to_owned(),
        sha256: Digest::of(announced).to_string(),
        size: announced.len() as u64,
    };
    let mut chunks = vec![EvidenceChunk {
        head: Some(head),
        data: Bytes::new(),
    }];
    let data = content.chunks(50_000).map(|data| EvidenceChunk {
        head: None,
        data: Bytes::copy_from_slice(data),
    });
    chunks.extend(data);
    chunks
}

#[tokio::test]
async fn evidence_is_kept_by_its_content_and_only_as_announced() {
    let place = Place::open().await;
    let machine = place.enrolled("anna").await;
    let mut client = place.client(Some(&machine)).await.unwrap();
    let content = vec![7; 120_000];
    let stored = client
        .upload_evidence(tokio_stream::iter(upload("a.png", &content, &content)))
        .await
        .unwrap();
    assert!(!stored.into_inner().already_there);
    let kept = std::fs::read(place.evidence.path(&Digest::of(&content))).unwrap();
    assert_eq!(kept, content);
    let again = client
        .upload_evidence(tokio_stream::iter(upload("a.png", &content, &content)))
        .await
        .unwrap();
    assert!(again.into_inner().already_there);

    let mut refused = async |name: &str, content: &[u8], announced: &[u8]| {
        let chunks = upload(name, content, announced);
        client
            .upload_evidence(tokio_stream::iter(chunks))
            .await
            .err()
            .unwrap()
    };
    assert_eq!(
        refused("b", b"other", b"bytes").await.code(),
        Code::InvalidArgument
    );
    assert!(
        refused("b", b"longer than", b"said")
            .await
            .message()
            .contains("more than the announced 4")
    );
    assert!(
        refused("b", b"less", b"than was said")
            .await
            .message()
            .contains("4 bytes were sent")
    );
    assert_eq!(
        refused("foreign", b"x", b"x").await.code(),
        Code::PermissionDenied
    );
    let arriving = std::fs::read_dir(place.folder.path().join("evidence/arriving"))
        .unwrap()
        .count();
    assert_eq!(arriving, 0, "nothing half is left");

    let mut chunks = upload("big", b"", b"");
    if let Some(head) = &mut chunks[0].head {
        head.size = EVIDENCE_MAX_BYTES + 1;
    }
    let refused = client
        .upload_evidence(tokio_stream::iter(chunks))
        .await
        .err()
        .unwrap();
    assert!(
        refused.message().contains("at most"),
        "{}",
        refused.message()
    );
    place.running.stop().await;
}

#[tokio::test]
async fn a_slow_agent_loses_its_line_and_holds_nobody_up() {
    let lines = Lines::default();
    assert_eq!(
        lines.send(SessionId(9), ToAgent::Receipt(Default::default())),
        Err(NotSent::Gone)
    );
    let place =
        Place::open_with(|settings| settings.patience = std::time::Duration::from_millis(200))
            .await;
    let machine = place.enrolled("anna").await;
    let mut client = place.client(Some(&machine)).await.unwrap();
    let talk = Talk::begin(&mut client, "anna").await.unwrap();
    place.stub.until_heard("hello from anna").await;
    // The agent reads nothing: the line, the frames and the network's windows fill up.
    let mut sent = 0;
    while lines_take(&place.lines, cancel(&"x".repeat(4_000))) {
        sent += 1;
        tokio::task::yield_now().await;
        assert!(sent < 100_000, "the line takes everything");
    }
    place.stub.until_heard("gone: anna").await;
    drop(talk);
    place.running.stop().await;
}

fn lines_take(lines: &Lines, message: ToAgent) -> bool {
    lines.send(SessionId(1), message).is_ok()
}
