//! Expressions: control structures and operators, from the loosest to the tightest.

use smol_str::SmolStr;

use super::{Parsed, Parser};
use crate::number::Number;
use crate::program::{
    Comparison, Domain, Each, Factor, Id, Node, PARTIAL, Quantifier, Sign, Symbol,
};
use crate::value::Value;

impl Parser<'_> {
    pub(super) fn expression(&mut self) -> Parsed {
        self.nested(Self::expression_here)
    }

    fn expression_here(&mut self) -> Parsed {
        self.cursor.space();
        match self.cursor.word() {
            Some("if") if self.begins_if() => self.if_then_else(),
            Some("for") if self.begins_each("for") => self.for_return(),
            Some("some") if self.begins_each("some") => self.quantified(Quantifier::Some),
            Some("every") if self.begins_each("every") => self.quantified(Quantifier::Every),
            _ => self.disjunction(),
        }
    }

    // A variable may be called `if`; then an operator, a path or the end follows.
    fn begins_if(&self) -> bool {
        let mut ahead = self.cursor;
        ahead.take_word("if");
        ahead.space();
        !matches!(
            ahead.peek(),
            None | Some('=' | '!' | '<' | '>' | '+' | '*' | '/' | '.' | ',' | ')' | ']' | '}')
        )
    }

    fn begins_each(&self, word: &str) -> bool {
        let mut ahead = self.cursor;
        ahead.take_word(word);
        ahead.space();
        ahead
            .word()
            .is_some_and(|word| !super::cursor::is_reserved(word))
            || ahead.peek() == Some('`')
    }

    fn if_then_else(&mut self) -> Parsed {
        let testing = std::mem::replace(&mut self.testing, false);
        let mut branches = Vec::new();
        // A loop, so that a long "else if" chain is not deep.
        let otherwise = loop {
            self.expect_word("if")?;
            let condition = self.expression()?;
            self.expect_word("then")?;
            let then = self.expression()?;
            self.expect_word("else")?;
            branches.push((condition, then));
            self.cursor.space();
            if self.cursor.word() != Some("if") || !self.begins_if() {
                break self.expression()?;
            }
        };
        self.testing = testing;
        Ok(self.add(Node::If(branches.into(), otherwise)))
    }

    fn for_return(&mut self) -> Parsed {
        self.expect_word("for")?;
        let bound = self.bound.len();
        let each = self.iterators()?;
        self.expect_word("return")?;
        self.bound.push(PARTIAL);
        let before = self.nodes.len();
        let body = self.repeated(|parser| parser.plain(Self::expression))?;
        self.bound.truncate(bound);
        let partial = self.nodes[before..]
            .iter()
            .any(|node| matches!(node, Node::Name(PARTIAL) | Node::Function(..)));
        Ok(self.add(Node::For {
            each,
            body,
            partial,
        }))
    }

    fn quantified(&mut self, quantifier: Quantifier) -> Parsed {
        self.expect_word(if quantifier == Quantifier::Some {
            "some"
        } else {
            "every"
        })?;
        let bound = self.bound.len();
        let each = self.iterators()?;
        self.expect_word("satisfies")?;
        let body = self.repeated(|parser| parser.plain(Self::expression))?;
        self.bound.truncate(bound);
        Ok(self.add(Node::Quantified(quantifier, each, body)))
    }

    fn iterators(&mut self) -> Parsed<Box<[Each]>> {
        let first = self.bound.len();
        let mut each = Vec::new();
        loop {
            let name = self.binding_name()?;
            self.expect_word("in")?;
            let outer = (self.watched, self.touched);
            (self.watched, self.touched) = (first, false);
            // Only the first domain is sure to be evaluated once.
            let domain = match each.is_empty() {
                true => self.plain(Self::domain)?,
                false => self.repeated(|parser| parser.plain(Self::domain))?,
            };
            let dependent = self.touched;
            (self.watched, self.touched) = (outer.0, outer.1);
            each.push(Each {
                name,
                domain,
                dependent,
            });
            self.bound.push(name);
            if !self.cursor.take(",") {
                return Ok(each.into());
            }
        }
    }

    fn domain(&mut self) -> Parsed<Domain> {
        let start = self.expression()?;
        if self.cursor.take("..") {
            let end = self.sum()?;
            return Ok(Domain::Steps(start, end));
        }
        Ok(Domain::Value(start))
    }

    pub(super) fn binding_name(&mut self) -> Parsed<Symbol> {
        self.cursor.space();
        let name = if self.dialect.words {
            self.words_before_in()
        } else {
            self.simple_name()
        };
        match name {
            Some(name) => Ok(self.symbol(&name)),
            None => Err(self.expected("a name")),
        }
    }

    fn disjunction(&mut self) -> Parsed {
        let first = self.conjunction()?;
        if !self.cursor.sees_word("or") {
            return Ok(first);
        }
        let mut all = vec![self.operand_test(first)];
        while self.cursor.take_word("or") {
            let next = self.conjunction()?;
            all.push(self.operand_test(next));
        }
        Ok(self.add(Node::Or(all.into())))
    }

    fn conjunction(&mut self) -> Parsed {
        let first = self.comparison()?;
        if !self.cursor.sees_word("and") {
            return Ok(first);
        }
        let mut all = vec![self.operand_test(first)];
        while self.cursor.take_word("and") {
            let next = self.comparison()?;
            all.push(self.operand_test(next));
        }
        Ok(self.add(Node::And(all.into())))
    }

    pub(super) fn comparison_sign(&mut self) -> Option<Comparison> {
        self.cursor.space();
        let (sign, comparison) = match self.cursor.rest().as_bytes() {
            [b'<', b'=', ..] => ("<=", Comparison::LessOrEqual),
            [b'>', b'=', ..] => (">=", Comparison::GreaterOrEqual),
            [b'!', b'=', ..] => ("!=", Comparison::NotEqual),
            [b'<', ..] => ("<", Comparison::Less),
            [b'>', ..] => (">", Comparison::Greater),
            [b'=', ..] => ("=", Comparison::Equal),
            _ => return None,
        };
        self.cursor.take(sign);
        Some(comparison)
    }

    fn comparison(&mut self) -> Parsed {
        if self.testing
            && matches!(
                {
                    self.cursor.space();
                    self.cursor.peek()
                },
                Some('<' | '>' | '=' | '!')
            )
        {
            return self.input_comparison();
        }
        let left = self.sum()?;
        if let Some(comparison) = self.comparison_sign() {
            if self.cursor.rest().starts_with('=') {
                return Err(self.error(
                    "expected a value but found '=': FEEL compares with one '='".to_owned(),
                ));
            }
            let right = self.sum()?;
            return Ok(self.add(Node::Compare(comparison, left, right)));
        }
        if self.cursor.take_word("between") {
            let low = self.sum()?;
            self.expect_word("and")?;
            let high = self.sum()?;
            return Ok(self.add(Node::Between(left, low, high)));
        }
        if self.cursor.take_words("instance of") {
            let name = self.nested(Self::type_name)?;
            return Ok(self.add(Node::InstanceOf(left, name)));
        }
        if self.cursor.take_word("in") {
            let test = self.nested(Self::in_tests)?;
            return Ok(self.add(Node::In(left, test)));
        }
        Ok(left)
    }

    /// A type: a name of words, or a name with parameters in `<>`, of which only the first name counts.
    pub(super) fn type_name(&mut self) -> Parsed<SmolStr> {
        const WORDS: [&str; 5] = [
            "years and months duration",
            "days and time duration",
            "date and time",
            "date time",
            "function",
        ];
        let name = match WORDS
            .into_iter()
            .find(|words| self.cursor.take_words(words))
        {
            Some(name) => SmolStr::new_static(name),
            None => {
                self.cursor.space();
                let start = self.cursor.at();
                while let Some(char) = self.cursor.peek()
                    && (super::cursor::is_name_part(char)
                        || char == '.'
                        || (char == '-' && self.cursor.at() > start))
                {
                    self.cursor.advance(char.len_utf8());
                }
                if self.cursor.at() == start {
                    return Err(self.expected("the name of a type"));
                }
                SmolStr::new(&self.cursor.source()[start..self.cursor.at()])
            }
        };
        if matches!(name.as_str(), "list" | "context" | "range" | "function")
            && self.cursor.sees("<")
        {
            self.type_parameters()?;
        }
        Ok(name)
    }

    fn type_parameters(&mut self) -> Parsed<()> {
        let mut open = 0usize;
        loop {
            self.cursor.space();
            match self.cursor.peek() {
                Some('<') => open += 1,
                Some('-') if self.cursor.take("->") => {
                    self.nested(Self::type_name)?;
                    return Ok(());
                }
                Some('>') => open -= 1,
                Some(char)
                    if super::cursor::is_name_part(char) || matches!(char, ',' | ':' | '.') => {}
                _ => return Err(self.expected("'>'")),
            }
            self.cursor
                .advance(self.cursor.peek().map_or(0, char::len_utf8));
            if open == 0 {
                if self.cursor.take("->") {
                    self.nested(Self::type_name)?;
                }
                return Ok(());
            }
        }
    }

    pub(super) fn sum(&mut self) -> Parsed {
        let first = self.product()?;
        let mut rest = Vec::new();
        loop {
            let sign = if self.cursor.take("+") {
                Sign::Plus
            } else if self.cursor.take("-") {
                Sign::Minus
            } else {
                break;
            };
            rest.push((sign, self.product()?));
        }
        Ok(if rest.is_empty() {
            first
        } else {
            self.add(Node::Sum(first, rest.into()))
        })
    }

    fn product(&mut self) -> Parsed {
        let first = self.power()?;
        let mut rest = Vec::new();
        loop {
            let factor = if self.cursor.take("*") {
                Factor::Times
            } else if self.cursor.take("/") {
                Factor::Over
            } else {
                break;
            };
            rest.push((factor, self.power()?));
        }
        Ok(if rest.is_empty() {
            first
        } else {
            self.add(Node::Product(first, rest.into()))
        })
    }

    fn power(&mut self) -> Parsed {
        let first = self.negation()?;
        let mut rest = Vec::new();
        while self.cursor.take("**") || self.cursor.take("^") {
            rest.push(self.negation()?);
        }
        Ok(if rest.is_empty() {
            first
        } else {
            self.add(Node::Power(first, rest.into()))
        })
    }

    fn negation(&mut self) -> Parsed {
        let mut negative = false;
        let mut any = false;
        while self.cursor.take("-") {
            negative = !negative;
            any = true;
        }
        let value = self.postfix()?;
        if !any {
            return Ok(value);
        }
        if let Some(Node::Const(Value::Number(number))) = self.nodes.get_mut(value as usize) {
            let folded: Number = if negative { number.negated() } else { *number };
            *number = folded;
            return Ok(value);
        }
        let once = self.add(Node::Negate(value));
        Ok(if negative {
            once
        } else {
            self.add(Node::Negate(once))
        })
    }

    pub(super) fn constant_number(&self, id: Id) -> Option<Number> {
        match self.nodes.get(id as usize) {
            Some(Node::Const(Value::Number(number))) => Some(*number),
            _ => None,
        }
    }
}
