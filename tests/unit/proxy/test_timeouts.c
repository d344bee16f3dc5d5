#include "proxy/timeouts.h"

#include "base/check.h"
#include "unit.h"

#include <string.h>

enum { TICK = TIMEOUTS_TICK_NS };

static const uint64_t start_ns = 1000 * (uint64_t)TICK + 5;

struct seen {
    struct timeouts *wheel;
    uint64_t now_ns;
    uint32_t looks;
    struct timeout *last;
    uint64_t again_ns; /* Watched again until then, when not 0. */
};

static void look(struct timeout *timeout, void *context)
{
    struct seen *seen = context;
    seen->looks++;
    seen->last = timeout;
    if (seen->again_ns != 0)
        timeouts_watch(seen->wheel, timeout, seen->again_ns);
}

static struct timeouts wheel;

/* Sweeps tick by tick until the timeout is looked at; returns that time. */
static uint64_t run_until_look(struct timeout *timeout, uint64_t from_ns, uint64_t limit_ns)
{
    struct seen seen = {.wheel = &wheel};
    for (uint64_t now = from_ns; now < from_ns + limit_ns; now += TICK) {
        timeouts_sweep(&wheel, now, look, &seen);
        if (seen.looks != 0) {
            ck_assert_ptr_eq(seen.last, timeout);
            return now;
        }
    }
    return 0;
}

START_TEST(test_looked_at_in_time)
{
    const uint64_t waits[] = {0, 1, TICK - 1, TICK, 50 * (uint64_t)TICK, 1000 * (uint64_t)TICK};
    for (size_t i = 0; i < COUNT_OF(waits); i++) {
        struct timeout timeout = {0};
        timeouts_init(&wheel, start_ns);
        timeouts_watch(&wheel, &timeout, start_ns + waits[i]);
        const uint64_t at = run_until_look(&timeout, start_ns, 2000 * (uint64_t)TICK);
        ck_assert_uint_ge(at + TICK, start_ns + waits[i]);
        ck_assert_uint_le(at, start_ns + waits[i] + 2 * (uint64_t)TICK);
        ck_assert(!list_linked(&timeout.link));
    }
}
END_TEST

START_TEST(test_past_the_horizon_is_looked_at_once_a_turn)
{
    struct timeout timeout = {0};
    timeouts_init(&wheel, start_ns);
    timeouts_watch(&wheel, &timeout, UINT64_MAX / 2);
    const uint64_t at = run_until_look(&timeout, start_ns, 3000 * (uint64_t)TICK);
    ck_assert_uint_gt(at, start_ns + 1000 * (uint64_t)TICK);
    ck_assert_uint_le(at, start_ns + 1024 * (uint64_t)TICK);
}
END_TEST

START_TEST(test_earlier_moves_later_does_not)
{
    struct timeout timeout = {0};
    timeouts_init(&wheel, start_ns);
    timeouts_watch(&wheel, &timeout, start_ns + 100 * (uint64_t)TICK);
    const uint64_t tick = timeout.tick;
    timeouts_watch(&wheel, &timeout, start_ns + 500 * (uint64_t)TICK);
    ck_assert_uint_eq(timeout.tick, tick);
    timeouts_watch(&wheel, &timeout, start_ns + 10 * (uint64_t)TICK);
    ck_assert_uint_lt(timeout.tick, tick);
    const uint64_t at = run_until_look(&timeout, start_ns, 50 * (uint64_t)TICK);
    ck_assert_uint_ge(at, start_ns + 10 * (uint64_t)TICK);
}
END_TEST

START_TEST(test_watched_again_while_looked_at)
{
    struct timeout timeout = {0};
    timeouts_init(&wheel, start_ns);
    timeouts_watch(&wheel, &timeout, start_ns);
    struct seen seen = {.wheel = &wheel, .again_ns = start_ns + 5 * (uint64_t)TICK};
    timeouts_sweep(&wheel, start_ns + 2 * (uint64_t)TICK, look, &seen);
    ck_assert_uint_eq(seen.looks, 1);
    ck_assert(list_linked(&timeout.link));
    timeouts_sweep(&wheel, start_ns + 4 * (uint64_t)TICK, look, &seen);
    ck_assert_uint_eq(seen.looks, 1);
    seen.again_ns = 0;
    timeouts_sweep(&wheel, start_ns + 7 * (uint64_t)TICK, look, &seen);
    ck_assert_uint_eq(seen.looks, 2);
}
END_TEST

START_TEST(test_removed_is_not_looked_at)
{
    struct timeout timeouts[3] = {{{0}}};
    timeouts_init(&wheel, start_ns);
    for (int i = 0; i < 3; i++)
        timeouts_watch(&wheel, &timeouts[i], start_ns + TICK);
    timeouts_remove(&timeouts[1]);
    timeouts_remove(&timeouts[1]);
    struct seen seen = {.wheel = &wheel};
    timeouts_sweep(&wheel, start_ns + 10 * (uint64_t)TICK, look, &seen);
    ck_assert_uint_eq(seen.looks, 2);
}
END_TEST

START_TEST(test_wait)
{
    struct timeout near = {0};
    struct timeout far = {0};
    timeouts_init(&wheel, start_ns);
    ck_assert_int_eq(timeouts_wait_ms(&wheel, start_ns), -1);
    timeouts_watch(&wheel, &far, start_ns + 700 * (uint64_t)TICK);
    const int far_ms = timeouts_wait_ms(&wheel, start_ns);
    ck_assert_int_ge(far_ms, 700 * (TICK / 1000000) - 1);
    ck_assert_int_le(far_ms, 703 * (TICK / 1000000));
    timeouts_watch(&wheel, &near, start_ns + 3 * (uint64_t)TICK);
    ck_assert_int_le(timeouts_wait_ms(&wheel, start_ns), 6 * (TICK / 1000000));
    /* After that wait, it is due. */
    const uint64_t later = start_ns + (uint64_t)timeouts_wait_ms(&wheel, start_ns) * 1000000;
    struct seen seen = {.wheel = &wheel};
    timeouts_sweep(&wheel, later, look, &seen);
    ck_assert_uint_eq(seen.looks, 1);
    ck_assert_ptr_eq(seen.last, &near);
}
END_TEST

START_TEST(test_thread_that_slept_for_long)
{
    struct timeout timeouts[100];
    memset(timeouts, 0, sizeof timeouts);
    timeouts_init(&wheel, start_ns);
    for (uint64_t i = 0; i < 100; i++)
        timeouts_watch(&wheel, &timeouts[i], start_ns + i * 10 * TICK);
    struct seen seen = {.wheel = &wheel};
    timeouts_sweep(&wheel, start_ns + 100000 * (uint64_t)TICK, look, &seen);
    ck_assert_uint_eq(seen.looks, 100);
    ck_assert_int_eq(timeouts_wait_ms(&wheel, start_ns + 100000 * (uint64_t)TICK), -1);
}
END_TEST

static void tests(TCase *c)
{
    tcase_add_test(c, test_looked_at_in_time);
    tcase_add_test(c, test_past_the_horizon_is_looked_at_once_a_turn);
    tcase_add_test(c, test_earlier_moves_later_does_not);
    tcase_add_test(c, test_watched_again_while_looked_at);
    tcase_add_test(c, test_removed_is_not_looked_at);
    tcase_add_test(c, test_wait);
    tcase_add_test(c, test_thread_that_slept_for_long);
}

UNIT_MAIN(tests)
