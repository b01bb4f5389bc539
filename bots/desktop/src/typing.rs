//! Typing: how a text gets into a field whole, although a key may be lost on the way.
//!
//! What was typed is read back through the clipboard and repaired by typing it again; the last try pastes it.

use std::collections::BTreeSet;
use std::time::Duration;

use x11rb::protocol::xproto::Window;

use crate::display::Display;
use crate::halt::{Halt, Patience};
use crate::keyboard::{Chord, Input};
use crate::layout::Layout;

/// The longest text that goes through keys: at about 3 ms a character this is a minute.
pub(crate) const KEYS_MAX: usize = 20_000;
/// The longest text that is pasted, in bytes.
pub(crate) const PASTE_BYTES_MAX: usize = 1024 * 1024;

// The focus is looked at again after so many characters.
const CHUNK_MAX: usize = 200;
const TRIES_BY_KEYS: usize = 3;
const SETTLE_WAIT: Duration = Duration::from_secs(10);

/// What is to be typed, and how.
#[derive(Debug)]
pub(crate) struct Order<'t> {
    pub(crate) text: &'t str,
    pub(crate) mode: Mode,
    pub(crate) check: Check,
    pub(crate) by: By,
    pub(crate) lines: bool,
}

/// What happens to what is in the field already.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Mode {
    /// It is replaced.
    #[default]
    Fill,
    /// The text follows it.
    Append,
    /// The text is put where the cursor is; nobody knows where that was once the field was read.
    Insert,
}

/// How the bot makes sure that the text arrived.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Check {
    /// The whole field is copied and compared.
    #[default]
    Clipboard,
    /// Not at all: for passwords, which no program copies, and for places that are no text field.
    None,
}

/// How the text gets in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum By {
    /// Through keys.
    #[default]
    Keys,
    /// Through the clipboard.
    Paste,
}

/// How it went.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Typed {
    pub(crate) tries: usize,
    pub(crate) by: By,
}

impl Display {
    /// Types a text into the focused field of a window, and repairs what got lost.
    pub(crate) fn type_text(
        &self,
        window: Window,
        order: &Order<'_>,
        patience: &Patience,
    ) -> Result<Typed, Halt> {
        let text = typable(order)?;
        let before = match (order.mode, order.check) {
            (Mode::Append, Check::Clipboard) => self.read_field(window, patience)?,
            _ => String::new(),
        };
        let whole = format!("{before}{text}");
        let mut seen = String::new();
        let tries = match (order.by, order.check) {
            (_, Check::None) => vec![order.by],
            (By::Paste, Check::Clipboard) => vec![By::Paste; 2],
            (By::Keys, Check::Clipboard) => {
                [vec![By::Keys; TRIES_BY_KEYS], vec![By::Paste]].concat()
            }
        };
        for (index, by) in tries.iter().copied().enumerate() {
            // A repair writes the whole field again: where the text broke is known, how the program counts positions is not.
            let (mode, text) = if index == 0 {
                (order.mode, text.as_str())
            } else {
                (Mode::Fill, whole.as_str())
            };
            match mode {
                Mode::Fill => {
                    self.chord(window, "ctrl+a", patience)?;
                    if text.is_empty() {
                        self.chord(window, "delete", patience)?;
                    }
                }
                Mode::Append => self.chord(window, "ctrl+end", patience)?,
                Mode::Insert => {}
            }
            match by {
                // A second layout may be active, so a repair trusts no key of the keyboard.
                By::Keys => self.keys(window, text, index == 0, patience)?,
                By::Paste => self.paste(window, text, patience)?,
            }
            if order.check == Check::None {
                return Ok(Typed { tries: 1, by });
            }
            seen = self.read_field(window, patience)?;
            if seen == whole {
                return Ok(Typed {
                    tries: index + 1,
                    by,
                });
            }
            tracing::debug!(attempt = index + 1, "a typed text came back different");
        }
        Err(Halt::passing(
            "text_not_equal",
            format!(
                "the field does not hold what was typed, after {} tries: {}",
                tries.len(),
                difference(&whole, &seen)
            ),
        ))
    }

    /// Reads the whole text of the focused field, and leaves the cursor at its end.
    pub(crate) fn read_field(&self, window: Window, patience: &Patience) -> Result<String, Halt> {
        self.chord(window, "ctrl+a", patience)?;
        self.empty_clipboard()?;
        self.chord(window, "ctrl+c", patience)?;
        // An empty field copies nothing; the answered ping says that the program has had its chance.
        let settled = self.settle(window, &patience.at_most(SETTLE_WAIT))?;
        let wait = if settled {
            Duration::from_millis(300)
        } else {
            Duration::from_secs(2)
        };
        let text = if self.is_copied(&patience.at_most(wait))? {
            self.clipboard(patience)?
        } else {
            String::new()
        };
        // What was read belongs to nobody else.
        self.empty_clipboard()?;
        self.chord(window, "ctrl+end", patience)?;
        Ok(text.replace("\r\n", "\n"))
    }

    /// Presses keys together in a window.
    pub(crate) fn chord(
        &self,
        window: Window,
        chord: &str,
        patience: &Patience,
    ) -> Result<(), Halt> {
        let chord = Chord::parse(chord).map_err(|why| Halt::lasting("key", why))?;
        self.press(window, &chord, patience)
    }

    /// Presses keys together in a window, and gives the program the time to take them.
    pub(crate) fn press(
        &self,
        window: Window,
        chord: &Chord,
        patience: &Patience,
    ) -> Result<(), Halt> {
        self.still_focused(window)?;
        let mut input = Input::new(self)?;
        input.press(chord)?;
        // A key that closes its window leaves nobody to answer.
        let patience = patience.at_most(SETTLE_WAIT);
        match self.window(window)? {
            Some(_) => match self.settle(window, &patience) {
                Ok(_) => Ok(()),
                Err(Halt::Stop(stop)) => Err(Halt::Stop(stop)),
                Err(_) => Ok(()),
            },
            None => Ok(()),
        }
    }

    fn keys(
        &self,
        window: Window,
        text: &str,
        trust_layout: bool,
        patience: &Patience,
    ) -> Result<(), Halt> {
        if self.caps_lock()? {
            return Err(Halt::passing(
                "caps_lock",
                "Caps Lock is on and would turn every letter around; switch it off",
            ));
        }
        let mut layout = Layout::read(self)?;
        let known: BTreeSet<char> = text
            .chars()
            .filter(|c| matches!(c, '\n' | '\t') || (trust_layout && layout.has(*c)))
            .collect();
        for chunk in chunks(text, layout.room(), |character| !known.contains(&character)) {
            patience.check()?;
            self.still_focused(window)?;
            layout.bind(chunk.strange.into_iter())?;
            let mut input = Input::new(self)?;
            for character in chunk.text.chars() {
                match (character, layout.stroke(character)) {
                    ('\n', _) => input.enter()?,
                    ('\t', _) => input.tab()?,
                    (_, Some(stroke)) => input.stroke(stroke)?,
                    (_, None) => {
                        return Err(Halt::passing(
                            "no_key",
                            format!(
                                "no key types U+{:04X}; use `by = \"paste\"`",
                                u32::from(character)
                            ),
                        ));
                    }
                }
            }
            // The key codes get other characters next; a program that has not looked by then would see those.
            self.settle(window, &patience.at_most(SETTLE_WAIT))?;
        }
        Ok(())
    }

    fn paste(&self, window: Window, text: &str, patience: &Patience) -> Result<(), Halt> {
        if text.is_empty() {
            return Ok(());
        }
        let chord = Chord::parse("ctrl+v").map_err(|why| Halt::lasting("key", why))?;
        self.still_focused(window)?;
        let taken = self.offer(text, patience, || Input::new(self)?.press(&chord))?;
        self.settle(window, &patience.at_most(SETTLE_WAIT))?;
        self.empty_clipboard()?;
        if taken {
            Ok(())
        } else {
            Err(Halt::passing(
                "not_pasted",
                "the program did not ask for the pasted text; type it `by = \"keys\"`",
            ))
        }
    }

    fn still_focused(&self, window: Window) -> Result<(), Halt> {
        if self.is_focused(window)? {
            return Ok(());
        }
        Err(Halt::passing(
            "focus_lost",
            format!(
                "the window lost the focus while the bot used it; the screen shows {}",
                self.describe()
            ),
        ))
    }
}

/// Gives the text as it can be typed, or says what in it cannot.
fn typable(order: &Order<'_>) -> Result<String, Halt> {
    let text = order.text.replace("\r\n", "\n");
    if !order.lines && text.contains(['\n', '\t']) {
        let why = "the text holds a line break or tab, which may send a form or leave its field; allow it with `lines = true`";
        return Err(Halt::lasting("text", why));
    }
    if let Some(character) = text
        .chars()
        .find(|c| c.is_control() && !matches!(c, '\n' | '\t'))
    {
        return Err(Halt::lasting(
            "text",
            format!(
                "the text holds U+{:04X}, which no key types; remove it from the input",
                u32::from(character)
            ),
        ));
    }
    let (length, limit, unit) = match order.by {
        By::Keys => (
            text.chars().count(),
            KEYS_MAX,
            "characters; use `by = \"paste\"`",
        ),
        By::Paste => (text.len(), PASTE_BYTES_MAX, "bytes; put a file instead"),
    };
    if length > limit {
        return Err(Halt::lasting(
            "text",
            format!("the text is {length} long, at most {limit} {unit}"),
        ));
    }
    Ok(text)
}

#[derive(Debug, PartialEq, Eq)]
struct Chunk<'t> {
    text: &'t str,
    // The characters of it that need a key code of their own.
    strange: BTreeSet<char>,
}

/// Cuts a text into parts with no more strange characters than there is room for.
fn chunks(text: &str, room: usize, is_strange: impl Fn(char) -> bool) -> Vec<Chunk<'_>> {
    let mut chunks = Vec::new();
    let (mut start, mut count) = (0, 0);
    let mut strange = BTreeSet::new();
    for (at, character) in text.char_indices() {
        let more = is_strange(character) && !strange.contains(&character);
        if count == CHUNK_MAX || (more && strange.len() == room) {
            chunks.push(Chunk {
                text: &text[start..at],
                strange: std::mem::take(&mut strange),
            });
            (start, count) = (at, 0);
        }
        if is_strange(character) {
            strange.insert(character);
        }
        count += 1;
    }
    if start < text.len() {
        chunks.push(Chunk {
            text: &text[start..],
            strange,
        });
    }
    chunks
}

/// Says where two texts part, without showing more of them than is needed.
fn difference(expected: &str, seen: &str) -> String {
    const SHOWN: usize = 12;
    let at = expected
        .chars()
        .zip(seen.chars())
        .take_while(|(a, b)| a == b)
        .count();
    let around = |text: &str| {
        text.chars()
            .skip(at.saturating_sub(2))
            .take(SHOWN)
            .collect::<String>()
    };
    let (long, short) = (expected.chars().count(), seen.chars().count());
    format!(
        "they part at character {at}: expected {:?}, seen {:?} ({long} characters expected, {short} seen)",
        around(expected),
        around(seen)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_where_key_codes_run_out() {
        let cut = |text, room| {
            chunks(text, room, |c| !c.is_ascii())
                .into_iter()
                .map(|chunk| chunk.text.to_owned())
                .collect::<Vec<_>>()
        };
        assert_eq!(cut("äöäxöü", 2), ["äöäxö", "ü"]);
        assert_eq!(cut("日本語", 1), ["日", "本", "語"]);
        assert_eq!(cut("abc", 1), ["abc"]);
        assert_eq!(cut("", 3), Vec::<String>::new());
        assert_eq!(cut(&"a".repeat(CHUNK_MAX + 1), 3).len(), 2);
        assert_eq!(
            chunks("aüa", 3, |c| !c.is_ascii())[0].strange,
            BTreeSet::from(['ü'])
        );
    }

    #[test]
    fn a_line_break_from_an_input_presses_no_key_unasked() {
        let order = |text, lines| Order {
            text,
            mode: Mode::Fill,
            check: Check::Clipboard,
            by: By::Keys,
            lines,
        };
        assert!(typable(&order("Smith\nOK", false)).is_err());
        assert_eq!(typable(&order("a\r\nb", true)), Ok("a\nb".to_owned()));
        assert!(
            typable(&order("bell\u{7}", true))
                .unwrap_err()
                .message()
                .contains("U+0007")
        );
        assert!(
            typable(&order(&"x".repeat(KEYS_MAX + 1), true))
                .unwrap_err()
                .message()
                .contains("paste")
        );
    }

    #[test]
    fn a_difference_names_its_place() {
        let text = difference("Grüezi 日本", "Grüezi 本");
        assert_eq!(
            text,
            "they part at character 7: expected \"i 日本\", seen \"i 本\" (9 characters expected, 8 seen)"
        );
    }
}
