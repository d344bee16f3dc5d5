#include "rollout/judge.h"

#include "base/random.h"
#include "unit.h"

#include <math.h>

/* P(X >= x | n, p), summed term by term. */
static double exact_tail(uint64_t x, uint64_t n, double p)
{
    double sum = 0;
    for (uint64_t k = x; k <= n; k++)
        sum += exp(lgamma((double)n + 1) - lgamma((double)k + 1) - lgamma((double)(n - k) + 1) +
                   (double)k * log(p) + (double)(n - k) * log1p(-p));
    return sum;
}

START_TEST(test_the_tail_is_a_bound_and_exact_at_the_end)
{
    for (uint64_t n = 1; n <= 200; n += 7) {
        for (uint64_t x = 0; x <= n; x++) {
            for (double p = 0.01; p < 0.9; p += 0.11)
                ck_assert_double_ge(exp(judge_tail(x, n, p)), exact_tail(x, n, p) * (1 - 1e-9));
        }
        ck_assert_double_eq_tol(exp(judge_tail(n, n, 0.5)), pow(0.5, (double)n), 1e-12);
    }
    ck_assert_double_eq(judge_tail(0, 0, 0.5), 0);
    ck_assert_double_eq(judge_tail(5, 10, 1), 0);
}
END_TEST

START_TEST(test_the_upper_limit)
{
    /* None of m failed: 1 - beta^(1/m). */
    ck_assert_double_eq_tol(judge_upper_limit(0, 100, 10), 1 - exp(-0.1), 1e-9);
    ck_assert_double_eq(judge_upper_limit(7, 7, 10), 1);
    const double limit = judge_upper_limit(30, 1000, 10);
    ck_assert_double_eq_tol(judge_tail(970, 1000, 1 - limit), -10, 1e-6);
}
END_TEST

/* How many requests, all failing, until the verdict? */
static uint64_t requests_until_bad(uint64_t others_requests)
{
    const struct rollout_counts others = {others_requests, 0};
    uint64_t n = 1;
    while (!judge_host(&(struct rollout_counts){n, n}, &others, 0.01, (uint32_t)n).bad)
        n++;
    return n;
}

START_TEST(test_a_host_that_fails_all_is_caught_within_dozens)
{
    ck_assert_uint_le(requests_until_bad(0), 40);
    ck_assert_uint_le(requests_until_bad(50), 20);
    ck_assert_uint_le(requests_until_bad(1000), 6);
    ck_assert_uint_ge(requests_until_bad(100000), 2); /* Never from a single request. */
}
END_TEST

START_TEST(test_a_handful_of_requests_is_no_verdict)
{
    const struct rollout_counts others = {100000, 10};
    ck_assert(!judge_host(&(struct rollout_counts){1, 1}, &others, 0.01, 1).bad);
    ck_assert(!judge_host(&(struct rollout_counts){20, 1}, &others, 0.01, 1).bad);
    ck_assert(!judge_host(&(struct rollout_counts){200, 3}, &others, 0.01, 3).bad);
}
END_TEST

/* One host's soak with `looks` looks; true when it is ever called bad. */
static bool soak(struct random *random, double host_ratio, double others_ratio, uint32_t per_look)
{
    struct rollout_counts host = {0};
    struct rollout_counts others = {0};
    uint32_t look = 0;
    for (uint32_t second = 0; second < 60; second++) {
        const uint64_t before = host.failures;
        for (uint32_t i = 0; i < per_look; i++) {
            host.requests++;
            host.failures += random_unit(random) < host_ratio;
            others.requests += 3;
            for (int k = 0; k < 3; k++)
                others.failures += random_unit(random) < others_ratio;
        }
        if (host.failures > before && judge_host(&host, &others, 0.01, ++look).bad)
            return true;
    }
    return false;
}

START_TEST(test_false_alarms_and_catches_under_peeking)
{
    struct random random;
    random_init(&random, 7);
    uint32_t alarms = 0;
    uint32_t caught = 0;
    for (int run = 0; run < 300; run++) {
        alarms += soak(&random, 0.02, 0.02, 10);
        alarms += soak(&random, 0.011, 0.001, 10); /* As bad as the margin allows. */
        caught += soak(&random, 0.20, 0.02, 10);
    }
    ck_assert_uint_eq(alarms, 0); /* 600 soaks at 1e-4 each: 0.06 expected, at most. */
    ck_assert_uint_eq(caught, 300);
}
END_TEST

static void tests(TCase *c)
{
    tcase_add_test(c, test_the_tail_is_a_bound_and_exact_at_the_end);
    tcase_add_test(c, test_the_upper_limit);
    tcase_add_test(c, test_a_host_that_fails_all_is_caught_within_dozens);
    tcase_add_test(c, test_a_handful_of_requests_is_no_verdict);
    tcase_add_test(c, test_false_alarms_and_catches_under_peeking);
}

UNIT_MAIN(tests)
