/*
 * histogram: counts of values in log-linear buckets, for latency quantiles.
 *
 * Each power of two is cut into 32 equal parts, so a quantile is within 1/32 (3.2 %) of the truth
 * (the layout of HdrHistogram, Gil Tene). Values are in the caller's unit, up to 2^40 - 1; larger
 * ones count in the last bucket. One writer; another thread may read by histogram_merge(), and sees
 * counts that are at most a few short.
 */
#pragma once

#include <stdint.h>

enum {
    HISTOGRAM_PARTS_LOG2 = 5,
    HISTOGRAM_VALUE_LOG2 = 40,
    HISTOGRAM_BUCKETS = (HISTOGRAM_VALUE_LOG2 - HISTOGRAM_PARTS_LOG2 + 1) << HISTOGRAM_PARTS_LOG2
};

struct histogram {
    uint64_t count;
    uint64_t sum;
    uint32_t buckets[HISTOGRAM_BUCKETS];
};

void histogram_init(struct histogram *);
void histogram_record(struct histogram *, uint64_t value);
/* Adds `other` into this one; `other` may be written by its thread meanwhile. */
void histogram_merge(struct histogram *, const struct histogram *other);
/* What was counted between two copies of one histogram: newer - older. */
void histogram_subtract(struct histogram *newer, const struct histogram *older);
/* The upper end of the bucket in which the q-th quantile lies (0 < q <= 1); 0 when empty. */
uint64_t histogram_quantile(const struct histogram *, double q);
