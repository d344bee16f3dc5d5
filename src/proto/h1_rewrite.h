/*
 * h1_rewrite: the head that goes out, made of the head that came in.
 *
 * What is kept is copied in as few runs as possible; fields with H1_DROP are left out; the lines
 * asked for come last. Framing fields pass exactly as they came. The version sent is always
 * HTTP/1.1 (RFC 9110 2.5: it is ours, not the sender's).
 *
 * `out` must not overlap the source. It holds the head alone: the caller puts it in front of the
 * body. Capacity h1_rewrite_*_bound() is always enough; with less, nothing is written and the
 * result is 0.
 */
#pragma once

#include "proto/h1.h"

/* Every slice may be empty: then that part is left alone. */
struct h1_rewrite_request {
    struct slice via;    /* Our name: adds "Via: 1.1 <via>" (RFC 9110 7.6.3). */
    struct slice client; /* Its address: ends X-Forwarded-For, which is made if absent. */
    struct slice scheme; /* "http" or "https": X-Forwarded-Proto, if absent. */
    struct slice host;   /* The Host to send when the request has none (HTTP/1.0). */
    struct slice insert; /* Whole lines, each with its CRLF. */
    bool forwarded_host; /* Adds X-Forwarded-Host with the request's host, if absent. */
    bool forwarded_drop; /* The client is no trusted proxy: Forwarded and X-Forwarded-* are lies. */
    bool close;          /* Adds "Connection: close"; ignored with an upgrade. */
};

/*
 * Absolute form becomes origin form, with Host from the target. An upgrade keeps its Upgrade and
 * gets "Connection: upgrade"; te_trailers is told on; Max-Forwards of TRACE and OPTIONS goes down
 * by one (a request with 0 is not forwarded at all: the caller answers it). To forward a request
 * without its upgrade, clear `upgrade` first.
 */
size_t h1_rewrite_request(const struct h1_request *, const char *source,
                          const struct h1_rewrite_request *, char *out, size_t capacity);
size_t h1_rewrite_request_bound(const struct h1_request *, const struct h1_rewrite_request *);

enum h1_connection {
    H1_CONNECTION_SILENT,     /* HTTP/1.1 and going on: nothing to say. */
    H1_CONNECTION_CLOSE,      /* This is the last response. */
    H1_CONNECTION_KEEP_ALIVE, /* To an HTTP/1.0 client that asked for it. */
};

struct h1_rewrite_response {
    struct slice via;
    struct slice insert;
    enum h1_connection connection; /* Ignored for 101, which gets "Connection: upgrade". */
    bool unchunk; /* The client is HTTP/1.0: leave out Transfer-Encoding and Trailer; the caller
                     sends the payload alone and closes. */
};

size_t h1_rewrite_response(const struct h1_response *, const char *source,
                           const struct h1_rewrite_response *, char *out, size_t capacity);
size_t h1_rewrite_response_bound(const struct h1_response *, const struct h1_rewrite_response *);
