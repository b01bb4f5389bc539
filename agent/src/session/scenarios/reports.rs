//! Scenarios of reports: hello, comparison, receipts, beats, a clean stop.

use super::*;

#[test]
fn what_has_no_receipt_is_sent_again_with_the_next_connection() {
    check(
        "connect
         sync
         task A
         prepared A
         disconnect
         ends A well
         connect
         sync
         receipt 1
         receipt 2 3 verdict=stale
         disconnect
         connect
         sync",
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
            disconnect
            ends A well
                journal finished A Succeeded #3, happened: Yes
            connect
                send hello #2 j1 last #3 open [A Succeeded]
            sync
                beat: 0 running, 2 slots free, 3 in the outbox
                send event A Accepted #1
                send event A Started #2
                send event A Succeeded #3, happened: Yes
            receipt 1
                journal reported #1
            receipt 2 3 verdict=stale
                journal reported #2
                journal reported #3
            disconnect
            connect
                send hello #3 j1 last #3 open []
            sync
                beat: 0 running, 2 slots free, 0 in the outbox
        "#]],
    );
}

#[test]
fn an_unreadable_event_is_kept_and_not_repeated_at_once() {
    check(
        "connect
         sync
         task A
         refused A
         receipt 1 verdict=invalid
         wait 1
         disconnect
         connect
         sync",
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
            receipt 1 verdict=invalid
                warn: the coordinator cannot read event 1; it stays in the journal and is sent again with the next connection
            wait 1
            disconnect
            connect
                send hello #2 j1 last #1 open [A Rejected]
            sync
                beat: 0 running, 2 slots free, 1 in the outbox
                send event A Rejected #1, happened: No, policy
        "#]],
    );
}

#[test]
fn the_coordinator_learns_what_the_agent_knows_of_each_attempt_it_asks_about() {
    check(
        "connect
         sync
         task A job=1
         prepared A
         task B job=2
         prepared B
         ends B well
         receipt 3 4 5 6
         sync A job=1
         sync B job=2
         sync C job=3
         sync D job=2 fence=0",
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
            task B job=2
                prepare B
            prepared B
                journal received B #3
                journal started B #4
                run B with 0 secrets
                send event B Accepted #3
                send event B Started #4
            ends B well
                journal finished B Succeeded #5, happened: Yes
                send event B Succeeded #5, happened: Yes
            receipt 3 4 5 6
                journal reported #3
                journal reported #4
                journal reported #5
            sync A job=1
                send answer [A fence 1 Open]
            sync B job=2
                send answer [B fence 1 Ended]
                send event B Succeeded #5, happened: Yes, again
            sync C job=3
                send answer [C fence 1 NeverSeen]
            sync D job=2 fence=0
                send answer [D fence 1 FenceAhead]
        "#]],
    );
}

#[test]
fn an_attempt_nobody_waits_for_is_killed_and_never_mentioned_again() {
    check(
        "connect
         sync
         task A
         prepared A
         sync close=A
         ends A well
         task A",
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
            sync close=A
                journal closed A
                kill A
            ends A well
            task A
        "#]],
    );
}

#[test]
fn a_silent_coordinator_is_left_for_another_connection() {
    check(
        "connect
         sync
         task A
         refused A
         wait 59999
         wait 1",
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
            wait 59999
            wait 1
                reconnect: the coordinator has not answered for 60 s
        "#]],
    );
}

#[test]
fn a_beat_follows_each_interval() {
    check(
        "connect
         sync beat=1000
         wait 999
         wait 1
         disconnect
         wait 5000",
        expect![[r#"
            connect
                send hello #1 j1 last #0 open []
            sync beat=1000
                journal epoch 1
                beat: 0 running, 2 slots free, 0 in the outbox
            wait 999
            wait 1
                beat: 0 running, 2 slots free, 0 in the outbox
            disconnect
            wait 5000
        "#]],
    );
}

#[test]
fn an_agent_that_stops_says_goodbye_and_leaves_waiting_work_in_its_journal() {
    check(
        "connect
         sync
         task A job=1
         task B job=2
         prepared A lock=desktop
         prepared B lock=desktop
         stop
         task C job=3
         ends A cancelled
         crash",
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
            stop
                ask A to stop
                send goodbye: the agent was stopped
            task C job=3
                send event C Rejected #0, happened: No, stopping (retryable)
            ends A cancelled
                journal finished A Failed #4, happened: No, agent_stopped (retryable)
                send event A Failed #4, happened: No, agent_stopped (retryable)
                stopped
            crash
                prepare B
        "#]],
    );
}

#[test]
fn receipts_of_later_events_do_not_hide_that_one_got_lost() {
    check(
        "connect
         sync
         task A
         prepared A
         wait 50000
         receipt 2
         wait 10000",
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
            wait 50000
                kill A
            receipt 2
                journal reported #2
            wait 10000
                reconnect: the coordinator has not answered for 60 s
        "#]],
    );
}
