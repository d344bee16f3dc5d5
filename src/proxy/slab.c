#include "proxy/slab.h"

#include "base/check.h"

#include <string.h>
#include <sys/mman.h>

struct slab_block {
    struct slab_block *older;
};

static uint32_t block_objects(const struct slab *slab)
{
    return (uint32_t)((SLAB_BLOCK_BYTES - SLAB_ALIGNMENT) / slab->object_size);
}

static char *object_at(const struct slab *slab, struct slab_block *block, uint32_t place)
{
    return (char *)block + SLAB_ALIGNMENT + place * slab->object_size;
}

void slab_init(struct slab *slab, size_t object_size)
{
    memset(slab, 0, sizeof *slab);
    slab->object_size = (object_size + SLAB_ALIGNMENT - 1) / SLAB_ALIGNMENT * SLAB_ALIGNMENT;
    ASSERT(slab->object_size >= sizeof(void *) && block_objects(slab) > 0);
    slab->fresh = block_objects(slab);
}

void slab_done(struct slab *slab)
{
    while (slab->blocks != NULL) {
        struct slab_block *block = slab->blocks;
        slab->blocks = block->older;
        munmap(block, SLAB_BLOCK_BYTES);
    }
    slab->free = NULL;
    slab->fresh = block_objects(slab);
}

void *slab_take(struct slab *slab)
{
    if (slab->free != NULL) {
        void *object = slab->free;
        memcpy(&slab->free, object, sizeof slab->free);
        return object;
    }
    if (slab->fresh == block_objects(slab)) {
        struct slab_block *block = mmap(NULL, SLAB_BLOCK_BYTES, PROT_READ | PROT_WRITE,
                                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (block == MAP_FAILED)
            return NULL;
        block->older = slab->blocks;
        slab->blocks = block;
        slab->fresh = 0;
    }
    return object_at(slab, slab->blocks, slab->fresh++);
}

void slab_give(struct slab *slab, void *object)
{
    ASSERT(object != NULL && slab->blocks != NULL);
    memcpy(object, &slab->free, sizeof slab->free);
    slab->free = object;
}

void slab_each(const struct slab *slab, void (*visit)(void *object, void *context), void *context)
{
    uint32_t count = slab->fresh;
    for (struct slab_block *block = slab->blocks; block != NULL; block = block->older) {
        for (uint32_t i = 0; i < count; i++)
            visit(object_at(slab, block, i), context);
        count = block_objects(slab);
    }
}
