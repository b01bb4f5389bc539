//! Schemas: whether an input or output has the shape that the work declares.

use botswain_action::Object;
use serde_json::Value;

/// How many violations are told.
const PROBLEMS_MAX: usize = 5;

/// Says what of the object breaks the schema, place by place.
pub(super) fn check(schema: &Value, object: &Object) -> Result<(), String> {
    if schema.as_object().is_none_or(serde_json::Map::is_empty) {
        return Ok(());
    }
    let validator = jsonschema::validator_for(schema)
        .map_err(|error| format!("the schema itself is wrong: {error}"))?;
    let value = Value::Object(object.clone());
    let problems: Vec<String> = validator
        .iter_errors(&value)
        .take(PROBLEMS_MAX)
        .map(|error| {
            let place = error.instance_path().to_string();
            let place = if place.is_empty() { "/" } else { &place };
            format!("{place}: {}", error.masked())
        })
        .collect();
    if problems.is_empty() {
        Ok(())
    } else {
        Err(problems.join("; "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_violation_names_its_place_and_not_the_value() {
        let schema = json!({
            "type": "object",
            "properties": { "age": { "type": "integer" } },
            "required": ["name"],
        });
        let object = |value: Value| value.as_object().cloned().unwrap();
        assert_eq!(
            check(&schema, &object(json!({"name": "Anna", "age": 3}))),
            Ok(())
        );
        let problems = check(&schema, &object(json!({"age": "top secret"}))).unwrap_err();
        assert!(problems.contains("/age"), "{problems}");
        assert!(problems.contains("name"), "{problems}");
        assert!(!problems.contains("top secret"), "{problems}");
        assert_eq!(check(&json!({}), &object(json!({"x": 1}))), Ok(()));
    }
}
