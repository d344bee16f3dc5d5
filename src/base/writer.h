/*
 * writer: writes JSON (RFC 8259) into a text, commas and escapes included.
 *
 * Calls mirror the document: writer_object(j, "tiers") opens a member object, writer_object(j,
 * NULL) an element; writer_end() closes the innermost. The writer asserts that the nesting is
 * right, since only our own code can get it wrong. Bytes that are not UTF-8 are written as U+FFFD.
 * Reading JSON is jansson's work, in the folders that talk to the outside.
 */
#pragma once

#include "base/slice.h"
#include "base/text.h"

#include <stdbool.h>
#include <stdint.h>

enum { WRITER_DEPTH_MAX = 16 };

struct writer {
    struct text *text;
    uint32_t depth;
    bool comma; /* The next value needs a comma before it. */
    char closers[WRITER_DEPTH_MAX];
};

void writer_init(struct writer *, struct text *);
void writer_object(struct writer *, const char *name);
void writer_array(struct writer *, const char *name);
void writer_end(struct writer *);
void writer_string(struct writer *, const char *name, const char *value); /* NULL writes null. */
void writer_slice(struct writer *, const char *name, struct slice value);
void writer_u64(struct writer *, const char *name, uint64_t value);
void writer_i64(struct writer *, const char *name, int64_t value);
void writer_bool(struct writer *, const char *name, bool value);
/* A finite number with up to six decimals, trailing zeros dropped; else null. */
void writer_double(struct writer *, const char *name, double value);
void writer_null(struct writer *, const char *name);
/* Text that is JSON already. */
void writer_raw(struct writer *, const char *name, struct slice value);
