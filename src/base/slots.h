/*
 * slots: which stretch of a key's hash belongs to whom in a first layout.
 *
 * The slot of a key is the first 16 bits of its hash. Owners in host order with the weights before
 * them summed to W_i, of W in all: owner i has floor(65536 W_i / W) to floor(65536 W_(i+1) / W)
 * - 1. Of 300 equal ones the first owns 0x0000 to 0x00d9. An owner of too small a share has none.
 */
#pragma once

#include "base/check.h"

#include <stdint.h>

enum { SLOTS_COUNT = 65536 };

/* The first slot of the owner with this sum of weights before it; SLOTS_COUNT at the end. */
static inline uint32_t slots_first(uint64_t weight_before, uint64_t weight_sum)
{
    ASSERT(weight_sum > 0 && weight_before <= weight_sum);
    ASSERT(weight_sum <= UINT64_MAX / SLOTS_COUNT);
    return (uint32_t)(SLOTS_COUNT * weight_before / weight_sum);
}
