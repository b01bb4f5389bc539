//! Output: tables for people, JSON for programs.

use super::Done;
use comfy_table::{ContentArrangement, Table, presets};
use serde_json::Value;
use std::io::Write;

/// Longer cells are cut in tables; `--json` has all of them.
const CELL_CHARS_MAX: usize = 120;

/// Where answers go.
pub(super) struct Output {
    json: bool,
    to: std::io::Stdout,
}

impl Output {
    pub(super) fn new(json: bool) -> Output {
        Output {
            json,
            to: std::io::stdout(),
        }
    }

    /// For programs the answer as it is; for people what `shown` writes.
    pub(super) fn answer(&mut self, answer: &Value, shown: impl FnOnce(&mut Output)) -> Done {
        if self.json {
            self.line(&serde_json::to_string_pretty(answer).unwrap_or_default());
        } else {
            shown(self);
        }
        Ok(())
    }

    /// One line. A reader that is gone has read enough.
    pub(super) fn line(&mut self, text: &str) {
        let _ = writeln!(self.to, "{text}");
    }

    /// Several lines with a heading, if there are any.
    pub(super) fn table(&mut self, headings: &[&str], rows: Vec<Vec<String>>) {
        let mut table = Table::new();
        table
            .load_style(presets::NOTHING)
            .set_content_arrangement(ContentArrangement::Disabled)
            .set_header(headings.iter().map(|heading| heading.to_uppercase()));
        for row in rows {
            table.add_row(row.into_iter().map(|cell| cut(&cell)));
        }
        let text = table.to_string();
        for line in text.lines() {
            self.line(line.strip_prefix(' ').unwrap_or(line).trim_end());
        }
    }
}

/// One line of at most so many characters; what a terminal would obey is shown and not obeyed.
pub(super) fn cut(text: &str) -> String {
    let mut characters = text.chars().map(|character| {
        if character.is_control() {
            ' '
        } else {
            character
        }
    });
    let mut cut: String = characters.by_ref().take(CELL_CHARS_MAX).collect();
    if characters.next().is_some() {
        cut.push('…');
    }
    cut
}

/// A field of an answer as a cell.
pub(super) fn cell(item: &Value, field: &str) -> String {
    match &item[field] {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => String::new(),
        Value::Array(list) => list.iter().map(plain).collect::<Vec<_>>().join(" "),
        other => other.to_string(),
    }
}

fn plain(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

/// A point in time as a cell: to the second.
pub(super) fn moment(item: &Value, field: &str) -> String {
    let text = cell(item, field);
    match text.split_once('.') {
        Some((seconds, _)) => seconds.replace('T', " "),
        None => text,
    }
}

/// The items of an answer.
pub(super) fn items(answer: &Value) -> &[Value] {
    answer["items"].as_array().map_or(&[], Vec::as_slice)
}
