/*
 * budget: how many requests of a tier may be tried again, so that retries never multiply an outage.
 *
 * Over a sliding window of ten seconds (in steps of one) retries may be a share of the requests, or
 * a floor for tiers with few requests, whichever is more (the retry budget of Finagle). One struct
 * a tier and thread; the caller gives each thread its part of the floor.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum { BUDGET_WINDOW_S = 10, BUDGET_FLOOR_PER_S = 10, BUDGET_PPM = 1000000 };

struct budget {
    uint32_t share_ppm;
    uint32_t floor;    /* Retries a window that need no requests. */
    uint64_t second;   /* The newest second counted. */
    uint64_t requests; /* Of the window, as retries. */
    uint64_t retries;
    uint32_t requests_of[BUDGET_WINDOW_S];
    uint32_t retries_of[BUDGET_WINDOW_S];
};

/* `sharers`: how many threads share the floor; each gets its part, rounded up. */
void budget_init(struct budget *, uint32_t share_ppm, uint32_t sharers);
void budget_request(struct budget *, uint64_t now_ms);
/* True: the retry is paid for. */
bool budget_retry(struct budget *, uint64_t now_ms);
