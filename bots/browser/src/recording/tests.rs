//! What a recording may hold, and how it is told what it may not.

use super::*;
use expect_test::{Expect, expect};

fn check(source: &str, expected: Expect) {
    let found = match Recording::parse(source.as_bytes()) {
        Ok(recording) => recording
            .steps
            .iter()
            .map(|step| step.kind.title())
            .collect::<Vec<_>>()
            .join("\n"),
        Err(error) => error.to_string(),
    };
    expected.assert_eq(&found);
}

#[test]
fn every_kind_of_step_is_read() {
    check(
        r##"{"title": "all", "timeout": 5000, "selectorAttribute": "data-test", "steps": [
            {"type": "setViewport", "width": 800, "height": 600, "deviceScaleFactor": 1, "isMobile": false, "hasTouch": false, "isLandscape": false},
            {"type": "navigate", "url": "https://crm.example/", "assertedEvents": [{"type": "navigation", "url": "https://crm.example/", "title": ""}]},
            {"type": "click", "target": "main", "selectors": [["aria/Save", "aria/[role=\"generic\"]"], ["#save"], "text/Save"], "offsetX": 1.5, "offsetY": 2, "button": "secondary"},
            {"type": "doubleClick", "selectors": ["#save"], "offsetX": 1, "offsetY": 2, "deviceType": "pen", "duration": 10},
            {"type": "change", "selectors": ["#name"], "value": "geheim", "frame": [0, 1]},
            {"type": "keyDown", "key": "Enter"}, {"type": "keyUp", "key": "s"},
            {"type": "hover", "selectors": ["xpath///a"]},
            {"type": "scroll", "y": 100}, {"type": "scroll", "selectors": ["#list"], "x": 3},
            {"type": "emulateNetworkConditions", "download": 1000, "upload": 1000, "latency": 20},
            {"type": "waitForElement", "selectors": ["#x"], "operator": "==", "count": 2, "visible": false, "properties": {"a": 1}, "attributes": {"b": "c"}},
            {"type": "waitForExpression", "expression": "window.ready", "timeout": 100},
            {"type": "customStep", "name": "other", "parameters": {}},
            {"type": "close", "target": "https://crm.example/popup"}]}"##,
        expect![[r##"
            setViewport 800x600
            navigate https://crm.example/
            click ""
            doubleClick "#save"
            change "#name"
            keyDown Enter
            keyUp character
            hover "xpath///a"
            scroll "page"
            scroll "#list"
            emulateNetworkConditions
            waitForElement "#x"
            waitForExpression window.ready
            customStep other
            close window"##]],
    );
}

#[test]
fn every_problem_is_named_with_its_step() {
    check(
        r##"{"steps": [
            {"type": "teleport"},
            {"type": "click", "selectors": [], "offsetX": 1, "offsetY": 1},
            {"type": "change", "selectors": [["aria/"], 7]},
            {"type": "navigate", "url": "file:///etc/passwd"},
            {"type": "keyDown", "key": "Hyper", "timeout": 90000},
            {"type": "setViewport", "width": 0, "height": "high"},
            {"type": "click", "selectors": ["#a"], "offsetX": 1, "offsetY": 1, "button": "left", "frame": [-1], "assertedEvents": [{"type": "x"}]},
            "step"]}"##,
        expect![[r#"
            recording.json.title: the text is missing; record the step again
            recording.json, steps[0].type: "teleport" is not a step that the DevTools Recorder writes; record the step again, or remove it
            recording.json, steps[1].selectors: no selector is left; record the step again
            recording.json, steps[2].selectors[0]: nothing to look for in "aria/"; correct the selector or remove it
            recording.json, steps[2].selectors[1]: neither a text nor a list of texts; correct the selector or remove it
            recording.json, steps[2].selectors: no selector is left; record the step again
            recording.json, steps[2].value: the text is missing; record the step again
            recording.json, steps[3].url: file: addresses are not opened, only http and https; record the step on a web page
            recording.json, steps[4].timeout: 90000 is not a number of milliseconds from 1 to 30000; correct the time limit
            recording.json, steps[4].key: "Hyper" is no key that can be pressed; record the step again
            recording.json, steps[5].width: not a number from 1 to 10000; record the step again
            recording.json, steps[5].height: not a number from 1 to 10000; record the step again
            recording.json, steps[6].frame: not a list of at most 16 frame numbers; record the step again
            recording.json, steps[6].assertedEvents: an event other than "navigation"; remove it, the recorder knows no other
            recording.json, steps[6].button: "left" is not known; use one of: primary, auxiliary, secondary, back, forward
            recording.json, steps[7]: not a JSON object; export it again from the DevTools Recorder as JSON"#]],
    );
}

#[test]
fn what_is_no_recording_is_told_apart() {
    check(
        "{",
        expect![
            "recording.json: not JSON: EOF while parsing an object at line 1 column 1; export it again from the DevTools Recorder as JSON"
        ],
    );
    check(
        "[]",
        expect![
            "recording.json: not a JSON object; export it again from the DevTools Recorder as JSON"
        ],
    );
    check(
        r#"{"title": "t"}"#,
        expect![[
            r#"recording.json: the list "steps" is missing; export it again from the DevTools Recorder as JSON"#
        ]],
    );
    check(
        &format!("{}1{}", "[".repeat(5000), "]".repeat(5000)),
        expect![
            "recording.json: not JSON: recursion limit exceeded at line 1 column 128; export it again from the DevTools Recorder as JSON"
        ],
    );
    let huge = format!(
        r#"{{"title": "t", "steps": [{}]}}"#,
        vec![r#"{"type":"close"}"#; 2001].join(",")
    );
    check(
        &huge,
        expect!["recording.json: 2001 steps, at most 2000 are allowed; split the recording"],
    );
    check(
        &" ".repeat(RECORDING_BYTES_MAX + 1),
        expect!["recording.json: 4194305 bytes, at most 4194304 are allowed; split the recording"],
    );
}

#[test]
fn a_typed_value_is_in_no_title() {
    let recording = br##"{"title": "t", "steps": [{"type": "change", "selectors": ["#pw"], "value": "geheim"}, {"type": "keyDown", "key": "g"}]}"##;
    let titles: Vec<String> = Recording::parse(recording)
        .unwrap()
        .steps
        .iter()
        .map(|step| step.kind.title())
        .collect();
    assert_eq!(titles, ["change \"#pw\"", "keyDown character"]);
}
