/*
 * load_connection: one connection of the load, and the request that is on it.
 *
 * The load gives it a request (connection_start), tells it when its socket is ready or time has
 * passed, and learns from the state it returns what to do with it: a connection that is IDLE takes
 * the next request, one that is OVER is closed. Exactly one record_ended() follows each start.
 * The load owns connections; a connection owns its socket.
 */
#pragma once

#include "load_answer.h"
#include "load_record.h"
#include "websocket.h"

#include "base/random.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

enum {
    POST_MAX = 8192,
    REQUEST_MAX = POST_MAX + 1024,
    PATH_MAX_SIZE = 64,
    WEBSOCKET_MESSAGE_US = 200000, /* One echo each 0.2 s. */
    REQUESTS_KEPT_MAX = 100        /* After so many a connection is replaced by a new one. */
};

enum connection_state { CONNECTION_BUSY, CONNECTION_IDLE, CONNECTION_OVER };

enum connection_phase {
    PHASE_IDLE,
    PHASE_CONNECT,
    PHASE_ANSWER,
    PHASE_WEBSOCKET, /* Messages go and come back. */
    PHASE_CLOSE      /* We sent a close frame, and wait for theirs. */
};

struct connection {
    int fd;
    enum connection_phase phase;
    struct load_request request; /* The current one, or the last. */
    bool row_due;                /* Its row is still to be written. */
    unsigned requests;
    uint32_t interest;
    uint64_t deadline_us;
    uint64_t wake_us; /* Of a WebSocket: the next message or the end. 0: none. */
    uint64_t end_us;  /* When a WebSocket has lived long enough. */
    uint64_t messages, echoes;
    char expected[PATH_MAX_SIZE]; /* How the right body begins. */
    struct answer answer;
    size_t out_size, out_sent;
    size_t frames_size; /* Bytes of WebSocket frames that are not whole. */
    unsigned char frames[2 * WEBSOCKET_FRAME_MAX];
    char out[REQUEST_MAX];
};

/* What all connections share. */
struct connection_context {
    int epoll_fd;
    struct sockaddr_in target;
    const char *host; /* For the Host header. */
    uint64_t timeout_us;
    uint64_t websocket_us_max;
    struct record *record;
    struct random *random;
};

/* `fd` starts at -1 and stays so if no socket could be made. */
void connection_init(struct connection *);
/* The request's id, kind, fresh and intended_us are set. */
enum connection_state connection_start(struct connection *, struct connection_context *,
                                       const struct load_request *, uint64_t now_us);
enum connection_state connection_ready(struct connection *, struct connection_context *,
                                       uint32_t events, uint64_t now_us);
enum connection_state connection_tick(struct connection *, struct connection_context *,
                                      uint64_t now_us);
/* Writes the last row and closes the socket. */
void connection_done(struct connection *, struct connection_context *);
