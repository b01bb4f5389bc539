//! Running programs: what they say, how they end, and that nothing of them stays.

#![allow(dead_code, reason = "each test file uses its part of the common file")]

mod common;

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use botswain_action::{Action, Cancel, EffectClass, Need, Outcome, Secrets};
use botswain_device::CommandRun;
use common::{Request, bot, failure, object, output, run, try_bot, until};
use serde_json::json;
use tempfile::tempdir;

fn alive(pid_file: &Path) -> bool {
    let pid = fs::read_to_string(pid_file).unwrap_or_default();
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
    !pid.trim().is_empty() && !stat.is_empty() && !stat.contains(") Z ")
}

#[test]
fn a_program_gets_its_arguments_as_they_are_and_its_output_comes_back() {
    let folder = tempdir().unwrap();
    let result = output(run(
        &CommandRun,
        folder.path(),
        json!({
            "program": "/usr/bin/printf", "args": ["%s|", "a b", "$HOME; rm -rf /", "ä日"],
        }),
    ));
    assert_eq!(result["stdout"], "a b|$HOME; rm -rf /|ä日|");
    assert_eq!(result["exit_code"], 0);
    assert_eq!(result["truncated"], false);
}

#[test]
fn a_program_reads_its_input_in_its_folder_with_an_environment_of_its_own() {
    let folder = tempdir().unwrap();
    let result = output(run(
        &CommandRun,
        folder.path(),
        json!({
            "program": "/bin/sh", "args": ["-c", "cat; pwd; env | cut -d= -f1 | sort | tr '\\n' ' '"], "stdin": "first line\n", "env": {"TZ": "UTC"},
        }),
    ));
    let said = result["stdout"].as_str().unwrap();
    let real = folder.path().canonicalize().unwrap();
    assert!(
        said.starts_with(&format!("first line\n{}\n", real.display())),
        "{said}"
    );
    assert!(
        said.contains("BOTSWAIN_TREE") && said.contains("TZ") && !said.contains("CARGO"),
        "{said}"
    );
}

#[test]
fn more_output_than_allowed_is_dropped_and_said_so() {
    let folder = tempdir().unwrap();
    let result = output(run(
        &CommandRun,
        folder.path(),
        json!({
            "program": "/usr/bin/head", "args": ["-c", "3000000", "/dev/zero"], "output_bytes_max": 1000,
        }),
    ));
    assert_eq!(result["stdout"].as_str().unwrap().len(), 1000);
    assert_eq!(result["truncated"], true);
}

#[test]
fn an_exit_code_means_what_the_request_says() {
    let folder = tempdir().unwrap();
    let exit = |code: i32| {
        run(
            &CommandRun,
            folder.path(),
            json!({
                "program": "/bin/sh", "args": ["-c", format!("echo paper jam >&2; exit {code}")],
                "exit": {"done": [0, 1], "nothing_done": [75], "errors": {"3": "CARD_JAM"}},
            }),
        )
    };
    assert_eq!(output(exit(1))["exit_code"], 1);
    match exit(3) {
        Outcome::BpmnError {
            code,
            message,
            variables,
        } => {
            assert_eq!(
                (code.as_str(), &variables["exit_code"]),
                ("CARD_JAM", &json!(3))
            );
            assert!(message.contains("paper jam"));
        }
        other => panic!("{other:?}"),
    }
    assert!(matches!(
        exit(75),
        Outcome::Failed {
            retryable: true,
            ..
        }
    ));
    // Any other code of a program that must not run twice leaves open what it did.
    match exit(9) {
        Outcome::Unknown { message } => assert!(
            message.contains("exit code 9, expected [0, 1]; it said: paper jam"),
            "{message}"
        ),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_program_that_cannot_start_is_a_failure_and_never_unknown() {
    let folder = tempdir().unwrap();
    assert_eq!(
        failure(run(
            &CommandRun,
            folder.path(),
            json!({"program": "/usr/bin/no-such-thing"})
        ))
        .0,
        "program_not_found"
    );
    assert_eq!(
        failure(run(
            &CommandRun,
            folder.path(),
            json!({"program": "/etc/passwd"})
        ))
        .0,
        "program_not_executable"
    );
    for wrong in [
        json!({"program": "ls"}),
        json!({"program": "/usr/bin/../bin/ls"}),
        json!({"program": "/bin/true", "env": {"LD_PRELOAD": "/x"}}),
        json!({"program": "/bin/true", "env": {"PYTHONPATH": "/x"}}),
        json!({"program": "/bin/true", "args": ["a\u{0}b"]}),
        json!({"program": "/bin/true", "args": vec!["x"; 300]}),
        json!({"program": "/bin/true", "shell": true}),
        json!({"program": "/bin/true", "exit": {"errors": {"x": "y"}}}),
        json!({"program": "/bin/true", "output_bytes_max": 99_999_999}),
    ] {
        assert_eq!(
            failure(run(&CommandRun, folder.path(), wrong.clone())).0,
            "input",
            "{wrong}"
        );
        assert!(CommandRun.needs(&object(wrong)).is_err());
    }
}

#[test]
fn the_policy_is_asked_about_the_program_with_exactly_its_arguments() {
    let needs = CommandRun
        .needs(&object(
            json!({"program": "/usr/bin/lp", "args": ["-d", "cards"], "cwd": "/srv"}),
        ))
        .unwrap();
    assert_eq!(
        needs,
        [
            Need::Program {
                path: "/usr/bin/lp".to_owned(),
                args: vec!["-d".to_owned(), "cards".to_owned()]
            },
            Need::Folder {
                path: "/srv".to_owned(),
                write: true
            },
        ]
    );
}

// A child in the group, a child in a session of its own, and a daemon that has left both and closed its pipes.
const FAMILY: &str = "
sleep 300 & echo $! > child
setsid sleep 300 & echo $! > session
( setsid sh -c 'echo $$ > daemon.tmp; mv daemon.tmp daemon; exec sleep 300' > /dev/null 2>&1 < /dev/null & )
while [ ! -s daemon ]; do :; done
touch ready
";

#[test]
fn cancelling_ends_the_program_with_everything_it_started() {
    let folder = tempdir().unwrap();
    let path = folder.path().to_owned();
    let cancel = Cancel::new();
    let stop = cancel.clone();
    let runner = std::thread::spawn(move || {
        let input = json!({"program": "/bin/sh", "args": ["-c", format!("{FAMILY} wait")]});
        Request {
            cancel,
            ..Request::new(&path, input)
        }
        .run(&CommandRun)
        .outcome
    });
    until("the family", || folder.path().join("ready").exists());
    for name in ["child", "session", "daemon"] {
        assert!(alive(&folder.path().join(name)), "{name} should run");
    }
    let asked = Instant::now();
    stop.cancel();
    let outcome = runner.join().unwrap();
    assert!(matches!(outcome, Outcome::Unknown { .. }), "{outcome:?}");
    assert!(
        asked.elapsed() < Duration::from_secs(5),
        "{:?}",
        asked.elapsed()
    );
    for name in ["child", "session", "daemon"] {
        assert!(
            !alive(&folder.path().join(name)),
            "{name} should have ended"
        );
    }
}

#[test]
fn the_time_limit_ends_even_a_program_that_ignores_polite_requests() {
    let folder = tempdir().unwrap();
    let steps = format!(
        "[[step]]\nid = \"stubborn\"\ntime_limit_ms = 300\ncommand.run = {{ program = \"/bin/sh\", args = [\"-c\", {:?}] }}",
        "trap '' TERM; echo $$ > child; while :; do sleep 1; done"
    );
    let began = Instant::now();
    let outcome = run(
        &bot(EffectClass::Idempotent, &steps),
        folder.path(),
        json!({}),
    );
    assert_eq!(outcome, Outcome::TimedOut);
    assert!(began.elapsed() < Duration::from_secs(8));
    assert!(!alive(&folder.path().join("child")));
}

#[test]
fn what_a_program_leaves_running_ends_with_it() {
    let folder = tempdir().unwrap();
    let began = Instant::now();
    let result = run(
        &CommandRun,
        folder.path(),
        json!({"program": "/bin/sh", "args": ["-c", format!("{FAMILY} echo done")]}),
    );
    assert_eq!(output(result)["stdout"], "done\n");
    assert!(began.elapsed() < Duration::from_secs(10));
    for name in ["child", "session", "daemon"] {
        assert!(
            !alive(&folder.path().join(name)),
            "{name} should have ended"
        );
    }
}

#[test]
fn an_attempt_cancelled_before_it_began_starts_nothing() {
    let folder = tempdir().unwrap();
    let cancel = Cancel::new();
    cancel.cancel();
    let input = json!({"program": "/usr/bin/touch", "args": ["made"]});
    let run = Request {
        cancel,
        ..Request::new(folder.path(), input)
    }
    .run(&CommandRun);
    assert_eq!(run.outcome, Outcome::Cancelled { undone: true });
    assert!(!folder.path().join("made").exists());
}

const PRINT: &str = r#"
[[step]]
id = "read"
file.get = { path = "{{file}}" }

[[step]]
id = "print"
commit = true
command.run = { program = "/bin/sh", args = ["-c", "cat; echo oops {{card.number}} >&2; exit {{exit?}}"], stdin = "{{steps.read.content}} {{card.number}} {{secrets.pin}}" }

[output]
card = "{{steps.print.stdout}}"
code = "{{steps.print.exit_code}}"
"#;

#[test]
fn a_list_of_steps_takes_values_from_input_and_earlier_steps() {
    let folder = tempdir().unwrap();
    let file = folder.path().canonicalize().unwrap().join("name");
    fs::write(&file, "Zoë").unwrap();
    let print = bot(EffectClass::AtMostOnce, PRINT);
    let input = json!({"file": file, "card": {"number": 7}});
    let secrets = Secrets::from_iter([("pin", "hush-4711")]);
    let run = Request {
        secrets: secrets.clone(),
        ..Request::new(folder.path(), input.clone())
    }
    .run(&print);
    assert_eq!(
        output(run.outcome),
        object(json!({"card": "Zoë 7 hush-4711", "code": 0}))
    );
    assert_eq!(
        (run.evidence.commit_points, run.evidence.steps_before_commit),
        (1, 1)
    );
    assert_eq!(run.evidence.steps[1].name, "print (command.run)");
    let kept = run.evidence.file("print.stdout.txt").unwrap();
    assert_eq!(String::from_utf8_lossy(&kept.bytes), "Zoë 7 [secret]");

    let mut failing = input;
    failing["exit"] = json!(4);
    let run = Request {
        secrets,
        ..Request::new(folder.path(), failing)
    }
    .run(&print);
    match run.outcome {
        Outcome::Unknown { message } => assert!(
            message.contains("step `print`") && message.contains("oops 7"),
            "{message}"
        ),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_step_that_fails_before_the_commit_point_is_a_plain_failure() {
    let folder = tempdir().unwrap();
    let run = Request::new(
        folder.path(),
        json!({"file": "/no/such/file", "card": {"number": 7}}),
    )
    .run(&bot(EffectClass::AtMostOnce, PRINT));
    let (code, message) = failure(run.outcome);
    assert_eq!(
        (code.as_str(), message.as_str()),
        ("path", "step `read`: no folder /no; create it first")
    );
    assert_eq!(run.evidence.commit_points, 0);
}

#[test]
fn the_needs_of_a_list_are_known_before_it_runs() {
    let print = bot(EffectClass::AtMostOnce, PRINT);
    let needs = print
        .needs(&object(json!({"file": "/srv/name", "card": {"number": 7}})))
        .unwrap();
    assert_eq!(
        needs[0],
        Need::Folder {
            path: "/srv/name".to_owned(),
            write: false
        }
    );
    assert!(
        matches!(&needs[1], Need::Program { path, args } if path == "/bin/sh" && args[1].contains("oops 7"))
    );
    let absent = print
        .needs(&object(json!({"file": "/srv/name"})))
        .unwrap_err();
    assert_eq!(absent.place, "card.number");
}

#[test]
fn what_no_policy_could_judge_is_refused_when_the_package_is_read() {
    let cases = [
        (
            "[[step]]\ncommand.run = { program = \"/bin/cat\", args = [\"{{secrets.pin}}\"] }",
            "puts a secret where every program",
        ),
        (
            "[[step]]\ncommand.run = { program = \"/bin/cat\", env = { A = \"{{secrets.pin}}\" } }",
            "puts a secret where every program",
        ),
        (
            "[[step]]\ncommand.run = { program = \"{{steps.a.stdout}}\" }",
            "takes a program, argument or path from an earlier step",
        ),
        (
            "[[step]]\ncommand.run = { program = \"/bin/cat\", argv = [] }",
            "unknown field `argv`",
        ),
        (
            "[[step]]\ncommand.start = { program = \"/bin/cat\" }",
            "unknown variant `start`",
        ),
        (
            "[[step]]\nfile.put = { path = \"/x\", content = \"\" }",
            "declare it `idempotent`",
        ),
        ("[[step]\n", "steps.toml: TOML parse error"),
        (
            "[[step]]\nfile.get = { path = \"/x\" }\n[[mask]]\nx = 1",
            "unknown key `mask`",
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

#[test]
fn strays_of_a_living_agent_are_left_alone() {
    let folder = tempdir().unwrap();
    let mut command = std::process::Command::new("/bin/sleep");
    let mut tree =
        botswain_device::tree::Tree::spawn(command.arg("300").current_dir(folder.path())).unwrap();
    until("the program", || tree.members().len() == 1);
    assert_eq!(botswain_device::tree::end_strays(), 0);
    assert!(!tree.has_exited());
    tree.end(Duration::ZERO).unwrap();
    assert!(tree.members().is_empty());
}

#[test]
fn strays_of_a_killed_agent_are_ended() {
    let folder = tempdir().unwrap();
    let pid_file = folder.path().join("stray");
    // The mark of an agent that never lived at this time: process 1 was not born at tick 1234567890123.
    let mut stray = std::process::Command::new("/bin/sh")
        .args([
            "-c",
            &format!("echo $$ > {}; exec sleep 300", pid_file.display()),
        ])
        .env(botswain_device::tree::MARK, "1.1234567890123.0")
        .spawn()
        .unwrap();
    until("the stray", || alive(&pid_file));
    until("the stray's name", || {
        fs::read_to_string(format!("/proc/{}/comm", stray.id()))
            .unwrap_or_default()
            .trim()
            == "sleep"
    });
    assert!(botswain_device::tree::end_strays() >= 1);
    stray.wait().unwrap();
    assert!(!alive(&pid_file));
}
