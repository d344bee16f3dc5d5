/*
 * health: whether one host is fit for traffic, from checks and from the traffic itself.
 *
 * A host starts up but unproved: its first check decides alone, so that a restarted balancer
 * neither waits for `rise` checks before it serves nor sends to a dead host until `fall` of them.
 * Then `fall` failed checks in a row take it down, `rise` passed ones bring it back. Traffic takes
 * it down as well: `fall` failed connects or resets in a row without an answer between them.
 * Answers of any status and slow ones do not count: a client that asks for something broken or slow
 * must not be able to empty a tier. Traffic never takes the last host that is up.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct health_rule {
    uint32_t rise;
    uint32_t fall;
};

struct health {
    bool up;
    bool proved;
    uint32_t run; /* Results in a row that speak against the present state. */
};

void health_init(struct health *);
/* Both return true when the host went up or down by it. */
bool health_check(struct health *, const struct health_rule *, bool passed);
bool health_traffic(struct health *, const struct health_rule *, uint64_t failures_in_a_row,
                    bool last_up);
