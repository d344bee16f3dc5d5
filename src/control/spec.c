#include "control/spec.h"

#include "base/check.h"
#include "base/slice.h"

#include <stdio.h>
#include <string.h>

/* Times that the config has no setting for. */
enum {
    FACTS_TIMEOUT_MS = 60000,
    WEIGHT_TIMEOUT_MS = 5000,
    FIRST_BATCH = 1, /* A version nobody has run is tried on one host first. */
};

static bool no_memory(struct error *error)
{
    return error_set(error, ERROR_SYSTEM, "not enough memory for this rollout");
}

bool spec_names(const char *list, const char *name)
{
    const size_t size = strlen(name);
    const char *at = list;
    while (*at != '\0') {
        const size_t length = strcspn(at, ",");
        if (length == size && memcmp(at, name, size) == 0)
            return true;
        at += length;
        if (*at == ',')
            at++;
    }
    return false;
}

/* The number of `name` in a growing list of distinct names. */
static uint32_t number_of(const char **names, uint32_t *count, const char *name)
{
    for (uint32_t i = 0; i < *count; i++) {
        if (strcmp(names[i], name) == 0)
            return i;
    }
    names[*count] = name;
    return (*count)++;
}

static bool fill_hosts(struct arena *arena, const struct config_tier *tier,
                       const struct rows_head *head, bool for_plan, struct rollout_spec *spec,
                       struct error *error)
{
    const size_t count = tier->host_count - tier->standby_count;
    struct rollout_host_spec *hosts = arena_array(arena, count, sizeof *hosts);
    const char **zones = arena_array(arena, count, sizeof *zones);
    const char **groups = arena_array(arena, count, sizeof *groups);
    if (hosts == NULL || zones == NULL || groups == NULL)
        return no_memory(error);
    bool any_zone = false;
    for (size_t i = 0; i < count; i++)
        any_zone = any_zone || tier->hosts[i].zone != NULL;
    for (size_t i = 0; i < count; i++) {
        const struct config_host *host = &tier->hosts[i];
        hosts[i] = (struct rollout_host_spec){
            .name = host->name,
            .weight = host->weight,
            .driver = for_plan || host_driver_find(host->driver) != NULL,
            .chosen = head->only[0] == '\0' || spec_names(head->only, host->name),
            .cordoned = spec_names(head->cordoned, host->name),
        };
        if (any_zone)
            hosts[i].zone =
                number_of(zones, &spec->zone_count, host->zone != NULL ? host->zone : "none");
        if (host->group != NULL)
            hosts[i].group = 1 + number_of(groups, &spec->group_count, host->group);
    }
    spec->hosts = hosts;
    spec->host_count = (uint32_t)count;
    spec->zones = zones;
    return true;
}

/* Each name the operator gave must be a host of the tier. */
static bool check_only(const struct config_tier *tier, const char *only, struct error *error)
{
    char name[CONFIG_NAME_MAX + 1];
    for (const char *at = only; *at != '\0';) {
        const size_t length = strcspn(at, ",");
        if (length == 0 || length >= sizeof name)
            return error_set(error, ERROR_USAGE, "--only takes host names, comma-separated");
        memcpy(name, at, length);
        name[length] = '\0';
        const struct config_host *host = config_host_find(tier, name);
        if (host == NULL || host->standby)
            return error_set(error, ERROR_NOT_FOUND, "tier '%s' has no host '%s'", tier->name,
                             name);
        at += length;
        if (*at == ',')
            at++;
    }
    return true;
}

static enum rollout_reboot reboot_policy(const struct config_update *update)
{
    if (update->install == CONFIG_INSTALL_REBOOT || update->reboot == CONFIG_REBOOT_ALWAYS)
        return ROLLOUT_REBOOT_ALWAYS;
    return update->reboot == CONFIG_REBOOT_NEVER ? ROLLOUT_REBOOT_NEVER
                                                 : ROLLOUT_REBOOT_WHEN_REQUIRED;
}

static void fill_limits(const struct config_tier *tier, struct rollout_spec *spec)
{
    const struct config_update *update = &tier->update;
    spec->max_unavailable = (struct rollout_amount){.percent = update->max_unavailable.percent,
                                                    .value = update->max_unavailable.value};
    spec->first_batch_max = FIRST_BATCH;
    spec->floor_given = update->floor_given;
    spec->floor_ppm = update->floor_ppm;
    spec->failure_domain = update->failure_domain_zone;
    spec->drain_timeout_ms = update->drain_timeout_ms;
    spec->long_lived = update->long_lived == CONFIG_LONG_LIVED_CLOSE ? ROLLOUT_LONG_LIVED_CLOSE
                                                                     : ROLLOUT_LONG_LIVED_WAIT;
    spec->install = update->install != CONFIG_INSTALL_REBOOT;
    spec->install_timeout_ms = update->install_timeout_ms;
    spec->reboot = reboot_policy(update);
    spec->reboot_deadline_ms = update->reboot_deadline_ms;
    spec->min_ready_ms = update->min_ready_ms;
    spec->healthy_deadline_ms = update->healthy_deadline_ms;
    spec->slow_start_ms = tier->slow_start_ms;
    spec->soak_ms = update->soak_ms;
    spec->error_ratio_max_ppm = update->error_ratio_max_ppm;
    spec->on_failure = update->on_failure == CONFIG_ON_FAILURE_PAUSE ? ROLLOUT_ON_FAILURE_PAUSE
                                                                     : ROLLOUT_ON_FAILURE_REVERT;
    spec->facts_timeout_ms = FACTS_TIMEOUT_MS;
    spec->weight_timeout_ms = WEIGHT_TIMEOUT_MS;
}

/* What this version cannot do, or what the tier does not say. */
static bool check_order(const struct config_tier *tier, const struct rows_head *head,
                        struct error *error)
{
    if (tier->update.install == CONFIG_INSTALL_NONE)
        return error_set(error, ERROR_REFUSED,
                         "tier '%s' has no update.install: say what an update is, e.g. install: { "
                         "method: apt, packages: security }",
                         tier->name);
    if (head->to_version[0] != '\0' && tier->update.install != CONFIG_INSTALL_APT)
        return error_set(error, ERROR_USAGE, "--to VERSION needs install method apt");
    if (head->to_version[0] != '\0' && tier->update.security)
        return error_set(error, ERROR_USAGE,
                         "--to VERSION needs named packages, not packages: security");
    return true;
}

static bool build(struct arena *arena, const struct config_tier *tier, const struct rows_head *head,
                  bool for_plan, struct rollout_spec *spec, struct error *error)
{
    *spec = (struct rollout_spec){.tier = tier->name, .to_version = head->to_version};
    if (strcmp(head->strategy, "rolling") != 0)
        return error_set(error, ERROR_REFUSED,
                         "this version has the strategy rolling only, not '%s'", head->strategy);
    if (!check_only(tier, head->only, error) ||
        !fill_hosts(arena, tier, head, for_plan, spec, error))
        return false;
    rollout_spec_defaults(spec);
    fill_limits(tier, spec);
    ASSERT(spec->host_count > 0);
    return true;
}

bool spec_build_plan(struct arena *arena, const struct config_tier *tier,
                     const struct rows_head *head, struct rollout_spec *spec, struct error *error)
{
    return build(arena, tier, head, true, spec, error);
}

bool spec_build(struct arena *arena, const struct config_tier *tier, const struct rows_head *head,
                struct rollout_spec *spec, struct error *error)
{
    return check_order(tier, head, error) && build(arena, tier, head, false, spec, error);
}

bool spec_arrays(struct arena *arena, const struct rollout_spec *spec,
                 struct rollout_arrays *arrays)
{
    const size_t hosts = spec->host_count;
    arrays->hosts = arena_array(arena, hosts, sizeof *arrays->hosts);
    arrays->links = arena_array(arena, hosts, sizeof *arrays->links);
    arrays->dirty = arena_array(arena, hosts, sizeof *arrays->dirty);
    arrays->ready = arena_array(arena, hosts, sizeof *arrays->ready);
    arrays->timers = arena_array(arena, hosts, sizeof *arrays->timers);
    arrays->zones =
        arena_array(arena, spec->zone_count == 0 ? 1 : spec->zone_count, sizeof *arrays->zones);
    arrays->groups = arena_array(arena, spec->group_count + 1, sizeof *arrays->groups);
    return arrays->hosts != NULL && arrays->links != NULL && arrays->dirty != NULL &&
           arrays->ready != NULL && arrays->timers != NULL && arrays->zones != NULL &&
           arrays->groups != NULL;
}

/* FNV-1a (Fowler, Noll, Vo), to tell long texts apart. */
static uint32_t hash_text(const char *text)
{
    uint32_t hash = 2166136261U;
    for (; *text != '\0'; text++)
        hash = (hash ^ (unsigned char)*text) * 16777619U;
    return hash;
}

/* The version that all of "a=V b=V" share. */
static bool common_version(const char *versions, struct slice *common)
{
    *common = (struct slice){0};
    for (const char *at = versions; *at != '\0';) {
        const size_t word = strcspn(at, " ");
        const char *equals = memchr(at, '=', word);
        if (equals == NULL)
            return false;
        const struct slice version = {.data = equals + 1, .size = (size_t)(at + word - equals) - 1};
        if (common->data != NULL && !slice_equal(*common, version))
            return false;
        *common = version;
        at += word + strspn(at + word, " ");
    }
    return common->data != NULL;
}

void spec_version(const char *versions, char *out)
{
    struct slice common;
    if (common_version(versions, &common) && common.size < ROLLOUT_VERSION_MAX) {
        memcpy(out, common.data, common.size);
        out[common.size] = '\0';
        return;
    }
    if (strlen(versions) < ROLLOUT_VERSION_MAX)
        (void)snprintf(out, ROLLOUT_VERSION_MAX, "%s", versions);
    else
        (void)snprintf(out, ROLLOUT_VERSION_MAX, "%.50s... %08x", versions, hash_text(versions));
}
