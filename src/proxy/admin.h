/*
 * admin: the balancer's HTTP + JSON interface on its Unix socket, and /metrics on TCP.
 *
 * Who calls it: operators with curl, the command line, the controller. docs/internals/admin-api.md
 * is its contract. A weight that is set is kept by the parent first (weights.h), then published,
 * then answered: a 200 means that neither a restart of this process nor of nines forgets it.
 * Whoever may open the socket may do all of it; the metrics port shows /metrics alone.
 *
 * Fencing: a change may carry a token. One with a token older than the newest seen for its tier is
 * refused (409): a controller that was replaced cannot act any more.
 */
#pragma once

#include "base/error.h"
#include "os/loop.h"
#include "proxy/access_log.h"
#include "proxy/targets.h"
#include "proxy/weights.h"

enum { ADMIN_STREAMS_MAX = 64, ADMIN_BYTES_MAX = 64 * 1024 * 1024 };

struct admin;

struct admin_start {
    struct loop *loop;
    struct targets *targets;
    struct weights *weights;
    const struct access_log *log; /* NULL: off. */
    int admin_fd;
    int metrics_fd; /* -1: none. */
    uint32_t threads;
    const uint64_t *tokens; /* The newest one of each tier, 0 for none. Copied. */
};

/* Takes the fds over, also on failure. Observes the targets from then on. */
struct admin *admin_open(const struct admin_start *, struct error *);
/* Accepts NULL. After weights_close(). */
void admin_close(struct admin *);
