//! FEEL: parse once, evaluate many times, never hang.

mod eval;
mod functions;
mod json;
mod number;
mod parse;
mod program;
mod temporal;
mod text;
mod value;

use std::fmt;
use std::sync::Arc;

use jiff::tz::TimeZone;
use smol_str::SmolStr;

pub use eval::Closure;
pub use json::JsonError;
pub use number::{Decimal, Number, Rounding};
pub use parse::{NESTING_MAX, SOURCE_MAX};
pub use temporal::{DateTime, Months, Time, Zone};
pub use value::{Context, List, Range, Value};

use eval::Machine;
use program::Program;

/// A compiled expression.
#[derive(Clone)]
pub struct Expression {
    program: Arc<Program>,
}

/// Compiled unary tests: the cell of a decision table.
#[derive(Clone)]
pub struct UnaryTests {
    program: Arc<Program>,
}

/// What a parser may take for granted beyond the language itself.
#[derive(Clone, Debug, Default)]
pub struct Dialect {
    /// Says whether a name may have several words, as in DMN; else it is one word or stands in backticks.
    pub words: bool,
    /// The names that the model declares, for a dialect whose names may have several words.
    pub names: Vec<SmolStr>,
    /// Functions that the caller will provide in scope, by name.
    pub functions: Vec<SmolStr>,
    /// Says whether a function that nobody declared is left to the evaluation, where it gives null and a warning.
    pub any_function: bool,
}

impl Dialect {
    fn knows_function(&self, name: &str) -> bool {
        self.any_function
            || self.functions.iter().any(|known| known == name)
            || self.names.iter().any(|known| known == name)
    }
}

/// Where a source is wrong, and how.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {message}")]
pub struct ParseError {
    /// The line, from 1.
    pub line: usize,
    /// The column, from 1, in characters.
    pub column: usize,
    /// What was expected and what was found.
    pub message: String,
}

/// Where an expression finds its variables.
pub trait Scope {
    /// The value of a variable, if there is one.
    fn get(&self, name: &str) -> Option<Value>;
}

/// The time zone of a region's name or of an offset, by the rules that are compiled in.
pub fn time_zone(name: &str) -> Option<TimeZone> {
    Zone::parse(name).map(|zone| zone.time_zone())
}

/// A scope without variables.
pub struct NoVariables;

impl Scope for NoVariables {
    fn get(&self, _: &str) -> Option<Value> {
        None
    }
}

/// All that an evaluation may know of the world.
#[derive(Clone, Debug)]
pub struct Env {
    /// The time, in milliseconds after 1970.
    pub now: i64,
    /// The zone of `now()` and `today()`.
    pub zone: TimeZone,
    /// What `uuid()` and `random number()` are derived from.
    pub seed: u64,
    /// How much an evaluation may use.
    pub budget: Budget,
}

/// How much an evaluation may use; more is an error, never a hang.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Operations, and items that functions look at.
    pub steps: u32,
    /// Operations inside of operations, and calls inside of calls.
    pub depth: u16,
    /// Bytes of the lists, contexts and texts that are made on the way.
    pub bytes: usize,
}

impl Default for Budget {
    fn default() -> Budget {
        Budget {
            steps: 5_000_000,
            depth: 400,
            bytes: 64 * 1024 * 1024,
        }
    }
}

impl Default for Env {
    fn default() -> Env {
        Env {
            now: 0,
            zone: TimeZone::UTC,
            seed: 0,
            budget: Budget::default(),
        }
    }
}

/// What an evaluation gave.
#[derive(Clone, Debug)]
pub struct Evaluation {
    /// The value, or why there is none.
    pub result: Result<Value, EvaluationError>,
    /// Why parts of it became null, at most 100 of them.
    pub warnings: Vec<Warning>,
}

/// Why an evaluation gave no value; everything else gives null and a warning.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EvaluationError {
    /// The budget was used up.
    #[error("{0}")]
    Budget(String),
    /// An `assert` did not hold.
    #[error("assertion failed: {0}")]
    Assert(String),
}

/// Why a part of an expression became null.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// What kind of reason.
    pub kind: WarningKind,
    /// The reason, with the names and values in question.
    pub message: String,
}

/// The kinds of reasons for a null.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WarningKind {
    /// No variable has the name.
    NoVariableFound,
    /// The context has no entry of the name.
    NoContextEntryFound,
    /// The value has no property of the name.
    NoPropertyFound,
    /// No function has the name and the parameters.
    NoFunctionFound,
    /// The function refused its arguments.
    FunctionInvocationFailure,
    /// The values cannot be compared.
    NotComparable,
    /// The operator or construct does not take a value of the type.
    InvalidType,
}

impl WarningKind {
    /// The code that Camunda shows for it.
    pub fn code(self) -> &'static str {
        match self {
            WarningKind::NoVariableFound => "NO_VARIABLE_FOUND",
            WarningKind::NoContextEntryFound => "NO_CONTEXT_ENTRY_FOUND",
            WarningKind::NoPropertyFound => "NO_PROPERTY_FOUND",
            WarningKind::NoFunctionFound => "NO_FUNCTION_FOUND",
            WarningKind::FunctionInvocationFailure => "FUNCTION_INVOCATION_FAILURE",
            WarningKind::NotComparable => "NOT_COMPARABLE",
            WarningKind::InvalidType => "INVALID_TYPE",
        }
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind.code(), self.message)
    }
}

impl Expression {
    /// Parses a source without its leading `=`; a call of an unknown function is refused by its name.
    pub fn parse(source: &str) -> Result<Expression, ParseError> {
        Expression::parse_in(source, &Dialect::default())
    }

    /// Parses a source in a dialect.
    pub fn parse_in(source: &str, dialect: &Dialect) -> Result<Expression, ParseError> {
        let program = parse::expression(source, dialect).map_err(|error| *error)?;
        Ok(Expression {
            program: Arc::new(program),
        })
    }

    /// The source.
    pub fn source(&self) -> &str {
        &self.program.source
    }

    /// The variables that it may read, in the order of their first mention.
    pub fn names(&self) -> &[SmolStr] {
        &self.program.reads
    }

    /// Evaluates it.
    pub fn evaluate(&self, scope: &dyn Scope, env: &Env) -> Evaluation {
        Machine::new(scope, env).run(&self.program, None)
    }
}

impl UnaryTests {
    /// Parses a source; `-` is true for every input.
    pub fn parse(source: &str) -> Result<UnaryTests, ParseError> {
        UnaryTests::parse_in(source, &Dialect::default())
    }

    /// Parses a source in a dialect.
    pub fn parse_in(source: &str, dialect: &Dialect) -> Result<UnaryTests, ParseError> {
        let program = parse::unary_tests(source, dialect).map_err(|error| *error)?;
        Ok(UnaryTests {
            program: Arc::new(program),
        })
    }

    /// The source.
    pub fn source(&self) -> &str {
        &self.program.source
    }

    /// The variables that they may read besides the input.
    pub fn names(&self) -> &[SmolStr] {
        &self.program.reads
    }

    /// Tests an input.
    pub fn evaluate(&self, input: &Value, scope: &dyn Scope, env: &Env) -> Evaluation {
        Machine::new(scope, env).run(&self.program, Some(input.clone()))
    }
}

impl fmt::Debug for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Expression({:?})", self.source())
    }
}

impl fmt::Debug for UnaryTests {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "UnaryTests({:?})", self.source())
    }
}

/// Runs the README's example.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
