//! The browser bot with a real browser, against pages of this process.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on fails where it stands"
)]

mod corpus;
mod ends;
mod harness;

use std::time::Duration;

use botswain_action::{EffectClass, Outcome, StepResult};
use harness::{Case, Ran, Site, processes, run};
use serde_json::{Value, json};

fn open(path: &str) -> Value {
    json!({"type": "navigate", "url": format!("http://crm.test{path}")})
}

fn click(selector: &str) -> Value {
    json!({"type": "click", "selectors": [[selector]], "offsetX": 3, "offsetY": 3})
}

fn change(selector: &str, value: &str) -> Value {
    json!({"type": "change", "selectors": [[selector]], "value": value})
}

fn says(text: &str) -> Value {
    json!({"type": "waitForExpression", "timeout": 3000,
        "expression": format!("document.getElementById('said').textContent === {}", json!(text))})
}

/// Runs the steps on a page of the site and wants them all done.
fn check(steps: Vec<Value>) -> Ran {
    check_with(steps, "")
}

fn check_with(steps: Vec<Value>, overlay: &str) -> Ran {
    let site = Site::open();
    let ran = run(
        &site,
        Case {
            steps: json!(steps),
            overlay,
            ..Case::default()
        },
    );
    assert!(
        matches!(ran.outcome, Outcome::Succeeded { .. }),
        "{:?}\n{:#?}",
        ran.outcome,
        ran.seen.steps
    );
    ran
}

const CUSTOMER: &str = r##"
commit = "save"
[[step]]
at = 1
type = "change"
value = "{{customer.name}}"
[[step]]
at = 3
value = "{{secrets.password}}"
[[step]]
at = 7
label = "save"
[success]
selectors = ["#done"]
[[error]]
code = "CUSTOMER_REFUSED"
selectors = ["p.error"]
[[output]]
name = "number"
selectors = ["#gone", "#done"]
pattern = "No\\. (\\d+)"
type = "integer"
[[output]]
name = "card"
selectors = ["#card"]
attribute = "href"
[[output]]
name = "ok"
selectors = ["#card"]
attribute = "data-ok"
type = "boolean"
[[output]]
name = "page"
from = "title"
[[output]]
name = "note"
selectors = ["#note"]
optional = true
"##;

fn customer() -> Value {
    json!([
        open("/"),
        change("#name", "recorded name"),
        change("#mail", "anna@example.org"),
        change("#pw", "recorded password"),
        change("#kind", "company"),
        click("#vip"),
        change("#notes", "two\nlines"),
        {"type": "click", "selectors": [["aria/Save customer"], ["#save"]], "offsetX": 5, "offsetY": 5,
            "assertedEvents": [{"type": "navigation", "url": "http://crm.test/done", "title": ""}]},
    ])
}

#[test]
fn a_customer_is_added_and_the_number_comes_back() {
    let site = Site::open();
    let ran = run(
        &site,
        Case {
            steps: customer(),
            overlay: CUSTOMER,
            input: json!({"customer": {"name": "Änne Müller 🦀"}}),
            effect: EffectClass::AtMostOnce,
            ..Case::default()
        },
    );
    assert_eq!(
        ran.output(),
        json!({"number": 4711, "card": "/card/4711", "ok": true, "page": "Saved"})
    );
    let sent = site.sent();
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0]["name"], "Änne Müller 🦀");
    assert_eq!(sent[0]["mail"], "anna@example.org");
    assert_eq!(sent[0]["pw"], "hunter2&more");
    assert_eq!(sent[0]["kind"], "company");
    assert_eq!(sent[0]["vip"], "yes");
    assert_eq!(sent[0]["notes"], "two\r\nlines");
    assert_eq!(ran.seen.commit_points, 1);
    assert_eq!(
        ran.seen.steps_before_commit, 7,
        "the commit point comes right before the click on Save"
    );
    for picture in ["before-commit.png", "after-commit.png"] {
        assert!(
            ran.seen
                .file(picture)
                .unwrap()
                .bytes
                .starts_with(b"\x89PNG"),
            "{picture}"
        );
    }
    assert!(ran.seen.file("failure.png").is_none());
    let log = format!("{:?} {:?}", ran.seen.steps, ran.outcome);
    assert!(!log.contains("hunter2"), "{log}");
    assert!(!log.contains("recorded"), "{log}");
    assert!(processes(ran.folder.path()).is_empty());
    assert_eq!(
        std::fs::read_dir(ran.folder.path()).unwrap().count(),
        0,
        "no profile stays behind"
    );
}

#[test]
fn a_refused_customer_is_an_error_of_the_model() {
    for (name, message) in [
        ("", "Name is missing"),
        ("Refused", "Name is on the list of C-19"),
    ] {
        let site = Site::open();
        let mut steps = customer();
        steps[7].as_object_mut().unwrap().remove("assertedEvents");
        let ran = run(
            &site,
            Case {
                steps,
                overlay: CUSTOMER,
                input: json!({"customer": {"name": name}}),
                effect: EffectClass::AtMostOnce,
                ..Case::default()
            },
        );
        match &ran.outcome {
            Outcome::BpmnError {
                code,
                message: found,
                ..
            } => {
                assert_eq!(
                    (code.as_str(), found.as_str()),
                    ("CUSTOMER_REFUSED", message)
                );
            }
            other => panic!("{other:?}"),
        }
        assert!(site.sent().is_empty());
    }
}

#[test]
fn a_missing_input_fails_before_anything_is_typed() {
    let site = Site::open();
    let ran = run(
        &site,
        Case {
            steps: customer(),
            overlay: CUSTOMER,
            effect: EffectClass::AtMostOnce,
            ..Case::default()
        },
    );
    assert!(ran.message().contains("customer.name"), "{}", ran.message());
    assert_eq!(ran.seen.commit_points, 0);
}

#[test]
fn a_commit_point_that_is_not_durable_keeps_the_button_unpressed() {
    let site = Site::open();
    let ran = run(
        &site,
        Case {
            steps: customer(),
            overlay: CUSTOMER,
            input: json!({"customer": {"name": "Anna"}}),
            effect: EffectClass::AtMostOnce,
            refuse_commit: true,
            ..Case::default()
        },
    );
    assert_eq!(ran.message(), "commit_refused: disk full");
    assert!(site.sent().is_empty());
}

#[test]
fn nobody_knows_what_happened_when_the_page_stays_silent_past_the_commit_point() {
    let site = Site::open();
    let overlay = CUSTOMER.replace("#done\"]\n[[error", "#never\"]\n[[error");
    let ran = run(
        &site,
        Case {
            steps: customer(),
            overlay: &overlay,
            input: json!({"customer": {"name": "Anna"}}),
            effect: EffectClass::AtMostOnce,
            step_limit: Duration::from_secs(1),
            ..Case::default()
        },
    );
    assert!(ran.message().starts_with("unknown: "), "{}", ran.message());
    assert_eq!(site.sent().len(), 1);
    assert!(ran.seen.file("failure.png").is_some());
}

#[test]
fn a_button_that_is_not_there_fails_before_the_commit_point() {
    let site = Site::open();
    let mut steps = customer();
    steps[7]["selectors"] = json!([["#nowhere"], ["aria/Nobody"]]);
    steps[7]["timeout"] = json!(500);
    let ran = run(
        &site,
        Case {
            steps,
            overlay: CUSTOMER,
            input: json!({"customer": {"name": "Anna"}}),
            effect: EffectClass::AtMostOnce,
            ..Case::default()
        },
    );
    let message = ran.message();
    assert!(
        message.starts_with("element_not_found: step 7, click \"#nowhere\""),
        "{message}"
    );
    assert!(
        message.contains("#nowhere (absent), aria/Nobody (absent)"),
        "{message}"
    );
    assert_eq!(ran.seen.commit_points, 0);
    let picture = &ran.seen.file("failure.png").unwrap().bytes;
    assert!(picture.starts_with(b"\x89PNG"));
    assert!(matches!(
        ran.seen.steps.last().unwrap().result,
        StepResult::Failed { .. }
    ));
}

#[test]
fn a_page_that_drifted_is_still_served_and_reported() {
    let ran = check(vec![
        open("/widgets"),
        json!({"type": "click", "selectors": [["#old-id"], ["aria/Send order"], ["text/Send"]], "offsetX": 2, "offsetY": 2}),
        says("drifted"),
    ]);
    let matched = ran.seen.steps[1].matched.clone().unwrap();
    assert_eq!(
        (matched.index, matched.of, matched.selector.as_str()),
        (1, 3, "aria/Send order")
    );
}

#[test]
fn every_way_to_name_an_element_finds_it() {
    for selector in [
        "#new-id",
        "css/#new-id",
        "aria/Send order",
        "aria/Send order[role=\"button\"]",
        "text/Send or",
        "xpath///button[@id='new-id']",
        "pierce/#new-id",
    ] {
        let ran = check(vec![open("/widgets"), click(selector), says("drifted")]);
        assert_eq!(
            ran.seen.steps[1].matched.clone().unwrap().selector,
            selector
        );
    }
}

#[test]
fn elements_in_nested_shadow_roots_are_reached() {
    let path = json!(["my-card", "#inside", "#shadow-name"]);
    check(vec![
        open("/widgets"),
        json!({"type": "change", "selectors": [path], "value": "A"}),
        click("pierce/#in-shadow"),
        says("shadow A"),
        json!({"type": "change", "selectors": [["aria/Shadow name"]], "value": "AB"}),
        click("aria/Shadow button"),
        says("shadow AB"),
    ]);
}

#[test]
fn frames_are_entered_by_their_numbers() {
    check(vec![
        open("/frames"),
        json!({"type": "change", "selectors": [["aria/In frame"]], "value": "hello", "frame": [1]}),
        json!({"type": "click", "selectors": [["#tell"]], "offsetX": 4, "offsetY": 4, "frame": [1]}),
        says("typed hello"),
        json!({"type": "click", "selectors": ["#where"], "offsetX": 100, "offsetY": 7, "frame": [1]}),
        says("at 100,7"),
        json!({"type": "click", "selectors": [["#deep"]], "offsetX": 4, "offsetY": 4, "frame": [1, 0]}),
        says("deep"),
    ]);
}

#[test]
fn clicks_are_real_and_meet_the_recorded_point() {
    check(vec![
        json!({"type": "setViewport", "width": 900, "height": 400, "deviceScaleFactor": 1, "isMobile": false, "hasTouch": false, "isLandscape": false}),
        open("/widgets"),
        json!({"type": "click", "selectors": ["#where"], "offsetX": 120, "offsetY": 30}),
        says("120,30,true"),
        json!({"type": "click", "selectors": ["#where"]}),
        says("100,20,true"),
        json!({"type": "doubleClick", "selectors": ["#twice"], "offsetX": 4, "offsetY": 4}),
        says("twice"),
        json!({"type": "click", "selectors": ["#right"], "offsetX": 4, "offsetY": 4, "button": "secondary"}),
        says("button 2"),
        json!({"type": "click", "selectors": ["#right"], "offsetX": 4, "offsetY": 4, "button": "auxiliary"}),
        says("button 1"),
        json!({"type": "click", "selectors": ["#tall"], "offsetX": 50, "offsetY": 2500}),
        says("tall 50,2500"),
        json!({"type": "click", "selectors": ["#later"], "offsetX": 4, "offsetY": 4}),
        says("later"),
    ]);
}

#[test]
fn keys_hover_scroll_and_conditions_do_what_the_recorder_means() {
    check(vec![
        open("/widgets"),
        json!({"type": "waitForExpression", "expression": "window.ready"}),
        json!({"type": "emulateNetworkConditions", "download": 500000, "upload": 500000, "latency": 5}),
        click("#keys"),
        json!({"type": "keyDown", "key": "Control"}),
        json!({"type": "keyDown", "key": "b"}),
        says("b with control"),
        json!({"type": "keyUp", "key": "b"}),
        json!({"type": "keyUp", "key": "Control"}),
        json!({"type": "keyDown", "key": "Escape"}),
        says("Escape"),
        json!({"type": "keyUp", "key": "Escape"}),
        json!({"type": "waitForElement", "selectors": ["#menu"], "visible": false}),
        json!({"type": "hover", "selectors": ["#bar"]}),
        click("#menu"),
        says("menu"),
        json!({"type": "scroll", "selectors": ["#pane"], "y": 300}),
        json!({"type": "waitForElement", "selectors": ["#pane"], "properties": {"scrollTop": 300}}),
        json!({"type": "scroll", "x": 0, "y": 700}),
        json!({"type": "waitForExpression", "expression": "scrollY === 700 || Promise.reject(`${scrollY} of ${document.documentElement.scrollHeight}`);"}),
        json!({"type": "waitForElement", "selectors": ["button"], "operator": ">=", "count": 5}),
        json!({"type": "waitForElement", "selectors": ["#none"], "operator": "==", "count": 0}),
        json!({"type": "waitForElement", "selectors": ["#limited"], "attributes": {"maxlength": "3"}}),
        json!({"type": "customStep", "name": "other", "parameters": {}}),
        json!({"type": "close"}),
    ]);
}

#[test]
fn a_popup_is_a_window_of_its_own() {
    check(vec![
        open("/widgets"),
        click("#open"),
        json!({"type": "click", "target": "http://crm.test/popup", "selectors": ["#in-popup"], "offsetX": 4, "offsetY": 4}),
        json!({"type": "close", "target": "http://crm.test/popup"}),
        says("from popup"),
    ]);
}

#[test]
fn a_dialog_is_answered_only_as_the_overlay_says() {
    let steps = vec![open("/widgets"), click("#ask"), says("deleted")];
    let ran = check_with(steps.clone(), "[[step]]\nat = 1\ndialog = 'accept'");
    assert!(
        ran.seen
            .steps
            .iter()
            .any(|step| step.detail.as_deref() == Some("dialog \"Really delete?\" accepted"))
    );
    check_with(
        vec![open("/widgets"), click("#ask"), says("kept")],
        "dialogs = 'dismiss'",
    );
    check_with(
        vec![open("/widgets"), click("#prompt"), says("hello Anna")],
        "[[step]]\nat = 1\ndialog = 'accept'\ndialog_text = 'Anna'",
    );
    let site = Site::open();
    let ran = run(
        &site,
        Case {
            steps: json!(steps),
            ..Case::default()
        },
    );
    assert!(
        ran.message().starts_with("unexpected_dialog: step 1"),
        "{}",
        ran.message()
    );
    assert!(
        ran.message().contains("Really delete?"),
        "{}",
        ran.message()
    );
}

fn check_failure(steps: Vec<Value>, expected: &str) {
    let site = Site::open();
    let ran = run(
        &site,
        Case {
            steps: json!(steps),
            step_limit: Duration::from_millis(800),
            ..Case::default()
        },
    );
    assert!(ran.message().contains(expected), "{}", ran.message());
}

#[test]
fn what_cannot_be_done_says_why() {
    check_failure(
        vec![open("/"), change("#kind", "club")],
        "no_such_option: step 1, change \"#kind\": the list has no option \"club\"",
    );
    check_failure(
        vec![open("/"), change("#pw", "in clear")],
        "password_in_clear",
    );
    check_failure(
        vec![open("/"), change("#name", "two\nlines")],
        "Enter would send the form",
    );
    check_failure(
        vec![open("/"), change("#name", "\u{E007}")],
        "would press keys",
    );
    check_failure(
        vec![open("/widgets"), change("#limited", "four")],
        "read_back",
    );
    check_failure(
        vec![
            open("/widgets"),
            json!({"type": "waitForExpression", "expression": "1 ==="}),
        ],
        "the expression is not JavaScript",
    );
    check_failure(
        vec![
            open("/widgets"),
            json!({"type": "waitForExpression", "expression": "document.body.append(Object.assign(document.createElement('div'),{id:'cover'})) || true"}),
            click("#twice"),
        ],
        "element_not_ready: step 2, click \"#twice\": the element is covered by <div#cover>",
    );
    check_failure(
        vec![
            open("/widgets"),
            json!({"type": "click", "selectors": ["#twice"], "offsetX": 1, "offsetY": 1, "assertedEvents": [{"type": "navigation"}]}),
        ],
        "no_navigation: step 1",
    );
    check_failure(
        vec![
            open("/frames"),
            json!({"type": "click", "selectors": ["#a"], "offsetX": 1, "offsetY": 1, "frame": [7]}),
        ],
        "frame [7] is not there",
    );
}

/// How many pixels of the picture are plain black.
fn black(picture: &[u8]) -> usize {
    let mut reader = png::Decoder::new(std::io::Cursor::new(picture))
        .read_info()
        .unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut pixels).unwrap();
    let size = info.color_type.samples();
    pixels[..info.buffer_size()]
        .chunks(size)
        .filter(|pixel| pixel[..3] == [0, 0, 0])
        .count()
}

#[test]
fn a_picture_covers_the_secret_wherever_the_page_shows_it() {
    let picture = |overlay: &str| {
        let site = Site::open();
        let steps = json!([
            open("/"),
            change("#pw", ""),
            change("#notes", "x"),
            click("#nowhere")
        ]);
        let ran = run(
            &site,
            Case {
                steps,
                overlay,
                step_limit: Duration::from_secs(1),
                ..Case::default()
            },
        );
        black(&ran.seen.file("failure.png").unwrap().bytes)
    };
    let plain = picture("");
    let secret = picture("[[step]]\nat = 1\nvalue = '{{secrets.password}}'");
    // The password field is covered in both; the paragraph that repeats what was typed only in one.
    assert!(plain > 1500, "{plain}");
    assert!(secret > plain + 1500, "{secret} after {plain}");
    let twice = picture(
        "[[step]]\nat = 1\nvalue = '{{secrets.password}}'\n[[step]]\nat = 2\nvalue = 'pw {{secrets.password}}'",
    );
    assert!(twice > secret + 3000, "{twice} after {secret}");
}

#[test]
fn the_overlay_of_the_readme_is_one() {
    let readme = include_str!("../../../README.md");
    let overlay = readme
        .split("```toml\n")
        .nth(2)
        .unwrap()
        .split("```")
        .next()
        .unwrap();
    let field = change("#field", "");
    let steps = json!([
        open("/"),
        click("#a"),
        click("#b"),
        field,
        field,
        click("#c"),
        click("#save")
    ]);
    let recording = json!({"title": "t", "steps": steps}).to_string();
    let mut recording = botswain_browser::Recording::parse(recording.as_bytes()).unwrap();
    botswain_browser::Overlay::parse(overlay.as_bytes(), &mut recording)
        .unwrap_or_else(|error| panic!("{error}"));
}
