/*
 * list: a doubly linked list whose nodes live inside the things listed. Owns nothing.
 */
#pragma once

#include "base/check.h"

#include <stdbool.h>
#include <stddef.h>

struct list {
    struct list *next;
    struct list *previous;
};

static inline void list_init(struct list *head)
{
    head->next = head;
    head->previous = head;
}

static inline bool list_empty(const struct list *head)
{
    return head->next == head;
}

/* A node that is all zero or was removed is in no list. */
static inline bool list_linked(const struct list *node)
{
    return node->next != NULL;
}

static inline void list_insert(struct list *after, struct list *node)
{
    ASSERT(!list_linked(node));
    node->next = after->next;
    node->previous = after;
    after->next->previous = node;
    after->next = node;
}

static inline void list_push_front(struct list *head, struct list *node)
{
    list_insert(head, node);
}

static inline void list_push_back(struct list *head, struct list *node)
{
    list_insert(head->previous, node);
}

static inline void list_remove(struct list *node)
{
    ASSERT(list_linked(node));
    node->next->previous = node->previous;
    node->previous->next = node->next;
    node->next = NULL;
    node->previous = NULL;
}

/* The first node, removed; NULL when empty. */
static inline struct list *list_pop_front(struct list *head)
{
    struct list *node = head->next;
    if (node == head)
        return NULL;
    list_remove(node); /* NOLINT(clang-analyzer-unix.Malloc): links are beyond the analyzer. */
    return node;
}

#define LIST_EACH(node, head)                                                                      \
    for (struct list *node = (head)->next; node != (head); node = node->next)

/* The node at hand may be removed during the walk (and no other). */
#define LIST_EACH_SAFE(node, head)                                                                 \
    for (struct list *node = (head)->next, *node##_next = node->next; node != (head);              \
         node = node##_next, node##_next = node->next)
