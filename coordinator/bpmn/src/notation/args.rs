//! The arguments of a kind: each is asked for by name, and what nobody asked for is refused.

use super::problem;
use super::syntax::{Arg, top_level};
use crate::model::Text;
use crate::problem::Problem;

pub(super) struct Args<'a> {
    text: &'a str,
    at: usize,
    word: &'a str,
    left: Vec<Arg<'a>>,
    known: Vec<&'static str>,
}

impl<'a> Args<'a> {
    pub(super) fn new(text: &'a str, at: usize, word: &'a str, args: &[Arg<'a>]) -> Args<'a> {
        Args {
            text,
            at,
            word,
            left: args.to_vec(),
            known: Vec::new(),
        }
    }

    /// Takes `name = value`.
    pub(super) fn named(&mut self, name: &'static str) -> Option<&'a str> {
        self.known.push(name);
        let (at, value) = self.left.iter().enumerate().find_map(|(at, arg)| {
            let value = arg
                .text
                .strip_prefix(name)?
                .trim_start()
                .strip_prefix('=')?;
            Some((at, value.trim()))
        })?;
        self.left.remove(at);
        Some(value)
    }

    /// Takes `name = value` where the value is text, or FEEL after another `=`.
    pub(super) fn text(&mut self, name: &'static str) -> Option<Text> {
        self.named(name).map(text)
    }

    /// Takes `name = expression`.
    pub(super) fn feel(&mut self, name: &'static str) -> Option<Text> {
        self.named(name).map(feel)
    }

    /// Takes a single word.
    pub(super) fn flag(&mut self, word: &'static str) -> bool {
        self.known.push(word);
        let found = self.left.iter().position(|arg| arg.text == word);
        found.map(|at| self.left.remove(at)).is_some()
    }

    /// Takes all of `word rest`.
    pub(super) fn phrases(&mut self, word: &'static str) -> Vec<Arg<'a>> {
        self.known.push(word);
        let mut found = Vec::new();
        self.left.retain(|arg| match arg.text.strip_prefix(word) {
            Some(rest) if rest.starts_with(char::is_whitespace) => {
                found.push(Arg {
                    at: arg.at,
                    text: rest.trim(),
                });
                false
            }
            _ => true,
        });
        found
    }

    /// Takes the one `word rest`.
    pub(super) fn phrase(&mut self, word: &'static str) -> Result<Option<Arg<'a>>, Box<Problem>> {
        let found = self.phrases(word);
        match found[..] {
            [] => Ok(None),
            [one] => Ok(Some(one)),
            [_, second, ..] => Err(problem(
                self.text,
                second.at,
                format!("`{word}` stands twice"),
                "say it once",
            )),
        }
    }

    /// Takes the first argument that has no name; ask after all others.
    pub(super) fn positional(&mut self) -> Option<&'a str> {
        (!self.left.is_empty()).then(|| self.left.remove(0).text)
    }

    /// Takes the first argument that has no name, and says what was expected where there is none.
    pub(super) fn needed(&mut self, what: &str) -> Result<&'a str, Box<Problem>> {
        let (text, at, word) = (self.text, self.at, self.word);
        self.positional().ok_or_else(|| {
            problem(
                text,
                at,
                format!("`{word}` says no {what}"),
                &format!("write `{word}({what})`"),
            )
        })
    }

    /// Takes `expression -> variable`.
    pub(super) fn arrow(&mut self, what: &str) -> Result<(&'a str, String), Box<Problem>> {
        let (text, at, word) = (self.text, self.at, self.word);
        let arg = self.needed(what)?;
        let arrow = top_level(arg)
            .rev()
            .find(|(at, c)| *c == '-' && arg[*at..].starts_with("->"));
        let (place, _) = arrow.ok_or_else(|| {
            problem(
                text,
                at,
                format!("`{word}` says no variable for its result"),
                &format!("write `{word}({what} -> variable)`"),
            )
        })?;
        Ok((arg[..place].trim(), arg[place + 2..].trim().to_owned()))
    }

    /// Refuses what was not asked for.
    pub(super) fn finish(self) -> Result<(), Box<Problem>> {
        let Some(arg) = self.left.first() else {
            return Ok(());
        };
        let remedy = if self.known.is_empty() {
            "leave it out".to_owned()
        } else {
            format!("it knows: {}", self.known.join(", "))
        };
        Err(problem(
            self.text,
            arg.at,
            format!("`{}` has no argument `{}`", self.word, arg.text),
            &remedy,
        ))
    }

    pub(super) fn wrong(&self, message: String, remedy: &str) -> Box<Problem> {
        problem(self.text, self.at, message, remedy)
    }
}

/// Reads text, in quotes where it has commas.
pub(super) fn text(value: &str) -> Text {
    let unquoted = value
        .strip_prefix('"')
        .and_then(|value| value.strip_suffix('"'));
    unquoted.map_or_else(
        || Text::parse(value),
        |value| Text::Literal(value.to_owned()),
    )
}

/// Reads an expression, with or without `=`.
pub(super) fn feel(value: &str) -> Text {
    Text::Feel(value.strip_prefix('=').unwrap_or(value).trim().to_owned())
}
