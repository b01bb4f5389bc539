//! How a world's instances branch into segments, and how they end.

use super::{Running, Token, Waits, World, variables};
use botswain_engine::{Event, Json, SegmentId, Symbol};

impl World {
    pub(super) fn spawn(
        &mut self,
        instance: &mut Running,
        at: usize,
        detail: u8,
    ) -> Vec<(u32, Event)> {
        let total = 1 + u32::from(detail % 3);
        let body = &mut instance.tokens[at];
        if body.segment != 0 || body.waits != Waits::Nothing || body.child.is_some() {
            return self.enter_scope(&body.clone(), detail);
        }
        body.waits = Waits::Inside;
        let (body, first) = (body.key, instance.next_segment);
        instance.next_segment += total;
        let mut events = vec![
            (
                0,
                Event::SegmentsReserved {
                    next: instance.next_segment,
                },
            ),
            (
                0,
                Event::ChildrenPlanned {
                    token: body,
                    total,
                    first_segment: first,
                    items: vec![Json::from_trusted("1"); total as usize],
                },
            ),
        ];
        for index in 0..total {
            let (token, segment) = (self.keys.take(), first + index);
            let locals = variables(&format!(r#"{{"item":1,"loopCounter":{}}}"#, index + 1));
            events.push((
                segment,
                Event::ChildStarted {
                    parent: 0,
                    body,
                    index,
                    token,
                    node: Symbol(4),
                    locals,
                },
            ));
            instance.tokens.push(Token {
                segment,
                key: token,
                scope: body,
                waits: Waits::Nothing,
                attached: None,
                incident: None,
                child: Some(index),
            });
            self.segments.push(SegmentId {
                root: instance.root,
                number: segment,
            });
        }
        // The events of the segments are mixed, as a step gives them.
        events.push((
            0,
            Event::ChildrenSpawned {
                token: body,
                spawned: total,
            },
        ));
        events
    }

    pub(super) fn end(instance: &mut Running, detail: u8) -> Vec<(u32, Event)> {
        let mut events = Vec::new();
        while let Some(token) = instance.tokens.pop() {
            let (key, segment) = (token.key, token.segment);
            let wait = match token.waits {
                Waits::Nothing | Waits::Inside => None,
                Waits::Job(job) => Some(Event::JobCancelled { token: key, job }),
                Waits::Task(task) => Some(Event::UserTaskCancelled { token: key, task }),
                Waits::Timer(timer) => Some(Event::TimerCancelled { token: key, timer }),
                Waits::Message(subscription) => Some(Event::SubscriptionClosed {
                    token: key,
                    subscription,
                }),
            };
            let incident = token.incident.map(|incident| Event::IncidentResolved {
                token: key,
                incident,
            });
            let attached = token
                .attached
                .map(|timer| Event::TimerCancelled { token: key, timer });
            events.extend(
                [wait, incident, attached]
                    .into_iter()
                    .flatten()
                    .map(|event| (segment, event)),
            );
            events.push((
                segment,
                Event::TokenLeft {
                    token: key,
                    completed: false,
                },
            ));
            if let Some(index) = token.child {
                events.push((
                    0,
                    Event::ChildEnded {
                        token: token.scope,
                        index,
                        output: None,
                        completed: false,
                    },
                ));
            }
        }
        events.push((
            0,
            Event::InstanceEnded {
                completed: detail.is_multiple_of(2),
            },
        ));
        events
    }
}
