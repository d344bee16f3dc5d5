/*
 * guard: what must hold before an order of ours may take capacity away.
 *
 * Guards are on what we order, since fleets come sick and drifted: a host that is ill by itself
 * counts against max_unavailable and the floor, but the floor is not broken by its falling ill.
 */
#pragma once

#include "rollout/rollout.h"

/* ROLLOUT_SAY_NOTHING when it may, else the ROLLOUT_SAY_BLOCKED_* that says why not. */

/* May this pending host be taken? */
enum rollout_code guard_take(const struct rollout *, uint32_t host);
/* It was taken and CHECKING; may it be drained now? The world has moved on since it was taken. */
enum rollout_code guard_drain(const struct rollout *, uint32_t host);
/* May a host that serves the new version well be drained, in order to put the old one back? */
enum rollout_code guard_drain_back(const struct rollout *, uint32_t host);

/* The whole fleet has been seen, and the last news is young enough. */
bool guard_informed(const struct rollout *);

/* Is the reason one that only another host of the list could get round? */
bool guard_is_of_one_host(enum rollout_code);
