/*
 * sha1: the digest of RFC 3174, for the WebSocket handshake and for what a POST carried.
 *
 * Used by the lab's service and its load alone; it protects nothing. Feed any pieces, then finish.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum { SHA1_SIZE = 20, SHA1_BLOCK = 64 };

struct sha1 {
    uint32_t state[5];
    uint64_t size; /* Bytes fed so far. */
    unsigned char block[SHA1_BLOCK];
};

void sha1_init(struct sha1 *);
void sha1_feed(struct sha1 *, const void *data, size_t size);
void sha1_finish(struct sha1 *, unsigned char digest[SHA1_SIZE]);
/* The digest so finished as 40 hexadecimal digits and a NUL. */
void sha1_finish_hex(struct sha1 *, char hex[2 * SHA1_SIZE + 1]);
