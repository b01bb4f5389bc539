//! change: a form field gets its value, typed as a person types where the field is one to type in.

use serde_json::{Value, json};
use thirtyfour::WebElement;

use crate::fault::Fault;
use crate::page::Look;
use crate::recording::Fields;
use crate::selector::Selector;
use crate::steps::Cx;
use crate::steps::keys::is_key_code;

/// Gives a form field its value.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// The alternatives for finding the field.
    pub selectors: Vec<Selector>,
    /// The value as it was recorded.
    pub value: String,
}

impl Change {
    pub(crate) fn read(fields: &mut Fields<'_, '_>) -> Option<Self> {
        let selectors = fields.selectors();
        let value = fields.text("value");
        Some(Self {
            selectors: selectors?,
            value: value?,
        })
    }

    pub(crate) async fn run(&self, cx: &mut Cx<'_, '_>) -> Result<(), Fault> {
        let element = cx.locate(&self.selectors).await?;
        let field = ready(cx, &element).await?;
        let value = cx.bound.clone().unwrap_or_else(|| self.value.clone());
        let kind = field["kind"].as_str().unwrap_or("other");
        if field["password"] == true && !cx.secret && !cx.plain_password && !value.is_empty() {
            return Err(Fault::lasting(
                "password_in_clear",
                "a password field would get a value that is no secret; bind it in overlay.toml to {{secrets.NAME}}",
            ));
        }
        if value.chars().any(is_key_code) {
            return Err(Fault::lasting(
                "input",
                "the value holds characters that would press keys",
            ));
        }
        if kind == "line" && value.contains(['\n', '\r', '\t']) {
            return Err(Fault::lasting(
                "input",
                "the value has a line break or tab, the field takes one line; Enter would send the form",
            ));
        }
        if cx.secret {
            cx.page.secrets_typed.push(value.clone());
        }
        cx.about_to_act().await?;
        match kind {
            "select" => choose(cx, &element, &value).await,
            "line" | "lines" | "content" => fill(cx, &element, &field, &value).await,
            "file" => Err(Fault::lasting(
                "unsupported",
                "files cannot be chosen in a recording",
            )),
            "check" => Err(Fault::lasting(
                "unsupported",
                "a check box is clicked, it takes no value; record it again",
            )),
            _ => {
                set(cx, &element, &value).await?;
                Ok(())
            }
        }
    }
}

async fn ready(cx: &mut Cx<'_, '_>, element: &WebElement) -> Result<Value, Fault> {
    let given = element.to_json()?;
    let deadline = cx.deadline;
    cx.page
        .poll(deadline, async |page| {
            let (field, _) = page.call("field", vec![given.clone()]).await?;
            Ok(if field["disabled"] == true || field["readOnly"] == true {
                Look::NotYet("the field takes no input: it is disabled or read-only".to_owned())
            } else {
                Look::Found(field)
            })
        })
        .await
        .map_err(|fault| match fault {
            Fault::Failed {
                code: "step_timeout",
                message,
                ..
            } => Fault::passing("element_not_ready", message),
            other => other,
        })
}

async fn set(cx: &mut Cx<'_, '_>, element: &WebElement, value: &str) -> Result<bool, Fault> {
    let (done, _) = cx
        .page
        .call("set", vec![element.to_json()?, json!(value)])
        .await?;
    Ok(done == true)
}

/// Waits for the option, because lists are often filled after the page.
async fn choose(cx: &mut Cx<'_, '_>, element: &WebElement, value: &str) -> Result<(), Fault> {
    let given = vec![element.to_json()?, json!(value)];
    let deadline = cx.deadline;
    cx.page
        .poll(deadline, async |page| {
            let (done, _) = page.call("set", given.clone()).await?;
            if done == true {
                return Ok(Look::Found(()));
            }
            let (field, _) = page.call("field", vec![given[0].clone()]).await?;
            Ok(Look::NotYet(format!(
                "the list has no option {value:?} that can be chosen, it has {}",
                field["options"]
            )))
        })
        .await
        .map_err(|fault| match fault {
            Fault::Failed {
                code: "step_timeout",
                message,
                ..
            } => Fault::lasting("no_such_option", message),
            other => other,
        })
}

/// Types what is missing, or all of it over what was there, and reads it back.
async fn fill(
    cx: &mut Cx<'_, '_>,
    element: &WebElement,
    field: &Value,
    value: &str,
) -> Result<(), Fault> {
    let before = field["value"].as_str().unwrap_or_default();
    let lines = field["kind"] != "line";
    for attempt in 0..2 {
        let (text, replace) = match value.strip_prefix(before) {
            Some(rest) if attempt == 0 && !before.is_empty() => (rest, false),
            _ => (value, true),
        };
        enter(cx, element, text, replace, lines).await?;
        let (now, _) = cx.page.call("field", vec![element.to_json()?]).await?;
        let now = now["value"].as_str().unwrap_or_default().to_owned();
        if same(&now, value) {
            if now != value && !cx.secret {
                cx.details.push(format!("the page writes it as {now:?}"));
            }
            return Ok(());
        }
    }
    Err(Fault::lasting(
        "read_back",
        "the field does not hold what was typed; the page changes or limits its input",
    ))
}

async fn enter(
    cx: &mut Cx<'_, '_>,
    element: &WebElement,
    text: &str,
    replace: bool,
    lines: bool,
) -> Result<(), Fault> {
    let given = element.to_json()?;
    cx.page
        .call("ready_to_type", vec![given.clone(), json!(replace)])
        .await?;
    if text.is_empty() {
        if replace {
            cx.page.call("erase", vec![given]).await?;
        }
    } else if lines && text.contains(['\t', '\r']) {
        // A tab key would leave the field.
        cx.page.call("insert", vec![given, json!(text)]).await?;
    } else {
        element.send_keys(text).await?;
    }
    Ok(())
}

/// Pages group digits and trim texts; the letters and digits themselves must be there, in order.
fn same(now: &str, value: &str) -> bool {
    let core = |text: &str| {
        text.chars()
            .filter(|c| c.is_alphanumeric())
            .flat_map(char::to_lowercase)
            .collect::<String>()
    };
    now == value || (!core(value).is_empty() && core(now) == core(value))
}
