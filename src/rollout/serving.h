/*
 * serving: the second half of a host's life: its weight is restored, rises by slow start, and real
 * traffic judges it. A part of life.h; goal BACK comes through here, too, without a soak.
 */
#pragma once

#include "rollout/rollout.h"

/* Orders the host's weight back (a cordoned host keeps weight 0 and is at its end). */
void serving_restore(struct rollout *, struct rollout_actions *, uint32_t host);
void serving_restored(struct rollout *, struct rollout_actions *, uint32_t host,
                      const struct rollout_result *);

void serving_look_restoring(struct rollout *, struct rollout_actions *, uint32_t host);
void serving_look_soaking(struct rollout *, struct rollout_actions *, uint32_t host);

/*
 * A wait for good news from the balancer has ended without: the host has failed for this reason,
 * or, where the balancer has been silent, nobody can tell.
 */
void serving_overdue(struct rollout *, struct rollout_actions *, uint32_t host, const char *reason);
