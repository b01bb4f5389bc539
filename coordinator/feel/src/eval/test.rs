//! Tests: the input of a decision table's cell, or the left side of `in`, against what is written.

use super::{Evaluated, Frame, Machine, compare};
use crate::WarningKind;
use crate::program::{Comparison, Id};
use crate::text::brief;
use crate::value::{Range, Value};

/// Whether a value lies in a range; none when its type is another.
pub(crate) fn within(range: &Range, value: &Value) -> Option<bool> {
    let after = match &range.start {
        Value::Null => true,
        start => {
            let ordering = compare::order(value, start)?;
            ordering.is_gt() || (range.start_included && ordering.is_eq())
        }
    };
    let before = match &range.end {
        Value::Null => true,
        end => {
            let ordering = compare::order(value, end)?;
            ordering.is_lt() || (range.end_included && ordering.is_eq())
        }
    };
    Some(after && before)
}

impl Machine<'_> {
    fn input(&self, frame: &Frame<'_>) -> Value {
        frame.input.clone().unwrap_or(Value::Null)
    }

    #[inline(never)]
    pub(super) fn input_compare(
        &mut self,
        frame: &mut Frame<'_>,
        comparison: Comparison,
        id: Id,
    ) -> Evaluated {
        let value = self.eval(frame, id)?;
        let input = self.input(frame);
        self.compare_values(comparison, &input, &value)
    }

    pub(super) fn equal_to_input(&mut self, frame: &Frame<'_>, value: &Value) -> Evaluated {
        let input = self.input(frame);
        self.compare_values(Comparison::Equal, &input, value)
    }

    #[inline(never)]
    pub(super) fn input_within(&mut self, frame: &mut Frame<'_>, range: Id) -> Evaluated {
        let range = self.eval(frame, range)?;
        Ok(self.within_value(&self.input(frame), &range))
    }

    fn within_value(&mut self, input: &Value, range: &Value) -> Value {
        let Value::Range(range) = range else {
            return Value::Null;
        };
        match within(range, input) {
            Some(is_within) => Value::Bool(is_within),
            None => self.null(WarningKind::NotComparable, || {
                format!(
                    "Can't compare '{}' with '{}' and '{}'",
                    brief(input),
                    brief(&range.start),
                    brief(&range.end)
                )
            }),
        }
    }

    #[inline(never)]
    pub(super) fn test(&mut self, frame: &mut Frame<'_>, body: Id, asks: bool) -> Evaluated {
        let value = self.eval(frame, body)?;
        let input = self.input(frame);
        if asks {
            return Ok(if matches!(value, Value::Bool(_)) {
                value
            } else {
                Value::Null
            });
        }
        if value == Value::Bool(true) {
            return Ok(value);
        }
        if let Value::Range(_) = value {
            return Ok(self.within_value(&input, &value));
        }
        if let Value::List(list) = &value {
            self.charge(list.items().len())?;
            for item in list.items() {
                let found = match item {
                    Value::Range(range) => within(range, &input) == Some(true),
                    item => self.same(item, &input)?,
                };
                if found {
                    return Ok(Value::Bool(true));
                }
            }
            return Ok(Value::Bool(self.same(&input, &value)?));
        }
        if value == Value::Bool(false) {
            return Ok(Value::Bool(input == value));
        }
        self.compare_values(Comparison::Equal, &input, &value)
    }

    #[inline(never)]
    pub(super) fn not_test(&mut self, frame: &mut Frame<'_>, test: Id) -> Evaluated {
        let value = self.eval(frame, test)?;
        Ok(self
            .truth(&value)
            .map_or(Value::Null, |truth| Value::Bool(!truth)))
    }

    #[inline(never)]
    pub(super) fn is_in(&mut self, frame: &mut Frame<'_>, value: Id, test: Id) -> Evaluated {
        let value = self.eval(frame, value)?;
        let outer = frame.input.replace(value);
        let result = self.eval(frame, test);
        frame.input = outer;
        result
    }
}
