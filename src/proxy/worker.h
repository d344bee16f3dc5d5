/*
 * worker: one thread of the balancer, with everything it needs to carry traffic.
 *
 * A worker has its own loop, its own listening socket for each listener, its own pool of upstream
 * connections, slabs and buffers; nothing on the way of a request is shared with another thread.
 * What it takes from outside: the config (immutable), snapshots and counters (targets.h), and one
 * shared number of clients connected, which is touched when a connection comes or goes.
 *
 * The main thread opens all workers, runs them and stops them. worker_stop() and worker_ended() may
 * be called by any thread; the rest by the thread that opened the worker, while it does not run.
 */
#pragma once

#include "base/error.h"
#include "config/config.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct access_log_worker;
struct targets;
struct worker;

struct worker_start {
    uint32_t index; /* From 0: the row of this worker's counters in `targets`. */
    const struct config *config;
    struct targets *targets;
    struct access_log_worker *log;       /* NULL: no access log. */
    _Atomic uint32_t *connections_total; /* Clients connected, all workers; 0 at the start. */
    const int *listen_fds; /* One a listener of the config, non-blocking; owned from here. */
    uint64_t seed;
};

/* On failure the listening sockets are still the caller's. */
struct worker *worker_open(const struct worker_start *, struct error *);
/* Accepts NULL. The thread was joined or never started. What is still connected is closed. */
void worker_close(struct worker *);

/* Starts the thread. */
bool worker_run(struct worker *, struct error *);
/*
 * No new connections; requests in flight finish, answers say close, idle connections end; whatever
 * is left after `limit_ms` is cut. Any thread; the first call counts.
 */
void worker_stop(struct worker *, uint32_t limit_ms);
/* True once the thread is at its end: worker_join() does not block then. Any thread. */
bool worker_ended(const struct worker *);
void worker_join(struct worker *);
