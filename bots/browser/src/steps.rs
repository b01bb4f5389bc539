//! Steps: one file for each kind that the recorder knows; here is what they share.

pub(crate) mod change;
pub(crate) mod click;
pub(crate) mod close;
pub(crate) mod custom;
pub(crate) mod double_click;
pub(crate) mod hover;
pub(crate) mod key_down;
pub(crate) mod key_up;
pub(crate) mod keys;
pub(crate) mod navigate;
pub(crate) mod network;
pub(crate) mod scroll;
pub(crate) mod viewport;
pub(crate) mod wait_for_element;
pub(crate) mod wait_for_expression;

use std::time::Instant;

use botswain_action::{Attempt, Matched};
use thirtyfour::WebElement;

use crate::evidence;
use crate::fault::Fault;
use crate::page::Page;
use crate::recording::StepKind;
use crate::selector::Selector;

/// What a step has at hand while it runs.
pub(crate) struct Cx<'r, 'a> {
    pub(crate) page: &'r mut Page,
    pub(crate) attempt: &'r mut Attempt<'a>,
    pub(crate) deadline: Instant,
    /// What the overlay puts in place of the recorded value or address.
    pub(crate) bound: Option<String>,
    /// True when the bound value came from a secret.
    pub(crate) secret: bool,
    /// True when a password may stand in the recording in clear.
    pub(crate) plain_password: bool,
    /// True for the step that cannot be taken back.
    pub(crate) is_commit: bool,
    /// Which selector matched.
    pub(crate) matched: Option<Matched>,
    /// What else the log should say.
    pub(crate) details: Vec<String>,
    /// Why the step was left out, if it was.
    pub(crate) skipped: Option<String>,
}

impl Cx<'_, '_> {
    pub(crate) async fn locate(&mut self, selectors: &[Selector]) -> Result<WebElement, Fault> {
        let located = self.page.locate(selectors, self.deadline).await?;
        self.matched = Some(located.matched);
        Ok(located.element)
    }

    /// Called by every step right before it changes something: the commit point is made durable here, and nowhere else.
    pub(crate) async fn about_to_act(&mut self) -> Result<(), Fault> {
        if self.is_commit && !self.attempt.is_committed() {
            evidence::screenshot(self.page, self.attempt, "before-commit.png").await;
            self.attempt.reach_commit_point().map_err(Fault::Stop)?;
        }
        Ok(())
    }
}

/// Does what the step says.
pub(crate) async fn run(kind: &StepKind, cx: &mut Cx<'_, '_>) -> Result<(), Fault> {
    match kind {
        StepKind::SetViewport(step) => step.run(cx).await,
        StepKind::Navigate(step) => step.run(cx).await,
        StepKind::Click(step) => step.run(cx).await,
        StepKind::DoubleClick(step) => step.run(cx).await,
        StepKind::Change(step) => step.run(cx).await,
        StepKind::KeyDown(step) => step.run(cx).await,
        StepKind::KeyUp(step) => step.run(cx).await,
        StepKind::Hover(step) => step.run(cx).await,
        StepKind::Scroll(step) => step.run(cx).await,
        StepKind::Close(step) => step.run(cx).await,
        StepKind::EmulateNetworkConditions(step) => step.run(cx).await,
        StepKind::WaitForElement(step) => step.run(cx).await,
        StepKind::WaitForExpression(step) => step.run(cx).await,
        StepKind::CustomStep(step) => {
            step.run(cx);
            Ok(())
        }
    }
}
