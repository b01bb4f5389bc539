//! Timers: ISO 8601 dates, durations and repeating intervals, and cron expressions (BPMN 2.0, 10.5.5).

use crate::elements;
use crate::event::{Event, Millis, Repeat};
use crate::incident::{IncidentKind, Problem};
use crate::instance::AttachedTrigger;
use crate::key::Key;
use crate::lookup::What;
use crate::process::{Node, Symbol, Timer};
use crate::step::{At, Cx};
use crate::variables::Variables;
use croner::parser::{CronParser, Seconds};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp, Zoned, civil};
use smol_str::SmolStr;

/// Why a text is no time.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TimeError {
    /// Not a date.
    #[error("`{0}` is not an ISO 8601 date and time such as 2030-01-31T09:00:00+01:00: {1}")]
    Date(String, String),
    /// Not a duration.
    #[error("`{0}` is not an ISO 8601 duration such as PT15M or P1DT2H: {1}")]
    Duration(String, String),
    /// Not a repetition.
    #[error(
        "`{0}` is neither a repeating interval such as R3/PT10M nor a cron expression such as 0 0 9 * * MON-FRI: {1}"
    )]
    Cycle(String, String),
    /// The time is further away than time is counted.
    #[error("`{0}` leads beyond the year 9999")]
    TooFar(String),
}

/// When a timer of an element fires first, and how it goes on.
pub(crate) fn first(
    cx: &Cx<'_>,
    at: At,
    over: &Variables,
    node: &Node,
    timer: &Timer,
) -> Result<(Millis, Option<Repeat>), Problem> {
    let what = What::of("the timer", node);
    let found = match timer {
        Timer::Date(value) => date(&cx.text(at, over, what, value)?).map(|due| (due, None)),
        Timer::Duration(value) => {
            after(cx.now, &cx.text(at, over, what, value)?).map(|due| (due, None))
        }
        Timer::Cycle(value) => cycle(cx.now, &cx.text(at, over, what, value)?),
    };
    found.map_err(|error| Problem::new(IncidentKind::ExtractValueError, format!("{what}: {error}")))
}

/// Lets a timer fire: the token's own, or one at its boundary.
pub(crate) fn fired(cx: &mut Cx<'_>, at: At, timer: Key, on: Symbol) {
    let token = at.token;
    if on == cx.token(at).node() {
        cx.emit(at.segment, Event::TimerFired { token, timer });
        cx.resume(at);
        return;
    }
    let next = cx
        .token(at)
        .attached()
        .iter()
        .find_map(|attached| match &attached.trigger {
            AttachedTrigger::Timer {
                timer: have,
                due,
                repeat,
            } if *have == timer => next(*due, cx.now, repeat.as_ref()?),
            AttachedTrigger::Timer { .. } | AttachedTrigger::Message { .. } => None,
        });
    cx.emit(at.segment, Event::TimerFired { token, timer });
    if let Some((due, repeat)) = next {
        let timer = cx.fresh_key();
        cx.emit(
            at.segment,
            Event::TimerSet {
                token,
                timer,
                on,
                due,
                repeat: Some(repeat),
            },
        );
    }
    elements::happen(cx, at, on, Variables::new());
}

/// Checks the literal text of a timer before any instance needs it.
///
/// # Errors
/// Says what the text is not.
pub(crate) fn check(timer: &Timer, text: &str) -> Result<(), TimeError> {
    match timer {
        Timer::Date(_) => date(text).map(drop),
        Timer::Duration(_) => after(0, text).map(drop),
        Timer::Cycle(_) => cycle(0, text).map(drop),
    }
}

/// A point in time: with an offset, with a zone in brackets, or in UTC.
fn date(text: &str) -> Result<Millis, TimeError> {
    let text = text.trim();
    if let Ok(zoned) = text.parse::<Zoned>() {
        return Ok(zoned.timestamp().as_millisecond());
    }
    if let Ok(timestamp) = text.parse::<Timestamp>() {
        return Ok(timestamp.as_millisecond());
    }
    text.parse::<civil::DateTime>()
        .and_then(|local| local.to_zoned(TimeZone::UTC))
        .map(|zoned| zoned.timestamp().as_millisecond())
        .map_err(|error| TimeError::Date(text.to_owned(), error.to_string()))
}

/// The time a duration after another; a negative duration is due at once.
fn after(from: Millis, text: &str) -> Result<Millis, TimeError> {
    let text = text.trim();
    if !text.trim_start_matches(['-', '+']).starts_with('P') {
        let why = "a duration begins with P".to_owned();
        return Err(TimeError::Duration(text.to_owned(), why));
    }
    let span: Span = text
        .parse()
        .map_err(|error: jiff::Error| TimeError::Duration(text.to_owned(), error.to_string()))?;
    let due = utc(from)
        .and_then(|zoned| zoned.checked_add(span))
        .map_err(|_| TimeError::TooFar(text.to_owned()))?
        .timestamp()
        .as_millisecond();
    Ok(due.max(from))
}

/// `R<n>/<start>/<duration>`, `R<n>/<duration>`, or cron.
fn cycle(now: Millis, text: &str) -> Result<(Millis, Option<Repeat>), TimeError> {
    let text = text.trim();
    let wrong = |why: &str| TimeError::Cycle(text.to_owned(), why.to_owned());
    let Some(repetition) = text.strip_prefix('R') else {
        let due = cron(now, text).map_err(|why| wrong(&why))?;
        return Ok((
            due,
            Some(Repeat {
                left: None,
                every: SmolStr::from(text),
            }),
        ));
    };
    let mut parts = repetition.split('/');
    let count = parts.next().unwrap_or_default();
    let left = match count {
        "" | "-1" => None,
        count => Some(
            count
                .parse::<u32>()
                .map_err(|_| wrong("the number after R is not a whole number"))?,
        ),
    };
    if left == Some(0) {
        return Err(wrong("R0 never fires"));
    }
    let (start, every) = match (parts.next(), parts.next(), parts.next()) {
        (Some(every), None, None) => (None, every.trim()),
        (Some(start), Some(every), None) => (Some(date(start)?), every.trim()),
        _ => {
            return Err(wrong(
                "expected R, an optional start and a duration, separated by /",
            ));
        }
    };
    if every.starts_with('-') || after(0, every)? == 0 {
        return Err(wrong("the duration must be longer than nothing"));
    }
    let due = match start {
        Some(start) if start > now => start,
        _ => after(start.unwrap_or(now), every).map(|due| due.max(now))?,
    };
    Ok((
        due,
        Some(Repeat {
            left: left.map(|n| n - 1),
            every: SmolStr::from(every),
        }),
    ))
}

/// The firing after one that was due at `due` and happens at `now`. Firings that were missed meanwhile happen once.
fn next(due: Millis, now: Millis, repeat: &Repeat) -> Option<(Millis, Repeat)> {
    if repeat.left == Some(0) {
        return None;
    }
    let every = repeat.every.as_str();
    let following = |from: Millis| {
        if every.starts_with('P') {
            after(from, every).ok()
        } else {
            cron(from, every).ok()
        }
    };
    let on_time = following(due)?;
    let due = if on_time < now {
        following(now)?
    } else {
        on_time
    };
    Some((
        due,
        Repeat {
            left: repeat.left.map(|n| n - 1),
            every: repeat.every.clone(),
        },
    ))
}

fn cron(from: Millis, text: &str) -> Result<Millis, String> {
    let cron = CronParser::builder()
        .seconds(Seconds::Optional)
        .build()
        .parse(text)
        .map_err(|error| error.to_string())?;
    let zoned = utc(from).map_err(|error| error.to_string())?;
    let found = cron
        .find_next_occurrence(&zoned, false)
        .map_err(|error| error.to_string())?;
    Ok(found.timestamp().as_millisecond())
}

fn utc(at: Millis) -> Result<Zoned, jiff::Error> {
    Ok(Timestamp::from_millisecond(at)?.to_zoned(TimeZone::UTC))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Millis = 3_600_000;

    #[test]
    fn dates_carry_an_offset_a_zone_or_none() {
        assert_eq!(date("1970-01-01T01:00:00Z"), Ok(HOUR));
        assert_eq!(date("1970-01-01T02:00:00+01:00"), Ok(HOUR));
        assert_eq!(date("1970-01-01T02:00:00+01:00[Europe/Berlin]"), Ok(HOUR));
        assert_eq!(date("1970-01-01T01:00:00"), Ok(HOUR));
        assert!(matches!(date("tomorrow"), Err(TimeError::Date(..))));
    }

    #[test]
    fn durations_know_months_and_never_lie_in_the_past() {
        assert_eq!(after(0, "PT1H"), Ok(HOUR));
        assert_eq!(after(0, "P1M"), Ok(31 * 24 * HOUR));
        assert_eq!(after(7, "-PT5M"), Ok(7));
        assert!(matches!(after(0, "P1.5D"), Err(TimeError::Duration(..))));
        assert!(matches!(after(0, "2 hours"), Err(TimeError::Duration(..))));
        assert!(matches!(
            after(0, "P99999Y"),
            Err(TimeError::Duration(..) | TimeError::TooFar(..))
        ));
    }

    #[test]
    fn repetitions_are_counted() {
        let (due, repeat) = cycle(0, "R3/PT1H").unwrap();
        assert_eq!((due, repeat.as_ref().unwrap().left), (HOUR, Some(2)));
        let (due, repeat) = next(due, due, &repeat.unwrap()).unwrap();
        assert_eq!((due, repeat.left), (2 * HOUR, Some(1)));
        let (_, repeat) = next(due, due, &repeat).unwrap();
        assert_eq!(next(due, due, &repeat), None);
    }

    #[test]
    fn missed_repetitions_happen_once() {
        let repeat = Repeat {
            left: None,
            every: "PT1H".into(),
        };
        assert_eq!(next(HOUR, 10 * HOUR + 1, &repeat).unwrap().0, 11 * HOUR + 1);
    }

    #[test]
    fn cron_expressions_repeat_for_ever() {
        let (due, repeat) = cycle(0, "0 0 9 * * *").unwrap();
        assert_eq!((due, repeat.unwrap().left), (9 * HOUR, None));
        assert!(matches!(cycle(0, "R0/PT1H"), Err(TimeError::Cycle(..))));
        assert!(matches!(cycle(0, "R/PT0S"), Err(TimeError::Cycle(..))));
        assert!(matches!(cycle(0, "every day"), Err(TimeError::Cycle(..))));
        assert!(matches!(
            cycle(0, "0 0 0 30 2 *"),
            Err(TimeError::Cycle(..))
        ));
        assert_eq!(cycle(0, "R2/ PT1H ").unwrap().1.unwrap().every, "PT1H");
    }
}
