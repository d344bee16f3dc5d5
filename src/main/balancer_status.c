#include "main/balancer_status.h"

#include "base/check.h"
#include "control/watch.h"
#include "main/remote.h"

#include <stdio.h>
#include <string.h>

static bool flag(const json_t *object, const char *name)
{
    return json_is_true(json_object_get(object, name));
}

static const char *state_of(const json_t *host)
{
    const struct watch_host seen = {
        .seen = true,
        .healthy = flag(host, "healthy"),
        .drained = flag(host, "drained"),
        .weight = (uint32_t)remote_number(host, "weight"),
        .effective_weight = (uint32_t)(1000 * remote_number(host, "effective_weight")),
    };
    return flag(host, "standby") ? "standby" : watch_host_state(&seen);
}

/* jansson's "O" takes a reference of its own; a member that is not there becomes null. */
static json_t *member(const json_t *object, const char *name)
{
    json_t *value = json_object_get(object, name);
    return value != NULL ? value : json_null();
}

static json_t *host_of(const json_t *host)
{
    return json_pack("{s:O, s:O, s:s, s:n, s:O, s:O, s:O, s:O, s:b}", "name", member(host, "name"),
                     "zone", member(host, "zone"), "state", state_of(host), "version", "in_flight",
                     member(host, "in_flight"), "healthy", member(host, "healthy"), "requests",
                     member(host, "requests"), "failures", member(host, "failures"), "cordoned",
                     json_is_integer(json_object_get(host, "override")) &&
                         remote_number(host, "override") == 0);
}

static json_t *tier_of(const json_t *tier, json_t *hosts)
{
    return json_pack("{s:O, s:O, s:{s:b, s:O, s:f, s:f, s:O, s:O}, s:o}", "name",
                     member(tier, "name"), "serving_capacity", member(tier, "serving_capacity"),
                     "traffic", "balancer_reachable", 1, "rps", member(tier, "requests_per_second"),
                     "p50_ms", remote_number(tier, "latency_p50_us") / 1000, "p99_ms",
                     remote_number(tier, "latency_p99_us") / 1000, "requests",
                     member(tier, "requests"), "failed", member(tier, "failed"), "hosts", hosts);
}

/* One tier's hosts, asked for by name. */
static json_t *hosts_of(const struct config *config, const json_t *tier, struct error *error)
{
    char path[256];
    (void)snprintf(path, sizeof path, "/v1/tiers/%s/hosts", remote_text(tier, "name"));
    json_t *answer = remote_call(config, REMOTE_BALANCER, "GET", path, NULL, NULL, error);
    if (answer == NULL)
        return NULL;
    const json_t *found = json_object_get(answer, "hosts");
    json_t *hosts = json_array();
    for (size_t i = 0; i < json_array_size(found); i++)
        (void)json_array_append_new(hosts, host_of(json_array_get(found, i)));
    json_decref(answer);
    return hosts;
}

json_t *balancer_status(const struct config *config, struct error *error)
{
    json_t *answer = remote_call(config, REMOTE_BALANCER, "GET", "/v1/tiers", NULL, NULL, error);
    if (answer == NULL)
        return NULL;
    const json_t *found = json_object_get(answer, "tiers");
    json_t *tiers = json_array();
    bool whole = true;
    for (size_t i = 0; whole && i < json_array_size(found); i++) {
        const json_t *tier = json_array_get(found, i);
        json_t *hosts = hosts_of(config, tier, error);
        whole = hosts != NULL && json_array_append_new(tiers, tier_of(tier, hosts)) == 0;
    }
    json_decref(answer);
    if (!whole) {
        json_decref(tiers);
        return NULL;
    }
    return json_pack("{s:o, s:[], s:[], s:b}", "tiers", tiers, "rollouts", "unreadable",
                     "controller", 0);
}
