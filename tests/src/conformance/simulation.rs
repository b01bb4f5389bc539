//! A simulator's logs: the same elements are entered and left. Its models have no data: conditions, keys and times are filled in,
//! gateways take the flow that the log names, and `signal` lines are what happens from outside.

use super::Verdict;
use super::betsy::refused;
use super::world::{Seen, World};
use botswain_bpmn::{
    EventDefinition, FlowIdx, Kind, Limits, Model, Process, Text, TimerDefinition, read,
};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Runs all models of a folder that have a log; the name of each with its verdict.
///
/// # Errors
/// A file cannot be read.
pub fn run_all(folder: &Path) -> anyhow::Result<Vec<(String, Verdict)>> {
    let mut all = Vec::new();
    for path in super::corpus::files(folder, ".json") {
        let lines: Vec<String> = serde_json::from_str(&std::fs::read_to_string(&path)?)?;
        let Ok(bytes) = std::fs::read(path.with_extension("bpmn")) else {
            continue;
        };
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        all.push((name.into_owned(), run(&bytes, &lines)));
    }
    all.sort();
    Ok(all)
}

fn run(bytes: &[u8], lines: &[String]) -> Verdict {
    let model = match read(bytes, &Limits::default()) {
        Ok(model) => filled_in(model, lines),
        Err(problems) => return refused(&problems),
    };
    let [process] = model.processes.as_slice() else {
        return Verdict::NotYet("several processes".to_owned());
    };
    let mut world = match World::deploy(&model) {
        Ok(world) => world,
        Err(problems) => return refused(&problems),
    };
    world.start(&process.id, &serde_json::json!({}));
    while world.go_on() {}
    for (verb, id) in lines.iter().filter_map(|line| parts(line)) {
        let is_stimulus = process.find(id).is_some_and(|idx| {
            !matches!(
                process.element(idx).kind,
                Kind::StartEvent { .. } | Kind::SubProcess { .. }
            )
        });
        if verb == "signal" && is_stimulus {
            if !world.trigger(id) {
                return Verdict::Failed(format!("nothing waits at {id}"));
            }
            while world.go_on() {}
        }
    }
    compare(process, lines, &world.seen)
}

fn parts(line: &str) -> Option<(&str, &str)> {
    let mut parts = line.split(':');
    Some((parts.next()?, parts.next()?))
}

fn compare(process: &Process, lines: &[String], seen: &[Seen]) -> Verdict {
    let mut expected: BTreeMap<(&str, &str), i32> = BTreeMap::new();
    for (verb, id) in lines.iter().filter_map(|line| parts(line)) {
        if process.find(id).is_some() && verb == "exit" {
            *expected.entry((verb, id)).or_default() += 1;
        }
    }
    let mut found: BTreeMap<(&str, &str), i32> = BTreeMap::new();
    for seen in seen {
        if let Seen::Completed(id) = seen {
            *found.entry(("exit", id)).or_default() += 1;
        }
    }
    let keys: BTreeSet<_> = expected.keys().chain(found.keys()).copied().collect();
    let times = |counts: &BTreeMap<_, i32>, key| counts.get(&key).copied().unwrap_or(0);
    let differences: Vec<String> = keys
        .into_iter()
        .filter(|key| times(&expected, *key) != times(&found, *key))
        .map(|key| {
            let (want, have) = (times(&expected, key), times(&found, key));
            format!("{} {} {have} times, expected {want}", key.0, key.1)
        })
        .collect();
    if differences.is_empty() {
        Verdict::Passed
    } else {
        Verdict::Failed(differences.join("; "))
    }
}

/// Gives the model what an engine needs and a simulator does not.
fn filled_in(mut model: Model, lines: &[String]) -> Model {
    let entered: BTreeSet<&str> = lines
        .iter()
        .filter_map(|line| parts(line))
        .filter(|(verb, _)| *verb == "enter")
        .map(|(_, id)| id)
        .collect();
    for message in &mut model.messages {
        message
            .name
            .get_or_insert_with(|| Text::Literal(message.id.clone()));
        message.correlation_key = Some(Text::Feel("1".to_owned()));
    }
    for process in &mut model.processes {
        process.executable = true;
        let mut decided: Vec<(FlowIdx, bool)> = Vec::new();
        for element in &mut process.elements {
            match &mut element.kind {
                Kind::IntermediateCatch { events, .. } | Kind::Boundary { events, .. } => {
                    for event in events {
                        if let EventDefinition::Timer(timer @ TimerDefinition::Unset) = event {
                            *timer = TimerDefinition::Duration(Text::Literal("PT1H".to_owned()));
                        }
                    }
                }
                Kind::ServiceTask { .. } | Kind::SendTask { .. } | Kind::UserTask(_) => {
                    element.kind = Kind::Task;
                }
                Kind::ExclusiveGateway => {
                    let taken = |flow: &FlowIdx| {
                        entered.contains(process.flows[flow.0 as usize].id.as_str())
                    };
                    decided.extend(element.outgoing.iter().map(|flow| (*flow, taken(flow))));
                    element.default_flow = None;
                }
                _ => {}
            }
        }
        for (flow, taken) in decided {
            process.flows[flow.0 as usize].condition = Some(Text::Feel(taken.to_string()));
        }
    }
    model
}
