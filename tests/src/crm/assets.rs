//! Assets: the demo's model, bots, connectors and policy, copied for one CRM address and one folder.

use std::path::{Path, PathBuf};

use anyhow::Context as _;

/// The address at which the recording was taken.
pub const RECORDED_URL: &str = "http://127.0.0.1:8095";
/// The folder that the bots and the policy name.
pub const RECORDED_FOLDER: &str = "/var/tmp/botswain-demo";

const FILES: [&str; 13] = [
    "onboarding.bpmn",
    "policy.toml",
    "routes.txt",
    "bin/print-card",
    "bots/crm-add-customer/bot.toml",
    "bots/crm-add-customer/recording.json",
    "bots/crm-add-customer/overlay.toml",
    "bots/card-print/bot.toml",
    "bots/card-print/steps.toml",
    "bots/letter-write/bot.toml",
    "bots/letter-write/steps.toml",
    "connectors/crm-api.toml",
    "connectors/crm-confirm.toml",
];

/// The demo's folder in this source tree.
pub fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("demo")
}

/// Copies the assets into an absolute folder without links, with its own `spool` and `letters`, for a CRM at this address.
pub fn copy(into: &Path, crm_url: &str) -> anyhow::Result<()> {
    let folder = into.to_str().context("the folder's name is not UTF-8")?;
    anyhow::ensure!(into.is_absolute(), "the folder {folder} is not absolute");
    let host = |url: &str| url.trim_start_matches("http://").to_owned();
    for name in FILES {
        let from = source().join(name);
        let to = into.join(name);
        let text =
            std::fs::read_to_string(&from).with_context(|| format!("read {}", from.display()))?;
        let text = text
            .replace(RECORDED_URL, crm_url)
            .replace(&host(RECORDED_URL), &host(crm_url))
            .replace(RECORDED_FOLDER, folder);
        if let Some(parent) = to.parent() {
            std::fs::create_dir_all(parent)
                .with_context(|| format!("create {}", parent.display()))?;
        }
        std::fs::write(&to, text).with_context(|| format!("write {}", to.display()))?;
        let permissions = std::fs::metadata(&from)
            .with_context(|| format!("look at {}", from.display()))?
            .permissions();
        std::fs::set_permissions(&to, permissions)
            .with_context(|| format!("set the mode of {}", to.display()))?;
    }
    for name in ["spool", "letters"] {
        std::fs::create_dir_all(into.join(name))
            .with_context(|| format!("create {folder}/{name}"))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};
    use std::io::Write as _;
    use std::process::{Command, Stdio};

    use botswain_connectors::{
        Client, ClientOptions, Connector, JobView, Outcome, Secrets, Settings,
    };
    use botswain_proto::package::Package;
    use serde_json::json;

    use super::*;
    use crate::crm::{AttemptOutcome, Crm, Door, Options};

    fn files_below(folder: &Path, prefix: &str, found: &mut BTreeSet<String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            let name = format!("{prefix}{}", entry.file_name().to_str().unwrap());
            if entry.file_type().unwrap().is_dir() {
                files_below(&entry.path(), &format!("{name}/"), found);
            } else if name != "README.md" {
                found.insert(name);
            }
        }
    }

    #[test]
    fn a_copy_holds_every_file_and_nothing_of_the_recorded_place() {
        let mut there = BTreeSet::new();
        files_below(&source(), "", &mut there);
        assert_eq!(there, FILES.iter().map(|name| (*name).to_owned()).collect());

        let folder = tempfile::tempdir().unwrap();
        copy(folder.path(), "http://127.0.0.1:9999").unwrap();
        for name in FILES {
            let text = std::fs::read_to_string(folder.path().join(name)).unwrap();
            assert!(
                !text.contains("8095") && !text.contains(RECORDED_FOLDER),
                "{name}"
            );
        }
    }

    #[test]
    fn each_bot_is_a_package() {
        for name in ["crm-add-customer", "card-print", "letter-write"] {
            let folder = source().join("bots").join(name);
            let mut files = BTreeSet::new();
            files_below(&folder, "", &mut files);
            let files = files
                .into_iter()
                .map(|name| (name.clone(), std::fs::read(folder.join(&name)).unwrap()));
            let package = Package::from_files(files.collect())
                .unwrap_or_else(|error| panic!("{name}:\n{error}"));
            assert_eq!(package.manifest().name, name);
        }
    }

    #[test]
    fn a_card_is_printed_whole_and_each_time_anew() {
        let folder = tempfile::tempdir().unwrap();
        copy(folder.path(), RECORDED_URL).unwrap();
        let spool = folder.path().join("spool");
        let mut cards = BTreeSet::new();
        for _ in 0..2 {
            let mut printer = Command::new(folder.path().join("bin/print-card"))
                .arg(&spool)
                .arg("C-100001")
                .env_clear()
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .unwrap();
            printer
                .stdin
                .take()
                .unwrap()
                .write_all("Ada %s Lovelace".as_bytes())
                .unwrap();
            let output = printer.wait_with_output().unwrap();
            assert!(output.status.success());
            let card = String::from_utf8(output.stdout).unwrap();
            let text = std::fs::read_to_string(&card).unwrap();
            assert!(
                text.contains("Customer card C-100001") && text.contains("Ada %s Lovelace"),
                "{text}"
            );
            cards.insert(card);
        }
        assert_eq!(cards.len(), 2);
        assert_eq!(std::fs::read_dir(&spool).unwrap().count(), 2);
    }

    #[tokio::test]
    async fn the_connectors_add_and_confirm_a_customer_once() {
        let folder = tempfile::tempdir().unwrap();
        let crm = Crm::start(Options::in_folder(folder.path().join("crm")))
            .await
            .unwrap();
        copy(folder.path(), crm.url()).unwrap();
        let token = ("CRM_TOKEN".to_owned(), crm.credentials().api_token.clone());
        let secrets = Secrets::from_pairs([token]);
        let client = Client::new(&ClientOptions::default()).unwrap();
        let connector = |name: &str| {
            let text =
                std::fs::read_to_string(folder.path().join(format!("connectors/{name}.toml")))
                    .unwrap();
            Connector::from_toml(name, &text, &Settings::new())
                .unwrap_or_else(|error| panic!("{error}"))
        };
        let (add, confirm) = (connector("crm-api"), connector("crm-confirm"));
        let headers = BTreeMap::new();
        let call = async |connector: &Connector, job_key: &str, variables: serde_json::Value| {
            let variables = variables.as_object().unwrap().clone();
            let job = JobView {
                job_type: "t",
                job_key,
                attempt_key: "a",
                variables: &variables,
                headers: &headers,
            };
            connector.call(&client, &secrets, job).await.outcome
        };
        let ada = json!({
            "name": "Ada Lovelace", "email": "ada@example.com", "phone": null, "customerType": "private",
            "reference": "ONB-1"});
        for _ in 0..2 {
            let outcome = call(&add, "1", ada.clone()).await;
            let Outcome::Succeeded { variables } = outcome else {
                panic!("{outcome:?}")
            };
            assert_eq!(variables["customerNumber"], "C-100001");
        }
        let outcome = call(&add, "2", ada).await;
        assert!(
            matches!(&outcome, Outcome::BpmnError { code, .. } if code == "CUSTOMER_EXISTS"),
            "{outcome:?}"
        );
        let nobody = json!({"name": "", "email": "", "phone": null, "customerType": "private", "reference": "ONB-2"});
        let outcome = call(&add, "3", nobody).await;
        assert!(
            matches!(&outcome, Outcome::BpmnError { code, .. } if code == "CUSTOMER_INVALID"),
            "{outcome:?}"
        );
        let outcome = call(&confirm, "4", json!({"customerNumber": "C-100001"})).await;
        let Outcome::Succeeded { variables } = outcome else {
            panic!("{outcome:?}")
        };
        assert!(variables["confirmedAt"].is_string());

        let records = crm.records().unwrap();
        assert_eq!(records.by_door(Door::Api), 1);
        let outcomes: Vec<AttemptOutcome> = records
            .attempts
            .iter()
            .map(|attempt| attempt.outcome)
            .collect();
        use AttemptOutcome::{Created, Duplicate, Invalid, Replayed};
        assert_eq!(outcomes, [Created, Replayed, Duplicate, Invalid]);
        assert_eq!(records.confirmations["C-100001"], 1);
    }
}
