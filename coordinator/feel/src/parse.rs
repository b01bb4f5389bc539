//! Parse: from source text to a program; knows nothing of values in scope, so one parse serves every evaluation.

mod call;
mod cursor;
mod expression;
mod postfix;
mod primary;
mod test;

use std::collections::BTreeMap;

use smol_str::SmolStr;

use crate::program::{Id, Node, Program, Symbol};
use crate::{Dialect, ParseError};
use cursor::Cursor;

/// The longest source that is parsed, in bytes.
pub const SOURCE_MAX: usize = 64 * 1024;

/// How deep brackets, lists, contexts and functions may be nested.
pub const NESTING_MAX: u16 = 100;

type Parsed<T = Id> = Result<T, Box<ParseError>>;

pub(crate) struct Parser<'a> {
    cursor: Cursor<'a>,
    dialect: &'a Dialect,
    nodes: Vec<Node>,
    names: Vec<SmolStr>,
    symbols: BTreeMap<SmolStr, Symbol>,
    free: Vec<SmolStr>,
    /// The names that the surrounding expression binds, innermost last.
    bound: Vec<Symbol>,
    /// From where in `bound` a reference is noted, and whether one was seen: a domain that depends on its neighbours.
    watched: usize,
    touched: bool,
    /// Says whether a test's operand stands here, so `< 5` and `[1..5]` look at the input.
    testing: bool,
    /// Says whether `?` has a value here.
    input: bool,
    nesting: u16,
    /// How many loops, filters and functions stand around: what is here may be evaluated many times.
    repeating: u32,
    /// By symbol: how often it is mentioned, where a mention that repeats counts twice.
    mentions: Vec<u32>,
}

/// Parses an expression.
pub(crate) fn expression(source: &str, dialect: &Dialect) -> Parsed<Program> {
    let mut parser = Parser::new(source, dialect)?;
    let root = parser.expression()?;
    parser.finish(root)
}

/// Parses unary tests.
pub(crate) fn unary_tests(source: &str, dialect: &Dialect) -> Parsed<Program> {
    let mut parser = Parser::new(source, dialect)?;
    let root = parser.unary_tests()?;
    parser.finish(root)
}

impl<'a> Parser<'a> {
    fn new(source: &'a str, dialect: &'a Dialect) -> Parsed<Parser<'a>> {
        let mut parser = Parser {
            cursor: Cursor::new(source),
            dialect,
            nodes: Vec::new(),
            names: Vec::new(),
            symbols: BTreeMap::new(),
            free: Vec::new(),
            bound: Vec::new(),
            watched: usize::MAX,
            touched: false,
            testing: false,
            input: false,
            nesting: 0,
            repeating: 0,
            mentions: Vec::new(),
        };
        parser.symbol("item");
        parser.symbol("partial");
        if source.len() > SOURCE_MAX {
            let message = format!(
                "the expression has {} bytes, more than the {SOURCE_MAX} allowed: split it",
                source.len()
            );
            return Err(Box::new(ParseError {
                line: 1,
                column: 1,
                message,
            }));
        }
        Ok(parser)
    }

    fn finish(mut self, root: Id) -> Parsed<Program> {
        self.cursor.space();
        if !self.cursor.is_at_end() {
            return Err(self.expected("an operator or the end"));
        }
        Ok(Program {
            source: self.cursor.source().into(),
            nodes: self.nodes,
            root,
            symbols: self.names,
            kept: self.mentions.iter().map(|mentions| *mentions > 1).collect(),
            reads: self.free,
        })
    }

    fn add(&mut self, node: Node) -> Id {
        self.nodes.push(node);
        self.nodes.len() as Id - 1
    }

    fn symbol(&mut self, name: &str) -> Symbol {
        if let Some(symbol) = self.symbols.get(name) {
            return *symbol;
        }
        let symbol = self.names.len() as Symbol;
        self.names.push(name.into());
        self.mentions.push(0);
        self.symbols.insert(name.into(), symbol);
        symbol
    }

    fn is_bound(&mut self, symbol: Symbol) -> bool {
        match self.bound.iter().rposition(|bound| *bound == symbol) {
            Some(at) => {
                self.touched |= at >= self.watched;
                true
            }
            None => false,
        }
    }

    fn reference(&mut self, name: &str) -> Id {
        let symbol = self.symbol(name);
        self.mention(symbol);
        if !self.is_bound(symbol) && !self.free.iter().any(|free| free == name) {
            self.free.push(name.into());
        }
        self.add(Node::Name(symbol))
    }

    fn mention(&mut self, symbol: Symbol) {
        let weight = if self.repeating > 0 { 2 } else { 1 };
        if let Some(mentions) = self.mentions.get_mut(symbol as usize) {
            *mentions = mentions.saturating_add(weight);
        }
    }

    // What is evaluated once per item or call.
    fn repeated<T>(&mut self, parse: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        self.repeating += 1;
        let parsed = parse(self);
        self.repeating -= 1;
        parsed
    }

    fn nested<T>(&mut self, parse: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        if self.nesting >= NESTING_MAX {
            return Err(self.error(format!(
                "nested deeper than {NESTING_MAX} levels: split the expression"
            )));
        }
        self.nesting += 1;
        let parsed = parse(self);
        self.nesting -= 1;
        parsed
    }

    // Inside of brackets, lists and arguments a bare `< 5` is no test, whatever stands around.
    fn plain<T>(&mut self, parse: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        let testing = std::mem::replace(&mut self.testing, false);
        let parsed = parse(self);
        self.testing = testing;
        parsed
    }

    fn error_at(&self, at: usize, message: String) -> Box<ParseError> {
        let (line, column) = self.cursor.position(at);
        Box::new(ParseError {
            line,
            column,
            message,
        })
    }

    fn error(&self, message: String) -> Box<ParseError> {
        self.error_at(self.cursor.at(), message)
    }

    fn expected(&self, what: &str) -> Box<ParseError> {
        self.error(format!("expected {what} but found {}", self.cursor.found()))
    }

    fn expect(&mut self, symbol: &str) -> Parsed<()> {
        if self.cursor.take(symbol) {
            Ok(())
        } else {
            Err(self.expected(&format!("'{symbol}'")))
        }
    }

    fn expect_word(&mut self, word: &str) -> Parsed<()> {
        if self.cursor.take_word(word) {
            Ok(())
        } else {
            Err(self.expected(&format!("'{word}'")))
        }
    }
}
