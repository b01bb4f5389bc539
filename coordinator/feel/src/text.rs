//! The text of a value: what `string()` gives and what messages show.

use std::fmt;

use crate::temporal::ExactText;
use crate::value::{Range, Value};

/// Writes a value as `string()` does: a string plain, strings inside of lists and contexts in quotes.
pub(crate) fn write(value: &Value, f: &mut dyn fmt::Write) -> fmt::Result {
    match value {
        Value::String(text) => f.write_str(text),
        _ => write_inner(value, f),
    }
}

fn write_inner(value: &Value, f: &mut dyn fmt::Write) -> fmt::Result {
    match value {
        Value::Null => f.write_str("null"),
        Value::Bool(bool) => write!(f, "{bool}"),
        Value::Number(number) => write!(f, "{number}"),
        Value::String(text) => write!(f, "\"{text}\""),
        Value::Date(date) => write!(f, "{date}"),
        Value::Time(time) => write!(f, "{time}"),
        Value::DateTime(date_time) => write!(f, "{date_time}"),
        Value::DayTimeDuration(duration) => write!(f, "{}", ExactText(*duration)),
        Value::YearMonthDuration(months) => write!(f, "{months}"),
        Value::List(list) => {
            f.write_char('[')?;
            for (at, item) in list.items().iter().enumerate() {
                if at > 0 {
                    f.write_str(", ")?;
                }
                write_inner(item, f)?;
            }
            f.write_char(']')
        }
        Value::Context(context) => {
            f.write_char('{')?;
            for (at, (name, item)) in context.entries().iter().enumerate() {
                if at > 0 {
                    f.write_str(", ")?;
                }
                write!(f, "{name}:")?;
                write_inner(item, f)?;
            }
            f.write_char('}')
        }
        Value::Range(range) => write_range(range, f),
        Value::Function(function) => {
            f.write_str("function(")?;
            for (at, name) in function.parameters().iter().enumerate() {
                if at > 0 {
                    f.write_str(", ")?;
                }
                f.write_str(name)?;
            }
            f.write_char(')')
        }
    }
}

fn write_range(range: &Range, f: &mut dyn fmt::Write) -> fmt::Result {
    f.write_char(if range.start_included { '[' } else { '(' })?;
    write_inner(&range.start, f)?;
    f.write_str("..")?;
    write_inner(&range.end, f)?;
    f.write_char(if range.end_included { ']' } else { ')' })
}

struct Brief {
    text: String,
    left: usize,
}

impl fmt::Write for Brief {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for char in text.chars() {
            if self.left == 0 {
                self.text.push('…');
                return Err(fmt::Error);
            }
            self.left -= 1;
            self.text.push(char);
        }
        Ok(())
    }
}

/// A value for a message: at most 60 characters, strings in quotes.
pub(crate) fn brief(value: &Value) -> String {
    let mut brief = Brief {
        text: String::new(),
        left: 60,
    };
    match write_inner(value, &mut brief) {
        Ok(()) | Err(fmt::Error) => brief.text,
    }
}
