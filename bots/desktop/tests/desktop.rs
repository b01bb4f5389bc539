//! A desktop bot at work in a real editor on a virtual screen.

mod common;

use std::fs;
use std::time::{Duration, Instant};

use botswain_action::{Action, Cancel, EffectClass, Need, Outcome, Secrets, StepResult};
use common::{Desktop, bot, object, runs, try_bot, until};
use serde_json::json;

/// Every script that a letter may hold, some characters twice in a row, some that no keyboard has.
const MIXED: &str = "Dear Ms Müller-Ößtürk, €42.50 {[~@#]}\nΚαλημέρα κόσμε · Привет, мир!\n日本語のテキスト 한국어 中文\naabbccAABB \"\"«»… 👍🎉 ✓ 100%\n\tindented, ñ ç ø ł ž";

/// The letter writer: the bot of the demo in small.
const LETTER: &str = r#"
[[step]]
id = "editor"
launch = { program = "/usr/bin/mousepad", args = ["--disable-server", "{{file}}"], env = { DBUS_SESSION_BUS_ADDRESS = "disabled:", GSETTINGS_BACKEND = "memory", NO_AT_BRIDGE = "1" } }

[[step]]
id = "window"
wait_window = { title = "{{file}} - Mousepad", class = "mousepad" }

[[step]]
maximize = {}

[[step]]
id = "letter"
type = { text = "{{letter}}", lines = true }

[[step]]
id = "look"
screenshot = {}

[[step]]
id = "save"
commit = true
key = { chord = "ctrl+s" }

[[step]]
id = "saved"
read_file = { path = "{{file}}", equals = "{{letter}}" }

[[step]]
wait_window = { title = "{{file}} - Mousepad" }

[[step]]
close = {}

[output]
text = "{{steps.saved.content}}"
sha256 = "{{steps.saved.sha256}}"
tries = "{{steps.letter.tries}}"
"#;

fn open(title: &str) -> String {
    LETTER
        .split("[[step]]")
        .take(4)
        .collect::<Vec<_>>()
        .join("[[step]]")
        .replace("{{file}} - Mousepad", title)
}

fn input(desktop: &Desktop, name: &str, letter: &str) -> serde_json::Value {
    let file = desktop.path(name);
    fs::write(&file, "").expect("an empty file");
    json!({"file": file, "letter": letter})
}

#[test]
fn a_letter_in_any_script_is_typed_saved_and_read_back() {
    let desktop = Desktop::start();
    let bot = desktop.bot(EffectClass::AtMostOnce, LETTER);
    let run = desktop.run(&bot, input(&desktop, "letter.txt", MIXED));
    assert_eq!(run.output()["text"], MIXED);
    assert_eq!(
        fs::read_to_string(desktop.path("letter.txt")).unwrap(),
        MIXED
    );

    assert_eq!(
        (run.evidence.commit_points, run.evidence.steps_before_commit),
        (1, 5)
    );
    assert!(
        run.evidence
            .steps
            .iter()
            .all(|step| step.result == StepResult::Done),
        "{:#?}",
        run.evidence.steps
    );
    for name in ["look.png", "before-commit.png", "after-commit.png"] {
        let (width, height, pixels) = run.picture(name);
        assert_eq!((width, height), (1024, 700));
        let distinct: std::collections::BTreeSet<&[u8]> = pixels.chunks(3).collect();
        assert!(
            distinct.len() > 20,
            "{name} shows only {} colours",
            distinct.len()
        );
        // The editor is maximized, so its white page is most of the picture.
        let white = pixels
            .chunks(3)
            .filter(|pixel| *pixel == [255, 255, 255])
            .count();
        assert!(white > 1024 * 700 / 2, "{name} shows {white} white pixels");
    }
    assert!(
        !runs(&desktop.path("letter.txt")),
        "the editor should have ended"
    );
}

#[test]
fn twenty_letters_one_after_the_other_all_arrive_whole() {
    let desktop = Desktop::start();
    let bot = desktop.bot(EffectClass::Idempotent, LETTER);
    let began = Instant::now();
    let mut repaired = 0;
    for number in 0..20 {
        let letter = format!("{number} {MIXED} {number}");
        let run = desktop.run(&bot, input(&desktop, "letter.txt", &letter));
        assert_eq!(run.output()["text"], letter.as_str());
        repaired += u32::from(run.output()["tries"] != 1);
    }
    eprintln!(
        "20 letters of {} characters in {:?}, {repaired} repaired",
        MIXED.chars().count() + 4,
        began.elapsed()
    );
    assert!(began.elapsed() < Duration::from_secs(240));
}

#[test]
fn characters_that_came_out_wrong_are_typed_again() {
    let desktop = Desktop::start();
    // A second layout is active: the key that should type y types z, and the bot cannot know.
    desktop.use_second_layout();
    let bot = desktop.bot(EffectClass::Idempotent, LETTER);
    let letter = format!("xyz XYZ {MIXED}");
    let run = desktop.run(&bot, input(&desktop, "letter.txt", &letter));
    assert_eq!(run.output()["text"], letter.as_str());
    assert_eq!(run.output()["tries"], 2);
}

#[test]
fn the_keyboard_is_afterwards_as_it_was() {
    let desktop = Desktop::start();
    let before = desktop.keyboard();
    let run = desktop.run(
        &desktop.bot(EffectClass::Idempotent, LETTER),
        input(&desktop, "letter.txt", MIXED),
    );
    run.output();
    assert_eq!(desktop.keyboard(), before);
}

#[test]
fn text_is_appended_pasted_and_read_from_the_window() {
    let desktop = Desktop::start();
    let steps = format!(
        "{}{}",
        open("{{file}} - Mousepad"),
        r#"
        [[step]]
        type = { text = "first ä", mode = "append" }
        [[step]]
        type = { text = " then 日\n", mode = "append", lines = true }
        [[step]]
        type = { text = "{{letter}}", mode = "append", by = "paste", lines = true }
        [[step]]
        id = "all"
        read_text = {}
        [[step]]
        key = { chord = "ctrl+a" }
        [[step]]
        type = { text = "" }
        [[step]]
        id = "empty"
        read_text = {}
        [output]
        all = "{{steps.all.text}}"
        empty = "{{steps.empty.text}}"
        "#
    );
    let mut input = input(&desktop, "notes.txt", MIXED);
    fs::write(desktop.path("notes.txt"), "before, ").unwrap();
    input["letter"] = json!(MIXED);
    let run = desktop.run(&desktop.bot(EffectClass::Idempotent, &steps), input);
    assert_eq!(
        run.output()["all"],
        format!("before, first ä then 日\n{MIXED}")
    );
    assert_eq!(run.output()["empty"], "");
}

#[test]
fn a_new_document_is_saved_through_the_dialog() {
    let desktop = Desktop::start();
    let steps = format!(
        "{}{}",
        open("*Mousepad").replace(", \"{{file}}\"]", "]"),
        r#"
        [[step]]
        type = { text = "{{letter}}", lines = true }
        [[step]]
        commit = true
        save_as = { path = "{{file}}" }
        [[step]]
        id = "saved"
        read_file = { path = "{{file}}", equals = "{{letter}}" }
        [output]
        text = "{{steps.saved.content}}"
        "#
    );
    let bot = desktop.bot(EffectClass::AtMostOnce, &steps);
    let file = desktop.path("Grüße.txt");
    let run = desktop.run(&bot, json!({"file": file, "letter": "gespeichert"}));
    assert_eq!(run.output()["text"], "gespeichert");
    assert_eq!(fs::read_to_string(&file).unwrap(), "gespeichert");
    // The file is there now, and the program would ask a question that nobody answers.
    let again = desktop.run(&bot, json!({"file": file, "letter": "x"}));
    assert!(
        matches!(&again.outcome, Outcome::Unknown { message } if message.contains("is there already")),
        "{:?}",
        again.outcome
    );
}

#[test]
fn a_click_goes_where_the_window_is() {
    let desktop = Desktop::start();
    let steps = format!(
        "{}{}",
        open("{{file}} - Mousepad"),
        r#"
        [[step]]
        type = { text = "one\ntwo", lines = true }
        [[step]]
        click = { x = 300, y = 200, count = 1 }
        [[step]]
        key = { chord = "ctrl+home" }
        [[step]]
        type = { text = "Zérô ", mode = "insert" }
        [[step]]
        id = "all"
        read_text = {}
        [[step]]
        assert = { value = "{{steps.all.text}}", equals = "Zérô one\ntwo" }
        [[step]]
        click = { x = 3000, y = 1 }
        [output]
        all = "{{steps.all.text}}"
        "#
    );
    let run = desktop.run(
        &desktop.bot(EffectClass::Idempotent, &steps),
        input(&desktop, "click.txt", ""),
    );
    let (code, message) = run.failure();
    assert_eq!(code, "outside");
    assert!(
        message.contains("the point 3000, 1 is outside of the window"),
        "{message}"
    );
    assert_eq!(run.evidence.steps.len(), 10);
}

#[test]
fn a_window_that_never_comes_is_a_failure_with_a_picture() {
    let desktop = Desktop::start();
    let steps = format!(
        "{}{}",
        open("{{file}} - Mousepad"),
        "[[step]]\nid = \"never\"\ntime_limit_ms = 500\nwait_window = { title = \"Order *\", class = \"erp\" }"
    );
    let bot = desktop.bot(EffectClass::AtMostOnce, &steps);
    let run = desktop.run(&bot, input(&desktop, "letter.txt", ""));
    // Launching is what may change something when nobody marks a commit point, so the end is open.
    let Outcome::Unknown { message } = &run.outcome else {
        panic!("{:?}", run.outcome)
    };
    let expected =
        "step `never`: expected a window titled \"Order *\" of class erp; the screen shows \"";
    assert!(message.starts_with(expected), "{message}");
    assert!(
        message.contains("letter.txt - Mousepad\" (Mousepad)")
            && message.contains("compare title and class"),
        "{message}"
    );
    assert_eq!(run.picture("failure.png").0, 1024);
    assert!(matches!(
        &run.evidence.steps.last().unwrap().result,
        StepResult::Failed { .. }
    ));
    assert!(
        !runs(&desktop.path("letter.txt")),
        "the editor should have ended"
    );
}

#[test]
fn cancelling_ends_the_program_with_everything_it_started() {
    let desktop = Desktop::start();
    let steps = r#"
        [[step]]
        launch = { program = "/bin/sh", args = ["-c", "setsid sh -c 'sleep 4711; echo {{file}}' & mousepad --disable-server {{file}}; echo {{file}}"] }
        [[step]]
        wait_window = { class = "mousepad" }
        [[step]]
        wait_window = { class = "nobody" }
    "#;
    let bot = desktop.bot(EffectClass::Idempotent, steps);
    let input = input(&desktop, "cancelled.txt", "");
    let file = desktop.path("cancelled.txt");
    let cancel = Cancel::new();
    let run = std::thread::scope(|scope| {
        let worker = scope
            .spawn(|| desktop.run_with(&bot, input.clone(), Secrets::default(), cancel.clone()));
        until("the editor", || desktop.titles().contains("Mousepad"));
        assert!(runs(&file));
        cancel.cancel();
        worker.join().unwrap()
    });
    assert_eq!(run.outcome, Outcome::Cancelled { undone: true });
    assert!(!runs(&file), "the tree should have ended");
}

#[test]
fn a_secret_is_typed_and_stands_in_no_evidence() {
    let desktop = Desktop::start();
    let steps = format!(
        "{}{}",
        open("{{file}} - Mousepad"),
        r#"
        [[step]]
        type = { text = "{{secrets.pin}}" }
        [[step]]
        key = { chord = "ctrl+s" }
        [[step]]
        id = "saved"
        read_file = { path = "{{file}}", equals = "{{secrets.pin}}" }
        [[step]]
        id = "look"
        screenshot = {}
        [[step]]
        assert = { value = "{{steps.saved.content}}", equals = "something else" }
        "#
    );
    let bot = desktop.bot(EffectClass::Idempotent, &steps);
    let secrets = Secrets::from_iter([("pin", "Geheim-Ω-4711")]);
    let run = desktop.run_with(
        &bot,
        input(&desktop, "secret.txt", ""),
        secrets,
        Cancel::new(),
    );
    assert_eq!(
        fs::read_to_string(desktop.path("secret.txt")).unwrap(),
        "Geheim-Ω-4711"
    );
    let (code, message) = run.failure();
    assert_eq!(code, "assert_failed");
    assert!(
        message.ends_with("equals \"something else\", seen \"[secret]\""),
        "{message}"
    );
    assert!(!format!("{:?}", run.evidence.steps).contains("Geheim"));
    // The whole window is covered, and it is as large as the screen.
    for name in ["look.png", "failure.png"] {
        let (width, height, pixels) = run.picture(name);
        let covered = pixels
            .chunks(3)
            .filter(|pixel| *pixel == [0x40, 0x40, 0x40])
            .count();
        assert!(
            covered > (width * height) as usize * 9 / 10,
            "{name} covers {covered} pixels"
        );
    }
}

#[test]
fn a_mask_covers_its_area_and_leaves_the_rest() {
    let desktop = Desktop::start();
    let steps = format!(
        "{}{}",
        open("{{file}} - Mousepad"),
        r#"
        [[step]]
        type = { text = "{{secrets.pin}}" }
        [[step]]
        id = "look"
        screenshot = {}
        [[mask]]
        class = "mousepad"
        x = 0
        y = 20
        width = 600
        height = 100
        "#
    );
    let secrets = Secrets::from_iter([("pin", "hush-hush")]);
    let run = desktop.run_with(
        &desktop.bot(EffectClass::Idempotent, &steps),
        input(&desktop, "mask.txt", ""),
        secrets,
        Cancel::new(),
    );
    run.output();
    let (_, _, pixels) = run.picture("look.png");
    let covered = pixels
        .chunks(3)
        .filter(|pixel| *pixel == [0x40, 0x40, 0x40])
        .count();
    assert!((60_000..70_000).contains(&covered), "{covered}");
}

#[test]
fn a_desktop_without_a_window_manager_will_do() {
    let desktop = Desktop::without_manager();
    let steps = LETTER.replace("[[step]]\nmaximize = {}\n", "");
    let run = desktop.run(
        &desktop.bot(EffectClass::Idempotent, &steps),
        input(&desktop, "bare.txt", MIXED),
    );
    assert_eq!(run.output()["text"], MIXED);
}

#[test]
fn without_a_display_the_remedy_is_named() {
    let desktop = Desktop::without_manager();
    let bot = bot(EffectClass::AtMostOnce, LETTER).on_display(":4711");
    let run = desktop.run(&bot, input(&desktop, "x", ""));
    let (code, message) = run.failure();
    assert_eq!(code, "no_display");
    assert!(
        message.contains("failed to connect to the X display :4711")
            && message.contains("XAUTHORITY"),
        "{message}"
    );
    assert_eq!(run.evidence.commit_points, 0);
}

#[test]
fn the_needs_are_the_session_the_programs_and_the_files() {
    let bot = bot(EffectClass::AtMostOnce, LETTER);
    let needs = bot
        .needs(&object(
            json!({"file": "/srv/letters/1.txt", "letter": "x"}),
        ))
        .unwrap();
    assert_eq!(
        needs,
        [
            Need::DesktopSession,
            Need::Program {
                path: "/usr/bin/mousepad".to_owned(),
                args: vec![
                    "--disable-server".to_owned(),
                    "/srv/letters/1.txt".to_owned()
                ]
            },
            Need::Folder {
                path: "/srv/letters/1.txt".to_owned(),
                write: false
            },
        ]
    );
    let outside = bot
        .needs(&object(
            json!({"file": "/srv/letters/../../etc/shadow", "letter": "x"}),
        ))
        .unwrap_err();
    assert!(
        outside.message.contains("no absolute path without"),
        "{outside}"
    );
    assert_eq!(
        bot.needs(&object(json!({"letter": "x"})))
            .unwrap_err()
            .place,
        "file"
    );
}

#[test]
fn a_wrong_package_is_refused_with_the_step_and_the_remedy() {
    let cases = [
        (
            "[[step]]\ntype = { text = \"{{secrets.pin}}\", check = \"clipboard\" }",
            "a secret would stand in the clipboard",
        ),
        (
            "[[step]]\ntype = { text = \"{{secrets.pin}}\", by = \"paste\" }",
            "a secret would stand in the clipboard",
        ),
        (
            "[[step]]\nlaunch = { program = \"/x\", args = [\"{{secrets.pin}}\"] }",
            "puts a secret where every program",
        ),
        (
            "[[step]]\nlaunch = { program = \"{{steps.a.text}}\" }",
            "the policy judges them before",
        ),
        (
            "[[step]]\nlaunch = { program = \"/x\", env = { LD_PRELOAD = \"/y\" } }",
            "LD_PRELOAD changes which code is loaded",
        ),
        (
            "[[step]]\ntype = { text = \"x\", mode = \"insert\", check = \"clipboard\" }",
            "cannot be read back",
        ),
        (
            "[[step]]\nkey = { chord = \"hyper+x\" }",
            "`hyper` in `hyper+x` is no modifier",
        ),
        (
            "[[step]]\nkey = { chord = \"ctrl+nothing\" }",
            "`nothing` in `ctrl+nothing` is no key",
        ),
        (
            "[[step]]\nwait_window = {}",
            "give the window's `title` or `class`",
        ),
        (
            "[[step]]\nassert = { value = \"x\" }",
            "give either `equals` or `contains`",
        ),
        (
            "[[step]]\nclick = { x = 1, y = 1, count = 9 }",
            "expected 1 to 3",
        ),
        ("[[step]]\nsleep = { ms = 5 }", "unknown variant `sleep`"),
        (
            "[[step]]\nscreenshot = {}\n[[mask]]\nx = 1",
            "mask: missing field",
        ),
        (
            "[[step]]\nscreenshot = {}\n[extra]\nx = 1",
            "unknown key `extra`",
        ),
    ];
    for (steps, expected) in cases {
        let error = try_bot(EffectClass::Pure, steps).unwrap_err();
        assert!(
            error.contains(expected),
            "{error} does not contain {expected}"
        );
    }
}
