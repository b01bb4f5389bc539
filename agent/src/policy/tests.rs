//! Questions to policies and their answers.

use super::*;
use botswain_proto::message::BotRef;
use expect_test::{Expect, expect};

const POLICY: &str = r#"
[[allow]]
name = "cards"
actions = ["command.run"]
job_types = ["card.*"]
times = ["mon-fri 08:00-18:00"]
programs = [
    { path = "/usr/bin/lp", args = ["-d", "cards", "--", "*"] },
    { path = "/usr/bin/logger", args = ["-t", "..."] },
    { path = "/usr/bin/true" },
]

[[allow]]
name = "crm"
bots = ["crm-*@1.*"]
browser = true
hosts = ["crm.example:8080", "*.cdn.example"]

[[allow]]
name = "letters"
actions = ["file.*"]
folders = [{ path = "/home/anna/letters", write = true }, { path = "/srv/forms" }]
"#;

const MONDAY_NOON: LocalTime = LocalTime {
    weekday: 0,
    minute: 720,
};

#[expect(clippy::needless_pass_by_value, reason = "expect![] is a value")]
fn check(work: &str, job_type: &str, needs: &[Need], at: LocalTime, expected: Expect) {
    let work = match work.split_once('@') {
        Some((name, version)) => Work::Bot(BotRef {
            name: name.to_owned(),
            version: version.to_owned(),
            digest: Digest::of(b"bot"),
        }),
        None => Work::Action(work.to_owned()),
    };
    let answer = parse(POLICY).unwrap().decide(&Question {
        work: &work,
        job_type,
        needs,
        at,
    });
    expected.assert_eq(&match answer {
        Ok(rule) => format!("allowed by {rule}"),
        Err(reason) => format!("[{}] {}", reason.policy_rule, reason.text),
    });
}

fn program(path: &str, args: &[&str]) -> Need {
    Need::Program {
        path: path.to_owned(),
        args: args.iter().map(ToString::to_string).collect(),
    }
}

fn host(host: &str) -> Need {
    Need::Host {
        host: host.to_owned(),
    }
}

fn folder(path: &str, write: bool) -> Need {
    Need::Folder {
        path: path.to_owned(),
        write,
    }
}

#[test]
fn nothing_is_allowed_that_no_rule_names() {
    let refusal = Policy::default()
        .decide(&Question {
            work: &Work::Action("command.run".to_owned()),
            job_type: "",
            needs: &[],
            at: MONDAY_NOON,
        })
        .unwrap_err();
    assert_eq!(refusal.policy_rule, "default deny");
    check(
        "service.restart",
        "x",
        &[],
        MONDAY_NOON,
        expect![
            "[default deny] no rule of the policy names service.restart; the machine's owner can add one to policy.toml"
        ],
    );
}

#[test]
fn a_program_runs_with_the_arguments_the_owner_wrote() {
    let run = |args: &[&str], expected| {
        check(
            "command.run",
            "card.print",
            &[program("/usr/bin/lp", args)],
            MONDAY_NOON,
            expected,
        );
    };
    run(&["-d", "cards", "--", "Anna"], expect!["allowed by cards"]);
    run(
        &["-d", "cards", "--", "-o evil"],
        expect![[
            r#"[cards] the policy's rule "cards" does not allow command.run to run /usr/bin/lp "-d" "cards" "--" "-o evil""#
        ]],
    );
    run(
        &["-d", "cards", "--", "../../etc/passwd"],
        expect![[
            r#"[cards] the policy's rule "cards" does not allow command.run to run /usr/bin/lp "-d" "cards" "--" "../../etc/passwd""#
        ]],
    );
    run(
        &["-d", "other", "--", "Anna"],
        expect![[
            r#"[cards] the policy's rule "cards" does not allow command.run to run /usr/bin/lp "-d" "other" "--" "Anna""#
        ]],
    );
    run(
        &["-d", "cards", "--", "Anna", "more"],
        expect![[
            r#"[cards] the policy's rule "cards" does not allow command.run to run /usr/bin/lp "-d" "cards" "--" "Anna" "more""#
        ]],
    );
}

#[test]
fn a_program_without_patterns_runs_without_arguments_only() {
    let run = |path, args: &[&str], expected| {
        check(
            "command.run",
            "card.print",
            &[program(path, args)],
            MONDAY_NOON,
            expected,
        );
    };
    run("/usr/bin/true", &[], expect!["allowed by cards"]);
    run(
        "/usr/bin/true",
        &["x"],
        expect![[
            r#"[cards] the policy's rule "cards" does not allow command.run to run /usr/bin/true "x""#
        ]],
    );
    run(
        "/usr/bin/logger",
        &["-t", "a", "b"],
        expect!["allowed by cards"],
    );
    run(
        "true",
        &[],
        expect![[r#"[cards] the policy's rule "cards" does not allow command.run to run true"#]],
    );
    run(
        "/bin/sh",
        &["-c", "true"],
        expect![[
            r#"[cards] the policy's rule "cards" does not allow command.run to run /bin/sh "-c" "true""#
        ]],
    );
}

#[test]
fn a_rule_holds_for_its_jobs_and_at_its_times() {
    let needs = [program("/usr/bin/true", &[])];
    check(
        "command.run",
        "letter.print",
        &needs,
        MONDAY_NOON,
        expect![[
            r#"[cards] the policy's rule "cards" does not allow command.run for jobs of type "letter.print""#
        ]],
    );
    let sunday = LocalTime {
        weekday: 6,
        minute: 720,
    };
    check(
        "command.run",
        "card.print",
        &needs,
        sunday,
        expect![[
            r#"[cards] the policy's rule "cards" does not allow command.run at this time (sun 12:00)"#
        ]],
    );
}

#[test]
fn a_bot_uses_only_what_its_rule_names() {
    let ask = |bot, needs: &[Need], expected| check(bot, "x", needs, MONDAY_NOON, expected);
    ask(
        "crm-add@1.4",
        &[Need::Browser, host("crm.example:8080")],
        expect!["allowed by crm"],
    );
    ask(
        "crm-add@1.4",
        &[host("a.cdn.example")],
        expect!["allowed by crm"],
    );
    ask(
        "crm-add@1.4",
        &[host("crm.example")],
        expect![[
            r#"[crm] the policy's rule "crm" does not allow crm-add@1.4 to talk to crm.example; add it to `hosts`"#
        ]],
    );
    ask(
        "crm-add@1.4",
        &[host("evil.example")],
        expect![[
            r#"[crm] the policy's rule "crm" does not allow crm-add@1.4 to talk to evil.example; add it to `hosts`"#
        ]],
    );
    ask(
        "crm-add@1.4",
        &[host("*.example")],
        expect![[
            r#"[crm] the policy's rule "crm" does not allow crm-add@1.4 to talk to *.example; add it to `hosts`"#
        ]],
    );
    ask(
        "crm-add@1.4",
        &[Need::DesktopSession],
        expect![[
            r#"[crm] the policy's rule "crm" does not allow crm-add@1.4 to use the desktop; add `desktop = true`"#
        ]],
    );
    ask(
        "crm-add@2.0",
        &[Need::Browser],
        expect![
            "[default deny] no rule of the policy names crm-add@2.0; the machine's owner can add one to policy.toml"
        ],
    );
}

#[test]
fn a_folder_is_read_or_written_as_its_rule_says() {
    let ask = |path, write, expected| {
        check(
            "file.put",
            "x",
            &[folder(path, write)],
            MONDAY_NOON,
            expected,
        );
    };
    ask(
        "/home/anna/letters/1.txt",
        true,
        expect!["allowed by letters"],
    );
    ask("/srv/forms/a", false, expect!["allowed by letters"]);
    ask(
        "/srv/forms/a",
        true,
        expect![[
            r#"[letters] the policy's rule "letters" does not allow file.put to write to /srv/forms/a"#
        ]],
    );
    ask(
        "/home/anna/letters-secret/a",
        false,
        expect![[
            r#"[letters] the policy's rule "letters" does not allow file.put to read /home/anna/letters-secret/a"#
        ]],
    );
    ask(
        "/home/anna/letters/../.ssh/id",
        false,
        expect![[
            r#"[letters] the policy's rule "letters" does not allow file.put to read /home/anna/letters/../.ssh/id"#
        ]],
    );
}

#[test]
fn a_policy_with_a_mistake_says_where_it_is() {
    let check = |text: &str, part: &str| {
        let error = parse(text).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    };
    check("[[allow]]\nname = \"x\"\n", "neither");
    check(
        "[[allow]]\nactions = [\"a\"]\nprogram = []\n",
        "unknown field",
    );
    check(
        "[[allow]]\nactions = [\"a\"]\nprograms = [{ path = \"lp\" }]\n",
        "absolute",
    );
    check("[[allow]]\nactions = [\"a\"]\ntimes = [\"x\"]\n", "mon-fri");
    check(
        "[[allow]]\nactions = [\"a\"]\nhosts = [\"a*b\"]\n",
        "*.name",
    );
    check(
        "[[allow]]\nactions = [\"a\"]\nfolders = [{ path = \"x\" }]\n",
        "absolute",
    );
    check("[[allow]]\nbots = [\"a@sha256:1\"]\n", "SHA-256");
    check(&" ".repeat(300_000), "at most");
}

#[test]
fn the_policy_of_the_readme_is_in_order() {
    let readme = include_str!("../../README.md");
    let policy = readme.split("```toml").nth(1).unwrap();
    let policy = parse(policy.split("```").next().unwrap()).unwrap();
    assert!(policy.may_allow("command.run"));
    let letters = Work::Bot(BotRef {
        name: "write-letter".to_owned(),
        version: "1".to_owned(),
        digest: Digest::of(b"bot"),
    });
    let rule = policy.decide(&Question {
        work: &letters,
        job_type: "letter.write",
        needs: &[
            Need::DesktopSession,
            folder("/home/anna/letters/a.txt", true),
        ],
        at: MONDAY_NOON,
    });
    assert_eq!(rule.unwrap(), "letters");
}
