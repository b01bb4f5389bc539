//! Limits: no source and no expression hangs, crashes or exhausts whoever evaluates it.

use std::time::{Duration, Instant};

use botswain_feel::{
    Budget, Dialect, Env, EvaluationError, Expression, NESTING_MAX, NoVariables, SOURCE_MAX,
    UnaryTests, Value,
};
use proptest::prelude::*;

fn evaluate(source: &str) -> Result<Value, EvaluationError> {
    Expression::parse(source)
        .expect(source)
        .evaluate(&NoVariables, &Env::default())
        .result
}

fn exceeds(source: &str) -> String {
    match evaluate(source) {
        Err(EvaluationError::Budget(message)) => message,
        other => panic!("{source} gave {other:?}"),
    }
}

fn refused(source: &str) -> String {
    Expression::parse(source)
        .expect_err("the source is refused")
        .to_string()
}

#[test]
fn a_source_that_is_too_long_is_refused() {
    let message = refused(&"1+".repeat(SOURCE_MAX));
    assert_eq!(
        message,
        "line 1, column 1: the expression has 131072 bytes, more than the 65536 allowed: split it"
    );
}

#[test]
fn long_chains_are_evaluated_and_dropped() {
    let long = |part: &str, end: &str| {
        format!(
            "{}{end}",
            part.repeat((SOURCE_MAX - end.len()) / part.len())
        )
    };
    assert_eq!(evaluate(&long("1+", "1")).unwrap(), Value::from(32768));
    assert_eq!(evaluate(&long("1*", "7")).unwrap(), Value::from(7));
    assert_eq!(evaluate(&long("1**", "1")).unwrap(), Value::from(1));
    assert_eq!(
        evaluate(&long("-", "1"))
            .unwrap()
            .as_number()
            .map(|n| n.abs()),
        Value::from(1).as_number()
    );
    assert_eq!(
        evaluate(&long("true and ", "false")).unwrap(),
        Value::Bool(false)
    );
    assert_eq!(
        evaluate(&long("false or ", "true")).unwrap(),
        Value::Bool(true)
    );
    assert_eq!(
        evaluate(&long("if false then 1 else ", "2")).unwrap(),
        Value::from(2)
    );
    assert_eq!(
        evaluate(&format!("x{}", ".a".repeat(20_000))).unwrap(),
        Value::Null
    );
    assert_eq!(
        evaluate(&format!("[1]{}", "[1]".repeat(20_000))).unwrap(),
        Value::Null
    );
    assert_eq!(
        evaluate(&format!("[{}1]", "1,".repeat(30_000)))
            .unwrap()
            .as_list()
            .map(<[Value]>::len),
        Some(30_001)
    );
    let iterators = format!("for {} return 1", vec!["i in [1]"; 6000].join(","));
    assert_eq!(evaluate(&iterators).unwrap(), evaluate("[1]").unwrap());
}

#[test]
fn deep_nesting_is_refused_with_its_place() {
    for (open, close) in [
        ("(", ")"),
        ("[", "]"),
        ("{a:", "}"),
        ("not(", ")"),
        ("if 1 then 2 else (", ")"),
        ("function(x) ", ""),
    ] {
        for depth in [usize::from(NESTING_MAX) + 1, 3000] {
            let source = format!("{}1{}", open.repeat(depth), close.repeat(depth));
            assert!(
                refused(&source).contains("nested deeper than 100 levels"),
                "{open}"
            );
        }
    }
    for source in [
        "x in (".repeat(5000),
        "x instance of list<".repeat(3000),
        "some x in ".repeat(5000),
        "a[".repeat(20_000),
        "]".repeat(5000),
        "?".repeat(9),
        "1 in ".repeat(10_000),
    ] {
        refused(&source);
    }
}

#[test]
fn what_may_be_nested_is_evaluated_on_a_small_stack() {
    // Threads of servers have 2 MiB; half of it must do.
    let small = std::thread::Builder::new()
        .stack_size(1024 * 1024)
        .spawn(|| {
            for (open, close) in [
                ("(", ")"),
                ("[", "]"),
                ("{a:", "}"),
                ("not(", ")"),
                ("1+(", ")"),
                ("[1][", "]"),
            ] {
                let depth = usize::from(NESTING_MAX) - 1;
                let source = format!("{}1{}", open.repeat(depth), close.repeat(depth));
                let _ = evaluate(&source);
            }
            exceeds("{f: function(x) f(x+1), r: f(1)}.r");
            exceeds("{f: function(x) [f(x+1)][1], r: f(1)}.r");
            exceeds("{f: function(x) sort([2,1], function(a, b) f(a)), r: f(1)}.r");
            exceeds("{f: function(x) (for i in [1] return f(i))[1], r: f(1)}.r");
            exceeds("{f: function(x) {a: if true then 1 + 2 * f(x) else 0}.a, r: f(1)}.r");
            exceeds("{f: function(x) [1][item in (f(x))], r: f(1)}.r");
        });
    small
        .expect("a thread can be started")
        .join()
        .expect("the thread ends");
}

#[test]
fn endless_work_ends_with_the_budget() {
    let start = Instant::now();
    assert!(exceeds("for i in 1..1000000000000 return i").contains("more than"));
    assert!(
        exceeds("some i in 1..1000000000000 satisfies i < 0").contains("more than 5000000 steps")
    );
    exceeds("for i in 1..9000, j in 1..9000 return 1");
    exceeds(
        "{a: \"0123456789\", r: for i in 1..100000 return string join(for j in 1..100 return a)}.r",
    );
    exceeds("for i in 1..100000 return [partial[-1]]");
    exceeds("for i in 1..100000 return partial");
    exceeds("for i in 1..100000 return function() partial");
    exceeds("distinct values(for i in 1..1000000 return i)");
    // Shared values are cheap to hold but not to write or compare.
    exceeds(
        "{t: string join(for i in 1..1000 return \"0123456789\"), r: for i in 1..100000 return t}.r",
    );
    exceeds(
        "{a: for i in 1..1000 return i, b: append(a, 1), c: append(a, 1), r: count(for i in 1..1000000 return b = c)}.r",
    );
    exceeds(
        "{t: string join(for i in 1..10000 return \"0123456789\"), u: t + \"a\", v: t + \"b\", r: count(for i in 1..9999999 return u < v)}.r",
    );
    assert!(start.elapsed() < Duration::from_secs(60));
}

#[test]
fn a_variable_is_read_from_its_scope_once() {
    struct Counted(std::cell::Cell<u32>);
    impl botswain_feel::Scope for Counted {
        fn get(&self, _: &str) -> Option<Value> {
            self.0.set(self.0.get() + 1);
            Some(Value::from(3))
        }
    }
    for source in [
        "x + x * x",
        "for i in 1..100 return i * x",
        "[1, 2, 3][item < x]",
        "{f: function(a) a + x, r: [f(1), f(2)]}",
        "some i in [1, 2], j in 1..x satisfies x = 9",
    ] {
        let scope = Counted(std::cell::Cell::new(0));
        let evaluation = Expression::parse(source)
            .expect(source)
            .evaluate(&scope, &Env::default());
        assert!(evaluation.result.is_ok());
        assert_eq!(scope.0.get(), 1, "{source}");
    }
}

#[test]
fn warnings_are_bounded() {
    let evaluation = Expression::parse("for i in 1..10000 return missing")
        .unwrap()
        .evaluate(&NoVariables, &Env::default());
    assert_eq!(evaluation.warnings.len(), 100);
}

#[test]
fn a_budget_of_nothing_gives_an_error() {
    let env = Env {
        budget: Budget {
            steps: 0,
            depth: 0,
            bytes: 0,
        },
        ..Env::default()
    };
    let evaluation = Expression::parse("1 + 1")
        .unwrap()
        .evaluate(&NoVariables, &env);
    assert!(matches!(evaluation.result, Err(EvaluationError::Budget(_))));
}

// Pieces of the language, so that random sources get past the first character.
fn piece() -> impl Strategy<Value = String> {
    let words = [
        "1",
        "-2.5",
        "\"a\"",
        "true",
        "null",
        "x",
        "item",
        "partial",
        "?",
        "[",
        "]",
        "(",
        ")",
        "{",
        "}",
        ",",
        ":",
        ".",
        "..",
        "+",
        "-",
        "*",
        "/",
        "**",
        "=",
        "!=",
        "<",
        ">=",
        " and ",
        " or ",
        " in ",
        " between ",
        " instance of ",
        "if ",
        " then ",
        " else ",
        "for ",
        " return ",
        "some ",
        " satisfies ",
        "function(x) ",
        "not(",
        "count(",
        "sort(",
        "date(\"2020-01-01\")",
        "@\"PT1H\"",
        "@\"P1Y\"",
        "duration(",
        "list contains(",
        "number(",
        "string(",
        "replace(",
        "substring(",
        "insert before(",
        "a:",
        "`a b`",
        " ",
        "// c\n",
        "/*",
        "\"",
        "\\",
        "9999999999999999999",
        "1e400",
        "é",
        "💩",
        "\u{0}",
    ];
    prop_oneof![8 => proptest::sample::select(words.to_vec()).prop_map(str::to_owned), 1 => "\\PC{0,4}"]
}

fn tight() -> Env {
    Env {
        budget: Budget {
            steps: 20_000,
            depth: 100,
            bytes: 1 << 20,
        },
        ..Env::default()
    }
}

fn survives(source: &str) {
    let dialects = [
        Dialect::default(),
        Dialect {
            words: true,
            names: vec!["a b".into(), "x-y".into()],
            functions: Vec::new(),
            any_function: true,
        },
    ];
    for dialect in &dialects {
        if let Ok(expression) = Expression::parse_in(source, dialect) {
            let evaluation = expression.evaluate(&NoVariables, &tight());
            if let Ok(value) = evaluation.result {
                let _ = (value.to_json(), value.to_string());
            }
        }
        if let Ok(tests) = UnaryTests::parse_in(source, dialect) {
            let _ = tests.evaluate(&Value::from(5), &NoVariables, &tight());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_makes_the_parser_or_the_evaluation_panic(source in "\\PC{0,60}") {
        survives(&source);
    }

    #[test]
    fn no_sequence_of_pieces_makes_the_parser_or_the_evaluation_panic(pieces in proptest::collection::vec(piece(), 0..25)) {
        survives(&pieces.concat());
    }

    #[test]
    fn no_text_makes_the_json_reader_panic(text in "\\PC{0,60}") {
        let _ = Value::from_json(&text);
    }
}
