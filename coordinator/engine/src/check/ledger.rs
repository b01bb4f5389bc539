//! Ledger: what events say is open, against what the state says is open.

use crate::event::Event;
use crate::instance::{AttachedTrigger, Instance, Wait};
use crate::key::Key;
use std::collections::BTreeMap;

/// The open things by their keys, each with the word for what it is.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Ledger(BTreeMap<Key, &'static str>);

impl Ledger {
    pub(crate) fn hear(&mut self, event: &Event) {
        match event {
            Event::InstanceStarted { .. } => {}
            Event::JobOpened { job, .. } => self.open(*job, "job"),
            Event::TimerSet { timer, .. } => self.open(*timer, "timer"),
            Event::SubscriptionOpened { subscription, .. } => {
                self.open(*subscription, "subscription")
            }
            Event::UserTaskOpened { task, .. } => self.open(*task, "user task"),
            Event::IncidentRaised { incident, .. } => self.open(*incident, "incident"),
            Event::TokenEntered { token, .. } | Event::ChildStarted { token, .. } => {
                self.open(*token, "token")
            }
            Event::JobCompleted { job, .. }
            | Event::JobCancelled { job, .. }
            | Event::JobErrorThrown {
                job, caught: true, ..
            } => self.close(*job, "job"),
            Event::TimerFired { timer, .. } | Event::TimerCancelled { timer, .. } => {
                self.close(*timer, "timer")
            }
            Event::SubscriptionClosed { subscription, .. } => {
                self.close(*subscription, "subscription")
            }
            Event::UserTaskCompleted { task, .. } | Event::UserTaskCancelled { task, .. } => {
                self.close(*task, "user task")
            }
            Event::IncidentResolved { incident, .. } => self.close(*incident, "incident"),
            // The root's token is opened by no event of its own.
            Event::TokenLeft { token, .. } => {
                self.0.remove(token);
            }
            Event::TokenArrived { .. }
            | Event::ScopeOpened { .. }
            | Event::VariablesSet { .. }
            | Event::JobFailed { .. }
            | Event::JobErrorThrown { caught: false, .. }
            | Event::JobRetriesSet { .. }
            | Event::UserTaskAssigned { .. }
            | Event::MessageCorrelated { .. }
            | Event::ChildrenPlanned { .. }
            | Event::ChildrenSpawned { .. }
            | Event::ChildEnded { .. }
            | Event::SegmentsReserved { .. }
            | Event::ChildrenDone { .. }
            | Event::TokenTerminating { .. }
            | Event::Continued { .. }
            | Event::InstanceEnded { .. }
            | Event::InstanceStopped { .. } => {}
        }
    }

    #[track_caller]
    fn open(&mut self, key: Key, what: &'static str) {
        assert_eq!(
            self.0.insert(key, what),
            None,
            "{what} {key:?} is opened twice"
        );
    }

    #[track_caller]
    fn close(&mut self, key: Key, what: &'static str) {
        assert_eq!(
            self.0.remove(&key),
            Some(what),
            "{what} {key:?} is closed, and was not open"
        );
    }

    /// What the state says.
    pub(crate) fn of(instance: &Instance, root: Key) -> Ledger {
        let mut all = BTreeMap::new();
        for token in instance.segments().flat_map(|segment| segment.tokens()) {
            all.insert(token.key(), "token");
            match token.wait() {
                Wait::Job(job) => all.insert(job.key, "job"),
                Wait::UserTask { task, .. } => all.insert(*task, "user task"),
                Wait::Timer { timer, .. } => all.insert(*timer, "timer"),
                Wait::Message { subscription, .. } => all.insert(*subscription, "subscription"),
                Wait::Nothing | Wait::Join { .. } | Wait::Children => None,
            };
            for attached in token.attached() {
                match &attached.trigger {
                    AttachedTrigger::Timer { timer, .. } => all.insert(*timer, "timer"),
                    AttachedTrigger::Message { subscription, .. } => {
                        all.insert(*subscription, "subscription")
                    }
                };
            }
            if let Some(incident) = token.incident() {
                all.insert(incident.key, "incident");
            }
        }
        all.remove(&root);
        Ledger(all)
    }
}
