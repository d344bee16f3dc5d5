/*
 * Thousands of rollouts with random fleets, faults, operators and controller deaths. The fleet's
 * watcher checks each order against the promises; here, that every rollout ends with every host
 * accounted for. NINES_SEED=n runs one seed and tells its story; NINES_RUNS=n runs more.
 */
#include "base/random.h"
#include "story/fleet.h"
#include "unit.h"

enum { RUNS = 300, PATIENCE_MS = 6 * 3600 * 1000 };

static struct fleet fleet;

static bool one_in(struct random *random, uint32_t odds)
{
    return random_below(random, odds) == 0;
}

static void random_faults(struct random *random, struct fleet_faults *faults)
{
    static const uint32_t KINDS = 14;
    switch (random_below(random, KINDS)) {
    case 0: faults->install_fails = "E: dpkg was interrupted"; break;
    case 1: faults->install_wrong = true; break;
    case 2: faults->never_back = true; break;
    case 3: faults->no_reboot = true; break;
    case 4: faults->sick_after_update = true; break;
    case 5:
        faults->dead_ms = 1 + random_below(random, 120000);
        faults->well_ms = faults->dead_ms + random_below(random, 60000);
        break;
    case 6: faults->dead_ms = 1 + random_below(random, 120000); break;
    case 7: faults->dead_ms = 1; break;
    case 8: faults->holds_ms = 1 + random_below(random, 200000); break;
    case 9: faults->unreachable = 1 + random_below(random, 12); break;
    case 10: faults->install_ms = 1 + random_below(random, 70000); break;
    case 11: faults->put_back_fails = true; break;
    default: break;
    }
}

static void random_hosts(struct random *random)
{
    const uint32_t fault_odds = 1 + random_below(random, 16);
    const bool groups = one_in(random, 4);
    for (uint32_t i = 0; i < fleet.count; i++) {
        struct rollout_host_spec *spec = &fleet.host_specs[i];
        spec->zone = random_below(random, 3);
        spec->group = groups ? 1 + random_below(random, fleet.count) : 0;
        spec->weight = one_in(random, 4) ? 1 + random_below(random, 200) : 100;
        spec->chosen = !one_in(random, 10);
        spec->cordoned = one_in(random, 30);
        fleet.hosts[i].zero = spec->cordoned;
        if (one_in(random, 12))
            (void)snprintf(fleet.hosts[i].version, sizeof fleet.hosts[i].version, "1.0-2");
        if (one_in(random, fault_odds))
            random_faults(random, &fleet.hosts[i].faults);
        if (one_in(random, fault_odds * 2))
            fleet.hosts[i].faults.put_back_fails = true;
    }
}

static void random_spec(struct random *random)
{
    struct rollout_spec *spec = &fleet.spec;
    spec->zone_count = 3;
    spec->failure_domain = one_in(random, 2);
    spec->max_unavailable = one_in(random, 2)
                                ? (struct rollout_amount){true, random_below(random, ROLLOUT_PPM)}
                                : (struct rollout_amount){false, random_below(random, 6)};
    spec->floor_given = one_in(random, 2);
    spec->floor_ppm = random_below(random, 900000);
    spec->first_batch_max = random_below(random, 3);
    spec->long_lived = one_in(random, 2) ? ROLLOUT_LONG_LIVED_WAIT : ROLLOUT_LONG_LIVED_CLOSE;
    spec->on_failure = one_in(random, 4) ? ROLLOUT_ON_FAILURE_PAUSE : ROLLOUT_ON_FAILURE_REVERT;
    spec->reboot = (enum rollout_reboot)random_below(random, 3);
    spec->install = !one_in(random, 10) || spec->reboot != ROLLOUT_REBOOT_ALWAYS;
    spec->soak_ms = random_below(random, 10000);
    spec->min_ready_ms = random_below(random, 4000);
    spec->slow_start_ms = random_below(random, 5000);
    spec->progress_deadline_ms = 1 + random_below(random, 120000);
}

static void random_script(struct random *random)
{
    const uint32_t kills = one_in(random, 3) ? 1 + random_below(random, 8) : 0;
    uint32_t at_ms = 1;
    uint32_t i = 0;
    for (; i < kills; i++) {
        at_ms += random_below(random, 30000);
        fleet.script[i] = (struct fleet_script){at_ms, FLEET_KILL, random_below(random, 90000)};
    }
    for (; i < kills + random_below(random, 4); i++) {
        static const enum fleet_command commands[] = {FLEET_PAUSE, FLEET_RESUME, FLEET_RESUME,
                                                      FLEET_ABORT};
        at_ms += random_below(random, 60000);
        fleet.script[i] = (struct fleet_script){at_ms, commands[random_below(random, 4)], 0};
    }
    if (one_in(random, 6)) {
        fleet.silent_from_ms = 1 + random_below(random, 100000);
        fleet.silent_until_ms =
            one_in(random, 3) ? 0 : fleet.silent_from_ms + random_below(random, 400000);
    }
}

static void random_run(uint64_t seed)
{
    struct random random;
    random_init(&random, seed);
    fleet_init(&fleet, 1 + random_below(&random, one_in(&random, 4) ? 60 : 10));
    random_spec(&random);
    random_hosts(&random);
    random_script(&random);
    if (one_in(&random, 3))
        fleet.new_error_ratio = random_unit(&random);
    fleet.old_error_ratio = one_in(&random, 4) ? random_unit(&random) / 10 : 0;
    fleet.requests_per_second = one_in(&random, 4) ? 0 : 200 * random_unit(&random);
    fleet.new_reboots = !one_in(&random, 3);
    fleet.boot_ms = random_below(&random, 20000);
}

/* A paused rollout waits for its operator: resume a few times, then abort. */
static void finish(void)
{
    for (uint32_t i = 0; i < 8 && !fleet_over(&fleet); i++) {
        const enum fleet_command command = i < 4 ? FLEET_RESUME : FLEET_ABORT;
        fleet_run(&fleet, fleet.now_ms - FLEET_START_MS + PATIENCE_MS / 8);
        if (!fleet_over(&fleet))
            fleet_command(&fleet, &(struct fleet_script){0, command, 0});
    }
    fleet_run(&fleet, fleet.now_ms - FLEET_START_MS + PATIENCE_MS);
}

static const char *seed_text;

static void tell_seed(const struct check_failure *failure)
{
    fprintf(stderr, "%s:%d: %s; %s\n", failure->file, failure->line, failure->text, seed_text);
    if (!fleet.quiet)
        fputs(fleet.text, stderr);
}

START_TEST(test_every_rollout_ends_with_every_host_accounted_for)
{
    const char *one = getenv("NINES_SEED");
    const char *more = getenv("NINES_RUNS");
    const uint64_t first = one != NULL ? strtoull(one, NULL, 10) : 1;
    const uint64_t runs = one != NULL ? 1 : more != NULL ? strtoull(more, NULL, 10) : RUNS;
    uint32_t endings[ROLLOUT_PHASES] = {0};
    char text[64];
    seed_text = text;
    check_set_hook(tell_seed);
    for (uint64_t seed = first; seed < first + runs; seed++) {
        (void)snprintf(text, sizeof text, "NINES_SEED=%llu", (unsigned long long)seed);
        random_run(seed);
        fleet.quiet = one == NULL;
        finish();
        if (one != NULL)
            puts(fleet.text);
        ck_assert_msg(fleet_over(&fleet), "%s does not end", text);
        endings[fleet.rollout.row.phase]++;
    }
    /* The faults are such that all endings are met. */
    if (one == NULL) {
        ck_assert_uint_gt(endings[ROLLOUT_DONE], runs / 20);
        ck_assert_uint_gt(endings[ROLLOUT_FAILED], runs / 20);
        ck_assert_uint_gt(endings[ROLLOUT_ABORTED], runs / 100);
    }
    check_set_hook(NULL);
}
END_TEST

static void tests(TCase *c)
{
    tcase_add_test(c, test_every_rollout_ends_with_every_host_accounted_for);
}

UNIT_MAIN(tests)
