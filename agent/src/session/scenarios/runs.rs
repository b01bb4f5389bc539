//! Scenarios of runs: locks, limits, leases, cancelling, the commit point.

use super::*;

#[test]
fn two_attempts_with_one_lock_run_one_after_the_other() {
    check(
        "connect
         sync
         task A job=1
         task B job=2
         prepared A lock=desktop
         prepared B lock=desktop
         ends A well",
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
            prepared A lock=desktop
                journal received A #1
                journal started A #2
                run A with 0 secrets
                send event A Accepted #1
                send event A Started #2
            prepared B lock=desktop
                journal received B #3
                send event B Accepted #3
            ends A well
                journal finished A Succeeded #4, happened: Yes
                journal started B #5
                run B with 0 secrets
                send event A Succeeded #4, happened: Yes
                send event B Started #5
        "#]],
    );
}

#[test]
fn a_run_over_its_limit_is_killed_after_its_grace() {
    check(
        "connect
         sync
         task A timeout=1000
         prepared A
         wait 1499
         wait 1
         ends A dead",
        expect![[r#"
            connect
                send hello #1 j1 last #0 open []
            sync
                journal epoch 1
                beat: 0 running, 2 slots free, 0 in the outbox
            task A timeout=1000
                prepare A
            prepared A
                journal received A #1
                journal started A #2
                run A with 0 secrets
                send event A Accepted #1
                send event A Started #2
            wait 1499
            wait 1
                kill A
            ends A dead
                journal finished A TimedOut #3, happened: No, run_timeout (retryable)
                send event A TimedOut #3, happened: No, run_timeout (retryable)
        "#]],
    );
}

#[test]
fn the_bots_own_limit_counts_where_it_is_shorter() {
    check(
        "connect
         sync
         task A timeout=10000
         prepared A limit=2000
         wait 2499
         wait 1",
        expect![[r#"
            connect
                send hello #1 j1 last #0 open []
            sync
                journal epoch 1
                beat: 0 running, 2 slots free, 0 in the outbox
            task A timeout=10000
                prepare A
            prepared A limit=2000
                journal received A #1
                journal started A #2
                run A with 0 secrets
                send event A Accepted #1
                send event A Started #2
            wait 2499
            wait 1
                kill A
        "#]],
    );
}

#[test]
fn a_run_killed_past_its_commit_point_is_unknown() {
    check(
        "connect
         sync
         task A timeout=1000
         prepared A
         commits A
         wait 1500
         ends A dead",
        expect![[r#"
            connect
                send hello #1 j1 last #0 open []
            sync
                journal epoch 1
                beat: 0 running, 2 slots free, 0 in the outbox
            task A timeout=1000
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
            wait 1500
                kill A
            ends A dead
                journal finished A Unknown #3, happened: Maybe, interrupted
                send event A Unknown #3, happened: Maybe, interrupted
        "#]],
    );
}

#[test]
fn a_failure_past_the_commit_point_is_unknown_and_a_bpmn_error_is_the_bots_clear_word() {
    check(
        "connect
         sync
         task A job=1
         prepared A
         commits A
         ends A failed
         task B job=2
         prepared B
         commits B
         ends B error",
        expect![[r#"
            connect
                send hello #1 j1 last #0 open []
            sync
                journal epoch 1
                beat: 0 running, 2 slots free, 0 in the outbox
            task A job=1
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
            ends A failed
                journal finished A Unknown #3, happened: Maybe, past_commit_point
                send event A Unknown #3, happened: Maybe, past_commit_point
            task B job=2
                prepare B
            prepared B
                journal received B #4
                journal started B #5
                run B with 0 secrets
                send event B Accepted #4
                send event B Started #5
            commits B
                journal committed B
                grant commit B
            ends B error
                journal finished B BpmnError #6, happened: Maybe, bpmn_error
                send event B BpmnError #6, happened: Maybe, bpmn_error
        "#]],
    );
}

#[test]
fn a_cancelled_run_may_tidy_up_and_never_passes_its_commit_point() {
    check(
        "connect
         sync
         task A
         prepared A
         cancel A
         commits A
         ends A cancelled",
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
            cancel A
                ask A to stop
            commits A
                deny commit A: the coordinator cancelled it
            ends A cancelled
                journal finished A Cancelled #3, happened: No, cancelled
                send event A Cancelled #3, happened: No, cancelled
        "#]],
    );
}

#[test]
fn a_cancelled_run_that_does_not_stop_is_killed() {
    check(
        "connect
         sync
         task A
         prepared A
         cancel A grace=200
         wait 200
         ends A dead",
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
            cancel A grace=200
                ask A to stop
            wait 200
                kill A
            ends A dead
                journal finished A Cancelled #3, happened: No, cancelled
                send event A Cancelled #3, happened: No, cancelled
        "#]],
    );
}

#[test]
fn a_killed_run_gets_no_grace() {
    check(
        "connect
         sync
         task A effect=idempotent
         prepared A effect=idempotent
         kill A
         ends A dead",
        expect![[r#"
            connect
                send hello #1 j1 last #0 open []
            sync
                journal epoch 1
                beat: 0 running, 2 slots free, 0 in the outbox
            task A effect=idempotent
                prepare A
            prepared A effect=idempotent
                journal received A #1
                journal started A #2
                run A with 0 secrets
                send event A Accepted #1
                send event A Started #2
            kill A
                kill A
            ends A dead
                journal finished A Cancelled #3, happened: Maybe, cancelled
                send event A Cancelled #3, happened: Maybe, cancelled
        "#]],
    );
}

#[test]
fn a_run_that_ends_well_although_cancelled_has_happened() {
    check(
        "connect
         sync
         task A
         prepared A
         commits A
         cancel A
         ends A well",
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
            cancel A
                ask A to stop
            ends A well
                journal finished A Succeeded #3, happened: Yes
                send event A Succeeded #3, happened: Yes
        "#]],
    );
}

#[test]
fn a_lost_lease_stops_what_another_agent_will_do() {
    check(
        "connect
         sync
         task A lease=1000 on_lost=replace
         prepared A
         wait 900
         receipt renew=A lease=1000
         wait 999
         disconnect
         wait 1
         ends A cancelled",
        expect![[r#"
            connect
                send hello #1 j1 last #0 open []
            sync
                journal epoch 1
                beat: 0 running, 2 slots free, 0 in the outbox
            task A lease=1000 on_lost=replace
                prepare A
            prepared A
                journal received A #1
                journal started A #2
                run A with 0 secrets
                send event A Accepted #1
                send event A Started #2
            wait 900
            receipt renew=A lease=1000
            wait 999
            disconnect
            wait 1
                ask A to stop
            ends A cancelled
                journal finished A Cancelled #3, happened: No, lease_lost (retryable)
        "#]],
    );
}

#[test]
fn a_lost_lease_lets_patient_work_go_on() {
    check(
        "connect
         sync
         task A lease=1000 on_lost=wait
         prepared A
         disconnect
         wait 5000
         ends A well",
        expect![[r#"
            connect
                send hello #1 j1 last #0 open []
            sync
                journal epoch 1
                beat: 0 running, 2 slots free, 0 in the outbox
            task A lease=1000 on_lost=wait
                prepare A
            prepared A
                journal received A #1
                journal started A #2
                run A with 0 secrets
                send event A Accepted #1
                send event A Started #2
            disconnect
            wait 5000
            ends A well
                journal finished A Succeeded #3, happened: Yes
        "#]],
    );
}

#[test]
fn work_that_cannot_begin_in_time_is_given_back() {
    check(
        "connect
         sync
         task A job=1
         task B job=2 start_by=300
         prepared A lock=desktop
         prepared B lock=desktop
         wait 300",
        expect![[r#"
            connect
                send hello #1 j1 last #0 open []
            sync
                journal epoch 1
                beat: 0 running, 2 slots free, 0 in the outbox
            task A job=1
                prepare A
            task B job=2 start_by=300
                prepare B
            prepared A lock=desktop
                journal received A #1
                journal started A #2
                run A with 0 secrets
                send event A Accepted #1
                send event A Started #2
            prepared B lock=desktop
                journal received B #3
                send event B Accepted #3
            wait 300
                journal finished B Failed #4, happened: No, start_by (retryable)
                send event B Failed #4, happened: No, start_by (retryable)
        "#]],
    );
}

#[test]
fn a_checkable_run_that_died_is_probed_and_a_cancelled_one_is_not_begun_again() {
    check(
        "connect
         sync
         task A job=1 effect=checkable
         prepared A effect=checkable
         commits A
         ends A dead
         probe A not
         commits A
         cancel A
         ends A dead
         probe A not",
        expect![[r#"
            connect
                send hello #1 j1 last #0 open []
            sync
                journal epoch 1
                beat: 0 running, 2 slots free, 0 in the outbox
            task A job=1 effect=checkable
                prepare A
            prepared A effect=checkable
                journal received A #1
                journal started A #2
                run A with 0 secrets
                send event A Accepted #1
                send event A Started #2
            commits A
                journal committed A
                grant commit A
            ends A dead
                probe A
            probe A not
                journal started A #0
                run A with 0 secrets
            commits A
                journal committed A
                grant commit A
            cancel A
                ask A to stop
            ends A dead
                probe A
            probe A not
                journal finished A Cancelled #3, happened: No, cancelled
                send event A Cancelled #3, happened: No, cancelled
        "#]],
    );
}

#[test]
fn progress_is_told_at_most_once_a_second() {
    check(
        "connect
         sync
         task A
         prepared A
         step A login
         step A fill
         wait 1000
         step A save",
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
            step A login
                send event A Progress #0
            step A fill
            wait 1000
            step A save
                send event A Progress #0
        "#]],
    );
}
