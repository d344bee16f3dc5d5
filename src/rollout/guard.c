#include "rollout/guard.h"

#include "base/check.h"
#include "rollout/ledger.h"

bool guard_informed(const struct rollout *r)
{
    return r->seen == r->spec->host_count &&
           r->row.now_ms - r->observed_ms <= r->spec->observe_age_max_ms;
}

bool guard_is_of_one_host(enum rollout_code code)
{
    return code == ROLLOUT_SAY_BLOCKED_GROUP || code == ROLLOUT_SAY_BLOCKED_FLOOR;
}

/* What would serve if `weight_milli` went, besides the hosts that are about to go already. */
static enum rollout_code capacity_without(const struct rollout *r, uint64_t weight_milli)
{
    const uint64_t going_milli = r->checking_milli + weight_milli;
    ASSERT(going_milli <= r->serving_milli);
    const uint64_t left_milli = r->serving_milli - going_milli;
    if (left_milli == 0)
        return ROLLOUT_SAY_BLOCKED_LAST;
    if (left_milli < r->weight_floor_milli)
        return ROLLOUT_SAY_BLOCKED_FLOOR;
    return ROLLOUT_SAY_NOTHING;
}

/* `counted`: the host itself is in the books of its zone and group already. */
static enum rollout_code domains(const struct rollout *r, uint32_t host, bool counted)
{
    const struct rollout_host_spec *spec = &r->spec->hosts[host];
    if (r->spec->failure_domain) {
        const struct rollout_zone *zone = &r->arrays.zones[spec->zone];
        if (r->in_flight > zone->taken || r->ill_new > zone->ill_new)
            return ROLLOUT_SAY_BLOCKED_ZONE;
    }
    if (spec->group != 0 && r->arrays.groups[spec->group] > (counted ? 1U : 0U))
        return ROLLOUT_SAY_BLOCKED_GROUP;
    return ROLLOUT_SAY_NOTHING;
}

enum rollout_code guard_take(const struct rollout *r, uint32_t host)
{
    ASSERT(r->arrays.hosts[host].phase == ROLLOUT_HOST_PENDING);
    if (!guard_informed(r))
        return ROLLOUT_SAY_BLOCKED_SILENT;
    const uint32_t weight_milli = r->arrays.links[host].weight_milli;
    const bool ill = weight_milli == 0;
    /* An ill host is unavailable already: it costs nothing, only its place among those taken. */
    const uint32_t unavailable = ill ? r->in_flight : r->in_flight + r->ill;
    if (unavailable >= r->max_unavailable)
        return ROLLOUT_SAY_BLOCKED_UNAVAILABLE;
    const enum rollout_code code = domains(r, host, ill);
    if (code != ROLLOUT_SAY_NOTHING || ill)
        return code;
    return capacity_without(r, weight_milli);
}

enum rollout_code guard_drain(const struct rollout *r, uint32_t host)
{
    ASSERT(r->arrays.hosts[host].phase == ROLLOUT_HOST_CHECKING);
    if (!guard_informed(r))
        return ROLLOUT_SAY_BLOCKED_SILENT;
    const enum rollout_code code = domains(r, host, true);
    if (code != ROLLOUT_SAY_NOTHING || r->arrays.links[host].weight_milli == 0)
        return code;
    if (r->in_flight + r->ill > r->max_unavailable)
        return ROLLOUT_SAY_BLOCKED_UNAVAILABLE;
    return capacity_without(r, 0); /* It is one of those about to go. */
}

enum rollout_code guard_drain_back(const struct rollout *r, uint32_t host)
{
    ASSERT(ledger_in_flight(r->arrays.hosts[host].phase));
    const uint32_t weight_milli = r->arrays.links[host].weight_milli;
    if (weight_milli == 0)
        return ROLLOUT_SAY_NOTHING;
    if (!guard_informed(r))
        return ROLLOUT_SAY_BLOCKED_SILENT;
    return capacity_without(r, weight_milli);
}
