//! close: a window goes away.

use crate::fault::Fault;
use crate::steps::Cx;

/// Closes a window.
#[derive(Debug, Clone, PartialEq)]
pub struct Close;

impl Close {
    pub(crate) async fn run(&self, cx: &mut Cx<'_, '_>) -> Result<(), Fault> {
        cx.about_to_act().await?;
        if !cx.page.close_window().await? {
            cx.skipped = Some("the last window closes with the attempt".to_owned());
        }
        Ok(())
    }
}
