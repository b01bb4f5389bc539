//! Numeric functions: rounding, remainders, roots, logarithms, chance.

use super::{Fault, Outcome, builtins, refused};
use crate::eval::Machine;
use crate::number::{Number, Rounding};
use crate::temporal::Months;
use crate::value::Value;

builtins! {
    "decimal" decimal: ("n", "scale"; "mode"),
    "floor" floor: ("n"; "scale") | ("n"; "scala"),
    "ceiling" ceiling: ("n"; "scale"),
    "round up" round_up: ("n"; "scale"),
    "round down" round_down: ("n"; "scale"),
    "round half up" round_half_up: ("n"; "scale"),
    "round half down" round_half_down: ("n"; "scale") | ("n"; "scala"),
    "abs" abs: ("n") | ("number"),
    "modulo" modulo: ("dividend", "divisor"),
    "sqrt" sqrt: ("number"),
    "log" log: ("number"),
    "exp" exp: ("number"),
    "odd" odd: ("number"),
    "even" even: ("number"),
    "random number" random_number: (),
}

fn rounded(arguments: &[Value], mode: Rounding) -> Outcome {
    let (number, scale) = match arguments {
        [Value::Number(number)] => (number, Some(0)),
        [Value::Number(number), Value::Number(scale)] => (number, scale.to_i64()),
        _ => return Err(Fault::Illegal),
    };
    match scale.and_then(|scale| number.round(scale, mode)) {
        Some(number) => Ok(Value::Number(number)),
        None => refused("rounding is necessary, or the scale is out of range"),
    }
}

fn decimal(_: &mut Machine<'_>, arguments: &[Value]) -> Outcome {
    let (rest, mode) = match arguments {
        [number, scale @ Value::Number(_), Value::String(mode)] => {
            let mode = match mode.to_uppercase().as_str() {
                "UP" => Rounding::Up,
                "DOWN" => Rounding::Down,
                "CEILING" => Rounding::Ceiling,
                "FLOOR" => Rounding::Floor,
                "HALF_UP" => Rounding::HalfUp,
                "HALF_DOWN" => Rounding::HalfDown,
                "HALF_EVEN" => Rounding::HalfEven,
                "UNNECESSARY" => Rounding::Unnecessary,
                _ => {
                    return refused(format!(
                        "'{mode}' is no rounding mode: it must be one of UP, DOWN, CEILING, FLOOR, HALF_UP, HALF_DOWN, HALF_EVEN, UNNECESSARY"
                    ));
                }
            };
            ([number.clone(), scale.clone()], mode)
        }
        [number, scale @ Value::Number(_)] => ([number.clone(), scale.clone()], Rounding::HalfEven),
        _ => return Err(Fault::Illegal),
    };
    rounded(&rest, mode)
}

fn floor(_: &mut Machine<'_>, arguments: &[Value]) -> Outcome {
    rounded(arguments, Rounding::Floor)
}

fn ceiling(_: &mut Machine<'_>, arguments: &[Value]) -> Outcome {
    rounded(arguments, Rounding::Ceiling)
}

fn round_up(_: &mut Machine<'_>, arguments: &[Value]) -> Outcome {
    rounded(arguments, Rounding::Up)
}

fn round_down(_: &mut Machine<'_>, arguments: &[Value]) -> Outcome {
    rounded(arguments, Rounding::Down)
}

fn round_half_up(_: &mut Machine<'_>, arguments: &[Value]) -> Outcome {
    rounded(arguments, Rounding::HalfUp)
}

fn round_half_down(_: &mut Machine<'_>, arguments: &[Value]) -> Outcome {
    rounded(arguments, Rounding::HalfDown)
}

fn abs(_: &mut Machine<'_>, arguments: &[Value]) -> Outcome {
    Ok(match arguments {
        [Value::Number(number)] => Value::Number(number.abs()),
        [Value::YearMonthDuration(months)] => {
            Value::YearMonthDuration(Months(months.0.saturating_abs()))
        }
        [Value::DayTimeDuration(duration)] => Value::DayTimeDuration(duration.abs()),
        _ => return Err(Fault::Illegal),
    })
}

fn modulo(_: &mut Machine<'_>, arguments: &[Value]) -> Outcome {
    let [Value::Number(dividend), Value::Number(divisor)] = arguments else {
        return Err(Fault::Illegal);
    };
    let remainder = dividend
        .remainder(*divisor)
        .and_then(|rest| rest.plus(*divisor))
        .and_then(|rest| rest.remainder(*divisor));
    remainder.map_or_else(
        || refused("the divisor must not be zero"),
        |remainder| Ok(Value::Number(remainder)),
    )
}

fn float(arguments: &[Value], function: fn(f64) -> f64) -> Outcome {
    let [Value::Number(number)] = arguments else {
        return Err(Fault::Illegal);
    };
    match Number::from_f64(function(number.to_f64())) {
        Some(number) => Ok(Value::Number(number)),
        None => refused("the result is no number in range"),
    }
}

fn sqrt(_: &mut Machine<'_>, arguments: &[Value]) -> Outcome {
    float(arguments, f64::sqrt)
}

fn log(_: &mut Machine<'_>, arguments: &[Value]) -> Outcome {
    float(arguments, f64::ln)
}

fn exp(_: &mut Machine<'_>, arguments: &[Value]) -> Outcome {
    float(arguments, f64::exp)
}

fn remainder_of_two(arguments: &[Value]) -> Result<Number, Fault> {
    match arguments {
        [Value::Number(number)] => number.abs().remainder(Number::Int(2)).ok_or(Fault::Illegal),
        _ => Err(Fault::Illegal),
    }
}

fn odd(_: &mut Machine<'_>, arguments: &[Value]) -> Outcome {
    Ok(Value::Bool(remainder_of_two(arguments)? == Number::Int(1)))
}

fn even(_: &mut Machine<'_>, arguments: &[Value]) -> Outcome {
    Ok(Value::Bool(remainder_of_two(arguments)?.is_zero()))
}

fn random_number(machine: &mut Machine<'_>, _: &[Value]) -> Outcome {
    // 53 bits are what a float between 0 and 1 holds.
    let random = (machine.next_random() >> 11) as f64 / (1u64 << 53) as f64;
    Number::from_f64(random)
        .map(Value::Number)
        .ok_or(Fault::Illegal)
}
