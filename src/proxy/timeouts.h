/*
 * timeouts: a wheel that looks at each connection now and then, and never at each request.
 *
 * A node stands in one slot of the wheel. timeouts_watch() promises that it is looked at no later
 * than one tick after a deadline; when it already stands in an earlier slot, nothing is done, so a
 * connection in use costs a comparison. When a slot's time comes, its nodes are unlinked and handed
 * to on_look, which works out the deadline that holds by then and acts or watches again. Hashed
 * wheel: Varghese and Lauck, "Hashed and Hierarchical Timing Wheels", 1987, scheme 6; deadlines
 * past the horizon are looked at once a turn.
 */
#pragma once

#include "base/list.h"

#include <stdbool.h>
#include <stdint.h>

enum { TIMEOUTS_SLOTS = 1024, TIMEOUTS_TICK_NS = 16 * 1000 * 1000 };

struct timeout {
    struct list link;
    uint64_t tick; /* When it is looked at; meaningless while not linked. */
};

struct timeouts {
    uint64_t tick; /* The last one swept. */
    uint64_t used[TIMEOUTS_SLOTS / 64];
    struct list slots[TIMEOUTS_SLOTS];
};

typedef void timeouts_look(struct timeout *, void *context);

void timeouts_init(struct timeouts *, uint64_t now_ns);

/* Links it into a slot. Not linked before. */
void timeouts_insert(struct timeouts *, struct timeout *, uint64_t tick);
void timeouts_remove(struct timeout *); /* Nothing when it is not linked. */

/* Looks at everything that is due. */
void timeouts_sweep(struct timeouts *, uint64_t now_ns, timeouts_look *, void *context);
/* Milliseconds until the next slot with nodes is due; -1 when there is none. */
int timeouts_wait_ms(const struct timeouts *, uint64_t now_ns);

static inline void timeouts_watch(struct timeouts *wheel, struct timeout *timeout,
                                  uint64_t deadline_ns)
{
    const uint64_t tick = deadline_ns / TIMEOUTS_TICK_NS + 1;
    if (list_linked(&timeout->link)) {
        if (timeout->tick <= tick)
            return;
        timeouts_remove(timeout);
    }
    timeouts_insert(wheel, timeout, tick);
}
