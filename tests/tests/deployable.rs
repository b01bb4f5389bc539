//! Other people's models, compiled: how many deploy, and why the others don't. The floor only rises.

use botswain_bpmn::{Limits, Problem, read};
use botswain_engine::compile;
use botswain_tests::conformance::corpus;
use botswain_tests::conformance::world::{Done, Seen, World};
use std::collections::{BTreeMap, BTreeSet};

/// How many of the corpus's models for Camunda 8 deploy at least.
const DEPLOYED_MIN: usize = 109;

#[test]
fn models_for_camunda_8_deploy_or_are_refused_with_reasons() {
    let Some(folder) = corpus::folder("models/zeebe") else {
        return;
    };
    let mut reasons: BTreeMap<String, usize> = BTreeMap::new();
    let (mut deployed, mut refused) = (0, 0);
    for path in corpus::files(&folder, ".bpmn") {
        let bytes = std::fs::read(&path).expect("a file of the corpus is readable");
        let compiled = read(&bytes, &Limits::default()).and_then(|model| compile(&model));
        let Err(problems) = compiled else {
            deployed += 1;
            continue;
        };
        refused += 1;
        for problem in &problems {
            assert!(
                !problem.remedy.is_empty() && !problem.message.is_empty(),
                "{}: {problem}",
                path.display()
            );
        }
        let names: BTreeSet<String> = problems.iter().map(reason).collect();
        println!("refused {}: {names:?}", path.display());
        for name in names {
            *reasons.entry(name).or_default() += 1;
        }
    }
    println!("{deployed} deployed, {refused} refused; models by reason:");
    for (reason, models) in reasons {
        println!("{models:>5} {reason}");
    }
    assert!(
        deployed >= DEPLOYED_MIN,
        "{deployed} models deploy, {DEPLOYED_MIN} did before"
    );
}

fn reason(problem: &Problem) -> String {
    match problem.code {
        "unsupported-element" => problem.message.clone(),
        code => code.to_owned(),
    }
}

#[test]
fn the_onboarding_process_runs_unmodified_from_start_to_end() {
    let Some(folder) =
        corpus::folder("models/zeebe/berndruecker+customer-onboarding-camunda-8-springboot")
    else {
        return;
    };
    for (accepted, end) in [(true, "EndEventProcessed"), (false, "EndEventRejected")] {
        let path = corpus::files(&folder, ".bpmn").remove(0);
        let bytes = std::fs::read(&path).expect("a file of the corpus is readable");
        let model = read(&bytes, &Limits::default()).expect("it is BPMN");
        let mut world = World::deploy(&model).expect("it deploys unmodified");
        assert!(world.start(
            "customer-onboarding",
            &serde_json::json!({ "customerName": "Ann" })
        ));
        let mut jobs = Vec::new();
        world.run(|_, job| {
            jobs.push(job.job_type.clone());
            Done::Completed(match job.job_type.as_str() {
                "scoreCustomer" => serde_json::json!({ "score": 42 }),
                "io.camunda.zeebe:userTask" => {
                    assert_eq!(job.variables["score"], 42);
                    serde_json::json!({ "automaticProcessing": accepted })
                }
                _ => serde_json::json!({ "crmId": "c-1" }),
            })
        });
        let (completed, variables) = world.ended().expect("it ends");
        assert!(completed);
        assert_eq!(variables["automaticProcessing"], accepted);
        assert!(world.seen.contains(&Seen::Completed(end.to_owned())));
        let expected = ["scoreCustomer", "io.camunda.zeebe:userTask"];
        assert_eq!(jobs[..2], expected);
        assert_eq!(jobs.len(), if accepted { 3 } else { 2 });
    }
}
