//! Netting: how events are cut into batches changes no row.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use botswain_store::{Batch, MemoryStore, SqliteStore, Store, sqlite::Options};
use common::{PART, Step, World};
use proptest::prelude::*;

fn commit_in(store: &mut impl Store, steps: &[Step], cuts: &[bool]) {
    let mut recovered = store.recover(PART).unwrap();
    let mut batch = Batch::new(PART);
    batch.begin(recovered.epoch, recovered.seq + 1);
    for (at, step) in steps.iter().enumerate() {
        step.record(&mut batch);
        if cuts.get(at).copied().unwrap_or(false) {
            store.commit(&batch).unwrap();
            recovered.seq = batch.seq;
            batch.begin(recovered.epoch, recovered.seq + 1);
        }
    }
    store.commit(&batch).unwrap();
}

fn each_event_alone(steps: &[Step]) -> (Vec<Step>, Vec<bool>) {
    let alone = |step: &Step| {
        let step = step.clone();
        step.events.clone().into_iter().map(move |event| Step {
            events: vec![event],
            ..step.clone()
        })
    };
    let steps: Vec<Step> = steps.iter().flat_map(alone).collect();
    let cuts = vec![true; steps.len()];
    (steps, cuts)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn rows_do_not_depend_on_how_events_are_batched(
        choices in prop::collection::vec((any::<u8>(), any::<u8>(), any::<u8>()), 1..200),
        cuts in prop::collection::vec(prop::bool::weighted(0.2), 200),
    ) {
        let mut world = World::new();
        let steps: Vec<Step> = choices.iter().map(|(what, pick, detail)| world.step(*what, *pick, *detail)).collect();
        let (single, after_each) = each_event_alone(&steps);

        let mut naive = MemoryStore::new();
        commit_in(&mut naive, &single, &after_each);
        let mut at_once = MemoryStore::new();
        commit_in(&mut at_once, &steps, &[]);
        let mut in_parts = MemoryStore::new();
        commit_in(&mut in_parts, &steps, &cuts);
        prop_assert_eq!(naive.dump(), at_once.dump());
        prop_assert_eq!(naive.dump(), in_parts.dump());

        let folder = tempfile::tempdir().unwrap();
        let mut sqlite = SqliteStore::open(folder.path(), Options::default()).unwrap();
        commit_in(&mut sqlite, &steps, &cuts);
        prop_assert_eq!(naive.dump(), sqlite.dump().unwrap());
    }
}
