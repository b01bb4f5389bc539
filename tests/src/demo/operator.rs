//! Operator: the command line `botswain`, used as a person at a terminal uses it.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::Context as _;
use serde_json::Value;

/// Somebody with the command line and the address of a coordinator.
#[derive(Debug, Clone)]
pub struct Operator {
    program: PathBuf,
    url: String,
    /// Whether each command is shown before it runs.
    pub shows: bool,
}

impl Operator {
    /// An operator of the coordinator at this address.
    pub fn of(program: PathBuf, url: String, shows: bool) -> Self {
        Self {
            program,
            url,
            shows,
        }
    }

    /// Runs one command and reads its answer; what the command says of a failure is the error.
    pub fn run(&self, words: &[&str]) -> anyhow::Result<Value> {
        let sentence = format!(
            "botswain {}",
            words
                .iter()
                .map(|word| quoted(word))
                .collect::<Vec<_>>()
                .join(" ")
        );
        if self.shows {
            say(&format!("$ {sentence}"));
        }
        let output = Command::new(&self.program)
            .args(words)
            .arg("--json")
            .env("BOTSWAIN_URL", &self.url)
            .stdin(Stdio::null())
            .output()
            .with_context(|| format!("run {sentence}"))?;
        let error = String::from_utf8_lossy(&output.stderr);
        anyhow::ensure!(output.status.success(), "{sentence}: {}", error.trim());
        serde_json::from_slice(&output.stdout)
            .with_context(|| format!("understand the answer of {sentence}"))
    }

    /// Starts an instance and gives its key.
    pub fn start(
        &self,
        process: &str,
        business_id: &str,
        variables: &Value,
    ) -> anyhow::Result<String> {
        let variables = variables.to_string();
        let started = self.run(&[
            "start",
            process,
            "--business-id",
            business_id,
            "--variables",
            &variables,
        ])?;
        text(&started, "processInstanceKey")
    }

    /// Makes a token for one agent.
    pub fn agent_token(&self) -> anyhow::Result<String> {
        text(&self.run(&["agent-token", "--valid", "10m"])?, "token")
    }
}

fn text(answer: &Value, field: &str) -> anyhow::Result<String> {
    let value = answer[field].as_str().map(ToOwned::to_owned);
    value.with_context(|| format!("the answer has no {field}: {answer}"))
}

fn quoted(word: &str) -> String {
    let plain =
        |character: char| character.is_ascii_alphanumeric() || "@%+=:,./_-".contains(character);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

/// Tells the person at the terminal.
#[expect(clippy::print_stdout, reason = "the demo is what it prints")]
pub fn say(line: &str) {
    println!("{line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shown_command_can_be_typed_again() {
        assert_eq!(quoted("crm.add-customer"), "crm.add-customer");
        assert_eq!(quoted(r#"{"name":"O'Hara"}"#), r#"'{"name":"O'\''Hara"}'"#);
        assert_eq!(quoted(""), "''");
    }
}
