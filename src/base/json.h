/*
 * json: writes JSON (RFC 8259) into a text, commas and escapes included.
 *
 * Calls mirror the document: json_object(j, "tiers") opens a member object, json_object(j, NULL) an
 * element; json_end() closes the innermost. The writer asserts that the nesting is right, since
 * only our own code can get it wrong. Bytes that are not UTF-8 are written as U+FFFD. Reading JSON
 * is jansson's work, in the folders that talk to the outside.
 */
#pragma once

#include "base/slice.h"
#include "base/text.h"

#include <stdbool.h>
#include <stdint.h>

enum { JSON_DEPTH_MAX = 16 };

struct json {
    struct text *text;
    uint32_t depth;
    bool comma; /* The next value needs a comma before it. */
    char closers[JSON_DEPTH_MAX];
};

void json_init(struct json *, struct text *);
void json_object(struct json *, const char *name);
void json_array(struct json *, const char *name);
void json_end(struct json *);
void json_string(struct json *, const char *name, const char *value); /* NULL writes null. */
void json_slice(struct json *, const char *name, struct slice value);
void json_u64(struct json *, const char *name, uint64_t value);
void json_i64(struct json *, const char *name, int64_t value);
void json_bool(struct json *, const char *name, bool value);
/* A finite number with up to six decimals, trailing zeros dropped; else null. */
void json_double(struct json *, const char *name, double value);
void json_null(struct json *, const char *name);
/* Text that is JSON already. */
void json_raw(struct json *, const char *name, struct slice value);
