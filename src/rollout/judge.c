#include "rollout/judge.h"

#include "base/check.h"

#include <math.h>

enum { BISECTIONS = 60 };

/* Kullback-Leibler divergence of two Bernoulli ratios, in nats; 0 ln 0 is 0. */
static double divergence(double a, double p)
{
    double sum = 0;
    if (a > 0)
        sum += a * log(a / p);
    if (a < 1)
        sum += (1 - a) * log((1 - a) / (1 - p));
    return sum;
}

double judge_tail(uint64_t failures, uint64_t requests, double ratio)
{
    ASSERT(failures <= requests && ratio >= 0);
    if (requests == 0 || ratio >= 1)
        return 0;
    const double n = (double)requests;
    const double seen = (double)failures / n;
    if (seen <= ratio)
        return 0;
    if (ratio <= 0)
        return -INFINITY;
    return -n * divergence(seen, ratio);
}

double judge_upper_limit(uint64_t failures, uint64_t requests, double strength)
{
    ASSERT(failures <= requests && strength > 0);
    if (failures == requests)
        return 1;
    const double n = (double)requests;
    const double seen = (double)failures / n;
    double low = seen;
    double high = 1;
    for (int i = 0; i < BISECTIONS; i++) {
        const double middle = (low + high) / 2;
        if (middle < 1 && n * divergence(seen, middle) < strength)
            low = middle;
        else
            high = middle;
    }
    return high;
}

struct judge_verdict judge_host(const struct rollout_counts *host,
                                const struct rollout_counts *others, double margin, uint32_t look)
{
    ASSERT(look > 0 && margin >= 0 && margin <= 1);
    const double k = (double)look;
    const double spend = JUDGE_ALARM / (k * (k + 1)) / 2; /* Half for u, half for the tail. */
    struct judge_verdict verdict = {.limit = 0.5};
    if (others->requests >= JUDGE_COMPARE_MIN)
        verdict.limit = judge_upper_limit(others->failures, others->requests, -log(spend)) + margin;
    else if (margin > verdict.limit)
        verdict.limit = margin;
    verdict.logarithm = judge_tail(host->failures, host->requests, verdict.limit);
    verdict.bad = verdict.logarithm < log(spend);
    return verdict;
}
