/*
 * request: one exchange, from a client's whole head to the last byte of its answer.
 *
 * A request is made by client.c when a head was read and ends by itself: its client is then idle
 * again, flushing, lingering or closed. In between request_go() is called whenever anything
 * happened on either of its two connections; it relays what can be relayed of the request's body
 * and runs the steps listed at the top of request.c until one has to wait.
 *
 * The head that goes to the host is made once, when the client's is read, and kept: it is what a
 * retry sends again. Everything a request owns is in its struct or hangs from it; one slab object
 * holds the usual case.
 */
#pragma once

#include "balance/pick.h"
#include "base/list.h"
#include "base/slice.h"
#include "proxy/pipes.h"
#include "proxy/targets.h"
#include "proxy/tunnel.h"

#include <stdbool.h>
#include <stdint.h>

struct connection;
struct worker;

enum {
    REQUEST_MINOR_0 = 1U << 0,        /* The client speaks HTTP/1.0. */
    REQUEST_KEEP_ALIVE = 1U << 1,     /* The client goes on after this request. */
    REQUEST_UPGRADE = 1U << 2,        /* It asks for another protocol. */
    REQUEST_SAFE = 1U << 3,           /* GET, HEAD or OPTIONS without a body: may be sent twice. */
    REQUEST_HEAD_ONLY = 1U << 4,      /* HEAD: answers have no body. */
    REQUEST_STARTED = 1U << 5,        /* This try: a byte may have reached the host. */
    REQUEST_SENT = 1U << 6,           /* This try: all of it was sent. */
    REQUEST_HEARD = 1U << 7,          /* This try: a byte of an answer came. */
    REQUEST_FORWARDED = 1U << 8,      /* A byte of an answer went to the client. */
    REQUEST_ANSWERED = 1U << 9,       /* The head of the final answer went to the client. */
    REQUEST_CLOSE = 1U << 10,         /* The client's connection ends with this answer. */
    REQUEST_HELD = 1U << 11,          /* In the queue of its tier. */
    REQUEST_WAS_HELD = 1U << 12,      /* hold_until_ns is set. */
    REQUEST_TUNNEL = 1U << 13,        /* 101 was answered. */
    REQUEST_HOST_REUSABLE = 1U << 14, /* The answer says that its connection goes on. */
    REQUEST_TRUNCATED = 1U << 15,     /* The answer ended too early. */
};

enum {
    REQUEST_BYTES = 2048,     /* Of the slab's objects. */
    REQUEST_INTERIM_MAX = 32, /* 1xx answers before the final one. */
};

/* What the access log will want to know; only filled when there is one. */
struct request_notes {
    struct slice method;
    struct slice target;
    struct slice host;
    struct slice referer;
    struct slice user_agent;
};

struct request_memory; /* Memory past the area, see request_memory(). */

struct request {
    struct connection *client;
    struct connection *upstream; /* NULL between tries. */
    struct list held;            /* In the queue of its tier. */
    uint64_t started_ns;
    uint64_t started_wall_ms;
    uint64_t active_ns;     /* When a byte last moved, either way. */
    uint64_t hold_until_ns; /* When waiting for a host ends in a 503. */
    uint64_t hold_again_ns; /* Held after a failed connect: when to try again. UINT64_MAX: never. */
    uint64_t bytes_in;      /* Of the request's body. */
    uint64_t bytes_out;     /* Of the answer's body. */
    struct slice head;      /* As it goes to the host. */
    struct request_notes *notes;
    struct request_memory *memory;
    uint32_t target; /* Of the try under way, or TARGET_NONE. */
    uint32_t target_last;
    uint32_t flags;
    uint16_t tier;
    uint16_t status; /* Of the final answer, 0 before. */
    uint16_t area_used;
    uint8_t step;
    uint8_t method; /* enum h1_method */
    uint8_t minor;
    uint8_t tries;
    uint8_t retries; /* Counted against retry.attempts. */
    uint8_t holds;   /* Times held after a failed connect: the pause grows. */
    uint8_t interims;
    struct pick_tried tried;
    struct tunnel tunnel;
    struct pipe pipe; /* For a long body of the answer. */
};

/*
 * Makes a request of the head at the front of the client's view, parsed into worker->asked, and
 * takes the head off the view. It does not go yet. NULL: memory is out.
 */
struct request *request_open(struct connection *client, uint16_t tier);
/* Lets it go on as far as it can. It may be over, and its memory gone, afterwards. */
void request_go(struct request *);
/* Its client is gone or must go: ends it and closes the client. */
void request_abort(struct request *);
/* Its time is over: `end` says whose fault that is, `status` what to answer if that still can be.
 */
void request_expire(struct request *, enum target_end end, int status);

/* Ends a tunnel that was idle for too long, or whose polite end took too long. */
void request_end_tunnel(struct request *);

/* Memory that lives as long as the request. NULL: memory is out. */
void *request_memory(struct request *, size_t size);
