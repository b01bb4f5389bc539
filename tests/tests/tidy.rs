//! Tidy: what review would complain about, found by a test: layers, purity, sizes, sleeps, leftovers, licences, links.

use regex::Regex;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The most lines of a source file: more than one question is being answered there.
const LINES_MAX: usize = 600;

/// Which crates of the house each crate may use. Dependencies run one way; `coordinator` and `agent` meet only in `proto`.
const LAYERS: [(&str, &[&str]); 12] = [
    ("botswain-proto", &[]),
    ("botswain-feel", &[]),
    ("botswain-bpmn", &[]),
    ("botswain-engine", &["botswain-bpmn", "botswain-feel"]),
    ("botswain-store", &["botswain-engine"]),
    ("botswain-connectors", &["botswain-feel"]),
    (
        "botswain",
        &[
            "botswain-bpmn",
            "botswain-connectors",
            "botswain-engine",
            "botswain-feel",
            "botswain-proto",
            "botswain-store",
        ],
    ),
    ("botswain-action", &[]),
    ("botswain-browser", &["botswain-action"]),
    ("botswain-device", &["botswain-action"]),
    ("botswain-desktop", &["botswain-action", "botswain-device"]),
    (
        "botswain-agent",
        &[
            "botswain-action",
            "botswain-browser",
            "botswain-desktop",
            "botswain-device",
            "botswain-proto",
        ],
    ),
];

/// Crates that decide and never wait, with the folders of their sources.
const PURE: [(&str, &str); 4] = [
    ("botswain-engine", "coordinator/engine/src"),
    ("botswain-feel", "coordinator/feel/src"),
    ("botswain-bpmn", "coordinator/bpmn/src"),
    ("botswain-action", "bots/action/src"),
];

/// What a crate that decides has no use for.
const IMPURE: [&str; 14] = [
    "axum",
    "futures-util",
    "hyper",
    "hyper-util",
    "libc",
    "nix",
    "postgres",
    "rand",
    "reqwest",
    "rusqlite",
    "rustls",
    "thirtyfour",
    "tokio",
    "tonic",
];

/// Files of pure crates that read a clock, and why.
const CLOCKS: [(&str, &str); 2] = [
    (
        "bots/action/src/attempt.rs",
        "an action asks how much time its attempt has left; it never waits",
    ),
    (
        "coordinator/engine/src/properties/children.rs",
        "a test tells how fast history is read back",
    ),
];

/// Test files in which something sleeps, and why.
const SLEEPS: [(&str, &str); 1] = [(
    "bots/browser/tests/browser/harness.rs",
    "a page that never answers: the test waits for the bot's own time limit",
)];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// All files of the project, by their paths from its root, without what is built, installed or hidden.
fn files() -> Vec<(String, PathBuf)> {
    let root = root();
    let mut open = vec![root.clone()];
    let mut files = Vec::new();
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let (path, name) = (entry.path(), entry.file_name());
            let name = name.to_string_lossy();
            let skipped = ["target", "node_modules", "dist"].contains(&name.as_ref());
            if path.is_dir() {
                if !skipped && (!name.starts_with('.') || name == ".ci" || name == ".cargo") {
                    open.push(path);
                }
            } else {
                let local = path.strip_prefix(&root).expect("it is below the root");
                let local = local.to_string_lossy().replace('\\', "/");
                files.push((local, path));
            }
        }
    }
    files.sort();
    files
}

/// The texts of all files whose names end so.
fn texts(end: &str) -> Vec<(String, String)> {
    files()
        .into_iter()
        .filter(|(name, _)| name.ends_with(end))
        .filter_map(|(name, path)| Some((name, std::fs::read_to_string(path).ok()?)))
        .collect()
}

#[track_caller]
fn prove_none(what: &str, found: &[String]) {
    assert!(found.is_empty(), "{what}:\n{}", found.join("\n"));
}

/// A crate's manifest, as far as layers need it.
struct Manifest {
    file: String,
    name: String,
    /// What the crate uses when it runs and when it is tested.
    uses: BTreeSet<String>,
    /// What it uses when it runs.
    runs_with: BTreeSet<String>,
    text: String,
}

fn manifests() -> Vec<Manifest> {
    let mut all = Vec::new();
    for (file, text) in texts("Cargo.toml") {
        if file == "Cargo.toml" || file.contains("/fuzz/") {
            continue;
        }
        let (mut section, mut name) = (String::new(), String::new());
        let (mut uses, mut runs_with) = (BTreeSet::new(), BTreeSet::new());
        for line in text.lines() {
            if let Some(header) = line.strip_prefix('[') {
                section = header.trim_end_matches(']').to_owned();
                continue;
            }
            let Some(key) = line
                .split(['=', '.', ' '])
                .next()
                .filter(|key| !key.is_empty())
            else {
                continue;
            };
            if section == "package" && key == "name" {
                name = line.split('"').nth(1).unwrap_or_default().to_owned();
            }
            if section.ends_with("dependencies") {
                uses.insert(key.to_owned());
                if !section.contains("dev-") {
                    runs_with.insert(key.to_owned());
                }
            }
        }
        all.push(Manifest {
            file,
            name,
            uses,
            runs_with,
            text,
        });
    }
    all
}

#[test]
fn dependencies_run_one_way() {
    let layers: BTreeMap<&str, &[&str]> = LAYERS.into_iter().collect();
    let mut found = Vec::new();
    for manifest in manifests() {
        if manifest.name == "botswain-tests" {
            continue;
        }
        let Some(allowed) = layers.get(manifest.name.as_str()) else {
            found.push(format!(
                "{}: say in LAYERS what the crate may use",
                manifest.file
            ));
            continue;
        };
        for used in &manifest.uses {
            let of_the_house = used == "botswain" || used.starts_with("botswain-");
            if of_the_house && !allowed.contains(&used.as_str()) {
                found.push(format!("{}: must not use {used}", manifest.file));
            }
        }
    }
    prove_none("crates that know too much", &found);
}

#[test]
fn crates_that_decide_neither_wait_nor_read_a_clock() {
    let mut found = Vec::new();
    for manifest in manifests() {
        if PURE.iter().any(|(name, _)| *name == manifest.name) {
            let impure = IMPURE
                .iter()
                .filter(|name| manifest.runs_with.contains(**name));
            found.extend(impure.map(|name| format!("{}: must not use {name}", manifest.file)));
        }
    }
    let clocks = Regex::new(r"\b(SystemTime|Instant|Timestamp|Zoned)::now\b").expect("a pattern");
    let waits = Regex::new(r"\basync (fn|move|\{)|\.await\b|\bsleep\(").expect("a pattern");
    for (file, text) in texts(".rs") {
        if !PURE.iter().any(|(_, folder)| file.starts_with(folder)) {
            continue;
        }
        for (number, line) in (1..).zip(text.lines()) {
            let reads = clocks.is_match(line) && !CLOCKS.iter().any(|(name, _)| *name == file);
            if reads || waits.is_match(line) {
                found.push(format!("{file}:{number}: {}", line.trim()));
            }
        }
    }
    prove_none("crates that decide, and wait or read a clock", &found);
}

#[test]
fn a_file_answers_one_question() {
    let mut found = Vec::new();
    for (file, text) in texts(".rs") {
        let lines = text.lines().count();
        if lines > LINES_MAX {
            found.push(format!("{file}: {lines} lines"));
        }
        let first = text.lines().find(|line| !line.trim().is_empty());
        if !first.is_some_and(|line| line.starts_with("//!") || line.starts_with("#!")) {
            found.push(format!("{file}: its first line says no question (`//! …`)"));
        }
    }
    prove_none("files to split or to introduce", &found);
}

/// The part of a source file that is compiled for tests only.
fn test_part<'t>(file: &str, text: &'t str) -> &'t str {
    let name = file.rsplit('/').next().unwrap_or_default();
    let folder = format!("/{file}");
    let is_test =
        folder[1..].contains("/tests/") || name == "tests.rs" || file.starts_with("tests/tests/");
    if is_test {
        return text;
    }
    text.find("#[cfg(test)]\nmod ").map_or("", |at| &text[at..])
}

#[test]
fn no_test_sleeps() {
    let sleeps = Regex::new(r"\b(thread|time)::sleep\b").expect("a pattern");
    let mut found = Vec::new();
    for (file, text) in texts(".rs") {
        if file == "tests/tests/tidy.rs" || SLEEPS.iter().any(|(name, _)| *name == file) {
            continue;
        }
        let lines = test_part(&file, &text).lines();
        let sleeping = lines.filter(|line| sleeps.is_match(line));
        found.extend(sleeping.map(|line| format!("{file}: {}", line.trim())));
    }
    prove_none("tests that sleep; wait for a condition instead", &found);
}

#[test]
fn nothing_is_left_for_later() {
    let leftovers =
        Regex::new(r"\btodo!|\bunimplemented!|\bFIXME\b|\bTODO\b|\bXXX\b").expect("a pattern");
    let mut found = Vec::new();
    for (file, text) in texts(".rs") {
        if file == "tests/tests/tidy.rs" {
            continue;
        }
        let lines = (1..).zip(text.lines());
        let left = lines.filter(|(_, line)| leftovers.is_match(line));
        found.extend(left.map(|(number, line)| format!("{file}:{number}: {}", line.trim())));
    }
    prove_none("unfinished", &found);
}

#[test]
fn every_crate_has_the_licence() {
    let licence = std::fs::read_to_string(root().join("LICENSE")).unwrap_or_default();
    assert!(
        licence.contains("Apache License"),
        "the licence is in LICENSE"
    );
    let without: Vec<String> = manifests()
        .into_iter()
        .filter(|manifest| !manifest.text.contains("license.workspace = true"))
        .map(|manifest| manifest.file)
        .collect();
    prove_none("manifests without `license.workspace = true`", &without);
}

/// The paths by which this machine would be recognized: the checkout, what it is beside, the build folder and the home.
fn machine() -> Vec<String> {
    let here = root().canonicalize().unwrap_or_default();
    let beside = here.parent().map(Path::to_owned);
    let set = |name| std::env::var_os(name).map(PathBuf::from);
    [Some(here), beside, set("CARGO_TARGET_DIR"), set("HOME")]
        .into_iter()
        .flatten()
        .filter(|path| path.is_absolute() && path.components().count() > 1)
        .map(|path| format!("{}/", path.to_string_lossy().trim_end_matches('/')))
        .collect()
}

#[test]
fn files_name_no_machine() {
    let machine = machine();
    let mut found = Vec::new();
    for end in [
        ".rs", ".toml", ".md", ".sh", ".json", ".txt", ".proto", "Makefile", ".yml",
    ] {
        for (file, text) in texts(end) {
            for (number, line) in (1..).zip(text.lines()) {
                // A longer path may contain a short one, such as a home's: only a path that begins there counts.
                let begins = |path: &String| {
                    line.match_indices(path.as_str()).any(|(at, _)| {
                        !line[..at].ends_with(|c: char| c.is_alphanumeric() || c == '.' || c == '/')
                    })
                };
                if machine.iter().any(begins) {
                    found.push(format!("{file}:{number}: {}", line.trim()));
                }
            }
        }
    }
    prove_none("paths of one machine", &found);
}

#[test]
fn what_is_locked_comes_from_the_public_registries() {
    let allowed = [
        "registry+https://github.com/rust-lang/crates.io-index",
        "https://registry.npmjs.org/",
    ];
    let source = Regex::new(r#"(?:^source = |"resolved": )"([^"]+)""#).expect("a pattern");
    let mut found = Vec::new();
    for name in ["Cargo.lock", "package-lock.json"] {
        for (file, text) in texts(name) {
            let others = text
                .lines()
                .filter_map(|line| source.captures(line.trim_start()))
                .filter(|source| !allowed.iter().any(|start| source[1].starts_with(start)));
            found.extend(others.map(|source| format!("{file}: {}", &source[1])));
        }
    }
    prove_none("packages from elsewhere", &found);
}

#[test]
fn links_lead_somewhere() {
    let link = Regex::new(r"\]\(([^)\s#]+)[^)]*\)").expect("a pattern");
    let mut found = Vec::new();
    for (file, text) in texts("README.md") {
        let folder = root().join(&file);
        let folder = folder.parent().expect("a file is in a folder");
        for target in link.captures_iter(&text) {
            let target = &target[1];
            if !target.contains("://")
                && !target.starts_with("mailto:")
                && !folder.join(target).exists()
            {
                found.push(format!("{file}: {target}"));
            }
        }
    }
    prove_none("links to what is not there", &found);
}

#[test]
fn folders_that_the_readme_names_explain_themselves() {
    // The map of the root README: lines of a table or a list that begin with a folder in code font.
    let Ok(text) = std::fs::read_to_string(root().join("README.md")) else {
        return;
    };
    let folder = Regex::new(r"^(?:\||-|\*)\s*\[?`([a-z][a-z/_-]*)/`").expect("a pattern");
    let found: Vec<String> = text
        .lines()
        .filter_map(|line| folder.captures(line))
        .map(|named| named[1].to_owned())
        .filter(|name| !root().join(name).join("README.md").exists())
        .collect();
    prove_none("folders of the map without a README.md", &found);
}
