//! Durability: no reply leaves the coordinator before the fdatasync of the batch that it belongs to. The kernel's own record of
//! the calls is the witness.

use anyhow::{Context as _, ensure};
use botswain_proto::worker::{Complete, PublishMessage, StartInstance, WorkerMessage};
use botswain_tests::harness::{Coordinator, Stream, Web, model};
use serde_json::json;
use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

/// A tracer of a process, for as long as it lives.
struct Tracer(Child);

impl Tracer {
    /// Attaches to all threads of a process; none where there is no tracer, or where the system allows none.
    fn attach(process: u32, record: &Path) -> anyhow::Result<Option<Tracer>> {
        let mut command = Command::new("setpriv");
        command.args([
            "--pdeathsig",
            "KILL",
            "--",
            "strace",
            "-f",
            "-ttt",
            "-T",
            "-y",
            "-s",
            "80",
            "-p",
            &process.to_string(),
        ]);
        command
            .args([
                "-e",
                "trace=fdatasync,fsync,sendto,sendmsg,write,writev,pwrite64",
                "-o",
            ])
            .arg(record);
        let mut child = command
            .stderr(Stdio::piped())
            .stdin(Stdio::null())
            .spawn()?;
        let said = child.stderr.take().context("its errors are a pipe")?;
        let mut said = BufReader::new(said);
        let mut line = String::new();
        while said.read_line(&mut line)? > 0 {
            if line.contains("attached") {
                // It goes on to speak of new threads, and would die of a pipe without a reader.
                std::thread::spawn(move || std::io::copy(&mut said, &mut std::io::sink()));
                return Ok(Some(Tracer(child)));
            }
            eprint!("{line}");
            line.clear();
        }
        child.wait()?;
        Ok(None)
    }
}

impl Drop for Tracer {
    fn drop(&mut self) {
        // Detaches, so that the process goes on.
        let _ = Command::new("kill")
            .args(["-INT", &self.0.id().to_string()])
            .status();
        let _ = self.0.wait();
    }
}

/// One system call of the record.
struct Call {
    /// Its place in the record, which is in the order of the kernel's events.
    line: usize,
    /// When it ended, in seconds.
    ended: f64,
    name: String,
    text: String,
}

/// A request that was alone on its way: when it was sent, and when its reply was there.
struct Asked {
    what: &'static str,
    sent: f64,
    told: f64,
}

fn seconds() -> f64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs_f64()
}

/// The calls in the order in which they ended; a call in two parts (`unfinished`, `resumed`) counts at its beginning for what it
/// sends and at its end for what it makes durable.
fn calls(record: &str) -> Vec<Call> {
    let mut open: BTreeMap<String, (usize, f64, String)> = BTreeMap::new();
    let mut calls = Vec::new();
    for (line, text) in record.lines().enumerate() {
        let mut words = text.split_whitespace();
        let (Some(thread), Some(at)) = (words.next(), words.next()) else {
            continue;
        };
        let at: f64 = at.parse().unwrap_or_default();
        let took = |text: &str| {
            text.rsplit_once('<')
                .and_then(|(_, rest)| rest.trim_end_matches('>').parse::<f64>().ok())
        };
        let rest = text.splitn(3, ' ').nth(2).unwrap_or_default().trim_start();
        if let Some(resumed) = rest.strip_prefix("<... ") {
            let name = resumed.split(' ').next().unwrap_or_default().to_owned();
            if let Some((began, begun, begin)) = open.remove(thread) {
                let line = if name.ends_with("sync") { line } else { began };
                let ended = begun + took(resumed).unwrap_or(at - begun);
                calls.push(Call {
                    line,
                    ended,
                    name,
                    text: format!("{begin}{resumed}"),
                });
            }
        } else if rest.contains("<unfinished ...>") {
            open.insert(thread.to_owned(), (line, at, rest.to_owned()));
        } else {
            let name = rest.split('(').next().unwrap_or_default().to_owned();
            calls.push(Call {
                line,
                ended: at + took(rest).unwrap_or(0.0),
                name,
                text: rest.to_owned(),
            });
        }
    }
    calls.sort_by_key(|call| call.line);
    calls
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_reply_leaves_before_its_batch_is_durable() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let data = folder.path().join("data");
    let coordinator = Coordinator::start(&data)?;
    let web = Web::new(&coordinator.http)?;
    for (id, text) in [
        (
            "traced",
            "start > pick:job(type=pick) > word:message(go, key=order) > end",
        ),
        ("idle", "start > rest:job(type=rest) > end"),
    ] {
        let deployed = web.deploy(&format!("{id}.bpmn"), &model(id, text)).await?;
        ensure!(deployed.status == 200, "{deployed:?}");
    }
    let record = folder.path().join("calls");
    let Some(tracer) = Tracer::attach(coordinator.id(), &record)? else {
        panic!("no process may be traced here: install strace, and allow ptrace");
    };

    // One request at a time, so that what happens between its sending and its reply is its own.
    let mut stream = Stream::open(&coordinator.grpc).await?;
    stream.subscribe(1, "pick", 100, 60_000).await?;
    let mut asked = Vec::new();
    for round in 0..12 {
        let order = format!("order-{round}");
        let request_id = stream.number();
        let variables = json!({ "order": order }).to_string().into_bytes().into();
        let start = StartInstance {
            request_id,
            process_id: "traced".to_owned(),
            variables,
            ..StartInstance::default()
        };
        let message = WorkerMessage {
            start: vec![start],
            ..WorkerMessage::default()
        };
        asked.push(ask(&mut stream, "start", request_id, message).await?);
        let job = stream.job().await?;
        let request_id = stream.number();
        let complete = Complete {
            request_id,
            job_key: job.key,
            fence: job.fence,
            ..Complete::default()
        };
        let message = WorkerMessage {
            complete: vec![complete],
            ..WorkerMessage::default()
        };
        asked.push(ask(&mut stream, "complete", request_id, message).await?);
        let request_id = stream.number();
        let publish = PublishMessage {
            request_id,
            name: "go".to_owned(),
            correlation_key: order,
            time_to_live_ms: 60_000,
            ..PublishMessage::default()
        };
        let message = WorkerMessage {
            publish: vec![publish],
            ..WorkerMessage::default()
        };
        asked.push(ask(&mut stream, "publish", request_id, message).await?);
        let sent = seconds();
        web.start("idle", &json!({})).await?;
        asked.push(Asked {
            what: "start over HTTP",
            sent,
            told: seconds(),
        });
    }
    drop(tracer);
    let text = std::fs::read_to_string(&record)?;
    judge(&calls(&text), &asked)?;
    coordinator.stop()
}

async fn ask(
    stream: &mut Stream,
    what: &'static str,
    number: u64,
    message: WorkerMessage,
) -> anyhow::Result<Asked> {
    let sent = seconds();
    let reply = stream.ask(number, message).await?;
    let told = seconds();
    ensure!(reply.error.is_none(), "{reply:?}");
    Ok(Asked { what, sent, told })
}

/// Nothing leaves on a socket between a write of the log and its sync, and between the sending of each request and its reply
/// the log was synced.
fn judge(calls: &[Call], asked: &[Asked]) -> anyhow::Result<()> {
    let is_log = |call: &Call| call.text.contains("botswain.db-wal");
    let mut unsynced = false;
    let (mut syncs, mut left, mut early) = (Vec::new(), 0, Vec::new());
    for call in calls {
        match call.name.as_str() {
            "pwrite64" if is_log(call) => unsynced = true,
            "fdatasync" | "fsync" if is_log(call) => {
                unsynced = false;
                syncs.push(call.ended);
            }
            "sendto" | "sendmsg" | "write" | "writev"
                if call.text.contains("<TCP:") || call.text.contains("<socket:") =>
            {
                left += 1;
                if unsynced {
                    early.push(format!("line {}: {}", call.line, call.text));
                }
            }
            _ => {}
        }
    }
    eprintln!(
        "{} requests, {} syncs of the log, {left} frames left, {} of them before their sync",
        asked.len(),
        syncs.len(),
        early.len()
    );
    ensure!(
        left >= asked.len(),
        "{} requests, and only {left} frames left",
        asked.len()
    );
    ensure!(
        early.is_empty(),
        "frames left between a write of the log and its sync:\n{}",
        early.join("\n")
    );
    for one in asked {
        let synced = syncs
            .iter()
            .any(|ended| (one.sent..one.told).contains(ended));
        ensure!(
            synced,
            "the reply to a {} was there before the log was synced: {:.6} to {:.6}",
            one.what,
            one.sent,
            one.told
        );
    }
    Ok(())
}
