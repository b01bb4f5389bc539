//! Schemas: whether an input or output has the shape that the work declares.
//!
//! The part of JSON Schema that shapes of inputs need. A keyword beyond it is refused by its name, never passed over.

use botswain_action::Object;
use serde_json::{Map, Value};

/// How many violations are told.
const PROBLEMS_MAX: usize = 5;
/// Deepest nesting of a schema.
const DEPTH_MAX: usize = 32;
/// Largest compiled pattern.
const PATTERN_BYTES_MAX: usize = 256 * 1024;

/// Says what of the object breaks the schema, place by place; values are never repeated, because they may be secret.
pub(super) fn check(schema: &Value, object: &Object) -> Result<(), String> {
    let mut found = Found::default();
    look(schema, &Value::Object(object.clone()), "", 0, &mut found);
    if let Some(fault) = found.fault {
        return Err(format!("the schema itself is wrong: {fault}"));
    }
    if found.problems.is_empty() {
        Ok(())
    } else {
        Err(found.problems.join("; "))
    }
}

#[derive(Default)]
struct Found {
    problems: Vec<String>,
    /// What is wrong with the schema.
    fault: Option<String>,
}

impl Found {
    fn problem(&mut self, place: &str, what: impl std::fmt::Display) {
        if self.problems.len() < PROBLEMS_MAX {
            let place = if place.is_empty() { "/" } else { place };
            self.problems.push(format!("{place} {what}"));
        }
    }

    fn fault(&mut self, what: String) {
        self.fault.get_or_insert(what);
    }
}

fn look(schema: &Value, value: &Value, place: &str, depth: usize, found: &mut Found) {
    let rules = match schema {
        Value::Bool(true) => return,
        Value::Bool(false) => return found.problem(place, "is not allowed here"),
        Value::Object(rules) => rules,
        _ => return found.fault("a schema is an object or a boolean".to_owned()),
    };
    if depth > DEPTH_MAX {
        return found.fault(format!("it nests more than {DEPTH_MAX} levels"));
    }
    for (word, rule) in rules {
        rule_of(word, rule, rules, value, place, depth, found);
    }
}

fn rule_of(
    word: &str,
    rule: &Value,
    rules: &Map<String, Value>,
    value: &Value,
    place: &str,
    depth: usize,
    found: &mut Found,
) {
    match word {
        "type" => {
            let wanted: Vec<&str> = match rule {
                Value::String(one) => vec![one],
                Value::Array(some) => some.iter().filter_map(Value::as_str).collect(),
                _ => Vec::new(),
            };
            if !wanted.iter().any(|wanted| is(value, wanted)) {
                found.problem(place, format!("is no {}", wanted.join(" or ")));
            }
        }
        "enum" => {
            if !rule.as_array().is_some_and(|all| all.contains(value)) {
                found.problem(place, "is none of the allowed values");
            }
        }
        "const" => {
            if rule != value {
                found.problem(place, "is not the only allowed value");
            }
        }
        "required" => {
            let Value::Object(fields) = value else { return };
            for name in rule
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
            {
                if !fields.contains_key(name) {
                    found.problem(&format!("{place}/{name}"), "is missing");
                }
            }
        }
        "properties" => {
            let (Value::Object(fields), Some(known)) = (value, rule.as_object()) else {
                return;
            };
            for (name, schema) in known {
                if let Some(field) = fields.get(name) {
                    look(schema, field, &format!("{place}/{name}"), depth + 1, found);
                }
            }
        }
        "additionalProperties" => {
            let Value::Object(fields) = value else { return };
            let known = rules.get("properties").and_then(Value::as_object);
            for (name, field) in fields {
                if !known.is_some_and(|known| known.contains_key(name)) {
                    look(rule, field, &format!("{place}/{name}"), depth + 1, found);
                }
            }
        }
        "items" => {
            for (index, item) in value.as_array().into_iter().flatten().enumerate() {
                look(rule, item, &format!("{place}/{index}"), depth + 1, found);
            }
        }
        "minimum" | "maximum" | "exclusiveMinimum" | "exclusiveMaximum" => {
            let (Some(limit), Some(number)) = (rule.as_f64(), value.as_f64()) else {
                return;
            };
            let fits = match word {
                "minimum" => number >= limit,
                "maximum" => number <= limit,
                "exclusiveMinimum" => number > limit,
                _ => number < limit,
            };
            if !fits {
                found.problem(place, format!("breaks {word} {limit}"));
            }
        }
        "minLength" | "maxLength" | "minItems" | "maxItems" | "minProperties" | "maxProperties" => {
            sized(word, rule, value, place, found)
        }
        "pattern" => {
            let (Some(pattern), Some(text)) = (rule.as_str(), value.as_str()) else {
                return;
            };
            match regex::RegexBuilder::new(pattern)
                .size_limit(PATTERN_BYTES_MAX)
                .build()
            {
                Ok(regex) if regex.is_match(text) => {}
                Ok(_) => found.problem(place, format!("does not match {pattern}")),
                Err(_) => found.fault(format!("the pattern {pattern} cannot be used here")),
            }
        }
        "allOf" => {
            for schema in rule.as_array().into_iter().flatten() {
                look(schema, value, place, depth + 1, found);
            }
        }
        "anyOf" | "oneOf" => {
            let mut fitting = 0;
            for schema in rule.as_array().into_iter().flatten() {
                fitting += usize::from(fits(schema, value, depth, found));
            }
            if fitting == 0 || (word == "oneOf" && fitting > 1) {
                found.problem(place, format!("fits {fitting} of its {word} shapes"));
            }
        }
        "not" => {
            if fits(rule, value, depth, found) {
                found.problem(place, "has a shape that is excluded");
            }
        }
        "$schema" | "$id" | "$comment" | "title" | "description" | "default" | "examples"
        | "format" | "deprecated" | "readOnly" | "writeOnly" => {}
        other => found.fault(format!(
            "the keyword {other:?} is not known to agents; say it with others, or leave it out"
        )),
    }
}

fn fits(schema: &Value, value: &Value, depth: usize, found: &mut Found) -> bool {
    let mut inner = Found::default();
    look(schema, value, "", depth + 1, &mut inner);
    if let Some(fault) = inner.fault {
        found.fault(fault);
    }
    inner.problems.is_empty()
}

fn sized(word: &str, rule: &Value, value: &Value, place: &str, found: &mut Found) {
    let size = match (word.get(3..).unwrap_or_default(), value) {
        ("Length", Value::String(text)) => text.chars().count(),
        ("Items", Value::Array(items)) => items.len(),
        ("Properties", Value::Object(fields)) => fields.len(),
        _ => return,
    };
    let Some(limit) = rule.as_u64() else {
        return found.fault(format!("{word} is no whole number"));
    };
    let size = size as u64;
    let fits = if word.starts_with("min") {
        size >= limit
    } else {
        size <= limit
    };
    if !fits {
        found.problem(place, format!("breaks {word} {limit}"));
    }
}

fn is(value: &Value, wanted: &str) -> bool {
    match (wanted, value) {
        ("object", Value::Object(_))
        | ("array", Value::Array(_))
        | ("string", Value::String(_))
        | ("boolean", Value::Bool(_))
        | ("null", Value::Null)
        | ("number", Value::Number(_)) => true,
        // 2.0 is a whole number too.
        ("integer", Value::Number(number)) => {
            number.is_i64() || number.is_u64() || number.as_f64().is_some_and(|n| n.fract() == 0.0)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};
    use serde_json::json;

    #[expect(
        clippy::needless_pass_by_value,
        reason = "json! and expect! are values"
    )]
    fn check(schema: Value, value: Value, expected: Expect) {
        let found = super::check(&schema, value.as_object().unwrap());
        expected.assert_eq(&found.map_or_else(|error| error, |()| "fits".to_owned()));
    }

    #[test]
    fn a_violation_names_its_place_and_never_the_value() {
        let schema = json!({
            "type": "object",
            "required": ["name"],
            "additionalProperties": false,
            "properties": {
                "name": { "type": "string", "minLength": 2, "pattern": "^[A-Z]" },
                "age": { "type": "integer", "minimum": 0 },
                "tags": { "type": "array", "maxItems": 2, "items": { "enum": ["a", "b"] } },
            },
        });
        check(
            schema.clone(),
            json!({"name": "Anna", "age": 3, "tags": ["a"]}),
            expect!["fits"],
        );
        check(
            schema.clone(),
            json!({"age": "top secret"}),
            expect!["/name is missing; /age is no integer"],
        );
        check(
            schema.clone(),
            json!({"name": "x", "more": 1}),
            expect![
                "/more is not allowed here; /name breaks minLength 2; /name does not match ^[A-Z]"
            ],
        );
        check(
            schema,
            json!({"name": "Anna", "age": -1, "tags": ["a", "c", "b"]}),
            expect![
                "/age breaks minimum 0; /tags breaks maxItems 2; /tags/1 is none of the allowed values"
            ],
        );
    }

    #[test]
    fn shapes_are_combined() {
        let schema =
            json!({"properties": {"id": {"oneOf": [{"type": "string"}, {"type": "integer"}]}}});
        check(schema.clone(), json!({"id": 2.0}), expect!["fits"]);
        check(
            schema,
            json!({"id": true}),
            expect!["/id fits 0 of its oneOf shapes"],
        );
        check(
            json!({"not": {"required": ["x"]}}),
            json!({"x": 1}),
            expect!["/ has a shape that is excluded"],
        );
        check(json!({}), json!({"x": 1}), expect!["fits"]);
    }

    #[test]
    fn a_schema_that_cannot_be_followed_is_told_and_not_passed_over() {
        check(
            json!({"$ref": "#/x"}),
            json!({}),
            expect![[
                r#"the schema itself is wrong: the keyword "$ref" is not known to agents; say it with others, or leave it out"#
            ]],
        );
        check(
            json!({"anyOf": [{"dependentRequired": {}}]}),
            json!({}),
            expect![[
                r#"the schema itself is wrong: the keyword "dependentRequired" is not known to agents; say it with others, or leave it out"#
            ]],
        );
        check(
            json!({"properties": {"x": {"pattern": "(?=a)"}}}),
            json!({"x": "a"}),
            expect!["the schema itself is wrong: the pattern (?=a) cannot be used here"],
        );
        let mut deep = json!({});
        for _ in 0..100 {
            deep = json!({"not": deep});
        }
        check(
            deep,
            json!({}),
            expect!["the schema itself is wrong: it nests more than 32 levels"],
        );
    }
}
