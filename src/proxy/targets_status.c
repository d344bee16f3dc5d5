#include "base/check.h"
#include "proxy/targets_state.h"

#include <string.h>

const char *target_state_name(enum target_state state)
{
    switch (state) {
    case TARGET_STATE_UP: return "up";
    case TARGET_STATE_DOWN: return "down";
    case TARGET_STATE_DRAINING: return "draining";
    case TARGET_STATE_DRAINED: return "drained";
    }
    UNREACHABLE();
}

/* Adds up what all workers counted for a target. */
static void sum_target(const struct targets *targets, uint32_t index, struct target_status *status)
{
    for (uint32_t w = 0; w < targets->worker_count; w++) {
        if (targets->workers[w] == NULL)
            continue;
        const struct target_counters *counters = &targets->workers[w]->target_counters[index];
        status->in_flight += counter_read(&counters->in_flight);
        status->requests += counter_read(&counters->requests);
        status->failures += counter_read(&counters->failures);
        for (size_t i = 0; i < COUNT_OF(status->classes); i++)
            status->classes[i] += counter_read(&counters->classes[i]);
        status->bytes_in += counter_read(&counters->bytes_in);
        status->bytes_out += counter_read(&counters->bytes_out);
        status->retried += counter_read(&counters->retried);
        status->connect_failed += counter_read(&counters->connect_failed);
        status->reset += counter_read(&counters->reset);
        status->timeout += counter_read(&counters->timeout);
        status->bad += counter_read(&counters->bad);
    }
}

/*
 * The order matters: first the acknowledgements (acquire), then the counts. A worker that has
 * acknowledged weight 0 begins no try any more, so its count only falls; each count that is read
 * as 0 stays 0, and they need not be read at one instant.
 */
bool targets_is_drained(const struct targets *targets, const struct target *target)
{
    if ((target->flags & TARGET_DRAINING) == 0 || target->weight != 0)
        return false;
    if (targets_acknowledged(targets) < target->generation)
        return false;
    const size_t index = (size_t)(target - targets->list);
    for (uint32_t w = 0; w < targets->worker_count; w++) {
        if (targets->workers[w] != NULL &&
            counter_read(&targets->workers[w]->target_counters[index].in_flight) != 0)
            return false;
    }
    return true;
}

void targets_status(const struct targets *targets, uint32_t index, struct target_status *status)
{
    ASSERT(index < targets->count);
    const struct target *target = &targets->list[index];
    memset(status, 0, sizeof *status);
    status->drained = targets_is_drained(targets, target);
    sum_target(targets, index, status);
    if (status->drained)
        status->state = TARGET_STATE_DRAINED;
    else if (target->flags & TARGET_DRAINING)
        status->state = TARGET_STATE_DRAINING;
    else
        status->state = target->health.up ? TARGET_STATE_UP : TARGET_STATE_DOWN;
    status->healthy = target->health.up;
    status->overridden = target->override != TARGET_WEIGHT_RESTORED;
    status->slow_start = list_linked(&target->slow_node);
    status->override = status->overridden ? target->override : 0;
    status->effective_weight = target->weight;
    status->generation = target->generation;
    memcpy(status->check, target->check, sizeof status->check);
    ASSERT(!status->drained || status->in_flight == 0);
}

static void sum_tier(const struct targets *targets, size_t index, struct tier_mark *mark)
{
    mark->at_ms = loop_now_ms(targets->loop);
    mark->requests = 0;
    histogram_init(&mark->latency);
    for (uint32_t w = 0; w < targets->worker_count; w++) {
        if (targets->workers[w] == NULL)
            continue;
        const struct tier_counters *counters = &targets->workers[w]->tier_counters[index];
        mark->requests += counter_read(&counters->requests);
        histogram_merge(&mark->latency, &counters->latency);
    }
}

void targets_mark(struct targets *targets)
{
    for (size_t t = 0; t < targets->config->tier_count; t++) {
        struct tier *tier = &targets->tiers[t];
        sum_tier(targets, t, &tier->marks[tier->mark_next]);
        tier->mark_next = (tier->mark_next + 1) % TARGETS_MARKS;
        if (tier->mark_count < TARGETS_MARKS)
            tier->mark_count++;
    }
}

void targets_tier_status(const struct targets *targets, size_t index, struct tier_status *status)
{
    ASSERT(index < targets->config->tier_count);
    const struct tier *tier = &targets->tiers[index];
    memset(status, 0, sizeof *status);
    if (tier->configured_sum > 0)
        status->serving_capacity = (double)tier->effective_sum / (double)tier->configured_sum;
    for (uint32_t w = 0; w < targets->worker_count; w++) {
        if (targets->workers[w] == NULL)
            continue;
        const struct tier_counters *counters = &targets->workers[w]->tier_counters[index];
        status->failed += counter_read(&counters->failed);
        status->held += counter_read(&counters->held);
        status->hold_expired += counter_read(&counters->hold_expired);
        status->retries += counter_read(&counters->retries);
        status->retries_refused += counter_read(&counters->retries_refused);
    }
    status->holding = atomic_load_explicit(&tier->holding, memory_order_relaxed);
    struct tier_mark now;
    sum_tier(targets, index, &now);
    status->requests = now.requests;
    status->latency_sum_us = now.latency.sum;
    status->latency_count = now.latency.count;
    /* The oldest mark: where the next one goes once the ring is full. */
    const uint32_t oldest = tier->mark_count < TARGETS_MARKS ? 0 : tier->mark_next;
    const struct tier_mark *then = &tier->marks[oldest];
    if (now.at_ms > then->at_ms)
        status->requests_per_second =
            (double)(now.requests - then->requests) * 1000.0 / (double)(now.at_ms - then->at_ms);
    histogram_subtract(&now.latency, &then->latency);
    status->latency_p50_us = histogram_quantile(&now.latency, 0.50);
    status->latency_p99_us = histogram_quantile(&now.latency, 0.99);
}

void targets_worker_totals(const struct targets *targets, struct worker_totals *totals)
{
    memset(totals, 0, sizeof *totals);
    for (uint32_t w = 0; w < targets->worker_count; w++) {
        if (targets->workers[w] == NULL)
            continue;
        const struct worker_counters *counters = &targets->workers[w]->counters;
        totals->connections += counter_read(&counters->connections);
        totals->connections_open += counter_read(&counters->connections_open);
        totals->connections_shed += counter_read(&counters->connections_shed);
        totals->requests_refused += counter_read(&counters->requests_refused);
        totals->client_aborts += counter_read(&counters->client_aborts);
        totals->tunnels_open += counter_read(&counters->tunnels_open);
        totals->upstream_connects += counter_read(&counters->upstream_connects);
        totals->upstream_idle += counter_read(&counters->upstream_idle);
    }
}
