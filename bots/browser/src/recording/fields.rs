//! Fields of a recorded step, each checked for its type and its limits.

use std::time::Duration;

use serde_json::{Map, Value};

use crate::problem::Problems;
use crate::selector::Selector;

const TEXT_BYTES_MAX: usize = 1 << 20;
const ALTERNATIVES_MAX: usize = 32;
const TIMEOUT_MS_MAX: u64 = 30_000;

/// The fields of one JSON object of a recording.
pub(crate) struct Fields<'v, 'p> {
    object: &'v Map<String, Value>,
    place: String,
    problems: &'p mut Problems,
}

impl<'v, 'p> Fields<'v, 'p> {
    pub(crate) fn new(
        object: &'v Map<String, Value>,
        place: String,
        problems: &'p mut Problems,
    ) -> Self {
        Self {
            object,
            place,
            problems,
        }
    }

    pub(crate) fn wrong(
        &mut self,
        key: &str,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.problems
            .add(format!("{}.{key}", self.place), message, remedy);
    }

    fn present(&self, key: &str) -> Option<&'v Value> {
        self.object.get(key).filter(|value| !value.is_null())
    }

    pub(crate) fn raw(&self, key: &str) -> Option<&'v Value> {
        self.present(key)
    }

    pub(crate) fn text(&mut self, key: &str) -> Option<String> {
        if self.present(key).is_none() {
            self.wrong(key, "the text is missing", "record the step again");
            return None;
        }
        self.text_if_present(key)
    }

    pub(crate) fn text_if_present(&mut self, key: &str) -> Option<String> {
        match self.present(key)? {
            Value::String(text) if text.len() <= TEXT_BYTES_MAX => Some(text.clone()),
            Value::String(text) => {
                let message = format!("{} bytes, at most {TEXT_BYTES_MAX} are allowed", text.len());
                self.wrong(key, message, "shorten the text");
                None
            }
            _ => {
                self.wrong(key, "not a text", "write it in quotes");
                None
            }
        }
    }

    pub(crate) fn number(
        &mut self,
        key: &str,
        range: std::ops::RangeInclusive<f64>,
    ) -> Option<f64> {
        if self.present(key).is_none() {
            self.wrong(key, "the number is missing", "record the step again");
            return None;
        }
        self.number_if_present(key, range)
    }

    pub(crate) fn number_if_present(
        &mut self,
        key: &str,
        range: std::ops::RangeInclusive<f64>,
    ) -> Option<f64> {
        let number = self.present(key)?.as_f64();
        if let Some(number) = number
            && range.contains(&number)
        {
            return Some(number);
        }
        self.wrong(
            key,
            format!("not a number from {} to {}", range.start(), range.end()),
            "record the step again",
        );
        None
    }

    pub(crate) fn flag_or(&mut self, key: &str, default: bool) -> bool {
        match self.present(key) {
            None => default,
            Some(Value::Bool(flag)) => *flag,
            Some(_) => {
                self.wrong(key, "not true or false", "write true or false");
                default
            }
        }
    }

    pub(crate) fn word_or(&mut self, key: &str, words: &[&'static str]) -> Option<&'static str> {
        let Some(word) = self.text_if_present(key) else {
            return words.first().copied();
        };
        let found = words.iter().find(|known| **known == word).copied();
        if found.is_none() {
            self.wrong(
                key,
                format!("{word:?} is not known"),
                format!("use one of: {}", words.join(", ")),
            );
        }
        found
    }

    pub(crate) fn timeout(&mut self) -> Option<Duration> {
        let value = self.present("timeout")?;
        match value.as_u64() {
            Some(ms @ 1..=TIMEOUT_MS_MAX) => Some(Duration::from_millis(ms)),
            _ => {
                self.wrong(
                    "timeout",
                    format!("{value} is not a number of milliseconds from 1 to {TIMEOUT_MS_MAX}"),
                    "correct the time limit",
                );
                None
            }
        }
    }

    pub(crate) fn frame(&mut self, depth_max: usize) -> Vec<u16> {
        let Some(value) = self.present("frame") else {
            return Vec::new();
        };
        let path = value.as_array().filter(|path| path.len() <= depth_max);
        let path = path.and_then(|path| {
            path.iter()
                .map(|number| {
                    number
                        .as_u64()
                        .and_then(|number| u16::try_from(number).ok())
                })
                .collect::<Option<Vec<u16>>>()
        });
        if path.is_none() {
            self.wrong(
                "frame",
                format!("not a list of at most {depth_max} frame numbers"),
                "record the step again",
            );
        }
        path.unwrap_or_default()
    }

    /// Whether the step led to another page, and to which address.
    pub(crate) fn asserted_navigation(&mut self) -> Option<Option<String>> {
        let value = self.present("assertedEvents")?;
        let Some(events) = value.as_array() else {
            self.wrong("assertedEvents", "not a list", "record the step again");
            return None;
        };
        let mut navigation = None;
        for event in events {
            if event.get("type").and_then(Value::as_str) == Some("navigation") {
                navigation = Some(event.get("url").and_then(Value::as_str).map(str::to_owned));
            } else {
                self.wrong(
                    "assertedEvents",
                    "an event other than \"navigation\"",
                    "remove it, the recorder knows no other",
                );
            }
        }
        navigation
    }

    pub(crate) fn selectors(&mut self) -> Option<Vec<Selector>> {
        if self.present("selectors").is_none() {
            self.wrong("selectors", "the list is missing", "record the step again");
            return None;
        }
        let selectors = self.selectors_if_present();
        if selectors.is_empty() {
            self.wrong("selectors", "no selector is left", "record the step again");
            return None;
        }
        Some(selectors)
    }

    pub(crate) fn selectors_if_present(&mut self) -> Vec<Selector> {
        let Some(value) = self.present("selectors") else {
            return Vec::new();
        };
        let list = value
            .as_array()
            .filter(|list| list.len() <= ALTERNATIVES_MAX);
        let Some(list) = list else {
            self.wrong(
                "selectors",
                format!("not a list of at most {ALTERNATIVES_MAX} alternatives"),
                "record the step again",
            );
            return Vec::new();
        };
        let mut selectors = Vec::new();
        for (index, alternative) in list.iter().enumerate() {
            let path: Option<Vec<&str>> = match alternative {
                Value::String(text) => Some(vec![text]),
                Value::Array(path) => path.iter().map(Value::as_str).collect(),
                _ => None,
            };
            let selector = path
                .ok_or_else(|| "neither a text nor a list of texts".to_owned())
                .and_then(|path| Selector::parse(&path));
            match selector {
                Ok(selector) => selectors.push(selector),
                Err(message) => self.wrong(
                    &format!("selectors[{index}]"),
                    message,
                    "correct the selector or remove it",
                ),
            }
        }
        selectors
    }
}
