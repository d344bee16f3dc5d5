#include "os/clock.h"
#include "proxy/access_log.h"
#include "unit.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static const struct access_entry entry = {
    .client = {"192.0.2.7", 9},
    .wall_ms = 1700000000123,
    .method = {"GET", 3},
    .target = {"/a?b=\"c\"", 8},
    .host = {"example.com", 11},
    .referer = {"", 0},
    .user_agent = {"x\\y\n\x01", 5},
    .status = 200,
    .minor = 1,
    .tries = 1,
    .body_bytes = 5120,
    .duration_us = 1500,
    .tier = "web",
    .target_name = "web-1",
};

static struct access_log *open_log(int fd, enum config_log_format format, uint32_t workers)
{
    struct error error;
    struct access_log *log = access_log_open(fd, format, workers, &error);
    ck_assert_msg(log != NULL, "%s", error.text);
    return log;
}

static int make_file(void)
{
    const int fd = memfd_create("log", 0);
    ck_assert_int_ge(fd, 0);
    return fd;
}

static void check_content(int fd, const char *expected)
{
    char content[4096] = "";
    const ssize_t size = pread(fd, content, sizeof content - 1, 0);
    ck_assert_int_ge(size, 0);
    ck_assert_str_eq(content, expected);
}

START_TEST(test_combined_cannot_be_forged)
{
    const int file = make_file();
    struct access_log *log = open_log(dup(file), CONFIG_LOG_COMBINED, 1);
    access_log_add(access_log_worker(log, 0), &entry);
    const struct access_entry refused = {
        .client = {"::1", 3}, .wall_ms = 1700000000123, .status = 400};
    access_log_add(access_log_worker(log, 0), &refused);
    access_log_close(log);
    check_content(file,
                  "192.0.2.7 - - [14/Nov/2023:22:13:20 +0000] \"GET /a?b=\\\"c\\\" HTTP/1.1\" "
                  "200 5120 \"-\" \"x\\\\y\\x0a\\x01\"\n"
                  "::1 - - [14/Nov/2023:22:13:20 +0000] \"-\" 400 - \"-\" \"-\"\n");
    close(file);
}
END_TEST

START_TEST(test_json_has_every_field)
{
    const int file = make_file();
    struct access_log *log = open_log(dup(file), CONFIG_LOG_JSON, 1);
    access_log_add(access_log_worker(log, 0), &entry);
    access_log_close(log);
    check_content(file, "{\"time\":\"2023-11-14T22:13:20.123Z\",\"client\":\"192.0.2.7\","
                        "\"method\":\"GET\",\"target\":\"/a?b=\\\"c\\\"\",\"host\":\"example.com\","
                        "\"minor\":1,\"status\":200,\"body_bytes\":5120,\"duration_us\":1500,"
                        "\"tier\":\"web\",\"upstream\":\"web-1\",\"tries\":1,\"truncated\":false,"
                        "\"user_agent\":\"x\\\\y\\n\\u0001\"}\n");
    close(file);
}
END_TEST

struct producer {
    struct access_log_worker *worker;
    uint32_t index;
    uint32_t lines;
};

static void *produce(void *context)
{
    struct producer *producer = context;
    char target[32];
    for (uint32_t i = 0; i < producer->lines; i++) {
        struct access_entry one = entry;
        const int size = snprintf(target, sizeof target, "/%u/%u", producer->index, i);
        one.target = (struct slice){.data = target, .size = (size_t)size};
        access_log_add(producer->worker, &one);
        if (i % 64 == 0)
            usleep(500);
    }
    return NULL;
}

START_TEST(test_lines_of_all_workers_arrive_whole_and_in_order)
{
    /* More than a ring's worth each, so that rings wrap. */
    enum { WORKERS = 3, LINES = 20000 };
    FILE *file = tmpfile();
    ck_assert_ptr_nonnull(file);
    struct access_log *log = open_log(dup(fileno(file)), CONFIG_LOG_COMBINED, WORKERS);
    struct producer producers[WORKERS];
    pthread_t threads[WORKERS];
    for (uint32_t w = 0; w < WORKERS; w++) {
        producers[w] = (struct producer){access_log_worker(log, w), w, LINES};
        ck_assert_int_eq(pthread_create(&threads[w], NULL, produce, &producers[w]), 0);
    }
    for (uint32_t w = 0; w < WORKERS; w++)
        pthread_join(threads[w], NULL);
    const uint64_t dropped = access_log_dropped(log);
    access_log_close(log);
    rewind(file);
    char line[512];
    uint32_t next[WORKERS] = {0};
    uint64_t lines = 0;
    while (fgets(line, sizeof line, file) != NULL) {
        unsigned worker = 0;
        unsigned number = 0;
        ck_assert_int_eq(
            sscanf(line, "192.0.2.7 - - [14/Nov/2023:22:13:20 +0000] \"GET /%u/%u HTTP/1.1\"",
                   &worker, &number),
            2);
        ck_assert_uint_lt(worker, WORKERS);
        ck_assert_uint_ge(number, next[worker]);
        next[worker] = number + 1;
        lines++;
    }
    ck_assert_uint_eq(lines + dropped, (uint64_t)WORKERS * LINES);
    ck_assert_uint_eq(dropped, 0);
    fclose(file);
}
END_TEST

START_TEST(test_a_pipe_nobody_reads_blocks_nobody)
{
    int ends[2];
    ck_assert_int_eq(pipe(ends), 0);
    struct access_log *log = open_log(ends[1], CONFIG_LOG_COMBINED, 1);
    const uint64_t before_ns = clock_monotonic_ns();
    for (uint32_t i = 0; i < 100000; i++)
        access_log_add(access_log_worker(log, 0), &entry);
    ck_assert_uint_lt(clock_monotonic_ns() - before_ns, 3000000000ULL);
    ck_assert_uint_gt(access_log_dropped(log), 50000);
    /* Closing does not wait for ever either; the stuck thread ends with the process. */
    access_log_close(log);
    ck_assert_uint_lt(clock_monotonic_ns() - before_ns, 6000000000ULL);
}
END_TEST

START_TEST(test_a_full_disk_costs_lines_and_then_works_again)
{
    const int full = open("/dev/full", O_WRONLY);
    ck_assert_int_ge(full, 0);
    const int file = make_file();
    struct access_log *log = open_log(full, CONFIG_LOG_COMBINED, 1);
    access_log_add(access_log_worker(log, 0), &entry);
    usleep(500000);
    access_log_reopen(log, dup(file));
    access_log_close(log);
    char content[512] = "";
    ck_assert_int_gt(pread(file, content, sizeof content - 1, 0), 0);
    ck_assert_ptr_nonnull(strstr(content, "192.0.2.7"));
    close(file);
}
END_TEST

START_TEST(test_rotation_moves_on_at_a_line)
{
    const int old = make_file();
    const int new = make_file();
    struct access_log *log = open_log(dup(old), CONFIG_LOG_COMBINED, 1);
    struct access_entry one = entry;
    one.target = SLICE("/old");
    access_log_add(access_log_worker(log, 0), &one);
    for (uint32_t i = 0; i < 100 && lseek(old, 0, SEEK_END) == 0; i++)
        usleep(20000);
    access_log_reopen(log, dup(new));
    usleep(300000);
    one.target = SLICE("/new");
    access_log_add(access_log_worker(log, 0), &one);
    access_log_close(log);
    char content[512] = "";
    ck_assert_int_gt(pread(old, content, sizeof content - 1, 0), 0);
    ck_assert_ptr_nonnull(strstr(content, "/old"));
    ck_assert_ptr_null(strstr(content, "/new"));
    memset(content, 0, sizeof content);
    ck_assert_int_gt(pread(new, content, sizeof content - 1, 0), 0);
    ck_assert_ptr_nonnull(strstr(content, "/new"));
    close(old);
    close(new);
}
END_TEST

static void tests(TCase *c)
{
    tcase_add_test(c, test_combined_cannot_be_forged);
    tcase_add_test(c, test_json_has_every_field);
    tcase_add_test(c, test_lines_of_all_workers_arrive_whole_and_in_order);
    tcase_add_test(c, test_a_pipe_nobody_reads_blocks_nobody);
    tcase_add_test(c, test_a_full_disk_costs_lines_and_then_works_again);
    tcase_add_test(c, test_rotation_moves_on_at_a_line);
}

UNIT_MAIN(tests)
