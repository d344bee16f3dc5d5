/*
 * slab: many objects of one size, taken and given back at the cost of a pointer.
 *
 * Blocks come from the kernel and stay until slab_done(). Memory that was never handed out is all
 * zero and not resident. One thread. slab_each() walks every object ever handed out, also those
 * given back: an object tells by a field of its own, past its first pointer, whether it lives.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum { SLAB_BLOCK_BYTES = 256 * 1024, SLAB_ALIGNMENT = 64 };

struct slab_block;

struct slab {
    size_t object_size;
    void *free; /* Each free object begins with a pointer to the next. */
    struct slab_block *blocks;
    uint32_t fresh; /* Objects of the newest block handed out so far. */
};

void slab_init(struct slab *, size_t object_size);
void slab_done(struct slab *);

/* What is in it is what was left there. NULL: memory is out. */
void *slab_take(struct slab *);
void slab_give(struct slab *, void *);
void slab_each(const struct slab *, void (*visit)(void *object, void *context), void *context);
