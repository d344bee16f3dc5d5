/*
 * counter: a number that one thread writes and others read.
 *
 * Relaxed and never a locked instruction: on x86 an add is what it is for a plain integer. Sums
 * over threads are made by the reader; they may be a few short of the present.
 */
#pragma once

#include <stdatomic.h>
#include <stdint.h>

enum { COUNTER_LINE_BYTES = 64 }; /* A cache line: what two threads write never shares one. */

typedef _Atomic uint64_t counter;

static inline uint64_t counter_read(const counter *one)
{
    return atomic_load_explicit(one, memory_order_relaxed);
}

/* These two only by the counter's own thread. */
static inline void counter_add(counter *one, uint64_t more)
{
    atomic_store_explicit(one, counter_read(one) + more, memory_order_relaxed);
}

static inline void counter_subtract(counter *one, uint64_t less)
{
    atomic_store_explicit(one, counter_read(one) - less, memory_order_relaxed);
}
