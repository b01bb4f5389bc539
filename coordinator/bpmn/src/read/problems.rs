//! The problems found so far, as many as anybody would read.

use crate::model::Position;
use crate::problem::Problem;

pub(super) struct Problems {
    list: Vec<Problem>,
    max: usize,
    left_out: usize,
}

impl Problems {
    pub(super) fn new(max: usize) -> Problems {
        Problems {
            list: Vec::new(),
            max: max.max(1),
            left_out: 0,
        }
    }

    pub(super) fn add(
        &mut self,
        code: &'static str,
        element: Option<String>,
        at: Position,
        message: String,
        remedy: &str,
    ) {
        if self.list.len() >= self.max {
            self.left_out += 1;
            return;
        }
        let Position { line, column } = at;
        // An id of megabytes would be repeated in each problem.
        let element = element.map(|id| shortened(id, 200));
        let message = shortened(message, 1_000);
        self.list.push(Problem {
            code,
            element,
            line,
            column,
            message,
            remedy: remedy.to_owned(),
        });
    }

    pub(super) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Returns all problems in the order of the document.
    pub(super) fn finish(mut self) -> Result<(), Vec<Problem>> {
        if self.list.is_empty() {
            return Ok(());
        }
        self.list
            .sort_by_key(|problem| (problem.line, problem.column));
        if self.left_out > 0 {
            let message = format!("problems left out here: {}", self.left_out);
            let remedy = "correct the ones above first".to_owned();
            self.list.push(Problem {
                code: "more-problems",
                element: None,
                line: 0,
                column: 0,
                message,
                remedy,
            });
        }
        Err(self.list)
    }
}

fn shortened(mut text: String, chars_max: usize) -> String {
    if let Some((end, _)) = text.char_indices().nth(chars_max) {
        text.truncate(end);
        text.push('…');
    }
    text
}
