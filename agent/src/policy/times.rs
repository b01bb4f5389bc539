//! Times: windows of the week in which a rule holds, in the machine's local time.

use std::fmt;

const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// A minute of the week where the machine stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LocalTime {
    /// 0 is Monday.
    pub weekday: u8,
    /// Minutes since midnight.
    pub minute: u16,
}

impl fmt::Display for LocalTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let day = DAYS.get(usize::from(self.weekday)).unwrap_or(&"?");
        write!(f, "{day} {:02}:{:02}", self.minute / 60, self.minute % 60)
    }
}

/// Days and hours: `mon-fri 08:00-18:00`, `sat 22:00-02:00`, `sun`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Window {
    first: u8,
    last: u8,
    from: u16,
    until: u16,
}

impl Window {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let wrong =
            || format!("{text:?} is no time; write days and hours like mon-fri 08:00-18:00");
        let mut parts = text.split_whitespace();
        let days = parts.next().ok_or_else(wrong)?;
        let hours = parts.next().unwrap_or("00:00-24:00");
        if parts.next().is_some() {
            return Err(wrong());
        }
        let (first, last) = days.split_once('-').unwrap_or((days, days));
        let (from, until) = hours.split_once('-').ok_or_else(wrong)?;
        let window = Self {
            first: day(first).ok_or_else(wrong)?,
            last: day(last).ok_or_else(wrong)?,
            from: minute(from).ok_or_else(wrong)?,
            until: minute(until).ok_or_else(wrong)?,
        };
        if window.from == window.until {
            return Err(wrong());
        }
        Ok(window)
    }

    pub(super) fn holds(self, at: LocalTime) -> bool {
        if self.from < self.until {
            self.on(at.weekday) && (self.from..self.until).contains(&at.minute)
        } else {
            // Over midnight: the rest of the night belongs to the day on which it began.
            (self.on(at.weekday) && at.minute >= self.from)
                || (self.on((at.weekday + 6) % 7) && at.minute < self.until)
        }
    }

    fn on(self, day: u8) -> bool {
        if self.first <= self.last {
            (self.first..=self.last).contains(&day)
        } else {
            day >= self.first || day <= self.last
        }
    }
}

fn day(text: &str) -> Option<u8> {
    let index = DAYS.iter().position(|day| *day == text)?;
    u8::try_from(index).ok()
}

fn minute(text: &str) -> Option<u16> {
    let (hour, minute) = text.split_once(':')?;
    let (hour, minute): (u16, u16) = (hour.parse().ok()?, minute.parse().ok()?);
    let total = hour.checked_mul(60)?.checked_add(minute)?;
    (minute < 60 && total <= 24 * 60).then_some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(window: &str, day: u8, hour: u16, expected: bool) {
        let at = LocalTime {
            weekday: day,
            minute: hour * 60,
        };
        assert_eq!(
            Window::parse(window).unwrap().holds(at),
            expected,
            "{window} {at}"
        );
    }

    #[test]
    fn a_window_holds_on_its_days_and_hours() {
        check("mon-fri 08:00-18:00", 0, 8, true);
        check("mon-fri 08:00-18:00", 4, 17, true);
        check("mon-fri 08:00-18:00", 4, 18, false);
        check("mon-fri 08:00-18:00", 5, 9, false);
        check("sat-mon", 6, 3, true);
        check("sat-mon", 1, 3, false);
        check("fri 22:00-02:00", 5, 1, true);
        check("fri 22:00-02:00", 4, 1, false);
        check("sun 22:00-02:00", 0, 1, true);
    }

    #[test]
    fn what_is_no_window_is_refused() {
        for text in [
            "",
            "someday",
            "mon 8-9",
            "mon 08:00-25:00",
            "mon 08:00-08:00",
            "mon 08:00-09:00 x",
        ] {
            assert!(Window::parse(text).is_err(), "{text}");
        }
    }
}
