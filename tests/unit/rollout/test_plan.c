#include "rollout/plan.h"

#include "unit.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { HOSTS_MAX = 100000 };

static struct rollout_host_spec host_specs[HOSTS_MAX];
static char names[HOSTS_MAX][16];
static struct rollout_host rows[HOSTS_MAX];
static struct rollout_link links[HOSTS_MAX];
static uint32_t dirty[HOSTS_MAX];
static uint32_t ready[HOSTS_MAX];
static uint32_t timers[HOSTS_MAX];
static struct rollout_zone zones[4];
static uint32_t groups[HOSTS_MAX + 1];
static struct rollout engine;
static struct rollout_actions scratch;
static const char *const zone_names[] = {"a", "b"};

static struct rollout_arrays arrays(void)
{
    return (struct rollout_arrays){rows, links, dirty, ready, timers, zones, groups};
}

static struct rollout_spec spec_of(const char *prefix, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        (void)snprintf(names[i], sizeof names[i], "%s-%u", prefix, i + 1);
        host_specs[i] = (struct rollout_host_spec){.name = names[i],
                                                   .zone = i < (count + 1) / 2 ? 0 : 1,
                                                   .weight = 100,
                                                   .driver = true,
                                                   .chosen = true};
    }
    struct rollout_spec spec = {
        .tier = prefix,
        .to_version = "1.0-2",
        .hosts = host_specs,
        .host_count = count,
        .zones = zone_names,
        .zone_count = 2,
        .max_unavailable = {true, 250000},
        .failure_domain = true,
        .drain_timeout_ms = 30000,
        .install = true,
        .install_timeout_ms = 60000,
        .reboot = ROLLOUT_REBOOT_WHEN_REQUIRED,
        .reboot_deadline_ms = 120000,
        .min_ready_ms = 10000,
        .healthy_deadline_ms = 300000,
        .slow_start_ms = 10000,
        .soak_ms = 60000,
        .error_ratio_max_ppm = 10000,
    };
    rollout_spec_defaults(&spec);
    return spec;
}

static void make(struct plan *plan, struct plan_request *request)
{
    plan_times_defaults(&request->times);
    plan_make(plan, request, arrays(), &engine, &scratch);
}

START_TEST(test_batches_are_those_of_the_engine)
{
    struct rollout_spec spec = spec_of("web", 8);
    struct plan_request request = {.spec = &spec};
    struct plan plan;
    make(&plan, &request);
    ck_assert(!plan.refused);
    ck_assert_uint_eq(plan.batch_count, 5);
    struct text text;
    struct writer json;
    text_init(&text, 65536);
    writer_init(&json, &text);
    writer_object(&json, NULL);
    plan_json(&plan, &json);
    writer_end(&json);
    ck_assert_ptr_nonnull(
        strstr(text.data, "{\"tier\":\"web\",\"hosts\":8,\"batches\":[[\"web-1\"],[\"web-2\","
                          "\"web-3\"],[\"web-4\"],[\"web-5\",\"web-6\"],[\"web-7\",\"web-8\"]],"));
    ck_assert_ptr_nonnull(strstr(text.data, "\"lowest_capacity\":0.75,"));
    ck_assert_ptr_nonnull(strstr(text.data, "\"peak_extra_load\":0.333333,\"slots\":[],"));
    ck_assert_ptr_nonnull(strstr(text.data, "\"actions\":{\"drain\":8,\"install\":8,"));
    text_clear(&text);
    plan_print(&plan, &text);
    ck_assert_ptr_nonnull(strstr(text.data, "  batch 2: web-2 (a) web-3 (a)\n"));
    text_done(&text);
    /* Drain 5, install 30, reboot 60, min_ready 10, slow start 10, soak 60: 175 s a batch. */
    ck_assert_double_eq_tol(plan.duration_s, 5 * 175, 1);
}
END_TEST

struct warm_case {
    uint32_t hosts;
    uint32_t warm_min;
    uint32_t cold_max_ppm;
    uint32_t load_max_ppm;
    uint32_t hit_ppm;
    uint32_t warming;
    double interval_s;
    double duration_s;
};

START_TEST(test_keyed_tiers_are_paced_by_warmth)
{
    static const struct warm_case cases[] = {
        {300, 30, 200000, 0, 0, 60, 30, 9000},
        {240, 20, 150000, 0, 0, 36, 1200.0 / 36, 8000},
        {10, 10, 50000, 0, 0, 1, 600, 6000},
        {300, 30, 200000, 200000, 900000, 6, 300, 90000}, /* 300 x 20 % x 1/9 = 6.7 */
        {300, 30, 0, 200000, 500000, 60, 30, 9000},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct warm_case *c = &cases[i];
        struct rollout_spec spec = spec_of("proxy", c->hosts);
        struct plan_request request = {
            .spec = &spec,
            .keyed = true,
            .standby_count = 10,
            .warm = {c->warm_min * 60000, c->cold_max_ppm, c->load_max_ppm, c->hit_ppm},
        };
        struct plan plan;
        make(&plan, &request);
        ck_assert_uint_eq(plan.warming_max, c->warming);
        ck_assert_double_eq_tol(plan.interval_s, c->interval_s, 1e-9);
        ck_assert_double_eq_tol(plan.duration_s, c->duration_s, 1e-6);
        ck_assert_double_eq_tol(plan.settled_s, c->duration_s + c->warm_min * 60 + 70, 1e-6);
        ck_assert_double_eq(plan.lowest_capacity, 1);
        ck_assert_uint_eq(plan.batch_count, c->hosts);
    }
}
END_TEST

START_TEST(test_slots_of_300_proxies)
{
    struct rollout_spec spec = spec_of("proxy", 300);
    struct plan_request request = {.spec = &spec, .keyed = true, .warm = {1800000, 200000, 0, 0}};
    struct plan plan;
    make(&plan, &request);
    struct text text;
    struct writer json;
    text_init(&text, 1 << 20);
    writer_init(&json, &text);
    writer_object(&json, NULL);
    plan_json(&plan, &json);
    writer_end(&json);
    ck_assert_ptr_nonnull(strstr(text.data, "{\"host\":\"proxy-1\",\"first\":0,\"last\":217}"));
    ck_assert_ptr_nonnull(strstr(text.data, "{\"host\":\"proxy-2\",\"first\":218,\"last\":435}"));
    ck_assert_ptr_nonnull(strstr(text.data, "\"last\":65535}]"));
    ck_assert_ptr_nonnull(strstr(text.data, "\"interval_s\":30,\"warming_max\":60,"
                                            "\"duration_s\":9000,"));
    text_done(&text);
}
END_TEST

START_TEST(test_a_refused_update_is_planned_as_refused)
{
    struct rollout_spec spec = spec_of("api", 1);
    struct plan_request request = {.spec = &spec};
    struct plan plan;
    make(&plan, &request);
    ck_assert(plan.refused);
    struct text text;
    text_init(&text, 4096);
    plan_print(&plan, &text);
    ck_assert_ptr_nonnull(
        strstr(text.data, "would be refused: api-1 is the only host of tier api"));
    text_done(&text);
}
END_TEST

START_TEST(test_a_large_fleet_is_planned_quickly)
{
    struct rollout_spec spec = spec_of("edge", HOSTS_MAX);
    spec.failure_domain = false;
    struct plan_request request = {.spec = &spec};
    struct plan plan;
    make(&plan, &request);
    ck_assert_uint_eq(plan.batch_count, 5); /* 1, then 25,000 at once. */
    ck_assert_double_eq_tol(plan.lowest_capacity, 0.75, 1e-6);
    rollout_check(&engine, true);
}
END_TEST

START_TEST(test_nothing_to_do)
{
    struct rollout_spec spec = spec_of("web", 3);
    for (uint32_t i = 0; i < 3; i++)
        host_specs[i].chosen = false;
    struct plan_request request = {.spec = &spec};
    struct plan plan;
    make(&plan, &request);
    ck_assert(!plan.refused);
    ck_assert_uint_eq(plan.host_count, 0);
    ck_assert_double_eq(plan.duration_s, 0);
}
END_TEST

static void tests(TCase *c)
{
    tcase_add_test(c, test_batches_are_those_of_the_engine);
    tcase_add_test(c, test_keyed_tiers_are_paced_by_warmth);
    tcase_add_test(c, test_slots_of_300_proxies);
    tcase_add_test(c, test_a_refused_update_is_planned_as_refused);
    tcase_add_test(c, test_a_large_fleet_is_planned_quickly);
    tcase_add_test(c, test_nothing_to_do);
}

UNIT_MAIN(tests)
