/*
 * websocket: the part of RFC 6455 that the lab's service and its load share.
 *
 * Whole frames in a buffer, no fragments, payloads up to WEBSOCKET_PAYLOAD_MAX: what either side
 * sends fits, and anything else is a protocol error to both.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum {
    WEBSOCKET_TEXT = 1,
    WEBSOCKET_BINARY = 2,
    WEBSOCKET_CLOSE = 8,
    WEBSOCKET_PING = 9,
    WEBSOCKET_PONG = 10,

    WEBSOCKET_PAYLOAD_MAX = 4096,
    WEBSOCKET_FRAME_MAX = WEBSOCKET_PAYLOAD_MAX + 8, /* With the longest header we write or take. */
    WEBSOCKET_ACCEPT_SIZE = 29                       /* 28 characters and a NUL. */
};

struct websocket_frame {
    unsigned opcode;
    unsigned char *payload; /* In the caller's buffer, unmasked in place. */
    size_t size;
    size_t frame_size; /* Header and payload: what to consume. */
    bool masked;
};

/* Sec-WebSocket-Accept for a Sec-WebSocket-Key (RFC 6455, section 4.2.2). */
void websocket_accept(const char *key, char accept[WEBSOCKET_ACCEPT_SIZE]);

/* Writes a whole final frame; `mask` is 4 bytes or NULL (a server's). Returns its size. */
size_t websocket_write(unsigned char out[WEBSOCKET_FRAME_MAX], unsigned opcode, const void *payload,
                       size_t size, const unsigned char *mask);

/* 1: a frame was read; 0: more bytes are needed; -1: not a frame we take. */
int websocket_read(unsigned char *data, size_t size, struct websocket_frame *);
