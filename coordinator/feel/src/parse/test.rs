//! Unary tests: what a decision table's cell and the right side of `in` hold.

use super::{Parsed, Parser};
use crate::program::{Comparison, Id, Node};
use crate::value::Value;

impl Parser<'_> {
    pub(super) fn unary_tests(&mut self) -> Parsed {
        self.input = true;
        self.cursor.space();
        if self.cursor.rest().trim_end() == "-" {
            self.cursor.take("-");
            self.cursor.space();
            return Ok(self.add(Node::Const(Value::Bool(true))));
        }
        if let Some(negated) = self.negated_tests()? {
            return Ok(negated);
        }
        self.tests()
    }

    // `not(...)` around everything negates tests; elsewhere `not` is the function.
    fn negated_tests(&mut self) -> Parsed<Option<Id>> {
        let mut ahead = self.cursor;
        if !ahead.take_word("not") || !ahead.take("(") || !self.closes_at_end(ahead) {
            return Ok(None);
        }
        self.cursor = ahead;
        let tests = self.nested(Self::tests)?;
        self.expect(")")?;
        Ok(Some(self.add(Node::NotTest(tests))))
    }

    fn closes_at_end(&self, from: super::cursor::Cursor<'_>) -> bool {
        let mut open = 1usize;
        let mut quote = None;
        let mut escaped = false;
        let mut chars = from.rest().char_indices();
        for (at, char) in chars.by_ref() {
            match (quote, char) {
                (Some(_), _) if escaped => escaped = false,
                (Some('"'), '\\') => escaped = true,
                (Some(end), char) if char == end => quote = None,
                (Some(_), _) => {}
                (None, '"' | '`') => quote = Some(char),
                (None, '(') => open += 1,
                (None, ')') => {
                    open -= 1;
                    if open == 0 {
                        let mut rest = from;
                        rest.advance(at + 1);
                        rest.space();
                        return rest.is_at_end();
                    }
                }
                _ => {}
            }
        }
        // Half-open ranges leave brackets unbalanced: ")" closes what "[" opened.
        true
    }

    fn tests(&mut self) -> Parsed {
        let first = self.test()?;
        self.more_tests(first)
    }

    fn more_tests(&mut self, first: Id) -> Parsed {
        if !self.cursor.sees(",") {
            return Ok(first);
        }
        let mut all = vec![first];
        while self.cursor.take(",") {
            all.push(self.test()?);
        }
        Ok(self.add(Node::AnyOf(all.into())))
    }

    fn test(&mut self) -> Parsed {
        let outer = (
            std::mem::replace(&mut self.testing, true),
            std::mem::replace(&mut self.input, true),
        );
        let before = self.nodes.len();
        let parsed = self.expression();
        (self.testing, self.input) = outer;
        let id = parsed?;
        Ok(self.as_test(id, before))
    }

    fn as_test(&mut self, id: Id, before: usize) -> Id {
        match self.nodes.get(id as usize) {
            Some(Node::Range { .. }) => self.add(Node::InputWithin(id)),
            Some(Node::InputCompare(..) | Node::InputWithin(_)) => id,
            Some(Node::Const(Value::Bool(bool))) => {
                let bool = *bool;
                self.add(Node::InputIs(bool))
            }
            _ => {
                let asks = self.nodes[before..]
                    .iter()
                    .any(|node| matches!(node, Node::Input));
                self.add(Node::Test { body: id, asks })
            }
        }
    }

    /// An operand of `and` or `or`: where tests stand, a range asks for the input.
    pub(super) fn operand_test(&mut self, id: Id) -> Id {
        match self.nodes.get(id as usize) {
            Some(Node::Range { .. }) if self.testing => self.add(Node::InputWithin(id)),
            _ => id,
        }
    }

    pub(super) fn input_comparison(&mut self) -> Parsed {
        let Some(comparison) = self.comparison_sign() else {
            return Err(self.expected("a comparison"));
        };
        if self.cursor.rest().starts_with('=') {
            return Err(self.expected("a value"));
        }
        let value = self.sum()?;
        Ok(self.add(Node::InputCompare(comparison, value)))
    }

    /// `(> 10)` where no test stands: the range that has one end.
    pub(super) fn half_range(&mut self) -> Parsed {
        let at = self.cursor.at();
        let Some(comparison) = self.comparison_sign() else {
            return Err(self.expected("a comparison"));
        };
        let value = self.nested(Self::sum)?;
        let none = self.add(Node::Const(Value::Null));
        let (start, end, included) = match comparison {
            Comparison::Less => (none, value, false),
            Comparison::LessOrEqual => (none, value, true),
            Comparison::Greater => (value, none, false),
            Comparison::GreaterOrEqual => (value, none, true),
            Comparison::Equal | Comparison::NotEqual => {
                return Err(self.error_at(
                    at,
                    "expected a value but found a comparison without a left side".to_owned(),
                ));
            }
        };
        self.expect(")")?;
        Ok(self.add(Node::Range {
            start,
            start_included: included && start == value,
            end,
            end_included: included && end == value,
        }))
    }

    /// The right side of `in`: one test, or several in brackets.
    pub(super) fn in_tests(&mut self) -> Parsed {
        if !self.cursor.sees("(") {
            return self.in_test();
        }
        let start = self.cursor;
        self.cursor.take("(");
        let first = self.test()?;
        if self.cursor.take("..") {
            let Some(low) = self.untested(first) else {
                self.cursor = start;
                return Err(self.expected("a range of values"));
            };
            let range = self.range_from(low, false)?;
            return Ok(self.add(Node::InputWithin(range)));
        }
        let tests = self.more_tests(first)?;
        self.expect(")")?;
        Ok(tests)
    }

    fn untested(&self, id: Id) -> Option<Id> {
        match self.nodes.get(id as usize)? {
            Node::Test { body, .. } => Some(*body),
            _ => None,
        }
    }

    fn in_test(&mut self) -> Parsed {
        let outer = (
            std::mem::replace(&mut self.testing, true),
            std::mem::replace(&mut self.input, true),
        );
        self.cursor.space();
        let before = self.nodes.len();
        let parsed = if matches!(self.cursor.peek(), Some('<' | '>' | '=' | '!')) {
            self.input_comparison()
        } else {
            self.sum()
        };
        (self.testing, self.input) = outer;
        let id = parsed?;
        Ok(self.as_test(id, before))
    }
}
