//! Recordings of other people: all are read, and those whose pages can be built here run as they are.

use std::path::{Path, PathBuf};

use crate::harness::{Case, Site, run};
use botswain_action::Outcome;
use botswain_browser::Recording;
use serde_json::Value;

/// The corpus lies beside the checkout, or where the variable says; without it there is nothing to test.
fn recordings() -> Vec<PathBuf> {
    let corpus = std::env::var_os("BOTSWAIN_CORPUS").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpus"),
        PathBuf::from,
    );
    let mut found = Vec::new();
    let mut folders = vec![corpus.join("recordings/chrome-recorder")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "json") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn name(path: &Path) -> String {
    path.file_name().unwrap().to_string_lossy().into_owned()
}

#[test]
fn every_recording_is_read_or_refused_with_its_place() {
    for path in recordings() {
        let name = name(&path);
        let refused = match name.as_str() {
            "invalid-test.json" => "steps[2].type: \"invalid\" is not a step",
            "json-without-test.json" | "singlestep.json" => "the list \"steps\" is missing",
            "replay-fail.json" => "recording.json.title: the text is missing",
            _ => "",
        };
        match Recording::parse(&std::fs::read(&path).unwrap()) {
            Ok(recording) => {
                assert!(refused.is_empty(), "{name} was read");
                assert!(!recording.steps.is_empty(), "{name}");
            }
            Err(error) => assert!(
                !refused.is_empty() && error.to_string().contains(refused),
                "{name}: {error}"
            ),
        }
    }
}

#[test]
fn recordings_whose_pages_are_here_run_as_they_are() {
    for path in recordings() {
        let name = name(&path);
        let here = [
            "iframe-test",
            "rclick-test",
            "scroll-test",
            "shadow-dom-test",
            "wait-for-element-test",
            "coffee-cart",
        ];
        if !here.iter().any(|known| name.starts_with(known)) {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        // The site here speaks no TLS, which the browser insists on for that host; nothing else of the recording changes.
        let text = text.replace("https://coffee-cart.netlify.app", "http://coffee.test");
        let recording: Value = serde_json::from_str(&text).unwrap();
        let site = Site::open();
        let ran = run(
            &site,
            Case {
                steps: recording["steps"].clone(),
                ..Case::default()
            },
        );
        assert!(
            matches!(ran.outcome, Outcome::Succeeded { .. }),
            "{name}: {:?}\n{:#?}",
            ran.outcome,
            ran.seen.steps
        );
    }
}
