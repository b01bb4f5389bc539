//! The recording: what Chrome's DevTools Recorder exports as JSON, read as it is.

mod fields;

use std::time::Duration;

use serde_json::Value;

pub(crate) use fields::Fields;

use crate::problem::{BotError, Problems};
use crate::steps::{
    change::Change, click::Click, close::Close, custom::CustomStep, double_click::DoubleClick,
    hover::Hover, key_down::KeyDown, key_up::KeyUp, navigate::Navigate,
    network::EmulateNetworkConditions, scroll::Scroll, viewport::SetViewport,
    wait_for_element::WaitForElement, wait_for_expression::WaitForExpression,
};

/// The most bytes that a recording may have.
pub(crate) const RECORDING_BYTES_MAX: usize = 4 << 20;
const STEPS_MAX: usize = 2000;
const FRAMES_MAX: usize = 16;
const FILE: &str = "recording.json";

/// A recorded sequence of steps.
#[derive(Debug, Clone, PartialEq)]
pub struct Recording {
    /// The recording's title.
    pub title: String,
    /// The time limit of steps that have none of their own.
    pub timeout: Option<Duration>,
    /// The steps.
    pub steps: Vec<Step>,
}

/// One recorded step.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// What it does.
    pub kind: StepKind,
    /// Its own time limit.
    pub timeout: Option<Duration>,
    /// The address of the page that the step led to when it was recorded, if it led to another one.
    pub navigates_to: Option<Option<String>>,
    /// The address of the window it happens in; none for the main one.
    pub target: Option<String>,
    /// The path of frame numbers from the window's document to the frame it happens in.
    pub frame: Vec<u16>,
}

/// What a step does; each kind has its file in `steps/`.
#[derive(Debug, Clone, PartialEq)]
pub enum StepKind {
    /// Sets the size of the page.
    SetViewport(SetViewport),
    /// Opens an address.
    Navigate(Navigate),
    /// Clicks an element.
    Click(Click),
    /// Clicks an element twice.
    DoubleClick(DoubleClick),
    /// Gives a form field its value.
    Change(Change),
    /// Presses a key.
    KeyDown(KeyDown),
    /// Releases a key.
    KeyUp(KeyUp),
    /// Moves the pointer over an element.
    Hover(Hover),
    /// Scrolls the page or an element.
    Scroll(Scroll),
    /// Closes a window.
    Close(Close),
    /// Slows the network down.
    EmulateNetworkConditions(EmulateNetworkConditions),
    /// Waits for elements.
    WaitForElement(WaitForElement),
    /// Waits until an expression is true.
    WaitForExpression(WaitForExpression),
    /// Something that another tool understands.
    CustomStep(CustomStep),
}

impl Recording {
    /// Reads a recording and names all of its problems.
    pub fn parse(bytes: &[u8]) -> Result<Self, BotError> {
        let mut problems = Problems::default();
        let recording = Self::read(bytes, &mut problems);
        problems.into_result()?;
        Ok(recording.expect("a recording without problems was read"))
    }

    pub(crate) fn read(bytes: &[u8], problems: &mut Problems) -> Option<Self> {
        let export = "export it again from the DevTools Recorder as JSON";
        if bytes.len() > RECORDING_BYTES_MAX {
            problems.add(
                FILE,
                format!(
                    "{} bytes, at most {RECORDING_BYTES_MAX} are allowed",
                    bytes.len()
                ),
                "split the recording",
            );
            return None;
        }
        let value: Value = match serde_json::from_slice(bytes) {
            Ok(value) => value,
            Err(error) => {
                problems.add(FILE, format!("not JSON: {error}"), export);
                return None;
            }
        };
        let Value::Object(object) = &value else {
            problems.add(FILE, "not a JSON object", export);
            return None;
        };
        let mut fields = Fields::new(object, FILE.to_owned(), problems);
        let title = fields.text("title");
        let timeout = fields.timeout();
        let Some(Value::Array(list)) = object.get("steps") else {
            problems.add(FILE, "the list \"steps\" is missing", export);
            return None;
        };
        if list.len() > STEPS_MAX {
            problems.add(
                FILE,
                format!("{} steps, at most {STEPS_MAX} are allowed", list.len()),
                "split the recording",
            );
            return None;
        }
        let mut steps = Vec::with_capacity(list.len());
        for (index, value) in list.iter().enumerate() {
            let place = format!("{FILE}, steps[{index}]");
            match value {
                Value::Object(object) => {
                    steps.extend(Step::read(&mut Fields::new(object, place, problems)));
                }
                _ => problems.add(place, "not a JSON object", export),
            }
        }
        Some(Self {
            title: title?,
            timeout,
            steps,
        })
    }
}

impl Step {
    fn read(fields: &mut Fields<'_, '_>) -> Option<Self> {
        let timeout = fields.timeout();
        let target = fields
            .text_if_present("target")
            .filter(|target| target != "main");
        let frame = fields.frame(FRAMES_MAX);
        let navigates_to = fields.asserted_navigation();
        let kind = StepKind::read(fields)?;
        Some(Self {
            kind,
            timeout,
            navigates_to,
            target,
            frame,
        })
    }
}

impl StepKind {
    fn read(fields: &mut Fields<'_, '_>) -> Option<Self> {
        let kind = fields.text("type")?;
        Some(match kind.as_str() {
            "setViewport" => Self::SetViewport(SetViewport::read(fields)?),
            "navigate" => Self::Navigate(Navigate::read(fields)?),
            "click" => Self::Click(Click::read(fields)?),
            "doubleClick" => Self::DoubleClick(DoubleClick::read(fields)?),
            "change" => Self::Change(Change::read(fields)?),
            "keyDown" => Self::KeyDown(KeyDown::read(fields)?),
            "keyUp" => Self::KeyUp(KeyUp::read(fields)?),
            "hover" => Self::Hover(Hover::read(fields)?),
            "scroll" => Self::Scroll(Scroll::read(fields)?),
            "close" => Self::Close(Close),
            "emulateNetworkConditions" => {
                Self::EmulateNetworkConditions(EmulateNetworkConditions::read(fields)?)
            }
            "waitForElement" => Self::WaitForElement(WaitForElement::read(fields)?),
            "waitForExpression" => Self::WaitForExpression(WaitForExpression::read(fields)?),
            "customStep" => Self::CustomStep(CustomStep::read(fields)?),
            _ => {
                fields.wrong(
                    "type",
                    format!("{kind:?} is not a step that the DevTools Recorder writes"),
                    "record the step again, or remove it",
                );
                return None;
            }
        })
    }

    /// The recorder's word for the kind.
    pub fn word(&self) -> &'static str {
        match self {
            Self::SetViewport(_) => "setViewport",
            Self::Navigate(_) => "navigate",
            Self::Click(_) => "click",
            Self::DoubleClick(_) => "doubleClick",
            Self::Change(_) => "change",
            Self::KeyDown(_) => "keyDown",
            Self::KeyUp(_) => "keyUp",
            Self::Hover(_) => "hover",
            Self::Scroll(_) => "scroll",
            Self::Close(_) => "close",
            Self::EmulateNetworkConditions(_) => "emulateNetworkConditions",
            Self::WaitForElement(_) => "waitForElement",
            Self::WaitForExpression(_) => "waitForExpression",
            Self::CustomStep(_) => "customStep",
        }
    }

    /// What the step does, for the log; never a value that is typed.
    pub(crate) fn title(&self) -> String {
        let first = |selectors: &[crate::Selector]| {
            format!(
                "{:?}",
                selectors.first().map_or("page", crate::Selector::title)
            )
        };
        let of = match self {
            Self::SetViewport(step) => format!("{}x{}", step.width, step.height),
            Self::Navigate(step) => step.url.clone(),
            Self::Click(step) => first(&step.selectors),
            Self::DoubleClick(step) => first(&step.click.selectors),
            Self::Change(step) => first(&step.selectors),
            Self::KeyDown(step) => step.key.word(),
            Self::KeyUp(step) => step.key.word(),
            Self::Hover(step) => first(&step.selectors),
            Self::Scroll(step) => first(&step.selectors),
            Self::Close(_) => "window".to_owned(),
            Self::EmulateNetworkConditions(_) => String::new(),
            Self::WaitForElement(step) => first(&step.selectors),
            Self::WaitForExpression(step) => step.expression.chars().take(80).collect(),
            Self::CustomStep(step) => step.name.clone(),
        };
        format!("{} {of}", self.word()).trim_end().to_owned()
    }

    /// The selectors that an overlay may put its own before.
    pub(crate) fn selectors_mut(&mut self) -> Option<&mut Vec<crate::Selector>> {
        match self {
            Self::Click(step) => Some(&mut step.selectors),
            Self::DoubleClick(step) => Some(&mut step.click.selectors),
            Self::Change(step) => Some(&mut step.selectors),
            Self::Hover(step) => Some(&mut step.selectors),
            Self::Scroll(step) => Some(&mut step.selectors),
            Self::WaitForElement(step) => Some(&mut step.selectors),
            Self::SetViewport(_)
            | Self::Navigate(_)
            | Self::KeyDown(_)
            | Self::KeyUp(_)
            | Self::Close(_)
            | Self::EmulateNetworkConditions(_)
            | Self::WaitForExpression(_)
            | Self::CustomStep(_) => None,
        }
    }
}

#[cfg(test)]
mod tests;
