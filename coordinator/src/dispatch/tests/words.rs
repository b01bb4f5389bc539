//! The words of a script's line.

use botswain_proto::message::EffectClass;

pub(super) struct Words<'a>(pub(super) Vec<&'a str>);

impl Words<'_> {
    pub(super) fn at(&self, index: usize) -> &str {
        self.0
            .get(index)
            .copied()
            .unwrap_or_else(|| panic!("a word is missing in {:?}", self.0))
    }

    pub(super) fn number(&self, index: usize) -> u64 {
        self.at(index)
            .parse()
            .unwrap_or_else(|_| panic!("{} is no number in {:?}", self.at(index), self.0))
    }

    pub(super) fn named(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find_map(|word| word.strip_prefix(name)?.strip_prefix('='))
    }

    pub(super) fn has(&self, word: &str) -> bool {
        self.0.contains(&word)
    }
}

pub(super) fn effect(word: &str) -> EffectClass {
    match word {
        "pure" => EffectClass::Pure,
        "idempotent" => EffectClass::Idempotent,
        "checkable" => EffectClass::Checkable,
        "at_most_once" => EffectClass::AtMostOnce,
        other => panic!("{other} is no effect class"),
    }
}
