//! What a journal promises: a cut tail costs only what was not durable, and damage is never mistaken for content.

use botswain_proto::ids::{AttemptId, Epoch, Fence, JobKey, Seq};
use botswain_proto::message::{EffectClass, Limits, OnLost, Task, Work};
use proptest::prelude::*;

use super::*;
use crate::session::Stamp;

fn task(n: u128, input: usize) -> Record {
    Record::Received {
        task: Box::new(Task {
            attempt: AttemptId(uuid::Uuid::from_u128(n + 1)),
            job: JobKey(1 + i64::try_from(n).unwrap()),
            fence: Fence(1),
            epoch: Epoch(1),
            work: Work::Action("print".to_owned()),
            input: vec![b'x'; input].into(),
            secrets: Vec::new(),
            effect: EffectClass::Pure,
            limits: Limits::default(),
            on_lost: OnLost::Wait,
            labels: Vec::new(),
            trace: String::new(),
            process_id: String::new(),
            instance_key: 0,
            job_type: String::new(),
            locks: Vec::new(),
        }),
        had_secrets: false,
        effect: EffectClass::Pure,
        seq: Seq(u64::try_from(2 * n + 1).unwrap()),
        at: Stamp::default(),
    }
}

fn started(n: u128) -> Record {
    Record::Started {
        attempt: AttemptId(uuid::Uuid::from_u128(n + 1)),
        seq: Seq(u64::try_from(2 * n + 2).unwrap()),
        at: Stamp::default(),
    }
}

fn open(folder: &Path) -> Opened {
    Journal::open(folder, 0, "fresh").unwrap()
}

/// Writes batches as a session would, and returns the segment's bytes with where each batch ends in them.
fn written(folder: &Path, batches: &[Vec<Record>]) -> (Vec<u8>, Vec<usize>) {
    let Opened {
        mut journal,
        mut ledger,
        ..
    } = open(folder);
    let mut ends = vec![usize::try_from(journal.end).unwrap()];
    for batch in batches {
        let mut records = ledger.snapshot();
        records.extend(batch.iter().cloned());
        ledger = Ledger::replay(&records);
        journal.append(batch, &ledger).unwrap();
        ends.push(usize::try_from(journal.end).unwrap());
    }
    drop(journal);
    (fs::read(segment_path(folder, 0)).unwrap(), ends)
}

fn batches() -> Vec<Vec<Record>> {
    (0..6)
        .map(|n| match n % 3 {
            0 => vec![task(n, 10), started(n)],
            1 => vec![task(n, 700)],
            _ => vec![task(n, 0), started(n), started(n - 1)],
        })
        .collect()
}

/// The ledger after the first batches.
fn after(batches: &[Vec<Record>]) -> Ledger {
    let opened = Record::Opened {
        journal_id: "fresh".to_owned(),
    };
    Ledger::replay(std::iter::once(&opened).chain(batches.iter().flatten()))
}

fn reopen(bytes: &[u8]) -> Opened {
    let folder = tempfile::tempdir().unwrap();
    fs::write(segment_path(folder.path(), 0), bytes).unwrap();
    Journal::open(folder.path(), 0, "other").unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_cut_tail_costs_only_what_was_not_durable(cut in 0.0f64..1.0, rubbish in any::<[u8; 16]>()) {
        let folder = tempfile::tempdir().unwrap();
        let all = batches();
        let (mut bytes, ends) = written(folder.path(), &all);
        let (from, to) = (ends[5], ends[6]);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "a place in a small file")]
        let at = from + ((to - from) as f64 * cut) as usize;
        // What a power cut leaves of the last batch: a beginning, then zeros or rubbish.
        let until = (at + rubbish.len()).min(to);
        bytes[at..until].copy_from_slice(&rubbish[..until - at]);
        bytes[until..].fill(0);
        let opened = reopen(&bytes);
        prop_assert_eq!(opened.note, None);
        let whole: Vec<Vec<Record>> = all[..5].to_vec();
        let prefixes: Vec<Ledger> = (0..=all[5].len())
            .map(|n| {
                let mut some = whole.clone();
                some.push(all[5][..n].to_vec());
                after(&some)
            })
            .collect();
        prop_assert!(prefixes.contains(&opened.ledger));
    }

    #[test]
    fn a_flipped_bit_is_never_mistaken_for_content(place in 0.0f64..1.0, bit in 0u8..8) {
        let folder = tempfile::tempdir().unwrap();
        let all = batches();
        let (mut bytes, ends) = written(folder.path(), &all);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "a place in a small file")]
        let at = (ends[6] as f64 * place) as usize;
        bytes[at] ^= 1 << bit;
        let opened = reopen(&bytes);
        if at < ends[5] {
            // What stood there was durable: the journal as a whole is not to be trusted, and says so.
            prop_assert!(opened.note.is_some(), "byte {at} of {ends:?}");
            prop_assert_eq!(opened.ledger.journal_id(), "other");
        } else {
            let mut allowed: Vec<Ledger> = (0..all[5].len())
                .map(|n| {
                    let mut some = all[..5].to_vec();
                    some.push(all[5][..n].to_vec());
                    after(&some)
                })
                .collect();
            // A mark that became the other one changes no content.
            allowed.push(after(&all));
            prop_assert!(allowed.contains(&opened.ledger), "byte {at}");
        }
    }
}

#[test]
fn what_was_durable_is_there_after_any_number_of_restarts() {
    let folder = tempfile::tempdir().unwrap();
    let mut expected = Vec::new();
    for n in 0..20 {
        let Opened {
            mut journal,
            ledger,
            note,
        } = open(folder.path());
        assert_eq!(note, None);
        assert_eq!(ledger, after(&expected));
        expected.push(vec![task(n, 50), started(n)]);
        journal
            .append(&expected[expected.len() - 1], &after(&expected))
            .unwrap();
    }
}

#[test]
fn a_full_segment_is_replaced_by_what_it_amounts_to() {
    let folder = tempfile::tempdir().unwrap();
    let Opened {
        mut journal,
        ledger,
        ..
    } = open(folder.path());
    let mut records = ledger.snapshot();
    for n in 0..200u128 {
        let batch = vec![
            task(n, 20_000),
            Record::Closed {
                attempt: AttemptId(uuid::Uuid::from_u128(n + 1)),
            },
        ];
        records.extend(batch.iter().cloned());
        records = Ledger::replay(&records).snapshot();
        journal.append(&batch, &Ledger::replay(&records)).unwrap();
    }
    assert!(journal.generation > 5, "{}", journal.generation);
    drop(journal);
    let size: u64 = (0..2)
        .map(|index| {
            fs::metadata(segment_path(folder.path(), index))
                .unwrap()
                .len()
        })
        .sum();
    assert_eq!(size, 2 * SEGMENT_BYTES_MIN);
    assert_eq!(open(folder.path()).ledger, Ledger::replay(&records));
}

#[test]
fn a_segment_that_was_never_finished_leaves_the_other_in_force() {
    let folder = tempfile::tempdir().unwrap();
    let all = batches();
    let (bytes, ends) = written(folder.path(), &all);
    // The other file as a power cut leaves it before its seal.
    let mut unfinished = bytes[..ends[0] - 1].to_vec();
    unfinished.resize(bytes.len(), 0);
    fs::write(segment_path(folder.path(), 1), unfinished).unwrap();
    let opened = open(folder.path());
    assert_eq!(opened.note, None);
    assert_eq!(opened.ledger, after(&all));
}

#[test]
fn an_unreadable_journal_is_set_aside_and_another_one_begins() {
    let folder = tempfile::tempdir().unwrap();
    let (mut bytes, ends) = written(folder.path(), &batches());
    bytes[ends[1]] ^= 1;
    fs::write(segment_path(folder.path(), 0), &bytes).unwrap();
    let opened = Journal::open(folder.path(), 0, "other").unwrap();
    assert_eq!(
        fs::read(folder.path().join("journal-0.unreadable")).unwrap(),
        bytes
    );
    assert_eq!(opened.ledger.journal_id(), "other");
    assert!(opened.note.unwrap().contains("set aside"));
}

#[test]
fn a_later_version_is_not_touched_as_if_it_were_ours() {
    let folder = tempfile::tempdir().unwrap();
    let (mut bytes, _) = written(folder.path(), &batches());
    bytes[8] = 2;
    let sum = crc32fast::hash(&bytes[..17]).to_le_bytes();
    bytes[17..21].copy_from_slice(&sum);
    fs::write(segment_path(folder.path(), 0), &bytes).unwrap();
    let error = Journal::open(folder.path(), 0, "other").unwrap_err();
    assert!(error.to_string().contains("version 2"), "{error}");
    assert_eq!(fs::read(segment_path(folder.path(), 0)).unwrap(), bytes);
}

#[test]
fn two_agents_never_share_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let first = open(folder.path());
    let error = Journal::open(folder.path(), 0, "x").unwrap_err();
    assert!(matches!(error, JournalError::InUse(_)), "{error}");
    drop(first);
    open(folder.path());
}

#[test]
fn the_released_format_is_read() {
    let golden = include_bytes!("golden-v1.bin");
    let opened = reopen(golden);
    assert_eq!(opened.note, None);
    assert_eq!(opened.ledger, after(&batches()));
}

/// Writes the golden file of a format that changed before its release: `cargo test write_golden -- --ignored`.
#[test]
#[ignore = "writes a file of the sources"]
fn write_golden() {
    let folder = tempfile::tempdir().unwrap();
    let (bytes, ends) = written(folder.path(), &batches());
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/journal/golden-v1.bin");
    fs::write(path, &bytes[..ends[6]]).unwrap();
}
