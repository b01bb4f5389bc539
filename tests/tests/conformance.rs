//! Other people's cases: what passes, what fails and what is not executed yet, compared with the committed list. The list holds
//! names and verdicts only; the cases stand beside the checkout (`../shared/corpus`, or `BOTSWAIN_CORPUS`).

#![expect(
    clippy::print_stdout,
    reason = "the tables are what these tests are run for"
)]

use botswain_tests::conformance::{Verdict, betsy, corpus, simulation};
use expect_test::expect_file;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// The committed form: one line for each case. Failed cases say why in the table only.
fn listed(cases: &[(String, Verdict)]) -> String {
    let mut text = String::new();
    for (name, verdict) in cases {
        let _ = writeln!(text, "{name} {}", verdict.word());
    }
    text
}

fn print_table(title: &str, cases: &[(String, Verdict)]) {
    let mut counts: BTreeMap<&str, u32> = BTreeMap::new();
    for (name, verdict) in cases {
        *counts.entry(verdict.word()).or_default() += 1;
        println!("{name:<70} {verdict}");
    }
    println!("{title}: {} cases, {counts:?}", cases.len());
}

fn prove_none_failed(cases: &[(String, Verdict)]) {
    let failed: Vec<String> = cases
        .iter()
        .filter(|(_, verdict)| matches!(verdict, Verdict::Failed(_)))
        .map(|(name, verdict)| format!("{name} {verdict}"))
        .collect();
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

#[test]
fn betsys_cases_have_the_expected_trace() {
    let Some(folder) = corpus::folder("conformance/betsy") else {
        return;
    };
    let cases = betsy::run_all(&folder).expect("the cases are readable");
    print_table("betsy", &cases);
    expect_file!["conformance/betsy.txt"].assert_eq(&listed(&cases));
    prove_none_failed(&cases);
}

#[test]
fn a_simulators_logs_name_the_same_elements() {
    let Some(folder) = corpus::folder("conformance/token-simulation") else {
        return;
    };
    let cases = simulation::run_all(&folder).expect("the logs are readable");
    print_table("token simulation", &cases);
    expect_file!["conformance/token-simulation.txt"].assert_eq(&listed(&cases));
    prove_none_failed(&cases);
}
