/*
 * What of a runner others may see: its rows, its narration, and which rollouts a store has.
 */
#include "base/check.h"
#include "control/runner_state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct rows_head *runner_head(const struct runner *runner)
{
    return &runner->head;
}

const struct rows_traffic *runner_traffic(const struct runner *runner)
{
    return &runner->traffic;
}

const struct rollout *runner_rollout(const struct runner *runner)
{
    return &runner->rollout;
}

uint32_t runner_host(const struct runner *runner, const char *name)
{
    const struct config_host *host = config_host_find(runner->tier, name);
    const size_t index = host != NULL ? (size_t)(host - runner->tier->hosts) : SIZE_MAX;
    return index < runner->spec.host_count ? (uint32_t)index : ROLLOUT_NO_HOST;
}

bool runner_ended(const struct runner *runner)
{
    return !runner->blocked && (runner->frozen[0] != '\0' || rollout_ended(&runner->rollout));
}

const char *runner_frozen(const struct runner *runner)
{
    return runner->frozen[0] != '\0' ? runner->frozen : NULL;
}

const char *runner_sentence(const struct runner *runner)
{
    return runner->sentence;
}

struct log_scan {
    uint64_t since;
    runner_said *said;
    void *context;
};

/* The number at the end of a key. */
static uint64_t number_of(struct slice key)
{
    uint64_t number = 0;
    size_t start = key.size;
    while (start > 0 && key.data[start - 1] != '/')
        start--;
    const struct slice digits = {.data = key.data + start, .size = key.size - start};
    return slice_to_u64(digits, &number) ? number : 0;
}

static bool on_said(void *context, const struct store_row *row)
{
    const struct log_scan *scan = context;
    if (row->damage != NULL || number_of(row->key) < scan->since)
        return true;
    return scan->said(scan->context, row->value);
}

bool runner_log(struct store *store, uint64_t id, uint64_t since, runner_said *said, void *context,
                struct error *error)
{
    struct log_scan scan = {.since = since, .said = said, .context = context};
    char prefix[RUNNER_KEY_MAX];
    runner_key(id, prefix, sizeof prefix, "say/");
    return store_scan(store, prefix, on_said, &scan, error);
}

struct id_scan {
    uint64_t *ids;
    bool open[RUNNER_IDS_MAX];
    size_t max;
    size_t count;
    uint64_t last;
    bool overflow;
};

/* Room for one more: the oldest that has ended goes. */
static bool make_room(struct id_scan *scan)
{
    size_t oldest = 0;
    if (scan->count < scan->max)
        return true;
    while (oldest < scan->count && scan->open[oldest])
        oldest++;
    if (oldest == scan->count)
        return false;
    scan->count--;
    memmove(&scan->ids[oldest], &scan->ids[oldest + 1], (scan->count - oldest) * sizeof *scan->ids);
    memmove(&scan->open[oldest], &scan->open[oldest + 1],
            (scan->count - oldest) * sizeof *scan->open);
    return true;
}

/* A damaged row may be that of an open rollout: it is read, and then told. */
static bool on_id(void *context, const struct store_row *row)
{
    struct id_scan *scan = context;
    const uint64_t id = number_of(row->key);
    const bool open = row->damage != NULL || slice_is(row->value, RUNNER_INDEX_OPEN);
    scan->last = id;
    if (make_room(scan)) {
        scan->open[scan->count] = open;
        scan->ids[scan->count++] = id;
    } else if (open) {
        scan->overflow = true;
    }
    return true;
}

bool runner_ids(struct store *store, uint64_t *ids, size_t max, size_t *count, uint64_t *last,
                struct error *error)
{
    ASSERT(max > 0 && max <= RUNNER_IDS_MAX);
    struct id_scan scan = {.ids = ids, .max = max};
    if (!store_scan(store, RUNNER_INDEX, on_id, &scan, error))
        return false;
    *count = scan.count;
    *last = scan.last;
    return !scan.overflow ||
           error_set(error, ERROR_LIMIT, "more than %zu rollouts of this store are open", max);
}
