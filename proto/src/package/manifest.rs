//! The manifest, bot.toml: what a bot says about itself, and every problem of that file at once.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::keys::Keys;
use super::{MANIFEST, Problems};

const RUN_SECONDS_DEFAULT: u64 = 300;
const STEP_SECONDS_DEFAULT: u64 = 10;

/// Which part of the bot layer runs the bot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Driver {
    /// A web browser of the bot's own.
    Browser,
    /// The clerk's screen, mouse and keyboard.
    Desktop,
    /// Commands, files, services and buses of the machine.
    Device,
}

impl Driver {
    /// The word that stands for it in a manifest.
    pub fn word(self) -> &'static str {
        match self {
            Self::Browser => "browser",
            Self::Desktop => "desktop",
            Self::Device => "device",
        }
    }
}

/// What a repetition of the bot would do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// Changes nothing outside.
    Pure,
    /// A repetition leaves the outside as one run does.
    Idempotent,
    /// The outside can be asked whether it happened.
    Checkable,
    /// Never runs again once its commit point was reached.
    AtMostOnce,
}

/// A program that the bot starts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProgramNeed {
    /// Absolute path, or a name for the search path.
    pub path: String,
    /// Its arguments; empty when the steps decide.
    pub args: Vec<String>,
}

/// A folder or file that the bot uses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FolderNeed {
    /// Absolute path.
    pub path: String,
    /// True when the bot writes there.
    pub write: bool,
}

/// What of the machine the bot uses besides its driver.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Needs {
    /// Hosts beside those of its steps: `name`, `name:port`, `*.name`.
    pub hosts: Vec<String>,
    /// Programs.
    pub programs: Vec<ProgramNeed>,
    /// Folders and files.
    pub folders: Vec<FolderNeed>,
    /// Device files.
    pub devices: Vec<String>,
}

/// Time limits of the bot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// How long one run may take.
    pub run_seconds: u64,
    /// How long one step may take where the step itself does not say.
    pub step_seconds: u64,
}

/// What a bot says about itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// The bot's name, as routes use it.
    pub name: String,
    /// The bot's version; `1` and `"1"` are the same.
    pub version: String,
    /// One sentence for people.
    pub description: String,
    /// Who runs it.
    pub driver: Driver,
    /// What a repetition would do.
    pub effect: Effect,
    /// Names of the secrets that one attempt is given.
    pub secrets: Vec<String>,
    /// What of the machine it uses.
    pub needs: Needs,
    /// Time limits.
    pub limits: Limits,
    /// JSON Schema of the input object.
    pub input: Value,
    /// JSON Schema of the output object.
    pub output: Value,
}

/// Says where a TOML error is, in lines and columns.
pub(super) fn toml_error(source: &str, error: &toml::de::Error) -> String {
    let message = error.message().lines().collect::<Vec<_>>().join(", ");
    let Some(before) = error.span().and_then(|span| source.get(..span.start)) else {
        return message;
    };
    let line = before.matches('\n').count() + 1;
    let column = before
        .rsplit('\n')
        .next()
        .unwrap_or_default()
        .chars()
        .count()
        + 1;
    format!("line {line}, column {column}: {message}")
}

pub(super) fn parse(source: &str, problems: &mut Problems) -> Option<Manifest> {
    let table = match toml::from_str::<toml::Table>(source) {
        Ok(table) => table,
        Err(error) => {
            problems.add(MANIFEST, "", toml_error(source, &error), "correct the file");
            return None;
        }
    };
    let mut keys = Keys {
        table,
        place: String::new(),
        problems,
    };
    let name = keys.name("name");
    let version = keys.version();
    let description = keys.text_or("description", "");
    let driver = keys.word("driver", &["browser", "desktop", "device"]);
    let effect = keys.word(
        "effect",
        &["pure", "idempotent", "checkable", "at_most_once"],
    );
    let secrets = keys.texts("secrets");
    let needs = keys.table("needs").map(needs).unwrap_or_default();
    let limits = keys.table("limits").map_or(
        Limits {
            run_seconds: RUN_SECONDS_DEFAULT,
            step_seconds: STEP_SECONDS_DEFAULT,
        },
        limits,
    );
    let input = keys.schema("input");
    let output = keys.schema("output");
    keys.refuse_rest();
    Some(Manifest {
        name: name?,
        version: version?,
        description,
        driver: match driver? {
            0 => Driver::Browser,
            1 => Driver::Desktop,
            _ => Driver::Device,
        },
        effect: match effect? {
            0 => Effect::Pure,
            1 => Effect::Idempotent,
            2 => Effect::Checkable,
            _ => Effect::AtMostOnce,
        },
        secrets,
        needs,
        limits,
        input: input?,
        output: output?,
    })
}

fn needs(mut keys: Keys<'_>) -> Needs {
    let needs = Needs {
        hosts: keys.texts("hosts"),
        programs: keys.tables("programs", |keys| {
            let path = keys.text("path");
            let args = keys.texts("args");
            Some(ProgramNeed { path: path?, args })
        }),
        folders: keys.tables("folders", |keys| {
            let path = keys.text("path");
            let write = keys.flag("write");
            Some(FolderNeed { path: path?, write })
        }),
        devices: keys.texts("devices"),
    };
    keys.refuse_rest();
    needs
}

fn limits(mut keys: Keys<'_>) -> Limits {
    let limits = Limits {
        run_seconds: keys.seconds("run_seconds", RUN_SECONDS_DEFAULT),
        step_seconds: keys.seconds("step_seconds", STEP_SECONDS_DEFAULT),
    };
    keys.refuse_rest();
    limits
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::package::PackageError;

    fn check(source: &str, expected: &str) {
        let mut problems = Problems::default();
        let manifest = parse(source, &mut problems);
        let found = match problems.into_result() {
            Ok(()) => format!("{:#?}", manifest.unwrap()),
            Err(error @ PackageError { .. }) => error.to_string(),
        };
        assert_eq!(found, expected);
    }

    #[test]
    fn a_manifest_says_what_the_bot_is_and_needs() {
        check(
            r#"
name = "print-card"
version = "1.2.0"
driver = "device"
effect = "idempotent"
secrets = ["pin"]
[needs]
hosts = ["printer:631"]
programs = [{ path = "/usr/bin/lp", args = ["-d", "cards"] }]
folders = [{ path = "/srv/cards", write = true }]
[limits]
run_seconds = 30
[input]
type = "object"
[output]
type = "object"
"#,
            r#"Manifest {
    name: "print-card",
    version: "1.2.0",
    description: "",
    driver: Device,
    effect: Idempotent,
    secrets: [
        "pin",
    ],
    needs: Needs {
        hosts: [
            "printer:631",
        ],
        programs: [
            ProgramNeed {
                path: "/usr/bin/lp",
                args: [
                    "-d",
                    "cards",
                ],
            },
        ],
        folders: [
            FolderNeed {
                path: "/srv/cards",
                write: true,
            },
        ],
        devices: [],
    },
    limits: Limits {
        run_seconds: 30,
        step_seconds: 10,
    },
    input: Object {
        "type": String("object"),
    },
    output: Object {
        "type": String("object"),
    },
}"#,
        );
    }

    #[test]
    fn every_problem_is_named_at_once() {
        check(
            r#"
name = "Print Card"
version = true
driver = "robot"
effekt = "pure"
secrets = "pin"
[needs]
hosts = [1]
programs = [{ args = [] }]
[limits]
run_seconds = 0
[input]
type = "array"
[output]
type = "object"
default = 2026-01-01
"#,
            r#"bot.toml, name: "Print Card" is not a bot's name; use up to 100 small letters, digits, '.', '_' and '-', a letter first
bot.toml, version: true or false found, a number or text expected; write version = 1 or version = "1.2.0"
bot.toml, driver: "robot" is not known; use one of: browser, desktop, device
bot.toml, effect: the key is missing; use one of: pure, idempotent, checkable, at_most_once
bot.toml, secrets: a text found, a list expected; write it in square brackets
bot.toml, needs.hosts: a whole number found, only texts expected; write each entry in quotes
bot.toml, needs.programs[0].path: the key is missing; add it, as a text in quotes
bot.toml, limits.run_seconds: not a whole number from 1 to 86400; give the limit in seconds
bot.toml, input: the schema is not one of an object; write type = "object" and its properties
bot.toml, output: 2026-01-01 is a date without quotes; use what JSON Schema knows
bot.toml, effekt: the key is not known; correct its spelling or remove it"#,
        );
    }

    #[test]
    fn a_broken_manifest_names_line_and_column() {
        check(
            "name = \"x\"\nversion = \n",
            "bot.toml: line 2, column 11: string values must be quoted, expected literal string; correct the file",
        );
    }

    #[test]
    fn a_schema_without_end_is_refused() {
        let deep = format!("{}1{}", "{a=".repeat(60), "}".repeat(60));
        let mut problems = Problems::default();
        parse(
            &format!("[input]\ntype = \"object\"\nx = {deep}"),
            &mut problems,
        );
        assert!(
            problems
                .0
                .iter()
                .any(|problem| problem.message.contains("more than 32 deep")),
            "{:?}",
            problems.0
        );
        let deeper = format!("x = {}1{}", "[".repeat(100_000), "]".repeat(100_000));
        check(
            &deeper,
            "bot.toml: line 1, column 85: cannot recurse further; max recursion depth met; correct the file",
        );
    }
}
