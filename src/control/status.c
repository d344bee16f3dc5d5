/*
 * What the controller tells of tiers, hosts and rollouts, as JSON.
 */
#include "base/check.h"
#include "base/writer.h"
#include "control/controller_state.h"

#include "os/clock.h"

#include <stdio.h>
#include <string.h>

enum { TIME_MAX = 32 };

static void put_time(struct writer *writer, const char *name, uint64_t wall_ms)
{
    char text[TIME_MAX];
    if (wall_ms == 0) {
        writer_null(writer, name);
        return;
    }
    clock_format_rfc3339(wall_ms, text, sizeof text);
    writer_string(writer, name, text);
}

/* The newest rollout of the tier, ended or not. */
static const struct runner *newest(const struct controller *controller, const char *tier)
{
    for (size_t i = controller->runner_count; i > 0; i--) {
        if (strcmp(runner_head(controller->runners[i - 1])->tier, tier) == 0)
            return controller->runners[i - 1];
    }
    return NULL;
}

static const char *state_of(const struct controller_tier *tier, size_t index,
                            const struct runner *runner, uint32_t place)
{
    const struct watch_host *seen = &tier->watch.hosts[index];
    if (tier->config->hosts[index].standby)
        return "standby";
    if (runner != NULL && place != ROLLOUT_NO_HOST) {
        const struct rollout_host *host = &runner_rollout(runner)->arrays.hosts[place];
        if (!runner_ended(runner))
            return rollout_host_state(runner_rollout(runner), place);
        if (host->phase == ROLLOUT_HOST_QUARANTINED && seen->effective_weight == 0)
            return "quarantined";
    }
    return watch_host_state(seen);
}

/* What the rollouts at hand last read of a host; NULL when none did. */
static const char *version_of(const struct controller *controller, const char *tier,
                              const char *name)
{
    for (size_t i = controller->runner_count; i > 0; i--) {
        const struct runner *runner = controller->runners[i - 1];
        if (strcmp(runner_head(runner)->tier, tier) != 0)
            continue;
        const uint32_t place = runner_host(runner, name);
        if (place == ROLLOUT_NO_HOST)
            continue;
        const struct rollout_host *host = &runner_rollout(runner)->arrays.hosts[place];
        if (host->version_after[0] != '\0')
            return host->version_after;
        if (host->version_before[0] != '\0')
            return host->version_before;
    }
    return NULL;
}

static void put_host(struct writer *writer, struct controller *controller,
                     const struct controller_tier *tier, size_t index)
{
    const struct config_host *host = &tier->config->hosts[index];
    const struct watch_host *seen = &tier->watch.hosts[index];
    const struct runner *runner = newest(controller, tier->config->name);
    const uint32_t place = runner != NULL ? runner_host(runner, host->name) : ROLLOUT_NO_HOST;
    writer_object(writer, NULL);
    writer_string(writer, "name", host->name);
    writer_string(writer, "zone", host->zone);
    writer_string(writer, "state", state_of(tier, index, runner, place));
    writer_string(writer, "version", version_of(controller, tier->config->name, host->name));
    writer_u64(writer, "in_flight", seen->in_flight);
    writer_bool(writer, "healthy", seen->healthy);
    writer_u64(writer, "requests", seen->requests);
    writer_u64(writer, "failures", seen->failures);
    writer_bool(writer, "cordoned", tier->cordoned[index]);
    writer_end(writer);
}

static void put_traffic(struct writer *writer, const struct watch *watch)
{
    writer_object(writer, "traffic");
    writer_bool(writer, "balancer_reachable", watch->reachable);
    writer_double(writer, "rps", watch->rps);
    writer_double(writer, "p50_ms", (double)watch->p50_us / 1000);
    writer_double(writer, "p99_ms", (double)watch->p99_us / 1000);
    writer_u64(writer, "requests", watch->requests);
    writer_u64(writer, "failed", watch->failed);
    writer_end(writer);
}

static void put_tier(struct writer *writer, struct controller *controller,
                     const struct controller_tier *tier)
{
    writer_object(writer, NULL);
    writer_string(writer, "name", tier->config->name);
    writer_double(writer, "serving_capacity",
                  (double)tier->watch.serving_capacity_ppm / ROLLOUT_PPM);
    put_traffic(writer, &tier->watch);
    writer_array(writer, "hosts");
    for (size_t i = 0; i < tier->config->host_count; i++)
        put_host(writer, controller, tier, i);
    writer_end(writer);
    writer_end(writer);
}

static const char *phase_of(const struct runner *runner)
{
    return runner_frozen(runner) != NULL ? "paused"
                                         : rollout_phase_name(runner_rollout(runner)->row.phase);
}

static const char *sentence_of(const struct runner *runner)
{
    return runner_frozen(runner) != NULL ? runner_frozen(runner) : runner_sentence(runner);
}

static uint32_t hosts_chosen(const struct rollout *rollout)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < rollout->spec->host_count; i++)
        count += rollout->spec->hosts[i].chosen;
    return count;
}

/* The members that status and a single rollout's answer have in common. */
static void put_summary(struct writer *writer, const struct runner *runner)
{
    const struct rows_head *head = runner_head(runner);
    const struct rollout *rollout = runner_rollout(runner);
    writer_u64(writer, "id", head->id);
    writer_string(writer, "tier", head->tier);
    writer_string(writer, "strategy", head->strategy);
    writer_string(writer, "to", head->to_version[0] != '\0' ? head->to_version : NULL);
    writer_string(writer, "who", head->who);
    writer_string(writer, "phase", phase_of(runner));
    writer_bool(writer, "frozen", runner_frozen(runner) != NULL);
    writer_u64(writer, "hosts_done", rollout->phases[ROLLOUT_HOST_VERIFIED_NEW]);
    writer_u64(writer, "hosts_total", hosts_chosen(rollout));
    writer_u64(writer, "requests", runner_traffic(runner)->requests);
    writer_u64(writer, "failed_requests", runner_traffic(runner)->failed);
    writer_double(writer, "lowest_capacity", (double)rollout->row.capacity_least_ppm / ROLLOUT_PPM);
    put_time(writer, "started", rollout->row.started_ms);
    put_time(writer, "ended", rollout->row.ended_ms);
    writer_string(writer, "reason", rollout->row.reason[0] != '\0' ? rollout->row.reason : NULL);
    writer_string(writer, "sentence", sentence_of(runner));
}

void controller_status(struct controller *controller, struct text *out)
{
    struct writer writer;
    writer_init(&writer, out);
    writer_object(&writer, NULL);
    writer_array(&writer, "tiers");
    for (size_t i = 0; i < controller->config->tier_count; i++)
        put_tier(&writer, controller, &controller->tiers[i]);
    writer_end(&writer);
    writer_array(&writer, "rollouts");
    for (size_t i = 0; i < controller->runner_count; i++) {
        writer_object(&writer, NULL);
        put_summary(&writer, controller->runners[i]);
        writer_end(&writer);
    }
    writer_end(&writer);
    writer_array(&writer, "unreadable");
    for (size_t i = 0; i < controller->lost_count; i++) {
        writer_object(&writer, NULL);
        writer_u64(&writer, "id", controller->lost[i].id);
        writer_string(&writer, "why", controller->lost[i].why);
        writer_end(&writer);
    }
    writer_end(&writer);
    writer_end(&writer);
    text_add_char(out, '\n');
}

static void put_rollout_host(struct writer *writer, const struct runner *runner, uint32_t index,
                             const struct watch *watch)
{
    const struct rollout *rollout = runner_rollout(runner);
    const struct rollout_host *host = &rollout->arrays.hosts[index];
    const struct rollout_host_spec *spec = &rollout->spec->hosts[index];
    const struct config_host *running =
        watch != NULL ? config_host_find(watch->tier, spec->name) : NULL;
    writer_object(writer, NULL);
    writer_string(writer, "name", spec->name);
    writer_string(writer, "zone",
                  rollout->spec->zone_count > 0 ? rollout->spec->zones[spec->zone] : NULL);
    writer_string(writer, "phase", rollout_host_phase_name(host->phase));
    writer_string(writer, "state", rollout_host_state(rollout, index));
    writer_bool(writer, "chosen", spec->chosen);
    writer_u64(writer, "batch", host->batch);
    writer_u64(writer, "in_flight",
               running != NULL ? watch->hosts[running - watch->tier->hosts].in_flight : 0);
    writer_u64(writer, "since_ms", host->since_ms);
    writer_u64(writer, "taken_ms", host->taken_ms);
    writer_u64(writer, "ended_ms", host->ended_ms);
    writer_string(writer, "version_before", host->version_before);
    writer_string(writer, "version_after", host->version_after);
    writer_string(writer, "boot_id_before", host->boot_id_before);
    writer_string(writer, "boot_id_after", host->boot_id_after);
    writer_u64(writer, "requests", host->window.requests);
    writer_u64(writer, "failures", host->window.failures);
    writer_string(writer, "reason", host->reason[0] != '\0' ? host->reason : NULL);
    writer_end(writer);
}

void controller_rollout(const struct runner *runner, const struct watch *watch, struct text *out)
{
    const struct rollout *rollout = runner_rollout(runner);
    struct writer writer;
    writer_init(&writer, out);
    writer_object(&writer, NULL);
    put_summary(&writer, runner);
    writer_u64(&writer, "now_ms", clock_wall_ms());
    writer_u64(&writer, "said", rollout->row.next_decision - 1);
    if (watch != NULL) {
        writer_double(&writer, "serving_capacity",
                      (double)watch->serving_capacity_ppm / ROLLOUT_PPM);
        put_traffic(&writer, watch);
    }
    writer_array(&writer, "hosts");
    for (uint32_t i = 0; i < rollout->spec->host_count; i++)
        put_rollout_host(&writer, runner, i, watch);
    writer_end(&writer);
    writer_end(&writer);
    text_add_char(out, '\n');
}
