//! SQLite alone: the lock, formats, a full database, kills, readers.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use botswain_engine::{Event, Key, SegmentId, Symbol};
use botswain_store::reader::*;
use botswain_store::rows::*;
use botswain_store::sqlite::Options;
use botswain_store::{Batch, CommitError, Reader, SqliteStore, Store, StoreError, rebuild};
use common::{PART, World, variables};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

fn open(folder: &Path) -> SqliteStore {
    SqliteStore::open(folder, Options::default()).unwrap()
}

fn key(n: u64) -> Key {
    Key::new(PART, n)
}

fn started(text: &str) -> Event {
    Event::InstanceStarted {
        definition: key(7),
        node: Symbol(0),
        variables: variables(text),
        business_id: None,
        tags: Vec::new(),
    }
}

#[test]
fn a_second_process_on_one_folder_is_refused_with_the_number_of_the_first() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let refused = SqliteStore::open(folder.path(), Options::default()).unwrap_err();
    let StoreError::InUse { pid, .. } = &refused else {
        panic!("{refused}")
    };
    assert_eq!(*pid, std::process::id().to_string());
    assert!(
        refused
            .to_string()
            .contains("choose another folder with --data"),
        "{refused}"
    );
    drop(store);
    open(folder.path());
}

#[test]
fn a_newer_format_is_refused_with_a_remedy() {
    let folder = tempfile::tempdir().unwrap();
    open(folder.path()).set_meta("format", "2").unwrap();
    let refused = SqliteStore::open(folder.path(), Options::default()).unwrap_err();
    assert!(
        matches!(refused, StoreError::Newer { found: 2, known: 1 }),
        "{refused}"
    );
    assert!(refused.to_string().contains("at least as new"), "{refused}");
}

#[test]
fn a_cluster_keeps_its_id_and_a_copy_holds_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(folder.path());
    let id = store.meta("cluster_id").unwrap().unwrap();
    let epoch = store.recover(PART).unwrap().epoch;
    let mut batch = Batch::new(PART);
    batch.begin(epoch, 1);
    batch.append(
        SegmentId::root(key(1)),
        key(7),
        5,
        [started(r#"{"a":1}"#)].iter(),
    );
    store.commit(&batch).unwrap();
    let rows = store.dump().unwrap();
    let copy = tempfile::tempdir().unwrap();
    store.back_up(&copy.path().join("botswain.db")).unwrap();
    assert_eq!(store.check_integrity().unwrap(), Vec::<String>::new());
    drop(store);
    assert_eq!(open(folder.path()).meta("cluster_id").unwrap().unwrap(), id);
    assert_eq!(open(copy.path()).dump().unwrap(), rows);
}

#[test]
fn a_full_database_refuses_changes_nothing_still_reads_and_resumes_with_room() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(folder.path());
    let epoch = store.recover(PART).unwrap().epoch;
    store.set_pages_max(120).unwrap();
    let mut batch = Batch::new(PART);
    let text = format!(r#"{{"large":"{}"}}"#, "x".repeat(7000));
    let mut accepted = 0;
    let refused = loop {
        let seq = accepted + 1;
        batch.begin(epoch, seq);
        batch.append(
            SegmentId::root(key(100 + seq)),
            key(7),
            5,
            [started(&text)].iter(),
        );
        match store.commit(&batch) {
            Ok(()) => accepted = seq,
            Err(refused) => break refused,
        }
        assert!(accepted < 1000, "120 pages are never full");
    };
    assert_eq!(refused, CommitError::Full);
    assert!(accepted > 5);
    let rows = store.dump().unwrap();
    assert_eq!(
        rows.matches("instance InstanceRow").count() as u64,
        accepted
    );
    assert!(
        store
            .load_segment(SegmentId::root(key(101)))
            .unwrap()
            .is_some(),
        "reads go on"
    );
    let reader = Reader::open(folder.path()).unwrap();
    assert_eq!(
        reader
            .search(&Search::<Instances>::default())
            .unwrap()
            .total as u64,
        accepted
    );
    assert_eq!(store.commit(&batch), Err(CommitError::Full), "still full");
    store.set_pages_max(0).unwrap();
    store.commit(&batch).unwrap();
    assert_eq!(store.recover(PART).unwrap().seq, accepted + 1);
}

/// The child of the kill test: commits one batch after the other and says so after each.
#[test]
fn child_that_commits_until_it_is_killed() {
    let Some(folder) = std::env::var_os("BOTSWAIN_STORE_CHILD") else {
        return;
    };
    let mut store = SqliteStore::open(
        Path::new(&folder),
        Options {
            log_pages: 64,
            ..Options::default()
        },
    )
    .unwrap();
    let recovered = store.recover(PART).unwrap();
    let mut batch = Batch::new(PART);
    let text = format!(r#"{{"text":"{}"}}"#, "x".repeat(600));
    for seq in recovered.seq + 1.. {
        batch.begin(recovered.epoch, seq);
        (batch.keys_used, batch.now) = (seq * 100, seq.cast_signed());
        for n in 0..INSTANCES_IN_BATCH {
            batch.append(
                SegmentId::root(key(seq * 100 + n)),
                key(7),
                seq.cast_signed(),
                [started(&text)].iter(),
            );
        }
        store.commit(&batch).unwrap();
        eprintln!("committed {seq}");
    }
}

const INSTANCES_IN_BATCH: u64 = 20;

#[test]
fn every_acknowledged_batch_survives_a_kill_and_every_other_is_whole_or_absent() {
    let folder = tempfile::tempdir().unwrap();
    let mut acknowledged = 0;
    for round in 0..20 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "child_that_commits_until_it_is_killed",
                "--nocapture",
            ])
            .env("BOTSWAIN_STORE_CHILD", folder.path())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        // Another number of batches each time, so that the kill falls into every phase of a commit and of a checkpoint.
        for _ in 0..(1 + round * 2) {
            let line = lines.next().expect("the child commits").unwrap();
            acknowledged = line
                .strip_prefix("committed ")
                .unwrap_or_else(|| panic!("child: {line}"))
                .parse()
                .unwrap();
        }
        child.kill().unwrap();
        for line in lines.map_while(Result::ok) {
            acknowledged = line
                .strip_prefix("committed ")
                .map_or(acknowledged, |seq| seq.parse().unwrap_or(acknowledged));
        }
        child.wait().unwrap();

        let mut store = open(folder.path());
        let recovered = store.recover(PART).unwrap();
        assert!(
            recovered.seq == acknowledged || recovered.seq == acknowledged + 1,
            "round {round}"
        );
        assert_eq!(recovered.keys_used, recovered.seq * 100);
        let reader = Reader::open(folder.path()).unwrap();
        let all = Search::<Instances> {
            limit: LIMIT_MAX,
            ..Search::default()
        };
        assert_eq!(
            reader.search(&all).unwrap().items.len() as u64,
            recovered.seq * INSTANCES_IN_BATCH
        );
        for n in 0..INSTANCES_IN_BATCH {
            let id = SegmentId::root(key(recovered.seq * 100 + n));
            rebuild(id, &store.load_segment(id).unwrap().unwrap(), None).unwrap();
        }
        let beyond = SegmentId::root(key((recovered.seq + 1) * 100));
        assert_eq!(store.load_segment(beyond).unwrap(), None);
        assert_eq!(store.check_integrity().unwrap(), Vec::<String>::new());
        acknowledged = recovered.seq;
    }
}

/// A store with 25 instances: one element each, the last five with an incident.
fn searchable(folder: &Path) -> SqliteStore {
    use botswain_engine::process::{Name, Role};
    let mut store = open(folder);
    let epoch = store.recover(PART).unwrap().epoch;
    let mut batch = Batch::new(PART);
    batch.begin(epoch, 1);
    batch.put(Put::Definition(Box::new(DefinitionRow {
        key: key(7),
        process_id: "order".into(),
        version: 3,
        version_tag: None,
        name: Some("Order".to_owned()),
        resource_name: "order.bpmn".to_owned(),
        digest: Digest::of(b"x"),
        xml: b"x".to_vec(),
        symbols: botswain_engine::Symbols(vec![
            Name {
                id: "order".into(),
                role: Role::Process,
            },
            Name {
                id: "pay_100%".into(),
                role: Role::Element,
            },
        ]),
        deployed_at: 1,
    })));
    for n in 0..25u64 {
        let (root, token) = (key(100 + n), key(200 + n));
        let mut events = vec![
            started(&format!(
                r#"{{"n":{n},"big":"{}"}}"#,
                "z".repeat(if n == 0 { 9000 } else { 1 })
            )),
            Event::TokenEntered {
                token,
                node: Symbol(1),
                scope: root,
                flow: None,
                payload: variables(""),
            },
        ];
        if n >= 20 {
            events.push(Event::IncidentRaised {
                token,
                incident: key(300 + n),
                node: Symbol(1),
                kind: botswain_engine::IncidentKind::IoMappingError,
                message: format!("value {n} is missing"),
                job: None,
            });
        }
        batch.append(
            SegmentId::root(root),
            key(7),
            1000 + (n / 10).cast_signed(),
            events.iter(),
        );
    }
    store.commit(&batch).unwrap();
    store
}

#[test]
fn searches_filter_sort_and_page_in_both_directions() {
    let folder = tempfile::tempdir().unwrap();
    let _store = searchable(folder.path());
    let reader = Reader::open(folder.path()).unwrap();
    let base = || {
        Search::<Instances> {
            limit: 7,
            ..Search::default()
        }
        .sort(InstanceField::StartedAt, Order::Descending)
    };
    let keys = |page: &Page<InstanceItem>| {
        page.items
            .iter()
            .map(|item| item.row.key.counter() - 100)
            .collect::<Vec<_>>()
    };
    let whole = reader
        .search(&Search {
            limit: 100,
            ..base()
        })
        .unwrap();
    assert_eq!(whole.total, 25);
    assert_eq!(whole.items[0].process_id.as_deref(), Some("order"));
    assert_eq!(
        keys(&whole)[..6],
        [20, 21, 22, 23, 24, 10],
        "equal times are ordered by key"
    );
    let (mut walked, mut from, mut last) = (Vec::new(), PageFrom::Start, None);
    loop {
        let page = reader.search(&Search { from, ..base() }).unwrap();
        let Some(end) = page.end.clone() else { break };
        walked.extend(keys(&page));
        last = page.start.clone();
        from = PageFrom::After(end);
    }
    assert_eq!(walked, keys(&whole));
    let back = reader
        .search(&Search {
            from: PageFrom::Before(last.unwrap()),
            ..base()
        })
        .unwrap();
    assert_eq!(keys(&back), walked[14..21]);
    let offset = reader
        .search(&Search {
            from: PageFrom::Offset(20),
            ..base()
        })
        .unwrap();
    assert_eq!(keys(&offset), walked[20..]);
}

#[test]
fn conditions_compare_keys_names_patterns_and_presence() {
    let folder = tempfile::tempdir().unwrap();
    let _store = searchable(folder.path());
    let reader = Reader::open(folder.path()).unwrap();
    let count = |field, op| {
        reader
            .search(&Search::<Elements>::default().filter(field, op))
            .unwrap()
            .total
    };
    assert_eq!(count(ElementField::Instance, Op::Eq(key(103).into())), 1);
    assert_eq!(
        count(
            ElementField::Instance,
            Op::In(vec![key(103).into(), key(104).into()])
        ),
        2
    );
    assert_eq!(
        count(ElementField::Instance, Op::NotIn(vec![key(103).into()])),
        24
    );
    assert_eq!(
        count(ElementField::ElementId, Op::Like("pay*".to_owned())),
        25
    );
    assert_eq!(
        count(ElementField::ElementId, Op::Like("pay_???%".to_owned())),
        25
    );
    assert_eq!(
        count(ElementField::ElementId, Op::Like("pay%".to_owned())),
        0,
        "SQL's own signs mean themselves"
    );
    assert_eq!(count(ElementField::ProcessId, Op::NotEq("order".into())), 0);
    assert_eq!(count(ElementField::Incident, Op::Exists(true)), 5);
    assert_eq!(count(ElementField::LeftAt, Op::Exists(false)), 25);
    assert_eq!(count(ElementField::EnteredAt, Op::Gt(1001.into())), 5);
    assert_eq!(count(ElementField::EnteredAt, Op::Lte(1000.into())), 10);
    let open = Search::<Incidents>::default().filter(
        IncidentField::State,
        Op::Eq(IncidentState::Open.code().into()),
    );
    assert_eq!(
        reader.search(&open).unwrap().items[0].element_id.as_deref(),
        Some("pay_100%")
    );
    let latest =
        Search::<Definitions>::default().filter(DefinitionField::IsLatest, Op::Eq(1.into()));
    assert_eq!(reader.search(&latest).unwrap().items[0].version, 3);
    assert_eq!(reader.counts(key(7)).unwrap()[1].1.entered, 25);
    assert_eq!(
        reader.element_id(key(7), Symbol(1)).unwrap().as_deref(),
        Some("pay_100%")
    );
}

#[test]
fn a_large_value_is_cut_in_lists_and_whole_when_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let _store = searchable(folder.path());
    let reader = Reader::open(folder.path()).unwrap();
    let search =
        Search::<Variables>::default().filter(VariableField::Instance, Op::Eq(key(100).into()));
    let page = reader.search(&search).unwrap();
    let big = page.items.iter().find(|item| item.name == "big").unwrap();
    assert!(big.is_truncated && big.value.as_str().len() == 8192);
    let whole = reader.variable(key(100), key(100), "big").unwrap().unwrap();
    assert_eq!(whole.value.as_str().len(), 9002);
}

#[test]
fn a_search_that_makes_no_sense_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let _store = searchable(folder.path());
    let reader = Reader::open(folder.path()).unwrap();
    let refused = |search: Search<Audit>| reader.search(&search).unwrap_err().to_string();
    assert!(
        refused(Search {
            limit: LIMIT_MAX + 1,
            ..Search::default()
        })
        .contains("at most 10000")
    );
    assert!(
        refused(Search {
            from: PageFrom::After("nonsense".to_owned()),
            ..Search::default()
        })
        .contains("endCursor")
    );
    let listed = Op::In(vec![1.into(); 1001]);
    assert!(refused(Search::default().filter(AuditField::Key, listed)).contains("1001"));
    let empty = reader
        .search(&Search::<Audit>::default().filter(AuditField::Who, Op::In(Vec::new())))
        .unwrap();
    assert_eq!((empty.total, empty.start), (0, None));
}

#[test]
fn every_field_of_every_entity_names_a_column() {
    let folder = tempfile::tempdir().unwrap();
    let _store = searchable(folder.path());
    let reader = Reader::open(folder.path()).unwrap();
    fn try_all<E: Entity>(reader: &Reader, fields: &[E::Field]) {
        for field in fields {
            let search = Search::<E>::default()
                .filter(*field, Op::Exists(true))
                .sort(*field, Order::Descending);
            reader
                .search(&search)
                .unwrap_or_else(|error| panic!("{field:?}: {error}"));
        }
    }
    try_all::<Instances>(&reader, InstanceField::ALL);
    try_all::<Elements>(&reader, ElementField::ALL);
    try_all::<Jobs>(&reader, JobField::ALL);
    try_all::<Incidents>(&reader, IncidentField::ALL);
    try_all::<UserTasks>(&reader, UserTaskField::ALL);
    try_all::<Variables>(&reader, VariableField::ALL);
    try_all::<Definitions>(&reader, DefinitionField::ALL);
    try_all::<Attempts>(&reader, AttemptField::ALL);
    try_all::<Agents>(&reader, AgentField::ALL);
    try_all::<Routes>(&reader, RouteField::ALL);
    try_all::<Audit>(&reader, AuditField::ALL);
}

#[test]
fn a_long_story_with_a_small_log_stays_whole() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = SqliteStore::open(
        folder.path(),
        Options {
            log_pages: 16,
            ..Options::default()
        },
    )
    .unwrap();
    let epoch = store.recover(PART).unwrap().epoch;
    let mut world = World::new();
    let mut batch = Batch::new(PART);
    for seq in 1..300u64 {
        batch.begin(epoch, seq);
        for n in 0..10u64 {
            let [what, pick, detail, ..] = (seq * 10 + n)
                .wrapping_mul(0x9E37_79B9_7F4A_7C15)
                .to_be_bytes();
            world.step(what, pick, detail).record(&mut batch);
        }
        store.commit(&batch).unwrap();
    }
    let rows = store.dump().unwrap();
    drop(store);
    let log = std::fs::metadata(folder.path().join("botswain.db-wal")).map_or(0, |file| file.len());
    assert_eq!(log, 0, "a closed store leaves no log behind");
    assert_eq!(open(folder.path()).dump().unwrap(), rows);
}
