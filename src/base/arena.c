#include "base/arena.h"

#include "base/check.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { ALIGNMENT = 16, CHUNK_BYTES = 16 * 1024 };

struct arena_chunk {
    struct arena_chunk *next;
    size_t size;
    size_t used;
    size_t unused; /* Keeps bytes[] on 16. */
    char bytes[];
};

_Static_assert(sizeof(struct arena_chunk) % ALIGNMENT == 0, "chunk bytes are aligned");

static void check(const struct arena *arena)
{
    ASSERT(arena->reserved <= arena->limit);
    ASSERT(arena->used <= arena->reserved);
}

void arena_init(struct arena *arena, size_t limit)
{
    *arena = (struct arena){.limit = limit};
}

void arena_done(struct arena *arena)
{
    check(arena);
    struct arena_chunk *chunk = arena->chunks;
    while (chunk != NULL) {
        struct arena_chunk *next = chunk->next;
        free(chunk);
        chunk = next;
    }
    *arena = (struct arena){.limit = arena->limit};
}

void arena_reset(struct arena *arena)
{
    check(arena);
    struct arena_chunk *chunk = arena->chunks;
    while (chunk != NULL && chunk->next != NULL) {
        struct arena_chunk *next = chunk->next;
        arena->reserved -= chunk->size;
        free(chunk);
        chunk = next;
    }
    arena->chunks = chunk;
    arena->used = 0;
    if (chunk != NULL)
        chunk->used = 0;
}

static struct arena_chunk *grow(struct arena *arena, size_t size)
{
    const size_t room = arena->limit - arena->reserved;
    size_t bytes = size > CHUNK_BYTES ? size : CHUNK_BYTES;
    if (bytes > room)
        bytes = size;
    if (bytes > room)
        return NULL;
    struct arena_chunk *chunk = malloc(sizeof *chunk + bytes);
    if (chunk == NULL)
        return NULL;
    *chunk = (struct arena_chunk){.next = arena->chunks, .size = bytes};
    arena->chunks = chunk;
    arena->reserved += bytes;
    return chunk;
}

void *arena_allocate(struct arena *arena, size_t size)
{
    check(arena);
    if (size > SIZE_MAX - ALIGNMENT)
        return NULL;
    const size_t padded = size == 0 ? ALIGNMENT : (size + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
    struct arena_chunk *chunk = arena->chunks;
    if (chunk == NULL || chunk->size - chunk->used < padded)
        chunk = grow(arena, padded);
    if (chunk == NULL)
        return NULL;
    void *memory = chunk->bytes + chunk->used;
    chunk->used += padded;
    arena->used += padded;
    return memset(memory, 0, padded);
}

void *arena_array(struct arena *arena, size_t count, size_t size)
{
    size_t bytes = 0;
    if (__builtin_mul_overflow(count, size, &bytes))
        return NULL;
    return arena_allocate(arena, bytes);
}

char *arena_text(struct arena *arena, struct slice text)
{
    if (text.size == SIZE_MAX)
        return NULL;
    char *copy = arena_allocate(arena, text.size + 1);
    if (copy != NULL && text.size > 0)
        memcpy(copy, text.data, text.size);
    return copy;
}

char *arena_format(struct arena *arena, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    va_list again;
    va_copy(again, arguments);
    const int size = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    ASSERT(size >= 0);
    char *text = arena_allocate(arena, (size_t)size + 1);
    if (text != NULL)
        (void)vsnprintf(text, (size_t)size + 1, format, again);
    va_end(again);
    return text;
}
