//! navigate: opens an address.

use url::Url;

use crate::fault::Fault;
use crate::recording::Fields;
use crate::steps::Cx;

/// Opens an address.
#[derive(Debug, Clone, PartialEq)]
pub struct Navigate {
    /// The address as it was recorded.
    pub url: String,
}

/// Reads an address that a bot may open: the web, nothing of the machine.
pub(crate) fn address(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| format!("{text:?} is not an address: {error}"))?;
    match url.scheme() {
        "http" | "https" if url.host_str().is_some() => Ok(url),
        "about" if text == "about:blank" => Ok(url),
        "chrome" if text == "chrome://newtab/" || text == "chrome://new-tab-page/" => Ok(url),
        other => Err(format!(
            "{other}: addresses are not opened, only http and https"
        )),
    }
}

impl Navigate {
    pub(crate) fn read(fields: &mut Fields<'_, '_>) -> Option<Self> {
        let url = fields.text("url")?;
        if let Err(message) = address(&url) {
            fields.wrong("url", message, "record the step on a web page");
            return None;
        }
        Some(Self { url })
    }

    pub(crate) async fn run(&self, cx: &mut Cx<'_, '_>) -> Result<(), Fault> {
        let text = cx.bound.as_deref().unwrap_or(&self.url);
        let url = address(text).map_err(|message| Fault::lasting("input", message))?;
        if url.scheme() == "chrome" {
            // The recorder notes the empty tab that a recording began in.
            cx.skipped = Some("a fresh browser is as empty as a new tab".to_owned());
            return Ok(());
        }
        cx.about_to_act().await?;
        cx.page.driver().goto(url.as_str()).await?;
        Ok(())
    }
}
