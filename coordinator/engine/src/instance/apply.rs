//! Apply: how each event changes the state. Total: it never fails, never decides, and is the only code that writes a segment.

use super::{
    Attached, AttachedTrigger, Body, Header, Incident, Instance, Job, JobState, Origin, Parent,
    Phase, Segment, Token, Wait,
};
use crate::event::{Event, Millis, Record};
use crate::key::{Key, ROOT_SEGMENT, SegmentId};
use crate::process::Symbol;
use crate::variables::{Json, Variables};

impl Instance {
    /// Applies an event of one segment of the instance `root`.
    pub fn apply(&mut self, root: Key, number: u32, at: Millis, event: &Event) {
        let segment = self.segments.get_mut(&number);
        match (segment, event) {
            (Some(segment), event) => segment.apply(event),
            (None, event) => {
                let segment = Segment::begin(SegmentId { root, number }, at, event);
                self.segments.insert(number, segment);
            }
        }
    }

    /// Applies what the journal holds of one segment.
    pub fn replay(&mut self, id: SegmentId, record: &Record) {
        for event in &record.events {
            self.apply(id.root, id.number, record.at, event);
        }
    }
}

impl Segment {
    #[cfg_attr(
        not(test),
        expect(
            clippy::wildcard_enum_match_arm,
            reason = "whatever event comes: a segment begins with a start only"
        )
    )]
    fn begin(id: SegmentId, at: Millis, event: &Event) -> Segment {
        match event {
            Event::InstanceStarted {
                definition,
                node,
                variables,
                business_id,
                tags,
            } => {
                let mut token = Token::new(id.root, *node, None, None);
                token.variables = variables.clone();
                token.open(Wait::Children);
                let header = Header {
                    definition: *definition,
                    started_at: at,
                    business_id: business_id.clone(),
                    tags: tags.clone(),
                    todo: Vec::new(),
                    next_segment: ROOT_SEGMENT + 1,
                };
                Segment {
                    id,
                    origin: Origin::Root(header),
                    tokens: vec![token],
                    activations: 1,
                    stopped: false,
                }
            }
            Event::ChildStarted {
                parent,
                body,
                index,
                token,
                node,
                locals,
            } => {
                let mut first = Token::new(*token, *node, Some(*body), None);
                first.variables = locals.clone();
                let parent = Parent {
                    segment: *parent,
                    body: *body,
                    index: *index,
                };
                Segment {
                    id,
                    origin: Origin::Child(parent),
                    tokens: vec![first],
                    activations: 1,
                    stopped: false,
                }
            }
            other => {
                unreachable!("segment {id:?} begins with {other:?}: journals begin with a start")
            }
        }
    }

    /// Applies one event of this segment.
    pub fn apply(&mut self, event: &Event) {
        match event {
            Event::InstanceStarted { .. } | Event::ChildStarted { .. } => {
                unreachable!("{event:?} begins a segment, and {:?} has begun", self.id)
            }
            Event::TokenEntered {
                token,
                node,
                scope,
                flow,
                payload,
            } => {
                let mut entered = Token::new(*token, *node, Some(*scope), *flow);
                if !payload.is_empty() {
                    entered.pending = Some(payload.clone());
                }
                self.insert(entered);
                if let Some(scope) = self.find(*scope) {
                    scope.children += 1;
                }
                self.activations = self.activations.saturating_add(1);
            }
            Event::TokenArrived { token, flow } => {
                let wait = &mut self.at(*token).wait;
                if let Wait::Join { arrived } = wait {
                    arrived.push(*flow);
                } else {
                    *wait = Wait::Join {
                        arrived: vec![*flow],
                    };
                }
            }
            Event::ScopeOpened { token } => self.at(*token).open(Wait::Children),
            Event::VariablesSet { scope, variables } => self.at(*scope).variables.merge(variables),
            Event::JobOpened {
                token,
                job,
                job_type,
                retries,
                headers,
                ..
            } => self.at(*token).open(Wait::Job(Job {
                key: *job,
                job_type: job_type.clone(),
                retries: *retries,
                retry_at: None,
                state: JobState::Open,
                headers: headers.clone(),
            })),
            Event::JobCompleted {
                token, variables, ..
            } => {
                self.answered(*token, variables);
            }
            Event::JobFailed {
                token,
                retries,
                retry_at,
                ..
            } => {
                self.activations = 0;
                if let Wait::Job(job) = &mut self.at(*token).wait {
                    job.retries = *retries;
                    job.retry_at = *retry_at;
                    job.state = if *retries > 0 {
                        JobState::Open
                    } else {
                        JobState::Failed
                    };
                }
            }
            Event::JobErrorThrown { token, caught, .. } => {
                self.activations = 0;
                let token = self.at(*token);
                if *caught {
                    token.wait = Wait::Nothing;
                } else if let Wait::Job(job) = &mut token.wait {
                    job.state = JobState::Errored;
                }
            }
            Event::JobRetriesSet {
                token,
                retries,
                offered,
                ..
            } => {
                if let Wait::Job(job) = &mut self.at(*token).wait {
                    job.retries = *retries;
                    if *offered {
                        job.retry_at = None;
                        job.state = JobState::Open;
                    }
                }
            }
            Event::UserTaskOpened {
                token,
                task,
                details,
                ..
            } => {
                self.at(*token).open(Wait::UserTask {
                    task: *task,
                    assignee: details.assignee.clone(),
                });
            }
            Event::UserTaskAssigned {
                token, assignee, ..
            } => {
                if let Wait::UserTask { assignee: have, .. } = &mut self.at(*token).wait {
                    have.clone_from(assignee);
                }
            }
            Event::UserTaskCompleted {
                token, variables, ..
            } => self.answered(*token, variables),
            Event::JobCancelled { token, .. } | Event::UserTaskCancelled { token, .. } => {
                self.at(*token).wait = Wait::Nothing;
            }
            Event::TimerSet {
                token,
                timer,
                on,
                due,
                repeat,
            } => {
                let token = self.at(*token);
                if token.node == *on {
                    token.open(Wait::Timer {
                        timer: *timer,
                        due: *due,
                    });
                } else {
                    let trigger = AttachedTrigger::Timer {
                        timer: *timer,
                        due: *due,
                        repeat: repeat.clone(),
                    };
                    token.attached.push(Attached { on: *on, trigger });
                }
            }
            Event::TimerFired { token, timer } => {
                self.activations = 0;
                let token = self.at(*token);
                if token.detach_timer(*timer) {
                    return;
                }
                token.wait = Wait::Nothing;
                token.phase = Phase::Completing;
            }
            Event::TimerCancelled { token, timer } => {
                let token = self.at(*token);
                if !token.detach_timer(*timer) {
                    token.wait = Wait::Nothing;
                }
            }
            Event::SubscriptionOpened {
                token,
                subscription,
                on,
                name,
                correlation_key,
                ..
            } => {
                let token = self.at(*token);
                let (subscription, name, correlation_key) =
                    (*subscription, name.clone(), correlation_key.clone());
                if token.node == *on {
                    token.open(Wait::Message {
                        subscription,
                        name,
                        correlation_key,
                    });
                } else {
                    let trigger = AttachedTrigger::Message {
                        subscription,
                        name,
                        correlation_key,
                    };
                    token.attached.push(Attached { on: *on, trigger });
                }
            }
            Event::MessageCorrelated {
                token,
                subscription,
                variables,
                ..
            } => {
                self.activations = 0;
                let own = matches!(&self.at(*token).wait, Wait::Message { subscription: own, .. } if own == subscription);
                if own {
                    self.answered(*token, variables);
                }
            }
            Event::SubscriptionClosed {
                token,
                subscription,
            } => {
                let token = self.at(*token);
                if !token.detach_subscription(*subscription) {
                    token.wait = Wait::Nothing;
                }
            }
            Event::ChildrenPlanned {
                token,
                total,
                first_segment,
                items,
            } => {
                let token = self.at(*token);
                token.open(Wait::Children);
                token.body = Some(Box::new(Body {
                    total: *total,
                    first_segment: *first_segment,
                    spawned: 0,
                    completed: 0,
                    terminated: 0,
                    items_bytes: items.iter().map(Json::bytes).sum(),
                    items: items.clone(),
                    ended: vec![0; (*total as usize).div_ceil(64)],
                    outputs: Vec::new(),
                    outputs_bytes: 0,
                }));
            }
            Event::ChildrenSpawned { token, spawned } => {
                let body = self.body(*token);
                body.spawned = *spawned;
                if body.spawned == body.total {
                    body.items = Vec::new();
                    body.items_bytes = 0;
                }
            }
            Event::ChildEnded {
                token,
                index,
                output,
                completed,
            } => {
                let body = self.body(*token);
                body.ended[*index as usize / 64] |= 1 << (index % 64);
                if *completed {
                    body.completed += 1;
                } else {
                    body.terminated += 1;
                }
                if let Some(output) = output {
                    if body.outputs.is_empty() {
                        body.outputs = vec![None; body.total as usize];
                    }
                    body.outputs_bytes += output.bytes();
                    body.outputs[*index as usize] = Some(output.clone());
                }
            }
            Event::SegmentsReserved { next } => {
                if let Origin::Root(header) = &mut self.origin {
                    header.next_segment = *next;
                }
            }
            Event::ChildrenDone { token } => self.at(*token).phase = Phase::Completing,
            Event::TokenTerminating { token, then } => {
                let token = self.at(*token);
                token.phase = Phase::Terminating;
                token.then = then.clone().map(Box::new);
            }
            Event::TokenLeft { token, .. } => self.remove(*token),
            Event::IncidentRaised {
                token,
                incident,
                kind,
                message,
                ..
            } => {
                self.at(*token).incident = Some(Incident {
                    key: *incident,
                    kind: *kind,
                    message: message.clone(),
                });
            }
            Event::IncidentResolved { token, .. } => {
                self.activations = 0;
                self.at(*token).incident = None;
            }
            Event::Continued { todo } => {
                if let Origin::Root(header) = &mut self.origin {
                    header.todo.clone_from(todo);
                }
            }
            Event::InstanceEnded { .. } => self.tokens.clear(),
            Event::InstanceStopped { .. } => self.stopped = true,
        }
    }

    fn answered(&mut self, key: Key, variables: &Variables) {
        self.activations = 0;
        let token = self.at(key);
        token.wait = Wait::Nothing;
        token.phase = Phase::Completing;
        token.pending = Some(variables.clone());
    }

    fn insert(&mut self, token: Token) {
        match self.tokens.last() {
            Some(last) if last.key > token.key => {
                let at = self.tokens.partition_point(|have| have.key < token.key);
                self.tokens.insert(at, token);
            }
            _ => self.tokens.push(token),
        }
    }

    fn remove(&mut self, key: Key) {
        let Ok(at) = self.tokens.binary_search_by_key(&key, |token| token.key) else {
            unreachable!("token {key:?} left {:?}, and was not there", self.id)
        };
        let token = self.tokens.remove(at);
        if let Some(scope) = token.scope.and_then(|scope| self.find(scope)) {
            scope.children -= 1;
        }
    }

    fn find(&mut self, key: Key) -> Option<&mut Token> {
        self.tokens
            .binary_search_by_key(&key, |token| token.key)
            .ok()
            .map(|at| &mut self.tokens[at])
    }

    fn at(&mut self, key: Key) -> &mut Token {
        let id = self.id;
        self.find(key).unwrap_or_else(|| {
            unreachable!("an event of {id:?} names token {key:?}, which is not there")
        })
    }

    fn body(&mut self, key: Key) -> &mut Body {
        self.at(key)
            .body
            .as_deref_mut()
            .unwrap_or_else(|| unreachable!("token {key:?} has no children planned"))
    }
}

impl Token {
    fn new(key: Key, node: Symbol, scope: Option<Key>, flow: Option<Symbol>) -> Token {
        Token {
            key,
            node,
            scope,
            phase: Phase::Activating,
            wait: Wait::Nothing,
            variables: Variables::new(),
            pending: None,
            attached: Vec::new(),
            children: 0,
            incident: None,
            body: None,
            then: None,
            flow,
        }
    }

    fn open(&mut self, wait: Wait) {
        self.phase = Phase::Active;
        self.wait = wait;
    }

    fn detach_timer(&mut self, timer: Key) -> bool {
        let before = self.attached.len();
        self.attached.retain(
            |a| !matches!(&a.trigger, AttachedTrigger::Timer { timer: t, .. } if *t == timer),
        );
        self.attached.len() < before
    }

    fn detach_subscription(&mut self, subscription: Key) -> bool {
        let before = self.attached.len();
        self.attached
            .retain(|a| !matches!(&a.trigger, AttachedTrigger::Message { subscription: s, .. } if *s == subscription));
        self.attached.len() < before
    }
}
