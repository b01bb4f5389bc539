//! README: every command in it, typed in its order into one shell, with real programs; and every link leads somewhere.

#![expect(
    clippy::unwrap_used,
    reason = "a test ends where something is not as it should be"
)]

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use botswain_device::tree::Tree;
use botswain_tests::crm::Records;
use botswain_tests::demo::door::Door;
use botswain_tests::demo::programs::Programs;
use botswain_tests::demo::screen::Screen;

/// How long one block may take on a busy machine.
const BLOCK: Duration = Duration::from_secs(400);
/// What is printed when a block is through.
const THROUGH: &str = "-- the block is through --";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .canonicalize()
        .unwrap()
}

fn readme() -> String {
    std::fs::read_to_string(root().join("README.md")).unwrap()
}

/// The shell blocks, in their order.
fn blocks(text: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    let mut block: Option<String> = None;
    for line in text.lines() {
        match &mut block {
            None if line == "```sh" => block = Some(String::new()),
            None => {}
            Some(_) if line == "```" => blocks.extend(block.take()),
            Some(text) => {
                text.push_str(line);
                text.push('\n');
            }
        }
    }
    blocks
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// A person's shell: what is typed changes its folder and variables for what is typed later.
struct Shell {
    input: ChildStdin,
    output: Receiver<String>,
    log: PathBuf,
    // The programs that were left running end with it.
    _tree: Tree,
}

impl Shell {
    fn open(folder: &Path, configure: impl FnOnce(&mut Command)) -> Shell {
        let log = folder.join("typed.log");
        let errors = std::fs::File::create(&log).unwrap();
        let mut command = Command::new("bash");
        command
            .args(["--noprofile", "--norc", "-eu"])
            .current_dir(root())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(errors);
        configure(&mut command);
        let mut tree = Tree::spawn(&mut command).unwrap();
        let input = tree.child().stdin.take().unwrap();
        let lines = BufReader::new(tree.child().stdout.take().unwrap()).lines();
        let (tell, output) = channel();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                if tell.send(line).is_err() {
                    return;
                }
            }
        });
        Shell {
            input,
            output,
            log,
            _tree: tree,
        }
    }

    /// Types a block and gives what it printed.
    fn types(&mut self, block: &str) -> String {
        writeln!(self.input, "{block}\necho '{THROUGH}'").unwrap();
        self.input.flush().unwrap();
        let end = Instant::now() + BLOCK;
        let mut printed = String::new();
        loop {
            let left = end.saturating_duration_since(Instant::now());
            match self.output.recv_timeout(left) {
                Ok(line) if line == THROUGH => return printed,
                Ok(line) => {
                    printed.push_str(&line);
                    printed.push('\n');
                }
                Err(_) => panic!(
                    "this failed, or took too long:\n{block}\n{printed}\n{}",
                    std::fs::read_to_string(&self.log).unwrap()
                ),
            }
        }
    }

    /// Types a block whose last line is a program that stays, as in a terminal of its own.
    fn leaves_running(&mut self, name: &str, block: &str) {
        let block = block.trim_end();
        self.types(&format!(
            "{block} >>'{}' 2>&1 &\n{name}=$!",
            self.log.display()
        ));
    }
}

/// Looks until there is an answer.
async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let end = Instant::now() + BLOCK;
    let mut tick = tokio::time::interval(Duration::from_millis(50));
    loop {
        tick.tick().await;
        if let Some(answer) = look().await {
            return answer;
        }
        assert!(Instant::now() < end, "{what} did not come");
    }
}

#[tokio::test]
async fn every_command_of_the_readme_works_in_its_order() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().canonicalize().unwrap();
    let programs = Programs::of_the_test().unwrap();
    let screen = Screen::virtual_one(&folder).unwrap();
    let (crm, http, agents) = (free_port(), free_port(), free_port());
    let door = Door::at(&format!("127.0.0.1:{http}")).unwrap();
    let mut shell = Shell::open(&folder, |command| {
        command
            .env("DISPLAY", screen.display())
            .env("BOTSWAIN_URL", door.url())
            .env("BOTSWAIN_HTTP_PORT", http.to_string())
            .env("BOTSWAIN_GRPC_PORT", "0")
            .env("BOTSWAIN_AGENTS_PORT", agents.to_string());
    });
    let place = folder.join("demo").display().to_string();
    let here = |block: &str| {
        block
            .replace(
                "$PWD/target/release",
                &programs.folder().display().to_string(),
            )
            .replace("/var/tmp/botswain-demo", &place)
            .replace("8095", &crm.to_string())
            .replace("26511", &agents.to_string())
    };
    // What was recorded for one place is for this one.
    let adapt = format!(
        "find '{place}' -type f -exec sed -i 's#/var/tmp/botswain-demo#{place}#g; s#127.0.0.1:8095#127.0.0.1:{crm}#g' {{}} +"
    );
    let makefile = std::fs::read_to_string(root().join("Makefile")).unwrap();
    let mut serving = false;
    let mut printed = String::new();
    for block in blocks(&readme()) {
        let (makes, typed): (Vec<&str>, Vec<&str>) =
            block.lines().partition(|line| line.starts_with("make "));
        for line in makes {
            // Building is done, and the demo has a test of its own.
            let target = line.trim_start_matches("make ");
            assert!(makefile.contains(&format!("\n{target}:")), "{line}");
        }
        let block = here(&typed.join("\n"));
        let last = block.lines().last().unwrap_or_default().to_owned();
        if last.starts_with("legacy-crm ") {
            shell.leaves_running("crm", &block);
            until("the CRM", async || {
                TcpStream::connect(("127.0.0.1", crm)).ok()
            })
            .await;
        } else if last.starts_with("botswain serve ") {
            if serving {
                shell.types("kill \"$coordinator\"; wait \"$coordinator\"");
            }
            serving = true;
            shell.leaves_running("coordinator", &block);
            until("the coordinator", async || door.get("/health").await.ok()).await;
        } else if last.starts_with("botswain-agent run ") {
            shell.leaves_running("agent", &block);
            until("the agent", async || {
                let agents = door.get("/botswain/v1/agents").await.ok()?;
                (agents["items"][0]["state"] == "CONNECTED").then_some(())
            })
            .await;
        } else {
            printed.push_str(&shell.types(&block));
            if block.contains("cp -r tests/demo/. ") {
                shell.types(&adapt);
            }
        }
    }

    assert!(printed.contains("\"score\": 0"), "{printed}");
    assert!(printed.contains("connector:crm-api"), "{printed}");
    let ada = until("Ada's instance", async || {
        let filter = serde_json::json!({"filter": {"businessId": "ONB-0001"}});
        let found = door
            .post("/v2/process-instances/search", &filter)
            .await
            .unwrap();
        let ada = found["items"][0].clone();
        (ada["state"] == "COMPLETED").then_some(ada)
    })
    .await;
    assert_eq!(ada["processDefinitionVersion"], 1);
    let records = Records::read(&folder.join("demo/crm")).unwrap();
    let mut names: Vec<&str> = records
        .customers
        .iter()
        .map(|one| one.name.as_str())
        .collect();
    names.sort_unstable();
    assert_eq!(names, ["Ada Lovelace", "Grace Hopper"]);
}

#[test]
fn every_link_of_the_readme_leads_somewhere() {
    let text = readme();
    let mut links = 0;
    for part in text.split("](").skip(1) {
        let link = part.split(')').next().unwrap();
        assert!(root().join(link).exists(), "{link}");
        links += 1;
    }
    assert!(links > 5, "{links}");
}

#[test]
fn commands_in_the_readme_stand_in_blocks_for_a_shell() {
    assert_eq!(
        blocks("a\n```sh\nb\nc\n```\nd\n```toml\ne\n```\n"),
        ["b\nc\n"]
    );
}
