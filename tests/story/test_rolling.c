/* Rollouts in which nothing goes wrong, and what is found out before anything is touched. */
#include "story/story.h"

START_TEST(six_hosts_in_two_zones)
{
    struct fleet *fleet = story_fleet(6);
    fleet->spec.max_unavailable = (struct rollout_amount){false, 2};
    STORY_ENDS(fleet, ROLLOUT_DONE,
               "update of web to 1.0-2: 6 of 6 hosts, at most 2 at once, floor 66.6 %\n"
               "web-1: draining, 3 requests in flight; 83.3 % of the capacity goes on serving\n"
               "web-1: 0 requests in flight after 1.8 s, installing 1.0-2\n"
               "web-1: 1.0-2 installed in 2 s, rebooting\n"
               "web-1: back after 4 s with a new boot_id\n"
               "web-1: runs 1.0-2 now, waiting until it is healthy\n"
               "web-1: healthy for 2 s, weight restored over 2 s\n"
               "web-1: full weight, soaking for 5 s\n"
               "web-1: verified: 325 requests, 0 failed; hosts not yet updated: 1750 requests, "
               "0 failed\n"
               "web-2: draining, 3 requests in flight; 83.3 % of the capacity goes on serving\n"
               "web-3: draining, 3 requests in flight; 66.6 % of the capacity goes on serving\n"
               "web-2: 0 requests in flight after 1.8 s, installing 1.0-2\n"
               "web-3: 0 requests in flight after 1.8 s, installing 1.0-2\n"
               "web-2: 1.0-2 installed in 2 s, rebooting\n"
               "web-3: 1.0-2 installed in 2 s, rebooting\n"
               "web-2: back after 4 s with a new boot_id\n"
               "web-3: back after 4 s with a new boot_id\n"
               "web-2: runs 1.0-2 now, waiting until it is healthy\n"
               "web-3: runs 1.0-2 now, waiting until it is healthy\n"
               "web-2: healthy for 2 s, weight restored over 2 s\n"
               "web-3: healthy for 2 s, weight restored over 2 s\n"
               "web-2: full weight, soaking for 5 s\n"
               "web-3: full weight, soaking for 5 s\n"
               "web-2: verified: 325 requests, 0 failed; hosts not yet updated: 1050 requests, "
               "0 failed\n"
               "web-3: verified: 325 requests, 0 failed; hosts not yet updated: 1050 requests, "
               "0 failed\n"
               "web-4: draining, 3 requests in flight; 83.3 % of the capacity goes on serving\n"
               "web-5: draining, 3 requests in flight; 66.6 % of the capacity goes on serving\n"
               "web-4: 0 requests in flight after 1.8 s, installing 1.0-2\n"
               "web-5: 0 requests in flight after 1.8 s, installing 1.0-2\n"
               "web-4: 1.0-2 installed in 2 s, rebooting\n"
               "web-5: 1.0-2 installed in 2 s, rebooting\n"
               "web-4: back after 4 s with a new boot_id\n"
               "web-5: back after 4 s with a new boot_id\n"
               "web-4: runs 1.0-2 now, waiting until it is healthy\n"
               "web-5: runs 1.0-2 now, waiting until it is healthy\n"
               "web-4: healthy for 2 s, weight restored over 2 s\n"
               "web-5: healthy for 2 s, weight restored over 2 s\n"
               "web-4: full weight, soaking for 5 s\n"
               "web-5: full weight, soaking for 5 s\n"
               "web-4: verified: 325 requests, 0 failed; hosts not yet updated: 350 requests, "
               "0 failed\n"
               "web-5: verified: 325 requests, 0 failed; hosts not yet updated: 350 requests, "
               "0 failed\n"
               "web-6: draining, 3 requests in flight; 83.3 % of the capacity goes on serving\n"
               "web-6: 0 requests in flight after 1.8 s, installing 1.0-2\n"
               "web-6: 1.0-2 installed in 2 s, rebooting\n"
               "web-6: back after 4 s with a new boot_id\n"
               "web-6: runs 1.0-2 now, waiting until it is healthy\n"
               "web-6: healthy for 2 s, weight restored over 2 s\n"
               "web-6: full weight, soaking for 5 s\n"
               "web-6: verified: 325 requests, 0 failed; verified hosts and its own record: "
               "4450 requests, 0 failed\n"
               "done: 6 of 6 hosts updated; lowest capacity 66.6 %; 72 s\n");
    ck_assert_uint_eq(fleet->installs, 6);
    ck_assert_uint_eq(fleet->reboots, 6);
}
END_TEST

START_TEST(hosts_updated_already_are_skipped)
{
    struct fleet *fleet = story_fleet(4);
    for (uint32_t i = 0; i < 3; i++)
        memcpy(fleet->hosts[i].version, "1.0-2", 6);
    fleet->hosts[2].reboot_required = true; /* Installed, but the old kernel still runs. */
    STORY_ENDS(fleet, ROLLOUT_DONE,
               "update of web to 1.0-2: 4 of 4 hosts, at most 1 at once, floor 75 %\n"
               "web-1: has 1.0-2 already, nothing to do\n"
               "web-2: has 1.0-2 already, nothing to do\n"
               "web-3: draining, 3 requests in flight; 75 % of the capacity goes on serving\n"
               "web-3: 0 requests in flight after 2.4 s, nothing to install, rebooting\n"
               "web-3: back after 4 s with a new boot_id\n"
               "web-3: runs 1.0-2 now, waiting until it is healthy\n"
               "web-3: healthy for 2 s, weight restored over 2 s\n"
               "web-3: full weight, soaking for 5 s\n"
               "web-3: verified: 325 requests, 0 failed; hosts not yet updated: 350 requests, "
               "0 failed\n"
               "web-4: draining, 3 requests in flight; 75 % of the capacity goes on serving\n"
               "web-4: 0 requests in flight after 1.8 s, installing 1.0-2\n"
               "web-4: 1.0-2 installed in 2 s, rebooting\n"
               "web-4: back after 4 s with a new boot_id\n"
               "web-4: runs 1.0-2 now, waiting until it is healthy\n"
               "web-4: healthy for 2 s, weight restored over 2 s\n"
               "web-4: full weight, soaking for 5 s\n"
               "web-4: verified: 325 requests, 0 failed; verified hosts and its own record: "
               "1900 requests, 0 failed\n"
               "done: 4 of 4 hosts updated; lowest capacity 75 %; 35 s\n");
    ck_assert_uint_eq(fleet->installs, 1);
    ck_assert_uint_eq(fleet->reboots, 2);
}
END_TEST

START_TEST(no_reboot_where_none_is_required)
{
    struct fleet *fleet = story_fleet(2);
    fleet->new_reboots = false;
    fleet->spec.soak_ms = 0;
    STORY_ENDS(fleet, ROLLOUT_DONE,
               "update of web to 1.0-2: 2 of 2 hosts, at most 1 at once, floor 50 %\n"
               "web-1: draining, 3 requests in flight; 50 % of the capacity goes on serving\n"
               "web-1: 0 requests in flight after 1.8 s, installing 1.0-2\n"
               "web-1: 1.0-2 installed in 2 s, no reboot needed\n"
               "web-1: runs 1.0-2 now, waiting until it is healthy\n"
               "web-1: healthy for 2 s, weight restored over 2 s\n"
               "web-1: full weight, soaking for 0 s\n"
               "web-1: verified: 75 requests, 0 failed; hosts not yet updated: 100 requests, 0 "
               "failed\n"
               "web-2: draining, 3 requests in flight; 50 % of the capacity goes on serving\n"
               "web-2: 0 requests in flight after 1.8 s, installing 1.0-2\n"
               "web-2: 1.0-2 installed in 2 s, no reboot needed\n"
               "web-2: runs 1.0-2 now, waiting until it is healthy\n"
               "web-2: healthy for 2 s, weight restored over 2 s\n"
               "web-2: full weight, soaking for 0 s\n"
               "web-2: verified: 75 requests, 0 failed; verified hosts and its own record: 550 "
               "requests, 0 failed\n"
               "done: 2 of 2 hosts updated; lowest capacity 50 %; 18 s\n");
    ck_assert_uint_eq(fleet->reboots, 0);
}
END_TEST

START_TEST(no_traffic_is_no_data)
{
    struct fleet *fleet = story_fleet(2);
    fleet->requests_per_second = 0;
    STORY_ENDS(fleet, ROLLOUT_DONE,
               "update of web to 1.0-2: 2 of 2 hosts, at most 1 at once, floor 50 %\n"
               "web-1: draining, 3 requests in flight; 50 % of the capacity goes on serving\n"
               "web-1: 0 requests in flight after 1.8 s, installing 1.0-2\n"
               "web-1: 1.0-2 installed in 2 s, rebooting\n"
               "web-1: back after 4 s with a new boot_id\n"
               "web-1: runs 1.0-2 now, waiting until it is healthy\n"
               "web-1: healthy for 2 s, weight restored over 2 s\n"
               "web-1: full weight, soaking for 5 s\n"
               "web-1: no traffic in its soak, so no data: verified by its version and health "
               "alone\n"
               "web-2: draining, 3 requests in flight; 50 % of the capacity goes on serving\n"
               "web-2: 0 requests in flight after 1.8 s, installing 1.0-2\n"
               "web-2: 1.0-2 installed in 2 s, rebooting\n"
               "web-2: back after 4 s with a new boot_id\n"
               "web-2: runs 1.0-2 now, waiting until it is healthy\n"
               "web-2: healthy for 2 s, weight restored over 2 s\n"
               "web-2: full weight, soaking for 5 s\n"
               "web-2: no traffic in its soak, so no data: verified by its version and health "
               "alone\n"
               "done: 2 of 2 hosts updated; lowest capacity 50 %; 36 s\n");
}
END_TEST

START_TEST(only_some_hosts)
{
    struct fleet *fleet = story_fleet(4);
    for (uint32_t i = 0; i < 4; i++)
        fleet->host_specs[i].chosen = i == 2;
    STORY_ENDS(fleet, ROLLOUT_DONE,
               "update of web to 1.0-2: 1 of 4 hosts, at most 1 at once, floor 75 %\n"
               "web-3: draining, 3 requests in flight; 75 % of the capacity goes on serving\n"
               "web-3: 0 requests in flight after 1.8 s, installing 1.0-2\n"
               "web-3: 1.0-2 installed in 2 s, rebooting\n"
               "web-3: back after 4 s with a new boot_id\n"
               "web-3: runs 1.0-2 now, waiting until it is healthy\n"
               "web-3: healthy for 2 s, weight restored over 2 s\n"
               "web-3: full weight, soaking for 5 s\n"
               "web-3: verified: 325 requests, 0 failed; hosts not yet updated: 1050 requests, "
               "0 failed\n"
               "done: 1 of 1 host updated; lowest capacity 75 %; 18 s\n");
    ck_assert_int_eq(fleet->rows[0].phase, ROLLOUT_HOST_UNTOUCHED);
}
END_TEST

START_TEST(a_tier_of_one_is_refused)
{
    struct fleet *fleet = story_fleet(1);
    STORY_ENDS(fleet, ROLLOUT_FAILED,
               "web-1 is the only host of tier web: updating it would be an outage; give the "
               "tier a second host or a standby\n"
               "failed: web-1 is the only host of tier web: updating it would be an outage; "
               "give the tier a second host or a standby; 0 of 1 host updated; lowest capacity "
               "100 %; 0 s\n");
    ck_assert_uint_eq(fleet->installs, 0);
}
END_TEST

START_TEST(a_floor_that_cannot_be_kept_is_refused)
{
    struct fleet *fleet = story_fleet(3);
    fleet->spec.floor_given = true;
    fleet->spec.floor_ppm = 750000;
    STORY_ENDS(fleet, ROLLOUT_FAILED,
               "the floor of 75 % cannot be kept: without web-1 66.6 % of the capacity would "
               "be left\n"
               "failed: the floor of 75 % cannot be kept: without web-1 66.6 % of the capacity "
               "would be left; 0 of 3 hosts updated; lowest capacity 100 %; 0 s\n");
}
END_TEST

START_TEST(a_host_without_driver_is_refused)
{
    struct fleet *fleet = story_fleet(3);
    fleet->host_specs[1].driver = false;
    STORY_ENDS(fleet, ROLLOUT_FAILED,
               "web-2 has no driver, so nothing can act on it: give it `driver:` in tier web\n"
               "failed: web-2 has no driver, so nothing can act on it: give it `driver:` in "
               "tier web; 0 of 3 hosts updated; lowest capacity 100 %; 0 s\n");
}
END_TEST

START_TEST(a_cordoned_host_stays_drained)
{
    struct fleet *fleet = story_fleet(4);
    fleet->host_specs[1].cordoned = true;
    fleet->hosts[1].zero = true;
    fleet->spec.failure_domain = false;
    fleet->spec.max_unavailable = (struct rollout_amount){false, 2};
    STORY_ENDS(fleet, ROLLOUT_DONE,
               "update of web to 1.0-2: 4 of 4 hosts, at most 2 at once, floor 50 %\n"
               "web-2: drained by an operator already, costs nothing: taken first\n"
               "web-2: draining, 0 requests in flight; 75 % of the capacity goes on serving\n"
               "web-2: 0 requests in flight after 0.8 s, installing 1.0-2\n"
               "web-2: 1.0-2 installed in 2 s, rebooting\n"
               "web-2: back after 4 s with a new boot_id\n"
               "web-2: runs 1.0-2 now, waiting until it is healthy\n"
               "web-2: updated and healthy; stays drained, as an operator had left it\n"
               "web-1: draining, 3 requests in flight; 50 % of the capacity goes on serving\n"
               "web-1: 0 requests in flight after 1.8 s, installing 1.0-2\n"
               "web-1: 1.0-2 installed in 2 s, rebooting\n"
               "web-1: back after 4 s with a new boot_id\n"
               "web-1: runs 1.0-2 now, waiting until it is healthy\n"
               "web-1: healthy for 2 s, weight restored over 2 s\n"
               "web-1: full weight, soaking for 5 s\n"
               "web-1: verified: 325 requests, 0 failed; hosts not yet updated: 700 requests, "
               "0 failed\n"
               "web-3: draining, 3 requests in flight; 50 % of the capacity goes on serving\n"
               "web-3: 0 requests in flight after 1.8 s, installing 1.0-2\n"
               "web-3: 1.0-2 installed in 2 s, rebooting\n"
               "web-3: back after 4 s with a new boot_id\n"
               "web-3: runs 1.0-2 now, waiting until it is healthy\n"
               "web-3: healthy for 2 s, weight restored over 2 s\n"
               "web-3: full weight, soaking for 5 s\n"
               "web-3: verified: 325 requests, 0 failed; hosts not yet updated: 350 requests, "
               "0 failed\n"
               "web-4: draining, 3 requests in flight; 50 % of the capacity goes on serving\n"
               "web-4: 0 requests in flight after 1.8 s, installing 1.0-2\n"
               "web-4: 1.0-2 installed in 2 s, rebooting\n"
               "web-4: back after 4 s with a new boot_id\n"
               "web-4: runs 1.0-2 now, waiting until it is healthy\n"
               "web-4: healthy for 2 s, weight restored over 2 s\n"
               "web-4: full weight, soaking for 5 s\n"
               "web-4: verified: 325 requests, 0 failed; verified hosts and its own record: "
               "3000 requests, 0 failed\n"
               "done: 4 of 4 hosts updated; lowest capacity 50 %; 64 s\n");
    ck_assert(fleet->hosts[1].zero);
}
END_TEST

static void tests(TCase *c)
{
    tcase_add_test(c, six_hosts_in_two_zones);
    tcase_add_test(c, hosts_updated_already_are_skipped);
    tcase_add_test(c, no_reboot_where_none_is_required);
    tcase_add_test(c, no_traffic_is_no_data);
    tcase_add_test(c, only_some_hosts);
    tcase_add_test(c, a_tier_of_one_is_refused);
    tcase_add_test(c, a_floor_that_cannot_be_kept_is_refused);
    tcase_add_test(c, a_host_without_driver_is_refused);
    tcase_add_test(c, a_cordoned_host_stays_drained);
}

UNIT_MAIN(tests)
