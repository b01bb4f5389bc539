//! Overload: the inbox is bounded. New work is refused early and clearly; finishing work is never starved by it.

use anyhow::ensure;
use botswain_proto::worker::{Code, Complete, StartInstance, WorkerMessage};
use botswain_tests::harness::{Coordinator, Stream, Web, model, rows};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// How many starts are thrown at the coordinator at once: several times what its inbox takes.
const FLOOD: u64 = 60_000;
/// How many starts one frame carries.
const FRAME: u64 = 4_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_starts_is_refused_early_and_completions_go_through() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let coordinator = Coordinator::start(folder.path())?;
    let web = Web::new(&coordinator.http)?;
    let deployed = web
        .deploy(
            "p.bpmn",
            &model("flooded", "start > pick:job(type=pick) > end"),
        )
        .await?;
    ensure!(deployed.status == 200, "{deployed:?}");

    // Some work is under way before the flood.
    let mut worker = Stream::open(&coordinator.grpc).await?;
    worker.subscribe(1, "pick", 40, 600_000).await?;
    for _ in 0..40 {
        web.start("flooded", &serde_json::json!({})).await?;
    }
    let mut jobs = Vec::new();
    while jobs.len() < 40 {
        jobs.push(worker.job().await?);
    }

    let mut flood = Stream::open(&coordinator.grpc).await?;
    let began = Instant::now();
    let say = flood.sender();
    let sent = Arc::new(Mutex::new(Vec::new()));
    let sending = Arc::clone(&sent);
    let pour = tokio::spawn(async move {
        for frame in 0..FLOOD / FRAME {
            let start = |n: u64| StartInstance {
                request_id: frame * FRAME + n + 1,
                process_id: "flooded".to_owned(),
                variables: bytes::Bytes::from_static(b"{\"note\":\"flood\"}"),
                ..StartInstance::default()
            };
            let message = WorkerMessage {
                start: (0..FRAME).map(start).collect(),
                ..WorkerMessage::default()
            };
            sending
                .lock()
                .expect("nobody panics with it")
                .push(Instant::now());
            if say.send(message).await.is_err() {
                return;
            }
        }
    });

    // Completions while the flood lasts, one after the other.
    let finishing = async {
        let mut slowest = Duration::ZERO;
        for job in jobs {
            let request_id = worker.number();
            let complete = Complete {
                request_id,
                job_key: job.key,
                fence: job.fence,
                ..Complete::default()
            };
            let asked = Instant::now();
            let reply = worker
                .ask(
                    request_id,
                    WorkerMessage {
                        complete: vec![complete],
                        ..WorkerMessage::default()
                    },
                )
                .await?;
            ensure!(reply.error.is_none(), "a completion was refused: {reply:?}");
            slowest = slowest.max(asked.elapsed());
        }
        Ok::<_, anyhow::Error>(slowest)
    };
    let flooding = async {
        let (mut taken, mut refused) = (0u64, 0u64);
        let (mut taken_after, mut refused_after) = (Duration::ZERO, Duration::ZERO);
        while taken + refused < FLOOD {
            let Some(frame) = flood.next().await? else {
                anyhow::bail!("the stream ended")
            };
            for reply in frame.replies {
                let frame = usize::try_from((reply.request_id - 1) / FRAME)?;
                let after = sent.lock().expect("nobody panics with it")[frame].elapsed();
                match reply.error {
                    None => {
                        taken += 1;
                        taken_after += after;
                    }
                    Some(error) => {
                        ensure!(error.code() == Code::ResourceExhausted, "{error:?}");
                        ensure!(
                            error.message.contains("come again"),
                            "no remedy: {}",
                            error.message
                        );
                        refused += 1;
                        refused_after += after;
                    }
                }
            }
        }
        let mean = |sum: Duration, of: u64| sum.div_f64(of.max(1) as f64);
        Ok::<_, anyhow::Error>((
            taken,
            refused,
            mean(taken_after, taken),
            mean(refused_after, refused),
        ))
    };
    let (slowest, (taken, refused, taken_after, refused_after)) =
        tokio::try_join!(finishing, flooding)?;
    pour.await?;
    let all = began.elapsed();
    eprintln!(
        "{FLOOD} starts at once: {taken} taken, after {taken_after:?} on average; {refused} refused, after {refused_after:?}; all answered \
         after {all:?}; the slowest of 40 completions meanwhile {slowest:?}"
    );
    ensure!(refused > 0, "nothing was refused");
    ensure!(taken > 0, "everything was refused");
    ensure!(
        refused_after < taken_after,
        "refusals took {refused_after:?}, longer than what was done: {taken_after:?}"
    );
    ensure!(
        slowest < all / 2,
        "a completion waited {slowest:?} of the flood's {all:?}"
    );

    // What was taken is there, and the coordinator takes new work again.
    let there = rows(folder.path(), "instance")?;
    ensure!(
        there == i64::try_from(taken)? + 40,
        "{taken} starts were taken besides 40, and {there} instances are there"
    );
    web.start("flooded", &serde_json::json!({})).await?;
    coordinator.stop()
}
