//! Work: how tokens move on: enter, complete, leave, and the check of a scope that may be complete.

use super::{ACTIVATIONS_MAX, At, Cx};
use crate::elements;
use crate::event::{Event, Todo};
use crate::incident::{IncidentKind, Problem};
use crate::instance::{AttachedTrigger, Body, Phase, Token, Wait};
use crate::key::Key;
use crate::mapping::Done;
use crate::process::{Element, FlowIdx, Node, Symbol};
use crate::variables::Variables;

impl<'a> Cx<'a> {
    /// Does queued work until none is left, or until the step has done its share.
    pub(crate) fn work(&mut self) {
        let mut held_back = Vec::new();
        while let Some(todo) = self.queue.pop_front() {
            if !self.spend() {
                self.queue.push_front(todo);
                break;
            }
            match todo {
                Todo::Enter {
                    segment,
                    node,
                    scope,
                    flow,
                    payload,
                } => {
                    self.enter(
                        At {
                            segment,
                            token: scope,
                        },
                        node,
                        flow,
                        payload,
                    );
                }
                Todo::Spawn { segment, body } => elements::multi_instance::spawn(
                    self,
                    At {
                        segment,
                        token: body,
                    },
                ),
                Todo::EndChildren {
                    segment,
                    body,
                    from,
                } => {
                    let at = At {
                        segment,
                        token: body,
                    };
                    held_back.extend(elements::multi_instance::end_children(self, at, from));
                }
                Todo::Check { segment, scope } => self.check(At {
                    segment,
                    token: scope,
                }),
            }
            if self.decided.ended.is_some() {
                self.queue.clear();
                return;
            }
        }
        self.queue.extend(held_back);
    }

    /// Queues a token's way into an element of a scope.
    pub(crate) fn enter_next(
        &mut self,
        scope: At,
        node: Symbol,
        flow: Option<Symbol>,
        payload: Variables,
    ) {
        self.push(Todo::Enter {
            segment: scope.segment,
            node,
            scope: scope.token,
            flow,
            payload,
        });
    }

    /// Queues a look at the scope around a token.
    pub(crate) fn check_next(&mut self, at: At) {
        if self.find(at).is_some()
            && let Some(scope) = self.scope(at)
        {
            self.look_at(scope);
        }
    }

    fn enter(&mut self, scope: At, symbol: Symbol, flow: Option<Symbol>, payload: Variables) {
        // The scope may have ended, or may be ending, since this was queued.
        if self
            .find(scope)
            .is_none_or(|token| token.phase() == Phase::Terminating)
            || self.is_ending(scope)
        {
            return;
        }
        let node = self.process.named(symbol);
        if let Some(at) = elements::may_enter(self, scope, node, flow, payload) {
            self.activate(at);
        }
        // Where the token went, some join may have lost its last hope.
        if self.find(scope).is_some() && self.has_joins(scope.segment) {
            self.look_at(scope);
        }
    }

    /// Puts a token onto an element.
    pub(crate) fn place(
        &mut self,
        scope: At,
        node: &Node,
        flow: Option<Symbol>,
        payload: Variables,
    ) -> At {
        let token = self.fresh_key();
        let entered = Event::TokenEntered {
            token,
            node: node.symbol,
            scope: scope.token,
            flow,
            payload,
        };
        self.emit(scope.segment, entered);
        At {
            segment: scope.segment,
            token,
        }
    }

    /// Lets the element of a token that just arrived do its work.
    pub(crate) fn activate(&mut self, at: At) {
        let node = self.node(at);
        let spinning = self.segment(at.segment).activations() > ACTIVATIONS_MAX;
        let entered = if spinning {
            Err(Problem::new(
                IncidentKind::Spinning,
                format!(
                    "{ACTIVATIONS_MAX} elements were activated without waiting for anything, the last is '{}': correct the loop \
                     in a new version, or resolve the incident to let it go on",
                    node.id
                ),
            ))
        } else {
            elements::enter(self, at, node)
        };
        if let Err(problem) = entered {
            self.raise(at, problem);
        }
    }

    /// Lets the element of a token go on after what it waited for.
    pub(crate) fn resume(&mut self, at: At) {
        let node = self.node(at);
        if let Err(problem) = elements::resume(self, at, node) {
            self.raise(at, problem);
        }
    }

    /// Completes an element: hands on its results, takes its flows. All that can fail comes before the first event.
    pub(crate) fn finish(
        &mut self,
        at: At,
        node: &'a Node,
        payload: &Variables,
    ) -> Result<(), Problem> {
        let done = Done {
            locals: Variables::new(),
            payload: payload.clone(),
        };
        self.finish_with(at, node, done)
    }

    /// The same for an element whose own variables are not set yet.
    pub(crate) fn finish_with(
        &mut self,
        at: At,
        node: &'a Node,
        done: Done,
    ) -> Result<(), Problem> {
        let mut writes = self.outputs(at, node, &done)?;
        let repeats = node.parent.map(|parent| &self.process.node(parent).element);
        if let Some(Element::MultiInstance(marker)) = repeats {
            return elements::multi_instance::finish_child(self, at, node, marker, done, writes);
        }
        let flows = elements::flows_out(self, at, node, &writes)?;
        self.release(at);
        writes.insert(0, (at, done.locals));
        self.write(writes);
        self.leave(at, &flows);
        Ok(())
    }

    /// Takes a completed token off its element and sends it along the flows.
    pub(crate) fn leave(&mut self, at: At, flows: &[FlowIdx]) {
        let scope = self.scope(at);
        self.emit(
            at.segment,
            Event::TokenLeft {
                token: at.token,
                completed: true,
            },
        );
        let Some(scope) = scope else {
            unreachable!("the process leaves by `end`")
        };
        for flow in flows {
            let flow = self.process.flow(*flow);
            let target = self.process.node(flow.target).symbol;
            self.enter_next(scope, target, Some(flow.symbol), Variables::new());
        }
        if flows.is_empty() || self.has_joins(scope.segment) {
            self.look_at(scope);
        }
    }

    /// Ends what watches beside a token.
    pub(crate) fn release(&mut self, at: At) {
        let triggers: Vec<AttachedTrigger> = self
            .token(at)
            .attached()
            .iter()
            .map(|attached| attached.trigger.clone())
            .collect();
        #[cfg(test)]
        if crate::check::faults::is(crate::check::faults::Fault::LeavesTimersBehind) {
            return;
        }
        for trigger in triggers {
            let token = at.token;
            let event = match trigger {
                AttachedTrigger::Timer { timer, .. } => Event::TimerCancelled { token, timer },
                AttachedTrigger::Message { subscription, .. } => Event::SubscriptionClosed {
                    token,
                    subscription,
                },
            };
            self.emit(at.segment, event);
        }
    }

    /// Looks whether a scope is complete, gone, or stuck.
    fn check(&mut self, at: At) {
        let Some(token) = self.find(at) else { return };
        let (phase, children, incident) =
            (token.phase(), token.children(), token.incident().is_some());
        let bodies_active = token.body().map_or(0, Body::active);
        let is_spent = matches!(token.wait(), Wait::Children)
            && children == 0
            && token
                .body()
                .is_none_or(|body| body.active() == 0 && body.spawned == body.total);
        match phase {
            Phase::Terminating if children == 0 && bodies_active == 0 => self.gone(at),
            // It is being ended from outside: its turn comes.
            Phase::Activating | Phase::Active if self.is_ending(at) => {}
            Phase::Active if is_spent && !incident && !self.is_awaited(at) => self.resume(at),
            Phase::Active if children > 0 => elements::recheck(self, at),
            Phase::Activating | Phase::Active | Phase::Completing | Phase::Terminating => {}
        }
    }

    fn has_joins(&self, segment: u32) -> bool {
        self.segment(segment)
            .tokens()
            .iter()
            .any(|token| matches!(token.wait(), Wait::Join { .. }))
    }

    /// The token that a key names in a segment, when it is still there.
    pub(crate) fn alive(&self, segment: u32, token: Key) -> Option<&Token> {
        self.find(At { segment, token })
    }
}

#[cfg(test)]
mod tests {
    use crate::check::check;
    use expect_test::expect;

    #[test]
    fn a_loop_that_waits_for_nothing_is_held() {
        let model = "start > again:xor > again2:task > back:xor > ([false] end | [else] again)";
        check(
            model,
            [],
            expect![[r#"
        process: 1 inside
          back: SPINNING 100000 elements were activated without waiting for anything, the last is 'back': correct the loop in a new version, or resolve the incident to let it go on"#]],
        );
    }
}
