//! The stage: a desk, an engine that agrees with everything, and scripts in which one line is one thing that happens.

use super::words::{Words, effect};
use crate::dispatch::*;
use botswain_engine::key::{Key, SegmentId};
use botswain_proto::ids::{AgentId, AttemptId, Digest, Epoch, Fence, JobKey, Seq};
use botswain_proto::message::{
    ActionOffer, Beat, Capabilities, EffectClass, Happened, Hello, Known, OnLost, OpenAttempt,
    Reason, State, SyncItem, TaskEvent,
};
use bytes::Bytes;
use expect_test::Expect;
use smol_str::SmolStr;
use std::collections::BTreeMap;
use std::fmt::Write;

/// Plays a script and compares what the desk did.
pub(super) fn check(script: &str, expected: Expect) {
    let mut stage = Stage::new(Settings::default());
    for line in script
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
    {
        stage.play(line);
    }
    expected.assert_eq(&stage.told);
}

pub(super) struct Stage {
    pub(super) desk: Desk,
    pub(super) now: Now,
    told: String,
    /// Attempts in the order in which they were first offered: `a1` is the first.
    attempts: Vec<(AttemptId, AgentId, Key, u64)>,
    sessions: BTreeMap<String, u64>,
    store: BTreeMap<Key, Job>,
    connections: u64,
    journals: u64,
}

impl Stage {
    pub(super) fn new(settings: Settings) -> Stage {
        Stage {
            desk: Desk::new(settings),
            now: Now {
                mono: 1_000,
                wall: 1_000_000,
            },
            told: String::new(),
            attempts: Vec::new(),
            sessions: BTreeMap::new(),
            store: BTreeMap::new(),
            connections: 0,
            journals: 1,
        }
    }

    fn say(&mut self, text: impl AsRef<str>) {
        writeln!(self.told, "  {}", text.as_ref()).unwrap();
    }

    fn session(&mut self, name: &str) -> SessionId {
        let next = self.sessions.len() as u64 + 1;
        SessionId(*self.sessions.entry(name.to_owned()).or_insert(next))
    }

    fn attempt(&self, name: &str) -> (AttemptId, AgentId, Key, u64) {
        let number: usize = name.trim_start_matches('a').parse().unwrap();
        self.attempts[number - 1].clone()
    }

    fn name_of(&mut self, offer: &Offer, agent: &AgentId, job: Key, fence: u64) -> String {
        let known = self
            .attempts
            .iter()
            .position(|(id, ..)| *id == offer.attempt);
        let at = known.unwrap_or_else(|| {
            self.attempts
                .push((offer.attempt, agent.clone(), job, fence));
            self.attempts.len() - 1
        });
        format!("a{}", at + 1)
    }

    /// Plays one line; assignments follow at once, as the writer makes them.
    pub(super) fn play(&mut self, line: &str) {
        writeln!(self.told, "{line}").unwrap();
        let words = Words(line.split_whitespace().collect());
        match words.at(0) {
            "route" => self.route(&words),
            "bot" => {
                let (name, version) = words.at(1).split_once('@').unwrap();
                self.desk.set_bot(BotPackage {
                    name: name.into(),
                    version: version.into(),
                    digest: Digest::of(name.as_bytes()),
                    effect: effect(words.at(2)),
                    needs: words.named("needs").map(SmolStr::new).into_iter().collect(),
                    secrets: Vec::new(),
                    run_timeout_ms: 60_000,
                });
            }
            "connector" => self.desk.set_connector(
                words.at(1).into(),
                words.number(2) as u32,
                effect(words.at(3)),
            ),
            "open" => {
                let key = Key::from_u64(words.number(1));
                let job = Job {
                    key,
                    segment: SegmentId::root(key),
                    token: key,
                    job_type: words.at(2).into(),
                    priority: words
                        .named("priority")
                        .map_or(0, |text| text.parse().unwrap()),
                    retries: words
                        .named("retries")
                        .map_or(3, |text| text.parse().unwrap()),
                    available_at: 0,
                    fence: 0,
                };
                self.store.insert(key, job.clone());
                self.desk.open(job, self.now);
            }
            "worker" | "poll" => self.worker(&words),
            "credits" => {
                let session = self.session(words.at(1));
                self.desk.credits(session, 1, words.number(2) as u32);
            }
            "gone" => {
                let session = self.session(words.at(1));
                self.desk.worker_gone(session);
            }
            "agent" | "back" => self.hello(&words),
            "away" => {
                let agent: AgentId = words.at(1).parse().unwrap();
                let session = self.session(words.at(1));
                self.desk
                    .agent_gone(&agent, session, "the connection broke");
            }
            "revoke" => self.desk.revoke(&words.at(1).parse().unwrap()),
            "done" | "fail" => self.worker_says(&words),
            "accepted" | "started" | "succeeded" | "failed" | "rejected" | "unknown"
            | "timed_out" => self.holder_says(&words),
            "answer" => self.sync_answer(&words),
            "beat" => {
                let agent: AgentId = words.at(1).parse().unwrap();
                let running = words.0[2..]
                    .iter()
                    .filter(|word| **word != "paused")
                    .map(|word| self.attempt(word).0)
                    .collect();
                let beat = Beat {
                    running,
                    paused: words.has("paused"),
                    ..Beat::default()
                };
                let session = self.session(words.at(1));
                let leases = self.desk.beat(&agent, session, &beat, self.now);
                self.say(format!("{} leases renewed", leases.len()));
            }
            "wait" => {
                let ms = words.number(1);
                self.now = Now {
                    mono: self.now.mono + ms,
                    wall: self.now.wall + ms as i64,
                };
                let expired = self.desk.expire(self.now, usize::MAX);
                for (session, _) in expired.requests {
                    let name = self.worker_name(session);
                    self.say(format!("{name} waited for nothing"));
                }
                self.carry_out(expired.decided);
            }
            "cancel" => self
                .desk
                .close(Key::from_u64(words.number(1)), Closed::Cancelled),
            "retries" => self.desk.retries_set(
                Key::from_u64(words.number(1)),
                words.number(2) as i32,
                self.now,
            ),
            "give_back" => self
                .desk
                .give_back(Key::from_u64(words.number(1)), words.number(2)),
            "why" => {
                let why = self.desk.explain(Key::from_u64(words.number(1)));
                self.say(why.to_string());
            }
            other => panic!("nobody knows what {other} means"),
        }
        self.assign();
    }

    fn route(&mut self, words: &Words<'_>) {
        let mut route = Route {
            choices: Vec::new(),
            version: 1,
            ..Route::implicit(words.at(1).into())
        };
        let mut fallback = false;
        for word in &words.0[2..] {
            match word.split_once('=') {
                None if *word == "else" => fallback = true,
                None => {
                    let leg = Leg::new(word.parse().unwrap());
                    if fallback {
                        route.otherwise.push(leg)
                    } else {
                        route.choices.push(leg)
                    }
                }
                Some((key, value)) => {
                    let leg = if fallback {
                        route.otherwise.last_mut()
                    } else {
                        route.choices.last_mut()
                    }
                    .unwrap();
                    match key {
                        "weight" => leg.weight = value.parse().unwrap(),
                        "tries" => leg.tries = value.parse().unwrap(),
                        "effect" => leg.effect = Some(effect(value)),
                        "when" => leg.when = Some(value.into()),
                        "label" => leg.labels.push(value.replace(':', "=").into()),
                        "on_lost" => {
                            leg.limits.on_lost = Some(match value {
                                "wait" => OnLost::Wait,
                                "stop" => OnLost::Stop,
                                _ => OnLost::Replace,
                            });
                        }
                        other => panic!("{other}"),
                    }
                }
            }
        }
        route.check().unwrap();
        self.desk.set_route(route);
    }

    fn worker(&mut self, words: &Words<'_>) {
        let session = self.session(words.at(1));
        let wish = Subscription {
            id: 1,
            job_type: words.at(2).into(),
            worker: words.at(1).into(),
            credits: words.number(3) as u32,
            lease_ms: 30_000,
        };
        let taken = match words.named("until") {
            Some(ms) => {
                self.desk
                    .request(session, wish, self.now.mono + ms.parse::<u64>().unwrap())
            }
            None => self.desk.subscribe(session, wish),
        };
        if let Err(refused) = taken {
            self.say(refused.to_string());
        }
    }

    fn hello(&mut self, words: &Words<'_>) {
        let agent: AgentId = words.at(1).parse().unwrap();
        self.connections += 1;
        if words.has("journal_lost") {
            self.journals += 1;
        }
        let open = words.0[2..].iter().filter_map(|word| {
            let (name, state) = word
                .split_once(':')
                .filter(|(name, _)| name.starts_with('a') && !name.contains('='))?;
            let (attempt, _, job, fence) = self.attempt(name);
            let state = match state {
                "accepted" => State::Accepted,
                "started" => State::Started,
                _ => State::Succeeded,
            };
            Some(OpenAttempt {
                attempt,
                job: JobKey(job.as_i64()),
                fence: Fence(fence),
                state,
            })
        });
        let hello = Hello {
            agent: agent.clone(),
            boot_id: "boot".to_owned(),
            conn: self.connections,
            journal_id: format!("journal {}", self.journals),
            last_seq: Seq(0),
            open: open.collect(),
            capabilities: Capabilities {
                slots: words.named("slots").map_or(1, |text| text.parse().unwrap()),
                needs: words
                    .named("needs")
                    .map(str::to_owned)
                    .into_iter()
                    .collect(),
                labels: words
                    .named("label")
                    .map(|label| label.replace(':', "="))
                    .into_iter()
                    .collect(),
                actions: words
                    .named("action")
                    .map(|name| ActionOffer {
                        name: name.to_owned(),
                        version: "1".to_owned(),
                        effect: EffectClass::AtMostOnce,
                    })
                    .into_iter()
                    .collect(),
                ..Capabilities::default()
            },
            agent_version: String::new(),
            policy_version: String::new(),
            highest_epoch: Epoch(0),
            note: String::new(),
        };
        let session = self.session(words.at(1));
        match self.desk.hello(&agent, session, &hello, self.now) {
            Ok((sync, decided)) => {
                if !sync.open.is_empty() || !sync.close.is_empty() {
                    self.say(format!(
                        "sync: {} open, {} to close",
                        sync.open.len(),
                        sync.close.len()
                    ));
                }
                self.carry_out(decided);
            }
            Err(refused) => self.say(refused.to_string()),
        }
    }

    fn sync_answer(&mut self, words: &Words<'_>) {
        let (attempt, agent, job, fence) = self.attempt(words.at(1));
        let known = match words.at(2) {
            "never_seen" => Known::NeverSeen,
            "open" => Known::Open,
            "ended" => Known::Ended,
            _ => Known::FenceAhead,
        };
        let fence = Fence(
            words
                .named("fence")
                .map_or(fence, |text| text.parse().unwrap()),
        );
        let item = SyncItem {
            attempt,
            job: JobKey(job.as_i64()),
            fence,
            known,
        };
        let decided = self.desk.sync_answer(&agent, &[item], self.now);
        self.carry_out(decided);
    }

    fn worker_says(&mut self, words: &Words<'_>) {
        let job = Key::from_u64(words.number(1));
        let fence = words.named("fence").map_or(0, |text| text.parse().unwrap());
        match self.desk.worker_result(job, fence) {
            Err(refused) => self.say(refused.to_string()),
            Ok(_) if words.at(0) == "done" => {
                self.store.remove(&job);
                self.desk.close(job, Closed::Done);
                self.say(format!("{job} is done"));
            }
            Ok(_) => {
                let retries = words
                    .named("retries")
                    .map_or(0, |text| text.parse().unwrap());
                let at = words
                    .named("after")
                    .map(|text| self.now.wall + text.parse::<i64>().unwrap());
                self.desk.failed(job, retries, at, self.now);
            }
        }
    }

    fn holder_says(&mut self, words: &Words<'_>) {
        let (attempt, owner, job, fence) = self.attempt(words.at(1));
        let state = match words.at(0) {
            "accepted" => State::Accepted,
            "started" => State::Started,
            "succeeded" => State::Succeeded,
            "failed" => State::Failed,
            "rejected" => State::Rejected,
            "timed_out" => State::TimedOut,
            _ => State::Unknown,
        };
        let happened = match state {
            State::Rejected => Happened::No,
            State::Succeeded => Happened::Yes,
            _ if words.has("no") => Happened::No,
            _ if words.has("yes") => Happened::Yes,
            _ => Happened::Maybe,
        };
        let reason = Reason {
            code: words.named("code").unwrap_or_default().to_owned(),
            text: words.0[2..]
                .iter()
                .filter(|word| !word.contains('='))
                .copied()
                .collect::<Vec<_>>()
                .join(" "),
            retryable: words.has("retryable"),
            policy_rule: String::new(),
        };
        let answer = if matches!(owner.as_str(), "connector" | "person") {
            let end = End {
                state,
                happened,
                reason: Some(reason),
                ..End::success(Bytes::new())
            };
            self.desk.ended(attempt, end, self.now)
        } else {
            let agent: AgentId = words
                .named("by")
                .map_or(owner, |name| name.parse().unwrap());
            let event = TaskEvent {
                attempt,
                job: JobKey(job.as_i64()),
                fence: Fence(
                    words
                        .named("fence")
                        .map_or(fence, |text| text.parse().unwrap()),
                ),
                seq: Seq(1),
                boot_id: "boot".to_owned(),
                state,
                reason: Some(reason),
                progress: None,
                result: Bytes::new(),
                result_ref: None,
                queued_ms: 0,
                run_ms: 0,
                tail: None,
                evidence: Vec::new(),
                happened: Some(happened),
                bpmn_error: None,
                warnings: Vec::new(),
                replayed: false,
            };
            self.desk.on_event(&agent, &event, self.now)
        };
        self.say(format!("{:?}", answer.verdict).to_lowercase());
        self.carry_out(answer.decided.into_iter().collect());
    }

    /// The engine agrees with everything.
    fn carry_out(&mut self, decided: Vec<Decided>) {
        for Decided { job, decision, .. } in decided {
            match decision {
                Decision::Complete { .. } => {
                    self.say(format!("{job} is done"));
                    self.store.remove(&job);
                    self.desk.close(job, Closed::Done);
                }
                Decision::ThrowError { code, .. } => {
                    self.say(format!("{job} throws {code}"));
                    self.store.remove(&job);
                    self.desk.close(job, Closed::Done);
                }
                Decision::Fail {
                    retries,
                    retry_after_ms,
                    message,
                } => {
                    self.say(format!("{job} failed, {retries} retries left: {message}"));
                    let at = self.now.wall + retry_after_ms as i64;
                    self.desk.failed(job, retries, Some(at), self.now);
                }
                Decision::Suspend { message } => {
                    self.say(format!("{job} waits for a person: {message}"))
                }
            }
        }
    }

    fn worker_name(&self, session: SessionId) -> String {
        let found = self
            .sessions
            .iter()
            .find(|(_, number)| **number == session.0);
        found.map_or_else(|| "?".to_owned(), |(name, _)| name.clone())
    }

    fn assign(&mut self) {
        struct AllHold;
        impl Facts for AllHold {
            fn business_key(&self) -> Option<&str> {
                None
            }
            fn holds(&self, condition: &str) -> Result<bool, String> {
                match condition {
                    "true" => Ok(true),
                    "false" => Ok(false),
                    other => Err(format!("{other} is null")),
                }
            }
        }
        while let Some((job, ..)) = self.desk.next_unrouted() {
            let decided = self.desk.choose(job, &AllHold);
            self.carry_out(decided.into_iter().collect());
        }
        let mut given = Vec::new();
        self.desk.assign(self.now, usize::MAX, &mut given);
        for Assignment { job, fence, to, .. } in given {
            let text = match to {
                To::Worker { session, .. } => {
                    format!("{job} -> {} (fence {fence})", self.worker_name(session))
                }
                To::Agent { agent, offer, .. } => {
                    let again = if offer.again { ", again" } else { "" };
                    let name = self.name_of(&offer, &agent, job, fence);
                    format!(
                        "{job} -> {agent} as {name} by {} (fence {fence}{again})",
                        offer.leg
                    )
                }
                To::Connector { offer, .. } => {
                    let name = self.name_of(&offer, &"connector".parse().unwrap(), job, fence);
                    format!("{job} -> {} as {name} (fence {fence})", offer.leg)
                }
                To::Person { offer } => {
                    let name = self.name_of(&offer, &"person".parse().unwrap(), job, fence);
                    format!("{job} -> a person as {name} (fence {fence})")
                }
            };
            self.say(text);
        }
        let outbox = self.desk.take_outbox();
        for change in outbox.changes {
            if let Change::Audit(audit) = change {
                self.say(format!("audit {}: {}", audit.agent, audit.what));
            }
        }
        for notice in outbox.notices {
            match notice {
                Notice::Cancel { agent, cancel, .. } => {
                    let at = self
                        .attempts
                        .iter()
                        .position(|(id, ..)| *id == cancel.attempt)
                        .unwrap()
                        + 1;
                    self.say(format!("{agent} is asked to stop a{at}: {}", cancel.why));
                }
                Notice::Sync { agent, sync, .. } => self.say(format!(
                    "{agent} is asked about {} attempts",
                    sync.open.len()
                )),
            }
        }
        assert!(
            outbox.refills.is_empty(),
            "scripts are short enough for memory"
        );
    }
}
