//! List functions: parts, copies, searches, sorting, joining.

use std::cmp::Ordering;

use super::{Fault, Outcome, builtins, items, refused};
use crate::EvaluationError;
use crate::eval::Machine;
use crate::number::Number;
use crate::text::brief;
use crate::value::Value;

builtins! {
    "list contains" list_contains: ("list", "element"),
    "count" count: ("list"),
    "sublist" sublist: ("list", "start"; "length") | ("list", "start position"; "length"),
    "append" append: ("list", .."items"),
    "concatenate" concatenate: (, .."lists"),
    "insert before" insert_before: ("list", "position", "newItem"),
    "list replace" list_replace: ("list", "position", "newItem") | ("list", "match", "newItem"),
    "remove" remove: ("list", "position"),
    "reverse" reverse: ("list"),
    "index of" index_of: ("list", "match"),
    "union" union: (, .."lists"),
    "distinct values" distinct_values: ("list"),
    "duplicate values" duplicate_values: ("list"),
    "flatten" flatten: ("list"),
    "sort" sort: ("list"; "precedes"),
    "string join" string_join: ("list"; "delimiter"; "prefix"; "suffix"),
    "is empty" is_empty: ("list"),
    "partition" partition: ("list", "size"),
}

fn has(machine: &mut Machine<'_>, list: &[Value], element: &Value) -> Result<bool, Fault> {
    machine.charge(list.len() / 4 + 1)?;
    for item in list {
        if machine.same(item, element)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn list_contains(machine: &mut Machine<'_>, arguments: &[Value]) -> Outcome {
    let [Value::List(list), element] = arguments else {
        return Err(Fault::Illegal);
    };
    Ok(Value::Bool(has(machine, list.items(), element)?))
}

fn count(_: &mut Machine<'_>, arguments: &[Value]) -> Outcome {
    let [Value::List(list)] = arguments else {
        return Err(Fault::Illegal);
    };
    Ok(Value::Number(Number::from(list.items().len())))
}

/// Where a position, from 1 or from the end by -1, lies in a list, as an offset that may be outside of it.
fn offset(position: Number, length: usize) -> Result<i64, Fault> {
    let Some(position) = position.to_i64() else {
        return refused("the position is out of range");
    };
    if position == 0 {
        return refused("the position must be a non-zero number");
    }
    let length = i64::try_from(length).unwrap_or(i64::MAX);
    Ok(if position > 0 {
        position - 1
    } else {
        length.saturating_add(position)
    })
}

fn clamp(at: i64, length: usize) -> usize {
    usize::try_from(at.max(0)).unwrap_or(usize::MAX).min(length)
}

fn sublist(machine: &mut Machine<'_>, arguments: &[Value]) -> Outcome {
    let [Value::List(list), Value::Number(start), rest @ ..] = arguments else {
        return Err(Fault::Illegal);
    };
    let list = list.items();
    let start = offset(*start, list.len())?;
    let end = match rest {
        [] => i64::MAX,
        [Value::Number(length)] => start.saturating_add(length.to_i64().unwrap_or(i64::MAX)),
        _ => return Err(Fault::Illegal),
    };
    let (from, to) = (clamp(start, list.len()), clamp(end, list.len()));
    machine.charge(to.saturating_sub(from))?;
    Ok(machine.list(list.get(from..to).unwrap_or_default().to_vec())?)
}

fn append(machine: &mut Machine<'_>, arguments: &[Value]) -> Outcome {
    let [Value::List(list), more @ ..] = arguments else {
        return Err(Fault::Illegal);
    };
    machine.charge(list.items().len())?;
    Ok(machine.list(list.items().iter().chain(more).cloned().collect())?)
}

fn joined(machine: &mut Machine<'_>, arguments: &[Value]) -> Result<Vec<Value>, Fault> {
    let mut joined = Vec::new();
    for value in items(arguments) {
        match value {
            Value::List(list) => {
                machine.charge(list.items().len())?;
                machine.allocate(size_of_val(list.items()))?;
                joined.extend_from_slice(list.items());
            }
            value => joined.push(value.clone()),
        }
    }
    Ok(joined)
}

fn concatenate(machine: &mut Machine<'_>, arguments: &[Value]) -> Outcome {
    let joined = joined(machine, arguments)?;
    Ok(machine.list(joined)?)
}

fn insert_before(machine: &mut Machine<'_>, arguments: &[Value]) -> Outcome {
    let [Value::List(list), Value::Number(position), item] = arguments else {
        return Err(Fault::Illegal);
    };
    let at = clamp(offset(*position, list.items().len())?, list.items().len());
    machine.charge(list.items().len())?;
    let mut changed = list.items().to_vec();
    changed.insert(at, item.clone());
    Ok(machine.list(changed)?)
}

fn list_replace(machine: &mut Machine<'_>, arguments: &[Value]) -> Outcome {
    let [Value::List(list), place, item] = arguments else {
        return Err(Fault::Illegal);
    };
    machine.charge(list.items().len())?;
    let mut changed = list.items().to_vec();
    match place {
        Value::Number(position) => {
            let at = usize::try_from(offset(*position, changed.len())?).ok();
            match at.and_then(|at| changed.get_mut(at)) {
                Some(place) => *place = item.clone(),
                None => return refused("the position is out of range"),
            }
        }
        Value::Function(matches) => {
            for place in &mut changed {
                let answer =
                    machine.invoke_values(matches, None, vec![place.clone(), item.clone()])?;
                if answer == Value::Bool(true) {
                    *place = item.clone();
                }
            }
        }
        _ => return Err(Fault::Illegal),
    }
    Ok(machine.list(changed)?)
}

fn remove(machine: &mut Machine<'_>, arguments: &[Value]) -> Outcome {
    let [Value::List(list), Value::Number(position)] = arguments else {
        return Err(Fault::Illegal);
    };
    let at = offset(*position, list.items().len())?;
    machine.charge(list.items().len())?;
    let mut changed = list.items().to_vec();
    if let Some(at) = usize::try_from(at).ok().filter(|at| *at < changed.len()) {
        changed.remove(at);
    }
    Ok(machine.list(changed)?)
}

fn reverse(machine: &mut Machine<'_>, arguments: &[Value]) -> Outcome {
    let [Value::List(list)] = arguments else {
        return Err(Fault::Illegal);
    };
    machine.charge(list.items().len())?;
    Ok(machine.list(list.items().iter().rev().cloned().collect())?)
}

fn index_of(machine: &mut Machine<'_>, arguments: &[Value]) -> Outcome {
    let [Value::List(list), wanted] = arguments else {
        return Err(Fault::Illegal);
    };
    machine.charge(list.items().len())?;
    let mut places = Vec::new();
    for (at, item) in list.items().iter().enumerate() {
        if machine.same(item, wanted)? {
            places.push(Value::Number(Number::from(at + 1)));
        }
    }
    Ok(machine.list(places)?)
}

fn distinct(machine: &mut Machine<'_>, list: &[Value]) -> Result<Vec<Value>, Fault> {
    let mut distinct: Vec<Value> = Vec::new();
    for item in list {
        if !has(machine, &distinct, item)? {
            distinct.push(item.clone());
        }
    }
    Ok(distinct)
}

fn union(machine: &mut Machine<'_>, arguments: &[Value]) -> Outcome {
    let joined = joined(machine, arguments)?;
    let distinct = distinct(machine, &joined)?;
    Ok(machine.list(distinct)?)
}

fn distinct_values(machine: &mut Machine<'_>, arguments: &[Value]) -> Outcome {
    let [Value::List(list)] = arguments else {
        return Err(Fault::Illegal);
    };
    let distinct = distinct(machine, list.items())?;
    Ok(machine.list(distinct)?)
}

fn duplicate_values(machine: &mut Machine<'_>, arguments: &[Value]) -> Outcome {
    let [Value::List(list)] = arguments else {
        return Err(Fault::Illegal);
    };
    let (mut once, mut twice): (Vec<Value>, Vec<Value>) = (Vec::new(), Vec::new());
    for item in list.items() {
        if !has(machine, &once, item)? {
            once.push(item.clone());
        } else if !has(machine, &twice, item)? {
            twice.push(item.clone());
        }
    }
    // In the order in which the values came first.
    let mut ordered = Vec::with_capacity(twice.len());
    for item in once {
        if has(machine, &twice, &item)? {
            ordered.push(item);
        }
    }
    Ok(machine.list(ordered)?)
}

fn flatten(machine: &mut Machine<'_>, arguments: &[Value]) -> Outcome {
    let [Value::List(list)] = arguments else {
        return Err(Fault::Illegal);
    };
    let mut flat = Vec::new();
    let mut open = vec![list.items().iter()];
    while let Some(items) = open.last_mut() {
        machine.charge(1)?;
        match items.next() {
            Some(Value::List(inner)) => open.push(inner.items().iter()),
            Some(item) => {
                machine.allocate(size_of::<Value>())?;
                flat.push(item.clone());
            }
            None => {
                open.pop();
            }
        }
    }
    Ok(machine.list(flat)?)
}

// A merge sort of our own: the order comes from an expression, which may fail, or contradict itself.
fn sort(machine: &mut Machine<'_>, arguments: &[Value]) -> Outcome {
    let (Value::List(list), precedes) = (match arguments {
        [list] => (list, None),
        [list, Value::Function(function)] if function.parameters().len() == 2 => {
            (list, Some(function))
        }
        [_, Value::Function(function)] => {
            return refused(format!(
                "expected a function with 2 parameters but found {}",
                function.parameters().len()
            ));
        }
        _ => return Err(Fault::Illegal),
    }) else {
        return Err(Fault::Illegal);
    };
    let precedes = |machine: &mut Machine<'_>, a: &Value, b: &Value| -> Result<bool, Fault> {
        machine.charge(1)?;
        let Some(function) = precedes else {
            return match crate::eval::compare::order(a, b) {
                Some(ordering) => Ok(ordering == Ordering::Less),
                None => refused(format!("Can't compare '{}' with '{}'", brief(a), brief(b))),
            };
        };
        match machine.invoke_values(function, None, vec![a.clone(), b.clone()])? {
            Value::Bool(bool) => Ok(bool),
            other => refused(format!(
                "the function must give a boolean but gave '{}'",
                brief(&other)
            )),
        }
    };
    let mut sorted = list.items().to_vec();
    let mut width = 1;
    while width < sorted.len() {
        let mut merged = Vec::with_capacity(sorted.len());
        for run in sorted.chunks(width * 2) {
            let (mut left, mut right) = run.split_at(width.min(run.len()));
            while let ([a, after_a @ ..], [b, after_b @ ..]) = (left, right) {
                if precedes(machine, b, a)? {
                    merged.push(b.clone());
                    right = after_b;
                } else {
                    merged.push(a.clone());
                    left = after_a;
                }
            }
            merged.extend_from_slice(left);
            merged.extend_from_slice(right);
        }
        sorted = merged;
        width *= 2;
    }
    Ok(machine.list(sorted)?)
}

fn string_join(machine: &mut Machine<'_>, arguments: &[Value]) -> Outcome {
    let [Value::List(list), rest @ ..] = arguments else {
        return Err(Fault::Illegal);
    };
    let part = |at: usize| match rest.get(at) {
        None | Some(Value::Null) => Ok(""),
        Some(Value::String(text)) => Ok(text.as_str()),
        Some(_) => Err(Fault::Illegal),
    };
    let (delimiter, prefix, suffix) = (part(0)?, part(1)?, part(2)?);
    machine.charge(list.items().len())?;
    let mut out = String::from(prefix);
    let mut first = true;
    for item in list.items() {
        match item {
            Value::Null => {}
            Value::String(text) => {
                machine.allocate(text.len() + delimiter.len())?;
                if !first {
                    out.push_str(delimiter);
                }
                first = false;
                out.push_str(text);
            }
            other => {
                return refused(format!(
                    "expected a list of strings but found '{}' in it",
                    brief(other)
                ));
            }
        }
    }
    out.push_str(suffix);
    Ok(machine.text(out)?)
}

fn is_empty(_: &mut Machine<'_>, arguments: &[Value]) -> Outcome {
    let [Value::List(list)] = arguments else {
        return Err(Fault::Illegal);
    };
    Ok(Value::Bool(list.items().is_empty()))
}

fn partition(machine: &mut Machine<'_>, arguments: &[Value]) -> Outcome {
    let [Value::List(list), Value::Number(size)] = arguments else {
        return Err(Fault::Illegal);
    };
    let Some(size) = size
        .to_i64()
        .and_then(|size| usize::try_from(size).ok())
        .filter(|size| *size > 0)
    else {
        return refused("the size must be greater than zero");
    };
    machine.charge(list.items().len())?;
    let mut parts = Vec::new();
    for part in list.items().chunks(size) {
        let part: Result<Value, EvaluationError> = machine.list(part.to_vec());
        parts.push(part?);
    }
    Ok(machine.list(parts)?)
}
