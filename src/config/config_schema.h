/*
 * config_schema: one row per setting, and everything that is said about settings comes from it: the
 * parser's fields and limits, defaults, did-you-mean, what this version has not built, the
 * reference page, nines.yaml(5) and the JSON Schema.
 *
 * A section is a mapping of the file. Its rows point into the struct that the section fills; a
 * nested section (health in a tier) shares the struct of the one around it, so that its offsets
 * count from there too. A default is written as an operator would write it and goes through the
 * same parser.
 */
#pragma once

#include "config/config.h"

enum config_type {
    /* Scalars: config_value_set() reads them. */
    CONFIG_TYPE_DURATION,   /* uint32_t ms */
    CONFIG_TYPE_SIZE,       /* uint32_t or uint64_t bytes */
    CONFIG_TYPE_COUNT,      /* uint32_t */
    CONFIG_TYPE_PERCENT,    /* uint32_t PPM */
    CONFIG_TYPE_AMOUNT,     /* struct config_amount */
    CONFIG_TYPE_CHOICE,     /* an enum */
    CONFIG_TYPE_SWITCH,     /* bool */
    CONFIG_TYPE_WORD,       /* const char *: printable, no spaces */
    CONFIG_TYPE_HOSTNAME,   /* const char *: a DNS name or address, kept in lower case */
    CONFIG_TYPE_PATH,       /* const char *: absolute, of a file or directory */
    CONFIG_TYPE_URL_PATH,   /* const char *: starts with '/' */
    CONFIG_TYPE_ADDRESS,    /* struct config_address */
    CONFIG_TYPE_STATE,      /* const char *: sqlite:PATH or etcd://... */
    CONFIG_TYPE_ACCESS,     /* const char *: off, stdout or a path */
    CONFIG_TYPE_USER,       /* const char *: a user of the system */
    CONFIG_TYPE_HIT_RATIO,  /* uint32_t PPM, 0 for `measured` */
    CONFIG_TYPE_TIER,       /* size_t: place of a tier, by its name */
    CONFIG_TYPE_KEY_SOURCE, /* struct config_key: the row's `min` is its enum config_key_from */
    CONFIG_TYPE_RANGED,     /* struct slice: a host's text, read when its ranges are expanded */
    /* The rest: config_read.c walks them. */
    CONFIG_TYPE_FLAGS,    /* uint32_t: a list of choices, one bit each */
    CONFIG_TYPE_PACKAGES, /* the word `security`, or a list of names */
    CONFIG_TYPE_ARGV,     /* struct config_argv */
    CONFIG_TYPE_SECTION,  /* a mapping with rows of its own */
    CONFIG_TYPE_ROUTES,
    CONFIG_TYPE_LISTENERS,
    CONFIG_TYPE_HOSTS,
    CONFIG_TYPE_TIERS, /* a mapping of names to sections */
};

struct config_choice {
    const char *name;
    uint32_t value;
    bool alias;   /* Accepted, not shown. */
    bool unbuilt; /* Accepted, does nothing in this version. */
};

struct config_section;

struct config_setting {
    const char *name;
    enum config_type type;
    bool required;
    bool unbuilt;          /* Accepted, does nothing in this version (a switch: when on). */
    bool file;             /* PATH: must be there when nines starts. */
    uint8_t width;         /* Bytes of the field. */
    uint16_t offset;       /* Into the struct of the section. */
    uint16_t given;        /* Of a bool that says whether the setting was given, + 1; 0: none. */
    uint64_t min;          /* In the unit of the field. */
    uint64_t max;          /* 0: no limit but the type's. */
    const char *initial;   /* As written in a file; NULL: none. */
    const char *shown;     /* What the reference says when there is no `initial`; NULL: "none". */
    const char *shorthand; /* SECTION: the row a scalar in its place sets. */
    const struct config_choice *choices; /* CHOICE and FLAGS; ends with a NULL name. */
    const struct config_section *section;
    const char *help;
};

struct config_section {
    const char *name; /* "tier", as messages call it; NULL: the whole file. */
    const struct config_setting *rows;
    size_t count;
};

/* The texts of a host, each of which may hold a range. */
enum config_host_text {
    CONFIG_HOST_NAME,
    CONFIG_HOST_ADDRESS,
    CONFIG_HOST_ZONE,
    CONFIG_HOST_GROUP,
    CONFIG_HOST_MACHINE,
    CONFIG_HOST_SSH,
    CONFIG_HOST_TEXTS,
};

/* What the rows of a host fill: one entry of the list, before its ranges make hosts of it. */
struct config_host_entry {
    struct slice text[CONFIG_HOST_TEXTS]; /* Data is NULL when not given. */
    enum config_driver driver;
    uint32_t weight;
};

/* What the rows of a listener fill: `tier` stands for a list of one route. */
struct config_listener_entry {
    struct config_listener listener;
    size_t tier;
    bool tier_given;
};

/* The top of the file, and the sections below it that fill a struct of their own. */
extern const struct config_section config_schema;
extern const struct config_section config_schema_listener;
extern const struct config_section config_schema_route;
extern const struct config_section config_schema_tier;
extern const struct config_section config_schema_host;

/* NULL when there is no such setting. */
const struct config_setting *config_section_find(const struct config_section *, struct slice name);

/* The word for a value of a CHOICE. */
const char *config_choice_name(const struct config_setting *, uint32_t value);

/* Sets every default of a section and of those nested in it; false when memory is out. */
bool config_section_defaults(const struct config_section *, struct arena *, void *fields);

enum { CONFIG_PATH_MAX = 256 }; /* Of a dotted path, names of tiers included. */

/* Visits every row in the order of the file, with its dotted path ("tiers.NAME.health.path"). */
typedef void config_visitor(void *context, const char *path, const struct config_setting *);
void config_schema_each(config_visitor *, void *context);
