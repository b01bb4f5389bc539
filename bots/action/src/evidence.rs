//! Evidence: what an attempt leaves behind for the people who ask later.

use serde::{Deserialize, Serialize};

/// Which alternative of a step's selectors found the element; a rising index warns of a page that drifts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Matched {
    /// Position among the alternatives, the recorder's favourite is 0.
    pub index: usize,
    /// How many alternatives there are.
    pub of: usize,
    /// The alternative itself.
    pub selector: String,
}

/// How a step ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "result", rename_all = "snake_case")]
pub enum StepResult {
    /// The step did what it says.
    Done,
    /// The step failed, and the attempt with it.
    Failed {
        /// What was expected, what was found.
        message: String,
    },
    /// The step was left out on purpose.
    Skipped {
        /// Why.
        reason: String,
    },
}

/// One line of the step log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepRecord {
    /// Position in the bot's steps, from 0.
    pub index: usize,
    /// What the step does, in words: `change "Email"`.
    pub name: String,
    /// Milliseconds from the start of the attempt.
    pub started_ms: u64,
    /// How long it took.
    pub duration_ms: u64,
    /// How it ended.
    #[serde(flatten)]
    pub result: StepResult,
    /// Which selector matched, for steps that look for an element.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub matched: Option<Matched>,
    /// Anything else worth keeping: an answered dialog, the page's address, a value that was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// One file of evidence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EvidenceFile {
    /// A plain file name: `before-commit.png`.
    pub name: String,
    /// Its media type: `image/png`.
    pub media_type: String,
    /// The content; text is masked, pictures are masked by whoever took them.
    pub bytes: Vec<u8>,
}
