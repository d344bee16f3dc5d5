#include "os/process.h"

#include "os/clock.h"
#include "os/file.h"
#include "os/socket.h"
#include "unit.h"

#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

struct outcome {
    struct loop *loop;
    int lines;
    int status;
    bool timed_out;
    char output[256];
    char errors[256];
    size_t output_size;
};

static void on_line(void *context, struct slice line)
{
    struct outcome *outcome = context;
    ck_assert(line.size > 0);
    outcome->lines++;
}

static void on_done(void *context, const struct process_result *result)
{
    struct outcome *outcome = context;
    outcome->status = result->wait_status;
    outcome->timed_out = result->timed_out;
    outcome->output_size = result->output.size;
    (void)snprintf(outcome->output, sizeof outcome->output, "%.*s",
                   (int)(result->output.size < 200 ? result->output.size : 200),
                   result->output.data != NULL ? result->output.data : "");
    (void)snprintf(outcome->errors, sizeof outcome->errors, "%.*s",
                   (int)(result->errors.size < 200 ? result->errors.size : 200),
                   result->errors.data != NULL ? result->errors.data : "");
    loop_stop(outcome->loop);
}

static struct outcome run(const char *script, struct slice input, uint32_t timeout_ms)
{
    struct error error = {0};
    struct outcome outcome = {.loop = loop_open(&error)};
    const char *const argv[] = {"sh", "-c", script, NULL};
    struct process_run *process =
        process_run(outcome.loop, argv, input, timeout_ms, on_line, on_done, &outcome, &error);
    ck_assert_msg(process != NULL, "%s", error.text);
    loop_run(outcome.loop);
    loop_close(outcome.loop);
    return outcome;
}

START_TEST(test_input_output_and_status)
{
    const struct outcome outcome =
        run("cat; echo two; echo wrong >&2; exit 3", SLICE("one\n"), 5000);
    ck_assert_str_eq(outcome.output, "one\ntwo\n");
    ck_assert_str_eq(outcome.errors, "wrong\n");
    ck_assert_int_eq(outcome.lines, 2);
    ck_assert_int_eq(WEXITSTATUS(outcome.status), 3);
}
END_TEST

START_TEST(test_deadline_ends_the_whole_group)
{
    const uint64_t start = clock_monotonic_ns();
    const struct outcome outcome = run("sleep 60 & sleep 60; echo never", SLICE(""), 100);
    ck_assert(outcome.timed_out);
    ck_assert_str_eq(outcome.output, "");
    ck_assert(clock_monotonic_ns() - start < 10000000000ULL);
}
END_TEST

START_TEST(test_grandchild_holding_the_pipe_does_not_hold_us)
{
    const struct outcome outcome = run("sleep 3 & echo here", SLICE(""), 10000);
    ck_assert(!outcome.timed_out);
    ck_assert_str_eq(outcome.output, "here\n");
}
END_TEST

START_TEST(test_output_is_cut_at_its_limit)
{
    const struct outcome outcome = run(
        "yes 0123456789012345678901234567890123456789 | head -c 3000000; exit 0", SLICE(""), 10000);
    ck_assert_int_eq(WEXITSTATUS(outcome.status), 0);
    ck_assert_uint_eq(outcome.output_size, PROCESS_OUTPUT_BYTES_MAX);
}
END_TEST

START_TEST(test_missing_program_is_an_error)
{
    struct error error = {0};
    struct loop *loop = loop_open(&error);
    const char *const argv[] = {"/nonexistent/program", NULL};
    ck_assert_ptr_null(process_run(loop, argv, SLICE(""), 1000, NULL, on_done, NULL, &error));
    ck_assert_str_eq(error.text, "cannot start /nonexistent/program: No such file or directory");
    loop_close(loop);
}
END_TEST

START_TEST(test_file_is_replaced_whole)
{
    char folder[] = "/tmp/nines-test-XXXXXX";
    char path[128];
    struct error error = {0};
    struct text text;
    ck_assert_ptr_nonnull(mkdtemp(folder));
    (void)snprintf(path, sizeof path, "%s/a/b/c", folder);
    ck_assert(file_make_folder(path, 0700, &error));
    struct stat status;
    ck_assert_int_eq(stat(path, &status), 0);
    ck_assert_uint_eq(status.st_mode & 0777, 0700);
    (void)snprintf(path, sizeof path, "%s/a/b/c/file", folder);
    ck_assert(file_replace(path, 0600, SLICE("old"), &error));
    ck_assert(file_replace(path, 0600, SLICE("new"), &error));
    text_init(&text, 3);
    ck_assert(file_read(path, &text, &error));
    ck_assert_str_eq(text.data, "new");
    ck_assert(!file_read(path, &text, &error));
    ck_assert_int_eq(error.kind, ERROR_LIMIT);
    ck_assert(!file_read("/nonexistent", &text, &error));
    text_done(&text);
    const char *const parts[] = {"/a/b/c/file", "/a/b/c", "/a/b", "/a", ""};
    for (size_t i = 0; i < 5; i++) {
        (void)snprintf(path, sizeof path, "%s%s", folder, parts[i]);
        ck_assert_int_eq(remove(path), 0);
    }
}
END_TEST

START_TEST(test_addresses_read_and_print)
{
    struct socket_address address;
    char text[SOCKET_TEXT_MAX];
    ck_assert(socket_parse("127.0.1.3", 80, &address));
    socket_format(&address, text, sizeof text);
    ck_assert_str_eq(text, "127.0.1.3:80");
    ck_assert(socket_parse("::1", 443, &address));
    socket_format(&address, text, sizeof text);
    ck_assert_str_eq(text, "[::1]:443");
    ck_assert(!socket_parse("example.com", 80, &address));
}
END_TEST

START_TEST(test_times_print_as_the_rfcs_say)
{
    char text[40];
    clock_format_http(784111777000ULL, text, sizeof text);
    ck_assert_str_eq(text, "Sun, 06 Nov 1994 08:49:37 GMT");
    clock_format_rfc3339(784111777042ULL, text, sizeof text);
    ck_assert_str_eq(text, "1994-11-06T08:49:37.042Z");
    clock_format_log(784111777000ULL, text, sizeof text);
    ck_assert_str_eq(text, "06/Nov/1994:08:49:37 +0000");
}
END_TEST

static void tests(TCase *c)
{
    tcase_add_test(c, test_input_output_and_status);
    tcase_add_test(c, test_deadline_ends_the_whole_group);
    tcase_add_test(c, test_grandchild_holding_the_pipe_does_not_hold_us);
    tcase_add_test(c, test_output_is_cut_at_its_limit);
    tcase_add_test(c, test_missing_program_is_an_error);
    tcase_add_test(c, test_file_is_replaced_whole);
    tcase_add_test(c, test_addresses_read_and_print);
    tcase_add_test(c, test_times_print_as_the_rfcs_say);
}

UNIT_MAIN(tests)
