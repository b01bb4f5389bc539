//! Bot: a package of desktop steps, run one after the other as one attempt, with pictures of what it saw.

use std::time::Duration;

use botswain_action::steps::{Steps, StepsError};
use botswain_action::template::{Scope, Template, TemplateError};
use botswain_action::{
    Action, Attempt, EffectClass, InputError, Need, Object, Outcome, Secrets, StepRecord,
    StepResult,
};
use botswain_device::Manifest;
use serde_json::Value;

use crate::halt::{Halt, Patience};
use crate::session::Session;
use crate::what::{MaskArea, What};

const STEPS_BYTES_MAX: usize = 256 * 1024;
const MASKS_MAX: usize = 64;
const PICTURES_MAX: usize = 20;
const FOLDER: &str = "{attempt.folder}";
const PNG: &str = "image/png";

/// Why a package cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BotError {
    /// The text is no TOML.
    #[error("steps.toml: {0}")]
    Toml(String),
    /// The steps are wrong.
    #[error("steps.toml: {0}")]
    Steps(#[from] StepsError),
    /// One step may not be written so.
    #[error("steps.toml: step `{step}`: {why}")]
    Step {
        /// The step's id.
        step: String,
        /// What is wrong, and what would be right.
        why: String,
    },
}

/// A bot made of desktop steps.
#[derive(Debug)]
pub struct Bot {
    manifest: Manifest,
    steps: Steps<What>,
    masks: Vec<MaskArea>,
    commit: Option<usize>,
    display: Option<String>,
}

impl Bot {
    /// Reads the steps of a package and refuses what could not run.
    pub fn new(manifest: Manifest, steps_toml: &str) -> Result<Bot, BotError> {
        if steps_toml.len() > STEPS_BYTES_MAX {
            return Err(BotError::Toml(format!(
                "{} bytes, {STEPS_BYTES_MAX} are allowed",
                steps_toml.len()
            )));
        }
        let document: Value =
            toml::from_str(steps_toml).map_err(|error| BotError::Toml(error.to_string()))?;
        let mut steps: Steps<What> = Steps::from_document(document)?;
        let masks: Vec<MaskArea> = match steps.rest.remove("mask") {
            Some(masks) => serde_json::from_value(masks)
                .map_err(|error| StepsError::Shape(format!("mask: {error}")))?,
            None => Vec::new(),
        };
        if masks.len() > MASKS_MAX {
            return Err(StepsError::Shape(format!("more than {MASKS_MAX} masks")).into());
        }
        if let Some(key) = steps.rest.keys().next() {
            return Err(StepsError::Shape(format!(
                "unknown key `{key}`; expected `step`, `output` and `mask`"
            ))
            .into());
        }
        for step in &steps.steps {
            step.action.check().map_err(|why| BotError::Step {
                step: step.id.clone(),
                why,
            })?;
        }
        let pictures = steps
            .steps
            .iter()
            .filter(|step| matches!(step.action, What::Screenshot(_)))
            .count();
        if pictures > PICTURES_MAX {
            return Err(StepsError::Shape(format!(
                "{pictures} screenshots, {PICTURES_MAX} are allowed"
            ))
            .into());
        }
        let commit = match (steps.commit_point(), manifest.effect) {
            (Some(index), _) => Some(index),
            (None, EffectClass::Pure | EffectClass::Idempotent) => None,
            // Nobody said where it becomes irreversible, so it does with the first step that may change anything.
            (None, EffectClass::Checkable | EffectClass::AtMostOnce) => {
                steps.steps.iter().position(|step| step.action.may_change())
            }
        };
        Ok(Bot {
            manifest,
            steps,
            masks,
            commit,
            display: None,
        })
    }

    /// Uses this X display; the one of the agent's session where none is named.
    pub fn on_display(mut self, display: impl Into<String>) -> Bot {
        self.display = Some(display.into());
        self
    }

    fn work(
        &self,
        session: &mut Session<'_>,
        attempt: &mut Attempt<'_>,
    ) -> Result<Object, (Option<&str>, Halt)> {
        let folder = attempt.folder().to_string_lossy().into_owned();
        let mut results = Object::new();
        for (index, step) in self.steps.steps.iter().enumerate() {
            let here = |halt: Halt| (Some(step.id.as_str()), halt);
            attempt.checkpoint().map_err(|stop| here(stop.into()))?;
            let commits = self.commit == Some(index);
            if commits {
                keep_picture(session, attempt, "before-commit.png");
                attempt
                    .reach_commit_point()
                    .map_err(|stop| here(stop.into()))?;
            }
            let scope = Scope {
                input: attempt.input(),
                steps: &results,
                secrets: attempt.secrets(),
                folder: &folder,
            };
            let limit = step
                .time_limit_ms
                .map_or(step.action.limit(), Duration::from_millis);
            let patience = Patience::new(attempt, limit);
            let started_ms = attempt.elapsed_ms();
            let done = session.step(&step.action, &scope, &patience);
            attempt.record(StepRecord {
                index,
                name: format!("{} ({})", step.id, step.action.kind()),
                started_ms,
                duration_ms: attempt.elapsed_ms() - started_ms,
                result: match &done {
                    Ok(_) => StepResult::Done,
                    Err(halt) => StepResult::Failed {
                        message: halt.message(),
                    },
                },
                matched: None,
                detail: done.as_ref().ok().and_then(summary),
            });
            let output = done.map_err(here)?;
            if matches!(step.action, What::Screenshot(_)) {
                keep_picture(session, attempt, &format!("{}.png", step.id));
            }
            if commits {
                keep_picture(session, attempt, "after-commit.png");
            }
            results.insert(step.id.clone(), Value::Object(output));
        }
        let scope = Scope {
            input: attempt.input(),
            steps: &results,
            secrets: attempt.secrets(),
            folder: &folder,
        };
        self.steps.output(&scope).map_err(|(name, error)| {
            (
                None,
                Halt::lasting("output", format!("output `{name}`: {error}")),
            )
        })
    }
}

impl Action for Bot {
    fn name(&self) -> &str {
        &self.manifest.name
    }

    fn effect(&self) -> EffectClass {
        self.manifest.effect
    }

    fn input_schema(&self) -> Value {
        self.manifest.input_schema.clone()
    }

    fn output_schema(&self) -> Value {
        self.manifest.output_schema.clone()
    }

    fn needs(&self, input: &Object) -> Result<Vec<Need>, InputError> {
        let (steps, secrets) = (Object::new(), Secrets::default());
        let scope = Scope {
            input,
            steps: &steps,
            secrets: &secrets,
            folder: FOLDER,
        };
        let fill = |template: &Template| {
            template.render(&scope).map_err(|error| match &error {
                TemplateError::Absent { path } => InputError::new(path.clone(), error.to_string()),
                _ => InputError::new(template.source(), error.to_string()),
            })
        };
        let path = |template: &Template| {
            let path = fill(template)?;
            let own = path
                .strip_prefix(FOLDER)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
            match (path.starts_with('/') || own)
                && !path.split('/').any(|part| part == ".." || part == ".")
            {
                true => Ok((path, own)),
                false => Err(InputError::new(
                    template.source(),
                    format!("`{path}` is no absolute path without `.` and `..`"),
                )),
            }
        };
        let mut needs = vec![Need::DesktopSession];
        for step in &self.steps.steps {
            match &step.action {
                What::Launch(launch) => {
                    let (program, _) = path(&launch.program)?;
                    needs.push(Need::Program {
                        path: program,
                        args: launch.args.iter().map(fill).collect::<Result<_, _>>()?,
                    });
                    if let Some((cwd, false)) = launch.cwd.as_ref().map(path).transpose()? {
                        needs.push(Need::Folder {
                            path: cwd,
                            write: true,
                        });
                    }
                }
                What::SaveAs(save) => {
                    if let (path, false) = path(&save.path)? {
                        needs.push(Need::Folder { path, write: true });
                    }
                }
                What::ReadFile(read) => {
                    if let (path, false) = path(&read.path)? {
                        needs.push(Need::Folder { path, write: false });
                    }
                }
                _ => {}
            }
        }
        Ok(needs)
    }

    fn run(&self, attempt: &mut Attempt<'_>) -> Outcome {
        let mut session =
            match Session::open(self.display.as_deref(), attempt.folder(), &self.masks) {
                Ok(session) => session,
                Err(halt) => return end(attempt, self.effect(), None, halt),
            };
        match self.work(&mut session, attempt) {
            Ok(output) => {
                session.end();
                Outcome::Succeeded { output }
            }
            Err((step, halt)) => {
                keep_picture(&session, attempt, "failure.png");
                session.end();
                let complaints = session.complaints();
                if !complaints.is_empty() {
                    attempt.keep_text("programs.txt", "text/plain; charset=utf-8", &complaints);
                }
                end(attempt, self.effect(), step, halt)
            }
        }
    }
}

fn end(attempt: &Attempt<'_>, effect: EffectClass, step: Option<&str>, halt: Halt) -> Outcome {
    match halt {
        Halt::Stop(stop) => attempt.stopped(stop, effect),
        Halt::Failed {
            code,
            message,
            retryable,
        } => {
            let place = step.map_or(String::new(), |step| format!("step `{step}`: "));
            attempt.failed(effect, retryable, code, format!("{place}{message}"))
        }
    }
}

fn keep_picture(session: &Session<'_>, attempt: &mut Attempt<'_>, name: &str) {
    match session.picture() {
        Ok(picture) => attempt.keep_picture(name, PNG, picture),
        // Evidence that cannot be taken does not undo the work.
        Err(halt) => tracing::warn!(
            picture = name,
            why = halt.message(),
            "failed to take a picture"
        ),
    }
}

fn summary(output: &Object) -> Option<String> {
    const SHOWN: [&str; 10] = [
        "title",
        "class",
        "keys",
        "characters",
        "tries",
        "by",
        "path",
        "bytes",
        "sha256",
        "process",
    ];
    let parts: Vec<String> = SHOWN
        .iter()
        .filter_map(|name| Some(format!("{name} {}", output.get(*name)?)))
        .collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}
