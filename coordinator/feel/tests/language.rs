//! Language: what expressions give, as text in and text out.

mod language {
    mod functions;
    mod operators;
    mod parsing;
    mod temporal;
    mod tests;
    mod values;
}

use std::collections::BTreeMap;

use botswain_feel::{Env, Evaluation, Expression, UnaryTests, Value, WarningKind, time_zone};
use smol_str::SmolStr;

fn env() -> Env {
    // 2026-11-21T09:30:00 in Berlin.
    Env {
        now: 1_795_249_800_000,
        zone: time_zone("Europe/Berlin").expect("Berlin is known"),
        seed: 7,
        ..Env::default()
    }
}

fn variables() -> BTreeMap<SmolStr, Value> {
    let json = r#"{
        "one": 1, "two": 2, "half": 0.5, "name": "Ada", "yes": true, "no": false, "none": null,
        "numbers": [3, 1, 2], "words": ["b", "a"], "with space": 5,
        "order": {"id": "A-7", "lines": [{"sku": "x", "price": 2.5}, {"sku": "y", "price": 4}], "customer": {"city": "Kiel"}}
    }"#;
    let Ok(Value::Context(context)) = Value::from_json(json) else {
        panic!("the variables are JSON")
    };
    context.entries().iter().cloned().collect()
}

fn evaluate(source: &str) -> Evaluation {
    match Expression::parse(source) {
        Ok(expression) => expression.evaluate(&variables(), &env()),
        Err(error) => panic!("{source}: {error}"),
    }
}

/// The expression gives the value with this text, without a warning.
#[track_caller]
fn check(source: &str, expected: &str) {
    let evaluation = evaluate(source);
    assert_eq!(
        evaluation.result.expect(source).to_string(),
        expected,
        "{source}"
    );
    assert!(
        evaluation.warnings.is_empty(),
        "{source}: {:?}",
        evaluation.warnings
    );
}

#[track_caller]
fn check_all(cases: &[(&str, &str)]) {
    for (source, expected) in cases {
        check(source, expected);
    }
}

/// The expression gives null and says why.
#[track_caller]
fn warns(source: &str, kind: WarningKind, message: &str) {
    let evaluation = evaluate(source);
    assert!(evaluation.result.expect(source).is_null(), "{source}");
    let first = evaluation
        .warnings
        .first()
        .unwrap_or_else(|| panic!("{source} gives no warning"));
    assert_eq!(
        (first.kind, first.message.as_str()),
        (kind, message),
        "{source}"
    );
}

/// The source is refused with this message.
#[track_caller]
fn refuses(source: &str, expected: &str) {
    let error = Expression::parse(source).expect_err(source);
    assert_eq!(error.to_string(), expected, "{source}");
}

/// The tests give this for the input.
#[track_caller]
fn tests_give(source: &str, input: &str, expected: &str) {
    let input = evaluate(input).result.expect(input);
    let tests = UnaryTests::parse(source).unwrap_or_else(|error| panic!("{source}: {error}"));
    let result = tests
        .evaluate(&input, &variables(), &env())
        .result
        .expect(source);
    assert_eq!(result.to_string(), expected, "{input} in {source}");
}
