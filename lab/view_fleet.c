#include "view_fleet.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

static void keep(char *out, size_t size, const json_t *value)
{
    const char *text = json_string_value(value);
    snprintf(out, size, "%s", text ? text : "");
}

static void read_host(struct view_host *host, const json_t *entry)
{
    keep(host->name, sizeof host->name, json_object_get(entry, "name"));
    keep(host->zone, sizeof host->zone, json_object_get(entry, "zone"));
    keep(host->state, sizeof host->state, json_object_get(entry, "state"));
    keep(host->version, sizeof host->version, json_object_get(entry, "version"));
    host->in_flight = (uint64_t)json_integer_value(json_object_get(entry, "in_flight"));
    host->healthy = json_is_true(json_object_get(entry, "healthy"));
}

/* The newest rollout comes last. */
static void read_rollout(struct view_fleet *fleet, const json_t *rollouts)
{
    const json_t *rollout =
        json_array_size(rollouts) ? json_array_get(rollouts, json_array_size(rollouts) - 1) : NULL;
    keep(fleet->phase, sizeof fleet->phase, json_object_get(rollout, "phase"));
    keep(fleet->sentence, sizeof fleet->sentence, json_object_get(rollout, "sentence"));
    fleet->hosts_done = (uint64_t)json_integer_value(json_object_get(rollout, "hosts_done"));
    fleet->hosts_total = (uint64_t)json_integer_value(json_object_get(rollout, "hosts_total"));
}

bool view_fleet_read(struct view_fleet *fleet, struct slice text)
{
    json_t *status = json_loadb(text.data, text.size, 0, NULL);
    const json_t *tier = json_array_get(json_object_get(status, "tiers"), 0);
    const json_t *hosts = json_object_get(tier, "hosts");
    const json_t *capacity = json_object_get(tier, "serving_capacity");
    bool good = json_is_array(hosts) && json_is_number(capacity);
    if (good) {
        fleet->capacity = json_number_value(capacity);
        if (!fleet->known || fleet->capacity < fleet->lowest_capacity)
            fleet->lowest_capacity = fleet->capacity;
        fleet->known = true;
        fleet->host_count = json_array_size(hosts);
        if (fleet->host_count > VIEW_HOSTS_MAX)
            fleet->host_count = VIEW_HOSTS_MAX;
        for (size_t i = 0; i < fleet->host_count; i++)
            read_host(&fleet->hosts[i], json_array_get(hosts, i));
        read_rollout(fleet, json_object_get(status, "rollouts"));
    }
    json_decref(status);
    return good;
}

bool view_traffic_read(struct view_traffic *traffic, struct slice text)
{
    json_t *line = json_loadb(text.data, text.size, 0, NULL);
    if (!line)
        return false;
    if (traffic->sample_count == VIEW_SAMPLES_MAX)
        memmove(traffic->samples, traffic->samples + 1,
                --traffic->sample_count * sizeof *traffic->samples);
    struct view_sample *sample = &traffic->samples[traffic->sample_count++];
    sample->rate = json_number_value(json_object_get(line, "rate"));
    sample->failed = (uint64_t)json_integer_value(json_object_get(line, "failed"));
    traffic->rate = sample->rate;
    traffic->p50_ms = json_number_value(json_object_get(line, "p50_us")) / 1000;
    traffic->p99_ms = json_number_value(json_object_get(line, "p99_us")) / 1000;
    traffic->sent = (uint64_t)json_integer_value(json_object_get(line, "sent_total"));
    traffic->failed = (uint64_t)json_integer_value(json_object_get(line, "failed_total"));
    json_decref(line);
    return true;
}
