//! Text: how dates, times and durations are written.

use std::fmt;

use jiff::tz::Offset;
use jiff::{SignedDuration, civil};

use super::{DateTime, Months, SECONDS_PER_DAY, Time, Zone};

impl fmt::Display for Months {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0 {
            return f.write_str("P0Y");
        }
        let (years, months) = (self.0.unsigned_abs() / 12, self.0.unsigned_abs() % 12);
        f.write_str(if self.0 < 0 { "-P" } else { "P" })?;
        if years > 0 {
            write!(f, "{years}Y")?;
        }
        if months > 0 {
            write!(f, "{months}M")?;
        }
        Ok(())
    }
}

/// The text of an exact duration: `P1DT2H`, `-PT0.5S`, `P0D`.
pub(crate) struct ExactText(pub(crate) SignedDuration);

impl fmt::Display for ExactText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_zero() {
            return f.write_str("P0D");
        }
        let magnitude = self.0.unsigned_abs();
        let (seconds, nanos) = (magnitude.as_secs(), magnitude.subsec_nanos());
        let day = SECONDS_PER_DAY.unsigned_abs();
        let (days, hours, minutes, rest) = (
            seconds / day,
            seconds / 3600 % 24,
            seconds / 60 % 60,
            seconds % 60,
        );
        f.write_str(if self.0.is_negative() { "-P" } else { "P" })?;
        if days > 0 {
            write!(f, "{days}D")?;
        }
        if hours > 0 || minutes > 0 || rest > 0 || nanos > 0 {
            f.write_str("T")?;
        }
        if hours > 0 {
            write!(f, "{hours}H")?;
        }
        if minutes > 0 {
            write!(f, "{minutes}M")?;
        }
        if nanos > 0 {
            let fraction = format!("{nanos:09}");
            write!(f, "{rest}.{}S", fraction.trim_end_matches('0'))?;
        } else if rest > 0 {
            write!(f, "{rest}S")?;
        }
        Ok(())
    }
}

pub(super) struct OffsetText(pub(super) Offset);

impl fmt::Display for OffsetText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.seconds();
        if seconds == 0 {
            return f.write_str("Z");
        }
        let (sign, total) = (if seconds < 0 { '-' } else { '+' }, seconds.unsigned_abs());
        write!(f, "{sign}{:02}:{:02}", total / 3600, total / 60 % 60)?;
        if total % 60 != 0 {
            write!(f, ":{:02}", total % 60)
        } else {
            Ok(())
        }
    }
}

struct Clock(civil::Time);

impl fmt::Display for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:02}:{:02}:{:02}",
            self.0.hour(),
            self.0.minute(),
            self.0.second()
        )?;
        match self.0.subsec_nanosecond() {
            0 => Ok(()),
            nanos => write!(f, ".{}", format!("{nanos:09}").trim_end_matches('0')),
        }
    }
}

pub(super) struct Wall(pub(super) civil::DateTime);

impl fmt::Display for Wall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}T{}", self.0.date(), Clock(self.0.time()))
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Zone::Offset(offset) => write!(f, "{}", OffsetText(*offset)),
            Zone::Region(zone) => write!(f, "@{}", zone.iana_name().unwrap_or("Etc/Unknown")),
        }
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", Clock(self.clock))?;
        self.zone
            .as_ref()
            .map_or(Ok(()), |zone| write!(f, "{zone}"))
    }
}

impl fmt::Display for DateTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", Wall(self.local()))?;
        self.zone().map_or(Ok(()), |zone| write!(f, "{zone}"))
    }
}
