/*
 * h1_chunked: where a chunked body ends (RFC 9112 7.1), byte by byte, in place.
 *
 * The proxy forwards the bytes as they are and only needs to know how many belong to the message;
 * the admin interface wants the payload. Strict: sizes of 1 to 16 hexadecimal digits, extensions by
 * the grammar and bounded, CRLF everywhere, trailers validated like headers and bounded, and no
 * trailer that frames, routes or authorizes. The state is small enough to live in a connection and
 * holds no pointer; the verdict does not depend on how the bytes were split.
 */
#pragma once

#include "proto/h1.h"

enum {
    H1_CHUNK_EXTENSION_BYTES_MAX = 256, /* A chunk's, from the blank or ';' to its CR. */
    H1_TRAILER_BYTES_MAX = 8192,        /* All trailer lines of a message. */
};

struct h1_chunked {
    uint64_t left;       /* Of the current chunk. */
    uint32_t candidates; /* Forbidden trailer names that still match. */
    uint16_t line_bytes; /* Of the current extension, or of all trailers. */
    uint8_t name_size;   /* Of the current trailer, so far; sticks at 255. */
    uint8_t digits;      /* Of the current size. */
    uint8_t state;
    uint8_t fault; /* enum h1_fault, after H1_BAD. */
};

void h1_chunked_init(struct h1_chunked *);

/*
 * Takes bytes of the body. `*consumed` is how many of them belong to this message: all of them on
 * H1_MORE; on H1_DONE those up to the end of the body; on H1_BAD those before the fault. After
 * H1_DONE or H1_BAD it must not be called again.
 */
enum h1_result h1_chunked_feed(struct h1_chunked *, const char *data, size_t size,
                               size_t *consumed);

/*
 * The same, but stops after each run of payload: H1_MORE with a payload (which points into `data`)
 * means: take it, and call again with the bytes after `*consumed`. H1_MORE without one means that
 * all were consumed. Trailers are validated and skipped.
 */
enum h1_result h1_chunked_decode(struct h1_chunked *, const char *data, size_t size,
                                 size_t *consumed, struct slice *payload);
