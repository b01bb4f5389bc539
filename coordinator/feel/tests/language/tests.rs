//! Unary tests: the cells of decision tables.

use botswain_feel::UnaryTests;

use crate::tests_give;

#[test]
fn a_cell_compares_with_the_input() {
    for (source, input, expected) in [
        ("-", "1", "true"),
        ("5", "5", "true"),
        ("5", "6", "false"),
        ("\"a\", \"b\"", "\"b\"", "true"),
        ("< 5", "4", "true"),
        (">= one", "1", "true"),
        ("!= 5", "4", "true"),
        ("[1..5)", "5", "false"),
        ("[1..5], > 9", "10", "true"),
        ("not(1, 2)", "3", "true"),
        ("not([1..5])", "3", "false"),
        ("true", "true", "true"),
        ("false", "true", "false"),
        ("null", "null", "true"),
        ("numbers", "2", "true"),
        ("one + 1", "2", "true"),
        ("< @\"2026-11-21\"", "@\"2026-01-01\"", "true"),
        ("< 5 or > 9", "10", "true"),
        ("(< 5 or > 9)", "7", "false"),
    ] {
        tests_give(source, input, expected);
    }
}

#[test]
fn a_question_mark_is_the_input() {
    for (source, input, expected) in [
        ("? > 3 and ? < 5", "4", "true"),
        ("contains(?, \"d\")", "name", "true"),
        ("? * 2 = 8", "4", "true"),
        ("? + 1", "4", "null"),
        ("not(? > 3)", "4", "false"),
        ("?.city = \"Kiel\"", "order.customer", "true"),
        ("some n in ? satisfies n > 2", "numbers", "true"),
    ] {
        tests_give(source, input, expected);
    }
}

#[test]
fn another_type_gives_null() {
    tests_give("< 5", "\"a\"", "null");
    tests_give("[1..5]", "null", "null");
    tests_give("\"a\"", "1", "null");
}

#[test]
fn a_wrong_cell_is_refused() {
    let refused = |source: &str| UnaryTests::parse(source).unwrap_err().to_string();
    assert_eq!(
        refused("1,"),
        "line 1, column 3: expected a value but found the end"
    );
    assert_eq!(
        refused("== 5"),
        "line 1, column 2: expected a value but found '='"
    );
    assert_eq!(
        refused(""),
        "line 1, column 1: expected a value but found the end"
    );
}
