//! Primaries: literals, names, calls, lists, contexts, ranges and brackets.

use smol_str::{SmolStr, SmolStrBuilder};

use super::cursor::{is_name_part, is_name_start, is_reserved};
use super::{Parsed, Parser};
use crate::WarningKind;
use crate::functions;
use crate::number::Number;
use crate::program::{Id, Node, Symbol};
use crate::value::Value;

impl Parser<'_> {
    pub(super) fn primary(&mut self) -> Parsed {
        self.cursor.space();
        match self.cursor.peek() {
            Some('"') => {
                let text = self.string()?;
                Ok(self.add(Node::Const(Value::String(text))))
            }
            Some('0'..='9') => self.number(),
            Some('.') => self.number(),
            Some('@') => self.temporal(),
            Some('{') => self.plain(Self::context),
            Some('[') => self.plain(Self::list_or_range),
            Some('(') => self.brackets(),
            Some(']') => {
                self.cursor.take("]");
                let start = self.plain(|parser| parser.nested(Self::sum))?;
                self.expect("..")?;
                self.range_from(start, false)
            }
            Some('?') => {
                if !self.input {
                    return Err(self.error(
                        "'?' is the input of unary tests, and there is none here".to_owned(),
                    ));
                }
                self.cursor.take("?");
                Ok(self.add(Node::Input))
            }
            Some(char) if is_name_start(char) || char == '`' => self.name_or_call(),
            _ => Err(self.expected("a value")),
        }
    }

    fn number(&mut self) -> Parsed {
        let rest = self.cursor.rest();
        let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
        let mut length = digits(rest);
        if rest[length..].starts_with('.') {
            let fraction = digits(&rest[length + 1..]);
            length += if fraction > 0 { fraction + 1 } else { 0 };
        }
        if length > 0 && rest[length..].starts_with(['e', 'E']) {
            let sign = usize::from(rest[length + 1..].starts_with(['+', '-']));
            let exponent = digits(&rest[length + 1 + sign..]);
            length += if exponent > 0 { 1 + sign + exponent } else { 0 };
        }
        let Some(number) = Number::parse(&rest[..length]) else {
            return Err(self.expected("a number in range"));
        };
        self.cursor.advance(length);
        Ok(self.add(Node::Const(Value::Number(number))))
    }

    /// A text in quotes; an escape that FEEL does not know stays as it is, for regular expressions.
    fn string(&mut self) -> Parsed<SmolStr> {
        let start = self.cursor.at();
        let rest = self.cursor.rest();
        let mut out = SmolStrBuilder::new();
        let mut chars = rest.char_indices().skip(1).peekable();
        while let Some((at, char)) = chars.next() {
            if char == '"' {
                self.cursor.advance(at + 1);
                return Ok(out.finish());
            }
            if char != '\\' {
                out.push(char);
                continue;
            }
            match chars.next() {
                Some((_, 'n')) => out.push('\n'),
                Some((_, 'r')) => out.push('\r'),
                Some((_, 't')) => out.push('\t'),
                Some((_, 'b')) => out.push('\u{8}'),
                Some((_, 'f')) => out.push('\u{c}'),
                Some((_, quoted @ ('"' | '\'' | '\\'))) => out.push(quoted),
                Some((at, letter @ ('u' | 'U'))) => match unicode(&rest[at..]) {
                    Some((char, length)) => {
                        out.push(char);
                        while chars.peek().is_some_and(|(next, _)| *next < at + length) {
                            chars.next();
                        }
                    }
                    None => {
                        out.push('\\');
                        out.push(letter);
                    }
                },
                Some((_, other)) => {
                    out.push('\\');
                    out.push(other);
                }
                None => break,
            }
        }
        Err(self.error_at(
            start,
            "the text that begins here has no closing '\"'".to_owned(),
        ))
    }

    fn temporal(&mut self) -> Parsed {
        self.cursor.advance(1);
        self.cursor.space();
        if self.cursor.peek() != Some('"') {
            return Err(self.expected("a date, time or duration in quotes after '@'"));
        }
        let text = self.string()?;
        Ok(match functions::temporal::literal(&text) {
            Some(value) => self.add(Node::Const(value)),
            None => self.nothing(
                WarningKind::FunctionInvocationFailure,
                format!("'{text}' is no date, time or duration"),
            ),
        })
    }

    fn brackets(&mut self) -> Parsed {
        self.cursor.take("(");
        let testing = self.testing;
        self.cursor.space();
        if !testing && matches!(self.cursor.peek(), Some('<' | '>')) {
            return self.half_range();
        }
        let inner = self.plain(|parser| {
            // Brackets do not change what a test's operand is: `(< 5 or > 9)`.
            parser.testing = testing;
            parser.expression()
        })?;
        if self.cursor.take("..") {
            return self.range_from(inner, false);
        }
        self.expect(")")?;
        Ok(inner)
    }

    fn list_or_range(&mut self) -> Parsed {
        self.cursor.take("[");
        let mut items = Vec::new();
        if self.cursor.take("]") {
            return Ok(self.add(Node::List(items.into())));
        }
        items.push(self.expression()?);
        if self.cursor.take("..") {
            return self.range_from(items[0], true);
        }
        while self.cursor.take(",") {
            items.push(self.expression()?);
        }
        self.expect("]")?;
        Ok(self.add(Node::List(items.into())))
    }

    pub(super) fn range_from(&mut self, start: Id, start_included: bool) -> Parsed {
        let end = self.plain(|parser| parser.nested(Self::sum))?;
        let end_included = self.cursor.take("]");
        if !end_included && !self.cursor.take(")") && !self.cursor.take("[") {
            return Err(self.expected("']', ')' or '[' at the end of the range"));
        }
        Ok(self.add(Node::Range {
            start,
            start_included,
            end,
            end_included,
        }))
    }

    fn context(&mut self) -> Parsed {
        self.cursor.take("{");
        let bound = self.bound.len();
        let mut entries: Vec<(Symbol, Id)> = Vec::new();
        if !self.cursor.take("}") {
            loop {
                let key = self.entry_key()?;
                self.expect(":")?;
                let symbol = self.symbol(&key);
                // A function may call itself by the name of its entry.
                let recursive = self.cursor.sees_word("function");
                if recursive {
                    self.bound.push(symbol);
                }
                let value = self.expression()?;
                if !recursive {
                    self.bound.push(symbol);
                }
                entries.push((symbol, value));
                if !self.cursor.take(",") {
                    break;
                }
            }
            self.expect("}")?;
        }
        self.bound.truncate(bound);
        Ok(self.add(Node::Context(entries.into())))
    }

    fn entry_key(&mut self) -> Parsed<SmolStr> {
        self.cursor.space();
        match self.cursor.peek() {
            Some('"') => self.string(),
            Some('`') => self.escaped_name(),
            _ => {
                let rest = self.cursor.rest();
                let end = rest
                    .find(['"', '{', '}', ':', ',', '[', ']', '`'])
                    .unwrap_or(rest.len());
                let key = rest[..end].trim_end();
                if key.is_empty() || !rest[end..].starts_with(':') {
                    return Err(self.expected("an entry's name and ':'"));
                }
                self.cursor.advance(key.len());
                Ok(key.into())
            }
        }
    }

    pub(super) fn escaped_name(&mut self) -> Parsed<SmolStr> {
        let inner = &self.cursor.rest()[1..];
        match inner.find('`') {
            Some(end) if end > 0 => {
                self.cursor.advance(end + 2);
                Ok(inner[..end].into())
            }
            _ => Err(self.error("the name that begins here has no closing '`'".to_owned())),
        }
    }

    /// A name that may be bound: a word that is not reserved, or anything in backticks, or a declared name.
    pub(super) fn simple_name(&mut self) -> Option<SmolStr> {
        if self.cursor.word().is_some_and(is_reserved) {
            return None;
        }
        self.any_name()
    }

    /// A name behind a point, where no word is reserved.
    pub(super) fn any_name(&mut self) -> Option<SmolStr> {
        if self.cursor.peek() == Some('`') {
            return self.escaped_name().ok();
        }
        if let Some((name, length)) = self.declared_name() {
            self.cursor.advance(length);
            return Some(name);
        }
        let word = self.cursor.word()?;
        self.cursor.advance(word.len());
        Some(word.into())
    }

    // The longest declared or bound name of several words that stands here; only the dialect with such names looks.
    fn declared_name(&self) -> Option<(SmolStr, usize)> {
        if !self.dialect.words {
            return None;
        }
        let bound = self
            .bound
            .iter()
            .filter_map(|symbol| self.names.get(*symbol as usize));
        self.dialect
            .names
            .iter()
            .chain(bound)
            .filter_map(|name| Some((name.clone(), match_name(self.cursor.rest(), name)?)))
            .max_by_key(|(_, length)| *length)
    }

    fn name_or_call(&mut self) -> Parsed {
        if let Some(name) = self.function_with_reserved_word() {
            return self.call(&name);
        }
        let start = self.cursor;
        if let Some((name, length)) = self.declared_name() {
            self.cursor.advance(length);
            return if self.cursor.sees("(") {
                self.call(&name)
            } else {
                Ok(self.reference(&name))
            };
        }
        match self.cursor.word() {
            Some("null") => return self.word_constant("null", Value::Null),
            Some("true") => return self.word_constant("true", Value::Bool(true)),
            Some("false") => return self.word_constant("false", Value::Bool(false)),
            Some("function") => return self.plain(Self::function),
            Some(word) if is_reserved(word) => return Err(self.expected("a value")),
            _ => {}
        }
        if let Some(name) = self.function_of_words()? {
            return self.call(&name);
        }
        self.cursor = start;
        let name = if self.cursor.peek() == Some('`') {
            self.escaped_name()?
        } else {
            self.simple_name().unwrap_or_default()
        };
        if self.cursor.sees("(") {
            self.call(&name)
        } else {
            Ok(self.reference(&name))
        }
    }

    fn word_constant(&mut self, word: &str, value: Value) -> Parsed {
        self.cursor.advance(word.len());
        Ok(self.add(Node::Const(value)))
    }

    /// The words up to `in`, where names may have several.
    pub(super) fn words_before_in(&mut self) -> Option<SmolStr> {
        if self.cursor.peek() == Some('`') {
            return self.escaped_name().ok();
        }
        let mut words = Vec::new();
        while let Some(word) = self.cursor.word().filter(|word| *word != "in") {
            words.push(word);
            self.cursor.advance(word.len());
            self.cursor.space();
        }
        (!words.is_empty()).then(|| words.join(" ").into())
    }

    /// One or more words, with the spaces between them as they are written: backticks name them the same way.
    pub(super) fn words(&mut self) -> Option<SmolStr> {
        self.cursor.space();
        if self.cursor.peek() == Some('`') {
            return self.escaped_name().ok();
        }
        let start = self.cursor.at();
        let mut end = start;
        while let Some(word) = self.cursor.word() {
            self.cursor.advance(word.len());
            end = self.cursor.at();
            self.cursor.space();
        }
        (end > start).then(|| self.cursor.source()[start..end].into())
    }

    fn function(&mut self) -> Parsed {
        self.expect_word("function")?;
        self.expect("(")?;
        let bound = self.bound.len();
        let mut parameters = Vec::new();
        if !self.cursor.take(")") {
            loop {
                let Some(name) = self.words() else {
                    return Err(self.expected("a parameter's name"));
                };
                if self.cursor.take(":") {
                    self.expression_type()?;
                }
                let symbol = self.symbol(&name);
                parameters.push(symbol);
                self.bound.push(symbol);
                if !self.cursor.take(",") {
                    break;
                }
            }
            self.expect(")")?;
        }
        if self.cursor.sees_word("external") {
            return Err(self.error(
                "external functions are not executed: write the function in FEEL or use a job"
                    .to_owned(),
            ));
        }
        let body = self.repeated(Self::expression)?;
        self.bound.truncate(bound);
        Ok(self.add(Node::Function(parameters.into(), body)))
    }

    fn expression_type(&mut self) -> Parsed<()> {
        self.nested(Self::type_name).map(drop)
    }
}

/// Reads `uXXXX`, with its partner if it is half of a pair, or `UXXXXXX`; gives the character and how many bytes it took.
fn unicode(text: &str) -> Option<(char, usize)> {
    let code = |from: usize, digits: usize| {
        let hex = text.get(from..from + digits)?;
        hex.bytes()
            .all(|byte| byte.is_ascii_hexdigit())
            .then(|| u32::from_str_radix(hex, 16).ok())?
    };
    if text.starts_with('U') {
        return Some((char::from_u32(code(1, 6)?)?, 7));
    }
    let first = code(1, 4)?;
    if (0xd800..0xdc00).contains(&first) {
        let second = text
            .get(5..7)
            .filter(|escape| *escape == "\\u")
            .and_then(|_| code(7, 4))?;
        let low = second.checked_sub(0xdc00).filter(|low| *low < 0x400)?;
        return Some((
            char::from_u32(0x10000 + ((first - 0xd800) << 10) + low)?,
            11,
        ));
    }
    Some((char::from_u32(first)?, 5))
}

/// How many bytes of the text a name of several words covers, however wide the spaces in it are.
fn match_name(text: &str, name: &str) -> Option<usize> {
    let mut rest = text;
    for (at, word) in name.split_whitespace().enumerate() {
        if at > 0 {
            rest = rest.trim_start();
        }
        rest = rest.strip_prefix(word)?;
    }
    let ends_in_word = name.chars().next_back().is_some_and(is_name_part);
    (!ends_in_word || !rest.chars().next().is_some_and(is_name_part))
        .then(|| text.len() - rest.len())
}
