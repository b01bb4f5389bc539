//! Evidence: pictures of the page with every secret covered.

use botswain_action::Attempt;
use serde_json::json;

use crate::fault::Fault;
use crate::page::Page;

/// The most bytes of a picture that is kept.
const PICTURE_BYTES_MAX: usize = 8 << 20;

/// Takes a picture of the window and keeps it; a page that cannot be pictured is no reason to fail.
pub(crate) async fn screenshot(page: &mut Page, attempt: &mut Attempt<'_>, name: &str) {
    match picture(page).await {
        Ok(bytes) if bytes.len() <= PICTURE_BYTES_MAX => {
            attempt.keep_picture(name, "image/png", bytes)
        }
        Ok(bytes) => tracing::warn!(
            name,
            bytes = bytes.len(),
            "the picture is too large to be kept"
        ),
        Err(fault) => tracing::warn!(name, reason = fault.told().1, "no picture of the page"),
    }
}

/// A picture without cover would be worse than none, so it is taken only once the secrets are covered.
async fn picture(page: &mut Page) -> Result<Vec<u8>, Fault> {
    page.look_for_dialog().await.or_else(|fault| match fault {
        // The dialog is closed and told elsewhere.
        Fault::Failed { .. } => Ok(()),
        other => Err(other),
    })?;
    let frame = page.driver().enter_default_frame().await;
    frame?;
    let secrets = page.secrets_typed.clone();
    page.call("cover", vec![json!(secrets)]).await?;
    let taken = page.driver().screenshot_as_png().await;
    // The page may have gone on meanwhile; then the cover went with the document.
    let _ = page.call("uncover", Vec::new()).await;
    Ok(taken?)
}
