//! Stories of workers: order, credits, leases, back-off, and jobs that wait in the store.

use super::stage::check;
use crate::dispatch::*;
use botswain_engine::key::{Key, SegmentId};
use expect_test::expect;
use std::collections::BTreeMap;

#[test]
fn jobs_go_to_whoever_asked_in_order_of_priority_and_age() {
    check(
        "open 1 pick
         open 2 pick
         open 3 pick priority=7
         why 1
         worker w1 pick 2
         credits w1 5
         done 3 fence=1
         done 2
         done 2",
        expect![[r#"
            open 1 pick
            open 2 pick
            open 3 pick priority=7
            why 1
              no worker asks for pick: start one, or set a route (botswain route set pick …)
            worker w1 pick 2
              3 -> w1 (fence 1)
              1 -> w1 (fence 1)
            credits w1 5
              2 -> w1 (fence 1)
            done 3 fence=1
              3 is done
            done 2
              2 is done
            done 2
              job 2 is not held by anybody
        "#]],
    );
}

#[test]
fn credits_bound_what_a_worker_is_sent() {
    check(
        "worker w1 pick 1
         worker w2 pick 1
         open 1 pick
         open 2 pick
         open 3 pick
         why 3
         gone w1
         credits w2 1",
        expect![[r#"
            worker w1 pick 1
            worker w2 pick 1
            open 1 pick
              1 -> w1 (fence 1)
            open 2 pick
              2 -> w2 (fence 1)
            open 3 pick
            why 3
              all workers of pick (2) have as many jobs as they asked for
            gone w1
            credits w2 1
              3 -> w2 (fence 1)
        "#]],
    );
}

#[test]
fn a_single_request_takes_what_is_there_or_waits_for_the_first() {
    check(
        "open 1 pick
         open 2 pick
         poll p1 pick 10 until=1000
         poll p2 pick 10 until=1000
         wait 500
         open 3 pick
         open 4 pick
         poll p3 pick 10 until=100
         poll p4 pick 10 until=100
         wait 100",
        expect![[r#"
            open 1 pick
            open 2 pick
            poll p1 pick 10 until=1000
              1 -> p1 (fence 1)
              2 -> p1 (fence 1)
            poll p2 pick 10 until=1000
            wait 500
            open 3 pick
              3 -> p2 (fence 1)
            open 4 pick
            poll p3 pick 10 until=100
              4 -> p3 (fence 1)
            poll p4 pick 10 until=100
            wait 100
              p4 waited for nothing
        "#]],
    );
}

#[test]
fn a_worker_that_falls_silent_loses_the_job_but_not_its_result() {
    check(
        "worker w1 pick 1
         open 1 pick
         wait 29000
         wait 1100
         worker w2 pick 1
         done 1 fence=1
         done 1 fence=2",
        expect![[r#"
            worker w1 pick 1
            open 1 pick
              1 -> w1 (fence 1)
            wait 29000
            wait 1100
            worker w2 pick 1
              1 -> w2 (fence 2)
            done 1 fence=1
              job 1 was given out again: the result belongs to attempt 1, the job is at 2
            done 1 fence=2
              1 is done
        "#]],
    );
    check(
        "worker w1 pick 1
         open 1 pick
         wait 30100
         done 1 fence=1",
        expect![[r#"
            worker w1 pick 1
            open 1 pick
              1 -> w1 (fence 1)
            wait 30100
            done 1 fence=1
              1 is done
        "#]],
    );
}

#[test]
fn a_failed_job_waits_for_its_back_off_and_then_for_a_person() {
    check(
        "worker w1 pick 9
         open 1 pick
         fail 1 retries=1 after=5000
         why 1
         wait 5000
         fail 1 retries=0
         why 1
         retries 1 2",
        expect![[r#"
            worker w1 pick 9
            open 1 pick
              1 -> w1 (fence 1)
            fail 1 retries=1 after=5000
            why 1
              waits for its next try at 1005000 (milliseconds since 1970)
            wait 5000
              1 -> w1 (fence 2)
            fail 1 retries=0
            why 1
              has no retries left: repair the cause and give it retries
            retries 1 2
              1 -> w1 (fence 3)
        "#]],
    );
}

#[test]
fn a_timed_out_worker_counts_as_unknown_and_no_other_leg_steps_in() {
    check(
        "route pay worker effect=at_most_once else person
         worker w1 pay 1
         open 1 pay
         wait 30100
         why 1
         retries 1 1
         gone w1",
        expect![[r#"
            route pay worker effect=at_most_once else person
            worker w1 pay 1
            open 1 pay
              1 -> w1 (fence 1)
            wait 30100
              1 waits for a person: the worker's lease is over and it may have done the job, which must not be repeated unseen: complete the job or give it retries
            why 1
              waits for an operator's word; the worker's lease is over and it may have done the job, which must not be repeated unseen: complete the job or give it retries
            retries 1 1
            gone w1
        "#]],
    );
}

fn job(key: u64, fence: u64) -> Job {
    let key = Key::from_u64(key);
    Job {
        key,
        segment: SegmentId::root(key),
        token: key,
        job_type: "pick".into(),
        priority: 0,
        retries: 3,
        available_at: 0,
        fence,
    }
}

#[test]
fn a_million_waiting_jobs_stay_in_the_store_and_come_out_in_order() {
    let mut desk = Desk::new(Settings {
        waiting_max: 100,
        ..Settings::default()
    });
    let now = Now { mono: 0, wall: 0 };
    let mut store: BTreeMap<Rank, Job> = BTreeMap::new();
    for key in 1..=1_000_u64 {
        let urgent = key % 100 == 0;
        let job = Job {
            priority: i32::from(urgent),
            ..job(key, 0)
        };
        store.insert(Rank::new(job.priority, job.key), job.clone());
        desk.open(job, now);
    }
    assert!(desk.in_memory() <= 100);
    desk.subscribe(
        SessionId(1),
        Subscription {
            id: 1,
            job_type: "pick".into(),
            worker: "w".into(),
            credits: 2_000,
            lease_ms: 1_000,
        },
    )
    .unwrap();
    let mut order = Vec::new();
    for _round in 0..1_000 {
        let mut given = Vec::new();
        desk.assign(now, 37, &mut given);
        for assignment in given {
            let row = store
                .iter()
                .find(|(_, job)| job.key == assignment.job)
                .map(|(rank, _)| *rank)
                .unwrap();
            store.remove(&row);
            order.push(assignment.job.as_u64());
            desk.close(assignment.job, Closed::Done);
        }
        for wish in desk.take_outbox().refills {
            let rows = store
                .iter()
                .filter(|(rank, _)| wish.from.is_none_or(|from| **rank >= from));
            let page: Vec<Job> = rows.map(|(_, job)| job.clone()).take(wish.limit).collect();
            let end = page.len() < wish.limit;
            desk.refill(&wish, page, end, None, now);
        }
    }
    assert!(store.is_empty(), "{} jobs were forgotten", store.len());
    let urgent: Vec<u64> = (1..=10).map(|n| n * 100).collect();
    assert_eq!(order[..10], urgent);
    assert!(order[10..].is_sorted());
}

#[test]
fn after_a_restart_nobody_loses_what_he_holds() {
    let mut desk = Desk::new(Settings {
        epoch: 2,
        ..Settings::default()
    });
    let now = Now {
        mono: 0,
        wall: 100_000,
    };
    let hold = StoredHold::Worker {
        lease_until: 105_000,
    };
    assert_eq!(
        desk.restore(
            StoredJob {
                job: job(1, 4),
                leg: None,
                hold
            },
            now
        ),
        None
    );
    desk.restore(
        StoredJob {
            job: job(2, 1),
            leg: None,
            hold: StoredHold::Suspended,
        },
        now,
    );
    desk.restore(
        StoredJob {
            job: job(3, 0),
            leg: None,
            hold: StoredHold::Free,
        },
        now,
    );
    let wish = Subscription {
        id: 1,
        job_type: "pick".into(),
        worker: "w".into(),
        credits: 9,
        lease_ms: 1_000,
    };
    desk.subscribe(SessionId(1), wish).unwrap();
    let mut given = Vec::new();
    desk.assign(now, 9, &mut given);
    assert_eq!(
        given
            .iter()
            .map(|one| (one.job.as_u64(), one.fence))
            .collect::<Vec<_>>(),
        [(3, 1)]
    );
    assert!(desk.worker_result(Key::from_u64(1), 4).is_ok());
    assert_eq!(desk.next_deadline(now), Some(1_008));
    let later = Now {
        mono: 5_100,
        wall: 105_100,
    };
    desk.expire(later, 9);
    given.clear();
    desk.assign(later, 9, &mut given);
    assert_eq!(
        given
            .iter()
            .map(|one| (one.job.as_u64(), one.fence))
            .collect::<Vec<_>>(),
        [(1, 5), (3, 2)]
    );
}
