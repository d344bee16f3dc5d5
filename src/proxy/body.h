/*
 * body: how much of what a peer sends belongs to the message at hand.
 *
 * Framing alone (RFC 9112 6 and 7); moving the bytes is relay.h. A struct body stands for the rest
 * of a message's body: a count, a chunked state machine, or everything until the end.
 */
#pragma once

#include "base/slice.h"
#include "proto/h1.h"
#include "proto/h1_chunked.h"

#include <stdbool.h>
#include <stdint.h>

enum body_mode {
    BODY_DONE, /* Nothing more belongs to it. */
    BODY_LENGTH,
    BODY_CHUNKED,
    BODY_UNCHUNK,     /* Chunked, passed on as payload alone (to HTTP/1.0). */
    BODY_UNTIL_CLOSE, /* Also tunnels: all that comes. */
};

struct body {
    union {
        uint64_t left;
        struct h1_chunked chunked;
    };
    uint8_t mode; /* enum body_mode */
    uint8_t fault;
};

/* `unchunk`: see BODY_UNCHUNK. */
void body_begin(struct body *, const struct h1_head *, bool unchunk);
void body_begin_raw(struct body *);

/*
 * Takes bytes from the front of `data`. `*consumed` belong to the message; `*payload` of them, at
 * the same place, are to be passed on (with BODY_UNCHUNK fewer, moved to the front). False: the
 * framing is broken, `fault` says how; what came before is in `*payload`.
 */
bool body_take(struct body *, char *data, size_t size, size_t *consumed, size_t *payload);
