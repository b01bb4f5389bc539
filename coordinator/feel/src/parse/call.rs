//! Calls: which function a name means, and what stands in its brackets.

use smol_str::SmolStr;

use super::cursor::is_reserved;
use super::{Parsed, Parser};
use crate::WarningKind;
use crate::functions::{self, Builtin};
use crate::program::{Arguments, Id, Node};
use crate::value::Value;

/// Functions whose names hold a reserved word.
const WITH_RESERVED: [&str; 5] = [
    "date and time",
    "years and months duration",
    "get or else",
    "and",
    "or",
];

impl Parser<'_> {
    pub(super) fn function_with_reserved_word(&mut self) -> Option<SmolStr> {
        WITH_RESERVED.into_iter().find_map(|name| {
            let mut ahead = self.cursor;
            (ahead.take_words(name) && ahead.sees("(")).then(|| {
                self.cursor = ahead;
                SmolStr::new_static(name)
            })
        })
    }

    // Several words and a bracket: `list contains(`. Operators that are words, such as `between`, end the name.
    pub(super) fn function_of_words(&mut self) -> Parsed<Option<SmolStr>> {
        let start = self.cursor.at();
        let mut ahead = self.cursor;
        let mut words: Vec<&str> = Vec::new();
        while let Some(word) = ahead.word()
            && !is_reserved(word)
            && !(words.len() == 1 && matches!(word, "between" | "instance"))
        {
            words.push(word);
            ahead.advance(word.len());
            if !ahead.sees("(") {
                ahead.space();
                continue;
            }
            if words.len() > 1 {
                let name = SmolStr::from(words.join(" "));
                let symbol = self.symbols.get(&name).copied();
                let bound = symbol.is_some_and(|symbol| self.bound.contains(&symbol));
                if !bound && functions::find(&name).is_none() && !self.dialect.knows_function(&name)
                {
                    return Err(self.unknown_function(start, &name));
                }
                self.cursor = ahead;
                return Ok(Some(name));
            }
            break;
        }
        Ok(None)
    }

    fn unknown_function(&self, at: usize, name: &str) -> Box<crate::ParseError> {
        let hint = functions::similar(name)
            .map_or(String::new(), |similar| format!("; is '{similar}' meant?"));
        self.error_at(at, format!("unknown function '{name}'{hint}"))
    }

    pub(super) fn call(&mut self, name: &str) -> Parsed {
        let at = self.cursor.at().saturating_sub(name.len());
        let arguments = self.arguments()?;
        if let Some(symbol) = self.symbols.get(name).copied()
            && self.is_bound(symbol)
        {
            self.mention(symbol);
            return Ok(self.add(Node::Invoke(symbol, arguments)));
        }
        if let Some(builtin) = functions::find(name) {
            return Ok(self.builtin_call(builtin, arguments));
        }
        if !self.dialect.knows_function(name) {
            return Err(self.unknown_function(at, name));
        }
        let symbol = self.symbol(name);
        Ok(self.add(Node::Invoke(symbol, arguments)))
    }

    fn builtin_call(&mut self, builtin: &'static Builtin, arguments: Arguments) -> Id {
        let placed = match arguments {
            Arguments::Positional(ids) if builtin.takes(ids.len()) => Ok(ids),
            Arguments::Positional(ids) => Err(format!("{} arguments", ids.len())),
            Arguments::Named(named) => {
                let spaced: Vec<String> = named
                    .iter()
                    .map(|(name, _)| name.split_whitespace().collect::<Vec<_>>().join(" "))
                    .collect();
                let names: Vec<&str> = spaced.iter().map(String::as_str).collect();
                match builtin.order(&names) {
                    Some(order) => Ok(order
                        .into_iter()
                        .map(|place| {
                            place.map_or_else(
                                || self.add(Node::Const(Value::Null)),
                                |at| named[at].1,
                            )
                        })
                        .collect()),
                    None => Err(format!("the parameters {}", names.join(", "))),
                }
            }
        };
        match placed {
            Ok(ids) => match functions::temporal::constant(builtin, self.constant_text(&ids)) {
                Some(value) => self.add(Node::Const(value)),
                None => self.add(Node::Call(builtin, ids)),
            },
            Err(given) => {
                let message = format!(
                    "No function '{}' with {given}; it takes {}",
                    builtin.name,
                    builtin.usage()
                );
                self.nothing(WarningKind::NoFunctionFound, message)
            }
        }
    }

    pub(super) fn nothing(&mut self, kind: WarningKind, message: String) -> Id {
        self.add(Node::Nothing(kind, message.into()))
    }

    fn constant_text(&self, ids: &[Id]) -> Option<&str> {
        let [id] = ids else { return None };
        match self.nodes.get(*id as usize) {
            Some(Node::Const(Value::String(text))) => Some(text),
            _ => None,
        }
    }

    pub(super) fn arguments(&mut self) -> Parsed<Arguments> {
        self.cursor.take("(");
        self.plain(Self::arguments_here)
    }

    fn arguments_here(&mut self) -> Parsed<Arguments> {
        if self.cursor.take(")") {
            return Ok(Arguments::Positional(Box::default()));
        }
        if let Some(first) = self.parameter_name() {
            let mut named = Vec::new();
            let mut name = first;
            loop {
                named.push((name, self.expression()?));
                if !self.cursor.take(",") {
                    break;
                }
                name = match self.parameter_name() {
                    Some(name) => name,
                    None => return Err(self.expected("a parameter's name and ':'")),
                };
            }
            self.expect(")")?;
            return Ok(Arguments::Named(named.into()));
        }
        let mut ids = vec![self.expression()?];
        while self.cursor.take(",") {
            ids.push(self.expression()?);
        }
        self.expect(")")?;
        Ok(Arguments::Positional(ids.into()))
    }

    // A name of one or more words with ':' behind it, or nothing.
    fn parameter_name(&mut self) -> Option<SmolStr> {
        let back = self.cursor;
        let name = self.words();
        if name.is_some() && self.cursor.take(":") {
            return name;
        }
        self.cursor = back;
        None
    }
}
