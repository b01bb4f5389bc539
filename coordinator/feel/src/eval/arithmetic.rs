//! Arithmetic: what the operators do to numbers, texts, dates, times and durations.

use jiff::SignedDuration;

use super::{Evaluated, Frame, Machine};
use crate::WarningKind;
use crate::number::Number;
use crate::program::{Factor, Id, Sign};
use crate::temporal::{
    DateTime, Months, date_plus, date_plus_months, date_since, nanos_to_duration,
};
use crate::text::brief;
use crate::value::Value;

fn plus(left: &Value, right: &Value) -> Option<Value> {
    Some(match (left, right) {
        (Value::Number(a), Value::Number(b)) => Value::Number(a.plus(*b)?),
        (Value::DayTimeDuration(a), Value::DayTimeDuration(b)) => {
            Value::DayTimeDuration(a.checked_add(*b)?)
        }
        (Value::YearMonthDuration(a), Value::YearMonthDuration(b)) => {
            Value::YearMonthDuration(Months(a.0.checked_add(b.0)?))
        }
        (Value::DayTimeDuration(duration), moment) | (moment, Value::DayTimeDuration(duration)) => {
            later(moment, *duration)?
        }
        (Value::YearMonthDuration(months), moment) | (moment, Value::YearMonthDuration(months)) => {
            later_months(moment, *months)?
        }
        _ => return None,
    })
}

fn later(moment: &Value, duration: SignedDuration) -> Option<Value> {
    Some(match moment {
        Value::Date(date) => Value::Date(date_plus(*date, duration)?),
        Value::Time(time) => Value::Time(time.plus(duration)),
        Value::DateTime(date_time) => Value::DateTime(date_time.plus(duration)?),
        _ => return None,
    })
}

fn later_months(moment: &Value, months: Months) -> Option<Value> {
    Some(match moment {
        Value::Date(date) => Value::Date(date_plus_months(*date, months)?),
        Value::DateTime(date_time) => Value::DateTime(date_time.plus_months(months)?),
        _ => return None,
    })
}

fn minus(left: &Value, right: &Value) -> Option<Value> {
    Some(match (left, right) {
        (Value::Number(a), Value::Number(b)) => Value::Number(a.minus(*b)?),
        (Value::Date(a), Value::Date(b)) => Value::DayTimeDuration(date_since(*a, *b)),
        (Value::Time(a), Value::Time(b)) => Value::DayTimeDuration(a.since(b)?),
        (Value::DateTime(a), Value::DateTime(b)) => Value::DayTimeDuration(a.since(b)?),
        (Value::Date(date), Value::DateTime(b @ DateTime::Local(_))) => {
            Value::DayTimeDuration(DateTime::Local(date.at(0, 0, 0, 0)).since(b)?)
        }
        (Value::DateTime(a @ DateTime::Local(_)), Value::Date(date)) => {
            Value::DayTimeDuration(a.since(&DateTime::Local(date.at(0, 0, 0, 0)))?)
        }
        (Value::DayTimeDuration(a), Value::DayTimeDuration(b)) => {
            Value::DayTimeDuration(a.checked_sub(*b)?)
        }
        (Value::YearMonthDuration(a), Value::YearMonthDuration(b)) => {
            Value::YearMonthDuration(Months(a.0.checked_sub(b.0)?))
        }
        (moment, Value::DayTimeDuration(duration)) => later(moment, duration.checked_neg()?)?,
        (moment, Value::YearMonthDuration(months)) => {
            later_months(moment, Months(months.0.checked_neg()?))?
        }
        _ => return None,
    })
}

// A duration is multiplied by the whole part of a number, as Camunda does.
fn times(left: &Value, right: &Value) -> Option<Value> {
    Some(match (left, right) {
        (Value::Number(a), Value::Number(b)) => Value::Number(a.times(*b)?),
        (Value::Number(by), Value::DayTimeDuration(duration))
        | (Value::DayTimeDuration(duration), Value::Number(by)) => Value::DayTimeDuration(
            nanos_to_duration(duration.as_nanos().checked_mul(i128::from(by.to_i64()?))?)?,
        ),
        (Value::Number(by), Value::YearMonthDuration(months))
        | (Value::YearMonthDuration(months), Value::Number(by)) => {
            Value::YearMonthDuration(Months(months.0.checked_mul(by.to_i64()?)?))
        }
        _ => return None,
    })
}

// The quotient of two durations is whole, and a duration is divided to the month or millisecond, as Camunda does.
fn over(left: &Value, right: &Value) -> Option<Value> {
    Some(match (left, right) {
        (Value::Number(a), Value::Number(b)) => Value::Number(a.over(*b)?),
        (Value::DayTimeDuration(a), Value::DayTimeDuration(b)) => Value::Number(Number::Int(
            i64::try_from(a.as_millis().checked_div(b.as_millis())?).ok()?,
        )),
        (Value::YearMonthDuration(a), Value::YearMonthDuration(b)) => {
            Value::Number(Number::Int(a.0.checked_div(b.0)?))
        }
        (Value::DayTimeDuration(duration), Value::Number(by)) => {
            let millis = Number::Int(i64::try_from(duration.as_millis()).ok()?)
                .over(*by)?
                .to_i64()?;
            Value::DayTimeDuration(SignedDuration::from_millis(millis))
        }
        (Value::YearMonthDuration(months), Value::Number(by)) => {
            Value::YearMonthDuration(Months(Number::Int(months.0).over(*by)?.to_i64()?))
        }
        _ => return None,
    })
}

fn raised(left: &Value, right: &Value) -> Option<Value> {
    let (base, exponent) = (left.as_number()?, right.as_number()?);
    if exponent.is_whole() {
        return base.powi(exponent.to_i64()?).map(Value::Number);
    }
    Number::from_f64(base.to_f64().powf(exponent.to_f64())).map(Value::Number)
}

impl Machine<'_> {
    fn cannot(&mut self, verb: &str, left: &Value, joint: &str, right: &Value) -> Value {
        self.null(WarningKind::InvalidType, || {
            format!(
                "Can't {verb} '{}' {joint} '{}': they are of type {} and {}",
                brief(left),
                brief(right),
                left.type_name(),
                right.type_name()
            )
        })
    }

    #[inline(never)]
    pub(super) fn sum(
        &mut self,
        frame: &mut Frame<'_>,
        first: Id,
        rest: &[(Sign, Id)],
    ) -> Evaluated {
        let mut left = self.eval(frame, first)?;
        // A long chain of texts is joined in one buffer rather than copied for each operand.
        let mut buffer: Option<String> = None;
        for (sign, id) in rest {
            let right = self.eval(frame, *id)?;
            if *sign == Sign::Plus
                && let Value::String(more) = &right
            {
                if let Some(buffer) = &mut buffer {
                    self.allocate(more.len())?;
                    buffer.push_str(more);
                    continue;
                }
                if let Value::String(text) = &left {
                    self.allocate(text.len() + more.len())?;
                    let mut joined = String::with_capacity(text.len() + more.len());
                    joined.push_str(text);
                    joined.push_str(more);
                    buffer = Some(joined);
                    continue;
                }
            }
            if let Some(text) = buffer.take() {
                left = self.text(text)?;
            }
            let result = if *sign == Sign::Plus {
                plus(&left, &right)
            } else {
                minus(&left, &right)
            };
            left = match result {
                Some(value) => value,
                None if *sign == Sign::Plus => self.cannot("add", &right, "to", &left),
                None => self.cannot("subtract", &right, "from", &left),
            };
        }
        match buffer {
            Some(text) => self.text(text),
            None => Ok(left),
        }
    }

    #[inline(never)]
    pub(super) fn product(
        &mut self,
        frame: &mut Frame<'_>,
        first: Id,
        rest: &[(Factor, Id)],
    ) -> Evaluated {
        let mut left = self.eval(frame, first)?;
        for (factor, id) in rest {
            let right = self.eval(frame, *id)?;
            let result = if *factor == Factor::Times {
                times(&left, &right)
            } else {
                over(&left, &right)
            };
            left = match result {
                Some(value) => value,
                None if *factor == Factor::Times => self.cannot("multiply", &left, "by", &right),
                None => self.cannot("divide", &left, "by", &right),
            };
        }
        Ok(left)
    }

    #[inline(never)]
    pub(super) fn power(&mut self, frame: &mut Frame<'_>, first: Id, rest: &[Id]) -> Evaluated {
        let mut left = self.eval(frame, first)?;
        for id in rest {
            let right = self.eval(frame, *id)?;
            left = match raised(&left, &right) {
                Some(value) => value,
                None => self.cannot("raise", &left, "to", &right),
            };
        }
        Ok(left)
    }

    #[inline(never)]
    pub(super) fn negate(&mut self, frame: &mut Frame<'_>, id: Id) -> Evaluated {
        let value = self.eval(frame, id)?;
        Ok(match &value {
            Value::Number(number) => Value::Number(number.negated()),
            Value::DayTimeDuration(duration) => duration
                .checked_neg()
                .map_or(Value::Null, Value::DayTimeDuration),
            Value::YearMonthDuration(months) => Value::YearMonthDuration(Months(-months.0)),
            _ => self.null(WarningKind::InvalidType, || {
                format!("Expected number but found '{}'", brief(&value))
            }),
        })
    }
}
