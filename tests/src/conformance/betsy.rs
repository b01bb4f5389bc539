//! betsy's cases: what a worker does with each job, and whether the trace is the expected one.

use super::Verdict;
use super::world::{Done, OpenJob, Seen, World};
use botswain_bpmn::{Limits, Problem, read};
use botswain_engine::IncidentKind;
use serde::Deserialize;
use std::collections::BTreeSet;
use std::path::Path;

/// The correlation key that all cases share.
const CORRELATION_KEY: &str = "betsy";

/// One model with its cases, as `cases.json` holds it.
#[derive(Debug, Deserialize)]
pub struct Test {
    /// Where the model is, below the folder of `cases.json`.
    pub file: String,
    process_id: String,
    cases: Vec<Case>,
}

#[derive(Debug, Deserialize)]
struct Case {
    variables: serde_json::Value,
    expected_trace_multiset: Vec<String>,
    #[serde(default, rename = "start_ParallelProcess_first")]
    parallel_first: bool,
}

/// Runs all cases below a folder; the name of each with its verdict.
///
/// # Errors
/// The folder's `cases.json` cannot be read.
pub fn run_all(folder: &Path) -> anyhow::Result<Vec<(String, Verdict)>> {
    let text = std::fs::read_to_string(folder.join("cases.json"))?;
    let tests: Vec<Test> = serde_json::from_str(&text)?;
    let mut all = Vec::new();
    for test in &tests {
        let bytes = std::fs::read(folder.join(&test.file))?;
        for (at, case) in test.cases.iter().enumerate() {
            let name = format!("{}#{at}", test.file.trim_end_matches(".bpmn"));
            all.push((name, run(&bytes, test, case)));
        }
    }
    all.sort();
    Ok(all)
}

fn run(bytes: &[u8], test: &Test, case: &Case) -> Verdict {
    let mut expected = case.expected_trace_multiset.clone();
    expected.sort();
    let world = read(bytes, &Limits::default()).and_then(|model| World::deploy(&model));
    let mut world = match world {
        Ok(world) => world,
        Err(_) if expected == ["ERROR_deployment"] => return Verdict::Passed,
        Err(problems) => return refused(&problems),
    };
    if case.parallel_first && !world.start("ParallelProcess", &serde_json::json!({})) {
        return Verdict::Failed("there is no ParallelProcess".to_owned());
    }
    if !world.start(&test.process_id, &case.variables) {
        return Verdict::Failed(format!("there is no process {}", test.process_id));
    }
    let mut trace = Trace::default();
    world.run(|open, job| trace.work(open, job));
    let mut found = trace.lines;
    for seen in &world.seen {
        match seen {
            Seen::Incident(IncidentKind::ConditionError) => found.push("ERROR_runtime".to_owned()),
            Seen::Incident(IncidentKind::UnhandledErrorEvent) => {
                found.push("ERROR_thrownErrorEvent".to_owned());
            }
            Seen::Incident(_) | Seen::Entered(_) | Seen::Completed(_) | Seen::Terminated(_) => {}
        }
    }
    found.sort();
    if found == expected {
        Verdict::Passed
    } else {
        Verdict::Failed(format!("{found:?}, expected {expected:?}"))
    }
}

/// Why a model is not executed: the elements, where nothing else is wrong with it.
pub(super) fn refused(problems: &[Problem]) -> Verdict {
    let reasons: BTreeSet<&str> = problems
        .iter()
        .map(|problem| match problem.code {
            "unsupported-element" => problem
                .message
                .trim_end_matches(" is currently not supported"),
            code => code,
        })
        .collect();
    let reasons: Vec<&str> = reasons.into_iter().collect();
    Verdict::NotYet(reasons.join(", "))
}

#[derive(Default)]
struct Trace {
    lines: Vec<String>,
    has_marker: bool,
    was_parallel: bool,
}

impl Trace {
    fn work(&mut self, open: &[OpenJob], job: &OpenJob) -> Done {
        let script = script(job);
        let number = |name: &str| job.variables[name].as_i64().unwrap_or(0);
        let nothing = Done::Completed(serde_json::json!({}));
        match script {
            "CREATE_LOG_FILE" => nothing,
            "CREATE_MARKER_FILE" => {
                if !std::mem::replace(&mut self.has_marker, true) {
                    self.lines.push("MARKER_exists".to_owned());
                }
                nothing
            }
            "INCREMENT_INTEGER_VARIABLE" | "INCREMENT_INTEGER_VARIABLE_AND_LOG" => {
                if script.ends_with("_AND_LOG") {
                    self.lines.push("INCREMENT".to_owned());
                }
                let next = number("integerVariable") + 1;
                Done::Completed(serde_json::json!({ "integerVariable": next }))
            }
            "THROW_ERROR" => Done::Threw("ERR_CODE"),
            "WAIT_TEN_SECONDS" => Done::Later(10_000),
            "CREATE_TIMESTAMP_LOG_1" | "CREATE_TIMESTAMP_LOG_2" => {
                let is_open = |name: &str| open.iter().any(|other| self::script(other) == name);
                let both = is_open("CREATE_TIMESTAMP_LOG_1") && is_open("CREATE_TIMESTAMP_LOG_2");
                if both && !std::mem::replace(&mut self.was_parallel, true) {
                    self.lines.push("EXECUTION_parallel".to_owned());
                }
                nothing
            }
            "SET_STRING_DATA" => Done::Completed(serde_json::json!({ "data": "String" })),
            "LOG_DATA" => {
                if job.variables["data"] == "String" {
                    self.lines.push("DATA_correct".to_owned());
                }
                nothing
            }
            other => match other.strip_prefix("PUBLISH:") {
                Some(name) => Done::Published(name.to_owned(), CORRELATION_KEY.to_owned()),
                None => {
                    self.lines.push(other.to_owned());
                    nothing
                }
            },
        }
    }
}

fn script(job: &OpenJob) -> &str {
    job.headers["script"].as_str().unwrap_or_default()
}
