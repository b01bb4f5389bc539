//! Termination: how an activity, a scope or an instance is ended from outside, and what happens when it is gone.

use super::{At, Cx, Ended};
use crate::elements;
use crate::event::{Event, Interruption};
use crate::instance::{Body, Phase, Token};
use crate::key::Key;
use std::collections::BTreeSet;

impl Cx<'_> {
    /// Ends a token and all inside it. Multi-instance children are segments of their own: they end in later steps, and the
    /// tokens around them wait for that. `then` goes on when the token is gone.
    pub(crate) fn terminate(&mut self, at: At, then: Option<Interruption>) {
        for key in self.inside(at).into_iter().rev() {
            self.end(
                At {
                    segment: at.segment,
                    token: key,
                },
                None,
            );
        }
        self.end(at, then);
    }

    /// Ends all tokens inside a scope but not the scope itself.
    pub(crate) fn terminate_inside(&mut self, scope: At) {
        self.forget(scope);
        for key in self.inside(scope).into_iter().rev() {
            if self.alive(scope.segment, key).is_some() {
                self.end(
                    At {
                        segment: scope.segment,
                        token: key,
                    },
                    None,
                );
            }
        }
    }

    /// The tokens inside a token, in the order of their keys: scopes before what is in them.
    fn inside(&self, at: At) -> Vec<Key> {
        let mut within = BTreeSet::from([at.token]);
        let mut keys = Vec::new();
        for token in self.segment(at.segment).tokens() {
            if token.key() > at.token && token.scope().is_some_and(|scope| within.contains(&scope))
            {
                within.insert(token.key());
                keys.push(token.key());
            }
        }
        keys
    }

    fn end(&mut self, at: At, then: Option<Interruption>) {
        let token = self.token(at);
        if token.phase() == Phase::Terminating {
            // It is on its way out already. What was to come after it does not come when all around it ends.
            if then.is_none() && token.then().is_some() {
                self.emit(
                    at.segment,
                    Event::TokenTerminating {
                        token: at.token,
                        then,
                    },
                );
            }
            return;
        }
        if let Some(incident) = token.incident().map(|incident| incident.key) {
            self.emit(
                at.segment,
                Event::IncidentResolved {
                    token: at.token,
                    incident,
                },
            );
        }
        self.forget(at);
        self.release(at);
        let node = self.node(at);
        elements::cancel(self, at, node);
        let token = self.token(at);
        if token.children() > 0 || token.body().is_some_and(|body| body.active() > 0) {
            self.emit(
                at.segment,
                Event::TokenTerminating {
                    token: at.token,
                    then,
                },
            );
            return;
        }
        if then.is_some() {
            self.emit(
                at.segment,
                Event::TokenTerminating {
                    token: at.token,
                    then,
                },
            );
        }
        self.gone(at);
    }

    /// Takes a terminated token away and lets go on what waited for that.
    pub(crate) fn gone(&mut self, at: At) {
        let Some(scope) = self.scope(at) else {
            self.end_instance(false);
            return;
        };
        let then = self.token(at).then().cloned();
        let child_of = self
            .segment(at.segment)
            .parent()
            .filter(|parent| parent.body == scope.token);
        self.emit(
            at.segment,
            Event::TokenLeft {
                token: at.token,
                completed: false,
            },
        );
        if let Some(parent) = child_of {
            elements::multi_instance::child_ended(self, parent, None, false);
            return;
        }
        if let Some(Interruption { boundary, payload }) = then {
            self.enter_next(scope, boundary, None, payload);
        }
        self.look_at(scope);
    }

    /// Ends the instance.
    pub(crate) fn end_instance(&mut self, completed: bool) {
        let top = self.root();
        let variables = self.token(top).variables().clone();
        if self.instance().has_todo() {
            // What was left over is about tokens that are gone.
            self.emit(top.segment, Event::Continued { todo: Vec::new() });
        }
        self.emit(
            top.segment,
            Event::TokenLeft {
                token: top.token,
                completed,
            },
        );
        self.emit(top.segment, Event::InstanceEnded { completed });
        self.decided.ended = Some(Ended {
            completed,
            variables,
        });
    }

    /// Whether a body still has children to end.
    pub(crate) fn body_is_busy(token: &Token) -> bool {
        token.body().is_some_and(|body: &Body| body.active() > 0)
    }
}

#[cfg(test)]
mod tests {
    use crate::check::Input::{Cancel, Wait};
    use crate::check::{Run, check, compile_one, done, faults};
    use crate::variables::Variables;
    use expect_test::expect;
    use std::sync::Arc;

    #[test]
    fn cancelling_ends_everything() {
        let model = "start > fork:and > (a:job | sub:{ start > b:user > end } | m:message(x, key=1) | many:job(each i in [1,2,3])) > join:and > end";
        check(model, [Cancel], expect!["terminated {}"]);
    }

    #[test]
    fn an_interrupted_activity_does_not_go_on_when_its_scope_is_terminated() {
        faults::set_work_per_step(1);
        let model = "start > fork:and > (many:job(each x in [1,2,3]) > e1:end | a:job > stop:end(terminate));
                 many@late:timer(PT1H) > b:job > e2:end";
        let process = Arc::new(compile_one(model));
        let mut run = Run::of(process, Variables::new(), false);
        while run.instance.has_todo() {
            run.proceed();
        }
        run.apply(Wait(3_600_000));
        run.apply(done("a"));
        while run.ended.is_none() {
            run.proceed();
        }
        expect!["completed {}"].assert_eq(&run.story());
    }
}
