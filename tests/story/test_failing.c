/* Rollouts in which an update, a host or its reboot goes wrong. */
#include "story/story.h"

START_TEST(a_bad_version_is_caught_in_the_soak)
{
    struct fleet *fleet = story_fleet(4);
    fleet->new_error_ratio = 1; /* Healthy on its check, 500 on real traffic. */
    STORY_ENDS(fleet, ROLLOUT_FAILED,
               "update of web to 1.0-2: 4 of 4 hosts, at most 1 at once, floor 75 %\n"
               "web-1: draining, 3 requests in flight; 75 % of the capacity goes on serving\n"
               "web-1: 0 requests in flight after 1.8 s, installing 1.0-2\n"
               "web-1: 1.0-2 installed in 2 s, rebooting\n"
               "web-1: back after 4 s with a new boot_id\n"
               "web-1: runs 1.0-2 now, waiting until it is healthy\n"
               "web-1: healthy for 2 s, weight restored over 2 s\n"
               "web-1: failed: 25 of its 25 requests failed, where hosts not yet updated had 0 "
               "failures in 150; nobody else is taken\n"
               "web-1: draining, 3 requests in flight; 75 % of the capacity goes on serving\n"
               "web-1: putting 1.0-1 back\n"
               "web-1: 1.0-1 put back in 2 s, rebooting\n"
               "web-1: back after 4 s with a new boot_id\n"
               "web-1: runs 1.0-1 as before, waiting until it is healthy\n"
               "web-1: healthy for 2 s, weight restored over 2 s\n"
               "web-1: verified on 1.0-1, full weight\n"
               "failed: web-1: 25 of its 25 requests failed, where hosts not yet updated had 0 "
               "failures in 150; 0 of 4 hosts updated, 1 put back; lowest capacity 75 %; 25 s\n");
    ck_assert_uint_eq(fleet->installs, 1);
    ck_assert_str_eq(fleet->hosts[0].version, "1.0-1");
    /* Early stop: long before the soak ends. */
    ck_assert_uint_lt((uint64_t)fleet->hosts[0].failures, 75);
}
END_TEST

START_TEST(a_slightly_worse_version_is_caught_by_its_figures)
{
    struct fleet *fleet = story_fleet(4);
    fleet->old_error_ratio = 0.01;
    fleet->new_error_ratio = 0.10;
    fleet->requests_per_second = 200;
    fleet->spec.soak_ms = 60000;
    STORY_ENDS(fleet, ROLLOUT_FAILED,
               "update of web to 1.0-2: 4 of 4 hosts, at most 1 at once, floor 75 %\n"
               "web-1: draining, 3 requests in flight; 75 % of the capacity goes on serving\n"
               "web-1: 0 requests in flight after 1.8 s, installing 1.0-2\n"
               "web-1: 1.0-2 installed in 2 s, rebooting\n"
               "web-1: back after 4 s with a new boot_id\n"
               "web-1: runs 1.0-2 now, waiting until it is healthy\n"
               "web-1: healthy for 2 s, weight restored over 2 s\n"
               "web-1: full weight, soaking for 60 s\n"
               "web-1: failed: 50 of its 500 requests failed, where hosts not yet updated had "
               "18 failures in 1800; nobody else is taken\n"
               "web-1: draining, 3 requests in flight; 75 % of the capacity goes on serving\n"
               "web-1: putting 1.0-1 back\n"
               "web-1: 1.0-1 put back in 2 s, rebooting\n"
               "web-1: back after 4 s with a new boot_id\n"
               "web-1: runs 1.0-1 as before, waiting until it is healthy\n"
               "web-1: healthy for 2 s, weight restored over 2 s\n"
               "web-1: verified on 1.0-1, full weight\n"
               "failed: web-1: 50 of its 500 requests failed, where hosts not yet updated had "
               "18 failures in 1800; 0 of 4 hosts updated, 1 put back; lowest capacity 75 %; "
               "27 s\n");
}
END_TEST

START_TEST(a_version_as_bad_as_the_old_one_passes)
{
    struct fleet *fleet = story_fleet(2);
    fleet->old_error_ratio = 0.10;
    fleet->new_error_ratio = 0.10;
    fleet->requests_per_second = 200;
    STORY_ENDS(fleet, ROLLOUT_DONE,
               "update of web to 1.0-2: 2 of 2 hosts, at most 1 at once, floor 50 %\n"
               "web-1: draining, 3 requests in flight; 50 % of the capacity goes on serving\n"
               "web-1: 0 requests in flight after 1.8 s, installing 1.0-2\n"
               "web-1: 1.0-2 installed in 2 s, rebooting\n"
               "web-1: back after 4 s with a new boot_id\n"
               "web-1: runs 1.0-2 now, waiting until it is healthy\n"
               "web-1: healthy for 2 s, weight restored over 2 s\n"
               "web-1: full weight, soaking for 5 s\n"
               "web-1: verified: 1300 requests, 130 failed; hosts not yet updated: 1400 "
               "requests, 140 failed\n"
               "web-2: draining, 3 requests in flight; 50 % of the capacity goes on serving\n"
               "web-2: 0 requests in flight after 1.8 s, installing 1.0-2\n"
               "web-2: 1.0-2 installed in 2 s, rebooting\n"
               "web-2: back after 4 s with a new boot_id\n"
               "web-2: runs 1.0-2 now, waiting until it is healthy\n"
               "web-2: healthy for 2 s, weight restored over 2 s\n"
               "web-2: full weight, soaking for 5 s\n"
               "web-2: verified: 1300 requests, 130 failed; verified hosts and its own record: "
               "5000 requests, 500 failed\n"
               "done: 2 of 2 hosts updated; lowest capacity 50 %; 36 s\n");
}
END_TEST

START_TEST(a_host_never_comes_back)
{
    struct fleet *fleet = story_fleet(4);
    fleet->hosts[0].faults.never_back = true;
    STORY_ENDS(fleet, ROLLOUT_FAILED,
               "update of web to 1.0-2: 4 of 4 hosts, at most 1 at once, floor 75 %\n"
               "web-1: draining, 3 requests in flight; 75 % of the capacity goes on serving\n"
               "web-1: 0 requests in flight after 1.8 s, installing 1.0-2\n"
               "web-1: 1.0-2 installed in 2 s, rebooting\n"
               "web-1: quarantined at weight 0: it did not come back from its reboot within "
               "120 s; nobody else is taken\n"
               "failed: web-1: it did not come back from its reboot within 120 s; 0 of 4 hosts "
               "updated, 1 quarantined; lowest capacity 75 %; 2 min 4 s\n");
}
END_TEST

START_TEST(an_installation_fails)
{
    struct fleet *fleet = story_fleet(4);
    fleet->hosts[0].faults.install_fails =
        "E: Sub-process /usr/bin/dpkg returned an error code (1)";
    STORY_ENDS(fleet, ROLLOUT_FAILED,
               "update of web to 1.0-2: 4 of 4 hosts, at most 1 at once, floor 75 %\n"
               "web-1: draining, 3 requests in flight; 75 % of the capacity goes on serving\n"
               "web-1: 0 requests in flight after 1.8 s, installing 1.0-2\n"
               "web-1: failed: the installation failed: E: Sub-process /usr/bin/dpkg returned "
               "an error code (1); nobody else is taken\n"
               "web-1: runs 1.0-1 as before, waiting until it is healthy\n"
               "web-1: healthy for 2 s, weight restored over 2 s\n"
               "web-1: verified on 1.0-1, full weight\n"
               "failed: web-1: the installation failed: E: Sub-process /usr/bin/dpkg returned "
               "an error code (1); 0 of 4 hosts updated, 1 put back; lowest capacity 75 %; 9 "
               "s\n");
}
END_TEST

START_TEST(one_of_a_batch_fails_and_the_others_go_back)
{
    struct fleet *fleet = story_fleet(8);
    fleet->spec.max_unavailable = (struct rollout_amount){false, 3};
    fleet->hosts[2].faults.sick_after_update = true;
    fleet->hosts[3].faults.install_ms = 20000; /* Still installing when web-3 fails. */
    fleet->spec.healthy_deadline_ms = 8000;
    STORY_ENDS(fleet, ROLLOUT_FAILED,
               "update of web to 1.0-2: 8 of 8 hosts, at most 3 at once, floor 62.5 %\n"
               "web-1: draining, 3 requests in flight; 87.5 % of the capacity goes on serving\n"
               "web-1: 0 requests in flight after 1.8 s, installing 1.0-2\n"
               "web-1: 1.0-2 installed in 2 s, rebooting\n"
               "web-1: back after 4 s with a new boot_id\n"
               "web-1: runs 1.0-2 now, waiting until it is healthy\n"
               "web-1: healthy for 2 s, weight restored over 2 s\n"
               "web-1: full weight, soaking for 5 s\n"
               "web-1: verified: 325 requests, 0 failed; hosts not yet updated: 2450 requests, "
               "0 failed\n"
               "web-2: draining, 3 requests in flight; 87.5 % of the capacity goes on serving\n"
               "web-3: draining, 3 requests in flight; 75 % of the capacity goes on serving\n"
               "web-4: draining, 3 requests in flight; 62.5 % of the capacity goes on serving\n"
               "web-2: 0 requests in flight after 1.8 s, installing 1.0-2\n"
               "web-3: 0 requests in flight after 1.8 s, installing 1.0-2\n"
               "web-4: 0 requests in flight after 1.8 s, installing 1.0-2\n"
               "web-2: 1.0-2 installed in 2 s, rebooting\n"
               "web-3: 1.0-2 installed in 2 s, rebooting\n"
               "web-2: back after 4 s with a new boot_id\n"
               "web-3: back after 4 s with a new boot_id\n"
               "web-2: runs 1.0-2 now, waiting until it is healthy\n"
               "web-3: runs 1.0-2 now, waiting until it is healthy\n"
               "web-2: healthy for 2 s, weight restored over 2 s\n"
               "web-2: full weight, soaking for 5 s\n"
               "web-3: failed: it did not become healthy within 8 s; nobody else is taken\n"
               "web-2: draining, 3 requests in flight; 62.5 % of the capacity goes on serving\n"
               "web-3: putting 1.0-1 back\n"
               "web-2: putting 1.0-1 back\n"
               "web-3: 1.0-1 put back in 2 s, rebooting\n"
               "web-2: 1.0-1 put back in 2 s, rebooting\n"
               "web-4: putting 1.0-1 back\n"
               "web-3: back after 4 s with a new boot_id\n"
               "web-3: runs 1.0-1 as before, waiting until it is healthy\n"
               "web-2: back after 4 s with a new boot_id\n"
               "web-4: 1.0-1 put back in 2 s, rebooting\n"
               "web-2: runs 1.0-1 as before, waiting until it is healthy\n"
               "web-3: healthy for 2 s, weight restored over 2 s\n"
               "web-3: verified on 1.0-1, full weight\n"
               "web-2: healthy for 2 s, weight restored over 2 s\n"
               "web-4: back after 4 s with a new boot_id\n"
               "web-4: runs 1.0-1 as before, waiting until it is healthy\n"
               "web-2: verified on 1.0-1, full weight\n"
               "web-4: healthy for 2 s, weight restored over 2 s\n"
               "web-4: verified on 1.0-1, full weight\n"
               "failed: web-3: it did not become healthy within 8 s; 1 of 8 hosts updated, 3 "
               "put back; lowest capacity 62.5 %; 51 s\n");
    ck_assert_int_eq(fleet->rows[0].phase, ROLLOUT_HOST_VERIFIED_NEW);
    ck_assert_int_eq(fleet->rows[4].phase, ROLLOUT_HOST_UNTOUCHED);
}
END_TEST

START_TEST(a_host_that_cannot_go_back_is_quarantined)
{
    struct fleet *fleet = story_fleet(4);
    fleet->hosts[0].faults.sick_after_update = true;
    fleet->hosts[0].faults.put_back_fails = true;
    STORY_ENDS(fleet, ROLLOUT_FAILED,
               "update of web to 1.0-2: 4 of 4 hosts, at most 1 at once, floor 75 %\n"
               "web-1: draining, 3 requests in flight; 75 % of the capacity goes on serving\n"
               "web-1: 0 requests in flight after 1.8 s, installing 1.0-2\n"
               "web-1: 1.0-2 installed in 2 s, rebooting\n"
               "web-1: back after 4 s with a new boot_id\n"
               "web-1: runs 1.0-2 now, waiting until it is healthy\n"
               "web-1: failed: it did not become healthy within 30 s; nobody else is taken\n"
               "web-1: putting 1.0-1 back\n"
               "web-1: quarantined at weight 0: the old version could not be put back: the old "
               "package is gone\n"
               "failed: web-1: it did not become healthy within 30 s; 0 of 4 hosts updated, 1 "
               "quarantined; lowest capacity 75 %; 40.4 s\n");
}
END_TEST

START_TEST(the_old_boot_id_is_no_reboot)
{
    struct fleet *fleet = story_fleet(4);
    fleet->hosts[0].faults.no_reboot = true;
    STORY_ENDS(fleet, ROLLOUT_FAILED,
               "update of web to 1.0-2: 4 of 4 hosts, at most 1 at once, floor 75 %\n"
               "web-1: draining, 3 requests in flight; 75 % of the capacity goes on serving\n"
               "web-1: 0 requests in flight after 1.8 s, installing 1.0-2\n"
               "web-1: 1.0-2 installed in 2 s, rebooting\n"
               "web-1: failed: it answers with the old boot_id: it did not reboot; nobody else "
               "is taken\n"
               "web-1: putting 1.0-1 back\n"
               "web-1: 1.0-1 put back in 2 s, rebooting\n"
               "web-1: quarantined at weight 0: it answers with the old boot_id: it did not "
               "reboot\n"
               "failed: web-1: it answers with the old boot_id: it did not reboot; 0 of 4 "
               "hosts updated, 1 quarantined; lowest capacity 75 %; 7.4 s\n");
}
END_TEST

START_TEST(the_wrong_version_is_read_back)
{
    struct fleet *fleet = story_fleet(4);
    fleet->hosts[0].faults.install_wrong = true;
    STORY_ENDS(fleet, ROLLOUT_FAILED,
               "update of web to 1.0-2: 4 of 4 hosts, at most 1 at once, floor 75 %\n"
               "web-1: draining, 3 requests in flight; 75 % of the capacity goes on serving\n"
               "web-1: 0 requests in flight after 1.8 s, installing 1.0-2\n"
               "web-1: 1.0-1 installed in 2 s, no reboot needed\n"
               "web-1: failed: it reads version 1.0-1, not 1.0-2; nobody else is taken\n"
               "web-1: runs 1.0-1 as before, waiting until it is healthy\n"
               "web-1: healthy for 2 s, weight restored over 2 s\n"
               "web-1: verified on 1.0-1, full weight\n"
               "failed: web-1: it reads version 1.0-1, not 1.0-2; 0 of 4 hosts updated, 1 put "
               "back; lowest capacity 75 %; 9 s\n");
}
END_TEST

START_TEST(on_failure_pause_keeps_the_host_for_inspection)
{
    struct fleet *fleet = story_fleet(4);
    fleet->spec.on_failure = ROLLOUT_ON_FAILURE_PAUSE;
    fleet->hosts[0].faults.sick_after_update = true;
    fleet->script[0] = (struct fleet_script){100000, FLEET_ABORT, 0};
    STORY_ENDS(fleet, ROLLOUT_ABORTED,
               "update of web to 1.0-2: 4 of 4 hosts, at most 1 at once, floor 75 %\n"
               "web-1: draining, 3 requests in flight; 75 % of the capacity goes on serving\n"
               "web-1: 0 requests in flight after 1.8 s, installing 1.0-2\n"
               "web-1: 1.0-2 installed in 2 s, rebooting\n"
               "web-1: back after 4 s with a new boot_id\n"
               "web-1: runs 1.0-2 now, waiting until it is healthy\n"
               "web-1: failed: it did not become healthy within 30 s; the rollout pauses\n"
               "web-1: quarantined at weight 0: it did not become healthy within 30 s\n"
               "aborting, hosts in flight are brought to a safe end\n"
               "aborted: 0 of 4 hosts updated, 1 quarantined; lowest capacity 75 %; 100 s\n");
    ck_assert_str_eq(fleet->hosts[0].version, "1.0-2");
    ck_assert(fleet->hosts[0].zero);
}
END_TEST

START_TEST(facts_that_cannot_be_read_stop_before_anything_is_touched)
{
    struct fleet *fleet = story_fleet(4);
    fleet->hosts[0].faults.unreachable = 1000;
    STORY_ENDS(fleet, ROLLOUT_FAILED,
               "update of web to 1.0-2: 4 of 4 hosts, at most 1 at once, floor 75 %\n"
               "web-1: cannot be reached (connection timed out), trying again: facts\n"
               "web-1: failed: its versions cannot be read: connection timed out; nobody else "
               "is taken\n"
               "failed: web-1: its versions cannot be read: connection timed out; 0 of 4 hosts "
               "updated; lowest capacity 100 %; 59.5 s\n");
    ck_assert_uint_eq(fleet->installs, 0);
}
END_TEST

static void tests(TCase *c)
{
    tcase_add_test(c, a_bad_version_is_caught_in_the_soak);
    tcase_add_test(c, a_slightly_worse_version_is_caught_by_its_figures);
    tcase_add_test(c, a_version_as_bad_as_the_old_one_passes);
    tcase_add_test(c, a_host_never_comes_back);
    tcase_add_test(c, an_installation_fails);
    tcase_add_test(c, one_of_a_batch_fails_and_the_others_go_back);
    tcase_add_test(c, a_host_that_cannot_go_back_is_quarantined);
    tcase_add_test(c, the_old_boot_id_is_no_reboot);
    tcase_add_test(c, the_wrong_version_is_read_back);
    tcase_add_test(c, on_failure_pause_keeps_the_host_for_inspection);
    tcase_add_test(c, facts_that_cannot_be_read_stop_before_anything_is_touched);
}

UNIT_MAIN(tests)
