//! Regular expressions: patterns with flags, compiled once per thread, linear in the text they search.

use std::cell::RefCell;

use regex::{Captures, Regex, RegexBuilder};
use smol_str::SmolStr;

use super::{Fault, refused};

const PATTERN_MAX: usize = 4096;
const COMPILED_MAX: usize = 1 << 20;
const CACHED_MAX: usize = 32;

thread_local! {
    // Compiling costs a thousand times a match; the cache changes no result.
    static COMPILED: RefCell<Vec<(SmolStr, SmolStr, Regex)>> = const { RefCell::new(Vec::new()) };
}

/// Compiles a pattern with flags out of `s`, `m`, `i` and `x`.
pub(super) fn compile(pattern: &str, flags: &str) -> Result<Regex, Fault> {
    let cached = COMPILED.with_borrow(|compiled| {
        compiled
            .iter()
            .find(|(known, with, _)| known == pattern && with == flags)
            .map(|(.., regex)| regex.clone())
    });
    if let Some(regex) = cached {
        return Ok(regex);
    }
    if pattern.len() > PATTERN_MAX {
        return refused(format!("the pattern is longer than {PATTERN_MAX} bytes"));
    }
    let built = RegexBuilder::new(pattern)
        .dot_matches_new_line(flags.contains('s'))
        .multi_line(flags.contains('m'))
        .case_insensitive(flags.contains('i'))
        .ignore_whitespace(flags.contains('x'))
        .size_limit(COMPILED_MAX)
        .nest_limit(100)
        .build();
    let Ok(regex) = built else {
        return refused(format!("Invalid pattern '{pattern}'"));
    };
    COMPILED.with_borrow_mut(|compiled| {
        if compiled.len() >= CACHED_MAX {
            compiled.remove(0);
        }
        compiled.push((pattern.into(), flags.into(), regex.clone()));
    });
    Ok(regex)
}

/// Appends a replacement: `$1` and `${name}` stand for groups, a backslash makes the next character plain.
pub(super) fn expand(
    replacement: &str,
    captures: &Captures<'_>,
    out: &mut String,
) -> Result<(), Fault> {
    let mut rest = replacement;
    while let Some(at) = rest.find(['$', '\\']) {
        out.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        if rest[at..].starts_with('\\') {
            let Some(char) = after.chars().next() else {
                return refused("the replacement ends with '\\'");
            };
            out.push(char);
            rest = &after[char.len_utf8()..];
            continue;
        }
        if let Some((name, after)) = after
            .strip_prefix('{')
            .and_then(|after| after.split_once('}'))
        {
            out.push_str(captures.name(name).map_or("", |group| group.as_str()));
            rest = after;
            continue;
        }
        // As many digits as still name a group.
        let digits = after.bytes().take_while(u8::is_ascii_digit).count().min(3);
        let group = (1..=digits).rev().find_map(|length| {
            let number: usize = after[..length].parse().ok()?;
            (number < captures.len()).then_some((number, length))
        });
        let Some((number, length)) = group else {
            return refused("'$' in the replacement names no group: write '\\$'");
        };
        out.push_str(captures.get(number).map_or("", |group| group.as_str()));
        rest = &after[length..];
    }
    out.push_str(rest);
    Ok(())
}
