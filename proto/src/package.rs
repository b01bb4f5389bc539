//! Bot packages: what a bot consists of, as a folder, as bytes on a wire, and by its content address.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

mod keys;
mod manifest;
mod packed;

pub use manifest::{Driver, Effect, FolderNeed, Limits, Manifest, Needs, ProgramNeed};

/// The file that describes the bot.
pub const MANIFEST: &str = "bot.toml";
/// The steps of a browser bot, as the DevTools Recorder exported them.
pub const RECORDING: &str = "recording.json";
/// What binds a recording to inputs, outputs, secrets and the commit point.
pub const OVERLAY: &str = "overlay.toml";
/// The steps of a desktop or device bot.
pub const STEPS: &str = "steps.toml";

/// The most bytes that a package may have.
pub const PACKAGE_BYTES_MAX: usize = 32 << 20;
/// The most files that a package may have.
pub const FILES_MAX: usize = 200;
/// The most bytes of a file that is read as text: manifest, steps, overlay, recording.
pub const TEXT_BYTES_MAX: usize = 4 << 20;
const PATH_BYTES_MAX: usize = 200;
const PATH_DEPTH_MAX: usize = 8;
const PROBLEMS_MAX: usize = 100;

/// One thing that is wrong with a package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// The file, relative to the package's folder.
    pub file: String,
    /// The key inside the file, where there is one.
    pub key: Option<String>,
    /// What was found.
    pub message: String,
    /// What to do about it.
    pub remedy: String,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.file)?;
        if let Some(key) = &self.key {
            write!(f, ", {key}")?;
        }
        write!(f, ": {}; {}", self.message, self.remedy)
    }
}

/// Everything that is wrong with a package, at once.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct PackageError {
    /// The problems, in the order of the files; never empty.
    pub problems: Vec<Problem>,
}

impl std::fmt::Display for PackageError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}

/// Collects problems, so that a bot's author sees all of them and not the first one.
#[derive(Default)]
struct Problems(Vec<Problem>);

impl Problems {
    fn add(
        &mut self,
        file: &str,
        key: &str,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        if self.0.len() < PROBLEMS_MAX {
            self.0.push(Problem {
                file: file.to_owned(),
                key: (!key.is_empty()).then(|| key.to_owned()),
                message: message.into(),
                remedy: remedy.into(),
            });
        }
    }

    fn into_result(self) -> Result<(), PackageError> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(PackageError { problems: self.0 })
        }
    }
}

/// A bot whose files were checked: its manifest is complete and the files its driver wants are there.
#[derive(Debug, Clone, PartialEq)]
pub struct Package {
    manifest: Manifest,
    files: BTreeMap<String, Vec<u8>>,
}

impl Package {
    /// Checks the files of a package's folder, by their path inside it with `/` between the parts.
    pub fn from_files(files: BTreeMap<String, Vec<u8>>) -> Result<Self, PackageError> {
        let mut problems = Problems::default();
        check_sizes(&files, &mut problems);
        check_paths(&files, &mut problems);
        let manifest = match text(&files, MANIFEST, &mut problems) {
            Found::Text(source) => manifest::parse(source, &mut problems),
            Found::Missing => {
                problems.add(
                    MANIFEST,
                    "",
                    "the file is missing",
                    "describe the bot there: name, version, driver, effect, [input], [output]",
                );
                None
            }
            Found::Unreadable => None,
        };
        if let Some(manifest) = &manifest {
            check_steps(manifest.driver, &files, &mut problems);
        }
        problems.into_result()?;
        let manifest = manifest.expect("a manifest without problems was read");
        Ok(Self { manifest, files })
    }

    /// Reads what `pack` wrote, and checks it again, because it comes from outside.
    pub fn unpack(bytes: &[u8]) -> Result<Self, PackageError> {
        Self::from_files(packed::unpack(bytes)?)
    }

    /// The same bytes for the same files, always.
    pub fn pack(&self) -> Vec<u8> {
        packed::pack(&self.files)
    }

    /// The package's content address: SHA-256 of its packed bytes, in hexadecimal.
    pub fn digest(&self) -> String {
        digest(&self.pack())
    }

    /// What the bot says about itself.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The content of one file.
    pub fn file(&self, path: &str) -> Option<&[u8]> {
        self.files.get(path).map(Vec::as_slice)
    }

    /// All files, by path.
    pub fn files(&self) -> &BTreeMap<String, Vec<u8>> {
        &self.files
    }
}

/// SHA-256 of packed bytes, in hexadecimal; compared before anything is unpacked.
pub fn digest(packed: &[u8]) -> String {
    hex::encode(Sha256::digest(packed))
}

fn check_sizes(files: &BTreeMap<String, Vec<u8>>, problems: &mut Problems) {
    if files.len() > FILES_MAX {
        problems.add(
            "the package",
            "",
            format!("{} files, at most {FILES_MAX} are allowed", files.len()),
            "remove what the bot does not need to run",
        );
    }
    let bytes = packed::size(files);
    if bytes > PACKAGE_BYTES_MAX {
        problems.add(
            "the package",
            "",
            format!("{bytes} bytes, at most {PACKAGE_BYTES_MAX} are allowed"),
            "remove what the bot does not need to run",
        );
    }
}

fn check_paths(files: &BTreeMap<String, Vec<u8>>, problems: &mut Problems) {
    let mut folded: BTreeMap<String, &str> = BTreeMap::new();
    for path in files.keys() {
        if let Err(message) = check_path(path) {
            problems.add(
                &shown(path),
                "",
                message,
                "use relative names of letters, digits, '.', '_' and '-', with '/' between folders",
            );
            continue;
        }
        // Agents also run where file names ignore case.
        if let Some(other) = folded.insert(path.to_ascii_lowercase(), path) {
            problems.add(
                path,
                "",
                format!("differs from {other} only in upper and lower case"),
                "rename one of the two",
            );
        }
    }
    for path in folded.keys() {
        let parents = path.match_indices('/').map(|(at, _)| &path[..at]);
        for parent in parents {
            if folded.contains_key(parent) {
                problems.add(
                    parent,
                    "",
                    "is a file and a folder at once",
                    "rename one of the two",
                );
            }
        }
    }
}

fn check_path(path: &str) -> Result<(), String> {
    if path.is_empty() || path.len() > PATH_BYTES_MAX {
        return Err(format!(
            "a path has 1 to {PATH_BYTES_MAX} bytes, this one {}",
            path.len()
        ));
    }
    if path.split('/').count() > PATH_DEPTH_MAX {
        return Err(format!("more than {PATH_DEPTH_MAX} folders deep"));
    }
    for part in path.split('/') {
        let plain = part
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
        if part.is_empty() || part == "." || part == ".." || !plain || part.ends_with('.') {
            return Err(format!("the part {part:?} is not a plain file name"));
        }
        let stem = part.split('.').next().unwrap_or_default();
        let device = ["con", "prn", "aux", "nul"]
            .iter()
            .any(|name| stem.eq_ignore_ascii_case(name));
        if device {
            return Err(format!("the part {part:?} names a device on Windows"));
        }
    }
    Ok(())
}

fn shown(path: &str) -> String {
    let short: String = path.chars().take(80).collect();
    short.escape_debug().to_string()
}

enum Found<'f> {
    Text(&'f str),
    Missing,
    Unreadable,
}

fn text<'f>(
    files: &'f BTreeMap<String, Vec<u8>>,
    path: &str,
    problems: &mut Problems,
) -> Found<'f> {
    let Some(bytes) = files.get(path) else {
        return Found::Missing;
    };
    if bytes.len() > TEXT_BYTES_MAX {
        problems.add(
            path,
            "",
            format!(
                "{} bytes, at most {TEXT_BYTES_MAX} are allowed",
                bytes.len()
            ),
            "split the bot into smaller ones",
        );
        return Found::Unreadable;
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => Found::Text(text),
        Err(error) => {
            problems.add(
                path,
                "",
                format!("not UTF-8 from byte {} on", error.valid_up_to()),
                "save the file as UTF-8",
            );
            Found::Unreadable
        }
    }
}

fn check_steps(driver: Driver, files: &BTreeMap<String, Vec<u8>>, problems: &mut Problems) {
    let (wanted, unwanted) = match driver {
        Driver::Browser => (RECORDING, STEPS),
        Driver::Desktop | Driver::Device => (STEPS, RECORDING),
    };
    match text(files, wanted, problems) {
        Found::Text(source) if wanted == RECORDING => check_json(source, problems),
        Found::Text(source) => check_toml(wanted, source, problems),
        Found::Missing => problems.add(
            wanted,
            "",
            format!("a {} bot needs this file", driver.word()),
            match driver {
                Driver::Browser => "export the recording from the DevTools Recorder as JSON",
                Driver::Desktop | Driver::Device => "list the bot's steps there",
            },
        ),
        Found::Unreadable => {}
    }
    if files.contains_key(unwanted) {
        problems.add(
            unwanted,
            "",
            format!("a {} bot has no such file", driver.word()),
            format!("remove it, or change driver in {MANIFEST}"),
        );
    }
    match text(files, OVERLAY, problems) {
        Found::Text(source) if driver == Driver::Browser => check_toml(OVERLAY, source, problems),
        Found::Text(_) => problems.add(
            OVERLAY,
            "",
            "only a browser bot has an overlay",
            format!("bind inputs and outputs in {STEPS}"),
        ),
        Found::Missing | Found::Unreadable => {}
    }
}

fn check_json(source: &str, problems: &mut Problems) {
    match serde_json::from_str::<Value>(source) {
        Ok(Value::Object(_)) => {}
        Ok(_) => problems.add(
            RECORDING,
            "",
            "not a JSON object",
            "export the recording from the DevTools Recorder as JSON",
        ),
        Err(error) => problems.add(
            RECORDING,
            "",
            format!("not JSON: {error}"),
            "export the recording from the DevTools Recorder as JSON",
        ),
    }
}

fn check_toml(path: &str, source: &str, problems: &mut Problems) {
    if let Err(error) = toml::from_str::<toml::Table>(source) {
        problems.add(
            path,
            "",
            manifest::toml_error(source, &error),
            "correct the file",
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOT: &str = r#"
name = "crm-add-customer"
version = 1
driver = "browser"
effect = "at_most_once"

[input]
type = "object"
required = ["name"]
properties.name.type = "string"

[output]
type = "object"
"#;

    fn files(list: &[(&str, &str)]) -> BTreeMap<String, Vec<u8>> {
        list.iter()
            .map(|(path, content)| ((*path).to_owned(), content.as_bytes().to_vec()))
            .collect()
    }

    fn bot() -> Package {
        Package::from_files(files(&[
            (MANIFEST, BOT),
            (RECORDING, r#"{"title": "t", "steps": []}"#),
            ("img/logo.png", "png"),
        ]))
        .unwrap()
    }

    fn check(list: &[(&str, &str)], expected: &str) {
        let found = Package::from_files(files(list)).unwrap_err().to_string();
        assert_eq!(found, expected);
    }

    #[test]
    fn the_same_files_have_the_same_bytes_and_address() {
        let package = bot();
        let packed = package.pack();
        assert_eq!(Package::unpack(&packed).unwrap(), package);
        assert_eq!(package.digest(), digest(&packed));
        assert_eq!(&package.digest()[..16], "a694ce35bfcb30a2");
    }

    #[test]
    fn one_changed_byte_is_another_bot() {
        let mut changed = files(&[(MANIFEST, BOT), (RECORDING, "{}"), ("a", "1")]);
        let one = Package::from_files(changed.clone()).unwrap().digest();
        changed.insert("a".to_owned(), b"2".to_vec());
        assert_ne!(one, Package::from_files(changed).unwrap().digest());
    }

    #[test]
    fn paths_that_leave_the_folder_are_refused() {
        for path in [
            "../x",
            "/etc/passwd",
            "a/../b",
            "a//b",
            "c:\\x",
            "a\\b",
            "",
            ".",
            "a/",
            "nul.txt",
            "ä",
            "x.",
        ] {
            let found =
                Package::from_files(files(&[(MANIFEST, BOT), (RECORDING, "{}"), (path, "")]));
            assert!(found.is_err(), "{path}");
        }
    }

    #[test]
    fn files_that_meet_on_other_systems_are_refused() {
        check(
            &[(MANIFEST, BOT), (RECORDING, "{}"), ("A", ""), ("a/b", "")],
            "a: is a file and a folder at once; rename one of the two",
        );
        check(
            &[(MANIFEST, BOT), (RECORDING, "{}"), ("A", ""), ("a", "")],
            "a: differs from A only in upper and lower case; rename one of the two",
        );
    }

    #[test]
    fn a_package_has_a_limit_in_files_and_bytes() {
        let many: BTreeMap<String, Vec<u8>> = (0..=FILES_MAX)
            .map(|n| (format!("f{n}"), Vec::new()))
            .collect();
        assert!(
            Package::from_files(many)
                .unwrap_err()
                .to_string()
                .contains("at most 200")
        );
        let big = BTreeMap::from([("big".to_owned(), vec![0; PACKAGE_BYTES_MAX])]);
        assert!(
            Package::from_files(big)
                .unwrap_err()
                .to_string()
                .contains("at most 33554432")
        );
    }

    #[test]
    fn a_folder_without_its_files_says_which_ones_it_wants() {
        check(
            &[],
            "bot.toml: the file is missing; describe the bot there: name, version, driver, effect, [input], [output]",
        );
        check(
            &[(MANIFEST, BOT)],
            "recording.json: a browser bot needs this file; export the recording from the DevTools Recorder as JSON",
        );
        check(
            &[
                (MANIFEST, BOT),
                (RECORDING, "{"),
                (STEPS, ""),
                (OVERLAY, "a = "),
            ],
            r#"recording.json: not JSON: EOF while parsing an object at line 1 column 1; export the recording from the DevTools Recorder as JSON
steps.toml: a browser bot has no such file; remove it, or change driver in bot.toml
overlay.toml: line 1, column 5: string values must be quoted, expected literal string; correct the file"#,
        );
    }
}
