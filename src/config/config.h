/*
 * config: what the operator wants, read from YAML text and judged.
 *
 * config_parse() takes text, never a path, and gives either a whole, valid config or every error of
 * the file, each with its place (file:line:column) and a suggestion. One schema table drives the
 * parser, `nines check`, the printed reference and the JSON Schema.
 *
 * A struct config is immutable once parsed. It owns an arena; everything in it lives until
 * config_unref() drops the last reference (references may be dropped by any thread). Names of tiers
 * are unique in a config, names of hosts unique in their tier. Times are in milliseconds, sizes in
 * bytes, ratios in parts per million unless a name says otherwise.
 */
#pragma once

#include "base/arena.h"
#include "base/error.h"
#include "base/slice.h"
#include "base/text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Limits of a config: past them, config_parse() reports an error. */
enum {
    CONFIG_BYTES_MAX = 64 * 1024 * 1024,
    CONFIG_TIERS_MAX = 256,
    CONFIG_HOSTS_MAX = 100000, /* Of one tier, standbys included. */
    CONFIG_LISTENERS_MAX = 64,
    CONFIG_ROUTES_MAX = 1024, /* Of one listener. */
    CONFIG_NAME_MAX = 63,     /* Bytes of a host's or tier's name: a DNS label. */
    CONFIG_PROBLEMS_MAX = 100,
};

#define CONFIG_UNLIMITED UINT64_MAX

enum { CONFIG_PPM = 1000000 };

enum config_balance {
    CONFIG_BALANCE_ROUND_ROBIN,
    CONFIG_BALANCE_LEAST_REQUESTS,
    CONFIG_BALANCE_POWER_OF_TWO,
    CONFIG_BALANCE_RANDOM,
    CONFIG_BALANCE_KEY,
};

enum config_driver {
    CONFIG_DRIVER_NONE,
    CONFIG_DRIVER_SSH,
    CONFIG_DRIVER_LOCAL,
    CONFIG_DRIVER_COMMAND,
};

enum config_strategy {
    CONFIG_STRATEGY_ROLLING,
    CONFIG_STRATEGY_CANARY,
    CONFIG_STRATEGY_BLUE_GREEN,
    CONFIG_STRATEGY_RED_BLACK,
    CONFIG_STRATEGY_RECREATE,
};

enum config_install {
    CONFIG_INSTALL_NONE, /* No `install` given: update refuses. */
    CONFIG_INSTALL_APT,
    CONFIG_INSTALL_COMMAND,
    CONFIG_INSTALL_RESTART, /* `unit` is restarted. */
    CONFIG_INSTALL_REBOOT,
    CONFIG_INSTALL_REPLACE,
};

enum config_reboot { CONFIG_REBOOT_NEVER, CONFIG_REBOOT_WHEN_REQUIRED, CONFIG_REBOOT_ALWAYS };
enum config_long_lived { CONFIG_LONG_LIVED_WAIT, CONFIG_LONG_LIVED_CLOSE };
enum config_on_failure { CONFIG_ON_FAILURE_REVERT, CONFIG_ON_FAILURE_PAUSE };
enum config_health { CONFIG_HEALTH_HTTP, CONFIG_HEALTH_TCP, CONFIG_HEALTH_OFF };
enum config_log_format { CONFIG_LOG_COMBINED, CONFIG_LOG_JSON };

/* Bits of config_tier.retry.when. */
enum {
    CONFIG_RETRY_CONNECT = 1U << 0,
    CONFIG_RETRY_RESET = 1U << 1,
    CONFIG_RETRY_502 = 1U << 2,
    CONFIG_RETRY_503 = 1U << 3,
};

/* Where a value stands in the text; line 0 when it is a default. */
struct config_place {
    uint32_t line;
    uint32_t column;
};

/* `address:` of a listener, host or metrics: an IP literal or a DNS name, and a port. */
struct config_address {
    const char *text; /* As written. */
    const char *host; /* Without the brackets of IPv6. */
    uint16_t port;
};

/* A share of something (`20%`) or a plain count (`3`). */
struct config_amount {
    bool percent;
    uint32_t value; /* PPM when percent, else a count. */
};

struct config_host {
    struct config_place place;
    const char *name;
    struct config_address address;
    const char *zone;    /* NULL when not given. */
    const char *group;   /* Replica group; NULL when not given. */
    const char *machine; /* Defaults to the ssh target without its user, else to "TIER/NAME". */
    enum config_driver driver;
    const char *ssh; /* [user@]host[:port]; NULL unless given. */
    uint32_t weight; /* 1 to 1000; 100 when not given. */
    bool standby;
};

struct config_argv {
    const char **words; /* `count` words and a NULL. */
    size_t count;
};

struct config_update {
    struct config_place place; /* Line 0: no `update` in the tier, all defaults. */
    enum config_strategy strategy;
    struct config_amount max_unavailable;
    struct config_amount max_surge;
    bool failure_domain_zone; /* Never two zones disturbed at once. */
    uint32_t drain_timeout_ms;
    enum config_long_lived long_lived;
    bool floor_given;
    uint32_t floor_ppm;
    enum config_install install;
    const char **packages; /* apt: names; none with `security`. */
    size_t package_count;
    bool security;
    const char *unit; /* restart: the unit. */
    struct config_argv command;
    struct config_argv command_check;
    uint32_t install_timeout_ms;
    enum config_reboot reboot;
    uint32_t reboot_deadline_ms; /* From the order to reboot until it answers with a new boot_id. */
    uint32_t min_ready_ms;
    uint32_t soak_ms;
    uint32_t healthy_deadline_ms;
    bool shadow;
    uint32_t error_ratio_max_ppm; /* How much over the compared hosts' ratio a soak tolerates. */
    enum config_on_failure on_failure;
};

struct config_warm {
    bool given;
    uint32_t time_ms;
    uint32_t cold_max_ppm;         /* 0 when not given. */
    uint32_t backend_load_max_ppm; /* 0 when not given. */
    bool hit_ratio_measured;
    uint32_t hit_ratio_ppm;
};

/* Bits of config_key.normalize. */
enum {
    CONFIG_NORMALIZE_TRIM = 1U << 0,
    CONFIG_NORMALIZE_SQUEEZE = 1U << 1,
    CONFIG_NORMALIZE_LOWERCASE = 1U << 2,
};

enum config_key_from { CONFIG_KEY_QUERY, CONFIG_KEY_PATH, CONFIG_KEY_HEADER, CONFIG_KEY_COOKIE };
enum config_key_hash { CONFIG_HASH_MD5, CONFIG_HASH_XXH3 };

struct config_key {
    enum config_key_from from;
    const char *name;
    uint32_t normalize;
    enum config_key_hash hash;
};

/* Where a host of a name is: a hash table of places in `hosts`, for config_host_find() alone. */
struct config_index {
    uint32_t *slots; /* Place + 1; 0 is free. */
    size_t mask;
};

struct config_tier {
    struct config_place place;
    const char *name;
    enum config_balance balance;
    struct config_key key;
    struct {
        enum config_health kind;
        const char *path;
        uint32_t interval_ms;
        uint32_t timeout_ms;
        uint32_t rise;
        uint32_t fall;
    } health;
    struct {
        uint32_t connect_ms;
        uint32_t header_ms;      /* A client's head, from its first byte to its last. */
        uint32_t body_idle_ms;   /* Between two reads of a body, either side. */
        uint32_t client_idle_ms; /* Between two requests of a client. */
        uint32_t server_ms;      /* From the request's end to the response's head. */
        uint32_t tunnel_idle_ms; /* A tunnel (Upgrade) without a byte either way. */
    } timeouts;
    uint32_t slow_start_ms;
    struct {
        uint32_t time_ms;
        uint32_t requests; /* Waiting at once, all threads together. */
    } hold;
    struct {
        uint32_t attempts;
        uint32_t when; /* CONFIG_RETRY_* */
        uint32_t budget_ppm;
    } retry;
    struct config_host *hosts; /* Standbys follow the others. */
    size_t host_count;         /* All, standbys included. */
    size_t standby_count;
    struct config_index host_index;
    struct config_update update;
    struct config_warm warm;
};

struct config_route {
    struct config_place place;
    const char *host; /* NULL: any. Lower case. */
    const char *path; /* Prefix; NULL: any. */
    size_t tier;      /* Index into config.tiers. */
};

struct config_listener {
    struct config_place place;
    struct config_address address;
    bool tls;
    const char *certificate;
    const char *key;
    struct config_route *routes; /* First match wins; `tier: x` is one route without conditions. */
    size_t route_count;
};

/* A file that the config names and that must be there: config itself never looks. */
struct config_file {
    struct config_place place;
    const char *setting; /* "listen.tls.certificate" */
    const char *path;
};

struct config {
    struct arena arena;
    uint32_t references;
    const char *file; /* The name in messages. */
    uint64_t hash;    /* Of the text, to tell one config from another. */

    struct config_listener *listeners;
    size_t listener_count;
    struct config_tier *tiers;
    size_t tier_count;

    struct config_file *files;
    size_t file_count;
    size_t file_capacity;

    const char *state; /* As written, `sqlite:PATH` or `etcd://...`. */
    const char *admin; /* Directory of sockets and pid file. */
    bool metrics_given;
    struct config_address metrics;
    uint32_t threads;       /* 0: one a core. */
    const char *user;       /* NULL: no change of user. */
    const char *ssh_config; /* NULL: ssh's own default. */
    struct {
        const char *access; /* NULL: off; "stdout"; else a file. */
        enum config_log_format format;
    } log;
    struct {
        uint32_t header_bytes;
        uint32_t headers;
        uint64_t body_bytes; /* CONFIG_UNLIMITED or a limit. */
        uint32_t connections;
    } limits;
};

enum config_severity { CONFIG_ERROR, CONFIG_WARNING, CONFIG_UNBUILT };

/*
 * One finding. `text` is whole: "nines.yaml:12:8: unknown setting 'strtegy' in tier 'web'; did you
 * mean 'strategy'?". CONFIG_UNBUILT: a setting that is accepted but does nothing in this version:
 * check warns, serve and update refuse and name it. `tier` is the tier it concerns, NULL for all.
 */
struct config_problem {
    enum config_severity severity;
    struct config_place place;
    const char *setting; /* "tiers.web.balance" */
    const char *tier;
    const char *text;
};

/*
 * The findings, in file order. When there are more than fit, warnings make room for the other two,
 * and later places for earlier ones.
 */
struct config_problems {
    struct arena arena; /* Holds the texts. */
    const char *file;   /* The name in messages; config_parse() sets it. */
    struct config_problem items[CONFIG_PROBLEMS_MAX];
    size_t count;
    size_t errors; /* All found, also those past the array; so are the next two. */
    size_t unbuilt;
    size_t warnings;
};

void config_problems_init(struct config_problems *);
void config_problems_done(struct config_problems *);

/*
 * Parses and judges `text`. Returns a config with one reference, or NULL when there is any error.
 * `problems` receives errors (all of them, in file order) and warnings; it borrows `file`.
 */
struct config *config_parse(const char *file, struct slice text, struct config_problems *);

struct config *config_ref(struct config *);
void config_unref(struct config *); /* Accepts NULL. */

/* NULL when there is none of that name. */
const struct config_tier *config_tier_find(const struct config *, const char *name);
const struct config_host *config_host_find(const struct config_tier *, const char *name);

/* The tier or host whose name is most like a mistyped one; NULL when none is near. */
const char *config_tier_suggest(const struct config *, const char *name);
const char *config_host_suggest(const struct config_tier *, const char *name);

/* How many of `hosts` an amount means: max_unavailable rounds down, max_surge rounds up. */
uint32_t config_amount_floor(struct config_amount, uint32_t hosts);
uint32_t config_amount_ceil(struct config_amount, uint32_t hosts);

/* The names used in the file and in JSON. */
const char *config_balance_name(enum config_balance);
const char *config_strategy_name(enum config_strategy);
const char *config_driver_name(enum config_driver);
