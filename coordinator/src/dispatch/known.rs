//! What the desk knows besides jobs: routes, bots, connectors and agents, and what a change of them means.

use super::agents::{AgentView, BotPackage};
use super::attempt::AttemptRow;
use super::desk::{Connector, Desk, Job, Now, Place};
use super::outbox::Refill;
use super::queue::{Queue, Rank, Ticket};
use super::route::Route;
use botswain_engine::event::Millis;
use botswain_proto::ids::{AgentId, AttemptId};
use botswain_proto::message::EffectClass;
use smol_str::SmolStr;
use std::mem;

impl Desk {
    /// Sets a job type's route. Jobs that wait are routed again; jobs that are held stay where they are.
    pub fn set_route(&mut self, route: Route) {
        let kind = self.kind(&route.job_type);
        let count = route.legs().count();
        let state = &mut self.kinds[kind as usize];
        let old = mem::replace(&mut state.route, route);
        let queues = mem::replace(
            &mut state.queues,
            (0..count).map(|_| Queue::default()).collect(),
        );
        let in_store = queues
            .iter()
            .chain([&state.unrouted])
            .any(Queue::has_more_in_store);
        let mut waiting: Vec<Ticket> = queues
            .iter()
            .chain([&state.unrouted])
            .flat_map(Queue::tickets)
            .collect();
        waiting.sort_unstable_by_key(|ticket| ticket.key);
        waiting.dedup_by_key(|ticket| ticket.key);
        state.unrouted = Queue::default();
        if in_store {
            state
                .queues
                .iter_mut()
                .chain([&mut state.unrouted])
                .for_each(Queue::spill_all);
        }
        // A leg that is in both routes keeps its meaning for jobs that are held or wait for a later try.
        for entry in self.entries.iter_mut().filter(|entry| entry.kind == kind) {
            let now_at = old
                .leg(entry.leg)
                .and_then(|leg| self.kinds[kind as usize].route.find(&leg.kind));
            entry.after &= now_at.is_some();
            entry.leg = now_at.unwrap_or(0);
        }
        for ticket in waiting {
            if self.waits(ticket, kind) {
                let entry = &mut self.entries[ticket.slot as usize];
                entry.place = Place::Deciding;
                entry.after = false;
                entry.tries = 0;
                self.choose_leg(ticket.slot);
            }
        }
        let stranded: Vec<u32> =
            self.slots_where(|entry| entry.kind == kind && entry.place == Place::Unroutable);
        for slot in stranded {
            self.entries[slot as usize].place = Place::Deciding;
            self.choose_leg(slot);
        }
        if in_store {
            self.ask_store(kind);
        }
        self.wake(kind);
    }

    /// Tells that the store has waiting jobs of a type, as after a restart.
    pub fn waits_in_store(&mut self, job_type: &SmolStr) {
        let kind = self.kind(job_type);
        let state = &mut self.kinds[kind as usize];
        state
            .queues
            .iter_mut()
            .chain([&mut state.unrouted])
            .for_each(Queue::spill_all);
        self.ask_store(kind);
    }

    /// Answers a wish for more jobs: `jobs` in the order of their ranks, `end` where there are no more, and the earliest
    /// `available_at` of those that still have to wait.
    pub fn refill(
        &mut self,
        wish: &Refill,
        jobs: Vec<Job>,
        end: bool,
        later: Option<Millis>,
        now: Now,
    ) {
        let kind = self.kind(&wish.job_type);
        let last = jobs
            .last()
            .map(|job| Rank::new(job.priority, job.key).next());
        let until = if end {
            None
        } else {
            last.or(wish.from).or(Some(Rank::FIRST))
        };
        let state = &mut self.kinds[kind as usize];
        if wish.from.is_none() {
            state.later = later;
        }
        for queue in state.queues.iter_mut().chain([&mut state.unrouted]) {
            queue.open_for(wish.from, until);
        }
        for job in jobs {
            self.open(job, now);
        }
        self.check_refill(kind);
    }

    /// The route of a job type.
    #[must_use]
    pub fn route(&self, job_type: &str) -> Option<&Route> {
        self.kind_of
            .get(job_type)
            .map(|kind| &self.kinds[*kind as usize].route)
    }

    /// Makes a bot package known to routes.
    pub fn set_bot(&mut self, bot: BotPackage) {
        self.agents.add_bot(bot);
        self.wake_all();
    }

    /// Forgets a bot package; attempts that run go on.
    pub fn remove_bot(&mut self, name: &str, version: &str) {
        self.agents.remove_bot(name, version);
    }

    /// Makes a connector known to routes: how many of its calls may run at once, and what a repetition would do.
    pub fn set_connector(&mut self, name: SmolStr, slots: u32, effect: EffectClass) {
        let held = self
            .connectors
            .get(&name)
            .map_or(0, |connector| connector.held);
        self.connectors.insert(
            name,
            Connector {
                slots,
                held,
                effect,
            },
        );
        self.wake_all();
    }

    /// Forgets a connector; calls that run go on.
    pub fn remove_connector(&mut self, name: &str) {
        self.connectors.remove(name);
    }

    /// Makes an agent known, with the labels of its enrolment and the journal it was last seen with.
    pub fn enrolled(&mut self, agent: AgentId, labels: Vec<SmolStr>, journal_id: Option<String>) {
        self.agents.enrol(agent.clone(), labels);
        if let (Some(journal_id), Some(agent)) = (journal_id, self.agents.get_mut(&agent)) {
            agent.journal_id = journal_id;
        }
    }

    /// Withdraws an agent's right to work. What it holds is treated as lost when its lease ends.
    pub fn revoke(&mut self, agent: &AgentId) {
        self.agents.revoke(agent);
    }

    /// An agent as lists show it.
    #[must_use]
    pub fn agent(&self, agent: &AgentId) -> Option<AgentView> {
        self.agents.view(agent)
    }

    /// All agents as lists show them.
    pub fn agents(&self) -> impl Iterator<Item = AgentView> {
        self.agents
            .iter()
            .filter_map(|(id, _)| self.agents.view(id))
    }

    /// An attempt that is not over.
    #[must_use]
    pub fn attempt(&self, attempt: AttemptId) -> Option<&AttemptRow> {
        self.attempts.get(&attempt).map(|attempt| &attempt.row)
    }
}
