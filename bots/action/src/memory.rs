//! A runner that keeps everything in memory, for tests and for trying a bot by hand.

use crate::{EvidenceFile, Runner, StepRecord};

/// Keeps the evidence of one attempt in memory.
#[derive(Debug, Default)]
pub struct MemoryRunner {
    /// The step log so far.
    pub steps: Vec<StepRecord>,
    /// The files so far.
    pub files: Vec<EvidenceFile>,
    /// How often the commit point was reached.
    pub commit_points: usize,
    /// How many steps were recorded when the commit point was reached.
    pub steps_before_commit: usize,
    /// When set, the commit point is refused with this reason.
    pub refuse_commit: Option<String>,
}

impl MemoryRunner {
    /// The file with this name.
    pub fn file(&self, name: &str) -> Option<&EvidenceFile> {
        self.files.iter().find(|file| file.name == name)
    }
}

impl Runner for MemoryRunner {
    fn reach_commit_point(&mut self) -> Result<(), String> {
        match &self.refuse_commit {
            Some(reason) => Err(reason.clone()),
            None => {
                self.commit_points += 1;
                self.steps_before_commit = self.steps.len();
                Ok(())
            }
        }
    }

    fn record(&mut self, step: StepRecord) {
        self.steps.push(step);
    }

    fn keep(&mut self, file: EvidenceFile) {
        self.files.push(file);
    }
}
