#include "base/check.h"
#include "control/promise.h"
#include "control/rows.h"
#include "control/spec.h"
#include "unit.h"

#include <stdio.h>
#include <string.h>

/* Every byte of the struct that a field covers gets a value of its own. */
static struct rollout_host full_host(void)
{
    struct rollout_host host;
    memset(&host, 0, sizeof host);
    host.phase = ROLLOUT_HOST_SOAKING;
    host.goal = ROLLOUT_GOAL_BACK;
    host.batch = 7;
    host.was_ill = host.weight_zero = host.long_lived = host.drain_late = true;
    host.install_begun = host.rebooted = host.reboot_due = host.ill_said = true;
    host.drain_wanted = host.install_due = host.put_back = true;
    host.acked_ms = 20;
    host.rebooted_ms = 21;
    host.failures_looked = 22;
    host.since_ms = 1;
    host.taken_ms = 2;
    host.ended_ms = 3;
    host.drained_ms = 4;
    host.deadline_ms = ROLLOUT_NEVER_MS;
    host.healthy_since_ms = 5;
    host.open = (struct rollout_open){.id = 6,
                                      .kind = ROLLOUT_INSTALL,
                                      .sent = 2,
                                      .ordered_ms = 8,
                                      .deadline_ms = 9,
                                      .resend_ms = ROLLOUT_NEVER_MS};
    host.install_id = 10;
    host.window = (struct rollout_counts){11, 12};
    host.compare = (struct rollout_counts){13, 14};
    host.peers = (struct rollout_counts){15, 16};
    host.before = (struct rollout_counts){17, 18};
    host.looks = 19;
    (void)snprintf(host.version_before, sizeof host.version_before, "1.0-1");
    (void)snprintf(host.version_wanted, sizeof host.version_wanted, "1.0-2");
    (void)snprintf(host.version_after, sizeof host.version_after, "1.0-2~\"quoted\"");
    (void)snprintf(host.boot_id_before, sizeof host.boot_id_before, "a");
    (void)snprintf(host.boot_id_after, sizeof host.boot_id_after, "b");
    (void)snprintf(host.kernel, sizeof host.kernel, "6.1");
    (void)snprintf(host.reason, sizeof host.reason, "because");
    return host;
}

START_TEST(test_a_host_row_comes_back_to_the_byte)
{
    struct error error = {0};
    struct text text;
    const struct rollout_host host = full_host();
    struct rollout_host back;
    text_init(&text, 64 * 1024);
    rows_put_host(&text, &host);
    ck_assert_msg(rows_get_host(text_slice(&text), &back, &error), "%s", error.text);
    ck_assert_mem_eq(&host, &back, sizeof host);
    text_done(&text);
}
END_TEST

START_TEST(test_the_rollout_row_and_the_head_come_back)
{
    struct error error = {0};
    struct text text;
    struct rollout_row row;
    struct rollout_row row_back;
    struct rows_head head = {.id = 3, .created_ms = 4, .tier = "web", .only = "web-1,web-2"};
    struct rows_head head_back;
    memset(&row, 0, sizeof row);
    row.phase = ROLLOUT_PAUSED;
    row.stop = ROLLOUT_STOP_FAILED;
    row.pause = ROLLOUT_PAUSE_DRAIN;
    row.batch = 2;
    row.proven = true;
    row.blocked_said = 5;
    row.blocked_ms = 6;
    row.started_ms = 7;
    row.ended_ms = 8;
    row.now_ms = 9;
    row.next_action_id = 10;
    row.next_decision = 11;
    row.capacity_least_ppm = 750000;
    (void)snprintf(row.reason, sizeof row.reason, "drain");
    text_init(&text, 64 * 1024);
    rows_put_row(&text, &row);
    ck_assert(rows_get_row(text_slice(&text), &row_back, &error));
    ck_assert_mem_eq(&row, &row_back, sizeof row);
    text_clear(&text);
    rows_put_head(&text, &head);
    ck_assert(rows_get_head(text_slice(&text), &head_back, &error));
    ck_assert_mem_eq(&head, &head_back, sizeof head);
    text_done(&text);
}
END_TEST

START_TEST(test_bad_rows_are_refused_with_the_field)
{
    static const struct {
        const char *text;
        const char *says;
    } cases[] = {
        {"", "not JSON"},
        {"{\"v\":1,\"v\":1}", "not JSON"},
        {"{}", "version 0"},
        {"{\"v\":2}", "version 2, this program knows 1"},
        {"{\"v\":1,\"phase\":-1}", "'phase'"},
        {"{\"v\":1,\"phase\":\"x\"}", "'phase'"},
        {"{\"v\":1,\"batch\":4294967296}", "'batch'"},
        {"{\"v\":1,\"open\":7}", "'open'"},
        {"{\"v\":1,\"boot_id_after\":\"0123456789012345678901234567890123456789\"}",
         "'boot_id_after'"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct error error = {0};
        struct rollout_host host;
        ck_assert(!rows_get_host(slice_of(cases[i].text), &host, &error));
        ck_assert_msg(strstr(error.text, cases[i].says) != NULL, "%s: %s", cases[i].text,
                      error.text);
    }
}
END_TEST

START_TEST(test_fields_of_a_newer_program_are_passed_over)
{
    struct error error = {0};
    struct rollout_host host;
    ck_assert(rows_get_host(SLICE("{\"v\":1,\"batch\":3,\"colour\":\"red\"}"), &host, &error));
    ck_assert_uint_eq(host.batch, 3);
}
END_TEST

START_TEST(test_versions_in_short)
{
    static const struct {
        const char *versions;
        const char *expected;
    } cases[] = {
        {"lab-web=1.0-1", "1.0-1"}, {"lab-web=", ""}, {"a=1 b=1", "1"},
        {"a=1 b=2", "a=1 b=2"},     {"", ""},
    };
    char out[ROLLOUT_VERSION_MAX];
    char other[ROLLOUT_VERSION_MAX];
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        spec_version(cases[i].versions, out);
        ck_assert_str_eq(out, cases[i].expected);
    }
    /* Long lists that differ at their end alone stay apart. */
    spec_version("aaaaaaaaaaaaaaaaaaaa=1.0-1 bbbbbbbbbbbbbbbbbbbbbbbbbbbbbb=2.0-1 cccccccccc=3",
                 out);
    spec_version("aaaaaaaaaaaaaaaaaaaa=1.0-1 bbbbbbbbbbbbbbbbbbbbbbbbbbbbbb=2.0-1 cccccccccc=4",
                 other);
    ck_assert_str_ne(out, other);
}
END_TEST

START_TEST(test_names_in_a_list)
{
    ck_assert(spec_names("web-1,web-2", "web-2"));
    ck_assert(!spec_names("web-10,web-2", "web-1"));
    ck_assert(!spec_names("", "web-1"));
}
END_TEST

static void break_it(void *context)
{
    const int *number = context;
    ASSERT(*number == 1);
}

START_TEST(test_a_broken_promise_is_told_and_survived)
{
    char why[256];
    int one = 1;
    int two = 2;
    promise_install();
    ck_assert(promise_kept(break_it, &one, why, sizeof why));
    ck_assert(!promise_kept(break_it, &two, why, sizeof why));
    ck_assert_ptr_nonnull(strstr(why, "*number == 1"));
    ck_assert(promise_kept(break_it, &one, why, sizeof why));
}
END_TEST

static void tests(TCase *c)
{
    tcase_add_test(c, test_a_host_row_comes_back_to_the_byte);
    tcase_add_test(c, test_the_rollout_row_and_the_head_come_back);
    tcase_add_test(c, test_bad_rows_are_refused_with_the_field);
    tcase_add_test(c, test_fields_of_a_newer_program_are_passed_over);
    tcase_add_test(c, test_versions_in_short);
    tcase_add_test(c, test_names_in_a_list);
    tcase_add_test(c, test_a_broken_promise_is_told_and_survived);
}

UNIT_MAIN(tests)
