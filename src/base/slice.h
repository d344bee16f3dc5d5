/*
 * slice: bytes that somebody else owns, with their length. Never NUL-terminated by promise.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct slice {
    const char *data;
    size_t size;
};

/* A literal as a slice; slice_of() for NUL-terminated text. */
#define SLICE(literal) ((struct slice){.data = "" literal, .size = sizeof(literal) - 1})

static inline struct slice slice_of(const char *text)
{
    return (struct slice){.data = text, .size = strlen(text)};
}

static inline bool slice_equal(struct slice a, struct slice b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

static inline bool slice_is(struct slice a, const char *text)
{
    return slice_equal(a, slice_of(text));
}

/* ASCII case-insensitive, independent of the locale. */
bool slice_equal_nocase(struct slice, struct slice);
bool slice_starts_with(struct slice, const char *prefix);
struct slice slice_trim(struct slice); /* Drops spaces and tabs at both ends. */

/* Whole slice as an unsigned decimal number: digits only, no sign, no overflow. */
bool slice_to_u64(struct slice, uint64_t *value);
