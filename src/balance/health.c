#include "balance/health.h"

#include "base/check.h"

void health_init(struct health *health)
{
    *health = (struct health){.up = true};
}

bool health_check(struct health *health, const struct health_rule *rule, bool passed)
{
    ASSERT(rule->rise > 0 && rule->fall > 0);
    const bool first = !health->proved;
    health->proved = true;
    if (passed == health->up) {
        health->run = 0;
        return false;
    }
    health->run++;
    if (!first && health->run < (health->up ? rule->fall : rule->rise))
        return false;
    health->up = passed;
    health->run = 0;
    return true;
}

bool health_traffic(struct health *health, const struct health_rule *rule,
                    uint64_t failures_in_a_row, bool last_up)
{
    ASSERT(rule->fall > 0);
    if (!health->up || last_up || failures_in_a_row < rule->fall)
        return false;
    health->up = false;
    health->proved = true;
    health->run = 0;
    return true;
}
