//! Steps: the declarative list of one bot package, whatever its driver does with a step.
//!
//! A step is a table with exactly one key that names what to do; the driver's own type says which there are. Everything else
//! about a step (its name, its time limit, whether it is the commit point) means the same for every driver.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::Object;
use crate::template::{Scope, Template, TemplateError};

/// The most steps of one bot: a bot does one task, and what is longer belongs into the process.
pub const STEPS_MAX: usize = 500;
/// The longest time limit of one step, in milliseconds.
pub const TIME_LIMIT_MS_MAX: u64 = 24 * 60 * 60 * 1000;
const NAME_BYTES_MAX: usize = 64;
const OUTPUTS_MAX: usize = 256;

/// Why a list of steps cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StepsError {
    /// The document is not the expected shape.
    #[error("steps: {0}")]
    Shape(String),
    /// One step is wrong.
    #[error("step {number} ({name}): {why}")]
    Step {
        /// Its number, counted from 1.
        number: usize,
        /// Its name, given or derived.
        name: String,
        /// What is wrong and what would be right.
        why: String,
    },
    /// An output cannot be bound.
    #[error("output `{name}`: {why}")]
    Output {
        /// The output's name.
        name: String,
        /// What is wrong.
        why: String,
    },
}

/// A list of steps, checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Steps<A> {
    /// The steps in their order.
    pub steps: Vec<Step<A>>,
    /// What the bot gives back: name and where the value comes from.
    pub output: BTreeMap<String, Template>,
    /// What the driver keeps beside the steps, under other keys of the document (for example areas to be masked).
    pub rest: Object,
}

/// One step.
#[derive(Debug, Clone, PartialEq)]
pub struct Step<A> {
    /// Its name: given by `id`, else its kind and number; results are read as `{{steps.<id>.…}}`.
    pub id: String,
    /// What the step does.
    pub action: A,
    /// From this step on the effect may have happened: nobody repeats the attempt silently.
    pub commit: bool,
    /// How long the step may take, where it differs from the driver's default.
    pub time_limit_ms: Option<u64>,
}

#[derive(Deserialize)]
struct Document {
    #[serde(default)]
    step: Vec<Object>,
    #[serde(default)]
    output: BTreeMap<String, Template>,
    #[serde(flatten)]
    rest: Object,
}

impl<A: DeserializeOwned> Steps<A> {
    /// Reads a list of steps from a document that some shell has parsed (TOML or JSON).
    pub fn from_document(document: Value) -> Result<Steps<A>, StepsError> {
        let document: Document = serde_json::from_value(document)
            .map_err(|error| StepsError::Shape(error.to_string()))?;
        if document.step.is_empty() {
            return Err(StepsError::Shape(
                "no step; write at least one `[[step]]`".to_owned(),
            ));
        }
        if document.step.len() > STEPS_MAX {
            let why = format!(
                "{} steps, {STEPS_MAX} are allowed; split the bot, decisions belong into the process",
                document.step.len()
            );
            return Err(StepsError::Shape(why));
        }
        let mut steps: Vec<Step<A>> = Vec::with_capacity(document.step.len());
        let mut known = BTreeSet::new();
        for (index, table) in document.step.into_iter().enumerate() {
            let step = read(index + 1, table)?;
            if !known.insert(step.id.clone()) {
                let why = "the same id is given twice; each step needs its own".to_owned();
                return Err(StepsError::Step {
                    number: index + 1,
                    name: step.id,
                    why,
                });
            }
            steps.push(step);
        }
        if steps.iter().filter(|step| step.commit).count() > 1 {
            return Err(StepsError::Shape(
                "more than one step has `commit = true`; a bot has one commit point".to_owned(),
            ));
        }
        if document.output.len() > OUTPUTS_MAX {
            return Err(StepsError::Shape(format!(
                "more than {OUTPUTS_MAX} outputs"
            )));
        }
        for (name, template) in &document.output {
            for path in template.paths() {
                if let [first, step, ..] = path
                    && first == "steps"
                    && !known.contains(step)
                {
                    let why = format!("no step has the id `{step}`");
                    return Err(StepsError::Output {
                        name: name.clone(),
                        why,
                    });
                }
            }
        }
        Ok(Steps {
            steps,
            output: document.output,
            rest: document.rest,
        })
    }

    /// Gives the index of the commit point, if the list has one.
    pub fn commit_point(&self) -> Option<usize> {
        self.steps.iter().position(|step| step.commit)
    }

    /// Builds the bot's output from the values at the end.
    pub fn output(&self, scope: &Scope<'_>) -> Result<Object, (String, TemplateError)> {
        let mut output = Object::new();
        for (name, template) in &self.output {
            let value = template
                .value(scope)
                .map_err(|error| (name.clone(), error))?;
            output.insert(name.clone(), value);
        }
        Ok(output)
    }
}

fn read<A: DeserializeOwned>(number: usize, mut table: Object) -> Result<Step<A>, StepsError> {
    let id = table.remove("id");
    let commit = table.remove("commit");
    let time_limit_ms = table.remove("time_limit_ms");
    let kinds: Vec<String> = table.keys().cloned().collect();
    let derived = format!("{}-{number}", kinds.first().map_or("step", String::as_str));
    let wrong = |name: &str, why: String| StepsError::Step {
        number,
        name: name.chars().take(NAME_BYTES_MAX).collect(),
        why,
    };

    let id = match id {
        None => derived,
        Some(Value::String(id)) if named(&id) => id,
        Some(other) => {
            let why = format!(
                "id {other} is no name; use letters, digits, `-` and `_`, at most {NAME_BYTES_MAX} bytes"
            );
            return Err(wrong(&derived, why));
        }
    };
    let commit = match commit {
        None => false,
        Some(Value::Bool(commit)) => commit,
        Some(other) => {
            return Err(wrong(
                &id,
                format!("commit is {other}, expected true or false"),
            ));
        }
    };
    let time_limit_ms = match time_limit_ms {
        None => None,
        Some(value) => match value.as_u64() {
            Some(limit) if (1..=TIME_LIMIT_MS_MAX).contains(&limit) => Some(limit),
            _ => {
                return Err(wrong(
                    &id,
                    format!("time_limit_ms is {value}, expected 1 to {TIME_LIMIT_MS_MAX}"),
                ));
            }
        },
    };
    if kinds.len() != 1 {
        let why = match kinds.len() {
            0 => {
                "says nothing to do; add one key such as `wait_window` or `command.run`".to_owned()
            }
            _ => format!(
                "has several things to do ({}); write one `[[step]]` for each",
                kinds.join(", ")
            ),
        };
        return Err(wrong(&id, why));
    }
    let action = serde_json::from_value(Value::Object(table))
        .map_err(|error| wrong(&id, error.to_string()))?;
    Ok(Step {
        id,
        action,
        commit,
        time_limit_ms,
    })
}

fn named(id: &str) -> bool {
    !id.is_empty()
        && id.len() <= NAME_BYTES_MAX
        && id
            .chars()
            .all(|c| c.is_alphanumeric() || c == '-' || c == '_')
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::Secrets;

    #[derive(Debug, Clone, PartialEq, Deserialize)]
    #[serde(rename_all = "snake_case", deny_unknown_fields)]
    enum Kind {
        Say { text: Template },
        Command(Command),
    }

    #[derive(Debug, Clone, PartialEq, Deserialize)]
    #[serde(rename_all = "snake_case", deny_unknown_fields)]
    enum Command {
        Run { program: Template },
    }

    fn steps(document: Value) -> Result<Steps<Kind>, String> {
        Steps::from_document(document).map_err(|error| error.to_string())
    }

    #[test]
    fn a_list_holds_steps_with_names_limits_and_one_commit_point() {
        let list = steps(json!({
            "step": [
                {"say": {"text": "hello {{name}}"}},
                {"id": "print", "commit": true, "time_limit_ms": 500, "command": {"run": {"program": "/bin/true"}}},
            ],
            "output": {"job": "{{steps.print.stdout}}"},
            "mask": [{"x": 1}],
        }))
        .unwrap();
        assert_eq!(list.steps[0].id, "say-1");
        assert_eq!(
            (list.steps[1].id.as_str(), list.steps[1].time_limit_ms),
            ("print", Some(500))
        );
        assert_eq!(list.commit_point(), Some(1));
        assert!(list.rest.contains_key("mask"));
        let input = Object::new();
        let results = Object::from_iter([("print".to_owned(), json!({"stdout": 7}))]);
        let secrets = Secrets::default();
        let scope = Scope {
            input: &input,
            steps: &results,
            secrets: &secrets,
            folder: "",
        };
        assert_eq!(
            list.output(&scope),
            Ok(Object::from_iter([("job".to_owned(), json!(7))]))
        );
    }

    #[test]
    fn what_is_wrong_is_named_with_its_step() {
        let cases = [
            (
                json!({"step": []}),
                "steps: no step; write at least one `[[step]]`",
            ),
            (
                json!({"step": [{"id": "a"}]}),
                "step 1 (a): says nothing to do",
            ),
            (
                json!({"step": [{"say": {"text": ""}, "command": {}}]}),
                "has several things to do",
            ),
            (
                json!({"step": [{"sing": {}}]}),
                "step 1 (sing-1): unknown variant `sing`",
            ),
            (
                json!({"step": [{"say": {"text": "{{"}}]}),
                "step 1 (say-1): template `{{` opens",
            ),
            (
                json!({"step": [{"say": {"text": "", "loud": 1}}]}),
                "unknown field `loud`",
            ),
            (
                json!({"step": [{"id": "a", "say": {"text": ""}}, {"id": "a", "say": {"text": ""}}]}),
                "the same id is given twice",
            ),
            (
                json!({"step": [{"commit": true, "say": {"text": ""}}, {"commit": true, "say": {"text": ""}}]}),
                "more than one step",
            ),
            (
                json!({"step": [{"time_limit_ms": 0, "say": {"text": ""}}]}),
                "time_limit_ms is 0",
            ),
            (
                json!({"step": [{"id": "a b", "say": {"text": ""}}]}),
                "is no name",
            ),
            (
                json!({"step": [{"say": {"text": ""}}], "output": {"x": "{{steps.gone.y}}"}}),
                "output `x`: no step has the id `gone`",
            ),
        ];
        for (document, expected) in cases {
            let error = steps(document).unwrap_err();
            assert!(
                error.contains(expected),
                "{error} does not contain {expected}"
            );
        }
    }
}
