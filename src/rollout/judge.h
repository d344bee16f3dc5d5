/*
 * judge: is the error ratio of an updated host worse than that of the others, beyond what chance
 * explains and the operator tolerates?
 *
 * Null hypothesis: p_host <= p_others + margin. Of the others, y failures in m requests were seen,
 * of the host x in n. The p-value is that of Berger and Boos ("P values maximized over a confidence
 * set for the nuisance parameter", JASA 89, 1994): p_others is replaced by an upper confidence
 * limit u at level beta, and P(X >= x | n, u + margin) + beta bounds the chance of a false alarm,
 * whatever p_others is. Both tails are bounded by Hoeffding ("Probability inequalities for sums of
 * bounded random variables", JASA 58, 1963, theorem 1): P(X >= x | n, p) <= exp(-n KL(x/n || p)),
 * KL(a || p) = a ln(a/p) + (1-a) ln((1-a)/(1-p)) which is exact where it matters most (all failed:
 * p^n; none failed: (1-p)^m) and never too small. No table, no loop over counts, no verdict from a
 * handful of requests.
 *
 * The host is looked at often. Look k (from 1) may spend JUDGE_ALARM / (k (k + 1)); these sum to
 * JUDGE_ALARM, so that the chance of a false alarm of one host over its whole soak stays under it.
 *
 * With fewer than JUDGE_COMPARE_MIN requests to compare with, there is nothing to learn u from;
 * then u + margin is one half: only a host that clearly fails most of its requests is called bad.
 */
#pragma once

#include "rollout/rollout.h"

enum { JUDGE_COMPARE_MIN = 20 };

#define JUDGE_ALARM 1e-4

struct judge_verdict {
    bool bad;
    double limit;     /* The ratio of failures that the null hypothesis allows: u + margin. */
    double logarithm; /* ln of the bound on the chance that a good host looks like this; <= 0. */
};

/* Upper confidence limit of a ratio: the p at which exp(-n KL(x/n || p)) is exp(-strength). */
double judge_upper_limit(uint64_t failures, uint64_t requests, double strength);

/* ln of the bound on P(X >= failures | requests, ratio); 0 when failures are not above it. */
double judge_tail(uint64_t failures, uint64_t requests, double ratio);

struct judge_verdict judge_host(const struct rollout_counts *host,
                                const struct rollout_counts *others, double margin, uint32_t look);
