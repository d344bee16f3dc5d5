/*
 * strategy: whom to take next. One file a strategy (strategy_rolling.c); the life of a taken host
 * (life.h) and the guards (guard.h) are the same for all.
 */
#pragma once

#include "rollout/rollout.h"

/* Why nobody could be taken although hosts are left and none is in flight. */
struct strategy_block {
    enum rollout_code code; /* ROLLOUT_SAY_NOTHING: it went on, or had nothing to do. */
    uint32_t host;          /* The host that would have been next. */
};

struct strategy {
    const char *name; /* As in the config. */
    /* Takes hosts while the guards allow and `out` has room; sets r->filling when it ran out. */
    struct strategy_block (*take)(struct rollout *, struct rollout_actions *out);
};

extern const struct strategy strategy_rolling;

const struct strategy *strategy_of(enum rollout_strategy_kind);
