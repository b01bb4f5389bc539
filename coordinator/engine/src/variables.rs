//! Variables: what a scope knows, kept as JSON text until an expression asks for a value.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use smol_str::SmolStr;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// The deepest nesting of a JSON value that is accepted from outside.
pub const JSON_DEPTH_MAX: usize = 100;

/// The longest name of a variable, in bytes.
pub const NAME_BYTES_MAX: usize = 255;

/// The longest value of one variable, in bytes.
pub const VALUE_BYTES_MAX: usize = 4 * 1024 * 1024;

/// One JSON value as text. Cheap to clone: scopes, jobs and events share the text.
#[derive(Clone, PartialEq, Eq)]
pub struct Json(Arc<str>);

impl Json {
    /// Wraps text that is known to be one JSON value, such as what the FEEL crate writes.
    #[must_use]
    pub fn from_trusted(text: impl Into<Arc<str>>) -> Json {
        Json(text.into())
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The length of the text.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.0.len()
    }
}

impl fmt::Debug for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Json, D::Error> {
        // Borrowed where the format can lend it: a checkpoint or an event is read without a second copy.
        struct Text;
        impl serde::de::Visitor<'_> for Text {
            type Value = Json;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("JSON text")
            }
            fn visit_str<E>(self, text: &str) -> Result<Json, E> {
                Ok(Json(Arc::from(text)))
            }
        }
        deserializer.deserialize_str(Text)
    }
}

/// Why a text from outside is not a set of variables.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VariablesError {
    /// The text is not JSON.
    #[error("variables are not valid JSON: {0}")]
    Syntax(String),
    /// The text is JSON, and not an object.
    #[error("variables are not a JSON object: expected {{\"name\": value, …}}, found {0}")]
    NotAnObject(&'static str),
    /// A value is nested too deeply.
    #[error("variables are nested deeper than {JSON_DEPTH_MAX} levels: send a flatter document")]
    TooDeep,
    /// A value is too long.
    #[error(
        "the value of variable '{0}' has {1} bytes, the limit is {VALUE_BYTES_MAX}: keep large documents outside and pass a reference"
    )]
    TooLarge(SmolStr, usize),
    /// A name is empty or too long.
    #[error("a variable's name has {0} bytes: expected 1 to {NAME_BYTES_MAX}")]
    Name(usize),
}

/// The variables of one scope or of one message, ordered by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Variables(Vec<(SmolStr, Json)>);

impl Variables {
    /// No variables.
    #[must_use]
    pub const fn new() -> Variables {
        Variables(Vec::new())
    }

    /// Reads a JSON object. Blank text means no variables.
    ///
    /// # Errors
    /// Says what is wrong with the text: not JSON, not an object, too deep, a name of the wrong length.
    pub fn from_json(text: &str) -> Result<Variables, VariablesError> {
        let trimmed = text.trim_start();
        if trimmed.is_empty() {
            return Ok(Variables::new());
        }
        check_depth(trimmed)?;
        if !trimmed.starts_with('{') {
            let _any: serde::de::IgnoredAny =
                serde_json::from_str(trimmed).map_err(|e| VariablesError::Syntax(e.to_string()))?;
            return Err(VariablesError::NotAnObject(kind_of(trimmed)));
        }
        let entries: BTreeMap<SmolStr, &serde_json::value::RawValue> =
            serde_json::from_str(trimmed).map_err(|e| VariablesError::Syntax(e.to_string()))?;
        if let Some(name) = entries
            .keys()
            .find(|name| name.is_empty() || name.len() > NAME_BYTES_MAX)
        {
            return Err(VariablesError::Name(name.len()));
        }
        if let Some((name, value)) = entries
            .iter()
            .find(|(_, value)| value.get().len() > VALUE_BYTES_MAX)
        {
            return Err(VariablesError::TooLarge(name.clone(), value.get().len()));
        }
        Ok(Variables(
            entries
                .into_iter()
                .map(|(name, value)| (name, Json(Arc::from(value.get()))))
                .collect(),
        ))
    }

    /// Finds a value by name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Json> {
        self.position(name).ok().map(|at| &self.0[at].1)
    }

    /// Sets a value, in place of an older one of that name.
    pub fn set(&mut self, name: SmolStr, value: Json) {
        match self.position(&name) {
            Ok(at) => self.0[at].1 = value,
            Err(at) => self.0.insert(at, (name, value)),
        }
    }

    /// Sets all values of `others`.
    pub fn merge(&mut self, others: &Variables) {
        if self.0.is_empty() {
            self.0.clone_from(&others.0);
            return;
        }
        for (name, value) in &others.0 {
            self.set(name.clone(), value.clone());
        }
    }

    /// Removes a value and returns it.
    pub fn remove(&mut self, name: &str) -> Option<Json> {
        self.position(name).ok().map(|at| self.0.remove(at).1)
    }

    /// All variables in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&SmolStr, &Json)> {
        self.0.iter().map(|(name, value)| (name, value))
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The bytes of all names and values.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.0
            .iter()
            .map(|(name, value)| name.len() + value.0.len())
            .sum()
    }

    /// Writes the variables as one JSON object.
    pub fn write_json(&self, out: &mut String) {
        out.push('{');
        for (at, (name, value)) in self.0.iter().enumerate() {
            if at > 0 {
                out.push(',');
            }
            write_name(name, out);
            out.push(':');
            out.push_str(&value.0);
        }
        out.push('}');
    }

    /// The variables as one JSON object.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut out = String::with_capacity(self.bytes() + 4 * self.0.len() + 2);
        self.write_json(&mut out);
        out
    }

    fn position(&self, name: &str) -> Result<usize, usize> {
        self.0.binary_search_by(|(have, _)| have.as_str().cmp(name))
    }
}

impl FromIterator<(SmolStr, Json)> for Variables {
    fn from_iter<I: IntoIterator<Item = (SmolStr, Json)>>(entries: I) -> Variables {
        let mut variables = Variables::new();
        for (name, value) in entries {
            variables.set(name, value);
        }
        variables
    }
}

fn write_name(name: &str, out: &mut String) {
    let plain = name.bytes().all(|b| b >= 0x20 && b != b'"' && b != b'\\');
    if plain {
        out.push('"');
        out.push_str(name);
        out.push('"');
    } else {
        out.push_str(&serde_json::Value::from(name).to_string());
    }
}

fn kind_of(text: &str) -> &'static str {
    match text.as_bytes().first() {
        Some(b'[') => "an array",
        Some(b'"') => "a string",
        Some(b't' | b'f') => "a boolean",
        Some(b'n') => "null",
        _ => "a number",
    }
}

/// Refuses text that is nested too deeply before a recursive reader sees it.
fn check_depth(text: &str) -> Result<(), VariablesError> {
    let (mut depth, mut in_string, mut escaped) = (0usize, false, false);
    for byte in text.bytes() {
        if in_string {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_string = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => in_string = true,
            b'{' | b'[' => {
                depth += 1;
                if depth > JSON_DEPTH_MAX {
                    return Err(VariablesError::TooDeep);
                }
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_split_by_name_and_written_back() {
        let variables =
            Variables::from_json(r#" {"b": [1, {"x": null}], "a": "q\"uote"} "#).unwrap();
        assert_eq!(variables.get("b").unwrap().as_str(), r#"[1, {"x": null}]"#);
        assert_eq!(
            variables.to_json(),
            r#"{"a":"q\"uote","b":[1, {"x": null}]}"#
        );
    }

    #[test]
    fn what_is_not_an_object_is_refused_with_what_was_found() {
        assert_eq!(
            Variables::from_json("[1]"),
            Err(VariablesError::NotAnObject("an array"))
        );
        assert!(matches!(
            Variables::from_json("{"),
            Err(VariablesError::Syntax(_))
        ));
        assert!(matches!(
            Variables::from_json("nonsense"),
            Err(VariablesError::Syntax(_))
        ));
        assert_eq!(
            Variables::from_json(&"[".repeat(101)),
            Err(VariablesError::TooDeep)
        );
        assert_eq!(
            Variables::from_json(r#"{"":1}"#),
            Err(VariablesError::Name(0))
        );
    }

    #[test]
    fn the_last_of_two_equal_names_counts() {
        assert_eq!(
            Variables::from_json(r#"{"a":1,"a":2}"#).unwrap().to_json(),
            r#"{"a":2}"#
        );
    }

    #[test]
    fn merging_replaces_and_adds() {
        let mut left = Variables::from_json(r#"{"a":1,"b":2}"#).unwrap();
        left.merge(&Variables::from_json(r#"{"b":3,"c":4}"#).unwrap());
        assert_eq!(left.to_json(), r#"{"a":1,"b":3,"c":4}"#);
    }
}
