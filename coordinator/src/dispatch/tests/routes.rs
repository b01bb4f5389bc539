//! Stories of routes: who steps in when, conditions, and changes while everything runs.

use super::stage::check;
use expect_test::expect;

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
