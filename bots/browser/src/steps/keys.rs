//! Keys: the recorder's names for keys, and what WebDriver calls them.

use serde_json::{Value, json};

/// One key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key {
    code: char,
    name: Option<&'static str>,
}

const NAMED: &[(&str, char)] = &[
    ("Cancel", '\u{E001}'),
    ("Help", '\u{E002}'),
    ("Backspace", '\u{E003}'),
    ("Tab", '\u{E004}'),
    ("Clear", '\u{E005}'),
    ("Enter", '\u{E007}'),
    ("Shift", '\u{E008}'),
    ("Control", '\u{E009}'),
    ("Alt", '\u{E00A}'),
    ("Pause", '\u{E00B}'),
    ("Escape", '\u{E00C}'),
    ("PageUp", '\u{E00E}'),
    ("PageDown", '\u{E00F}'),
    ("End", '\u{E010}'),
    ("Home", '\u{E011}'),
    ("ArrowLeft", '\u{E012}'),
    ("ArrowUp", '\u{E013}'),
    ("ArrowRight", '\u{E014}'),
    ("ArrowDown", '\u{E015}'),
    ("Insert", '\u{E016}'),
    ("Delete", '\u{E017}'),
    ("F1", '\u{E031}'),
    ("F2", '\u{E032}'),
    ("F3", '\u{E033}'),
    ("F4", '\u{E034}'),
    ("F5", '\u{E035}'),
    ("F6", '\u{E036}'),
    ("F7", '\u{E037}'),
    ("F8", '\u{E038}'),
    ("F9", '\u{E039}'),
    ("F10", '\u{E03A}'),
    ("F11", '\u{E03B}'),
    ("F12", '\u{E03C}'),
    ("Meta", '\u{E03D}'),
    ("ShiftRight", '\u{E050}'),
    ("ControlRight", '\u{E051}'),
    ("AltRight", '\u{E052}'),
    ("MetaRight", '\u{E053}'),
    ("ShiftLeft", '\u{E008}'),
    ("ControlLeft", '\u{E009}'),
    ("AltLeft", '\u{E00A}'),
    ("MetaLeft", '\u{E03D}'),
    ("AltGraph", '\u{E052}'),
    ("Space", ' '),
    ("NumpadEnter", '\u{E007}'),
];

impl Key {
    /// The key with the recorder's name.
    pub fn parse(text: &str) -> Result<Self, String> {
        if let Some((name, code)) = NAMED.iter().find(|(name, _)| *name == text) {
            return Ok(Self {
                code: *code,
                name: Some(name),
            });
        }
        let mut chars = text.chars();
        match (chars.next(), chars.next()) {
            (Some(code), None) if !code.is_control() && !is_key_code(code) => {
                Ok(Self { code, name: None })
            }
            _ => Err(format!("{text:?} is no key that can be pressed")),
        }
    }

    /// What the log says; a typed character is not shown, it may be part of a password.
    pub(crate) fn word(&self) -> String {
        self.name.unwrap_or("character").to_owned()
    }

    pub(crate) fn action(&self, kind: &str) -> Value {
        json!([{"type": "key", "id": "keyboard", "actions": [{"type": kind, "value": self.code}]}])
    }
}

/// True for the private characters that WebDriver reads as keys; in a value they would press them.
pub(crate) fn is_key_code(code: char) -> bool {
    ('\u{E000}'..='\u{E05D}').contains(&code)
}
