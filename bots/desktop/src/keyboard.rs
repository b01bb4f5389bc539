//! Keyboard and mouse: keys, chords and clicks, through one short-lived input connection per action.

use enigo::{Axis, Button, Coordinate, Direction, Enigo, Key, Keyboard as _, Mouse as _, Settings};
use serde::{Deserialize, Deserializer, de};

use crate::display::Display;
use crate::halt::Halt;
use crate::layout::Stroke;

/// A connection that sends keys and mouse events.
pub(crate) struct Input {
    enigo: Enigo,
}

/// Keys that are pressed together, written `ctrl+shift+s`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Chord {
    modifiers: Vec<Key>,
    key: Key,
    pub(crate) written: String,
}

/// A mouse button.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum MouseButton {
    #[default]
    Left,
    Middle,
    Right,
}

impl Input {
    pub(crate) fn new(display: &Display) -> Result<Input, Halt> {
        let settings = Settings {
            x11_display: Some(display.name.clone()),
            ..Settings::default()
        };
        let enigo = Enigo::new(&settings)
            .map_err(|error| Halt::passing("no_input", format!("failed to send input to the X display {}: {error}; it needs the XTEST extension", display.name)))?;
        Ok(Input { enigo })
    }

    pub(crate) fn press(&mut self, chord: &Chord) -> Result<(), Halt> {
        for key in &chord.modifiers {
            self.key(*key, Direction::Press)?;
        }
        let clicked = self.key(chord.key, Direction::Click);
        // Modifiers that stay down would turn everything that follows into commands.
        for key in chord.modifiers.iter().rev() {
            self.key(*key, Direction::Release)?;
        }
        clicked
    }

    /// Presses a key of the layout.
    pub(crate) fn stroke(&mut self, stroke: Stroke) -> Result<(), Halt> {
        if stroke.shift {
            self.key(Key::Shift, Direction::Press)?;
        }
        let pressed = self
            .enigo
            .raw(stroke.code.into(), Direction::Click)
            .map_err(refused);
        if stroke.shift {
            self.key(Key::Shift, Direction::Release)?;
        }
        pressed
    }

    pub(crate) fn enter(&mut self) -> Result<(), Halt> {
        self.key(Key::Return, Direction::Click)
    }

    pub(crate) fn tab(&mut self) -> Result<(), Halt> {
        self.key(Key::Tab, Direction::Click)
    }

    pub(crate) fn click(
        &mut self,
        x: i32,
        y: i32,
        button: MouseButton,
        count: u8,
    ) -> Result<(), Halt> {
        let button = match button {
            MouseButton::Left => Button::Left,
            MouseButton::Middle => Button::Middle,
            MouseButton::Right => Button::Right,
        };
        self.enigo
            .move_mouse(x, y, Coordinate::Abs)
            .map_err(refused)?;
        for _ in 0..count {
            self.enigo
                .button(button, Direction::Click)
                .map_err(refused)?;
        }
        Ok(())
    }

    pub(crate) fn scroll(&mut self, x: i32, y: i32, lines: i32) -> Result<(), Halt> {
        self.enigo
            .move_mouse(x, y, Coordinate::Abs)
            .map_err(refused)?;
        self.enigo.scroll(lines, Axis::Vertical).map_err(refused)
    }

    fn key(&mut self, key: Key, direction: Direction) -> Result<(), Halt> {
        self.enigo.key(key, direction).map_err(refused)
    }
}

fn refused(error: enigo::InputError) -> Halt {
    Halt::passing(
        "no_input",
        format!("the X server refused a key or mouse event: {error}"),
    )
}

impl Chord {
    pub(crate) fn parse(written: &str) -> Result<Chord, String> {
        let mut names: Vec<&str> = written.split('+').map(str::trim).collect();
        let last = names.pop().unwrap_or_default();
        let key = key(last).ok_or_else(|| format!("`{last}` in `{written}` is no key; write a single character or one of: {KEYS}, f1 to f12, joined by `+`"))?;
        let mut modifiers = Vec::new();
        for name in names {
            let modifier = match name.to_ascii_lowercase().as_str() {
                "ctrl" | "control" => Key::Control,
                "shift" => Key::Shift,
                "alt" => Key::Alt,
                "super" | "meta" => Key::Meta,
                _ => {
                    return Err(format!(
                        "`{name}` in `{written}` is no modifier; expected ctrl, shift, alt or super"
                    ));
                }
            };
            modifiers.push(modifier);
        }
        Ok(Chord {
            modifiers,
            key,
            written: written.to_owned(),
        })
    }
}

impl<'de> Deserialize<'de> for Chord {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Chord::parse(&String::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

const KEYS: &str = "enter, tab, escape, backspace, delete, space, plus, up, down, left, right, home, end, pageup, pagedown, insert";

fn key(name: &str) -> Option<Key> {
    let lower = name.to_lowercase();
    let key = match lower.as_str() {
        "enter" | "return" => Key::Return,
        "tab" => Key::Tab,
        "escape" | "esc" => Key::Escape,
        "backspace" => Key::Backspace,
        "delete" => Key::Delete,
        "space" => Key::Space,
        "plus" => Key::Unicode('+'),
        "up" => Key::UpArrow,
        "down" => Key::DownArrow,
        "left" => Key::LeftArrow,
        "right" => Key::RightArrow,
        "home" => Key::Home,
        "end" => Key::End,
        "pageup" => Key::PageUp,
        "pagedown" => Key::PageDown,
        "insert" => Key::Insert,
        "f1" => Key::F1,
        "f2" => Key::F2,
        "f3" => Key::F3,
        "f4" => Key::F4,
        "f5" => Key::F5,
        "f6" => Key::F6,
        "f7" => Key::F7,
        "f8" => Key::F8,
        "f9" => Key::F9,
        "f10" => Key::F10,
        "f11" => Key::F11,
        "f12" => Key::F12,
        // A capital letter in a chord means the key, not Shift: `ctrl+S` is `ctrl+s`.
        _ => {
            let mut characters = lower.chars();
            match (characters.next(), characters.next()) {
                (Some(character), None) if !character.is_control() => Key::Unicode(character),
                _ => return None,
            }
        }
    };
    Some(key)
}

#[cfg(test)]
mod tests {
    use enigo::Key;

    use super::Chord;

    #[test]
    fn a_chord_is_read_as_it_is_spoken() {
        let chord = Chord::parse("Ctrl+Shift+S").unwrap();
        assert_eq!(
            (chord.modifiers, chord.key),
            (vec![Key::Control, Key::Shift], Key::Unicode('s'))
        );
        assert_eq!(Chord::parse("alt+f4").unwrap().key, Key::F4);
        assert_eq!(Chord::parse("ctrl+plus").unwrap().key, Key::Unicode('+'));
        assert_eq!(Chord::parse("é").unwrap().key, Key::Unicode('é'));
        for wrong in ["", "ctrl+", "ctrl+nothing", "hyper+a", "ctrl++"] {
            assert!(Chord::parse(wrong).is_err(), "{wrong}");
        }
    }
}
