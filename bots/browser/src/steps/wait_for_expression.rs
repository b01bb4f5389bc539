//! waitForExpression: the page says by itself when it is ready.

use serde_json::Value;
use thirtyfour::error::WebDriverErrorInner;

use crate::fault::Fault;
use crate::page::Look;
use crate::recording::Fields;
use crate::steps::Cx;

/// Waits until an expression is true.
#[derive(Debug, Clone, PartialEq)]
pub struct WaitForExpression {
    /// The JavaScript expression; a promise is waited for.
    pub expression: String,
}

impl WaitForExpression {
    pub(crate) fn read(fields: &mut Fields<'_, '_>) -> Option<Self> {
        Some(Self {
            expression: fields.text("expression")?,
        })
    }

    pub(crate) async fn run(&self, cx: &mut Cx<'_, '_>) -> Result<(), Fault> {
        // In the script's own text, because pages may forbid `eval`.
        let script = format!(
            "const done = arguments[arguments.length - 1];\n\
             (async () => ({}\n))().then((value) => done({{ value: !!value }}), (error) => done({{ error: String(error) }}));",
            self.expression.trim().trim_end_matches(';')
        );
        let deadline = cx.deadline;
        cx.page
            .poll(deadline, async |page| {
                let answer = match page
                    .driver()
                    .execute_async(script.as_str(), Vec::new())
                    .await
                {
                    Ok(answer) => answer.json().clone(),
                    Err(error) => {
                        return match error.as_inner() {
                            WebDriverErrorInner::JavascriptError(info)
                                if info.value.message.contains("SyntaxError") =>
                            {
                                Err(Fault::lasting(
                                    "expression",
                                    "the expression is not JavaScript".to_owned(),
                                ))
                            }
                            _ => Err(error.into()),
                        };
                    }
                };
                Ok(match (&answer["value"], &answer["error"]) {
                    (Value::Bool(true), _) => Look::Found(()),
                    (_, Value::String(error)) => {
                        Look::NotYet(format!("the expression fails: {error}"))
                    }
                    _ => Look::NotYet("the expression is not true".to_owned()),
                })
            })
            .await
    }
}
