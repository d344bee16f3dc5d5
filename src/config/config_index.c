#include "config/config_index.h"

#include "base/check.h"

uint64_t config_hash(struct slice text)
{
    uint64_t hash = 14695981039346656037U;
    for (size_t i = 0; i < text.size; i++)
        hash = (hash ^ (unsigned char)text.data[i]) * 1099511628211U;
    return hash;
}

/* The low bits of FNV are its best, but names that differ in one digit still crowd: fold. */
static size_t slot_of(const struct config_index *index, struct slice name)
{
    const uint64_t hash = config_hash(name);
    return (size_t)(hash ^ (hash >> 32)) & index->mask;
}

bool config_index_init(struct config_index *index, struct arena *arena, size_t count)
{
    size_t size = 2;
    while (size < count * 2)
        size *= 2;
    index->slots = arena_array(arena, size, sizeof *index->slots);
    index->mask = size - 1;
    return index->slots != NULL;
}

void config_index_insert(struct config_index *index, struct slice name, uint32_t place)
{
    size_t slot = slot_of(index, name);
    size_t steps = 0;
    while (index->slots[slot] != 0) {
        slot = (slot + 1) & index->mask;
        ASSERT(steps++ <= index->mask);
    }
    index->slots[slot] = place + 1;
}

void config_index_first(struct config_index_walk *walk, const struct config_index *index,
                        struct slice name)
{
    *walk = (struct config_index_walk){.index = index,
                                       .slot = index->slots == NULL ? 0 : slot_of(index, name)};
}

bool config_index_next(struct config_index_walk *walk, uint32_t *place)
{
    const struct config_index *index = walk->index;
    if (index->slots == NULL || index->slots[walk->slot] == 0)
        return false;
    *place = index->slots[walk->slot] - 1;
    walk->slot = (walk->slot + 1) & index->mask;
    return true;
}
