//! Problems of a bot's files: each with its place and its remedy, all of them at once.

/// How many problems are listed before the rest is left out.
const PROBLEMS_MAX: usize = 50;

/// One thing that is wrong in a recording or an overlay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where: `recording.json, steps[3].selectors`.
    pub place: String,
    /// What was found.
    pub message: String,
    /// What to do about it.
    pub remedy: String,
}

/// Everything that is wrong with a bot's files.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct BotError {
    /// The problems; never empty.
    pub problems: Vec<Problem>,
}

impl std::fmt::Display for BotError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(
                f,
                "{}: {}; {}",
                problem.place, problem.message, problem.remedy
            )?;
        }
        Ok(())
    }
}

/// Collects problems.
#[derive(Default)]
pub(crate) struct Problems(Vec<Problem>);

impl Problems {
    pub(crate) fn add(
        &mut self,
        place: impl Into<String>,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        if self.0.len() < PROBLEMS_MAX {
            self.0.push(Problem {
                place: place.into(),
                message: message.into(),
                remedy: remedy.into(),
            });
        }
    }

    pub(crate) fn into_result(self) -> Result<(), BotError> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(BotError { problems: self.0 })
        }
    }
}
