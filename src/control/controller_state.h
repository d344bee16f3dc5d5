/*
 * controller_state: what the controller process is made of. For the controller's own files.
 */
#pragma once

#include "api/server.h"
#include "base/arena.h"
#include "control/controller.h"
#include "control/runner.h"
#include "control/watch.h"
#include "drive/balancer.h"
#include "drive/store.h"
#include "os/loop.h"

#include <stdbool.h>

enum {
    CONTROLLER_ROLLOUTS_MAX = 16, /* The newest, kept at hand; all stay in the store. */
    CONTROLLER_CALLS_MAX = 64,    /* Drains and restores of operators under way at once. */
    CONTROLLER_JOBS_MAX = 256,    /* Of one rollout on hosts at once: each is an ssh. */
    CONTROLLER_BALANCER_MS = 5000,
};

/* A tier of the running config. */
struct controller_tier {
    const struct config_tier *config;
    struct controller *controller;
    struct watch watch;
    bool *cordoned; /* By an operator; one a host. */
};

/* A rollout that could not be read back: shown, never acted on. */
struct controller_lost {
    uint64_t id;
    char why[ERROR_TEXT_MAX];
};

/* A drain or restore of an operator, under way. */
struct controller_call {
    struct controller_tier *tier;
    size_t host;
    bool restore;
    struct server_exchange *exchange; /* NULL: this place is free. */
};

struct controller {
    struct loop *loop;
    struct arena arena;
    struct config *config;
    struct slice config_text;
    struct store *store;
    const struct balancer_driver *balancer_driver;
    struct balancer *balancer;
    struct server *server;
    struct loop_watch signals;
    struct controller_tier *tiers;
    struct runner *runners[CONTROLLER_ROLLOUTS_MAX]; /* By id, oldest first. */
    size_t runner_count;
    struct controller_lost lost[CONTROLLER_ROLLOUTS_MAX];
    size_t lost_count;
    uint64_t last_id; /* The greatest id ever given. */
    struct controller_call calls[CONTROLLER_CALLS_MAX];
    int status;
};

struct controller_tier *controller_tier_find(struct controller *, const char *name);
/* The rollout of that tier that is under way; NULL for none. */
struct runner *controller_active(const struct controller *, const char *tier);
/* By id; 0: the active one, else the newest. NULL for none. */
struct runner *controller_runner(const struct controller *, uint64_t id);

/* Starts a rollout of the tier. `to` and `only` may be "". */
struct runner *controller_update(struct controller *, const struct rows_head *wanted,
                                 struct error *);
/* Remembers (or forgets) that an operator keeps the host drained. */
bool controller_cordon(struct controller_tier *, size_t host, bool cordoned, struct error *);

/* The answer to GET /v1/status, and to GET /v1/rollouts/ID. */
void controller_status(struct controller *, struct text *);
void controller_rollout(const struct runner *, const struct watch *, struct text *);

/* The server_handler of controller.sock; the context is the controller. */
void controller_api(void *context, struct server_exchange *, const struct server_request *);
