/*
 * arena: memory that ends all at once.
 *
 * Grows in chunks from malloc up to a limit; arena_allocate() returns NULL past the limit or when
 * memory is out (both are what a peer can cause). Everything is freed by arena_done();
 * arena_reset() keeps the first chunk for the next use. Not thread-safe. What arena_allocate
 * returns is zeroed and aligned to 16 bytes.
 */
#pragma once

#include "base/slice.h"

#include <stddef.h>

struct arena_chunk;

struct arena {
    struct arena_chunk *chunks; /* Newest first. */
    size_t used;                /* Bytes handed out, with alignment. */
    size_t limit;               /* Bytes, of all chunks together. */
    size_t reserved;            /* Bytes taken from malloc. */
};

void arena_init(struct arena *, size_t limit);
void arena_done(struct arena *);
void arena_reset(struct arena *);

void *arena_allocate(struct arena *, size_t size);
/* count * size, NULL on overflow. */
void *arena_array(struct arena *, size_t count, size_t size);
/* A NUL-terminated copy; NULL when memory is out. */
char *arena_text(struct arena *, struct slice);
char *arena_format(struct arena *, const char *format, ...) __attribute__((format(printf, 2, 3)));
