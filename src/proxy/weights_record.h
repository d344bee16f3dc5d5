/*
 * weights_record: what travels between the two ends of weights.h. Nobody else's.
 */
#pragma once

#include "proxy/weights.h"

enum { WEIGHTS_RECORD_MAGIC = 0x6e774731, WEIGHTS_RECORD_TEXT_MAX = 256 };

enum weights_record_kind {
    WEIGHTS_RECORD_CHANGE = 1, /* Child to parent. */
    WEIGHTS_RECORD_KEPT,       /* Parent to child: the change of that sequence is on disk. */
    WEIGHTS_RECORD_FAILED,     /* Parent to child: it is not, and the former value holds. */
    WEIGHTS_RECORD_LOG,        /* Parent to child, with a file descriptor. */
};

struct weights_record {
    uint32_t magic;
    uint32_t kind;
    uint64_t sequence;
    struct weights_change change;       /* CHANGE. */
    char text[WEIGHTS_RECORD_TEXT_MAX]; /* FAILED: why. */
};

/* The record read whole and as our own; NUL-terminated texts. */
bool weights_record_valid(const struct weights_record *, size_t size);
