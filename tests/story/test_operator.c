/* Drains that take their time, operators who change their mind, controllers that die. */
#include "story/story.h"

START_TEST(a_long_drain_pauses_the_rollout)
{
    struct fleet *fleet = story_fleet(2);
    fleet->hosts[0].faults.holds_ms = 100000;
    STORY_ENDS(fleet, ROLLOUT_DONE,
               "update of web to 1.0-2: 2 of 2 hosts, at most 1 at once, floor 50 %\n"
               "web-1: draining, 3 requests in flight; 50 % of the capacity goes on serving\n"
               "web-1: 1 request still in flight after 30 s; the rollout pauses until they "
               "end\n"
               "web-1: 0 requests in flight after 99.8 s, installing 1.0-2\n"
               "the drain is over, the rollout goes on\n"
               "web-1: 1.0-2 installed in 2 s, rebooting\n"
               "web-1: back after 4 s with a new boot_id\n"
               "web-1: runs 1.0-2 now, waiting until it is healthy\n"
               "web-1: healthy for 2 s, weight restored over 2 s\n"
               "web-1: full weight, soaking for 5 s\n"
               "web-1: verified: 325 requests, 0 failed; hosts not yet updated: 350 requests, "
               "0 failed\n"
               "web-2: draining, 3 requests in flight; 50 % of the capacity goes on serving\n"
               "web-2: 0 requests in flight after 1.8 s, installing 1.0-2\n"
               "web-2: 1.0-2 installed in 2 s, rebooting\n"
               "web-2: back after 4 s with a new boot_id\n"
               "web-2: runs 1.0-2 now, waiting until it is healthy\n"
               "web-2: healthy for 2 s, weight restored over 2 s\n"
               "web-2: full weight, soaking for 5 s\n"
               "web-2: verified: 325 requests, 0 failed; verified hosts and its own record: "
               "6150 requests, 0 failed\n"
               "done: 2 of 2 hosts updated; lowest capacity 50 %; 2 min 14 s\n");
}
END_TEST

START_TEST(a_long_drain_is_closed_politely)
{
    struct fleet *fleet = story_fleet(2);
    fleet->hosts[0].faults.holds_ms = 100000;
    fleet->spec.long_lived = ROLLOUT_LONG_LIVED_CLOSE;
    STORY_ENDS(fleet, ROLLOUT_DONE,
               "update of web to 1.0-2: 2 of 2 hosts, at most 1 at once, floor 50 %\n"
               "web-1: draining, 3 requests in flight; 50 % of the capacity goes on serving\n"
               "web-1: 1 request still in flight after 30 s; closing its long-lived "
               "connections\n"
               "web-1: 0 requests in flight after 30.8 s, installing 1.0-2\n"
               "web-1: 1.0-2 installed in 2 s, rebooting\n"
               "web-1: back after 4 s with a new boot_id\n"
               "web-1: runs 1.0-2 now, waiting until it is healthy\n"
               "web-1: healthy for 2 s, weight restored over 2 s\n"
               "web-1: full weight, soaking for 5 s\n"
               "web-1: verified: 325 requests, 0 failed; hosts not yet updated: 350 requests, "
               "0 failed\n"
               "web-2: draining, 3 requests in flight; 50 % of the capacity goes on serving\n"
               "web-2: 0 requests in flight after 1.8 s, installing 1.0-2\n"
               "web-2: 1.0-2 installed in 2 s, rebooting\n"
               "web-2: back after 4 s with a new boot_id\n"
               "web-2: runs 1.0-2 now, waiting until it is healthy\n"
               "web-2: healthy for 2 s, weight restored over 2 s\n"
               "web-2: full weight, soaking for 5 s\n"
               "web-2: verified: 325 requests, 0 failed; verified hosts and its own record: "
               "2700 requests, 0 failed\n"
               "done: 2 of 2 hosts updated; lowest capacity 50 %; 65 s\n");
}
END_TEST

START_TEST(a_long_drain_is_aborted)
{
    struct fleet *fleet = story_fleet(2);
    fleet->hosts[0].faults.holds_ms = 1000000;
    fleet->script[0] = (struct fleet_script){60000, FLEET_RESUME, 0};
    fleet->script[1] = (struct fleet_script){120000, FLEET_ABORT, 0};
    STORY_ENDS(fleet, ROLLOUT_ABORTED,
               "update of web to 1.0-2: 2 of 2 hosts, at most 1 at once, floor 50 %\n"
               "web-1: draining, 3 requests in flight; 50 % of the capacity goes on serving\n"
               "web-1: 1 request still in flight after 30 s; the rollout pauses until they "
               "end\n"
               "resumed by the operator\n"
               "web-1: 1 request still in flight after 89.7 s; the rollout pauses until they "
               "end\n"
               "aborting, hosts in flight are brought to a safe end\n"
               "web-1: weight restored, nothing was changed\n"
               "aborted: 0 of 2 hosts updated; lowest capacity 50 %; 2 min\n");
    ck_assert(!fleet->hosts[0].zero);
    ck_assert_uint_eq(fleet->installs, 0);
}
END_TEST

START_TEST(pause_while_draining_gives_the_host_back)
{
    struct fleet *fleet = story_fleet(2);
    fleet->script[0] = (struct fleet_script){1500, FLEET_PAUSE, 0};
    fleet->script[1] = (struct fleet_script){30000, FLEET_RESUME, 0};
    STORY_ENDS(fleet, ROLLOUT_DONE,
               "update of web to 1.0-2: 2 of 2 hosts, at most 1 at once, floor 50 %\n"
               "web-1: draining, 3 requests in flight; 50 % of the capacity goes on serving\n"
               "paused by the operator\n"
               "web-1: weight restored, nothing was changed\n"
               "resumed by the operator\n"
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
               "web-2: 0 requests in flight after 1.8 s, installing 1.0-2\n"
               "web-2: 1.0-2 installed in 2 s, rebooting\n"
               "web-2: back after 4 s with a new boot_id\n"
               "web-2: runs 1.0-2 now, waiting until it is healthy\n"
               "web-2: healthy for 2 s, weight restored over 2 s\n"
               "web-2: full weight, soaking for 5 s\n"
               "web-2: verified: 325 requests, 0 failed; verified hosts and its own record: "
               "2750 requests, 0 failed\n"
               "done: 2 of 2 hosts updated; lowest capacity 50 %; 66 s\n");
}
END_TEST

START_TEST(pause_while_installing_finishes_the_host)
{
    struct fleet *fleet = story_fleet(2);
    fleet->script[0] = (struct fleet_script){3000, FLEET_PAUSE, 0};
    fleet->script[1] = (struct fleet_script){60000, FLEET_RESUME, 0};
    STORY_ENDS(fleet, ROLLOUT_DONE,
               "update of web to 1.0-2: 2 of 2 hosts, at most 1 at once, floor 50 %\n"
               "web-1: draining, 3 requests in flight; 50 % of the capacity goes on serving\n"
               "web-1: 0 requests in flight after 1.8 s, installing 1.0-2\n"
               "paused by the operator\n"
               "web-1: 1.0-2 installed in 2 s, rebooting\n"
               "web-1: back after 4 s with a new boot_id\n"
               "web-1: runs 1.0-2 now, waiting until it is healthy\n"
               "web-1: healthy for 2 s, weight restored over 2 s\n"
               "web-1: full weight, soaking for 5 s\n"
               "web-1: verified: 325 requests, 0 failed; hosts not yet updated: 350 requests, "
               "0 failed\n"
               "resumed by the operator\n"
               "web-2: draining, 3 requests in flight; 50 % of the capacity goes on serving\n"
               "web-2: 0 requests in flight after 1.8 s, installing 1.0-2\n"
               "web-2: 1.0-2 installed in 2 s, rebooting\n"
               "web-2: back after 4 s with a new boot_id\n"
               "web-2: runs 1.0-2 now, waiting until it is healthy\n"
               "web-2: healthy for 2 s, weight restored over 2 s\n"
               "web-2: full weight, soaking for 5 s\n"
               "web-2: verified: 325 requests, 0 failed; verified hosts and its own record: "
               "3300 requests, 0 failed\n"
               "done: 2 of 2 hosts updated; lowest capacity 50 %; 78 s\n");
}
END_TEST

START_TEST(abort_while_installing_finishes_the_host)
{
    struct fleet *fleet = story_fleet(4);
    fleet->script[0] = (struct fleet_script){3000, FLEET_ABORT, 0};
    STORY_ENDS(fleet, ROLLOUT_ABORTED,
               "update of web to 1.0-2: 4 of 4 hosts, at most 1 at once, floor 75 %\n"
               "web-1: draining, 3 requests in flight; 75 % of the capacity goes on serving\n"
               "web-1: 0 requests in flight after 1.8 s, installing 1.0-2\n"
               "aborting, hosts in flight are brought to a safe end\n"
               "web-1: 1.0-2 installed in 2 s, rebooting\n"
               "web-1: back after 4 s with a new boot_id\n"
               "web-1: runs 1.0-2 now, waiting until it is healthy\n"
               "web-1: healthy for 2 s, weight restored over 2 s\n"
               "web-1: full weight, soaking for 5 s\n"
               "web-1: verified: 325 requests, 0 failed; hosts not yet updated: 1050 requests, "
               "0 failed\n"
               "aborted: 1 of 4 hosts updated; lowest capacity 75 %; 18 s\n");
    ck_assert_uint_eq(fleet->installs, 1);
    ck_assert_str_eq(fleet->hosts[0].version, "1.0-2");
}
END_TEST

START_TEST(the_controller_dies_while_a_host_installs)
{
    struct fleet *fleet = story_fleet(2);
    fleet->script[0] = (struct fleet_script){3000, FLEET_KILL, 10000};
    fleet->script[1] = (struct fleet_script){20000, FLEET_KILL, 30000};
    STORY_ENDS(fleet, ROLLOUT_DONE,
               "update of web to 1.0-2: 2 of 2 hosts, at most 1 at once, floor 50 %\n"
               "web-1: draining, 3 requests in flight; 50 % of the capacity goes on serving\n"
               "web-1: 0 requests in flight after 1.8 s, installing 1.0-2\n"
               "the controller is back after 10.9 s, 1 host in flight\n"
               "web-1: 1.0-2 installed in 11 s, rebooting\n"
               "web-1: back after 4 s with a new boot_id\n"
               "web-1: runs 1.0-2 now, waiting until it is healthy\n"
               "the controller is back after 31.9 s, 1 host in flight\n"
               "web-1: healthy for 2 s, weight restored over 2 s\n"
               "web-1: full weight, soaking for 5 s\n"
               "web-1: verified: 325 requests, 0 failed; hosts not yet updated: 350 requests, "
               "0 failed\n"
               "web-2: draining, 3 requests in flight; 50 % of the capacity goes on serving\n"
               "web-2: 0 requests in flight after 1.8 s, installing 1.0-2\n"
               "web-2: 1.0-2 installed in 2 s, rebooting\n"
               "web-2: back after 4 s with a new boot_id\n"
               "web-2: runs 1.0-2 now, waiting until it is healthy\n"
               "web-2: healthy for 2 s, weight restored over 2 s\n"
               "web-2: full weight, soaking for 5 s\n"
               "web-2: verified: 325 requests, 0 failed; verified hosts and its own record: "
               "800 requests, 0 failed\n"
               "done: 2 of 2 hosts updated; lowest capacity 50 %; 77 s\n");
    ck_assert_uint_eq(fleet->installs, 2);
    ck_assert_uint_eq(fleet->reboots, 2);
    ck_assert_uint_eq(fleet->kills, 2);
}
END_TEST

START_TEST(a_host_that_stays_drained_is_restored_by_its_operator)
{
    struct fleet *fleet = story_fleet(2);
    fleet->host_specs[1].cordoned = true;
    fleet->hosts[1].zero = true;
    fleet_run(fleet, 60000);
    ck_assert_str_eq(rollout_host_state(&fleet->rollout, 1), "drained");
    fleet->hosts[1].zero = fleet->hosts[1].ordered_zero = false;
    fleet->hosts[1].restored_ms = fleet->now_ms;
    STORY_ENDS(fleet, ROLLOUT_DONE,
               "update of web to 1.0-2: 2 of 2 hosts, at most 1 at once, floor 50 %\n"
               "web-2: drained by an operator already, costs nothing: taken first\n"
               "web-2: draining, 0 requests in flight; 50 % of the capacity goes on serving\n"
               "web-2: 0 requests in flight after 0.8 s, installing 1.0-2\n"
               "web-2: 1.0-2 installed in 2 s, rebooting\n"
               "web-2: back after 4 s with a new boot_id\n"
               "web-2: runs 1.0-2 now, waiting until it is healthy\n"
               "web-2: updated and healthy; stays drained, as an operator had left it\n"
               "no further host is taken: 1 host down (web-2), at most 1 may be unavailable\n"
               "no further host is taken: without web-1 25 % of the capacity would serve, the "
               "floor is 50 %\n"
               "web-1: draining, 3 requests in flight; 50 % of the capacity goes on serving\n"
               "web-1: 0 requests in flight after 1.8 s, installing 1.0-2\n"
               "web-1: 1.0-2 installed in 2 s, rebooting\n"
               "web-1: back after 4 s with a new boot_id\n"
               "web-1: runs 1.0-2 now, waiting until it is healthy\n"
               "web-1: healthy for 2 s, weight restored over 2 s\n"
               "web-1: full weight, soaking for 5 s\n"
               "web-1: verified: 325 requests, 0 failed; verified hosts and its own record: 3450 "
               "requests, 0 failed\n"
               "done: 2 of 2 hosts updated; lowest capacity 50 %; 80 s\n");
    ck_assert_str_eq(rollout_host_state(&fleet->rollout, 1), "serving");
}
END_TEST

static void tests(TCase *c)
{
    tcase_add_test(c, a_long_drain_pauses_the_rollout);
    tcase_add_test(c, a_long_drain_is_closed_politely);
    tcase_add_test(c, a_long_drain_is_aborted);
    tcase_add_test(c, pause_while_draining_gives_the_host_back);
    tcase_add_test(c, pause_while_installing_finishes_the_host);
    tcase_add_test(c, abort_while_installing_finishes_the_host);
    tcase_add_test(c, the_controller_dies_while_a_host_installs);
    tcase_add_test(c, a_host_that_stays_drained_is_restored_by_its_operator);
}

UNIT_MAIN(tests)
