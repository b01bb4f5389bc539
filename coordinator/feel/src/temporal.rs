//! Dates, times and durations: how they are read, written, compared and added.

mod text;

use std::cmp::Ordering;
use std::sync::{Arc, LazyLock};

use jiff::civil;
use jiff::tz::{Offset, TimeZone, TimeZoneDatabase};
use jiff::{SignedDuration, Span, Timestamp, Zoned};

pub(crate) use text::ExactText;
use text::{OffsetText, Wall};

const NANOS_PER_SECOND: i128 = 1_000_000_000;
const SECONDS_PER_DAY: i64 = 86_400;

// The rules are compiled in, so that an expression gives the same on every machine.
static ZONES: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);

/// Where on the earth a time of day is meant.
#[derive(Clone, Debug)]
pub enum Zone {
    /// A fixed distance from UTC.
    Offset(Offset),
    /// A region with its rules, such as `Europe/Berlin`.
    Region(TimeZone),
}

/// A time of day, with or without a zone.
#[derive(Clone, Debug)]
pub struct Time {
    /// The time on the wall.
    pub clock: civil::Time,
    /// The zone of that wall, if it is known.
    pub zone: Option<Zone>,
}

/// A date with a time of day, with or without a zone.
#[derive(Clone, Debug)]
pub enum DateTime {
    /// Without a zone.
    Local(civil::DateTime),
    /// With a zone, so it names an instant.
    Zoned(Arc<Zoned>),
}

/// A duration of years and months.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Months(pub i64);

impl Zone {
    /// Reads `Z`, `+02:00` or a region's name.
    pub fn parse(text: &str) -> Option<Zone> {
        match text.as_bytes().first()? {
            b'Z' if text.len() == 1 => Some(Zone::Offset(Offset::UTC)),
            b'+' | b'-' => parse_offset(text).map(Zone::Offset),
            _ if text.len() <= 64 => ZONES.get(text).ok().map(Zone::Region),
            _ => None,
        }
    }

    fn of(zone: &TimeZone) -> Zone {
        match zone.to_fixed_offset() {
            Ok(offset) if zone.iana_name().is_none_or(|name| name == "UTC") => Zone::Offset(offset),
            _ => Zone::Region(zone.clone()),
        }
    }

    pub(crate) fn time_zone(&self) -> TimeZone {
        match self {
            Zone::Offset(offset) => TimeZone::fixed(*offset),
            Zone::Region(zone) => zone.clone(),
        }
    }

    // A time of day has no date, so a region's standard offset stands for all of the year.
    fn offset(&self) -> Offset {
        match self {
            Zone::Offset(offset) => *offset,
            Zone::Region(zone) => {
                let winter = zone.to_offset(Timestamp::constant(946_684_800, 0));
                let summer = zone.to_offset(Timestamp::constant(962_409_600, 0));
                winter.min(summer)
            }
        }
    }
}

fn number(text: &str) -> Option<i64> {
    (!text.is_empty() && text.len() <= 18 && text.bytes().all(|b| b.is_ascii_digit()))
        .then(|| text.parse().ok())?
}

fn two(text: &str) -> Option<i8> {
    (text.len() == 2).then(|| number(text))?.map(|n| n as i8)
}

fn parse_offset(text: &str) -> Option<Offset> {
    let negative = text.starts_with('-');
    let mut parts = text.get(1..)?.split(':');
    let hours = i32::from(two(parts.next()?)?);
    let minutes = i32::from(parts.next().map_or(Some(0), two)?);
    let seconds = i32::from(parts.next().map_or(Some(0), two)?);
    if parts.next().is_some() || hours > 18 || minutes > 59 || seconds > 59 {
        return None;
    }
    let total = hours * 3600 + minutes * 60 + seconds;
    Offset::from_seconds(if negative { -total } else { total }).ok()
}

/// Reads `2026-11-21`.
pub(crate) fn parse_date(text: &str) -> Option<civil::Date> {
    let (negative, rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let mut parts = rest.split('-');
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() || year.len() < 4 || (year.len() > 4 && year.starts_with('0')) {
        return None;
    }
    let year = i16::try_from(number(year)?).ok()?;
    civil::Date::new(if negative { -year } else { year }, two(month)?, two(day)?).ok()
}

// Reads `10:30`, `10:30:15` or `10:30:15.5` and gives what follows.
fn parse_clock(text: &str) -> Option<(civil::Time, &str)> {
    let hour = two(text.get(..2)?)?;
    let minute = two(text.get(2..5)?.strip_prefix(':')?)?;
    let mut rest = text.get(5..)?;
    let (mut second, mut nanos) = (0, 0);
    if let Some(after) = rest.strip_prefix(':') {
        second = two(after.get(..2)?)?;
        rest = after.get(2..)?;
        if let Some(after) = rest.strip_prefix('.') {
            let digits = after.bytes().take_while(u8::is_ascii_digit).count();
            if !(1..=9).contains(&digits) {
                return None;
            }
            nanos = i32::try_from(number(&after[..digits])? * 10i64.pow(9 - digits as u32)).ok()?;
            rest = &after[digits..];
        }
    }
    Some((civil::Time::new(hour, minute, second, nanos).ok()?, rest))
}

/// Reads `10:30:00`, `T10:30:00+02:00` or `10:30:00@Europe/Berlin`.
pub(crate) fn parse_time(text: &str) -> Option<Time> {
    let (clock, rest) = parse_clock(text.strip_prefix('T').unwrap_or(text))?;
    let zone = match rest.strip_prefix('@') {
        Some(region) => Some(Zone::parse(region)?),
        None if rest.is_empty() => None,
        None => Some(Zone::parse(rest)?),
    };
    Some(Time { clock, zone })
}

/// Reads a date, or a date with a time, an offset, a region.
pub(crate) fn parse_date_time(text: &str) -> Option<DateTime> {
    let Some((date, time)) = text.split_once('T') else {
        return parse_date(text).map(|date| DateTime::Local(date.at(0, 0, 0, 0)));
    };
    let (clock, rest) = parse_clock(time)?;
    let local = parse_date(date)?.to_datetime(clock);
    if rest.is_empty() {
        return Some(DateTime::Local(local));
    }
    if let Some(region) = rest.strip_prefix('@') {
        return DateTime::in_zone(local, &Zone::parse(region)?);
    }
    if let Some((offset, region)) = rest.strip_suffix(']').and_then(|rest| rest.split_once('[')) {
        let region = Zone::parse(region)?;
        if offset.is_empty() {
            return DateTime::in_zone(local, &region);
        }
        let Zone::Offset(offset) = Zone::parse(offset)? else {
            return None;
        };
        let instant = offset.to_timestamp(local).ok()?;
        return Some(DateTime::Zoned(Arc::new(
            instant.to_zoned(region.time_zone()),
        )));
    }
    DateTime::in_zone(local, &Zone::parse(rest)?)
}

/// A duration of either kind, as read.
pub(crate) enum Duration {
    /// Years and months.
    Months(Months),
    /// Days, hours, minutes, seconds.
    Exact(SignedDuration),
}

/// Reads `P1Y2M` or `P1DT2H3M4.5S`; a sign may stand before the whole and before each part.
pub(crate) fn parse_duration(text: &str) -> Option<Duration> {
    let (negative, rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let mut rest = rest.strip_prefix('P')?;
    let (mut months, mut nanos) = (0i64, 0i128);
    let (mut calendar, mut exact, mut time) = (false, false, false);
    let mut order = 0;
    while !rest.is_empty() {
        if !time && let Some(after) = rest.strip_prefix('T') {
            time = true;
            rest = after;
            if rest.is_empty() {
                return None;
            }
            continue;
        }
        let (minus, part) = match rest.strip_prefix('-') {
            Some(part) => (true, part),
            None => (false, rest),
        };
        let digits = part
            .bytes()
            .take_while(|b| b.is_ascii_digit() || *b == b'.')
            .count();
        let (value, after) = part.split_at(digits);
        let unit = after.chars().next()?;
        rest = &after[unit.len_utf8()..];
        let (whole, fraction) = value.split_once('.').unwrap_or((value, ""));
        let amount = number(whole)?;
        if !fraction.is_empty() && unit != 'S' || fraction.len() > 9 {
            return None;
        }
        let sign: i64 = if minus != negative { -1 } else { 1 };
        let (place, seconds) = match (unit, time) {
            ('Y', false) => (1, None),
            ('M', false) => (2, None),
            ('D', false) => (3, Some(SECONDS_PER_DAY)),
            ('H', true) => (4, Some(3600)),
            ('M', true) => (5, Some(60)),
            ('S', true) => (6, Some(1)),
            _ => return None,
        };
        if place <= order {
            return None;
        }
        order = place;
        match seconds {
            None => {
                calendar = true;
                let factor = if unit == 'Y' { 12 } else { 1 };
                months = months.checked_add(amount.checked_mul(factor)?.checked_mul(sign)?)?;
            }
            Some(seconds) => {
                exact = true;
                nanos +=
                    i128::from(amount) * i128::from(seconds) * NANOS_PER_SECOND * i128::from(sign);
                if !fraction.is_empty() {
                    nanos +=
                        i128::from(number(fraction)? * 10i64.pow(9 - fraction.len() as u32) * sign);
                }
            }
        }
    }
    match (calendar, exact) {
        (true, false) => Some(Duration::Months(Months(months))),
        (false, true) => nanos_to_duration(nanos).map(Duration::Exact),
        _ => None,
    }
}

/// Makes a duration of nanoseconds, if it is in range.
pub(crate) fn nanos_to_duration(nanos: i128) -> Option<SignedDuration> {
    SignedDuration::try_from_nanos_i128(nanos)
}

impl Time {
    // Nanoseconds since midnight in UTC, for times that have a zone.
    fn normal(&self) -> i128 {
        let offset = self.zone.as_ref().map_or(0, |zone| zone.offset().seconds());
        clock_nanos(self.clock) - i128::from(offset) * NANOS_PER_SECOND
    }

    /// Compares two times; none when only one of them has a zone.
    pub fn compare(&self, other: &Time) -> Option<Ordering> {
        (self.zone.is_some() == other.zone.is_some()).then(|| self.normal().cmp(&other.normal()))
    }

    /// The time from `other` to this one; none when only one of them has a zone.
    pub fn since(&self, other: &Time) -> Option<SignedDuration> {
        (self.zone.is_some() == other.zone.is_some())
            .then(|| nanos_to_duration(self.normal() - other.normal()))?
    }

    /// The time later by a duration, around midnight where it must.
    pub fn plus(&self, duration: SignedDuration) -> Time {
        Time {
            clock: self.clock.wrapping_add(duration),
            zone: self.zone.clone(),
        }
    }

    /// The distance from UTC, if there is a zone.
    pub fn offset_seconds(&self) -> Option<i32> {
        self.zone.as_ref().map(|zone| zone.offset().seconds())
    }

    /// The region's name, if there is a region.
    pub fn region(&self) -> Option<&str> {
        match &self.zone {
            Some(Zone::Region(zone)) => zone.iana_name(),
            _ => None,
        }
    }

    /// The time on a date.
    pub fn on(&self, date: civil::Date) -> Option<DateTime> {
        let local = date.to_datetime(self.clock);
        match &self.zone {
            None => Some(DateTime::Local(local)),
            Some(zone) => DateTime::in_zone(local, zone),
        }
    }
}

fn clock_nanos(clock: civil::Time) -> i128 {
    let seconds = i128::from(clock.hour()) * 3600
        + i128::from(clock.minute()) * 60
        + i128::from(clock.second());
    seconds * NANOS_PER_SECOND + i128::from(clock.subsec_nanosecond())
}

impl DateTime {
    /// The instant that a wall in a zone shows.
    pub fn in_zone(local: civil::DateTime, zone: &Zone) -> Option<DateTime> {
        let zoned = zone
            .time_zone()
            .to_ambiguous_zoned(local)
            .compatible()
            .ok()?;
        Some(DateTime::Zoned(Arc::new(zoned)))
    }

    /// The instant `millis` after 1970 in a zone.
    pub fn at_millis(millis: i64, zone: &TimeZone) -> DateTime {
        let instant = Timestamp::from_millisecond(millis).unwrap_or(if millis < 0 {
            Timestamp::MIN
        } else {
            Timestamp::MAX
        });
        DateTime::Zoned(Arc::new(instant.to_zoned(zone.clone())))
    }

    /// What a wall shows.
    pub fn local(&self) -> civil::DateTime {
        match self {
            DateTime::Local(local) => *local,
            DateTime::Zoned(zoned) => zoned.datetime(),
        }
    }

    /// The zone, if there is one.
    pub fn zone(&self) -> Option<Zone> {
        match self {
            DateTime::Local(_) => None,
            DateTime::Zoned(zoned) => Some(Zone::of(zoned.time_zone())),
        }
    }

    /// The same instant in another zone; without a zone, the same wall in that zone.
    pub fn to_zone(&self, zone: &Zone) -> Option<DateTime> {
        match self {
            DateTime::Local(local) => DateTime::in_zone(*local, zone),
            DateTime::Zoned(zoned) => Some(DateTime::Zoned(Arc::new(
                zoned.with_time_zone(zone.time_zone()),
            ))),
        }
    }

    /// The distance from UTC, if there is a zone.
    pub fn offset_seconds(&self) -> Option<i32> {
        match self {
            DateTime::Local(_) => None,
            DateTime::Zoned(zoned) => Some(zoned.offset().seconds()),
        }
    }

    /// The region's name, if there is a region.
    pub fn region(&self) -> Option<String> {
        match self.zone()? {
            Zone::Offset(_) => None,
            Zone::Region(zone) => zone.iana_name().map(str::to_owned),
        }
    }

    /// Milliseconds after 1970, if there is a zone.
    pub fn to_millis(&self) -> Option<i64> {
        match self {
            DateTime::Local(_) => None,
            DateTime::Zoned(zoned) => Some(zoned.timestamp().as_millisecond()),
        }
    }

    /// Compares two instants or two walls; none for one of each.
    pub fn compare(&self, other: &DateTime) -> Option<Ordering> {
        match (self, other) {
            (DateTime::Local(a), DateTime::Local(b)) => Some(a.cmp(b)),
            (DateTime::Zoned(a), DateTime::Zoned(b)) => Some(a.timestamp().cmp(&b.timestamp())),
            _ => None,
        }
    }

    /// The time from `other` to this one; none when only one of them has a zone.
    pub fn since(&self, other: &DateTime) -> Option<SignedDuration> {
        match (self, other) {
            (DateTime::Local(a), DateTime::Local(b)) => Some(a.duration_since(*b)),
            (DateTime::Zoned(a), DateTime::Zoned(b)) => {
                Some(a.timestamp().duration_since(b.timestamp()))
            }
            _ => None,
        }
    }

    /// Later by an exact duration; none outside the calendar.
    pub fn plus(&self, duration: SignedDuration) -> Option<DateTime> {
        match self {
            DateTime::Local(local) => local.checked_add(duration).ok().map(DateTime::Local),
            DateTime::Zoned(zoned) => zoned
                .checked_add(duration)
                .ok()
                .map(|zoned| DateTime::Zoned(Arc::new(zoned))),
        }
    }

    /// Later by months, at the month's last day where the day does not exist; none outside the calendar.
    pub fn plus_months(&self, months: Months) -> Option<DateTime> {
        let span = months.span()?;
        match self {
            DateTime::Local(local) => local.checked_add(span).ok().map(DateTime::Local),
            DateTime::Zoned(zoned) => zoned
                .checked_add(span)
                .ok()
                .map(|zoned| DateTime::Zoned(Arc::new(zoned))),
        }
    }

    /// Writes ISO 8601, with a region in brackets.
    pub fn to_iso(&self) -> String {
        match (self, self.region()) {
            (DateTime::Zoned(zoned), Some(region)) => {
                format!(
                    "{}{}[{region}]",
                    Wall(self.local()),
                    OffsetText(zoned.offset())
                )
            }
            _ => self.to_string(),
        }
    }
}

/// A date later by an exact duration, counted from its midnight.
pub(crate) fn date_plus(date: civil::Date, duration: SignedDuration) -> Option<civil::Date> {
    date.at(0, 0, 0, 0)
        .checked_add(duration)
        .ok()
        .map(civil::DateTime::date)
}

/// A date later by months.
pub(crate) fn date_plus_months(date: civil::Date, months: Months) -> Option<civil::Date> {
    date.checked_add(months.span()?).ok()
}

/// The time between two dates' midnights.
pub(crate) fn date_since(date: civil::Date, other: civil::Date) -> SignedDuration {
    date.duration_since(other)
}

/// The whole months from one date to another.
pub(crate) fn months_between(from: civil::Date, to: civil::Date) -> Months {
    let total = (i64::from(to.year()) * 12 + i64::from(to.month()))
        - (i64::from(from.year()) * 12 + i64::from(from.month()));
    let incomplete = match total {
        1.. if to.day() < from.day() => -1,
        ..=-1 if to.day() > from.day() => 1,
        _ => 0,
    };
    Months(total + incomplete)
}

impl Months {
    fn span(self) -> Option<Span> {
        Span::new().try_months(self.0).ok()
    }
}
