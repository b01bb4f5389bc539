//! Conversion functions: numbers, texts and JSON from other values.

use super::{Fault, Outcome, builtins, refused};
use crate::eval::Machine;
use crate::number::Number;
use crate::text::brief;
use crate::value::Value;

builtins! {
    "number" number: ("from"; "grouping separator"; "decimal separator"),
    "string" string: ("from"),
    "from json" from_json: ("json"),
    "to json" to_json: ("value"),
}

fn number(_: &mut Machine<'_>, arguments: &[Value]) -> Outcome {
    let Some(Value::String(from)) = arguments.first() else {
        return Err(Fault::Illegal);
    };
    let separator = |at: usize, allowed: &[&str]| match arguments.get(at) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if allowed.contains(&text.as_str()) => Ok(Some(text.as_str())),
        Some(Value::String(text)) => refused(format!(
            "'{text}' is no separator: it must be one of '{}'",
            allowed.join("', '")
        )),
        Some(_) => Err(Fault::Illegal),
    };
    let grouping = separator(1, &[" ", ",", "."])?;
    let decimal = separator(2, &[",", "."])?;
    if grouping.is_some() && grouping == decimal {
        return refused("the separators must differ");
    }
    let mut text = from.to_string();
    if let Some(grouping) = grouping {
        text = text.replace(grouping, "");
    }
    if let Some(decimal) = decimal {
        text = text.replace(decimal, ".");
    }
    match Number::parse(&text) {
        Some(number) => Ok(Value::Number(number)),
        None => refused(format!("Can't parse {} as a number", brief(&arguments[0]))),
    }
}

fn string(machine: &mut Machine<'_>, arguments: &[Value]) -> Outcome {
    match arguments {
        [value @ (Value::Null | Value::String(_))] => Ok(value.clone()),
        [value] => {
            machine.allocate(value.weight())?;
            Ok(machine.text(value.to_string())?)
        }
        _ => Err(Fault::Illegal),
    }
}

fn from_json(machine: &mut Machine<'_>, arguments: &[Value]) -> Outcome {
    match arguments {
        [Value::Null] => Ok(Value::Null),
        [Value::String(text)] => {
            machine.charge(text.len() / 8)?;
            // A list of n values takes 2n bytes of JSON and 32n bytes of memory.
            machine.allocate(text.len() * 16)?;
            match Value::from_json(text) {
                Ok(value) => Ok(value),
                Err(error) => refused(error.to_string()),
            }
        }
        _ => Err(Fault::Illegal),
    }
}

fn to_json(machine: &mut Machine<'_>, arguments: &[Value]) -> Outcome {
    match arguments {
        [value] => {
            machine.allocate(value.weight())?;
            Ok(machine.text(value.to_json())?)
        }
        _ => Err(Fault::Illegal),
    }
}
