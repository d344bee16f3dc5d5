/*
 * heap: a binary min-heap of nodes that live inside their owners and know their place, so that any
 * one can be removed or moved. Keys are uint64_t; equal keys come out in the order they went in.
 * The array is the caller's and has a fixed capacity, or is grown by heap_reserve().
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct heap_node {
    uint64_t key;
    uint64_t order;
    size_t place; /* Index + 1; 0 when in no heap. */
};

struct heap {
    struct heap_node **nodes;
    size_t count;
    size_t capacity;
    uint64_t order;
};

void heap_init(struct heap *);
void heap_done(struct heap *);
/* Makes room for one more; false when memory is out. */
bool heap_reserve(struct heap *);
/* Room must be there: heap_reserve() first. The node is in no heap. */
void heap_insert(struct heap *, struct heap_node *, uint64_t key);
void heap_remove(struct heap *, struct heap_node *);
/* The least node, left in place; NULL when empty. */
struct heap_node *heap_least(const struct heap *);

static inline bool heap_contains(const struct heap_node *node)
{
    return node->place != 0;
}
