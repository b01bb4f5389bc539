//! One load: instances are started by a schedule, whatever the coordinator does, and latency counts from the scheduled time.

use botswain_proto::worker::worker_link_client::WorkerLinkClient;
use botswain_proto::worker::{Complete, Credits, StartInstance, Subscribe, WorkerMessage};
use hdrhistogram::Histogram;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;

/// What is loaded.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The process.
    pub process_id: String,
    /// The types of its tasks' jobs.
    pub job_types: Vec<String>,
    /// Instances a second.
    pub rate: f64,
    /// Not counted.
    pub warm_up: Duration,
    /// Counted.
    pub measured: Duration,
    /// The variables of each instance: a JSON object.
    pub variables: String,
    /// Streams that start instances.
    pub starters: usize,
    /// Streams that do jobs.
    pub workers: usize,
    /// How many jobs one stream may hold of one type.
    pub credits: u32,
}

/// What came of it.
pub struct Outcome {
    /// Instances that were started in the measured time, by schedule.
    pub scheduled: u64,
    /// Of these, the ones that ended.
    pub ended: u64,
    /// Starts that were refused.
    pub refused: u64,
    /// Tasks that were done in the measured time.
    pub tasks: u64,
    /// Milliseconds from the scheduled start to the end, of the measured instances.
    pub latency: Histogram<u64>,
    /// How long the measured time really was.
    pub seconds: f64,
    /// All instances that were started.
    pub started_in_all: u64,
}

#[derive(Default)]
struct Counters {
    tasks: AtomicU64,
    refused: AtomicU64,
    ended: AtomicU64,
    started: AtomicU64,
    measuring: AtomicBool,
}

/// Runs a plan against a coordinator.
///
/// # Errors
/// The coordinator cannot be reached.
pub async fn run(address: &str, plan: &Plan) -> anyhow::Result<Outcome> {
    let counters = Arc::new(Counters::default());
    let mut workers = Vec::new();
    for n in 0..plan.workers {
        workers.push(tokio::spawn(work(
            connect(address).await?,
            plan.clone(),
            n,
            Arc::clone(&counters),
        )));
    }
    let begin = Instant::now() + Duration::from_millis(300);
    let mut starters = Vec::new();
    for n in 0..plan.starters {
        let client = connect(address).await?;
        starters.push(tokio::spawn(start(
            client,
            plan.clone(),
            n,
            begin,
            Arc::clone(&counters),
        )));
    }
    tokio::time::sleep_until((begin + plan.warm_up).into()).await;
    counters.measuring.store(true, Ordering::Relaxed);
    let measured = Instant::now();
    tokio::time::sleep_until((begin + plan.warm_up + plan.measured).into()).await;
    counters.measuring.store(false, Ordering::Relaxed);
    let seconds = measured.elapsed().as_secs_f64();
    let tasks = counters.tasks.load(Ordering::Relaxed);
    let mut latency = Histogram::<u64>::new(3)?;
    let mut scheduled = 0;
    for starter in starters {
        let (one, of_one) = starter.await??;
        latency.add(one)?;
        scheduled += of_one;
    }
    for worker in workers {
        worker.abort();
    }
    let ended = latency.len();
    let refused = counters.refused.load(Ordering::Relaxed);
    let started_in_all = counters.started.load(Ordering::Relaxed);
    Ok(Outcome {
        scheduled,
        ended,
        refused,
        tasks,
        latency,
        seconds,
        started_in_all,
    })
}

async fn connect(address: &str) -> anyhow::Result<WorkerLinkClient<Channel>> {
    let channel = Channel::from_shared(address.to_owned())?
        .tcp_nodelay(true)
        .initial_connection_window_size(16 << 20)
        .initial_stream_window_size(8 << 20)
        .connect()
        .await?;
    Ok(WorkerLinkClient::new(channel).max_decoding_message_size(64 << 20))
}

/// Starts instances when their time comes and waits for their ends; gives up 10 s after the last one.
async fn start(
    mut client: WorkerLinkClient<Channel>,
    plan: Plan,
    n: usize,
    begin: Instant,
    counters: Arc<Counters>,
) -> anyhow::Result<(Histogram<u64>, u64)> {
    let (send, frames) = mpsc::channel::<WorkerMessage>(1024);
    let mut replies = client.work(ReceiverStream::new(frames)).await?.into_inner();
    let rate = plan.rate / plan.starters as f64;
    let due = move |at: u64| {
        begin + Duration::from_secs_f64((at as f64 + n as f64 / plan.starters as f64) / rate)
    };
    let from = (plan.warm_up.as_secs_f64() * rate) as u64;
    let until = ((plan.warm_up + plan.measured).as_secs_f64() * rate) as u64;
    let variables = bytes::Bytes::from(plan.variables.clone().into_bytes());
    let process_id = plan.process_id.clone();
    let started = Arc::clone(&counters);
    let sender = tokio::spawn(async move {
        let mut next = 0;
        while next < until {
            // Everything that is due leaves in one frame, however late this task was woken.
            let now = Instant::now();
            let mut frame = WorkerMessage::default();
            while next < until && due(next) <= now && frame.start.len() < 1_000 {
                frame.start.push(StartInstance {
                    request_id: next + 1,
                    process_id: process_id.clone(),
                    variables: variables.clone(),
                    await_end: true,
                    fetch_variables: vec!["none".to_owned()],
                    ..StartInstance::default()
                });
                next += 1;
            }
            if !frame.start.is_empty() {
                started
                    .started
                    .fetch_add(frame.start.len() as u64, Ordering::Relaxed);
                if send.send(frame).await.is_err() {
                    return;
                }
            }
            tokio::time::sleep_until((due(next).max(now + Duration::from_millis(1))).into()).await;
        }
        // The stream stays open for the ends that are still to come, until this task is aborted.
        let _open = send;
        std::future::pending::<()>().await;
    });
    let mut latency = Histogram::<u64>::new(3)?;
    let (mut ended, mut refused) = (0u64, 0u64);
    let give_up = begin + plan.warm_up + plan.measured + Duration::from_secs(10);
    while ended + refused < until {
        let Ok(frame) = tokio::time::timeout_at(give_up.into(), replies.message()).await else {
            break;
        };
        let Some(frame) = frame? else { break };
        let now = Instant::now();
        for reply in frame.replies {
            if reply.error.is_some() {
                refused += 1;
                counters.refused.fetch_add(1, Ordering::Relaxed);
            }
        }
        for end in frame.ended {
            ended += 1;
            counters.ended.fetch_add(1, Ordering::Relaxed);
            let at = end.request_id - 1;
            if at >= from {
                latency.record(u64::try_from(
                    now.saturating_duration_since(due(at)).as_millis(),
                )?)?;
            }
        }
    }
    sender.abort();
    Ok((latency, until - from))
}

/// Does every job at once with a small result.
async fn work(
    mut client: WorkerLinkClient<Channel>,
    plan: Plan,
    n: usize,
    counters: Arc<Counters>,
) -> anyhow::Result<()> {
    let (send, frames) = mpsc::channel::<WorkerMessage>(1024);
    let subscribe = (1u32..)
        .zip(&plan.job_types)
        .map(|(subscription, job_type)| Subscribe {
            subscription,
            job_type: job_type.clone(),
            worker: format!("load-{n}"),
            credits: plan.credits,
            lease_ms: 60_000,
            fetch_variables: Vec::new(),
        })
        .collect();
    send.send(WorkerMessage {
        subscribe,
        ..WorkerMessage::default()
    })
    .await?;
    let mut jobs = client.work(ReceiverStream::new(frames)).await?.into_inner();
    let result = bytes::Bytes::from_static(br#"{"done":true}"#);
    while let Some(frame) = jobs.message().await? {
        if frame.jobs.is_empty() {
            continue;
        }
        let mut answer = WorkerMessage::default();
        let mut more = vec![0u32; plan.job_types.len()];
        for job in frame.jobs {
            more[job.subscription as usize - 1] += 1;
            answer.complete.push(Complete {
                request_id: 1,
                job_key: job.key,
                fence: job.fence,
                variables: result.clone(),
            });
        }
        let given = (1u32..).zip(more).filter(|(_, more)| *more > 0);
        answer.credits = given
            .map(|(subscription, more)| Credits { subscription, more })
            .collect();
        if counters.measuring.load(Ordering::Relaxed) {
            counters
                .tasks
                .fetch_add(answer.complete.len() as u64, Ordering::Relaxed);
        }
        send.send(answer).await?;
    }
    Ok(())
}
