/*
 * story: whole rollouts told by the engine's narration, compared line by line.
 *
 * STORY_REWRITE=1 prints what each story tells now, ready to be read, judged and pasted.
 */
#pragma once

#include "story/fleet.h"
#include "unit.h"

/* One fleet per test program: it is large. */
static inline struct fleet *story_fleet(uint32_t count)
{
    static struct fleet fleet;
    fleet_init(&fleet, count);
    return &fleet;
}
