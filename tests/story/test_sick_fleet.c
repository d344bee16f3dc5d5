/* Fleets that are ill by themselves, and balancers and hosts that cannot be reached. */
#include "story/story.h"

START_TEST(a_host_that_is_down_comes_first)
{
    struct fleet *fleet = story_fleet(4);
    fleet->hosts[3].faults.dead_ms = 1;
    fleet->hosts[3].faults.well_ms = 3000; /* Its service comes back during the rollout. */
    STORY_ENDS(fleet, ROLLOUT_DONE,
               "update of web to 1.0-2: 4 of 4 hosts, at most 1 at once, floor 75 %\n"
               "web-4: down already, costs nothing: taken first\n"
               "web-4: cannot be reached (connection timed out), trying again: facts\n"
               "web-4: draining, 3 requests in flight; 75 % of the capacity goes on serving\n"
               "web-4: 0 requests in flight after 1.8 s, installing 1.0-2\n"
               "web-4: 1.0-2 installed in 2 s, rebooting\n"
               "web-4: back after 4 s with a new boot_id\n"
               "web-4: runs 1.0-2 now, waiting until it is healthy\n"
               "web-4: healthy for 2 s, weight restored over 2 s\n"
               "web-4: full weight, soaking for 5 s\n"
               "web-4: verified: 325 requests, 0 failed; hosts not yet updated: 1050 requests, "
               "0 failed\n"
               "web-1: draining, 3 requests in flight; 75 % of the capacity goes on serving\n"
               "web-1: 0 requests in flight after 1.8 s, installing 1.0-2\n"
               "web-1: 1.0-2 installed in 2 s, rebooting\n"
               "web-1: back after 4 s with a new boot_id\n"
               "web-1: runs 1.0-2 now, waiting until it is healthy\n"
               "web-1: healthy for 2 s, weight restored over 2 s\n"
               "web-1: full weight, soaking for 5 s\n"
               "web-1: verified: 325 requests, 0 failed; hosts not yet updated: 700 requests, "
               "0 failed\n"
               "web-2: draining, 3 requests in flight; 75 % of the capacity goes on serving\n"
               "web-2: 0 requests in flight after 1.8 s, installing 1.0-2\n"
               "web-2: 1.0-2 installed in 2 s, rebooting\n"
               "web-2: back after 4 s with a new boot_id\n"
               "web-2: runs 1.0-2 now, waiting until it is healthy\n"
               "web-2: healthy for 2 s, weight restored over 2 s\n"
               "web-2: full weight, soaking for 5 s\n"
               "web-2: verified: 325 requests, 0 failed; hosts not yet updated: 350 requests, "
               "0 failed\n"
               "web-3: draining, 3 requests in flight; 75 % of the capacity goes on serving\n"
               "web-3: 0 requests in flight after 1.8 s, installing 1.0-2\n"
               "web-3: 1.0-2 installed in 2 s, rebooting\n"
               "web-3: back after 4 s with a new boot_id\n"
               "web-3: runs 1.0-2 now, waiting until it is healthy\n"
               "web-3: healthy for 2 s, weight restored over 2 s\n"
               "web-3: full weight, soaking for 5 s\n"
               "web-3: verified: 325 requests, 0 failed; verified hosts and its own record: "
               "3950 requests, 0 failed\n"
               "done: 4 of 4 hosts updated; lowest capacity 75 %; 76 s\n");
}
END_TEST

START_TEST(a_dead_host_is_quarantined_and_the_others_are_updated)
{
    struct fleet *fleet = story_fleet(4);
    fleet->spec.failure_domain = false;
    fleet->spec.max_unavailable = (struct rollout_amount){false, 2};
    fleet->hosts[3].faults.dead_ms = 1;
    STORY_ENDS(fleet, ROLLOUT_FAILED,
               "update of web to 1.0-2: 4 of 4 hosts, at most 2 at once, floor 50 %\n"
               "web-4: down already, costs nothing: taken first\n"
               "web-4: cannot be reached (connection timed out), trying again: facts\n"
               "web-4: quarantined: its versions cannot be read: connection timed out\n"
               "web-1: draining, 3 requests in flight; 50 % of the capacity goes on serving\n"
               "web-1: 0 requests in flight after 2.3 s, installing 1.0-2\n"
               "web-1: 1.0-2 installed in 2 s, rebooting\n"
               "web-1: back after 4 s with a new boot_id\n"
               "web-1: runs 1.0-2 now, waiting until it is healthy\n"
               "web-1: healthy for 2 s, weight restored over 2 s\n"
               "web-1: full weight, soaking for 5 s\n"
               "web-1: verified: 325 requests, 0 failed; hosts not yet updated: 700 requests, "
               "0 failed\n"
               "web-2: draining, 3 requests in flight; 50 % of the capacity goes on serving\n"
               "web-2: 0 requests in flight after 1.8 s, installing 1.0-2\n"
               "web-2: 1.0-2 installed in 2 s, rebooting\n"
               "web-2: back after 4 s with a new boot_id\n"
               "web-2: runs 1.0-2 now, waiting until it is healthy\n"
               "web-2: healthy for 2 s, weight restored over 2 s\n"
               "web-2: full weight, soaking for 5 s\n"
               "web-2: verified: 325 requests, 0 failed; hosts not yet updated: 350 requests, "
               "0 failed\n"
               "web-3: draining, 3 requests in flight; 50 % of the capacity goes on serving\n"
               "web-3: 0 requests in flight after 1.8 s, installing 1.0-2\n"
               "web-3: 1.0-2 installed in 2 s, rebooting\n"
               "web-3: back after 4 s with a new boot_id\n"
               "web-3: runs 1.0-2 now, waiting until it is healthy\n"
               "web-3: healthy for 2 s, weight restored over 2 s\n"
               "web-3: full weight, soaking for 5 s\n"
               "web-3: verified: 325 requests, 0 failed; verified hosts and its own record: "
               "5500 requests, 0 failed\n"
               "failed: web-4: its versions cannot be read: connection timed out; 3 of 4 hosts "
               "updated, 1 quarantined; lowest capacity 50 %; 114 s\n");
    ck_assert_uint_eq(fleet->installs, 3);
}
END_TEST

START_TEST(a_host_falls_ill_and_nobody_is_taken_until_it_is_well)
{
    struct fleet *fleet = story_fleet(4);
    fleet->hosts[3].faults.dead_ms = 10000;
    fleet->hosts[3].faults.well_ms = 60000;
    fleet->spec.failure_domain = false;
    STORY_ENDS(fleet, ROLLOUT_DONE,
               "update of web to 1.0-2: 4 of 4 hosts, at most 1 at once, floor 75 %\n"
               "web-1: draining, 3 requests in flight; 75 % of the capacity goes on serving\n"
               "web-1: 0 requests in flight after 1.8 s, installing 1.0-2\n"
               "web-1: 1.0-2 installed in 2 s, rebooting\n"
               "web-1: back after 4 s with a new boot_id\n"
               "web-1: runs 1.0-2 now, waiting until it is healthy\n"
               "web-4: fell ill by itself, counts as unavailable\n"
               "web-1: healthy for 2 s, weight restored over 2 s\n"
               "web-1: full weight, soaking for 5 s\n"
               "web-1: verified: 325 requests, 0 failed; hosts not yet updated: 700 requests, "
               "0 failed\n"
               "web-4: down already, costs nothing: taken first\n"
               "web-4: cannot be reached (connection timed out), trying again: facts\n"
               "web-4: draining, 3 requests in flight; 75 % of the capacity goes on serving\n"
               "web-4: 0 requests in flight after 2.3 s, installing 1.0-2\n"
               "web-4: 1.0-2 installed in 2 s, rebooting\n"
               "web-4: back after 4 s with a new boot_id\n"
               "web-4: runs 1.0-2 now, waiting until it is healthy\n"
               "web-4: healthy for 2 s, weight restored over 2 s\n"
               "web-4: full weight, soaking for 5 s\n"
               "web-4: verified: 325 requests, 0 failed; hosts not yet updated: 700 requests, "
               "0 failed\n"
               "web-2: draining, 3 requests in flight; 75 % of the capacity goes on serving\n"
               "web-2: 0 requests in flight after 1.8 s, installing 1.0-2\n"
               "web-2: 1.0-2 installed in 2 s, rebooting\n"
               "web-2: back after 4 s with a new boot_id\n"
               "web-2: runs 1.0-2 now, waiting until it is healthy\n"
               "web-2: healthy for 2 s, weight restored over 2 s\n"
               "web-2: full weight, soaking for 5 s\n"
               "web-2: verified: 325 requests, 0 failed; hosts not yet updated: 350 requests, "
               "0 failed\n"
               "web-3: draining, 3 requests in flight; 75 % of the capacity goes on serving\n"
               "web-3: 0 requests in flight after 1.8 s, installing 1.0-2\n"
               "web-3: 1.0-2 installed in 2 s, rebooting\n"
               "web-3: back after 4 s with a new boot_id\n"
               "web-3: runs 1.0-2 now, waiting until it is healthy\n"
               "web-3: healthy for 2 s, weight restored over 2 s\n"
               "web-3: full weight, soaking for 5 s\n"
               "web-3: verified: 325 requests, 0 failed; verified hosts and its own record: "
               "6200 requests, 0 failed\n"
               "done: 4 of 4 hosts updated; lowest capacity 50 %; 2 min 1 s\n");
}
END_TEST

START_TEST(two_hosts_die_and_the_floor_holds)
{
    struct fleet *fleet = story_fleet(8);
    fleet->spec.max_unavailable = (struct rollout_amount){false, 3};
    fleet->spec.floor_given = true;
    fleet->spec.floor_ppm = 750000;
    fleet->hosts[6].faults.dead_ms = 10000;
    fleet->hosts[7].faults.dead_ms = 11000;
    fleet->spec.failure_domain = false;
    fleet->spec.progress_deadline_ms = 60000;
    fleet->script[0] = (struct fleet_script){200000, FLEET_ABORT, 0};
    STORY_ENDS(fleet, ROLLOUT_ABORTED,
               "update of web to 1.0-2: 8 of 8 hosts, at most 3 at once, floor 75 %\n"
               "web-1: draining, 3 requests in flight; 87.5 % of the capacity goes on serving\n"
               "web-1: 0 requests in flight after 1.8 s, installing 1.0-2\n"
               "web-1: 1.0-2 installed in 2 s, rebooting\n"
               "web-1: back after 4 s with a new boot_id\n"
               "web-1: runs 1.0-2 now, waiting until it is healthy\n"
               "web-7: fell ill by itself, counts as unavailable\n"
               "web-8: fell ill by itself, counts as unavailable\n"
               "web-1: healthy for 2 s, weight restored over 2 s\n"
               "web-1: full weight, soaking for 5 s\n"
               "web-1: verified: 325 requests, 0 failed; hosts not yet updated: 1750 requests, "
               "0 failed\n"
               "web-7: down already, costs nothing: taken first\n"
               "web-8: down already, costs nothing: taken first\n"
               "web-7: cannot be reached (connection timed out), trying again: facts\n"
               "web-8: cannot be reached (connection timed out), trying again: facts\n"
               "web-7: quarantined: its versions cannot be read: connection timed out\n"
               "web-8: quarantined: its versions cannot be read: connection timed out\n"
               "no further host is taken: without web-2 62.5 % of the capacity would serve, "
               "the floor is 75 %\n"
               "paused: no host could be taken for 60 s; resume goes on as soon as one can be\n"
               "aborting, hosts in flight are brought to a safe end\n"
               "aborted: 1 of 8 hosts updated, 2 quarantined; lowest capacity 62.5 %; 3 min 20 "
               "s\n");
}
END_TEST

START_TEST(another_zone_falls_ill_and_the_operator_accepts_it)
{
    struct fleet *fleet = story_fleet(6);
    fleet->spec.max_unavailable = (struct rollout_amount){false, 2};
    fleet->spec.first_batch_max = 0;
    fleet->spec.progress_deadline_ms = 60000;
    fleet->hosts[5].faults.dead_ms = 10000;
    fleet->host_specs[5].chosen = false;
    fleet->script[0] = (struct fleet_script){120000, FLEET_RESUME, 0};
    STORY_ENDS(fleet, ROLLOUT_DONE,
               "update of web to 1.0-2: 5 of 6 hosts, at most 2 at once, floor 66.6 %\n"
               "web-1: draining, 3 requests in flight; 83.3 % of the capacity goes on serving\n"
               "web-2: draining, 3 requests in flight; 66.6 % of the capacity goes on serving\n"
               "web-1: 0 requests in flight after 1.8 s, installing 1.0-2\n"
               "web-2: 0 requests in flight after 1.8 s, installing 1.0-2\n"
               "web-1: 1.0-2 installed in 2 s, rebooting\n"
               "web-2: 1.0-2 installed in 2 s, rebooting\n"
               "web-1: back after 4 s with a new boot_id\n"
               "web-2: back after 4 s with a new boot_id\n"
               "web-1: runs 1.0-2 now, waiting until it is healthy\n"
               "web-2: runs 1.0-2 now, waiting until it is healthy\n"
               "web-6: fell ill by itself, counts as unavailable\n"
               "web-1: healthy for 2 s, weight restored over 2 s\n"
               "web-2: healthy for 2 s, weight restored over 2 s\n"
               "web-1: full weight, soaking for 5 s\n"
               "web-2: full weight, soaking for 5 s\n"
               "web-1: verified: 325 requests, 0 failed; hosts not yet updated: 1050 requests, "
               "0 failed\n"
               "web-2: verified: 325 requests, 0 failed; hosts not yet updated: 1050 requests, "
               "0 failed\n"
               "web-4: draining, 3 requests in flight; 66.6 % of the capacity goes on serving\n"
               "web-4: 0 requests in flight after 1.8 s, installing 1.0-2\n"
               "web-4: 1.0-2 installed in 2 s, rebooting\n"
               "web-4: back after 4 s with a new boot_id\n"
               "web-4: runs 1.0-2 now, waiting until it is healthy\n"
               "web-4: healthy for 2 s, weight restored over 2 s\n"
               "web-4: full weight, soaking for 5 s\n"
               "web-4: verified: 325 requests, 0 failed; hosts not yet updated: 700 requests, "
               "0 failed\n"
               "web-5: draining, 3 requests in flight; 66.6 % of the capacity goes on serving\n"
               "web-5: 0 requests in flight after 1.8 s, installing 1.0-2\n"
               "web-5: 1.0-2 installed in 2 s, rebooting\n"
               "web-5: back after 4 s with a new boot_id\n"
               "web-5: runs 1.0-2 now, waiting until it is healthy\n"
               "web-5: healthy for 2 s, weight restored over 2 s\n"
               "web-5: full weight, soaking for 5 s\n"
               "web-5: verified: 325 requests, 0 failed; hosts not yet updated: 350 requests, "
               "0 failed\n"
               "no further host is taken: web-3 is next, and web-6 in another zone is down\n"
               "paused: no host could be taken for 60 s; resume goes on as soon as one can be\n"
               "resumed by the operator\n"
               "web-3: draining, 3 requests in flight; 66.6 % of the capacity goes on serving\n"
               "web-3: 0 requests in flight after 1.8 s, installing 1.0-2\n"
               "web-3: 1.0-2 installed in 2 s, rebooting\n"
               "web-3: back after 4 s with a new boot_id\n"
               "web-3: runs 1.0-2 now, waiting until it is healthy\n"
               "web-3: healthy for 2 s, weight restored over 2 s\n"
               "web-3: full weight, soaking for 5 s\n"
               "web-3: verified: 325 requests, 0 failed; verified hosts and its own record: "
               "7350 requests, 0 failed\n"
               "done: 5 of 5 hosts updated; lowest capacity 50 %; 2 min 18 s\n");
}
END_TEST

START_TEST(the_balancer_falls_silent)
{
    struct fleet *fleet = story_fleet(2);
    fleet->silent_from_ms = 18500;
    fleet->silent_until_ms = 50000;
    STORY_ENDS(fleet, ROLLOUT_DONE,
               "update of web to 1.0-2: 2 of 2 hosts, at most 1 at once, floor 50 %\n"
               "web-1: draining, 3 requests in flight; 50 % of the capacity goes on serving\n"
               "web-1: 0 requests in flight after 1.8 s, installing 1.0-2\n"
               "web-1: 1.0-2 installed in 2 s, rebooting\n"
               "web-1: back after 4 s with a new boot_id\n"
               "web-1: runs 1.0-2 now, waiting until it is healthy\n"
               "web-1: healthy for 2 s, weight restored over 2 s\n"
               "web-1: full weight, soaking for 5 s\n"
               "web-1: verified: 325 requests, 0 failed; hosts not yet updated: 350 requests, "
               "0 failed\n"
               "web-2: draining, 3 requests in flight; 50 % of the capacity goes on serving\n"
               "web-2: not known to be drained after 30 s, nothing was heard from the "
               "balancer; the rollout pauses until it is\n"
               "web-2: 0 requests in flight after 31.8 s, installing 1.0-2\n"
               "the drain is over, the rollout goes on\n"
               "web-2: 1.0-2 installed in 2 s, rebooting\n"
               "web-2: back after 4 s with a new boot_id\n"
               "web-2: runs 1.0-2 now, waiting until it is healthy\n"
               "web-2: healthy for 2 s, weight restored over 2 s\n"
               "web-2: full weight, soaking for 5 s\n"
               "web-2: verified: 325 requests, 0 failed; verified hosts and its own record: "
               "1250 requests, 0 failed\n"
               "done: 2 of 2 hosts updated; lowest capacity 50 %; 66 s\n");
}
END_TEST

START_TEST(the_balancer_stays_silent_while_a_host_is_drained)
{
    struct fleet *fleet = story_fleet(2);
    fleet->silent_from_ms = 9500;
    STORY_ENDS(fleet, ROLLOUT_FAILED,
               "update of web to 1.0-2: 2 of 2 hosts, at most 1 at once, floor 50 %\n"
               "web-1: draining, 3 requests in flight; 50 % of the capacity goes on serving\n"
               "web-1: 0 requests in flight after 1.8 s, installing 1.0-2\n"
               "web-1: 1.0-2 installed in 2 s, rebooting\n"
               "web-1: back after 4 s with a new boot_id\n"
               "web-1: runs 1.0-2 now, waiting until it is healthy\n"
               "web-1: quarantined at weight 0: the balancer has said nothing about it for too "
               "long; nobody else is taken\n"
               "failed: web-1: the balancer has said nothing about it for too long; 0 of 2 "
               "hosts updated, 1 quarantined; lowest capacity 50 %; 38.2 s\n");
}
END_TEST

START_TEST(a_host_is_reached_at_the_third_try)
{
    struct fleet *fleet = story_fleet(2);
    fleet->hosts[0].faults.unreachable = 2;
    fleet->host_specs[1].chosen = false;
    STORY_ENDS(fleet, ROLLOUT_DONE,
               "update of web to 1.0-2: 1 of 2 hosts, at most 1 at once, floor 50 %\n"
               "web-1: cannot be reached (connection timed out), trying again: facts\n"
               "web-1: draining, 3 requests in flight; 50 % of the capacity goes on serving\n"
               "web-1: 0 requests in flight after 1.8 s, installing 1.0-2\n"
               "web-1: 1.0-2 installed in 2 s, rebooting\n"
               "web-1: back after 4 s with a new boot_id\n"
               "web-1: runs 1.0-2 now, waiting until it is healthy\n"
               "web-1: healthy for 2 s, weight restored over 2 s\n"
               "web-1: full weight, soaking for 5 s\n"
               "web-1: verified: 325 requests, 0 failed; hosts not yet updated: 350 requests, "
               "0 failed\n"
               "done: 1 of 1 host updated; lowest capacity 50 %; 22 s\n");
    ck_assert_uint_eq(fleet->installs, 1);
}
END_TEST

static void tests(TCase *c)
{
    tcase_add_test(c, a_host_that_is_down_comes_first);
    tcase_add_test(c, a_dead_host_is_quarantined_and_the_others_are_updated);
    tcase_add_test(c, a_host_falls_ill_and_nobody_is_taken_until_it_is_well);
    tcase_add_test(c, two_hosts_die_and_the_floor_holds);
    tcase_add_test(c, another_zone_falls_ill_and_the_operator_accepts_it);
    tcase_add_test(c, the_balancer_falls_silent);
    tcase_add_test(c, the_balancer_stays_silent_while_a_host_is_drained);
    tcase_add_test(c, a_host_is_reached_at_the_third_try);
}

UNIT_MAIN(tests)
