//! Keys: one table of the manifest, taken key by key, so that every problem is named and nothing unknown is left.

use serde_json::Value;

use super::{MANIFEST, Problems};

const NAME_BYTES_MAX: usize = 100;
const LIST_MAX: usize = 100;
const SCHEMA_DEPTH_MAX: usize = 32;
const SECONDS_MAX: i64 = 86_400;

/// A table whose keys are taken one by one; what is left at the end is unknown.
pub(super) struct Keys<'p> {
    pub(super) table: toml::Table,
    pub(super) place: String,
    pub(super) problems: &'p mut Problems,
}

impl Keys<'_> {
    fn key(&self, key: &str) -> String {
        format!("{}{key}", self.place)
    }

    fn wrong(&mut self, key: &str, message: impl Into<String>, remedy: impl Into<String>) {
        let place = self.key(key);
        self.problems.add(MANIFEST, &place, message, remedy);
    }

    fn missing(&mut self, key: &str, remedy: &str) {
        self.wrong(key, "the key is missing", remedy);
    }

    pub(super) fn text(&mut self, key: &str) -> Option<String> {
        match self.table.remove(key) {
            Some(toml::Value::String(text)) if !text.trim().is_empty() => Some(text),
            Some(toml::Value::String(_)) => {
                self.wrong(key, "the text is empty", "write what it is");
                None
            }
            Some(other) => {
                let message = format!("{} found, a text expected", kind(&other));
                self.wrong(key, message, "write it in quotes");
                None
            }
            None => {
                self.missing(key, "add it, as a text in quotes");
                None
            }
        }
    }

    pub(super) fn text_or(&mut self, key: &str, default: &str) -> String {
        if self.table.contains_key(key) {
            self.text(key).unwrap_or_default()
        } else {
            default.to_owned()
        }
    }

    pub(super) fn name(&mut self, key: &str) -> Option<String> {
        let name = self.text(key)?;
        let plain = name.bytes().all(|byte| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-".contains(&byte)
        });
        let begins = name.as_bytes()[0].is_ascii_lowercase();
        if plain && begins && name.len() <= NAME_BYTES_MAX {
            return Some(name);
        }
        self.wrong(
            key,
            format!("{name:?} is not a bot's name"),
            format!(
                "use up to {NAME_BYTES_MAX} small letters, digits, '.', '_' and '-', a letter first"
            ),
        );
        None
    }

    pub(super) fn version(&mut self) -> Option<String> {
        let version = match self.table.remove("version") {
            Some(toml::Value::Integer(number)) => number.to_string(),
            Some(toml::Value::String(text)) => text,
            Some(other) => {
                let message = format!("{} found, a number or text expected", kind(&other));
                self.wrong(
                    "version",
                    message,
                    "write version = 1 or version = \"1.2.0\"",
                );
                return None;
            }
            None => {
                self.missing("version", "write version = 1 or version = \"1.2.0\"");
                return None;
            }
        };
        let plain = version
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b".-".contains(&byte));
        if plain && version.len() <= 64 && version.starts_with(|first: char| first.is_ascii_digit())
        {
            return Some(version);
        }
        self.wrong(
            "version",
            format!("{version:?} is not a version"),
            "write version = 1 or version = \"1.2.0\"",
        );
        None
    }

    pub(super) fn word(&mut self, key: &str, words: &[&str]) -> Option<usize> {
        let remedy = format!("use one of: {}", words.join(", "));
        if !self.table.contains_key(key) {
            self.missing(key, &remedy);
            return None;
        }
        let found = self.text(key)?;
        let index = words.iter().position(|word| *word == found);
        if index.is_none() {
            self.wrong(key, format!("{found:?} is not known"), remedy);
        }
        index
    }

    fn list(&mut self, key: &str) -> Vec<toml::Value> {
        match self.table.remove(key) {
            None => Vec::new(),
            Some(toml::Value::Array(items)) if items.len() <= LIST_MAX => items,
            Some(toml::Value::Array(items)) => {
                let message = format!("{} entries, at most {LIST_MAX} are allowed", items.len());
                self.wrong(key, message, "shorten the list");
                Vec::new()
            }
            Some(other) => {
                let message = format!("{} found, a list expected", kind(&other));
                self.wrong(key, message, "write it in square brackets");
                Vec::new()
            }
        }
    }

    pub(super) fn texts(&mut self, key: &str) -> Vec<String> {
        let mut texts = Vec::new();
        for item in self.list(key) {
            match item {
                toml::Value::String(text) => texts.push(text),
                other => {
                    let message = format!("{} found, only texts expected", kind(&other));
                    self.wrong(key, message, "write each entry in quotes");
                }
            }
        }
        texts
    }

    pub(super) fn tables<T>(&mut self, key: &str, read: fn(&mut Keys<'_>) -> Option<T>) -> Vec<T> {
        let mut found = Vec::new();
        for (index, item) in self.list(key).into_iter().enumerate() {
            match item {
                toml::Value::Table(table) => {
                    let mut keys = Keys {
                        table,
                        place: format!("{}[{index}].", self.key(key)),
                        problems: self.problems,
                    };
                    found.extend(read(&mut keys));
                    keys.refuse_rest();
                }
                other => {
                    let message = format!("{} found, only tables expected", kind(&other));
                    self.wrong(key, message, "write each entry in curly brackets");
                }
            }
        }
        found
    }

    pub(super) fn flag(&mut self, key: &str) -> bool {
        match self.table.remove(key) {
            None => false,
            Some(toml::Value::Boolean(flag)) => flag,
            Some(other) => {
                let message = format!("{} found, true or false expected", kind(&other));
                self.wrong(key, message, "write true or false");
                false
            }
        }
    }

    pub(super) fn seconds(&mut self, key: &str, default: u64) -> u64 {
        match self.table.remove(key) {
            None => default,
            Some(toml::Value::Integer(seconds @ 1..=SECONDS_MAX)) => seconds.unsigned_abs(),
            Some(_) => {
                self.wrong(
                    key,
                    format!("not a whole number from 1 to {SECONDS_MAX}"),
                    "give the limit in seconds",
                );
                default
            }
        }
    }

    pub(super) fn table(&mut self, key: &str) -> Option<Keys<'_>> {
        match self.table.remove(key)? {
            toml::Value::Table(table) => Some(Keys {
                table,
                place: format!("{}{key}.", self.place),
                problems: self.problems,
            }),
            other => {
                let message = format!("{} found, a table expected", kind(&other));
                self.wrong(key, message, format!("write it as [{key}]"));
                None
            }
        }
    }

    pub(super) fn schema(&mut self, key: &str) -> Option<Value> {
        let Some(found) = self.table.remove(key) else {
            self.missing(
                key,
                "describe the object as JSON Schema, at least type = \"object\"",
            );
            return None;
        };
        match json(&found, 0) {
            Ok(schema) if schema.get("type").and_then(Value::as_str) == Some("object") => {
                Some(schema)
            }
            Ok(_) => {
                self.wrong(
                    key,
                    "the schema is not one of an object",
                    "write type = \"object\" and its properties",
                );
                None
            }
            Err(message) => {
                self.wrong(key, message, "use what JSON Schema knows");
                None
            }
        }
    }

    pub(super) fn refuse_rest(&mut self) {
        for key in std::mem::take(&mut self.table).keys() {
            self.wrong(
                key,
                "the key is not known",
                "correct its spelling or remove it",
            );
        }
    }
}

fn kind(value: &toml::Value) -> &'static str {
    match value {
        toml::Value::String(_) => "a text",
        toml::Value::Integer(_) => "a whole number",
        toml::Value::Float(_) => "a number",
        toml::Value::Boolean(_) => "true or false",
        toml::Value::Datetime(_) => "a date",
        toml::Value::Array(_) => "a list",
        toml::Value::Table(_) => "a table",
    }
}

fn json(value: &toml::Value, depth: usize) -> Result<Value, String> {
    if depth > SCHEMA_DEPTH_MAX {
        return Err(format!("nested more than {SCHEMA_DEPTH_MAX} deep"));
    }
    Ok(match value {
        toml::Value::String(text) => Value::from(text.as_str()),
        toml::Value::Integer(number) => Value::from(*number),
        toml::Value::Float(number) => serde_json::Number::from_f64(*number)
            .map(Value::Number)
            .ok_or_else(|| format!("{number} is no JSON number"))?,
        toml::Value::Boolean(flag) => Value::from(*flag),
        toml::Value::Datetime(date) => return Err(format!("{date} is a date without quotes")),
        toml::Value::Array(items) => items
            .iter()
            .map(|item| json(item, depth + 1))
            .collect::<Result<_, _>>()?,
        toml::Value::Table(fields) => fields
            .iter()
            .map(|(key, field)| Ok((key.clone(), json(field, depth + 1)?)))
            .collect::<Result<_, String>>()?,
    })
}
