//! setViewport: the size of the page and the kind of screen.

use serde_json::json;

use crate::fault::Fault;
use crate::recording::Fields;
use crate::steps::Cx;

const SIZE_MAX: f64 = 10_000.0;

/// Sets the size of the page.
#[derive(Debug, Clone, PartialEq)]
pub struct SetViewport {
    /// In CSS pixels.
    pub width: u32,
    /// In CSS pixels.
    pub height: u32,
    /// Device pixels per CSS pixel.
    pub scale: f64,
    /// True for a phone or tablet.
    pub mobile: bool,
    /// True for a touch screen.
    pub touch: bool,
    /// True when it is held across.
    pub landscape: bool,
}

impl SetViewport {
    pub(crate) fn read(fields: &mut Fields<'_, '_>) -> Option<Self> {
        let width = fields.number("width", 1.0..=SIZE_MAX);
        let height = fields.number("height", 1.0..=SIZE_MAX);
        let scale = fields.number_if_present("deviceScaleFactor", 0.0..=10.0);
        Some(Self {
            width: width? as u32,
            height: height? as u32,
            scale: scale.unwrap_or(1.0),
            mobile: fields.flag_or("isMobile", false),
            touch: fields.flag_or("hasTouch", false),
            landscape: fields.flag_or("isLandscape", false),
        })
    }

    pub(crate) async fn run(&self, cx: &mut Cx<'_, '_>) -> Result<(), Fault> {
        let orientation = if self.landscape {
            json!({"type": "landscapePrimary", "angle": 90})
        } else {
            json!({"type": "portraitPrimary", "angle": 0})
        };
        let tools = cx.page.driver().cdp();
        tools
            .send_raw(
                "Emulation.setDeviceMetricsOverride",
                json!({
                    "width": self.width,
                    "height": self.height,
                    "deviceScaleFactor": self.scale,
                    "mobile": self.mobile,
                    "screenOrientation": orientation,
                }),
            )
            .await?;
        tools
            .send_raw(
                "Emulation.setTouchEmulationEnabled",
                json!({"enabled": self.touch}),
            )
            .await?;
        Ok(())
    }
}
