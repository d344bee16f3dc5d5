#include "base/check.h"
#include "proxy/targets_state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static enum pick_policy policy_of(enum config_balance balance)
{
    switch (balance) {
    case CONFIG_BALANCE_ROUND_ROBIN: return PICK_ROUND_ROBIN;
    case CONFIG_BALANCE_LEAST_REQUESTS: return PICK_LEAST_REQUESTS;
    case CONFIG_BALANCE_POWER_OF_TWO: return PICK_POWER_OF_TWO;
    case CONFIG_BALANCE_RANDOM: return PICK_RANDOM;
    case CONFIG_BALANCE_KEY: break; /* targets_open() refused it. */
    }
    UNREACHABLE();
}

void targets_worker_free(struct targets_worker *worker)
{
    if (worker == NULL)
        return;
    for (size_t t = 0; worker->picks != NULL && t < worker->targets->config->tier_count; t++)
        pick_done(&worker->picks[t]);
    free(worker->picks);
    free(worker->budgets);
    free(worker->target_counters);
    free(worker->tier_counters);
    free(worker);
}

static void *allocate_lines(size_t count, size_t size)
{
    void *memory = aligned_alloc(COUNTER_LINE_BYTES, count * size);
    if (memory != NULL)
        memset(memory, 0, count * size);
    return memory;
}

static bool allocate_tables(struct targets_worker *worker)
{
    const struct targets *targets = worker->targets;
    const size_t tiers = targets->config->tier_count;
    worker->picks = calloc(tiers, sizeof *worker->picks);
    worker->budgets = calloc(tiers, sizeof *worker->budgets);
    worker->target_counters = allocate_lines(targets->count, sizeof *worker->target_counters);
    worker->tier_counters = allocate_lines(tiers, sizeof *worker->tier_counters);
    if (worker->picks == NULL || worker->budgets == NULL || worker->target_counters == NULL ||
        worker->tier_counters == NULL)
        return false;
    for (size_t t = 0; t < tiers; t++) {
        const struct tier *tier = &targets->tiers[t];
        if (!pick_init(&worker->picks[t], policy_of(tier->config->balance), tier->count,
                       targets->config->hash + worker->index))
            return false;
        budget_init(&worker->budgets[t], tier->config->retry.budget_ppm, targets->worker_count);
    }
    return true;
}

/*
 * The order of the two stores and loads here and in targets.c's publish() is what keeps a wake-up
 * from getting lost: either the publisher sees `woken` cleared and posts again, or this load sees
 * its snapshot. Both are sequentially consistent.
 */
static void on_wake(struct loop_post *post)
{
    struct targets_worker *worker = CONTAINER_OF(post, struct targets_worker, wake);
    atomic_store(&worker->woken, false);
    targets_worker_take_over(worker);
}

static void on_report(struct loop_post *post)
{
    struct targets_worker *worker = CONTAINER_OF(post, struct targets_worker, report);
    atomic_store(&worker->reported, false);
    targets_on_reports(worker->targets, worker);
}

struct targets_worker *targets_worker_attach(struct targets *targets, uint32_t index,
                                             struct loop *loop, void (*on_change)(void *),
                                             void *context, struct error *error)
{
    ASSERT(index < targets->worker_count && targets->workers[index] == NULL);
    struct targets_worker *worker = allocate_lines(1, sizeof *worker);
    if (worker == NULL) {
        error_set_errno(error, ENOMEM, "cannot make the counters of worker %u", index);
        return NULL;
    }
    worker->targets = targets;
    worker->index = index;
    worker->loop = loop;
    worker->wake.on_post = on_wake;
    worker->report.on_post = on_report;
    if (!allocate_tables(worker)) {
        error_set_errno(error, ENOMEM, "cannot make the counters of worker %u", index);
        targets_worker_free(worker);
        return NULL;
    }
    targets_worker_take_over(worker);
    worker->on_change = on_change;
    worker->context = context;
    worker->attached = true;
    targets->workers[index] = worker;
    return worker;
}

void targets_worker_detach(struct targets_worker *worker)
{
    if (worker == NULL)
        return;
    ASSERT(worker->attached);
    worker->attached = false; /* Its counters stay: they are part of all sums. */
}

void targets_worker_take_over(struct targets_worker *worker)
{
    const struct targets *targets = worker->targets;
    const struct targets_snapshot *former = worker->snapshot;
    const struct targets_snapshot *snapshot = atomic_load(&targets->current);
    if (snapshot == former)
        return;
    ASSERT(former == NULL || snapshot->generation > former->generation);
    for (size_t t = 0; t < targets->config->tier_count; t++) {
        const struct tier *tier = &targets->tiers[t];
        for (uint32_t i = 0; i < tier->count; i++) {
            const uint32_t target = tier->first + i;
            const uint32_t weight = snapshot->weights[target];
            if (former != NULL && former->weights[target] == weight)
                continue;
            pick_set_weight(&worker->picks[t], i, weight);
            /* What failed before the host was taken out says nothing about it now. */
            if (former != NULL && former->weights[target] == 0)
                atomic_store_explicit(&worker->target_counters[target].streak, 0,
                                      memory_order_relaxed);
        }
    }
    worker->snapshot = snapshot;
    if (worker->on_change != NULL)
        worker->on_change(worker->context);
    /* Release: whoever sees this generation sees every try begun under older ones. */
    atomic_store_explicit(&worker->acknowledged, snapshot->generation, memory_order_release);
}

uint32_t targets_take(struct targets_worker *worker, size_t tier, struct pick_tried *tried,
                      uint64_t now_ms)
{
    ASSERT(tier < worker->targets->config->tier_count);
    const uint32_t host = pick_take(&worker->picks[tier], tried);
    if (host == PICK_NONE)
        return TARGET_NONE;
    if (tried == NULL || tried->count == 0)
        budget_request(&worker->budgets[tier], now_ms);
    if (tried != NULL)
        pick_tried_add(tried, host);
    const uint32_t target = worker->targets->tiers[tier].first + host;
    counter_add(&worker->target_counters[target].in_flight, 1);
    return target;
}

/* Tells the main thread that this target fails; when the ring is full, the next failure does. */
static void report(struct targets_worker *worker, uint32_t target)
{
    const uint32_t put = atomic_load_explicit(&worker->reports_put, memory_order_relaxed);
    const uint32_t taken = atomic_load_explicit(&worker->reports_taken, memory_order_acquire);
    if (put - taken == TARGETS_REPORTS_MAX)
        return;
    worker->reports[put % TARGETS_REPORTS_MAX] = target;
    /* Sequentially consistent, as in on_wake(): no report stays in the ring unseen. */
    atomic_store(&worker->reports_put, put + 1);
    if (!atomic_exchange(&worker->reported, true))
        loop_post(worker->targets->loop, &worker->report);
}

static void count_streak(struct targets_worker *worker, uint32_t target,
                         struct target_counters *counters)
{
    const struct tier *tier = &worker->targets->tiers[worker->targets->list[target].tier];
    counter_add(&counters->streak, 1);
    if (tier->config->health.kind != CONFIG_HEALTH_OFF &&
        counter_read(&counters->streak) >= tier->rule.fall)
        report(worker, target);
}

static void count_end(struct targets_worker *worker, uint32_t target,
                      struct target_counters *counters, const struct target_result *result)
{
    bool failed = true;
    switch (result->end) {
    case TARGET_END_ANSWERED:
        failed = result->status >= 500;
        if (counter_read(&counters->streak) != 0)
            atomic_store_explicit(&counters->streak, 0, memory_order_relaxed);
        break;
    case TARGET_END_CONNECT_FAILED:
        counter_add(&counters->connect_failed, 1);
        count_streak(worker, target, counters);
        break;
    case TARGET_END_RESET:
        counter_add(&counters->reset, 1);
        count_streak(worker, target, counters);
        break;
    case TARGET_END_TIMEOUT: counter_add(&counters->timeout, 1); break;
    case TARGET_END_BAD_ANSWER:
    case TARGET_END_TRUNCATED: counter_add(&counters->bad, 1); break;
    case TARGET_END_CLIENT_GONE: failed = false; break;
    case TARGET_END_UNUSED:
    case TARGET_END_COUNT: UNREACHABLE();
    }
    if (failed)
        counter_add(&counters->failures, 1);
}

void targets_end(struct targets_worker *worker, uint32_t target, const struct target_result *result)
{
    const struct targets *targets = worker->targets;
    ASSERT(target < targets->count && result->end < TARGET_END_COUNT);
    struct target_counters *counters = &worker->target_counters[target];
    ASSERT(counter_read(&counters->in_flight) > 0);
    if (result->end != TARGET_END_UNUSED) {
        counter_add(&counters->requests, 1);
        if (result->status >= 100 && result->status < 600)
            counter_add(&counters->classes[result->status / 100 - 1], 1);
        counter_add(&counters->bytes_in, result->bytes_in);
        counter_add(&counters->bytes_out, result->bytes_out);
        if (result->retried)
            counter_add(&counters->retried, 1);
        count_end(worker, target, counters, result);
    }
    const uint32_t tier = targets->list[target].tier;
    pick_release(&worker->picks[tier], target - targets->tiers[tier].first);
    counter_subtract(&counters->in_flight, 1);
}

bool targets_may_retry(struct targets_worker *worker, size_t tier, uint64_t now_ms)
{
    ASSERT(tier < worker->targets->config->tier_count);
    const bool allowed = budget_retry(&worker->budgets[tier], now_ms);
    struct tier_counters *counters = &worker->tier_counters[tier];
    counter_add(allowed ? &counters->retries : &counters->retries_refused, 1);
    return allowed;
}

bool targets_available(const struct targets_worker *worker, size_t tier)
{
    ASSERT(tier < worker->targets->config->tier_count);
    return worker->picks[tier].pickable > 0;
}

uint32_t targets_flags(const struct targets_worker *worker, uint32_t target)
{
    ASSERT(target < worker->targets->count);
    return worker->snapshot->flags[target];
}

void targets_request_end(struct targets_worker *worker, size_t tier,
                         const struct tier_result *result)
{
    ASSERT(tier < worker->targets->config->tier_count);
    struct tier_counters *counters = &worker->tier_counters[tier];
    counter_add(&counters->requests, 1);
    if (result->failed)
        counter_add(&counters->failed, 1);
    if (!result->tunnel)
        histogram_record(&counters->latency, result->latency_us);
}

bool targets_hold_begin(struct targets_worker *worker, size_t tier)
{
    struct tier *shared = &worker->targets->tiers[tier];
    const uint32_t before = atomic_fetch_add_explicit(&shared->holding, 1, memory_order_relaxed);
    if (before >= shared->config->hold.requests) {
        atomic_fetch_sub_explicit(&shared->holding, 1, memory_order_relaxed);
        counter_add(&worker->tier_counters[tier].hold_expired, 1);
        return false;
    }
    counter_add(&worker->tier_counters[tier].held, 1);
    return true;
}

void targets_hold_end(struct targets_worker *worker, size_t tier, bool expired)
{
    struct tier *shared = &worker->targets->tiers[tier];
    const uint32_t before = atomic_fetch_sub_explicit(&shared->holding, 1, memory_order_relaxed);
    ASSERT(before > 0);
    if (expired)
        counter_add(&worker->tier_counters[tier].hold_expired, 1);
}

struct worker_counters *targets_worker_counters(struct targets_worker *worker)
{
    return &worker->counters;
}
