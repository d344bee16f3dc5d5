#include "balance/budget.h"

#include "base/check.h"

#include <string.h>

void budget_init(struct budget *budget, uint32_t share_ppm, uint32_t sharers)
{
    ASSERT(share_ppm <= BUDGET_PPM && sharers > 0);
    const uint32_t floor = BUDGET_FLOOR_PER_S * BUDGET_WINDOW_S;
    *budget = (struct budget){.share_ppm = share_ppm, .floor = (floor + sharers - 1) / sharers};
}

/* Forgets the seconds that left the window. */
static void advance(struct budget *budget, uint64_t now_ms)
{
    const uint64_t second = now_ms / 1000;
    if (second <= budget->second)
        return;
    if (second - budget->second >= BUDGET_WINDOW_S) {
        memset(budget->requests_of, 0, sizeof budget->requests_of);
        memset(budget->retries_of, 0, sizeof budget->retries_of);
        budget->requests = 0;
        budget->retries = 0;
        budget->second = second;
        return;
    }
    while (budget->second < second) {
        const uint64_t slot = ++budget->second % BUDGET_WINDOW_S;
        budget->requests -= budget->requests_of[slot];
        budget->retries -= budget->retries_of[slot];
        budget->requests_of[slot] = 0;
        budget->retries_of[slot] = 0;
    }
}

void budget_request(struct budget *budget, uint64_t now_ms)
{
    advance(budget, now_ms);
    budget->requests_of[budget->second % BUDGET_WINDOW_S]++;
    budget->requests++;
}

bool budget_retry(struct budget *budget, uint64_t now_ms)
{
    advance(budget, now_ms);
    const uint64_t share = budget->requests * budget->share_ppm / BUDGET_PPM;
    const uint64_t allowed = share > budget->floor ? share : budget->floor;
    if (budget->retries >= allowed)
        return false;
    budget->retries_of[budget->second % BUDGET_WINDOW_S]++;
    budget->retries++;
    return true;
}
