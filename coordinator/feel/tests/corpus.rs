//! Corpus: other people's expressions, where the corpus stands beside the checkout.
#![expect(
    clippy::print_stdout,
    reason = "the figures per file are what it is run for"
)]

use std::collections::BTreeSet;
use std::path::PathBuf;

use botswain_feel::{Budget, Context, Dialect, Env, Expression, NoVariables, UnaryTests, Value};

struct Count {
    passed: usize,
    failed: Vec<String>,
    refused: Vec<String>,
}

impl Count {
    fn new() -> Count {
        Count {
            passed: 0,
            failed: Vec::new(),
            refused: Vec::new(),
        }
    }

    // Prints the figures, and fails unless the floor is reached and every difference is on the committed list.
    fn settle(self, file: &str, floor: usize, known: &str) {
        println!(
            "{file}: {} passed / {} failed / {} refused",
            self.passed,
            self.failed.len(),
            self.refused.len()
        );
        let known: BTreeSet<&str> = known
            .lines()
            .filter_map(|line| line.split_once('\t'))
            .map(|(case, _)| case)
            .collect();
        let differing = self.failed.iter().chain(&self.refused);
        let unlisted: Vec<&String> = differing
            .filter(|case| !known.contains(case.split(' ').next().unwrap_or("")))
            .collect();
        for case in &unlisted {
            println!("  differs: {case}");
        }
        assert!(
            self.passed >= floor,
            "{file}: {} passed, the floor is {floor}",
            self.passed
        );
        assert!(
            unlisted.is_empty(),
            "{file}: {} differences are not on the list",
            unlisted.len()
        );
    }
}

fn corpus(file: &str) -> Option<String> {
    let folder = std::env::var_os("BOTSWAIN_CORPUS").map_or_else(
        || {
            PathBuf::from(concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/../../../shared/corpus"
            ))
        },
        PathBuf::from,
    );
    let text = std::fs::read_to_string(folder.join("feel").join(file)).ok();
    if text.is_none() {
        println!("{file}: no corpus beside the checkout, nothing to compare");
    }
    text
}

// A case is known by the hash (FNV-1a) of its line, so that the lists hold no text of the corpus.
fn id(line: &str, source: &str) -> String {
    let hash = line.bytes().fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
    });
    format!(
        "{hash:016x} {}",
        source.split_whitespace().collect::<Vec<_>>().join(" ")
    )
}

fn env() -> Env {
    let zone = botswain_feel::time_zone("Europe/Berlin").expect("the bundled rules have Berlin");
    // 2020-07-31T14:27:30 in Berlin.
    Env {
        now: 1_596_198_450_000,
        zone,
        ..Env::default()
    }
}

fn lenient() -> Dialect {
    Dialect {
        any_function: true,
        ..Dialect::default()
    }
}

// Expected values name their types: {"$feel": "date", "value": "2020-07-31"}.
fn typed(value: &Value) -> Value {
    match value {
        Value::Context(context) => match (
            context.get("$feel").and_then(Value::as_str),
            context.get("value"),
        ) {
            (Some(kind), Some(value)) => {
                let text = value.as_str().unwrap_or_default();
                let function = match kind {
                    "date" => "date",
                    "time" | "local time" => "time",
                    "date and time" | "local date and time" => "date and time",
                    _ => "duration",
                };
                feel(&format!("{function}(\"{text}\")"))
            }
            _ => Value::context(
                context
                    .entries()
                    .iter()
                    .map(|(name, value)| (name.clone(), typed(value))),
            ),
        },
        Value::List(list) => Value::list(list.items().iter().map(typed).collect()),
        other => other.clone(),
    }
}

fn feel(source: &str) -> Value {
    let expression =
        Expression::parse_in(source, &lenient()).expect("what is expected can be parsed");
    expression
        .evaluate(&NoVariables, &env())
        .result
        .expect("what is expected has a value")
}

// A text and its kind of value both count: a region is not the same as an offset.
fn same(a: &Value, b: &Value) -> bool {
    a == b
        && (matches!(a, Value::Number(_) | Value::List(_) | Value::Context(_))
            || a.to_json() == b.to_json())
}

fn case_value(case: &Value, name: &str) -> Option<Value> {
    case.get(name).map(typed)
}

fn run(
    kind: &str,
    source: &str,
    variables: &Value,
    input: Option<&Value>,
) -> Result<Result<Value, String>, String> {
    let evaluation = if kind == "expression" {
        let expression =
            Expression::parse_in(source, &lenient()).map_err(|error| error.to_string())?;
        expression.evaluate(variables, &env())
    } else {
        let tests = UnaryTests::parse_in(source, &lenient()).map_err(|error| error.to_string())?;
        tests.evaluate(input.unwrap_or(&Value::Null), variables, &env())
    };
    Ok(evaluation.result.map_err(|error| error.to_string()))
}

fn compare_cases(file: &str, floor: usize, known: &str) {
    let Some(text) = corpus(file) else { return };
    let mut count = Count::new();
    for line in text.lines() {
        let case = Value::from_json(line).expect("a case is JSON");
        let get = |name: &str| case.get(name).and_then(Value::as_str).unwrap_or_default();
        let (kind, source) = (get("kind"), get("expression"));
        let expected = case_value(&case, "expected").unwrap_or(Value::Null);
        let fails = case.get("expectedFailure").is_some();
        let variables = case_value(&case, "variables").unwrap_or_else(|| Context::default().into());
        let id = id(line, source);
        match run(
            kind,
            source,
            &variables,
            case_value(&case, "input")
                .or_else(|| variables.get("?").cloned())
                .as_ref(),
        ) {
            Ok(Ok(value)) if !fails && same(&value, &expected) => count.passed += 1,
            Ok(Err(_)) | Err(_) if fails => count.passed += 1,
            Ok(result) => {
                let got = result.map_or_else(|error| error, |value| value.to_json());
                count
                    .failed
                    .push(format!("{id}\texpected {} got {got}", expected.to_json()));
            }
            Err(error) => count.refused.push(format!("{id}\t{error}")),
        }
    }
    count.settle(file, floor, known);
}

#[test]
fn expressions_give_what_camundas_engine_gives() {
    compare_cases(
        "feel-scala-cases.jsonl",
        1046,
        include_str!("differences/feel-scala.tsv"),
    );
}

#[test]
fn expressions_agree_with_the_javascript_engine_where_camunda_does() {
    compare_cases(
        "feelin-cases.jsonl",
        579,
        include_str!("differences/feelin.tsv"),
    );
}

#[test]
fn documented_examples_give_the_documented_results() {
    let file = "docs-builtins-cases.jsonl";
    let Some(text) = corpus(file) else { return };
    let mut count = Count::new();
    for line in text.lines() {
        let case = Value::from_json(line).expect("a case is JSON");
        let get = |name: &str| case.get(name).and_then(Value::as_str).unwrap_or_default();
        let (source, expected) = (get("expression"), get("expected_text"));
        let comparable = case.get("expected_is_feel").and_then(Value::as_bool) == Some(true)
            && !expected.contains("toolCall")
            && !expected.starts_with("error")
            && !matches!(get("function"), "uuid" | "random number");
        if !comparable {
            continue;
        }
        match run("expression", source, &Context::default().into(), None) {
            Ok(Ok(value)) if same(&value, &feel(expected)) => count.passed += 1,
            Ok(result) => {
                let got = result.map_or_else(|error| error, |value| value.to_json());
                count.failed.push(format!(
                    "{}\texpected {expected} got {got}",
                    id(line, source)
                ));
            }
            Err(error) => count.refused.push(format!("{}\t{error}", id(line, source))),
        }
    }
    count.settle(file, 158, include_str!("differences/docs.tsv"));
}

// The fields of a CSV line, which may hold line breaks in quotes.
fn rows(text: &str) -> Vec<Vec<String>> {
    let (mut rows, mut row, mut field, mut quoted) = (Vec::new(), Vec::new(), String::new(), false);
    let mut chars = text.chars().peekable();
    while let Some(char) = chars.next() {
        match char {
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                field.push('"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => row.push(std::mem::take(&mut field)),
            '\n' if !quoted => {
                row.push(std::mem::take(&mut field));
                rows.push(std::mem::take(&mut row));
            }
            '\r' if !quoted => {}
            other => field.push(other),
        }
    }
    rows
}

#[test]
fn expressions_of_real_models_parse_and_evaluate_within_a_budget() {
    for (file, column, tests) in [
        ("model-expressions.csv", 3, false),
        ("dmn-expressions.csv", 2, true),
    ] {
        let Some(text) = corpus(file) else { continue };
        let mut count = Count::new();
        for row in rows(&text).iter().skip(1) {
            let Some(source) = row.get(column).filter(|source| !source.trim().is_empty()) else {
                continue;
            };
            let kind = if tests && row[1] == "inputEntry" {
                "unary"
            } else {
                "expression"
            };
            match run(kind, source, &Context::default().into(), None) {
                Ok(_) => count.passed += 1,
                Err(error) => count
                    .refused
                    .push(format!("{}\t{error}", id(source, source))),
            }
        }
        count.settle(file, 0, include_str!("differences/models.tsv"));
    }
}

#[test]
fn no_expression_of_the_corpus_passes_a_small_budget() {
    let Some(text) = corpus("feel-scala-cases.jsonl") else {
        return;
    };
    let budget = Budget {
        steps: 20,
        depth: 5,
        bytes: 500,
    };
    for line in text.lines() {
        let case = Value::from_json(line).expect("a case is JSON");
        let source = case
            .get("expression")
            .and_then(Value::as_str)
            .unwrap_or_default();
        if let Ok(expression) = Expression::parse(source) {
            let _ = expression.evaluate(&NoVariables, &Env { budget, ..env() });
        }
    }
}
