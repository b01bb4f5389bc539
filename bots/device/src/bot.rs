//! Bot: a package of device steps, run one after the other as one attempt.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use botswain_action::steps::{Step, Steps, StepsError};
use botswain_action::template::{Scope, Template, TemplateError};
use botswain_action::{
    Action, Attempt, EffectClass, InputError, Need, Object, Outcome, Secrets, StepRecord,
    StepResult,
};
use serde::Deserialize;
use serde_json::Value;

use crate::command::{self, Exit, Request};
use crate::file::{self, Encoding, GetRequest, PutRequest};
use crate::halt::Halt;

const STEPS_BYTES_MAX: usize = 256 * 1024;
const RESULT_BYTES_MAX: usize = 4 * 1024 * 1024;
const FOLDER: &str = "{attempt.folder}";

/// What a package's manifest says about the bot.
#[derive(Debug, Clone)]
pub struct Manifest {
    /// Its name, as the policy and the evidence know it.
    pub name: String,
    /// What a repetition would do.
    pub effect: EffectClass,
    /// JSON Schema of the input.
    pub input_schema: Value,
    /// JSON Schema of the output.
    pub output_schema: Value,
}

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

/// A bot made of device steps.
#[derive(Debug)]
pub struct Bot {
    manifest: Manifest,
    steps: Steps<What>,
    commit: Option<usize>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum What {
    Command(CommandWhat),
    File(FileWhat),
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum CommandWhat {
    Run(Run),
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum FileWhat {
    Put(Put),
    Get(Get),
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Run {
    program: Template,
    #[serde(default)]
    args: Vec<Template>,
    cwd: Option<Template>,
    #[serde(default)]
    env: BTreeMap<String, Template>,
    stdin: Option<Template>,
    output_bytes_max: Option<usize>,
    #[serde(default)]
    exit: Exit,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Put {
    path: Template,
    content: Option<Template>,
    content_base64: Option<Template>,
    mode: Option<String>,
    sha256: Option<Template>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Get {
    path: Template,
    #[serde(default)]
    encoding: Encoding,
    bytes_max: Option<usize>,
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
        let steps: Steps<What> = Steps::from_document(document)?;
        if let Some(key) = steps.rest.keys().next() {
            return Err(StepsError::Shape(format!(
                "unknown key `{key}`; expected `step` and `output`"
            ))
            .into());
        }
        for step in &steps.steps {
            step.check(manifest.effect).map_err(|why| BotError::Step {
                step: step.id.clone(),
                why,
            })?;
        }
        let commit = match (steps.commit_point(), manifest.effect) {
            (Some(index), _) => Some(index),
            (None, EffectClass::Pure | EffectClass::Idempotent) => None,
            // Nobody said where it becomes irreversible, so it does with the first step that may change anything.
            (None, EffectClass::Checkable | EffectClass::AtMostOnce) => steps
                .steps
                .iter()
                .position(|step| !step.action.only_reads()),
        };
        Ok(Bot {
            manifest,
            steps,
            commit,
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
        let mut needs = Vec::new();
        for step in &self.steps.steps {
            needs.extend(step.needs(&scope)?);
        }
        // The attempt's own folder is nobody's to allow.
        needs.retain(|need| !matches!(need, Need::Folder { path, .. } if path.starts_with(FOLDER)));
        Ok(needs)
    }

    fn run(&self, attempt: &mut Attempt<'_>) -> Outcome {
        let folder = attempt.folder().to_string_lossy().into_owned();
        let mut results = Object::new();
        for (index, step) in self.steps.steps.iter().enumerate() {
            if let Err(stop) = attempt.checkpoint() {
                return attempt.stopped(stop, self.effect());
            }
            if self.commit == Some(index)
                && let Err(stop) = attempt.reach_commit_point()
            {
                return attempt.stopped(stop, self.effect());
            }
            let scope = Scope {
                input: attempt.input(),
                steps: &results,
                secrets: attempt.secrets(),
                folder: &folder,
            };
            let started_ms = attempt.elapsed_ms();
            let done = step.run(&scope, attempt);
            let result = match &done {
                Ok(_) => StepResult::Done,
                Err(halt) => StepResult::Failed {
                    message: halt.message(),
                },
            };
            let detail = done.as_ref().ok().map(summary);
            let duration_ms = attempt.elapsed_ms() - started_ms;
            attempt.record(StepRecord {
                index,
                name: format!("{} ({})", step.id, step.action.kind()),
                started_ms,
                duration_ms,
                result,
                matched: None,
                detail,
            });
            match done {
                Ok(output) => {
                    for (stream, text) in [
                        ("stdout", output.get("stdout")),
                        ("stderr", output.get("stderr")),
                    ] {
                        if let Some(text) =
                            text.and_then(Value::as_str).filter(|text| !text.is_empty())
                        {
                            attempt.keep_text(
                                &format!("{}.{stream}.txt", step.id),
                                "text/plain; charset=utf-8",
                                text,
                            );
                        }
                    }
                    results.insert(step.id.clone(), Value::Object(output));
                }
                Err(halt) => {
                    let first = self.commit.is_none_or(|commit| commit >= index);
                    return halt.outcome(attempt, self.effect(), first, Some(&step.id));
                }
            }
        }
        let scope = Scope {
            input: attempt.input(),
            steps: &results,
            secrets: attempt.secrets(),
            folder: &folder,
        };
        match self.steps.output(&scope) {
            Ok(output) if Value::Object(output.clone()).to_string().len() > RESULT_BYTES_MAX => {
                attempt.failed(
                    self.effect(),
                    false,
                    "output_too_large",
                    format!("the output exceeds {RESULT_BYTES_MAX} bytes; return less"),
                )
            }
            Ok(output) => Outcome::Succeeded { output },
            Err((name, error)) => attempt.failed(
                self.effect(),
                false,
                "output",
                format!("output `{name}`: {error}"),
            ),
        }
    }
}

fn summary(output: &Object) -> String {
    let size = |name: &str| {
        output
            .get(name)
            .and_then(Value::as_str)
            .map(|text| format!("{} bytes {name}", text.len()))
    };
    let plain = |name: &str| output.get(name).map(|value| format!("{name} {value}"));
    let parts = [
        plain("exit_code"),
        size("stdout"),
        size("stderr"),
        plain("bytes"),
        plain("changed"),
        plain("sha256"),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

impl What {
    fn only_reads(&self) -> bool {
        matches!(self, What::File(FileWhat::Get(_)))
    }

    fn kind(&self) -> &'static str {
        match self {
            What::Command(CommandWhat::Run(_)) => "command.run",
            What::File(FileWhat::Put(_)) => "file.put",
            What::File(FileWhat::Get(_)) => "file.get",
        }
    }
}

trait DeviceStep {
    fn check(&self, effect: EffectClass) -> Result<(), String>;
    fn needs(&self, scope: &Scope<'_>) -> Result<Vec<Need>, InputError>;
    fn run(&self, scope: &Scope<'_>, attempt: &mut Attempt<'_>) -> Result<Object, Halt>;
}

impl DeviceStep for Step<What> {
    fn check(&self, effect: EffectClass) -> Result<(), String> {
        let judged: Vec<&Template> = match &self.action {
            What::Command(CommandWhat::Run(run)) => [&run.program]
                .into_iter()
                .chain(&run.args)
                .chain(&run.cwd)
                .collect(),
            What::File(FileWhat::Put(put)) => vec![&put.path],
            What::File(FileWhat::Get(get)) => vec![&get.path],
        };
        let public: Vec<&Template> = match &self.action {
            What::Command(CommandWhat::Run(run)) => run.env.values().collect(),
            What::File(_) => Vec::new(),
        };
        for template in &judged {
            if template.reads("steps") {
                return Err(format!(
                    "`{template}` takes a program, argument or path from an earlier step; the policy judges them before the first one runs, so take them from the input"
                ));
            }
        }
        if let Some(template) = judged
            .iter()
            .chain(&public)
            .find(|template| template.reads("secrets"))
        {
            return Err(format!(
                "`{template}` puts a secret where every program on the machine can read it; pass it by `stdin`"
            ));
        }
        if effect == EffectClass::Pure && matches!(self.action, What::File(FileWhat::Put(_))) {
            return Err(
                "`file.put` in a bot whose effect is `pure`; declare it `idempotent`".to_owned(),
            );
        }
        Ok(())
    }

    fn needs(&self, scope: &Scope<'_>) -> Result<Vec<Need>, InputError> {
        let fill = |template: &Template| {
            template
                .render(scope)
                .map_err(|error| unfilled(template, &error))
        };
        match &self.action {
            What::Command(CommandWhat::Run(run)) => {
                let request = Request {
                    program: fill(&run.program)?,
                    args: run.args.iter().map(fill).collect::<Result<_, _>>()?,
                    cwd: run
                        .cwd
                        .as_ref()
                        .filter(|cwd| !cwd.reads("attempt"))
                        .map(fill)
                        .transpose()?,
                    ..Request::default()
                };
                command::check(&request)?;
                Ok(command::needs(&request))
            }
            What::File(FileWhat::Put(Put { path, .. }) | FileWhat::Get(Get { path, .. })) => {
                let path = fill(path)?;
                let write = !self.action.only_reads();
                if path.starts_with(FOLDER) {
                    Ok(Vec::new())
                } else {
                    file::needs(&path, write)
                }
            }
        }
    }

    fn run(&self, scope: &Scope<'_>, attempt: &mut Attempt<'_>) -> Result<Object, Halt> {
        let fill = |template: &Template| {
            template
                .render(scope)
                .map_err(|error| Halt::refused("input", error.to_string()))
        };
        let maybe = |template: &Option<Template>| template.as_ref().map(fill).transpose();
        match &self.action {
            What::Command(CommandWhat::Run(run)) => {
                let request = Request {
                    program: fill(&run.program)?,
                    args: run.args.iter().map(fill).collect::<Result<_, _>>()?,
                    cwd: maybe(&run.cwd)?,
                    env: run
                        .env
                        .iter()
                        .map(|(name, value)| Ok((name.clone(), fill(value)?)))
                        .collect::<Result<_, Halt>>()?,
                    stdin: maybe(&run.stdin)?,
                    output_bytes_max: run.output_bytes_max,
                    exit: run.exit.clone(),
                };
                let limit = Instant::now()
                    + self
                        .time_limit_ms
                        .map_or(attempt.time_left(), Duration::from_millis);
                command::run(&request, attempt, limit.min(attempt.deadline()))
            }
            What::File(FileWhat::Put(put)) => {
                let request = PutRequest {
                    path: fill(&put.path)?,
                    content: maybe(&put.content)?,
                    content_base64: maybe(&put.content_base64)?,
                    mode: put.mode.clone(),
                    sha256: maybe(&put.sha256)?,
                };
                file::put(&request, attempt)
            }
            What::File(FileWhat::Get(get)) => file::get(&GetRequest {
                path: fill(&get.path)?,
                encoding: get.encoding,
                bytes_max: get.bytes_max,
            }),
        }
    }
}

fn unfilled(template: &Template, error: &TemplateError) -> InputError {
    match error {
        TemplateError::Absent { path } => InputError::new(path.clone(), error.to_string()),
        _ => InputError::new(template.source(), error.to_string()),
    }
}
