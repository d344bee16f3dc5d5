/*
 * answer: the answers nines gives by itself, when there is none of a host to pass on.
 *
 * Short texts with a reason, a Date, a Content-Length, and Connection as the client's version and
 * the state of its connection ask for (RFC 9112 9.3, 9.6). 503 adds Retry-After: 1.
 */
#pragma once

#include <stdbool.h>

struct connection;

struct answer {
    int status;
    bool close;      /* The connection ends after it. */
    bool keep_alive; /* To HTTP/1.0: said aloud that it goes on. */
    bool head_only;  /* To HEAD: the length is told, the body not sent. */
};

/* False: the client is gone. */
bool answer_send(struct connection *, const struct answer *);
