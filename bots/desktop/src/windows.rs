//! Windows: which there are, which one has the focus, and how it gets it.

use std::fmt;

use x11rb::connection::Connection as _;
use x11rb::protocol::xproto::{
    AtomEnum, ClientMessageEvent, ConfigureWindowAux, ConnectionExt as _, EventMask, InputFocus,
    MapState, StackMode, Window,
};
use x11rb::{CURRENT_TIME, NONE};

use crate::display::Display;
use crate::halt::{Halt, Patience};

const TITLE_UNITS_MAX: u32 = 1024;
const WINDOWS_MAX: u32 = 4096;
const SHOWN_MAX: usize = 12;
const PAGER: u32 = 2;

/// A window of a program, as it was when it was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) id: Window,
    pub(crate) title: String,
    pub(crate) instance: String,
    pub(crate) class: String,
    pub(crate) process: Option<u32>,
    pub(crate) x: i32,
    pub(crate) y: i32,
    pub(crate) width: u16,
    pub(crate) height: u16,
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\" ({})", self.title, self.class)
    }
}

/// Which window is meant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// The whole title; `*` stands for anything.
    pub(crate) title: Option<String>,
    /// The class or instance name, in any case.
    pub(crate) class: Option<String>,
}

impl Wanted {
    pub(crate) fn matches(&self, window: &Seen) -> bool {
        let class = |class: &String| {
            window.class.eq_ignore_ascii_case(class) || window.instance.eq_ignore_ascii_case(class)
        };
        self.title
            .as_ref()
            .is_none_or(|title| is_like(&window.title, title))
            && self.class.as_ref().is_none_or(class)
    }
}

impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.title, &self.class) {
            (Some(title), Some(class)) => write!(f, "a window titled \"{title}\" of class {class}"),
            (Some(title), None) => write!(f, "a window titled \"{title}\""),
            (None, Some(class)) => write!(f, "a window of class {class}"),
            (None, None) => write!(f, "any window"),
        }
    }
}

/// Says whether a text is like a pattern in which `*` stands for any text.
fn is_like(text: &str, pattern: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| text.strip_prefix(first)) else {
        return false;
    };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else {
        return rest.is_empty();
    };
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

impl Display {
    /// Lists the windows of programs, the youngest last.
    pub(crate) fn windows(&self) -> Result<Vec<Seen>, Halt> {
        let root = self.screen.root;
        let ids = if self.has_manager()? {
            let list = self
                .connection
                .get_property(
                    false,
                    root,
                    self.atoms._NET_CLIENT_LIST,
                    AtomEnum::WINDOW,
                    0,
                    WINDOWS_MAX,
                )?
                .reply()?;
            list.value32().map(Iterator::collect).unwrap_or_default()
        } else {
            self.connection.query_tree(root)?.reply()?.children
        };
        Ok(ids
            .into_iter()
            .filter_map(|id| self.look(id).ok().flatten())
            .collect())
    }

    /// Describes the windows in one line, for messages.
    pub(crate) fn describe(&self) -> String {
        match self.windows() {
            Ok(windows) if windows.is_empty() => "no window".to_owned(),
            Ok(windows) => {
                let mut shown: Vec<String> = windows
                    .iter()
                    .rev()
                    .take(SHOWN_MAX)
                    .map(ToString::to_string)
                    .collect();
                if windows.len() > SHOWN_MAX {
                    shown.push(format!("and {} more", windows.len() - SHOWN_MAX));
                }
                shown.join(", ")
            }
            Err(halt) => format!("nothing ({})", halt.message()),
        }
    }

    // A window may go away between any two of these questions, so an error means that it is gone.
    fn look(&self, id: Window) -> Result<Option<Seen>, Halt> {
        let attributes = self.connection.get_window_attributes(id)?.reply()?;
        if attributes.map_state != MapState::VIEWABLE || attributes.override_redirect {
            return Ok(None);
        }
        let text = |property: u32, kind: u32| -> Result<Vec<u8>, Halt> {
            Ok(self
                .connection
                .get_property(false, id, property, kind, 0, TITLE_UNITS_MAX)?
                .reply()?
                .value)
        };
        let mut title = text(self.atoms._NET_WM_NAME, self.atoms.UTF8_STRING)?;
        if title.is_empty() {
            title = text(AtomEnum::WM_NAME.into(), AtomEnum::ANY.into())?;
        }
        let class = text(AtomEnum::WM_CLASS.into(), AtomEnum::STRING.into())?;
        let mut names = class
            .split(|byte| *byte == 0)
            .map(|name| String::from_utf8_lossy(name).into_owned());
        let process = self
            .connection
            .get_property(false, id, self.atoms._NET_WM_PID, AtomEnum::CARDINAL, 0, 1)?
            .reply()?;
        let size = self.connection.get_geometry(id)?.reply()?;
        let place = self
            .connection
            .translate_coordinates(id, self.screen.root, 0, 0)?
            .reply()?;
        Ok(Some(Seen {
            id,
            title: String::from_utf8_lossy(&title).into_owned(),
            instance: names.next().unwrap_or_default(),
            class: names.next().unwrap_or_default(),
            process: process.value32().and_then(|mut value| value.next()),
            x: i32::from(place.dst_x),
            y: i32::from(place.dst_y),
            width: size.width,
            height: size.height,
        }))
    }

    /// Gives the window as it is at this time, if it is still there.
    pub(crate) fn window(&self, id: Window) -> Result<Option<Seen>, Halt> {
        Ok(self.windows()?.into_iter().find(|window| window.id == id))
    }

    /// Gives the focus to a window and waits until it has it.
    pub(crate) fn focus(&self, id: Window, patience: &Patience) -> Result<(), Halt> {
        if self.is_focused(id)? {
            return Ok(());
        }
        let mut turns = 0_u32;
        let got = patience
            .at_most(std::time::Duration::from_secs(10))
            .until(|| {
                if self.is_focused(id)? {
                    return Ok(Some(()));
                }
                // A window manager may overlook a request that comes while it maps the window, so it is repeated now and then.
                if turns.is_multiple_of(20) {
                    if self.has_manager()? {
                        self.ask(
                            id,
                            self.atoms._NET_ACTIVE_WINDOW,
                            [PAGER, CURRENT_TIME, 0, 0, 0],
                        )?;
                    } else {
                        self.connection.configure_window(
                            id,
                            &ConfigureWindowAux::new().stack_mode(StackMode::ABOVE),
                        )?;
                        self.connection
                            .set_input_focus(InputFocus::PARENT, id, CURRENT_TIME)?;
                        self.connection.flush()?;
                    }
                }
                turns += 1;
                Ok(None)
            })?;
        match got {
            Some(()) => Ok(()),
            None => Err(Halt::passing(
                "no_focus",
                format!(
                    "the window did not get the focus; the screen shows {}; a dialog may be in the way",
                    self.describe()
                ),
            )),
        }
    }

    /// Says whether keys go to the window.
    pub(crate) fn is_focused(&self, id: Window) -> Result<bool, Halt> {
        let root = self.screen.root;
        if self.has_manager()? {
            let active = self
                .connection
                .get_property(
                    false,
                    root,
                    self.atoms._NET_ACTIVE_WINDOW,
                    AtomEnum::WINDOW,
                    0,
                    1,
                )?
                .reply()?;
            if active.value32().and_then(|mut value| value.next()) != Some(id) {
                return Ok(false);
            }
        }
        // Toolkits give the focus to a window inside of their own.
        let mut at = self.connection.get_input_focus()?.reply()?.focus;
        while at != id {
            if at == NONE || at == root || at == Window::from(u8::from(InputFocus::POINTER_ROOT)) {
                return Ok(false);
            }
            match self.connection.query_tree(at)?.reply() {
                Ok(tree) => at = tree.parent,
                Err(_) => return Ok(false),
            }
        }
        Ok(true)
    }

    /// Makes a window as large as the screen and waits until it is.
    pub(crate) fn maximize(&self, id: Window, patience: &Patience) -> Result<(), Halt> {
        const ADD: u32 = 1;
        let (wide, high) = (
            self.atoms._NET_WM_STATE_MAXIMIZED_HORZ,
            self.atoms._NET_WM_STATE_MAXIMIZED_VERT,
        );
        self.ask(id, self.atoms._NET_WM_STATE, [ADD, wide, high, PAGER, 0])?;
        let is_maximized = patience.until(|| {
            let state = self
                .connection
                .get_property(false, id, self.atoms._NET_WM_STATE, AtomEnum::ATOM, 0, 64)?
                .reply()?;
            let state: Vec<u32> = state.value32().map(Iterator::collect).unwrap_or_default();
            Ok((state.contains(&wide) && state.contains(&high)).then_some(()))
        })?;
        is_maximized.ok_or_else(|| {
            Halt::passing(
                "not_maximized",
                "the window did not become maximized; the session needs a window manager that can",
            )
        })
    }

    /// Asks a window to close and waits until it is gone.
    pub(crate) fn close(&self, id: Window, patience: &Patience) -> Result<(), Halt> {
        if self.has_manager()? {
            self.ask(
                id,
                self.atoms._NET_CLOSE_WINDOW,
                [CURRENT_TIME, PAGER, 0, 0, 0],
            )?;
        } else {
            let message = ClientMessageEvent::new(
                32,
                id,
                self.atoms.WM_PROTOCOLS,
                [self.atoms.WM_DELETE_WINDOW, CURRENT_TIME, 0, 0, 0],
            );
            self.connection
                .send_event(false, id, EventMask::NO_EVENT, message)?;
            self.connection.flush()?;
        }
        let gone = patience.until(|| Ok(self.window(id)?.is_none().then_some(())))?;
        gone.ok_or_else(|| {
            Halt::passing(
                "not_closed",
                format!(
                    "the window did not close; the screen shows {}; it may ask about unsaved work",
                    self.describe()
                ),
            )
        })
    }

    /// Lists what a window understands.
    pub(crate) fn protocols(&self, id: Window) -> Result<Vec<u32>, Halt> {
        let protocols = self
            .connection
            .get_property(false, id, self.atoms.WM_PROTOCOLS, AtomEnum::ATOM, 0, 64)?
            .reply()?;
        Ok(protocols
            .value32()
            .map(Iterator::collect)
            .unwrap_or_default())
    }

    fn has_manager(&self) -> Result<bool, Halt> {
        let check = self
            .connection
            .get_property(
                false,
                self.screen.root,
                self.atoms._NET_SUPPORTING_WM_CHECK,
                AtomEnum::WINDOW,
                0,
                1,
            )?
            .reply()?;
        let Some(manager) = check.value32().and_then(|mut value| value.next()) else {
            return Ok(false);
        };
        // A manager that died leaves the property behind; only its window tells.
        Ok(self
            .connection
            .get_window_attributes(manager)?
            .reply()
            .is_ok())
    }
}

#[cfg(test)]
mod tests {
    use super::is_like;

    #[test]
    fn a_title_is_like_a_pattern() {
        for (text, pattern) in [
            ("letter.txt - Mousepad", "letter.txt - Mousepad"),
            ("*letter.txt - Mousepad", "* - Mousepad"),
            ("abc", "*"),
            ("", "*"),
            ("", ""),
            ("a-b-c", "a*b*c"),
            ("日本 - Editor", "日*Editor"),
        ] {
            assert!(is_like(text, pattern), "{text} {pattern}");
        }
        for (text, pattern) in [
            ("*a - M", "a - M"),
            ("a", "a*a"),
            ("abc", "*b"),
            ("abc", ""),
            ("ab", "b*"),
        ] {
            assert!(!is_like(text, pattern), "{text} {pattern}");
        }
    }
}
