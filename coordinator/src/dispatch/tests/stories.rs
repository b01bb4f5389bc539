//! The stories: workers, routes, agents, leases, reconnections, forgeries.

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

#[test]
fn a_bot_does_a_job_on_an_agent_that_fits() {
    check(
        "route crm bot:add@1 label=site:vienna
         open 1 crm
         why 1
         bot add@1 at_most_once needs=browser
         agent bob slots=2
         agent anna slots=1 needs=browser label=site:graz
         why 1
         agent carla slots=1 needs=browser label=site:vienna
         accepted a1
         started a1
         why 1
         open 2 crm
         why 2
         succeeded a1
         succeeded a1",
        expect![[r#"
            route crm bot:add@1 label=site:vienna
            open 1 crm
            why 1
              bot:add@1 was never pushed: botswain bot push DIR
            bot add@1 at_most_once needs=browser
            agent bob slots=2
            agent anna slots=1 needs=browser label=site:graz
            why 1
              no agent can take bot:add@1: anna lacks the label site=vienna; bob provides no browser and lacks the label site=vienna
            agent carla slots=1 needs=browser label=site:vienna
              1 -> carla as a1 by bot:add@1 (fence 1)
            accepted a1
              committed
            started a1
              committed
            why 1
              is with agent carla by bot:add@1 (started)
            open 2 crm
            why 2
              no agent can take bot:add@1: anna lacks the label site=vienna; carla holds as many attempts as it may (1); bob provides no browser and lacks the label site=vienna
            succeeded a1
              committed
              1 is done
              2 -> carla as a2 by bot:add@1 (fence 1)
            succeeded a1
              duplicate
        "#]],
    );
}

#[test]
fn the_next_leg_steps_in_only_where_the_first_certainly_did_nothing() {
    check(
        "connector api 1 at_most_once
         bot add@1 at_most_once
         agent anna slots=9
         route crm connector:api else bot:add@1 person
         open 1 crm
         failed a1 no
         accepted a2
         rejected a2 policy
         succeeded a3
         open 2 crm
         failed a4 maybe",
        expect![[r#"
            connector api 1 at_most_once
            bot add@1 at_most_once
            agent anna slots=9
            route crm connector:api else bot:add@1 person
            open 1 crm
              1 -> connector:api as a1 (fence 1)
            failed a1 no
              committed
              1 -> anna as a2 by bot:add@1 (fence 2)
            accepted a2
              committed
            rejected a2 policy
              committed
              1 -> a person as a3 (fence 3)
            succeeded a3
              committed
              1 is done
            open 2 crm
              2 -> connector:api as a4 (fence 1)
            failed a4 maybe
              committed
              2 waits for a person: connector:api: maybe: it may have happened (nobody can tell from here), and must not be repeated unseen; look at the evidence, then complete the job or give it retries
        "#]],
    );
}

#[test]
fn a_leg_is_tried_as_often_as_its_route_says_before_the_next_one() {
    check(
        "connector api 1 pure
         route crm connector:api tries=2 else person
         open 1 crm
         failed a1 no retryable
         wait 1000
         failed a2 no retryable
         open 2 crm
         timed_out a4 maybe",
        expect![[r#"
            connector api 1 pure
            route crm connector:api tries=2 else person
            open 1 crm
              1 -> connector:api as a1 (fence 1)
            failed a1 no retryable
              committed
            wait 1000
              1 -> connector:api as a2 (fence 2)
            failed a2 no retryable
              committed
              1 -> a person as a3 (fence 3)
            open 2 crm
              2 -> connector:api as a4 (fence 1)
            timed_out a4 maybe
              committed
              2 failed, 2 retries left: connector:api: maybe
        "#]],
    );
}

#[test]
fn an_unknown_outcome_is_never_repeated_without_a_persons_word() {
    check(
        "bot pay@1 at_most_once
         agent anna slots=9
         route pay bot:pay@1 else person
         open 1 pay
         accepted a1
         started a1
         unknown a1
         wait 9999999
         why 1
         done 1
         retries 1 1",
        expect![[r#"
            bot pay@1 at_most_once
            agent anna slots=9
            route pay bot:pay@1 else person
            open 1 pay
              1 -> anna as a1 by bot:pay@1 (fence 1)
            accepted a1
              committed
            started a1
              committed
            unknown a1
              committed
              1 waits for a person: bot:pay@1: unknown: it may have happened (nobody can tell from here), and must not be repeated unseen; look at the evidence, then complete the job or give it retries
            wait 9999999
            why 1
              waits for an operator's word; bot:pay@1: unknown: it may have happened (nobody can tell from here), and must not be repeated unseen; look at the evidence, then complete the job or give it retries
            done 1
              job 1 is not open to workers: it is with nobody, until an operator says how it goes on
            retries 1 1
              1 -> anna as a2 by bot:pay@1 (fence 2)
        "#]],
    );
}

#[test]
fn an_offer_that_nobody_accepts_is_sent_again_as_it_was() {
    check(
        "bot add@1 at_most_once
         agent anna slots=1
         route crm bot:add@1
         open 1 crm
         wait 10016
         away anna
         wait 10016
         back anna slots=1
         answer a1 never_seen
         accepted a1
         accepted a1",
        expect![[r#"
            bot add@1 at_most_once
            agent anna slots=1
            route crm bot:add@1
            open 1 crm
              1 -> anna as a1 by bot:add@1 (fence 1)
            wait 10016
              1 -> anna as a1 by bot:add@1 (fence 1, again)
            away anna
            wait 10016
            back anna slots=1
              sync: 1 open, 0 to close
            answer a1 never_seen
              1 -> anna as a1 by bot:add@1 (fence 1, again)
            accepted a1
              committed
            accepted a1
              duplicate
        "#]],
    );
}

#[test]
fn a_silent_agent_keeps_what_must_not_be_repeated_and_loses_what_may() {
    check(
        "bot pay@1 at_most_once
         agent anna slots=1
         route pay bot:pay@1
         open 1 pay
         accepted a1
         started a1
         away anna
         agent bob slots=1
         wait 60016
         why 1
         back anna slots=1 a1:started
         succeeded a1",
        expect![[r#"
            bot pay@1 at_most_once
            agent anna slots=1
            route pay bot:pay@1
            open 1 pay
              1 -> anna as a1 by bot:pay@1 (fence 1)
            accepted a1
              committed
            started a1
              committed
            away anna
            agent bob slots=1
            wait 60016
            why 1
              is with agent anna by bot:pay@1 (silent); bot:pay@1: agent anna has given no sign of life for 60 s
            back anna slots=1 a1:started
              sync: 1 open, 0 to close
            succeeded a1
              committed
              1 is done
        "#]],
    );
    check(
        "bot read@1 pure
         agent anna slots=1
         route read bot:read@1
         open 1 read
         accepted a1
         started a1
         away anna
         agent bob slots=1
         wait 60016
         back anna slots=1 a1:started
         succeeded a1
         succeeded a2",
        expect![[r#"
            bot read@1 pure
            agent anna slots=1
            route read bot:read@1
            open 1 read
              1 -> anna as a1 by bot:read@1 (fence 1)
            accepted a1
              committed
            started a1
              committed
            away anna
            agent bob slots=1
            wait 60016
              1 -> bob as a2 by bot:read@1 (fence 2)
            back anna slots=1 a1:started
              sync: 1 open, 0 to close
              anna is asked to stop a1: the job was given to somebody else
            succeeded a1
              stale
            succeeded a2
              committed
              1 is done
        "#]],
    );
    check(
        "bot pay@1 at_most_once
         agent anna slots=1
         route pay bot:pay@1 on_lost=stop
         open 1 pay
         accepted a1
         started a1
         away anna
         wait 60016
         back anna slots=1
         succeeded a1",
        expect![[r#"
            bot pay@1 at_most_once
            agent anna slots=1
            route pay bot:pay@1 on_lost=stop
            open 1 pay
              1 -> anna as a1 by bot:pay@1 (fence 1)
            accepted a1
              committed
            started a1
              committed
            away anna
            wait 60016
              1 waits for a person: bot:pay@1: agent anna has given no sign of life for 60 s: it may have happened, and must not be repeated unseen; ask the agent's owner, then complete the job or give it retries
            back anna slots=1
              sync: 1 open, 0 to close
            succeeded a1
              committed
              1 is done
        "#]],
    );
}

#[test]
fn beats_renew_leases() {
    check(
        "bot add@1 at_most_once
         agent anna slots=1
         route crm bot:add@1 on_lost=stop
         open 1 crm
         accepted a1
         wait 50000
         beat anna a1
         wait 50000
         why 1
         wait 10016",
        expect![[r#"
            bot add@1 at_most_once
            agent anna slots=1
            route crm bot:add@1 on_lost=stop
            open 1 crm
              1 -> anna as a1 by bot:add@1 (fence 1)
            accepted a1
              committed
            wait 50000
            beat anna a1
              1 leases renewed
            wait 50000
            why 1
              is with agent anna by bot:add@1 (accepted)
            wait 10016
              1 waits for a person: bot:add@1: agent anna has given no sign of life for 60 s: it may have happened, and must not be repeated unseen; ask the agent's owner, then complete the job or give it retries
              anna is asked about 1 attempts
        "#]],
    );
}

#[test]
fn a_lost_journal_makes_unknown_what_must_not_be_repeated() {
    check(
        "bot pay@1 at_most_once
         bot read@1 pure
         agent anna slots=2
         route pay bot:pay@1
         route read bot:read@1
         open 1 pay
         open 2 read
         accepted a1
         accepted a2
         away anna
         back anna slots=2 journal_lost",
        expect![[r#"
            bot pay@1 at_most_once
            bot read@1 pure
            agent anna slots=2
            route pay bot:pay@1
            route read bot:read@1
            open 1 pay
              1 -> anna as a1 by bot:pay@1 (fence 1)
            open 2 read
              2 -> anna as a2 by bot:read@1 (fence 1)
            accepted a1
              committed
            accepted a2
              committed
            away anna
            back anna slots=2 journal_lost
              sync: 1 open, 0 to close
              1 waits for a person: bot:pay@1: the agent lost its journal: it may have happened (nobody can tell from here), and must not be repeated unseen; look at the evidence, then complete the job or give it retries
              2 -> anna as a2 by bot:read@1 (fence 1, again)
        "#]],
    );
}

#[test]
fn a_route_to_workers_does_not_let_them_decide_what_an_attempt_left_in_doubt() {
    check(
        "bot pay@1 at_most_once
         agent anna slots=1
         route pay bot:pay@1
         open 1 pay
         accepted a1
         route pay worker
         back anna slots=1 journal_lost
         fail 1 fence=1 retries=1
         done 1",
        expect![[r#"
            bot pay@1 at_most_once
            agent anna slots=1
            route pay bot:pay@1
            open 1 pay
              1 -> anna as a1 by bot:pay@1 (fence 1)
            accepted a1
              committed
            route pay worker
            back anna slots=1 journal_lost
              1 waits for a person: bot:pay@1: the agent lost its journal: it may have happened (nobody can tell from here), and must not be repeated unseen; look at the evidence, then complete the job or give it retries
            fail 1 fence=1 retries=1
              job 1 is not open to workers: it is with nobody, until an operator says how it goes on
            done 1
              job 1 is not open to workers: it is with nobody, until an operator says how it goes on
        "#]],
    );
}

#[test]
fn an_agent_that_knows_a_later_attempt_is_believed() {
    check(
        "bot pay@1 at_most_once
         agent anna slots=1
         route pay bot:pay@1
         open 1 pay
         answer a1 fence_ahead fence=7
         retries 1 1
         rejected a2 code=fence",
        expect![[r#"
            bot pay@1 at_most_once
            agent anna slots=1
            route pay bot:pay@1
            open 1 pay
              1 -> anna as a1 by bot:pay@1 (fence 1)
            answer a1 fence_ahead fence=7
              1 waits for a person: bot:pay@1: the agent knows of a later attempt at this job than the coordinator (was an older backup restored?): it may have happened (nobody can tell from here), and must not be repeated unseen; look at the evidence, then complete the job or give it retries
            retries 1 1
              1 -> anna as a2 by bot:pay@1 (fence 8)
            rejected a2 code=fence
              committed
              1 waits for a person: bot:pay@1: fence: it may have happened (nobody can tell from here), and must not be repeated unseen; look at the evidence, then complete the job or give it retries
        "#]],
    );
}

#[test]
fn nobody_speaks_for_another_agent_or_attempt() {
    check(
        "bot add@1 at_most_once
         agent anna slots=1
         agent bob slots=0
         route crm bot:add@1
         open 1 crm
         succeeded a1 by=bob
         succeeded a1 fence=9
         done 1
         succeeded a1
         succeeded a1 by=bob",
        expect![[r#"
            bot add@1 at_most_once
            agent anna slots=1
            agent bob slots=0
            route crm bot:add@1
            open 1 crm
              1 -> anna as a1 by bot:add@1 (fence 1)
            succeeded a1 by=bob
              invalid
              audit bob: foreign_attempt
            succeeded a1 fence=9
              invalid
              audit anna: wrong_fence
            done 1
              job 1 is not open to workers: it is with agent anna by bot:add@1 (offered)
            succeeded a1
              committed
              1 is done
            succeeded a1 by=bob
              invalid
              audit bob: foreign_attempt
        "#]],
    );
}

#[test]
fn a_cancelled_job_stops_its_attempt_and_its_end_is_kept() {
    check(
        "bot add@1 at_most_once
         agent anna slots=1
         route crm bot:add@1
         open 1 crm
         started a1
         cancel 1
         open 2 crm
         succeeded a1",
        expect![[r#"
            bot add@1 at_most_once
            agent anna slots=1
            route crm bot:add@1
            open 1 crm
              1 -> anna as a1 by bot:add@1 (fence 1)
            started a1
              committed
            cancel 1
              anna is asked to stop a1: the process does not need it any more
            open 2 crm
            succeeded a1
              committed
              2 -> anna as a2 by bot:add@1 (fence 1)
        "#]],
    );
}

#[test]
fn a_changed_route_moves_what_waits_and_leaves_what_runs() {
    check(
        "bot add@1 at_most_once
         connector api 9 at_most_once
         agent anna slots=1
         route crm bot:add@1
         open 1 crm
         open 2 crm
         route crm connector:api else bot:add@1
         succeeded a1
         open 3 crm",
        expect![[r#"
            bot add@1 at_most_once
            connector api 9 at_most_once
            agent anna slots=1
            route crm bot:add@1
            open 1 crm
              1 -> anna as a1 by bot:add@1 (fence 1)
            open 2 crm
            route crm connector:api else bot:add@1
              2 -> connector:api as a2 (fence 1)
            succeeded a1
              committed
              1 is done
            open 3 crm
              3 -> connector:api as a3 (fence 1)
        "#]],
    );
}

#[test]
fn conditions_choose_the_leg_and_say_when_they_cannot() {
    check(
        "connector api 9 at_most_once
         route crm connector:api when=true else person
         open 1 crm
         route crm connector:api when=false else person
         open 2 crm
         route crm connector:api when=amount else person
         open 3 crm
         why 3
         route crm connector:api when=false
         why 3",
        expect![[r#"
            connector api 9 at_most_once
            route crm connector:api when=true else person
            open 1 crm
              1 -> connector:api as a1 (fence 1)
            route crm connector:api when=false else person
            open 2 crm
              2 -> a person as a2 (fence 1)
            route crm connector:api when=amount else person
            open 3 crm
            why 3
              a condition of its route cannot be evaluated: amount is null
            route crm connector:api when=false
            why 3
              no leg of the route of crm fits this job: set a route with a leg that does
        "#]],
    );
}

#[test]
fn a_paused_agent_gets_nothing_and_not_now_is_no_failure() {
    check(
        "bot add@1 at_most_once
         agent anna slots=1
         beat anna paused
         route crm bot:add@1
         open 1 crm
         why 1
         beat anna
         rejected a1 retryable
         why 1
         wait 1000
         revoke anna
         why 1",
        expect![[r#"
            bot add@1 at_most_once
            agent anna slots=1
            beat anna paused
              0 leases renewed
            route crm bot:add@1
            open 1 crm
            why 1
              no agent can take bot:add@1: anna is paused by its owner
            beat anna
              0 leases renewed
              1 -> anna as a1 by bot:add@1 (fence 1)
            rejected a1 retryable
              committed
            why 1
              waits for its next try at 1001000 (milliseconds since 1970); bot:add@1: retryable
            wait 1000
              1 -> anna as a2 by bot:add@1 (fence 2)
            revoke anna
            why 1
              is with agent anna by bot:add@1 (offered); bot:add@1: retryable
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
