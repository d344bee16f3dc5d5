#include "proxy/admin_view.h"

#include "base/check.h"
#include "base/writer.h"
#include "os/clock.h"

#include <stdio.h>
#include <unistd.h>

static const char *change_name(enum target_change change)
{
    switch (change) {
    case TARGET_CHANGE_WEIGHT: return "weight";
    case TARGET_CHANGE_UP: return "up";
    case TARGET_CHANGE_DOWN: return "down";
    case TARGET_CHANGE_DRAINED: return "drained";
    case TARGET_CHANGE_FULL: return "full";
    }
    UNREACHABLE();
}

static double in_config_units(uint32_t weight)
{
    return (double)weight / PICK_WEIGHT_ONE;
}

static void add_time(struct writer *json, const char *name, uint64_t wall_ms)
{
    char stamp[32];
    clock_format_rfc3339(wall_ms, stamp, sizeof stamp);
    writer_string(json, name, stamp);
}

static void add_generations(struct writer *json, const struct targets *targets)
{
    writer_u64(json, "generation", targets_generation(targets));
    writer_u64(json, "acknowledged", targets_acknowledged(targets));
}

/* --- Tiers. --- */

static void add_tier(struct writer *json, const struct targets *targets, size_t index)
{
    const struct config_tier *tier = &targets_config(targets)->tiers[index];
    struct tier_status status;
    targets_tier_status(targets, index, &status);
    writer_object(json, NULL);
    writer_string(json, "name", tier->name);
    writer_string(json, "balance", config_balance_name(tier->balance));
    writer_u64(json, "hosts", targets_tier_count(targets, index));
    writer_double(json, "serving_capacity", status.serving_capacity);
    writer_u64(json, "requests", status.requests);
    writer_u64(json, "failed", status.failed);
    writer_u64(json, "held", status.held);
    writer_u64(json, "hold_expired", status.hold_expired);
    writer_u64(json, "holding", status.holding);
    writer_u64(json, "retries", status.retries);
    writer_u64(json, "retries_refused", status.retries_refused);
    writer_double(json, "requests_per_second", status.requests_per_second);
    writer_u64(json, "latency_p50_us", status.latency_p50_us);
    writer_u64(json, "latency_p99_us", status.latency_p99_us);
    writer_end(json);
}

void admin_view_tier(struct text *text, const struct targets *targets, size_t tier)
{
    struct writer json;
    writer_init(&json, text);
    add_tier(&json, targets, tier);
}

void admin_view_tiers(struct text *text, const struct targets *targets)
{
    struct writer json;
    writer_init(&json, text);
    writer_object(&json, NULL);
    add_generations(&json, targets);
    writer_array(&json, "tiers");
    for (size_t t = 0; t < targets_config(targets)->tier_count; t++)
        add_tier(&json, targets, t);
    writer_end(&json);
    writer_end(&json);
}

/* --- Hosts. --- */

static void add_counts(struct writer *json, const struct target_status *status)
{
    static const char *const classes[] = {"1xx", "2xx", "3xx", "4xx", "5xx"};
    writer_u64(json, "requests", status->requests);
    writer_u64(json, "failures", status->failures);
    writer_object(json, "responses");
    for (size_t i = 0; i < COUNT_OF(classes); i++)
        writer_u64(json, classes[i], status->classes[i]);
    writer_end(json);
    writer_u64(json, "connect_failed", status->connect_failed);
    writer_u64(json, "reset", status->reset);
    writer_u64(json, "timeout", status->timeout);
    writer_u64(json, "bad", status->bad);
    writer_u64(json, "retried", status->retried);
    writer_u64(json, "bytes_in", status->bytes_in);
    writer_u64(json, "bytes_out", status->bytes_out);
}

static void add_host(struct writer *json, const struct targets *targets, uint32_t target)
{
    const struct config_host *host = targets_host(targets, target);
    struct target_status status;
    targets_status(targets, target, &status);
    writer_object(json, NULL);
    writer_string(json, "name", host->name);
    writer_string(json, "address", host->address.text);
    writer_string(json, "zone", host->zone);
    writer_bool(json, "standby", host->standby);
    writer_u64(json, "weight", host->weight);
    if (status.overridden)
        writer_u64(json, "override", status.override);
    else
        writer_null(json, "override");
    writer_double(json, "effective_weight", in_config_units(status.effective_weight));
    writer_bool(json, "slow_start", status.slow_start);
    writer_string(json, "state", target_state_name(status.state));
    writer_bool(json, "healthy", status.healthy);
    writer_u64(json, "in_flight", status.in_flight);
    writer_bool(json, "drained", status.drained);
    writer_u64(json, "generation", status.generation);
    add_counts(json, &status);
    writer_string(json, "check", status.check[0] == '\0' ? NULL : status.check);
    writer_end(json);
}

void admin_view_host(struct text *text, const struct targets *targets, uint32_t target)
{
    struct writer json;
    writer_init(&json, text);
    add_host(&json, targets, target);
}

void admin_view_hosts(struct text *text, const struct targets *targets, size_t tier)
{
    struct writer json;
    writer_init(&json, text);
    writer_object(&json, NULL);
    writer_string(&json, "tier", targets_config(targets)->tiers[tier].name);
    add_generations(&json, targets);
    writer_array(&json, "hosts");
    const uint32_t first = targets_tier_first(targets, tier);
    for (uint32_t i = 0; i < targets_tier_count(targets, tier); i++)
        add_host(&json, targets, first + i);
    writer_end(&json);
    writer_end(&json);
}

/* --- The process and its events. --- */

void admin_view_process(struct text *text, const struct targets *targets, uint32_t threads,
                        uint64_t started_wall_ms, uint64_t wall_ms)
{
    const struct config *config = targets_config(targets);
    char hash[17];
    (void)snprintf(hash, sizeof hash, "%016llx", (unsigned long long)config->hash);
    struct writer json;
    writer_init(&json, text);
    writer_object(&json, NULL);
    writer_i64(&json, "pid", getpid());
    writer_u64(&json, "threads", threads);
    add_time(&json, "started", started_wall_ms);
    writer_u64(&json, "uptime_s", (wall_ms - started_wall_ms) / 1000);
    writer_string(&json, "config", config->file);
    writer_string(&json, "config_hash", hash);
    add_generations(&json, targets);
    writer_end(&json);
}

void admin_view_begin(struct text *text, const struct targets *targets, uint64_t wall_ms)
{
    struct writer json;
    writer_init(&json, text);
    writer_object(&json, NULL);
    add_time(&json, "time", wall_ms);
    writer_string(&json, "event", "begin");
    add_generations(&json, targets);
    writer_end(&json);
}

void admin_view_event(struct text *text, const struct targets *targets, uint32_t target,
                      enum target_change change, uint64_t wall_ms)
{
    struct target_status status;
    targets_status(targets, target, &status);
    const size_t tier = targets_tier_of(targets, target);
    struct writer json;
    writer_init(&json, text);
    writer_object(&json, NULL);
    add_time(&json, "time", wall_ms);
    writer_string(&json, "event", change_name(change));
    writer_string(&json, "tier", targets_config(targets)->tiers[tier].name);
    writer_string(&json, "host", targets_host(targets, target)->name);
    writer_string(&json, "state", target_state_name(status.state));
    writer_bool(&json, "healthy", status.healthy);
    writer_double(&json, "effective_weight", in_config_units(status.effective_weight));
    writer_u64(&json, "in_flight", status.in_flight);
    writer_u64(&json, "generation", status.generation);
    writer_string(&json, "check", status.check[0] == '\0' ? NULL : status.check);
    writer_end(&json);
}
