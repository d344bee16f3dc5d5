#include "base/random.h"
#include "os/clock.h"
#include "proxy/targets.h"
#include "unit.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static struct config *parse(const char *text)
{
    static struct config_problems problems;
    config_problems_init(&problems);
    struct config *config = config_parse("test.yaml", slice_of(text), &problems);
    ck_assert_msg(config != NULL, "%s", problems.count > 0 ? problems.items[0].text : "?");
    config_problems_done(&problems);
    return config;
}

static const char two_tiers[] = "listen: [{address: '127.0.0.1:1', tier: web}]\n"
                                "tiers:\n"
                                "  web:\n"
                                "    slow_start: 2s\n"
                                "    balance: round_robin\n"
                                "    health: {path: /, rise: 2, fall: 3}\n"
                                "    hosts:\n"
                                "      - {name: a, address: '127.0.0.1:2'}\n"
                                "      - {name: b, address: '127.0.0.1:3', weight: 50}\n"
                                "      - {name: c, address: '127.0.0.1:4', weight: 50}\n"
                                "  api:\n"
                                "    slow_start: 0s\n"
                                "    hold: {time: 1s, requests: 2}\n"
                                "    hosts: [{name: x, address: '127.0.0.1:5'}]\n";

/* Two tiers on a virtual loop, with one worker on the same thread. */
struct fixture {
    struct config *config;
    struct loop *loop;
    struct targets *targets;
    struct targets_worker *worker;
    uint32_t changes;
    char told[256];
};

static void on_change(void *context)
{
    ((struct fixture *)context)->changes++;
}

static void observe(void *context, uint32_t target, enum target_change change)
{
    static const char *const names[] = {"weight", "up", "down", "drained", "full"};
    struct fixture *f = context;
    const size_t used = strlen(f->told);
    (void)snprintf(f->told + used, sizeof f->told - used, "%s %s;",
                   targets_host(f->targets, target)->name, names[change]);
}

static void set_up(struct fixture *f)
{
    memset(f, 0, sizeof *f);
    struct error error;
    f->config = parse(two_tiers);
    f->loop = loop_open_virtual(1000000000, 0, &error);
    f->targets = targets_open(f->config, 2, f->loop, &error);
    ck_assert_msg(f->targets != NULL, "%s", error.text);
    f->worker = targets_worker_attach(f->targets, 0, f->loop, on_change, f, &error);
    ck_assert_ptr_nonnull(f->worker);
    targets_observe(f->targets, observe, f);
}

static void tear_down(struct fixture *f)
{
    targets_worker_detach(f->worker);
    targets_close(f->targets);
    loop_close(f->loop);
    config_unref(f->config);
}

static void run_for(struct fixture *f, uint64_t ms)
{
    const uint64_t until_ns = loop_now_ns(f->loop) + ms * 1000000;
    while (loop_now_ns(f->loop) < until_ns)
        loop_run_once(f->loop, (int)((until_ns - loop_now_ns(f->loop) + 999999) / 1000000));
}

static void end(struct fixture *f, uint32_t target, enum target_end how, uint16_t status)
{
    targets_end(f->worker, target, &(struct target_result){.end = how, .status = status});
}

static struct target_status status_of(struct fixture *f, uint32_t target)
{
    struct target_status status;
    targets_status(f->targets, target, &status);
    return status;
}

START_TEST(test_drained_waits_for_acknowledgement_and_in_flight)
{
    struct fixture f;
    set_up(&f);
    struct error error;
    struct pick_tried tried = {0};
    uint32_t held[3];
    for (uint32_t i = 0; i < 3; i++)
        held[i] = targets_take(f.worker, 0, &tried, 0);
    ck_assert(targets_set_weight(f.targets, 0, 0, &error));
    ck_assert_int_eq(status_of(&f, 0).state, TARGET_STATE_DRAINING);
    ck_assert_uint_eq(status_of(&f, 0).in_flight, 1);
    ck_assert_uint_eq(targets_flags(f.worker, 0), TARGET_UP);
    /* Before the worker has taken it over it may still pick the host. */
    ck_assert_uint_lt(targets_acknowledged(f.targets), targets_generation(f.targets));
    for (uint32_t i = 0; i < 3; i++)
        end(&f, held[i], TARGET_END_ANSWERED, 200);
    ck_assert_uint_eq(status_of(&f, 0).in_flight, 0);
    ck_assert(!status_of(&f, 0).drained);
    run_for(&f, 1);
    ck_assert_uint_eq(f.changes, 1);
    ck_assert_uint_eq(targets_flags(f.worker, 0), TARGET_UP | TARGET_DRAINING);
    ck_assert(status_of(&f, 0).drained);
    ck_assert_int_eq(status_of(&f, 0).state, TARGET_STATE_DRAINED);
    for (uint32_t i = 0; i < 100; i++) {
        const uint32_t target = targets_take(f.worker, 0, NULL, 0);
        ck_assert_uint_ne(target, 0);
        end(&f, target, TARGET_END_ANSWERED, 200);
    }
    run_for(&f, 50);
    ck_assert_str_eq(f.told, "a weight;a drained;");
    tear_down(&f);
}
END_TEST

START_TEST(test_a_tunnel_keeps_a_host_from_being_drained)
{
    struct fixture f;
    set_up(&f);
    struct error error;
    const uint32_t tunnel = targets_take(f.worker, 1, NULL, 0);
    ck_assert_uint_eq(tunnel, 3);
    ck_assert(!targets_close_long_lived(f.targets, tunnel, &error));
    ck_assert_int_eq(error.kind, ERROR_CONFLICT);
    ck_assert(targets_set_weight(f.targets, tunnel, 0, &error));
    run_for(&f, 5000);
    ck_assert(!status_of(&f, tunnel).drained);
    ck_assert_uint_eq(targets_take(f.worker, 1, NULL, 0), TARGET_NONE);
    ck_assert(!targets_available(f.worker, 1));
    ck_assert(targets_close_long_lived(f.targets, tunnel, &error));
    run_for(&f, 1);
    ck_assert(targets_flags(f.worker, tunnel) & TARGET_CLOSE_LONG_LIVED);
    end(&f, tunnel, TARGET_END_ANSWERED, 101);
    ck_assert(status_of(&f, tunnel).drained);
    ck_assert(targets_set_weight(f.targets, tunnel, TARGET_WEIGHT_RESTORED, &error));
    ck_assert(!status_of(&f, tunnel).drained);
    run_for(&f, 1);
    ck_assert_uint_eq(targets_flags(f.worker, tunnel), TARGET_UP);
    ck_assert(targets_available(f.worker, 1));
    ck_assert_uint_eq(status_of(&f, tunnel).classes[0], 1);
    tear_down(&f);
}
END_TEST

START_TEST(test_slow_start_raises_the_weight_and_capacity)
{
    struct fixture f;
    set_up(&f);
    struct error error;
    struct tier_status tier;
    targets_tier_status(f.targets, 0, &tier);
    ck_assert_double_eq(tier.serving_capacity, 1.0);
    ck_assert(targets_set_weight(f.targets, 0, 0, &error));
    targets_tier_status(f.targets, 0, &tier);
    ck_assert_double_eq(tier.serving_capacity, 0.5);
    run_for(&f, 1000);
    ck_assert(targets_set_weight(f.targets, 0, TARGET_WEIGHT_RESTORED, &error));
    ck_assert_uint_eq(status_of(&f, 0).effective_weight, 10000);
    targets_tier_status(f.targets, 0, &tier);
    ck_assert_double_eq_tol(tier.serving_capacity, 0.55, 1e-9);
    run_for(&f, 1000);
    ck_assert_uint_ge(status_of(&f, 0).effective_weight, 50000);
    ck_assert_uint_le(status_of(&f, 0).effective_weight, 60000);
    ck_assert(status_of(&f, 0).slow_start);
    run_for(&f, 1200);
    ck_assert_uint_eq(status_of(&f, 0).effective_weight, 100000);
    ck_assert(!status_of(&f, 0).slow_start);
    ck_assert_str_eq(f.told, "a weight;a drained;a weight;a full;");
    ck_assert_uint_eq(targets_acknowledged(f.targets), targets_generation(f.targets));
    tear_down(&f);
}
END_TEST

START_TEST(test_traffic_takes_a_failing_host_out_but_not_the_last)
{
    struct fixture f;
    set_up(&f);
    for (uint32_t i = 0; i < 300; i++) {
        const uint32_t target = targets_take(f.worker, 0, NULL, 0);
        ck_assert_uint_ne(target, TARGET_NONE);
        end(&f, target, TARGET_END_CONNECT_FAILED, 0);
        run_for(&f, 1);
    }
    uint32_t up = 0;
    for (uint32_t i = 0; i < 3; i++)
        up += status_of(&f, i).healthy ? 1 : 0;
    ck_assert_uint_eq(up, 1);
    /* Checks bring a host back; what failed before does not count against it. */
    uint32_t down = 0;
    while (status_of(&f, down).healthy)
        down++;
    targets_check(f.targets, down, true, "200");
    targets_check(f.targets, down, true, "200");
    ck_assert(status_of(&f, down).healthy);
    ck_assert_uint_eq(status_of(&f, down).effective_weight, down == 0 ? 10000 : 5000);
    run_for(&f, 1);
    uint32_t target;
    do {
        target = targets_take(f.worker, 0, NULL, 0);
        end(&f, target, target == down ? TARGET_END_RESET : TARGET_END_ANSWERED, 200);
    } while (target != down);
    run_for(&f, 10);
    ck_assert(status_of(&f, down).healthy);
    ck_assert_str_eq(status_of(&f, down).check, "200");
    tear_down(&f);
}
END_TEST

START_TEST(test_counts_add_up)
{
    struct fixture f;
    set_up(&f);
    const struct target_result results[] = {
        {.end = TARGET_END_ANSWERED, .status = 200, .bytes_in = 10, .bytes_out = 100},
        {.end = TARGET_END_ANSWERED, .status = 503, .retried = true},
        {.end = TARGET_END_TIMEOUT},
        {.end = TARGET_END_BAD_ANSWER},
        {.end = TARGET_END_TRUNCATED, .status = 200, .bytes_out = 50},
        {.end = TARGET_END_CLIENT_GONE},
        {.end = TARGET_END_UNUSED},
        {.end = TARGET_END_RESET},
    };
    for (size_t i = 0; i < COUNT_OF(results); i++) {
        const uint32_t target = targets_take(f.worker, 1, NULL, 0);
        targets_end(f.worker, target, &results[i]);
    }
    const struct target_status status = status_of(&f, 3);
    ck_assert_uint_eq(status.requests, 7);
    ck_assert_uint_eq(status.failures, 5);
    ck_assert_uint_eq(status.classes[1], 2);
    ck_assert_uint_eq(status.classes[4], 1);
    ck_assert_uint_eq(status.retried, 1);
    ck_assert_uint_eq(status.bad, 2);
    ck_assert_uint_eq(status.bytes_in, 10);
    ck_assert_uint_eq(status.bytes_out, 150);
    ck_assert_uint_eq(status.in_flight, 0);
    for (uint32_t i = 0; i < 1000; i++) {
        targets_request_end(
            f.worker, 1,
            &(struct tier_result){.latency_us = i < 980 ? 100 : 9000, .failed = i < 3});
        run_for(&f, 5);
    }
    struct tier_status tier;
    targets_tier_status(f.targets, 1, &tier);
    ck_assert_uint_eq(tier.requests, 1000);
    ck_assert_uint_eq(tier.failed, 3);
    ck_assert_double_eq_tol(tier.requests_per_second, 200, 2);
    ck_assert_uint_ge(tier.latency_p50_us, 100);
    ck_assert_uint_le(tier.latency_p50_us, 104);
    ck_assert_uint_ge(tier.latency_p99_us, 9000);
    ck_assert_uint_le(tier.latency_p99_us, 9300);
    run_for(&f, 20000);
    targets_tier_status(f.targets, 1, &tier);
    ck_assert_double_eq(tier.requests_per_second, 0);
    ck_assert_uint_eq(tier.latency_p99_us, 0);
    ck_assert_uint_eq(tier.requests, 1000);
    tear_down(&f);
}
END_TEST

START_TEST(test_holding_is_bounded)
{
    struct fixture f;
    set_up(&f);
    ck_assert(targets_hold_begin(f.worker, 1));
    ck_assert(targets_hold_begin(f.worker, 1));
    ck_assert(!targets_hold_begin(f.worker, 1));
    targets_hold_end(f.worker, 1, false);
    ck_assert(targets_hold_begin(f.worker, 1));
    targets_hold_end(f.worker, 1, true);
    struct tier_status tier;
    targets_tier_status(f.targets, 1, &tier);
    ck_assert_uint_eq(tier.held, 3);
    ck_assert_uint_eq(tier.hold_expired, 2);
    ck_assert_uint_eq(tier.holding, 1);
    tear_down(&f);
}
END_TEST

/* --- Two real threads, a hundred flips. --- */

struct runner {
    struct targets_worker *worker;
    struct loop *loop;
    struct loop_timer timer;
    struct loop_post stop;
    pthread_t thread;
    uint32_t held[64]; /* Tries in flight, ended at random. */
    uint32_t held_count;
    struct random random;
    _Atomic uint64_t *taken; /* Shared by both: how often each target was taken. */
};

static void on_tick(struct loop_timer *timer)
{
    struct runner *runner = CONTAINER_OF(timer, struct runner, timer);
    for (uint32_t i = 0; i < 200; i++) {
        if (runner->held_count < 64 && random_below(&runner->random, 2) == 0) {
            const uint32_t target = targets_take(runner->worker, 0, NULL, 0);
            if (target == TARGET_NONE)
                continue;
            runner->held[runner->held_count++] = target;
            atomic_fetch_add(&runner->taken[target], 1);
        } else if (runner->held_count > 0) {
            const uint32_t at = random_below(&runner->random, runner->held_count);
            const struct target_result result = {.end = TARGET_END_ANSWERED, .status = 200};
            targets_end(runner->worker, runner->held[at], &result);
            runner->held[at] = runner->held[--runner->held_count];
        }
    }
    loop_timer_set_in(runner->loop, &runner->timer, 0);
}

static void on_stop(struct loop_post *post)
{
    loop_stop(CONTAINER_OF(post, struct runner, stop)->loop);
}

static void *run_loop(void *context)
{
    loop_run(((struct runner *)context)->loop);
    return NULL;
}

static void start(struct runner *runner, struct targets *targets, uint32_t index,
                  _Atomic uint64_t *taken)
{
    struct error error;
    *runner = (struct runner){.timer.on_time = on_tick, .stop.on_post = on_stop, .taken = taken};
    random_init(&runner->random, index);
    runner->loop = loop_open(&error);
    ck_assert_ptr_nonnull(runner->loop);
    runner->worker = targets_worker_attach(targets, index, runner->loop, NULL, NULL, &error);
    ck_assert_ptr_nonnull(runner->worker);
    loop_timer_set_in(runner->loop, &runner->timer, 0);
    ck_assert_int_eq(pthread_create(&runner->thread, NULL, run_loop, runner), 0);
}

START_TEST(test_nothing_arrives_after_drained)
{
    struct error error;
    struct config *config = parse(two_tiers);
    struct loop *loop = loop_open(&error);
    struct targets *targets = targets_open(config, 2, loop, &error);
    struct runner runners[2];
    _Atomic uint64_t taken[4] = {0};
    start(&runners[0], targets, 0, taken);
    start(&runners[1], targets, 1, taken);
    struct random random;
    random_init(&random, 77);
    const uint64_t until_ns = clock_monotonic_ns() + 20000000000ULL;
    for (uint32_t flip = 0; flip < 100; flip++) {
        const uint32_t target = random_below(&random, 3);
        ck_assert(targets_set_weight(targets, target, 0, &error));
        struct target_status status;
        do {
            loop_run_once(loop, 1);
            targets_status(targets, target, &status);
            ck_assert_uint_lt(clock_monotonic_ns(), until_ns);
        } while (!status.drained);
        const uint64_t then = atomic_load(&taken[target]);
        for (uint32_t i = 0; i < 3; i++)
            loop_run_once(loop, 1);
        usleep(random_below(&random, 3000));
        ck_assert_uint_eq(atomic_load(&taken[target]), then);
        ck_assert(targets_set_weight(targets, target, TARGET_WEIGHT_RESTORED, &error));
        do { /* It gets traffic again. */
            loop_run_once(loop, 1);
            ck_assert_uint_lt(clock_monotonic_ns(), until_ns);
        } while (atomic_load(&taken[target]) == then);
    }
    for (uint32_t i = 0; i < 2; i++) {
        loop_post(runners[i].loop, &runners[i].stop);
        pthread_join(runners[i].thread, NULL);
        targets_worker_detach(runners[i].worker);
        loop_close(runners[i].loop);
    }
    targets_close(targets);
    loop_close(loop);
    config_unref(config);
}
END_TEST

static void tests(TCase *c)
{
    tcase_add_test(c, test_drained_waits_for_acknowledgement_and_in_flight);
    tcase_add_test(c, test_a_tunnel_keeps_a_host_from_being_drained);
    tcase_add_test(c, test_slow_start_raises_the_weight_and_capacity);
    tcase_add_test(c, test_traffic_takes_a_failing_host_out_but_not_the_last);
    tcase_add_test(c, test_counts_add_up);
    tcase_add_test(c, test_holding_is_bounded);
    tcase_add_test(c, test_nothing_arrives_after_drained);
}

UNIT_MAIN(tests)
