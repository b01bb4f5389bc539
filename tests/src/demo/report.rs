//! Report: who did what, how often and how fast, and whether the world outside agrees.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::Context as _;
use comfy_table::{Table, presets};

use super::job::Done;
use crate::crm::{Door, Expected, Records};

/// The job types of the model, in the order in which they are drawn.
const JOB_TYPES: [&str; 4] = [
    "crm.add-customer",
    "card.print",
    "letter.write",
    "crm.confirm",
];

/// One line of the table: a leg of a job type.
#[derive(Debug, Default)]
struct Line {
    holders: BTreeSet<String>,
    outcomes: BTreeMap<String, usize>,
    took_ms: Vec<u64>,
    files: usize,
}

/// Who did what, as a table.
pub fn table(done: &[Done]) -> String {
    let mut lines: BTreeMap<(usize, String, String), Line> = BTreeMap::new();
    for instance in done {
        for attempt in &instance.attempts {
            let order = JOB_TYPES
                .iter()
                .position(|known| *known == attempt.job_type)
                .unwrap_or(JOB_TYPES.len());
            let line = lines
                .entry((order, attempt.job_type.clone(), attempt.leg.clone()))
                .or_default();
            line.holders.extend(attempt.holder.clone());
            *line.outcomes.entry(attempt.ended()).or_default() += 1;
            line.took_ms.extend(attempt.took_ms());
            line.files += instance
                .evidence
                .iter()
                .filter(|file| file.attempt == attempt.attempt)
                .count();
        }
    }
    let mut table = Table::new();
    table.load_style(presets::UTF8_BORDERS_ONLY);
    table.set_header([
        "job type",
        "leg",
        "who",
        "how often",
        "p50",
        "max",
        "evidence",
    ]);
    for ((_, job_type, leg), mut line) in lines {
        line.took_ms.sort_unstable();
        let holders: Vec<String> = line.holders.into_iter().collect();
        let outcomes: Vec<String> = line
            .outcomes
            .iter()
            .map(|(outcome, times)| format!("{times} {outcome}"))
            .collect();
        table.add_row([
            job_type,
            leg,
            holders.join(", "),
            outcomes.join(", "),
            seconds(line.took_ms.get(line.took_ms.len() / 2)),
            seconds(line.took_ms.last()),
            format!("{} files", line.files),
        ]);
    }
    table.to_string()
}

fn seconds(milliseconds: Option<&u64>) -> String {
    milliseconds.map_or_else(String::new, |ms| match ms {
        0..1_000 => format!("{ms} ms"),
        _ => format!("{}.{} s", ms / 1_000, ms % 1_000 / 100),
    })
}

/// What the CRM's own database holds, in one line.
pub fn crm(records: &Records) -> String {
    format!(
        "{} customers: {} by the web form, {} by the API; {} attempts to add one; {} confirmations",
        records.customers.len(),
        records.by_door(Door::Web),
        records.by_door(Door::Api),
        records.attempts.len(),
        records.confirmations.values().sum::<u32>(),
    )
}

/// Every way in which CRM, printer, letters and instances do not agree; none if all is well.
pub fn problems(done: &[Done], records: &Records, folder: &Path) -> anyhow::Result<Vec<String>> {
    let mut problems = Vec::new();
    for instance in done {
        let application = &instance.application;
        let mut wrong = |what: String| {
            problems.push(format!(
                "{} (instance {}): {what}",
                application.reference, instance.instance
            ));
        };
        if instance.state != "COMPLETED" {
            wrong(format!("its state is {}", instance.state));
        }
        if instance.score != Some(u64::from(application.score())) {
            wrong(format!(
                "its score is {:?}, expected {}",
                instance.score,
                application.score()
            ));
        }
        if application.is_accepted() != instance.number.is_some()
            || application.is_accepted() != instance.is_confirmed
        {
            wrong(format!(
                "its customer number is {:?}, confirmed: {}",
                instance.number, instance.is_confirmed
            ));
        }
        if !application.is_accepted() && !instance.attempts.is_empty() {
            wrong("somebody worked for a rejected application".to_owned());
        }
    }
    let expected: Vec<Expected> = done.iter().filter_map(Done::expected).collect();
    problems.extend(
        records
            .differences(&expected)
            .iter()
            .map(ToString::to_string),
    );

    let by = |leg: &str| {
        let all = done.iter().flat_map(|instance| &instance.attempts);
        all.filter(|attempt| attempt.job_type == "crm.add-customer" && attempt.leg.starts_with(leg))
            .filter(|attempt| attempt.has_succeeded())
            .count()
    };
    for (leg, door) in [("bot:", Door::Web), ("connector:", Door::Api)] {
        if by(leg) != records.by_door(door) {
            problems.push(format!(
                "{leg} says {} customers, the CRM says {}",
                by(leg),
                records.by_door(door)
            ));
        }
    }
    let numbers: BTreeMap<&str, usize> = expected
        .iter()
        .filter_map(|one| Some((one.number.as_deref()?, 1)))
        .collect();
    let confirmed: BTreeMap<&str, usize> = records
        .confirmations
        .iter()
        .map(|(number, times)| (number.as_str(), *times as usize))
        .collect();
    let (cards, letters) = (
        numbered(&folder.join("spool"))?,
        numbered(&folder.join("letters"))?,
    );
    for (what, found) in [("cards", &cards), ("letters", &letters)] {
        let found: BTreeMap<&str, usize> = found
            .iter()
            .map(|(number, times)| (number.as_str(), *times))
            .collect();
        compare(what, &numbers, &found, &mut problems);
    }
    compare("confirmations", &numbers, &confirmed, &mut problems);
    Ok(problems)
}

fn compare(
    what: &str,
    expected: &BTreeMap<&str, usize>,
    found: &BTreeMap<&str, usize>,
    problems: &mut Vec<String>,
) {
    let all: BTreeSet<&str> = expected.keys().chain(found.keys()).copied().collect();
    for number in all {
        let (expected, found) = (
            expected.get(number).unwrap_or(&0),
            found.get(number).unwrap_or(&0),
        );
        if expected != found {
            problems.push(format!("{number}: {found} {what}, expected {expected}"));
        }
    }
}

/// How many files a folder holds for each customer number: `C-100001.txt`, `C-100001-x7.card`.
fn numbered(folder: &Path) -> anyhow::Result<BTreeMap<String, usize>> {
    let mut numbers = BTreeMap::new();
    for entry in std::fs::read_dir(folder).with_context(|| format!("read {}", folder.display()))? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        let digits = name.strip_prefix("C-").unwrap_or(&name);
        let end = digits
            .find(|character: char| !character.is_ascii_digit())
            .unwrap_or(digits.len());
        *numbers.entry(format!("C-{}", &digits[..end])).or_default() += 1;
    }
    Ok(numbers)
}

/// Saves all evidence below `folder`, by reference and job type; says how many files that were.
pub async fn save(door: &super::door::Door, done: &[Done], folder: &Path) -> anyhow::Result<usize> {
    let mut files = 0;
    for instance in done {
        for file in &instance.evidence {
            let leg = instance
                .attempts
                .iter()
                .find(|attempt| attempt.attempt == file.attempt);
            let leg = leg
                .map_or("unknown", |attempt| attempt.leg.as_str())
                .replace([':', '/'], "-");
            let place = folder
                .join(&instance.application.reference)
                .join(format!("{}--{leg}", file.job_type));
            // Names come from the agent: what could leave the folder does not stay in them.
            let name = file.name.replace(['/', '\\'], "-");
            let path = place.join(name.trim_start_matches('.'));
            std::fs::create_dir_all(&place)
                .with_context(|| format!("create {}", place.display()))?;
            std::fs::write(&path, door.content(&file.digest).await?)
                .with_context(|| format!("write {}", path.display()))?;
            files += 1;
        }
    }
    Ok(files)
}
