//! Temporal functions: dates, times and durations from parts and texts, and what can be read off them.

use jiff::SignedDuration;
use jiff::civil;
use jiff::tz::Offset;

use super::{Builtin, Fault, Outcome, builtins, refused};
use crate::eval::Machine;
use crate::number::{Number, Rounding};
use crate::temporal::{self, DateTime, Duration, Months, Time, Zone};
use crate::text::brief;
use crate::value::Value;

builtins! {
    "date" date: ("from") | ("year", "month", "day"),
    "time" time: ("from") | ("hour", "minute", "second"; "offset"),
    "date and time" date_and_time: ("from") | ("date", "time") | ("date", "timezone"),
    "duration" duration: ("from"),
    "years and months duration" years_and_months_duration: ("from", "to"),
    "now" now: (),
    "today" today: (),
    "day of year" day_of_year: ("date"),
    "day of week" day_of_week: ("date"),
    "month of year" month_of_year: ("date"),
    "week of year" week_of_year: ("date"),
    "last day of month" last_day_of_month: ("date"),
}

fn from_duration(duration: Duration) -> Value {
    match duration {
        Duration::Months(months) => Value::YearMonthDuration(months),
        Duration::Exact(duration) => Value::DayTimeDuration(duration),
    }
}

/// The value of `@"…"`.
pub(crate) fn literal(text: &str) -> Option<Value> {
    if let Some(date) = temporal::parse_date(text) {
        return Some(Value::Date(date));
    }
    if let Some(duration) = temporal::parse_duration(text) {
        return Some(from_duration(duration));
    }
    if let Some(time) = temporal::parse_time(text) {
        return Some(Value::Time(time));
    }
    if !text.contains('T') {
        return None;
    }
    temporal::parse_date_time(text).map(Value::DateTime)
}

/// The value of a call that gives the same at any time, such as `date("2026-11-21")`.
pub(crate) fn constant(builtin: &Builtin, text: Option<&str>) -> Option<Value> {
    let text = text?;
    match builtin.name {
        "date" => temporal::parse_date(text).map(Value::Date),
        "time" => temporal::parse_time(text).map(Value::Time),
        "date and time" => temporal::parse_date_time(text).map(Value::DateTime),
        "duration" => temporal::parse_duration(text).map(from_duration),
        _ => None,
    }
}

fn parsed(value: Option<Value>, what: &str, from: &Value) -> Outcome {
    match value {
        Some(value) => Ok(value),
        None => refused(format!("Failed to parse {what} from '{}'", brief(from))),
    }
}

fn small(number: Number) -> i32 {
    number
        .to_i64()
        .and_then(|number| i32::try_from(number).ok())
        .unwrap_or(i32::MAX)
}

fn date(_: &mut Machine<'_>, arguments: &[Value]) -> Outcome {
    match arguments {
        [value @ Value::String(text)] => {
            parsed(temporal::parse_date(text).map(Value::Date), "date", value)
        }
        [Value::Date(date)] => Ok(Value::Date(*date)),
        [Value::DateTime(date_time)] => Ok(Value::Date(date_time.local().date())),
        [
            Value::Number(year),
            Value::Number(month),
            Value::Number(day),
        ] => {
            let part = |number: &Number| i8::try_from(small(*number)).ok();
            let date = i16::try_from(small(*year))
                .ok()
                .zip(part(month).zip(part(day)))
                .and_then(|(year, (month, day))| civil::Date::new(year, month, day).ok());
            match date {
                Some(date) => Ok(Value::Date(date)),
                None => refused(format!(
                    "there is no date with year {year}, month {month}, day {day}"
                )),
            }
        }
        _ => Err(Fault::Illegal),
    }
}

fn clock(hour: Number, minute: Number, second: Number) -> Result<civil::Time, Fault> {
    let whole = second.round(0, Rounding::Down);
    let nanos = whole
        .and_then(|whole| second.minus(whole))
        .and_then(|fraction| fraction.times(Number::Int(1_000_000_000)))
        .and_then(Number::to_i64)
        .and_then(|nanos| i32::try_from(nanos).ok());
    let part = |number: Number| i8::try_from(small(number)).ok();
    let time = part(hour)
        .zip(part(minute))
        .zip(part(second).zip(nanos))
        .and_then(|((hour, minute), (second, nanos))| {
            civil::Time::new(hour, minute, second, nanos).ok()
        });
    match time {
        Some(time) => Ok(time),
        None => refused(format!(
            "there is no time with hour {hour}, minute {minute}, second {second}"
        )),
    }
}

fn time(_: &mut Machine<'_>, arguments: &[Value]) -> Outcome {
    match arguments {
        [value @ Value::String(text)] => {
            parsed(temporal::parse_time(text).map(Value::Time), "time", value)
        }
        [Value::Time(time)] => Ok(Value::Time(time.clone())),
        [Value::DateTime(date_time)] => Ok(Value::Time(Time {
            clock: date_time.local().time(),
            zone: date_time.zone(),
        })),
        [Value::Date(_)] => Ok(Value::Time(Time {
            clock: civil::Time::midnight(),
            zone: Some(Zone::Offset(Offset::UTC)),
        })),
        [
            Value::Number(hour),
            Value::Number(minute),
            Value::Number(second),
        ]
        | [
            Value::Number(hour),
            Value::Number(minute),
            Value::Number(second),
            Value::Null,
        ] => Ok(Value::Time(Time {
            clock: clock(*hour, *minute, *second)?,
            zone: None,
        })),
        [
            Value::Number(hour),
            Value::Number(minute),
            Value::Number(second),
            Value::DayTimeDuration(offset),
        ] => {
            let clock = clock(*hour, *minute, *second)?;
            let offset = i32::try_from(offset.as_secs())
                .ok()
                .and_then(|seconds| Offset::from_seconds(seconds).ok());
            match offset {
                Some(offset) => Ok(Value::Time(Time {
                    clock,
                    zone: Some(Zone::Offset(offset)),
                })),
                None => refused("the offset is out of range"),
            }
        }
        _ => Err(Fault::Illegal),
    }
}

fn date_and_time(_: &mut Machine<'_>, arguments: &[Value]) -> Outcome {
    let local_date = |value: &Value| match value {
        Value::Date(date) => Some(*date),
        Value::DateTime(date_time) => Some(date_time.local().date()),
        _ => None,
    };
    match arguments {
        [value @ Value::String(text)] => parsed(
            temporal::parse_date_time(text).map(Value::DateTime),
            "date and time",
            value,
        ),
        [Value::DateTime(date_time)] => Ok(Value::DateTime(date_time.clone())),
        [Value::Date(date)] => Ok(Value::DateTime(DateTime::Local(date.at(0, 0, 0, 0)))),
        [Value::DateTime(date_time), Value::String(zone)] => {
            match Zone::parse(zone).and_then(|zone| date_time.to_zone(&zone)) {
                Some(date_time) => Ok(Value::DateTime(date_time)),
                None => refused(format!("there is no time zone '{zone}'")),
            }
        }
        [day, Value::Time(time)] => match local_date(day).map(|date| time.on(date)) {
            Some(Some(date_time)) => Ok(Value::DateTime(date_time)),
            Some(None) => refused("the date and time is out of range"),
            None => Err(Fault::Illegal),
        },
        _ => Err(Fault::Illegal),
    }
}

fn duration(_: &mut Machine<'_>, arguments: &[Value]) -> Outcome {
    match arguments {
        [value @ Value::String(text)] => parsed(
            temporal::parse_duration(text).map(from_duration),
            "duration",
            value,
        ),
        [value @ (Value::DayTimeDuration(_) | Value::YearMonthDuration(_))] => Ok(value.clone()),
        _ => Err(Fault::Illegal),
    }
}

fn calendar_date(value: &Value) -> Option<civil::Date> {
    match value {
        Value::Date(date) => Some(*date),
        Value::DateTime(date_time) => Some(date_time.local().date()),
        _ => None,
    }
}

fn years_and_months_duration(_: &mut Machine<'_>, arguments: &[Value]) -> Outcome {
    match arguments {
        [from, to] => match calendar_date(from).zip(calendar_date(to)) {
            Some((from, to)) => Ok(Value::YearMonthDuration(temporal::months_between(from, to))),
            None => Err(Fault::Illegal),
        },
        _ => Err(Fault::Illegal),
    }
}

fn now(machine: &mut Machine<'_>, _: &[Value]) -> Outcome {
    Ok(Value::DateTime(DateTime::at_millis(
        machine.env.now,
        &machine.env.zone,
    )))
}

fn today(machine: &mut Machine<'_>, _: &[Value]) -> Outcome {
    Ok(Value::Date(
        DateTime::at_millis(machine.env.now, &machine.env.zone)
            .local()
            .date(),
    ))
}

fn the_date(arguments: &[Value]) -> Result<civil::Date, Fault> {
    match arguments {
        [value] => calendar_date(value).ok_or(Fault::Illegal),
        _ => Err(Fault::Illegal),
    }
}

fn day_of_year(_: &mut Machine<'_>, arguments: &[Value]) -> Outcome {
    Ok(Value::from(i64::from(the_date(arguments)?.day_of_year())))
}

fn day_of_week(_: &mut Machine<'_>, arguments: &[Value]) -> Outcome {
    Ok(Value::from(match the_date(arguments)?.weekday() {
        civil::Weekday::Monday => "Monday",
        civil::Weekday::Tuesday => "Tuesday",
        civil::Weekday::Wednesday => "Wednesday",
        civil::Weekday::Thursday => "Thursday",
        civil::Weekday::Friday => "Friday",
        civil::Weekday::Saturday => "Saturday",
        civil::Weekday::Sunday => "Sunday",
    }))
}

fn month_of_year(_: &mut Machine<'_>, arguments: &[Value]) -> Outcome {
    const MONTHS: [&str; 12] = [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ];
    let month = usize::try_from(the_date(arguments)?.month() - 1).ok();
    month
        .and_then(|month| MONTHS.get(month))
        .map(|name| Value::from(*name))
        .ok_or(Fault::Illegal)
}

fn week_of_year(_: &mut Machine<'_>, arguments: &[Value]) -> Outcome {
    Ok(Value::from(i64::from(
        the_date(arguments)?.iso_week_date().week(),
    )))
}

fn last_day_of_month(_: &mut Machine<'_>, arguments: &[Value]) -> Outcome {
    Ok(Value::Date(the_date(arguments)?.last_of_month()))
}

fn seconds(offset: Option<i32>) -> Value {
    offset.map_or(Value::Null, |seconds| {
        Value::DayTimeDuration(SignedDuration::from_secs(i64::from(seconds)))
    })
}

/// A property such as `.year` of a value that is no context.
pub(crate) fn property(value: &Value, name: &str) -> Option<Value> {
    match value {
        Value::Date(date) => date_property(*date, name),
        Value::Time(time) => match name {
            "time offset" => Some(seconds(time.offset_seconds())),
            "timezone" => Some(time.region().map_or(Value::Null, Value::from)),
            _ => clock_property(time.clock, name),
        },
        Value::DateTime(date_time) => match name {
            "time offset" => Some(seconds(date_time.offset_seconds())),
            "timezone" => Some(date_time.region().map_or(Value::Null, Value::string)),
            _ => {
                let local = date_time.local();
                date_property(local.date(), name).or_else(|| clock_property(local.time(), name))
            }
        },
        Value::YearMonthDuration(Months(months)) => Some(Value::from(match name {
            "years" => months / 12,
            "months" => months % 12,
            _ => return None,
        })),
        Value::DayTimeDuration(duration) => {
            let seconds = duration.as_secs();
            Some(Value::from(match name {
                "days" => seconds / 86_400,
                "hours" => seconds / 3600 % 24,
                "minutes" => seconds / 60 % 60,
                "seconds" => seconds % 60,
                _ => return None,
            }))
        }
        Value::Range(range) => Some(match name {
            "start" => range.start.clone(),
            "end" => range.end.clone(),
            "start included" => Value::Bool(range.start_included),
            "end included" => Value::Bool(range.end_included),
            _ => return None,
        }),
        _ => None,
    }
}

fn date_property(date: civil::Date, name: &str) -> Option<Value> {
    Some(Value::from(match name {
        "year" => i64::from(date.year()),
        "month" => i64::from(date.month()),
        "day" => i64::from(date.day()),
        "weekday" => i64::from(date.weekday().to_monday_one_offset()),
        _ => return None,
    }))
}

fn clock_property(clock: civil::Time, name: &str) -> Option<Value> {
    Some(Value::from(match name {
        "hour" => i64::from(clock.hour()),
        "minute" => i64::from(clock.minute()),
        "second" => i64::from(clock.second()),
        _ => return None,
    }))
}
