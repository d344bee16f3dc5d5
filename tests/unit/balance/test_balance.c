#include "balance/budget.h"
#include "balance/health.h"
#include "balance/slow_start.h"
#include "base/slots.h"
#include "unit.h"

static const struct health_rule rule = {.rise = 2, .fall = 3};

START_TEST(test_health_falls_and_rises)
{
    struct health health;
    health_init(&health);
    ck_assert(health.up);
    ck_assert(!health_check(&health, &rule, true));
    ck_assert(!health_check(&health, &rule, false));
    ck_assert(!health_check(&health, &rule, false));
    ck_assert(!health_check(&health, &rule, true)); /* The run is broken. */
    ck_assert(!health_check(&health, &rule, false));
    ck_assert(!health_check(&health, &rule, false));
    ck_assert(health_check(&health, &rule, false));
    ck_assert(!health.up);
    ck_assert(!health_check(&health, &rule, true));
    ck_assert(!health_check(&health, &rule, false));
    ck_assert(!health_check(&health, &rule, true));
    ck_assert(health_check(&health, &rule, true));
    ck_assert(health.up);
}
END_TEST

START_TEST(test_health_first_check_decides_alone)
{
    struct health health;
    health_init(&health);
    ck_assert(health_check(&health, &rule, false));
    ck_assert(!health.up);
    ck_assert(!health_check(&health, &rule, true)); /* From then on the rule holds. */
    ck_assert(health_check(&health, &rule, true));
}
END_TEST

START_TEST(test_health_traffic_never_takes_the_last)
{
    struct health health;
    health_init(&health);
    ck_assert(!health_traffic(&health, &rule, 2, false));
    ck_assert(!health_traffic(&health, &rule, 100, true));
    ck_assert(health.up);
    ck_assert(health_traffic(&health, &rule, 3, false));
    ck_assert(!health.up);
    ck_assert(!health_traffic(&health, &rule, 4, false));
    ck_assert(!health_check(&health, &rule, true));
    ck_assert(health_check(&health, &rule, true));
}
END_TEST

START_TEST(test_slow_start_rises_to_the_whole)
{
    ck_assert_uint_eq(slow_start_weight(100000, 500, 500, 10000), 10000);
    ck_assert_uint_eq(slow_start_weight(100000, 500, 5500, 10000), 55000);
    ck_assert_uint_eq(slow_start_weight(100000, 500, 10500, 10000), 100000);
    ck_assert_uint_eq(slow_start_weight(100000, 500, 500, 0), 100000);
    ck_assert_uint_eq(slow_start_weight(0, 500, 600, 10000), 0);
    ck_assert_uint_eq(slow_start_weight(1, 500, 500, 10000), 1);
    uint32_t last = 0;
    for (uint64_t now_ms = 0; now_ms < 1200; now_ms++) {
        const uint32_t weight = slow_start_weight(1000000, 0, now_ms, 1000);
        ck_assert_uint_ge(weight, last);
        last = weight;
    }
    ck_assert_uint_eq(last, 1000000);
}
END_TEST

START_TEST(test_budget_has_a_floor_and_a_share)
{
    struct budget budget;
    budget_init(&budget, 200000, 1);
    uint64_t now_ms = 5000000;
    for (uint32_t i = 0; i < 100; i++)
        ck_assert(budget_retry(&budget, now_ms));
    ck_assert(!budget_retry(&budget, now_ms));
    for (uint32_t i = 0; i < 1000; i++)
        budget_request(&budget, now_ms + 1000);
    /* A fifth of 1,000, of which 100 are used. */
    for (uint32_t i = 0; i < 100; i++)
        ck_assert(budget_retry(&budget, now_ms + 2000));
    ck_assert(!budget_retry(&budget, now_ms + 2000));
    /* The first second leaves the window: its 100 are free again. */
    uint32_t allowed = 0;
    while (budget_retry(&budget, now_ms + 10000))
        allowed++;
    ck_assert_uint_eq(allowed, 100);
    /* Long after, only the floor is left. */
    for (allowed = 0; budget_retry(&budget, now_ms + 60000);)
        allowed++;
    ck_assert_uint_eq(allowed, 100);
}
END_TEST

START_TEST(test_budget_floor_is_shared)
{
    struct budget budget;
    budget_init(&budget, 0, 3);
    uint32_t allowed = 0;
    while (budget_retry(&budget, 1000))
        allowed++;
    ck_assert_uint_eq(allowed, 34);
}
END_TEST

START_TEST(test_slots_of_equal_owners)
{
    ck_assert_uint_eq(slots_first(0, 300), 0);
    ck_assert_uint_eq(slots_first(1, 300), 0x00da);
    ck_assert_uint_eq(slots_first(300, 300), SLOTS_COUNT);
    uint32_t last = 0;
    for (uint64_t i = 1; i <= 300; i++) {
        const uint32_t first = slots_first(i, 300);
        ck_assert_uint_ge(first - last, 218);
        ck_assert_uint_le(first - last, 219);
        last = first;
    }
}
END_TEST

static void tests(TCase *c)
{
    tcase_add_test(c, test_health_falls_and_rises);
    tcase_add_test(c, test_health_first_check_decides_alone);
    tcase_add_test(c, test_health_traffic_never_takes_the_last);
    tcase_add_test(c, test_slow_start_rises_to_the_whole);
    tcase_add_test(c, test_budget_has_a_floor_and_a_share);
    tcase_add_test(c, test_budget_floor_is_shared);
    tcase_add_test(c, test_slots_of_equal_owners);
}

UNIT_MAIN(tests)
