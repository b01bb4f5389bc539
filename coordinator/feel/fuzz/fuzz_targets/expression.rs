//! Feeds any text to the parser of expressions and of unary tests and evaluates what parses, within a small budget.
#![no_main]

use botswain_feel::{Budget, Dialect, Env, Expression, NoVariables, UnaryTests, Value};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|source: &str| {
    let env = Env { budget: Budget { steps: 50_000, depth: 100, bytes: 1 << 20 }, ..Env::default() };
    for words in [false, true] {
        let dialect = Dialect { words, names: vec!["order total".into()], any_function: true, ..Dialect::default() };
        if let Ok(expression) = Expression::parse_in(source, &dialect) {
            if let Ok(value) = expression.evaluate(&NoVariables, &env).result {
                let json = value.to_json();
                assert!(Value::from_json(&json).is_ok() || value.depth() > 128, "{json} can be read again");
            }
        }
        if let Ok(tests) = UnaryTests::parse_in(source, &dialect) {
            let _ = tests.evaluate(&Value::from(5), &NoVariables, &env);
        }
    }
});
