/*
 * relay: moves heads and bodies of one request between its client and its host.
 *
 * What one side sent is written to the other at once; what the kernel does not take is kept, and
 * until it is gone its sender is not read: memory is bounded by one read of the thread's buffer a
 * direction. The answer's head is put right in front of the body's first bytes, so that both leave
 * in one system call.
 */
#pragma once

#include <stdbool.h>

struct request;

enum relay {
    RELAY_GOES_ON,
    RELAY_NOT_STARTED, /* relay_head(): not one byte was sent; nothing has changed. */
    RELAY_CLIENT_BAD,  /* The client's body: bad chunks, or it ended too early. */
    RELAY_TOO_LONG,    /* The client's body: over limits.body_bytes. */
    RELAY_CLIENT_GONE,
    RELAY_HOST_BAD,  /* The host's framing is broken. */
    RELAY_HOST_GONE, /* The host ended before its answer did. */
};

/* Sends the request's head, with what is here of its body. */
enum relay relay_head(struct request *);
/* The rest of the request's body, as far as it goes now. */
enum relay relay_up(struct request *);

/* The 1xx in worker->answered; not to HTTP/1.0 (RFC 9110 15.2). */
enum relay relay_interim(struct request *);
/*
 * The final head in worker->answered, with what is here of its body. Decides how the client's
 * connection goes on. RELAY_HOST_BAD: nothing was sent, a 502 still can be.
 */
enum relay relay_answer(struct request *);
/* The rest of the answer's body, as far as it goes now. Long ones are spliced (pipes.h). */
enum relay relay_down(struct request *);
/* All of the answer's body has left, or waits in the client's output. */
bool relay_down_done(const struct request *);
/* The client does not read: bytes of the answer wait. */
bool relay_down_blocked(const struct request *);
