//! customStep: something that another tool wrote into the recording.

use crate::recording::Fields;
use crate::steps::Cx;

/// Something that another tool understands; it is left out, and the log says so.
#[derive(Debug, Clone, PartialEq)]
pub struct CustomStep {
    /// What the other tool calls it.
    pub name: String,
}

impl CustomStep {
    pub(crate) fn read(fields: &mut Fields<'_, '_>) -> Option<Self> {
        Some(Self {
            name: fields.text("name")?,
        })
    }

    pub(crate) fn run(&self, cx: &mut Cx<'_, '_>) {
        cx.skipped = Some(format!("the custom step {:?} is another tool's", self.name));
    }
}
