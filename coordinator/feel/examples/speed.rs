//! Speed: how long expressions take, the quickest of 20 runs; `cargo run --release -p botswain-feel --example speed`.
#![expect(clippy::print_stdout, reason = "the figures are what it is for")]

use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::Instant;

use botswain_feel::{Env, Expression, Value};
use smol_str::SmolStr;

fn main() {
    let mut variables: BTreeMap<SmolStr, Value> = BTreeMap::new();
    for name in ["customer", "email", "id", "key", "limit2", "name", "zip"] {
        variables.insert(name.into(), Value::from("something"));
    }
    variables.insert("amount".into(), Value::from(120));
    variables.insert("limit".into(), Value::from(100));
    variables.insert("status".into(), Value::from("ok"));
    let order = r#"{"customer": {"id": 7, "name": "Ada"}, "price": 12.5, "count": 3, "items": [{"price": 1}, {"price": 2}]}"#;
    variables.insert(
        "order".into(),
        Value::from_json(order).expect("the order is JSON"),
    );
    let env = Env::default();
    for source in [
        "amount",
        "amount > limit",
        "amount > 100 and status = \"ok\"",
        "order.customer.id",
        "order.count * 2 + 1",
        "order.price * order.count + 1",
        "order.price * 1.19 / 3",
        "if amount > 100 then \"high\" else \"low\"",
        "{id: order.customer.id, total: amount * 2}",
        "sum(for i in order.items return i.price)",
        "order.items[price > 1]",
        "date(\"2026-11-21\") + duration(\"P1M\")",
        "count(for i in 1..1000 return i)",
    ] {
        let parsing = fastest(2_000, || {
            black_box(Expression::parse(black_box(source)).expect("it can be parsed"));
        });
        let expression = Expression::parse(source).expect("it can be parsed");
        let rounds = if source.contains("1..1000") {
            200
        } else {
            20_000
        };
        let evaluating = fastest(rounds, || {
            black_box(
                expression
                    .evaluate(black_box(&variables), &env)
                    .result
                    .is_ok(),
            );
        });
        println!("{evaluating:>9.0} ns  {parsing:>7.0} ns to parse  {source}");
    }
}

fn fastest(rounds: u32, mut work: impl FnMut()) -> f64 {
    (0..20)
        .map(|_| {
            let start = Instant::now();
            for _ in 0..rounds {
                work();
            }
            start.elapsed().as_nanos() as f64 / f64::from(rounds)
        })
        .fold(f64::INFINITY, f64::min)
}
