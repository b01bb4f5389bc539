//! Assignment: waiting jobs meet free holders. Decided before the commit, so that dispatch costs no second one.

use super::attempt::{Attempt, AttemptRow, AttemptState, HolderName};
use super::desk::{Desk, Now, Place, later};
use super::queue::Ticket;
use super::route::{Leg, LegKind, Limits};
use super::workers::SessionId;
use botswain_engine::event::Millis;
use botswain_engine::key::{Key, SegmentId};
use botswain_proto::ids::{AgentId, AttemptId};
use botswain_proto::message::{BotRef, EffectClass, Limits as TaskLimits, OnLost, Work};
use smol_str::SmolStr;

/// How many jobs one subscription gets before the next one has its turn.
const TURN: u32 = 32;
/// How many jobs that all free agents refused are passed over in search of one that is not.
const PASSED_OVER_MAX: usize = 64;

/// A job and its holder: a row to write in this batch's commit, and a message to send after it.
#[derive(Clone, Debug, PartialEq)]
pub struct Assignment {
    /// The job.
    pub job: Key,
    /// Where its token lives.
    pub segment: SegmentId,
    /// The token that waits for it.
    pub token: Key,
    /// How many failures the job may still have.
    pub retries: i32,
    /// The rank of this try among those of the job.
    pub fence: u64,
    /// Until when the holder keeps the job without a sign of life, on the wall clock.
    pub lease_until: Millis,
    /// Who gets it.
    pub to: To,
}

/// Who gets a job.
#[derive(Clone, Debug, PartialEq)]
pub enum To {
    /// A worker.
    Worker {
        /// Its connection.
        session: SessionId,
        /// Its subscription.
        subscription: u32,
    },
    /// An agent.
    Agent {
        /// Its connection.
        session: SessionId,
        /// The agent.
        agent: AgentId,
        /// What it is asked to do.
        offer: Box<Offer>,
    },
    /// A connector, run by the coordinator.
    Connector {
        /// Its name.
        name: SmolStr,
        /// What it is asked to do.
        offer: Box<Offer>,
    },
    /// A person, by a user task.
    Person {
        /// What they are asked to do.
        offer: Box<Offer>,
    },
}

/// What the holder of an attempt is asked to do.
#[derive(Clone, Debug, PartialEq)]
pub struct Offer {
    /// The attempt.
    pub attempt: AttemptId,
    /// The leg.
    pub leg: LegKind,
    /// The route's version that chose it.
    pub route_version: u64,
    /// The type of the job.
    pub job_type: SmolStr,
    /// The work of an agent.
    pub work: Option<Work>,
    /// The class that the coordinator relies on.
    pub effect: EffectClass,
    /// Time limits.
    pub limits: TaskLimits,
    /// What a lost lease means.
    pub on_lost: OnLost,
    /// The secrets that the attempt is given.
    pub secrets: Vec<SmolStr>,
    /// The same attempt was sent before: nothing is to be written.
    pub again: bool,
}

impl Desk {
    /// Gives out waiting jobs, at most `limit` of them.
    pub fn assign(&mut self, now: Now, limit: usize, out: &mut Vec<Assignment>) {
        let most = out.len().saturating_add(limit);
        for attempt in std::mem::take(&mut self.again) {
            self.offer_again(attempt, out);
        }
        while out.len() < most {
            let Some(kind) = self.ready.pop_front() else {
                return;
            };
            self.kinds[kind as usize].ready = false;
            for leg in 0..self.kinds[kind as usize].queues.len() {
                if self.kinds[kind as usize].queues[leg].live() == 0 {
                    continue;
                }
                let leg = leg as u8;
                match self.kinds[kind as usize]
                    .route
                    .leg(leg)
                    .map(|leg| &leg.kind)
                {
                    Some(LegKind::Worker) => self.assign_to_workers(kind, leg, now, most, out),
                    Some(LegKind::Bot { .. } | LegKind::Action(_)) => {
                        self.assign_to_agents(kind, leg, now, most, out)
                    }
                    Some(LegKind::Connector(name)) => {
                        let name = name.clone();
                        self.assign_to_connector(kind, leg, &name, now, most, out);
                    }
                    Some(LegKind::Person) => self.assign_to_persons(kind, leg, now, most, out),
                    None => {}
                }
            }
            self.check_refill(kind);
            if out.len() >= most {
                self.wake(kind);
            }
        }
    }

    fn pop(&mut self, kind: u32, leg: u8) -> Option<Ticket> {
        let entries = &self.entries;
        self.kinds[kind as usize].queues[usize::from(leg)].pop(|ticket| {
            let entry = &entries[ticket.slot as usize];
            entry.key == ticket.key && entry.place == Place::Waiting && entry.leg == leg
        })
    }

    fn assign_to_workers(
        &mut self,
        kind: u32,
        leg: u8,
        now: Now,
        most: usize,
        out: &mut Vec<Assignment>,
    ) {
        while out.len() < most {
            let Some(&place) = self.kinds[kind as usize].ring.front() else {
                return;
            };
            let Some(subscriber) = self.workers.get(place) else {
                self.kinds[kind as usize].ring.pop_front();
                continue;
            };
            let (session, subscription, lease_ms) =
                (subscriber.session, subscriber.id, subscriber.lease_ms);
            let once = subscriber.until.is_some();
            let turn = if once {
                subscriber.credits
            } else {
                subscriber.credits.min(TURN)
            };
            let (lease_end, lease_until) =
                (now.mono.saturating_add(lease_ms), later(now.wall, lease_ms));
            let mut given = 0;
            while given < turn && out.len() < most {
                let Some(ticket) = self.pop(kind, leg) else {
                    break;
                };
                let entry = &mut self.entries[ticket.slot as usize];
                entry.fence += 1;
                entry.by_worker = true;
                entry.place = Place::Worker(session, subscription);
                out.push(Assignment {
                    job: entry.key,
                    segment: entry.segment,
                    token: entry.token,
                    retries: entry.retries,
                    fence: entry.fence,
                    lease_until,
                    to: To::Worker {
                        session,
                        subscription,
                    },
                });
                self.leases.set(ticket.slot, lease_end);
                given += 1;
            }
            if given == 0 {
                return;
            }
            let ring = &mut self.kinds[kind as usize].ring;
            ring.pop_front();
            if once {
                if let Some(subscriber) = self.workers.get_mut(place) {
                    subscriber.queued = false;
                }
                self.end_subscription(place);
            } else if let Some(subscriber) = self.workers.get_mut(place) {
                subscriber.credits -= given;
                subscriber.queued = subscriber.credits > 0;
                if subscriber.queued {
                    ring.push_back(place);
                }
            }
        }
    }

    fn assign_to_agents(
        &mut self,
        kind: u32,
        leg: u8,
        now: Now,
        most: usize,
        out: &mut Vec<Assignment>,
    ) {
        let Some(wanted) = self.kinds[kind as usize].route.leg(leg).cloned() else {
            return;
        };
        let mut passed_over = Vec::new();
        while out.len() < most && passed_over.len() < PASSED_OVER_MAX {
            let Some(ticket) = self.pop(kind, leg) else {
                break;
            };
            // Out of the queue until it is put back: an older ticket of the same job must not count meanwhile.
            self.entries[ticket.slot as usize].place = Place::Deciding;
            let refused: &[AgentId] = self.refusals.get(&ticket.key).map_or(&[], Vec::as_slice);
            let nobody_refused = refused.is_empty();
            let Some((agent, session)) = self.agents.pick(&wanted, refused) else {
                passed_over.push(ticket);
                if nobody_refused {
                    break;
                }
                continue;
            };
            let (effect, work, run_timeout_ms, secrets) = match &wanted.kind {
                LegKind::Action(action) => {
                    let effect = self
                        .agents
                        .get(&agent)
                        .map_or(EffectClass::AtMostOnce, |agent| agent.effect_of(action));
                    (
                        effect,
                        Work::Action(action.to_string()),
                        wanted.limits.run_timeout_ms,
                        Vec::new(),
                    )
                }
                kind => {
                    let bot = self
                        .agents
                        .bot(kind)
                        .expect("pick finds no agent for an unknown bot");
                    let work = BotRef {
                        name: bot.name.to_string(),
                        version: bot.version.to_string(),
                        digest: bot.digest,
                    };
                    (
                        bot.effect,
                        Work::Bot(work),
                        wanted.limits.run_timeout_ms.min(bot.run_timeout_ms),
                        bot.secrets.clone(),
                    )
                }
            };
            let limits = Limits {
                run_timeout_ms,
                ..wanted.limits
            };
            let holder = HolderName::Agent(agent.clone());
            let attempt = self.open_attempt(ticket.slot, &wanted, limits, effect, holder, now);
            let offer = self.offer(attempt, Some(work), secrets, false);
            if let Some(known) = self.attempts.get_mut(&attempt) {
                known.session = Some(session);
            }
            out.push(self.assignment(
                ticket.slot,
                limits,
                now,
                To::Agent {
                    session,
                    agent,
                    offer,
                },
            ));
        }
        for ticket in passed_over.into_iter().rev() {
            self.enqueue_quietly(ticket, kind, leg);
        }
    }

    fn assign_to_connector(
        &mut self,
        kind: u32,
        leg: u8,
        name: &SmolStr,
        now: Now,
        most: usize,
        out: &mut Vec<Assignment>,
    ) {
        let Some(wanted) = self.kinds[kind as usize].route.leg(leg).cloned() else {
            return;
        };
        while out.len() < most {
            let Some(connector) = self
                .connectors
                .get_mut(name)
                .filter(|connector| connector.held < connector.slots)
            else {
                return;
            };
            let effect = wanted.effect.unwrap_or(connector.effect);
            connector.held += 1;
            let Some(ticket) = self.pop(kind, leg) else {
                if let Some(connector) = self.connectors.get_mut(name) {
                    connector.held -= 1;
                }
                return;
            };
            let attempt = self.open_attempt(
                ticket.slot,
                &wanted,
                wanted.limits,
                effect,
                HolderName::Connector,
                now,
            );
            let offer = self.offer(attempt, None, Vec::new(), false);
            out.push(self.assignment(
                ticket.slot,
                wanted.limits,
                now,
                To::Connector {
                    name: name.clone(),
                    offer,
                },
            ));
        }
    }

    fn assign_to_persons(
        &mut self,
        kind: u32,
        leg: u8,
        now: Now,
        most: usize,
        out: &mut Vec<Assignment>,
    ) {
        let Some(wanted) = self.kinds[kind as usize].route.leg(leg).cloned() else {
            return;
        };
        while out.len() < most {
            let Some(ticket) = self.pop(kind, leg) else {
                return;
            };
            let effect = wanted.effect.unwrap_or(EffectClass::AtMostOnce);
            let attempt = self.open_attempt(
                ticket.slot,
                &wanted,
                wanted.limits,
                effect,
                HolderName::Person,
                now,
            );
            let offer = self.offer(attempt, None, Vec::new(), false);
            out.push(self.assignment(ticket.slot, wanted.limits, now, To::Person { offer }));
        }
    }

    fn open_attempt(
        &mut self,
        slot: u32,
        leg: &Leg,
        limits: Limits,
        effect: EffectClass,
        holder: HolderName,
        now: Now,
    ) -> AttemptId {
        let id = self.attempt_id(now.wall);
        // A connector's call and a person's look begin with the assignment; an agent says when it begins.
        let begins_now = !matches!(holder, HolderName::Agent(_));
        let entry = &mut self.entries[slot as usize];
        entry.fence += 1;
        entry.by_worker = false;
        entry.tries += 1;
        entry.place = Place::Attempt(id);
        let row = AttemptRow {
            id,
            job: entry.key,
            segment: entry.segment,
            fence: entry.fence,
            leg: leg.kind.clone(),
            route_version: self.kinds[entry.kind as usize].route.version,
            holder,
            state: if begins_now {
                AttemptState::Started
            } else {
                AttemptState::Offered
            },
            effect,
            limits,
            offered_at: now.wall,
            started_at: begins_now.then_some(now.wall),
            ended_at: None,
            queued_ms: 0,
            run_ms: 0,
            happened: None,
            reason: None,
        };
        self.out
            .changes
            .push(super::Change::Attempt(Box::new(row.clone())));
        let lease_until = now.mono.saturating_add(limits.lease_ms);
        if !begins_now {
            self.leases.set(
                slot,
                now.mono
                    .saturating_add(limits.accept_by_ms.min(limits.lease_ms)),
            );
        }
        self.attempts.insert(
            id,
            Attempt {
                row,
                lease_until,
                session: None,
            },
        );
        id
    }

    pub(super) fn offer(
        &self,
        attempt: AttemptId,
        work: Option<Work>,
        secrets: Vec<SmolStr>,
        again: bool,
    ) -> Box<Offer> {
        let known = &self.attempts[&attempt];
        let row = &known.row;
        let job_type = self
            .index
            .get(&row.job)
            .map(|slot| self.entries[*slot as usize].kind);
        Box::new(Offer {
            attempt,
            leg: row.leg.clone(),
            route_version: row.route_version,
            job_type: job_type
                .map(|kind| self.kinds[kind as usize].name.clone())
                .unwrap_or_default(),
            work,
            effect: row.effect,
            limits: TaskLimits {
                accept_by_ms: row.limits.accept_by_ms,
                start_by_ms: row.limits.start_by_ms,
                run_timeout_ms: row.limits.run_timeout_ms,
                lease_ms: row.limits.lease_ms,
                cancel_grace_ms: row.limits.cancel_grace_ms,
            },
            on_lost: known.on_lost(),
            secrets,
            again,
        })
    }

    fn assignment(&self, slot: u32, limits: Limits, now: Now, to: To) -> Assignment {
        let entry = &self.entries[slot as usize];
        Assignment {
            job: entry.key,
            segment: entry.segment,
            token: entry.token,
            retries: entry.retries,
            fence: entry.fence,
            lease_until: later(now.wall, limits.lease_ms),
            to,
        }
    }

    /// The same attempt with the same fence is sent once more: the agent knows it if it came before.
    fn offer_again(&mut self, attempt: AttemptId, out: &mut Vec<Assignment>) {
        let Some(known) = self.attempts.get(&attempt) else {
            return;
        };
        let (row, Some(agent)) = (&known.row, known.agent().cloned()) else {
            return;
        };
        let Some(session) = self.agents.get(&agent).and_then(|agent| agent.session) else {
            return;
        };
        let Some(&slot) = self.index.get(&row.job) else {
            return;
        };
        let (work, secrets) = match &row.leg {
            LegKind::Action(action) => (Work::Action(action.to_string()), Vec::new()),
            kind => {
                let Some(bot) = self.agents.bot(kind) else {
                    return;
                };
                let work = BotRef {
                    name: bot.name.to_string(),
                    version: bot.version.to_string(),
                    digest: bot.digest,
                };
                (Work::Bot(work), bot.secrets.clone())
            }
        };
        let entry = &self.entries[slot as usize];
        if entry.place != Place::Attempt(attempt) {
            return;
        }
        out.push(Assignment {
            job: entry.key,
            segment: entry.segment,
            token: entry.token,
            retries: entry.retries,
            fence: row.fence,
            lease_until: 0,
            to: To::Agent {
                session,
                agent,
                offer: self.offer(attempt, Some(work), secrets, true),
            },
        });
        if let Some(known) = self.attempts.get_mut(&attempt) {
            known.session = Some(session);
        }
    }

    /// Puts a job back that was only looked at.
    fn enqueue_quietly(&mut self, ticket: Ticket, kind: u32, leg: u8) {
        let ready = self.kinds[kind as usize].ready;
        self.entries[ticket.slot as usize].leg = leg;
        self.enqueue(ticket.slot);
        if !ready && self.kinds[kind as usize].ready {
            self.kinds[kind as usize].ready = false;
            self.ready.retain(|other| *other != kind);
        }
    }
}
