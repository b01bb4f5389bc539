//! The run: the steps one after the other, with evidence, limits and the commit point.

use std::time::{Duration, Instant};

use botswain_action::{Attempt, Object, Outcome, StepRecord, StepResult, Stop};
use serde_json::json;

use crate::bot::BrowserBot;
use crate::browser::Browser;
use crate::evidence;
use crate::fault::Fault;
use crate::outputs;
use crate::overlay::{StepOverlay, Success};
use crate::page::{Look, Page};
use crate::recording::Step;
use crate::steps::{self, Cx};

/// How much longer than its limit a step may take before it is cut off, so that it can say itself what it missed.
const GRACE: Duration = Duration::from_secs(2);

/// How long an interrupted attempt may take for its last picture.
const LAST_PICTURE: Duration = Duration::from_secs(3);

/// Runs the bot on this thread until it ends.
pub(crate) fn blocking(bot: &BrowserBot, attempt: &mut Attempt<'_>) -> Outcome {
    let runtime = match tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return Outcome::retryable("browser_start", format!("no runtime: {error}")),
    };
    let outcome = runtime.block_on(run(bot, attempt));
    let profile = attempt.folder().join("browser-profile");
    if let Err(error) = std::fs::remove_dir_all(&profile)
        && error.kind() != std::io::ErrorKind::NotFound
    {
        tracing::warn!(%error, profile = %profile.display(), "the browser's profile is left behind");
    }
    outcome
}

async fn run(bot: &BrowserBot, attempt: &mut Attempt<'_>) -> Outcome {
    let hosts: Vec<String> = match bot.hosts(attempt.input()) {
        Ok(hosts) => hosts.into_iter().collect(),
        Err(error) => return error.into(),
    };
    let mut guard = Guard::new(attempt);
    let started = guard
        .until(
            None,
            Browser::start(&bot.settings, attempt.folder(), &hosts),
        )
        .await;
    let browser = match started {
        Ok(browser) => browser,
        Err(fault) => return conclude(bot, attempt, &fault),
    };
    let outcome = match guard
        .until(None, Page::new(browser.driver(), bot.overlay.dialogs))
        .await
    {
        Ok(mut page) => steps_and_outputs(bot, attempt, &mut guard, &mut page).await,
        Err(fault) => conclude(bot, attempt, &fault),
    };
    browser.end();
    outcome
}

async fn steps_and_outputs(
    bot: &BrowserBot,
    attempt: &mut Attempt<'_>,
    guard: &mut Guard,
    page: &mut Page,
) -> Outcome {
    let mut output = Object::new();
    match all_steps(bot, attempt, guard, page, &mut output).await {
        Ok(()) => Outcome::Succeeded { output },
        Err(fault) => {
            let outcome = match refused(bot, attempt, page, &fault).await {
                Some(outcome) => outcome,
                None => conclude(bot, attempt, &fault),
            };
            // A page that hangs must not keep an attempt alive whose end is decided.
            let picture = evidence::screenshot(page, attempt, "failure.png");
            let _ = tokio::time::timeout(LAST_PICTURE, picture).await;
            outcome
        }
    }
}

async fn all_steps(
    bot: &BrowserBot,
    attempt: &mut Attempt<'_>,
    guard: &mut Guard,
    page: &mut Page,
    output: &mut Object,
) -> Result<(), Fault> {
    let last = bot.recording.steps.len().saturating_sub(1);
    for (index, step) in bot.recording.steps.iter().enumerate() {
        attempt.checkpoint().map_err(Fault::Stop)?;
        one_step(bot, attempt, guard, page, index, step).await?;
        let is_commit = bot.overlay.commit == Some(index);
        if is_commit && index != last {
            after_commit(bot, attempt, guard, page).await?;
        }
        read_outputs(bot, attempt, guard, page, Some(index), output).await?;
    }
    if let Some(success) = &bot.overlay.success {
        let name = "success".to_owned();
        let limit = Instant::now() + bot.about.step_limit;
        let began = attempt.elapsed_ms();
        let shown = guard
            .until(Some(limit + GRACE), succeeded(bot, page, success, limit))
            .await;
        record(attempt, last + 1, name, began, &shown);
        shown?;
    }
    if bot.overlay.commit == Some(last) {
        after_commit(bot, attempt, guard, page).await?;
    }
    read_outputs(bot, attempt, guard, page, None, output).await
}

async fn after_commit(
    bot: &BrowserBot,
    attempt: &mut Attempt<'_>,
    guard: &mut Guard,
    page: &mut Page,
) -> Result<(), Fault> {
    let limit = Instant::now() + bot.about.step_limit;
    // A page that never finishes loading is pictured as it is.
    match guard.until(Some(limit + GRACE), page.settle(limit)).await {
        Err(fault @ Fault::Stop(_)) => return Err(fault),
        Ok(()) | Err(_) => evidence::screenshot(page, attempt, "after-commit.png").await,
    }
    Ok(())
}

async fn one_step(
    bot: &BrowserBot,
    attempt: &mut Attempt<'_>,
    guard: &mut Guard,
    page: &mut Page,
    index: usize,
    step: &Step,
) -> Result<(), Fault> {
    let overlay = bot.step_overlay(index);
    let began = attempt.elapsed_ms();
    let name = overlay.label.clone().unwrap_or_else(|| step.kind.title());
    if overlay.skip {
        attempt.record(StepRecord {
            index,
            name,
            started_ms: began,
            duration_ms: 0,
            result: StepResult::Skipped {
                reason: "the overlay says so".to_owned(),
            },
            matched: None,
            detail: None,
        });
        return Ok(());
    }
    let folder = attempt.folder().to_string_lossy().into_owned();
    let bound = match bot.bound(index, attempt.input(), attempt.secrets(), &folder) {
        Ok(bound) => bound,
        Err(error) => {
            let failed: Result<(), Fault> = Err(Fault::lasting("input", error.to_string()));
            record(attempt, index, name, began, &failed);
            return failed;
        }
    };
    let (bound, secret) = match bound {
        Some((text, secret)) => (Some(text), secret),
        None => (None, false),
    };
    let limit = overlay
        .timeout_ms
        .map(Duration::from_millis)
        .or(step.timeout)
        .or(bot.recording.timeout)
        .unwrap_or(bot.about.step_limit);
    let deadline = Instant::now() + limit;
    answer_dialogs(bot, attempt, page, &overlay)?;
    let mut cx = Cx {
        page,
        attempt,
        deadline,
        bound,
        secret,
        plain_password: overlay.plain_password,
        is_commit: bot.overlay.commit == Some(index),
        matched: None,
        details: Vec::new(),
        skipped: None,
    };
    let done = guard
        .until(Some(deadline + GRACE), in_place(step, &mut cx))
        .await;
    let (matched, skipped) = (cx.matched.take(), cx.skipped.take());
    let mut details = std::mem::take(&mut cx.details);
    details.append(&mut cx.page.said);
    let result = match (&done, skipped) {
        (Ok(()), Some(reason)) => StepResult::Skipped { reason },
        (Ok(()), None) => StepResult::Done,
        (Err(fault), _) => StepResult::Failed {
            message: fault.told().1,
        },
    };
    let duration_ms = attempt.elapsed_ms().saturating_sub(began);
    attempt.record(StepRecord {
        index,
        name,
        started_ms: began,
        duration_ms,
        result,
        matched,
        detail: (!details.is_empty()).then(|| details.join("; ")),
    });
    done.map_err(|fault| named(index, step, fault))
}

fn answer_dialogs(
    bot: &BrowserBot,
    attempt: &Attempt<'_>,
    page: &mut Page,
    overlay: &StepOverlay,
) -> Result<(), Fault> {
    if let Some(dialog) = overlay.dialog {
        page.dialogs = dialog;
    }
    if let Some(template) = &overlay.dialog_text {
        let steps = Object::new();
        let folder = attempt.folder().to_string_lossy();
        let scope = botswain_action::template::Scope {
            input: attempt.input(),
            steps: &steps,
            secrets: attempt.secrets(),
            folder: &folder,
        };
        let text = template
            .render(&scope)
            .map_err(|error| Fault::lasting("input", format!("{}: {error}", bot.about.name)))?;
        page.dialog_text = Some(text);
    }
    Ok(())
}

/// The step where it belongs: its window and frame before, the page that it leads to after.
async fn in_place(step: &Step, cx: &mut Cx<'_, '_>) -> Result<(), Fault> {
    let navigates = step.navigates_to.is_some() && step.kind.word() != "navigate";
    let before = if navigates {
        // The frame may go away with the step; the window's document is what is watched.
        cx.page
            .enter(step.target.as_deref(), &[], cx.deadline)
            .await?;
        Some(cx.page.mark().await?)
    } else {
        None
    };
    cx.page
        .enter(step.target.as_deref(), &step.frame, cx.deadline)
        .await?;
    steps::run(&step.kind, cx).await?;
    cx.page.look_for_dialog().await?;
    let Some(before) = before else {
        return Ok(());
    };
    if !step.frame.is_empty() {
        cx.page.driver().enter_default_frame().await?;
    }
    let url = cx.page.left(&before, cx.deadline).await?;
    if let Some(Some(recorded)) = &step.navigates_to
        && *recorded != url
    {
        cx.details.push(format!("led to {url}"));
    }
    Ok(())
}

async fn read_outputs(
    bot: &BrowserBot,
    attempt: &mut Attempt<'_>,
    guard: &mut Guard,
    page: &mut Page,
    after: Option<usize>,
    values: &mut Object,
) -> Result<(), Fault> {
    for output in bot
        .overlay
        .outputs
        .iter()
        .filter(|output| output.after == after)
    {
        attempt.checkpoint().map_err(Fault::Stop)?;
        let began = attempt.elapsed_ms();
        let limit = Instant::now() + bot.about.step_limit;
        let value = guard
            .until(Some(limit + GRACE), outputs::read(page, output, limit))
            .await;
        let index = after.unwrap_or(bot.recording.steps.len());
        record(
            attempt,
            index,
            format!("read {}", output.name),
            began,
            &value,
        );
        if let Some(value) = value? {
            values.insert(output.name.clone(), value);
        }
    }
    Ok(())
}

/// Waits until the page shows success; an error of the model that shows first ends the wait.
async fn succeeded(
    bot: &BrowserBot,
    page: &mut Page,
    success: &Success,
    limit: Instant,
) -> Result<(), Fault> {
    page.enter(None, &[], limit).await?;
    page.poll(limit, async |page| {
        if model_error(bot, page).await?.is_some() {
            return Err(Fault::lasting("refused", "the page shows an error"));
        }
        if let Some(pattern) = &success.url {
            let url = page.driver().current_url().await?;
            if !pattern.is_match(url.as_str()) {
                return Ok(Look::NotYet(format!(
                    "the address {url} does not match {:?}",
                    pattern.as_str()
                )));
            }
        }
        if success.selectors.is_empty() {
            return Ok(Look::Found(()));
        }
        let Some((element, _)) = page.glance(&success.selectors).await? else {
            return Ok(Look::NotYet("the sign of success is not there".to_owned()));
        };
        let Some(pattern) = &success.pattern else {
            return Ok(Look::Found(()));
        };
        let (text, _) = page
            .call("read", vec![element.to_json()?, json!(null), json!(null)])
            .await?;
        Ok(if pattern.is_match(text.as_str().unwrap_or_default()) {
            Look::Found(())
        } else {
            Look::NotYet(format!("{text} does not match {:?}", pattern.as_str()))
        })
    })
    .await
    .map_err(|fault| match fault {
        Fault::Failed {
            code: "step_timeout",
            message,
            ..
        } => Fault::passing("no_success", message),
        other => other,
    })
}

/// The first error of the model that the page shows, with its text.
async fn model_error(bot: &BrowserBot, page: &mut Page) -> Result<Option<(String, String)>, Fault> {
    for error in &bot.overlay.errors {
        let Some((element, _)) = page.glance(&error.selectors).await? else {
            continue;
        };
        let (text, _) = page
            .call("read", vec![element.to_json()?, json!(null), json!(null)])
            .await?;
        let text: String = text
            .as_str()
            .unwrap_or_default()
            .chars()
            .take(1000)
            .collect();
        if error
            .pattern
            .as_ref()
            .is_none_or(|pattern| pattern.is_match(&text))
        {
            return Ok(Some((error.code.clone(), text)));
        }
    }
    Ok(None)
}

/// Whether the failed step failed because the page refused in a way that the model knows.
async fn refused(
    bot: &BrowserBot,
    attempt: &Attempt<'_>,
    page: &mut Page,
    fault: &Fault,
) -> Option<Outcome> {
    if matches!(fault, Fault::Stop(_)) || bot.overlay.errors.is_empty() {
        return None;
    }
    let look = async {
        page.enter(None, &[], Instant::now()).await?;
        model_error(bot, page).await
    };
    let found = tokio::time::timeout(LAST_PICTURE, look)
        .await
        .ok()?
        .ok()??;
    let (code, message) = found;
    Some(Outcome::BpmnError {
        code,
        message: attempt.mask().text(&message),
        variables: Object::new(),
    })
}

fn conclude(bot: &BrowserBot, attempt: &Attempt<'_>, fault: &Fault) -> Outcome {
    if let Fault::Stop(stop) = fault {
        return attempt.stopped(stop.clone(), bot.about.effect);
    }
    let (code, message, retryable) = fault.told();
    attempt.failed(bot.about.effect, retryable, code, message)
}

fn named(index: usize, step: &Step, fault: Fault) -> Fault {
    if matches!(fault, Fault::Stop(_)) {
        return fault;
    }
    let (code, message, retryable) = fault.told();
    Fault::Failed {
        code,
        message: format!("step {index}, {}: {message}", step.kind.title()),
        retryable,
    }
}

fn record<T>(
    attempt: &mut Attempt<'_>,
    index: usize,
    name: String,
    began: u64,
    done: &Result<T, Fault>,
) {
    let duration_ms = attempt.elapsed_ms().saturating_sub(began);
    attempt.record(StepRecord {
        index,
        name,
        started_ms: began,
        duration_ms,
        result: match done {
            Ok(_) => StepResult::Done,
            Err(fault) => StepResult::Failed {
                message: fault.told().1,
            },
        },
        matched: None,
        detail: None,
    });
}

/// Ends whatever is waited for when the attempt is cancelled or its time is over.
struct Guard {
    cancelled: tokio::sync::watch::Receiver<bool>,
    deadline: Instant,
}

impl Guard {
    fn new(attempt: &Attempt<'_>) -> Self {
        let (say, cancelled) = tokio::sync::watch::channel(false);
        attempt.cancel().on_cancel(move || {
            let _ = say.send(true);
        });
        Self {
            cancelled,
            deadline: attempt.deadline(),
        }
    }

    async fn until<T>(
        &mut self,
        limit: Option<Instant>,
        work: impl Future<Output = Result<T, Fault>>,
    ) -> Result<T, Fault> {
        let cancelled = async {
            // The sender lives in the hook; when the hook is gone without a word, nobody can cancel any more.
            if self
                .cancelled
                .wait_for(|cancelled| *cancelled)
                .await
                .is_err()
            {
                std::future::pending::<()>().await;
            }
        };
        let step_over = async {
            match limit {
                Some(limit) => tokio::time::sleep_until(limit.into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = cancelled => Err(Fault::Stop(Stop::Cancelled)),
            () = tokio::time::sleep_until(self.deadline.into()) => Err(Fault::Stop(Stop::TimedOut)),
            () = step_over => Err(Fault::passing("step_timeout", "the browser did not answer within the step's time limit")),
            done = work => done,
        }
    }
}
