//! Layout: which key types a character, and how characters get a key that have none.
//!
//! Characters without a key are bound to key codes that no key uses. Every request that changes the mapping makes each program
//! and the window manager read it again, which takes some of them 40 ms; so one request binds many characters. It spans the
//! keys in between, which keep their symbols.

use std::collections::{BTreeMap, BTreeSet};

use x11rb::connection::Connection as _;
use x11rb::protocol::xproto::ConnectionExt as _;

use crate::display::Display;
use crate::halt::Halt;

// Below are the keys that people type with; a request spans only keys above, which are media keys and the like.
const SPANNED_MIN: u8 = 136;
// Programs read code 8 as no key at all.
const SPARE_MIN: u8 = 9;
const NO_SYMBOL: u32 = 0;
const RUNS_MAX: usize = 4;

/// A key, with Shift or without.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stroke {
    pub(crate) code: u8,
    pub(crate) shift: bool,
}

/// The keyboard's layout, and what is bound besides; dropping it takes the bindings back.
pub(crate) struct Layout<'d> {
    display: &'d Display,
    keys: BTreeMap<u32, Stroke>,
    // What each key code has by itself, all of the same length.
    rows: BTreeMap<u8, Vec<u32>>,
    // Spare key codes that one request can bind, with everything in between left as it is.
    runs: Vec<Vec<u8>>,
    bound: BTreeMap<u32, u8>,
}

impl<'d> Layout<'d> {
    /// Reads the layout in use.
    pub(crate) fn read(display: &'d Display) -> Result<Layout<'d>, Halt> {
        let setup = display.connection.setup();
        let (first, last) = (setup.min_keycode, setup.max_keycode);
        let count = last.saturating_sub(first).saturating_add(1);
        let mapping = display
            .connection
            .get_keyboard_mapping(first, count)?
            .reply()?;
        let modifiers: BTreeSet<u8> = display
            .connection
            .get_modifier_mapping()?
            .reply()?
            .keycodes
            .into_iter()
            .collect();
        let width = usize::from(mapping.keysyms_per_keycode).max(2);
        let rows: BTreeMap<u8, Vec<u32>> = (first..=last)
            .zip(
                mapping
                    .keysyms
                    .chunks(usize::from(mapping.keysyms_per_keycode).max(1)),
            )
            .map(|(code, symbols)| {
                (
                    code,
                    symbols
                        .iter()
                        .copied()
                        .chain(std::iter::repeat(NO_SYMBOL))
                        .take(width)
                        .collect(),
                )
            })
            .collect();
        let mut keys = BTreeMap::new();
        for (code, symbols) in &rows {
            for (symbol, shift) in symbols.iter().take(2).zip([false, true]) {
                keys.entry(*symbol).or_insert(Stroke { code: *code, shift });
            }
        }
        keys.remove(&NO_SYMBOL);
        let mut runs = runs(&rows, &modifiers);
        // Few long runs are worth more than many short ones: each run is a request.
        runs.sort_by_key(|run| std::cmp::Reverse(run.len()));
        if runs.first().is_some_and(|run| run.len() > 1) {
            runs.retain(|run| run.len() > 1);
        }
        runs.truncate(RUNS_MAX);
        if runs.is_empty() {
            return Err(Halt::lasting(
                "no_spare_keys",
                "every key code of this keyboard is in use, so characters without a key cannot be typed; use `by = \"paste\"`",
            ));
        }
        Ok(Layout {
            display,
            keys,
            rows,
            runs,
            bound: BTreeMap::new(),
        })
    }

    /// How many characters can be bound at a time.
    pub(crate) fn room(&self) -> usize {
        self.runs.iter().map(Vec::len).sum()
    }

    /// Says whether a key of the layout types the character.
    pub(crate) fn has(&self, character: char) -> bool {
        self.keys.contains_key(&symbol(character))
    }

    /// Binds these characters; those of before lose their key codes.
    pub(crate) fn bind(&mut self, characters: impl Iterator<Item = char>) -> Result<(), Halt> {
        let spare = self.runs.iter().flatten().copied();
        let bound: BTreeMap<u32, u8> = characters.map(symbol).zip(spare).collect();
        if bound.is_empty() {
            return Ok(());
        }
        self.write(&bound)?;
        self.bound = bound;
        Ok(())
    }

    /// Gives the key that types a character.
    pub(crate) fn stroke(&self, character: char) -> Option<Stroke> {
        let symbol = symbol(character);
        let bound = self.bound.get(&symbol).map(|code| Stroke {
            code: *code,
            shift: false,
        });
        bound.or_else(|| self.keys.get(&symbol).copied())
    }

    fn write(&self, bound: &BTreeMap<u32, u8>) -> Result<(), Halt> {
        let by_code = |bound: &BTreeMap<u32, u8>| {
            bound
                .iter()
                .map(|(symbol, code)| (*code, *symbol))
                .collect::<BTreeMap<u8, u32>>()
        };
        let (before, after) = (by_code(&self.bound), by_code(bound));
        for run in &self.runs {
            let (Some(first), Some(last)) = (run.first(), run.last()) else {
                continue;
            };
            if run.iter().all(|code| before.get(code) == after.get(code)) {
                continue;
            }
            let symbols: Vec<u32> = self
                .rows
                .range(first..=last)
                .flat_map(|(code, row)| match after.get(code) {
                    // Both levels are the same, so Shift and Caps Lock change nothing.
                    Some(symbol) => [*symbol, *symbol]
                        .into_iter()
                        .chain(std::iter::repeat(NO_SYMBOL))
                        .take(row.len())
                        .collect(),
                    None => row.clone(),
                })
                .collect();
            let width = u8::try_from(self.rows.get(first).map_or(2, Vec::len)).unwrap_or(2);
            self.display
                .connection
                .change_keyboard_mapping(last - first + 1, *first, width, &symbols)?
                .check()?;
        }
        Ok(())
    }
}

/// Groups the spare key codes so that nothing between two of a group is a modifier or a key that people type with.
fn runs(rows: &BTreeMap<u8, Vec<u32>>, modifiers: &BTreeSet<u8>) -> Vec<Vec<u8>> {
    let mut runs: Vec<Vec<u8>> = Vec::new();
    let mut may_span = false;
    for (code, row) in rows.range(SPARE_MIN..) {
        if !row.iter().all(|symbol| *symbol == NO_SYMBOL) {
            may_span &= *code >= SPANNED_MIN && !modifiers.contains(code);
            continue;
        }
        match runs.last_mut() {
            Some(run) if may_span => run.push(*code),
            _ => runs.push(vec![*code]),
        }
        may_span = true;
    }
    runs
}

impl Drop for Layout<'_> {
    fn drop(&mut self) {
        if let Err(halt) = self.write(&BTreeMap::new()) {
            tracing::warn!(why = halt.message(), "failed to take key bindings back");
        }
    }
}

/// The number by which X knows a character.
fn symbol(character: char) -> u32 {
    match u32::from(character) {
        code @ (0x20..=0x7e | 0xa0..=0xff) => code,
        code => 0x0100_0000 | code,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spare_codes_are_bound_together_unless_a_typing_key_or_modifier_is_between() {
        let row = |code: u8| {
            vec![
                if [8, 97, 149, 154, 202, 217, 219].contains(&code) {
                    0
                } else {
                    1
                };
                2
            ]
        };
        let rows = (8..=255).map(|code| (code, row(code))).collect();
        assert_eq!(
            runs(&rows, &BTreeSet::from([50, 204])),
            [vec![97], vec![149, 154, 202], vec![217, 219]]
        );
    }

    #[test]
    fn characters_have_the_numbers_that_x_gives_them() {
        assert_eq!(
            (symbol('a'), symbol('ü'), symbol('日'), symbol('👍')),
            (0x61, 0xfc, 0x0100_65e5, 0x0101_f44d)
        );
    }
}
