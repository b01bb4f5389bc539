//! Who hears which event inside the writer: dispatch, timers, correlation, and those who await an end.

use super::ask::Answer;
use super::definitions::Definition;
use super::messages::OpenSubscription;
use super::writer::Writer;
use crate::dispatch::{Closed, Job};
use botswain_engine::{Event, Key, SegmentId, Variables};

impl Writer {
    /// Passes one event on.
    pub(super) fn heard(&mut self, id: SegmentId, definition: &Definition, event: &Event) {
        match event {
            Event::JobOpened {
                token,
                job,
                job_type,
                retries,
                ..
            } => {
                let opened = Job {
                    key: *job,
                    segment: id,
                    token: *token,
                    job_type: job_type.clone(),
                    priority: 0,
                    retries: *retries,
                    available_at: 0,
                    fence: 0,
                };
                self.desk.open(opened, self.now);
            }
            Event::JobCompleted { job, .. }
            | Event::JobErrorThrown {
                job, caught: true, ..
            } => {
                self.desk.close(*job, Closed::Done);
            }
            // It stays with its token, and an operator may have it offered again.
            Event::JobErrorThrown {
                job, caught: false, ..
            } => self.desk.failed(*job, 0, None, self.now),
            Event::JobFailed {
                job,
                retries,
                retry_at,
                ..
            } => self.desk.failed(*job, *retries, *retry_at, self.now),
            Event::JobRetriesSet {
                token,
                job,
                retries,
                offered: true,
            } => self.offer_again(id, *token, *job, *retries),
            Event::JobRetriesSet { offered: false, .. } => {}
            Event::JobCancelled { job, .. } => self.desk.close(*job, Closed::Cancelled),
            Event::TimerSet { timer, due, .. } => self.timers.set(*timer, *due, id),
            Event::TimerFired { timer, .. } | Event::TimerCancelled { timer, .. } => {
                self.timers.gone(*timer)
            }
            Event::SubscriptionOpened {
                subscription,
                name,
                correlation_key,
                ..
            } => {
                let open = OpenSubscription {
                    key: *subscription,
                    segment: id,
                    process_id: definition.process.id.clone(),
                };
                self.messages
                    .opened(name.clone(), correlation_key.clone(), open);
            }
            Event::SubscriptionClosed { subscription, .. } => self.messages.closed(*subscription),
            Event::InstanceStarted { .. }
            | Event::ChildStarted { .. }
            | Event::TokenEntered { .. }
            | Event::TokenArrived { .. }
            | Event::ScopeOpened { .. }
            | Event::VariablesSet { .. }
            | Event::UserTaskOpened { .. }
            | Event::UserTaskAssigned { .. }
            | Event::UserTaskCompleted { .. }
            | Event::UserTaskCancelled { .. }
            | Event::MessageCorrelated { .. }
            | Event::ChildrenPlanned { .. }
            | Event::ChildrenSpawned { .. }
            | Event::ChildEnded { .. }
            | Event::SegmentsReserved { .. }
            | Event::ChildrenDone { .. }
            | Event::TokenTerminating { .. }
            | Event::TokenLeft { .. }
            | Event::IncidentRaised { .. }
            | Event::IncidentResolved { .. }
            | Event::Continued { .. }
            | Event::InstanceEnded { .. }
            | Event::InstanceStopped { .. } => {}
        }
    }

    /// A job may be offered again; dispatch may not know it, because it forgets what nobody may do.
    fn offer_again(&mut self, id: SegmentId, token: Key, job: Key, retries: i32) {
        let stored = self.store.job(job).ok().flatten();
        let known = self.cache.get(id.root).and_then(|cached| {
            cached
                .instance
                .segment(id.number)?
                .token(token)?
                .job()
                .cloned()
        });
        if let Some(known) = known {
            let fence = stored.map_or(0, |row| row.fence);
            self.desk.open(
                Job {
                    key: job,
                    segment: id,
                    token,
                    job_type: known.job_type,
                    priority: 0,
                    retries,
                    available_at: 0,
                    fence,
                },
                self.now,
            );
        }
        self.desk.retries_set(job, retries, self.now);
    }

    /// Tells those who await the end of an instance.
    pub(super) fn ended(&mut self, root: Key, completed: bool, variables: &Variables) {
        let Some(all) = self.awaiting.remove(&root) else {
            return;
        };
        for awaiting in all {
            let variables = if awaiting.fetch.is_empty() {
                variables.to_json()
            } else {
                let wanted = awaiting
                    .fetch
                    .iter()
                    .filter_map(|name| Some((name.clone(), variables.get(name)?.clone())));
                wanted.collect::<Variables>().to_json()
            };
            let answer = Answer::Ended {
                created: awaiting.created,
                completed,
                variables,
            };
            self.replies.push((awaiting.reply, Ok(answer)));
        }
    }
}
