/*
 * load_answer: reads one answer of HTTP/1.1 (RFC 9112), as a user's client would.
 *
 * The load's own reader, and no part of nines: what is measured does not judge itself. It takes any
 * pieces, keeps the first bytes of the body to compare, and says where the answer ends; bytes after
 * that are a second answer.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    ANSWER_HEAD_MAX = 8192,
    ANSWER_BODY_KEPT = 128,
    ANSWER_VALUE_MAX = 32 /* Of the header values kept, with their NUL. */
};

enum answer_state {
    ANSWER_HEAD,
    ANSWER_LENGTH,
    ANSWER_CHUNK_SIZE,
    ANSWER_CHUNK_DATA,
    ANSWER_CHUNK_END,
    ANSWER_TRAILER,
    ANSWER_UNTIL_CLOSE,
    ANSWER_DONE,
    ANSWER_BROKEN /* This is no answer we can read. */
};

struct answer {
    enum answer_state state;
    bool any; /* A byte of it has come. */
    bool close;
    uint32_t status;
    uint64_t left; /* Of the body or of its chunk. */
    size_t head_size, body_size;
    char id[ANSWER_VALUE_MAX];
    char host[ANSWER_VALUE_MAX];
    char version[ANSWER_VALUE_MAX];
    char websocket_accept[ANSWER_VALUE_MAX];
    char head[ANSWER_HEAD_MAX]; /* Then each line of the chunked coding. */
    char body[ANSWER_BODY_KEPT];
};

void answer_init(struct answer *);
/* Takes what belongs to the answer and returns how much that was; the rest is not the answer's. */
size_t answer_feed(struct answer *, const void *data, size_t size);
/* The connection has ended; true if the answer is whole. */
bool answer_finish(struct answer *);
