/*
 * back: what happens when something goes wrong, or the operator wants out.
 *
 * A host that fails stops the whole rollout (or pauses it, on_failure: pause). Then nobody new is
 * taken, and everybody in flight is brought to a safe end: those not yet changed get their weight
 * back, those changed get the old version back, since the version is under suspicion. A host for
 * which that cannot be done is quarantined by name.
 *
 * A host that was ill before it was taken proves nothing about the version as long as it has not
 * served: if it fails before its weight is restored, it is quarantined and the rollout goes on.
 */
#pragma once

#include "rollout/rollout.h"

/* The host has failed on its way to the new version, and can be acted on. */
void back_fail(struct rollout *, struct rollout_actions *, uint32_t host, const char *reason);

/* The host has failed and nothing can be done with it. */
void back_lose(struct rollout *, struct rollout_actions *, uint32_t host, const char *reason);

/* The host is left as it is, by name; the rollout's mood does not change. */
void back_quarantine(struct rollout *, struct rollout_actions *, uint32_t host, const char *reason);

/* Nothing was changed on the host, but the rollout stops: why. */
void back_stop(struct rollout *, struct rollout_actions *, uint32_t host, const char *reason);

/* Gives a host in flight the goal that the rollout's mood (stop, pause) asks for. */
void back_turn(struct rollout *, struct rollout_actions *, uint32_t host);

/* Everybody in flight is looked at in this step. */
void back_look_at_all(struct rollout *);
