//! Programs: where the built ones are.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use anyhow::Context as _;

/// What the demo starts.
const NAMES: [&str; 3] = ["botswain", "botswain-agent", "legacy-crm"];

/// The folder with `botswain`, `botswain-agent` and `legacy-crm`.
#[derive(Debug, Clone)]
pub struct Programs(PathBuf);

impl Programs {
    /// The programs beside the one that runs.
    pub fn beside_this() -> anyhow::Result<Self> {
        let this = std::env::current_exe().context("find this program")?;
        let folder = this.parent().context("this program has no folder")?;
        for name in NAMES {
            let program = folder.join(name);
            anyhow::ensure!(
                program.is_file(),
                "{} is missing; `make demo` builds everything",
                program.display()
            );
        }
        Ok(Self(folder.to_owned()))
    }

    /// The programs of a test: built once, so that no test runs yesterday's.
    pub fn of_the_test() -> anyhow::Result<Self> {
        static BUILT: OnceLock<Result<PathBuf, String>> = OnceLock::new();
        let built = BUILT.get_or_init(|| build().map_err(|error| format!("{error:#}")));
        built
            .clone()
            .map(Self)
            .map_err(|error| anyhow::anyhow!(error))
    }

    /// Where one of them is.
    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// The folder, for `PATH`.
    pub fn folder(&self) -> &Path {
        &self.0
    }
}

/// Builds them in the profile of this test; what is built already takes no time.
fn build() -> anyhow::Result<PathBuf> {
    // A test runs in PROFILE/deps, the programs lie in PROFILE.
    let this = std::env::current_exe().context("find this program")?;
    let folder = this
        .parent()
        .and_then(Path::parent)
        .context("a test has a folder above it")?;
    let target = folder.parent().context("a profile has a folder above it")?;
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command
        .args(["build", "--quiet", "--locked", "--bins"])
        .args([
            "-p",
            "botswain",
            "-p",
            "botswain-agent",
            "-p",
            "botswain-tests",
        ])
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."))
        .env("CARGO_TARGET_DIR", target);
    if !cfg!(debug_assertions) {
        command.arg("--release");
    }
    let output = command.output().context("run cargo")?;
    anyhow::ensure!(
        output.status.success(),
        "build the programs:\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(folder.to_owned())
}
