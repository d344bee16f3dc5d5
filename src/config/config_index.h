/*
 * config_index: places by name, for the many hosts of a tier. Open addressing, at most half full,
 * never grows.
 */
#pragma once

#include "config/config.h"

/* FNV-1a, 64 bits (Fowler, Noll, Vo). */
uint64_t config_hash(struct slice);

/* Room for `count` names; false when memory is out. */
bool config_index_init(struct config_index *, struct arena *, size_t count);

/* The caller made sure that the name is not in it. */
void config_index_insert(struct config_index *, struct slice name, uint32_t place);

/*
 * Walks the places under names of the same hash as `name`, which the caller compares:
 *     for (config_index_first(&walk, index, name); config_index_next(&walk, &place);)
 */
struct config_index_walk {
    const struct config_index *index;
    size_t slot;
};

void config_index_first(struct config_index_walk *, const struct config_index *, struct slice name);
bool config_index_next(struct config_index_walk *, uint32_t *place);
