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
        self.list.push(Problem {
            code,
            element,
            line,
            column,
            message,
            remedy: remedy.to_owned(),
        });
    }

    /// Returns all problems in the order of the document.
    pub(super) fn finish(mut self) -> Result<(), Vec<Problem>> {
        if self.list.is_empty() {
            return Ok(());
        }
        self.list
            .sort_by_key(|problem| (problem.line, problem.column));
        if self.left_out > 0 {
            let message = format!("{} more problems are left out", self.left_out);
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
