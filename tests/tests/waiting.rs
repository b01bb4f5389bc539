//! Waiting: many instances that wait cost disk and not memory, and the many children of one instance keep nobody else waiting.

use anyhow::{Context as _, ensure};
use botswain_proto::worker::{Complete, Credits, StartInstance, WorkerMessage};
use botswain_tests::harness::{Coordinator, PATIENCE, Stream, Web, crowd, model, rows, wait_for};
use serde_json::json;
use std::time::{Duration, Instant};

/// How many wait; `make soak` lets a million wait.
const INSTANCES: u64 = 10_000;
/// How many children one instance has.
const CHILDREN: u32 = 10_000;

#[test]
fn ten_thousand_wait_for_a_timer_and_a_message_and_nobody_is_lost() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let crowd = crowd(folder.path(), INSTANCES, 1)?;
    eprintln!("{crowd:?}");
    ensure!(
        crowd.grown_kib < 160 << 10,
        "memory grew by {} KiB",
        crowd.grown_kib
    );
    Ok(())
}

/// Runs quick instances one after the other while `until` is not reached; how long each took.
async fn quick(
    stream: &mut Stream,
    mut goes_on: impl FnMut(usize) -> bool,
) -> anyhow::Result<Vec<Duration>> {
    let mut took = Vec::new();
    while goes_on(took.len()) {
        let request_id = stream.number();
        let began = Instant::now();
        let start = StartInstance {
            request_id,
            process_id: "quick".to_owned(),
            await_end: true,
            ..StartInstance::default()
        };
        stream
            .send(WorkerMessage {
                start: vec![start],
                ..WorkerMessage::default()
            })
            .await?;
        let ended = tokio::time::timeout(PATIENCE, async {
            loop {
                let frame = stream.next().await?.context("the stream ended")?;
                for job in frame.jobs {
                    let complete = Complete {
                        request_id: 0,
                        job_key: job.key,
                        fence: job.fence,
                        ..Complete::default()
                    };
                    let credits = Credits {
                        subscription: job.subscription,
                        more: 1,
                    };
                    stream
                        .send(WorkerMessage {
                            complete: vec![complete],
                            credits: vec![credits],
                            ..WorkerMessage::default()
                        })
                        .await?;
                }
                if frame
                    .ended
                    .iter()
                    .any(|ended| ended.request_id == request_id)
                {
                    return Ok::<_, anyhow::Error>(());
                }
            }
        });
        ended.await.context("a quick instance waited too long")??;
        took.push(began.elapsed());
    }
    took.sort_unstable();
    Ok(took)
}

fn told(what: &str, took: &[Duration]) -> (Duration, Duration) {
    let at = |share: usize| {
        took.get((took.len().saturating_sub(1)) * share / 100)
            .copied()
            .unwrap_or_default()
    };
    eprintln!(
        "{what}: {} quick instances, p50 {:?}, p99 {:?}",
        took.len(),
        at(50),
        at(99)
    );
    (at(50), at(99))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_children_are_spawned_and_cancelled_fairly_beside_others() -> anyhow::Result<()>
{
    let folder = tempfile::tempdir()?;
    let coordinator = Coordinator::start(folder.path())?;
    let web = Web::new(&coordinator.http)?;
    for (id, text) in [
        ("quick", "start > q:job(type=quick) > end"),
        (
            "many",
            "start > each:job(type=never, each item in items) > end",
        ),
    ] {
        web.deploy(&format!("{id}.bpmn"), &model(id, text))
            .await?
            .ok();
    }
    let mut stream = Stream::open(&coordinator.grpc).await?;
    stream.subscribe(1, "quick", 4, 60_000).await?;
    let alone = quick(&mut stream, |done| done < 100).await?;
    let (_, alone_p99) = told("alone", &alone);

    let items: Vec<u32> = (0..CHILDREN).collect();
    let at = Instant::now();
    let instance = web.start("many", &json!({ "items": items })).await?;
    let jobs = || rows(folder.path(), "job").unwrap_or(0);
    let meanwhile = quick(&mut stream, |_| jobs() < i64::from(CHILDREN)).await?;
    eprintln!("{CHILDREN} children after {:?}", at.elapsed());
    let (_, spawning_p99) = told("while children are spawned", &meanwhile);

    let at = Instant::now();
    let cancelled = web
        .post(
            &format!("/v2/process-instances/{instance}/cancellation"),
            &json!({}),
        )
        .await?;
    ensure!(cancelled.status == 204, "{cancelled:?}");
    // The quick one's own job may be there in the moment of the look.
    let meanwhile = quick(&mut stream, |_| jobs() > 1).await?;
    eprintln!("cancelled after {:?}", at.elapsed());
    let (_, cancelling_p99) = told("while children are cancelled", &meanwhile);
    let state = wait_for("the end of the cancelled instance", || async {
        let got = web
            .get(&format!("/v2/process-instances/{instance}"))
            .await
            .ok()?
            .ok();
        got["endDate"].is_string().then(|| got["state"].clone())
    })
    .await;
    ensure!(state == "TERMINATED", "{state}");
    // What one step of a large instance may take, with room for a busy machine.
    let fair = alone_p99 * 10 + Duration::from_millis(500);
    for (what, p99) in [("spawning", spawning_p99), ("cancelling", cancelling_p99)] {
        ensure!(
            p99 < fair,
            "{what} kept others waiting: p99 {p99:?}, alone {alone_p99:?}"
        );
    }
    coordinator.stop()
}
