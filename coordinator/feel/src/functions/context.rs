//! Context functions: entries, values by path, changed copies.

use smol_str::SmolStr;

use super::{Fault, Outcome, builtins, items, refused};
use crate::eval::Machine;
use crate::value::{Context, Value};

builtins! {
    "get entries" get_entries: ("context") | ("m"),
    "get value" get_value: ("context", "key") | ("m", "key") | ("context", "keys"),
    "context put" put: ("context", "key", "value") | ("context", "keys", "value"),
    "put" put: ("context", "key", "value"),
    "context merge" merge: (, .."contexts"),
    "put all" merge: (, .."contexts"),
    "context" context: ("entries"),
}

fn get_entries(machine: &mut Machine<'_>, arguments: &[Value]) -> Outcome {
    let [Value::Context(context)] = arguments else {
        return Err(Fault::Illegal);
    };
    machine.charge(context.entries().len())?;
    let mut entries = Vec::with_capacity(context.entries().len());
    for (name, value) in context.entries() {
        let entry = [
            (SmolStr::new_static("key"), Value::String(name.clone())),
            (SmolStr::new_static("value"), value.clone()),
        ];
        entries.push(machine.context(Context::new(entry))?);
    }
    Ok(machine.list(entries)?)
}

fn keys(list: &[Value]) -> Option<Vec<&SmolStr>> {
    list.iter()
        .map(|key| match key {
            Value::String(key) => Some(key),
            _ => None,
        })
        .collect()
}

fn get_value(_: &mut Machine<'_>, arguments: &[Value]) -> Outcome {
    match arguments {
        [Value::Context(context), Value::String(key)] => {
            Ok(context.get(key).cloned().unwrap_or(Value::Null))
        }
        [context @ Value::Context(_), Value::List(list)] => {
            let Some(keys) = keys(list.items()).filter(|keys| !keys.is_empty()) else {
                return Ok(Value::Null);
            };
            let found = keys
                .into_iter()
                .try_fold(context, |value, key| value.get(key));
            Ok(found.cloned().unwrap_or(Value::Null))
        }
        _ => Err(Fault::Illegal),
    }
}

fn put(machine: &mut Machine<'_>, arguments: &[Value]) -> Outcome {
    match arguments {
        [Value::Context(context), Value::String(key), value] => {
            put_at(machine, context, &[key], value)
        }
        [Value::Context(context), Value::List(list), value] => match keys(list.items()) {
            Some(keys) if keys.len() > 100 => refused("a path has at most 100 keys"),
            Some(keys) if !keys.is_empty() => put_at(machine, context, &keys, value),
            _ => Err(Fault::Illegal),
        },
        _ => Err(Fault::Illegal),
    }
}

fn put_at(
    machine: &mut Machine<'_>,
    context: &Context,
    keys: &[&SmolStr],
    value: &Value,
) -> Outcome {
    let Some((key, rest)) = keys.split_first() else {
        return Err(Fault::Illegal);
    };
    machine.charge(context.entries().len())?;
    let value = if rest.is_empty() {
        value.clone()
    } else {
        let empty = Context::default();
        let inner = context
            .get(key)
            .and_then(Value::as_context)
            .unwrap_or(&empty);
        put_at(machine, inner, rest, value)?
    };
    let mut changed = context.clone();
    changed.put((*key).clone(), value);
    Ok(machine.context(changed)?)
}

fn merge(machine: &mut Machine<'_>, arguments: &[Value]) -> Outcome {
    let mut entries = Vec::new();
    for value in items(arguments) {
        let Value::Context(context) = value else {
            return Err(Fault::Illegal);
        };
        machine.charge(context.entries().len())?;
        machine.allocate(size_of_val(context.entries()))?;
        entries.extend_from_slice(context.entries());
    }
    Ok(machine.context(Context::new(entries))?)
}

fn context(machine: &mut Machine<'_>, arguments: &[Value]) -> Outcome {
    let [Value::List(list)] = arguments else {
        return Err(Fault::Illegal);
    };
    machine.charge(list.items().len())?;
    let entries: Option<Vec<(SmolStr, Value)>> = list
        .items()
        .iter()
        .map(|entry| match (entry.get("key"), entry.get("value")) {
            (Some(Value::String(key)), Some(value)) => Some((key.clone(), value.clone())),
            _ => None,
        })
        .collect();
    match entries {
        Some(entries) => Ok(machine.context(Context::new(entries))?),
        None => refused("every entry needs a 'key' that is a string and a 'value'"),
    }
}
