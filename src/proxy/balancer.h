/*
 * balancer: the process that carries the traffic.
 *
 * The parent opens everything that needs rights and calls balancer_run() in the child, which drops
 * to the config's `user`, starts the worker threads and serves until SIGTERM or SIGINT, or until
 * the parent is gone. It reads no file and opens no listening socket by itself.
 *
 * Main thread: admin API, metrics, health checks, weights, publication of snapshots. Worker
 * threads: the traffic, nothing else.
 *
 * Ending: listening sockets are closed, requests in flight finish for at most BALANCER_DRAIN_MS,
 * idle connections are closed, exit 0.
 */
#pragma once

#include "config/config.h"

#include <stdint.h>

enum { BALANCER_DRAIN_MS = 30000 };

struct balancer_start {
    struct config *config; /* A reference, borrowed. */
    uint32_t threads;      /* 1 to TARGETS_WORKERS_MAX. */
    /* Listening, non-blocking; that of listener l for thread t is at [l * threads + t]. */
    const int *listen_fds;
    int admin_fd;         /* The admin socket, listening. */
    int metrics_fd;       /* -1: no TCP metrics. */
    int access_log_fd;    /* -1: off. */
    int weights_fd;       /* The child's end of weights_parent_attach()'s channel. */
    int weights_start_fd; /* The weights at start. */
};

/* Takes all fds over: the process is expected to end with it. Returns the exit status; problems are
 * told on stderr. */
int balancer_run(const struct balancer_start *);
