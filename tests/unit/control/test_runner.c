#include "fixture.h"
#include "unit.h"

#include <sys/stat.h>
#include <unistd.h>

static char folder[64];

/* Memory, where there is some: every commit is synced. */
static const char *fresh_url(void)
{
    static char url[128];
    struct stat status;
    const bool memory = stat("/dev/shm", &status) == 0 && access("/dev/shm", W_OK) == 0;
    (void)snprintf(folder, sizeof folder, "%s/nines-runner-XXXXXX", memory ? "/dev/shm" : "/tmp");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    (void)snprintf(url, sizeof url, "sqlite:%s/state.db", folder);
    return url;
}

static void remove_store(void)
{
    static const char *const ends[] = {"", "-wal", "-shm", "-journal"};
    char path[128];
    for (size_t i = 0; i < COUNT_OF(ends); i++) {
        (void)snprintf(path, sizeof path, "%s/state.db%s", folder, ends[i]);
        (void)unlink(path);
    }
    ck_assert_int_eq(rmdir(folder), 0);
}

START_TEST(test_a_rollout_runs_to_its_end)
{
    static struct fixture fixture;
    struct error error = {0};
    fixture_open(&fixture, fresh_url());
    ck_assert_msg(fixture_start(&fixture, &error), "%s", error.text);
    fixture_run(&fixture);
    fixture_check_done(&fixture);
    ck_assert_uint_eq(fixture.ends, 1);
    ck_assert_uint_eq(fixture.give_ups, 0);
    ck_assert(runner_traffic(fixture.runner)->requests > 0);
    fixture_close(&fixture);
    remove_store();
}
END_TEST

START_TEST(test_one_that_has_ended_is_kept_for_show)
{
    static struct fixture fixture;
    struct error error = {0};
    char sentence[512];
    fixture_open(&fixture, fresh_url());
    ck_assert(fixture_start(&fixture, &error));
    fixture_run(&fixture);
    (void)snprintf(sentence, sizeof sentence, "%s", runner_sentence(fixture.runner));
    ck_assert(fixture_reload(&fixture));
    ck_assert(runner_ended(fixture.runner));
    ck_assert_str_eq(runner_sentence(fixture.runner), sentence);
    fixture_check_done(&fixture);
    ck_assert_uint_eq(fixture.ends, 1);
    fixture_close(&fixture);
    remove_store();
}
END_TEST

/* How many batches of the loop a whole rollout takes. */
static uint32_t count_batches(void)
{
    static struct fixture fixture;
    struct error error = {0};
    uint32_t batches = 0;
    fixture_open(&fixture, fresh_url());
    ck_assert(fixture_start(&fixture, &error));
    while (fixture_step(&fixture))
        FIXTURE_EXPECT(++batches < FIXTURE_ROUNDS_MAX, "no end: %s",
                       runner_sentence(fixture.runner));
    fixture_close(&fixture);
    remove_store();
    return batches;
}

static void kill_after(uint32_t batches)
{
    static struct fixture fixture;
    struct error error = {0};
    fixture_open(&fixture, fresh_url());
    ck_assert(fixture_start(&fixture, &error));
    for (uint32_t i = 0; i < batches; i++)
        (void)fixture_step(&fixture);
    ck_assert(fixture_reload(&fixture));
    fixture_run(&fixture);
    fixture_check_done(&fixture);
    fixture_close(&fixture);
    remove_store();
}

START_TEST(test_killed_anywhere_it_goes_on)
{
    const uint32_t batches = count_batches();
    ck_assert_uint_gt(batches, 100);
    for (uint32_t i = 0; i < batches; i++)
        kill_after(i);
}
END_TEST

START_TEST(test_killed_again_and_again_it_still_ends)
{
    static struct fixture fixture;
    struct error error = {0};
    uint32_t batches = 0;
    fixture_open(&fixture, fresh_url());
    ck_assert(fixture_start(&fixture, &error));
    while (fixture_step(&fixture)) {
        if (++batches % 37 == 0)
            ck_assert(fixture_reload(&fixture));
        FIXTURE_EXPECT(batches < FIXTURE_ROUNDS_MAX, "no end");
    }
    ck_assert_uint_gt(fixture.deaths, 5);
    fixture_check_done(&fixture);
    fixture_close(&fixture);
    remove_store();
}
END_TEST

/* A connection that does not end at its deadline: the engine goes on, and so must the dispatch. */
START_TEST(test_a_driver_that_never_reports_is_given_up)
{
    static struct fixture fixture;
    struct error error = {0};
    fixture_open(&fixture, fresh_url());
    ck_assert(fixture_start(&fixture, &error));
    for (uint32_t i = 0; fixture.machines[0].installs == 0; i++)
        FIXTURE_EXPECT(i < 2000 && fixture_step(&fixture), "%s", runner_sentence(fixture.runner));
    fixture.machines[0].hangs = true;
    ck_assert(fixture_reload(&fixture)); /* INSTALL is ordered again, and hangs. */
    fixture_run(&fixture);
    ck_assert_int_eq(runner_rollout(fixture.runner)->row.phase, ROLLOUT_FAILED);
    ck_assert_int_eq(runner_rollout(fixture.runner)->arrays.hosts[0].phase,
                     ROLLOUT_HOST_QUARANTINED);
    ck_assert_uint_gt(fixture.give_ups, 1);
    for (size_t i = 1; i < FIXTURE_HOSTS; i++)
        ck_assert(fixture.machines[i].installs == 0 && !fixture.machines[i].zero);
    fixture_close(&fixture);
    remove_store();
}
END_TEST

/* What INSTALL replaced is in the store, also for the next controller. */
START_TEST(test_a_failed_installation_is_put_back_by_the_next_controller)
{
    static struct fixture fixture;
    struct error error = {0};
    fixture_open(&fixture, fresh_url());
    fixture.machines[0].install_fails = true;
    ck_assert(fixture_start(&fixture, &error));
    for (uint32_t i = 0; runner_rollout(fixture.runner)->arrays.hosts[0].goal != ROLLOUT_GOAL_BACK;
         i++)
        FIXTURE_EXPECT(i < 2000 && fixture_step(&fixture), "%s", runner_sentence(fixture.runner));
    ck_assert_uint_eq(fixture.machines[0].put_backs, 0);
    ck_assert(fixture_reload(&fixture));
    fixture_run(&fixture);
    ck_assert_uint_eq(fixture.machines[0].put_backs, 1);
    ck_assert_str_eq(fixture.machines[0].put_back, "demo=1");
    ck_assert_int_eq(runner_rollout(fixture.runner)->arrays.hosts[0].phase,
                     ROLLOUT_HOST_VERIFIED_OLD);
    ck_assert_int_eq(runner_rollout(fixture.runner)->row.phase, ROLLOUT_FAILED);
    fixture_close(&fixture);
    remove_store();
}
END_TEST

/* Frozen is for ever: by the next start another rollout of the tier may be under way. */
START_TEST(test_a_frozen_rollout_stays_frozen)
{
    static struct fixture fixture;
    struct error error = {0};
    fixture_open(&fixture, fresh_url());
    ck_assert(fixture_start(&fixture, &error));
    for (uint32_t i = 0; fixture.machines[0].installs == 0; i++)
        FIXTURE_EXPECT(i < 2000 && fixture_step(&fixture), "%s", runner_sentence(fixture.runner));
    /* As after a bug: the books and the rows no longer agree. */
    ((struct rollout *)(uintptr_t)runner_rollout(fixture.runner))->in_flight = 99;
    while (fixture_step(&fixture)) {
    }
    ck_assert_ptr_nonnull(runner_frozen(fixture.runner));
    ck_assert_ptr_nonnull(strstr(runner_frozen(fixture.runner), "broken promise"));
    ck_assert_uint_eq(fixture.ends, 1);
    ck_assert(!runner_operate(fixture.runner, ROLLOUT_ABORT, "test", &error));
    ck_assert_int_eq(error.kind, ERROR_CONFLICT);
    ck_assert(fixture_reload(&fixture));
    ck_assert(runner_ended(fixture.runner));
    ck_assert_ptr_nonnull(runner_frozen(fixture.runner));
    ck_assert_int_eq(runner_rollout(fixture.runner)->arrays.hosts[0].phase,
                     ROLLOUT_HOST_INSTALLING);
    fixture_close(&fixture);
    remove_store();
}
END_TEST

static struct watch *find_nothing(void *context, const char *tier)
{
    ck_assert_ptr_nonnull(context);
    ck_assert_str_eq(tier, "web");
    return NULL;
}

/* An open one cannot go on without its tier; one that has ended is shown all the same. */
START_TEST(test_a_rollout_whose_tier_is_gone)
{
    static struct fixture fixture;
    struct error error = {0};
    fixture_open(&fixture, fresh_url());
    ck_assert(fixture_start(&fixture, &error));
    struct runner_place place = fixture_place(&fixture);
    place.find_watch = find_nothing;
    ck_assert_ptr_null(runner_load(&place, 1, &error));
    ck_assert_str_eq(error.text, "rollout 1: there is no tier 'web' any more");
    fixture_run(&fixture);
    struct runner *shown = runner_load(&place, 1, &error);
    ck_assert_msg(shown != NULL, "%s", error.text);
    ck_assert(runner_ended(shown));
    runner_close(shown);
    fixture_close(&fixture);
    remove_store();
}
END_TEST

static const char config_without_web_4[] =
    "listen: [{ address: 127.0.0.1:8080, tier: web }]\n"
    "tiers:\n"
    "  web:\n"
    "    hosts: [{ name: 'web-[1-3]', address: '10.0.0.[1-3]:80' }]\n";

/*
 * The rollout is pinned to its config. What was begun is finished; at a host that the running
 * config lacks it stops, by name.
 */
START_TEST(test_a_host_that_left_the_config_stops_the_rollout)
{
    static struct fixture fixture;
    struct error error = {0};
    fixture_open(&fixture, fresh_url());
    ck_assert(fixture_start(&fixture, &error));
    for (uint32_t i = 0; fixture.machines[0].installs == 0; i++)
        FIXTURE_EXPECT(i < 2000 && fixture_step(&fixture), "no installation");
    fixture.running = config_without_web_4;
    ck_assert(fixture_reload(&fixture));
    fixture_run(&fixture);
    const struct rollout *rollout = runner_rollout(fixture.runner);
    ck_assert_int_eq(rollout->row.phase, ROLLOUT_FAILED);
    ck_assert_int_eq(rollout->arrays.hosts[0].phase, ROLLOUT_HOST_VERIFIED_NEW);
    ck_assert_int_eq(rollout->arrays.hosts[1].phase, ROLLOUT_HOST_UNTOUCHED);
    ck_assert_int_eq(rollout->arrays.hosts[3].phase, ROLLOUT_HOST_QUARANTINED);
    ck_assert_ptr_nonnull(strstr(rollout->arrays.hosts[3].reason, "no such host"));
    ck_assert_uint_eq(fixture.machines[3].installs, 0);
    fixture_close(&fixture);
    remove_store();
}
END_TEST

static const char config_all_at_once[] =
    "listen: [{ address: 127.0.0.1:8080, tier: web }]\n"
    "tiers:\n"
    "  web:\n"
    "    slow_start: 1s\n"
    "    hosts:\n"
    "      - { name: 'web-[1-4]', address: '10.0.0.[1-4]:80', driver: ssh,\n"
    "          ssh: 'root@10.0.0.[1-4]' }\n"
    "    update:\n"
    "      max_unavailable: 75%\n"
    "      install: { method: apt, packages: [demo], timeout: 30s }\n"
    "      verify: { min_ready: 1s, soak: 2s }\n";

static uint32_t most_jobs_with(uint32_t jobs_max)
{
    static struct fixture fixture;
    struct error error = {0};
    fixture_open(&fixture, fresh_url());
    fixture.running = config_all_at_once;
    fixture.out_max = 3;
    fixture.jobs_max = jobs_max;
    ck_assert_msg(fixture_start(&fixture, &error), "%s", error.text);
    uint32_t batches = 0;
    while (fixture_step(&fixture)) {
        if (++batches % 50 == 0)
            ck_assert(fixture_reload(&fixture));
        FIXTURE_EXPECT(batches < FIXTURE_ROUNDS_MAX, "%s", runner_sentence(fixture.runner));
    }
    fixture_check_done(&fixture);
    ck_assert_uint_eq(fixture.jobs, 0);
    fixture_close(&fixture);
    remove_store();
    return fixture.jobs_most;
}

/* A batch may be of thousands of hosts; so many ssh at once would end the controller's machine. */
START_TEST(test_no_more_jobs_at_once_than_allowed)
{
    ck_assert_uint_eq(most_jobs_with(0), 3);
    ck_assert_uint_eq(most_jobs_with(2), 2);
    ck_assert_uint_eq(most_jobs_with(1), 1);
}
END_TEST

static bool count_said(void *context, struct slice decision)
{
    uint32_t *left = context;
    ck_assert(decision.size > 0 && *left > 0);
    return --*left > 0;
}

START_TEST(test_the_log_begins_and_ends_where_it_is_asked_to)
{
    static struct fixture fixture;
    struct error error = {0};
    uint32_t left = 3;
    fixture_open(&fixture, fresh_url());
    ck_assert(fixture_start(&fixture, &error));
    fixture_run(&fixture);
    ck_assert(runner_log(fixture.store, 1, 0, count_said, &left, &error));
    ck_assert_uint_eq(left, 0);
    left = 100;
    const uint64_t said = runner_rollout(fixture.runner)->row.next_decision - 1;
    ck_assert(runner_log(fixture.store, 1, said - 1, count_said, &left, &error));
    ck_assert_uint_eq(left, 98);
    fixture_close(&fixture);
    remove_store();
}
END_TEST

static void tests(TCase *c)
{
    tcase_add_test(c, test_a_rollout_runs_to_its_end);
    tcase_add_test(c, test_one_that_has_ended_is_kept_for_show);
    tcase_add_test(c, test_killed_anywhere_it_goes_on);
    tcase_add_test(c, test_killed_again_and_again_it_still_ends);
    tcase_add_test(c, test_a_driver_that_never_reports_is_given_up);
    tcase_add_test(c, test_a_failed_installation_is_put_back_by_the_next_controller);
    tcase_add_test(c, test_a_frozen_rollout_stays_frozen);
    tcase_add_test(c, test_a_rollout_whose_tier_is_gone);
    tcase_add_test(c, test_a_host_that_left_the_config_stops_the_rollout);
    tcase_add_test(c, test_no_more_jobs_at_once_than_allowed);
    tcase_add_test(c, test_the_log_begins_and_ends_where_it_is_asked_to);
}

UNIT_MAIN(tests)
