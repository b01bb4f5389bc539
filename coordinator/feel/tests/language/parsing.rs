//! Parsing: names, comments, texts, and what is refused where and why.

use botswain_feel::{Dialect, Env, Expression, Value};

use crate::{check, check_all, refuses, variables};

#[test]
fn an_error_names_its_place_and_what_was_found() {
    refuses(
        "one +",
        "line 1, column 6: expected a value but found the end",
    );
    refuses(
        "if one then 2",
        "line 1, column 14: expected 'else' but found the end",
    );
    refuses(
        "one == 2",
        "line 1, column 6: expected a value but found '=': FEEL compares with one '='",
    );
    refuses("[1, 2", "line 1, column 6: expected ']' but found the end");
    refuses(
        "{a 1}",
        "line 1, column 2: expected an entry's name and ':' but found 'a'",
    );
    refuses(
        "{\n  a: 1,\n  b: )\n}",
        "line 3, column 6: expected a value but found ')'",
    );
    refuses(
        "\"abc",
        "line 1, column 1: the text that begins here has no closing '\"'",
    );
    refuses(
        "one two",
        "line 1, column 5: expected an operator or the end but found 'two'",
    );
    refuses("", "line 1, column 1: expected a value but found the end");
    refuses(
        "? > 1",
        "line 1, column 1: '?' is the input of unary tests, and there is none here",
    );
    refuses(
        "function(x) external {java: {}}",
        "line 1, column 12: external functions are not executed: write the function in FEEL or use a job",
    );
}

#[test]
fn an_unknown_function_is_refused_by_its_name() {
    refuses(
        "frobnicate(1)",
        "line 1, column 1: unknown function 'frobnicate'",
    );
    refuses(
        "1 + list contain([1], 1)",
        "line 1, column 5: unknown function 'list contain'; is 'list contains' meant?",
    );
    refuses(
        "uppercase(name)",
        "line 1, column 1: unknown function 'uppercase'; is 'upper case' meant?",
    );
}

#[test]
fn a_dialect_may_leave_unknown_functions_to_the_evaluation() {
    let dialect = Dialect {
        any_function: true,
        ..Dialect::default()
    };
    let evaluation = Expression::parse_in("{a: frobnicate(1), b: 2}", &dialect)
        .unwrap()
        .evaluate(&variables(), &Env::default());
    assert_eq!(evaluation.result.unwrap().to_json(), r#"{"a":null,"b":2}"#);
    assert_eq!(
        evaluation.warnings[0].message,
        "No function found with name 'frobnicate'"
    );
}

#[test]
fn a_dialect_may_declare_names_of_several_words() {
    let dialect = Dialect {
        words: true,
        names: vec!["monthly salary".into(), "a-b".into(), "order".into()],
        ..Dialect::default()
    };
    let scope = Value::from_json(r#"{"monthly salary": 2000, "a-b": 3}"#).unwrap();
    let give = |source: &str| {
        Expression::parse_in(source, &dialect)
            .unwrap()
            .evaluate(&scope, &Env::default())
            .result
            .unwrap()
    };
    assert_eq!(give("monthly  salary * 12"), Value::from(24_000));
    assert_eq!(give("a-b + 1"), Value::from(4));
    assert_eq!(
        give("{tax rate: 2, due: tax rate * a-b}.due"),
        Value::from(6)
    );
    assert_eq!(
        give("for next item in [1, 2] return next item + 1").to_string(),
        "[2, 3]"
    );
}

#[test]
fn words_of_the_language_inside_of_names_are_names() {
    check_all(&[
        (
            "{order: 1, android: 2, iffy: 3, r: order + android + iffy}.r",
            "6",
        ),
        ("{if: 1}.if", "1"),
        ("{some: [1], r: some[1]}.r", "1"),
        ("{notes: 1}.notes", "1"),
    ]);
}

#[test]
fn comments_and_space_are_skipped() {
    check("/* a */ one // b\n + /* c */ two", "3");
    check("\u{a0}one\n+\ttwo ", "3");
}

#[test]
fn texts_have_escapes() {
    check_all(&[
        (r#""a\"b\\c\n""#, "a\"b\\c\n"),
        (r#""\u00e9\uD83D\uDE00\U01F600""#, "é😀😀"),
        (r#""\d\s""#, "\\d\\s"),
        ("\"line\nbreak\"", "line\nbreak"),
    ]);
}

#[test]
fn brackets_may_be_ranges() {
    check_all(&[
        ("{r: [1..2]}", "{r:[1..2]}"),
        ("string((1..2])", "(1..2]"),
        ("[1..2[ = [1..2)", "true"),
        ("]1..2] = (1..2]", "true"),
        ("5 in {r: (> 3)}.r", "true"),
    ]);
}

#[test]
fn the_variables_that_are_read_are_known() {
    let names = |source: &str| Expression::parse(source).unwrap().names().join(" ");
    assert_eq!(names("a.b + c * a"), "a c");
    assert_eq!(names("for x in xs return x + y"), "xs y");
    assert_eq!(names("{k: 1, r: k + z}"), "z");
    assert_eq!(names("function(p) p + q"), "q");
    assert_eq!(names("list[item > least]"), "list least");
    assert_eq!(names("some `a b` in c satisfies `a b` = `d e`"), "c d e");
    assert_eq!(names("1 + count([])"), "");
}

#[test]
fn an_expression_can_be_shared_between_threads() {
    let expression = Expression::parse("one + two").unwrap();
    let other = expression.clone();
    let sum = std::thread::spawn(move || other.evaluate(&variables(), &Env::default()).result)
        .join()
        .unwrap()
        .unwrap();
    assert_eq!(
        sum,
        expression
            .evaluate(&variables(), &Env::default())
            .result
            .unwrap()
    );
    assert_eq!(
        (expression.source(), format!("{expression:?}").as_str()),
        ("one + two", "Expression(\"one + two\")")
    );
}
