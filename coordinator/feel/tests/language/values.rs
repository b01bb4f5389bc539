//! Values: JSON in and out, types, lookups.

use botswain_feel::{Context, Number, Value};

#[track_caller]
fn round_trips(json: &str) {
    assert_eq!(Value::from_json(json).expect(json).to_json(), json);
}

#[test]
fn json_comes_out_as_it_went_in() {
    for json in [
        "null",
        "true",
        "-17",
        "9223372036854775808",
        "1234567890123456789012345678901234",
        "0.1",
        "-0.000001",
        "[1,[2,{\"a\":null}],\"x\"]",
        "{\"b\":1,\"a\":2}",
        "\"\\\"quoted\\\" \\\\ \\n é 😀 \\u0001\"",
    ] {
        round_trips(json);
    }
}

#[test]
fn json_numbers_lose_only_their_spelling() {
    for (json, expected) in [
        ("1.50", "1.5"),
        ("1e3", "1000"),
        ("-0", "0"),
        ("2E-2", "0.02"),
        ("1.0", "1"),
    ] {
        assert_eq!(Value::from_json(json).unwrap().to_json(), expected);
    }
    assert_eq!(
        Value::from_json("1e999999").unwrap_err().to_string(),
        "invalid JSON at byte 0: expected a number in range"
    );
}

#[test]
fn what_is_not_json_is_refused_with_its_place() {
    for (text, expected) in [
        ("{\"a\" 1}", "invalid JSON at byte 5: expected ':'"),
        ("[1 2]", "invalid JSON at byte 3: expected ',' or ']'"),
        ("nul", "invalid JSON at byte 0: expected a value"),
        ("\"a", "invalid JSON at byte 2: the string does not end"),
        ("01", "invalid JSON at byte 0: a number cannot begin with 0"),
        (
            "1 2",
            "invalid JSON at byte 2: expected the end after the value",
        ),
        ("", "invalid JSON at byte 0: expected a value"),
    ] {
        assert_eq!(
            Value::from_json(text).unwrap_err().to_string(),
            expected,
            "{text}"
        );
    }
    let deep = "[".repeat(100_000);
    assert_eq!(
        Value::from_json(&deep).unwrap_err().message,
        "nested deeper than 128 levels"
    );
}

#[test]
fn large_contexts_find_their_entries() {
    let entries = (0..1000).map(|n| (format!("key{}", n * 7 % 1000).into(), Value::from(n)));
    let mut context = Context::new(entries);
    context.put("key7".into(), Value::from("new"));
    assert_eq!(context.entries().len(), 1000);
    assert_eq!(context.get("key7"), Some(&Value::from("new")));
    assert_eq!(context.get("key14"), Some(&Value::from(2)));
    assert_eq!(context.get("key1000"), None);
    assert_eq!(context.entries()[1].0, "key7");
}

#[test]
fn a_huge_object_is_read_at_once() {
    let entries: Vec<String> = (0..200_000)
        .map(|n| format!("\"k{}\":{n}", n % 150_000))
        .collect();
    let value =
        Value::from_json(&format!("{{{}}}", entries.join(","))).expect("the object is JSON");
    assert_eq!(
        value.as_context().map(|context| context.entries().len()),
        Some(150_000)
    );
    assert_eq!(value.get("k7"), Some(&Value::from(150_007)));
    assert_eq!(value.get("k149999"), Some(&Value::from(149_999)));
}

#[test]
fn values_tell_their_type_and_content() {
    let value = Value::from_json(r#"{"n": 3, "s": "x", "b": true, "l": [1], "d": 2.5}"#).unwrap();
    let get = |name: &str| value.get(name).unwrap();
    assert_eq!(get("n").as_i64(), Some(3));
    assert_eq!(get("d").as_i64(), None);
    assert_eq!(get("d").as_number(), Number::parse("2.50"));
    assert_eq!(get("s").as_str(), Some("x"));
    assert_eq!(get("b").as_bool(), Some(true));
    assert_eq!(get("l").as_list(), Some(&[Value::from(1)][..]));
    assert_eq!(
        value.as_context().map(|context| context.entries().len()),
        Some(5)
    );
    assert_eq!(
        (
            value.type_name(),
            get("n").type_name(),
            Value::Null.type_name()
        ),
        ("context", "number", "null")
    );
}
