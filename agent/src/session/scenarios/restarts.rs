//! Scenarios of restarts: what a dead agent's journal means, for each step and each effect class.

use super::*;

#[test]
fn waiting_work_is_checked_again_and_runs() {
    check(
        "task A
         prepared A lock=desktop
         task B job=8 lock=desktop start_by=5000
         prepared B lock=desktop
         wait 100
         crash
         prepared B
         connect
         sync",
        expect![[r#"
            task A
                journal epoch 1
                prepare A
            prepared A lock=desktop
                journal received A #1
                journal started A #2
                run A with 0 secrets
            task B job=8 lock=desktop start_by=5000
                prepare B
            prepared B lock=desktop
                journal received B #3
            wait 100
            crash
                journal finished A Failed #4, happened: No, interrupted (retryable)
                prepare B
            prepared B
                journal started B #5
                run B with 0 secrets
            connect
                send hello #1 j1 last #5 open [B Started, A Failed]
            sync
                beat: 1 running, 1 slots free, 5 in the outbox
                send event A Accepted #1
                send event A Started #2
                send event B Accepted #3
                send event A Failed #4, happened: No, interrupted (retryable)
                send event B Started #5
        "#]],
    );
}

#[test]
fn waiting_work_that_the_owner_forbids_meanwhile_is_given_back() {
    check(
        "task A job=1 lock=desktop
         prepared A
         task B job=2 lock=desktop
         prepared B
         crash
         refused B",
        expect![[r#"
            task A job=1 lock=desktop
                journal epoch 1
                prepare A
            prepared A
                journal received A #1
                journal started A #2
                run A with 0 secrets
            task B job=2 lock=desktop
                prepare B
            prepared B
                journal received B #3
            crash
                journal finished A Failed #4, happened: No, interrupted (retryable)
                prepare B
            refused B
                journal finished B Failed #5, happened: No, policy
        "#]],
    );
}

#[test]
fn work_that_may_be_repeated_is_begun_again_under_the_same_attempt() {
    check(
        "task A effect=idempotent
         prepared A effect=idempotent
         crash
         prepared A effect=idempotent
         ends A well",
        expect![[r#"
            task A effect=idempotent
                journal epoch 1
                prepare A
            prepared A effect=idempotent
                journal received A #1
                journal started A #2
                run A with 0 secrets
            crash
                prepare A
            prepared A effect=idempotent
                journal started A #0
                run A with 0 secrets
            ends A well
                journal finished A Succeeded #3, happened: Yes
        "#]],
    );
}

#[test]
fn work_that_kills_its_agent_is_not_begun_for_ever() {
    check(
        "task A effect=pure
         prepared A effect=pure
         crash
         prepared A effect=pure
         crash
         prepared A effect=pure
         crash",
        expect![[r#"
            task A effect=pure
                journal epoch 1
                prepare A
            prepared A effect=pure
                journal received A #1
                journal started A #2
                run A with 0 secrets
            crash
                prepare A
            prepared A effect=pure
                journal started A #0
                run A with 0 secrets
            crash
                prepare A
            prepared A effect=pure
                journal started A #0
                run A with 0 secrets
            crash
                journal finished A Failed #3, happened: No, interrupted (retryable)
        "#]],
    );
}

#[test]
fn at_most_once_before_its_commit_point_certainly_did_nothing() {
    check(
        "task A
         prepared A
         crash",
        expect![[r#"
            task A
                journal epoch 1
                prepare A
            prepared A
                journal received A #1
                journal started A #2
                run A with 0 secrets
            crash
                journal finished A Failed #3, happened: No, interrupted (retryable)
        "#]],
    );
}

#[test]
fn at_most_once_past_its_commit_point_is_unknown() {
    check(
        "task A
         prepared A
         commits A
         crash
         crash
         connect
         sync",
        expect![[r#"
            task A
                journal epoch 1
                prepare A
            prepared A
                journal received A #1
                journal started A #2
                run A with 0 secrets
            commits A
                journal committed A
                grant commit A
            crash
                journal finished A Unknown #3, happened: Maybe, interrupted
            crash
            connect
                send hello #1 j1 last #3 open [A Unknown]
            sync
                beat: 0 running, 2 slots free, 3 in the outbox
                send event A Accepted #1
                send event A Started #2
                send event A Unknown #3, happened: Maybe, interrupted
        "#]],
    );
}

#[test]
fn checkable_work_past_its_commit_point_is_probed() {
    check(
        "task A effect=checkable
         prepared A effect=checkable
         commits A
         crash
         prepared A effect=checkable
         probe A happened",
        expect![[r#"
            task A effect=checkable
                journal epoch 1
                prepare A
            prepared A effect=checkable
                journal received A #1
                journal started A #2
                run A with 0 secrets
            commits A
                journal committed A
                grant commit A
            crash
                prepare A
            prepared A effect=checkable
                probe A
            probe A happened
                journal finished A Succeeded #3, happened: Yes
        "#]],
    );
    check(
        "task A effect=checkable
         prepared A effect=checkable
         commits A
         crash
         prepared A effect=checkable
         probe A not
         ends A well",
        expect![[r#"
            task A effect=checkable
                journal epoch 1
                prepare A
            prepared A effect=checkable
                journal received A #1
                journal started A #2
                run A with 0 secrets
            commits A
                journal committed A
                grant commit A
            crash
                prepare A
            prepared A effect=checkable
                probe A
            probe A not
                journal started A #0
                run A with 0 secrets
            ends A well
                journal finished A Succeeded #3, happened: Yes
        "#]],
    );
    check(
        "task A effect=checkable
         prepared A effect=checkable
         commits A
         crash
         prepared A effect=checkable
         probe A unclear",
        expect![[r#"
            task A effect=checkable
                journal epoch 1
                prepare A
            prepared A effect=checkable
                journal received A #1
                journal started A #2
                run A with 0 secrets
            commits A
                journal committed A
                grant commit A
            crash
                prepare A
            prepared A effect=checkable
                probe A
            probe A unclear
                journal finished A Unknown #3, happened: Maybe, interrupted
        "#]],
    );
}

#[test]
fn checkable_work_that_can_no_longer_be_checked_is_unknown() {
    check(
        "task A effect=checkable
         prepared A effect=checkable
         commits A
         crash
         refused A",
        expect![[r#"
            task A effect=checkable
                journal epoch 1
                prepare A
            prepared A effect=checkable
                journal received A #1
                journal started A #2
                run A with 0 secrets
            commits A
                journal committed A
                grant commit A
            crash
                prepare A
            refused A
                journal finished A Unknown #3, happened: Maybe, interrupted
        "#]],
    );
}

#[test]
fn secrets_do_not_outlive_the_agent() {
    check(
        "task A secret effect=pure lock=desktop
         prepared A effect=pure
         task B secret job=8 lock=desktop
         prepared B
         crash",
        expect![[r#"
            task A secret effect=pure lock=desktop
                journal epoch 1
                prepare A
            prepared A effect=pure
                journal received A #1
                journal started A #2
                run A with 1 secrets
            task B secret job=8 lock=desktop
                prepare B
            prepared B
                journal received B #3
            crash
                journal finished A Failed #4, happened: No, secrets_gone (retryable)
                journal finished B Failed #5, happened: No, secrets_gone (retryable)
        "#]],
    );
}

#[test]
fn old_work_does_not_suddenly_run_after_the_machine_was_started_anew() {
    check(
        "task A lock=desktop
         prepared A
         task B job=8 lock=desktop start_by=5000
         prepared B
         reboot",
        expect![[r#"
            task A lock=desktop
                journal epoch 1
                prepare A
            prepared A
                journal received A #1
                journal started A #2
                run A with 0 secrets
            task B job=8 lock=desktop start_by=5000
                prepare B
            prepared B
                journal received B #3
            reboot
                journal finished A Failed #4, happened: No, interrupted (retryable)
                journal finished B Failed #5, happened: No, start_by (retryable)
        "#]],
    );
}

#[test]
fn a_lease_that_ran_out_while_the_agent_was_dead_is_lost() {
    check(
        "task A lease=1000 on_lost=stop effect=pure
         prepared A effect=pure
         wait 900
         crash
         wait 100
         prepared A effect=pure",
        expect![[r#"
            task A lease=1000 on_lost=stop effect=pure
                journal epoch 1
                prepare A
            prepared A effect=pure
                journal received A #1
                journal started A #2
                run A with 0 secrets
            wait 900
            crash
                prepare A
            wait 100
                journal finished A Cancelled #3, happened: No, lease_lost (retryable)
            prepared A effect=pure
        "#]],
    );
}
