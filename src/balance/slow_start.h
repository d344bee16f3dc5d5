/*
 * slow_start: the weight of a host that just came back, rising until it is warm.
 *
 * Linear from a tenth (as Envoy's min_weight_percent) to the whole over `duration_ms`. Pure
 * arithmetic: the caller keeps since when.
 */
#pragma once

#include <stdint.h>

enum { SLOW_START_FIRST_PERCENT = 10 };

/* The part of `weight` it has now; never 0 for a weight that is not. now_ms >= since_ms. */
uint32_t slow_start_weight(uint32_t weight, uint64_t since_ms, uint64_t now_ms,
                           uint32_t duration_ms);
