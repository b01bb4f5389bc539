//! Cursor: a place in the source, what stands there, and which characters make a name.

/// Words that cannot be variables.
const RESERVED: [&str; 11] = [
    "null",
    "true",
    "false",
    "function",
    "in",
    "return",
    "then",
    "else",
    "satisfies",
    "and",
    "or",
];

#[derive(Clone, Copy)]
pub(super) struct Cursor<'a> {
    source: &'a str,
    at: usize,
}

pub(super) fn is_name_start(char: char) -> bool {
    char.is_alphabetic()
        || char == '_'
        || char == '$'
        || matches!(char, '\u{a2}'..='\u{a5}' | '\u{20ac}')
}

pub(super) fn is_name_part(char: char) -> bool {
    is_name_start(char)
        || char.is_numeric()
        || matches!(char, '\u{300}'..='\u{36f}' | '\u{200c}' | '\u{200d}')
}

fn is_space(char: char) -> bool {
    char.is_whitespace() || matches!(char, '\u{feff}' | '\u{180e}' | '\u{200b}')
}

pub(super) fn is_reserved(word: &str) -> bool {
    RESERVED.contains(&word)
}

impl<'a> Cursor<'a> {
    pub(super) fn new(source: &'a str) -> Cursor<'a> {
        Cursor { source, at: 0 }
    }

    pub(super) fn source(&self) -> &'a str {
        self.source
    }

    pub(super) fn at(&self) -> usize {
        self.at
    }

    pub(super) fn rest(&self) -> &'a str {
        &self.source[self.at..]
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.at == self.source.len()
    }

    pub(super) fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    pub(super) fn advance(&mut self, bytes: usize) {
        self.at += bytes;
    }

    /// Skips white space and comments.
    pub(super) fn space(&mut self) {
        loop {
            let rest = self.rest();
            let trimmed = rest.trim_start_matches(is_space);
            self.at += rest.len() - trimmed.len();
            let skipped = if trimmed.starts_with("//") {
                trimmed.find('\n').unwrap_or(trimmed.len())
            } else if trimmed.starts_with("/*") {
                trimmed.find("*/").map_or(0, |end| end + 2)
            } else {
                0
            };
            if skipped == 0 {
                return;
            }
            self.at += skipped;
        }
    }

    /// Takes a symbol after white space.
    pub(super) fn take(&mut self, symbol: &str) -> bool {
        self.space();
        let found = self.rest().starts_with(symbol);
        self.at += if found { symbol.len() } else { 0 };
        found
    }

    pub(super) fn sees(&self, symbol: &str) -> bool {
        let mut ahead = *self;
        ahead.take(symbol)
    }

    /// The word at the cursor, without white space before it.
    pub(super) fn word(&self) -> Option<&'a str> {
        let rest = self.rest();
        if !rest.chars().next().is_some_and(is_name_start) {
            return None;
        }
        Some(&rest[..rest.find(|char| !is_name_part(char)).unwrap_or(rest.len())])
    }

    pub(super) fn sees_word(&self, word: &str) -> bool {
        let mut ahead = *self;
        ahead.take_word(word)
    }

    /// Takes a whole word after white space.
    pub(super) fn take_word(&mut self, word: &str) -> bool {
        let mut ahead = *self;
        ahead.space();
        if ahead.word() != Some(word) {
            return false;
        }
        self.at = ahead.at + word.len();
        true
    }

    /// Takes words that are set apart by white space.
    pub(super) fn take_words(&mut self, words: &str) -> bool {
        let mut ahead = *self;
        let found = words.split(' ').all(|word| ahead.take_word(word));
        if found {
            *self = ahead;
        }
        found
    }

    /// Line and column, from 1, of a place in the source.
    pub(super) fn position(&self, at: usize) -> (usize, usize) {
        let before = &self.source[..at];
        let line = before.matches('\n').count() + 1;
        let start = before.rfind('\n').map_or(0, |newline| newline + 1);
        (line, before[start..].chars().count() + 1)
    }

    /// What stands at the cursor, for a message.
    pub(super) fn found(&self) -> String {
        let mut ahead = *self;
        ahead.space();
        match (ahead.word(), ahead.peek()) {
            (Some(word), _) => format!("'{}'", word.chars().take(40).collect::<String>()),
            (None, Some(char)) => format!("'{char}'"),
            (None, None) => "the end".to_owned(),
        }
    }
}
