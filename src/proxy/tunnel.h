/*
 * tunnel: bytes both ways after 101 Switching Protocols, until both sides have ended.
 *
 * The end of one side is passed on as a half-close; when both have ended, or nothing moved for
 * tunnel_idle, the tunnel is over. When its host is to be emptied, the tunnel is ended politely: if
 * it is a WebSocket, both sides get a close frame 1001 "going away" (RFC 6455 7.4.1) as soon as the
 * bytes sent to them stand at the end of a frame; otherwise they get the end of the stream.
 */
#pragma once

#include "base/slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct request;

/* Where in a WebSocket frame the bytes that went one way stand (RFC 6455 5.2). */
struct tunnel_frames {
    uint64_t left;       /* Payload bytes of this frame still to come. */
    uint8_t header[10];  /* Of a frame that has begun; masks are counted, not kept. */
    uint8_t header_size; /* So far. */
    uint8_t header_need; /* 0: at the end of a frame. */
    bool close_sent;     /* A close frame has passed. */
};

struct tunnel {
    struct tunnel_frames down; /* To the client. */
    struct tunnel_frames up;   /* To the host. */
    bool websocket;
    bool closing; /* To be ended politely. */
};

enum { TUNNEL_CLOSE_MS = 5000 }; /* A tunnel asked to end is cut after that. */

/* The 101 has been sent; the request's connections are tunnels from now on. */
void tunnel_begin(struct request *, bool websocket);

enum tunnel_state {
    TUNNEL_OPEN,
    TUNNEL_OVER,        /* Both sides ended. */
    TUNNEL_CLIENT_GONE, /* Reset by the client. */
    TUNNEL_HOST_GONE,   /* Reset by the host. */
};
/* Moves what can be moved. */
enum tunnel_state tunnel_relay(struct request *);
/* Ends it politely, see above. */
void tunnel_close(struct request *);

/* Follows the frames in bytes sent one way. */
void tunnel_frames_follow(struct tunnel_frames *, const unsigned char *data, size_t size);
/* Whether the bytes so far end with a whole frame. */
bool tunnel_frames_whole(const struct tunnel_frames *);
