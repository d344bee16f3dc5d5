/*
 * life: what one host goes through, from being taken to its end.
 *
 *   PENDING -> CHECKING -> DRAINING -> INSTALLING -> REBOOTING -> RETURNING -> READING -> SETTLING
 *           -> RESTORING -> SOAKING -> VERIFIED_NEW
 *
 * Goal BACK walks the same phases with the old version (DRAINING -> READING -> INSTALLING ... ->
 * VERIFIED_OLD), goal LEAVE only restores the weight, goal KEEP drains and quarantines. How a host
 * gets such a goal is back.h's matter. docs/internals/rolling.md has the drawing.
 */
#pragma once

#include "rollout/rollout.h"

/* A pending host is taken: its facts are read. The guards have been asked. */
void life_take(struct rollout *, struct rollout_actions *, uint32_t host);

/* Its open action has ended. */
void life_done(struct rollout *, struct rollout_actions *, uint32_t host,
               const struct rollout_result *);

/* Something about it may have changed: an observation, a timer, the rollout's mood. */
void life_look(struct rollout *, struct rollout_actions *, uint32_t host);

/* ---- Steps that back.c takes, too. ---- */

/* Orders weight 0. From CHECKING, guard_drain() has been asked. */
void life_drain(struct rollout *, struct rollout_actions *, uint32_t host);
/* Reads facts: what runs there now? */
void life_read(struct rollout *, struct rollout_actions *, uint32_t host);
/* Not taken after all: pending again, or untouched when the rollout is ending. */
void life_give_back(struct rollout *, struct rollout_actions *, uint32_t host);
/* The host is at its end. */
void life_end(struct rollout *, uint32_t host, enum rollout_host_phase);
