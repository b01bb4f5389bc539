//! Lookup: how an expression sees variables, and what its value must be.

use crate::incident::{IncidentKind, Problem};
use crate::instance::Instance;
use crate::process::{Node, Value};
use crate::step::{At, Cx, scope_of};
use crate::variables::{Json, Variables};
use botswain_feel as feel;
use smol_str::SmolStr;

/// The most that one scope may hold, in bytes.
pub(crate) const SCOPE_BYTES_MAX: usize = 16 * 1024 * 1024;

/// The variables that a token sees: its own, then those of the scopes around it. What is laid over them is not set yet.
pub(crate) struct Lookup<'a> {
    instance: &'a Instance,
    at: At,
    over: &'a Variables,
}

impl<'a> Lookup<'a> {
    pub(crate) const fn new(instance: &'a Instance, at: At, over: &'a Variables) -> Lookup<'a> {
        Lookup { instance, at, over }
    }

    pub(crate) fn json(&self, name: &str) -> Option<&'a Json> {
        if let Some(json) = self.over.get(name) {
            return Some(json);
        }
        let mut at = Some(self.at);
        while let Some(here) = at {
            let token = self.instance.known(here.segment).known(here.token);
            if let Some(json) = token.variables().get(name) {
                return Some(json);
            }
            at = scope_of(self.instance, here);
        }
        None
    }
}

impl feel::Scope for Lookup<'_> {
    fn get(&self, name: &str) -> Option<feel::Value> {
        // A stored value is JSON, because it was checked at the door or written by an expression.
        self.json(name)
            .map(|json| feel::Value::from_json(json.as_str()).unwrap_or(feel::Value::Null))
    }
}

/// What an expression gave, with the reasons for a null.
pub(crate) struct Found {
    pub(crate) value: feel::Value,
    pub(crate) warnings: String,
}

impl Found {
    /// The value in words: its type, its text, and why it is null if it is.
    pub(crate) fn described(&self) -> String {
        let mut text = match &self.value {
            feel::Value::Null => "null".to_owned(),
            value => {
                let mut json = value.to_json();
                if json.len() > 80 {
                    let cut = (0..=80)
                        .rev()
                        .find(|at| json.is_char_boundary(*at))
                        .unwrap_or(0);
                    json.truncate(cut);
                    json.push('…');
                }
                format!("the {} {json}", value.type_name())
            }
        };
        if !self.warnings.is_empty() {
            text.push_str(" (");
            text.push_str(&self.warnings);
            text.push(')');
        }
        text
    }
}

impl Cx<'_> {
    /// Evaluates an expression for a token.
    pub(crate) fn evaluate(
        &self,
        at: At,
        over: &Variables,
        expression: &feel::Expression,
    ) -> Result<Found, String> {
        let env = feel::Env {
            now: self.now,
            seed: self.fresh_seed(),
            ..feel::Env::default()
        };
        let lookup = Lookup::new(self.instance(), at, over);
        let evaluation = expression.evaluate(&lookup, &env);
        let mut warnings = String::new();
        for warning in evaluation.warnings.iter().take(3) {
            if !warnings.is_empty() {
                warnings.push_str("; ");
            }
            warnings.push_str(&warning.to_string());
        }
        match evaluation.result {
            Ok(value) => Ok(Found { value, warnings }),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Evaluates an expression of an element; a failure names element, attribute, expression and remedy.
    pub(crate) fn evaluate_for(
        &self,
        kind: IncidentKind,
        at: At,
        over: &Variables,
        what: What<'_>,
        expression: &feel::Expression,
    ) -> Result<Found, Problem> {
        self.evaluate(at, over, expression).map_err(|error| {
            Problem::new(
                kind,
                format!("{} `={}` failed: {error}", what, expression.source()),
            )
        })
    }

    /// A text that the element needs.
    pub(crate) fn text(
        &self,
        at: At,
        over: &Variables,
        what: What<'_>,
        value: &Value,
    ) -> Result<SmolStr, Problem> {
        let expression = match value {
            Value::Literal(text) => return Ok(text.clone()),
            Value::Feel(expression) => expression,
        };
        let found =
            self.evaluate_for(IncidentKind::ExtractValueError, at, over, what, expression)?;
        match &found.value {
            feel::Value::String(text) => Ok(text.clone()),
            feel::Value::Date(_)
            | feel::Value::Time(_)
            | feel::Value::DateTime(_)
            | feel::Value::DayTimeDuration(_)
            | feel::Value::YearMonthDuration(_) => {
                Ok(SmolStr::from(found.value.to_json().trim_matches('"')))
            }
            _ => Err(expected("a string", what, expression, &found)),
        }
    }

    /// A text, or a number as its text: what a correlation key may be.
    pub(crate) fn key_text(
        &self,
        at: At,
        over: &Variables,
        what: What<'_>,
        expression: &feel::Expression,
    ) -> Result<SmolStr, Problem> {
        let found =
            self.evaluate_for(IncidentKind::ExtractValueError, at, over, what, expression)?;
        match &found.value {
            feel::Value::String(text) => Ok(text.clone()),
            feel::Value::Number(_) => Ok(SmolStr::from(found.value.to_json())),
            _ => Err(expected("a string or a number", what, expression, &found)),
        }
    }

    /// A whole number that the element needs.
    pub(crate) fn integer(
        &self,
        at: At,
        over: &Variables,
        what: What<'_>,
        value: &Value,
    ) -> Result<i64, Problem> {
        let (text, shown) = match value {
            Value::Literal(text) => (text.to_string(), format!("`{text}`")),
            Value::Feel(expression) => {
                let found =
                    self.evaluate_for(IncidentKind::ExtractValueError, at, over, what, expression)?;
                let described = found.described();
                (
                    found.value.to_json(),
                    format!("`={}`, found {described}", expression.source()),
                )
            }
        };
        text.trim().parse().map_err(|_| {
            let message = format!(
                "{what} expects a whole number: {shown}; correct the variable or the model"
            );
            Problem::new(IncidentKind::ExtractValueError, message)
        })
    }

    /// Texts that the element needs: a list, or one text with commas.
    pub(crate) fn texts(
        &self,
        at: At,
        over: &Variables,
        what: What<'_>,
        value: &Value,
    ) -> Result<Vec<SmolStr>, Problem> {
        let split = |text: &str| {
            text.split(',')
                .map(str::trim)
                .filter(|t| !t.is_empty())
                .map(SmolStr::from)
                .collect()
        };
        let expression = match value {
            Value::Literal(text) => return Ok(split(text)),
            Value::Feel(expression) => expression,
        };
        let found =
            self.evaluate_for(IncidentKind::ExtractValueError, at, over, what, expression)?;
        let wrong = || expected("a list of strings", what, expression, &found);
        match &found.value {
            feel::Value::String(text) => Ok(split(text.as_str())),
            feel::Value::List(items) => items
                .items()
                .iter()
                .map(|item| match item {
                    feel::Value::String(text) => Ok(text.clone()),
                    _ => Err(wrong()),
                })
                .collect(),
            _ => Err(wrong()),
        }
    }

    /// Whether a condition holds.
    pub(crate) fn condition(
        &self,
        at: At,
        over: &Variables,
        what: What<'_>,
        expression: &feel::Expression,
    ) -> Result<bool, Problem> {
        let found = self.evaluate_for(IncidentKind::ConditionError, at, over, what, expression)?;
        match found.value {
            feel::Value::Bool(holds) => Ok(holds),
            _ => Err(Problem {
                kind: IncidentKind::ConditionError,
                ..expected("a boolean", what, expression, &found)
            }),
        }
    }
}

/// What of which element an expression belongs to, for people.
#[derive(Clone, Copy)]
pub(crate) struct What<'a> {
    /// `the job type`, `the condition`, ….
    pub(crate) part: &'a str,
    /// The element.
    pub(crate) id: &'a SmolStr,
}

impl<'a> What<'a> {
    pub(crate) const fn of(part: &'a str, node: &'a Node) -> What<'a> {
        What { part, id: &node.id }
    }
}

impl std::fmt::Display for What<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} of '{}'", self.part, self.id)
    }
}

fn expected(kind: &str, what: What<'_>, expression: &feel::Expression, found: &Found) -> Problem {
    let message = format!(
        "{what} expects {kind}: `={}` gave {}; correct the variables, then resolve the incident",
        expression.source(),
        found.described()
    );
    Problem::new(IncidentKind::ExtractValueError, message)
}
