/*
 * client: one HTTP/1.1 exchange with a nines admin socket (or a TCP address), on a loop or
 * blocking.
 *
 * Who calls it: the balancer driver, the command line, and nobody on the hot path. Each call has a
 * deadline; exactly one on_done reports it, never from within client_call(). Bodies are at most
 * CLIENT_BODY_BYTES_MAX; a longer answer is ERROR_PROTOCOL.
 */
#pragma once

#include "base/error.h"
#include "base/slice.h"
#include "base/text.h"
#include "os/loop.h"

#include <stdint.h>

enum { CLIENT_BODY_BYTES_MAX = 64 * 1024 * 1024 };

struct client_call; /* Freed by itself after on_done, or by client_cancel(). */

struct client_request {
    const char *address; /* "/run/nines/balancer.sock" (a path) or "127.0.0.1:9101". */
    const char *method;
    const char *path;    /* With its query. */
    struct slice body;   /* Copied. JSON when not empty. */
    uint32_t timeout_ms; /* Never 0. */
};

struct client_answer {
    int status;
    struct slice body; /* Borrowed for the duration of on_done. */
};

/* `error` is NULL when an answer came, whatever its status. */
typedef void client_done(void *context, const struct client_answer *, const struct error *error);
/* For streams: one line without its end; called until on_done. */
typedef void client_line(void *context, struct slice line);

/* NULL (and error set) only when the call could not even start; on_done is not called then. */
struct client_call *client_call(struct loop *, const struct client_request *, client_line *on_line,
                                client_done *on_done, void *context, struct error *);
/* Fills the error that an answer of 400 or more carries in its body. Returns false. */
bool client_answer_error(const struct client_answer *, struct error *);
/* No on_done after that. */
void client_cancel(struct client_call *);

/*
 * Blocking form for the command line. The body is left in `body` (a text with its own limit).
 * A status of 400 or more is an error carrying the server's "error" member.
 */
bool client_fetch(const struct client_request *, struct text *body, int *status, struct error *);
