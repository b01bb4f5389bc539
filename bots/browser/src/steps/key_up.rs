//! keyUp: a key is released.

use crate::fault::Fault;
use crate::recording::Fields;
use crate::steps::Cx;
use crate::steps::keys::Key;

/// Releases a key.
#[derive(Debug, Clone, PartialEq)]
pub struct KeyUp {
    /// Which one.
    pub key: Key,
}

impl KeyUp {
    pub(crate) fn read(fields: &mut Fields<'_, '_>) -> Option<Self> {
        let name = fields.text("key")?;
        Key::parse(&name)
            .map(|key| Self { key })
            .map_err(|message| fields.wrong("key", message, "record the step again"))
            .ok()
    }

    pub(crate) async fn run(&self, cx: &mut Cx<'_, '_>) -> Result<(), Fault> {
        cx.about_to_act().await?;
        cx.page.act(self.key.action("keyUp")).await
    }
}
