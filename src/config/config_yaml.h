/*
 * config_yaml: YAML text into a tree that remembers where everything stands.
 *
 * Reads the events of libyaml, never its documents: aliases and merges could make a small file a
 * huge one, so they are refused, as are tags, a second document and a key given twice. Every scalar
 * is text: what `off`, `no`, `0644` or `22:22` mean is the schema's to say.
 *
 * The tree lives in the arena it was parsed into.
 */
#pragma once

#include "config/config_problem.h"

enum {
    CONFIG_YAML_DEPTH_MAX = 32,
    CONFIG_YAML_NODES_MAX = 4 * 1000 * 1000,
    CONFIG_YAML_KEYS_MAX = 1024, /* Of one mapping. */
};

enum config_node_kind {
    CONFIG_NODE_SCALAR,
    CONFIG_NODE_MAPPING,
    CONFIG_NODE_SEQUENCE,
    CONFIG_NODE_BROKEN, /* Already reported: readers skip it in silence. */
};

struct config_node {
    enum config_node_kind kind;
    bool quoted;                   /* Scalar: written in quotes or as a block. */
    bool flawed;                   /* An error in it or below was reported. */
    struct config_place place;     /* Of the value. */
    struct config_place key_place; /* Of the key, in a mapping. */
    uint32_t key_hash;
    uint32_t count;    /* Of children. */
    struct slice key;  /* In a mapping. NUL-terminated, as is text. */
    struct slice text; /* Scalar. */
    struct config_node *first;
    struct config_node *next;
};

/*
 * The root, or NULL when the text is not YAML (then a problem says why). With a root there may
 * still be problems.
 */
struct config_node *config_yaml_parse(struct arena *, struct slice text, struct config_problems *);

/* The child of a mapping under `key`; NULL when there is none or the node is no mapping (or NULL).
 */
struct config_node *config_yaml_find(const struct config_node *, const char *key);

/* A scalar that says nothing: empty, `~` or `null`, not in quotes. */
bool config_yaml_is_null(const struct config_node *);

#define CONFIG_YAML_EACH(child, node)                                                              \
    for (struct config_node *child = (node)->first; child != NULL; child = child->next)
