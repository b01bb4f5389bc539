//! scroll: the page or an element is moved to a place.

use serde_json::json;

use crate::fault::Fault;
use crate::recording::Fields;
use crate::selector::Selector;
use crate::steps::Cx;

const PLACE_MAX: f64 = 10_000_000.0;

/// Scrolls the page or an element.
#[derive(Debug, Clone, PartialEq)]
pub struct Scroll {
    /// The alternatives for finding the element; none for the page.
    pub selectors: Vec<Selector>,
    /// The left edge, unchanged when absent.
    pub x: Option<f64>,
    /// The upper edge, unchanged when absent.
    pub y: Option<f64>,
}

impl Scroll {
    pub(crate) fn read(fields: &mut Fields<'_, '_>) -> Option<Self> {
        Some(Self {
            selectors: fields.selectors_if_present(),
            x: fields.number_if_present("x", -PLACE_MAX..=PLACE_MAX),
            y: fields.number_if_present("y", -PLACE_MAX..=PLACE_MAX),
        })
    }

    pub(crate) async fn run(&self, cx: &mut Cx<'_, '_>) -> Result<(), Fault> {
        let element = if self.selectors.is_empty() {
            None
        } else {
            Some(cx.locate(&self.selectors).await?.to_json()?)
        };
        cx.about_to_act().await?;
        cx.page
            .call("scroll", vec![json!(element), json!(self.x), json!(self.y)])
            .await?;
        Ok(())
    }
}
