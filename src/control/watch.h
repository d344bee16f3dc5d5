/*
 * watch: what the balancer says about one tier, asked again and again.
 *
 * The counts it hands on never go back: when the balancer restarts (another `process`), its counts
 * begin anew and are added to what was seen before.
 */
#pragma once

#include "base/arena.h"
#include "config/config.h"
#include "drive/balancer.h"
#include "os/loop.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    WATCH_IDLE_MS = 1000,  /* Between two looks. */
    WATCH_ACTIVE_MS = 200, /* The same, while a rollout runs, ... */
    WATCH_REST = 4,        /* ... or so many times what the last look took. */
    WATCH_TIMEOUT_MS = 2000,
};

struct watch_host {
    bool seen; /* At least once; what follows is of then. */
    bool healthy;
    bool drained;
    uint32_t weight;           /* Of the config. */
    uint32_t effective_weight; /* In thousandths of a weight of 1. */
    uint64_t in_flight;
    uint64_t requests; /* Never go back. */
    uint64_t failures;
    uint64_t last_requests; /* As the balancer process said last. */
    uint64_t last_failures;
};

struct watch {
    struct loop *loop;
    const struct config_tier *tier;
    const struct balancer_driver *driver;
    struct balancer *balancer;
    struct loop_timer timer;
    bool active;
    bool asking;
    uint64_t asked_now_ms; /* Monotonic, of the last look, */
    uint64_t took_ms;      /* and how long it took. */
    void (*on_look)(void *context, struct watch *);
    void *context;

    bool reachable;               /* The last look succeeded. */
    uint64_t asked_ms;            /* Wall clock when the last look was asked for. */
    uint64_t seen_ms;             /* Wall clock of the last success; 0: never. */
    char problem[ERROR_TEXT_MAX]; /* Of the last failure. */
    struct watch_host *hosts;     /* As in the config, standbys included. */
    uint32_t serving_capacity_ppm;
    uint64_t requests; /* Never go back. */
    uint64_t failed;
    uint64_t last_requests;
    uint64_t last_failed;
    int64_t process;
    double rps;
    uint64_t p50_us;
    uint64_t p99_us;
};

/* Starts at once. `on_look` runs after each look, also a failed one. False: memory. */
bool watch_init(struct watch *, struct arena *, struct loop *, const struct config_tier *,
                const struct balancer_driver *, struct balancer *,
                void (*on_look)(void *context, struct watch *), void *context);
void watch_done(struct watch *);
void watch_set_active(struct watch *, bool active);
/* The word of status for a host that no rollout has: serving, draining, drained or down. */
const char *watch_host_state(const struct watch_host *);
