/*
 * rolling: batch after batch, each as large as the guards allow; the next begins when every host of
 * the last is at its end and has its full weight again. Until one host that was well when it was
 * taken is verified, a batch has at most first_batch_max hosts, so that a bad version meets one
 * host and not a whole batch. Hosts that are down come first: they cost nothing. With
 * failure_domain, zones come one after the other.
 */
#include "rollout/strategy.h"

#include "base/check.h"
#include "rollout/guard.h"
#include "rollout/life.h"
#include "rollout/orders.h"

static uint32_t batch_limit(const struct rollout *r)
{
    const uint32_t first = r->spec->first_batch_max;
    if (r->row.proven || first == 0 || first > r->max_unavailable)
        return r->max_unavailable;
    return first;
}

/* The first host of the list that may be taken; else why the first may not. */
static uint32_t first_allowed(const struct rollout *r, uint32_t first, struct strategy_block *block)
{
    for (uint32_t host = first; host != ROLLOUT_NO_HOST; host = r->arrays.links[host].next) {
        const enum rollout_code code = guard_take(r, host);
        if (code == ROLLOUT_SAY_NOTHING)
            return host;
        if (block->code == ROLLOUT_SAY_NOTHING)
            *block = (struct strategy_block){code, host};
        if (!guard_is_of_one_host(code))
            break;
    }
    return ROLLOUT_NO_HOST;
}

static uint32_t next_host(const struct rollout *r, struct strategy_block *block)
{
    const uint32_t zones = r->spec->failure_domain ? r->spec->zone_count : 1;
    for (uint32_t zone = 0; zone < zones; zone++) {
        const uint32_t host = first_allowed(r, r->arrays.zones[zone].ill, block);
        if (host != ROLLOUT_NO_HOST)
            return host;
    }
    for (uint32_t zone = 0; zone < zones; zone++) {
        const uint32_t host = first_allowed(r, r->arrays.zones[zone].well, block);
        if (host != ROLLOUT_NO_HOST)
            return host;
    }
    return ROLLOUT_NO_HOST;
}

static struct strategy_block take(struct rollout *r, struct rollout_actions *out)
{
    struct strategy_block block = {ROLLOUT_SAY_NOTHING, ROLLOUT_NO_HOST};
    if (r->in_flight > 0 && !r->filling)
        return block;
    r->filling = false;
    while (r->in_flight < batch_limit(r)) {
        if (!orders_room(out)) {
            r->filling = true;
            break;
        }
        const uint32_t host = next_host(r, &block);
        if (host == ROLLOUT_NO_HOST)
            break;
        if (r->in_flight == 0)
            r->row.batch++;
        life_take(r, out, host);
    }
    ASSERT(r->in_flight <= r->max_unavailable);
    if (r->in_flight > 0)
        block.code = ROLLOUT_SAY_NOTHING;
    return block;
}

const struct strategy strategy_rolling = {.name = "rolling", .take = take};

const struct strategy *strategy_of(enum rollout_strategy_kind kind)
{
    switch (kind) {
    case ROLLOUT_ROLLING: return &strategy_rolling;
    }
    UNREACHABLE();
}
