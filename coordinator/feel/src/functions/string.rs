//! String functions: parts, cases, searches, patterns; positions count characters from 1.

use super::{Fault, Outcome, base64, builtins, refused, regex};
use crate::eval::Machine;
use crate::number::Number;
use crate::value::Value;

builtins! {
    "substring" substring: ("string", "start position"; "length"),
    "string length" string_length: ("string"),
    "upper case" upper_case: ("string"),
    "lower case" lower_case: ("string"),
    "substring before" substring_before: ("string", "match"),
    "substring after" substring_after: ("string", "match"),
    "replace" replace: ("input", "pattern", "replacement"; "flags"),
    "contains" contains: ("string", "match"),
    "starts with" starts_with: ("string", "match"),
    "ends with" ends_with: ("string", "match"),
    "matches" matches: ("input", "pattern"; "flags"),
    "split" split: ("string", "delimiter"),
    "extract" extract: ("input", "pattern"),
    "trim" trim: ("string"),
    "uuid" uuid: (),
    "to base64" to_base64: ("value"),
    "from base64" from_base64: ("value"),
    "is blank" is_blank: ("string"),
}

fn substring(machine: &mut Machine<'_>, arguments: &[Value]) -> Outcome {
    let (Value::String(text), Value::Number(start), length) = (match arguments {
        [text, start] => (text, start, None),
        [text, start, Value::Number(length)] => (text, start, length.to_i64()),
        _ => return Err(Fault::Illegal),
    }) else {
        return Err(Fault::Illegal);
    };
    machine.charge(text.len() / 16)?;
    let count = text.chars().count() as i64;
    let start = start.to_i64().unwrap_or(i64::MAX);
    let from = if start > 0 {
        start - 1
    } else {
        count.saturating_add(start)
    };
    if !(0..=count).contains(&from) {
        return refused(format!(
            "the start position {start} lies outside of a text of {count} characters"
        ));
    }
    let length = length.unwrap_or(count);
    if length < 0 {
        return refused("the length must not be negative");
    }
    let part: String = text
        .chars()
        .skip(from as usize)
        .take(length as usize)
        .collect();
    Ok(machine.text(part)?)
}

fn string_length(machine: &mut Machine<'_>, arguments: &[Value]) -> Outcome {
    let [Value::String(text)] = arguments else {
        return Err(Fault::Illegal);
    };
    machine.charge(text.len() / 64)?;
    Ok(Value::Number(Number::from(text.chars().count())))
}

fn upper_case(machine: &mut Machine<'_>, arguments: &[Value]) -> Outcome {
    let [Value::String(text)] = arguments else {
        return Err(Fault::Illegal);
    };
    Ok(machine.text(text.to_uppercase())?)
}

fn lower_case(machine: &mut Machine<'_>, arguments: &[Value]) -> Outcome {
    let [Value::String(text)] = arguments else {
        return Err(Fault::Illegal);
    };
    Ok(machine.text(text.to_lowercase())?)
}

fn two<'v>(machine: &mut Machine<'_>, arguments: &'v [Value]) -> Result<(&'v str, &'v str), Fault> {
    match arguments {
        [Value::String(text), Value::String(part)] => {
            machine.charge(text.len() / 16)?;
            Ok((text, part))
        }
        _ => Err(Fault::Illegal),
    }
}

fn substring_before(machine: &mut Machine<'_>, arguments: &[Value]) -> Outcome {
    let (text, part) = two(machine, arguments)?;
    let before = text.find(part).map_or("", |at| &text[..at]);
    Ok(machine.text(before.to_owned())?)
}

fn substring_after(machine: &mut Machine<'_>, arguments: &[Value]) -> Outcome {
    let (text, part) = two(machine, arguments)?;
    let after = text.find(part).map_or("", |at| &text[at + part.len()..]);
    Ok(machine.text(after.to_owned())?)
}

fn contains(machine: &mut Machine<'_>, arguments: &[Value]) -> Outcome {
    let (text, part) = two(machine, arguments)?;
    Ok(Value::Bool(text.contains(part)))
}

fn starts_with(machine: &mut Machine<'_>, arguments: &[Value]) -> Outcome {
    let (text, part) = two(machine, arguments)?;
    Ok(Value::Bool(text.starts_with(part)))
}

fn ends_with(machine: &mut Machine<'_>, arguments: &[Value]) -> Outcome {
    let (text, part) = two(machine, arguments)?;
    Ok(Value::Bool(text.ends_with(part)))
}

fn flags(flags: Option<&Value>) -> Result<&str, Fault> {
    match flags {
        None => Ok(""),
        Some(Value::String(flags)) => Ok(flags),
        Some(_) => Err(Fault::Illegal),
    }
}

fn replace(machine: &mut Machine<'_>, arguments: &[Value]) -> Outcome {
    let [
        Value::String(input),
        Value::String(pattern),
        Value::String(replacement),
        rest @ ..,
    ] = arguments
    else {
        return Err(Fault::Illegal);
    };
    machine.charge(input.len() / 4)?;
    let regex = regex::compile(pattern, flags(rest.first())?)?;
    let mut out = String::new();
    let mut from = 0;
    for captures in regex.captures_iter(input) {
        let Some(whole) = captures.get(0) else {
            continue;
        };
        let before = out.len();
        out.push_str(&input[from..whole.start()]);
        regex::expand(replacement, &captures, &mut out)?;
        machine.charge(1)?;
        machine.allocate(out.len() - before)?;
        from = whole.end();
    }
    out.push_str(&input[from..]);
    Ok(machine.text(out)?)
}

fn matches(machine: &mut Machine<'_>, arguments: &[Value]) -> Outcome {
    let [Value::String(input), Value::String(pattern), rest @ ..] = arguments else {
        return Err(Fault::Illegal);
    };
    machine.charge(input.len() / 4)?;
    Ok(Value::Bool(
        regex::compile(pattern, flags(rest.first())?)?.is_match(input),
    ))
}

fn split(machine: &mut Machine<'_>, arguments: &[Value]) -> Outcome {
    let [Value::String(text), Value::String(delimiter)] = arguments else {
        return Err(Fault::Illegal);
    };
    machine.charge(text.len() / 4)?;
    let regex = regex::compile(delimiter, "")?;
    let mut parts = Vec::new();
    let mut from = 0;
    for found in regex.find_iter(text) {
        // A delimiter of no width splits between characters, not before the first.
        if found.end() == 0 {
            continue;
        }
        machine.charge(1)?;
        parts.push(machine.text(text[from..found.start()].to_owned())?);
        from = found.end();
    }
    parts.push(machine.text(text[from..].to_owned())?);
    Ok(machine.list(parts)?)
}

fn extract(machine: &mut Machine<'_>, arguments: &[Value]) -> Outcome {
    let [Value::String(input), Value::String(pattern)] = arguments else {
        return Err(Fault::Illegal);
    };
    machine.charge(input.len() / 4)?;
    let regex = regex::compile(pattern, "")?;
    let mut found = Vec::new();
    for part in regex.find_iter(input) {
        machine.charge(1)?;
        found.push(machine.text(part.as_str().to_owned())?);
    }
    Ok(machine.list(found)?)
}

fn trim(machine: &mut Machine<'_>, arguments: &[Value]) -> Outcome {
    let [Value::String(text)] = arguments else {
        return Err(Fault::Illegal);
    };
    Ok(machine.text(text.trim_matches(|char| char <= ' ').to_owned())?)
}

fn uuid(machine: &mut Machine<'_>, _: &[Value]) -> Outcome {
    let (high, low) = (machine.next_random(), machine.next_random());
    // Version 4 and the variant of RFC 9562.
    let high = (high & !0xf000) | 0x4000;
    let low = (low & (u64::MAX >> 2)) | (1 << 63);
    let text = format!(
        "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
        high >> 32,
        (high >> 16) & 0xffff,
        high & 0xffff,
        low >> 48,
        low & 0xffff_ffff_ffff
    );
    Ok(machine.text(text)?)
}

fn to_base64(machine: &mut Machine<'_>, arguments: &[Value]) -> Outcome {
    let [Value::String(text)] = arguments else {
        return Err(Fault::Illegal);
    };
    Ok(machine.text(base64::encode(text.as_bytes()))?)
}

fn from_base64(machine: &mut Machine<'_>, arguments: &[Value]) -> Outcome {
    let [Value::String(text)] = arguments else {
        return Err(Fault::Illegal);
    };
    match base64::decode(text).and_then(|bytes| String::from_utf8(bytes).ok()) {
        Some(text) => Ok(machine.text(text)?),
        None => refused("the text is no Base64 of UTF-8"),
    }
}

fn is_blank(_: &mut Machine<'_>, arguments: &[Value]) -> Outcome {
    let [Value::String(text)] = arguments else {
        return Err(Fault::Illegal);
    };
    Ok(Value::Bool(text.chars().all(char::is_whitespace)))
}
