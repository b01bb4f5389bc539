//! A ledger of what a client asked and was told, kept across the lives of a coordinator that is killed, and its audit.

use super::{Coordinator, Stream, Web, model};
use anyhow::{Context as _, bail, ensure};
use botswain_proto::worker::{
    Code, Complete, Credits, Job, PublishMessage, Reply, ServerMessage, StartInstance,
    WorkerMessage,
};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use rusqlite::{Connection, OpenFlags};
use serde_json::json;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

/// The process of the ledger: a job, a message, a job.
const PROCESS: &str =
    "start > first:job(type=first) > word:message(go, key=order) > second:job(type=second) > end";

/// What was asked, and what was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    /// Nothing: it may have happened, or not.
    Nothing,
    /// It happened, and this is its key.
    Happened(i64),
}

/// Figures of a ledger.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Lives that ended with a kill.
    pub kills: u64,
    /// Starts that were acknowledged.
    pub starts: u64,
    /// Messages that were acknowledged.
    pub messages: u64,
    /// Completions that were acknowledged.
    pub completions: u64,
    /// Requests without an answer.
    pub unanswered: u64,
    /// Requests that were sent again in a later life.
    pub repeated: u64,
}

/// A client's ledger.
pub struct Ledger {
    rng: SmallRng,
    starts: BTreeMap<String, Told>,
    messages: BTreeMap<String, Told>,
    completions: BTreeMap<i64, (u64, Told)>,
    next_order: u64,
    tally: Tally,
}

/// What a request of the life at hand was about.
enum About {
    Start(String),
    Message(String),
    Completion(i64),
}

impl Ledger {
    /// An empty ledger.
    #[must_use]
    pub fn new(seed: u64) -> Ledger {
        Ledger {
            rng: SmallRng::seed_from_u64(seed),
            starts: BTreeMap::new(),
            messages: BTreeMap::new(),
            completions: BTreeMap::new(),
            next_order: 0,
            tally: Tally::default(),
        }
    }

    /// Deploys the ledger's process.
    ///
    /// # Errors
    /// It is refused.
    pub async fn deploy(&self, coordinator: &Coordinator) -> anyhow::Result<()> {
        let answered = Web::new(&coordinator.http)?
            .deploy("ledger.bpmn", &model("ledger", PROCESS))
            .await?;
        ensure!(answered.status == 200, "{answered:?}");
        Ok(())
    }

    /// Loads a coordinator over its stream for a while that chance decides, and kills it while everything is under way.
    ///
    /// # Errors
    /// A promise was broken.
    pub async fn live_and_kill(&mut self, coordinator: Coordinator) -> anyhow::Result<()> {
        let until = Instant::now() + Duration::from_millis(self.rng.random_range(60..350));
        self.load(&coordinator, until, true).await?;
        coordinator.kill();
        self.tally.kills += 1;
        Ok(())
    }

    /// Loads a coordinator for that long.
    ///
    /// # Errors
    /// A promise was broken.
    pub async fn live(&mut self, coordinator: &Coordinator, long: Duration) -> anyhow::Result<()> {
        self.load(coordinator, Instant::now() + long, true).await
    }

    /// Works until nothing is left to do.
    ///
    /// # Errors
    /// A promise was broken, or instances do not end.
    pub async fn finish(&mut self, coordinator: &Coordinator) -> anyhow::Result<()> {
        let database = open(&coordinator.data)?;
        let until = Instant::now() + super::PATIENCE;
        loop {
            self.load(
                coordinator,
                Instant::now() + Duration::from_millis(300),
                false,
            )
            .await?;
            let active: i64 = database.query_row(
                "SELECT count(*) FROM instance WHERE ended_at IS NULL",
                [],
                |row| row.get(0),
            )?;
            let untold = self
                .starts
                .values()
                .chain(self.messages.values())
                .any(|told| *told == Told::Nothing);
            if active == 0 && !untold {
                return Ok(());
            }
            ensure!(
                Instant::now() < until,
                "{active} instances do not end, unanswered requests: {untold}"
            );
        }
    }

    /// One stream's life.
    async fn load(
        &mut self,
        coordinator: &Coordinator,
        until: Instant,
        fresh: bool,
    ) -> anyhow::Result<()> {
        let mut stream = Stream::open(&coordinator.grpc).await?;
        stream.subscribe(1, "first", 20, 800).await?;
        stream.subscribe(2, "second", 20, 800).await?;
        let mut about = BTreeMap::new();
        self.ask_again(&mut stream, &mut about, fresh).await?;
        let mut pace = tokio::time::interval(Duration::from_millis(2));
        let until = tokio::time::Instant::from_std(until);
        loop {
            let pause = tokio::time::sleep_until(until);
            tokio::select! {
                biased;
                () = pause => break,
                frame = stream.next() => match frame? {
                    Some(frame) => self.hear(&mut stream, &mut about, frame).await?,
                    None => bail!("the stream ended by itself"),
                },
                _ = pace.tick(), if fresh => self.ask(&mut stream, &mut about).await?,
            }
        }
        Ok(())
    }

    /// New orders, each with its message, in one frame.
    async fn ask(
        &mut self,
        stream: &mut Stream,
        about: &mut BTreeMap<u64, About>,
    ) -> anyhow::Result<()> {
        let mut frame = WorkerMessage::default();
        for _ in 0..self.rng.random_range(1..4) {
            self.next_order += 1;
            let order = format!("o{}", self.next_order);
            self.starts.insert(order.clone(), Told::Nothing);
            frame.start.push(self.start(stream, about, &order));
            self.messages.insert(order.clone(), Told::Nothing);
            frame.publish.push(self.publish(stream, about, &order));
        }
        stream.send(frame).await
    }

    /// What nobody answered is asked again, under the same id; some of it only at the end.
    async fn ask_again(
        &mut self,
        stream: &mut Stream,
        about: &mut BTreeMap<u64, About>,
        some: bool,
    ) -> anyhow::Result<()> {
        let open = |told: &BTreeMap<String, Told>| -> Vec<String> {
            told.iter()
                .filter(|(_, told)| **told == Told::Nothing)
                .map(|(order, _)| order.clone())
                .collect()
        };
        let (starts, messages) = (open(&self.starts), open(&self.messages));
        let mut frame = WorkerMessage::default();
        for order in starts {
            if !some || self.rng.random_bool(0.5) {
                self.tally.repeated += 1;
                frame.start.push(self.start(stream, about, &order));
            }
        }
        for order in messages {
            if !some || self.rng.random_bool(0.5) {
                self.tally.repeated += 1;
                frame.publish.push(self.publish(stream, about, &order));
            }
        }
        stream.send(frame).await
    }

    fn start(
        &self,
        stream: &mut Stream,
        about: &mut BTreeMap<u64, About>,
        order: &str,
    ) -> StartInstance {
        let request_id = stream.number();
        about.insert(request_id, About::Start(order.to_owned()));
        StartInstance {
            request_id,
            process_id: "ledger".to_owned(),
            variables: json!({ "order": order }).to_string().into_bytes().into(),
            deduplication_id: format!("start {order}"),
            ..StartInstance::default()
        }
    }

    fn publish(
        &self,
        stream: &mut Stream,
        about: &mut BTreeMap<u64, About>,
        order: &str,
    ) -> PublishMessage {
        let request_id = stream.number();
        about.insert(request_id, About::Message(order.to_owned()));
        PublishMessage {
            request_id,
            name: "go".to_owned(),
            correlation_key: order.to_owned(),
            time_to_live_ms: 3_600_000,
            deduplication_id: format!("message {order}"),
            ..PublishMessage::default()
        }
    }

    async fn hear(
        &mut self,
        stream: &mut Stream,
        about: &mut BTreeMap<u64, About>,
        frame: ServerMessage,
    ) -> anyhow::Result<()> {
        for reply in frame.replies {
            if let Some(what) = about.remove(&reply.request_id) {
                self.told(what, &reply)?;
            }
        }
        let mut answer = WorkerMessage::default();
        for job in frame.jobs {
            answer.complete.push(self.complete(stream, about, &job));
            answer.credits.push(Credits {
                subscription: job.subscription,
                more: 1,
            });
        }
        if answer.complete.is_empty() {
            Ok(())
        } else {
            stream.send(answer).await
        }
    }

    fn complete(
        &mut self,
        stream: &mut Stream,
        about: &mut BTreeMap<u64, About>,
        job: &Job,
    ) -> Complete {
        let request_id = stream.number();
        about.insert(request_id, About::Completion(job.key));
        let known = self
            .completions
            .entry(job.key)
            .or_insert((job.fence, Told::Nothing));
        known.0 = job.fence;
        Complete {
            request_id,
            job_key: job.key,
            fence: job.fence,
            ..Complete::default()
        }
    }

    fn told(&mut self, about: About, reply: &Reply) -> anyhow::Result<()> {
        let code = reply.error.as_ref().map(|error| error.code());
        if matches!(code, Some(Code::Unavailable | Code::ResourceExhausted)) {
            return Ok(());
        }
        let text = || {
            reply
                .error
                .as_ref()
                .map_or("", |error| error.message.as_str())
                .to_owned()
        };
        match about {
            About::Start(order) => {
                ensure!(
                    code.is_none(),
                    "the start of {order} was refused: {}",
                    text()
                );
                let told = self.starts.insert(order.clone(), Told::Happened(reply.key));
                if let Some(Told::Happened(before)) = told {
                    ensure!(
                        before == reply.key,
                        "{order} was {before} and is {}",
                        reply.key
                    );
                } else {
                    self.tally.starts += 1;
                }
            }
            About::Message(order) => {
                ensure!(
                    code.is_none(),
                    "the message of {order} was refused: {}",
                    text()
                );
                let told = self
                    .messages
                    .insert(order.clone(), Told::Happened(reply.key));
                if let Some(Told::Happened(before)) = told {
                    ensure!(
                        before == reply.key,
                        "the message of {order} was {before} and is {}",
                        reply.key
                    );
                } else {
                    self.tally.messages += 1;
                }
            }
            About::Completion(job) => {
                if code.is_none() {
                    let known = self
                        .completions
                        .get_mut(&job)
                        .context("a job that was taken")?;
                    ensure!(
                        known.1 == Told::Nothing,
                        "the completion of job {job} was taken twice"
                    );
                    known.1 = Told::Happened(job);
                    self.tally.completions += 1;
                }
            }
        }
        Ok(())
    }

    /// Compares what was told with what is there.
    ///
    /// # Errors
    /// A promise was broken.
    pub fn audit(&self, coordinator: &Coordinator) -> anyhow::Result<()> {
        let database = open(&coordinator.data)?;
        // One moment for all looks.
        let database = database.unchecked_transaction()?;
        let mut instances: BTreeMap<String, Vec<i64>> = BTreeMap::new();
        let mut rows = database
            .prepare("SELECT root, value FROM variable WHERE name = 'order' AND scope = root")?;
        let mut rows = rows.query([])?;
        while let Some(row) = rows.next()? {
            let order: String = row.get(1)?;
            instances
                .entry(order.trim_matches('"').to_owned())
                .or_default()
                .push(row.get(0)?);
        }
        let whole: i64 =
            database.query_row("SELECT count(*) FROM instance", [], |row| row.get(0))?;
        let found: usize = instances.values().map(Vec::len).sum();
        ensure!(
            whole == i64::try_from(found)?,
            "{whole} instances, and {found} with their variables: one is not whole"
        );
        for (order, told) in &self.starts {
            let there = instances.get(order).map_or(&[][..], Vec::as_slice);
            match told {
                Told::Happened(key) => ensure!(
                    there == [*key],
                    "{order} was acknowledged as {key}, and {there:?} is there"
                ),
                Told::Nothing => {
                    ensure!(there.len() <= 1, "{order} is there {} times", there.len())
                }
            }
        }
        ensure!(
            instances
                .keys()
                .all(|order| self.starts.contains_key(order)),
            "an instance that nobody asked for"
        );
        let mut count = database.prepare("SELECT count(*), max(key) FROM message WHERE part = 1 AND name = 'go' AND correlation_key = ?")?;
        for (order, told) in &self.messages {
            let (there, key): (i64, Option<i64>) =
                count.query_row([order], |row| Ok((row.get(0)?, row.get(1)?)))?;
            match told {
                Told::Happened(told) => {
                    ensure!(
                        there == 1 && key == Some(*told),
                        "the message of {order} was acknowledged as {told}, {there} are there: {key:?}"
                    );
                }
                Told::Nothing => {
                    ensure!(there <= 1, "the message of {order} is there {there} times")
                }
            }
        }
        let waiting = counted(&database, "SELECT key, count(*) FROM job GROUP BY key")?;
        let done = counted(
            &database,
            "SELECT job, count(*) FROM element WHERE job IS NOT NULL AND left_at IS NOT NULL GROUP BY job",
        )?;
        for (job, (_, told)) in &self.completions {
            let waits = waiting.get(job).copied().unwrap_or(0);
            let left = done.get(job).copied().unwrap_or(0);
            ensure!(
                waits + left == 1,
                "job {job} waits {waits} times and is done {left} times"
            );
            if *told != Told::Nothing {
                ensure!(
                    left == 1,
                    "the completion of job {job} was acknowledged, and the job is still open"
                );
            }
        }
        Ok(())
    }

    /// Looks at some of what was told through the door.
    ///
    /// # Errors
    /// A promise was broken.
    pub async fn audit_through_the_door(
        &mut self,
        coordinator: &Coordinator,
    ) -> anyhow::Result<()> {
        let web = Web::new(&coordinator.http)?;
        let told: Vec<(String, i64)> = self
            .starts
            .iter()
            .filter_map(|(order, told)| match told {
                Told::Happened(key) => Some((order.clone(), *key)),
                Told::Nothing => None,
            })
            .collect();
        for _ in 0..told.len().min(5) {
            let (order, key) = &told[self.rng.random_range(0..told.len())];
            let got = web.get(&format!("/v2/process-instances/{key}")).await?;
            ensure!(
                got.status == 200,
                "{order} was acknowledged as {key}: {got:?}"
            );
            let found = web
                .count(
                    "variables",
                    json!({ "processInstanceKey": key.to_string(), "name": "order" }),
                )
                .await?;
            ensure!(found == 1, "{order} has {found} variables named order");
        }
        Ok(())
    }

    /// The figures so far.
    #[must_use]
    pub fn tally(&self) -> Tally {
        let untold = |told: &&Told| **told == Told::Nothing;
        let unanswered = self.starts.values().filter(untold).count()
            + self.messages.values().filter(untold).count();
        Tally {
            unanswered: unanswered as u64,
            ..self.tally
        }
    }
}

/// How many rows a table of a coordinator's database has; a search counts no further than 10,000.
///
/// # Errors
/// There is no such table.
pub fn rows(data: &Path, table: &str) -> anyhow::Result<i64> {
    Ok(
        open(data)?.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| {
            row.get(0)
        })?,
    )
}

fn open(data: &Path) -> anyhow::Result<Connection> {
    let database =
        Connection::open_with_flags(data.join("botswain.db"), OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    database.busy_timeout(super::PATIENCE)?;
    Ok(database)
}

fn counted(database: &Connection, query: &str) -> anyhow::Result<BTreeMap<i64, i64>> {
    let mut rows = database.prepare(query)?;
    let rows = rows.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}
