//! Agents on the scheduler: their lines, their wishes, their crashes.

use super::{Happening, Simulation};
use crate::simulation::agent::{Agent, Chance, Wish};
use crate::simulation::coordinator::Who;
use crate::simulation::line::{Line, over_the_wire_down, over_the_wire_up};
use botswain::dispatch::SessionId;
use botswain::runtime::Ask;
use botswain_proto::message::{FromAgent, Sync, ToAgent};
use rand::Rng;

impl Simulation {
    pub(super) fn with_agent<T>(
        &mut self,
        agent: usize,
        act: impl FnOnce(&mut Agent, &mut Chance<'_>) -> T,
    ) -> T {
        let mut chance = Chance {
            rng: &mut self.rng,
            calm: self.calm,
            crash: self.weather.agent_crash,
        };
        act(&mut self.agents[agent], &mut chance)
    }

    /// Does what an agent wants, and plans its next look at the time.
    pub(super) fn grant(&mut self, agent: usize, wishes: Vec<Wish>) {
        for wish in wishes {
            match wish {
                Wish::Say(message) => {
                    if let Some(line) = self.agents[agent].conn {
                        self.say_up(line, message);
                    }
                }
                Wish::Later(ms, attempt, number, step) => {
                    let boot = self.agents[agent].boot;
                    self.after(
                        ms,
                        Happening::AgentGoesOn(agent, boot, attempt, number, step),
                    );
                }
                Wish::Reconnect => {
                    if let Some(line) = self.agents[agent].conn {
                        self.after(0, Happening::AgentNotices(line));
                        self.cut(line);
                    }
                }
                Wish::Crash => {
                    self.figures.agent_crashes += 1;
                    if let Some(line) = self.agents[agent].conn {
                        self.cut(line);
                    }
                    self.agents[agent].crash();
                    let down = self.rng.random_range(10..8_000);
                    self.after(down, Happening::AgentStarts(agent));
                    return;
                }
            }
        }
        self.plan_wake(agent);
    }

    fn plan_wake(&mut self, agent: usize) {
        let deadline = self.agents[agent]
            .session
            .as_ref()
            .and_then(|session| session.next_deadline());
        if let Some(deadline) = deadline {
            let at = deadline.max(self.now + 1);
            if self.wake[agent].is_none_or(|planned| at < planned || planned <= self.now) {
                self.wake[agent] = Some(at);
                self.at(at, Happening::AgentWakes(agent));
            }
        }
    }

    pub(super) fn agent_connects(&mut self, agent: usize) {
        if self.agents[agent].session.is_none() || self.agents[agent].conn.is_some() {
            return;
        }
        if !self.coordinator.is_up() {
            let again = self.rng.random_range(100..3_000);
            return self.after(again, Happening::AgentConnects(agent));
        }
        self.next_session += 1;
        let line = self.next_session;
        self.lines.insert(line, Line::new(agent, SessionId(line)));
        let now = self.now;
        let wishes = self.with_agent(agent, |agent, chance| agent.connected(now, line, chance));
        self.grant(agent, wishes);
    }

    /// A line is cut; the other side notices later.
    fn cut(&mut self, id: u64) {
        if let Some(line) = self.lines.get_mut(&id) {
            line.agent_side = false;
            if line.coordinator_side {
                let notices = self.rng.random_range(0..5_000);
                self.after(notices, Happening::CoordinatorNotices(id));
            }
        }
    }

    /// The coordinator gives a line up.
    pub(super) fn hang_up(&mut self, id: u64) {
        let Some(line) = self.lines.get_mut(&id).filter(|line| line.coordinator_side) else {
            return;
        };
        line.coordinator_side = false;
        let (agent, session) = (line.agent, line.session);
        self.tell_gone(agent, session);
        let notices = self.rng.random_range(0..500);
        self.after(notices, Happening::AgentNotices(id));
    }

    pub(super) fn tell_gone(&mut self, agent: usize, session: SessionId) {
        let agent = self.agents[agent].id.clone();
        self.coordinator.ask(
            Ask::AgentGone {
                session,
                agent,
                why: "the line broke".to_owned(),
            },
            Who::Nobody,
            None,
        );
        self.soon();
    }

    pub(super) fn coordinator_notices(&mut self, id: u64) {
        let Some(line) = self.lines.get_mut(&id).filter(|line| line.coordinator_side) else {
            return;
        };
        line.coordinator_side = false;
        let (agent, session) = (line.agent, line.session);
        self.tell_gone(agent, session);
    }

    pub(super) fn agent_notices(&mut self, id: u64) {
        let Some(line) = self.lines.get_mut(&id) else {
            return;
        };
        line.agent_side = false;
        let agent = line.agent;
        if self.agents[agent].conn != Some(id) {
            return;
        }
        let now = self.now;
        let wishes = self.with_agent(agent, |agent, chance| agent.disconnected(now, chance));
        self.grant(agent, wishes);
        let again = self.rng.random_range(10..3_000);
        self.after(again, Happening::AgentConnects(agent));
    }

    pub(super) fn greet(&mut self, id: u64, sync: Sync) {
        let Some(line) = self.lines.get_mut(&id).filter(|line| line.coordinator_side) else {
            return;
        };
        line.greeted = true;
        let waiting = std::mem::take(&mut line.waiting);
        self.deliver_down(id, ToAgent::Sync(sync));
        for message in waiting {
            self.say_down(id, message);
        }
    }

    /// The coordinator says something, and the weather decides what arrives.
    pub(super) fn say_down(&mut self, id: u64, message: ToAgent) {
        if !self
            .lines
            .get(&id)
            .is_some_and(|line| line.coordinator_side)
        {
            return;
        }
        let (loss, double, breaks) = (self.weather.loss, self.weather.double, self.weather.breaks);
        if self.chance(breaks) {
            self.figures.lost_or_doubled += 1;
            self.after(0, Happening::AgentNotices(id));
            return self.cut(id);
        }
        if !self.weather.in_order {
            if self.chance(loss) {
                self.figures.lost_or_doubled += 1;
                return;
            }
            if self.chance(double) {
                self.figures.lost_or_doubled += 1;
                self.deliver_down(id, message.clone());
            }
        }
        self.deliver_down(id, message);
    }

    fn deliver_down(&mut self, id: u64, message: ToAgent) {
        let mut at = self.now + self.delay();
        if let Some(line) = self.lines.get_mut(&id)
            && (self.weather.in_order || self.calm || matches!(message, ToAgent::Sync(_)))
        {
            at = at.max(line.down_at);
            line.down_at = at;
        }
        let message = over_the_wire_down(message);
        self.at(at, Happening::AgentHears(id, Box::new(message)));
    }

    fn say_up(&mut self, id: u64, message: FromAgent) {
        if !self.lines.get(&id).is_some_and(|line| line.agent_side) {
            return;
        }
        let (loss, double, breaks) = (self.weather.loss, self.weather.double, self.weather.breaks);
        if self.chance(breaks) {
            self.figures.lost_or_doubled += 1;
            self.after(0, Happening::AgentNotices(id));
            return self.cut(id);
        }
        let greeting = matches!(message, FromAgent::Hello(_));
        if !self.weather.in_order && !greeting {
            if self.chance(loss) {
                self.figures.lost_or_doubled += 1;
                return;
            }
            if self.chance(double) {
                self.figures.lost_or_doubled += 1;
                self.deliver_up(id, message.clone());
            }
        }
        self.deliver_up(id, message);
    }

    fn deliver_up(&mut self, id: u64, message: FromAgent) {
        let mut at = self.now + self.delay();
        if let Some(line) = self.lines.get_mut(&id)
            && (self.weather.in_order || self.calm || matches!(message, FromAgent::Hello(_)))
        {
            at = at.max(line.up_at);
            line.up_at = at;
        }
        let message = over_the_wire_up(message);
        self.at(at, Happening::CoordinatorHears(id, Box::new(message)));
    }

    pub(super) fn agent_hears(&mut self, id: u64, message: ToAgent) {
        let Some(line) = self.lines.get(&id).filter(|line| line.agent_side) else {
            return;
        };
        let agent = line.agent;
        if self.agents[agent].conn != Some(id) {
            return;
        }
        let now = self.now;
        let wishes = self.with_agent(agent, |agent, chance| agent.hears(now, message, chance));
        self.grant(agent, wishes);
    }

    pub(super) fn coordinator_hears(&mut self, id: u64, message: FromAgent) {
        let Some(line) = self.lines.get(&id).filter(|line| line.coordinator_side) else {
            return;
        };
        let (session, agent) = (line.session, self.agents[line.agent].id.clone());
        match message {
            FromAgent::Hello(hello) => self.coordinator.ask(
                Ask::AgentHello {
                    session,
                    agent,
                    hello,
                },
                Who::Hello(id),
                None,
            ),
            FromAgent::Event(event) => {
                let seq = event.seq;
                self.coordinator.ask(
                    Ask::AgentEvent {
                        session,
                        agent,
                        event,
                    },
                    Who::Event(id, seq),
                    None,
                );
            }
            FromAgent::Beat(beat) => {
                self.coordinator.ask(
                    Ask::AgentBeat {
                        session,
                        agent,
                        beat: Box::new(beat),
                    },
                    Who::Beat(id),
                    None,
                );
            }
            FromAgent::SyncAnswer(items) => self.coordinator.ask(
                Ask::AgentSync {
                    session,
                    agent,
                    items,
                },
                Who::Nobody,
                None,
            ),
            FromAgent::Goodbye { .. } => {}
        }
        self.soon();
    }
}
