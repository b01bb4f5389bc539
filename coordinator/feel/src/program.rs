//! Program: a compiled expression as a flat arena, so that neither evaluating nor dropping follows the source's depth.

use smol_str::SmolStr;

use crate::WarningKind;
use crate::functions::Builtin;
use crate::value::Value;

/// The place of a node in its program.
pub(crate) type Id = u32;

/// The place of a name in its program's table.
pub(crate) type Symbol = u32;

/// The name of the item that a filter looks at; the same symbol in every program.
pub(crate) const ITEM: Symbol = 0;

/// The name of the results so far of a `for`; the same symbol in every program.
pub(crate) const PARTIAL: Symbol = 1;

/// A compiled expression.
#[derive(Debug)]
pub(crate) struct Program {
    pub(crate) source: SmolStr,
    pub(crate) nodes: Vec<Node>,
    pub(crate) root: Id,
    /// All names, by their symbols.
    pub(crate) symbols: Vec<SmolStr>,
    /// By symbol: says whether one evaluation may read the variable more than once, so its value is kept.
    pub(crate) kept: Vec<bool>,
    /// The names that nothing in the expression binds.
    pub(crate) reads: Vec<SmolStr>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

#[derive(Debug)]
pub(crate) enum Node {
    Const(Value),
    /// What means nothing, such as the 31st of June: null and a warning.
    Nothing(WarningKind, Box<str>),
    Name(Symbol),
    /// `?`, the input of a unary test.
    Input,
    Chain(Id, Box<[Step]>),
    List(Box<[Id]>),
    Context(Box<[(Symbol, Id)]>),
    Range {
        start: Id,
        start_included: bool,
        end: Id,
        end_included: bool,
    },
    /// `< 5`: the input against a value.
    InputCompare(Comparison, Id),
    /// `[1..5]` as a test: the input within a range.
    InputWithin(Id),
    /// `true` or `false` alone as a test: the input is the same.
    InputIs(bool),
    /// Any expression as a test: true, or equal to the input, or a list that has it.
    Test {
        body: Id,
        /// Says whether the expression itself asks for `?`, so only its truth counts.
        asks: bool,
    },
    AnyOf(Box<[Id]>),
    NotTest(Id),
    Sum(Id, Box<[(Sign, Id)]>),
    Product(Id, Box<[(Factor, Id)]>),
    Power(Id, Box<[Id]>),
    Negate(Id),
    Compare(Comparison, Id, Id),
    Between(Id, Id, Id),
    And(Box<[Id]>),
    Or(Box<[Id]>),
    If(Box<[(Id, Id)]>, Id),
    In(Id, Id),
    InstanceOf(Id, SmolStr),
    Quantified(Quantifier, Box<[Each]>, Id),
    For {
        each: Box<[Each]>,
        body: Id,
        partial: bool,
    },
    Call(&'static Builtin, Box<[Id]>),
    /// A function that a variable, an entry or a parameter holds.
    Invoke(Symbol, Arguments),
    Function(Box<[Symbol]>, Id),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sign {
    Plus,
    Minus,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Factor {
    Times,
    Over,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Quantifier {
    Some,
    Every,
}

/// One `name in domain` of a `for`, `some` or `every`.
#[derive(Debug)]
pub(crate) struct Each {
    pub(crate) name: Symbol,
    pub(crate) domain: Domain,
    /// Says whether the domain reads the names before it, so it is evaluated for each of their values.
    pub(crate) dependent: bool,
}

#[derive(Debug)]
pub(crate) enum Domain {
    Value(Id),
    Steps(Id, Id),
}

/// One `.name`, `[filter]` or `.name(arguments)` behind a value.
#[derive(Debug)]
pub(crate) enum Step {
    Key(SmolStr),
    Index(i64),
    Filter(Filter, Id),
    Call(SmolStr, Arguments),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Filter {
    /// A comparison or call: asked for each item.
    Each,
    /// Anything else: a number if it gives one outside of the items, else asked for each item.
    IndexOrEach,
}

#[derive(Debug)]
pub(crate) enum Arguments {
    Positional(Box<[Id]>),
    Named(Box<[(SmolStr, Id)]>),
}
