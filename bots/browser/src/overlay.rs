//! The overlay: what a recording does not say: inputs, outputs, secrets, the commit point, and how success looks.

use std::collections::BTreeMap;

use botswain_action::template::Template;
use regex::Regex;
use serde::Deserialize;

use crate::problem::Problems;
use crate::recording::{Recording, StepKind};
use crate::selector::Selector;

/// The most bytes that an overlay may have.
pub(crate) const OVERLAY_BYTES_MAX: usize = 1 << 20;
const LIST_MAX: usize = 500;
const FILE: &str = "overlay.toml";
const PATTERN_BYTES_MAX: usize = 1000;

/// How a dialog of the page is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Dialogs {
    /// The attempt fails and says what the dialog asked.
    #[default]
    Fail,
    /// OK.
    Accept,
    /// Cancel.
    Dismiss,
}

/// A step, by its number in the recording from 0, or by the label that the overlay gives it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub(crate) enum At {
    Index(usize),
    Label(String),
}

#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
enum SelectorText {
    One(String),
    Path(Vec<String>),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct OverlayText {
    #[serde(default)]
    dialogs: Dialogs,
    commit: Option<At>,
    #[serde(default)]
    step: Vec<StepText>,
    success: Option<SuccessText>,
    #[serde(default)]
    error: Vec<ErrorText>,
    #[serde(default)]
    output: Vec<OutputText>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct StepText {
    at: usize,
    label: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
    value: Option<Template>,
    url: Option<Template>,
    #[serde(default)]
    selectors: Vec<SelectorText>,
    #[serde(default)]
    skip: bool,
    timeout_ms: Option<u64>,
    dialog: Option<Dialogs>,
    dialog_text: Option<Template>,
    #[serde(default)]
    plain_password: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SuccessText {
    #[serde(default)]
    selectors: Vec<SelectorText>,
    pattern: Option<String>,
    url: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ErrorText {
    code: String,
    selectors: Vec<SelectorText>,
    pattern: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct OutputText {
    name: String,
    #[serde(default)]
    selectors: Vec<SelectorText>,
    attribute: Option<String>,
    property: Option<String>,
    #[serde(default)]
    from: From,
    pattern: Option<String>,
    #[serde(default, rename = "type")]
    kind: OutputKind,
    #[serde(default)]
    optional: bool,
    target: Option<String>,
    #[serde(default)]
    frame: Vec<u16>,
    after: Option<At>,
}

/// Where an output is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum From {
    /// An element of the page.
    #[default]
    Element,
    /// The page's address.
    Url,
    /// The page's title.
    Title,
}

/// What an output's text becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum OutputKind {
    #[default]
    String,
    Integer,
    Number,
    Boolean,
}

/// What the overlay says about one step.
#[derive(Debug, Clone, Default)]
pub(crate) struct StepOverlay {
    pub(crate) label: Option<String>,
    pub(crate) bound: Option<Template>,
    pub(crate) skip: bool,
    pub(crate) timeout_ms: Option<u64>,
    pub(crate) dialog: Option<Dialogs>,
    pub(crate) dialog_text: Option<Template>,
    pub(crate) plain_password: bool,
}

/// How the page shows that the work is done.
#[derive(Debug, Clone)]
pub(crate) struct Success {
    pub(crate) selectors: Vec<Selector>,
    pub(crate) pattern: Option<Regex>,
    pub(crate) url: Option<Regex>,
}

/// How the page shows that it refused, as an error of the model.
#[derive(Debug, Clone)]
pub(crate) struct ErrorCheck {
    pub(crate) code: String,
    pub(crate) selectors: Vec<Selector>,
    pub(crate) pattern: Option<Regex>,
}

/// One value that is read from the page.
#[derive(Debug, Clone)]
pub(crate) struct Output {
    pub(crate) name: String,
    pub(crate) selectors: Vec<Selector>,
    pub(crate) attribute: Option<String>,
    pub(crate) property: Option<String>,
    pub(crate) from: From,
    pub(crate) pattern: Option<Regex>,
    pub(crate) kind: OutputKind,
    pub(crate) optional: bool,
    pub(crate) target: Option<String>,
    pub(crate) frame: Vec<u16>,
    /// The step after which it is read; at the end when absent.
    pub(crate) after: Option<usize>,
}

/// An overlay that fits its recording.
#[derive(Debug, Clone, Default)]
pub struct Overlay {
    pub(crate) dialogs: Dialogs,
    pub(crate) commit: Option<usize>,
    pub(crate) steps: BTreeMap<usize, StepOverlay>,
    pub(crate) success: Option<Success>,
    pub(crate) errors: Vec<ErrorCheck>,
    pub(crate) outputs: Vec<Output>,
}

impl Overlay {
    /// Reads an overlay and puts its own selectors before the recorded ones.
    pub fn parse(bytes: &[u8], recording: &mut Recording) -> Result<Self, crate::BotError> {
        let mut problems = Problems::default();
        let overlay = Self::read(bytes, recording, &mut problems);
        problems.into_result()?;
        Ok(overlay)
    }

    pub(crate) fn read(bytes: &[u8], recording: &mut Recording, problems: &mut Problems) -> Self {
        let Some(text) = text(bytes, problems) else {
            return Self::default();
        };
        let lengths = [text.step.len(), text.error.len(), text.output.len()];
        if lengths.iter().any(|length| *length > LIST_MAX) {
            problems.add(
                FILE,
                format!("a list has more than {LIST_MAX} entries"),
                "shorten it",
            );
            return Self::default();
        }
        let mut labels: BTreeMap<String, usize> = BTreeMap::new();
        let mut steps = BTreeMap::new();
        for (index, step) in text.step.into_iter().enumerate() {
            let place = format!("{FILE}, step[{index}]");
            let at = step.at;
            if let Some(label) = &step.label
                && labels.insert(label.clone(), at).is_some()
            {
                problems.add(
                    &place,
                    format!("the label {label:?} is used twice"),
                    "choose another one",
                );
            }
            let overlay = step_overlay(step, recording, &place, problems);
            if steps.insert(at, overlay).is_some() {
                problems.add(&place, format!("step {at} has two entries"), "merge them");
            }
        }
        let count = recording.steps.len();
        let resolve = |at: &At, key: &str, problems: &mut Problems| {
            let found = match at {
                At::Index(index) => Some(*index).filter(|index| *index < count),
                At::Label(label) => labels.get(label).copied(),
            };
            if found.is_none() {
                problems.add(
                    format!("{FILE}, {key}"),
                    format!("{at:?} is no step"),
                    format!(
                        "give a number from 0 to {} or a label of a [[step]]",
                        count.saturating_sub(1)
                    ),
                );
            }
            found
        };
        Self {
            dialogs: text.dialogs,
            commit: text.commit.and_then(|at| resolve(&at, "commit", problems)),
            success: text.success.map(|success| {
                let place = format!("{FILE}, success");
                let parsed = Success {
                    selectors: selectors(success.selectors, &place, problems),
                    pattern: pattern(success.pattern, &place, problems),
                    url: pattern(success.url, &place, problems),
                };
                if parsed.selectors.is_empty() && parsed.url.is_none() {
                    problems.add(
                        place,
                        "nothing to look for",
                        "give selectors or a url pattern",
                    );
                }
                parsed
            }),
            errors: text
                .error
                .into_iter()
                .enumerate()
                .map(|(index, error)| {
                    let place = format!("{FILE}, error[{index}]");
                    let parsed = ErrorCheck {
                        code: error.code,
                        selectors: selectors(error.selectors, &place, problems),
                        pattern: pattern(error.pattern, &place, problems),
                    };
                    if parsed.selectors.is_empty() || parsed.code.is_empty() {
                        problems.add(place, "a code and selectors are needed", "add them");
                    }
                    parsed
                })
                .collect(),
            outputs: text
                .output
                .into_iter()
                .enumerate()
                .map(|(index, output)| {
                    let place = format!("{FILE}, output[{index}]");
                    let after = output
                        .after
                        .as_ref()
                        .and_then(|at| resolve(at, &format!("output[{index}].after"), problems));
                    output_of(output, after, &place, problems)
                })
                .collect(),
            steps,
        }
    }

    /// The names of the secrets that the overlay uses.
    pub(crate) fn secrets(&self) -> impl Iterator<Item = &str> {
        self.steps
            .values()
            .flat_map(|step| step.bound.iter().chain(&step.dialog_text))
            .flat_map(Template::paths)
            .filter(|path| path.first().is_some_and(|room| room == "secrets"))
            .filter_map(|path| path.get(1).map(String::as_str))
    }
}

fn text(bytes: &[u8], problems: &mut Problems) -> Option<OverlayText> {
    if bytes.len() > OVERLAY_BYTES_MAX {
        problems.add(
            FILE,
            format!(
                "{} bytes, at most {OVERLAY_BYTES_MAX} are allowed",
                bytes.len()
            ),
            "shorten it",
        );
        return None;
    }
    let source = match std::str::from_utf8(bytes) {
        Ok(source) => source,
        Err(error) => {
            problems.add(
                FILE,
                format!("not UTF-8 from byte {} on", error.valid_up_to()),
                "save it as UTF-8",
            );
            return None;
        }
    };
    match toml::from_str(source) {
        Ok(text) => Some(text),
        Err(error) => {
            let message = error.message().lines().collect::<Vec<_>>().join(", ");
            let line = error
                .span()
                .and_then(|span| source.get(..span.start))
                .map_or(0, |before| before.matches('\n').count() + 1);
            problems.add(format!("{FILE}, line {line}"), message, "correct the file");
            None
        }
    }
}

fn step_overlay(
    step: StepText,
    recording: &mut Recording,
    place: &str,
    problems: &mut Problems,
) -> StepOverlay {
    let count = recording.steps.len();
    let Some(recorded) = recording.steps.get_mut(step.at) else {
        problems.add(
            format!("{place}.at"),
            format!("the recording has no step {}", step.at),
            format!("give a number from 0 to {}", count.saturating_sub(1)),
        );
        return StepOverlay::default();
    };
    let word = recorded.kind.word();
    if let Some(kind) = &step.kind
        && kind != word
    {
        problems.add(
            format!("{place}.type"),
            format!("step {} is a {word}, not a {kind}", step.at),
            "the recording changed; correct at",
        );
    }
    let own = selectors(step.selectors, place, problems);
    if !own.is_empty() {
        match recorded.kind.selectors_mut() {
            Some(selectors) => {
                selectors.splice(0..0, own);
            }
            None => problems.add(
                place,
                format!("a {word} looks for no element"),
                "remove selectors",
            ),
        }
    }
    let bound = match (&recorded.kind, step.value, step.url) {
        (_, None, None) => None,
        (StepKind::Change(_), Some(value), None) => Some(value),
        (StepKind::Navigate(_), None, Some(url)) => {
            if url.reads("secrets") {
                problems.add(
                    format!("{place}.url"),
                    "a secret in an address ends up in the logs of others",
                    "type it into a field",
                );
            }
            Some(url)
        }
        _ => {
            problems.add(
                place,
                format!("step {} is a {word}", step.at),
                "value belongs to a change, url to a navigate; correct at",
            );
            None
        }
    };
    if step.timeout_ms == Some(0) {
        problems.add(
            format!("{place}.timeout_ms"),
            "0 is no time limit",
            "give milliseconds",
        );
    }
    StepOverlay {
        label: step.label,
        bound,
        skip: step.skip,
        timeout_ms: step.timeout_ms,
        dialog: step.dialog,
        dialog_text: step.dialog_text,
        plain_password: step.plain_password,
    }
}

fn output_of(
    output: OutputText,
    after: Option<usize>,
    place: &str,
    problems: &mut Problems,
) -> Output {
    let selectors = selectors(output.selectors, place, problems);
    if (output.from == From::Element) == selectors.is_empty() {
        problems.add(
            place,
            "an output is read from an element, the url or the title",
            "give selectors, or from = \"url\" or \"title\"",
        );
    }
    if output.attribute.is_some() && output.property.is_some() {
        problems.add(
            place,
            "attribute and property at once",
            "remove one of them",
        );
    }
    if output.name.is_empty() {
        problems.add(place, "the name is empty", "name the variable");
    }
    Output {
        name: output.name,
        selectors,
        attribute: output.attribute,
        property: output.property,
        from: output.from,
        pattern: pattern(output.pattern, place, problems),
        kind: output.kind,
        optional: output.optional,
        target: output.target,
        frame: output.frame,
        after,
    }
}

fn selectors(texts: Vec<SelectorText>, place: &str, problems: &mut Problems) -> Vec<Selector> {
    let mut selectors = Vec::new();
    for (index, text) in texts.into_iter().enumerate().take(LIST_MAX) {
        let path = match &text {
            SelectorText::One(one) => vec![one.as_str()],
            SelectorText::Path(path) => path.iter().map(String::as_str).collect(),
        };
        match Selector::parse(&path) {
            Ok(selector) => selectors.push(selector),
            Err(message) => problems.add(
                format!("{place}.selectors[{index}]"),
                message,
                "correct the selector",
            ),
        }
    }
    selectors
}

fn pattern(source: Option<String>, place: &str, problems: &mut Problems) -> Option<Regex> {
    let source = source?;
    if source.len() > PATTERN_BYTES_MAX {
        problems.add(place, "a pattern is too long", "shorten it");
        return None;
    }
    match regex::RegexBuilder::new(&source)
        .size_limit(1 << 20)
        .build()
    {
        Ok(pattern) => Some(pattern),
        Err(error) => {
            let message = error
                .to_string()
                .lines()
                .last()
                .unwrap_or_default()
                .trim()
                .to_owned();
            problems.add(
                place,
                format!("not a pattern: {message}"),
                "correct the regular expression",
            );
            None
        }
    }
}

#[cfg(test)]
mod tests;
