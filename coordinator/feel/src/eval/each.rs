//! Each: walks the lists and steps of `for`, `some` and `every`.

use std::sync::Arc;

use jiff::ToSpan;

use super::{Bind, Evaluated, Frame, Machine, compare};
use crate::WarningKind;
use crate::number::Number;
use crate::program::{Domain, Each, Id, PARTIAL, Quantifier};
use crate::text::brief;
use crate::value::{List, Value};

/// What one name runs over.
#[derive(Clone)]
enum Walk {
    Items(Arc<List>, usize),
    Numbers {
        next: Number,
        end: Number,
        down: bool,
    },
    Days {
        next: jiff::civil::Date,
        end: jiff::civil::Date,
        down: bool,
    },
    Done,
}

impl Walk {
    fn next(&mut self) -> Option<Value> {
        match self {
            Walk::Items(list, at) => {
                let item = list.items().get(*at)?.clone();
                *at += 1;
                Some(item)
            }
            Walk::Numbers { next, end, down } => {
                let value = *next;
                if if *down { value < *end } else { value > *end } {
                    return None;
                }
                match value.plus(Number::Int(if *down { -1 } else { 1 })) {
                    Some(following) if following != value => *next = following,
                    _ => *self = Walk::Done,
                }
                Some(Value::Number(value))
            }
            Walk::Days { next, end, down } => {
                let value = *next;
                if if *down { value < *end } else { value > *end } {
                    return None;
                }
                match value.checked_add(if *down { -1.day() } else { 1.day() }) {
                    Ok(following) => *next = following,
                    Err(_) => *self = Walk::Done,
                }
                Some(Value::Date(value))
            }
            Walk::Done => None,
        }
    }

    fn between(start: &Value, end: &Value) -> Option<Walk> {
        let down = compare::order(start, end)?.is_gt();
        match (start, end) {
            (Value::Number(start), Value::Number(end)) => Some(Walk::Numbers {
                next: *start,
                end: *end,
                down,
            }),
            (Value::Date(start), Value::Date(end)) => Some(Walk::Days {
                next: *start,
                end: *end,
                down,
            }),
            _ => None,
        }
    }
}

impl Machine<'_> {
    fn walk(&mut self, frame: &mut Frame<'_>, domain: &Domain) -> Evaluated<Option<Walk>> {
        match domain {
            Domain::Value(id) => {
                let value = self.eval(frame, *id)?;
                let walk = match &value {
                    Value::List(list) => Some(Walk::Items(Arc::clone(list), 0)),
                    Value::Range(range) => {
                        Walk::between(&range.start, &range.end).map(|mut walk| {
                            if !range.start_included {
                                walk.next();
                            }
                            if !range.end_included {
                                walk.stop_before_end();
                            }
                            walk
                        })
                    }
                    _ => None,
                };
                if walk.is_none() {
                    self.no_list(&value);
                }
                Ok(walk)
            }
            Domain::Steps(start, end) => {
                let (start, end) = (self.eval(frame, *start)?, self.eval(frame, *end)?);
                let walk = Walk::between(&start, &end);
                if walk.is_none() {
                    self.null(WarningKind::InvalidType, || {
                        format!(
                            "Expected numbers but found '{}' and '{}'",
                            brief(&start),
                            brief(&end)
                        )
                    });
                }
                Ok(walk)
            }
        }
    }

    // Runs the body for every combination until it says to stop; none if a domain is nothing to run over.
    fn each(
        &mut self,
        frame: &mut Frame<'_>,
        each: &[Each],
        body: &mut dyn FnMut(&mut Self, &mut Frame<'_>) -> Evaluated<bool>,
    ) -> Evaluated<Option<()>> {
        let bound = frame.binds.len();
        let mut fixed = Vec::with_capacity(each.len());
        for one in each {
            fixed.push(match one.dependent {
                true => None,
                false => match self.walk(frame, &one.domain)? {
                    Some(walk) => Some(walk),
                    None => return Ok(None),
                },
            });
        }
        let mut open: Vec<Walk> = Vec::with_capacity(each.len());
        loop {
            let level = open.len();
            if level < each.len() {
                let walk = match &fixed[level] {
                    Some(walk) => Some(walk.clone()),
                    None => self.walk(frame, &each[level].domain)?,
                };
                match walk {
                    Some(walk) => open.push(walk),
                    None => {
                        frame.binds.truncate(bound);
                        return Ok(None);
                    }
                }
            }
            // Goes on with the innermost name that has a value left.
            loop {
                let depth = open.len();
                let Some(walk) = open.last_mut() else {
                    return Ok(Some(()));
                };
                let next = walk.next();
                frame.binds.truncate(bound + depth - 1);
                match next {
                    Some(value) => {
                        self.charge(1)?;
                        let place = open.len() - 1;
                        frame.binds.push(Bind::Name(each[place].name, value));
                        if open.len() < each.len() {
                            break;
                        }
                        if !body(self, frame)? {
                            frame.binds.truncate(bound);
                            return Ok(Some(()));
                        }
                    }
                    None => {
                        open.pop();
                    }
                }
            }
        }
    }

    #[inline(never)]
    pub(super) fn for_return(
        &mut self,
        frame: &mut Frame<'_>,
        each: &[Each],
        body: Id,
        partial: bool,
    ) -> Evaluated {
        let mut results = Arc::new(List::default());
        let walked = self.each(frame, each, &mut |machine, frame| {
            if partial {
                frame
                    .binds
                    .push(Bind::Name(PARTIAL, Value::List(Arc::clone(&results))));
            }
            let value = machine.eval(frame, body)?;
            if partial {
                frame.binds.pop();
            }
            if Arc::strong_count(&results) > 1 {
                // The body kept the results so far, so they are copied.
                machine.charge(results.items().len())?;
                machine.allocate(size_of_val(results.items()))?;
            }
            machine.allocate(size_of::<Value>())?;
            Arc::make_mut(&mut results).push(value);
            machine.check_list(&results)?;
            Ok(true)
        })?;
        Ok(if walked.is_some() {
            Value::List(results)
        } else {
            Value::Null
        })
    }

    fn check_list(&self, list: &Arc<List>) -> Evaluated<()> {
        self.checked(Value::List(Arc::clone(list))).map(drop)
    }

    #[inline(never)]
    pub(super) fn quantified(
        &mut self,
        frame: &mut Frame<'_>,
        quantifier: Quantifier,
        each: &[Each],
        body: Id,
    ) -> Evaluated {
        let stop = quantifier == Quantifier::Some;
        let mut so_far = Some(!stop);
        let walked = self.each(frame, each, &mut |machine, frame| {
            let value = machine.eval(frame, body)?;
            so_far = machine.ternary(so_far, &value, stop);
            Ok(so_far != Some(stop))
        })?;
        Ok(if walked.is_some() {
            so_far.map_or(Value::Null, Value::Bool)
        } else {
            Value::Null
        })
    }
}

impl Walk {
    fn stop_before_end(&mut self) {
        match self {
            Walk::Numbers { next, end, down } => {
                let whole = end.minus(*next).is_some_and(Number::is_whole);
                let before = end.plus(Number::Int(if *down { 1 } else { -1 }));
                if let (true, Some(before)) = (whole, before) {
                    if *next == *end {
                        *self = Walk::Done;
                    } else {
                        *end = before;
                    }
                }
            }
            Walk::Days { next, end, down } => {
                match end.checked_add(if *down { 1.day() } else { -1.day() }) {
                    Ok(before) if *next != *end => *end = before,
                    _ => *self = Walk::Done,
                }
            }
            Walk::Items(..) | Walk::Done => {}
        }
    }
}
