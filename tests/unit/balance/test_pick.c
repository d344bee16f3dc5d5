#include "balance/pick.h"
#include "unit.h"

#include <math.h>
#include <string.h>

static void open_with(struct pick *pick, enum pick_policy policy, const uint32_t *weights,
                      uint32_t count, uint64_t seed)
{
    ck_assert(pick_init(pick, policy, count, seed));
    for (uint32_t i = 0; i < count; i++)
        pick_set_weight(pick, i, weights[i] * PICK_WEIGHT_ONE);
}

/* Takes and releases at once: an idle tier. */
static uint32_t take_and_release(struct pick *pick)
{
    const uint32_t host = pick_take(pick, NULL);
    if (host != PICK_NONE)
        pick_release(pick, host);
    return host;
}

START_TEST(test_round_robin_of_equal_hosts_is_a_cycle)
{
    const uint32_t weights[] = {100, 100, 100, 100, 100};
    for (uint64_t seed = 0; seed < 20; seed++) {
        struct pick pick;
        open_with(&pick, PICK_ROUND_ROBIN, weights, 5, seed);
        const uint32_t first = take_and_release(&pick);
        for (uint32_t i = 1; i < 1000; i++)
            ck_assert_uint_eq(take_and_release(&pick), (first + i) % 5);
        pick_done(&pick);
    }
}
END_TEST

/* At any moment no two hosts are more than one turn apart; a whole cycle is exact. */
static void check_shares(enum pick_policy policy, const uint32_t *weights, uint32_t count)
{
    struct pick pick;
    open_with(&pick, policy, weights, count, 7);
    uint32_t sum = 0;
    uint32_t got[16] = {0};
    for (uint32_t i = 0; i < count; i++)
        sum += weights[i];
    for (uint32_t n = 1; n <= 10 * sum; n++) {
        got[take_and_release(&pick)]++;
        for (uint32_t i = 0; i < count; i++) {
            const double turns = (double)got[i] / weights[i] - (double)got[0] / weights[0];
            const double most = 1.0 / weights[i] + 1.0 / weights[0] + 1e-9;
            ck_assert_msg(fabs(turns) <= most, "host %u has %u of %u", i, got[i], n);
            if (n % sum == 0)
                ck_assert_uint_eq(got[i], n / sum * weights[i]);
        }
    }
    pick_done(&pick);
}

START_TEST(test_round_robin_keeps_weights)
{
    const uint32_t weights[] = {1, 2, 3, 94, 1000, 7, 500, 33};
    check_shares(PICK_ROUND_ROBIN, weights, 8);
}
END_TEST

START_TEST(test_round_robin_survives_the_end_of_virtual_time)
{
    /* One host of weight 1 thousandth: its virtual time passes 2^62 after four million picks. */
    struct pick pick;
    ck_assert(pick_init(&pick, PICK_ROUND_ROBIN, 2, 1));
    pick_set_weight(&pick, 0, 1);
    pick_set_weight(&pick, 1, 1);
    uint32_t got[2] = {0};
    for (uint32_t i = 0; i < 10000000; i++)
        got[take_and_release(&pick)]++;
    ck_assert_uint_eq(got[0], 5000000);
    ck_assert_uint_eq(got[1], 5000000);
    pick_done(&pick);
}
END_TEST

START_TEST(test_round_robin_takes_a_changed_weight_over_smoothly)
{
    const uint32_t weights[] = {100, 100, 100};
    struct pick pick;
    open_with(&pick, PICK_ROUND_ROBIN, weights, 3, 3);
    for (uint32_t i = 0; i < 999; i++)
        take_and_release(&pick);
    pick_set_weight(&pick, 1, 0);
    for (uint32_t i = 0; i < 1000; i++)
        ck_assert_uint_ne(take_and_release(&pick), 1);
    /* Back at a tenth: no burst to make up for what it missed. */
    pick_set_weight(&pick, 1, 10 * PICK_WEIGHT_ONE);
    uint32_t got = 0;
    for (uint32_t i = 0; i < 210; i++)
        got += take_and_release(&pick) == 1;
    ck_assert_uint_ge(got, 9);
    ck_assert_uint_le(got, 11);
    pick_done(&pick);
}
END_TEST

START_TEST(test_least_requests_levels_the_load)
{
    const uint32_t weights[] = {100, 100, 200, 100};
    struct pick pick;
    open_with(&pick, PICK_LEAST_REQUESTS, weights, 4, 9);
    for (uint32_t i = 0; i < 500; i++)
        ck_assert_uint_ne(pick_take(&pick, NULL), PICK_NONE);
    for (uint32_t i = 0; i < 4; i++)
        ck_assert_uint_eq(pick_in_flight(&pick, i), weights[i]);
    /* The one that gets free is the next one taken. */
    pick_release(&pick, 3);
    pick_release(&pick, 3);
    ck_assert_uint_eq(pick_take(&pick, NULL), 3);
    ck_assert_uint_eq(pick_take(&pick, NULL), 3);
    pick_done(&pick);
}
END_TEST

START_TEST(test_least_requests_spreads_an_idle_tier_by_weight)
{
    const uint32_t weights[] = {100, 100, 100, 100};
    check_shares(PICK_LEAST_REQUESTS, weights, 4);
    struct pick pick;
    const uint32_t unequal[] = {300, 100};
    open_with(&pick, PICK_LEAST_REQUESTS, unequal, 2, 9);
    uint32_t got[2] = {0};
    for (uint32_t i = 0; i < 4000; i++)
        got[take_and_release(&pick)]++;
    ck_assert_uint_ge(got[0], 2900);
    ck_assert_uint_ge(got[1], 900);
    pick_done(&pick);
}
END_TEST

START_TEST(test_least_requests_gives_no_burst_after_a_long_request)
{
    const uint32_t weights[] = {100, 100, 100};
    struct pick pick;
    open_with(&pick, PICK_LEAST_REQUESTS, weights, 3, 9);
    const uint32_t slow = pick_take(&pick, NULL);
    for (uint32_t i = 0; i < 10000; i++)
        ck_assert_uint_ne(take_and_release(&pick), slow);
    pick_release(&pick, slow);
    uint32_t got = 0;
    for (uint32_t i = 0; i < 30; i++)
        got += take_and_release(&pick) == slow;
    ck_assert_uint_le(got, 11);
    ck_assert_uint_ge(got, 9);
    pick_done(&pick);
}
END_TEST

/* Chi-square of what was drawn against the weights; 99.99 % points of the distribution. */
static void check_draws(enum pick_policy policy, const uint32_t *weights, uint32_t count,
                        double limit)
{
    struct pick pick;
    open_with(&pick, policy, weights, count, 42);
    enum { DRAWS = 200000 };
    uint32_t got[16] = {0};
    uint64_t sum = 0;
    for (uint32_t i = 0; i < count; i++)
        sum += weights[i];
    for (uint32_t n = 0; n < DRAWS; n++)
        got[take_and_release(&pick)]++;
    double chi_square = 0;
    for (uint32_t i = 0; i < count; i++) {
        const double due = (double)DRAWS * weights[i] / (double)sum;
        if (weights[i] == 0)
            ck_assert_uint_eq(got[i], 0);
        else
            chi_square += (got[i] - due) * (got[i] - due) / due;
    }
    ck_assert_msg(chi_square < limit, "chi-square %.2f", chi_square);
    pick_done(&pick);
}

START_TEST(test_draws_follow_the_weights)
{
    const uint32_t weights[] = {100, 50, 0, 200, 1, 1000, 33, 0, 16};
    check_draws(PICK_RANDOM, weights, 9, 27.9);
    check_draws(PICK_POWER_OF_TWO, weights, 9, 27.9);
}
END_TEST

START_TEST(test_power_of_two_levels_the_load)
{
    /* n requests on n hosts: the fullest has about log log n, at random log n / log log n. */
    enum { HOSTS = 10000 };
    uint32_t fullest[2] = {0};
    const enum pick_policy policies[] = {PICK_POWER_OF_TWO, PICK_RANDOM};
    for (uint32_t p = 0; p < 2; p++) {
        struct pick pick;
        ck_assert(pick_init(&pick, policies[p], HOSTS, 5));
        for (uint32_t i = 0; i < HOSTS; i++)
            pick_set_weight(&pick, i, 100 * PICK_WEIGHT_ONE);
        for (uint32_t i = 0; i < HOSTS; i++)
            ck_assert_uint_ne(pick_take(&pick, NULL), PICK_NONE);
        for (uint32_t i = 0; i < HOSTS; i++) {
            if (pick_in_flight(&pick, i) > fullest[p])
                fullest[p] = pick_in_flight(&pick, i);
        }
        pick_done(&pick);
    }
    ck_assert_uint_le(fullest[0], 4);
    ck_assert_uint_ge(fullest[1], 6);
}
END_TEST

static const enum pick_policy all_policies[] = {PICK_ROUND_ROBIN, PICK_LEAST_REQUESTS,
                                                PICK_POWER_OF_TWO, PICK_RANDOM};

START_TEST(test_a_tried_host_is_the_last_resort)
{
    const enum pick_policy policy = all_policies[_i];
    const uint32_t weights[] = {100, 1, 1000, 0, 100};
    struct pick pick;
    open_with(&pick, policy, weights, 5, 11);
    for (uint32_t round = 0; round < 2000; round++) {
        struct pick_tried tried = {0};
        uint32_t taken[5];
        for (uint32_t i = 0; i < 4; i++) {
            taken[i] = pick_take(&pick, &tried);
            ck_assert_uint_ne(taken[i], PICK_NONE);
            ck_assert_uint_ne(taken[i], 3);
            ck_assert(!pick_was_tried(&tried, taken[i]));
            pick_tried_add(&tried, taken[i]);
        }
        ck_assert_uint_eq(tried.count, 4);
        /* All were tried: one of them again, never the one at weight 0. */
        taken[4] = pick_take(&pick, &tried);
        ck_assert_uint_ne(taken[4], PICK_NONE);
        ck_assert_uint_ne(taken[4], 3);
        for (uint32_t i = 0; i < 5; i++)
            pick_release(&pick, taken[i]);
    }
    pick_done(&pick);
}
END_TEST

START_TEST(test_weight_zero_is_never_picked)
{
    const enum pick_policy policy = all_policies[_i];
    enum { HOSTS = 64 };
    struct pick pick;
    struct random random;
    random_init(&random, 99);
    ck_assert(pick_init(&pick, policy, HOSTS, 1));
    ck_assert_uint_eq(pick_take(&pick, NULL), PICK_NONE);
    uint32_t weights[HOSTS] = {0};
    uint32_t in_flight[HOSTS] = {0};
    for (uint32_t step = 0; step < 200000; step++) {
        const uint32_t host = random_below(&random, HOSTS);
        switch (random_below(&random, 4)) {
        case 0:
            weights[host] = random_below(&random, 3) * random_below(&random, PICK_WEIGHT_MAX / 2);
            pick_set_weight(&pick, host, weights[host]);
            break;
        case 1:
            if (in_flight[host] > 0) {
                in_flight[host]--;
                pick_release(&pick, host);
            }
            break;
        default: {
            const uint32_t taken = pick_take(&pick, NULL);
            if (taken == PICK_NONE) {
                for (uint32_t i = 0; i < HOSTS; i++)
                    ck_assert_uint_eq(weights[i], 0);
                break;
            }
            ck_assert_uint_gt(weights[taken], 0);
            ck_assert_uint_eq(++in_flight[taken], pick_in_flight(&pick, taken));
            break;
        }
        }
    }
    for (uint32_t i = 0; i < HOSTS; i++)
        pick_set_weight(&pick, i, 0);
    ck_assert_uint_eq(pick_take(&pick, NULL), PICK_NONE);
    pick_done(&pick);
}
END_TEST

START_TEST(test_a_pick_among_many_hosts_is_cheap)
{
    /* 100,000 hosts, 300,000 picks with as many releases: linear search would take minutes. */
    const enum pick_policy policy = all_policies[_i];
    struct pick pick;
    ck_assert(pick_init(&pick, policy, PICK_HOSTS_MAX, 1));
    for (uint32_t i = 0; i < PICK_HOSTS_MAX; i++)
        pick_set_weight(&pick, i, (1 + i % 100) * PICK_WEIGHT_ONE);
    for (uint32_t i = 0; i < 300000; i++)
        ck_assert_uint_ne(take_and_release(&pick), PICK_NONE);
    pick_done(&pick);
}
END_TEST

START_TEST(test_tried_forgets_the_oldest)
{
    struct pick_tried tried = {0};
    for (uint32_t i = 0; i < PICK_TRIED_MAX + 1; i++)
        pick_tried_add(&tried, i);
    pick_tried_add(&tried, PICK_TRIED_MAX);
    ck_assert_uint_eq(tried.count, PICK_TRIED_MAX);
    ck_assert(!pick_was_tried(&tried, 0));
    ck_assert(pick_was_tried(&tried, 1));
    ck_assert(pick_was_tried(&tried, PICK_TRIED_MAX));
}
END_TEST

static void tests(TCase *c)
{
    tcase_add_test(c, test_round_robin_of_equal_hosts_is_a_cycle);
    tcase_add_test(c, test_round_robin_keeps_weights);
    tcase_add_test(c, test_round_robin_survives_the_end_of_virtual_time);
    tcase_add_test(c, test_round_robin_takes_a_changed_weight_over_smoothly);
    tcase_add_test(c, test_least_requests_levels_the_load);
    tcase_add_test(c, test_least_requests_spreads_an_idle_tier_by_weight);
    tcase_add_test(c, test_least_requests_gives_no_burst_after_a_long_request);
    tcase_add_test(c, test_draws_follow_the_weights);
    tcase_add_test(c, test_power_of_two_levels_the_load);
    tcase_add_loop_test(c, test_a_tried_host_is_the_last_resort, 0, 4);
    tcase_add_loop_test(c, test_weight_zero_is_never_picked, 0, 4);
    tcase_add_loop_test(c, test_a_pick_among_many_hosts_is_cheap, 0, 4);
    tcase_add_test(c, test_tried_forgets_the_oldest);
}

UNIT_MAIN(tests)
