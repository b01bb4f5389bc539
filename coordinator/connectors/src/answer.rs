//! Answer: what an answer, or its absence, means for the job.

use serde_json::{Value, json};

use crate::Object;
use crate::address::kind;
use crate::exchange::{Answer, Arrived, Failure, reason};
use crate::expression::Expression;
use crate::fields::Field;
use crate::mask::Mask;
use crate::outcome::{Effect, Happened, Outcome};
use crate::secrets::Secrets;
use crate::status::{StatusSet, perhaps};

/// How much of an unexpected answer an operator is shown.
const EXCERPT_CHARS_MAX: usize = 300;

/// How a connector reads answers.
#[derive(Debug, Clone)]
pub(crate) struct Rules {
    pub(crate) effect: Effect,
    pub(crate) success: StatusSet,
    pub(crate) retryable: StatusSet,
    pub(crate) did_not_happen: StatusSet,
    pub(crate) errors: Vec<ErrorRule>,
    /// An expression that gives null, `bpmnError(...)` or `jobError(...)`.
    pub(crate) error_expression: Option<Expression>,
    pub(crate) output: Output,
}

/// When an answer is a BPMN error.
#[derive(Debug, Clone)]
pub(crate) struct ErrorRule {
    pub(crate) status: Option<StatusSet>,
    pub(crate) when: Option<Expression>,
    pub(crate) code: String,
    pub(crate) message: Option<Field>,
    pub(crate) variables: Option<Field>,
}

/// What the job gives back.
#[derive(Debug, Clone)]
pub(crate) enum Output {
    /// Each variable by itself.
    Fields(Option<Field>),
    /// The whole response under a name, and the entries of a context.
    Whole {
        variable: Option<String>,
        context: Option<Expression>,
    },
}

/// What an expression found about an answer.
enum Verdict {
    Fine,
    Bpmn {
        code: String,
        message: String,
        variables: Object,
    },
    Job {
        message: String,
        retryable: bool,
    },
    /// The job is done in spite of the answer.
    Ignore {
        variables: Object,
    },
}

impl Rules {
    /// Says how the job ended; nothing that leaves holds a secret.
    pub(crate) fn judge(
        &self,
        mut names: Object,
        mask: &Mask,
        result: Result<Answer, Failure>,
    ) -> Outcome {
        let mut outcome = match result {
            Err(failure) => self.without_answer(&mut names, failure),
            Ok(answer) => self.with_answer(&mut names, answer),
        };
        mask_outcome(mask, &mut outcome);
        outcome
    }

    fn without_answer(&self, names: &mut Object, failure: Failure) -> Outcome {
        let happened = match failure.arrived {
            Arrived::No => Happened::No,
            Arrived::Perhaps => perhaps(self.effect),
        };
        names.insert("response".to_owned(), Value::Null);
        names.insert(
            "error".to_owned(),
            json!({"code": failure.code, "message": failure.message}),
        );
        // A model may deal with what certainly did not happen; what may have happened is for an operator.
        if happened == Happened::No
            && let Ok(verdict) = self.expression(names)
            && let Some(outcome) = self.decided(verdict, happened, None)
        {
            return outcome;
        }
        match happened {
            Happened::Perhaps if self.effect == Effect::AtMostOnce => Outcome::Unknown {
                message: failure.message,
            },
            happened => Outcome::Failed {
                retryable: failure.retryable,
                happened,
                retry_after: None,
                message: failure.message,
            },
        }
    }

    fn with_answer(&self, names: &mut Object, answer: Answer) -> Outcome {
        let Answer {
            status,
            headers,
            body,
            retry_after,
        } = answer;
        let success = self.success.contains(status);
        let happened = if !success && self.did_not_happen.contains(status) {
            Happened::No
        } else {
            perhaps(self.effect)
        };
        let (body, unreadable) = match body {
            Ok(body) => (body, None),
            Err(problem) => (Value::Null, Some(problem)),
        };
        let mut message = format!("the answer is {}", reason(status));
        if let Some(problem) = &unreadable {
            message = format!("{message}, but {problem}");
        } else if !success && !body.is_null() {
            message = format!("{message}: {}", excerpt(&body));
        }
        if !success {
            names.insert(
                "error".to_owned(),
                json!({"code": status.to_string(), "message": message}),
            );
        }
        names.insert(
            "response".to_owned(),
            json!({"status": status, "headers": headers, "body": body}),
        );

        match self.rules(status, names).and_then(|verdict| match verdict {
            Verdict::Fine => self.expression(names),
            decided => Ok(decided),
        }) {
            Ok(verdict) => {
                if let Some(outcome) = self.decided(verdict, happened, retry_after) {
                    return outcome;
                }
            }
            Err(problem) => message = format!("{message}; the error mapping failed: {problem}"),
        }
        if success {
            if unreadable.is_some() {
                return self.done_but_unreadable(message);
            }
            return match self.output(names) {
                Ok(variables) => Outcome::Succeeded { variables },
                Err(problem) => self
                    .done_but_unreadable(format!("{message}, but its mapping failed: {problem}")),
            };
        }
        match happened {
            Happened::Perhaps if self.effect == Effect::AtMostOnce => Outcome::Unknown { message },
            happened => Outcome::Failed {
                retryable: self.retryable.contains(status),
                happened,
                retry_after,
                message,
            },
        }
    }

    /// The other side did it, and what it said cannot be given to the process.
    fn done_but_unreadable(&self, message: String) -> Outcome {
        match self.effect {
            Effect::AtMostOnce => Outcome::Unknown { message },
            effect @ (Effect::Pure | Effect::Idempotent) => Outcome::Failed {
                retryable: false,
                happened: perhaps(effect),
                retry_after: None,
                message,
            },
        }
    }

    fn rules(&self, status: u16, names: &Object) -> Result<Verdict, String> {
        for rule in &self.errors {
            if rule
                .status
                .as_ref()
                .is_some_and(|set| !set.contains(status))
            {
                continue;
            }
            if let Some(when) = &rule.when {
                match when.evaluate(names)? {
                    Value::Bool(true) => {}
                    Value::Bool(false) | Value::Null => continue,
                    other => {
                        return Err(format!(
                            "{when} is {}, expected true or false",
                            kind(&other)
                        ));
                    }
                }
            }
            // These fields hold no secrets: the definition was refused otherwise.
            let value =
                |field: &Field| field.value(names, &Secrets::default(), &mut Mask::default());
            let message = rule.message.as_ref().map(value).transpose()?;
            let variables = rule.variables.as_ref().map(value).transpose()?;
            return Ok(Verdict::Bpmn {
                code: rule.code.clone(),
                message: message.map_or_else(|| format!("the answer is {}", reason(status)), plain),
                variables: object(variables),
            });
        }
        Ok(Verdict::Fine)
    }

    fn expression(&self, names: &Object) -> Result<Verdict, String> {
        let Some(expression) = &self.error_expression else {
            return Ok(Verdict::Fine);
        };
        let mut found = match expression.evaluate(names)? {
            Value::Null => return Ok(Verdict::Fine),
            Value::Object(found) => found,
            other => {
                return Err(format!(
                    "{expression} is {}, expected null or bpmnError(...)",
                    kind(&other)
                ));
            }
        };
        let mut take = |name: &str| found.remove(name).filter(|value| !value.is_null());
        let message = take("message").map_or_else(String::new, plain);
        match take("errorType").map(plain).as_deref() {
            Some("jobError") => {
                let retryable =
                    take("retries").is_none_or(|left| left.as_f64().is_some_and(|left| left > 0.0));
                return Ok(Verdict::Job { message, retryable });
            }
            Some("ignoreError") => {
                return Ok(Verdict::Ignore {
                    variables: object(take("variables")),
                });
            }
            _ => {}
        }
        match take("code") {
            Some(code) => Ok(Verdict::Bpmn {
                code: plain(code),
                message,
                variables: object(take("variables")),
            }),
            None => Err(format!("{expression} gives a context without code")),
        }
    }

    fn decided(
        &self,
        verdict: Verdict,
        happened: Happened,
        retry_after: Option<std::time::Duration>,
    ) -> Option<Outcome> {
        match verdict {
            Verdict::Fine => None,
            Verdict::Bpmn {
                code,
                message,
                variables,
            } => Some(Outcome::BpmnError {
                code,
                message,
                variables,
            }),
            // An expression decides what is known, but not what is open.
            Verdict::Ignore { .. }
                if happened == Happened::Perhaps && self.effect == Effect::AtMostOnce =>
            {
                None
            }
            Verdict::Ignore { variables } => Some(Outcome::Succeeded { variables }),
            // An expression may call a failure final, but not make an uncertain one repeatable.
            Verdict::Job { message, .. }
                if happened == Happened::Perhaps && self.effect == Effect::AtMostOnce =>
            {
                Some(Outcome::Unknown { message })
            }
            Verdict::Job { message, retryable } => Some(Outcome::Failed {
                retryable,
                happened,
                retry_after,
                message,
            }),
        }
    }

    fn output(&self, names: &Object) -> Result<Object, String> {
        match &self.output {
            Output::Fields(None) => Ok(Object::new()),
            Output::Fields(Some(fields)) => {
                match fields.value(names, &Secrets::default(), &mut Mask::default())? {
                    Value::Object(variables) => Ok(variables),
                    other => Err(format!(
                        "the output is {}, expected a context",
                        kind(&other)
                    )),
                }
            }
            Output::Whole { variable, context } => {
                let mut variables = Object::new();
                if let Some(variable) = variable {
                    variables.insert(
                        variable.clone(),
                        names.get("response").cloned().unwrap_or_default(),
                    );
                }
                if let Some(expression) = context {
                    match expression.evaluate(names)? {
                        Value::Object(entries) => variables.extend(entries),
                        Value::Null => {}
                        other => {
                            return Err(format!(
                                "{expression} is {}, expected a context",
                                kind(&other)
                            ));
                        }
                    }
                }
                Ok(variables)
            }
        }
    }
}

fn plain(value: Value) -> String {
    match value {
        Value::String(text) => text,
        other => other.to_string(),
    }
}

fn object(value: Option<Value>) -> Object {
    match value {
        Some(Value::Object(object)) => object,
        _ => Object::new(),
    }
}

fn excerpt(body: &Value) -> String {
    let text = match body {
        Value::String(text) => text.split_whitespace().collect::<Vec<_>>().join(" "),
        other => other.to_string(),
    };
    match text.char_indices().nth(EXCERPT_CHARS_MAX) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    }
}

fn mask_outcome(mask: &Mask, outcome: &mut Outcome) {
    let object =
        |variables: &mut Object| variables.values_mut().for_each(|value| mask.value(value));
    match outcome {
        Outcome::Succeeded { variables } => object(variables),
        Outcome::Failed { message, .. } | Outcome::Unknown { message } => {
            *message = mask.text(message)
        }
        Outcome::BpmnError {
            message, variables, ..
        } => {
            *message = mask.text(message);
            object(variables);
        }
    }
}
