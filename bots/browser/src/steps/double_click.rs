//! doubleClick: two presses in quick succession.

use crate::fault::Fault;
use crate::recording::Fields;
use crate::steps::Cx;
use crate::steps::click::Click;

/// Clicks an element twice.
#[derive(Debug, Clone, PartialEq)]
pub struct DoubleClick {
    /// What one press is.
    pub click: Click,
}

impl DoubleClick {
    pub(crate) fn read(fields: &mut Fields<'_, '_>) -> Option<Self> {
        Click::read(fields).map(|click| Self { click })
    }

    pub(crate) async fn run(&self, cx: &mut Cx<'_, '_>) -> Result<(), Fault> {
        self.click.press(cx, 2).await
    }
}
