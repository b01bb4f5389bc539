//! Projection: which rows an event changes. Computed once, here, for every backend.

use crate::rows::{
    Change, Counts, ElementPatch, ElementRow, ElementState, Fixed, IncidentPatch, IncidentRow,
    IncidentState, InstancePatch, InstanceRow, InstanceState, JobPatch, JobRow, Net, RecordChange,
    SubscriptionRow, TimerRow, UserTaskPatch, UserTaskRow, UserTaskState, VariableRow,
};
use botswain_engine::instance::JobState;
use botswain_engine::{Event, Key, Millis, SegmentId, Symbol, Variables};
use rustc_hash::FxHashMap;
use smol_str::SmolStr;

/// The place of a process as a whole in the counters, where elements have their symbols.
pub const WHOLE_PROCESS: i64 = -1;

/// The row changes of one batch, netted: one change for each row.
#[derive(Clone, Debug, Default)]
pub struct Rows {
    /// Instance headers.
    pub instances: Net<Key, InstancePatch>,
    /// Jobs.
    pub jobs: Net<Key, JobPatch>,
    /// Timers.
    pub timers: Net<Key, Fixed<TimerRow>>,
    /// Message subscriptions.
    pub subscriptions: Net<Key, Fixed<SubscriptionRow>>,
    /// Incidents; the resolved ones are kept.
    pub incidents: Net<Key, IncidentPatch>,
    /// User tasks; the closed ones are kept.
    pub user_tasks: Net<Key, UserTaskPatch>,
    /// Element instances; all are kept.
    pub elements: Net<Key, ElementPatch>,
    /// Whether an instance has work left over; those that were not touched keep what they had.
    pub continuations: FxHashMap<Key, bool>,
    /// What the runtime writes, in its order.
    pub records: Vec<RecordChange>,
    variable_places: FxHashMap<(Key, SmolStr), u32>,
    variables: Vec<VariableRow>,
    counts: FxHashMap<(Key, i64), Counts>,
}

/// Where an event happened.
#[derive(Clone, Copy, Debug)]
pub struct Scene {
    /// The segment.
    pub segment: SegmentId,
    /// The version that the instance runs.
    pub definition: Key,
    /// When.
    pub at: Millis,
}

impl Rows {
    /// The variables' last values.
    #[must_use]
    pub fn variables(&self) -> &[VariableRow] {
        &self.variables
    }

    /// How often elements were visited, by definition and symbol.
    pub fn counts(&self) -> impl Iterator<Item = (Key, i64, Counts)> {
        self.counts
            .iter()
            .map(|((definition, node), counts)| (*definition, *node, *counts))
    }

    /// How many rows are written or deleted.
    #[must_use]
    pub fn len(&self) -> usize {
        self.instances.len()
            + self.jobs.len()
            + self.timers.len()
            + self.subscriptions.len()
            + self.incidents.len()
            + self.user_tasks.len()
            + self.elements.len()
            + self.continuations.len()
            + self.records.len()
            + self.variables.len()
            + self.counts.len()
    }

    /// Whether nothing changes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(crate) fn clear(&mut self) {
        self.instances.clear();
        self.jobs.clear();
        self.timers.clear();
        self.subscriptions.clear();
        self.incidents.clear();
        self.user_tasks.clear();
        self.elements.clear();
        self.continuations.clear();
        self.records.clear();
        self.variable_places.clear();
        self.variables.clear();
        self.counts.clear();
    }

    /// Adds what one event changes.
    pub fn project(&mut self, scene: Scene, event: &Event) {
        let SegmentId {
            root,
            number: segment,
        } = scene.segment;
        let Scene { definition, at, .. } = scene;
        match event {
            Event::InstanceStarted {
                definition,
                variables,
                business_id,
                tags,
                ..
            } => {
                let row = InstanceRow {
                    key: root,
                    definition: *definition,
                    state: InstanceState::Active,
                    started_at: at,
                    ended_at: None,
                    business_id: business_id.clone(),
                    tags: tags.clone(),
                    incidents: 0,
                    stop_reason: None,
                };
                self.instances.insert(root, row);
                self.count(*definition, WHOLE_PROCESS).entered += 1;
                self.set_variables(root, root, variables);
            }
            Event::ChildStarted {
                body,
                token,
                node,
                locals,
                ..
            } => {
                self.enter(scene, *token, *node, *body);
                self.set_variables(root, *token, locals);
            }
            Event::TokenEntered {
                token, node, scope, ..
            } => self.enter(scene, *token, *node, *scope),
            Event::VariablesSet { scope, variables } => self.set_variables(root, *scope, variables),
            Event::JobOpened {
                token,
                job,
                node,
                job_type,
                retries,
                ..
            } => {
                let row = JobRow {
                    key: *job,
                    root,
                    segment,
                    token: *token,
                    definition,
                    node: *node,
                    job_type: job_type.clone(),
                    retries: *retries,
                    retry_at: None,
                    state: JobState::Open,
                    created_at: at,
                    fence: 0,
                    held: None,
                };
                self.jobs.insert(*job, row);
                self.elements.update(
                    *token,
                    ElementPatch {
                        job: Some(*job),
                        ..ElementPatch::default()
                    },
                );
            }
            Event::JobCompleted { job, .. } | Event::JobCancelled { job, .. } => {
                self.jobs.delete(*job)
            }
            Event::JobFailed {
                job,
                retries,
                retry_at,
                ..
            } => {
                let state = if *retries > 0 {
                    JobState::Open
                } else {
                    JobState::Failed
                };
                let patch = JobPatch {
                    retries: Some(*retries),
                    retry_at: Some(*retry_at),
                    state: Some(state),
                    fence: None,
                    held: Some(None),
                };
                self.jobs.update(*job, patch);
            }
            Event::JobErrorThrown {
                job, caught: true, ..
            } => self.jobs.delete(*job),
            Event::JobErrorThrown {
                job, caught: false, ..
            } => {
                let patch = JobPatch {
                    state: Some(JobState::Errored),
                    held: Some(None),
                    ..JobPatch::default()
                };
                self.jobs.update(*job, patch);
            }
            Event::JobRetriesSet {
                job,
                retries,
                offered,
                ..
            } => {
                let patch = JobPatch {
                    retries: Some(*retries),
                    retry_at: offered.then_some(None),
                    state: offered.then_some(JobState::Open),
                    ..JobPatch::default()
                };
                self.jobs.update(*job, patch);
            }
            Event::UserTaskOpened {
                token,
                task,
                node,
                details,
            } => {
                let row = UserTaskRow {
                    key: *task,
                    root,
                    segment,
                    token: *token,
                    definition,
                    node: *node,
                    state: UserTaskState::Open,
                    details: details.as_ref().clone(),
                    created_at: at,
                    ended_at: None,
                };
                self.user_tasks.insert(*task, row);
            }
            Event::UserTaskAssigned { task, assignee, .. } => {
                let patch = UserTaskPatch {
                    assignee: Some(assignee.clone()),
                    ended: None,
                };
                self.user_tasks.update(*task, patch);
            }
            Event::UserTaskCompleted { task, .. } => {
                self.end_user_task(*task, at, UserTaskState::Completed)
            }
            Event::UserTaskCancelled { task, .. } => {
                self.end_user_task(*task, at, UserTaskState::Cancelled)
            }
            Event::TimerSet {
                token,
                timer,
                on,
                due,
                ..
            } => {
                let row = TimerRow {
                    key: *timer,
                    root,
                    segment,
                    token: *token,
                    definition,
                    on: *on,
                    due: *due,
                };
                self.timers.insert(*timer, row);
            }
            Event::TimerFired { timer, .. } | Event::TimerCancelled { timer, .. } => {
                self.timers.delete(*timer)
            }
            Event::SubscriptionOpened {
                token,
                subscription,
                on,
                name,
                correlation_key,
                once,
            } => {
                let row = SubscriptionRow {
                    key: *subscription,
                    root,
                    segment,
                    token: *token,
                    definition,
                    on: *on,
                    name: name.clone(),
                    correlation_key: correlation_key.clone(),
                    once: *once,
                    created_at: at,
                };
                self.subscriptions.insert(*subscription, row);
            }
            Event::SubscriptionClosed { subscription, .. } => {
                self.subscriptions.delete(*subscription)
            }
            Event::TokenLeft { token, completed } => {
                if *token != root {
                    let state = if *completed {
                        ElementState::Completed
                    } else {
                        ElementState::Terminated
                    };
                    self.elements.update(
                        *token,
                        ElementPatch {
                            left: Some((at, state)),
                            ..ElementPatch::default()
                        },
                    );
                }
            }
            Event::IncidentRaised {
                token,
                incident,
                node,
                kind,
                message,
                job,
            } => {
                let row = IncidentRow {
                    key: *incident,
                    root,
                    segment,
                    token: *token,
                    definition,
                    node: *node,
                    kind: *kind,
                    message: message.clone(),
                    job: *job,
                    raised_at: at,
                    state: IncidentState::Open,
                    resolved_at: None,
                };
                self.incidents.insert(*incident, row);
                self.flag(scene, *token, Some(*incident), 1);
                self.count(definition, i64::from(node.0)).incidents += 1;
            }
            Event::IncidentResolved { token, incident } => {
                self.incidents.update(
                    *incident,
                    IncidentPatch {
                        resolved_at: Some(at),
                    },
                );
                self.flag(scene, *token, None, -1);
            }
            Event::Continued { todo } => {
                self.continuations.insert(root, !todo.is_empty());
            }
            Event::InstanceEnded { completed } => {
                let state = if *completed {
                    InstanceState::Completed
                } else {
                    InstanceState::Terminated
                };
                let patch = InstancePatch {
                    state: Some(state),
                    ended_at: Some(at),
                    ..InstancePatch::default()
                };
                self.instances.update(root, patch);
                let counts = self.count(definition, WHOLE_PROCESS);
                if *completed {
                    counts.completed += 1;
                } else {
                    counts.terminated += 1;
                }
            }
            Event::InstanceStopped { reason } => {
                let patch = InstancePatch {
                    state: Some(InstanceState::Stopped),
                    stop_reason: Some(reason.clone()),
                    ..InstancePatch::default()
                };
                self.instances.update(root, patch);
            }
            // What follows lives in the segment alone.
            Event::MessageCorrelated { .. }
            | Event::TokenArrived { .. }
            | Event::ScopeOpened { .. }
            | Event::ChildrenPlanned { .. }
            | Event::ChildrenSpawned { .. }
            | Event::ChildEnded { .. }
            | Event::SegmentsReserved { .. }
            | Event::ChildrenDone { .. }
            | Event::TokenTerminating { .. } => {}
        }
    }

    fn enter(&mut self, scene: Scene, token: Key, node: Symbol, scope: Key) {
        let row = ElementRow {
            key: token,
            root: scene.segment.root,
            segment: scene.segment.number,
            scope,
            definition: scene.definition,
            node,
            entered_at: scene.at,
            left_at: None,
            state: ElementState::Active,
            incident: None,
            job: None,
        };
        self.elements.insert(token, row);
        self.count(scene.definition, i64::from(node.0)).entered += 1;
    }

    fn set_variables(&mut self, root: Key, scope: Key, variables: &Variables) {
        for (name, value) in variables.iter() {
            let next = u32::try_from(self.variables.len())
                .expect("a batch is bounded far below 4,294,967,296 rows");
            match self.variable_places.entry((scope, name.clone())) {
                std::collections::hash_map::Entry::Occupied(at) => {
                    self.variables[*at.get() as usize].value = value.clone();
                }
                std::collections::hash_map::Entry::Vacant(place) => {
                    place.insert(next);
                    self.variables.push(VariableRow {
                        root,
                        scope,
                        name: name.clone(),
                        value: value.clone(),
                    });
                }
            }
        }
    }

    fn end_user_task(&mut self, task: Key, at: Millis, state: UserTaskState) {
        self.user_tasks.update(
            task,
            UserTaskPatch {
                assignee: None,
                ended: Some((at, state)),
            },
        );
    }

    fn flag(&mut self, scene: Scene, token: Key, incident: Option<Key>, more: i64) {
        let root = scene.segment.root;
        if token != root {
            self.elements.update(
                token,
                ElementPatch {
                    incident: Some(incident),
                    ..ElementPatch::default()
                },
            );
        }
        self.instances.update(
            root,
            InstancePatch {
                incidents: more,
                ..InstancePatch::default()
            },
        );
    }

    fn count(&mut self, definition: Key, node: i64) -> &mut Counts {
        self.counts.entry((definition, node)).or_default()
    }

    /// Whether a job is known to be gone after this batch.
    #[must_use]
    pub fn job_is_gone(&self, job: Key) -> bool {
        self.jobs
            .get(job)
            .is_some_and(|change| matches!(change, Change::Nothing | Change::Delete))
    }
}
