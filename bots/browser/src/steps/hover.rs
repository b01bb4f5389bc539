//! hover: the pointer rests on an element.

use crate::fault::Fault;
use crate::recording::Fields;
use crate::selector::Selector;
use crate::steps::Cx;
use crate::steps::click::{aim, moved, pointer};

/// Moves the pointer over an element.
#[derive(Debug, Clone, PartialEq)]
pub struct Hover {
    /// The alternatives for finding the element.
    pub selectors: Vec<Selector>,
}

impl Hover {
    pub(crate) fn read(fields: &mut Fields<'_, '_>) -> Option<Self> {
        Some(Self {
            selectors: fields.selectors()?,
        })
    }

    pub(crate) async fn run(&self, cx: &mut Cx<'_, '_>) -> Result<(), Fault> {
        let element = cx.locate(&self.selectors).await?;
        let point = aim(cx, &element, None).await?;
        cx.about_to_act().await?;
        cx.page.act(pointer("mouse", vec![moved(&point)])).await
    }
}
