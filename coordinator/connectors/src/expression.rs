//! Expression: FEEL over JSON values; the only file that knows the FEEL crate.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use botswain_feel as feel;
use serde_json::Value;

use crate::Object;

/// One expression, compiled.
#[derive(Clone)]
pub(crate) struct Expression(feel::Expression);

/// Names with JSON values.
struct Names<'a>(&'a Object);

impl feel::Scope for Names<'_> {
    fn get(&self, name: &str) -> Option<feel::Value> {
        feel::Value::from_json(&self.0.get(name)?.to_string()).ok()
    }
}

impl Expression {
    /// Compiles a source without its leading `=`.
    pub(crate) fn parse(source: &str) -> Result<Self, String> {
        feel::Expression::parse(source)
            .map(Self)
            .map_err(|error| format!("the expression {source:?} is wrong at {error}"))
    }

    /// Evaluates over names; what cannot be computed is null, as everywhere in FEEL.
    pub(crate) fn evaluate(&self, names: &Object) -> Result<Value, String> {
        let value = evaluate(&self.0, &Names(names)).map_err(|error| format!("{self}: {error}"))?;
        serde_json::from_str(&value.to_json())
            .map_err(|error| format!("{self} gives no JSON value: {error}"))
    }
}

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.source())
    }
}

impl fmt::Debug for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "={}", self.0.source())
    }
}

fn evaluate(expression: &feel::Expression, scope: &dyn feel::Scope) -> Result<feel::Value, String> {
    let since_epoch = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let now = i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX);
    // Unlike the engine, nobody replays a call, so time itself is seed enough.
    let seed = u64::try_from(since_epoch.as_nanos() & u128::from(u64::MAX)).unwrap_or_default();
    let env = feel::Env {
        now,
        seed,
        ..feel::Env::default()
    };
    expression
        .evaluate(scope, &env)
        .result
        .map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn names() -> Object {
        let Value::Object(names) =
            json!({"a": 2, "response": {"status": 409, "body": {"number": "C-1"}}})
        else {
            unreachable!("an object is written here")
        };
        names
    }

    fn check(source: &str, expected: Value) {
        let expression = Expression::parse(source).unwrap();
        assert_eq!(expression.evaluate(&names()).unwrap(), expected, "{source}");
    }

    #[test]
    fn variables_and_the_response_are_names() {
        check("a + 1", json!(3));
        check("response.body.number", json!("C-1"));
        check("response.body.missing", json!(null));
        check("{x: response.status, y: [a]}", json!({"x": 409, "y": [2]}));
    }

    #[test]
    fn an_error_expression_makes_an_error_with_or_without_its_last_parameters() {
        let error = json!({"errorType": "bpmnError", "code": "E", "message": "m"});
        check(r#"bpmnError("E", "m")"#, error.clone());
        check(
            r#"if response.status = 409 then bpmnError("E", "m") else null"#,
            error,
        );
        let with = json!({"errorType": "bpmnError", "code": "E", "message": "m", "variables": {"n": [1, 2]}});
        check(r#"bpmnError("E", "m", {n: [1, 2]})"#, with);
        let job = json!({"errorType": "jobError", "message": "again"});
        check(r#"jobError("again")"#, job);
        check(
            r#"if a > 5 then bpmnError("E", "m") else null"#,
            json!(null),
        );
    }

    #[test]
    fn a_wrong_expression_is_refused_with_its_place() {
        let error = Expression::parse("a +").unwrap_err();
        assert!(
            error.contains("\"a +\"") && error.contains("line 1"),
            "{error}"
        );
        assert!(Expression::parse("no such function(1)").is_err());
    }
}
