//! Statistics: the smallest, the largest, sums, means, and truth of many values.

use super::{Fault, Outcome, builtins, items, refused};
use crate::eval::Machine;
use crate::eval::compare::order;
use crate::number::Number;
use crate::text::brief;
use crate::value::Value;

builtins! {
    "min" min: (, .."list"),
    "max" max: (, .."list"),
    "sum" sum: (, .."list"),
    "product" product: (, .."list"),
    "mean" mean: (, .."list"),
    "median" median: (, .."list"),
    "stddev" stddev: (, .."list"),
    "mode" mode: (, .."list"),
    "and" all: (, .."list"),
    "all" all: (, .."list"),
    "or" any: (, .."list"),
    "any" any: (, .."list"),
}

fn best(machine: &mut Machine<'_>, arguments: &[Value], wanted: std::cmp::Ordering) -> Outcome {
    let items = items(arguments);
    machine.charge(items.len())?;
    let Some((first, rest)) = items.split_first() else {
        return Ok(Value::Null);
    };
    if order(first, first).is_none() {
        return refused(format!("'{}' is not comparable", brief(first)));
    }
    let mut best = first;
    for item in rest {
        match order(item, best) {
            Some(ordering) if ordering == wanted => best = item,
            Some(_) => {}
            None => {
                return refused(format!(
                    "Can't compare '{}' with '{}'",
                    brief(item),
                    brief(best)
                ));
            }
        }
    }
    Ok(best.clone())
}

fn min(machine: &mut Machine<'_>, arguments: &[Value]) -> Outcome {
    best(machine, arguments, std::cmp::Ordering::Less)
}

fn max(machine: &mut Machine<'_>, arguments: &[Value]) -> Outcome {
    best(machine, arguments, std::cmp::Ordering::Greater)
}

fn numbers(machine: &mut Machine<'_>, arguments: &[Value]) -> Result<Vec<Number>, Fault> {
    let items = items(arguments);
    machine.charge(items.len())?;
    items
        .iter()
        .map(|item| match item {
            Value::Number(number) => Ok(*number),
            other => refused(format!("expected number but found '{}'", brief(other))),
        })
        .collect()
}

fn total(numbers: &[Number]) -> Result<Number, Fault> {
    let total = numbers
        .iter()
        .try_fold(Number::ZERO, |sum, number| sum.plus(*number));
    total.map_or_else(|| refused("the sum is out of range"), Ok)
}

fn count(numbers: &[Number]) -> Number {
    Number::from(numbers.len())
}

fn sum(machine: &mut Machine<'_>, arguments: &[Value]) -> Outcome {
    let numbers = numbers(machine, arguments)?;
    if numbers.is_empty() {
        Ok(Value::Null)
    } else {
        total(&numbers).map(Value::Number)
    }
}

fn product(machine: &mut Machine<'_>, arguments: &[Value]) -> Outcome {
    let numbers = numbers(machine, arguments)?;
    if numbers.is_empty() {
        return Ok(Value::Null);
    }
    let product = numbers
        .iter()
        .try_fold(Number::Int(1), |product, number| product.times(*number));
    product.map_or_else(
        || refused("the product is out of range"),
        |product| Ok(Value::Number(product)),
    )
}

fn average(numbers: &[Number]) -> Result<Number, Fault> {
    total(numbers)?
        .over(count(numbers))
        .map_or_else(|| refused("the mean is out of range"), Ok)
}

fn mean(machine: &mut Machine<'_>, arguments: &[Value]) -> Outcome {
    let numbers = numbers(machine, arguments)?;
    if numbers.is_empty() {
        Ok(Value::Null)
    } else {
        average(&numbers).map(Value::Number)
    }
}

fn median(machine: &mut Machine<'_>, arguments: &[Value]) -> Outcome {
    let mut numbers = numbers(machine, arguments)?;
    numbers.sort();
    let middle = numbers.len() / 2;
    Ok(match numbers.len() {
        0 => Value::Null,
        length if length % 2 == 1 => Value::Number(numbers[middle]),
        _ => Value::Number(average(&numbers[middle - 1..=middle])?),
    })
}

fn stddev(machine: &mut Machine<'_>, arguments: &[Value]) -> Outcome {
    let numbers = numbers(machine, arguments)?;
    if numbers.is_empty() {
        return Ok(Value::Null);
    }
    let mean = average(&numbers)?;
    let squares = numbers.iter().try_fold(Number::ZERO, |sum, number| {
        let difference = number.minus(mean)?;
        sum.plus(difference.times(difference)?)
    });
    let variance =
        squares.and_then(|squares| squares.over(Number::Int(count(&numbers).to_i64()? - 1)));
    match variance.and_then(|variance| Number::from_f64(variance.to_f64().sqrt())) {
        Some(deviation) => Ok(Value::Number(deviation)),
        None => refused("a deviation needs two numbers or more"),
    }
}

fn mode(machine: &mut Machine<'_>, arguments: &[Value]) -> Outcome {
    let mut numbers = numbers(machine, arguments)?;
    numbers.sort();
    let runs: Vec<&[Number]> = numbers.chunk_by(|a, b| a == b).collect();
    let longest = runs.iter().map(|run| run.len()).max().unwrap_or(0);
    let modes = runs
        .iter()
        .filter(|run| run.len() == longest)
        .map(|run| Value::Number(run[0]))
        .collect();
    Ok(machine.list(modes)?)
}

fn truth(machine: &mut Machine<'_>, arguments: &[Value], stop: bool) -> Outcome {
    let items = items(arguments);
    machine.charge(items.len())?;
    let mut so_far = Some(!stop);
    for item in items {
        so_far = machine.ternary(so_far, item, stop);
        if so_far == Some(stop) {
            break;
        }
    }
    Ok(so_far.map_or(Value::Null, Value::Bool))
}

fn all(machine: &mut Machine<'_>, arguments: &[Value]) -> Outcome {
    truth(machine, arguments, false)
}

fn any(machine: &mut Machine<'_>, arguments: &[Value]) -> Outcome {
    truth(machine, arguments, true)
}
