/*
 * worker: one thread of the balancer, with everything it needs to carry traffic.
 *
 * A worker has its own loop, its own listening socket for each listener, its own pool of upstream
 * connections, slabs and buffers; nothing on the way of a request is shared with another thread.
 * What it takes from outside: the config (immutable), the targets' snapshots (published by the main
 * thread, acknowledged by the worker once its picks use them), and a few counters of struct
 * worker_shared that are touched when a connection comes or goes or a request is held, never by a
 * request on its normal way. What it gives: counters of targets.h and entries of the access log.
 *
 * The main thread opens all workers, starts them, wakes them after it published a snapshot, and
 * stops them. worker_wake() and worker_stop() may be called by any thread; the rest by the thread
 * that opened the worker, while it does not run.
 */
#pragma once

#include "base/error.h"
#include "config/config.h"

#include <stdbool.h>
#include <stdint.h>

struct access_log_worker;
struct targets;
struct worker;
struct worker_shared;

/* Counters over all workers, with the limits of the config. Outlives every worker. */
struct worker_shared *worker_shared_open(const struct config *, struct error *);
void worker_shared_close(struct worker_shared *); /* Accepts NULL. */

/* What the metrics show of it. */
struct worker_shared_view {
    uint64_t connections;   /* Clients connected now. */
    uint64_t accepted;      /* Since the start. */
    uint64_t shed;          /* Turned away: `limits.connections`, or out of descriptors. */
    uint64_t bad_requests;  /* Heads refused (400, 414, 431, 501, 505). */
    uint64_t client_aborts; /* Clients that left before their answer ended. */
    uint64_t bad_answers;   /* Back ends' heads or bodies refused. */
    uint64_t tunnels;       /* Open now. */
};
void worker_shared_read(const struct worker_shared *, struct worker_shared_view *);
/* Requests of this tier that wait for a host now, all workers together. */
uint32_t worker_shared_held(const struct worker_shared *, size_t tier);

struct worker_start {
    uint32_t index; /* From 0: the row of this worker's counters in `targets`. */
    const struct config *config;
    struct worker_shared *shared;
    struct targets *targets;
    struct access_log_worker *log; /* NULL: no access log. */
    const int *listen_fds; /* One a listener of the config, non-blocking; owned from here. */
    uint64_t seed;         /* For picks at random. */
};

/* On failure the listening sockets are still the caller's. */
struct worker *worker_open(const struct worker_start *, struct error *);
/* Accepts NULL. The thread has ended or was never started. Connections left are closed. */
void worker_close(struct worker *);

/* Starts the thread. */
bool worker_run(struct worker *, struct error *);
/* Looks at the newest snapshot soon: takes it, acknowledges it. Any thread. */
void worker_wake(struct worker *);
/*
 * No new connections; requests in flight finish, answers say close, idle connections end; whatever
 * is left after `limit_ms` is cut. Any thread; the first call counts.
 */
void worker_stop(struct worker *, uint32_t limit_ms);
/* True once the thread has ended (after worker_stop()); worker_join() then does not block. */
bool worker_ended(const struct worker *);
void worker_join(struct worker *);
