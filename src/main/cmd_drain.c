/*
 * drain and restore: an operator takes one host out of the traffic, and puts it back.
 *
 * The controller is asked when there is one, since a rollout may be at work on the host; a balancer
 * that runs alone is asked directly.
 */
#include "base/check.h"
#include "main/cmd.h"
#include "main/commands.h"
#include "main/remote.h"
#include "os/clock.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

enum { POLL_MS = 100 };

struct place {
    const struct config_tier *tier;
    const struct config_host *host;
};

/* "web/web-1", or "web-1" when only one tier has a host of that name. */
static bool find_place(const struct config *config, const char *operand, struct place *place,
                       struct error *error)
{
    const char *slash = strchr(operand, '/');
    const char *name = slash != NULL ? slash + 1 : operand;
    *place = (struct place){0};
    for (size_t i = 0; i < config->tier_count; i++) {
        const struct config_tier *tier = &config->tiers[i];
        if (slash != NULL &&
            !slice_equal(slice_of(tier->name), (struct slice){operand, (size_t)(slash - operand)}))
            continue;
        const struct config_host *host = config_host_find(tier, name);
        if (host == NULL)
            continue;
        if (place->host != NULL)
            return error_set(error, ERROR_USAGE,
                             "tiers '%s' and '%s' both have a host '%s': name it as TIER/HOST",
                             place->tier->name, tier->name, name);
        *place = (struct place){.tier = tier, .host = host};
    }
    return place->host != NULL ||
           error_set(error, ERROR_NOT_FOUND, "there is no host '%s' in %s", operand, config->file);
}

static bool order(const struct config *config, const struct place *place, bool restore,
                  struct error *error)
{
    char path[256];
    json_t *answer = NULL;
    if (remote_is_there(config, REMOTE_CONTROLLER)) {
        (void)snprintf(path, sizeof path, "/v1/tiers/%s/hosts/%s/%s", place->tier->name,
                       place->host->name, restore ? "restore" : "drain");
        answer = remote_call(config, REMOTE_CONTROLLER, "POST", path, NULL, NULL, error);
    } else {
        (void)snprintf(path, sizeof path, "/v1/tiers/%s/hosts/%s", place->tier->name,
                       place->host->name);
        answer = remote_call(config, REMOTE_BALANCER, "PUT", path,
                             restore ? "{\"weight\":null}" : "{\"weight\":0}", NULL, error);
    }
    json_decref(answer);
    return answer != NULL;
}

/* Until nothing is in flight, for the tier's drain timeout at most. */
static bool wait_drained(const struct config *config, const struct place *place,
                         struct error *error)
{
    char path[256];
    const uint64_t until =
        clock_monotonic_ns() + (uint64_t)place->tier->update.drain_timeout_ms * 1000000;
    (void)snprintf(path, sizeof path, "/v1/tiers/%s/hosts/%s", place->tier->name,
                   place->host->name);
    for (;;) {
        const struct timespec pause = {.tv_nsec = POLL_MS * 1000000L};
        json_t *host = remote_call(config, REMOTE_BALANCER, "GET", path, NULL, NULL, error);
        if (host == NULL)
            return false;
        const bool drained = json_is_true(json_object_get(host, "drained"));
        const double in_flight = remote_number(host, "in_flight");
        json_decref(host);
        if (drained)
            return true;
        if (clock_monotonic_ns() >= until)
            return error_set(
                error, ERROR_TIMEOUT,
                "%s still has %.0f requests in flight after %u s; it takes no new ones",
                place->host->name, in_flight, place->tier->update.drain_timeout_ms / 1000);
        (void)clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, NULL);
    }
}

static int run(const struct cmd *cmd, bool restore, bool wait)
{
    struct error error;
    struct place place;
    struct config *config = cmd_config(cmd, false, NULL);
    if (config == NULL)
        return EXIT_USAGE;
    int code = EXIT_DONE;
    if (!find_place(config, cmd->operands[0], &place, &error) ||
        !order(config, &place, restore, &error) || (wait && !wait_drained(config, &place, &error)))
        code = cmd_fail(cmd, &error);
    else if (cmd->json)
        (void)printf("{\"tier\":\"%s\",\"host\":\"%s\",\"state\":\"%s\"}\n", place.tier->name,
                     place.host->name,
                     restore ? "serving"
                     : wait  ? "drained"
                             : "draining");
    else if (restore)
        (void)printf("%s/%s takes traffic again, rising over %u s\n", place.tier->name,
                     place.host->name, place.tier->slow_start_ms / 1000);
    else
        (void)printf("%s/%s %s; put it back with nines restore %s/%s\n", place.tier->name,
                     place.host->name,
                     wait ? "is drained: nothing is in flight" : "drains: no new requests",
                     place.tier->name, place.host->name);
    config_unref(config);
    return code;
}

int cmd_drain(const struct cmd *cmd)
{
    return run(cmd, false, cmd_flag(cmd, "wait"));
}

int cmd_restore(const struct cmd *cmd)
{
    return run(cmd, true, false);
}
