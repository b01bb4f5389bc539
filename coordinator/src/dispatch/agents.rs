//! Agents as the desk sees them: what each can do, how much it may hold, and what it lacks for a leg.

use super::explain::Lack;
use super::route::{Leg, LegKind};
use super::workers::SessionId;
use botswain_proto::ids::{AgentId, Digest};
use botswain_proto::message::{Capabilities, EffectClass, Hello};
use botswain_proto::package::{Driver, Effect, Manifest};
use smol_str::SmolStr;
use std::collections::{BTreeMap, BTreeSet};

/// A bot package that routes may name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BotPackage {
    /// Its name.
    pub name: SmolStr,
    /// Its version.
    pub version: SmolStr,
    /// Its content.
    pub digest: Digest,
    /// What a repetition would do.
    pub effect: EffectClass,
    /// What the agent's machine has to provide.
    pub needs: Vec<SmolStr>,
    /// The secrets that one attempt is given.
    pub secrets: Vec<SmolStr>,
    /// How long one run may take.
    pub run_timeout_ms: u64,
}

impl BotPackage {
    /// What dispatch has to know of a package.
    #[must_use]
    pub fn of(manifest: &Manifest, digest: Digest) -> BotPackage {
        let needs = match manifest.driver {
            Driver::Browser | Driver::Desktop => vec![SmolStr::new(manifest.driver.word())],
            Driver::Device => Vec::new(),
        };
        BotPackage {
            name: SmolStr::new(&manifest.name),
            version: SmolStr::new(&manifest.version),
            digest,
            effect: match manifest.effect {
                Effect::Pure => EffectClass::Pure,
                Effect::Idempotent => EffectClass::Idempotent,
                Effect::Checkable => EffectClass::Checkable,
                Effect::AtMostOnce => EffectClass::AtMostOnce,
            },
            needs,
            secrets: manifest.secrets.iter().map(SmolStr::new).collect(),
            run_timeout_ms: manifest.limits.run_seconds.saturating_mul(1000),
        }
    }
}

/// An agent as lists show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentView {
    /// Its name.
    pub id: AgentId,
    /// Why it is not connected; none while it is.
    pub gone: Option<String>,
    /// The owner takes no work at present.
    pub paused: bool,
    /// How many attempts it may hold.
    pub slots: u32,
    /// How many it holds.
    pub held: u32,
    /// Labels.
    pub labels: Vec<SmolStr>,
    /// What its machine provides.
    pub needs: Vec<SmolStr>,
    /// Its actions.
    pub actions: Vec<SmolStr>,
}

/// Why a connection of an agent is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HelloRefused {
    /// A newer connection of the same run exists.
    #[error("agent {agent}: connection {found} is older than {known}, which is in use")]
    OlderConnection {
        /// The agent.
        agent: AgentId,
        /// The number it brought.
        found: u64,
        /// The number in use.
        known: u64,
    },
    /// Its certificate was withdrawn.
    #[error("agent {0} is revoked: enrol the machine again with a new token")]
    Revoked(AgentId),
}

pub(super) struct Agent {
    pub(super) session: Option<SessionId>,
    pub(super) gone: String,
    pub(super) boot_id: String,
    pub(super) conn: u64,
    pub(super) journal_id: String,
    /// Labels that its enrolment gave it; its own claims cannot replace them.
    enrolled_labels: Vec<SmolStr>,
    labels: BTreeSet<SmolStr>,
    actions: BTreeMap<SmolStr, EffectClass>,
    needs: BTreeSet<SmolStr>,
    slots: u32,
    pub(super) held: u32,
    pub(super) paused: bool,
    revoked: bool,
    pub(super) served: u64,
}

impl Agent {
    pub(super) fn has_room(&self) -> bool {
        self.session.is_some() && !self.paused && self.held < self.slots
    }

    fn key_of(label: &str) -> &str {
        label.split_once('=').map_or(label, |(key, _)| key)
    }

    fn take(&mut self, capabilities: &Capabilities) {
        let fixed: BTreeSet<&str> = self
            .enrolled_labels
            .iter()
            .map(|label| Agent::key_of(label))
            .collect();
        let own = capabilities
            .labels
            .iter()
            .filter(|label| !fixed.contains(Agent::key_of(label)));
        self.labels = self
            .enrolled_labels
            .iter()
            .cloned()
            .chain(own.map(SmolStr::new))
            .collect();
        self.actions = capabilities
            .actions
            .iter()
            .map(|action| (SmolStr::new(&action.name), action.effect))
            .collect();
        self.needs = capabilities.needs.iter().map(SmolStr::new).collect();
        self.slots = capabilities.slots;
    }

    /// What keeps the agent from taking the leg; empty when it may be offered.
    pub(super) fn lacks(&self, leg: &Leg, bot: Option<&BotPackage>) -> Vec<Lack> {
        let mut lacks = self.misfits(leg, bot);
        if self.session.is_none() {
            lacks.push(Lack::Offline(self.gone.clone()));
        } else if self.paused {
            lacks.push(Lack::Paused);
        } else if self.held >= self.slots {
            lacks.push(Lack::Busy { slots: self.slots });
        }
        lacks
    }

    /// What would keep it from taking the leg even when it is connected and idle.
    pub(super) fn misfits(&self, leg: &Leg, bot: Option<&BotPackage>) -> Vec<Lack> {
        let mut lacks = Vec::new();
        if self.revoked {
            lacks.push(Lack::Revoked);
        }
        if let LegKind::Action(action) = &leg.kind
            && !self.actions.contains_key(action)
        {
            lacks.push(Lack::Action(action.clone()));
        }
        let needs = bot.into_iter().flat_map(|bot| &bot.needs);
        lacks.extend(
            needs
                .filter(|need| !self.needs.contains(*need))
                .map(|need| Lack::Need(need.clone())),
        );
        lacks.extend(
            leg.labels
                .iter()
                .filter(|label| !self.labels.contains(*label))
                .map(|label| Lack::Label(label.clone())),
        );
        lacks
    }

    pub(super) fn effect_of(&self, action: &str) -> EffectClass {
        self.actions
            .get(action)
            .copied()
            .unwrap_or(EffectClass::AtMostOnce)
    }
}

/// All agents that ever enrolled.
#[derive(Default)]
pub(super) struct Agents {
    by_id: BTreeMap<AgentId, Agent>,
    bots: BTreeMap<(SmolStr, SmolStr), BotPackage>,
    turn: u64,
}

impl Agents {
    pub(super) fn enrol(&mut self, id: AgentId, labels: Vec<SmolStr>) {
        let labels_set = labels.iter().cloned().collect();
        let agent = self.by_id.entry(id).or_insert_with(|| Agent {
            session: None,
            gone: "never connected".to_owned(),
            boot_id: String::new(),
            conn: 0,
            journal_id: String::new(),
            enrolled_labels: Vec::new(),
            labels: BTreeSet::new(),
            actions: BTreeMap::new(),
            needs: BTreeSet::new(),
            slots: 0,
            held: 0,
            paused: false,
            revoked: false,
            served: 0,
        });
        agent.revoked = false;
        agent.enrolled_labels = labels;
        agent.labels = labels_set;
    }

    pub(super) fn revoke(&mut self, id: &AgentId) {
        if let Some(agent) = self.by_id.get_mut(id) {
            agent.revoked = true;
            agent.session = None;
            agent.gone = "revoked".to_owned();
        }
    }

    pub(super) fn get(&self, id: &AgentId) -> Option<&Agent> {
        self.by_id.get(id)
    }

    pub(super) fn get_mut(&mut self, id: &AgentId) -> Option<&mut Agent> {
        self.by_id.get_mut(id)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&AgentId, &Agent)> {
        self.by_id.iter()
    }

    /// Connects an agent. True when its journal is another one than before.
    pub(super) fn connect(
        &mut self,
        id: &AgentId,
        session: SessionId,
        hello: &Hello,
    ) -> Result<bool, HelloRefused> {
        if !self.by_id.contains_key(id) {
            self.enrol(id.clone(), Vec::new());
        }
        let agent = self.by_id.get_mut(id).expect("the agent was just entered");
        if agent.revoked {
            return Err(HelloRefused::Revoked(id.clone()));
        }
        if agent.session.is_some() && agent.boot_id == hello.boot_id && hello.conn < agent.conn {
            return Err(HelloRefused::OlderConnection {
                agent: id.clone(),
                found: hello.conn,
                known: agent.conn,
            });
        }
        let journal_lost = !agent.journal_id.is_empty() && agent.journal_id != hello.journal_id;
        agent.session = Some(session);
        agent.boot_id.clone_from(&hello.boot_id);
        agent.conn = hello.conn;
        agent.journal_id.clone_from(&hello.journal_id);
        agent.paused = false;
        agent.take(&hello.capabilities);
        Ok(journal_lost)
    }

    pub(super) fn bot(&self, kind: &LegKind) -> Option<&BotPackage> {
        match kind {
            LegKind::Bot { name, version } => self.bots.get(&(name.clone(), version.clone())),
            LegKind::Action(_) | LegKind::Connector(_) | LegKind::Worker | LegKind::Person => None,
        }
    }

    pub(super) fn add_bot(&mut self, bot: BotPackage) {
        self.bots
            .insert((bot.name.clone(), bot.version.clone()), bot);
    }

    pub(super) fn remove_bot(&mut self, name: &str, version: &str) {
        self.bots
            .remove(&(SmolStr::new(name), SmolStr::new(version)));
    }

    /// The agent with the most room that may take the leg; those that were idle longest first.
    pub(super) fn pick(&mut self, leg: &Leg, not: &[AgentId]) -> Option<(AgentId, SessionId)> {
        let bot = match &leg.kind {
            LegKind::Bot { .. } => Some(self.bot(&leg.kind)?),
            LegKind::Action(_) => None,
            LegKind::Connector(_) | LegKind::Worker | LegKind::Person => return None,
        };
        let free = self.by_id.iter().filter(|(id, agent)| {
            agent.has_room() && !not.contains(id) && agent.misfits(leg, bot).is_empty()
        });
        let (id, session) = free
            .min_by_key(|(_, agent)| {
                (
                    u64::from(agent.held) * 1000 / u64::from(agent.slots.max(1)),
                    agent.served,
                )
            })
            .and_then(|(id, agent)| Some((id.clone(), agent.session?)))?;
        self.turn += 1;
        if let Some(agent) = self.by_id.get_mut(&id) {
            agent.held += 1;
            agent.served = self.turn;
        }
        Some((id, session))
    }

    /// Whether some agent, busy or away, could take the leg besides those.
    pub(super) fn any_other(&self, leg: &Leg, not: &[AgentId]) -> bool {
        let bot = self.bot(&leg.kind);
        self.by_id
            .iter()
            .any(|(id, agent)| !not.contains(id) && agent.misfits(leg, bot).is_empty())
    }

    pub(super) fn view(&self, id: &AgentId) -> Option<AgentView> {
        self.by_id.get(id).map(|agent| AgentView {
            id: id.clone(),
            gone: agent.session.is_none().then(|| agent.gone.clone()),
            paused: agent.paused,
            slots: agent.slots,
            held: agent.held,
            labels: agent.labels.iter().cloned().collect(),
            needs: agent.needs.iter().cloned().collect(),
            actions: agent.actions.keys().cloned().collect(),
        })
    }
}
