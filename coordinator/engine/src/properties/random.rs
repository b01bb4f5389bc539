//! Random runs: thousands of processes, undisturbed and with everything that can go wrong, each from a printed seed.

use super::generate::{Counts, Dice, Generated, generate};
use super::orders::{Choice, choices};
use crate::check::{Run, compile_one, faults};
use crate::command::{Command, Rejection};
use crate::event::Event;
use crate::incident::IncidentKind;
use crate::key::Key;
use crate::process::Element;
use crate::variables::Variables;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// How many processes a run makes; more by `BOTSWAIN_CASES`.
const CASES_USUAL: u64 = 2_000;

/// More inputs than the largest model needs.
const INPUTS_MAX: usize = 3_000;

/// How much a step may do, so that what is left over meets other commands.
const WORK: [u32; 5] = [1, 2, 5, 20, 200];

/// Seeds that once found something.
const FOUND: [u64; 0] = [];

fn cases() -> u64 {
    std::env::var("BOTSWAIN_CASES")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(CASES_USUAL)
}

fn every_seed(test: impl Fn(u64) + std::panic::RefUnwindSafe) {
    let first: u64 = std::env::var("BOTSWAIN_SEED")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(1);
    for seed in FOUND.into_iter().chain(first..first + cases()) {
        if let Err(panic) = catch_unwind(|| test(seed)) {
            println!("seed {seed}:\n{}", generate(seed).text);
            std::panic::resume_unwind(panic);
        }
    }
}

#[test]
fn an_undisturbed_process_completes_what_was_predicted() {
    every_seed(undisturbed);
}

#[test]
fn whatever_goes_wrong_an_instance_keeps_its_promises_and_can_end() {
    every_seed(disturbed);
}

fn start(seed: u64, dice: &mut Dice) -> (Generated, Run) {
    let generated = generate(seed);
    let process = Arc::new(compile_one(&generated.text));
    faults::set_work_per_step(WORK[dice.below(WORK.len())]);
    let variables = Variables::from_json(&generated.variables).unwrap();
    (generated, Run::of(process, variables, false))
}

fn undisturbed(seed: u64) {
    let mut dice = Dice::new(seed ^ 0xa5a5);
    let (generated, mut run) = start(seed, &mut dice);
    for _ in 0..INPUTS_MAX {
        if run.ended.is_some() {
            break;
        }
        let mut open: Vec<Choice> = choices(&run);
        open.retain(|choice| choice.is_ordinary);
        assert!(!open.is_empty(), "nothing can be done:\n{}", run.story());
        open.swap_remove(dice.below(open.len())).take(&mut run);
    }
    let ended = run.ended.as_ref().expect("it ends");
    assert!(ended.completed, "it completes");
    if let Some(predicted) = &generated.completes {
        let done = completed(&run);
        for (id, times) in predicted {
            let found = done.get(id).copied().unwrap_or(0);
            assert_eq!(found, *times, "how often '{id}' completes");
        }
    }
}

fn completed(run: &Run) -> Counts {
    let mut on = std::collections::BTreeMap::new();
    let mut counts = Counts::new();
    for event in run.journal.iter().flat_map(|(_, record)| &record.events) {
        match event {
            Event::TokenEntered { token, node, .. } | Event::ChildStarted { token, node, .. } => {
                on.insert(*token, *node);
            }
            Event::TokenLeft {
                token,
                completed: true,
            } => {
                let Some(node) = on.get(token) else { continue };
                let node = run.process.named(*node);
                if !matches!(node.element, Element::MultiInstance(_)) {
                    *counts.entry(node.id.to_string()).or_default() += 1;
                }
            }
            _ => {}
        }
    }
    counts
}

fn disturbed(seed: u64) {
    let mut dice = Dice::new(seed ^ 0x5a5a);
    let (generated, mut run) = start(seed, &mut dice);
    let all = Variables::from_json(&generated.variables).unwrap();
    let root = run.root;
    let inputs = dice.below(60);
    let mut stale: Vec<(u32, Command)> = Vec::new();
    for _ in 0..inputs {
        if run.ended.is_some() {
            break;
        }
        match dice.below(100) {
            0 => run.command(0, Command::Cancel),
            1 | 2 => {
                // A condition loses its variable until an incident is repaired.
                let gone = format!(r#"{{"c{}":null,"y":null}}"#, dice.below(3));
                let variables = Variables::from_json(&gone).unwrap();
                set(&mut run, root, variables);
            }
            3 => set(&mut run, root, all.clone()),
            4 if !stale.is_empty() => {
                let (segment, command) = stale.swap_remove(dice.below(stale.len()));
                let known = run.instance.segment(segment).is_some();
                if known {
                    run.command(segment, command);
                }
            }
            _ => {
                let mut open = choices(&run);
                if dice.chance(60) {
                    open.retain(|choice| choice.is_ordinary);
                }
                if open.is_empty() {
                    continue;
                }
                let choice = open.swap_remove(dice.below(open.len()));
                stale.push((choice.segment, choice.command.clone()));
                choice.take(&mut run);
            }
        }
    }
    drain(&mut run, &all, &mut dice);
}

/// Repairs whatever is broken and does whatever is open, until the instance ends.
fn drain(run: &mut Run, all: &Variables, dice: &mut Dice) {
    let root = run.root;
    for turn in 0..INPUTS_MAX {
        if run.ended.is_some() {
            break;
        }
        set(run, root, all.clone());
        let mut open = choices(run);
        open.retain(|choice| choice.is_ordinary || choice.repairs);
        if open.is_empty() || turn == INPUTS_MAX / 2 {
            run.command(0, Command::Cancel);
            continue;
        }
        // A join that nothing can reach is repaired by a cancel only.
        let stuck = |token: &crate::instance::Token| {
            token
                .incident()
                .is_some_and(|incident| incident.kind == IncidentKind::JoinUnreachable)
        };
        if run
            .instance
            .segments()
            .any(|segment| segment.tokens().iter().any(stuck))
        {
            panic!("a join lost a token:\n{}", run.story());
        }
        open.swap_remove(dice.below(open.len())).take(run);
    }
    assert!(run.ended.is_some(), "it can end:\n{}", run.story());
    for rejection in &run.rejections {
        assert!(
            matches!(
                rejection,
                Rejection::NotFound { .. } | Rejection::InvalidState { .. }
            ),
            "{rejection}"
        );
    }
}

fn set(run: &mut Run, scope: Key, variables: Variables) {
    run.command(
        0,
        Command::SetVariables {
            scope,
            variables,
            local: false,
        },
    );
}

/// Whether some of the first seeds notice the fault.
fn is_noticed(fault: faults::Fault) -> bool {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let noticed = faults::with(fault, || {
        (1..CASES_USUAL).any(|seed| {
            catch_unwind(AssertUnwindSafe(|| {
                undisturbed(seed);
                disturbed(seed);
            }))
            .is_err()
        })
    });
    std::panic::set_hook(hook);
    noticed
}

#[test]
fn a_broken_engine_is_noticed() {
    use faults::Fault;
    for fault in [
        Fault::ForgetsToApply,
        Fault::LeavesTimersBehind,
        Fault::JoinsTooEarly,
        Fault::LeavesChildrenBehind,
        Fault::EntersEndedScopes,
    ] {
        assert!(is_noticed(fault), "{fault:?}");
    }
}
