//! The registry: which actions this program brings, and how a bot package becomes one.

use std::collections::BTreeSet;
use std::sync::Arc;

use botswain_action::{Action, EffectClass, Need};
use botswain_proto::message::{self, ActionOffer, Reason, Work};
use botswain_proto::package::{Driver, Effect, Manifest, Package, STEPS};

/// What can be done here, before the policy is asked.
#[derive(Clone)]
pub struct Registry {
    actions: Vec<Arc<dyn Action>>,
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

    /// What the machine provides to bots, as far as this build has drivers for it.
    pub fn provides(&self) -> Vec<String> {
        vec!["device".to_owned()]
    }

    /// The action that does the work; a bot's package must be there already.
    pub fn find(&self, work: &Work, package: Option<&[u8]>) -> Result<Arc<dyn Action>, Reason> {
        match (work, package) {
            (Work::Action(name), _) => self
                .actions
                .iter()
                .find(|action| action.name() == name)
                .cloned()
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
                bot_of(&package)
                    .map_err(|error| refusal("invalid_package", format!("{work}: {error}")))
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
    match manifest.driver {
        Driver::Device => {
            let bot = botswain_device::Bot::new(about(manifest), text(package, STEPS)?);
            Ok(Arc::new(bot.map_err(|error| error.to_string())?))
        }
        Driver::Desktop | Driver::Browser => Err(format!(
            "this build of the agent has no driver for {} bots",
            manifest.driver.word()
        )),
    }
}

fn about(manifest: &Manifest) -> botswain_device::Manifest {
    botswain_device::Manifest {
        name: manifest.name.clone(),
        effect: match manifest.effect {
            Effect::Pure => EffectClass::Pure,
            Effect::Idempotent => EffectClass::Idempotent,
            Effect::Checkable => EffectClass::Checkable,
            Effect::AtMostOnce => EffectClass::AtMostOnce,
        },
        input_schema: manifest.input.clone(),
        output_schema: manifest.output.clone(),
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
