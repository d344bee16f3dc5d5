/*
 * deadline: how long each state of a connection may last, and what happens when it has.
 *
 * Every wait of the proxy is a row here: a client's idling, its head, its body, a connect, an
 * answer's head, an answer's body, a tunnel, a held request, the last bytes of an answer, a
 * pooled connection. A request's own waits are kept on its upstream connection.
 */
#pragma once

#include <stdint.h>

struct connection;
struct timeout;

/* When the present state of this connection has lasted too long; UINT64_MAX / 2 for never. */
uint64_t deadline_of(const struct connection *);
/* For timeouts_sweep(): acts if the deadline has passed, else watches on. `context`: the worker. */
void deadline_look(struct timeout *, void *context);
