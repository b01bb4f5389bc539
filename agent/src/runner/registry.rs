//! The registry: which actions this program brings, and how a bot package becomes one.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use botswain_action::{Action, EffectClass, Need};
use botswain_proto::message::{self, ActionOffer, Reason, Work};
use botswain_proto::package::{Driver, Effect, Manifest, OVERLAY, Package, RECORDING, STEPS};

/// What can be done here, before the policy is asked.
#[derive(Clone)]
pub struct Registry {
    actions: Vec<Arc<dyn Action>>,
}

/// Work that was found.
pub struct Found {
    /// What does it.
    pub action: Arc<dyn Action>,
    /// What it uses of the machine beyond what its steps say.
    pub declared: Vec<Need>,
    /// How long it says that it may take.
    pub limit_ms: Option<u64>,
}

impl std::fmt::Debug for Registry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list()
            .entries(self.actions.iter().map(|action| action.name()))
            .finish()
    }
}

impl Registry {
    /// The actions of every agent.
    pub fn standard() -> Self {
        Self {
            actions: botswain_device::actions()
                .into_iter()
                .map(Arc::from)
                .collect(),
        }
    }

    /// One more action, in front of those with the same name.
    #[must_use]
    pub fn with(mut self, action: impl Action + 'static) -> Self {
        self.actions.insert(0, Arc::new(action));
        self
    }

    /// What the coordinator is told of the actions.
    pub fn offers(&self) -> Vec<ActionOffer> {
        self.actions
            .iter()
            .map(|action| ActionOffer {
                name: action.name().to_owned(),
                version: env!("CARGO_PKG_VERSION").to_owned(),
                effect: effect_class(action.effect()),
            })
            .collect()
    }

    /// What the machine provides to bots.
    pub fn provides(&self) -> Vec<String> {
        let mut provided = vec!["device".to_owned()];
        if botswain_browser::Settings::from_env().preflight().is_ok() {
            provided.push("browser".to_owned());
        }
        if std::env::var_os("DISPLAY").is_some_and(|display| !display.is_empty()) {
            provided.push("desktop".to_owned());
        }
        provided
    }

    /// The action that does the work; a bot's package must be there already.
    pub fn find(&self, work: &Work, package: Option<&[u8]>) -> Result<Found, Reason> {
        match (work, package) {
            (Work::Action(name), _) => self
                .actions
                .iter()
                .find(|action| action.name() == name)
                .map(|action| Found {
                    action: Arc::clone(action),
                    declared: Vec::new(),
                    limit_ms: None,
                })
                .ok_or_else(|| {
                    refusal(
                        "unknown_action",
                        format!("this agent knows no action {name:?}"),
                    )
                }),
            (Work::Bot(bot), Some(bytes)) => {
                let package = Package::unpack(bytes)
                    .map_err(|error| refusal("invalid_package", format!("{work}: {error}")))?;
                let manifest = package.manifest();
                if manifest.name != bot.name || manifest.version != bot.version {
                    return Err(refusal(
                        "wrong_package",
                        format!(
                            "the package calls itself {}@{}, {work} was asked for",
                            manifest.name, manifest.version
                        ),
                    ));
                }
                let action = bot_of(&package)
                    .map_err(|error| refusal("invalid_package", format!("{work}: {error}")))?;
                Ok(Found {
                    action,
                    declared: declared(manifest),
                    limit_ms: Some(manifest.limits.run_seconds.saturating_mul(1000)),
                })
            }
            (Work::Bot(_), None) => Err(refusal(
                "package_missing",
                format!("the package of {work} is not here"),
            )),
        }
    }
}

fn refusal(code: &str, text: String) -> Reason {
    Reason {
        code: code.to_owned(),
        text,
        retryable: false,
        policy_rule: String::new(),
    }
}

fn bot_of(package: &Package) -> Result<Arc<dyn Action>, String> {
    let manifest = package.manifest();
    let told = |error: &dyn std::fmt::Display| error.to_string();
    Ok(match manifest.driver {
        Driver::Device => Arc::new(
            botswain_device::Bot::new(about(manifest), text(package, STEPS)?)
                .map_err(|error| told(&error))?,
        ),
        Driver::Desktop => Arc::new(
            botswain_desktop::Bot::new(about(manifest), text(package, STEPS)?)
                .map_err(|error| told(&error))?,
        ),
        Driver::Browser => {
            let about = botswain_browser::About {
                name: format!("{}@{}", manifest.name, manifest.version),
                effect: effect(manifest.effect),
                input: manifest.input.clone(),
                output: manifest.output.clone(),
                hosts: manifest.needs.hosts.clone(),
                secrets: manifest.secrets.clone(),
                step_limit: Duration::from_secs(manifest.limits.step_seconds),
            };
            let recording = package
                .file(RECORDING)
                .ok_or_else(|| format!("{RECORDING} is missing"))?;
            let settings = botswain_browser::Settings::from_env();
            let bot = botswain_browser::BrowserBot::new(
                about,
                recording,
                package.file(OVERLAY),
                settings,
            );
            Arc::new(bot.map_err(|error| told(&error))?)
        }
    })
}

/// What the manifest says beyond the steps; the policy is asked about both.
fn declared(manifest: &Manifest) -> Vec<Need> {
    let needs = &manifest.needs;
    let programs = needs
        .programs
        .iter()
        .filter(|program| !program.args.is_empty())
        .map(|program| Need::Program {
            path: program.path.clone(),
            args: program.args.clone(),
        });
    let folders = needs.folders.iter().map(|folder| Need::Folder {
        path: folder.path.clone(),
        write: folder.write,
    });
    let devices = needs
        .devices
        .iter()
        .map(|path| Need::Device { path: path.clone() });
    programs.chain(folders).chain(devices).collect()
}

fn about(manifest: &Manifest) -> botswain_device::Manifest {
    botswain_device::Manifest {
        name: manifest.name.clone(),
        effect: effect(manifest.effect),
        input_schema: manifest.input.clone(),
        output_schema: manifest.output.clone(),
    }
}

fn effect(effect: Effect) -> EffectClass {
    match effect {
        Effect::Pure => EffectClass::Pure,
        Effect::Idempotent => EffectClass::Idempotent,
        Effect::Checkable => EffectClass::Checkable,
        Effect::AtMostOnce => EffectClass::AtMostOnce,
    }
}

fn text<'a>(package: &'a Package, file: &str) -> Result<&'a str, String> {
    let bytes = package
        .file(file)
        .ok_or_else(|| format!("{file} is missing"))?;
    std::str::from_utf8(bytes).map_err(|_| format!("{file} is not UTF-8"))
}

/// The wire's word for an action's effect class.
pub fn effect_class(effect: EffectClass) -> message::EffectClass {
    match effect {
        EffectClass::Pure => message::EffectClass::Pure,
        EffectClass::Idempotent => message::EffectClass::Idempotent,
        EffectClass::Checkable => message::EffectClass::Checkable,
        EffectClass::AtMostOnce => message::EffectClass::AtMostOnce,
    }
}

/// What may be used by one attempt at a time.
pub fn locks_of(needs: &[Need]) -> BTreeSet<String> {
    needs
        .iter()
        .filter_map(|need| match need {
            Need::DesktopSession => Some("desktop".to_owned()),
            Need::Device { path } => Some(format!("device:{path}")),
            Need::Service { unit } => Some(format!("service:{unit}")),
            Need::Browser | Need::Program { .. } | Need::Host { .. } | Need::Folder { .. } => None,
        })
        .collect()
}
