/*
 * worker_state: what a worker's thread has at hand; for the files of the hot path alone.
 *
 * The rest of the program sees worker.h. All of it belongs to the thread, but for the few fields at
 * the end.
 */
#pragma once

#include "config/config.h"
#include "os/loop.h"
#include "proto/h1.h"
#include "proxy/connection.h"
#include "proxy/listener.h"
#include "proxy/pipes.h"
#include "proxy/request.h"
#include "proxy/slab.h"
#include "proxy/targets.h"
#include "proxy/timeouts.h"
#include "proxy/upstream.h"
#include "proxy/worker.h"

#include <pthread.h>
#include <stdatomic.h>

/* Room to rewrite a head of the greatest size, with all that can be added to it. */
enum { WORKER_SCRATCH_BYTES = H1_HEAD_BYTES_MAX + 8192 };

struct worker_tier {
    const struct config_tier *config;
    struct list held; /* Requests that wait for a host, oldest first. */
};

struct worker {
    struct loop *loop;
    uint64_t now_ns; /* Of the batch. */
    const struct config *config;
    struct targets_worker *targets;
    struct worker_counters *counters;
    struct access_log_worker *log; /* May be NULL. */
    struct targets *all_targets;
    struct h1_limits limits;        /* Of clients' heads. */
    struct h1_limits answer_limits; /* Of hosts' heads. */
    struct view view;
    char *scratch;
    struct list resume; /* Connections to go on with after the batch. */
    struct list dead;   /* Connections to free after the batch. */
    struct slab connections;
    struct slab requests;
    struct pipes pipes;
    struct worker_tier *tiers;
    struct upstream_pool *pools; /* One a target. */
    struct listener *listeners;
    _Atomic uint32_t *connections_total;
    uint32_t clients; /* Connected to this worker. */
    int reserve_fd;   /* Given up for a moment to turn clients away when descriptors run out. */
    bool stopping;
    uint64_t idle_until_ns;    /* Stopping: when idle clients are closed. */
    uint64_t tunnels_until_ns; /* Stopping: when tunnels are asked to end. */
    uint64_t stop_at_ns;       /* Stopping: when what is left is cut. */
    uint64_t stop_next_ns;     /* Stopping: when the next of these is due. */
    uint64_t date_second;
    char date_line[40]; /* "Date: ...\r\n" */
    size_t date_size;
    struct h1_request asked;     /* The head at hand; valid until the next one is parsed. */
    struct h1_response answered; /* The same, of a host. */
    struct timeouts timeouts;

    pthread_t thread;
    bool running; /* The thread was started and not joined. */
    struct loop_post stop_post;
    _Atomic uint32_t stop_limit_ms; /* 0: not asked to stop. */
    atomic_bool ended;
};

/* "Date: ...\r\n" of this second (RFC 9110 6.6.1). */
struct slice worker_date_line(struct worker *);
