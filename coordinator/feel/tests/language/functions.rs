//! Functions: at least one case of every built-in function that is not temporal.

use botswain_feel::{Env, EvaluationError, Expression, NoVariables, WarningKind};

use crate::{check, check_all, warns};

#[test]
fn booleans() {
    check_all(&[
        ("not(yes)", "false"),
        ("not(none)", "null"),
        ("is defined(one)", "true"),
        ("is defined(order.id)", "true"),
        ("is defined(none)", "false"),
        ("get or else(none, 5)", "5"),
        ("get or else(one, 5)", "1"),
        ("is(one, 1)", "true"),
        ("is(none, no)", "false"),
        ("assert(one, one > 0)", "1"),
    ]);
}

#[test]
fn a_failed_assertion_fails_the_whole_evaluation() {
    let fails = |source: &str| crate::evaluate(source).result.unwrap_err();
    assert_eq!(
        fails("{a: [assert(missing, missing != null)]}"),
        EvaluationError::Assert("The condition is not fulfilled".to_owned())
    );
    assert_eq!(
        fails("assert(one, one > 1, \"too few\")").to_string(),
        "assertion failed: too few"
    );
}

#[test]
fn conversions() {
    check_all(&[
        ("number(\"12.50\")", "12.50"),
        ("number(\"1.234,5\", \".\", \",\")", "1234.5"),
        ("number(from: \"1 000\", grouping separator: \" \")", "1000"),
        ("string(1.10)", "1.10"),
        ("string([1, \"a\", null])", "[1, \"a\", null]"),
        ("string(name)", "Ada"),
        ("from json(\"{\\\"a\\\": [1, true, null]}\").a[1]", "1"),
        (
            "to json({a: [1.50, \"x\"], b: null})",
            "{\"a\":[1.5,\"x\"],\"b\":null}",
        ),
    ]);
    warns(
        "number(\"12a\")",
        WarningKind::FunctionInvocationFailure,
        "Failed to invoke function 'number': Can't parse \"12a\" as a number",
    );
    warns(
        "from json(\"{\")",
        WarningKind::FunctionInvocationFailure,
        "Failed to invoke function 'from json': invalid JSON at byte 1: expected a name in quotes",
    );
}

#[test]
fn numbers() {
    check_all(&[
        ("decimal(2.345, 2)", "2.34"),
        ("decimal(2.345, 2, \"half_up\")", "2.35"),
        ("floor(-2.5)", "-3"),
        ("floor(2.57, 1)", "2.5"),
        ("ceiling(2.1)", "3"),
        ("round up(2.11, 1)", "2.2"),
        ("round down(-2.19, 1)", "-2.1"),
        ("round half up(2.5, 0)", "3"),
        ("round half down(2.5, 0)", "2"),
        ("round half up(1234, -2)", "1200"),
        ("abs(-two)", "2"),
        ("modulo(-7, 3)", "2"),
        ("sqrt(2.25)", "1.5"),
        ("log(1)", "0"),
        ("exp(0)", "1"),
        ("odd(-3)", "true"),
        ("even(3)", "false"),
    ]);
    warns(
        "sqrt(-1)",
        WarningKind::FunctionInvocationFailure,
        "Failed to invoke function 'sqrt': the result is no number in range",
    );
}

#[test]
fn chance_comes_from_the_seed() {
    let expression =
        Expression::parse("[random number(), random number(), uuid(), uuid()]").unwrap();
    let give = |seed| {
        expression
            .evaluate(
                &NoVariables,
                &Env {
                    seed,
                    ..Env::default()
                },
            )
            .result
            .unwrap()
    };
    assert_eq!(give(1), give(1));
    assert_ne!(give(1), give(2));
    let values = give(1);
    let values = values.as_list().unwrap();
    assert_ne!(values[0], values[1]);
    let id = values[2].as_str().unwrap();
    assert_eq!((id.len(), &id[14..15]), (36, "4"));
}

#[test]
fn strings() {
    check_all(&[
        ("substring(\"process\", 4)", "cess"),
        ("substring(\"process\", -3, 2)", "es"),
        ("substring(\"höhe\", 2, 2)", "öh"),
        ("string length(\"höhe\")", "4"),
        ("upper case(name)", "ADA"),
        ("lower case(name)", "ada"),
        ("substring before(\"key=value\", \"=\")", "key"),
        ("substring before(\"key\", \"=\")", ""),
        ("substring after(\"key=value\", \"=\")", "value"),
        ("contains(name, \"d\")", "true"),
        ("starts with(name, \"A\")", "true"),
        ("ends with(name, \"A\")", "false"),
        ("matches(\"A-17\", \"^[A-Z]-\\d+$\")", "true"),
        ("matches(\"ONE\", \"one\", \"i\")", "true"),
        (
            "replace(\"2026-11-21\", \"(\\d+)-(\\d+)-(\\d+)\", \"$3.$2.$1\")",
            "21.11.2026",
        ),
        ("replace(\"price: 5\", \"5\", \"\\$5\")", "price: $5"),
        ("split(\"a, b,c\", \",\\s*\")", "[\"a\", \"b\", \"c\"]"),
        ("split(\"abc\", \"\")", "[\"a\", \"b\", \"c\", \"\"]"),
        ("extract(\"A1 B22\", \"[A-Z]\\d+\")", "[\"A1\", \"B22\"]"),
        ("trim(\"  x y \")", "x y"),
        ("to base64(\"Botswain\")", "Qm90c3dhaW4="),
        ("from base64(\"Qm90c3dhaW4=\")", "Botswain"),
        ("is blank(\" \\t\")", "true"),
        ("string join(words, \"-\", \"<\", \">\")", "<b-a>"),
        ("string join([\"a\", null, \"b\"])", "ab"),
    ]);
    warns(
        "matches(name, \"(\")",
        WarningKind::FunctionInvocationFailure,
        "Failed to invoke function 'matches': Invalid pattern '('",
    );
    warns(
        "upper case(one)",
        WarningKind::FunctionInvocationFailure,
        "Failed to invoke function 'upper case': illegal arguments '1'; it takes (string)",
    );
}

#[test]
fn lists() {
    check_all(&[
        ("list contains(numbers, 2)", "true"),
        ("list contains([null], null)", "true"),
        ("count(numbers)", "3"),
        ("sublist(numbers, 2)", "[1, 2]"),
        ("sublist(numbers, -2, 1)", "[1]"),
        ("append(numbers, 4, 5)", "[3, 1, 2, 4, 5]"),
        ("concatenate(numbers, words)", "[3, 1, 2, \"b\", \"a\"]"),
        ("insert before(numbers, 1, 9)", "[9, 3, 1, 2]"),
        ("list replace(numbers, -1, 9)", "[3, 1, 9]"),
        (
            "list replace(numbers, function(item, new) item > 1, 9)",
            "[9, 1, 9]",
        ),
        ("remove(numbers, 2)", "[3, 2]"),
        ("remove(numbers, -1)", "[3, 1]"),
        ("reverse(numbers)", "[2, 1, 3]"),
        ("index of([1, 2, 1], 1)", "[1, 3]"),
        ("union([1, 2], [2, 3])", "[1, 2, 3]"),
        ("distinct values([1, 1.0, \"1\"])", "[1, \"1\"]"),
        ("duplicate values([1, 2, 1, 2, 3])", "[1, 2]"),
        ("flatten([1, [2, [3, []]]])", "[1, 2, 3]"),
        ("sort(numbers)", "[1, 2, 3]"),
        ("sort(numbers, function(a, b) a > b)", "[3, 2, 1]"),
        ("is empty([])", "true"),
        ("partition(numbers, 2)", "[[3, 1], [2]]"),
    ]);
    warns(
        "sublist(numbers, 0)",
        WarningKind::FunctionInvocationFailure,
        "Failed to invoke function 'sublist': the position must be a non-zero number",
    );
    warns(
        "count(one)",
        WarningKind::FunctionInvocationFailure,
        "Failed to invoke function 'count': illegal arguments '1'; it takes (list)",
    );
}

#[test]
fn statistics() {
    check_all(&[
        ("min(numbers)", "1"),
        ("max(4, 7, 5)", "7"),
        ("max(words)", "b"),
        ("min([])", "null"),
        ("sum(numbers)", "6"),
        ("sum(0.1, 0.2)", "0.3"),
        ("product(numbers)", "6"),
        ("mean(1, 2)", "1.5"),
        ("median(numbers)", "2"),
        ("median(1, 2, 3, 10)", "2.5"),
        ("stddev(2, 4)", "1.4142135623730951"),
        ("mode(1, 2, 2, 3, 3)", "[2, 3]"),
        ("all([yes, yes])", "true"),
        ("any(no, no)", "false"),
        ("and(yes, no)", "false"),
        ("or([])", "false"),
    ]);
    warns(
        "sum(1, name)",
        WarningKind::FunctionInvocationFailure,
        "Failed to invoke function 'sum': expected number but found '\"Ada\"'",
    );
}

#[test]
fn contexts() {
    check_all(&[
        ("get value(order, \"id\")", "A-7"),
        ("get value(order, [\"customer\", \"city\"])", "Kiel"),
        ("get value(order, \"nothing\")", "null"),
        ("get entries({a: 1})", "[{key:\"a\", value:1}]"),
        ("context put({a: 1}, \"b\", 2)", "{a:1, b:2}"),
        (
            "context put({a: {b: 1}}, [\"a\", \"c\"], 2)",
            "{a:{b:1, c:2}}",
        ),
        ("put({a: 1}, \"a\", 2)", "{a:2}"),
        ("context merge({a: 1}, {b: 2, a: 3})", "{a:3, b:2}"),
        ("put all([{a: 1}, {b: 2}])", "{a:1, b:2}"),
        ("context([{key: \"a\", value: 1}])", "{a:1}"),
    ]);
}

#[test]
fn ranges() {
    check_all(&[
        ("before(1, [2..3])", "true"),
        ("after([4..5], (2..4))", "true"),
        ("meets([1..3], [3..5])", "true"),
        ("met by([3..5], [1..3])", "true"),
        ("overlaps([1..3], [2..5])", "true"),
        ("overlaps before([1..3], [2..5])", "true"),
        ("overlaps after([2..5], [1..3])", "true"),
        ("finishes(5, [1..5])", "true"),
        ("finished by([1..5], [3..5])", "true"),
        ("includes([1..5], 3)", "true"),
        ("during([2..3], [1..5])", "true"),
        ("starts([1..2], [1..5])", "true"),
        ("started by([1..5], 1)", "true"),
        ("coincides([1..5], [1..5])", "true"),
        (
            "before(@\"2026-01-01\", [@\"2026-02-01\"..@\"2026-03-01\"])",
            "true",
        ),
    ]);
    warns(
        "before(one, name)",
        WarningKind::FunctionInvocationFailure,
        "Failed to invoke function 'before': illegal arguments '1', '\"Ada\"'; it takes (point1, point2) or (point, range) or (range, point) or (range1, range2)",
    );
}

#[test]
fn connectors_and_agents() {
    check_all(&[
        (
            "fromAi(order.id, \"the order\", \"string\", null, {required: no})",
            "A-7",
        ),
        ("fromAi(value: order.id, type: \"string\")", "A-7"),
        (
            "bpmnError(\"404\", \"gone\")",
            "{errorType:\"bpmnError\", code:\"404\", message:\"gone\"}",
        ),
        ("jobError(\"busy\").message", "busy"),
        ("ignoreError()", "{errorType:\"ignoreError\"}"),
    ]);
}

#[test]
fn a_wrong_number_of_arguments_gives_null_and_the_usage() {
    warns(
        "count(1, 2)",
        WarningKind::NoFunctionFound,
        "No function 'count' with 2 arguments; it takes (list)",
    );
    check("count(list: numbers)", "3");
}
