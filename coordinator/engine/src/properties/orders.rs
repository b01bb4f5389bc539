//! Orders: all that can happen next, and small processes in every order of what can happen.

use crate::check::{Run, compile_one, faults};
use crate::command::Command;
use crate::instance::{AttachedTrigger, JobState, Token, Wait};
use crate::key::{Key, Partition};
use crate::variables::Variables;
use expect_test::{Expect, expect};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

/// One thing that can happen next.
#[derive(Clone, Debug)]
pub(super) struct Choice {
    pub(super) segment: u32,
    pub(super) command: Command,
    /// Whether it happens when nothing goes wrong and no boundary event disturbs.
    pub(super) is_ordinary: bool,
    /// Whether it repairs something.
    pub(super) repairs: bool,
}

impl Choice {
    pub(super) fn take(self, run: &mut Run) {
        match self.command {
            Command::Continue => run.proceed(),
            command => run.command(self.segment, command),
        }
    }
}

/// What can happen next, in the order of the tokens.
pub(super) fn choices(run: &Run) -> Vec<Choice> {
    let mut all = Vec::new();
    if run.instance.has_todo() {
        all.push(Choice {
            segment: 0,
            command: Command::Continue,
            is_ordinary: true,
            repairs: false,
        });
    }
    for segment in run.instance.segments() {
        for token in segment.tokens() {
            of_token(segment.id().number, token, &mut all);
        }
    }
    all
}

fn of_token(segment: u32, token: &Token, all: &mut Vec<Choice>) {
    let mut add = |command, is_ordinary, repairs| {
        all.push(Choice {
            segment,
            command,
            is_ordinary,
            repairs,
        });
    };
    let nothing = Variables::new;
    match token.wait() {
        Wait::Job(job) if job.state == JobState::Open => {
            let (job, message) = (job.key, "it broke".to_owned());
            add(
                Command::CompleteJob {
                    job,
                    variables: nothing(),
                },
                true,
                false,
            );
            for retries in [0, 2] {
                let command = Command::FailJob {
                    job,
                    retries,
                    retry_at: None,
                    message: message.clone(),
                    variables: nothing(),
                };
                add(command, false, false);
            }
            let thrown = Command::ThrowError {
                job,
                code: "E".into(),
                message: message.clone(),
                variables: nothing(),
            };
            add(thrown, false, false);
            add(Command::SuspendJob { job, message }, false, false);
        }
        Wait::UserTask { task, .. } => {
            let (task, variables) = (*task, nothing());
            add(Command::CompleteUserTask { task, variables }, true, false);
        }
        Wait::Timer { timer, .. } => add(Command::FireTimer { timer: *timer }, true, false),
        Wait::Message { subscription, .. } => add(correlate(*subscription), true, false),
        Wait::Nothing | Wait::Job(_) | Wait::Join { .. } | Wait::Children => {}
    }
    for attached in token.attached() {
        match &attached.trigger {
            AttachedTrigger::Timer { timer, .. } => {
                add(Command::FireTimer { timer: *timer }, false, false);
            }
            AttachedTrigger::Message { subscription, .. } => {
                add(correlate(*subscription), false, false);
            }
        }
    }
    if let Some(incident) = token.incident().map(|incident| incident.key) {
        add(Command::ResolveIncident { incident }, false, true);
    }
}

fn correlate(subscription: Key) -> Command {
    Command::Correlate {
        subscription,
        message: Key::new(Partition(1), 9_000_000),
        variables: Variables::new(),
    }
}

/// Plays a process in every order of what can happen, and a cancel at every point; counts the ends.
#[track_caller]
fn every_order(model: &str, work: u32, wanted: impl Fn(&Choice) -> bool + Copy, expected: Expect) {
    faults::set_work_per_step(work);
    let process = Arc::new(compile_one(model));
    let run = Run::of(
        process,
        Variables::from_json(r#"{"key":"k"}"#).unwrap(),
        false,
    );
    let mut ends = BTreeMap::new();
    let mut points = 0;
    explore(&run, wanted, &mut ends, &mut points);
    let mut text = format!("{points} points\n");
    for (end, times) in ends {
        let _ = writeln!(text, "{times} x {end}");
    }
    expected.assert_eq(text.trim_end());
}

fn explore(
    run: &Run,
    wanted: impl Fn(&Choice) -> bool + Copy,
    ends: &mut BTreeMap<String, u32>,
    points: &mut u32,
) {
    *points += 1;
    if run.ended.is_some() {
        *ends.entry(run.story()).or_default() += 1;
        return;
    }
    let mut cancelled = run.clone();
    cancelled.command(0, Command::Cancel);
    while cancelled.ended.is_none() {
        assert!(
            cancelled.instance.has_todo(),
            "a cancelled instance ends by itself:\n{}",
            cancelled.story()
        );
        cancelled.proceed();
    }
    let open: Vec<Choice> = choices(run).into_iter().filter(|c| wanted(c)).collect();
    if open.is_empty() {
        *ends.entry(run.story()).or_default() += 1;
    }
    for choice in open {
        let mut next = run.clone();
        choice.take(&mut next);
        explore(&next, wanted, ends, points);
    }
}

fn ordinary(choice: &Choice) -> bool {
    choice.is_ordinary
}

fn done_or_disturbed(choice: &Choice) -> bool {
    !choice.repairs
        && !matches!(
            choice.command,
            Command::FailJob { .. } | Command::SuspendJob { .. }
        )
}

#[test]
fn branches_join_in_every_order() {
    every_order(
        "start > f:and > (a:job > b:job | c:user | d:timer(PT1H)) > j:and > end",
        200,
        ordinary,
        expect![[r#"
            35 points
            12 x completed {"key":"k"}"#]],
    );
}

#[test]
fn children_and_a_branch_beside_them_in_every_order() {
    every_order(
        "start > f:and > (each:(each x in [1,2]){ start > a:job > end } | b:job) > j:and > end",
        1,
        ordinary,
        expect![[r#"
            957 points
            119 x completed {"key":"k"}"#]],
    );
}

#[test]
fn an_error_meets_a_timer_and_other_children_in_every_order() {
    every_order(
        "start > each:(each x in [1,2]){ start > a:job > end } > m:xor > end;
         each@wrong:error(E) > m; each@late:timer(PT1H) > m",
        3,
        done_or_disturbed,
        expect![[r#"
            36 points
            11 x completed {"key":"k"}"#]],
    );
}

#[test]
fn a_terminate_end_event_meets_an_interrupted_task_in_every_order() {
    every_order(
        "start > sub:{ start > f:and > (a:job > end | b:job > stop:end(terminate)); a@late:timer(PT1H) > c:job > e:end } > end",
        2,
        done_or_disturbed,
        expect![[r#"
            70 points
            11 x completed {"key":"k"}
            11 x process: 1 inside
              sub: 1 inside
                b: UNHANDLED_ERROR_EVENT error 'E' (it broke) was thrown at 'b' and nothing catches it, no error is caught here: add an error boundary event in a new version, or resolve the incident to try again
            9 x process: 1 inside
              sub: 2 inside
                b: UNHANDLED_ERROR_EVENT error 'E' (it broke) was thrown at 'b' and nothing catches it, no error is caught here: add an error boundary event in a new version, or resolve the incident to try again
                c: UNHANDLED_ERROR_EVENT error 'E' (it broke) was thrown at 'c' and nothing catches it, no error is caught here: add an error boundary event in a new version, or resolve the incident to try again"#]],
    );
}
