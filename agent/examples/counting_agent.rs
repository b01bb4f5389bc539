//! The agent with actions whose effects a crash test can count from outside.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use botswain_action::{Action, Attempt, EffectClass, InputError, Need, Object, Outcome, Probe};
use serde_json::{Value, json};

/// Appends a line to a file outside: the effect that is counted.
struct Count {
    name: &'static str,
    effect: EffectClass,
}

impl Count {
    fn file(attempt: &Attempt<'_>) -> PathBuf {
        PathBuf::from(attempt.input()["file"].as_str().unwrap_or_default())
    }
}

impl Action for Count {
    fn name(&self) -> &str {
        self.name
    }

    fn effect(&self) -> EffectClass {
        self.effect
    }

    fn input_schema(&self) -> Value {
        json!({"type": "object", "required": ["file"]})
    }

    fn output_schema(&self) -> Value {
        json!({})
    }

    fn needs(&self, _input: &Object) -> Result<Vec<Need>, InputError> {
        Ok(Vec::new())
    }

    fn run(&self, attempt: &mut Attempt<'_>) -> Outcome {
        if !self.effect.may_repeat()
            && let Err(stop) = attempt.reach_commit_point()
        {
            return attempt.stopped(stop, self.effect);
        }
        let written = match self.effect {
            EffectClass::Pure => Ok(()),
            EffectClass::Idempotent => fs::write(Self::file(attempt), "done\n"),
            EffectClass::Checkable | EffectClass::AtMostOnce => OpenOptions::new()
                .create(true)
                .append(true)
                .open(Self::file(attempt))
                .and_then(|mut file| file.write_all(b"done\n")),
        };
        match written {
            Ok(()) => Outcome::Succeeded {
                output: Object::new(),
            },
            Err(error) => attempt.failed(self.effect, false, "disk", error.to_string()),
        }
    }

    fn probe(&self, attempt: &mut Attempt<'_>) -> Probe {
        if Self::file(attempt).exists() {
            Probe::Happened {
                output: Object::new(),
            }
        } else {
            Probe::DidNotHappen
        }
    }
}

/// Starts a program that leaves its group, opens a session of its own and forks twice; then hangs.
struct Hang;

impl Action for Hang {
    fn name(&self) -> &str {
        "test.hang"
    }

    fn effect(&self) -> EffectClass {
        EffectClass::Pure
    }

    fn input_schema(&self) -> Value {
        json!({})
    }

    fn output_schema(&self) -> Value {
        json!({})
    }

    fn needs(&self, _input: &Object) -> Result<Vec<Need>, InputError> {
        Ok(Vec::new())
    }

    fn run(&self, attempt: &mut Attempt<'_>) -> Outcome {
        let file = Count::file(attempt);
        let script = format!(
            "(env -i setsid sh -c 'env -i setsid sleep 3600 & echo $! > {0}.part; mv {0}.part {0}; exec sleep 3600' &) ",
            file.display()
        );
        let _ = Command::new("/bin/sh").arg("-c").arg(script).status();
        loop {
            std::thread::park();
        }
    }
}

fn main() -> ExitCode {
    let count = |name, effect| Count { name, effect };
    botswain_agent::cli::main(
        botswain_agent::runner::Registry::standard()
            .with(count("test.pure", EffectClass::Pure))
            .with(count("test.idempotent", EffectClass::Idempotent))
            .with(count("test.checkable", EffectClass::Checkable))
            .with(count("test.at_most_once", EffectClass::AtMostOnce))
            .with(Hang),
    )
}
