//! Range functions: how points and ranges lie to each other.

use std::cmp::Ordering;

use super::{Fault, Outcome, builtins};
use crate::eval::Machine;
use crate::eval::compare::order;
use crate::value::{Range, Value};

builtins! {
    "before" before: ("point1", "point2") | ("point", "range") | ("range", "point") | ("range1", "range2"),
    "after" after: ("point1", "point2") | ("point", "range") | ("range", "point") | ("range1", "range2"),
    "meets" meets: ("range1", "range2"),
    "met by" met_by: ("range1", "range2"),
    "overlaps" overlaps: ("range1", "range2"),
    "overlaps before" overlaps_before: ("range1", "range2"),
    "overlaps after" overlaps_after: ("range1", "range2"),
    "finishes" finishes: ("point", "range") | ("range1", "range2"),
    "finished by" finished_by: ("range", "point") | ("point", "range") | ("range1", "range2"),
    "includes" includes: ("range", "point") | ("range1", "range2"),
    "during" during: ("point", "range") | ("range1", "range2"),
    "starts" starts: ("point", "range") | ("range1", "range2"),
    "started by" started_by: ("range", "point") | ("range1", "range2"),
    "coincides" coincides: ("point1", "point2") | ("range1", "range2"),
}

/// An end of a range; the ends of a point are the point itself.
#[derive(Clone, Copy)]
struct End<'a> {
    value: &'a Value,
    included: bool,
}

#[derive(Clone, Copy)]
struct Span<'a> {
    start: End<'a>,
    end: End<'a>,
    is_point: bool,
}

fn span(value: &Value) -> Option<Span<'_>> {
    match value {
        Value::Range(range) => {
            let Range {
                start,
                start_included,
                end,
                end_included,
            } = &**range;
            let (start, end) = (
                End {
                    value: start,
                    included: *start_included,
                },
                End {
                    value: end,
                    included: *end_included,
                },
            );
            Some(Span {
                start,
                end,
                is_point: false,
            })
        }
        Value::String(_) => None,
        value => {
            order(value, value)?;
            let end = End {
                value,
                included: true,
            };
            Some(Span {
                start: end,
                end,
                is_point: true,
            })
        }
    }
}

fn compare(a: End<'_>, b: End<'_>) -> Result<Ordering, Fault> {
    order(a.value, b.value).ok_or(Fault::Illegal)
}

fn same(a: End<'_>, b: End<'_>) -> Result<bool, Fault> {
    Ok(compare(a, b)?.is_eq() && a.included == b.included)
}

fn pair(arguments: &[Value]) -> Result<(Span<'_>, Span<'_>), Fault> {
    match arguments {
        [a, b] => span(a).zip(span(b)).ok_or(Fault::Illegal),
        _ => Err(Fault::Illegal),
    }
}

fn ranges(arguments: &[Value]) -> Result<(Span<'_>, Span<'_>), Fault> {
    pair(arguments).and_then(|(a, b)| {
        if a.is_point || b.is_point {
            Err(Fault::Illegal)
        } else {
            Ok((a, b))
        }
    })
}

// A point or range against a range, in this order.
fn into_range(arguments: &[Value]) -> Result<(Span<'_>, Span<'_>), Fault> {
    pair(arguments).and_then(|(a, b)| {
        if b.is_point {
            Err(Fault::Illegal)
        } else {
            Ok((a, b))
        }
    })
}

fn of_range(arguments: &[Value]) -> Result<(Span<'_>, Span<'_>), Fault> {
    pair(arguments).and_then(|(a, b)| {
        if a.is_point {
            Err(Fault::Illegal)
        } else {
            Ok((b, a))
        }
    })
}

fn is_before(a: Span<'_>, b: Span<'_>) -> Result<bool, Fault> {
    Ok(match compare(a.end, b.start)? {
        Ordering::Less => true,
        Ordering::Equal => !(a.end.included && b.start.included),
        Ordering::Greater => false,
    })
}

// Begins at the same place or later.
fn starts_within(inner: Span<'_>, outer: Span<'_>) -> Result<bool, Fault> {
    Ok(match compare(inner.start, outer.start)? {
        Ordering::Greater => true,
        Ordering::Equal => outer.start.included || !inner.start.included,
        Ordering::Less => false,
    })
}

// Ends at the same place or earlier.
fn ends_within(inner: Span<'_>, outer: Span<'_>) -> Result<bool, Fault> {
    Ok(match compare(inner.end, outer.end)? {
        Ordering::Less => true,
        Ordering::Equal => outer.end.included || !inner.end.included,
        Ordering::Greater => false,
    })
}

fn lies_within((inner, outer): (Span<'_>, Span<'_>)) -> Outcome {
    Ok(Value::Bool(
        starts_within(inner, outer)? && ends_within(inner, outer)?,
    ))
}

fn touch(a: End<'_>, b: End<'_>) -> Result<bool, Fault> {
    Ok(a.included && b.included && compare(a, b)?.is_eq())
}

fn before(_: &mut Machine<'_>, arguments: &[Value]) -> Outcome {
    let (a, b) = pair(arguments)?;
    is_before(a, b).map(Value::Bool)
}

fn after(_: &mut Machine<'_>, arguments: &[Value]) -> Outcome {
    let (a, b) = pair(arguments)?;
    is_before(b, a).map(Value::Bool)
}

fn meets(_: &mut Machine<'_>, arguments: &[Value]) -> Outcome {
    let (a, b) = ranges(arguments)?;
    touch(a.end, b.start).map(Value::Bool)
}

fn met_by(_: &mut Machine<'_>, arguments: &[Value]) -> Outcome {
    let (a, b) = ranges(arguments)?;
    touch(b.end, a.start).map(Value::Bool)
}

fn overlaps(_: &mut Machine<'_>, arguments: &[Value]) -> Outcome {
    let (a, b) = ranges(arguments)?;
    Ok(Value::Bool(!is_before(a, b)? && !is_before(b, a)?))
}

fn overlap_in_order((a, b): (Span<'_>, Span<'_>)) -> Outcome {
    let starts_first = match compare(a.start, b.start)? {
        Ordering::Less => true,
        Ordering::Equal => a.start.included && !b.start.included,
        Ordering::Greater => false,
    };
    Ok(Value::Bool(
        starts_first && !is_before(a, b)? && ends_within(a, b)?,
    ))
}

fn overlaps_before(_: &mut Machine<'_>, arguments: &[Value]) -> Outcome {
    overlap_in_order(ranges(arguments)?)
}

fn overlaps_after(_: &mut Machine<'_>, arguments: &[Value]) -> Outcome {
    let (a, b) = ranges(arguments)?;
    overlap_in_order((b, a))
}

fn finish((inner, outer): (Span<'_>, Span<'_>)) -> Outcome {
    if inner.is_point {
        return touch(inner.end, outer.end).map(Value::Bool);
    }
    Ok(Value::Bool(
        same(inner.end, outer.end)? && starts_within(inner, outer)?,
    ))
}

fn finishes(_: &mut Machine<'_>, arguments: &[Value]) -> Outcome {
    finish(into_range(arguments)?)
}

fn finished_by(_: &mut Machine<'_>, arguments: &[Value]) -> Outcome {
    finish(of_range(arguments)?)
}

fn includes(_: &mut Machine<'_>, arguments: &[Value]) -> Outcome {
    lies_within(of_range(arguments)?)
}

fn during(_: &mut Machine<'_>, arguments: &[Value]) -> Outcome {
    lies_within(into_range(arguments)?)
}

fn start((inner, outer): (Span<'_>, Span<'_>)) -> Outcome {
    if inner.is_point {
        return touch(inner.start, outer.start).map(Value::Bool);
    }
    Ok(Value::Bool(
        same(inner.start, outer.start)? && ends_within(inner, outer)?,
    ))
}

fn starts(_: &mut Machine<'_>, arguments: &[Value]) -> Outcome {
    start(into_range(arguments)?)
}

fn started_by(_: &mut Machine<'_>, arguments: &[Value]) -> Outcome {
    start(of_range(arguments)?)
}

fn coincides(_: &mut Machine<'_>, arguments: &[Value]) -> Outcome {
    let (a, b) = pair(arguments)?;
    if a.is_point != b.is_point {
        return Err(Fault::Illegal);
    }
    Ok(Value::Bool(same(a.start, b.start)? && same(a.end, b.end)?))
}
