#include "base/histogram.h"

#include "base/check.h"

#include <string.h>

enum { PARTS = 1 << HISTOGRAM_PARTS_LOG2 };

static uint32_t bucket_of(uint64_t value)
{
    const uint64_t top = (1ULL << HISTOGRAM_VALUE_LOG2) - 1;
    if (value > top)
        value = top;
    if (value < PARTS)
        return (uint32_t)value;
    const uint32_t log2 = 63U - (uint32_t)__builtin_clzll(value);
    const uint32_t shift = log2 - HISTOGRAM_PARTS_LOG2;
    const uint32_t bucket =
        ((shift + 1) << HISTOGRAM_PARTS_LOG2) + (uint32_t)(value >> shift) - PARTS;
    ASSERT(bucket < HISTOGRAM_BUCKETS);
    return bucket;
}

/* The largest value that falls into a bucket. */
static uint64_t bucket_end(uint32_t bucket)
{
    if (bucket < PARTS)
        return bucket;
    const uint32_t shift = (bucket >> HISTOGRAM_PARTS_LOG2) - 1;
    const uint64_t part = (bucket & (PARTS - 1)) + PARTS;
    return ((part + 1) << shift) - 1;
}

void histogram_init(struct histogram *histogram)
{
    memset(histogram, 0, sizeof *histogram);
}

/* Relaxed atomics for the one writer and its readers: plain moves on every machine we know. */
void histogram_record(struct histogram *histogram, uint64_t value)
{
    uint32_t *bucket = &histogram->buckets[bucket_of(value)];
    __atomic_store_n(bucket, *bucket + 1, __ATOMIC_RELAXED);
    __atomic_store_n(&histogram->sum, histogram->sum + value, __ATOMIC_RELAXED);
    __atomic_store_n(&histogram->count, histogram->count + 1, __ATOMIC_RELAXED);
}

void histogram_merge(struct histogram *histogram, const struct histogram *other)
{
    for (uint32_t i = 0; i < HISTOGRAM_BUCKETS; i++)
        histogram->buckets[i] += __atomic_load_n(&other->buckets[i], __ATOMIC_RELAXED);
    histogram->sum += __atomic_load_n(&other->sum, __ATOMIC_RELAXED);
    histogram->count += __atomic_load_n(&other->count, __ATOMIC_RELAXED);
}

void histogram_subtract(struct histogram *newer, const struct histogram *older)
{
    ASSERT(newer->count >= older->count);
    for (uint32_t i = 0; i < HISTOGRAM_BUCKETS; i++)
        newer->buckets[i] -= older->buckets[i];
    newer->sum -= older->sum;
    newer->count -= older->count;
}

uint64_t histogram_quantile(const struct histogram *histogram, double q)
{
    ASSERT(q > 0 && q <= 1);
    uint64_t total = 0;
    for (uint32_t i = 0; i < HISTOGRAM_BUCKETS; i++)
        total += histogram->buckets[i];
    const double rank = q * (double)total;
    uint64_t seen = 0;
    for (uint32_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        seen += histogram->buckets[i];
        if (seen > 0 && (double)seen >= rank)
            return bucket_end(i);
    }
    return 0;
}
