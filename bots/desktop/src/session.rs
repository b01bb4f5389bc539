//! Session: what a bot holds while it works on the desktop, and how each kind of step is done with it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use botswain_action::Object;
use botswain_action::template::{Scope, Template, TemplateError};
use botswain_device::{Encoding, GetRequest};
use serde_json::{Value, json};
use x11rb::protocol::xproto::Window;

use crate::display::Display;
use crate::halt::{Halt, Patience};
use crate::keyboard::Input;
use crate::picture::Cover;
use crate::program::{Program, Start};
use crate::typing::{By, Check, Mode, Order};
use crate::what::{
    Assert, Click, Launch, MaskArea, ReadFile, SaveAs, Scroll, TypeStep, WaitWindow, What,
    WindowName, wanted,
};
use crate::windows::{Seen, Wanted};

const FILE_BYTES_MAX: usize = 1024 * 1024;
const ENTER_WAIT: Duration = Duration::from_millis(1500);

/// A bot at work.
pub(crate) struct Session<'m> {
    display: Display,
    folder: PathBuf,
    // The window that keys, clicks and texts go to.
    current: Option<Window>,
    programs: Vec<Program>,
    masks: &'m [MaskArea],
    // Windows that a secret was typed into and for which nobody said where it shows.
    secret: BTreeSet<Window>,
}

impl From<TemplateError> for Halt {
    fn from(error: TemplateError) -> Self {
        Halt::lasting("input", error.to_string())
    }
}

fn result<const N: usize>(fields: [(&str, Value); N]) -> Object {
    fields
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

impl<'m> Session<'m> {
    pub(crate) fn open(
        display: Option<&str>,
        folder: &Path,
        masks: &'m [MaskArea],
    ) -> Result<Self, Halt> {
        let display = Display::open(display)?;
        Ok(Session {
            display,
            folder: folder.to_owned(),
            current: None,
            programs: Vec::new(),
            masks,
            secret: BTreeSet::new(),
        })
    }

    /// Does one step and gives its result.
    pub(crate) fn step(
        &mut self,
        what: &What,
        scope: &Scope<'_>,
        patience: &Patience,
    ) -> Result<Object, Halt> {
        match what {
            What::Launch(launch) => self.launch(launch, scope),
            What::WaitWindow(wait) => self.wait_window(wait, scope, patience),
            What::Focus(name) => {
                let window = self.pick(name, scope)?;
                self.display.focus(window.id, patience)?;
                self.current = Some(window.id);
                Ok(seen(&window))
            }
            What::Maximize(name) => {
                let window = self.pick(name, scope)?;
                self.display.maximize(window.id, patience)?;
                self.display.settle(window.id, patience)?;
                Ok(seen(&self.display.window(window.id)?.unwrap_or(window)))
            }
            What::Close(name) => {
                let window = self.pick(name, scope)?;
                self.display.close(window.id, patience)?;
                self.current = self.current.filter(|current| *current != window.id);
                Ok(Object::new())
            }
            What::Key(key) => {
                let window = self.focused(patience)?;
                for _ in 0..key.times {
                    self.display.press(window.id, &key.chord, patience)?;
                    patience.check()?;
                }
                Ok(result([("keys", json!(key.chord.written))]))
            }
            What::Type(step) => self.type_text(step, scope, patience),
            What::Click(click) => self.click(click, patience),
            What::Scroll(scroll) => self.scroll(scroll, patience),
            What::SaveAs(save) => self.save_as(save, scope, patience),
            What::Screenshot(_) => Ok(Object::new()),
            What::ReadText(_) => {
                let window = self.focused(patience)?;
                Ok(result([(
                    "text",
                    json!(self.display.read_field(window.id, patience)?),
                )]))
            }
            What::ReadFile(read) => read_file(read, scope, patience),
            What::Assert(assert) => self.assert(assert, scope),
        }
    }

    /// Takes a picture of the screen, with secrets covered.
    pub(crate) fn picture(&self) -> Result<Vec<u8>, Halt> {
        let windows = self.display.windows()?;
        let mut covers: Vec<Cover> = Vec::new();
        for window in &windows {
            if self.secret.contains(&window.id) {
                covers.push(Cover {
                    x: window.x,
                    y: window.y,
                    width: window.width.into(),
                    height: window.height.into(),
                });
            }
            let areas = self
                .masks
                .iter()
                .filter(|mask| mask.names().matches(window));
            covers.extend(areas.map(|mask| Cover {
                x: window.x.saturating_add(mask.x),
                y: window.y.saturating_add(mask.y),
                width: mask.width,
                height: mask.height,
            }));
        }
        self.display.picture(&covers)
    }

    /// Tells what the programs have complained about.
    pub(crate) fn complaints(&self) -> String {
        let said = self
            .programs
            .iter()
            .map(|program| (program, program.said()));
        said.filter(|(_, said)| !said.trim().is_empty())
            .map(|(program, said)| format!("{}:\n{said}\n", program.path))
            .collect()
    }

    /// Ends every program that the bot has started.
    pub(crate) fn end(&mut self) {
        for program in self.programs.iter_mut().rev() {
            program.end();
        }
    }

    fn launch(&mut self, launch: &Launch, scope: &Scope<'_>) -> Result<Object, Halt> {
        let fill = |template: &Template| template.render(scope);
        let args = launch
            .args
            .iter()
            .map(fill)
            .collect::<Result<Vec<_>, _>>()?;
        let cwd = launch
            .cwd
            .as_ref()
            .map(fill)
            .transpose()?
            .map_or(self.folder.clone(), PathBuf::from);
        let env = launch
            .env
            .iter()
            .map(|(name, value)| Ok((name.clone(), fill(value)?)))
            .collect::<Result<BTreeMap<_, _>, TemplateError>>()?;
        let program = fill(&launch.program)?;
        let start = Start {
            program: &program,
            args: &args,
            cwd: &cwd,
            env: &env,
            display: &self.display.name,
        };
        let program = Program::start(&start)?;
        let process = program.id();
        self.programs.push(program);
        Ok(result([("process", json!(process))]))
    }

    fn wait_window(
        &mut self,
        wait: &WaitWindow,
        scope: &Scope<'_>,
        patience: &Patience,
    ) -> Result<Object, Halt> {
        let wanted = wanted(wait.title.as_ref(), wait.class.as_ref(), scope)?;
        if wait.gone {
            let gone = patience.until(|| {
                Ok((!self
                    .display
                    .windows()?
                    .iter()
                    .any(|window| wanted.matches(window)))
                .then_some(()))
            })?;
            return match gone {
                Some(()) => Ok(Object::new()),
                None => Err(Halt::passing(
                    "window_not_gone",
                    format!(
                        "expected that {wanted} goes away; the screen shows {}",
                        self.display.describe()
                    ),
                )),
            };
        }
        // Of several windows the youngest is meant: it is what the last step has opened.
        let found = patience.until(|| {
            Ok(self
                .display
                .windows()?
                .into_iter()
                .rev()
                .find(|window| wanted.matches(window)))
        })?;
        let Some(window) = found else {
            let ended: Vec<&str> = self
                .programs
                .iter()
                .filter(|program| program.has_exited())
                .map(|program| program.path.as_str())
                .collect();
            let hint = if ended.is_empty() {
                String::new()
            } else {
                format!("; {} has ended", ended.join(", "))
            };
            let message = format!(
                "expected {wanted}; the screen shows {}{hint}; compare title and class, or raise `time_limit_ms`",
                self.display.describe()
            );
            return Err(Halt::passing("window_not_found", message));
        };
        self.display.focus(window.id, patience)?;
        self.display.settle(window.id, patience)?;
        self.current = Some(window.id);
        Ok(seen(&window))
    }

    fn type_text(
        &mut self,
        step: &TypeStep,
        scope: &Scope<'_>,
        patience: &Patience,
    ) -> Result<Object, Halt> {
        let secret = step.text.reads("secrets");
        let text = step.text.render(scope)?;
        let window = self.focused(patience)?;
        if secret && !self.masks.iter().any(|mask| mask.names().matches(&window)) {
            self.secret.insert(window.id);
        }
        // A password must not pass through the clipboard, where every program can read it.
        let check = step
            .check
            .unwrap_or(if secret || step.mode == Mode::Insert {
                Check::None
            } else {
                Check::Clipboard
            });
        let order = Order {
            text: &text,
            mode: step.mode,
            check,
            by: step.by,
            lines: step.lines,
        };
        let typed = self.display.type_text(window.id, &order, patience)?;
        let by = format!("{:?}", typed.by).to_lowercase();
        Ok(result([
            (
                "characters",
                json!(if secret { 0 } else { text.chars().count() }),
            ),
            ("tries", json!(typed.tries)),
            ("by", json!(by)),
            ("checked", json!(check == Check::Clipboard)),
        ]))
    }

    fn click(&mut self, click: &Click, patience: &Patience) -> Result<Object, Halt> {
        let window = self.focused(patience)?;
        let (x, y) = point(&window, click.x, click.y)?;
        Input::new(&self.display)?.click(x, y, click.button, click.count)?;
        self.display.settle(window.id, patience)?;
        Ok(result([("x", json!(x)), ("y", json!(y))]))
    }

    fn scroll(&mut self, scroll: &Scroll, patience: &Patience) -> Result<Object, Halt> {
        let window = self.focused(patience)?;
        let (x, y) = point(&window, scroll.x, scroll.y)?;
        Input::new(&self.display)?.scroll(x, y, scroll.lines.into())?;
        self.display.settle(window.id, patience)?;
        Ok(Object::new())
    }

    fn save_as(
        &mut self,
        save: &SaveAs,
        scope: &Scope<'_>,
        patience: &Patience,
    ) -> Result<Object, Halt> {
        let path = save.path.render(scope)?;
        if Path::new(&path).symlink_metadata().is_ok() {
            return Err(Halt::lasting(
                "file_exists",
                format!("{path} is there already, and the program would ask; name a new file"),
            ));
        }
        let title = save
            .title
            .as_ref()
            .map(|title| title.render(scope))
            .transpose()?;
        let dialog = Wanted { title, class: None };
        let window = self.focused(patience)?;
        let before: BTreeSet<Window> = self
            .display
            .windows()?
            .iter()
            .map(|window| window.id)
            .collect();
        self.display.press(window.id, &save.chord, patience)?;
        let is_dialog = |window: &Seen| !before.contains(&window.id) && dialog.matches(window);
        let Some(dialog) =
            patience.until(|| Ok(self.display.windows()?.into_iter().find(is_dialog)))?
        else {
            let message = format!(
                "{} opened no dialog; the screen shows {}",
                save.chord.written,
                self.display.describe()
            );
            return Err(Halt::passing("window_not_found", message));
        };
        self.display.focus(dialog.id, patience)?;
        self.display.settle(dialog.id, patience)?;
        let order = Order {
            text: &path,
            mode: Mode::Fill,
            check: Check::Clipboard,
            by: By::Keys,
            lines: false,
        };
        self.display.type_text(dialog.id, &order, patience)?;
        // A dialog that is still reading the folder swallows the key; one that asks something has lost the focus.
        let mut saved = None;
        while saved.is_none() && self.display.is_focused(dialog.id)? {
            self.display.chord(dialog.id, "enter", patience)?;
            saved = patience.at_most(ENTER_WAIT).until(|| {
                let gone = self.display.window(dialog.id)?.is_none();
                Ok((gone && Path::new(&path).is_file()).then_some(()))
            })?;
            if !patience.is_left() {
                break;
            }
        }
        match saved {
            Some(()) => Ok(result([("path", json!(path))])),
            None => Err(Halt::passing(
                "not_saved",
                format!(
                    "{path} was not saved; the screen shows {}",
                    self.display.describe()
                ),
            )),
        }
    }

    fn assert(&self, assert: &Assert, scope: &Scope<'_>) -> Result<Object, Halt> {
        let value = assert.value.render(scope)?;
        let (holds, relation, expected) = match (&assert.equals, &assert.contains) {
            (Some(equals), _) => {
                let expected = equals.render(scope)?;
                (value == expected, "equals", expected)
            }
            (None, Some(contains)) => {
                let expected = contains.render(scope)?;
                (value.contains(&expected), "contains", expected)
            }
            (None, None) => (true, "is", value.clone()),
        };
        if holds {
            return Ok(Object::new());
        }
        let shorten = |text: &str| text.chars().take(200).collect::<String>();
        let message = format!(
            "expected that `{}` {relation} {:?}, seen {:?}",
            assert.value,
            shorten(&expected),
            shorten(&value)
        );
        Err(Halt::lasting("assert_failed", message))
    }

    fn pick(&self, name: &WindowName, scope: &Scope<'_>) -> Result<Seen, Halt> {
        let Some(wanted) = name.wanted(scope)? else {
            return self.current();
        };
        self.display
            .windows()?
            .into_iter()
            .rev()
            .find(|window| wanted.matches(window))
            .ok_or_else(|| {
                let message = format!(
                    "expected {wanted}; the screen shows {}; wait for it with `wait_window`",
                    self.display.describe()
                );
                Halt::passing("window_not_found", message)
            })
    }

    fn current(&self) -> Result<Seen, Halt> {
        let Some(current) = self.current else {
            return Err(Halt::lasting(
                "no_window",
                "no window was chosen; write a `wait_window` before this step",
            ));
        };
        self.display.window(current)?.ok_or_else(|| {
            Halt::passing(
                "window_gone",
                format!(
                    "the window that the bot works with is gone; the screen shows {}",
                    self.display.describe()
                ),
            )
        })
    }

    fn focused(&self, patience: &Patience) -> Result<Seen, Halt> {
        let window = self.current()?;
        self.display.focus(window.id, patience)?;
        Ok(window)
    }
}

impl Drop for Session<'_> {
    fn drop(&mut self) {
        self.end();
    }
}

impl MaskArea {
    fn names(&self) -> Wanted {
        Wanted {
            title: self.title.clone(),
            class: self.class.clone(),
        }
    }
}

fn seen(window: &Seen) -> Object {
    result([
        ("title", json!(window.title)),
        ("class", json!(window.class)),
        ("process", json!(window.process)),
        ("width", json!(window.width)),
        ("height", json!(window.height)),
    ])
}

fn point(window: &Seen, x: i32, y: i32) -> Result<(i32, i32), Halt> {
    let (width, height) = (i32::from(window.width), i32::from(window.height));
    let inside = |from: i32, length: i32| {
        if from < 0 {
            from.saturating_add(length)
        } else {
            from
        }
    };
    let (left, top) = (inside(x, width), inside(y, height));
    if !(0..width).contains(&left) || !(0..height).contains(&top) {
        let message = format!(
            "the point {x}, {y} is outside of the window {window}, which is {width} by {height}; maximize it first, or count from the other edge with negative numbers"
        );
        return Err(Halt::lasting("outside", message));
    }
    Ok((window.x + left, window.y + top))
}

fn read_file(read: &ReadFile, scope: &Scope<'_>, patience: &Patience) -> Result<Object, Halt> {
    let path = read.path.render(scope)?;
    let expected = read
        .equals
        .as_ref()
        .map(|equals| equals.render(scope))
        .transpose()?;
    let bytes_max = Some(read.bytes_max.unwrap_or(FILE_BYTES_MAX));
    let request = GetRequest {
        path: path.clone(),
        encoding: Encoding::Text,
        bytes_max,
    };
    let mut last = String::new();
    let found = patience.until(|| match botswain_device::get_file(&request) {
        Ok(file) => {
            let same = expected.as_ref().is_none_or(|expected| {
                file.get("content").and_then(Value::as_str) == Some(expected)
            });
            last = format!(
                "it holds {} bytes that are not the expected ones",
                file.get("bytes").unwrap_or(&Value::Null)
            );
            Ok(same.then_some(file))
        }
        Err(why) => {
            last = why;
            Ok(None)
        }
    })?;
    found.ok_or_else(|| {
        Halt::passing(
            "file_not_as_expected",
            format!("{path} did not become what was expected: {last}"),
        )
    })
}
