//! emulateNetworkConditions: a slower network than the machine's own.

use serde_json::json;

use crate::fault::Fault;
use crate::recording::Fields;
use crate::steps::Cx;

const RATE_MAX: f64 = 1e12;
const LATENCY_MS_MAX: f64 = 60_000.0;

/// Slows the network down.
#[derive(Debug, Clone, PartialEq)]
pub struct EmulateNetworkConditions {
    /// Bytes per second, -1 for no limit.
    pub download: f64,
    /// Bytes per second, -1 for no limit.
    pub upload: f64,
    /// Added milliseconds.
    pub latency_ms: f64,
}

impl EmulateNetworkConditions {
    pub(crate) fn read(fields: &mut Fields<'_, '_>) -> Option<Self> {
        let download = fields.number("download", -1.0..=RATE_MAX);
        let upload = fields.number("upload", -1.0..=RATE_MAX);
        let latency = fields.number("latency", 0.0..=LATENCY_MS_MAX);
        Some(Self {
            download: download?,
            upload: upload?,
            latency_ms: latency?,
        })
    }

    pub(crate) async fn run(&self, cx: &mut Cx<'_, '_>) -> Result<(), Fault> {
        let tools = cx.page.driver().cdp();
        tools.send_raw("Network.enable", json!({})).await?;
        tools
            .send_raw(
                "Network.emulateNetworkConditions",
                json!({
                    "offline": false,
                    "downloadThroughput": self.download,
                    "uploadThroughput": self.upload,
                    "latency": self.latency_ms,
                }),
            )
            .await?;
        Ok(())
    }
}
