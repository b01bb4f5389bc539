//! Scenarios of offers: accepted, refused, repeated, withdrawn.

use super::*;

#[test]
fn an_offer_is_in_the_journal_before_it_is_accepted_and_before_it_runs() {
    check(
        "connect
         sync
         task A
         prepared A
         commits A
         ends A well
         receipt 1 2 3",
        expect![[r#"
            connect
                send hello #1 j1 last #0 open []
            sync
                journal epoch 1
                beat: 0 running, 2 slots free, 0 in the outbox
            task A
                prepare A
            prepared A
                journal received A #1
                journal started A #2
                run A with 0 secrets
                send event A Accepted #1
                send event A Started #2
            commits A
                journal committed A
                grant commit A
            ends A well
                journal finished A Succeeded #3, happened: Yes
                send event A Succeeded #3, happened: Yes
            receipt 1 2 3
                journal reported #1
                journal reported #2
                journal reported #3
        "#]],
    );
}

#[test]
fn an_offer_that_comes_twice_runs_once() {
    check(
        "connect
         sync
         task A
         task A
         prepared A
         task A
         ends A well
         task A
         receipt 1 2 3
         task A",
        expect![[r#"
            connect
                send hello #1 j1 last #0 open []
            sync
                journal epoch 1
                beat: 0 running, 2 slots free, 0 in the outbox
            task A
                prepare A
            task A
            prepared A
                journal received A #1
                journal started A #2
                run A with 0 secrets
                send event A Accepted #1
                send event A Started #2
            task A
                send event A Started #0, again
            ends A well
                journal finished A Succeeded #3, happened: Yes
                send event A Succeeded #3, happened: Yes
            task A
                send event A Succeeded #3, happened: Yes, again
            receipt 1 2 3
                journal reported #1
                journal reported #2
                journal reported #3
            task A
                send event A Succeeded #3, happened: Yes, again
        "#]],
    );
}

#[test]
fn an_older_fence_is_refused_and_the_coordinator_hears_the_higher_one() {
    check(
        "connect
         sync
         task A fence=5
         prepared A
         ends A well
         receipt 1 2 3
         task B fence=4
         task C fence=5
         task D fence=6
         prepared D",
        expect![[r#"
            connect
                send hello #1 j1 last #0 open []
            sync
                journal epoch 1
                beat: 0 running, 2 slots free, 0 in the outbox
            task A fence=5
                prepare A
            prepared A
                journal received A #1
                journal started A #2
                run A with 0 secrets
                send event A Accepted #1
                send event A Started #2
            ends A well
                journal finished A Succeeded #3, happened: Yes
                send event A Succeeded #3, happened: Yes
            receipt 1 2 3
                journal reported #1
                journal reported #2
                journal reported #3
            task B fence=4
                send answer [B fence 5 FenceAhead]
                send event B Rejected #0, happened: No, fence (retryable)
            task C fence=5
                send answer [C fence 5 FenceAhead]
                send event C Rejected #0, happened: No, fence (retryable)
            task D fence=6
                prepare D
            prepared D
                journal received D #4
                journal started D #5
                run D with 0 secrets
                send event D Accepted #4
                send event D Started #5
        "#]],
    );
}

#[test]
fn a_second_attempt_of_a_job_never_runs_beside_the_first() {
    check(
        "connect
         sync
         task A fence=1
         prepared A
         task B fence=2",
        expect![[r#"
            connect
                send hello #1 j1 last #0 open []
            sync
                journal epoch 1
                beat: 0 running, 2 slots free, 0 in the outbox
            task A fence=1
                prepare A
            prepared A
                journal received A #1
                journal started A #2
                run A with 0 secrets
                send event A Accepted #1
                send event A Started #2
            task B fence=2
                send event B Rejected #0, happened: No, still_running (retryable)
        "#]],
    );
}

#[test]
fn a_deposed_coordinator_is_not_obeyed() {
    check(
        "connect
         sync epoch=3
         task A epoch=2
         task B epoch=4 job=8
         cancel B epoch=3
         sync epoch=3",
        expect![[r#"
            connect
                send hello #1 j1 last #0 open []
            sync epoch=3
                journal epoch 3
                beat: 0 running, 2 slots free, 0 in the outbox
            task A epoch=2
                warn: a task of a coordinator of term 2 was ignored, because one of term 3 was heard before
            task B epoch=4 job=8
                journal epoch 4
                prepare B
            cancel B epoch=3
                warn: a request to cancel of a coordinator of term 3 was ignored, because one of term 4 was heard before
            sync epoch=3
                warn: a comparison of a coordinator of term 3 was ignored, because one of term 4 was heard before
        "#]],
    );
}

#[test]
fn more_offers_than_slots_are_refused_for_the_moment() {
    check(
        "connect
         sync
         task A job=1
         task B job=2
         task C job=3",
        expect![[r#"
            connect
                send hello #1 j1 last #0 open []
            sync
                journal epoch 1
                beat: 0 running, 2 slots free, 0 in the outbox
            task A job=1
                prepare A
            task B job=2
                prepare B
            task C job=3
                send event C Rejected #0, happened: No, no_slot (retryable)
        "#]],
    );
}

#[test]
fn the_policys_refusal_reaches_the_coordinator_and_is_kept_until_it_does() {
    check(
        "connect
         sync
         task A
         refused A
         disconnect
         connect
         sync
         receipt 1
         task A",
        expect![[r#"
            connect
                send hello #1 j1 last #0 open []
            sync
                journal epoch 1
                beat: 0 running, 2 slots free, 0 in the outbox
            task A
                prepare A
            refused A
                journal refused A Rejected #1, happened: No, policy
                send event A Rejected #1, happened: No, policy
            disconnect
            connect
                send hello #2 j1 last #1 open [A Rejected]
            sync
                beat: 0 running, 2 slots free, 1 in the outbox
                send event A Rejected #1, happened: No, policy
            receipt 1
                journal reported #1
            task A
                send event A Rejected #1, happened: No, policy, again
        "#]],
    );
}

#[test]
fn work_that_declares_another_effect_is_refused() {
    check(
        "connect
         sync
         task A effect=pure
         prepared A effect=at_most_once",
        expect![[r#"
            connect
                send hello #1 j1 last #0 open []
            sync
                journal epoch 1
                beat: 0 running, 2 slots free, 0 in the outbox
            task A effect=pure
                prepare A
            prepared A effect=at_most_once
                journal refused A Rejected #1, happened: No, effect_mismatch
                send event A Rejected #1, happened: No, effect_mismatch
        "#]],
    );
}

#[test]
fn an_input_that_is_no_object_is_refused() {
    check(
        "connect
         sync
         task A input=[1]",
        expect![[r#"
            connect
                send hello #1 j1 last #0 open []
            sync
                journal epoch 1
                beat: 0 running, 2 slots free, 0 in the outbox
            task A input=[1]
                journal refused A Rejected #1, happened: No, invalid_input
                send event A Rejected #1, happened: No, invalid_input
        "#]],
    );
}

#[test]
fn an_offer_that_took_too_long_to_prepare_is_refused() {
    check(
        "connect
         sync
         task A accept_by=100
         wait 101
         prepared A",
        expect![[r#"
            connect
                send hello #1 j1 last #0 open []
            sync
                journal epoch 1
                beat: 0 running, 2 slots free, 0 in the outbox
            task A accept_by=100
                prepare A
            wait 101
            prepared A
                journal refused A Rejected #1, happened: No, accept_by (retryable)
                send event A Rejected #1, happened: No, accept_by (retryable)
        "#]],
    );
}

#[test]
fn an_owner_who_pauses_takes_no_work() {
    check(
        "connect
         sync
         pause
         task A",
        expect![[r#"
            connect
                send hello #1 j1 last #0 open []
            sync
                journal epoch 1
                beat: 0 running, 2 slots free, 0 in the outbox
            pause
            task A
                send event A Rejected #0, happened: No, paused (retryable)
        "#]],
    );
}

#[test]
fn an_offer_can_be_withdrawn_before_it_is_accepted_and_before_it_runs() {
    check(
        "connect
         sync
         task A job=1
         cancel A
         task B job=2 lock=desk
         task C job=3 lock=desk
         prepared B
         prepared C
         cancel C",
        expect![[r#"
            connect
                send hello #1 j1 last #0 open []
            sync
                journal epoch 1
                beat: 0 running, 2 slots free, 0 in the outbox
            task A job=1
                prepare A
            cancel A
                journal refused A Cancelled #1, happened: No, cancelled
                send event A Cancelled #1, happened: No, cancelled
            task B job=2 lock=desk
                prepare B
            task C job=3 lock=desk
                prepare C
            prepared B
                journal received B #2
                journal started B #3
                run B with 0 secrets
                send event B Accepted #2
                send event B Started #3
            prepared C
                journal received C #4
                send event C Accepted #4
            cancel C
                journal finished C Cancelled #5, happened: No, cancelled
                send event C Cancelled #5, happened: No, cancelled
        "#]],
    );
}
