//! What an overlay may say, and how it is told what it may not.

use super::*;
use expect_test::{Expect, expect};

fn check(source: &str, expected: Expect) {
    let recording = br##"{"title": "t", "steps": [
            {"type": "navigate", "url": "http://crm/"},
            {"type": "change", "selectors": ["#a"], "value": "x"},
            {"type": "click", "selectors": ["#b"], "offsetX": 1, "offsetY": 1}]}"##;
    let mut recording = Recording::parse(recording).unwrap();
    let found = match Overlay::parse(source.as_bytes(), &mut recording) {
        Ok(overlay) => format!(
            "commit {:?}, secrets {:?}",
            overlay.commit,
            overlay.secrets().collect::<Vec<_>>()
        ),
        Err(error) => error.to_string(),
    };
    expected.assert_eq(&found);
}

#[test]
fn an_overlay_binds_inputs_secrets_and_the_commit_point() {
    check(
        r##"
                commit = "save"
                [[step]]
                at = 1
                type = "change"
                value = "{{secrets.password}}"
                [[step]]
                at = 2
                label = "save"
                selectors = ["#c", ["my-form", "button"]]
                dialog = "accept"
                [success]
                selectors = ["#done"]
                [[error]]
                code = "REFUSED"
                selectors = [".error"]
                [[output]]
                name = "number"
                selectors = ["#number"]
                pattern = "No\\. (\\d+)"
                type = "integer"
            "##,
        expect![[r#"commit Some(2), secrets ["password"]"#]],
    );
}

#[test]
fn an_overlay_that_does_not_fit_its_recording_says_where() {
    check(
        r##"
                commit = "send"
                [[step]]
                at = 0
                url = "http://crm/?key={{secrets.key}}"
                [[step]]
                at = 2
                value = "x"
                type = "change"
                [[step]]
                at = 9
                [[output]]
                name = "a"
                pattern = "("
                after = 7
                [success]
                pattern = "x"
            "##,
        expect![[r#"
                overlay.toml, step[0].url: a secret in an address ends up in the logs of others; type it into a field
                overlay.toml, step[1].type: step 2 is a click, not a change; the recording changed; correct at
                overlay.toml, step[1]: step 2 is a click; value belongs to a change, url to a navigate; correct at
                overlay.toml, step[2].at: the recording has no step 9; give a number from 0 to 2
                overlay.toml, commit: Label("send") is no step; give a number from 0 to 2 or a label of a [[step]]
                overlay.toml, success: nothing to look for; give selectors or a url pattern
                overlay.toml, output[0].after: Index(7) is no step; give a number from 0 to 2 or a label of a [[step]]
                overlay.toml, output[0]: an output is read from an element, the url or the title; give selectors, or from = "url" or "title"
                overlay.toml, output[0]: not a pattern: error: unclosed group; correct the regular expression"#]],
    );
}

#[test]
fn a_misspelt_key_is_not_overlooked() {
    check(
        "[[step]]\nat = 1\nvalues = 'x'",
        expect![
            "overlay.toml, line 3: unknown field `values`, expected one of `at`, `label`, `type`, `value`, `url`, `selectors`, `skip`, `timeout_ms`, `dialog`, `dialog_text`, `plain_password`; correct the file"
        ],
    );
    check(
        "[[step]]\nat = 1\nvalue = '{{a'",
        expect![
            "overlay.toml, line 3: template `{{a` opens `{{` at byte 0 without `}}`; correct the file"
        ],
    );
}
