#include "host_fixture.h"

#include <fcntl.h>
#include <sys/stat.h>

static struct fixture f;

static void set_up(void)
{
    fixture_open(&f);
    fixture_host(&f, CONFIG_DRIVER_LOCAL, NULL);
}

static void tear_down(void)
{
    fixture_close(&f);
}

/* A job that adds a line to the file "runs", sleeps, and ends with this status. */
struct counted {
    char path[128];
    char script[512];
    const char *words[4];
    struct host_job job;
};

static void count_runs(struct counted *counted, const char *id, const char *sleep_s, int status)
{
    fixture_path(&f, "runs", counted->path, sizeof counted->path);
    (void)snprintf(counted->script, sizeof counted->script,
                   "echo run >>%s; sleep %s; echo over >>%s; exit %d", counted->path, sleep_s,
                   counted->path, status);
    counted->words[0] = "sh";
    counted->words[1] = "-c";
    counted->words[2] = counted->script;
    counted->words[3] = NULL;
    counted->job = (struct host_job){.id = id,
                                     .token = 1,
                                     .verb = HOST_COMMAND,
                                     .command = {.words = counted->words, .count = 3},
                                     .timeout_ms = 20000};
}

static void expect_runs(const char *expected)
{
    char runs[256];
    fixture_read(&f, "runs", runs, sizeof runs);
    ck_assert_str_eq(runs, expected);
}

START_TEST(test_facts)
{
    static const char *const packages[] = {"dpkg", "nines-no-such-package", "base-files"};
    const struct host_job job = {.id = "facts",
                                 .verb = HOST_FACTS,
                                 .packages = packages,
                                 .package_count = 3,
                                 .timeout_ms = 10000};
    const struct outcome outcome = fixture_run(&f, &job);
    ck_assert_msg(outcome.outcome == HOST_OK, "%s", outcome.sentence);
    ck_assert_int_eq(strncmp(outcome.versions, "dpkg=1.", 7), 0);
    ck_assert_ptr_nonnull(strstr(outcome.versions, " nines-no-such-package= base-files=1"));
    FILE *file = fopen("/proc/sys/kernel/random/boot_id", "r");
    char boot_id[64] = "";
    ck_assert_ptr_nonnull(fgets(boot_id, sizeof boot_id, file));
    (void)fclose(file);
    boot_id[strcspn(boot_id, "\n")] = '\0';
    ck_assert_str_eq(outcome.boot_id, boot_id);
    struct stat status; /* Facts leave no trace. */
    char state[128];
    fixture_path(&f, "state", state, sizeof state);
    ck_assert_int_ne(stat(state, &status), 0);
}
END_TEST

START_TEST(test_words_reach_the_command_as_they_are)
{
    char path[128];
    fixture_path(&f, "arguments", path, sizeof path);
    static const char script[] = "out=$1; shift; printf '<%s>' \"$@\" >\"$out\"";
    static const char expected[] = "<$(id)><a b><><'\"`\\><*><new\nline\n><-n><\xc3\xa9\x01%s\\n>";
    const struct host_job job = {.id = "web.words",
                                 .token = 1,
                                 .verb = HOST_COMMAND,
                                 .command = FIXTURE_ARGV("sh", "-c", script, "sh", path, "$(id)",
                                                         "a b", "", "'\"`\\", "*", "new\nline\n",
                                                         "-n", "\xc3\xa9\x01%s\\n"),
                                 .timeout_ms = 10000};
    const struct outcome outcome = fixture_run(&f, &job);
    ck_assert_msg(outcome.outcome == HOST_OK, "%s", outcome.sentence);
    char got[256];
    fixture_read(&f, "arguments", got, sizeof got);
    ck_assert_str_eq(got, expected);
}
END_TEST

START_TEST(test_an_ended_job_answers_from_its_record)
{
    struct counted counted;
    count_runs(&counted, "web-1.install.1", "0", 3);
    for (int i = 0; i < 3; i++) {
        const struct outcome outcome = fixture_run(&f, &counted.job);
        ck_assert_int_eq(outcome.outcome, HOST_FAILED);
        ck_assert_int_eq(outcome.exit_status, 3);
        ck_assert_int_eq(outcome.recorded, i > 0);
        ck_assert_str_eq(outcome.sentence, "exit status 3");
        expect_runs("run\nover\n");
    }
}
END_TEST

START_TEST(test_a_cancelled_wait_leaves_the_job_and_finds_it_again)
{
    struct counted counted;
    count_runs(&counted, "web-1.slow", "1.5", 0);
    struct outcome first = {0};
    f.driver->start(f.host, &counted.job, fixture_on_done, &first);
    fixture_runs(&f, "run\n");
    f.driver->cancel(f.host);
    f.driver->cancel(f.host);
    const struct outcome again = fixture_run(&f, &counted.job);
    ck_assert_int_eq(first.calls, 0);
    ck_assert_msg(again.outcome == HOST_OK, "%s", again.sentence);
    ck_assert(again.recorded);
    expect_runs("run\nover\n");
}
END_TEST

START_TEST(test_cancelled_at_any_moment_it_runs_once)
{
    struct counted counted;
    count_runs(&counted, "web-1.any", "0.1", 0);
    for (uint64_t pause_ms = 5; pause_ms < 150; pause_ms += 15) {
        struct outcome outcome = {0};
        f.driver->start(f.host, &counted.job, fixture_on_done, &outcome);
        fixture_pass(&f, pause_ms);
        f.driver->cancel(f.host);
    }
    const struct outcome last = fixture_run(&f, &counted.job);
    ck_assert_msg(last.outcome == HOST_OK, "%s", last.sentence);
    expect_runs("run\nover\n");
}
END_TEST

START_TEST(test_one_job_at_a_time)
{
    struct counted counted;
    struct counted other;
    count_runs(&counted, "web-1.first", "0.5", 0);
    count_runs(&other, "web-1.second", "0.5", 0);
    struct host *second =
        host_local.open(&f.arena, f.loop, &f.config, &f.tier, &f.host_config, NULL);
    struct outcome outcomes[2] = {{0}, {0}};
    f.driver->start(f.host, &counted.job, fixture_on_done, &outcomes[0]);
    f.driver->start(second, &other.job, fixture_on_done, &outcomes[1]);
    fixture_wait(&f, &outcomes[0]);
    fixture_wait(&f, &outcomes[1]);
    f.driver->close(second);
    ck_assert_int_eq(outcomes[0].outcome, HOST_OK);
    ck_assert_int_eq(outcomes[1].outcome, HOST_OK);
    expect_runs("run\nover\nrun\nover\n");
}
END_TEST

START_TEST(test_another_job_under_the_same_name_is_refused)
{
    struct counted counted;
    count_runs(&counted, "web-1.same", "0", 0);
    ck_assert_int_eq(fixture_run(&f, &counted.job).outcome, HOST_OK);
    counted.job.token = 2; /* A new controller asks for the same job: the same. */
    counted.job.timeout_ms = 5000;
    ck_assert_int_eq(fixture_run(&f, &counted.job).outcome, HOST_OK);
    const struct host_job other = {.id = "web-1.unended",
                                   .token = 2,
                                   .verb = HOST_COMMAND,
                                   .command = FIXTURE_ARGV("sleep", "1"),
                                   .timeout_ms = 10000};
    struct outcome outcome = {0};
    f.driver->start(f.host, &other, fixture_on_done, &outcome);
    char process[64] = "";
    for (int tries = 0; tries < 500 && strchr(process, ' ') == NULL; tries++) {
        fixture_pass(&f, 20);
        fixture_read(&f, "state/actions/web-1.unended/process", process, sizeof process);
    }
    f.driver->cancel(f.host);
    const long pid = strtol(process, NULL, 10);
    ck_assert_int_gt((int)pid, 1);
    ck_assert_int_eq(kill((pid_t)-pid, SIGKILL), 0);
    counted.job.id = "web-1.unended";
    const struct outcome refused = fixture_run(&f, &counted.job);
    ck_assert_int_eq(refused.outcome, HOST_REFUSED);
    ck_assert_ptr_nonnull(strstr(refused.sentence, "the name of another job"));
    expect_runs("run\nover\n");
}
END_TEST

START_TEST(test_a_stale_token_is_refused)
{
    struct counted counted;
    count_runs(&counted, "web-1.fence.1", "0", 0);
    counted.job.token = 7;
    ck_assert_int_eq(fixture_run(&f, &counted.job).outcome, HOST_OK);
    counted.job.token = 6; /* Refused although its result is known. */
    struct outcome outcome = fixture_run(&f, &counted.job);
    ck_assert_int_eq(outcome.outcome, HOST_REFUSED);
    ck_assert_str_eq(outcome.sentence,
                     "another controller has taken over (its token is 7, this one's is 6)");
    counted.job.id = "web-1.fence.2";
    ck_assert_int_eq(fixture_run(&f, &counted.job).outcome, HOST_REFUSED);
    expect_runs("run\nover\n");
    counted.job.token = 1000000000000; /* More than 32 bits. */
    ck_assert_int_eq(fixture_run(&f, &counted.job).outcome, HOST_OK);
    counted.job.token = 999999999999;
    ck_assert_int_eq(fixture_run(&f, &counted.job).outcome, HOST_REFUSED);
}
END_TEST

START_TEST(test_check_says_that_it_is_done)
{
    struct counted counted;
    char flag[128];
    fixture_path(&f, "flag", flag, sizeof flag);
    count_runs(&counted, "web-1.check.1", "0", 0);
    const char *check[] = {"test", "-e", flag, NULL};
    counted.job.check = (struct config_argv){.words = check, .count = 3};
    struct outcome outcome = fixture_run(&f, &counted.job);
    ck_assert_int_eq(outcome.outcome, HOST_FAILED); /* It ran, and is still not done. */
    ck_assert_str_eq(outcome.sentence, "its check says that it is not done (exit status 1)");
    const int fd = open(flag, O_WRONLY | O_CREAT, 0600);
    close(fd);
    counted.job.id = "web-1.check.2";
    outcome = fixture_run(&f, &counted.job);
    ck_assert_int_eq(outcome.outcome, HOST_OK);
    ck_assert_str_eq(outcome.sentence, "its check says that it is done");
    expect_runs("run\nover\n");
}
END_TEST

START_TEST(test_a_command_is_ended_at_its_timeout)
{
    struct counted counted;
    count_runs(&counted, "web-1.late", "30", 0);
    counted.job.timeout_ms = 1000;
    const struct outcome outcome = fixture_run(&f, &counted.job);
    ck_assert_int_eq(outcome.outcome, HOST_FAILED);
    ck_assert_int_eq(outcome.exit_status, 124);
    ck_assert_ptr_nonnull(strstr(outcome.sentence, "still running after 1 s"));
    expect_runs("run\n");
}
END_TEST

/* The shell of the job alone is killed: nothing starts before its command has ended, too. */
START_TEST(test_a_killed_job_is_not_started_beside_itself)
{
    struct counted counted;
    count_runs(&counted, "web-1.killed", "1.5", 0);
    struct outcome outcome = {0};
    f.driver->start(f.host, &counted.job, fixture_on_done, &outcome);
    fixture_runs(&f, "run\n");
    char process[64];
    fixture_read(&f, "state/actions/web-1.killed/process", process, sizeof process);
    const long pid = strtol(process, NULL, 10);
    ck_assert_int_gt((int)pid, 1);
    ck_assert_int_eq(kill((pid_t)pid, SIGKILL), 0);
    fixture_wait(&f, &outcome);
    ck_assert_int_eq(outcome.outcome, HOST_TIMEOUT);
    expect_runs("run\n");
    /* At least once: without a check it runs again, after the first has come to its end. */
    outcome = fixture_run(&f, &counted.job);
    ck_assert_msg(outcome.outcome == HOST_OK, "%s", outcome.sentence);
    expect_runs("run\nover\nrun\nover\n");
}
END_TEST

START_TEST(test_what_makes_no_sense_is_refused)
{
    static const char *const bad_package[] = {"-oDpkg::Pre-Invoke::=id"};
    static const char *const words[HOST_WORDS_MAX + 1];
    const struct host_job jobs[] = {
        {.id = "a", .verb = HOST_INSTALL, .packages = bad_package, .package_count = 1},
        {.id = "a", .verb = HOST_INSTALL},
        {.id = "a", .verb = HOST_INSTALL, .security = true, .version = "1.0; id"},
        {.id = "a", .verb = HOST_INSTALL, .packages = words, .package_count = HOST_WORDS_MAX + 1},
        {.id = "a", .verb = HOST_PUT_BACK, .versions = "a=1\nb=2"},
        {.id = "a", .verb = HOST_PUT_BACK, .versions = "a='"},
        {.id = "a", .verb = HOST_RESTART, .unit = "--now"},
        {.id = "a", .verb = HOST_RESTART, .unit = "web web"},
        {.id = "a", .verb = HOST_COMMAND},
        {.id = "a", .verb = HOST_REBOOT},
    };
    ck_assert_int_eq(unsetenv("NINES_LAB"), 0);
    for (size_t i = 0; i < COUNT_OF(jobs); i++) {
        struct host_job job = jobs[i];
        job.timeout_ms = 1000;
        const struct outcome outcome = fixture_run(&f, &job);
        ck_assert_msg(outcome.outcome == HOST_REFUSED, "job %zu: %s", i, outcome.sentence);
    }
}
END_TEST

START_TEST(test_no_records_no_work)
{
    struct counted counted;
    count_runs(&counted, "web-1.nowhere", "0", 0);
    ck_assert_int_eq(setenv("NINES_STATE_DIR", "/proc/nines", 1), 0);
    const struct outcome outcome = fixture_run(&f, &counted.job);
    ck_assert_int_eq(outcome.outcome, HOST_FAILED);
    ck_assert_ptr_nonnull(strstr(outcome.sentence, "cannot keep its records"));
    expect_runs("");
}
END_TEST

static void write_file(const char *name, const char *content, mode_t mode)
{
    char path[160];
    fixture_path(&f, name, path, sizeof path);
    const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, mode);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq((int)write(fd, content, strlen(content)), (int)strlen(content));
    close(fd);
}

/* A machine whose `systemctl reboot` gives it another boot_id after a while, as the lab's do. */
START_TEST(test_reboot_is_proved_by_another_boot_id)
{
    char path[512];
    char boot_id[128];
    char bin[128];
    fixture_path(&f, "bin", bin, sizeof bin);
    ck_assert_int_eq(mkdir(bin, 0700), 0);
    (void)snprintf(path, sizeof path, "%s:%s", bin, getenv("PATH"));
    fixture_path(&f, "boot_id", boot_id, sizeof boot_id);
    ck_assert_int_eq(setenv("PATH", path, 1), 0);
    ck_assert_int_eq(setenv("NINES_LAB", "1", 1), 0);
    ck_assert_int_eq(setenv("NINES_LAB_BOOT_ID_FILE", boot_id, 1), 0);
    write_file("boot_id", "first\n", 0600);
    write_file("bin/systemctl",
               "#!/bin/sh\n[ \"$1\" = reboot ] || exit 1\n"
               "echo reboot >>\"${NINES_LAB_BOOT_ID_FILE%boot_id}runs\"\n"
               "sleep 0.5; echo second >\"$NINES_LAB_BOOT_ID_FILE\"\n",
               0700);
    const struct host_job job = {
        .id = "web-1.reboot", .token = 1, .verb = HOST_REBOOT, .timeout_ms = 10000};
    struct outcome outcome = fixture_run(&f, &job);
    ck_assert_msg(outcome.outcome == HOST_OK, "%s", outcome.sentence);
    ck_assert(!outcome.rebooted); /* Ordered. */
    ck_assert_str_eq(outcome.boot_id, "first");
    expect_runs(""); /* The answer comes before the order. */
    fixture_runs(&f, "reboot\n");
    fixture_pass(&f, 1000);
    for (int i = 0; i < 2; i++) {
        outcome = fixture_run(&f, &job);
        ck_assert_int_eq(outcome.outcome, HOST_OK);
        ck_assert(outcome.rebooted);
        ck_assert_str_eq(outcome.sentence, "rebooted: boot_id first -> second");
    }
    fixture_pass(&f, 1300); /* An order would come a second after its answer. */
    expect_runs("reboot\n");
}
END_TEST

static void tests(TCase *c)
{
    tcase_add_checked_fixture(c, set_up, tear_down);
    tcase_add_test(c, test_facts);
    tcase_add_test(c, test_words_reach_the_command_as_they_are);
    tcase_add_test(c, test_an_ended_job_answers_from_its_record);
    tcase_add_test(c, test_a_cancelled_wait_leaves_the_job_and_finds_it_again);
    tcase_add_test(c, test_cancelled_at_any_moment_it_runs_once);
    tcase_add_test(c, test_one_job_at_a_time);
    tcase_add_test(c, test_another_job_under_the_same_name_is_refused);
    tcase_add_test(c, test_a_stale_token_is_refused);
    tcase_add_test(c, test_check_says_that_it_is_done);
    tcase_add_test(c, test_a_command_is_ended_at_its_timeout);
    tcase_add_test(c, test_a_killed_job_is_not_started_beside_itself);
    tcase_add_test(c, test_what_makes_no_sense_is_refused);
    tcase_add_test(c, test_no_records_no_work);
    tcase_add_test(c, test_reboot_is_proved_by_another_boot_id);
}

UNIT_MAIN(tests)
