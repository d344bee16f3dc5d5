#include "os/file.h"
#include "proxy/weights_record.h"
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static const char text[] = "listen: [{address: '127.0.0.1:1', tier: web}]\n"
                           "tiers: {web: {hosts: [{name: a, address: '127.0.0.1:2'},\n"
                           "                      {name: b, address: '127.0.0.1:3'}]}}\n";

/* Both ends on one loop, and the file in a folder of its own. */
struct fixture {
    char folder[64];
    char path[96];
    struct config *config;
    struct loop *loop;
    struct weights_parent *parent;
    struct weights *child;
    uint32_t done;
    uint32_t failed;
    char failure[ERROR_TEXT_MAX];
    uint32_t gone;
    int log_fd;
    struct weights_change started[8];
    uint32_t started_count;
};

static void on_log(void *context, int fd)
{
    ((struct fixture *)context)->log_fd = fd;
}

static void on_parent_gone(void *context)
{
    ((struct fixture *)context)->gone++;
}

static void on_done(void *context, const struct error *error)
{
    struct fixture *f = context;
    f->done++;
    if (error != NULL) {
        f->failed++;
        (void)snprintf(f->failure, sizeof f->failure, "%s", error->text);
    }
}

static void on_start(void *context, const struct weights_change *change)
{
    struct fixture *f = context;
    f->started[f->started_count++] = *change;
}

static void open_parent(struct fixture *f)
{
    struct error error;
    f->parent = weights_parent_open(f->loop, f->config, f->path, &error);
    ck_assert_msg(f->parent != NULL, "%s", error.text);
}

static void open_child(struct fixture *f)
{
    struct error error;
    int channel_fd = -1;
    int start_fd = -1;
    ck_assert_msg(weights_parent_attach(f->parent, &channel_fd, &start_fd, &error), "%s",
                  error.text);
    f->started_count = 0;
    ck_assert(weights_read_start(start_fd, on_start, f, &error));
    ck_assert_int_eq(write(start_fd, "x", 1), -1); /* Sealed. */
    close(start_fd);
    const struct weights_events events = {
        .on_log = on_log, .on_parent_gone = on_parent_gone, .context = f};
    f->child = weights_open(f->loop, channel_fd, &events, &error);
    ck_assert_ptr_nonnull(f->child);
}

static void set_up(struct fixture *f)
{
    static struct config_problems problems;
    memset(f, 0, sizeof *f);
    f->log_fd = -1;
    (void)snprintf(f->folder, sizeof f->folder, "/tmp/nines-weights-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(f->folder));
    (void)snprintf(f->path, sizeof f->path, "%s/weights", f->folder);
    config_problems_init(&problems);
    f->config = config_parse("test.yaml", slice_of(text), &problems);
    config_problems_done(&problems);
    ck_assert_ptr_nonnull(f->config);
    struct error error;
    f->loop = loop_open(&error);
    open_parent(f);
    open_child(f);
}

static void tear_down(struct fixture *f)
{
    weights_close(f->child);
    weights_parent_close(f->parent);
    loop_close(f->loop);
    config_unref(f->config);
    (void)unlink(f->path);
    ck_assert_int_eq(rmdir(f->folder), 0);
}

static void wait_done(struct fixture *f, uint32_t done)
{
    for (uint32_t i = 0; i < 1000 && f->done < done; i++)
        loop_run_once(f->loop, 10);
    ck_assert_uint_eq(f->done, done);
}

static bool send_change(struct fixture *f, const char *host, uint32_t weight, uint64_t token,
                        struct error *error)
{
    struct weights_change change = {.tier = "web", .weight = weight, .token = token};
    (void)snprintf(change.host, sizeof change.host, "%s", host);
    return weights_send(f->child, &change, WEIGHTS_RESTORED, on_done, f, error);
}

static void check_file(const struct fixture *f, const char *expected)
{
    struct text content;
    struct error error;
    text_init(&content, 4096);
    ck_assert_msg(file_read(f->path, &content, &error), "%s", error.text);
    const char *entries = strchr(content.data, '\n');
    ck_assert_ptr_nonnull(entries);
    ck_assert_str_eq(entries + 1, expected);
    text_done(&content);
}

START_TEST(test_a_kept_weight_outlives_child_and_parent)
{
    struct fixture f;
    set_up(&f);
    ck_assert_uint_eq(f.started_count, 0);
    ck_assert(send_change(&f, "a", 0, 7, NULL));
    ck_assert(send_change(&f, "b", 50, 0, NULL));
    wait_done(&f, 2);
    ck_assert_uint_eq(f.failed, 0);
    check_file(&f, "token web 7\nhost web a 0\nhost web b 50\n");
    /* The child ends, another one is started. */
    weights_close(f.child);
    open_child(&f);
    ck_assert_uint_eq(f.started_count, 3);
    ck_assert_str_eq(f.started[1].host, "a");
    ck_assert_uint_eq(f.started[1].weight, 0);
    /* And the parent: a new one reads its file. */
    weights_close(f.child);
    weights_parent_close(f.parent);
    open_parent(&f);
    open_child(&f);
    ck_assert_uint_eq(f.started_count, 3);
    ck_assert_uint_eq(f.started[0].token, 7);
    ck_assert_uint_eq(f.started[2].weight, 50);
    ck_assert(send_change(&f, "a", WEIGHTS_RESTORED, 8, NULL));
    wait_done(&f, 3);
    check_file(&f, "token web 8\nhost web b 50\n");
    tear_down(&f);
}
END_TEST

START_TEST(test_what_cannot_be_kept_changes_nothing)
{
    struct fixture f;
    struct error error;
    set_up(&f);
    ck_assert(send_change(&f, "a", 10, 5, NULL));
    wait_done(&f, 1);
    /* One change a host at a time. */
    ck_assert(send_change(&f, "a", 20, 5, NULL));
    ck_assert(!send_change(&f, "a", 30, 5, &error));
    ck_assert_int_eq(error.kind, ERROR_UNREACHABLE);
    wait_done(&f, 2);
    ck_assert(send_change(&f, "a", 30, 4, NULL)); /* Older than 5. */
    wait_done(&f, 3);
    ck_assert_uint_eq(f.failed, 1);
    ck_assert(send_change(&f, "nobody", 0, 5, NULL));
    wait_done(&f, 4);
    ck_assert_uint_eq(f.failed, 2);
    ck_assert_ptr_nonnull(strstr(f.failure, "no host 'nobody'"));
    /* The folder is gone: the file cannot be written. */
    char moved[80];
    (void)snprintf(moved, sizeof moved, "%s.moved", f.folder);
    ck_assert_int_eq(rename(f.folder, moved), 0);
    ck_assert(send_change(&f, "a", 0, 6, NULL));
    wait_done(&f, 5);
    ck_assert_uint_eq(f.failed, 3);
    ck_assert_int_eq(rename(moved, f.folder), 0);
    check_file(&f, "token web 5\nhost web a 20\n");
    weights_close(f.child);
    open_child(&f);
    ck_assert_uint_eq(f.started[1].weight, 20);
    ck_assert_uint_eq(f.started[0].token, 5);
    tear_down(&f);
}
END_TEST

START_TEST(test_a_broken_file_is_not_overlooked)
{
    static const char *const broken[] = {
        "host web a\n",     "host web a 1001\n", "host web a 0",
        "host web a 0 x\n", "hosts web a 0\n",   "token web\n",
        "host web a -1\n",  "host  web a 0\n",   "host web a 00x\n",
    };
    struct fixture f;
    struct error error;
    set_up(&f);
    for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++) {
        ck_assert(file_replace(f.path, 0600, slice_of(broken[i]), &error));
        ck_assert_msg(weights_parent_open(f.loop, f.config, f.path, &error) == NULL, "%s",
                      broken[i]);
        ck_assert_ptr_nonnull(strstr(error.text, "/weights:1: "));
    }
    /* A tier the config has no more is kept, not an error. */
    ck_assert(file_replace(f.path, 0600, slice_of("# x\nhost old a 0\n"), &error));
    weights_close(f.child);
    weights_parent_close(f.parent);
    open_parent(&f);
    open_child(&f);
    ck_assert(send_change(&f, "b", 1, 0, NULL));
    wait_done(&f, 1);
    check_file(&f, "host old a 0\nhost web b 1\n");
    tear_down(&f);
}
END_TEST

START_TEST(test_a_late_answer_is_taken_back)
{
    /* The parent's end is played by hand. */
    struct fixture f;
    set_up(&f);
    weights_close(f.child);
    int ends[2];
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends), 0);
    const struct weights_events events = {
        .on_log = on_log, .on_parent_gone = on_parent_gone, .context = &f};
    f.child = weights_open(f.loop, ends[0], &events, NULL);
    const struct weights_change change = {.tier = "web", .host = "a", .weight = 0, .token = 9};
    ck_assert(weights_send(f.child, &change, 40, on_done, &f, NULL));
    struct weights_record record;
    ck_assert_int_eq(recv(ends[1], &record, sizeof record, 0), sizeof record);
    ck_assert_uint_eq(record.change.weight, 0);
    wait_done(&f, 1);
    ck_assert_uint_eq(f.failed, 1);
    struct error error;
    ck_assert(!weights_send(f.child, &change, 40, on_done, &f, &error));
    record.kind = WEIGHTS_RECORD_KEPT;
    ck_assert_int_eq(send(ends[1], &record, sizeof record, 0), sizeof record);
    loop_run_once(f.loop, 1000);
    ck_assert_int_eq(recv(ends[1], &record, sizeof record, 0), sizeof record);
    ck_assert_uint_eq(record.kind, WEIGHTS_RECORD_CHANGE);
    ck_assert_uint_eq(record.change.weight, 40);
    ck_assert_uint_eq(record.change.token, 0);
    record.kind = WEIGHTS_RECORD_KEPT;
    ck_assert_int_eq(send(ends[1], &record, sizeof record, 0), sizeof record);
    loop_run_once(f.loop, 1000);
    ck_assert_uint_eq(f.done, 1);
    /* From then on the host can be changed again; the end of the parent ends what is pending. */
    ck_assert(weights_send(f.child, &change, 40, on_done, &f, &error));
    close(ends[1]);
    wait_done(&f, 2);
    ck_assert_uint_eq(f.gone, 1);
    ck_assert(!weights_send(f.child, &change, 40, on_done, &f, &error));
    tear_down(&f);
}
END_TEST

START_TEST(test_the_parent_cuts_a_stranger_off)
{
    struct fixture f;
    set_up(&f);
    weights_close(f.child);
    f.child = NULL;
    struct error error;
    int channel_fd = -1;
    int start_fd = -1;
    ck_assert(weights_parent_attach(f.parent, &channel_fd, &start_fd, &error));
    close(start_fd);
    struct weights_record record = {.magic = WEIGHTS_RECORD_MAGIC, .kind = WEIGHTS_RECORD_CHANGE};
    memset(record.change.tier, 'x', sizeof record.change.tier); /* Without an end. */
    ck_assert_int_eq(send(channel_fd, &record, sizeof record, 0), sizeof record);
    loop_run_once(f.loop, 1000);
    ck_assert_int_eq(recv(channel_fd, &record, sizeof record, 0), 0);
    close(channel_fd);
    ck_assert(!weights_parent_send_log(f.parent, 1, &error));
    ck_assert_int_eq(access(f.path, F_OK), -1);
    tear_down(&f);
}
END_TEST

START_TEST(test_a_new_log_reaches_the_child)
{
    struct fixture f;
    set_up(&f);
    int ends[2];
    ck_assert_int_eq(pipe(ends), 0);
    ck_assert(weights_parent_send_log(f.parent, ends[1], NULL));
    close(ends[1]);
    for (uint32_t i = 0; i < 100 && f.log_fd < 0; i++)
        loop_run_once(f.loop, 10);
    ck_assert_int_ge(f.log_fd, 0);
    ck_assert_int_eq(write(f.log_fd, "x", 1), 1);
    char byte = 0;
    ck_assert_int_eq(read(ends[0], &byte, 1), 1);
    ck_assert_int_eq(byte, 'x');
    close(f.log_fd);
    close(ends[0]);
    tear_down(&f);
}
END_TEST

static void tests(TCase *c)
{
    tcase_add_test(c, test_a_kept_weight_outlives_child_and_parent);
    tcase_add_test(c, test_what_cannot_be_kept_changes_nothing);
    tcase_add_test(c, test_a_broken_file_is_not_overlooked);
    tcase_add_test(c, test_a_late_answer_is_taken_back);
    tcase_add_test(c, test_the_parent_cuts_a_stranger_off);
    tcase_add_test(c, test_a_new_log_reaches_the_child);
}

UNIT_MAIN(tests)
