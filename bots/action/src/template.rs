//! Template: how a step's text takes values from the attempt's input and from earlier steps.
//!
//! `{{customer.name}}` reads the input, `{{steps.print.stdout}}` the result of the step `print`, `{{secrets.crm}}` a secret
//! that was given for this attempt, `{{attempt.folder}}` the attempt's own folder. `{{customer.title?}}` is empty where the
//! value is absent. Numbers in a path index lists. `steps`, `secrets` and `attempt` are therefore no names for inputs.

use std::borrow::Cow;
use std::fmt;

use serde::de::{self, Deserialize, Deserializer};
use serde::ser::{Serialize, Serializer};
use serde_json::Value;

use crate::{Object, Secrets};

/// The longest template text, in bytes: a step is written by a person.
pub const SOURCE_BYTES_MAX: usize = 64 * 1024;
/// The longest rendered text, in bytes: what is typed or sent to a program stays bounded whatever the input holds.
pub const RENDERED_BYTES_MAX: usize = 4 * 1024 * 1024;
const PLACES_MAX: usize = 256;
const SEGMENTS_MAX: usize = 16;

/// Why a template cannot be read or filled in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// The text is too long to be a template.
    #[error(
        "template is {bytes} bytes long, {SOURCE_BYTES_MAX} are allowed; move long texts into the input"
    )]
    TooLong {
        /// How long it is.
        bytes: usize,
    },
    /// A place was opened and not closed.
    #[error("template `{near}` opens `{{{{` at byte {at} without `}}}}`")]
    NotClosed {
        /// The text from the opening on, shortened.
        near: String,
        /// Where it opens.
        at: usize,
    },
    /// The text between the braces is no path.
    #[error(
        "`{{{{{path}}}}}` is no path; write names joined by dots, such as `{{{{customer.name}}}}`"
    )]
    NoPath {
        /// The text between the braces.
        path: String,
    },
    /// There are too many places.
    #[error("template has more than {PLACES_MAX} places; split it into several steps")]
    TooManyPlaces,
    /// The value is absent.
    #[error("no value at `{path}`; give it, or write `{{{{{path}?}}}}` where it may be absent")]
    Absent {
        /// The path that was looked up.
        path: String,
    },
    /// The rendered text is too long.
    #[error(
        "rendered text would exceed {RENDERED_BYTES_MAX} bytes at `{path}`; pass large contents as a file"
    )]
    RenderedTooLong {
        /// The path whose value did not fit.
        path: String,
    },
}

/// The values a template may read: rooms that cannot be mistaken for one another.
#[derive(Debug, Clone, Copy)]
pub struct Scope<'a> {
    /// The attempt's input.
    pub input: &'a Object,
    /// Results of the steps that ran before, by step id.
    pub steps: &'a Object,
    /// Secrets given for this attempt.
    pub secrets: &'a Secrets,
    /// What `{{attempt.folder}}` stands for.
    pub folder: &'a str,
}

impl<'a> Scope<'a> {
    fn look_up(&self, segments: &[String]) -> Option<Cow<'a, Value>> {
        let (first, rest) = segments.split_first()?;
        let (mut value, rest) = match first.as_str() {
            "secrets" => return text(self.secrets.get(only(rest)?)?),
            "attempt" => return (only(rest)? == "folder").then(|| text(self.folder))?,
            "steps" => (self.steps.get(rest.first()?)?, &rest[1..]),
            name => (self.input.get(name)?, rest),
        };
        for segment in rest {
            value = match value {
                Value::Object(map) => map.get(segment)?,
                Value::Array(list) => list.get(segment.parse::<usize>().ok()?)?,
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => return None,
            };
        }
        (!value.is_null()).then_some(Cow::Borrowed(value))
    }
}

fn only(rest: &[String]) -> Option<&str> {
    match rest {
        [name] => Some(name),
        _ => None,
    }
}

fn text<'a>(text: &str) -> Option<Cow<'a, Value>> {
    Some(Cow::Owned(Value::String(text.to_owned())))
}

/// A text with places for values; parsed once, filled in per attempt.
#[derive(Clone, PartialEq, Eq)]
pub struct Template {
    source: String,
    parts: Vec<Part>,
}

#[derive(Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Place {
        segments: Vec<String>,
        optional: bool,
    },
}

impl Template {
    /// Parses a template.
    pub fn parse(source: &str) -> Result<Template, TemplateError> {
        if source.len() > SOURCE_BYTES_MAX {
            return Err(TemplateError::TooLong {
                bytes: source.len(),
            });
        }
        let mut parts = Vec::new();
        let mut rest = source;
        let mut places = 0;
        while let Some(open) = rest.find("{{") {
            let at = source.len() - rest.len() + open;
            if open > 0 {
                parts.push(Part::Text(rest[..open].to_owned()));
            }
            let inside = &rest[open + 2..];
            let close = inside.find("}}").ok_or_else(|| TemplateError::NotClosed {
                near: shorten(&rest[open..]),
                at,
            })?;
            parts.push(place(&inside[..close])?);
            places += 1;
            if places > PLACES_MAX {
                return Err(TemplateError::TooManyPlaces);
            }
            rest = &inside[close + 2..];
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.to_owned()));
        }
        Ok(Template {
            source: source.to_owned(),
            parts,
        })
    }

    /// Renders the text with the values of the scope.
    pub fn render(&self, scope: &Scope<'_>) -> Result<String, TemplateError> {
        let mut text = String::new();
        for part in &self.parts {
            match part {
                Part::Text(fixed) => text.push_str(fixed),
                Part::Place { segments, optional } => {
                    match (scope.look_up(segments).as_deref(), optional) {
                        (Some(Value::String(value)), _) => text.push_str(value),
                        (Some(value), _) => text.push_str(&value.to_string()),
                        (None, true) => {}
                        (None, false) => {
                            return Err(TemplateError::Absent {
                                path: segments.join("."),
                            });
                        }
                    }
                }
            }
            if text.len() > RENDERED_BYTES_MAX {
                let path = match part {
                    Part::Text(_) => String::new(),
                    Part::Place { segments, .. } => segments.join("."),
                };
                return Err(TemplateError::RenderedTooLong { path });
            }
        }
        Ok(text)
    }

    /// Gives the value itself where the template is one place and nothing else, so that numbers and objects keep their type;
    /// the rendered text otherwise.
    pub fn value(&self, scope: &Scope<'_>) -> Result<Value, TemplateError> {
        match self.parts.as_slice() {
            [Part::Place { segments, optional }] => match (scope.look_up(segments), optional) {
                (Some(value), _) => Ok(value.into_owned()),
                (None, true) => Ok(Value::Null),
                (None, false) => Err(TemplateError::Absent {
                    path: segments.join("."),
                }),
            },
            _ => self.render(scope).map(Value::String),
        }
    }

    /// Tells the paths the template reads.
    pub fn paths(&self) -> impl Iterator<Item = &[String]> {
        self.parts.iter().filter_map(|part| match part {
            Part::Text(_) => None,
            Part::Place { segments, .. } => Some(segments.as_slice()),
        })
    }

    /// True when the template reads from the room `steps`, `secrets` or `attempt`.
    pub fn reads(&self, room: &str) -> bool {
        self.paths()
            .any(|path| path.first().is_some_and(|first| first == room))
    }

    /// Gives the text where the template has no places: a fixed program path can be shown to the policy before an attempt runs.
    pub fn fixed(&self) -> Option<&str> {
        self.parts
            .iter()
            .all(|part| matches!(part, Part::Text(_)))
            .then_some(self.source.as_str())
    }

    /// Gives the template as it was written.
    pub fn source(&self) -> &str {
        &self.source
    }
}

fn place(inside: &str) -> Result<Part, TemplateError> {
    let written = inside.trim();
    let (path, optional) = match written.strip_suffix('?') {
        Some(path) => (path, true),
        None => (written, false),
    };
    let segments: Vec<String> = path.split('.').map(str::to_owned).collect();
    let named = |segment: &String| {
        !segment.is_empty()
            && !segment.contains(|c: char| c.is_whitespace() || c.is_control() || "{}?".contains(c))
    };
    if segments.len() > SEGMENTS_MAX || !segments.iter().all(named) {
        return Err(TemplateError::NoPath {
            path: shorten(inside),
        });
    }
    Ok(Part::Place { segments, optional })
}

fn shorten(text: &str) -> String {
    match text.char_indices().nth(40) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Template({:?})", self.source)
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.source)
    }
}

impl<'de> Deserialize<'de> for Template {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let source = String::deserialize(deserializer)?;
        Template::parse(&source).map_err(de::Error::custom)
    }
}

impl Serialize for Template {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.source)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(value: Value) -> Object {
        value.as_object().cloned().unwrap()
    }

    fn rendered(template: &str) -> Result<String, String> {
        let input = object(
            json!({"customer": {"name": "Änne", "tags": ["new", "vip"], "age": 41, "none": null}}),
        );
        let steps = object(json!({"print": {"stdout": "job 7"}}));
        let secrets = Secrets::from_iter([("crm", "hush")]);
        let scope = Scope {
            input: &input,
            steps: &steps,
            secrets: &secrets,
            folder: "/a/b",
        };
        Template::parse(template)
            .and_then(|template| template.render(&scope))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn a_place_takes_values_from_input_steps_and_secrets() {
        assert_eq!(
            rendered("Dear {{ customer.name }}, {{customer.age}}").as_deref(),
            Ok("Dear Änne, 41")
        );
        assert_eq!(
            rendered("{{customer.tags.1}}/{{steps.print.stdout}}/{{secrets.crm}}").as_deref(),
            Ok("vip/job 7/hush")
        );
        assert_eq!(
            rendered("{{attempt.folder}}/letter.txt").as_deref(),
            Ok("/a/b/letter.txt")
        );
        assert_eq!(
            rendered("no place } here").as_deref(),
            Ok("no place } here")
        );
    }

    #[test]
    fn an_absent_value_is_an_error_unless_it_may_be_absent() {
        assert_eq!(
            rendered("{{customer.title}}"),
            Err("no value at `customer.title`; give it, or write `{{customer.title?}}` where it may be absent".to_owned())
        );
        assert_eq!(
            rendered("[{{customer.title?}}{{customer.none?}}]").as_deref(),
            Ok("[]")
        );
        assert_eq!(
            rendered("{{customer.tags.9?}}{{customer.name.deeper?}}").as_deref(),
            Ok("")
        );
    }

    #[test]
    fn a_single_place_keeps_the_type_of_its_value() {
        let input = object(json!({"count": 3, "list": [1, 2]}));
        let (steps, secrets) = (Object::new(), Secrets::default());
        let scope = Scope {
            input: &input,
            steps: &steps,
            secrets: &secrets,
            folder: "",
        };
        let value = |text: &str| Template::parse(text).and_then(|template| template.value(&scope));
        assert_eq!(value("{{count}}"), Ok(json!(3)));
        assert_eq!(value("{{list}}"), Ok(json!([1, 2])));
        assert_eq!(value("n={{count}}"), Ok(json!("n=3")));
    }

    #[test]
    fn wrong_templates_are_refused_with_the_place() {
        assert_eq!(
            rendered("ab {{customer"),
            Err("template `{{customer` opens `{{` at byte 3 without `}}`".to_owned())
        );
        for wrong in ["{{}}", "{{a..b}}", "{{a b}}", "{{ ? }}", "{{.}}"] {
            assert!(
                rendered(wrong).unwrap_err().contains("is no path"),
                "{wrong}"
            );
        }
        assert!(Template::parse(&"x".repeat(SOURCE_BYTES_MAX + 1)).is_err());
        assert!(Template::parse(&"{{a}}".repeat(PLACES_MAX + 1)).is_err());
    }
}
