//! Operators: arithmetic, comparison, logic, control, paths, filters, loops.

use botswain_feel::WarningKind;

use crate::{check, check_all, warns};

#[test]
fn arithmetic_follows_precedence() {
    check_all(&[
        ("one + two * 3", "7"),
        ("(one + two) * 3", "9"),
        ("10 - 4 - 3", "3"),
        ("2 ** 3 ** 2", "64"),
        ("-two ** 2", "4"),
        ("7 / 2", "3.5"),
        ("1 / 3 * 3", "0.9999999999999999999999999999999999"),
        ("0.1 + 0.2", "0.3"),
        ("-(half)", "-0.5"),
        ("1 - -1", "2"),
        ("9007199254740993 + 0", "9007199254740993"),
        ("1e3 + .5", "1000.5"),
        ("4 ** 0.5", "2"),
    ]);
}

#[test]
fn texts_are_joined() {
    check_all(&[
        ("\"a\" + \"b\" + name", "abAda"),
        ("\"n: \" + string(one + two)", "n: 3"),
    ]);
}

#[test]
fn mixed_types_give_null_and_say_which_types_were_found() {
    warns(
        "one + name",
        WarningKind::InvalidType,
        "Can't add '\"Ada\"' to '1': they are of type string and number",
    );
    warns(
        "one - none",
        WarningKind::InvalidType,
        "Can't subtract 'null' from '1': they are of type null and number",
    );
    warns(
        "yes * 2",
        WarningKind::InvalidType,
        "Can't multiply 'true' by '2': they are of type boolean and number",
    );
    warns(
        "one / 0",
        WarningKind::InvalidType,
        "Can't divide '1' by '0': they are of type number and number",
    );
    warns(
        "one < name",
        WarningKind::NotComparable,
        "Can't compare '1' with '\"Ada\"': they are of type number and string",
    );
    warns(
        "one = name",
        WarningKind::NotComparable,
        "Can't compare '1' with '\"Ada\"': they are of type number and string",
    );
}

#[test]
fn comparisons_know_null() {
    check_all(&[
        ("one < two", "true"),
        ("two <= 2.0", "true"),
        ("name = \"Ada\"", "true"),
        ("name != \"Bob\"", "true"),
        ("none = null", "true"),
        ("one != null", "true"),
        ("two between 1 and 3", "true"),
        ("5 between one and two", "false"),
        ("[1, [2]] = [1, [2]]", "true"),
        ("{a: 1, b: 2} = {b: 2, a: 1}", "true"),
        ("{a: 1} = {a: 1, b: null}", "false"),
        ("\"10\" < \"9\"", "true"),
    ]);
}

#[test]
fn logic_has_three_values() {
    check_all(&[
        ("yes and yes and no", "false"),
        ("no or no or yes", "true"),
        ("one = 2 or two = 2 and yes", "true"),
    ]);
    for (source, expected) in [
        ("none and no", "false"),
        ("none or yes", "true"),
        ("none and yes", "null"),
        ("none or no", "null"),
        ("1 and yes", "null"),
    ] {
        let result = crate::evaluate(source).result.unwrap();
        assert_eq!(result.to_string(), expected, "{source}");
    }
}

#[test]
fn the_first_true_condition_decides() {
    check_all(&[
        ("if one > two then \"more\" else \"less\"", "less"),
        (
            "if no then 1 else if no then 2 else if yes then 3 else 4",
            "3",
        ),
        ("(if yes then 1 else 2) + 1", "2"),
        ("if yes then if no then 1 else 2 else 3", "2"),
    ]);
    let evaluation = crate::evaluate("if none then 1 else 2");
    assert_eq!(evaluation.result.unwrap().to_string(), "2");
    assert_eq!(evaluation.warnings.len(), 1);
}

#[test]
fn in_asks_for_tests() {
    check_all(&[
        ("two in [1..3]", "true"),
        ("two in (2..3]", "false"),
        ("two in (1, 2)", "true"),
        ("two in < 2", "false"),
        ("two in (< 1, >= 2)", "true"),
        ("two in numbers", "true"),
        ("two in (1..3)", "true"),
        ("two in ]1..2[", "false"),
        ("name in (\"Bob\", \"Ada\")", "true"),
        ("two in != 3", "true"),
        ("4 in (? > 3 and ? < 5)", "true"),
    ]);
}

#[test]
fn paths_reach_into_contexts_and_lists() {
    check_all(&[
        ("order.customer.city", "Kiel"),
        ("order.lines.sku", "[\"x\", \"y\"]"),
        ("order.lines[2].price", "4"),
        ("order.lines.price[1]", "2.5"),
        ("{a: {`b c`: 1}}.a.`b c`", "1"),
        ("`with space` + 1", "6"),
        ("{In-Reply-To: 1, a b: 2}.`In-Reply-To`", "1"),
    ]);
    warns(
        "order.nothing",
        WarningKind::NoContextEntryFound,
        "No context entry found with key 'nothing'. Available keys: 'id', 'lines', 'customer'",
    );
    warns(
        "none.x",
        WarningKind::NoContextEntryFound,
        "No context entry found with key 'x'. The context is null",
    );
    warns(
        "name.x",
        WarningKind::NoPropertyFound,
        "No property found with name 'x' of value '\"Ada\"' of type string",
    );
    warns(
        "unknown",
        WarningKind::NoVariableFound,
        "No variable found with name 'unknown'",
    );
}

#[test]
fn filters_keep_items_or_pick_one() {
    check_all(&[
        ("numbers[1]", "3"),
        ("numbers[-1]", "2"),
        ("numbers[two]", "1"),
        ("numbers[0]", "null"),
        ("numbers[9]", "null"),
        ("numbers[item > 1]", "[3, 2]"),
        ("order.lines[price > 3].sku", "[\"y\"]"),
        ("order.lines[sku = \"x\" and price < 3][1].price", "2.5"),
        ("numbers[count(numbers)]", "2"),
        ("numbers[item = two]", "[2]"),
        ("[[1, 2], [3]][1][2]", "2"),
        ("[][item > 1]", "[]"),
    ]);
    warns(
        "one[1]",
        WarningKind::InvalidType,
        "Expected list but found '1'",
    );
}

#[test]
fn loops_run_over_lists_and_steps() {
    check_all(&[
        ("for n in numbers return n * 2", "[6, 2, 4]"),
        ("for i in 1..3 return i", "[1, 2, 3]"),
        ("for i in 3..1 return i", "[3, 2, 1]"),
        ("for i in [1..3) return i", "[1, 2]"),
        (
            "for a in 1..2, b in words return string(a) + b",
            "[\"1b\", \"1a\", \"2b\", \"2a\"]",
        ),
        ("for a in 1..3, b in 1..a return b", "[1, 1, 2, 1, 2, 3]"),
        ("for i in 1..4 return count(partial)", "[0, 1, 2, 3]"),
        (
            "for i in 1..5 return if i = 1 then 1 else i * partial[-1]",
            "[1, 2, 6, 24, 120]",
        ),
        (
            "for day in @\"2026-02-27\"..@\"2026-03-01\" return day.day",
            "[27, 28, 1]",
        ),
        ("for n in [] return n", "[]"),
        ("some n in numbers satisfies n > 2", "true"),
        ("every n in numbers satisfies n > 2", "false"),
        ("some a in 1..3, b in 1..3 satisfies a * b = 9", "true"),
        ("every n in [] satisfies no", "true"),
    ]);
    warns(
        "for n in name return n",
        WarningKind::InvalidType,
        "Expected list but found '\"Ada\"'",
    );
    warns(
        "for n in 1..name return n",
        WarningKind::InvalidType,
        "Expected numbers but found '1' and '\"Ada\"'",
    );
}

#[test]
fn functions_are_values() {
    check_all(&[
        ("{twice: function(x) x * 2, r: twice(4)}.r", "8"),
        ("{sub: function(a, b) a - b, r: sub(b: 1, a: 5)}.r", "4"),
        (
            "{fact: function(n) if n < 2 then 1 else n * fact(n - 1), r: fact(10)}.r",
            "3628800",
        ),
        ("{m: {plus: function(x) x + one}, r: m.plus(2)}.r", "3"),
        ("sort(words, function(a, b) a < b)", "[\"a\", \"b\"]"),
        ("function(a, b) a", "function(a, b)"),
        (
            "{f: function(net  sum) `net  sum` + 1, r: f(net  sum: 2)}.r",
            "3",
        ),
        ("number(from: \"1 0\", grouping   separator: \" \")", "10"),
    ]);
    warns(
        "{f: function(x) x, r: f(1, 2)}.r",
        WarningKind::NoFunctionFound,
        "No function found with name 'f' and these parameters; it takes: x",
    );
}

#[test]
fn types_can_be_asked_for() {
    check_all(&[
        ("one instance of number", "true"),
        ("name instance of string", "true"),
        ("name instance of number", "false"),
        ("none instance of Any", "false"),
        ("[1] instance of list", "true"),
        ("[1] instance of list<number>", "true"),
        ("@\"P1D\" instance of days and time duration", "true"),
        ("@\"P1Y\" instance of years and months duration", "true"),
        ("@\"2026-01-01T00:00:00\" instance of date and time", "true"),
        ("(function() 1) instance of function<> -> number", "true"),
        ("1 + 1 instance of number", "true"),
    ]);
}

#[test]
fn entries_see_the_entries_before_them() {
    check("{a: one, b: a + 1, c: b * 2}", "{a:1, b:2, c:4}");
    check("{a: 1, a: 2}", "{a:2}");
}
