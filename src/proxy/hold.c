#include "proxy/hold.h"

#include "base/check.h"
#include "proxy/client.h"
#include "proxy/deadline.h"
#include "proxy/worker_state.h"

static bool enqueue(struct request *r, uint64_t again_ns)
{
    struct worker *worker = r->client->worker;
    struct worker_tier *tier = &worker->tiers[r->tier];
    ASSERT((r->flags & REQUEST_HELD) == 0 && r->target == TARGET_NONE);
    if ((r->flags & REQUEST_WAS_HELD) == 0) {
        r->flags |= REQUEST_WAS_HELD;
        r->hold_until_ns = worker->now_ns + (uint64_t)tier->config->hold.time_ms * 1000000;
    }
    if (worker->now_ns >= r->hold_until_ns || !targets_hold_begin(worker->targets, r->tier))
        return false;
    r->flags |= REQUEST_HELD;
    r->hold_again_ns = again_ns;
    list_push_back(&tier->held, &r->held);
    timeouts_watch(&worker->timeouts, &r->client->timeout, deadline_of(r->client));
    return true;
}

bool hold_begin(struct request *r)
{
    return enqueue(r, UINT64_MAX);
}

bool hold_after_failure(struct request *r)
{
    struct worker *worker = r->client->worker;
    if (worker->tiers[r->tier].config->health.kind == CONFIG_HEALTH_OFF)
        return false;
    const uint64_t pause_ms = (uint64_t)HOLD_PAUSE_MS << r->holds;
    if (r->holds < HOLD_PAUSES_MAX)
        r->holds++;
    return enqueue(r, worker->now_ns + pause_ms * 1000000);
}

void hold_end(struct request *r, bool expired)
{
    ASSERT((r->flags & REQUEST_HELD) != 0);
    r->flags &= ~(uint32_t)REQUEST_HELD;
    list_remove(&r->held);
    targets_hold_end(r->client->worker->targets, r->tier, expired);
    r->tried.count = 0;
}

void hold_look(struct request *r)
{
    struct worker *worker = r->client->worker;
    if (worker->now_ns >= r->hold_until_ns) {
        hold_end(r, true);
        request_expire(r, TARGET_END_UNUSED, 503);
    } else if (worker->now_ns >= r->hold_again_ns) {
        hold_end(r, false);
        request_go(r);
    }
}

void hold_wake(struct worker *worker, size_t tier)
{
    struct list *queue = &worker->tiers[tier].held;
    struct list batch;
    list_init(&batch);
    /* Whoever is held again joins the queue anew and is not looked at twice. */
    struct list *node;
    while ((node = list_pop_front(queue)) != NULL)
        list_push_back(&batch, node);
    while ((node = list_pop_front(&batch)) != NULL) {
        struct request *r = CONTAINER_OF(node, struct request, held);
        list_push_back(queue, &r->held);
        if (!targets_available(worker->targets, tier) || r->hold_again_ns != UINT64_MAX)
            continue;
        struct connection *client = r->client;
        hold_end(r, false);
        request_go(r);
        client_next(client);
    }
}
