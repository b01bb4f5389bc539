//! The page: windows, frames, elements and dialogs, always as they are at this moment.

use std::time::{Duration, Instant};

use botswain_action::Matched;
use serde_json::{Value, json};
use thirtyfour::common::command::{Actions, Command};
use thirtyfour::error::WebDriverErrorInner;
use thirtyfour::{WebDriver, WebElement, WindowHandle};

use crate::fault::Fault;
use crate::overlay::Dialogs;
use crate::selector::{Part, Selector};

const SCRIPT: &str = include_str!("page.js");
const LOOK_AGAIN_MIN: Duration = Duration::from_millis(10);
const LOOK_AGAIN_MAX: Duration = Duration::from_millis(100);

/// How long the recorder's favourite selector is preferred before the next one is taken.
const FAVOURITE_FIRST: Duration = Duration::from_millis(400);

/// One look at the page.
pub(crate) enum Look<T> {
    /// What was looked for.
    Found(T),
    /// It is not there at this moment; this is what was seen.
    NotYet(String),
}

/// An element, and which selector found it.
pub(crate) struct Located {
    pub(crate) element: WebElement,
    pub(crate) matched: Matched,
}

/// What the page looked like before a step that leads elsewhere.
pub(crate) struct Before {
    marked: u64,
    url: String,
}

/// The browser's windows as the steps see them.
pub(crate) struct Page {
    driver: WebDriver,
    main: WindowHandle,
    /// How dialogs are answered from here on.
    pub(crate) dialogs: Dialogs,
    /// What is typed into a prompt before it is accepted.
    pub(crate) dialog_text: Option<String>,
    /// What dialogs said since the last look.
    pub(crate) said: Vec<String>,
    /// Secrets that this browser has seen; only these are looked for on its pages.
    pub(crate) secrets_typed: Vec<String>,
}

impl Page {
    pub(crate) async fn new(driver: WebDriver, dialogs: Dialogs) -> Result<Self, Fault> {
        let main = driver.window().await?;
        Ok(Self {
            driver,
            main,
            dialogs,
            dialog_text: None,
            said: Vec::new(),
            secrets_typed: Vec::new(),
        })
    }

    pub(crate) fn driver(&self) -> &WebDriver {
        &self.driver
    }

    /// Runs one verb of the page script where the step is.
    pub(crate) async fn call(
        &mut self,
        verb: &str,
        given: Vec<Value>,
    ) -> Result<(Value, WebDriver), Fault> {
        let mut args = vec![json!(verb)];
        args.extend(given);
        loop {
            match self.driver.execute(SCRIPT, args.clone()).await {
                Ok(answer) => return Ok((answer.json().clone(), self.driver.clone())),
                Err(error) if is_dialog(error.as_inner()) => self.answer_dialog().await?,
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Looks again and again until there is an answer or the time is over; a page in transition is looked at again.
    pub(crate) async fn poll<T>(
        &mut self,
        deadline: Instant,
        mut look: impl AsyncFnMut(&mut Self) -> Result<Look<T>, Fault>,
    ) -> Result<T, Fault> {
        let mut pause = LOOK_AGAIN_MIN;
        loop {
            let seen = match look(self).await {
                Ok(Look::Found(found)) => return Ok(found),
                Ok(Look::NotYet(seen)) => seen,
                Err(fault) if fault.is_transient() => fault.told().1,
                Err(fault) => match &fault {
                    Fault::Driver(error) if is_dialog(error.as_inner()) => {
                        self.answer_dialog().await?;
                        continue;
                    }
                    Fault::Driver(_) | Fault::Failed { .. } | Fault::Stop(_) => return Err(fault),
                },
            };
            if Instant::now() >= deadline {
                return Err(Fault::passing("step_timeout", seen));
            }
            tokio::time::sleep(pause.min(deadline.saturating_duration_since(Instant::now()))).await;
            pause = (pause * 2).min(LOOK_AGAIN_MAX);
        }
    }

    /// Goes to the window and the frame where a step happens, as soon as they are there.
    pub(crate) async fn enter(
        &mut self,
        target: Option<&str>,
        frame: &[u16],
        deadline: Instant,
    ) -> Result<(), Fault> {
        self.poll(deadline, async |page| {
            match target {
                None => page.driver.switch_to_window(page.main.clone()).await?,
                Some(address) => {
                    if let Some(seen) = page.enter_window(address).await? {
                        return Ok(Look::NotYet(seen));
                    }
                }
            }
            page.driver.enter_default_frame().await?;
            for (depth, number) in frame.iter().enumerate() {
                if let Err(error) = page.driver.enter_frame(*number).await {
                    return match Fault::from(error) {
                        fault if fault.is_transient() => Ok(Look::NotYet(format!(
                            "frame {:?} is not there",
                            &frame[..=depth]
                        ))),
                        fault => Err(fault),
                    };
                }
            }
            Ok(Look::Found(()))
        })
        .await
    }

    /// Switches to the window that shows the address, its query aside; says what is open when there is none.
    async fn enter_window(&mut self, address: &str) -> Result<Option<String>, Fault> {
        let bare = |url: &str| url.split(['?', '#']).next().unwrap_or_default().to_owned();
        let mut open = Vec::new();
        let mut near = None;
        for window in self.driver.windows().await? {
            self.driver.switch_to_window(window.clone()).await?;
            let url = self.driver.current_url().await?.to_string();
            if url == address {
                return Ok(None);
            }
            if bare(&url) == bare(address) {
                near.get_or_insert(window);
            }
            open.push(url);
        }
        match near {
            Some(window) => {
                self.driver.switch_to_window(window).await?;
                Ok(None)
            }
            None => Ok(Some(format!(
                "no window shows {address}; open are {}",
                open.join(", ")
            ))),
        }
    }

    /// Closes the window unless it is the last one, and says whether it did.
    pub(crate) async fn close_window(&mut self) -> Result<bool, Fault> {
        if self.driver.windows().await?.len() < 2 {
            return Ok(false);
        }
        let closed = self.driver.window().await?;
        self.driver.close_window().await?;
        if closed == self.main
            && let Some(next) = self.driver.windows().await?.into_iter().next()
        {
            self.main = next;
        }
        self.driver.switch_to_window(self.main.clone()).await?;
        Ok(true)
    }

    /// Waits for the first visible element that a selector finds, the alternatives in their order.
    pub(crate) async fn locate(
        &mut self,
        selectors: &[Selector],
        deadline: Instant,
    ) -> Result<Located, Fault> {
        let began = Instant::now();
        let alternatives = alternatives(selectors);
        self.poll(deadline, async |page| {
            let (answer, driver) = page
                .call("locate", vec![alternatives.clone(), json!(true)])
                .await?;
            let index = answer["index"]
                .as_u64()
                .and_then(|index| usize::try_from(index).ok());
            let Some((index, selector)) =
                index.and_then(|index| Some((index, selectors.get(index)?)))
            else {
                return Ok(Look::NotYet(missed(selectors, &answer["missed"])));
            };
            // A page that is still growing may show a later alternative before the first one.
            if index > 0 && (began.elapsed() < FAVOURITE_FIRST || answer["ready"] != "complete") {
                return Ok(Look::NotYet(missed(selectors, &answer["missed"])));
            }
            let element =
                WebElement::from_json(answer["element"].clone(), driver.handle().clone())?;
            Ok(Look::Found(Located {
                element,
                matched: Matched {
                    index,
                    of: selectors.len(),
                    selector: selector.to_string(),
                },
            }))
        })
        .await
        .map_err(|fault| match fault {
            Fault::Failed {
                code: "step_timeout",
                message,
                ..
            } => Fault::passing("element_not_found", message),
            other => other,
        })
    }

    /// The first element that is visible right now, if any.
    pub(crate) async fn glance(
        &mut self,
        selectors: &[Selector],
    ) -> Result<Option<(WebElement, usize)>, Fault> {
        let (answer, driver) = self
            .call("locate", vec![alternatives(selectors), json!(true)])
            .await?;
        let Some(index) = answer["index"]
            .as_u64()
            .and_then(|index| usize::try_from(index).ok())
        else {
            return Ok(None);
        };
        let element = WebElement::from_json(answer["element"].clone(), driver.handle().clone())?;
        Ok(Some((element, index)))
    }

    /// Sends input actions as a person's hand would.
    pub(crate) async fn act(&mut self, actions: Value) -> Result<(), Fault> {
        let command = Command::PerformActions(Actions::from(actions));
        match self.driver.handle().cmd(command).await {
            Ok(_) => Ok(()),
            // The click itself opened the dialog.
            Err(error) if is_dialog(error.as_inner()) => self.answer_dialog().await,
            Err(error) => Err(error.into()),
        }
    }

    /// Remembers the document, so that its replacement can be noticed.
    pub(crate) async fn mark(&mut self) -> Result<Before, Fault> {
        let (answer, _) = self.call("mark", Vec::new()).await?;
        Ok(Before {
            marked: answer["marked"].as_u64().unwrap_or_default(),
            url: answer["url"].as_str().unwrap_or_default().to_owned(),
        })
    }

    /// Waits until the window shows another document or address than before.
    pub(crate) async fn left(
        &mut self,
        before: &Before,
        deadline: Instant,
    ) -> Result<String, Fault> {
        self.poll(deadline, async |page| {
            let (answer, _) = page.call("state", Vec::new()).await?;
            let url = answer["url"].as_str().unwrap_or_default();
            let left = answer["marked"].as_u64() != Some(before.marked) || url != before.url;
            if left && answer["ready"] != "loading" {
                Ok(Look::Found(url.to_owned()))
            } else {
                Ok(Look::NotYet(format!(
                    "the page did not change, it still shows {url}"
                )))
            }
        })
        .await
        .map_err(|fault| match fault {
            Fault::Failed {
                code: "step_timeout",
                message,
                ..
            } => Fault::passing("no_navigation", message),
            other => other,
        })
    }

    /// Waits until the document is loaded.
    pub(crate) async fn settle(&mut self, deadline: Instant) -> Result<(), Fault> {
        self.poll(deadline, async |page| {
            let (answer, _) = page.call("state", Vec::new()).await?;
            Ok(match answer["ready"].as_str() {
                Some("complete") => Look::Found(()),
                _ => Look::NotYet("the page is still loading".to_owned()),
            })
        })
        .await
    }

    /// Answers an open dialog, if there is one.
    pub(crate) async fn look_for_dialog(&mut self) -> Result<(), Fault> {
        match self.driver.get_alert_text().await {
            Ok(_) => self.answer_dialog().await,
            Err(_) => Ok(()),
        }
    }

    async fn answer_dialog(&mut self) -> Result<(), Fault> {
        let text = match self.driver.get_alert_text().await {
            Ok(text) => text,
            Err(error) if matches!(error.as_inner(), WebDriverErrorInner::NoSuchAlert(_)) => {
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        };
        let text: String = text.chars().take(500).collect();
        match self.dialogs {
            Dialogs::Accept => {
                if let Some(answer) = &self.dialog_text {
                    // Only prompts take a text; the others are accepted without it.
                    let _ = self.driver.send_alert_text(answer.as_str()).await;
                }
                self.driver.accept_alert().await?;
                self.said.push(format!("dialog {text:?} accepted"));
                Ok(())
            }
            Dialogs::Dismiss => {
                self.driver.dismiss_alert().await?;
                self.said.push(format!("dialog {text:?} dismissed"));
                Ok(())
            }
            Dialogs::Fail => {
                // The dialog is closed without consent, so that the screenshot shows the page behind it.
                let _ = self.driver.dismiss_alert().await;
                Err(Fault::lasting(
                    "unexpected_dialog",
                    format!(
                        "the page asks {text:?}; say dialog = \"accept\" or \"dismiss\" for this step in overlay.toml"
                    ),
                ))
            }
        }
    }
}

fn is_dialog(error: &WebDriverErrorInner) -> bool {
    matches!(error, WebDriverErrorInner::UnexpectedAlertOpen(_))
}

/// The alternatives as the page script takes them.
pub(crate) fn alternatives(selectors: &[Selector]) -> Value {
    let paths: Vec<&[Part]> = selectors.iter().map(Selector::parts).collect();
    json!(paths)
}

fn missed(selectors: &[Selector], seen: &Value) -> String {
    let list: Vec<String> = selectors
        .iter()
        .enumerate()
        .map(|(index, selector)| {
            format!(
                "{selector} ({})",
                seen[index].as_str().unwrap_or("passed over")
            )
        })
        .collect();
    format!(
        "no selector finds a visible element: {}; add one for the changed page under [[step]] in overlay.toml, or record it again",
        list.join(", ")
    )
}
