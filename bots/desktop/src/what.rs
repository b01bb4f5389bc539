//! What: the kinds of step that a desktop bot knows, as they are written in `steps.toml`.

use std::collections::BTreeMap;
use std::time::Duration;

use botswain_action::template::{Scope, Template, TemplateError};
use serde::Deserialize;

use crate::keyboard::{Chord, MouseButton};
use crate::typing::{By, Check, Mode};
use crate::windows::Wanted;

/// One thing that a desktop bot does.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum What {
    Launch(Launch),
    WaitWindow(WaitWindow),
    Focus(WindowName),
    Maximize(WindowName),
    Close(WindowName),
    Key(KeyStep),
    Type(TypeStep),
    Click(Click),
    Scroll(Scroll),
    SaveAs(SaveAs),
    Screenshot(Nothing),
    ReadText(Nothing),
    ReadFile(ReadFile),
    Assert(Assert),
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Nothing {}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Launch {
    pub(crate) program: Template,
    #[serde(default)]
    pub(crate) args: Vec<Template>,
    pub(crate) cwd: Option<Template>,
    #[serde(default)]
    pub(crate) env: BTreeMap<String, Template>,
}

/// A window by name; without a name the one that the bot works with.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WindowName {
    pub(crate) title: Option<Template>,
    pub(crate) class: Option<Template>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WaitWindow {
    pub(crate) title: Option<Template>,
    pub(crate) class: Option<Template>,
    /// Waits until no such window is there.
    #[serde(default)]
    pub(crate) gone: bool,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct KeyStep {
    pub(crate) chord: Chord,
    #[serde(default = "once")]
    pub(crate) times: u8,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TypeStep {
    pub(crate) text: Template,
    #[serde(default)]
    pub(crate) mode: Mode,
    #[serde(default)]
    pub(crate) check: Option<Check>,
    #[serde(default)]
    pub(crate) by: By,
    /// The text may hold line breaks and tabs, which press their keys.
    #[serde(default)]
    pub(crate) lines: bool,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Click {
    /// From the window's left edge; from its right edge where negative.
    pub(crate) x: i32,
    /// From the window's upper edge; from its lower edge where negative.
    pub(crate) y: i32,
    #[serde(default)]
    pub(crate) button: MouseButton,
    #[serde(default = "once")]
    pub(crate) count: u8,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Scroll {
    pub(crate) x: i32,
    pub(crate) y: i32,
    /// Downwards where positive.
    pub(crate) lines: i8,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SaveAs {
    pub(crate) path: Template,
    #[serde(default = "save_as")]
    pub(crate) chord: Chord,
    pub(crate) title: Option<Template>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReadFile {
    pub(crate) path: Template,
    /// Waits until the file holds exactly this.
    pub(crate) equals: Option<Template>,
    pub(crate) bytes_max: Option<usize>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Assert {
    pub(crate) value: Template,
    pub(crate) equals: Option<Template>,
    pub(crate) contains: Option<Template>,
}

/// A part of a window that no picture may show.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct MaskArea {
    pub(crate) title: Option<String>,
    pub(crate) class: Option<String>,
    pub(crate) x: i32,
    pub(crate) y: i32,
    pub(crate) width: u32,
    pub(crate) height: u32,
}

fn once() -> u8 {
    1
}

fn save_as() -> Chord {
    Chord::parse("ctrl+shift+s").expect("the chord is right")
}

impl WindowName {
    pub(crate) fn wanted(&self, scope: &Scope<'_>) -> Result<Option<Wanted>, TemplateError> {
        if self.title.is_none() && self.class.is_none() {
            return Ok(None);
        }
        wanted(self.title.as_ref(), self.class.as_ref(), scope).map(Some)
    }
}

pub(crate) fn wanted(
    title: Option<&Template>,
    class: Option<&Template>,
    scope: &Scope<'_>,
) -> Result<Wanted, TemplateError> {
    let fill =
        |template: Option<&Template>| template.map(|template| template.render(scope)).transpose();
    Ok(Wanted {
        title: fill(title)?,
        class: fill(class)?,
    })
}

impl What {
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            What::Launch(_) => "launch",
            What::WaitWindow(_) => "wait_window",
            What::Focus(_) => "focus",
            What::Maximize(_) => "maximize",
            What::Close(_) => "close",
            What::Key(_) => "key",
            What::Type(_) => "type",
            What::Click(_) => "click",
            What::Scroll(_) => "scroll",
            What::SaveAs(_) => "save_as",
            What::Screenshot(_) => "screenshot",
            What::ReadText(_) => "read_text",
            What::ReadFile(_) => "read_file",
            What::Assert(_) => "assert",
        }
    }

    /// How long the step may take where its author says nothing.
    pub(crate) fn limit(&self) -> Duration {
        Duration::from_secs(match self {
            What::Launch(_) | What::WaitWindow(_) | What::SaveAs(_) | What::Close(_) => 30,
            What::Type(_) => 120,
            _ => 15,
        })
    }

    /// True for steps that may change something outside the bot's own programs' windows.
    pub(crate) fn may_change(&self) -> bool {
        matches!(
            self,
            What::Key(_) | What::Type(_) | What::Click(_) | What::SaveAs(_) | What::Launch(_)
        )
    }

    /// Refuses what the policy could not judge or what would show a secret.
    pub(crate) fn check(&self) -> Result<(), String> {
        match self {
            What::Launch(launch) => {
                let judged: Vec<&Template> = [&launch.program].into_iter().chain(&launch.args).chain(&launch.cwd).collect();
                judged.iter().try_for_each(|template| judgeable(template))?;
                launch.env.values().try_for_each(public)?;
                launch.env.keys().try_for_each(|name| match name.starts_with("LD_") || name.starts_with("BOTSWAIN_") {
                    true => Err(format!("the variable {name} changes which code is loaded; it cannot be set")),
                    false => Ok(()),
                })
            }
            What::SaveAs(save) => judgeable(&save.path),
            What::ReadFile(read) => judgeable(&read.path),
            What::Type(step) if step.text.reads("secrets") && (step.check == Some(Check::Clipboard) || step.by == By::Paste) => {
                Err("a secret would stand in the clipboard, where every program can read it; leave `check` and `by` out".to_owned())
            }
            What::Type(step) if step.mode == Mode::Insert && step.check == Some(Check::Clipboard) => {
                Err("what is inserted at the cursor cannot be read back; use `append` or `fill`, or leave `check` out".to_owned())
            }
            What::WaitWindow(wait) if wait.title.is_none() && wait.class.is_none() => Err("give the window's `title` or `class`".to_owned()),
            What::Assert(assert) if assert.equals.is_none() == assert.contains.is_none() => Err("give either `equals` or `contains`".to_owned()),
            What::Click(Click { count, .. }) if !(1..=3).contains(count) => Err(format!("count is {count}, expected 1 to 3")),
            _ => Ok(()),
        }
    }
}

fn judgeable(template: &Template) -> Result<(), String> {
    if template.reads("steps") {
        return Err(format!(
            "`{template}` takes a program, argument or path from an earlier step; the policy judges them before the first one runs, so take them from the input"
        ));
    }
    public(template)
}

fn public(template: &Template) -> Result<(), String> {
    match template.reads("secrets") {
        true => Err(format!(
            "`{template}` puts a secret where every program on the machine can read it; type it instead"
        )),
        false => Ok(()),
    }
}
