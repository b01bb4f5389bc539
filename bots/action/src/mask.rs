//! Masking: no secret leaves an attempt in a text, however it was encoded on the way.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use serde_json::Value;

/// The secrets of one attempt, by name; never printed.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secrets {
    values: BTreeMap<String, String>,
}

impl Secrets {
    /// The value of a secret.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str)
    }

    /// The names, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.values.keys().map(String::as_str)
    }

    /// Adds a secret, or replaces it.
    pub fn insert(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.values.insert(name.into(), value.into());
    }
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for Secrets {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        Self {
            values: pairs
                .into_iter()
                .map(|(name, value)| (name.into(), value.into()))
                .collect(),
        }
    }
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.values.keys()).finish()
    }
}

/// What stands in place of a secret.
const COVER: &str = "[secret]";

/// A value shorter than this is covered as it is; its encodings would cover half of any text.
const ENCODED_BYTES_MIN: usize = 4;

/// A line of a secret with several lines is covered alone from this length on.
const LINE_BYTES_MIN: usize = 8;

/// Replaces the values of secrets, and their usual encodings, in texts.
#[derive(Clone, Default)]
pub struct Mask {
    patterns: Vec<String>,
}

impl Mask {
    /// Prepares the mask for these secrets.
    pub fn new(secrets: &Secrets) -> Self {
        let mut patterns = BTreeSet::new();
        for value in secrets.values.values() {
            add_forms(value, &mut patterns);
            let lines: Vec<&str> = value.lines().collect();
            if lines.len() > 1 {
                for line in lines {
                    if line.trim().len() >= LINE_BYTES_MIN {
                        add_forms(line.trim(), &mut patterns);
                    }
                }
            }
        }
        patterns.remove("");
        Self {
            patterns: patterns.into_iter().collect(),
        }
    }

    /// The text without any secret.
    pub fn text(&self, text: &str) -> String {
        let mut found: Vec<(usize, usize)> = self
            .patterns
            .iter()
            .flat_map(|pattern| overlapping(text, pattern))
            .collect();
        if found.is_empty() {
            return text.to_owned();
        }
        found.sort_unstable();
        // Hits that overlap become one cover, so that no rest of a secret stays beside another one.
        let mut masked = String::with_capacity(text.len());
        let mut copied = 0;
        let mut hits = found.into_iter().peekable();
        while let Some((start, mut end)) = hits.next() {
            while let Some(&(next_start, next_end)) = hits.peek()
                && next_start < end
            {
                end = end.max(next_end);
                hits.next();
            }
            masked.push_str(&text[copied..start]);
            masked.push_str(COVER);
            copied = end;
        }
        masked.push_str(&text[copied..]);
        masked
    }

    /// True when the text holds a secret.
    pub fn finds(&self, text: &str) -> bool {
        self.patterns
            .iter()
            .any(|pattern| text.contains(pattern.as_str()))
    }

    /// The value without any secret in its strings, keys and numbers.
    pub fn value(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.text(text)),
            Value::Array(items) => items.iter().map(|item| self.value(item)).collect(),
            Value::Object(fields) => fields
                .iter()
                .map(|(key, field)| (self.text(key), self.value(field)))
                .collect(),
            Value::Number(number) if self.finds(&number.to_string()) => {
                Value::String(COVER.to_owned())
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
        }
    }
}

impl std::fmt::Debug for Mask {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Mask({} patterns)", self.patterns.len())
    }
}

fn overlapping<'t>(text: &'t str, pattern: &'t str) -> impl Iterator<Item = (usize, usize)> + 't {
    let mut from = 0;
    std::iter::from_fn(move || {
        let start = from + text.get(from..)?.find(pattern)?;
        // The next search starts one character later, so that "aa" covers all of "aaa".
        from = start + text[start..].chars().next().map_or(1, char::len_utf8);
        Some((start, start + pattern.len()))
    })
}

fn add_forms(value: &str, patterns: &mut BTreeSet<String>) {
    patterns.insert(value.to_owned());
    patterns.insert(json_escaped(value));
    patterns.insert(html_escaped(value));
    patterns.insert(without_quotes(format!("{value:?}")));
    for keep in ["-_.~", "-_.!~*'()", "-_.*", ""] {
        for upper in [true, false] {
            let percent = percent_encoded(value, keep, upper);
            patterns.insert(percent.replace("%20", "+"));
            patterns.insert(percent);
        }
    }
    if value.len() < ENCODED_BYTES_MIN {
        return;
    }
    patterns.insert(hex(value, true));
    patterns.insert(hex(value, false));
    // In base64 of a longer text, as in Basic authentication, a secret begins at any of three offsets.
    for offset in 0..3usize {
        let mut bytes = vec![0; offset];
        bytes.extend_from_slice(value.as_bytes());
        let skip = (offset * 8).div_ceil(6);
        let whole = bytes.len() * 8 / 6;
        for encoded in [
            STANDARD_NO_PAD.encode(&bytes),
            URL_SAFE_NO_PAD.encode(&bytes),
        ] {
            patterns.insert(encoded[skip..whole].to_owned());
        }
    }
}

fn json_escaped(value: &str) -> String {
    without_quotes(Value::from(value).to_string())
}

fn without_quotes(quoted: String) -> String {
    quoted
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
        .map_or(quoted.clone(), str::to_owned)
}

fn html_escaped(value: &str) -> String {
    value
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

fn percent_encoded(value: &str, keep: &str, upper: bool) -> String {
    let mut encoded = String::with_capacity(value.len() * 3);
    for &byte in value.as_bytes() {
        if byte.is_ascii_alphanumeric() || keep.as_bytes().contains(&byte) {
            encoded.push(byte as char);
        } else if upper {
            encoded.push_str(&format!("%{byte:02X}"));
        } else {
            encoded.push_str(&format!("%{byte:02x}"));
        }
    }
    encoded
}

fn hex(value: &str, upper: bool) -> String {
    value
        .bytes()
        .map(|byte| match upper {
            true => format!("{byte:02X}"),
            false => format!("{byte:02x}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::engine::general_purpose::STANDARD;
    use serde_json::json;

    fn check(secret: &str, text: &str, expected: &str) {
        let mask = Mask::new(&Secrets::from_iter([("s", secret)]));
        assert_eq!(mask.text(text), expected);
    }

    #[test]
    fn a_secret_is_covered_as_it_is() {
        check(
            "pä$s wörd",
            "typed pä$s wörd twice pä$s wörd",
            "typed [secret] twice [secret]",
        );
    }

    #[test]
    fn a_secret_is_covered_in_urls_and_forms() {
        check("a/b c&d", "q=a%2Fb%20c%26d", "q=[secret]");
        check("a/b c&d", "q=a%2fb+c%26d", "q=[secret]");
        check("it's!", "q=it's!&r=it%27s%21", "q=[secret]&r=[secret]");
    }

    #[test]
    fn a_secret_is_covered_in_json_and_html() {
        check("say \"hi\"", r#"{"v":"say \"hi\""}"#, r#"{"v":"[secret]"}"#);
        check("a<b&c", "<p>a&lt;b&amp;c</p>", "<p>[secret]</p>");
    }

    #[test]
    fn a_secret_is_covered_in_base64_at_every_offset() {
        for user in ["", "u", "us", "usr", "user:", "anna.meier:"] {
            for tail in ["", "x", "xy", "xyz"] {
                let header = STANDARD.encode(format!("{user}correct horse{tail}"));
                let mask = Mask::new(&Secrets::from_iter([("s", "correct horse")]));
                let masked = mask.text(&header);
                assert!(masked.contains(COVER), "{user} {tail}: {masked}");
                let rest = masked.replace(COVER, "");
                assert!(rest.len() <= header.len() - 16, "{masked}");
            }
        }
    }

    #[test]
    fn overlapping_secrets_leave_no_rest() {
        let mask = Mask::new(&Secrets::from_iter([("a", "abcde"), ("b", "defgh")]));
        assert_eq!(mask.text("x abcdefgh y"), "x [secret] y");
        check("aa", "baaab", "b[secret]b");
    }

    #[test]
    fn each_line_of_a_long_secret_is_covered_alone() {
        check(
            "-----BEGIN KEY-----\nMIIEvAIBADAN\n-----END KEY-----",
            "line MIIEvAIBADAN shown",
            "line [secret] shown",
        );
    }

    #[test]
    fn json_values_are_covered_in_strings_keys_and_numbers() {
        let mask = Mask::new(&Secrets::from_iter([("pin", "4711")]));
        assert_eq!(
            mask.value(&json!({"x": ["pin 4711", 4711, 12], "4711": null})),
            json!({"x": ["pin [secret]", "[secret]", 12], "[secret]": null})
        );
    }

    #[test]
    fn secrets_are_not_printed_and_an_empty_one_covers_nothing() {
        let secrets = Secrets::from_iter([("pin", "4711"), ("none", "")]);
        assert_eq!(format!("{secrets:?}"), r#"{"none", "pin"}"#);
        check("", "text", "text");
    }
}
