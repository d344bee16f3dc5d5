/*
 * server: the small HTTP/1.1 server behind the admin sockets and the metrics port.
 *
 * The balancer and the controller each run one. It is not the hot path: heads and bodies are read
 * whole (limits below), answers are built whole or streamed a line at a time. A handler answers at
 * once or later, exactly once, with server_answer(); an exchange whose client went away swallows
 * the answer. Access is the file mode's affair: the sockets live in a 0700 folder and are 0600.
 */
#pragma once

#include "base/error.h"
#include "base/slice.h"
#include "base/text.h"
#include "os/loop.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    SERVER_HEAD_BYTES_MAX = 16 * 1024,
    SERVER_BODY_BYTES_MAX = 1024 * 1024,
    SERVER_ANSWER_BYTES_MAX = 64 * 1024 * 1024,
    SERVER_CONNECTIONS_MAX = 256,
    SERVER_STREAM_BYTES_MAX = 1024 * 1024, /* Unsent bytes of a stream: past it, it is closed. */
    SERVER_IDLE_MS = 60000,
};

struct server;
struct server_exchange;

struct server_request {
    struct slice method;
    struct slice path;  /* Percent-decoded, without the query. */
    struct slice query; /* As sent, without the '?'. */
    struct slice body;
    bool head; /* HEAD: answered as GET, the body is not sent. */
};

/* Everything in the request is borrowed until the handler returns. */
typedef void server_handler(void *context, struct server_exchange *, const struct server_request *);

/*
 * Serves on a listening, non-blocking socket, which it then owns. `context` goes to the handler.
 * Several servers may share a loop.
 */
struct server *server_open(struct loop *, int listen_fd, server_handler *, void *context,
                           struct error *);
/* Accepts NULL. Closes the socket and every exchange. */
void server_close(struct server *);

/* Answers with a whole body, which is copied. */
void server_answer(struct server_exchange *, int status, const char *content_type,
                   struct slice body);
/* {"error": "..."} with the status that stands for the error's kind. */
void server_answer_error(struct server_exchange *, const struct error *);
/* A JSON text, 200; frees nothing. A text that failed (limit) becomes a 500. */
void server_answer_json(struct server_exchange *, const struct text *);

/*
 * Begins a stream of lines (application/x-ndjson); server_stream_send() appends to it, until
 * server_stream_end(). `on_close` tells that the client is gone: the exchange is dead after it.
 */
void server_stream_begin(struct server_exchange *, void (*on_close)(void *), void *context);
void server_stream_send(struct server_exchange *, struct slice line);
void server_stream_end(struct server_exchange *);

/* Value of a query parameter, percent-decoded into `out` (NUL-terminated); false when absent or
 * bad. */
bool server_query(const struct server_request *, const char *name, char *out, size_t size);
/* Splits a path at '/' into at most `max` slices; returns how many, or max + 1 when there are more.
 */
size_t server_path_split(struct slice path, struct slice *parts, size_t max);
