/*
 * upstream: connections to hosts, and those kept open between requests.
 *
 * Each worker keeps a stack of idle connections a target (the last one used is the next one taken:
 * it is warm, and the others grow old and go). A pooled connection on which anything at all happens
 * is closed. At most UPSTREAM_IDLE_MAX a target and worker are kept, for UPSTREAM_IDLE_MS.
 */
#pragma once

#include "base/list.h"

#include <stdbool.h>
#include <stdint.h>

struct connection;
struct request;
struct worker;

enum { UPSTREAM_IDLE_MAX = 1024, UPSTREAM_IDLE_MS = 30000 };

struct upstream_pool {
    struct list idle; /* Latest first. */
    uint32_t count;
};

/*
 * A pooled connection to the target, or NULL. With `surely` each is looked at before it is given
 * out: for a request that could not be sent again.
 */
struct connection *upstream_take(struct worker *, uint32_t target, bool surely);

enum upstream_connect {
    UPSTREAM_STARTED,
    UPSTREAM_REFUSED,   /* The host's side: no route, refused at once. */
    UPSTREAM_EXHAUSTED, /* Ours: no descriptor, port or memory left. */
};
/* Starts a new one for the request, whose `upstream` it becomes. */
enum upstream_connect upstream_connect(struct request *, uint32_t target);

/* Puts it back into the pool, or closes it if that is full. */
void upstream_return(struct connection *);
/* Closes it, wherever it stands. Accepts NULL. */
void upstream_close(struct connection *);
/* Goes on when its turn has come again. */
void upstream_resume(struct connection *);
void upstream_close_idle(struct worker *, uint32_t target);
