/*
 * A rollout read back from the store.
 */
#include "base/check.h"
#include "control/promise.h"
#include "control/runner_state.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What runner_load() collects from the store. */
struct loading {
    struct runner *runner;
    struct rollout_row row;
    struct rollout_host *hosts; /* In the order of the rows. */
    uint32_t host_count;
    uint32_t host_capacity;
    struct text config_text;
    struct text config_file;
    struct text said; /* The last decision. */
    bool has_head;
    bool has_row;
    struct error *error;
    bool failed;
};

static bool load_host(struct loading *loading, const struct store_row *row)
{
    if (loading->host_count == loading->host_capacity) {
        const uint32_t capacity = loading->host_capacity == 0 ? 64 : loading->host_capacity * 2;
        struct rollout_host *hosts = realloc(loading->hosts, capacity * sizeof *hosts);
        if (hosts == NULL)
            return error_set(loading->error, ERROR_SYSTEM, "not enough memory for a rollout");
        loading->hosts = hosts;
        loading->host_capacity = capacity;
    }
    return rows_get_host(row->value, &loading->hosts[loading->host_count++], loading->error);
}

static bool load_row(struct loading *loading, const char *name, const struct store_row *row)
{
    struct runner *runner = loading->runner;
    if (strcmp(name, "head") == 0) {
        loading->has_head = true;
        return rows_get_head(row->value, &runner->head, loading->error);
    }
    if (strcmp(name, "row") == 0) {
        loading->has_row = true;
        return rows_get_row(row->value, &loading->row, loading->error);
    }
    if (strcmp(name, "traffic") == 0)
        return rows_get_traffic(row->value, &runner->traffic, loading->error);
    if (strcmp(name, "config") == 0)
        text_append(&loading->config_text, row->value);
    else if (strcmp(name, "config-file") == 0)
        text_append(&loading->config_file, row->value);
    else if (strcmp(name, "frozen") == 0)
        (void)snprintf(runner->frozen, sizeof runner->frozen, "%.*s", (int)row->value.size,
                       row->value.data);
    else if (strncmp(name, "host/", 5) == 0)
        return load_host(loading, row);
    else if (strncmp(name, "say/", 4) == 0) {
        text_clear(&loading->said);
        text_append(&loading->said, row->value);
    }
    return true;
}

static bool on_row(void *context, const struct store_row *row)
{
    struct loading *loading = context;
    char key[STORE_KEY_BYTES_MAX + 1];
    (void)snprintf(key, sizeof key, "%.*s", (int)row->key.size, row->key.data);
    const char *name = strchr(key, '/');
    name = name != NULL ? strchr(name + 1, '/') : NULL;
    ASSERT(name != NULL);
    if (row->damage != NULL) {
        error_set(loading->error, ERROR_FAILED, "row %s is damaged: %s", key, row->damage);
        loading->failed = true;
    } else if (!load_row(loading, name + 1, row)) {
        (void)error_add(loading->error, "row %s", key);
        loading->failed = true;
    }
    return !loading->failed;
}

struct guarded_load {
    struct runner *runner;
    const struct rollout_row *row;
    struct rollout_arrays arrays;
};

static void take_rows(void *context)
{
    const struct guarded_load *guarded = context;
    rollout_load(&guarded->runner->rollout, &guarded->runner->spec, guarded->row, guarded->arrays);
}

static bool assemble(struct runner *runner, struct loading *loading, struct error *error)
{
    struct rollout_arrays arrays;
    if (!loading->has_head || !loading->has_row || loading->config_text.size == 0)
        return error_set(error, ERROR_FAILED, "rows of the rollout are missing");
    const char *file = arena_text(&runner->arena, text_slice(&loading->config_file));
    if (file == NULL ||
        !runner_pin(runner, file, text_slice(&loading->config_text), &arrays, error))
        return false;
    if (loading->host_count != runner->spec.host_count)
        return error_set(error, ERROR_FAILED, "the rollout has %u rows of hosts, its config %u",
                         loading->host_count, runner->spec.host_count);
    memcpy(arrays.hosts, loading->hosts, loading->host_count * sizeof *loading->hosts);
    struct guarded_load guarded = {.runner = runner, .row = &loading->row, .arrays = arrays};
    char why[256];
    if (!promise_kept(take_rows, &guarded, why, sizeof why))
        return error_set(error, ERROR_FAILED, "its rows do not fit together: %s", why);
    /* One that has ended is for show: its tier and what its drivers need may be long gone. */
    return runner_ended(runner) || runner_equip(runner, error);
}

/* The sentence of a stored decision. */
static void take_sentence(struct runner *runner, const struct text *decision)
{
    json_t *root = decision->size > 0 ? json_loadb(decision->data, decision->size, 0, NULL) : NULL;
    const char *sentence = json_string_value(json_object_get(root, "sentence"));
    (void)snprintf(runner->sentence, sizeof runner->sentence, "%s",
                   sentence != NULL ? sentence : "");
    json_decref(root);
}

struct runner *runner_load(const struct runner_place *place, uint64_t id, struct error *error)
{
    struct runner *runner = runner_make(place, error);
    char prefix[RUNNER_KEY_MAX];
    if (runner == NULL)
        return NULL;
    struct loading loading = {.runner = runner, .error = error};
    text_init(&loading.config_text, CONFIG_BYTES_MAX);
    text_init(&loading.config_file, 4096);
    text_init(&loading.said, STORE_VALUE_BYTES_MAX);
    runner->head.id = id;
    runner->stored = true;
    runner_key(id, prefix, sizeof prefix, "%s", "");
    const bool done = store_scan(place->store, prefix, on_row, &loading, error) &&
                      !loading.failed && assemble(runner, &loading, error);
    if (done)
        take_sentence(runner, &loading.said);
    text_done(&loading.config_text);
    text_done(&loading.config_file);
    text_done(&loading.said);
    free(loading.hosts);
    if (done) {
        runner->end_told = runner_ended(runner);
        return runner;
    }
    (void)error_add(error, "rollout %llu", (unsigned long long)id);
    runner_close(runner);
    return NULL;
}
