//! Conversion: texts of the model become values and compiled expressions; what cannot is noted with its place.

use crate::process::{Mapping, Value};
use botswain_bpmn::{self as bpmn, Position, Problem, Text};
use botswain_feel::Expression;
use smol_str::SmolStr;

/// Where problems of one process are gathered.
pub(super) struct Notes {
    pub(super) problems: Vec<Problem>,
}

/// The element that is being converted.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) id: &'a str,
    pub(super) at: Position,
}

impl<'a> Place<'a> {
    pub(super) fn of(element: &'a bpmn::Element) -> Place<'a> {
        Place {
            id: &element.id,
            at: element.at,
        }
    }
}

impl Notes {
    pub(super) fn note(
        &mut self,
        place: Place<'_>,
        code: &'static str,
        message: impl Into<String>,
        remedy: &str,
    ) {
        self.problems.push(Problem {
            code,
            element: Some(place.id.to_owned()),
            line: place.at.line,
            column: place.at.column,
            message: message.into(),
            remedy: remedy.to_owned(),
        });
    }

    pub(super) fn unsupported(&mut self, place: Place<'_>, what: &str, remedy: &str) {
        self.note(
            place,
            "unsupported-element",
            format!("{what} is currently not supported"),
            remedy,
        );
    }

    /// An expression; the text of the problem names the column inside it.
    pub(super) fn feel(
        &mut self,
        place: Place<'_>,
        what: &str,
        source: &str,
    ) -> Option<Expression> {
        match Expression::parse(source) {
            Ok(expression) => Some(expression),
            Err(error) => {
                let (line, column) = (error.line, error.column);
                let message = format!(
                    "failed to parse {what} `={source}`, line {line}, column {column}: {}",
                    error.message
                );
                self.note(place, "feel-syntax", message, "correct the expression");
                None
            }
        }
    }

    /// A fixed text or an expression.
    pub(super) fn value(&mut self, place: Place<'_>, what: &str, text: &Text) -> Option<Value> {
        match text {
            Text::Literal(text) => Some(Value::Literal(SmolStr::from(text.as_str()))),
            Text::Feel(source) => self.feel(place, what, source).map(Value::Feel),
        }
    }

    /// A value that may be absent; an empty text counts as absent.
    pub(super) fn optional(
        &mut self,
        place: Place<'_>,
        what: &str,
        text: Option<&Text>,
    ) -> Option<Value> {
        text.filter(|text| !text.is_empty())
            .and_then(|text| self.value(place, what, text))
    }

    /// An expression where a fixed text makes no sense.
    pub(super) fn expression(
        &mut self,
        place: Place<'_>,
        what: &str,
        text: &Text,
    ) -> Option<Expression> {
        match text {
            Text::Feel(source) => self.feel(place, what, source),
            Text::Literal(found) => {
                let message = format!(
                    "expected expression but found static value '{found}' for {what}: an expression must start with '=' \
                     (e.g. '={found}')"
                );
                self.note(
                    place,
                    "expected-expression",
                    message,
                    "put '=' in front of the expression",
                );
                None
            }
        }
    }

    /// Variable mappings.
    pub(super) fn mappings(
        &mut self,
        place: Place<'_>,
        kind: &str,
        mappings: &[bpmn::Mapping],
    ) -> Box<[Mapping]> {
        let mut converted = Vec::with_capacity(mappings.len());
        for mapping in mappings {
            let place = Place {
                id: place.id,
                at: mapping.at,
            };
            let target: Vec<SmolStr> = mapping
                .target
                .split('.')
                .map(|name| SmolStr::from(name.trim()))
                .collect();
            if target.iter().any(|name| name.is_empty()) {
                let message = format!(
                    "the target '{}' of an {kind} mapping is not a variable path",
                    mapping.target
                );
                self.note(
                    place,
                    "invalid-target",
                    message,
                    "name a variable, or a path such as customer.address",
                );
                continue;
            }
            let what = format!("the source of the {kind} mapping to '{}'", mapping.target);
            if let Some(source) = self.value(place, &what, &mapping.source) {
                converted.push(Mapping {
                    source,
                    target: target.into(),
                });
            }
        }
        converted.into_boxed_slice()
    }
}
