//! The shell: carries out what the session decides, in the order that keeps its promises.

mod line;
mod uploads;

use std::time::Duration;

use anyhow::{Context, Result};
use botswain_proto::message::{Capabilities, FromAgent, Task, ToAgent, Work};
use rand::Rng;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use crate::config::Config;
use crate::evidence::Evidence;
use crate::identity::Identity;
use crate::journal::{Journal, Opened};
use crate::link::{Address, Backoff, Bulk};
use crate::packages::Packages;
use crate::prepare::{self, PolicyFile};
use crate::runner::{Host, Registry, Wish};
use crate::session::{Input, Order, Record, Session, Settings};
use crate::{fail_point, machine};
use line::{Line, Open};
use uploads::Uploads;

/// Inputs that may wait: runs and preparations tell one thing at a time, so this is never the bottleneck.
const INPUTS_MAX: usize = 256;
/// How often the evidence folder is looked through while there is a connection.
const UPLOAD_EVERY: Duration = Duration::from_secs(60);

/// Runs until the agent is asked to stop.
pub async fn run(config: Config, identity: Option<Identity>, registry: Registry) -> Result<()> {
    let address = address(&config, identity.as_ref())?;
    let journal_folder = config.data.join("journal");
    let fresh = uuid::Uuid::now_v7().to_string();
    let Opened {
        journal,
        ledger,
        note,
    } = Journal::open(&journal_folder, config.journal_segment_bytes, &fresh)
        .context("failed to open the journal")?;
    if let Some(note) = &note {
        tracing::error!("{note}");
    }
    let agent = identity
        .as_ref()
        .map_or_else(|| config.name.clone(), |identity| identity.agent.clone());
    let settings = Settings {
        agent: agent.clone(),
        boot_id: uuid::Uuid::now_v7().to_string(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        slots: config.slots,
        live_bytes_max: Journal::live_bytes_max(config.journal_segment_bytes),
    };
    let (inputs, mut incoming) = mpsc::channel(INPUTS_MAX);
    let evidence = Evidence::new(config.data.join("attempts"));
    let program = std::env::current_exe().context("failed to find this program's file")?;
    let host = Host::new(program, evidence.clone(), inputs.clone());
    let (session, orders) =
        Session::restore(settings, ledger, machine::now(), note.unwrap_or_default());
    tracing::info!(%agent, coordinator = %address, "agent starts");
    let mut shell = Shell {
        session,
        journal,
        host,
        registry,
        policy: PolicyFile::new(config.policy.clone()),
        packages: Packages::new(config.data.join("packages")),
        uploads: Uploads::new(evidence),
        inputs,
        open: None,
        waiting: Vec::new(),
        stopped: false,
        reconnect: false,
        backoff: Backoff::new(rand::rng().random()),
        config,
    };
    shell.follow(orders)?;
    let mut line = Line::new(address, identity);
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut look = tokio::time::interval(UPLOAD_EVERY);
    while !shell.stopped {
        let wake = shell.wake();
        tokio::select! {
            biased;
            Some(input) = incoming.recv() => shell.hear(input)?,
            event = line.next(&mut shell.backoff) => shell.line(event)?,
            () = sleep_until(wake) => shell.handle(Input::Tick)?,
            _ = terminate.recv() => shell.handle(Input::Stop)?,
            _ = interrupt.recv() => shell.handle(Input::Stop)?,
            _ = look.tick() => shell.upload(),
        }
        if std::mem::take(&mut shell.reconnect) {
            line.drop_connection();
        }
    }
    shell.journal.sync()?;
    // Goodbye is on its way; give it the moment it needs.
    line.finish(shell.open.take()).await;
    tracing::info!("agent stopped");
    Ok(())
}

fn address(config: &Config, identity: Option<&Identity>) -> Result<Address> {
    match (&config.coordinator, identity) {
        (Some(address), _) => Ok(address.clone()),
        (None, Some(identity)) => Ok(identity.coordinator.parse()?),
        (None, None) => anyhow::bail!(
            "this machine is not enrolled; run botswain-agent enrol --token TOKEN --coordinator https://HOST:26511"
        ),
    }
}

struct Shell {
    session: Session,
    journal: Journal,
    host: Host,
    registry: Registry,
    policy: PolicyFile,
    packages: Packages,
    uploads: Uploads,
    inputs: mpsc::Sender<Input>,
    open: Option<Open>,
    /// Tasks whose package can be fetched when there is a connection.
    waiting: Vec<Task>,
    stopped: bool,
    /// The connection is to be given up.
    reconnect: bool,
    backoff: Backoff,
    config: Config,
}

impl Shell {
    fn wake(&self) -> Instant {
        let now = machine::now().ms;
        // Without a deadline, an hour is as good as never.
        let wait = self
            .session
            .next_deadline()
            .map_or(3_600_000, |deadline| deadline.saturating_sub(now))
            .min(3_600_000);
        Instant::now() + Duration::from_millis(wait)
    }

    fn line(&mut self, event: line::Event) -> Result<()> {
        match event {
            line::Event::Up(open) => {
                self.open = Some(open);
                let capabilities = Box::new(self.capabilities());
                let policy_version = match self.policy.current() {
                    Ok(policy) => policy.version().to_owned(),
                    Err(_) => "unreadable".to_owned(),
                };
                self.handle(Input::Connected {
                    capabilities,
                    policy_version,
                })?;
                for task in std::mem::take(&mut self.waiting) {
                    self.prepare(task);
                }
                Ok(())
            }
            line::Event::Message(message) => {
                if matches!(message, ToAgent::Sync(_)) {
                    self.backoff.reset();
                    self.upload();
                }
                if matches!(message, ToAgent::Task(_)) {
                    fail_point::hit("offer.arrived");
                }
                self.handle(Input::Message(message))
            }
            line::Event::Down => {
                self.open = None;
                self.handle(Input::Disconnected)
            }
        }
    }

    fn hear(&mut self, input: Input) -> Result<()> {
        if let Input::Ended { attempt, .. } | Input::Probed { attempt, .. } = &input {
            self.host.over(*attempt);
        }
        let over = matches!(input, Input::Ended { .. });
        self.handle(input)?;
        if over {
            self.upload();
        }
        Ok(())
    }

    fn handle(&mut self, input: Input) -> Result<()> {
        let orders = self.session.handle(machine::now().ms, input);
        self.follow(orders)
    }

    /// Records first, all of them durable; then everything else.
    fn follow(&mut self, orders: Vec<Order>) -> Result<()> {
        let (records, rest): (Vec<Order>, Vec<Order>) = orders
            .into_iter()
            .partition(|order| matches!(order, Order::Record(_)));
        let records: Vec<Record> = records
            .into_iter()
            .filter_map(|order| match order {
                Order::Record(record) => Some(record),
                _ => None,
            })
            .collect();
        // What is not durable must not be acted upon; the next start of the agent takes up what is.
        self.journal
            .append(&records, self.session.ledger())
            .context("failed to write the journal, and without it nothing may be done")?;
        for order in rest {
            self.carry_out(order)?;
        }
        Ok(())
    }

    fn carry_out(&mut self, order: Order) -> Result<()> {
        match order {
            Order::Record(_) => {}
            Order::Send(message) => self.send(message),
            Order::Beat(mut beat) => {
                self.journal.sync()?;
                machine::measure(&mut beat, &self.config.data);
                self.send(FromAgent::Beat(beat));
            }
            Order::Prepare(task) => self.prepare(*task),
            Order::Run(run) => {
                let package = self.package_of(&run.task.work);
                self.host.begin(Wish::Run, *run, package);
            }
            Order::Probe(run) => {
                let package = self.package_of(&run.task.work);
                self.host.begin(Wish::Probe, *run, package);
            }
            Order::GrantCommit(attempt) => {
                fail_point::hit("commit.before_grant");
                self.host.grant(attempt);
                fail_point::hit("commit.after_grant");
            }
            Order::DenyCommit(attempt, why) => self.host.deny(attempt, why),
            Order::Cancel(attempt) => self.host.cancel(attempt),
            Order::Kill(attempt) => self.host.kill(attempt),
            Order::Reconnect(why) => {
                tracing::warn!("{why}");
                self.reconnect = true;
            }
            Order::Warn(text) => tracing::warn!("{text}"),
            Order::Stopped => self.stopped = true,
        }
        Ok(())
    }

    fn send(&mut self, message: FromAgent) {
        let Some(open) = &self.open else { return };
        let is_event = matches!(message, FromAgent::Event(_));
        if is_event {
            fail_point::hit("send.before");
        }
        // A full line is a stuck one. What needs a receipt is sent again with the next.
        if open.outgoing.try_send(message.into()).is_err() {
            self.reconnect = true;
        }
        if is_event {
            fail_point::hit("send.after");
        }
    }

    fn capabilities(&self) -> Capabilities {
        let policy = self.policy.current().unwrap_or_default();
        Capabilities {
            actions: self
                .registry
                .offers()
                .into_iter()
                .filter(|offer| policy.may_allow(&offer.name))
                .collect(),
            labels: self.config.labels.clone(),
            os: std::env::consts::OS.to_owned(),
            arch: std::env::consts::ARCH.to_owned(),
            slots: 0,
            needs: self.registry.provides(),
            bots: Vec::new(),
        }
    }

    fn package_of(&self, work: &Work) -> Option<std::path::PathBuf> {
        match work {
            Work::Action(_) => None,
            Work::Bot(bot) => self.packages.find(bot.digest).map(|(path, _)| path),
        }
    }

    /// Finds the work beside everything else; the answer comes as an input.
    fn prepare(&mut self, task: Task) {
        let missing = match &task.work {
            Work::Action(_) => None,
            Work::Bot(bot) => (self.packages.find(bot.digest).is_none()).then_some(bot.digest),
        };
        let bulk = self.open.as_ref().map(|open| open.bulk.clone());
        if missing.is_some() && bulk.is_none() {
            self.waiting.push(task);
            return;
        }
        let job = Preparing {
            registry: self.registry.clone(),
            policy: self.policy.clone(),
            packages: self.packages.clone(),
            inputs: self.inputs.clone(),
        };
        tokio::spawn(job.run(task, missing.zip(bulk)));
    }

    fn upload(&mut self) {
        let Some(open) = &self.open else { return };
        let running = self.host.running();
        self.uploads
            .begin(open.bulk.clone(), &|attempt| running.contains(&attempt));
    }
}

struct Preparing {
    registry: Registry,
    policy: PolicyFile,
    packages: Packages,
    inputs: mpsc::Sender<Input>,
}

impl Preparing {
    async fn run(self, task: Task, fetch: Option<(botswain_proto::ids::Digest, Bulk)>) {
        let attempt = task.attempt;
        if let Some((digest, mut bulk)) = fetch {
            let fetched = match bulk.fetch(digest).await {
                Ok(bytes) => self
                    .packages
                    .keep(digest, &bytes)
                    .map_err(|error| error.to_string()),
                Err(status) => Err(status.message().to_owned()),
            };
            if let Err(error) = fetched {
                let result = Err(botswain_proto::message::Reason {
                    code: "package_missing".to_owned(),
                    text: format!("the package of {} could not be fetched: {error}", task.work),
                    retryable: true,
                    policy_rule: String::new(),
                });
                let _ = self.inputs.send(Input::Prepared { attempt, result }).await;
                return;
            }
        }
        let Self {
            registry,
            policy,
            packages,
            inputs,
        } = self;
        let prepared = tokio::task::spawn_blocking(move || {
            let package = match &task.work {
                Work::Action(_) => None,
                Work::Bot(bot) => packages.find(bot.digest).map(|(_, bytes)| bytes),
            };
            let at = prepare::local_time();
            prepare::prepare(&task, &registry, package.as_deref(), &policy, at)
        });
        let result = prepared.await.unwrap_or_else(|error| {
            Err(botswain_proto::message::Reason {
                code: "setup".to_owned(),
                text: format!("the work could not be prepared: {error}"),
                retryable: false,
                policy_rule: String::new(),
            })
        });
        let _ = inputs.send(Input::Prepared { attempt, result }).await;
    }
}
