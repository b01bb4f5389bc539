//! What can be wrong with a model, and how much of one is read.

use std::fmt;

/// One thing that keeps a model from being used: where it is, why it is wrong and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// A stable word for programs, such as `unknown-reference`.
    pub code: &'static str,
    /// The id of the element concerned, where there is one.
    pub element: Option<String>,
    /// The line in the XML, from 1; 0 when the model was not read from XML.
    pub line: u32,
    /// The column in the XML, from 1, counted in characters; 0 when the model was not read from XML.
    pub column: u32,
    /// The cause.
    pub message: String,
    /// What to change.
    pub remedy: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line > 0 {
            write!(f, "{}:{}: ", self.line, self.column)?;
        }
        if let Some(element) = &self.element {
            write!(f, "{element}: ")?;
        }
        write!(f, "{} ({}) -> {}", self.message, self.code, self.remedy)
    }
}

impl std::error::Error for Problem {}

/// How much of a model is read before it is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The longest document in bytes.
    pub bytes_max: usize,
    /// The deepest nesting of XML elements.
    pub depth_max: usize,
    /// The most XML elements of any kind.
    pub elements_max: usize,
    /// The most problems that are listed; what follows is summed up in one line.
    pub problems_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        // 10 MiB is the largest model Camunda's tools produce in practice times ten; an element takes at least 4 bytes of XML,
        // so the count also bounds the memory that a document of the largest size can ask for.
        Limits {
            bytes_max: 10 * 1024 * 1024,
            depth_max: 256,
            elements_max: 200_000,
            problems_max: 100,
        }
    }
}
