#include "rollout/rollout.h"

#include "base/random.h"
#include "story/fleet.h"
#include "unit.h"

static struct fleet fleet;

struct unavailable_case {
    bool percent;
    uint32_t value;
    uint32_t hosts;
    uint32_t expected;
};

START_TEST(test_max_unavailable_rounds_down_and_is_at_least_one)
{
    static const struct unavailable_case cases[] = {
        {true, 200000, 10, 2}, {true, 390000, 10, 3},
        {true, 250000, 8, 2},  {true, 250000, 3, 1},
        {true, 0, 10, 1},      {true, 999999, 10, 9},
        {true, 1000000, 5, 5}, {false, 0, 10, 1},
        {false, 3, 10, 3},     {false, 30, 10, 10},
        {true, 10000, 99, 1},  {true, 10000, 100, 1},
        {true, 10000, 200, 2}, {true, 200000, 400000, 80000},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const struct rollout_amount amount = {cases[i].percent, cases[i].value};
        ck_assert_uint_eq(rollout_unavailable_max(amount, cases[i].hosts), cases[i].expected);
    }
}
END_TEST

START_TEST(test_floor_is_what_max_unavailable_leaves)
{
    fleet_init(&fleet, 8);
    ck_assert_uint_eq(rollout_floor_ppm(&fleet.spec), 750000);
    fleet.host_specs[5].weight = 500; /* The two heaviest: 500 and 100 of 1200. */
    ck_assert_uint_eq(rollout_floor_ppm(&fleet.spec), 500000);
    fleet.spec.floor_given = true;
    fleet.spec.floor_ppm = 123456;
    ck_assert_uint_eq(rollout_floor_ppm(&fleet.spec), 123456);
    fleet_init(&fleet, 0);
    ck_assert_uint_eq(rollout_floor_ppm(&fleet.spec), 0);
}
END_TEST

START_TEST(test_no_hosts_are_done_at_once)
{
    fleet_init(&fleet, 0);
    fleet_run(&fleet, 1000);
    ck_assert_int_eq(fleet.rollout.row.phase, ROLLOUT_DONE);
    fleet_init(&fleet, 3);
    for (uint32_t i = 0; i < 3; i++)
        fleet.host_specs[i].chosen = false;
    fleet_run(&fleet, 1000);
    ck_assert_int_eq(fleet.rollout.row.phase, ROLLOUT_DONE);
}
END_TEST

/* True when there was something to write. */
static bool send(struct rollout_event event)
{
    fleet_step(&fleet, &event);
    return fleet.actions.dirty_row;
}

/* Until web-1 was read and its drain is ordered. */
static void run_to_the_first_drain(void)
{
    fleet_init(&fleet, 4);
    fleet_run(&fleet, 201);
    ck_assert_int_eq(fleet.rows[0].open.kind, ROLLOUT_SET_WEIGHT);
}

START_TEST(test_late_doubled_and_unknown_reports_are_ignored)
{
    run_to_the_first_drain();
    const uint64_t id = fleet.rows[0].open.id;
    struct rollout_event done = {.kind = ROLLOUT_ACTION_DONE, .host = 0, .action_id = id - 1};
    ck_assert(!send(done));
    done.action_id = id + 1000;
    ck_assert(!send(done));
    done.host = 3;
    done.action_id = id;
    ck_assert(!send(done));
    done.host = 0;
    ck_assert(send(done));
    ck_assert(!send(done));
    ck_assert_int_eq(fleet.rows[0].phase, ROLLOUT_HOST_DRAINING);
}
END_TEST

START_TEST(test_commands_that_make_no_sense_are_refused_and_change_nothing)
{
    run_to_the_first_drain();
    ck_assert(!send((struct rollout_event){.kind = ROLLOUT_RESUME}));
    ck_assert_int_eq(fleet.actions.refusal, ROLLOUT_REFUSED_NOT_PAUSED);
    ck_assert(send((struct rollout_event){.kind = ROLLOUT_PAUSE, .text = "lunch\nbreak"}));
    ck_assert_int_eq(fleet.actions.refusal, ROLLOUT_ACCEPTED);
    ck_assert_str_eq(fleet.rollout.row.reason, "lunch break");
    ck_assert(!send((struct rollout_event){.kind = ROLLOUT_PAUSE}));
    ck_assert_int_eq(fleet.actions.refusal, ROLLOUT_REFUSED_PAUSED);
    ck_assert(send((struct rollout_event){.kind = ROLLOUT_ABORT}));
    send((struct rollout_event){.kind = ROLLOUT_ABORT});
    ck_assert_int_eq(fleet.actions.refusal, ROLLOUT_REFUSED_STOPPING);
    fleet_run(&fleet, 60000);
    ck_assert_int_eq(fleet.rollout.row.phase, ROLLOUT_ABORTED);
    ck_assert(!send((struct rollout_event){.kind = ROLLOUT_RESUME}));
    ck_assert_int_eq(fleet.actions.refusal, ROLLOUT_REFUSED_ENDED);
}
END_TEST

START_TEST(test_an_answer_that_crossed_an_order_is_no_news)
{
    run_to_the_first_drain();
    fleet.drain_ms = 0;
    send((struct rollout_event){
        .kind = ROLLOUT_ACTION_DONE, .host = 0, .action_id = fleet.rows[0].open.id});
    struct rollout_observation seen = {.host = 0, .healthy = true, .drained = true};
    struct rollout_event observe = {.kind = ROLLOUT_OBSERVE,
                                    .balancer_reachable = true,
                                    .observations = &seen,
                                    .observation_count = 1};
    send(observe); /* Asked in the millisecond of the confirmation: it may be older. */
    ck_assert_int_eq(fleet.rows[0].phase, ROLLOUT_HOST_DRAINING);
    fleet.now_ms++;
    send(observe);
    ck_assert_int_eq(fleet.rows[0].phase, ROLLOUT_HOST_INSTALLING);
}
END_TEST

/* ---- Many hosts in one step, and replay. ---- */

enum { MANY = 1000, RECORDED_MAX = 4096 };

static struct rollout_host_spec many_specs[MANY];
static char many_names[MANY][8];
static struct rollout_observation many_seen[MANY];

struct engine {
    struct rollout rollout;
    struct rollout_host rows[MANY];
    struct rollout_link links[MANY];
    uint32_t dirty[MANY];
    uint32_t ready[MANY];
    uint32_t timers[MANY];
    struct rollout_zone zones[1];
    uint32_t groups[1];
};

static struct engine engines[2];

static void engine_init(struct engine *e, const struct rollout_spec *spec)
{
    rollout_init(&e->rollout, spec,
                 (struct rollout_arrays){e->rows, e->links, e->dirty, e->ready, e->timers, e->zones,
                                         e->groups});
}

START_TEST(test_a_thousand_hosts_at_once_come_in_portions)
{
    fleet_init(&fleet, 1);
    struct rollout_spec spec = fleet.spec;
    for (uint32_t i = 0; i < MANY; i++) {
        (void)snprintf(many_names[i], sizeof many_names[i], "h-%u", i);
        many_specs[i] = (struct rollout_host_spec){
            .name = many_names[i], .weight = 100, .driver = true, .chosen = true};
        many_seen[i] = (struct rollout_observation){i, true, false, 100 * ROLLOUT_MILLI, 1, 0, 0};
    }
    spec.hosts = many_specs;
    spec.host_count = MANY;
    spec.failure_domain = false;
    spec.first_batch_max = 0;
    spec.max_unavailable = (struct rollout_amount){true, 200000};
    struct engine *e = &engines[0];
    engine_init(e, &spec);
    struct rollout_actions *out = &fleet.actions;
    rollout_step(&e->rollout, &(struct rollout_event){.kind = ROLLOUT_START, .time_ms = 1000}, out);
    ck_assert_uint_eq(out->dirty_count, MANY); /* All rows are new. */
    struct rollout_event event = {.kind = ROLLOUT_OBSERVE,
                                  .time_ms = 1001,
                                  .balancer_reachable = true,
                                  .observations = many_seen,
                                  .observation_count = MANY};
    uint32_t ordered = 0;
    uint32_t steps = 0;
    uint64_t last_id = 0;
    do {
        rollout_step(&e->rollout, &event, out);
        rollout_check(&e->rollout, true);
        event = (struct rollout_event){.kind = ROLLOUT_CONTINUE, .time_ms = 1001};
        for (uint32_t i = 0; i < out->count; i++) {
            ck_assert_uint_eq(out->items[i].id, last_id + 1);
            last_id = out->items[i].id;
        }
        ordered += out->count;
        steps++;
    } while (out->more);
    ck_assert_uint_eq(ordered, 200);
    ck_assert_uint_ge(steps, 200 / ROLLOUT_ACTIONS_MAX);
    ck_assert_uint_eq(e->rollout.in_flight, 200);

    /* The controller dies; all 200 open actions are ordered again, in portions, too. */
    const struct rollout_row row = e->rollout.row;
    rollout_load(&e->rollout, &spec, &row, e->rollout.arrays);
    event = (struct rollout_event){.kind = ROLLOUT_RESTART, .time_ms = 5000};
    ordered = 0;
    do {
        rollout_step(&e->rollout, &event, out);
        rollout_check(&e->rollout, true);
        event = (struct rollout_event){.kind = ROLLOUT_CONTINUE, .time_ms = 5000};
        for (uint32_t i = 0; i < out->count; i++)
            ck_assert(out->items[i].again && out->items[i].id <= last_id);
        ordered += out->count;
    } while (out->more);
    ck_assert_uint_eq(ordered, 200);
}
END_TEST

/* Feeds random, often senseless events to two engines: the same events, the same rows. */
static void replay(uint64_t seed)
{
    struct random random;
    random_init(&random, seed);
    fleet_init(&fleet, 12);
    struct rollout_spec spec = fleet.spec;
    spec.failure_domain = false;
    spec.group_count = 0;
    spec.max_unavailable = (struct rollout_amount){false, 4};
    engine_init(&engines[0], &spec);
    engine_init(&engines[1], &spec);
    static struct rollout_actions outs[2];
    uint64_t now_ms = 1000;
    for (int i = 0; i < 1500 && !rollout_ended(&engines[0].rollout); i++) {
        struct rollout_observation seen[12];
        struct rollout_event event = {.kind = ROLLOUT_START};
        if (i > 0) {
            static const enum rollout_event_kind kinds[] = {
                ROLLOUT_TICK,        ROLLOUT_OBSERVE,     ROLLOUT_OBSERVE,
                ROLLOUT_ACTION_DONE, ROLLOUT_ACTION_DONE, ROLLOUT_ACTION_DONE,
                ROLLOUT_PAUSE,       ROLLOUT_RESUME,      ROLLOUT_RESTART,
            };
            event.kind = kinds[random_below(&random, COUNT_OF(kinds) - (i % 50 == 0 ? 0 : 3))];
            event.host = random_below(&random, 12);
            event.action_id = engines[0].rows[event.host].open.id;
            event.result.code = (enum rollout_result_code)(
                random_below(&random, 12) == 0 ? 1 + random_below(&random, 4) : 0);
            for (uint32_t h = 0; h < 12; h++) {
                const bool zero = engines[0].rows[h].weight_zero;
                seen[h] = (struct rollout_observation){h,    random_below(&random, 20) > 0,
                                                       zero, zero ? 0 : 100 * ROLLOUT_MILLI,
                                                       0,    (uint64_t)i * 10,
                                                       0};
            }
            event.balancer_reachable = true;
            event.observations = seen;
            event.observation_count = 12;
            (void)snprintf(event.result.facts.version, ROLLOUT_VERSION_MAX, "1.0-%u",
                           1 + random_below(&random, 2));
            (void)snprintf(event.result.facts.boot_id, ROLLOUT_BOOT_ID_MAX, "%u",
                           random_below(&random, 5));
            now_ms += random_below(&random, 3000);
        }
        event.time_ms = now_ms;
        do {
            for (int k = 0; k < 2; k++)
                rollout_step(&engines[k].rollout, &event, &outs[k]);
            rollout_check(&engines[0].rollout, true);
            ck_assert_uint_eq(outs[0].count, outs[1].count);
            ck_assert_mem_eq(outs[0].items, outs[1].items, outs[0].count * sizeof *outs[0].items);
            ck_assert_mem_eq(&engines[0].rollout.row, &engines[1].rollout.row,
                             sizeof engines[0].rollout.row);
            ck_assert_mem_eq(engines[0].rows, engines[1].rows, 12 * sizeof *engines[0].rows);
            event.kind = ROLLOUT_CONTINUE;
        } while (outs[0].more);
    }
}

START_TEST(test_the_same_events_give_the_same_rows)
{
    for (uint64_t seed = 1; seed <= 200; seed++)
        replay(seed);
}
END_TEST

START_TEST(test_narration_is_cut_to_size)
{
    fleet_init(&fleet, 1);
    const struct rollout_decision decision = {
        .code = ROLLOUT_SAY_INSTALLING, .host = 0, .numbers = {4230}, .version = "1.0-2"};
    char line[128];
    rollout_narrate(&decision, &fleet.spec, line, sizeof line);
    ck_assert_str_eq(line, "web-1: 0 requests in flight after 4.2 s, installing 1.0-2");
    rollout_narrate(&decision, &fleet.spec, line, 8);
    ck_assert_str_eq(line, "web-1: ");
    rollout_narrate(&decision, &fleet.spec, line, 1);
    ck_assert_str_eq(line, "");
}
END_TEST

START_TEST(test_every_code_has_its_sentence)
{
    fleet_init(&fleet, 2);
    for (int code = ROLLOUT_SAY_NOTHING + 1; code < ROLLOUT_CODES; code++) {
        struct rollout_decision decision = {.code = (enum rollout_code)code, .text = "why"};
        char line[512];
        rollout_narrate(&decision, &fleet.spec, line, sizeof line);
        ck_assert_uint_gt(strlen(line), strlen("web-1: "));
    }
}
END_TEST

static void tests(TCase *c)
{
    tcase_add_test(c, test_max_unavailable_rounds_down_and_is_at_least_one);
    tcase_add_test(c, test_floor_is_what_max_unavailable_leaves);
    tcase_add_test(c, test_no_hosts_are_done_at_once);
    tcase_add_test(c, test_late_doubled_and_unknown_reports_are_ignored);
    tcase_add_test(c, test_commands_that_make_no_sense_are_refused_and_change_nothing);
    tcase_add_test(c, test_an_answer_that_crossed_an_order_is_no_news);
    tcase_add_test(c, test_a_thousand_hosts_at_once_come_in_portions);
    tcase_add_test(c, test_the_same_events_give_the_same_rows);
    tcase_add_test(c, test_narration_is_cut_to_size);
    tcase_add_test(c, test_every_code_has_its_sentence);
}

UNIT_MAIN(tests)
