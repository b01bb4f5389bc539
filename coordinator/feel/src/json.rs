//! JSON: how variables come in and go out.

use smol_str::SmolStr;

use crate::number::Number;
use crate::temporal::ExactText;
use crate::text;
use crate::value::{Context, List, Value};
use std::fmt::Write as _;
use std::sync::Arc;

const DEPTH_MAX: usize = 128;

/// Why a text is not JSON.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid JSON at byte {at}: {message}")]
pub struct JsonError {
    /// How many bytes before the fault.
    pub at: usize,
    /// What was expected.
    pub message: &'static str,
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

/// Reads one JSON value and nothing after it.
pub(crate) fn read(text: &str) -> Result<Value, JsonError> {
    let mut reader = Reader { text, at: 0 };
    let value = reader.value(0)?;
    reader.space();
    if reader.at < text.len() {
        return Err(reader.error("expected the end after the value"));
    }
    Ok(value)
}

impl Reader<'_> {
    fn error(&self, message: &'static str) -> JsonError {
        JsonError {
            at: self.at,
            message,
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn value(&mut self, depth: usize) -> Result<Value, JsonError> {
        if depth > DEPTH_MAX {
            return Err(self.error("nested deeper than 128 levels"));
        }
        self.space();
        match self.peek() {
            Some(b'{') => self.object(depth),
            Some(b'[') => self.array(depth),
            Some(b'"') => self.string().map(Value::String),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.word("true", Value::Bool(true)),
            Some(b'f') => self.word("false", Value::Bool(false)),
            Some(b'n') => self.word("null", Value::Null),
            _ => Err(self.error("expected a value")),
        }
    }

    fn word(&mut self, word: &str, value: Value) -> Result<Value, JsonError> {
        if !self.text.as_bytes()[self.at..].starts_with(word.as_bytes()) {
            return Err(self.error("expected a value"));
        }
        self.at += word.len();
        Ok(value)
    }

    fn number(&mut self) -> Result<Value, JsonError> {
        let start = self.at;
        self.take(b'-');
        if self.peek() == Some(b'0')
            && matches!(self.text.as_bytes().get(self.at + 1), Some(b'0'..=b'9'))
        {
            return Err(self.error("a number cannot begin with 0"));
        }
        while matches!(
            self.peek(),
            Some(b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-')
        ) {
            self.at += 1;
        }
        match Number::parse(&self.text[start..self.at]) {
            Some(number) => Ok(Value::Number(number)),
            None => Err(JsonError {
                at: start,
                message: "expected a number in range",
            }),
        }
    }

    fn array(&mut self, depth: usize) -> Result<Value, JsonError> {
        self.at += 1;
        let mut items = Vec::new();
        self.space();
        if self.take(b']') {
            return Ok(Value::List(Arc::new(List::new(items))));
        }
        loop {
            items.push(self.value(depth + 1)?);
            self.space();
            if self.take(b']') {
                return Ok(Value::List(Arc::new(List::new(items))));
            }
            if !self.take(b',') {
                return Err(self.error("expected ',' or ']'"));
            }
        }
    }

    fn object(&mut self, depth: usize) -> Result<Value, JsonError> {
        self.at += 1;
        let mut entries = Vec::new();
        self.space();
        if !self.take(b'}') {
            loop {
                self.space();
                if self.peek() != Some(b'"') {
                    return Err(self.error("expected a name in quotes"));
                }
                let name = self.string()?;
                self.space();
                if !self.take(b':') {
                    return Err(self.error("expected ':'"));
                }
                entries.push((name, self.value(depth + 1)?));
                self.space();
                if self.take(b'}') {
                    break;
                }
                if !self.take(b',') {
                    return Err(self.error("expected ',' or '}'"));
                }
            }
        }
        Ok(Value::Context(Arc::new(Context::new(entries))))
    }

    fn string(&mut self) -> Result<SmolStr, JsonError> {
        self.at += 1;
        let start = self.at;
        let mut owned: Option<String> = None;
        loop {
            let from = self.at;
            while !matches!(self.peek(), None | Some(b'"' | b'\\' | 0..=0x1f)) {
                self.at += 1;
            }
            if let Some(owned) = &mut owned {
                owned.push_str(&self.text[from..self.at]);
            }
            match self.peek() {
                Some(b'"') => {
                    let text = match owned {
                        Some(owned) => SmolStr::from(owned),
                        None => SmolStr::from(&self.text[start..self.at]),
                    };
                    self.at += 1;
                    return Ok(text);
                }
                Some(b'\\') => {
                    let text = owned.get_or_insert_with(|| self.text[start..self.at].to_owned());
                    self.at += 1;
                    let byte = self.peek();
                    self.at += 1;
                    text.push(match byte {
                        Some(b'"') => '"',
                        Some(b'\\') => '\\',
                        Some(b'/') => '/',
                        Some(b'b') => '\u{8}',
                        Some(b'f') => '\u{c}',
                        Some(b'n') => '\n',
                        Some(b'r') => '\r',
                        Some(b't') => '\t',
                        Some(b'u') => self.unicode()?,
                        _ => {
                            return Err(JsonError {
                                at: self.at - 1,
                                message: "unknown escape",
                            });
                        }
                    });
                }
                _ => return Err(self.error("the string does not end")),
            }
        }
    }

    fn hex(&mut self) -> Result<u32, JsonError> {
        let digits = self.text.as_bytes().get(self.at..self.at + 4);
        let code = digits
            .filter(|digits| digits.iter().all(u8::is_ascii_hexdigit))
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u32::from_str_radix(digits, 16).ok());
        self.at += 4;
        code.ok_or(JsonError {
            at: self.at - 4,
            message: "expected four hexadecimal digits",
        })
    }

    // A surrogate without its partner becomes the replacement character: other programs write such text.
    fn unicode(&mut self) -> Result<char, JsonError> {
        let first = self.hex()?;
        if (0xd800..0xdc00).contains(&first)
            && self.text.as_bytes().get(self.at..self.at + 2) == Some(b"\\u")
        {
            let back = self.at;
            self.at += 2;
            let second = self.hex()?;
            if (0xdc00..0xe000).contains(&second) {
                let code = 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00);
                return Ok(char::from_u32(code).unwrap_or('\u{fffd}'));
            }
            self.at = back;
        }
        Ok(char::from_u32(first).unwrap_or('\u{fffd}'))
    }
}

/// Appends a value as JSON.
pub(crate) fn write(value: &Value, out: &mut String) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(true) => out.push_str("true"),
        Value::Bool(false) => out.push_str("false"),
        Value::Number(number) => number.write_json(out),
        Value::String(text) => write_string(text, out),
        Value::List(list) => {
            out.push('[');
            for (at, item) in list.items().iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                write(item, out);
            }
            out.push(']');
        }
        Value::Context(context) => {
            out.push('{');
            for (at, (name, item)) in context.entries().iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                write_string(name, out);
                out.push(':');
                write(item, out);
            }
            out.push('}');
        }
        Value::DateTime(date_time) => quoted(out, date_time.to_iso()),
        Value::Time(time) => quoted(out, time),
        Value::Date(date) => quoted(out, date),
        Value::DayTimeDuration(duration) => quoted(out, ExactText(*duration)),
        Value::YearMonthDuration(months) => quoted(out, months),
        Value::Range(_) | Value::Function(_) => {
            let mut inner = String::new();
            match text::write(value, &mut inner) {
                Ok(()) | Err(std::fmt::Error) => write_string(&inner, out),
            }
        }
    }
}

fn quoted(out: &mut String, text: impl std::fmt::Display) {
    let written = write!(out, "\"{text}\"");
    debug_assert!(written.is_ok(), "a String takes all text");
}

fn write_string(text: &str, out: &mut String) {
    out.push('"');
    let mut from = 0;
    for (at, byte) in text.bytes().enumerate() {
        let escape = match byte {
            b'"' => "\\\"",
            b'\\' => "\\\\",
            b'\n' => "\\n",
            b'\r' => "\\r",
            b'\t' => "\\t",
            0..=0x1f => "",
            _ => continue,
        };
        out.push_str(&text[from..at]);
        if escape.is_empty() {
            let written = write!(out, "\\u{byte:04x}");
            debug_assert!(written.is_ok(), "a String takes all text");
        } else {
            out.push_str(escape);
        }
        from = at + 1;
    }
    out.push_str(&text[from..]);
    out.push('"');
}
