/*
 * text: a string under construction, with a limit.
 *
 * Grows by malloc up to `limit` bytes. Once an append does not fit (limit or memory), `failed` is
 * set and stays set, further appends do nothing, and the caller checks once at the end. `data` is
 * always NUL-terminated when not NULL.
 */
#pragma once

#include "base/slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct text {
    char *data;
    size_t size;
    size_t capacity;
    size_t limit;
    bool failed;
};

void text_init(struct text *, size_t limit);
void text_done(struct text *);
void text_clear(struct text *); /* Empties it, keeps the memory. */

void text_append(struct text *, struct slice);
void text_add(struct text *, const char *); /* NUL-terminated. */
void text_add_char(struct text *, char);
void text_format(struct text *, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Drops the first `count` bytes. */
void text_consume(struct text *, size_t count);

static inline struct slice text_slice(const struct text *text)
{
    return (struct slice){.data = text->data, .size = text->size};
}
