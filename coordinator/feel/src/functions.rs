//! Functions: the table of built-in functions, found by name when an expression is parsed.

pub(crate) mod base64;
mod boolean;
mod connector;
mod context;
mod conversion;
mod list;
mod numeric;
mod range;
mod regex;
mod statistics;
mod string;
pub(crate) mod temporal;

use crate::EvaluationError;
use crate::eval::Machine;
use crate::value::Value;

/// What a built-in function gives.
pub(crate) type Outcome = Result<Value, Fault>;

/// Why a built-in function gives nothing.
pub(crate) enum Fault {
    /// The arguments have the wrong types.
    Illegal,
    /// The arguments have a wrong value, for a reason.
    Refused(String),
    /// The whole evaluation ends.
    Stop(EvaluationError),
}

impl From<EvaluationError> for Fault {
    fn from(error: EvaluationError) -> Fault {
        Fault::Stop(error)
    }
}

pub(crate) fn refused<T>(reason: impl Into<String>) -> Result<T, Fault> {
    Err(Fault::Refused(reason.into()))
}

type Run = fn(&mut Machine<'_>, &[Value]) -> Outcome;

/// One way to call a function.
#[derive(Debug)]
pub(crate) struct Signature {
    parameters: &'static [&'static str],
    required: usize,
    variadic: bool,
}

/// A function of the language.
pub(crate) struct Builtin {
    pub(crate) name: &'static str,
    signatures: &'static [Signature],
    pub(crate) run: Run,
}

impl std::fmt::Debug for Builtin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Builtin({})", self.name)
    }
}

impl Builtin {
    /// Says whether so many arguments can be given.
    pub(crate) fn takes(&self, count: usize) -> bool {
        self.signatures.iter().any(|signature| {
            count >= signature.required
                && (count <= signature.parameters.len() || signature.variadic)
        })
    }

    /// Which of the given names stands at each place; a place without one is null.
    pub(crate) fn order(&self, names: &[&str]) -> Option<Vec<Option<usize>>> {
        let signature = self
            .signatures
            .iter()
            .find(|signature| names.iter().all(|name| signature.parameters.contains(name)))?;
        let mut order: Vec<Option<usize>> = signature
            .parameters
            .iter()
            .map(|parameter| names.iter().position(|name| name == parameter))
            .collect();
        while order.len() > signature.required && order.last() == Some(&None) {
            order.pop();
        }
        Some(order)
    }

    /// How it is called, for messages.
    pub(crate) fn usage(&self) -> String {
        let all: Vec<String> = self
            .signatures
            .iter()
            .map(|signature| {
                format!(
                    "({}{})",
                    signature.parameters.join(", "),
                    if signature.variadic { ", …" } else { "" }
                )
            })
            .collect();
        all.join(" or ")
    }
}

/// Shortens the tables of the modules below.
macro_rules! builtins {
    ($($name:literal $run:path : $(($($parameter:literal),* $(; $optional:literal)* $(, ..$rest:literal)?))|+ ,)*) => {
        pub(super) static FUNCTIONS: &[crate::functions::Builtin] = &[$(
            crate::functions::Builtin {
                name: $name,
                run: $run,
                signatures: &[$(crate::functions::Signature {
                    parameters: &[$($parameter,)* $($optional,)* $($rest,)?],
                    required: <[&str]>::len(&[$($parameter),*]),
                    variadic: false $(|| !$rest.is_empty())?,
                }),+],
            },
        )*];
    };
}
pub(crate) use builtins;

static MODULES: [&[Builtin]; 10] = [
    boolean::FUNCTIONS,
    connector::FUNCTIONS,
    context::FUNCTIONS,
    conversion::FUNCTIONS,
    list::FUNCTIONS,
    numeric::FUNCTIONS,
    range::FUNCTIONS,
    statistics::FUNCTIONS,
    string::FUNCTIONS,
    temporal::FUNCTIONS,
];

fn all() -> impl Iterator<Item = &'static Builtin> {
    MODULES.iter().flat_map(|module| module.iter())
}

/// The function of a name.
pub(crate) fn find(name: &str) -> Option<&'static Builtin> {
    all().find(|builtin| builtin.name == name)
}

/// The function whose name is nearest to a misspelt one.
pub(crate) fn similar(name: &str) -> Option<&'static str> {
    let flat = |name: &str| name.to_lowercase().replace([' ', '_', '-'], "");
    let wanted = flat(name);
    if wanted.len() > 40 {
        return None;
    }
    let near = |known: &'static str| (distance(&wanted, &flat(known)), known);
    let (distance, known) = all()
        .map(|builtin| near(builtin.name))
        .min_by_key(|(distance, _)| *distance)?;
    (distance * 4 <= wanted.len()).then_some(known)
}

fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

/// The items that a function of many arguments works on: the one list, or the arguments themselves.
pub(crate) fn items(arguments: &[Value]) -> &[Value] {
    match arguments {
        [Value::List(list)] => list.items(),
        arguments => arguments,
    }
}
