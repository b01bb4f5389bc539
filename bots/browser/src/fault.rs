//! Fault: why a step did not do what it says, and whether a moment later it might.

use botswain_action::Stop;
use thirtyfour::error::{WebDriverError, WebDriverErrorInner as Inner};

/// Why a step ended early.
#[derive(Debug)]
pub(crate) enum Fault {
    /// The attempt must not go on.
    Stop(Stop),
    /// The step failed in a way that we understand.
    Failed {
        /// A short stable word.
        code: &'static str,
        /// What was expected, what was found, what to do.
        message: String,
        /// True when another attempt may succeed as things are.
        retryable: bool,
    },
    /// The browser answered with an error.
    Driver(WebDriverError),
}

impl Fault {
    pub(crate) fn lasting(code: &'static str, message: impl Into<String>) -> Self {
        Self::Failed {
            code,
            message: message.into(),
            retryable: false,
        }
    }

    pub(crate) fn passing(code: &'static str, message: impl Into<String>) -> Self {
        Self::Failed {
            code,
            message: message.into(),
            retryable: true,
        }
    }

    /// True while a page is being replaced by the next one, so that the step should look again.
    pub(crate) fn is_transient(&self) -> bool {
        let Self::Driver(error) = self else {
            return false;
        };
        match error.as_inner() {
            Inner::NoSuchElement(_)
            | Inner::NoSuchFrame(_)
            | Inner::NoSuchWindow(_)
            | Inner::StaleElementReference(_)
            | Inner::JavascriptError(_)
            | Inner::MoveTargetOutOfBounds(_) => true,
            Inner::UnknownError(info) => {
                let message = &info.value.message;
                message.contains("aborted by navigation")
                    || message.contains("Cannot find context")
                    || message.contains("uniqueContextId not found")
                    || message.contains("Execution context was destroyed")
                    || message.contains("No node with given id")
            }
            _ => false,
        }
    }

    /// The word, the text and whether another attempt may succeed.
    pub(crate) fn told(&self) -> (&'static str, String, bool) {
        match self {
            Self::Stop(stop) => ("stopped", stop.to_string(), true),
            Self::Failed {
                code,
                message,
                retryable,
            } => (code, message.clone(), *retryable),
            Self::Driver(error) => driver(error),
        }
    }
}

impl From<WebDriverError> for Fault {
    fn from(error: WebDriverError) -> Self {
        Self::Driver(error)
    }
}

fn driver(error: &WebDriverError) -> (&'static str, String, bool) {
    match error.as_inner() {
        Inner::InvalidSessionId(_)
        | Inner::FatalError(_)
        | Inner::HttpError(_)
        | Inner::RequestFailed(_)
        | Inner::IoError(_) => (
            "browser_lost",
            format!("the browser ended by itself: {}", short(error)),
            true,
        ),
        Inner::WebDriverTimeout(_) | Inner::ScriptTimeout(_) | Inner::Timeout(_) => (
            "step_timeout",
            format!("the page did not answer in time: {}", short(error)),
            true,
        ),
        Inner::UnknownError(info) if info.value.message.contains("net::ERR_") => {
            let name = info
                .value
                .message
                .split_whitespace()
                .find(|word| word.starts_with("net::"))
                .unwrap_or("net::ERR");
            let hint = if name.contains("NAME_NOT_RESOLVED") {
                "; is the host named under needs.hosts in bot.toml?"
            } else {
                ""
            };
            (
                "page_unreachable",
                format!("the page could not be opened: {name}{hint}"),
                true,
            )
        }
        Inner::InsecureCertificate(_) => (
            "certificate",
            "the page's certificate is not trusted on this machine".to_owned(),
            false,
        ),
        _ => ("browser", short(error), true),
    }
}

/// The driver's message without its stack trace.
fn short(error: &WebDriverError) -> String {
    let text = error.to_string();
    let end = ["\n", "stacktrace", "Stacktrace"]
        .iter()
        .filter_map(|mark| text.find(mark))
        .min()
        .unwrap_or(text.len());
    text[..end].chars().take(300).collect()
}
