/*
 * host: makes one machine do one thing, at most once, and proves what came of it.
 *
 * The controller decides; a driver only talks. start() never blocks and never calls back by itself:
 * exactly one on_done follows from the loop, at the latest a little (HOST_GRACE_MS) past the job's
 * timeout. A host runs one job at a time. cancel() ends the wait, not the work: what was begun on
 * the machine goes on there, and asking again under the same id finds it.
 *
 * A job is named by its id. On the machine it has a begin record and an end record, both fsynced:
 * an ended job answers from its record, a job begun without end is looked at (still running? dpkg?
 * boot_id?) and never blindly run again. docs/internals/host-actions.md tells the whole story.
 *
 * Everything in a job is borrowed until on_done; everything in a result only during on_done.
 */
#pragma once

#include "base/arena.h"
#include "base/error.h"
#include "config/config.h"
#include "os/loop.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct host; /* Opaque: each driver puts its own struct behind it. */

enum {
    HOST_ID_MAX = 120,                /* Bytes of a job's id. */
    HOST_WORDS_MAX = 256,             /* Of packages, of an argv. */
    HOST_WORD_BYTES_MAX = 4096,       /* Of one word of them. */
    HOST_WORDS_BYTES_MAX = 64 * 1024, /* Of all words of an argv. */
    HOST_OUTPUT_BYTES_MAX = 4096,     /* The tail of the job's output that a result carries. */
    HOST_VERSIONS_BYTES_MAX = 128 * 1024,
    HOST_GRACE_MS = 5000, /* What on_done may take beyond the timeout. */
};

enum host_verb {
    HOST_FACTS,    /* Reads and changes nothing; needs no record. `packages` says which versions. */
    HOST_INSTALL,  /* apt: `packages` (at `version`) or all `security` updates. */
    HOST_PUT_BACK, /* apt: exactly `versions`, older ones too. */
    HOST_COMMAND,  /* `command`, on the machine, without a shell. At least once unless `check`. */
    HOST_RESTART,  /* `unit`, until it is active again. */
    HOST_REBOOT,   /* HOST_OK: ordered, or done if after.boot_id differs from before.boot_id. */
};

struct host_job {
    const char *id; /* Unique for ever: [a-z0-9.-], at most HOST_ID_MAX bytes. */
    uint64_t token; /* The machine refuses one less than the greatest it has seen. */
    enum host_verb verb;
    const char *const *packages; /* FACTS, INSTALL. */
    size_t package_count;
    bool security;              /* FACTS, INSTALL: every update of a security archive. */
    const char *version;        /* INSTALL: of all `packages`; NULL is the newest. */
    const char *versions;       /* PUT_BACK: "openssl=3.0.15-1 libssl3=3.0.15-1", as in facts. */
    const char *unit;           /* RESTART. */
    struct config_argv command; /* COMMAND. */
    struct config_argv check;   /* COMMAND: exit 0 says that it is done; none: count 0. */
    uint32_t timeout_ms;        /* Never 0: every wait in nines has an end. */
};

/* What a machine says of itself; texts are "" when not known. */
struct host_facts {
    const char *boot_id;
    const char *kernel;   /* uname -r. */
    const char *versions; /* "openssl=3.0.15-1 libssl3=3.0.15-1"; not installed: "openssl=". */
    /* FACTS with packages: the versions that INSTALL without a version would bring, written like
     * `versions` (equal: nothing newer); "" when the package lists could not be refreshed. FACTS
     * with `security`: versions and candidates of the packages that have an update waiting. */
    const char *candidates;
    uint64_t uptime_s;
    bool reboot_required;
};

enum host_outcome {
    HOST_OK,
    HOST_FAILED,      /* The work was done and failed: exit_status and output say how. */
    HOST_UNREACHABLE, /* No answer; what was begun may go on. Ask again under the same id. */
    HOST_TIMEOUT,     /* The machine answered: still at it. Ask again under the same id. */
    HOST_REFUSED, /* Stale token, or the job makes no sense there. Asking again does not help. */
};

struct host_result {
    enum host_outcome outcome;
    int exit_status;        /* Of the command, apt or systemctl; 0 when none ran. */
    bool recorded;          /* An earlier start of this id did the work. */
    bool put_back_possible; /* INSTALL: the old packages are kept or can be fetched. */
    /* Just before the work was begun; after INSTALL, its versions are of all packages that changed:
     * what PUT_BACK takes. */
    struct host_facts before;
    /* Just after it, and of FACTS: versions of the job's packages, else of those that changed. */
    struct host_facts after;
    const char *output;   /* Tail of what the work printed. */
    const char *sentence; /* "openssl 3.0.15-1 -> 3.0.17-1", "no route to host": one line. */
};

typedef void host_done(void *context, const struct host_result *);

struct host_driver {
    const char *name; /* As written in the config: `driver: ssh`. */
    /* Contacts nobody. `error` says, with the config's place, what of the host is not possible. */
    struct host *(*open)(struct arena *, struct loop *, const struct config *,
                         const struct config_tier *, const struct config_host *, struct error *);
    void (*start)(struct host *, const struct host_job *, host_done *on_done, void *context);
    void (*cancel)(struct host *); /* No on_done after that. Nothing when no job is running. */
    void (*close)(struct host *);  /* Accepts NULL; cancels. */
};

extern const struct host_driver host_ssh;   /* The OpenSSH client. */
extern const struct host_driver host_local; /* This machine. */

/* The driver a config means; NULL for none and for those that this version does not have. */
const struct host_driver *host_driver_find(enum config_driver);
const char *host_verb_name(enum host_verb); /* "install", "put-back", ... */
const char *host_outcome_name(enum host_outcome);
