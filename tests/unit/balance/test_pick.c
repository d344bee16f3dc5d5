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
    /* It missed thousands, and gets two more than its ten. */
    ck_assert_uint_le(got, 12);
    ck_assert_uint_ge(got, 9);
    pick_done(&pick);
}
END_TEST

START_TEST(test_least_requests_takes_an_idle_tier_in_turns)
{
    const uint32_t weights[] = {1, 2, 3, 94, 1000, 7, 500, 33};
    struct pick pick;
    struct pick turns;
    open_with(&pick, PICK_LEAST_REQUESTS, weights, 8, 7);
    open_with(&turns, PICK_ROUND_ROBIN, weights, 8, 7);
    for (uint32_t i = 0; i < 20000; i++)
        ck_assert_uint_eq(take_and_release(&pick), take_and_release(&turns));
    pick_done(&turns);
    pick_done(&pick);
}
END_TEST

START_TEST(test_least_requests_of_equal_hosts_never_queues)
{
    enum { HOSTS = 6, STEPS = 100000 };
    const uint32_t weights[HOSTS] = {100, 100, 100, 100, 100, 100};
    struct pick pick;
    struct random random;
    random_init(&random, 17);
    open_with(&pick, PICK_LEAST_REQUESTS, weights, HOSTS, 9);
    uint32_t idle = HOSTS;
    uint32_t queued = 0;
    for (uint32_t i = 0; i < STEPS; i++) {
        /* Host 0 is slow, and long phases with many requests follow ones with few. */
        const uint32_t host = random_below(&random, HOSTS);
        const bool release = random_below(&random, 100) < (i / 1000 % 2 == 0 ? 45 : 65);
        if (release && pick_in_flight(&pick, host) > 0 &&
            (host > 0 || random_below(&random, 50) == 0)) {
            pick_release(&pick, host);
            idle += pick_in_flight(&pick, host) == 0;
        } else if (!release) {
            const uint32_t taken = pick_take(&pick, NULL);
            ck_assert(idle == 0 || pick_in_flight(&pick, taken) == 1);
            if (pick_in_flight(&pick, taken) == 1)
                idle--;
            else
                queued++;
        }
    }
    ck_assert_uint_gt(queued, 1000);
    ck_assert_uint_lt(queued, STEPS / 2);
    pick_done(&pick);
}
END_TEST

/* A tier of equal hosts under load, and after them one that answers at once. */
struct busy_tier {
    struct pick pick;
    struct random random;
    uint32_t count; /* The equal ones. */
    uint32_t level; /* In flight on all of them. */
    uint32_t floor; /* In flight on each of them, at least. */
};

static void busy_tier_open(struct busy_tier *tier, uint32_t count, uint32_t level, uint32_t floor)
{
    *tier = (struct busy_tier){.count = count, .level = level, .floor = floor};
    random_init(&tier->random, 23);
    ck_assert(pick_init(&tier->pick, PICK_LEAST_REQUESTS, count + 1, 5));
    for (uint32_t i = 0; i < count; i++)
        pick_set_weight(&tier->pick, i, 100 * PICK_WEIGHT_ONE);
    for (uint32_t i = 0; i < level; i++)
        ck_assert_uint_lt(pick_take(&tier->pick, NULL), count);
}

/* How many of `picks` the last host got. */
static uint32_t busy_tier_run(struct busy_tier *tier, uint32_t picks)
{
    uint32_t got = 0;
    for (uint32_t i = 0; i < picks; i++) {
        const uint32_t taken = pick_take(&tier->pick, NULL);
        if (taken == tier->count) {
            pick_release(&tier->pick, taken);
            got++;
            continue;
        }
        uint32_t done;
        do
            done = random_below(&tier->random, tier->count);
        while (pick_in_flight(&tier->pick, done) <= tier->floor);
        pick_release(&tier->pick, done);
        ck_assert_uint_le(pick_in_flight(&tier->pick, taken), 3);
    }
    return got;
}

static void check_busy_share(struct busy_tier *tier, uint32_t percent, uint32_t picks)
{
    pick_set_weight(&tier->pick, tier->count, percent * PICK_WEIGHT_ONE);
    const uint32_t got = busy_tier_run(tier, picks);
    const double share = (double)picks * percent / (percent + 100.0 * tier->count);
    ck_assert_msg(got <= 1.5 * share + 1, "%u of %u at %u %%", got, picks, percent);
    ck_assert_msg(got >= 0.7 * share - 1, "%u of %u at %u %%", got, picks, percent);
}

START_TEST(test_least_requests_keeps_weights_among_busy_hosts)
{
    /* All the others have one to three in flight: the last host is the only idle one. */
    for (uint32_t level = 4; level <= 8; level++) {
        struct busy_tier tier;
        busy_tier_open(&tier, 3, level, 1);
        check_busy_share(&tier, 10, 1000);
        check_busy_share(&tier, 10, 10000);
        pick_done(&tier.pick);
    }
    /* The others are idle now and then, or mostly. */
    for (uint32_t level = 0; level <= 4; level++) {
        struct busy_tier tier;
        busy_tier_open(&tier, 3, level, 0);
        check_busy_share(&tier, 10, 1000);
        pick_done(&tier.pick);
    }
}
END_TEST

START_TEST(test_least_requests_keeps_a_rising_weight)
{
    /* To just below a half: from there on it is less loaded than a host with one in flight. */
    const uint32_t counts[] = {3, 8};
    for (uint32_t c = 0; c < 2; c++) {
        for (uint32_t floor = 0; floor < 2; floor++) {
            struct busy_tier tier;
            busy_tier_open(&tier, counts[c], counts[c] + floor, floor);
            for (uint32_t percent = 10; percent < 50; percent += 3)
                check_busy_share(&tier, percent, 1000);
            pick_done(&tier.pick);
        }
    }
}
END_TEST

START_TEST(test_least_requests_does_not_wait_for_turns_to_level_the_load)
{
    /* One more there is a load of 10; a tenth one here is a load of 10, an eleventh one of 11. */
    const uint32_t weights[] = {100, 100, 10};
    struct pick pick;
    open_with(&pick, PICK_LEAST_REQUESTS, weights, 3, 9);
    for (uint32_t i = 0; i < 42; i++)
        ck_assert_uint_ne(pick_take(&pick, NULL), PICK_NONE);
    ck_assert_uint_eq(pick_in_flight(&pick, 0), 20);
    ck_assert_uint_eq(pick_in_flight(&pick, 1), 20);
    ck_assert_uint_eq(pick_in_flight(&pick, 2), 2);
    for (uint32_t i = 0; i < 5; i++) {
        for (uint32_t n = pick_in_flight(&pick, 2); n > 0; n--)
            pick_release(&pick, 2);
        ck_assert_uint_eq(pick_take(&pick, NULL), 2);
    }
    pick_done(&pick);
}
END_TEST

START_TEST(test_least_requests_survives_the_end_of_virtual_time)
{
    /* As with round_robin; all but one host are busy meanwhile. */
    enum { HOSTS = 8 };
    struct pick pick;
    ck_assert(pick_init(&pick, PICK_LEAST_REQUESTS, HOSTS, 1));
    for (uint32_t i = 0; i < HOSTS; i++)
        pick_set_weight(&pick, i, 1);
    for (uint32_t i = 0; i < 3 * HOSTS; i++)
        take_and_release(&pick);
    for (uint32_t i = 0; i < HOSTS; i++)
        ck_assert_uint_ne(pick_take(&pick, NULL), PICK_NONE);
    pick_release(&pick, 3);
    uint32_t others = 0;
    for (uint32_t i = 0; i < 4250000; i++)
        others += take_and_release(&pick) != 3;
    ck_assert_uint_eq(others, 0);
    for (uint32_t i = 0; i < HOSTS; i++) {
        if (i != 3)
            pick_release(&pick, i);
    }
    uint32_t got[HOSTS] = {0};
    for (uint32_t i = 0; i < 100 * HOSTS; i++)
        got[take_and_release(&pick)]++;
    for (uint32_t i = 0; i < HOSTS; i++) {
        ck_assert_uint_ge(got[i], 96);
        ck_assert_uint_le(got[i], 104);
    }
    pick_done(&pick);
}
END_TEST

/* The rule of least_requests, looked up host by host. */
enum { MODEL_HOSTS = 12 };
#define MODEL_STRIDE_ONE (1ULL << 40)

struct model_host {
    uint64_t turn;
    uint64_t stride;
    uint32_t weight;
    uint32_t in_flight;
};

struct model {
    struct model_host hosts[MODEL_HOSTS];
    uint64_t now;
};

static void model_set_weight(struct model *model, uint32_t index, uint32_t weight)
{
    struct model_host *host = &model->hosts[index];
    if (weight == host->weight)
        return;
    if (weight > 0) {
        uint64_t left = MODEL_STRIDE_ONE / weight;
        if (host->weight > 0 && host->turn <= model->now)
            left = 0;
        else if (host->weight > 0)
            left = (host->turn - model->now) * host->weight / weight;
        host->turn = model->now + left;
        host->stride = MODEL_STRIDE_ONE / weight;
    }
    host->weight = weight;
}

static uint64_t model_load(const struct model_host *host)
{
    return (host->in_flight + 1) * host->stride;
}

/* Whether the rule allows this pick: equal keys leave a choice. */
static bool model_allows(const struct model *model, const struct pick_tried *tried, uint32_t taken)
{
    uint64_t idle_turn = UINT64_MAX;
    uint64_t idle_load = UINT64_MAX;
    uint64_t busy_load = UINT64_MAX;
    uint64_t busy_turn = UINT64_MAX;
    bool any = false;
    for (uint32_t i = 0; i < MODEL_HOSTS; i++)
        any = any || (model->hosts[i].weight > 0 && !pick_was_tried(tried, i));
    for (uint32_t i = 0; i < MODEL_HOSTS; i++) {
        const struct model_host *host = &model->hosts[i];
        if (host->weight == 0 || (any && pick_was_tried(tried, i)))
            continue;
        const uint64_t load = model_load(host);
        if (host->in_flight == 0) {
            idle_turn = host->turn < idle_turn ? host->turn : idle_turn;
            idle_load = load < idle_load ? load : idle_load;
        } else if (load < busy_load || (load == busy_load && host->turn < busy_turn)) {
            busy_load = load;
            busy_turn = host->turn;
        }
    }
    const struct model_host *host = &model->hosts[taken];
    if (host->weight == 0 || (any && pick_was_tried(tried, taken)))
        return false;
    const bool idle_first =
        idle_load < UINT64_MAX && (idle_turn <= model->now || idle_load <= busy_load);
    if (idle_first)
        return host->in_flight == 0 && host->turn == idle_turn;
    return host->in_flight > 0 && model_load(host) == busy_load && host->turn == busy_turn;
}

static void model_take(struct model *model, uint32_t taken)
{
    struct model_host *host = &model->hosts[taken];
    uint64_t weight_sum = 0;
    for (uint32_t i = 0; i < MODEL_HOSTS; i++)
        weight_sum += model->hosts[i].weight;
    if (host->turn > model->now) {
        uint64_t time = model->now + MODEL_STRIDE_ONE / weight_sum;
        if (time + 3 * host->stride < host->turn)
            time = host->turn - 3 * host->stride;
        model->now = time < host->turn ? time : host->turn;
    }
    if (host->turn < model->now)
        host->turn = model->now;
    host->turn += host->stride;
    host->in_flight++;
}

static void model_random_weight(struct model *model, struct pick *pick, struct random *random)
{
    const uint32_t host = random_below(random, MODEL_HOSTS);
    const uint32_t kinds[] = {0, 1, 10, 100, 100, 100, 1000, 1 + random_below(random, 1000)};
    const uint32_t weight = kinds[random_below(random, 8)] * PICK_WEIGHT_ONE;
    pick_set_weight(pick, host, weight);
    model_set_weight(model, host, weight);
}

START_TEST(test_least_requests_is_its_rule)
{
    struct random random;
    random_init(&random, 1000 + (uint64_t)_i);
    struct model model = {0};
    struct pick pick;
    ck_assert(pick_init(&pick, PICK_LEAST_REQUESTS, MODEL_HOSTS, (uint64_t)_i));
    uint32_t taken_count = 0;
    for (uint32_t step = 0; step < 20000; step++) {
        if (random_below(&random, 200) == 0 || step < MODEL_HOSTS)
            model_random_weight(&model, &pick, &random);
        const uint32_t host = random_below(&random, MODEL_HOSTS);
        /* Phases of releases and of picks; high hosts answer sooner. */
        if (random_below(&random, 100) < (step / 500 % 2 == 0 ? 40 : 75)) {
            if (model.hosts[host].in_flight == 0 || random_below(&random, MODEL_HOSTS) > host)
                continue;
            pick_release(&pick, host);
            model.hosts[host].in_flight--;
            continue;
        }
        struct pick_tried tried = {0};
        for (uint32_t n = random_below(&random, 8); n > 5; n--)
            pick_tried_add(&tried, random_below(&random, MODEL_HOSTS));
        const uint32_t taken = pick_take(&pick, &tried);
        if (taken == PICK_NONE)
            continue;
        ck_assert_msg(model_allows(&model, &tried, taken), "host %u at step %u", taken, step);
        model_take(&model, taken);
        taken_count++;
    }
    ck_assert_uint_gt(taken_count, 5000);
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
    tcase_add_test(c, test_least_requests_takes_an_idle_tier_in_turns);
    tcase_add_test(c, test_least_requests_of_equal_hosts_never_queues);
    tcase_add_test(c, test_least_requests_keeps_weights_among_busy_hosts);
    tcase_add_test(c, test_least_requests_keeps_a_rising_weight);
    tcase_add_test(c, test_least_requests_does_not_wait_for_turns_to_level_the_load);
    tcase_add_test(c, test_least_requests_survives_the_end_of_virtual_time);
    tcase_add_loop_test(c, test_least_requests_is_its_rule, 0, 10);
    tcase_add_test(c, test_draws_follow_the_weights);
    tcase_add_test(c, test_power_of_two_levels_the_load);
    tcase_add_loop_test(c, test_a_tried_host_is_the_last_resort, 0, 4);
    tcase_add_loop_test(c, test_weight_zero_is_never_picked, 0, 4);
    tcase_add_loop_test(c, test_a_pick_among_many_hosts_is_cheap, 0, 4);
    tcase_add_test(c, test_tried_forgets_the_oldest);
}

UNIT_MAIN(tests)
