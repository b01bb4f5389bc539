//! Mask: takes the secrets of one call out of whatever leaves it.

use std::fmt;

use serde_json::Value;

use crate::address;

const MASKED: &str = "•••";
/// Shorter values stand in ordinary words, and replacing them would garble texts without hiding anything.
const VALUE_BYTES_MIN: usize = 4;

/// The secrets of one call, in every form in which they were sent.
#[derive(Clone, Default)]
pub(crate) struct Mask(Vec<String>);

impl Mask {
    pub(crate) fn add(&mut self, secret: &str) {
        let quoted = serde_json::to_string(secret).unwrap_or_default();
        let escaped = quoted.trim_matches('"').to_owned();
        for form in [secret.to_owned(), address::encode(secret), escaped] {
            if form.len() >= VALUE_BYTES_MIN && !self.0.contains(&form) {
                self.0.push(form);
            }
        }
        // Longest first: a secret may be part of another one.
        self.0.sort_by_key(|form| std::cmp::Reverse(form.len()));
    }

    pub(crate) fn text(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, secret| {
            if text.contains(secret.as_str()) {
                text.replace(secret.as_str(), MASKED)
            } else {
                text
            }
        })
    }

    /// Masks every text inside a value that was nested by a bounded parser.
    pub(crate) fn value(&self, value: &mut Value) {
        if self.0.is_empty() {
            return;
        }
        match value {
            Value::String(text) => {
                if self.0.iter().any(|secret| text.contains(secret.as_str())) {
                    *text = self.text(text);
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.value(item)),
            Value::Object(fields) => fields.values_mut().for_each(|field| self.value(field)),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
}

impl fmt::Debug for Mask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Mask({} forms)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_secret_is_masked_in_every_form_it_was_sent_in() {
        let mut mask = Mask::default();
        mask.add("p\"ss w/rd");
        mask.add("p\"ss w/rd and more");
        assert_eq!(mask.text("a p\"ss w/rd b"), "a ••• b");
        assert_eq!(mask.text("https://h/p%22ss%20w%2Frd?x"), "https://h/•••?x");
        assert_eq!(
            mask.text(r#"{"x":"p\"ss w/rd and more"}"#),
            r#"{"x":"•••"}"#
        );
        let mut value = json!({"a": ["p\"ss w/rd", 1]});
        mask.value(&mut value);
        assert_eq!(value, json!({"a": ["•••", 1]}));
    }
}
