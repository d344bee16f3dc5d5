#include "base/check.h"
#include "drive/balancer.h"
#include "os/file.h"
#include "os/socket.h"
#include "proxy/balancer.h"
#include "proxy/weights.h"
#include "unit.h"

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/*
 * The driver against the real balancer process, which this test is the parent of.
 */
static char folder[64];
static struct config_problems problems;
static struct config *config;
static struct loop *loop;
static struct weights_parent *weights;
static struct arena arena;
static struct balancer *balancer;
static pid_t child;

static const struct balancer_driver *const driver = &balancer_nines;

static void parse_config(void)
{
    struct text text;
    text_init(&text, 4096);
    text_format(&text,
                "admin: %s\nlisten: [{ address: '127.0.0.1:1', tier: web }]\n"
                "tiers:\n  web:\n    health: off\n    slow_start: 60s\n    hosts:\n"
                "      - { name: web-1, address: '127.0.0.1:1' }\n"
                "      - { name: web-2, address: '127.0.0.1:1', weight: 300 }\n",
                folder);
    config_problems_init(&problems);
    config = config_parse("nines.yaml", text_slice(&text), &problems);
    ck_assert_msg(config != NULL, "%s", problems.count > 0 ? problems.items[0].text : "");
    text_done(&text);
}

static int listen_anywhere(void)
{
    struct socket_address address;
    ck_assert(socket_parse("127.0.0.1", 0, &address));
    const int fd = socket_listen(&address, true, 16, NULL);
    ck_assert_int_ge(fd, 0);
    return fd;
}

static void set_up(void)
{
    struct error error = {0};
    char path[128];
    (void)snprintf(folder, sizeof folder, "/tmp/nines-balancer-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    parse_config();
    loop = loop_open(&error);
    (void)snprintf(path, sizeof path, "%s/weights", folder);
    weights = weights_parent_open(loop, config, path, &error);
    ck_assert_msg(weights != NULL, "%s", error.text);
    const int listen_fd = listen_anywhere();
    (void)snprintf(path, sizeof path, "%s/balancer.sock", folder);
    struct balancer_start start = {.config = config,
                                   .threads = 1,
                                   .listen_fds = &listen_fd,
                                   .admin_fd = socket_listen_unix(path, 0600, &error),
                                   .metrics_fd = -1,
                                   .access_log_fd = -1};
    ck_assert_msg(start.admin_fd >= 0, "%s", error.text);
    ck_assert(weights_parent_attach(weights, &start.weights_fd, &start.weights_start_fd, &error));
    child = fork();
    if (child == 0)
        _exit(balancer_run(&start));
    close(listen_fd);
    close(start.admin_fd);
    close(start.weights_fd);
    close(start.weights_start_fd);
    arena_init(&arena, 1 << 20);
    balancer = driver->open(&arena, loop, config, &error);
    ck_assert_msg(balancer != NULL, "%s", error.text);
}

static void tear_down(void)
{
    driver->close(balancer);
    (void)kill(child, SIGKILL);
    (void)waitpid(child, NULL, 0);
    weights_parent_close(weights);
    loop_close(loop);
    arena_done(&arena);
    config_unref(config);
    config_problems_done(&problems);
    static const char *const names[] = {"balancer.sock", "weights"};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        char path[128];
        (void)snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        (void)unlink(path);
    }
    (void)rmdir(folder);
}

struct seen {
    int calls;
    struct error error;
    struct balancer_view view;
    struct balancer_host hosts[4];
    char names[4][16];
};

static void on_done(void *context, const struct error *error)
{
    struct seen *seen = context;
    seen->calls++;
    if (error != NULL)
        seen->error = *error;
}

static void on_observed(void *context, const struct balancer_view *view, const struct error *error)
{
    struct seen *seen = context;
    on_done(context, error);
    ck_assert((view == NULL) == (error != NULL));
    if (view == NULL)
        return;
    seen->view = *view;
    for (size_t i = 0; i < view->count && i < COUNT_OF(seen->hosts); i++) {
        seen->hosts[i] = view->hosts[i];
        (void)snprintf(seen->names[i], sizeof seen->names[i], "%s", view->hosts[i].name);
    }
}

static void wait_for(const struct seen *seen)
{
    ck_assert_int_eq(seen->calls, 0);
    while (seen->calls == 0)
        ck_assert(loop_run_once(loop, 1000));
    ck_assert_int_eq(seen->calls, 1);
}

static struct seen look(const char *tier, uint32_t timeout_ms)
{
    struct seen seen = {0};
    driver->observe(balancer, tier, timeout_ms, on_observed, &seen);
    wait_for(&seen);
    return seen;
}

static struct balancer_change change(const char *host, uint32_t weight, uint64_t token)
{
    return (struct balancer_change){
        .tier = "web", .host = host, .weight = weight, .token = token, .timeout_ms = 5000};
}

static struct error apply(struct balancer_change wanted)
{
    struct seen seen = {0};
    driver->apply(balancer, &wanted, on_done, &seen);
    wait_for(&seen);
    return seen.error;
}

START_TEST(test_drain_and_restore)
{
    struct seen seen = look("web", 5000);
    ck_assert_msg(seen.error.kind == ERROR_NONE, "%s", seen.error.text);
    ck_assert_uint_eq(seen.view.count, 2);
    ck_assert_str_eq(seen.names[0], "web-1");
    ck_assert_str_eq(seen.names[1], "web-2");
    ck_assert_uint_eq(seen.hosts[1].weight, 300);
    ck_assert_uint_eq(seen.hosts[1].effective_milli, 300000);
    ck_assert(seen.hosts[0].healthy && !seen.hosts[0].drained);
    ck_assert_uint_eq(seen.view.serving_capacity_ppm, 1000000);
    ck_assert_int_eq((int)seen.view.process, child);

    struct error error = apply(change("web-2", 0, 3));
    ck_assert_msg(error.kind == ERROR_NONE, "%s", error.text);
    for (int tries = 0; tries < 100 && !seen.hosts[1].drained; tries++)
        seen = look("web", 5000);
    ck_assert(seen.hosts[1].drained && !seen.hosts[0].drained);
    ck_assert_uint_eq(seen.hosts[1].effective_milli, 0);
    ck_assert_uint_eq(seen.hosts[1].weight, 300);
    ck_assert_uint_eq(seen.view.serving_capacity_ppm, 250000);

    struct balancer_change restore = change("web-2", 0, 3);
    restore.restore = true;
    error = apply(restore);
    ck_assert_msg(error.kind == ERROR_NONE, "%s", error.text);
    seen = look("web", 5000);
    ck_assert(!seen.hosts[1].drained);
    ck_assert_uint_lt(seen.hosts[1].effective_milli, 300000); /* Slow start. */
}
END_TEST

START_TEST(test_refusals)
{
    ck_assert_int_eq(apply(change("web-1", 0, 9)).kind, ERROR_NONE);
    const struct error stale = apply(change("web-2", 0, 8));
    ck_assert_int_eq(stale.kind, ERROR_REFUSED);
    ck_assert_ptr_nonnull(strstr(stale.text, "token 8"));
    ck_assert_int_eq(apply(change("web-9", 0, 9)).kind, ERROR_NOT_FOUND);
    ck_assert_int_eq(look("nowhere", 5000).error.kind, ERROR_NOT_FOUND);
    ck_assert_int_eq(apply(change("web-1", 100000, 9)).kind, ERROR_USAGE);
    const struct seen seen = look("web", 5000);
    ck_assert_uint_eq(seen.hosts[0].effective_milli, 0);
    ck_assert_uint_eq(seen.hosts[1].effective_milli, 300000);
}
END_TEST

START_TEST(test_close_long_lived)
{
    const struct balancer_change wanted = change("web-1", 7, 4);
    struct seen seen = {0};
    driver->close_long_lived(balancer, &wanted, on_done, &seen);
    wait_for(&seen);
    ck_assert_int_eq(seen.error.kind, ERROR_REFUSED); /* It does not drain. */
    ck_assert_int_eq(apply(change("web-1", 0, 4)).kind, ERROR_NONE);
    seen = (struct seen){0};
    driver->close_long_lived(balancer, &wanted, on_done, &seen);
    wait_for(&seen);
    ck_assert_msg(seen.error.kind == ERROR_NONE, "%s", seen.error.text);
    ck_assert_uint_eq(look("web", 5000).hosts[0].effective_milli,
                      0); /* `weight` is not looked at. */
}
END_TEST

START_TEST(test_a_balancer_that_hangs_or_is_gone)
{
    ck_assert_int_eq(look("web", 5000).error.kind, ERROR_NONE);
    ck_assert_int_eq(kill(child, SIGSTOP), 0);
    ck_assert_int_eq(look("web", 300).error.kind, ERROR_TIMEOUT);
    struct balancer_change wanted = change("web-1", 0, 1);
    wanted.timeout_ms = 300;
    ck_assert_int_eq(apply(wanted).kind, ERROR_TIMEOUT);
    ck_assert_int_eq(kill(child, SIGKILL), 0);
    ck_assert_int_eq(waitpid(child, NULL, 0), child);
    ck_assert_int_eq(apply(wanted).kind, ERROR_UNREACHABLE);
    const struct seen seen = look("web", 300);
    ck_assert_int_eq(seen.error.kind, ERROR_UNREACHABLE);
    ck_assert_int_eq(strncmp(seen.error.text, "balancer: ", 10), 0);
}
END_TEST

START_TEST(test_many_calls_and_a_close_amidst)
{
    static struct seen seen[BALANCER_CALLS_MAX + 1];
    ck_assert_int_eq(kill(child, SIGSTOP), 0);
    const struct balancer_change wanted = change("web-1", 0, 1);
    for (size_t i = 0; i < COUNT_OF(seen); i++)
        driver->apply(balancer, &wanted, on_done, &seen[i]);
    wait_for(&seen[BALANCER_CALLS_MAX]);
    ck_assert_int_eq(seen[BALANCER_CALLS_MAX].error.kind, ERROR_LIMIT);
    driver->close(balancer);
    balancer = NULL;
    ck_assert_int_eq(kill(child, SIGCONT), 0);
    for (int i = 0; i < 20; i++)
        (void)loop_run_once(loop, 10);
    int late = 0;
    for (size_t i = 0; i < BALANCER_CALLS_MAX; i++)
        late += seen[i].error.kind == ERROR_NONE ? seen[i].calls : 0;
    ck_assert_int_eq(late, 0);
}
END_TEST

static void tests(TCase *c)
{
    tcase_add_checked_fixture(c, set_up, tear_down);
    tcase_add_test(c, test_drain_and_restore);
    tcase_add_test(c, test_refusals);
    tcase_add_test(c, test_close_long_lived);
    tcase_add_test(c, test_a_balancer_that_hangs_or_is_gone);
    tcase_add_test(c, test_many_calls_and_a_close_amidst);
}

UNIT_MAIN(tests)
