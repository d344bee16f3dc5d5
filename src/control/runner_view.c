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

bool runner_ended(const struct runner *runner)
{
    return runner->frozen[0] != '\0' || rollout_ended(&runner->rollout);
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

bool runner_log(const struct runner *runner, uint64_t since, runner_said *said, void *context,
                struct error *error)
{
    struct log_scan scan = {.since = since, .said = said, .context = context};
    char prefix[RUNNER_KEY_MAX];
    runner_key(runner, prefix, sizeof prefix, "say/");
    return store_scan(runner->place.store, prefix, on_said, &scan, error);
}

struct id_scan {
    uint64_t *ids;
    size_t max;
    size_t count;
};

/* Rows of one rollout stand together; each brings its id once. */
static bool on_id(void *context, const struct store_row *row)
{
    struct id_scan *scan = context;
    const size_t prefix = strlen("rollout/");
    uint64_t id = 0;
    const char *start = row->key.data + prefix;
    const char *end = memchr(start, '/', row->key.size - prefix);
    if (end == NULL ||
        !slice_to_u64((struct slice){.data = start, .size = (size_t)(end - start)}, &id))
        return true;
    if (scan->count > 0 && scan->ids[scan->count - 1] == id)
        return true;
    if (scan->count == scan->max) {
        memmove(scan->ids, scan->ids + 1, (scan->max - 1) * sizeof *scan->ids);
        scan->count--;
    }
    scan->ids[scan->count++] = id;
    return true;
}

bool runner_ids(struct store *store, uint64_t *ids, size_t max, size_t *count, struct error *error)
{
    ASSERT(max > 0);
    struct id_scan scan = {.ids = ids, .max = max};
    const bool done = store_scan(store, "rollout/", on_id, &scan, error);
    *count = scan.count;
    return done;
}
