//! The bot: a recording with its overlay, as an action.

use std::collections::BTreeSet;
use std::time::Duration;

use botswain_action::template::Scope;
use botswain_action::{Action, Attempt, EffectClass, InputError, Need, Object, Outcome, Secrets};
use serde_json::Value;

use crate::browser::Settings;
use crate::overlay::{Overlay, StepOverlay};
use crate::problem::{BotError, Problems};
use crate::recording::{Recording, StepKind};
use crate::steps::navigate;

/// What a bot's manifest says about it.
#[derive(Debug, Clone)]
pub struct About {
    /// The bot's name and version: `crm-add-customer@1`.
    pub name: String,
    /// What a repetition would do.
    pub effect: EffectClass,
    /// JSON Schema of the input, checked by the agent before a run.
    pub input: Value,
    /// JSON Schema of the output, checked by the agent after a run.
    pub output: Value,
    /// Hosts beside those that the recording opens.
    pub hosts: Vec<String>,
    /// Names of the secrets that an attempt is given.
    pub secrets: Vec<String>,
    /// The time limit of a step for which neither recording nor overlay says one.
    pub step_limit: Duration,
}

/// A browser bot, ready to run.
#[derive(Debug)]
pub struct BrowserBot {
    pub(crate) about: About,
    pub(crate) recording: Recording,
    pub(crate) overlay: Overlay,
    pub(crate) settings: Settings,
}

impl BrowserBot {
    /// Reads the bot's files and names every problem in them.
    pub fn new(
        about: About,
        recording: &[u8],
        overlay: Option<&[u8]>,
        settings: Settings,
    ) -> Result<Self, BotError> {
        let mut problems = Problems::default();
        let Some(mut recording) = Recording::read(recording, &mut problems) else {
            problems.into_result()?;
            unreachable!("a recording that was not read has a problem");
        };
        // An overlay counts the recording's steps; where steps are missing it would blame the wrong ones.
        problems.into_result()?;
        let mut problems = Problems::default();
        let overlay = overlay.map_or_else(Overlay::default, |bytes| {
            Overlay::read(bytes, &mut recording, &mut problems)
        });
        if !about.effect.may_repeat() && overlay.commit.is_none() {
            problems.add(
                "overlay.toml, commit",
                "the bot must not run twice, but nothing says from which step on",
                "name the step that cannot be taken back: commit = \"LABEL\"",
            );
        }
        if let Some(at) = overlay.commit
            && overlay.steps.get(&at).is_some_and(|step| step.skip)
        {
            problems.add(
                "overlay.toml, commit",
                "the step is skipped",
                "name another one",
            );
        }
        for secret in overlay.secrets() {
            if !about.secrets.iter().any(|known| known == secret) {
                problems.add(
                    "overlay.toml",
                    format!("the secret {secret:?} is not in the manifest"),
                    "add it to secrets in bot.toml",
                );
            }
        }
        problems.into_result()?;
        Ok(Self {
            about,
            recording,
            overlay,
            settings,
        })
    }

    pub(crate) fn step_overlay(&self, index: usize) -> StepOverlay {
        self.overlay.steps.get(&index).cloned().unwrap_or_default()
    }

    /// What the overlay puts in place of a recorded value, and whether it came from a secret.
    pub(crate) fn bound(
        &self,
        index: usize,
        input: &Object,
        secrets: &Secrets,
        folder: &str,
    ) -> Result<Option<(String, bool)>, InputError> {
        let Some(template) = self
            .overlay
            .steps
            .get(&index)
            .and_then(|step| step.bound.as_ref())
        else {
            return Ok(None);
        };
        let steps = Object::new();
        let scope = Scope {
            input,
            steps: &steps,
            secrets,
            folder,
        };
        template
            .render(&scope)
            .map(|text| Some((text, template.reads("secrets"))))
            .map_err(|error| {
                InputError::new(
                    format!("for step {index} ({})", template.source()),
                    error.to_string(),
                )
            })
    }

    /// The hosts that a run with this input opens by itself.
    pub(crate) fn hosts(&self, input: &Object) -> Result<BTreeSet<String>, InputError> {
        let mut hosts: BTreeSet<String> = self.about.hosts.iter().cloned().collect();
        for (index, step) in self.recording.steps.iter().enumerate() {
            let StepKind::Navigate(navigate) = &step.kind else {
                continue;
            };
            if self.overlay.steps.get(&index).is_some_and(|step| step.skip) {
                continue;
            }
            let bound = self.bound(index, input, &Secrets::default(), "")?;
            let text = bound.map_or_else(|| navigate.url.clone(), |(text, _)| text);
            let url = navigate::address(&text)
                .map_err(|message| InputError::new(format!("for step {index}"), message))?;
            let Some(name) = url.host_str() else {
                continue;
            };
            if url.scheme() == "http" || url.scheme() == "https" {
                hosts.insert(match url.port() {
                    Some(port) => format!("{name}:{port}"),
                    None => name.to_owned(),
                });
            }
        }
        Ok(hosts)
    }
}

impl Action for BrowserBot {
    fn name(&self) -> &str {
        &self.about.name
    }

    fn effect(&self) -> EffectClass {
        self.about.effect
    }

    fn input_schema(&self) -> Value {
        self.about.input.clone()
    }

    fn output_schema(&self) -> Value {
        self.about.output.clone()
    }

    fn needs(&self, input: &Object) -> Result<Vec<Need>, InputError> {
        let hosts = self.hosts(input)?;
        let hosts = hosts.into_iter().map(|host| Need::Host { host });
        Ok(std::iter::once(Need::Browser).chain(hosts).collect())
    }

    fn run(&self, attempt: &mut Attempt<'_>) -> Outcome {
        crate::run::blocking(self, attempt)
    }
}
