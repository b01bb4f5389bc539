//! Keys: one table of a definition, taken key by key, so that every problem is named and nothing unknown is left.

use std::time::Duration;

use serde_json::Value;

use crate::Object;
use crate::address::kind;
use crate::definition::Settings;
use crate::expression::Expression;
use crate::fields::Field;
use crate::problem::Problems;
use crate::status::StatusSet;

const ENTRIES_MAX: usize = 200;
const SECONDS_MAX: f64 = 3_600.0;

/// A table whose keys are taken one by one; what is left at the end is unknown.
pub(crate) struct Keys<'a> {
    pub(crate) table: Object,
    pub(crate) place: String,
    pub(crate) settings: &'a Settings,
    pub(crate) problems: &'a mut Problems,
}

impl Keys<'_> {
    pub(crate) fn wrong(
        &mut self,
        key: &str,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        let key = format!("{}{key}", self.place);
        self.problems.add(&key, message, remedy);
    }

    pub(crate) fn text(&mut self, key: &str) -> Option<String> {
        match self.table.remove(key)? {
            Value::String(text) => Some(text),
            other => {
                self.wrong(
                    key,
                    format!("{} found, a text expected", kind(&other)),
                    "write it in quotes",
                );
                None
            }
        }
    }

    pub(crate) fn required(&mut self, key: &str, remedy: &str) -> Option<String> {
        if !self.table.contains_key(key) {
            self.wrong(key, "the key is missing", remedy);
        }
        self.text(key)
    }

    pub(crate) fn flag(&mut self, key: &str) -> bool {
        match self.table.remove(key) {
            None => false,
            Some(Value::Bool(flag)) => flag,
            Some(other) => {
                self.wrong(
                    key,
                    format!("{} found", kind(&other)),
                    "write true or false",
                );
                false
            }
        }
    }

    pub(crate) fn seconds(&mut self, key: &str, default: f64) -> Duration {
        let found = self
            .table
            .remove(key)
            .map_or(Some(default), |value| value.as_f64());
        match found {
            Some(seconds) if seconds > 0.0 && seconds <= SECONDS_MAX => {
                Duration::from_secs_f64(seconds)
            }
            _ => {
                self.wrong(
                    key,
                    "not a time limit",
                    format!("write seconds, above 0 and up to {SECONDS_MAX}"),
                );
                Duration::from_secs_f64(default)
            }
        }
    }

    pub(crate) fn whole(&mut self, key: &str, default: u64, max: u64) -> u64 {
        match self
            .table
            .remove(key)
            .map_or(Some(default), |value| value.as_u64())
        {
            Some(number) if number <= max => number,
            _ => {
                self.wrong(
                    key,
                    "not a number in range",
                    format!("write a whole number from 0 to {max}"),
                );
                default
            }
        }
    }

    pub(crate) fn statuses(&mut self, key: &str, default: StatusSet) -> StatusSet {
        match self.table.remove(key).map(|value| StatusSet::parse(&value)) {
            None => default,
            Some(Ok(set)) => set,
            Some(Err(found)) => {
                self.wrong(
                    key,
                    format!("{found} is no set of statuses"),
                    "write 409, \"4xx\" or a list of them",
                );
                default
            }
        }
    }

    pub(crate) fn list(&mut self, key: &str) -> Vec<Value> {
        match self.table.remove(key) {
            None => Vec::new(),
            Some(Value::Array(items)) if items.len() <= ENTRIES_MAX => items,
            Some(Value::Array(items)) => {
                self.wrong(
                    key,
                    format!("{} entries", items.len()),
                    format!("write at most {ENTRIES_MAX}"),
                );
                Vec::new()
            }
            Some(other) => {
                self.wrong(
                    key,
                    format!("{} found, a list expected", kind(&other)),
                    "write it in square brackets",
                );
                Vec::new()
            }
        }
    }

    pub(crate) fn table(&mut self, key: &str) -> Object {
        match self.table.remove(key) {
            None => Object::new(),
            Some(Value::Object(table)) if table.len() <= ENTRIES_MAX => table,
            Some(Value::Object(table)) => {
                self.wrong(
                    key,
                    format!("{} entries", table.len()),
                    format!("write at most {ENTRIES_MAX}"),
                );
                Object::new()
            }
            Some(other) => {
                self.wrong(
                    key,
                    format!("{} found, a table expected", kind(&other)),
                    format!("write it as [{key}]"),
                );
                Object::new()
            }
        }
    }

    pub(crate) fn field(&mut self, key: &str) -> Option<Field> {
        let value = self.table.remove(key)?;
        let place = format!("{}{key}", self.place);
        Field::parse(&place, value, self.settings, self.problems)
    }

    /// A field that may not hold a secret, because it goes to the process.
    pub(crate) fn open_field(&mut self, key: &str) -> Option<Field> {
        let field = self.field(key)?;
        let mut secrets = Vec::new();
        field.secret_names(&mut secrets);
        if !secrets.is_empty() {
            let message = "a secret would become a variable";
            self.wrong(
                key,
                message,
                "use secrets in url, query, headers, body and auth only",
            );
        }
        Some(field)
    }

    pub(crate) fn entries(&mut self, key: &str) -> Vec<(String, Field)> {
        let mut entries = Vec::new();
        for (name, value) in self.table(key) {
            let place = format!("{}{key}.{name}", self.place);
            entries.extend(
                Field::parse(&place, value, self.settings, self.problems)
                    .map(|field| (name, field)),
            );
        }
        entries
    }

    pub(crate) fn sub(&mut self, key: &str) -> Option<Keys<'_>> {
        if !self.table.contains_key(key) {
            return None;
        }
        let table = self.table(key);
        let place = format!("{}{key}.", self.place);
        Some(Keys {
            table,
            place,
            settings: self.settings,
            problems: self.problems,
        })
    }

    pub(crate) fn expression(&mut self, key: &str) -> Option<Expression> {
        let text = self.text(key)?;
        match Expression::parse(text.strip_prefix('=').unwrap_or(&text)) {
            Ok(expression) => Some(expression),
            Err(message) => {
                self.wrong(key, message, "correct the expression");
                None
            }
        }
    }

    pub(crate) fn refuse_rest(&mut self) {
        for key in std::mem::take(&mut self.table).keys() {
            let shown: String = key.chars().take(60).collect();
            self.wrong(
                &shown,
                "the key is not known",
                "correct its spelling or remove it",
            );
        }
    }
}
