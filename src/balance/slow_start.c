#include "balance/slow_start.h"

#include "base/check.h"

uint32_t slow_start_weight(uint32_t weight, uint64_t since_ms, uint64_t now_ms,
                           uint32_t duration_ms)
{
    ASSERT(now_ms >= since_ms);
    const uint64_t elapsed_ms = now_ms - since_ms;
    if (weight == 0 || elapsed_ms >= duration_ms)
        return weight;
    const uint64_t rising = (100ULL - SLOW_START_FIRST_PERCENT) * elapsed_ms / duration_ms;
    const uint64_t part = weight * (SLOW_START_FIRST_PERCENT + rising) / 100;
    return part == 0 ? 1 : (uint32_t)part;
}
