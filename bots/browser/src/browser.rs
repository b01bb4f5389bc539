//! The browser: found on this machine, started for one attempt, ended with it.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use thirtyfour::{Capabilities, WebDriver};

use crate::fault::Fault;
use crate::process::Tree;
use crate::wire::Loopback;

const START_LIMIT: Duration = Duration::from_secs(30);
const DRIVER_STARTS_MAX: usize = 5;

const BROWSERS: &[&str] = &[
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "microsoft-edge",
];
const DRIVERS: &[&str] = &["chromedriver", "msedgedriver"];
const FOLDERS: &[&str] = &[
    "/usr/bin",
    "/usr/local/bin",
    "/snap/bin",
    "/opt/google/chrome",
    "/usr/lib/chromium",
];
const POLICY_FOLDERS: &[&str] = &[
    "/etc/chromium/policies/managed",
    "/etc/opt/chrome/policies/managed",
    "/etc/opt/edge/policies/managed",
];

/// How browsers are started on this machine.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The browser; looked for when absent.
    pub browser: Option<PathBuf>,
    /// Its driver; looked for when absent.
    pub driver: Option<PathBuf>,
    /// False shows the window to whoever sits in front of the screen.
    pub headless: bool,
    /// Hosts that lead elsewhere, as `(name:port, name:port)`: for trying a recording against a copy of its pages.
    pub redirect: Vec<(String, String)>,
}

impl Settings {
    /// Takes `BOTSWAIN_BROWSER` and `BOTSWAIN_CHROMEDRIVER` where they are set.
    pub fn from_env() -> Self {
        let path = |name: &str| {
            std::env::var_os(name)
                .filter(|path| !path.is_empty())
                .map(PathBuf::from)
        };
        Self {
            browser: path("BOTSWAIN_BROWSER"),
            driver: path("BOTSWAIN_CHROMEDRIVER"),
            headless: true,
            redirect: Vec::new(),
        }
    }

    /// Says before any attempt whether this machine can run browser bots, and if not, what to do.
    pub fn preflight(&self) -> Result<(), BrowserMissing> {
        Programs::find(self)?;
        blocked_by_policy(POLICY_FOLDERS)
    }
}

/// Why this machine cannot run browser bots.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BrowserMissing {
    /// A program is not installed.
    #[error(
        "no {what} found; install it (Debian: apt-get install chromium chromium-driver) or set {variable}"
    )]
    Program {
        /// Which one.
        what: &'static str,
        /// The environment variable that names it.
        variable: &'static str,
    },
    /// A program that was named is not there.
    #[error("{path} is not a program; correct {variable} or remove it")]
    Named {
        /// The path that was given.
        path: String,
        /// The environment variable that names it.
        variable: &'static str,
    },
    /// The administrator forbids remote control.
    #[error(
        "the browser's policy in {file} sets {policy}; ask the administrator to allow remote debugging for this machine"
    )]
    Policy {
        /// The policy's file.
        file: String,
        /// The policy.
        policy: &'static str,
    },
}

struct Programs {
    browser: PathBuf,
    driver: PathBuf,
}

impl Programs {
    fn find(settings: &Settings) -> Result<Self, BrowserMissing> {
        Ok(Self {
            browser: program(
                settings.browser.as_deref(),
                BROWSERS,
                "Chromium",
                "BOTSWAIN_BROWSER",
            )?,
            driver: program(
                settings.driver.as_deref(),
                DRIVERS,
                "chromedriver",
                "BOTSWAIN_CHROMEDRIVER",
            )?,
        })
    }
}

fn program(
    named: Option<&Path>,
    names: &[&str],
    what: &'static str,
    variable: &'static str,
) -> Result<PathBuf, BrowserMissing> {
    if let Some(path) = named {
        return if path.is_file() {
            Ok(path.to_owned())
        } else {
            Err(BrowserMissing::Named {
                path: path.display().to_string(),
                variable,
            })
        };
    }
    let search = std::env::var_os("PATH").unwrap_or_default();
    let folders: Vec<PathBuf> = std::env::split_paths(&search)
        .chain(FOLDERS.iter().map(PathBuf::from))
        .collect();
    names
        .iter()
        .flat_map(|name| folders.iter().map(move |folder| folder.join(name)))
        .find(|path| path.is_file())
        .ok_or(BrowserMissing::Program { what, variable })
}

/// A browser under such a policy hangs for a minute before it fails, so it is not started at all.
fn blocked_by_policy(folders: &[&str]) -> Result<(), BrowserMissing> {
    for folder in folders {
        let Ok(entries) = std::fs::read_dir(folder) else {
            continue;
        };
        for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
            let Ok(bytes) = std::fs::read(&path) else {
                continue;
            };
            let Ok(policy) = serde_json::from_slice::<Value>(&bytes) else {
                continue;
            };
            let found = if policy["DeveloperToolsAvailability"] == json!(2) {
                "DeveloperToolsAvailability = 2"
            } else if policy["RemoteDebuggingAllowed"] == json!(false) {
                "RemoteDebuggingAllowed = false"
            } else {
                continue;
            };
            return Err(BrowserMissing::Policy {
                file: path.display().to_string(),
                policy: found,
            });
        }
    }
    Ok(())
}

/// A running browser; its processes end when it is dropped.
pub(crate) struct Browser {
    tree: Tree,
    driver: Option<WebDriver>,
}

impl Browser {
    /// Starts a browser with a fresh profile in the folder, which can reach these hosts and no others.
    pub(crate) async fn start(
        settings: &Settings,
        folder: &Path,
        hosts: &[String],
    ) -> Result<Self, Fault> {
        let missing = |error: BrowserMissing| Fault::lasting("browser_missing", error.to_string());
        let programs = Programs::find(settings).map_err(missing)?;
        blocked_by_policy(POLICY_FOLDERS).map_err(missing)?;
        let profile = folder.join("browser-profile");
        std::fs::create_dir_all(&profile).map_err(|error| {
            Fault::passing(
                "browser_start",
                format!("no profile folder {}: {error}", profile.display()),
            )
        })?;
        let failed = |message: String| Fault::passing("browser_start", message);
        let began = Instant::now();
        let (tree, port) = start_driver(&programs.driver, &profile, began + START_LIMIT).await?;
        let capabilities = capabilities(settings, &programs, &profile, hosts);
        let connect = WebDriver::builder(format!("http://127.0.0.1:{port}"), capabilities)
            .client(Loopback { port })
            .connect();
        let driver = tokio::time::timeout(START_LIMIT.saturating_sub(began.elapsed()), connect)
            .await
            .map_err(|_| failed("the browser did not start in time".to_owned()))?
            .map_err(|error| {
                let (_, message, _) = Fault::from(error).told();
                failed(format!(
                    "{} did not start: {message}",
                    programs.browser.display()
                ))
            })?;
        Ok(Self {
            tree,
            driver: Some(driver),
        })
    }

    pub(crate) fn driver(&self) -> WebDriver {
        self.driver
            .clone()
            .expect("the driver is there until the browser ends")
    }

    /// Ends the browser's processes; asking the browser to close politely would only take longer.
    pub(crate) fn end(mut self) {
        self.shut();
    }

    fn shut(&mut self) {
        self.tree.end();
        if let Some(driver) = self.driver.take() {
            // The session died with its processes, there is nothing left to close.
            let _ = driver.leak();
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        self.shut();
    }
}

/// Starts the driver on a free port; the port that it chose may be taken a moment later, so it tries again.
async fn start_driver(program: &Path, profile: &Path, end: Instant) -> Result<(Tree, u16), Fault> {
    let failed = |message: String| Fault::passing("browser_start", message);
    for _ in 0..DRIVER_STARTS_MAX {
        let mut tree = Tree::start(program, &["--port=0".to_owned()], profile)
            .map_err(|error| failed(format!("start {}: {error}", program.display())))?;
        let output = tree.output().expect("the driver's output was asked for");
        let (said, heard) = tokio::sync::oneshot::channel();
        std::thread::spawn(move || {
            // Reading goes on to the end, or the driver would fail to write; the end comes with its processes.
            let mut lines = BufReader::new(output).lines();
            let port = lines
                .by_ref()
                .map_while(Result::ok)
                .find_map(|line| port(&line));
            let _ = said.send(port);
            lines.map_while(Result::ok).for_each(drop);
        });
        match tokio::time::timeout_at(end.into(), heard).await {
            Ok(Ok(Some(port))) => return Ok((tree, port)),
            Ok(_) => {}
            Err(_) => break,
        }
    }
    Err(failed(format!(
        "{} did not say its port",
        program.display()
    )))
}

fn port(line: &str) -> Option<u16> {
    let (_, rest) = line.split_once("successfully on port ")?;
    rest.trim_end_matches('.').trim().parse().ok()
}

fn capabilities(
    settings: &Settings,
    programs: &Programs,
    profile: &Path,
    hosts: &[String],
) -> Capabilities {
    let mut args = vec![
        format!("--user-data-dir={}", profile.display()),
        // The browser ends when the driver does, and no port lets others in.
        "--remote-debugging-pipe".to_owned(),
        // Lets the page script ask for the accessible name that the recorder saw.
        "--enable-blink-features=ComputedAccessibilityInfo".to_owned(),
        format!("--host-resolver-rules={}", resolver_rules(settings, hosts)),
        "--no-proxy-server".to_owned(),
    ];
    args.extend(
        [
            "--disable-gpu",
            "--no-first-run",
            "--no-default-browser-check",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--disable-default-apps",
            "--disable-extensions",
            "--disable-dev-shm-usage",
            "--disable-breakpad",
            "--disable-search-engine-choice-screen",
            "--password-store=basic",
            "--mute-audio",
        ]
        .map(str::to_owned),
    );
    if settings.headless {
        args.push("--headless=new".to_owned());
    }
    if nix::unistd::geteuid().is_root() {
        // The browser refuses its sandbox to root; an agent should run as the clerk.
        args.push("--no-sandbox".to_owned());
    }
    let options = json!({
        "browserName": "chrome",
        // The runner answers dialogs itself, after it has noted what they say.
        "unhandledPromptBehavior": "ignore",
        "acceptInsecureCerts": false,
        "goog:chromeOptions": {
            "binary": programs.browser,
            "args": args,
            "prefs": {
                "credentials_enable_service": false,
                "profile.password_manager_enabled": false,
                "profile.password_manager_leak_detection": false,
                "download.default_directory": profile.join("downloads"),
                "download.prompt_for_download": false,
            },
        },
    });
    match options {
        Value::Object(options) => Capabilities::from(options),
        _ => unreachable!("the literal is an object"),
    }
}

/// Every host that the attempt was not allowed to reach does not exist for its browser.
fn resolver_rules(settings: &Settings, hosts: &[String]) -> String {
    let mut rules: Vec<String> = settings
        .redirect
        .iter()
        .map(|(from, to)| format!("MAP {from} {to}"))
        .collect();
    rules.push("MAP * ~NOTFOUND".to_owned());
    rules.extend(
        hosts
            .iter()
            .filter(|host| !settings.redirect.iter().any(|(from, _)| from == *host))
            .map(|host| format!("EXCLUDE {}", without_port(host))),
    );
    rules.join(", ")
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_is_read_from_what_the_driver_says() {
        assert_eq!(port("Starting ChromeDriver 156 on port 0"), None);
        assert_eq!(
            port("ChromeDriver was started successfully on port 42573."),
            Some(42573)
        );
    }

    #[test]
    fn a_named_program_that_is_not_there_says_which_variable_to_correct() {
        let settings = Settings {
            driver: Some(PathBuf::from("/nowhere/chromedriver")),
            ..Settings::from_env()
        };
        let error = program(
            settings.driver.as_deref(),
            DRIVERS,
            "chromedriver",
            "BOTSWAIN_CHROMEDRIVER",
        )
        .unwrap_err();
        assert_eq!(
            error.to_string(),
            "/nowhere/chromedriver is not a program; correct BOTSWAIN_CHROMEDRIVER or remove it"
        );
    }

    #[test]
    fn a_policy_against_remote_control_is_named_before_the_browser_starts() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().to_str().unwrap();
        assert_eq!(blocked_by_policy(&[path]), Ok(()));
        std::fs::write(
            folder.path().join("p.json"),
            r#"{"DeveloperToolsAvailability": 2}"#,
        )
        .unwrap();
        let message = blocked_by_policy(&[path]).unwrap_err().to_string();
        assert!(
            message.contains("p.json sets DeveloperToolsAvailability = 2"),
            "{message}"
        );
    }
}
