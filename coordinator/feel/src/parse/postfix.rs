//! Postfix: paths, filters and calls behind a value, as one chain however long it is.

use super::{Parsed, Parser};
use crate::program::{Filter, ITEM, Id, Node, Step};

impl Parser<'_> {
    pub(super) fn postfix(&mut self) -> Parsed {
        let base = self.primary()?;
        let mut steps = Vec::new();
        loop {
            self.cursor.space();
            let rest = self.cursor.rest();
            if rest.starts_with('.') && !rest.starts_with("..") {
                self.cursor.take(".");
                steps.push(self.key()?);
            } else if rest.starts_with('[') && !self.ends_range() {
                steps.push(self.filter()?);
            } else {
                break;
            }
        }
        Ok(if steps.is_empty() {
            base
        } else {
            self.add(Node::Chain(base, steps.into()))
        })
    }

    fn key(&mut self) -> Parsed<Step> {
        self.cursor.space();
        // Properties of two words; entries of two words stand in backticks.
        const OF_WORDS: [&str; 3] = ["time offset", "start included", "end included"];
        let key = if let Some(words) = OF_WORDS
            .into_iter()
            .find(|words| self.cursor.take_words(words))
        {
            words.into()
        } else if let Some(key) = self.any_name() {
            key
        } else {
            return Err(self.expected("a name after '.'"));
        };
        if self.cursor.sees("(") {
            let arguments = self.arguments()?;
            return Ok(Step::Call(key, arguments));
        }
        Ok(Step::Key(key))
    }

    // The end of `[1..5[`: what follows that bracket begins no expression.
    fn ends_range(&self) -> bool {
        let mut ahead = self.cursor;
        ahead.take("[");
        ahead.space();
        match ahead.word() {
            Some(word) => {
                super::cursor::is_reserved(word)
                    && !matches!(word, "null" | "true" | "false" | "function")
                    || matches!(word, "between" | "instance")
            }
            None => matches!(
                ahead.peek(),
                None | Some(')' | ']' | '}' | ',' | '=' | '!' | '*' | '/' | ':')
            ),
        }
    }

    fn filter(&mut self) -> Parsed<Step> {
        self.cursor.take("[");
        self.bound.push(ITEM);
        let filter = self.repeated(|parser| parser.plain(Self::expression));
        self.bound.pop();
        let filter = filter?;
        self.expect("]")?;
        if let Some(index) = self.constant_number(filter) {
            return Ok(Step::Index(if index.is_whole() {
                index.to_i64().unwrap_or(i64::MAX)
            } else {
                i64::MAX
            }));
        }
        Ok(Step::Filter(self.filter_kind(filter), filter))
    }

    fn filter_kind(&self, id: Id) -> Filter {
        match self.nodes.get(id as usize) {
            Some(
                Node::Compare(..)
                | Node::Call(..)
                | Node::Invoke(..)
                | Node::In(..)
                | Node::InstanceOf(..),
            ) => Filter::Each,
            Some(Node::Chain(_, steps)) if matches!(**steps, [Step::Call(..)]) => Filter::Each,
            _ => Filter::IndexOrEach,
        }
    }
}
