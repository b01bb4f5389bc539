//! Stories of agents: offers, silence, reconnection, forgery.

use super::stage::check;
use expect_test::expect;

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

#[test]
fn an_agent_that_is_silent_about_a_lost_attempt_is_asked_with_every_beat() {
    check(
        "agent anna action=pay
         route pay action:pay
         open 1 pay
         wait 61000
         beat anna
         beat anna
         answer a1 never_seen",
        expect![[r#"
            agent anna action=pay
            route pay action:pay
            open 1 pay
              1 -> anna as a1 by action:pay (fence 1)
            wait 61000
              anna is asked about 1 attempts
            beat anna
              0 leases renewed
              anna is asked about 1 attempts
            beat anna
              0 leases renewed
              anna is asked about 1 attempts
            answer a1 never_seen
              1 -> anna as a1 by action:pay (fence 1, again)
        "#]],
    );
}
