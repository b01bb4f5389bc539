//! Compare: which values have an order, and when two are equal.

use std::cmp::Ordering;
use std::sync::Arc;

use super::{Evaluated, Machine};
use crate::WarningKind;
use crate::program::Comparison;
use crate::text::brief;
use crate::value::Value;

/// The order of two values of one type that has an order; none for all others.
pub(crate) fn order(left: &Value, right: &Value) -> Option<Ordering> {
    match (left, right) {
        (Value::Number(a), Value::Number(b)) => Some(a.cmp(b)),
        (Value::String(a), Value::String(b)) => Some(a.cmp(b)),
        (Value::Date(a), Value::Date(b)) => Some(a.cmp(b)),
        (Value::Time(a), Value::Time(b)) => a.compare(b),
        (Value::DateTime(a), Value::DateTime(b)) => a.compare(b),
        (Value::DayTimeDuration(a), Value::DayTimeDuration(b)) => Some(a.cmp(b)),
        (Value::YearMonthDuration(a), Value::YearMonthDuration(b)) => Some(a.cmp(b)),
        _ => None,
    }
}

/// Whether two values are equal; none when their types have nothing to do with each other.
pub(crate) fn equal(left: &Value, right: &Value) -> Option<bool> {
    match (left, right) {
        (Value::Null, other) | (other, Value::Null) => Some(other.is_null()),
        (Value::Bool(a), Value::Bool(b)) => Some(a == b),
        (Value::List(_), Value::List(_))
        | (Value::Context(_), Value::Context(_))
        | (Value::Range(_), Value::Range(_))
        | (Value::Function(_), Value::Function(_)) => Some(left == right),
        _ => order(left, right).map(Ordering::is_eq),
    }
}

pub(crate) fn holds(comparison: Comparison, ordering: Ordering) -> bool {
    match comparison {
        Comparison::Equal => ordering.is_eq(),
        Comparison::NotEqual => ordering.is_ne(),
        Comparison::Less => ordering.is_lt(),
        Comparison::LessOrEqual => ordering.is_le(),
        Comparison::Greater => ordering.is_gt(),
        Comparison::GreaterOrEqual => ordering.is_ge(),
    }
}

impl Machine<'_> {
    /// Whether two values are the same, paid for by their size.
    pub(crate) fn same(&mut self, left: &Value, right: &Value) -> Evaluated<bool> {
        match (left, right) {
            (Value::List(a), Value::List(b)) => {
                if Arc::ptr_eq(a, b) {
                    return Ok(true);
                }
                let (a, b) = (a.items(), b.items());
                if a.len() != b.len() {
                    return Ok(false);
                }
                for (a, b) in a.iter().zip(b) {
                    self.charge(1)?;
                    if !self.same(a, b)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            (Value::Context(a), Value::Context(b)) => {
                if Arc::ptr_eq(a, b) {
                    return Ok(true);
                }
                if a.entries().len() != b.entries().len() {
                    return Ok(false);
                }
                for (name, a) in a.entries() {
                    self.charge(1)?;
                    let Some(b) = b.get(name) else {
                        return Ok(false);
                    };
                    if !self.same(a, b)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            (Value::String(a), Value::String(b)) => {
                self.charge(a.len().min(b.len()) / 64)?;
                Ok(a == b)
            }
            _ => Ok(left == right),
        }
    }

    pub(crate) fn compare_values(
        &mut self,
        comparison: Comparison,
        left: &Value,
        right: &Value,
    ) -> Evaluated {
        let held = match (comparison, left, right) {
            (Comparison::Equal | Comparison::NotEqual, Value::List(_), Value::List(_))
            | (Comparison::Equal | Comparison::NotEqual, Value::Context(_), Value::Context(_)) => {
                Some(self.same(left, right)? == (comparison == Comparison::Equal))
            }
            (Comparison::Equal, ..) => equal(left, right),
            (Comparison::NotEqual, ..) => equal(left, right).map(|equal| !equal),
            (_, Value::String(a), Value::String(b)) => {
                self.charge(a.len().min(b.len()) / 64)?;
                Some(holds(comparison, a.cmp(b)))
            }
            _ => order(left, right).map(|ordering| holds(comparison, ordering)),
        };
        Ok(match held {
            Some(held) => Value::Bool(held),
            None => self.null(WarningKind::NotComparable, || {
                format!(
                    "Can't compare '{}' with '{}': they are of type {} and {}",
                    brief(left),
                    brief(right),
                    left.type_name(),
                    right.type_name()
                )
            }),
        })
    }
}
