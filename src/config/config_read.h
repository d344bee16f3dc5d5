/*
 * config_read: walks the tree of a file along the schema and fills a struct config.
 *
 * It reports what is wrong with a setting by itself; what is wrong between settings is
 * config_check's.
 */
#pragma once

#include "config/config_schema.h"
#include "config/config_yaml.h"

enum { CONFIG_SECTIONS_MAX = 8 }; /* Nested in one another. */

/* Where the walk is; messages take their "in host 'web-1' of tier 'web'" from it. */
struct config_reader {
    struct config *config;
    struct config_problems *problems;
    struct arena *arena;   /* The config's: what it keeps. */
    struct arena *scratch; /* The tree's: gone after the parse. */
    const struct config_node *root;
    const char *tier;     /* Names; NULL outside. */
    const char *host;     /* "" when it has none. */
    const char *listener; /* Its address, "" as above. */
    bool route;
    const struct config_section *sections[CONFIG_SECTIONS_MAX];
    const char *names[CONFIG_SECTIONS_MAX * 2]; /* The dotted path of the section at hand. */
    uint32_t section_depth;
    uint32_t name_depth;
    uint32_t label_depth; /* From here on the path is part of a setting's label. */
};

/* Fills `config` from `root`; it is whole only if no error was reported. */
void config_read(struct config *, const struct config_node *root, struct arena *scratch,
                 struct config_problems *);

/* Reads a mapping into the struct of its section; false when it is no mapping. */
bool config_read_section(struct config_reader *, const struct config_section *,
                         const struct config_node *, void *fields);

/* What both of these say is about `name` in the section at hand; NULL: about the section. */
struct config_finding {
    enum config_severity severity;
    struct config_place place;
    const char *name;
};

/* The sentence as it stands. */
void config_read_report(const struct config_reader *, struct config_finding, const char *format,
                        ...) __attribute__((format(printf, 3, 4)));

/* The sentence begins with the setting: "'health.interval' in tier 'web' ". */
void config_read_complain(const struct config_reader *, struct config_finding, const char *format,
                          ...) __attribute__((format(printf, 3, 4)));

/* Enters and leaves a level of the dotted path. */
void config_read_enter(struct config_reader *, const char *name);
void config_read_leave(struct config_reader *);

enum { CONFIG_WHERE_MAX = 320 };

struct config_where {
    char text[CONFIG_WHERE_MAX];
};

/* The thing the walk is in: "host 'web-1' of tier 'web'"; empty at the top of the file. */
struct config_where config_read_where(const struct config_reader *);

/* Places the walk in a tier: paths start with it, labels do not. */
void config_read_enter_tier(struct config_reader *, const char *name);
