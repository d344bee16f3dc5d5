/*
 * balancer: moves traffic on and off the hosts of a tier, and tells how the traffic does.
 *
 * The controller decides; a driver only talks. No call blocks: each starts the work, and exactly
 * one on_done reports it, never from within the call, at the latest at the call's timeout. Many
 * calls may be under way at once (BALANCER_CALLS_MAX; one more is ERROR_LIMIT in its on_done).
 * close() cancels what is in flight, and no on_done fires after that.
 *
 * Every change is idempotent: after ERROR_UNREACHABLE or ERROR_TIMEOUT it may or may not have been
 * taken, and is simply ordered again.
 */
#pragma once

#include "base/arena.h"
#include "base/error.h"
#include "config/config.h"
#include "os/loop.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct balancer; /* Opaque: each driver puts its own struct behind it. */

enum { BALANCER_CALLS_MAX = 1024 };

/* Texts are copied before the call returns. */
struct balancer_change {
    const char *tier;
    const char *host;
    bool restore;    /* Back to the config's weight, by slow start; `weight` is not looked at. */
    uint32_t weight; /* 0 drains: no new requests, running ones finish. */
    uint64_t token;  /* Refused (ERROR_REFUSED) when less than the greatest seen. */
    uint32_t timeout_ms; /* Never 0: every wait in nines has an end. */
};

struct balancer_host {
    const char *name;
    bool healthy;
    bool drained; /* Weight 0 is known to every thread, and nothing is in flight. */
    uint64_t in_flight;
    uint32_t weight;          /* Of the config. */
    uint32_t effective_milli; /* With overrides and slow start, in thousandths of weight. */
    uint64_t requests;        /* Since the balancer's start. */
    uint64_t failures;        /* Of these: what a soak judges. */
    uint64_t generation;      /* Of weights, acknowledged by every thread. */
};

/* Borrowed for the duration of on_observed. */
struct balancer_view {
    const struct balancer_host *hosts; /* In the balancer's order. */
    size_t count;
    uint32_t serving_capacity_ppm;
    uint64_t requests; /* Of users, since the balancer's start. */
    uint64_t failed;   /* Of these: not answered, or by 5xx. */
    double rps;        /* Of the last seconds, like p50 and p99. */
    uint64_t p50_us;
    uint64_t p99_us;
    int64_t process; /* Another number: the balancer restarted, and its counts with it. */
};

/* error is NULL on success, and lives only for the duration of the call. */
typedef void balancer_done(void *context, const struct error *error);
/* view is NULL when error is not. */
typedef void balancer_observed(void *context, const struct balancer_view *view,
                               const struct error *error);

struct balancer_driver {
    const char *name; /* As written in the config: `balancer: nines`. */
    struct balancer *(*open)(struct arena *, struct loop *, const struct config *, struct error *);
    void (*apply)(struct balancer *, const struct balancer_change *, balancer_done *on_done,
                  void *context);
    /* Ends the host's long-lived connections (WebSockets, tunnels) politely. Only tier, host,
     * token and timeout_ms of the change count. */
    void (*close_long_lived)(struct balancer *, const struct balancer_change *,
                             balancer_done *on_done, void *context);
    void (*observe)(struct balancer *, const char *tier, uint32_t timeout_ms,
                    balancer_observed *on_observed, void *context);
    /* No on_done or on_observed of that context any more; whether a change is taken is not known.
     */
    void (*cancel)(struct balancer *, const void *context);
    void (*close)(struct balancer *); /* Accepts NULL. */
};

extern const struct balancer_driver balancer_nines; /* `admin`/balancer.sock. */
