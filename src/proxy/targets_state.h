/*
 * targets_state: what targets.c, targets_worker.c and targets_status.c share. Nobody else's.
 */
#pragma once

#include "balance/budget.h"
#include "balance/health.h"
#include "base/list.h"
#include "proxy/targets.h"

enum {
    TARGETS_REPORTS_MAX = 256,  /* Of failing hosts, waiting for the main thread; a power of two. */
    TARGETS_RAMP_MS = 100,      /* Steps of slow start. */
    TARGETS_DRAIN_POLL_MS = 10, /* How soon the end of a drain is told to the observer. */
    TARGETS_MARK_MS = 1000,     /* Marks of the sliding window of rates and quantiles... */
    TARGETS_MARKS = 10,         /* ...and how many it spans. */
};

/* What the main thread decided at one moment. Immutable once published. */
struct targets_snapshot {
    struct targets_snapshot *older;
    uint64_t generation;
    uint8_t *flags;     /* TARGET_*, one a target. */
    uint32_t weights[]; /* Effective, one a target; 0: not to be picked. The flags lie behind. */
};

/* A target as the main thread knows it. */
struct target {
    const struct config_host *host;
    struct socket_address address;
    uint32_t tier;
    struct health health;
    uint32_t override;      /* TARGET_WEIGHT_RESTORED: none. */
    uint32_t weight;        /* Effective, as last published. */
    uint8_t flags;          /* As last published. */
    uint64_t generation;    /* That published the present weight and flags. */
    uint64_t slow_since_ms; /* While in targets.slow. */
    struct list slow_node;
    struct list drain_node; /* In targets.draining until its drain is told. */
    char check[TARGET_CHECK_TEXT_MAX];
};

/* Sums of all workers at one moment. */
struct tier_mark {
    uint64_t at_ms;
    uint64_t requests;
    struct histogram latency;
};

struct tier {
    const struct config_tier *config;
    uint32_t first;
    uint32_t count;
    uint32_t up_count;      /* Healthy, and meant to have weight. */
    uint64_t effective_sum; /* Of weights as published. */
    uint64_t configured_sum;
    struct health_rule rule;
    struct tier_mark marks[TARGETS_MARKS];
    uint32_t mark_count;
    uint32_t mark_next;
    _Alignas(COUNTER_LINE_BYTES) _Atomic uint32_t holding; /* All workers; touched when holding. */
};

struct targets_worker {
    struct targets *targets;
    uint32_t index;
    struct loop *loop;
    void (*on_change)(void *context);
    void *context;
    const struct targets_snapshot *snapshot;
    struct pick *picks;     /* One a tier. */
    struct budget *budgets; /* One a tier. */
    struct target_counters *target_counters;
    struct tier_counters *tier_counters;
    struct worker_counters counters;

    /* From the main thread: there is a new snapshot. */
    _Alignas(COUNTER_LINE_BYTES) atomic_bool woken;
    bool attached; /* The main thread's: its acknowledgement counts. */
    struct loop_post wake;

    /* To the main thread. */
    _Alignas(COUNTER_LINE_BYTES) _Atomic uint64_t acknowledged;
    atomic_bool reported;
    struct loop_post report;
    _Atomic uint32_t reports_put;
    _Atomic uint32_t reports_taken;
    uint32_t reports[TARGETS_REPORTS_MAX];
};

struct targets {
    struct config *config;
    struct loop *loop;
    uint32_t count;
    struct target *list;
    struct tier *tiers;
    uint32_t worker_count;
    struct targets_worker **workers; /* NULL until attached. */
    _Atomic(const struct targets_snapshot *) current;
    struct targets_snapshot *newest; /* The same, with those not yet freed behind it. */
    uint64_t generation;
    bool dirty; /* A target differs from the newest snapshot. */
    struct list slow;
    struct list draining;
    struct loop_timer ramp_timer;
    struct loop_timer drain_timer;
    struct loop_timer mark_timer;
    targets_observer *observer;
    void *observer_context;
};

/* targets_worker.c: takes over the newest snapshot and acknowledges it. */
void targets_worker_take_over(struct targets_worker *);
void targets_worker_free(struct targets_worker *); /* Accepts NULL. */
/* targets.c: a worker reports that a target's failures in a row have reached the tier's `fall`. */
void targets_on_reports(struct targets *, struct targets_worker *);
/* targets_status.c: remembers the sums of now for the sliding window. */
void targets_mark(struct targets *);
bool targets_is_drained(const struct targets *, const struct target *);
