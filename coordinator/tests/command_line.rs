//! The command line, run as people and programs run it, against a real coordinator.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use botswain_bpmn::{build, write};
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

/// A coordinator in dev mode, ended with the test.
struct Coordinator {
    process: Child,
    url: String,
    folder: TempDir,
}

impl Coordinator {
    fn start() -> Coordinator {
        Coordinator::serve(&["--dev"], Stdio::null())
    }

    fn serve(how: &[&str], said: Stdio) -> Coordinator {
        let folder = tempfile::tempdir().unwrap();
        let mut process = Command::new(env!("CARGO_BIN_EXE_botswain"))
            .arg("serve")
            .args(how)
            .args([
                "--http-port",
                "0",
                "--grpc-port",
                "0",
                "--agents-port",
                "0",
                "--data",
            ])
            .arg(folder.path().join("data"))
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(said)
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let doors: Value =
            serde_json::from_str(&line).unwrap_or_else(|_| panic!("no doors: {line:?}"));
        let url = format!("http://{}", doors["http"].as_str().unwrap());
        Coordinator {
            process,
            url,
            folder,
        }
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        run(&self.url, arguments)
    }

    /// The answer for programs.
    #[track_caller]
    fn json(&self, arguments: &[&str]) -> Value {
        let ran = self.run(&[arguments, &["--json"]].concat());
        assert_eq!(ran.code, 0, "{ran:?}");
        serde_json::from_str(&ran.out).unwrap_or_else(|_| panic!("no JSON: {ran:?}"))
    }

    fn file(&self, name: &str, content: &str) -> String {
        let path = self.folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        path.display().to_string()
    }

    fn deploy(&self, process: &str) {
        let file = self.file("process.bpmn", &write(&build(process)));
        self.json(&["deploy", &file]);
    }

    fn start_instance(&self) -> String {
        self.json(&["start", "process"])["processInstanceKey"]
            .as_str()
            .unwrap()
            .to_owned()
    }
}

impl Drop for Coordinator {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[derive(Debug)]
struct Ran {
    code: i32,
    out: String,
    err: String,
}

fn run(url: &str, arguments: &[&str]) -> Ran {
    let ran = Command::new(env!("CARGO_BIN_EXE_botswain"))
        .args(arguments)
        .env("BOTSWAIN_URL", url)
        .env_remove("BOTSWAIN_TOKEN")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    Ran {
        code: ran.status.code().unwrap(),
        out: String::from_utf8(ran.stdout).unwrap(),
        err: String::from_utf8(ran.stderr).unwrap(),
    }
}

impl Ran {
    #[track_caller]
    fn says(&self, code: i32, parts: &[&str]) {
        assert_eq!(self.code, code, "{self:?}");
        let said = if code == 0 { &self.out } else { &self.err };
        for part in parts {
            assert!(said.contains(part), "{part:?} is not in {self:?}");
        }
    }
}

#[test]
fn a_process_is_deployed_started_and_its_result_printed() {
    let coordinator = Coordinator::start();
    let file = coordinator.file(
        "sum.bpmn",
        &write(&build("start > sum:script(a + 1 -> b) > end")),
    );
    coordinator
        .run(&["deploy", &file])
        .says(0, &["PROCESS", "process", "sum.bpmn"]);
    let start = [
        "start",
        "process",
        "--variables",
        "{\"a\": 41}",
        "--wait",
        "--business-id",
        "order-1",
    ];
    coordinator.run(&start).says(0, &["completed", "\"b\": 42"]);
    assert_eq!(coordinator.json(&start)["variables"]["b"], 42);
    let variables = format!("@{}", coordinator.file("variables.json", "{\"a\": 1}"));
    let started = coordinator.json(&["start", "process", "--variables", &variables, "--wait"]);
    assert_eq!(started["variables"]["b"], 2);
    let by_key = started["processDefinitionKey"].as_str().unwrap();
    coordinator
        .run(&["start", by_key, "--variables", "{\"a\": 1}"])
        .says(0, &["started: botswain show"]);
    coordinator
        .run(&[
            "instances",
            "--state",
            "completed",
            "--business-id",
            "order-1",
        ])
        .says(0, &["INSTANCE", "COMPLETED"]);
    assert_eq!(
        coordinator.json(&["instances", "--business-id", "order-1"])["items"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
}

#[test]
fn show_tells_where_each_token_is_and_why_it_waits() {
    let coordinator = Coordinator::start();
    coordinator.deploy("start > fork:and > (pick:job | sub:{ start > check:user > end }) > join:and > end; pick@late:timer(PT1H) > end");
    let instance = coordinator.start_instance();
    coordinator.run(&["show", &instance]).says(
        0,
        &[
            "ACTIVE",
            "pick (service task)",
            "no worker asks for pick",
            "… or late: timer at 20",
            "    check (user task)",
            "nobody has taken it",
        ],
    );
    let shown = coordinator.json(&["show", &instance]);
    assert_eq!(shown["instance"]["state"], "ACTIVE");
    assert!(shown["waiting"]["tokens"].as_array().unwrap().len() >= 4);
    coordinator
        .run(&["cancel", &instance])
        .says(0, &["is being cancelled"]);
    coordinator
        .run(&["show", &instance])
        .says(0, &["TERMINATED"]);
    coordinator
        .run(&["cancel", &instance])
        .says(1, &["Expected to cancel a process instance"]);
}

#[test]
fn an_incident_is_listed_and_resolved_and_a_job_completed_by_hand() {
    let coordinator = Coordinator::start();
    coordinator.deploy("start > big:xor > ([amount > 1] pick:job | [amount < 2] pack:job) > end");
    let instance = coordinator.start_instance();
    let incidents = coordinator.json(&["incidents"]);
    let incident = incidents["items"][0]["incidentKey"]
        .as_str()
        .unwrap()
        .to_owned();
    coordinator
        .run(&["incidents"])
        .says(0, &[&incident, &instance, "big"]);
    coordinator
        .run(&["show", &instance])
        .says(0, &["incidents resolve"]);
    // The cause is still there: it is an incident again.
    coordinator
        .run(&["incidents", "resolve", &incident])
        .says(0, &["is resolved"]);
    let incidents = coordinator.json(&["incidents"]);
    let incident = incidents["items"][0]["incidentKey"].as_str().unwrap();
    coordinator
        .run(&["variables", &instance, "--set", "{\"amount\": 5}"])
        .says(0, &["amount", "5"]);
    coordinator
        .run(&["incidents", "resolve", incident])
        .says(0, &["is resolved"]);
    assert_eq!(
        coordinator.json(&["incidents"])["items"]
            .as_array()
            .unwrap()
            .len(),
        0
    );
    coordinator.deploy("start > pick:job > end");
    let instance = coordinator.start_instance();
    let shown = coordinator.json(&["show", &instance]);
    let tokens = shown["waiting"]["tokens"].as_array().unwrap();
    let job = tokens
        .iter()
        .find_map(|token| token["reason"]["jobKey"].as_str())
        .unwrap();
    coordinator
        .run(&["complete-job", job, "--variables", "{\"done\": true}"])
        .says(0, &["is completed"]);
    coordinator
        .run(&["show", &instance])
        .says(0, &["COMPLETED", "done", "true"]);
    coordinator
        .run(&["complete-job", job])
        .says(1, &["no such job was found"]);
}

#[test]
fn a_person_finds_and_completes_a_task() {
    let coordinator = Coordinator::start();
    coordinator.deploy("start > check:user > end");
    let instance = coordinator.start_instance();
    let tasks = coordinator.json(&["tasks"]);
    let task = tasks["items"][0]["userTaskKey"].as_str().unwrap();
    coordinator
        .run(&["tasks", "assign", task, "ann"])
        .says(0, &["is with ann"]);
    coordinator
        .run(&["tasks", "--assignee", "ann"])
        .says(0, &[task, "ann", "check"]);
    coordinator
        .run(&["tasks", "complete", task, "--variables", "{\"ok\": true}"])
        .says(0, &["is completed"]);
    assert_eq!(
        coordinator.json(&["tasks"])["items"]
            .as_array()
            .unwrap()
            .len(),
        0
    );
    coordinator
        .run(&["show", &instance])
        .says(0, &["COMPLETED"]);
}

#[test]
fn a_route_reads_as_a_sentence() {
    let coordinator = Coordinator::start();
    let set = [
        "route",
        "set",
        "crm.add-customer",
        "connector:crm-api",
        "--weight",
        "20",
        "--else",
        "bot:crm-add-customer@1",
    ];
    coordinator.run(&set).says(
        0,
        &[
            "crm.add-customer",
            "connector:crm-api",
            "20%",
            "else bot:crm-add-customer@1",
        ],
    );
    coordinator
        .run(&["route", "set", "a/b c", "person", "--when", "=amount > 5"])
        .says(0, &["amount > 5"]);
    coordinator
        .run(&["route", "show"])
        .says(0, &["crm.add-customer", "a/b c"]);
    assert_eq!(
        coordinator.json(&["route", "show", "crm.add-customer"])["version"],
        1
    );
    coordinator
        .run(&["route", "show", "other"])
        .says(0, &["(implicit)", "worker"]);
    coordinator
        .run(&["route", "delete", "a/b c"])
        .says(0, &["has no route"]);
    coordinator
        .run(&["route", "delete", "a/b c"])
        .says(1, &["has no route"]);
    coordinator
        .run(&["route", "set", "x", "robot"])
        .says(1, &["expected bot:NAME@VERSION"]);
    coordinator
        .run(&["route", "set", "x", "worker", "--when", "a >"])
        .says(1, &["the condition"]);
}

#[test]
fn a_bot_is_pushed_from_its_folder() {
    let coordinator = Coordinator::start();
    let manifest = "name = \"print-card\"\nversion = \"1\"\ndriver = \"device\"\neffect = \"idempotent\"\n\
                    [input]\ntype = \"object\"\n[output]\ntype = \"object\"\n";
    coordinator.file("bot/bot.toml", manifest);
    coordinator.file("bot/steps.toml", "[[step]]\naction = \"command.run\"\n");
    coordinator.file("bot/.hidden", "not for others");
    let folder = coordinator.folder.path().join("bot").display().to_string();
    coordinator.run(&["bot", "push", &folder]).says(
        0,
        &[
            "bot print-card@1 is there",
            "route set JOB-TYPE bot:print-card@1",
        ],
    );
    coordinator.run(&["bot", "list"]).says(0, &["print-card@1"]);
    coordinator.file("bot/bot.toml", "name = 5");
    coordinator
        .run(&["bot", "push", &folder])
        .says(1, &["bot.toml"]);
    coordinator
        .run(&["bot", "push", "/nowhere/at/all"])
        .says(2, &["/nowhere/at/all"]);
}

#[test]
fn a_token_for_agents_is_alone_on_standard_output() {
    let coordinator = Coordinator::start();
    let ran = coordinator.run(&[
        "agent-token",
        "--label",
        "site=berlin",
        "--uses",
        "2",
        "--valid",
        "1h",
    ]);
    ran.says(0, &["botswain1."]);
    assert_eq!(ran.out.lines().count(), 1);
    assert!(ran.err.contains("good for 2 machine(s)"), "{ran:?}");
    coordinator
        .run(&["agent-token", "--label", "berlin"])
        .says(1, &["expected key=value"]);
    coordinator
        .run(&["agent-token", "--valid", "soon"])
        .says(2, &["expected a time such as 90s"]);
    coordinator.run(&["agents"]).says(0, &["AGENT"]);
    coordinator
        .run(&["agents", "revoke", "anna"])
        .says(1, &["no such agent was found"]);
}

#[test]
fn evidence_of_an_instance_is_listed_and_saved() {
    let coordinator = Coordinator::start();
    coordinator.deploy("start > pick:job > end");
    let instance = coordinator.start_instance();
    let save: PathBuf = coordinator.folder.path().join("saved");
    coordinator
        .run(&["evidence", &instance, "--save", &save.display().to_string()])
        .says(0, &["SAVED AS"]);
    coordinator
        .run(&["evidence", "abc"])
        .says(1, &["parameter 'instance'"]);
}

#[test]
fn wrong_commands_are_told_apart_by_their_codes() {
    let coordinator = Coordinator::start();
    coordinator.run(&["start", "none"]).says(
        1,
        &["Expected to find process definition with process ID 'none'"],
    );
    coordinator
        .run(&["show", "99"])
        .says(1, &["Process Instance with key '99' not found"]);
    coordinator
        .run(&["deploy", "/nowhere.bpmn"])
        .says(2, &["read /nowhere.bpmn"]);
    let broken = coordinator.file("broken.bpmn", "<definitions");
    coordinator
        .run(&["deploy", &broken])
        .says(1, &["'broken.bpmn'", "line 1"]);
    coordinator
        .run(&["start", "process", "--variables", "[1]"])
        .says(2, &["expected a JSON object"]);
    coordinator
        .run(&["start", "process", "--variables", "{"])
        .says(2, &["--variables"]);
    coordinator.run(&["start"]).says(2, &["PROCESS"]);
    coordinator.run(&["dance"]).says(2, &["dance"]);
    coordinator
        .run(&["instances", "--state", "asleep"])
        .says(1, &["filter.state"]);
    run("ftp://x", &["instances"]).says(2, &["no HTTP address"]);
    // A port that was free a moment ago, and that nobody listens on.
    let free = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    run(&format!("http://{free}"), &["instances"])
        .says(3, &["no coordinator answers", "botswain serve"]);
}

#[test]
fn the_token_that_was_printed_once_opens_the_door() {
    let mut coordinator = Coordinator::serve(&[], Stdio::piped());
    let mut said = BufReader::new(coordinator.process.stderr.take().unwrap()).lines();
    let token = said.find_map(|line| {
        let line = line.unwrap();
        line.split_once("shown this once: ")
            .map(|(_, token)| token.to_owned())
    });
    let token = token.unwrap();
    coordinator
        .run(&["instances"])
        .says(1, &["carries no bearer token", "--token or BOTSWAIN_TOKEN"]);
    let wrong = coordinator.run(&["instances", "--token", "a-wrong-one"]);
    wrong.says(1, &["is not the one of this coordinator"]);
    assert!(!wrong.err.contains("a-wrong-one"), "{wrong:?}");
    coordinator
        .run(&["instances", "--token", &token])
        .says(0, &["INSTANCE"]);
}
