//! Outputs: what is read from the page at the end, or after a step, and what it becomes.

use std::time::Instant;

use serde_json::{Value, json};

use crate::fault::Fault;
use crate::overlay::{From, Output, OutputKind};
use crate::page::{Look, Page};

const TEXT_BYTES_MAX: usize = 64 * 1024;

/// Reads one output; none when it is optional and not there.
pub(crate) async fn read(
    page: &mut Page,
    output: &Output,
    deadline: Instant,
) -> Result<Option<Value>, Fault> {
    page.enter(output.target.as_deref(), &output.frame, deadline)
        .await?;
    let found = page
        .poll(deadline, async |page| {
            let text = match output.from {
                From::Url => Some(page.driver().current_url().await?.to_string()),
                From::Title => Some(page.driver().title().await?),
                From::Element => match page.glance(&output.selectors).await? {
                    None => None,
                    Some((element, _)) => {
                        let given = vec![
                            element.to_json()?,
                            json!(output.attribute),
                            json!(output.property),
                        ];
                        page.call("read", given)
                            .await?
                            .0
                            .as_str()
                            .map(str::to_owned)
                    }
                },
            };
            let Some(text) = text else {
                return if output.optional {
                    Ok(Look::Found(None))
                } else {
                    Ok(Look::NotYet("its element is not there".to_owned()))
                };
            };
            match convert(output, &text) {
                Ok(value) => Ok(Look::Found(Some(value))),
                Err(_) if output.optional => Ok(Look::Found(None)),
                Err(message) => Ok(Look::NotYet(message)),
            }
        })
        .await;
    found.map_err(|fault| match fault {
        Fault::Failed {
            code: "step_timeout",
            message,
            ..
        } => Fault::lasting(
            "output_unreadable",
            format!(
                "output {:?}: {message}; correct its [[output]] in overlay.toml",
                output.name
            ),
        ),
        other => other,
    })
}

fn convert(output: &Output, text: &str) -> Result<Value, String> {
    if text.len() > TEXT_BYTES_MAX {
        return Err(format!(
            "{} bytes, at most {TEXT_BYTES_MAX} are read",
            text.len()
        ));
    }
    let shown: String = text.chars().take(120).collect();
    let text = match &output.pattern {
        None => text,
        Some(pattern) => {
            let found = pattern
                .captures(text)
                .ok_or_else(|| format!("{shown:?} does not match {:?}", pattern.as_str()))?;
            found
                .get(1)
                .or_else(|| found.get(0))
                .map_or("", |group| group.as_str())
        }
    };
    let text = text.trim();
    let wrong = |kind: &str| format!("{shown:?} is not {kind}");
    match output.kind {
        OutputKind::String => Ok(json!(text)),
        OutputKind::Integer => text
            .parse::<i64>()
            .map(Value::from)
            .map_err(|_| wrong("an integer")),
        OutputKind::Number => text
            .parse::<f64>()
            .ok()
            .and_then(serde_json::Number::from_f64)
            .map(Value::Number)
            .ok_or_else(|| wrong("a number")),
        OutputKind::Boolean => match text.to_lowercase().as_str() {
            "true" | "yes" | "1" => Ok(json!(true)),
            "false" | "no" | "0" => Ok(json!(false)),
            _ => Err(wrong("true or false")),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(kind: OutputKind, pattern: Option<&str>, text: &str) -> Result<Value, String> {
        let output = Output {
            name: "x".to_owned(),
            selectors: Vec::new(),
            attribute: None,
            property: None,
            from: From::Title,
            pattern: pattern.map(|pattern| regex::Regex::new(pattern).unwrap()),
            kind,
            optional: false,
            target: None,
            frame: Vec::new(),
            after: None,
        };
        convert(&output, text)
    }

    #[test]
    fn a_pattern_picks_the_part_that_counts() {
        let found = check(
            OutputKind::Integer,
            Some(r"No\. (\d+)"),
            "Customer No. 4711 saved",
        );
        assert_eq!(found, Ok(json!(4711)));
        assert_eq!(
            check(OutputKind::String, Some(r"C-\d+"), "id C-12."),
            Ok(json!("C-12"))
        );
        assert!(
            check(OutputKind::String, Some(r"C-\d+"), "none")
                .unwrap_err()
                .contains("does not match")
        );
    }

    #[test]
    fn a_text_becomes_what_the_output_says_or_an_error() {
        assert_eq!(check(OutputKind::Number, None, " 12.5 "), Ok(json!(12.5)));
        assert_eq!(check(OutputKind::Boolean, None, "Yes"), Ok(json!(true)));
        assert!(check(OutputKind::Integer, None, "1.234,00").is_err());
        assert!(check(OutputKind::Number, None, "NaN").is_err());
    }
}
